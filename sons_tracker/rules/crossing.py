"""The vocabulary of the two crossing tables: how a grant or an order becomes the words that a row matches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import product

from sons_tracker.rules.case import Grant, SonsOrder
from sons_tracker.rules.parameters import Parameter, required
from sons_tracker.rules.texts import Call, Cell

Words = Mapping[str, str]

_STATES = {
    "requested": "demande",
    "agreed": "accorde",
    "first_paid": "accorde",
    "vsr": "accorde",
    "paid": "accorde",
    "rejected": "sans_suite",
    "withdrawn": "sans_suite",
    "abandoned": "sans_suite",
    "recovered": "rembourse",
}
_PAID_THEN_STOPPED = "abandon_apres_versement"
_STOPPED = frozenset({"rejected", "withdrawn", "abandoned"})

COMPONENTS, PHASES = ("equipment", "usage"), ("amorcage", "generalisation")
SOFTWARE, KNOWN = ("meme", "autre", "inconnu"), ("oui", "non", "inconnu")
GRANT_STATES = ("accorde", "demande", "sans_suite", _PAID_THEN_STOPPED, "rembourse")
ORDER_STATES = ("sans_commande", "vivante", "annulee", "annulee_a_recouvrer")
FIRST = ("grant", "order", "same_day", "unknown")


def grant_state(grant: Grant) -> str:
    """The state of a grant in the words of the crossing; what was paid before it stopped counts."""
    if grant.state in _STOPPED and grant.first_payment_on is not None:
        return _PAID_THEN_STOPPED
    return _STATES[grant.state]


def order_state(order: SonsOrder | None) -> str:
    """The state of a SONS order in the words of the crossing; None when no order names the ESSMS."""
    if order is None:
        return "sans_commande"
    if order.live:
        return "vivante"
    return "annulee_a_recouvrer" if order.advance_to_recover else "annulee"


def judged_components(components: Iterable[str], project: str) -> tuple[str, ...]:
    """`equipment` and/or `usage`: hardware and project management follow the DUI project (S0:1348-1372)."""
    asked = set(components)
    judged = asked & set(COMPONENTS)
    if judged != asked or not asked:
        judged.add("equipment" if project == "acquisition" else "usage")
    return tuple(sorted(judged))


def known_word(fact: bool | None) -> str:
    return "inconnu" if fact is None else "oui" if fact else "non"


def software_word(solution: str | None, other: str | None) -> str:
    """Same software is the same solution, whatever its version."""
    if solution is None or other is None:
        return "inconnu"
    return "meme" if solution == other else "autre"


def phase_of(calls: Mapping[int, Parameter[Call]], year: int, known_on: date) -> str:
    """`amorcage` or `generalisation` for the year of a call, also where its amounts are not known.

    The généralisation begins with the first call of that phase and has not ended since.
    """
    starts = [
        y
        for y, parameter in calls.items()
        if (version := parameter.find(known_on, known_on)) is not None
        and required(version).phase == "generalisation"
    ]
    return "generalisation" if starts and year >= min(starts) else "amorcage"


def first_act(signed_on: date, agreed_on: date | None, first_payment_on: date | None = None) -> str:
    """Which of an order and a grant is the earlier act (C13), in the words of `FIRST`.

    A payment bounds an agreement whose own date is missing: made before the signature, the grant was first;
    made later, it tells nothing.
    """
    bound = agreed_on or first_payment_on
    if bound is not None and bound < signed_on:
        return "grant"
    if agreed_on is None:
        return "unknown"
    return "same_day" if agreed_on == signed_on else "order"


def matching_cell(cells: Iterable[Cell], words: Words) -> Cell | None:
    """The first row of a crossing table whose conditions all hold for `words`."""
    for cell in cells:
        wanted = (
            (cell.component, words["component"]),
            (cell.phase, words["phase"]),
            (cell.state, words["state"]),
            (cell.software, words["software"]),
            (cell.referenced, words["referenced"]),
        )
        if all(not accepted or word in accepted for accepted, word in wanted):
            return cell
    return None


def answering_cell(cells: Iterable[Cell], words: Words) -> Cell:
    """The row that answers: the loader refuses a table that leaves a situation without one."""
    cell = matching_cell(cells, words)
    assert cell is not None
    return cell


def uncovered(cells: tuple[Cell, ...], states: Iterable[str]) -> Iterator[Words]:
    """The situations for which a crossing table has no row."""
    for component, phase, state, software, referenced in product(COMPONENTS, PHASES, states, SOFTWARE, KNOWN):
        words = {
            "component": component,
            "phase": phase,
            "state": state,
            "software": software,
            "referenced": referenced,
        }
        if matching_cell(cells, words) is None:
            yield words
