"""The matrix of the crossing, both ways: `tests/cases/croisement_paires.toml` played, shown whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from sons_tracker.law import load
from sons_tracker.rules.case import AskedEssms, Grant, GrantCase, SonsOrder
from sons_tracker.rules.crossing import FIRST, phase_of
from sons_tracker.rules.crossing_pair import Situation, pair_finding, situations
from sons_tracker.rules.grant_stage import assess_grant
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Cell
from sons_tracker.rules.verdicts import Finding, severity
from tests.rules.cases import UNKNOWN, Example, differing, examples, number_of, paris, worst

LAW = load().law
VAGUE = LAW.vagues["V1"]
KNOWN_ON = date(2025, 6, 1)
EXAMPLES = examples("pair")
ORDINARY: Mapping[str, Any] = {
    "year": 2022,
    "project": "acquisition",
    "components": ["equipment"],
    "solution": "DUI-A",
    "referenced": True,
    "requested_on": date(2022, 3, 20),
    "order_solution": "DUI-A",
    "signed_on": date(2022, 6, 1),
    "va_deposited_at": UNKNOWN,
    "cancelled_at": UNKNOWN,
    "for_acquisition": UNKNOWN,
    "advance_to_recover": False,
}
# The life of a grant: its state is that of the last date that the case gives.
LIFE = ("requested", "agreed", "first_paid", "vsr", "paid", "rejected", "abandoned", "withdrawn", "recovered")
LATER_DATES = {f"{state}_on": UNKNOWN for state in LIFE[1:]}
GRANT_STAGE = frozenset({"R29", "R31"})


def acts(given: Mapping[str, Any]) -> tuple[SonsOrder, Grant, date]:
    """The order, the grant and the day of its application."""
    facts = differing({**ORDINARY, **LATER_DATES}, given)
    order = SonsOrder(
        number="BC-2022-000001",
        solution=facts["order_solution"],
        signed_on=facts["signed_on"],
        live=facts["cancelled_at"] is None,
        va_deposited_at=paris(facts["va_deposited_at"]),
        cancelled_at=paris(facts["cancelled_at"]),
        for_acquisition=facts["for_acquisition"],
        advance_to_recover=facts["advance_to_recover"],
    )
    grant = Grant(
        reference="ESMS-9",
        year=facts["year"],
        project=facts["project"],
        components=tuple(facts["components"]),
        state=[state for state in LIFE if facts[f"{state}_on"] is not None][-1],
        solution=facts["solution"],
        dui_referenced=facts["referenced"],
        agreed_on=facts["agreed_on"],
        first_payment_on=facts["first_paid_on"],
    )
    return order, grant, facts["requested_on"]


def answers(given: Mapping[str, Any]) -> list[tuple[Situation, str, Finding]]:
    """What the pair says of each component, on the day of the later act."""
    order, grant, requested_on = acts(given)
    on = max(order.signed_on, grant.agreed_on or requested_on)
    pairs = situations(order, grant, requested_on, phase_of(LAW.calls, grant.year, KNOWN_ON))
    return [(situation, *pair_finding(VAGUE, situation, on, KNOWN_ON)) for situation in pairs]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_pair(example: Example) -> None:
    found = answers(example.given)
    wanted = dict(example.expected)
    for rule in GRANT_STAGE & set(wanted):
        order, grant, requested_on = acts(example.given)
        line = AskedEssms(number_of(0), (order,), (), None)
        case = GrantCase(
            grant.reference,
            "V1",
            grant.year,
            grant.project,
            grant.components,
            grant.solution,
            grant.dui_referenced,
            grant.agreed_on,
            (line,),
        )
        assert worst(assess_grant(case, LAW, requested_on, KNOWN_ON), rule) == wanted.pop(rule)
    main, *_ = sorted(found, key=lambda one: -severity(one[2].outcome))
    facts = dict(main[2].facts)
    assert facts.get("refused", UNKNOWN) == wanted.pop("refused")
    if "later" in wanted:
        assert facts.get("later", UNKNOWN) == wanted.pop("later")
    if "says" in wanted:
        assert wanted.pop("says") in main[2].message
    said = {
        rule: str(finding.outcome) + (", à confirmer" if finding.a_confirmer else "")
        for _, rule, finding in found
    }
    assert said == wanted


def reaches(cell: Cell, situation: Situation, state: str) -> bool:
    """Whether the conditions of a row hold for a situation; an earlier row may answer it."""
    asked = (
        (cell.component, situation.component),
        (cell.phase, situation.phase),
        (cell.state, state),
        (cell.software, situation.software),
        (cell.referenced, situation.referenced),
    )
    return all(not accepted or word in accepted for accepted, word in asked)


PLAYED = [one for example in EXAMPLES for one in answers(example.given)]
ORDER_CELLS = required(VAGUE.crossing_order.in_force(KNOWN_ON, KNOWN_ON))
GRANT_CELLS = required(VAGUE.crossing_grant.in_force(KNOWN_ON, KNOWN_ON))
# No order, no pair.
CELLS = [("order", c) for c in ORDER_CELLS] + [
    ("grant", c) for c in GRANT_CELLS if c.state != {"sans_commande"}
]


@pytest.mark.parametrize(("side", "cell"), CELLS, ids=lambda value: getattr(value, "message", value))
def test_each_row_of_the_law_answers_a_case(side: str, cell: Cell) -> None:
    assert any(f.source == cell.source and f.message.startswith(cell.message) for _, _, f in PLAYED)


@pytest.mark.parametrize(("side", "cell"), CELLS, ids=lambda value: getattr(value, "message", value))
def test_each_row_of_the_law_is_met_whoever_was_first(side: str, cell: Cell) -> None:
    met = {
        situation.first
        for situation, _, _ in PLAYED
        if reaches(cell, situation, situation.grant_state if side == "order" else situation.order_state)
    }
    # an application bears its own date: the order in which it and an order came is always known
    possible = set(FIRST) - ({"unknown"} if cell.state == {"demande"} else set())
    assert met >= possible


def test_every_combination_of_a_grant_that_stands_meets_an_order_both_ways() -> None:
    played = {
        (s.component, s.phase, s.software, s.first)
        for s, _, _ in PLAYED
        if s.grant_state == "accorde" and s.order_state == "vivante"
    }
    missing = {
        (component, "generalisation", software, first)
        for component in ("equipment", "usage")
        for software in ("meme", "autre", "inconnu")
        for first in FIRST
    } - played
    assert not missing


def test_every_case_names_its_source() -> None:
    assert all(":" in example.source for example in EXAMPLES)
