"""The law of the package against the law of this database: what is enacted, and what it moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from sons_tracker.db import journal, migrate
from sons_tracker.db.engine import retrying, transaction
from sons_tracker.operations.actors import ANONYMOUS, LOCAL_ADMIN, Actor, require
from sons_tracker.operations.audit_followups import after_law
from sons_tracker.operations.calendar_moves import Moved, follow_calendar, plan_publications
from sons_tracker.rules.texts import Law


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a process may serve: the schema is this program's, the law of the package is enacted."""

    schema_current: bool
    law_enacted: bool


@dataclass(frozen=True, slots=True)
class Enactment:
    """What an enactment did: whether this law is new here, and what it moved."""

    is_new: bool
    moved: Moved


@dataclass(frozen=True, slots=True)
class Enacted:
    """A law that decides, or decided, in this database."""

    digest: str
    enacted_at: datetime


async def readiness(digest: str) -> Readiness:
    """What `/readyz` asks; `digest` is that of the package's law. A database that does not answer raises."""
    async with transaction(ANONYMOUS.context, read_only=True) as con:
        current = await migrate.schema_is_current(con)
        return Readiness(current, current and await _is_enacted(con, digest))


async def is_followed(digest: str) -> bool:
    """Whether the law of that digest is the one enacted last: a former law may be taken up again."""
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        return await _last_enacted(con) == digest


@retrying
async def enact(actor: Actor, law: Law, at: datetime) -> Enactment:
    """Records that this law decides from now on, and moves what is undecided to its calendar.

    What is decided stays: verdicts, amounts, deadlines that fired; what another law finds in conflict opens a
    case (the whole nation is examined, in this transaction). Enacting the same law again looks at the
    calendar again; when nothing differs, nothing is written. `actor` is an administrator: row-level security
    refuses any other. `at` is the business instant.

    Raises:
        SonsError: `INVALID_LAW` when the law has lost the dispositif of an open order.
    """
    require(actor, "law.enact")
    async with transaction(actor.context) as con:
        is_new = bool(
            await con.fetchval(
                "insert into law_enactment (digest, enacted_at, enacted_by) values ($1, $2, $3)"
                " on conflict do nothing returning true",
                law.digest,
                at,
                actor.person_id,
            )
        )
        moved = await follow_calendar(con, actor, law, at)
        await plan_publications(con, law, at)
        before = await _last_enacted(con)
        if moved.orders or before != law.digest:
            facts = {"orders_moved": moved.orders, "deadlines_moved": moved.deadlines}
            await journal.record(con, actor, at, "law.enacted", "law", law.digest, facts)
        if before not in {None, law.digest}:
            await after_law(con, actor, law, at)
        return Enactment(is_new, moved)


async def enacted_laws(limit: int) -> tuple[Enacted, ...]:
    """The laws enacted here, at most `limit`, the latest first. Everyone may know which law decides."""
    async with transaction(ANONYMOUS.context, read_only=True) as con:
        rows = await con.fetch(
            "select digest, enacted_at from law_enactment order by enacted_at desc, digest limit $1", limit
        )
    return tuple(Enacted(row["digest"], row["enacted_at"]) for row in rows)


async def _is_enacted(con: asyncpg.Connection, digest: str) -> bool:
    return bool(
        await con.fetchval("select exists (select from sons.law_enactment where digest = $1)", digest)
    )


async def _last_enacted(con: asyncpg.Connection) -> str | None:
    digest: str | None = await con.fetchval(
        "select object_id from journal where object_kind = 'law' and action = 'law.enacted'"
        " order by recorded_at desc, id desc limit 1"
    )
    return digest
