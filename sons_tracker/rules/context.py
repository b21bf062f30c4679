"""What the law says about one file, looked up once before the rules are asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.case import Case, OrderedEssms, Referencing
from sons_tracker.rules.parameters import Version, required
from sons_tracker.rules.tariff import tranche_of
from sons_tracker.rules.texts import Bareme, Dispositif, DomaineTable, Law, Limit, Tranche, Vague


@dataclass(frozen=True, slots=True)
class Context:
    """A case with the versions of the law that apply to it.

    `on` is the day of the signature, `known_on` the day of the knowledge. A version is None where no
    value is in force for that day: the rules that need it then answer `unknown`.
    """

    case: Case
    law: Law
    on: date
    known_on: date
    dispositif: Dispositif
    vague: Vague
    bareme: Version[Bareme] | None
    advance: Version[int] | None
    fermeture: Version[Limit] | None
    cloture: Version[Limit] | None
    domaines: Version[DomaineTable] | None
    tranche: Tranche | None

    def domaine(self, line: OrderedEssms) -> str | None:
        """The domaine of an ordered ESSMS, None when its category is in no table or it is not known."""
        place = line.establishment
        if place is None or self.domaines is None:
            return None
        return required(self.domaines).domaine(place.category, place.aggregate)

    @property
    def referencings(self) -> tuple[Referencing, ...]:
        """The lines of the ANS list for the ordered version under this dispositif."""
        solution = self.case.solution
        return () if solution is None else referencings_for(solution.referencings, self.dispositif.code)

    @property
    def referenced_at_signature(self) -> bool:
        return any(r.covers(self.on) for r in self.referencings)

    @property
    def conditional(self) -> bool:
        """Whether the order still waits for the referencing of its version (R11, R12).

        A version that no list knows waits for nothing: R11 answers for it.
        """
        return (
            self.case.solution is not None
            and not self.referenced_at_signature
            and not any(r.covers(self.known_on) for r in self.referencings)
        )


def referencings_for(lines: tuple[Referencing, ...], dispositif: str) -> tuple[Referencing, ...]:
    """The lines of one dispositif."""
    return tuple(line for line in lines if line.dispositif == dispositif)


def dispositif_of(law: Law, code: str) -> tuple[Dispositif, Vague]:
    """The dispositif and its vague.

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown code.
    """
    found = law.dispositifs.get(code)
    if found is None:
        raise SonsError(
            ErrorCode.INVALID_REQUEST,
            f"Le dispositif « {code[:20]} » n'existe pas."
            f" Dispositifs connus : {', '.join(sorted(law.dispositifs))}.",
        )
    return found, law.vagues[found.vague]


def open_case(case: Case, law: Law, on: date, known_on: date) -> Context:
    """The context of a case: `on` the signature, `known_on` the Paris day of the business instant.

    The calendar is a question about the law as it is known: its own day is `known_on` (R20, R21).

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif.
    """
    dispositif, vague = dispositif_of(law, case.dispositif)
    bareme = dispositif.bareme.find(on, known_on)
    counted = case.essms_of_og
    return Context(
        case=case,
        law=law,
        on=on,
        known_on=known_on,
        dispositif=dispositif,
        vague=vague,
        bareme=bareme,
        advance=dispositif.advance_percent.find(on, known_on),
        fermeture=dispositif.fermeture.find(known_on, known_on),
        cloture=dispositif.cloture.find(known_on, known_on),
        domaines=law.register.domaines.find(on, known_on),
        tranche=tranche_of(required(bareme), counted) if bareme is not None and counted else None,
    )
