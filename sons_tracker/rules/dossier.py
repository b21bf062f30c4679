"""The life of an order as the rules read it: facts only, frozen, loaded beforehand.

Amounts in cents TTC, instants aware. `None` means that the thing does not exist, or is not known where the
field says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sons_tracker.rules.case import Referencing
from sons_tracker.rules.lifecycle import OPEN_STATES
from sons_tracker.rules.signatories import Capacity, Signatory


@dataclass(frozen=True, slots=True)
class DossierLine:
    """One ESSMS of the order; `removed` from the perimeter by an amendment (C10).

    `planned_ttc_cents` and `received_ttc_cents` are the sums of the ledger: what the line is worth now, and
    what the supplier has had for it, net of what was compensated or recovered.
    """

    finess: str
    unit_ttc_cents: int | None
    advance_ttc_cents: int | None
    solde_ttc_cents: int | None
    removed: bool
    planned_ttc_cents: int
    received_ttc_cents: int


@dataclass(frozen=True, slots=True)
class DossierRequest:
    """A request of advance or solde; an inadmissible one stays in the dossier."""

    id: UUID
    kind: str
    state: str
    received_at: datetime
    referenced_on: date | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class DossierPayment:
    """The advance or the solde; `due_ttc_cents` is None while it is planned."""

    id: UUID
    kind: str
    state: str
    amount_ttc_cents: int
    due_ttc_cents: int | None
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenCorrection:
    """A correction asked and not answered yet; `request_id` is None when it is about the order."""

    id: UUID
    request_id: UUID | None
    kind: str
    reason: str
    asked_at: datetime
    answer_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenVerdict:
    """A verdict of the deposit that waits for a person."""

    rule: str
    essms: tuple[str, ...]
    outcome: str
    message: str


@dataclass(frozen=True, slots=True)
class RefusedVerdict:
    """A verdict that refused the deposit."""

    rule: str
    message: str
    remedy: str | None


@dataclass(frozen=True, slots=True)
class DossierVa:
    """The VA in force: prepared by the supplier, then signed by the OG. `state`: prepared or signed; `essms`:
    the numbers that it attests."""

    id: UUID
    state: str
    prepared_at: datetime
    signed_at: datetime | None
    essms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DossierCancellation:
    """A cancellation that is asked and not over. `state`: open, or to_settle when its pieces are whole and a
    reviewer must speak; `asked_by`: supplier or og.

    `required` and `given` are pieces; `attested_at`: when the OG signed; `answer_due_at`: the last instant of
    the supplier to answer an OG. `document` is the attestation that the OG is shown, None when none is
    required.
    """

    id: UUID
    state: str
    motive: str
    for_acquisition: bool | None
    asked_by: str
    asked_at: datetime
    required: tuple[str, ...]
    given: tuple[str, ...]
    attested_at: datetime | None
    answer_due_at: datetime | None
    document: str | None

    @property
    def waits_for_statement(self) -> bool:
        """Whether the supplier's statement on honour is missing."""
        return "statement" in self.required and "statement" not in self.given

    @property
    def waits_for_attestation(self) -> bool:
        """Whether the OG's attestation de renonciation is missing."""
        return self.document is not None and "renunciation" not in self.given


@dataclass(frozen=True, slots=True)
class DossierAmendment:
    """A removal of ESSMS that one party proposed; `proposed_by`: supplier or og. `document` is what both
    sign."""

    id: UUID
    number: int
    proposed_by: str
    proposer_id: UUID
    removed: tuple[str, ...]
    document: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything that decides what can be done with an order now.

    `state` is that of the order. `open_verdicts` are the verdicts of the deposit that hold a `to_review`
    order, `refused_verdicts` those that refused one. `missing_enrolment`: what the supplier's enrolment
    lacks, empty when it is complete. `signatory`: what the reader may sign for the OG; None when it is no
    member of one.
    """

    id: UUID
    number: str
    state: str
    version: int
    dispositif: str
    vague: str
    signed_on: date
    received_at: datetime
    conditional: bool
    supplier_id: UUID
    og_id: UUID
    og_finess: str
    solution_version: str
    solution: str | None
    order_document_present: bool
    total_ttc_cents: int | None
    lines: tuple[DossierLine, ...]
    referencings: tuple[Referencing, ...]
    requests: tuple[DossierRequest, ...]
    payments: tuple[DossierPayment, ...]
    correction: OpenCorrection | None
    open_verdicts: tuple[OpenVerdict, ...]
    refused_verdicts: tuple[RefusedVerdict, ...]
    missing_enrolment: tuple[str, ...]
    va: DossierVa | None
    cancellation: DossierCancellation | None
    amendment: DossierAmendment | None
    signatory: Signatory | None = None

    @property
    def is_open(self) -> bool:
        """Not over: it can still be performed, cancelled, or met by the clôture."""
        return self.state in OPEN_STATES

    @property
    def kept(self) -> tuple[DossierLine, ...]:
        """The lines of the perimeter as it is now."""
        return tuple(line for line in self.lines if not line.removed)

    def request(self, kind: str) -> DossierRequest | None:
        """The live request of that kind; an inadmissible one does not count."""
        return next((r for r in self.requests if r.kind == kind and r.state != "inadmissible"), None)

    def payment(self, kind: str) -> DossierPayment | None:
        """The advance or the solde; None when it is worth nothing."""
        return next((p for p in self.payments if p.kind == kind), None)

    def capacity(self, act: str, at: datetime) -> Capacity | None:
        """In what capacity the reader signs this act for the OG; None when it does not, or may not."""
        return None if self.signatory is None else self.signatory.capacity(act, at)

    @property
    def advance_is_out(self) -> bool:
        """Whether the advance was paid and did not come back."""
        advance = self.payment("advance")
        return advance is not None and advance.state in ("paid", "to_recover")

    def referenced_on(self, day: date) -> date | None:
        """The first day, `day` at the latest, on which the version was referenced; None when it never was.

        The signature's day counts first: a version referenced then may have left the list since (R11).
        """
        if any(r.covers(self.signed_on) for r in self.referencings):
            return self.signed_on
        begun = [
            r.referenced_from
            for r in self.referencings
            if r.referenced_from is not None and r.covers(max(r.referenced_from, self.signed_on))
        ]
        return min((d for d in begun if self.signed_on <= d <= day), default=None)
