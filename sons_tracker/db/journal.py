"""The journal: append-only rows, written in the transaction of what they tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import asyncpg


class Author(Protocol):
    """Whoever acts, by identifiers: `operations.actors.Actor`, which this layer does not know."""

    @property
    def person_id(self) -> UUID | None: ...
    @property
    def organisation_id(self) -> UUID | None: ...
    @property
    def role(self) -> str: ...
    @property
    def token_id(self) -> UUID | None: ...
    @property
    def auth_level(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to come: what `record` takes, but for the author."""

    at: datetime
    action: str
    object_kind: str
    object_id: str
    facts: Mapping[str, Any]


async def record(
    con: asyncpg.Connection,
    actor: Author,
    at: datetime,
    action: str,
    object_kind: str,
    object_id: str,
    facts: Mapping[str, Any],
) -> None:
    """Appends one row to the caller's transaction.

    `at` is the business instant (aware); `action` reads `noun.verb`, for example `token.created`; `facts`
    hold identifiers, amounts in cents and dates, never the name of a person. Row-level security refuses a
    row signed for another organisation or role than those of the transaction.
    """
    await record_all(con, actor, [Entry(at, action, object_kind, object_id, facts)])


async def record_all(con: asyncpg.Connection, actor: Author, entries: Sequence[Entry]) -> None:
    """Appends rows of one author in one statement, in their order; each as `record` would."""
    if any(entry.at.tzinfo is None for entry in entries):
        raise ValueError("the business instant must say its offset")
    await con.execute(
        "insert into journal (at, person_id, organisation_id, role, token_id, auth_level,"
        " action, object_kind, object_id, facts)"
        " select e.at, $1, $2, $3, $4, $5, e.action, e.kind, e.object_id, e.facts"
        " from unnest($6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::jsonb[])"
        " with ordinality as e (at, action, kind, object_id, facts, place) order by e.place",
        actor.person_id,
        actor.organisation_id,
        actor.role,
        actor.token_id,
        actor.auth_level,
        [entry.at for entry in entries],
        [entry.action for entry in entries],
        [entry.object_kind for entry in entries],
        [entry.object_id for entry in entries],
        [dict(entry.facts) for entry in entries],
    )
