"""How an order ends before it is settled: cancelled or lapsed, with everything that hangs on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.operations.actors import Actor
from sons_tracker.operations.acts import tell
from sons_tracker.operations.recoveries import open_recovery
from sons_tracker.rules.dossier import Dossier

DELAY_PASSED = "delay_passed"
# In these states of its payment, money is with the supplier, or on its way: the ESSMS are not free.
MONEY_OUT = ("in_lot", "paid", "to_recover")


@dataclass(frozen=True, slots=True)
class Ending:
    """Why an order ends: its new state, and for the journal and the recovery, the reason and the source.

    `after`: cancelled or lapsed. `reason` is one of the reasons of a recovery (cancelled, cloture, reclaimed,
    decided), or `DELAY_PASSED`, when nothing can have been paid. `facts` go to the journal and the parties.
    """

    after: str
    reason: str
    source: str
    facts: dict[str, Any]


async def end_order(
    con: asyncpg.Connection, actor: Actor, at: datetime, dossier: Dossier, ending: Ending
) -> None:
    """Ends an open order in the caller's transaction; the dossier was loaded with its lock.

    Its live requests become inadmissible, what was due is no longer, what is planned is taken back from the
    ledger, its deadlines are superseded. Its ESSMS are freed, unless money is out: a paid advance opens a
    recovery, and the ESSMS are freed when the ordre de recouvrement is issued. The parties are told.
    """
    await con.execute("update purchase_order set state = $2 where id = $1", dossier.id, ending.after)
    await con.execute(
        "update financing_request set state = 'inadmissible', decided_at = $2, decided_by = $3, reason = $4"
        " where order_id = $1 and state in ('requested', 'to_correct', 'validated')",
        dossier.id,
        at,
        actor.person_id,
        f"La commande a pris fin : {ending.source}",
    )
    await con.execute(
        "update payment set state = 'planned', due_ttc_cents = null, due_at = null"
        " where order_id = $1 and state in ('due', 'returned')",
        dossier.id,
    )
    await unplan(con, at, dossier.id, "order_ended")
    if ending.reason != DELAY_PASSED:  # that order may reopen, and meet its fermeture and its clôture (C16)
        await con.execute(
            "update deadline set superseded_at = $2"
            " where order_id = $1 and fired_at is null and superseded_at is null and due_at >= $2",
            dossier.id,
            at,
        )
    out = [payment for payment in dossier.payments if payment.state in MONEY_OUT]
    for payment in out:
        if payment.state == "paid" and payment.due_ttc_cents is not None:
            await open_recovery(
                con, actor, at, payment.id, payment.due_ttc_cents, ending.reason, ending.source
            )
    freed = 0 if out else await release_claims(con, at, dossier.id, ending.after)
    facts = {**ending.facts, "reason": ending.reason, "source": ending.source, "essms_freed": freed}
    await tell(con, actor, at, f"order.{ending.after}", dossier, facts)


async def unplan(
    con: asyncpg.Connection,
    at: datetime,
    order_id: UUID,
    cause: str,
    *,
    essms: tuple[str, ...] | None = None,
    kind: str | None = None,
) -> None:
    """Takes back from the ledger what is planned for an order, for some of its ESSMS, or for one kind of
    payment: one row per line and payment that is not at zero already."""
    await con.execute(
        "insert into ledger_entry (order_id, finess_geographique, supplier_id, og_id, payment_id, movement,"
        " amount_ttc_cents, at, cause)"
        " select order_id, finess_geographique, supplier_id, og_id, payment_id, 'planned',"
        " -sum(amount_ttc_cents), $2, $3 from ledger_entry"
        " where order_id = $1 and movement = 'planned'"
        " and ($4::text[] is null or finess_geographique = any($4))"
        " and ($5::text is null or payment_id in"
        " (select id from payment where order_id = $1 and kind = $5))"
        " group by order_id, finess_geographique, supplier_id, og_id, payment_id"
        " having sum(amount_ttc_cents) <> 0 order by finess_geographique, payment_id",
        order_id,
        at,
        cause,
        None if essms is None else list(essms),
        kind,
    )


async def release_claims(con: asyncpg.Connection, at: datetime, order_id: UUID, reason: str) -> int:
    """Frees what an order still holds; returns the number of ESSMS."""
    done: str = await con.execute(
        "update claim set released_at = $2, release_reason = $3 where order_id = $1 and released_at is null",
        order_id,
        at,
        reason,
    )
    return int(done.rpartition(" ")[2])
