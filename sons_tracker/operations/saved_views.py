"""Saved views of the queue: filters under a name, private to the person who keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.rules.actions import Reason

MOST_VIEWS = 50
_UNKNOWN = "Aucune de vos vues enregistrées ne porte ce nom."
_MINE = "person_id = $1 and organisation_id = $2 and removed_at is null"


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view: its name, its filters as the queue's address writes them, since when they are so."""

    id: UUID
    name: str
    filters: Mapping[str, Any]
    saved_at: datetime


Render = Callable[[SavedView | Refused], Answer]


async def list_views(actor: Actor) -> tuple[SavedView, ...]:
    """The views of the person who asks, by name.

    Raises:
        SonsError: `FORBIDDEN`.
    """
    require(actor, "saved_view.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            f"select id, name, filters, saved_at from saved_view where {_MINE} order by name",  # noqa: S608 # nosec B608 # constants
            actor.person_id,
            actor.organisation_id,
        )
    return tuple(SavedView(**dict(row)) for row in rows)


async def find_view(actor: Actor, name: str) -> SavedView:
    """A view of the person who asks, by its name.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND`, the same for an unknown name and for another person's view.
    """
    require(actor, "saved_view.read")
    async with transaction(actor.context, read_only=True) as con:
        row = await _find(con, actor, name)
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return SavedView(**dict(row))


async def save_view(
    actor: Actor, name: str, filters: Mapping[str, Any], at: datetime, key: Key, render: Render
) -> Answer:
    """Keeps filters under a name; what the name held before is replaced.

    Raises:
        SonsError: `FORBIDDEN`, those of `perform`.
    """
    require(actor, "saved_view.manage")

    async def work(con: asyncpg.Connection) -> SavedView | Refused:
        # two saves of one name at once: the second replaces what the first made
        await con.execute(
            "select pg_advisory_xact_lock(hashtext('sons.views'), hashtext($1))", str(actor.person_id)
        )
        found = await _find(con, actor, name)
        if found is not None:
            view = SavedView(found["id"], name, filters, at)
            await con.execute(
                "update saved_view set filters = $2, saved_at = $3 where id = $1", view.id, dict(filters), at
            )
        else:
            kept = await con.fetchval(
                f"select count(*) from saved_view where {_MINE}",  # noqa: S608 # nosec B608 # constants
                actor.person_id,
                actor.organisation_id,
            )
            if kept >= MOST_VIEWS:
                much = Reason(f"Vous gardez déjà {MOST_VIEWS} vues.", "En retirer une.")
                return Refused("view.refused", "organisation", str(actor.organisation_id), (much,))
            view = SavedView(uuid4(), name, filters, at)
            await con.execute(
                "insert into saved_view (id, person_id, organisation_id, role, name, filters, saved_at)"
                " values ($1, $2, $3, $4, $5, $6, $7)",
                view.id,
                actor.person_id,
                actor.organisation_id,
                actor.role,
                name,
                dict(filters),
                at,
            )
        await journal.record(con, actor, at, "view.saved", "saved_view", str(view.id), {})
        return view

    return await perform(actor, at, key, work, render)


async def remove_view(actor: Actor, name: str, at: datetime, key: Key, render: Render) -> Answer:
    """Removes a view of the person who asks.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, those of `perform`.
    """
    require(actor, "saved_view.manage")

    async def work(con: asyncpg.Connection) -> SavedView | Refused:
        row = await _find(con, actor, name)
        if row is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        await con.execute("update saved_view set removed_at = $2 where id = $1", row["id"], at)
        await journal.record(con, actor, at, "view.removed", "saved_view", str(row["id"]), {})
        return SavedView(**dict(row))

    return await perform(actor, at, key, work, render)


async def _find(con: asyncpg.Connection, actor: Actor, name: str) -> Any:
    return await con.fetchrow(
        f"select id, name, filters, saved_at from saved_view where {_MINE} and name = $3",  # noqa: S608 # nosec B608 # constants
        actor.person_id,
        actor.organisation_id,
        name,
    )
