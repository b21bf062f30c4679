"""The law of the package against the law of this database: what is enacted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from sons_tracker.db import journal, migrate
from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import ANONYMOUS, Actor


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a process may serve: the schema is this program's, the law of the package is enacted."""

    schema_current: bool
    law_enacted: bool


async def readiness(digest: str) -> Readiness:
    """What `/readyz` asks; `digest` is that of the package's law. A database that does not answer raises."""
    async with transaction(ANONYMOUS.context, read_only=True) as con:
        current = await migrate.schema_is_current(con)
        return Readiness(current, current and await _is_enacted(con, digest))


async def enact(actor: Actor, digest: str, at: datetime) -> bool:
    """Records that the law of that digest decides from now on; False when it already did.

    `actor` is an administrator: row-level security refuses any other. `at` is the business instant.
    """
    async with transaction(actor.context) as con:
        if await _is_enacted(con, digest):
            return False
        written = await con.fetchval(
            "insert into sons.law_enactment (digest, enacted_at, enacted_by) values ($1, $2, $3)"
            " on conflict do nothing returning true",
            digest,
            at,
            actor.person_id,
        )
        if written:
            await journal.record(con, actor, at, "law.enacted", "law", digest, {})
        return bool(written)


async def _is_enacted(con: asyncpg.Connection, digest: str) -> bool:
    return bool(
        await con.fetchval("select exists (select from sons.law_enactment where digest = $1)", digest)
    )
