"""A pair says what the deposit and the grant's own stage say, in every situation that the tables know."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product

from sons_tracker.law import load
from sons_tracker.rules.assessment import assess
from sons_tracker.rules.case import AskedEssms, Grant, GrantCase, SonsOrder
from sons_tracker.rules.crossing import (
    COMPONENTS,
    FIRST,
    GRANT_STATES,
    KNOWN,
    ORDER_STATES,
    PHASES,
    SOFTWARE,
    phase_of,
)
from sons_tracker.rules.crossing_pair import Situation, pair_finding, situations
from sons_tracker.rules.cumul import CROSSING_RULES
from sons_tracker.rules.families import fact_fr
from sons_tracker.rules.grant_stage import assess_grant
from sons_tracker.rules.verdicts import Finding, Outcome, Verdict, severity
from tests.rules.cases import number_of, order_case

LAW = load().law
VAGUE = LAW.vagues["V1"]
SIGNED, KNOWN_ON = date(2022, 6, 1), date(2025, 6, 1)
STANDING = ("accorde", "demande")
EVERY = [
    Situation(*words)
    for words in product(COMPONENTS, PHASES, GRANT_STATES, ORDER_STATES[1:], SOFTWARE, KNOWN, FIRST)
]
Said = tuple[str, Outcome, str]

_DAYS = {
    "grant": SIGNED - timedelta(days=1),
    "order": SIGNED + timedelta(days=1),
    "same_day": SIGNED,
    "unknown": None,
}
_STATES = {
    "accorde": "agreed",
    "demande": "requested",
    "sans_suite": "rejected",
    "abandon_apres_versement": "abandoned",
    "rembourse": "recovered",
}
_SOLUTIONS = {"meme": "DUI-A", "autre": "DUI-B", "inconnu": None}
_KNOWN = {"oui": True, "non": False, "inconnu": None}
_YEARS = {"amorcage": 2021, "generalisation": 2022}


def built(situation: Situation) -> tuple[SonsOrder, Grant, date | None]:
    """An order, a grant and the day of its application that make this situation."""
    live = situation.order_state == "vivante"
    order = SonsOrder(
        number="BC-2022-000001",
        solution="DUI-A",
        signed_on=SIGNED,
        live=live,
        va_deposited_at=None,
        cancelled_at=None if live else datetime(2022, 8, 1, 10, tzinfo=UTC),
        for_acquisition=None,
        advance_to_recover=situation.order_state == "annulee_a_recouvrer",
    )
    day = _DAYS[situation.first]
    paid = situation.grant_state in {"abandon_apres_versement", "rembourse"}
    grant = Grant(
        reference="ESMS-9",
        year=_YEARS[situation.phase],
        project="upgrade" if situation.component == "usage" else "acquisition",
        components=(situation.component,),
        state=_STATES[situation.grant_state],
        solution=_SOLUTIONS[situation.software],
        dui_referenced=_KNOWN[situation.referenced],
        agreed_on=None if situation.grant_state == "demande" else day,
        # a payment after the signature bounds nothing: it leaves an unknown agreement unknown
        first_payment_on=(day or SIGNED + timedelta(days=9)) if paid else None,
    )
    return order, grant, day if situation.grant_state == "demande" else SIGNED - timedelta(days=90)


def said(situation: Situation) -> Said:
    """What the pair says, in the words in which a verdict would say it."""
    rule, finding = pair_finding(VAGUE, situation, SIGNED, KNOWN_ON)
    return rule, finding.outcome, spoken(finding)


def spoken(finding: Finding) -> str:
    return finding.message + (" (Valeur à confirmer.)" if finding.a_confirmer else "")


def at_deposit(situation: Situation) -> set[Said]:
    """What the deposit of the order says of the crossing."""
    _, grant, _ = built(situation)
    case, _ = order_case({})
    case = replace(case, lines=tuple(replace(line, grants=(grant,)) for line in case.lines))
    return crossing_of(assess(case, LAW, SIGNED, KNOWN_ON).verdicts)


def at_grant(situation: Situation) -> set[Said]:
    """What the stage of the grant says of the crossing."""
    order, grant, _ = built(situation)
    case = GrantCase(
        grant.reference,
        "V1",
        grant.year,
        grant.project,
        grant.components,
        grant.solution,
        grant.dui_referenced,
        _DAYS[situation.first] if situation.first == "same_day" else grant.agreed_on,
        (AskedEssms(number_of(0), (order,), (), None),),
    )
    return crossing_of(assess_grant(case, LAW, SIGNED, KNOWN_ON))


def crossing_of(verdicts: tuple[Verdict, ...]) -> set[Said]:
    return {(v.rule, v.outcome, v.finding.message) for v in verdicts if v.rule in CROSSING_RULES}


def worst(answers: set[Said]) -> int:
    return max(severity(outcome) for _, outcome, _ in answers)


def test_the_words_are_read_from_the_acts() -> None:
    for situation in EVERY:
        order, grant, requested_on = built(situation)
        phase = phase_of(LAW.calls, grant.year, KNOWN_ON)
        assert situations(order, grant, requested_on, phase) == (situation,)


def test_the_grant_was_first_the_pair_says_what_the_deposit_says() -> None:
    asked = [s for s in EVERY if s.order_state == "vivante" and s.first == "grant"]
    for situation in asked:
        assert said(situation) in at_deposit(situation), situation
        assert severity(said(situation)[1]) == worst(at_deposit(situation)), situation
    assert len(asked) == 180


def test_the_order_was_first_the_pair_says_what_the_stage_of_the_grant_says() -> None:
    asked = [
        s
        for s in EVERY
        if s.grant_state in STANDING
        # an order without effect answers whoever was first
        and (s.first == "order" or s.order_state != "vivante")
    ]
    for situation in asked:
        assert said(situation) in at_grant(situation), situation
        assert severity(said(situation)[1]) == worst(at_grant(situation)), situation
    assert len(asked) == 72 * (1 + 2 * 4)


def test_nobody_can_tell_the_more_severe_of_both_holds() -> None:
    asked = [
        s for s in EVERY if s.order_state == "vivante" and s.grant_state in STANDING and s.first == "same_day"
    ]
    for situation in asked:
        both = at_deposit(situation) | at_grant(situation)
        assert said(situation) in both, situation
        assert severity(said(situation)[1]) == worst(both), situation
        rule, outcome, _ = said(replace(situation, first="unknown"))
        assert (rule, outcome) == said(situation)[:2], situation
        # C13 alone refuses nobody there: only the text that needs no date does
        assert outcome is not Outcome.FAIL or (rule, situation.referenced) == ("R25", "oui"), situation


def test_a_grant_that_came_to_nothing_answers_whoever_was_first() -> None:
    for situation in EVERY:
        if situation.grant_state in STANDING or situation.order_state != "vivante":
            continue
        assert said(situation) == said(replace(situation, first="grant"))
        assert said(situation) in at_deposit(situation)


def test_two_acts_that_are_over_are_no_double_financing() -> None:
    for situation in EVERY:
        if situation.grant_state in STANDING or situation.order_state == "vivante":
            continue
        _, outcome, _ = said(situation)
        open_end = (situation.grant_state, situation.order_state) == (
            "abandon_apres_versement",
            "annulee_a_recouvrer",
        )
        assert outcome is (Outcome.REVIEW if open_end else Outcome.PASS), situation


def test_what_refuses_names_the_act_that_it_refuses() -> None:
    for situation in EVERY:
        _, finding = pair_finding(VAGUE, situation, SIGNED, KNOWN_ON)
        facts = dict(finding.facts)
        assert facts.get("later") == situation.later
        assert ("refused" in facts) is (finding.outcome is Outcome.FAIL)
        if finding.outcome is Outcome.FAIL and situation.later is not None:
            assert facts["refused"] == situation.later, situation
        assert finding.discreet is not None
        assert "DUI" not in finding.discreet


def test_before_the_first_text_nothing_is_guessed() -> None:
    rule, finding = pair_finding(VAGUE, EVERY[0], date(2021, 6, 1), KNOWN_ON)
    assert (rule, finding.outcome) == ("R26", Outcome.UNKNOWN)
    assert "1er juin 2021" in finding.message
    assert pair_finding(VAGUE, EVERY[0], SIGNED, date(2022, 1, 2))[1].outcome is Outcome.UNKNOWN


def test_a_report_has_french_words_for_all_that_a_pair_reads() -> None:
    read = {
        name for situation in EVERY for name, _ in pair_finding(VAGUE, situation, SIGNED, KNOWN_ON)[1].facts
    }
    assert read
    assert {name for name in read if fact_fr(name) == name} <= {"phase"}
