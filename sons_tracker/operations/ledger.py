"""The ledger of orders: what each line is worth, what it has received, what is left; and its entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require, sees_all
from sons_tracker.rules.ledger import Money

_UNKNOWN = "Aucune commande visible ne porte cet identifiant."


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of one line, in cents TTC: positive to the supplier, negative taken back."""

    id: int
    at: datetime
    finess: str
    payment: str
    movement: str
    amount_ttc_cents: int
    cause: str


@dataclass(frozen=True, slots=True)
class Balance:
    """Sums of movements in cents TTC. `due_ttc_cents` is what is left to pay; negative, to take back."""

    planned_ttc_cents: int
    paid_ttc_cents: int
    compensated_ttc_cents: int
    recovered_ttc_cents: int

    @property
    def due_ttc_cents(self) -> int:
        received = self.paid_ttc_cents + self.compensated_ttc_cents + self.recovered_ttc_cents
        return self.planned_ttc_cents - received


@dataclass(frozen=True, slots=True)
class LineBalance:
    """One ESSMS of the order: its amount (None without a tranche) and its balance."""

    finess: str
    unit_ttc_cents: int | None
    balance: Balance


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of an order, its lines by their numbers and its entries by their instants."""

    order_id: UUID
    number: str
    state: str
    balance: Balance
    lines: tuple[LineBalance, ...]
    entries: tuple[Entry, ...]


async def find_ledger(actor: Actor, order: UUID | str) -> Ledger:
    """The ledger of an order that the actor may see, by its identifier or by its number.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown order and for another organisation's.
    """
    require(actor, "ledger.read")
    async with transaction(actor.context, read_only=True) as con:
        row = await con.fetchrow(
            "select id, number, state from purchase_order where ($1 or supplier_id = $2 or og_id = $2)"
            " and case when $3::uuid is null then number = $4 else id = $3 end",
            sees_all(actor, "ledger.read"),
            actor.organisation_id,
            order if isinstance(order, UUID) else None,
            order if isinstance(order, str) else None,
        )
        if row is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        lines = await con.fetch(_BALANCES, row["id"])
        entries = await con.fetch(_ENTRIES, row["id"])
    found = tuple(LineBalance(line["finess"], line["unit"], _balance(line["sums"] or {})) for line in lines)
    whole = {name: sum((line["sums"] or {}).get(name, 0) for line in lines) for name in _MOVEMENTS}
    return Ledger(
        row["id"],
        row["number"],
        row["state"],
        _balance(whole),
        found,
        tuple(Entry(**dict(entry)) for entry in entries),
    )


_MOVEMENTS = ("planned", "paid", "compensated", "recovered")
_BALANCES = """
select l.finess_geographique as finess, l.unit_ttc_cents as unit,
  (select jsonb_object_agg(s.movement, s.amount) from (
     select e.movement, sum(e.amount_ttc_cents)::bigint as amount from ledger_entry e
     where e.order_id = l.order_id and e.finess_geographique = l.finess_geographique
     group by e.movement) s) as sums
