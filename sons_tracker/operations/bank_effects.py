"""What a bank's word does, in sets: payments, ledger, requests, orders; in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from sons_tracker.operations.actors import Actor
from sons_tracker.operations.ledger import LineSums, Movement, load_sums, solde_lines, write_movements
from sons_tracker.operations.recoveries import free_essms, open_recovery
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.ledger import advance_moves, solde_moves, undone_moves

_OVER = ("cancelled", "lapsed")


@dataclass(frozen=True, slots=True)
class Cash:
    """A payment that the bank made, or gave back; `executed_at` is when, as the bank says."""

    payment_id: UUID
    order_id: UUID
    kind: str
    amount_ttc_cents: int
    executed_at: datetime


async def pay(con: asyncpg.Connection, actor: Actor, at: datetime, paid: Sequence[Cash]) -> list[UUID]:
    """Payments in a lot are paid; their lines receive their parts, their requests are paid.

    An order whose solde is paid, with nothing else to pay, is settled. One that ended while its payment was
    on its way owes it back: a recovery is opened. Returns the orders that are settled.
    """
    if not paid:
        return []
    await con.execute(
        "update payment p set state = 'paid', paid_at = t.at"
        " from unnest($1::uuid[], $2::timestamptz[]) as t (id, at) where p.id = t.id",
        [one.payment_id for one in paid],
        [one.executed_at for one in paid],
    )
    orders = sorted({one.order_id for one in paid})
    sums = await load_sums(con, orders)
    movements: list[Movement] = []
    for one in paid:
        lines = sums[one.order_id]
        if one.kind == "advance":
            shares = [
                (line.money(one.payment_id), line.shares.get(one.payment_id, 0)) for line in lines.values()
            ]
            moves = advance_moves(one.amount_ttc_cents, shares)
        else:
            moves = solde_moves(one.amount_ttc_cents, solde_lines(lines, one.payment_id))
        movements += _book(one, lines, moves, ("bank_paid", "compensated"))
    await write_movements(con, movements)
    await con.execute(
        "update financing_request r set state = 'paid' from unnest($1::uuid[], $2::text[]) as t (id, kind)"
        " where r.order_id = t.id and r.kind = t.kind and r.state = 'validated'",
        [one.order_id for one in paid],
        [one.kind for one in paid],
    )
    over = {
        row["id"]: row["state"]
        for row in await con.fetch(
            "select id, state from purchase_order where id = any($1) and state = any($2)", orders, _OVER
        )
    }
    for one in paid:
        if one.order_id in over:
            reason = "cancelled" if over[one.order_id] == "cancelled" else "cloture"
            source = str(RULES["R22"].source)
            await open_recovery(con, actor, at, one.payment_id, one.amount_ttc_cents, reason, source)
    settled = await con.fetch(
        "update purchase_order o set state = 'settled' where o.id = any($1) and o.state = 'validated'"
        " and exists (select from financing_request r where r.order_id = o.id and r.kind = 'solde'"
        " and r.state in ('validated', 'paid'))"
        " and not exists (select from payment p where p.order_id = o.id"
        " and p.state in ('due', 'in_lot', 'returned')) returning o.id",
        orders,
    )
    return [row["id"] for row in settled]


async def give_back(con: asyncpg.Connection, given: Sequence[Cash]) -> list[UUID]:
    """Paid payments come back: the ledger undoes them, their requests are validated again, and an order that
    was settled no longer is. Returns those orders."""
    if not given:
        return []
    await con.execute(
        "update payment set state = 'returned', paid_at = null where id = any($1)",
        [one.payment_id for one in given],
    )
    orders = sorted({one.order_id for one in given})
    sums = await load_sums(con, orders)
    movements: list[Movement] = []
    for one in sorted(given, key=lambda cash: cash.kind, reverse=True):  # a solde compensates its advance
        lines = sums[one.order_id]
        money = [line.money(one.payment_id) for line in lines.values()]
        moves = undone_moves(one.amount_ttc_cents, money)
        movements += _book(one, lines, moves, ("bank_returned", "bank_returned"))
    await write_movements(con, movements)
    await con.execute(
        "update financing_request r set state = 'validated'"
        " from unnest($1::uuid[], $2::text[]) as t (id, kind)"
        " where r.order_id = t.id and r.kind = t.kind and r.state = 'paid'",
        [one.order_id for one in given],
        [one.kind for one in given],
    )
    reopened = await con.fetch(
        "update purchase_order set state = 'validated' where id = any($1) and state = 'settled' returning id",
        orders,
    )
    return [row["id"] for row in reopened]


def _book(
    cash: Cash, lines: dict[str, LineSums], moves: dict[str, int], causes: tuple[str, str]
) -> list[Movement]:
    """The rows of these moves; the sums follow, for the next payment of the same order.

    What a line receives is `paid`, what it gives back `compensated`; a return is the other way round.
    """
    returned = causes[0] == "bank_returned"
    rows = []
    for finess, move in moves.items():
        if move:
            lines[finess].cash[cash.payment_id] = lines[finess].cash.get(cash.payment_id, 0) + move
            movement, cause = (
                ("paid", causes[0]) if (move > 0) is not returned else ("compensated", causes[1])
            )
            rows.append(Movement(cash.payment_id, finess, movement, move, cash.executed_at, cause))
    return rows


async def withdraw(con: asyncpg.Connection, at: datetime, payments: Sequence[tuple[UUID, UUID]]) -> None:
    """Payments leave their lot unpaid, each given with its order: they are due again.

    Where the order ended meanwhile nothing is due any more, and its ESSMS are freed as soon as no other money
    of that order is out.
    """
    await con.execute(
        "update payment set state = 'due' where id = any($1)", [payment for payment, _ in payments]
    )
    over = await con.fetch(
        "select id, state from purchase_order where id = any($1) and state = any($2)",
        [order for _, order in payments],
        _OVER,
    )
    ended = {row["id"] for row in over}
    await con.execute(
        "update payment set state = 'planned', due_ttc_cents = null, due_at = null where id = any($1)",
        [payment for payment, order in payments if order in ended],
    )
    await free_essms(con, at, sorted(ended))
