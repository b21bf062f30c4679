"""What the law says of one order and one component of a grant of the same ESSMS, whichever came first.

The order at its deposit is judged by `cumul`, the grant by `grant_stage`; a pair is found later, when both
acts are there. Nothing new is decided here: the pair chooses the table that answers for it.

- Both acts stand: the later one is judged by the table of its own side (C13). When nobody can tell which it
  is, both tables are asked, each with its own reservation, and the more severe answer holds.
- One act is over: its own row answers, whoever was first (an order that lost its effect, a grant that came to
  nothing). When both are over, the less severe row holds: nothing is financed twice unless both remain.

What the date of a cancellation changes is the lock of R29, judged apart (`lock`, `grant_stage`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from sons_tracker.rules.case import Grant, SonsOrder
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.crossing import (
    answering_cell,
    first_act,
    grant_state,
    judged_components,
    known_word,
    order_state,
    software_word,
)
from sons_tracker.rules.cumul import order_answer
from sons_tracker.rules.french import date_fr
from sons_tracker.rules.grant_stage import grant_answer
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Vague
from sons_tracker.rules.verdicts import Facts, Finding, Outcome, severity

Answer = tuple[str, Finding]
Ask = Callable[[Vague, "Situation", date, date], Answer]

_LIVE_ORDER = "vivante"
_LIVE_GRANTS = frozenset({"accorde", "demande"})
_LATER = {"grant": "order", "order": "grant"}
# What a supplier, who may not see the grant, reads of an answer that speaks of the grant as the later act.
_DISCREET = {
    Outcome.FAIL: "Un autre financement de cet ESSMS se heurte à cette commande.",
    Outcome.REVIEW: "Un autre financement de cet ESSMS demande l'examen d'un contrôleur.",
    Outcome.UNKNOWN: "Les autres financements de cet ESSMS ne sont pas connus.",
    Outcome.WARN: "Un autre financement de cet ESSMS est demandé.",
    Outcome.PASS: "Aucun autre financement connu de cet ESSMS ne se heurte à cette commande.",
}


@dataclass(frozen=True, slots=True)
class Situation:
    """A pair in the words of the crossing tables (`crossing.py`); a nation has a few hundred distinct ones.

    `component`: equipment or usage. `order_state`: vivante, annulee or annulee_a_recouvrer. `first`: the
    earlier act, `grant`, `order`, `same_day` or `unknown`.
    """

    component: str
    phase: str
    grant_state: str
    order_state: str
    software: str
    referenced: str
    first: str

    @property
    def later(self) -> str | None:
        """The later act, which C13 refuses: `order` or `grant`; None when the dates do not tell."""
        return _LATER.get(self.first)


def situations(
    order: SonsOrder, grant: Grant, requested_on: date | None, phase: str
) -> tuple[Situation, ...]:
    """The situation of each component of a grant before an order of its ESSMS.

    `requested_on`: the day of the application; `phase`: that of the year of the call (`crossing.phase_of`).
    """
    state = grant_state(grant)
    if state == "demande":
        first = first_act(order.signed_on, requested_on)
    else:
        first = first_act(order.signed_on, grant.agreed_on, grant.first_payment_on)
    return tuple(
        Situation(
            component,
            phase,
            state,
            order_state(order),
            software_word(grant.solution, order.solution),
            known_word(grant.dui_referenced),
            first,
        )
        for component in judged_components(grant.components, grant.project)
    )


def pair_finding(vague: Vague, situation: Situation, on: date, known_on: date) -> Answer:
    """The rule that answers for a pair, and its finding.

    `on` is the day of the later act, or of the order when the dates do not tell. The facts are the words of
    the situation, `later` where it is known, and `refused` (`order` or `grant`) where the outcome is `fail`.
    """
    if vague.crossing_order.find(on, known_on) is None or vague.crossing_grant.find(on, known_on) is None:
        return "R26", _untold(on)
    order_stands = situation.order_state == _LIVE_ORDER
    grant_stands = situation.grant_state in _LIVE_GRANTS
    both = order_stands and grant_stands
    asked = _OF_ACT[situation.later] if both else _OF_STANDING[order_stands, grant_stands]
    answers = [ask(vague, situation, on, known_on) for ask in asked]
    return (max if both else min)(answers, key=lambda answer: severity(answer[1].outcome))


def _of_order(vague: Vague, situation: Situation, on: date, known_on: date) -> Answer:
    """The answer of the table that judges the order."""
    cells = required(vague.crossing_order.in_force(on, known_on))
    cell = answering_cell(cells, _words(situation, situation.grant_state))
    return cell.rule, _told(order_answer(cell, situation.first, _facts(situation)), "order")


def _of_grant(vague: Vague, situation: Situation, on: date, known_on: date) -> Answer:
    """The answer of the table that judges the grant."""
    cells = required(vague.crossing_grant.in_force(on, known_on))
    cell = answering_cell(cells, _words(situation, situation.order_state))
    finding = grant_answer(cell, situation.first, _facts(situation))
    return cell.rule, _told(replace(finding, discreet=_DISCREET[finding.outcome]), "grant")


def _words(situation: Situation, state: str) -> dict[str, str]:
    return {
        "component": situation.component,
        "phase": situation.phase,
        "state": state,
        "software": situation.software,
        "referenced": situation.referenced,
    }


def _facts(situation: Situation) -> Facts:
    later = () if situation.later is None else (("later", situation.later),)
    return (
        ("component", situation.component),
        ("phase", situation.phase),
        ("grant_state", situation.grant_state),
        ("order_state", situation.order_state),
        ("software", situation.software),
        ("referenced", situation.referenced),
        ("first", situation.first),
        *later,
    )


def _told(finding: Finding, judged: str) -> Finding:
    """A finding that refuses names the act that it refuses."""
    if finding.outcome is not Outcome.FAIL:
        return finding
    return replace(finding, facts=(*finding.facts, ("refused", judged)))


def _untold(on: date) -> Finding:
    return Finding(
        Outcome.UNKNOWN,
        f"Aucun texte connu ne croise le SONS et ESMS numérique au {date_fr(on)}.",
        RULES["R26"].source,
        "Vérifier les dates de la commande et du financement.",
    )


# Who answers for a pair: both acts standing, by the later one; else by which of (order, grant) stands.
_OF_ACT: Mapping[str | None, tuple[Ask, ...]] = {
    "order": (_of_order,),
    "grant": (_of_grant,),
    None: (_of_order, _of_grant),
}
_OF_STANDING: Mapping[tuple[bool, bool], tuple[Ask, ...]] = {
    (True, False): (_of_order,),
    (False, True): (_of_grant,),
    (False, False): (_of_order, _of_grant),
}