from order_line l where l.order_id = $1 order by l.finess_geographique
"""
_ENTRIES = """
select e.id, e.at, e.finess_geographique as finess, p.kind as payment, e.movement, e.amount_ttc_cents, e.cause
from ledger_entry e join payment p on p.id = e.payment_id
where e.order_id = $1 order by e.at, e.id
"""


def _balance(sums: Mapping[str, int]) -> Balance:
    return Balance(*(sums.get(name, 0) for name in _MOVEMENTS))


@dataclass(slots=True)
class LineSums:
    """The sums of one line, by payment where it counts; the operations that pay read and move them.

    `planned` leaves out what the end of the order took back: what it was worth while a payment was on its
    way. `worth` is what it is worth now. `shares`: its part of each payment as first planned.
    """

    finess: str
    unit: int
    planned: int = 0
    worth: int = 0
    recovered: int = 0
    shares: dict[UUID, int] = field(default_factory=dict)
    cash: dict[UUID, int] = field(default_factory=dict)

    @property
    def received(self) -> int:
        return sum(self.cash.values()) + self.recovered

    def money(self, payment_id: UUID, *, now: bool = False) -> Money:
        """The line as the rules see it when this payment moves; `now`: by what the line is worth today.

        What was recovered was paid, and is no longer to be paid again.
        """
        planned = self.worth if now else self.planned + self.recovered
        return Money(self.finess, self.unit, planned, self.received, self.cash.get(payment_id, 0))


_SUMS = """
select l.order_id, l.finess_geographique as finess, l.unit_ttc_cents as unit, e.payment_id,
  coalesce(sum(e.amount_ttc_cents)
    filter (where e.movement = 'planned' and e.cause <> 'order_ended'), 0)::bigint as planned,
  coalesce(sum(e.amount_ttc_cents) filter (where e.movement = 'planned'), 0)::bigint as worth,
  coalesce(sum(e.amount_ttc_cents)
    filter (where e.movement = 'planned' and e.cause = 'advance_validated'), 0)::bigint as share,
  coalesce(sum(e.amount_ttc_cents)
    filter (where e.movement in ('paid', 'compensated')), 0)::bigint as cash,
  coalesce(sum(e.amount_ttc_cents) filter (where e.movement = 'recovered'), 0)::bigint as recovered
from order_line l
left join ledger_entry e
  on e.order_id = l.order_id and e.finess_geographique = l.finess_geographique
where l.order_id = any($1) and l.unit_ttc_cents is not null
group by l.order_id, l.finess_geographique, l.unit_ttc_cents, e.payment_id
"""


async def load_sums(con: asyncpg.Connection, order_ids: Iterable[UUID]) -> dict[UUID, dict[str, LineSums]]:
    """The sums of the lines of several orders, by order and FINESS number, in one statement."""
    orders: dict[UUID, dict[str, LineSums]] = {}
    for row in await con.fetch(_SUMS, list(order_ids)):
        lines = orders.setdefault(row["order_id"], {})
        line = lines.setdefault(row["finess"], LineSums(row["finess"], row["unit"]))
        line.planned += row["planned"]
        line.worth += row["worth"]
        line.recovered += row["recovered"]
        if row["payment_id"] is not None:
            line.shares[row["payment_id"]] = row["share"]
            line.cash[row["payment_id"]] = row["cash"]
    return orders


def solde_lines(lines: Mapping[str, LineSums], payment_id: UUID) -> list[Money]:
    """The lines of an order as its solde finds them.

    An advance that the bank gave back counts as if it were there: it is paid again by itself.
    """
    cashed = {payment for line in lines.values() for payment, cash in line.cash.items() if cash}
    found = []
    for line in lines.values():
        away = sum(share for payment, share in line.shares.items() if payment not in {payment_id, *cashed})
        money = line.money(payment_id)
        found.append(replace(money, planned=money.planned - away))
    return found


@dataclass(frozen=True, slots=True)
class Movement:
    """A row of the ledger to come."""

    payment_id: UUID
    finess: str
    movement: str
    amount_ttc_cents: int
    at: datetime
    cause: str


async def write_movements(con: asyncpg.Connection, movements: Sequence[Movement]) -> None:
    """Appends to the ledger in one statement: the cash of a payment is checked as a whole."""
    if not movements:
        return
    columns: list[list[Any]] = [
        [m.payment_id for m in movements],
        [m.finess for m in movements],
        [m.movement for m in movements],
        [m.amount_ttc_cents for m in movements],
        [m.at for m in movements],
        [m.cause for m in movements],
    ]
    await con.execute(
        "insert into ledger_entry (order_id, finess_geographique, supplier_id, og_id, payment_id, movement,"
        " amount_ttc_cents, at, cause)"
        " select p.order_id, m.finess, p.supplier_id, p.og_id, p.id, m.movement, m.amount, m.at, m.cause"
        " from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::text[])"
        " with ordinality as m (payment_id, finess, movement, amount, at, cause, place)"
        " join payment p on p.id = m.payment_id order by m.place",
        *columns,
    )
