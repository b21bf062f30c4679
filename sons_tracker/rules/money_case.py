"""The facts that the stages after the deposit are asked about: advance, VA, solde, cancellation.

Frozen and loaded beforehand, like the order's own file (`case.py`). `None` where a fact may be missing
means *not known* or *not declared*. Instants are aware; amounts are cents. Nothing here names a person
except `Invoice.signatory_name` and `SignedVa.signer_name`, which no finding ever repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sons_tracker.rules.case import Referencing
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique

HANDWRITTEN, ELECTRONIC = "handwritten", "electronic"
# How an OG validates an order (R15, S0:1601), and how it signs a VA (R17, S0:1617).
ORDER_SIGNATURES = (HANDWRITTEN, ELECTRONIC)
VA_SIGNATURES = ("cpx", "psc", "rgs", "eidas_simple", "eidas_advanced", "eidas_qualified")

# Pieces of a cancellation, and its motives: what each motive requires stands in the law.
STATEMENT, AGREEMENT, RENUNCIATION = "statement", "agreement", "renunciation"
PIECES = (STATEMENT, AGREEMENT, RENUNCIATION)
MOTIVES = ("supplier_error", "agreement", "change_of_editor", "renunciation", "acquisition")
ACQUISITION = "acquisition"


@dataclass(frozen=True, slots=True)
class AdvanceCase:
    """A request for the advance of an order.

    `received_at`: when the request came in. `signature_kind`: how the OG signed the order (`handwritten`,
    `electronic`), None when nobody said. `document_present`: the signed order is there. `referencings`: the
    lines of the latest ANS list for the ordered version, all dispositifs; None when no list knows it.
    """

    dispositif: str
    signed_on: date
    received_at: datetime
    signature_kind: str | None
    document_present: bool
    referencings: tuple[Referencing, ...] | None


@dataclass(frozen=True, slots=True)
class VaLine:
    """What a VA says of one ESSMS (R18); None where it says nothing.

    `tbb1_supplied`: the dashboard of requirement TBB.1 is supplied, with values different from zero.
    Counts of records: `accompanied` people (the file active), `active` records of theirs, and among these
    those `with_project` (a personalised project) and `with_event` (one event at least).
    """

    finess: FinessGeographique
    dui_deployed: bool | None
    tbb1_supplied: bool | None
    accompanied: int | None
    active: int | None
    with_project: int | None
    with_event: int | None


@dataclass(frozen=True, slots=True)
class VaCase:
    """A VA as it is signed, or about to be.

    `signer_is_og`: the signer answers for the OG of the order. `expected`: the perimeter, the ESSMS of the
    order without those removed from it.
    """

    dispositif: str
    signed_at: datetime
    signer_is_og: bool
    signature_kind: str | None
    lines: tuple[VaLine, ...]
    expected: tuple[FinessGeographique, ...]


@dataclass(frozen=True, slots=True)
class SignedVa:
    """A VA that was accepted: when and by whom it was signed, the ESSMS that it attests.

    `deploiement_mss`: `cas_1` or `cas_2` as the VA says, None when it does not.
    """

    signed_at: datetime
    signer_name: str
    essms: tuple[FinessGeographique, ...]
    deploiement_mss: str | None = None


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One ESSMS of an invoice, in cents."""

    finess: FinessGeographique
    ht_cents: int
    vat_cents: int
    ttc_cents: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """The invoice issued to the OG, in cents.

    `og`: the FINESS juridique that it is addressed to. `share_percent`: the part of the prestation that it
    bills. `vat_rate_percent`: the rate that it bears, None when it bears no VAT.
    """

    number: str
    issued_on: date
    og: FinessJuridique
    signatory_name: str
    share_percent: int
    vat_rate_percent: int | None
    lines: tuple[InvoiceLine, ...]
    ht_cents: int
    vat_cents: int
    ttc_cents: int


@dataclass(frozen=True, slots=True)
class OrderedLine:
    """One ESSMS of the order at the solde, in cents; `removed` from the perimeter since (C10)."""

    finess: FinessGeographique
    unit_ttc_cents: int
    removed: bool = False


@dataclass(frozen=True, slots=True)
class SoldeCase:
    """A request for the solde of an order.

    `vat_liable`: the supplier's VAT situation on the day of the invoice, None when it is not known.
    `advance_paid_cents`: what was paid in advance and not recovered. `deploiement_mss`: what the request
    declares, None when its schema does not ask for it. `filed_at`: when these pieces came, None with the
    request itself; a request that was sent back keeps its `received_at`.
    """

    dispositif: str
    og: FinessJuridique
    signed_on: date
    received_at: datetime
    lines: tuple[OrderedLine, ...]
    va: SignedVa | None
    invoice: Invoice | None
    vat_liable: bool | None
    advance_paid_cents: int
    deploiement_mss: str | None = None
    filed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LineMoney:
    """The money of one ESSMS at the solde, in cents TTC; `invoiced_cents` is None when it is not invoiced."""

    finess: FinessGeographique
    unit_ttc_cents: int
    advance_paid_cents: int
    invoiced_cents: int | None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class CancellationCase:
    """A cancellation of an order, for all its ESSMS.

    `motive`: one of `MOTIVES`, None when nobody said. `for_acquisition`: whether it is made to ask for an
    ESMS numérique acquisition, None when nobody said; the motive `acquisition` says it by itself. `pieces` ⊂
    `PIECES`. `va_deposited_at`: when the VA reached the paying agency.
    """

    dispositif: str
    essms: tuple[FinessGeographique, ...]
    cancelled_at: datetime
    motive: str | None
    for_acquisition: bool | None
    va_deposited_at: datetime | None
    pieces: frozenset[str]
