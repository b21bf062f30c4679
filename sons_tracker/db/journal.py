"""The journal: append-only rows, written in the transaction of what they tell."""

from __future__ import annotations

from collections.abc import Mapping
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
    if at.tzinfo is None:
        raise ValueError("the business instant must say its offset")
    await con.execute(
        "insert into journal (at, person_id, organisation_id, role, token_id, auth_level,"
        " action, object_kind, object_id, facts) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        at,
        actor.person_id,
        actor.organisation_id,
        actor.role,
        actor.token_id,
        actor.auth_level,
        action,
        object_kind,
        object_id,
        dict(facts),
    )
