"""One key, one answer: the key is stored in the transaction of its effect, and looked at first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor

IN_FLIGHT_WAIT = 2.0
"""Seconds that the second of two identical requests waits for the first."""


@dataclass(frozen=True, slots=True)
class Key:
    """An `Idempotency-Key` with what it was used for: the route, and the SHA-256 of the request."""

    key: str
    route: str
    request_sha256: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it left: HTTP status, body, and whether it is a replay."""

    status: int
    body: bytes
    replayed: bool = False


async def open_key(con: asyncpg.Connection, actor: Actor, key: Key) -> Answer | None:
    """Takes the key for this transaction, or gives the answer that it already has.

    A twin in flight is waited for: PostgreSQL holds the second insert until the first transaction ends.

    Raises:
        SonsError: `IDEMPOTENCY_MISMATCH` when the key served another request; `IDEMPOTENCY_IN_FLIGHT`
            when the first has not answered in time.
    """
    try:
        taken = await con.fetchval(
            "insert into idempotency (organisation_id, key, route, request_sha256) values ($1, $2, $3, $4)"
            " on conflict do nothing returning true",
            actor.organisation_id,
            key.key,
            key.route,
            key.request_sha256,
            timeout=IN_FLIGHT_WAIT,
        )
    except TimeoutError:
        raise SonsError(
            ErrorCode.IDEMPOTENCY_IN_FLIGHT,
            "Une demande identique est encore en cours de traitement : son résultat n'est pas connu.",
        ) from None
    if taken:
        return None
    row = await con.fetchrow(
        "select route, request_sha256, status, body from idempotency where organisation_id = $1 and key = $2",
        actor.organisation_id,
        key.key,
    )
    if row is None or (row["route"], row["request_sha256"]) != (key.route, key.request_sha256):
        raise SonsError(
            ErrorCode.IDEMPOTENCY_MISMATCH,
            "Cette clé d'idempotence a déjà servi pour une autre demande.",
        )
    return Answer(row["status"], row["body"], replayed=True)


async def reserve_key(actor: Actor, key: Key) -> None:
    """Ties a key to one request whose answer is made again from the answers of its parts (a bulk).

    Raises:
        SonsError: `IDEMPOTENCY_MISMATCH`, `IDEMPOTENCY_IN_FLIGHT`, as `open_key`.
    """
    async with transaction(actor.context) as con:
        await open_key(con, actor, key)


async def keep_answer(con: asyncpg.Connection, actor: Actor, key: Key, answer: Answer) -> None:
    """Stores the answer under the key that this transaction took."""
    await con.execute(
        "update idempotency set status = $3, body = $4 where organisation_id = $1 and key = $2",
        actor.organisation_id,
        key.key,
        answer.status,
        answer.body,
    )


async def purge(con: asyncpg.Connection, kept_for: timedelta) -> int:
    """Forgets the keys older than `kept_for` of the machine's clock, as the scheduler; returns how many."""
    done: str = await con.execute("delete from idempotency where created_at < now() - $1::interval", kept_for)
    return int(done.rpartition(" ")[2])
