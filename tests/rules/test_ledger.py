"""The cash of an order over its lines: exact to the cent, whatever happened to the order in between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sons_tracker.rules.ledger import (
    Cell,
    Money,
    Move,
    advance_moves,
    recovery_moves,
    solde_moves,
    spread,
    undone_moves,
)

MANY = settings(max_examples=300, deadline=None)
CENTS = st.integers(0, 500_000)


@st.composite
def monies(draw: st.DrawFn) -> list[Money]:
    """Lines of an order anywhere in its life: 0 ≤ planned, received ≤ unit."""
    lines = []
    for rank in range(draw(st.integers(1, 8))):
        unit = draw(st.integers(1, 500_000))
        planned, received = draw(st.integers(0, unit)), draw(st.integers(0, unit))
        lines.append(Money(f"99{rank:07d}", unit, planned, received, draw(st.integers(0, received))))
    return draw(st.permutations(lines))


@st.composite
def cells(draw: st.DrawFn) -> list[Cell]:
    made = []
    for rank in range(draw(st.integers(1, 8))):
        low, high = -draw(CENTS), draw(CENTS)
        made.append(Cell(f"99{rank:07d}", draw(st.integers(low - 10, high + 10)), low, high))
    return made


@MANY
@given(cells(), st.data())
def test_a_spread_is_exact_within_its_bounds_and_the_same_in_any_order(
    made: list[Cell], data: st.DataObject
) -> None:
    total = data.draw(st.integers(sum(c.low for c in made), sum(c.high for c in made)))
    moves = spread(total, made)
    assert sum(moves.values()) == total
    assert all(cell.low <= moves[cell.finess] <= cell.high for cell in made)
    assert spread(total, data.draw(st.permutations(made))) == moves
    if total == sum(c.wanted for c in made) and all(c.low <= c.wanted <= c.high for c in made):
        assert moves == {c.finess: c.wanted for c in made}


@MANY
@given(cells())
def test_wishes_within_bounds_are_granted(made: list[Cell]) -> None:
    assume(all(c.low <= c.wanted <= c.high for c in made))
    assert spread(sum(c.wanted for c in made), made) == {c.finess: c.wanted for c in made}


@MANY
@given(cells(), st.integers(1, 10), st.booleans())
def test_what_finds_no_line_is_an_error(made: list[Cell], beyond: int, up: bool) -> None:
    total = sum(c.high for c in made) + beyond if up else sum(c.low for c in made) - beyond
    with pytest.raises(ValueError, match="find no line"):
        spread(total, made)


@MANY
@given(monies())
def test_a_solde_makes_each_line_even(lines: list[Money]) -> None:
    due = sum(line.planned - line.received for line in lines)
    moves = solde_moves(due, lines)
    assert all(line.received + moves[line.finess] == line.planned for line in lines)


@MANY
@given(monies(), st.data())
def test_an_advance_pays_each_line_its_own(lines: list[Money], data: st.DataObject) -> None:
    plain = [Money(line.finess, line.unit, line.planned, 0) for line in lines]
    shares = [(line, data.draw(st.integers(0, line.planned))) for line in plain]
    assert advance_moves(sum(s for _, s in shares), shares) == {line.finess: s for line, s in shares}


@MANY
@given(monies(), st.data())
def test_an_advance_that_is_all_that_is_left_makes_each_line_even(
    lines: list[Money], data: st.DataObject
) -> None:
    shares = [(line, data.draw(st.integers(0, line.unit))) for line in lines]
    moves = advance_moves(sum(line.planned - line.received for line in lines), shares)
    assert all(line.received + moves[line.finess] == line.planned for line in lines)


@MANY
@given(monies())
def test_what_the_bank_returns_is_the_opposite_of_what_was_paid(lines: list[Money]) -> None:
    paid = sum(line.of_payment for line in lines)
    moves = undone_moves(paid, lines)
    assert moves == {line.finess: -line.of_payment for line in lines}


@MANY
@given(monies(), st.data())
def test_a_payment_and_its_return_leave_every_line_in_its_bounds(
    lines: list[Money], data: st.DataObject
) -> None:
    """Also when the order ended in between, or when another payment was returned: nothing is planned."""
    due = data.draw(st.integers(0, sum(line.unit - line.received for line in lines)))
    moves = solde_moves(due, lines)
    after = [
        Money(line.finess, line.unit, 0, line.received + moves[line.finess], moves[line.finess])
        for line in lines
    ]
    assert all(0 <= line.received <= line.unit for line in after)
    back = undone_moves(due, after)
    assert back == {finess: -move for finess, move in moves.items()}


@MANY
@given(monies(), st.data())
def test_a_recovery_takes_exactly_its_amount_and_moves_no_other_cash(
    lines: list[Money], data: st.DataObject
) -> None:
    amount = data.draw(st.integers(0, sum(line.received for line in lines)))
    moves = recovery_moves(amount, lines)
    assert sum(move.recovered for move in moves) == amount
    assert sum(move.paid for move in moves) == sum(move.compensated for move in moves)
    by_line = {line.finess: line for line in lines}
    for move in moves:
        line = by_line[move.finess]
        assert min(move.recovered, move.paid, move.compensated) >= 0
        assert move.paid == 0 or move.recovered == move.compensated == 0
        assert 0 <= line.received + move.paid - move.compensated - move.recovered <= line.unit
    assert list(moves) == sorted(moves, key=lambda move: move.finess)


@MANY
@given(monies())
def test_a_recovery_of_all_that_is_too_much_makes_the_order_even(lines: list[Money]) -> None:
    whole = [Money(m.finess, m.unit, m.planned, m.received, m.received) for m in lines]
    amount = sum(line.received - line.planned for line in whole)
    assume(amount > 0)
    moved = {move.finess: move for move in recovery_moves(amount, whole)}
    for line in whole:
        move = moved.get(line.finess, Move(line.finess, 0, 0, 0))
        assert line.received + move.paid - move.compensated - move.recovered == line.planned


EXAMPLES: dict[str, tuple[int, list[Money], dict[str, int]]] = {
    "two lines, advances paid": (
        140_000,
        [Money("A", 100_000, 100_000, 30_000), Money("B", 100_000, 100_000, 30_000)],
        {"A": 70_000, "B": 70_000},
    ),
    "a removed ESSMS is compensated": (
        40_000,
        [Money("A", 100_000, 100_000, 30_000), Money("B", 100_000, 0, 30_000)],
        {"A": 70_000, "B": -30_000},
    ),
    "an invoice below the advance of one line": (
        69_999,
        [Money("A", 100_000, 100_000, 30_000), Money("B", 100_000, 29_999, 30_000)],
        {"A": 70_000, "B": -1},
    ),
    "the order ended while its solde was in a lot": (
        140_000,
        [Money("A", 100_000, 0, 30_000), Money("B", 100_000, 0, 30_000)],
        {"A": 70_000, "B": 70_000},
    ),
    "the advance of a removed ESSMS came back meanwhile": (
        40_000,
        [Money("A", 100_000, 100_000, 0), Money("B", 100_000, 0, 0)],
        {"A": 40_000, "B": 0},
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_soldes_to_the_cent(name: str) -> None:
    due, lines, expected = EXAMPLES[name]
    assert solde_moves(due, lines) == expected


def test_an_advance_above_two_lines_pays_the_third_before_it_is_recovered() -> None:
    lines = [
        Money("A", 100_000, 10_000, 30_000, 30_000),
        Money("B", 100_000, 35_000, 30_000, 30_000),
        Money("C", 100_000, 0, 30_000, 30_000),
    ]
    expected: Any = (Move("A", 15_000, 0, 5_000), Move("B", 0, 5_000, 0), Move("C", 30_000, 0, 0))
    assert recovery_moves(45_000, lines) == expected
