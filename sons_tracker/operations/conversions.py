"""What a deposit takes from the reservations of its own supplier, in its own transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.outbox import announce

DEADLINE = "reservation"
"""The rule and the kind of the deadline that ends a reservation; its object is the reservation."""

Taken: TypeAlias = Mapping[UUID, Sequence[str]]
"""The ESSMS that were let go, by reservation."""

_OWN = """reservation r
where c.holder_id = r.id and c.holder_kind = 'reservation' and c.released_at is null
  and c.vague = $1 and c.supplier_id = $3
  and c.finess_geographique = any($2::text[] || array(select predecessor from succeeded_by($2)))
  and r.og_finess_juridique = $4 and r.state = 'active' and r.expires_at >= $5
"""


async def hold_reservations(con: asyncpg.Connection, reservation_ids: Sequence[UUID]) -> None:
    """Makes the acts on these reservations follow each other, and the clock wait, until the transaction ends.

    The deadlines are locked before the reservations, as the tick does: neither waits for the other while it
    holds what the other needs.
    """
    await con.execute(
        "select from deadline where rule = $1 and object_id = any($2) and fired_at is null"
        " and superseded_at is null order by due_at, rule, object_id for update",
        DEADLINE,
        [str(one) for one in reservation_ids],
    )
    await con.execute(
        "select from reservation where id = any($1) order by id for no key update", list(reservation_ids)
    )


async def let_go_for_order(
    con: asyncpg.Connection, actor: Actor, vague: str, og: str, numbers: Sequence[str], at: datetime
) -> Taken:
    """Lets go of what the actor's reservations hold of these ESSMS for this OG, so that the order takes them.

    An ESSMS that was reserved before its number changed is let go of under its old one.

    Until the transaction ends nobody else can take them: whoever claims one of them waits for it, and then
    meets the claim of the order.
    """
    asked = (vague, list(numbers), actor.organisation_id, og, at)
    found = await con.fetch(
        f"select distinct r.id from claim c, {_OWN}",  # noqa: S608 # nosec B608 # a constant
        *asked,
    )
    if not found:
        return {}
    await hold_reservations(con, [row["id"] for row in found])
    taken: dict[UUID, list[str]] = {}
    for row in await con.fetch(
        "update claim c set released_at = $5, release_reason = 'converted'"  # noqa: S608 - a constant
        f" from {_OWN} returning c.holder_id, c.finess_geographique",  # nosec B608 # constants of this module
        *asked,
    ):
        taken.setdefault(row["holder_id"], []).append(row["finess_geographique"])
    return taken


async def conclude(
    con: asyncpg.Connection, actor: Actor, at: datetime, taken: Taken, order_number: str
) -> None:
    """Ends the reservations that hold nothing any more, and tells of each what an order took."""
    for reservation_id, numbers in taken.items():
        row = await con.fetchrow(
            "select r.number, r.supplier_id, r.og_id, r.expires_at, (select count(*) from claim c"
            " where c.holder_id = r.id and c.holder_kind = 'reservation' and c.released_at is null) as held"
            " from reservation r where r.id = $1",
            reservation_id,
        )
        if not row["held"]:
            await con.execute(
                "update reservation set state = 'converted', ended_at = $2 where id = $1", reservation_id, at
            )
            await silence_end(con, reservation_id, at)
        facts = {
            "number": row["number"],
            "order_number": order_number,
            "essms": len(numbers),
            "left": row["held"],
            **({"until": row["expires_at"].isoformat()} if row["held"] else {}),
        }
        parties = (row["supplier_id"], row["og_id"])
        await tell_parties(con, actor, at, "reservation.converted", reservation_id, parties, facts)


async def silence_end(con: asyncpg.Connection, reservation_id: UUID, at: datetime) -> None:
    """Supersedes the end that a reservation no longer has: it was renewed, or it is over."""
    await con.execute(
        "update deadline d set superseded_at = $3 from reservation r where r.id = $2 and d.rule = $1"
        " and d.object_id = r.id::text and d.fired_at is null and d.superseded_at is null"
        " and (r.state <> 'active' or d.due_at <> r.expires_at)",
        DEADLINE,
        reservation_id,
        at,
    )


async def tell_parties(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    event: str,
    reservation_id: UUID,
    parties: Sequence[UUID],
    facts: Mapping[str, Any],
) -> None:
    """Journals an event of a reservation and announces it to its supplier and its OG, with the same facts."""
    await journal.record(con, actor, at, event, "reservation", str(reservation_id), facts)
    await announce(con, at, event, "reservation", str(reservation_id), parties, facts)
