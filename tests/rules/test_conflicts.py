"""Conflicts as rules: what a reviewer can do with a case and why not, whom a decision hits, its words."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.conflicts import (
    DEEDS,
    OUTCOME_WORDS,
    OUTCOMES,
    POSITION_WORDS,
    POSITIONS,
    QUESTION_WORDS,
    CaseDecision,
    CaseFile,
    CaseQuestion,
    CaseSide,
    case_actions,
    decision_reasons,
    loses,
    reasons,
    takes_over,
)
from sons_tracker.rules.families import FAMILIES
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.lifecycle import CONFLICT_STATES, CONFLICT_TRANSITIONS, ORDER_STATES
from sons_tracker.rules.motivations import TEMPLATES, Template, templates_of

NOON = datetime(2023, 3, 1, 12, 0, tzinfo=PARIS)
DUE = datetime(2023, 3, 15, 23, 59, 59, 999999, PARIS)
MOMENT = timedelta(microseconds=1)
OG, OTHER_OG = UUID(int=10), UUID(int=11)
SUPPLIERS = {1: UUID(int=21), 2: UUID(int=22)}


def side(number: int, state: str = "submitted", *, og: UUID = OG, **changes: Any) -> CaseSide:
    """The order of a side; the first holds what the second was refused."""
    made = CaseSide(
        side=number, kind="order", order_id=UUID(int=number), order_number=f"BC-2023-00000{number}",
        order_state=state, supplier_id=SUPPLIERS[number], og_id=og, grant_reference=None,
        holds=state != "rejected", lost=False, in_lot=False,
    )  # fmt: skip
    return replace(made, **changes)


def grant(number: int) -> CaseSide:
    return CaseSide(number, "grant", None, None, None, None, None, "G-2023-1", False, False, False)


def question(kind: str = "precisions", of: int | None = 1, **changes: Any) -> CaseQuestion:
    """What was asked at noon; nobody answered, and the delay runs until `DUE`."""
    whom = OG if kind == "choice" else SUPPLIERS[of or 1]
    made = CaseQuestion(
        id=UUID(int=31), kind=kind, organisation_id=whom, side=of, of_question=None, lacking=None,
        text="Pourquoi ?", asked_at=NOON, answer_due_at=DUE, delay_source="Texte (L1:1)", answered_at=None,
        position=None, chosen_side=None, answer=None, withdrawn_at=None,
    )  # fmt: skip
    return replace(made, **changes)


def answered(kind: str = "precisions", of: int | None = 1) -> CaseQuestion:
    return question(kind, of, answered_at=NOON, answer="Voici.")


def decision(outcome: str = "one_refused", *refused: int, approved: bool = False) -> CaseDecision:
    return CaseDecision(UUID(int=41), outcome, refused, False, UUID(int=51), NOON if approved else None, 4)


def case(state: str = "open", *questions: CaseQuestion, **changes: Any) -> CaseFile:
    """Two orders for one ESSMS; the first holds it."""
    made = CaseFile(
        id=UUID(int=1), number="CF-2023-000001", family="two_orders", state=state, version=4, vague="V1",
        og_id=OG, og_finess="980000010", at_stake_ttc_cents=292_000, essms=("980000028",),
        sides=(side(1), side(2, "rejected")), questions=questions, decision=None,
    )  # fmt: skip
    return replace(made, **changes)


def against(code: str, file: CaseFile, at: datetime = NOON) -> list[str]:
    return [reason.message for reason in reasons(code, file, at)]


HEARD = (answered(of=1), answered(of=2))
PROPOSED = decision("one_refused", 1)
APPROVED = decision("one_refused", 1, approved=True)
# a case in which each deed is possible, as far as its state lets it
READY: dict[str, CaseFile] = {
    "assign": case(),
    "ask_precisions": case(),
    "ask_choice": case(),
    "ask_correction": case("precisions_asked", answered()),
    "ask_opinion": case(),
    "propose_decision": case("precisions_asked", *HEARD),
    "approve_decision": case("precisions_asked", *HEARD, decision=PROPOSED),
    "withdraw_decision": case("decided", *HEARD, decision=APPROVED),
    "execute": case("decided", *HEARD, decision=APPROVED),
    "close": case("executed", decision=APPROVED),
    "reopen": case("closed", decision=APPROVED),
}
UNDECIDED = {"open", "precisions_asked", "og_choice"}
STATES = {
    "assign": {*UNDECIDED, "decided", "executed"},
    "ask_precisions": {"open", "precisions_asked"},
    "ask_choice": {"open", "precisions_asked"},
    "ask_correction": UNDECIDED,
    "ask_opinion": UNDECIDED,
    "propose_decision": UNDECIDED,
    "approve_decision": UNDECIDED,
    "withdraw_decision": {*UNDECIDED, "decided"},
    "execute": {"decided"},
    "close": {"executed"},
    "reopen": {"closed"},
}


@pytest.mark.parametrize(("code", "state"), list(product(DEEDS, CONFLICT_STATES)))
def test_a_deed_is_possible_in_its_states_and_in_no_other(code: str, state: str) -> None:
    said = against(code, replace(READY[code], state=state))
    assert (said == []) is (state in STATES[code]), said
    assert all(message.startswith("Le dossier est « ") for message in said)


def test_each_move_of_the_case_by_a_reviewer_has_its_deed() -> None:
    of_event = {
        "precisions_asked": "ask_precisions", "choice_asked": "ask_choice", "executed": "execute",
        "reconsidered": "withdraw_decision", "closed": "close", "reopened": "reopen",
        "decided": "approve_decision",
    }  # fmt: skip
    for move in CONFLICT_TRANSITIONS:
        if move.roles == ("reviewer",):
            assert move.before in STATES[of_event[move.event]], move


def test_the_actions_of_a_case_are_all_the_deeds_with_what_stands_against_each() -> None:
    actions = case_actions(case(), NOON)
    assert [action.code for action in actions] == list(DEEDS)
    possible = {action.code for action in actions if action.possible}
    assert possible == {"assign", "ask_precisions", "ask_choice", "ask_opinion", "propose_decision"}


CORRECTION = question("correction", of_question=UUID(int=31), lacking="incomplete")
STOPS: list[tuple[str, CaseFile, str]] = [
    ("ask_precisions", case(decision=PROPOSED), "déjà proposée"),
    ("ask_precisions", case("precisions_asked", question(of=1), question(of=2)), "déjà été invités"),
    ("ask_precisions", case(sides=(grant(1), grant(2))), "Aucun fournisseur"),
    ("ask_choice", case(decision=PROPOSED), "déjà proposée"),
    ("ask_choice", case("precisions_asked", CORRECTION), "attend sa réponse"),
    ("ask_choice", case(sides=(side(1), side(2, og=OTHER_OG))), "a signé deux commandes"),
    ("ask_choice", case(sides=(side(1), grant(2))), "a signé deux commandes"),
    ("ask_choice", case("open", answered("choice", None)), "déjà été demandé"),
    ("ask_correction", case("precisions_asked", question()), "rien à faire corriger"),
    ("ask_correction", case("precisions_asked", answered(), CORRECTION), "attend sa réponse"),
    ("propose_decision", case("precisions_asked", CORRECTION), "attend sa réponse"),
    ("propose_decision", case(decision=PROPOSED), "déjà proposée"),
    ("approve_decision", case(), "Aucune décision n'est proposée"),
    ("approve_decision", case(decision=APPROVED), "déjà approuvée"),
    ("approve_decision", case("precisions_asked", CORRECTION, decision=PROPOSED), "attend sa réponse"),
    ("withdraw_decision", case(), "Aucune décision"),
    ("execute", case("decided", decision=APPROVED, sides=(side(1, in_lot=True), side(2))), "lot de paiement"),
]


@pytest.mark.parametrize(("code", "file", "said"), STOPS)
def test_what_stands_against_a_deed(code: str, file: CaseFile, said: str) -> None:
    (message,) = against(code, file)
    assert said in message


GOES_ON: list[tuple[str, CaseFile]] = [
    # a second side that was not asked yet, or whose question was taken back
    ("ask_precisions", case("precisions_asked", question(of=1))),
    ("ask_precisions", case("precisions_asked", question(of=1), question(of=2, withdrawn_at=NOON))),
    ("ask_choice", case("open", question("choice", None, withdrawn_at=NOON))),
    # a correction that was answered, or taken back, blocks nothing any more
    ("propose_decision", case("precisions_asked", answered("correction"))),
    ("propose_decision", case("precisions_asked", replace(CORRECTION, withdrawn_at=NOON))),
    ("ask_correction", case("og_choice", answered("choice", None))),
    ("ask_correction", case("open", answered("opinion", None))),
    # the bank has a payment of the order that is not refused
    ("execute", case("decided", decision=APPROVED, sides=(side(1), side(2, in_lot=True)))),
    ("withdraw_decision", case("precisions_asked", decision=PROPOSED)),
]


@pytest.mark.parametrize(("code", "file"), GOES_ON)
def test_what_does_not_stand_against_a_deed(code: str, file: CaseFile) -> None:
    assert against(code, file) == []


def test_an_unknown_deed_is_a_defect() -> None:
    with pytest.raises(KeyError):
        reasons("toss_a_coin", case(), NOON)


@pytest.mark.parametrize(
    ("at", "heard"), [(NOON, False), (DUE - MOMENT, False), (DUE, False), (DUE + MOMENT, True)]
)
def test_the_last_instant_of_the_delay_is_still_the_suppliers(at: datetime, heard: bool) -> None:
    asked = case("precisions_asked", question(of=1), answered(of=2))
    said = [reason.message for reason in decision_reasons(asked, "one_refused", (1,), at)]
    assert (said == []) is heard
    assert heard or said == [
        "Le fournisseur de la commande BC-2023-000001 peut répondre jusqu'au 15 mars 2023 à 23 h 59 min 59 s."
    ]


def test_where_no_delay_runs_only_an_answer_is_heard() -> None:
    asked = case("precisions_asked", question(of=1, answer_due_at=None))
    assert decision_reasons(asked, "one_refused", (1,), DUE + timedelta(days=900))
    assert not decision_reasons(case("precisions_asked", answered(of=1)), "one_refused", (1,), NOON)


def test_nobody_is_refused_without_having_been_asked() -> None:
    (reason,) = decision_reasons(case("precisions_asked", answered(of=2)), "one_refused", (1,), DUE)
    assert "BC-2023-000001 n'a pas été invité à s'expliquer" in reason.message
    taken_back = case("precisions_asked", question(of=1, withdrawn_at=NOON))
    (reason,) = decision_reasons(taken_back, "one_refused", (1,), DUE + MOMENT)
    assert "n'a pas été invité" in reason.message
    both = decision_reasons(case(), "both_refused", (1, 2), NOON)
    assert len(both) == 2, "each for itself"


def test_a_second_question_gives_its_own_delay_and_one_answer_is_enough() -> None:
    later = question(of=1, answer_due_at=DUE + timedelta(days=7))
    asked = case("precisions_asked", question(of=1, withdrawn_at=NOON), later)
    (reason,) = decision_reasons(asked, "one_refused", (1,), DUE + MOMENT)
    assert "22 mars 2023" in reason.message
    assert not decision_reasons(case("open", answered(of=1), later), "one_refused", (1,), NOON)


def test_a_grant_is_refused_without_hearing_a_supplier() -> None:
    mixed = case(sides=(side(1), grant(2)), family="order_grant")
    assert not decision_reasons(mixed, "one_refused", (2,), NOON)
    assert decision_reasons(mixed, "one_refused", (1,), NOON)


@pytest.mark.parametrize("outcome", ["maintained", "dismissed"])
def test_what_refuses_nobody_waits_for_nobody_but_the_client(outcome: str) -> None:
    assert not decision_reasons(case(), outcome, (), NOON)
    choosing = case("og_choice", question("choice", None))
    (reason,) = decision_reasons(choosing, outcome, (), DUE)
    assert "invité à choisir" in reason.message
    assert not decision_reasons(choosing, outcome, (), DUE + MOMENT)
    assert not decision_reasons(case("og_choice", answered("choice", None)), outcome, (), NOON)


_RIGHT: dict[str, list[set[int]]] = {
    "maintained": [set()], "dismissed": [set()], "one_refused": [{1}, {2}], "both_refused": [{1, 2}],
}  # fmt: skip
_NAMED: list[tuple[int, ...]] = [(), (1,), (2,), (3,), (1, 2), (2, 1), (1, 1), (1, 3), (1, 2, 3)]


@pytest.mark.parametrize(("outcome", "refused"), list(product(OUTCOMES, _NAMED)))
def test_a_decision_names_the_sides_that_its_outcome_demands(outcome: str, refused: tuple[int, ...]) -> None:
    said = decision_reasons(case("precisions_asked", *HEARD), outcome, refused, NOON)
    assert (said == ()) is (set(refused) in _RIGHT[outcome])
    assert all("ne sont pas celles" in reason.message for reason in said)


def test_a_case_of_one_side_refuses_no_second() -> None:
    alone = case("precisions_asked", *HEARD, sides=(side(1),), family="perimeter_differs")
    assert decision_reasons(alone, "one_refused", (2,), NOON)
    assert decision_reasons(alone, "both_refused", (1, 2), NOON)
    assert not decision_reasons(alone, "one_refused", (1,), NOON)


@pytest.mark.parametrize("state", [state for state in ORDER_STATES if state != "draft"])
def test_who_loses_is_alive_and_holds(state: str) -> None:
    alive = state not in ("rejected", "lapsed", "cancelled")
    assert loses(side(1, state, holds=True)) is alive
    assert not loses(side(1, state, holds=False))
    assert not loses(grant(1))


@pytest.mark.parametrize("state", [state for state in ORDER_STATES if state != "draft"])
def test_who_takes_over_was_refused_or_lapsed(state: str) -> None:
    decided = case("decided", sides=(side(1), side(2, state)), decision=APPROVED)
    winner = takes_over(decided)
    assert (winner is not None and winner.side == 2) is (state in ("rejected", "lapsed"))


def test_nobody_takes_over_when_nobody_or_both_are_refused() -> None:
    assert takes_over(case()) is None
    for outcome, refused in (("maintained", ()), ("dismissed", ()), ("both_refused", (1, 2))):
        assert takes_over(case("decided", decision=decision(outcome, *refused, approved=True))) is None
    against_second = decision("one_refused", 2, approved=True)
    assert takes_over(case("decided", decision=against_second)) is None, "the first holds already"
    assert takes_over(case("decided", sides=(side(1), grant(2)), decision=APPROVED)) is None


def test_each_code_has_its_word() -> None:
    assert set(OUTCOME_WORDS) == set(OUTCOMES)
    assert set(QUESTION_WORDS) == set(POSITIONS)
    assert set(POSITION_WORDS) == {position for each in POSITIONS.values() for position in each}


every_template = pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda one: one.code)


@every_template
def test_a_template_fits_families_and_outcomes_that_exist(template: Template) -> None:
    assert template.families
    assert template.outcomes
    assert set(template.families) <= set(FAMILIES)
    assert set(template.outcomes) <= set(OUTCOMES)
    for family, outcome in product(FAMILIES, OUTCOMES):
        fits = family in template.families and outcome in template.outcomes
        assert (template in templates_of(family, outcome)) is fits


@every_template
def test_a_template_rests_on_sources(template: Template) -> None:
    rules = re.findall(r"\bR\d\d\b", template.sources)
    assert rules
    for rule in rules:
        assert str(RULES[rule].source) in template.sources
    assert template.text.endswith(".")
    assert template.label


@every_template
def test_what_the_parties_are_told_names_no_party_and_no_amount(template: Template) -> None:
    notice = template.notice
    assert re.fullmatch(r"[A-ZÀÉÈ][^{}\d€%]*\.", notice), "a sentence, without figures or blanks to fill"
    assert not re.search(r"BC-|CF-|FINESS|SIREN|éditeur|fournisseur|bénéficiaire", notice)


def test_every_family_can_be_decided_one_way_and_dismissed() -> None:
    outcomes = {
        family: {one for one in OUTCOMES if templates_of(family, one)} for family in FAMILIES
    }  # fmt: skip
    both = {"maintained", "one_refused", "both_refused", "dismissed"}
    assert outcomes == {
        "two_orders": both, "already_financed": both, "two_numbers": both, "perimeter_differs": both,
        "order_grant": both - {"both_refused"}, "two_grants": both - {"both_refused"},
        "cancelled_then_acquisition": both - {"both_refused"},
    }  # fmt: skip
    assert {one.code for family in FAMILIES for one in templates_of(family)} == set(TEMPLATES)


def test_an_order_that_lost_by_a_decision_takes_nothing_back() -> None:
    """Refusing the other would leave the ESSMS to nobody; refusing both, or neither, says so."""
    lost = side(1, "rejected", holds=False, lost=True)
    turned = case("open", answered(of=1), answered(of=2), sides=(lost, side(2, "submitted")))
    (reason,) = decision_reasons(turned, "one_refused", (2,), NOON)
    assert "ne peut les reprendre" in reason.message
    assert decision_reasons(turned, "both_refused", (1, 2), NOON) == ()
    assert decision_reasons(turned, "maintained", (), NOON) == ()
