"""How the cash of an order spreads over its lines, to the cent (R15, R16, R22, C9, C10).

A line is one ESSMS. It is worth what is planned for it, it has received what was paid for it, less what was
compensated or recovered; it never receives less than nothing nor more than its amount. Cents TTC throughout.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """What one line should move by, and the bounds that its ledger allows: `low` ≤ 0 ≤ `high`.

    `wanted` > 0 is paid to the supplier for this line, < 0 is taken back from it.
    """

    finess: str
    wanted: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Money:
    """The ledger of one line, as sums: its amount, what is planned for it, what it has received.

    `of_payment` is the part of what it received that one payment brought: the one that is looked at.
    """

    finess: str
    unit: int
    planned: int
    received: int
    of_payment: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """What happens to one line when money is recovered, each ≥ 0.

    `recovered` comes back from the supplier. `paid` and `compensated` are equal over an order and move no
    cash: what the supplier owes on one line pays what it is owed on another.
    """

    finess: str
    recovered: int
    paid: int
    compensated: int


def spread(total: int, cells: Iterable[Cell]) -> dict[str, int]:
    """Moves of the lines that add up to `total` exactly, each within its bounds, in the order of the numbers.

    Where the wishes add up to `total` and keep their bounds, they are the answer. Where they do not, because
    a fact came between (an order that ended, a payment that the bank returned), what is missing or too much
    first gives up the wishes of the other sign, from the last line back, then fills the lines from the first.

    Raises:
        ValueError: no moves within the bounds add up to `total`: the ledger contradicts the cash.
    """
    ordered = sorted(cells, key=lambda cell: cell.finess)
    moves = {cell.finess: min(max(cell.wanted, cell.low), cell.high) for cell in ordered}
    gap = total - sum(moves.values())
    up = gap > 0
    for cell in reversed(ordered):
        move = moves[cell.finess]
        step = min(max(-move, 0), gap) if up else max(min(-move, 0), gap)
        moves[cell.finess] += step
        gap -= step
    for cell in ordered:
        move = moves[cell.finess]
        step = min(cell.high - move, gap) if up else max(cell.low - move, gap)
        moves[cell.finess] += step
        gap -= step
    if gap:
        raise ValueError(f"{gap} cents find no line")
    return moves


def advance_moves(due: int, lines: Iterable[tuple[Money, int]]) -> dict[str, int]:
    """The advance paid, by line; each line comes with what was planned as its advance (R15).

    An advance that is all that is left to pay, because the bank gave it back after a solde of nothing, pays
    each line what is still owed to it: the order is then even.

    Raises:
        ValueError: as `spread`.
    """
    known = [(line, planned, line.planned - line.received) for line, planned in lines]
    last = sum(owed for _, _, owed in known) == due
    return spread(due, (_cell(line, owed if last else planned) for line, planned, owed in known))


def solde_moves(due: int, lines: Iterable[Money]) -> dict[str, int]:
    """The solde paid, by line: what is still owed to it, or taken back from it (C9, C10). Σ is what is due.

    Raises:
        ValueError: as `spread`.
    """
    return spread(due, (_cell(line, line.planned - line.received) for line in lines))


def undone_moves(paid: int, lines: Iterable[Money]) -> dict[str, int]:
    """What a bank's return undoes of a payment of `paid` cents, by line: the opposite of what it moved.

    Raises:
        ValueError: as `spread`.
    """
    return spread(-paid, (_cell(line, -line.of_payment) for line in lines))


def recovery_moves(amount: int, lines: Iterable[Money]) -> tuple[Move, ...]:
    """What a recovery of `amount` cents moves, one entry per line that moves, in the order of the numbers.

    A line gives back what it received above what it is worth, of the payment that is recovered as far as it
    goes. A line that is still owed money is paid by those that gave too much: the order is then even.

    Raises:
        ValueError: as `spread`.
    """
    known = list(lines)
    moves = spread(
        -amount, (_cell(line, max(line.planned - line.received, -max(line.of_payment, 0))) for line in known)
    )
    owed = sum(move for move in moves.values() if move > 0)
    told = []
    for finess, move in moves.items():
        compensated = min(max(-move, 0), owed)
        owed -= compensated
        told.append(Move(finess, max(-move, 0) - compensated, max(move, 0), compensated))
    return tuple(move for move in told if move.recovered or move.paid or move.compensated)


def _cell(line: Money, wanted: int) -> Cell:
    return Cell(line.finess, wanted, -line.received, line.unit - line.received)
