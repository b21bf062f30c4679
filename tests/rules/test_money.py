"""Money is cents; euros are text at the edges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.lifecycle import (
    LIVE_STATES,
    ORDER_STATES,
    ORDER_TRANSITIONS,
    RELEASE_REASONS,
    deposit_state,
)
from sons_tracker.rules.money import euros, euros_fr, parse_euros


@given(st.integers(0, 99_999_999_999))
def test_what_is_written_is_read_back(cents: int) -> None:
    assert parse_euros(euros(cents)) == cents


@pytest.mark.parametrize(
    "text",
    [
        "1232",
        "1232.0",
        "1232,00",
        "1 232.00",
        "-1.00",
        "+1.00",
        "1e3",
        "",
        ".50",
        "1.005",
        "1000000000.00",
        "١.٠٠",
        "1.00\n",
    ],
)
def test_any_other_writing_is_refused(text: str) -> None:
    with pytest.raises(SonsError, match="est mal formé") as refused:
        parse_euros(text, "$.unit_ttc")
    assert refused.value.code is ErrorCode.INVALID_AMOUNT
    assert refused.value.faults[0].where == "$.unit_ttc"


def test_amounts_as_people_read_them() -> None:
    assert euros(-123) == "-1.23"
    assert euros_fr(123200) == "1\u202f232,00\u202f€"
    assert euros_fr(-5) == "\u22120,05\u202f€"
    assert euros_fr(112850000) == "1\u202f128\u202f500,00\u202f€"


@pytest.mark.parametrize(
    ("decision", "conditional", "state"),
    [
        ("refused", False, "rejected"),
        ("refused", True, "rejected"),
        ("to_review", True, "to_review"),
        ("to_review", False, "to_review"),
        ("accepted", True, "waiting_referencing"),
        ("accepted", False, "submitted"),
    ],
)
def test_the_state_of_a_deposit(decision: str, conditional: bool, state: str) -> None:
    assert deposit_state(decision, conditional) == state
    assert state in {t.after for t in ORDER_TRANSITIONS if t.before == "draft"}


def test_the_tables_of_the_life_of_an_order_hold_together() -> None:
    assert set(LIVE_STATES) < set(ORDER_STATES)
    assert {t.before for t in ORDER_TRANSITIONS} | {t.after for t in ORDER_TRANSITIONS} <= set(ORDER_STATES)
    for states in RELEASE_REASONS.values():
        assert states <= set(ORDER_STATES)
    # a rejected, lapsed or cancelled order never holds its ESSMS by accident: each has its reason
    for state in ("rejected", "lapsed", "cancelled"):
        assert state not in LIVE_STATES
        assert state in RELEASE_REASONS[state]
