"""What an order asks, once read and checked at an edge: identifiers are well formed, numbers are cents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique
from sons_tracker.rules.texts import Law

MOST_ESSMS = 2_000
"""More than any OG has; a bound of the software, not of the law."""


@dataclass(frozen=True, slots=True)
class RequestedEssms:
    """One ESSMS of a request; `unit_ttc_cents` None asks the full rate of the barème."""

    finess: FinessGeographique
    unit_ttc_cents: int | None
    dui_in_place: str | None


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order as it is asked for, simulated or deposited. `order_document_sha256`: 32 bytes."""

    dispositif: str
    og: FinessJuridique
    essms: tuple[RequestedEssms, ...]
    solution_version: str
    signed_on: date
    already_equipped: bool | None
    supplier_reference: str | None
    order_document_sha256: bytes | None


def known_on(at: datetime) -> date:
    """The day on which what is known is known: the Paris date of the business instant."""
    return at.astimezone(PARIS).date()


def check_request(request: OrderRequest, law: Law, at: datetime) -> None:
    """What makes a request malformed, whatever the law says.

    Raises:
        SonsError: `INVALID_REQUEST`: an unknown dispositif, nothing ordered, an ESSMS named twice, too many,
            signed in the future.
    """
    faults = []
    if request.dispositif not in law.dispositifs:
        known = ", ".join(sorted(law.dispositifs))
        faults.append(Fault("$.dispositif", f"Ce dispositif est inconnu ; les dispositifs connus : {known}."))
    if not 0 < len(request.essms) <= MOST_ESSMS:
        faults.append(Fault("$.essms", f"Une commande porte sur 1 à {MOST_ESSMS} ESSMS."))
    first: dict[str, int] = {}
    for index, line in enumerate(request.essms):
        before = first.setdefault(line.finess, index)
        if before != index:
            sentence = f"L'ESSMS {line.finess} est déjà nommé à la position {before}."
            faults.append(Fault(f"$.essms[{index}]", sentence))
    if request.signed_on > known_on(at):
        faults.append(Fault("$.signed_on", "La date de signature est dans le futur."))
    if faults:
        more = "" if len(faults) == 1 else f" ({len(faults)} défauts)"
        raise SonsError(
            ErrorCode.INVALID_REQUEST,
            f"La commande est mal formée : {faults[0].message}{more}",
            tuple(faults),
        )
