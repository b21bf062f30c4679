"""The transition tables: their page, and what must be true of their graphs.

That the database holds the same tables is read in tests/db/test_lifecycle_edges.py.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sons_tracker.rules import lifecycle
from tests.rules.lifecycle_page import ROLES, THINGS, Thing, page

ROOT = Path(__file__).parents[2]
# What nothing leaves. Two ends have a way back: a settled order whose payment the bank returns, and a lapsed
# one that C16 reopens.
FINAL = {
    "order": {"cancelled"},
    "request": {"inadmissible"},
    "payment": {"recovered"},
    "va": {"withdrawn"},
    "cancellation": {"carried_out", "refused", "dropped"},
    "amendment": {"agreed", "refused", "withdrawn"},
    "reservation": {"converted", "expired", "dropped"},
    "conflict": set(),  # a closed case reopens, with a reason or on new facts
}
WAYS_BACK = {
    ("settled", "validated", "payment_returned"),
    ("lapsed", "waiting_referencing", "submission_learnt"),
    ("lapsed", "waiting_referencing", "conflict_won"),
    ("rejected", "submitted", "conflict_won"),
    ("rejected", "waiting_referencing", "conflict_won"),
    ("rejected", "to_review", "conflict_won"),
}

every_thing = pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.name)


def test_the_page_is_the_tables() -> None:
    written = (ROOT / "docs" / "cycle-de-vie.md").read_text("utf-8")
    assert written == page(), "python -m tests.rules.lifecycle_page > docs/cycle-de-vie.md"


@every_thing
def test_every_state_has_a_word_and_is_reached(thing: Thing) -> None:
    reached, size = {"draft"}, 0
    while size != len(reached):
        size = len(reached)
        reached |= {move.after for move in thing.transitions if move.before in reached}
    assert reached - {"draft"} == set(thing.words) - {"draft"}
    assert len(set(thing.words.values())) == len(thing.words), "one state, one word"


@every_thing
def test_what_is_over_is_final(thing: Thing) -> None:
    assert set(thing.words) - {move.before for move in thing.transitions} - {"draft"} == FINAL[thing.name]


def test_an_order_comes_back_from_its_end_in_three_ways_only() -> None:
    over = set(lifecycle.ORDER_STATES) - set(lifecycle.OPEN_STATES) - {"draft"}
    back = {
        (m.before, m.after, m.event)
        for m in lifecycle.ORDER_TRANSITIONS
        if m.before in over and m.after not in over
    }
    assert back == WAYS_BACK


@every_thing
def test_each_event_is_one_edge_and_every_event_has_its_words(thing: Thing) -> None:
    edges = Counter((move.before, move.after, move.event) for move in thing.transitions)
    assert set(edges.values()) == {1}
    assert {move.event for move in thing.transitions} == set(thing.events)
    assert len({sentence for sentence, _ in thing.events.values()}) == len(thing.events)
    assert all(move.before != move.after for move in thing.transitions)


@every_thing
def test_every_edge_has_roles_that_exist_each_once(thing: Thing) -> None:
    for move in thing.transitions:
        assert move.roles
        assert len(set(move.roles)) == len(move.roles)
        assert set(move.roles) <= set(ROLES)


def test_who_only_reads_moves_nothing() -> None:
    movers = {role for thing in THINGS for move in thing.transitions for role in move.roles}
    assert set(ROLES) - movers == {"pilot", "ars"}


def test_every_open_order_can_be_cancelled_and_meets_the_cloture() -> None:
    assert set(lifecycle.OPEN_STATES) < lifecycle.LIVE_STATES
    for event in ("cancelled", "cloture"):
        assert {m.before for m in lifecycle.ORDER_TRANSITIONS if m.event == event} == set(
            lifecycle.OPEN_STATES
        )


def test_only_a_payer_moves_money_and_only_a_reviewer_makes_it_due() -> None:
    for move in lifecycle.PAYMENT_TRANSITIONS:
        if move.after in ("in_lot", "paid", "returned", "recovered"):
            assert move.roles == ("payer",)
        if (move.before, move.after) == ("planned", "due"):
            assert move.roles == ("reviewer",)
    validated = [m for m in lifecycle.REQUEST_TRANSITIONS if m.event == "validated"]
    assert [m.roles for m in validated] == [("reviewer",)]


def test_claims_are_released_for_reasons_and_states_that_exist() -> None:
    for states in lifecycle.RELEASE_REASONS.values():
        assert states <= set(lifecycle.ORDER_STATES)
    never = [r for r, states in lifecycle.RELEASE_REASONS.items() if "settled" in states]
    assert never == ["decided"], "a settled order keeps what it was paid for"
