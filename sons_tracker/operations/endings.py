"""How an order ends before it is settled: cancelled or lapsed, with everything that hangs on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.operations.actors import Actor
from sons_tracker.operations.acts import OrderParties, tell_all
from sons_tracker.operations.recoveries import open_recovery
from sons_tracker.rules.dossier import Dossier

DELAY_PASSED = "delay_passed"
DECIDED = "decided"
# In these states of its payment, money is with the supplier, or on its way: the ESSMS are not free.
MONEY_OUT = ("in_lot", "paid", "to_recover")


@dataclass(frozen=True, slots=True)
class Ending:
    """Why an order ends: its new state, and for the journal and the recovery, the reason and the source.

    `after`: cancelled, lapsed, or rejected by the decision of a conflict. `reason` is one of the reasons of a
    recovery (cancelled, cloture, reclaimed, decided), or `DELAY_PASSED`, when nothing can have been paid.
    `facts` go to the journal and the parties.
    """

    after: str
    reason: str
    source: str
    facts: dict[str, Any]


async def end_order(
    con: asyncpg.Connection, actor: Actor, at: datetime, dossier: Dossier, ending: Ending
) -> None:
    """Ends an open order in the caller's transaction; its dossier was loaded with its lock."""
    order = OrderParties(dossier.id, dossier.number, dossier.supplier_id, dossier.og_id)
    await end_orders(con, actor, [(order, at)], ending)


async def end_orders(
    con: asyncpg.Connection, actor: Actor, ends: Sequence[tuple[OrderParties, datetime]], ending: Ending
) -> None:
    """Ends open orders, each at its instant, in sets: the clôture meets thousands at once. The caller's
    transaction holds them.

    Their live requests become inadmissible, what was due is no longer, what is planned is taken back from the
    ledger, their deadlines are superseded. Their ESSMS are freed, unless money is out: a paid advance opens a
    recovery, and the ESSMS are freed when the ordre de recouvrement is issued; at once where a conflict was
    decided. The parties are told.
    """
    instants = {order.id: at for order, at in ends}
    ids, ats = list(instants), list(instants.values())
    await con.execute("update purchase_order set state = $2 where id = any($1)", ids, ending.after)
    await con.execute(
        "update financing_request r set state = 'inadmissible', decided_at = e.at, decided_by = $3,"
        " reason = $4 from unnest($1::uuid[], $2::timestamptz[]) as e (id, at)"
        " where r.order_id = e.id and r.state in ('requested', 'to_correct', 'validated')",
        ids,
        ats,
        actor.person_id,
        f"La commande a pris fin : {ending.source}",
    )
    await con.execute(
        "update payment set state = 'planned', due_ttc_cents = null, due_at = null"
        " where order_id = any($1) and state in ('due', 'returned')",
        ids,
    )
    await unplan(con, instants, "order_ended")
    if ending.reason != DELAY_PASSED:  # that order may reopen, and meet its fermeture and its clôture (C16)
        await con.execute(
            "update deadline d set superseded_at = e.at"
            " from unnest($1::uuid[], $2::timestamptz[]) as e (id, at) where d.order_id = e.id"
            " and d.fired_at is null and d.superseded_at is null and d.due_at >= e.at",
            ids,
            ats,
        )
    out = await con.fetch(
        "select id, order_id, state, due_ttc_cents from payment where order_id = any($1) and state = any($2)"
        " order by order_id, kind",
        ids,
        list(MONEY_OUT),
    )
    for payment in out:
        if payment["state"] == "paid":
            at, due = instants[payment["order_id"]], payment["due_ttc_cents"]
            await open_recovery(con, actor, at, payment["id"], due, ending.reason, ending.source)
    # a decision swaps the claims at once; everything else waits for the ordre de recouvrement
    held = set() if ending.reason == DECIDED else {payment["order_id"] for payment in out}
    free = {order_id: at for order_id, at in instants.items() if order_id not in held}
    why_free = DECIDED if ending.reason == DECIDED else ending.after
    freed = await release_claims(con, free, why_free)
    why = {**ending.facts, "reason": ending.reason, "source": ending.source}
    said = [(order, at, {**why, "essms_freed": freed[order.id]}) for order, at in ends]
    await tell_all(con, actor, f"order.{ending.after}", said)


async def unplan(
    con: asyncpg.Connection,
    instants: Mapping[UUID, datetime],
    cause: str,
    *,
    essms: tuple[str, ...] | None = None,
    kind: str | None = None,
) -> None:
    """Takes back from the ledger what is planned for orders, each at its instant, for some of their ESSMS, or
    for one kind of payment: one row per line and payment that is not at zero already."""
    await con.execute(
        "insert into ledger_entry (order_id, finess_geographique, supplier_id, og_id, payment_id, movement,"
        " amount_ttc_cents, at, cause)"
        " select l.order_id, l.finess_geographique, l.supplier_id, l.og_id, l.payment_id, 'planned',"
        " -sum(l.amount_ttc_cents), e.at, $3"
        " from unnest($1::uuid[], $2::timestamptz[]) as e (id, at) join ledger_entry l on l.order_id = e.id"
        " where l.movement = 'planned' and ($4::text[] is null or l.finess_geographique = any($4))"
        " and ($5::text is null or l.payment_id in"
        " (select id from payment where order_id = any($1) and kind = $5))"
        " group by l.order_id, l.finess_geographique, l.supplier_id, l.og_id, l.payment_id, e.at"
        " having sum(l.amount_ttc_cents) <> 0 order by l.finess_geographique, l.payment_id",
        list(instants),
        list(instants.values()),
        cause,
        None if essms is None else list(essms),
        kind,
    )


async def release_claims(
    con: asyncpg.Connection, instants: Mapping[UUID, datetime], reason: str
) -> Counter[UUID]:
    """Frees what orders still hold, each at its instant; returns the number of ESSMS of each."""
    freed = await con.fetch(
        "update claim c set released_at = e.at, release_reason = $3"
        " from unnest($1::uuid[], $2::timestamptz[]) as e (id, at)"
        " where c.order_id = e.id and c.released_at is null returning c.order_id",
        list(instants),
        list(instants.values()),
        reason,
    )
    return Counter(row["order_id"] for row in freed)
