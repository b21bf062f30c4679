"""Recoveries: an advance, or a part of it, that the supplier pays back (R22): opened, issued, recovered."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.outbox import announce
from sons_tracker.operations.requests import known_on

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
