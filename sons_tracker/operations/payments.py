"""Payments: pages of them, and one that the bank returned presented again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require, sees_all
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.lot_candidates import lock_candidates
from sons_tracker.operations.outbox import announce
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.lifecycle import ORDER_WORDS, PAYMENT_WORDS

_UNKNOWN_PAYMENT = "Aucun versement visible ne porte cet identifiant."


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment of an order; amounts in cents TTC, `due_ttc_cents` None while it is only planned."""

    id: UUID
    order_id: UUID
    order_number: str
    supplier_id: UUID
    kind: str
    state: str
    amount_ttc_cents: int
    due_ttc_cents: int | None
    due_at: datetime | None
    paid_at: datetime | None


PAYMENT = """
select p.id, p.order_id, o.number as order_number, p.supplier_id, p.kind, p.state, p.amount_ttc_cents,
  p.due_ttc_cents, p.due_at, p.paid_at
from payment p join purchase_order o on o.id = p.order_id
"""


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """One page; `next_after` is the key of the next one, None on the last."""

    payments: tuple[PaymentView, ...]
    next_after: UUID | None


async def list_payments(actor: Actor, state: str | None, after: UUID | None, limit: int) -> PaymentPage:
    """A page of at most `limit` payments that the actor may see, of any state or of one, by their keys."""
    require(actor, "payment.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            PAYMENT + "where ($1 or p.supplier_id = $2 or p.og_id = $2)"
            " and ($3::text is null or p.state = $3) and ($4::uuid is null or p.id > $4)"
            " order by p.id limit $5",
            sees_all(actor, "payment.read"),
            actor.organisation_id,
            state,
            after,
            limit + 1,
        )
    payments = tuple(PaymentView(**dict(row)) for row in rows[:limit])
    return PaymentPage(payments, payments[-1].id if len(rows) > limit else None)


async def represent(
    actor: Actor,
    payment_id: UUID,
    at: datetime,
    key: Key,
    render: Callable[[PaymentView | Refused], Answer],
) -> Answer:
    """Makes a payment that the bank returned due again, once what made it come back was repaired.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, those of `perform`.
    """
    require(actor, "payment.represent")

    async def work(con: asyncpg.Connection) -> PaymentView | Refused:
        found = await lock_candidates(con, [payment_id])
        if not found:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN_PAYMENT)
        reasons = _not_returned(found[0].state, found[0].order_state)
        if reasons:
            return Refused("payment.refused", "payment", str(payment_id), reasons)
        await con.execute("update payment set state = 'due', due_at = $2 where id = $1", payment_id, at)
        view = PaymentView(**dict(await con.fetchrow(PAYMENT + "where p.id = $1", payment_id)))
        facts: dict[str, Any] = {
            "order_id": str(view.order_id),
            "order_number": view.order_number,
            "kind": view.kind,
            "amount_ttc_cents": view.due_ttc_cents,
        }
        await journal.record(con, actor, at, "payment.represented", "payment", str(payment_id), facts)
        await announce(con, at, "payment.due", "payment", str(payment_id), (view.supplier_id,), facts)
        return view

    return await perform(actor, at, key, work, render)


def _not_returned(state: str, order_state: str) -> tuple[Reason, ...]:
    reasons = []
    if state != "returned":
        wanted = PAYMENT_WORDS["returned"]
        reasons.append(
            Reason(f"Ce versement est « {PAYMENT_WORDS[state]} » ; il faudrait qu'il soit « {wanted} ».")
        )
    if order_state != "validated":
        reasons.append(Reason(f"La commande est « {ORDER_WORDS[order_state]} » : plus rien n'est à payer."))
    return tuple(reasons)
