"""What a law that is not enacted would change in the orders that are not over: read, never written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.calendar_moves import (
    Move,
    calendar_of,
    moves,
    refuse_lost_dispositifs,
)
from sons_tracker.operations.case_files import OrderFile, load_facts, open_orders, order_files
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.assessment import judged
from sons_tracker.rules.context import Context, open_case
from sons_tracker.rules.pricing import line_amounts
from sons_tracker.rules.tariff import LineAmount
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Outcome

PAGE = 500
_AMOUNTS = ("total", "advance", "solde")

Effect = Literal["moves", "to_settle", "frozen"]
"""`moves`: the enactment changes it. `to_settle`: a reviewer has not decided yet, and will under the new law.
`frozen`: decided; shown as it would be if it were decided today."""


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A rule that would answer otherwise; outcomes as words, `essms` sorted, none for the whole order."""

    kind: ClassVar = "verdict"
    rule: str
    essms: tuple[str, ...]
    before: str
    after: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class DeadlineChange:
    """A deadline (complete_file, fermeture, cloture) that would be elsewhere; None where there is none."""

    kind: ClassVar = "deadline"
    name: str
    before: datetime | None
    after: datetime | None

    @property
    def effect(self) -> Effect:
        """A deadline that still runs is never decided."""
        return "moves"


@dataclass(frozen=True, slots=True)
class AmountChange:
    """An amount of the order in cents TTC; `name`: total, advance or solde; None where none is known."""

    kind: ClassVar = "amount"
    name: str
    before_cents: int | None
    after_cents: int | None
    effect: Effect


Change = VerdictChange | DeadlineChange | AmountChange


@dataclass(frozen=True, slots=True)
class OrderImpact:
    """An open order that the new law touches."""

    id: UUID
    number: str
    state: str
    dispositif: str
    changes: tuple[Change, ...]


@dataclass(slots=True)
class Tally:
    """How many open orders were read, how many are touched, and by which kind of change."""

    read: int
    touched: int
    by_change: Counter[tuple[str, Effect]]
    """Orders by kind of change and effect; an order with both counts in both."""


Tell = Callable[[Sequence[OrderImpact], int, int], None]
"""Called after each page: the orders touched, how many are read so far, of how many."""


async def impact(actor: Actor, before: Law, after: Law, at: datetime, tell: Tell) -> Tally:
    """Compares two laws over every open order, as known on the Paris day of `at`, the day of the enactment.

    Verdicts and amounts: what each law would decide today of the same facts. Deadlines: what `enact` would
    move, by the same code. Pages of constant size in one read-only transaction: memory does not grow.

    Raises:
        SonsError: `FORBIDDEN` unless the actor is an administrator; `INVALID_LAW` when `after` has lost the
            dispositif of an open order.
    """
    require(actor, "law.measure")
    tally = Tally(0, 0, Counter())
    calendar = calendar_of(after, at)
    async with transaction(actor.context, isolation="repeatable_read", read_only=True) as con:
        await refuse_lost_dispositifs(con, after)
        total = await open_orders(con)
        last: OrderFile | None = None
        while files := await order_files(con, last, PAGE):
            last = files[-1]
            facts = await load_facts(con, files, (before, after), known_on(at))
            moved = _by_order(await moves(con, calendar, [file.id for file in files]))
            touched = []
            for file in files:
                old, new = (
                    _decided(open_case(case, law, file.signed_on, known_on(at)))
                    for law, case in zip((before, after), facts.cases(file, (before, after)), strict=True)
                )
                if changes := tuple(_changes(file, old, new, moved.get(file.id, ()))):
                    touched.append(OrderImpact(file.id, file.number, file.state, file.dispositif, changes))
            tally.read += len(files)
            tally.touched += len(touched)
            for order in touched:
                tally.by_change.update({(change.kind, change.effect) for change in order.changes})
            tell(touched, tally.read, total)
    return tally


@dataclass(frozen=True, slots=True)
class _Decided:
    """What one law would decide of an order: the part of an assessment that is not its deadlines."""

    verdicts: tuple[tuple[str, tuple[str, ...], Outcome], ...]
    lines: tuple[LineAmount, ...]


def _decided(ctx: Context) -> _Decided:
    return _Decided(tuple((v.rule, v.essms, v.outcome) for v in judged(ctx)), line_amounts(ctx))


def _changes(file: OrderFile, old: _Decided, new: _Decided, moved: Iterable[Move]) -> Iterator[Change]:
    effect: Effect = "to_settle" if file.state == file.decision == "to_review" else "frozen"
    if old.verdicts != new.verdicts:
        yield from _verdict_changes(old, new, effect)
    for move in moved:
        yield DeadlineChange(move.kind, move.before, move.after)
    if old.lines != new.lines:
        for name, before, after in zip(_AMOUNTS, _amounts(old.lines), _amounts(new.lines), strict=True):
            if before != after:
                yield AmountChange(name, before, after, effect)


def _verdict_changes(old: _Decided, new: _Decided, effect: Effect) -> Iterator[VerdictChange]:
    before, after = _outcomes(old), _outcomes(new)
    found: dict[tuple[str, str, str], list[str]] = {}
    for (rule, number), outcome in after.items():
        if before[rule, number] != outcome:
            found.setdefault((rule, before[rule, number], outcome), []).append(number)
    for (rule, was, becomes), numbers in found.items():
        yield VerdictChange(rule, tuple(number for number in numbers if number), was, becomes, effect)


def _outcomes(decided: _Decided) -> dict[tuple[str, str], str]:
    """The outcome of each rule for each ESSMS, or for no ESSMS in particular; every rule answers once."""
    return {
        (rule, number): str(outcome) for rule, essms, outcome in decided.verdicts for number in essms or ("",)
    }


def _amounts(lines: tuple[LineAmount, ...]) -> tuple[int | None, int | None, int | None]:
    """The three amounts; none where a line asks more than its ceiling: such an order is refused (R13)."""
    if not lines or not all(0 < line.unit_ttc_cents <= line.ceiling_ttc_cents for line in lines):
        return None, None, None
    return (
        sum(line.unit_ttc_cents for line in lines),
        sum(line.advance_ttc_cents for line in lines),
        sum(line.solde_ttc_cents for line in lines),
    )


def _by_order(moved: Iterable[Move]) -> dict[UUID, list[Move]]:
    found: dict[UUID, list[Move]] = {}
    for move in moved:
        found.setdefault(move.order_id, []).append(move)
    return found
