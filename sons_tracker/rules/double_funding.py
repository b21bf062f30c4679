"""What the law says of the pairs that a detection finds, beside the crossing of an order and a grant.

Two orders of one ESSMS (R05, C17), two grants of one ESSMS (R28), an order cancelled before an acquisition is
asked for (R29), one establishment under two numbers (R05, R07), a line that the register no longer bears out
(R08, R36, R37). Each answer names what it used; none decides: a case does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from sons_tracker.rules.case import AskedEssms, Grant, GrantCase, SonsOrder
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.crossing import grant_state, phase_of
from sons_tracker.rules.grant_stage import GrantContext, r28_second_grant, r29_lock
from sons_tracker.rules.identifiers import FinessGeographique
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Facts, Finding, Outcome, severity

Answer = tuple[str, Finding]

_STANDING = frozenset({"accorde", "demande"})
_NOBODY = FinessGeographique("")
_RIGHT_THEN = "La commande était juste à son extraction de référence : un contrôleur décide."


def second_order(settled: bool) -> Answer:
    """R05 (S0:1525) read with C17: an order was refused for the sole reason that another holds its ESSMS.

    `settled`: the holder was paid its solde, so that the prestation is already financed in the vague.
    """
    held = "déjà financé dans la vague par une commande soldée" if settled else "tenu par une autre commande"
    finding = Finding(
        Outcome.FAIL,
        f"Une commande signée n'a été refusée que parce que cet ESSMS est {held}.",
        RULES["R05"].source,
        "Demander des précisions aux deux fournisseurs, puis décider laquelle est maintenue.",
        (("holder", "settled" if settled else "live"),),
        ("C17",),
    )
    return "R05", finding


def one_place_two_numbers(kind: str, confirmed: bool) -> Answer:
    """R05 read with R07: two orders hold two numbers of which one follows the other.

    `kind`: merger, split, move or renumbering. A confirmed succession makes them one ESSMS, financed once. Of
    a split, and of a succession that nobody confirmed, a person judges: two activities count twice (R07).
    """
    same = confirmed and kind != "split"
    finding = Finding(
        Outcome.FAIL if same else Outcome.REVIEW,
        "Un même établissement est financé sous deux numéros FINESS, dont l'un succède à l'autre."
        if same
        else "Deux numéros FINESS financés pourraient être un seul établissement.",
        RULES["R05" if same else "R07"].source,
        "Demander à l'organisme gestionnaire lequel des deux numéros est en service.",
        (("succession", kind), ("confirmed", "oui" if confirmed else "non")),
        a_confirmer=True,
    )
    return "R05", finding


def second_grant(law: Law, vague: str, earlier: Grant, later: Grant, on: date, known_on: date) -> Answer:
    """R28 (S1:333-335) for two grants of one ESSMS, `on` being the day of the later one.

    Both stand: the later is judged. One is over: its own row answers, whoever was first. Both are over: the
    less severe row holds, as for an order and a grant (`crossing_pair`).
    """
    stands = {grant.reference: grant_state(grant) in _STANDING for grant in (earlier, later)}
    asked = [(later, earlier)] if stands[later.reference] else [(earlier, later)]
    if not any(stands.values()):
        asked.append((later, earlier))
    answers = [_beside(law, vague, judged, other, on, known_on) for judged, other in asked]
    return "R28", min(answers, key=lambda finding: severity(finding.outcome))


def _beside(law: Law, vague: str, judged: Grant, other: Grant, on: date, known_on: date) -> Finding:
    ctx = _context(law, vague, judged, on, known_on)
    return _without(r28_second_grant(ctx)(AskedEssms(_NOBODY, (), (other,), None)), "grant")


def acquisition_after(
    law: Law, vague: str, order: SonsOrder, grant: Grant, on: date, known_on: date
) -> Answer | None:
    """R29 (S2:500, S2:516-519) for an order that was cancelled before an acquisition was asked for or agreed.

    `on` is the day of the request. None where the grant came to nothing: nobody got what R29 forbids.
    """
    if grant_state(grant) not in _STANDING:
        return None
    ctx = _context(law, vague, grant, on, known_on)
    return "R29", _without(r29_lock(ctx)(AskedEssms(_NOBODY, (order,), None, None)), "order")


def _context(law: Law, vague: str, grant: Grant, on: date, known_on: date) -> GrantContext:
    case = GrantCase(
        reference=grant.reference,
        vague=vague,
        year=grant.year,
        project=grant.project,
        components=grant.components,
        solution=grant.solution,
        dui_referenced=grant.dui_referenced,
        agreed_on=grant.agreed_on,
        lines=(),
    )
    phase = phase_of(law.calls, grant.year, known_on)
    return GrantContext(case, law, law.vagues[vague], on, known_on, phase)


def _without(finding: Finding, name: str) -> Finding:
    """A pair already says which acts it is about: the same answer to many pairs is one finding."""
    return replace(finding, facts=tuple(fact for fact in finding.facts if fact[0] != name))


@dataclass(frozen=True, slots=True)
class PlaceNow:
    """An ordered ESSMS in the latest stock, where its row changed since the extraction of the order.

    `changed_on`: the first extraction that says so, None when the number was never seen. `present`: whether
    the stock has it. `elsewhere`: the FINESS juridique that it is attached to, when not that of the order.
    """

    changed_on: date | None
    present: bool
    in_service: bool
    elsewhere: str | None
    category: str
    aggregate: str | None


def perimeter_now(
    law: Law, dispositif: str, place: PlaceNow, signed_on: date, known_on: date
) -> tuple[Answer, ...]:
    """R36, R08 and R37 for a line of a live order before the latest register.

    The order was right at its own extraction: nothing fails, a person looks. The categories and couloirs are
    those of the law on `signed_on`. What the stock does not say (attachment, aggregate, couloir) differs from
    nothing.
    """
    facts: Facts = () if place.changed_on is None else (("changed_on", place.changed_on.isoformat()),)
    if not place.present:
        absent = "Ce FINESS géographique ne figure plus au registre : l'absence n'est pas une fermeture."
        return (_follows("R36", absent, facts),)
    found: list[Answer] = []
    if not place.in_service:
        found.append(_follows("R36", "Le registre dit désormais cet ESSMS fermé.", facts))
    if place.elsewhere is not None:
        message = f"Le registre rattache désormais cet ESSMS au FINESS juridique {place.elsewhere}."
        found.append(_follows("R36", message, (*facts, ("finess_juridique", place.elsewhere))))
    of_order, _ = dispositif_of(law, dispositif)
    described = (*facts, ("category", place.category), ("aggregate", place.aggregate or "inconnu"))
    categories = of_order.categories.find(signed_on, known_on)
    if categories is not None and place.aggregate and place.aggregate not in required(categories):
        message = (
            f"Catégorie {place.category} au registre : l'agrégat {place.aggregate} n'est pas éligible à"
            f" {dispositif}."
        )
        found.append(_follows("R08", message, described))
    domaines = law.register.domaines.find(signed_on, known_on)
    domaine = None if domaines is None else required(domaines).domaine(place.category, place.aggregate)
    if domaine is not None and domaine not in of_order.domaines:
        message = f"Le domaine {domaine} de cet ESSMS au registre ne relève pas de {dispositif}."
        found.append(_follows("R37", message, (*described, ("domaine", domaine))))
    return tuple(found)


def _follows(rule: str, message: str, facts: Facts) -> Answer:
    finding = Finding(
        Outcome.REVIEW,
        f"{message} {_RIGHT_THEN}",
        RULES[rule].source,
        "Vérifier l'ESSMS auprès de l'organisme gestionnaire, puis de l'ARS si le doute demeure.",
        facts,
        ("C14",),
        a_confirmer=True,
    )
    return rule, finding
