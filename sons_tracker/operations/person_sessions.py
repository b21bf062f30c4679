"""The sessions of any person, for an administrator who is called: listed, ended all at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.sessions import Session, fetch_open


async def list_of(actor: Actor, person_id: UUID) -> tuple[Session, ...]:
    """The open sessions of a person, the newest first; `actor` is an administrator.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND` for an unknown person.
    """
    require(actor, "session.oversee")
    async with transaction(actor.context, read_only=True) as con:
        await _check(con, person_id)
        return await fetch_open(con, person_id)


async def end_all(
    actor: Actor, person_id: UUID, at: datetime, key: Key, render: Callable[[int | Refused], Answer]
) -> Answer:
    """Ends every session of a person, from its next request on; the answer counts them, none included.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND` for an unknown person; as `perform`.
    """
    require(actor, "session.oversee")

    async def work(con: asyncpg.Connection) -> int | Refused:
        return await _end(con, actor, person_id, at)

    return await perform(actor, at, key, work, render)


async def end_all_here(actor: Actor, person_id: UUID, at: datetime) -> int:
    """The same from the terminal of the machine, which keeps no answer.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND` for an unknown person.
    """
    require(actor, "session.oversee")
    async with transaction(actor.context) as con:
        return await _end(con, actor, person_id, at)


async def _end(con: asyncpg.Connection, actor: Actor, person_id: UUID, at: datetime) -> int:
    await _check(con, person_id)
    ended = await con.fetch(
        "update session set revoked_at = now() where person_id = $1 and revoked_at is null"
        " and expires_at > now() returning id",
        person_id,
    )
    facts = {"sessions": sorted(str(row["id"]) for row in ended)}
    await journal.record(con, actor, at, "person.sessions_revoked", "person", str(person_id), facts)
    return len(ended)


async def _check(con: asyncpg.Connection, person_id: UUID) -> None:
    if not await con.fetchval("select true from person where id = $1", person_id):
        raise SonsError(ErrorCode.NOT_FOUND, "Aucune personne ne porte cet identifiant.")
