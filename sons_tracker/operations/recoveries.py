"""Recoveries: an advance, or a part of it, that the supplier pays back (R22): opened, issued, recovered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.ledger import Movement, load_sums, write_movements
from sons_tracker.operations.outbox import announce
from sons_tracker.operations.recovery_letters import write_letter
from sons_tracker.operations.recovery_reading import load_recovery, lock_recovery
from sons_tracker.operations.recovery_views import STEP_WORDS, RecoveryView
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.ledger import recovery_moves
from sons_tracker.rules.money import euros_fr

Render = Callable[[RecoveryView | Refused], Answer]

_OPEN = """
insert into recovery (id, number, order_id, payment_id, supplier_id, og_id, amount_ttc_cents, reason, source,
  opened_at)
select $1, 'OR-' || $2 || '-' || lpad(nextval('recovery_number')::text, 6, '0'), order_id, id, supplier_id,
  og_id, $4, $5, $6, $7
from payment where id = $3
returning number, order_id, supplier_id, og_id
"""


async def open_recovery(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    payment_id: UUID,
    amount_ttc_cents: int,
    reason: str,
    source: str,
) -> UUID:
    """Asks back `amount_ttc_cents` of a paid payment, in the caller's transaction; returns its identifier.

    The payment goes from paid to to_recover. `reason`: cancelled, cloture, over_advance, reclaimed or
    decided; `source`: the place of the text, as people read it. The parties are told; nothing is owed by the
    supplier before a payer issues the ordre de recouvrement.

    Raises:
        asyncpg.PostgresError: SN015 when the payment is not paid, SN019 when more is asked than was paid.
    """
    await con.execute("update payment set state = 'to_recover' where id = $1", payment_id)
    recovery_id = uuid4()
    row = await con.fetchrow(
        _OPEN,
        recovery_id,
        str(known_on(at).year),
        payment_id,
        amount_ttc_cents,
        reason,
        source,
        at,
    )
    facts = {
        "number": row["number"],
        "order_id": str(row["order_id"]),
        "payment_id": str(payment_id),
        "amount_ttc_cents": amount_ttc_cents,
        "reason": reason,
        "source": source,
    }
    await journal.record(con, actor, at, "recovery.opened", "recovery", str(recovery_id), facts)
    await announce(
        con,
        at,
        "recovery.opened",
        "recovery",
        str(recovery_id),
        (row["supplier_id"], row["og_id"]),
        facts,
    )
    return recovery_id


async def issue(
    actor: Actor, recovery_id: UUID, appeal: str, at: datetime, key: Key, render: Render
) -> Answer:
    """Issues the ordre de recouvrement: its letter is frozen, and from now on the supplier owes the money.

    The ESSMS of an order that ended are freed, once no other money of that order is out (R22). `actor` is a
    payer; `appeal` is the sentence on the means of appeal that the letter bears.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, those of `perform`.
    """
    require(actor, "recovery.issue")

    async def work(con: asyncpg.Connection) -> RecoveryView | Refused:
        row = await lock_recovery(con, actor, recovery_id)
        view = await load_recovery(con, actor, recovery_id, at)
        if against := view.reasons("issue_recovery"):
            return Refused("recovery.refused", "recovery", str(recovery_id), against)
        await con.execute(
            "update recovery set issued_at = $2, issued_by = $3 where id = $1",
            recovery_id,
            at,
            actor.person_id,
        )
        sums = (await load_sums(con, [row["order_id"]]))[row["order_id"]]
        moves = recovery_moves(
            row["amount_ttc_cents"], [line.money(row["payment_id"], now=True) for line in sums.values()]
        )
        await write_letter(con, row, moves, appeal, at)
        await _step(con, row, actor, at, "letter", "Ordre de recouvrement émis.")
        freed = await free_essms(con, at, [row["order_id"]])
        facts = {**_facts(row), "essms_freed": freed}
        await _tell(con, actor, at, "recovery.issued", row, facts)
        return await load_recovery(con, actor, recovery_id, at)

    return await perform(actor, at, key, work, render)


async def free_essms(con: asyncpg.Connection, at: datetime, order_ids: Sequence[UUID]) -> int:
    """Frees what orders that ended still hold, unless money of theirs is with the bank, or was paid and is
    under no ordre de recouvrement; returns the number of ESSMS."""
    done: str = await con.execute(
        "update claim c set released_at = $2, release_reason = case when exists"
        " (select from recovery r where r.order_id = o.id) then 'recovered' else o.state end"
        " from purchase_order o where o.id = any($1) and o.state in ('cancelled', 'lapsed')"
        " and c.order_id = o.id and c.released_at is null"
        " and not exists (select from payment p where p.order_id = o.id and p.state in ('in_lot', 'paid'))"
        " and not exists (select from recovery r where r.order_id = o.id and r.issued_at is null)",
        list(order_ids),
        at,
    )
    return int(done.rpartition(" ")[2])


@dataclass(frozen=True, slots=True)
class Repayment:
    """What the bank says that the supplier paid back: its reference, when, how much in cents TTC."""

    bank_reference: str
    received_at: datetime
    amount_ttc_cents: int


async def record_repayment(
    actor: Actor, recovery_id: UUID, repayment: Repayment, at: datetime, key: Key, render: Render
) -> Answer:
    """Closes a recovery by the money that came back, to the cent; the ledger of the order follows.

    A line that gave too much also pays a line that is still owed money, so that the order is even.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, those of `perform`.
    """
    require(actor, "recovery.repay")

    async def work(con: asyncpg.Connection) -> RecoveryView | Refused:
        row = await lock_recovery(con, actor, recovery_id)
        view = await load_recovery(con, actor, recovery_id, at)
        against = view.reasons("record_repayment") or await _wrong(con, row, repayment, at)
        if against:
            return Refused("recovery.refused", "recovery", str(recovery_id), against)
        await con.execute(
            "update recovery set recovered_at = $2, bank_reference = $3 where id = $1",
            recovery_id,
            repayment.received_at,
            repayment.bank_reference,
        )
        await con.execute("update payment set state = 'recovered' where id = $1", row["payment_id"])
        sums = (await load_sums(con, [row["order_id"]]))[row["order_id"]]
        moves = recovery_moves(
            row["amount_ttc_cents"], [line.money(row["payment_id"], now=True) for line in sums.values()]
        )
        payment_id, when = row["payment_id"], repayment.received_at
        booked = [
            Movement(payment_id, move.finess, movement, amount, when, cause)
            for move in moves
            for movement, amount, cause in (
                ("recovered", -move.recovered, "recovered"),
                ("paid", move.paid, "compensated"),
                ("compensated", -move.compensated, "compensated"),
            )
            if amount
        ]
        await write_movements(con, booked)
        facts = {
            **_facts(row),
            "bank_reference": repayment.bank_reference,
            "received_at": repayment.received_at.isoformat(),
        }
        await _tell(con, actor, at, "recovery.recovered", row, facts)
        return await load_recovery(con, actor, recovery_id, at)

    return await perform(actor, at, key, work, render)


async def _wrong(con: asyncpg.Connection, row: Any, repayment: Repayment, at: datetime) -> tuple[Reason, ...]:
    reasons = []
    if repayment.amount_ttc_cents != row["amount_ttc_cents"]:
        asked, given = euros_fr(row["amount_ttc_cents"]), euros_fr(repayment.amount_ttc_cents)
        reasons.append(
            Reason(
                f"L'ordre de recouvrement est de {asked}, le remboursement de {given}.",
                "Un recouvrement se clôt par son montant exact : attendre le reste, ou rendre le trop-perçu.",
            )
        )
    if not row["issued_at"] <= repayment.received_at <= at:
        reasons.append(
            Reason("Le remboursement est daté d'avant l'ordre de recouvrement, ou d'après cet instant.")
        )
    if await con.fetchval(
        "select exists (select from recovery where bank_reference = $1)"
        " or exists (select from bank_return_line where bank_reference = $1)",
        repayment.bank_reference,
    ):
        reasons.append(Reason("Cette référence bancaire a déjà été intégrée.", "Vérifier la référence."))
    return tuple(reasons)


async def add_step(
    actor: Actor, recovery_id: UUID, kind: str, text: str, at: datetime, key: Key, render: Render
) -> Answer:
    """Adds to the follow-up a reminder, of which the supplier is told, or a note of the agencies' own.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, those of `perform`.
    """
    require(actor, "recovery.follow")

    async def work(con: asyncpg.Connection) -> RecoveryView | Refused:
        row = await lock_recovery(con, actor, recovery_id)
        view = await load_recovery(con, actor, recovery_id, at)
        if against := view.reasons(f"add_{kind}"):
            return Refused("recovery.refused", "recovery", str(recovery_id), against)
        await _step(con, row, actor, at, kind, text)
        facts = {**_facts(row), "kind": kind}
        await journal.record(con, actor, at, "recovery.followed", "recovery", str(recovery_id), facts)
        if kind == "reminder":
            reminded = {**facts, "step": STEP_WORDS[kind]}
            to = (row["supplier_id"],)
            await announce(con, at, "recovery.reminded", "recovery", str(recovery_id), to, reminded)
        return await load_recovery(con, actor, recovery_id, at)

    return await perform(actor, at, key, work, render)


async def _step(con: asyncpg.Connection, row: Any, actor: Actor, at: datetime, kind: str, text: str) -> None:
    await con.execute(
        "insert into recovery_step (id, recovery_id, supplier_id, og_id, at, person_id, kind, text)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8)",
        uuid4(),
        row["id"],
        row["supplier_id"],
        row["og_id"],
        at,
        actor.person_id,
        kind,
        text,
    )


def _facts(row: Any) -> dict[str, Any]:
    return {
        "number": row["number"],
        "order_id": str(row["order_id"]),
        "order_number": row["order_number"],
        "payment_id": str(row["payment_id"]),
        "amount_ttc_cents": row["amount_ttc_cents"],
        "reason": row["reason"],
        "source": row["source"],
    }


async def _tell(
    con: asyncpg.Connection, actor: Actor, at: datetime, event: str, row: Any, facts: dict[str, Any]
) -> None:
    await journal.record(con, actor, at, event, "recovery", str(row["id"]), facts)
    await announce(con, at, event, "recovery", str(row["id"]), (row["supplier_id"], row["og_id"]), facts)
