"""What is of no more use is forgotten: answers kept for their keys, tokens, sessions and invitations that
ended, letters that left, counts.

Delays are settings, on the machine's clock. The journal is never touched: it holds identifiers, and each of
its rows says by itself who acted. PostgreSQL lets the scheduler alone forget, and only what is over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import retrying, transaction
from sons_tracker.operations import idempotency
from sons_tracker.operations.actors import SCHEDULER, require
from sons_tracker.safeguards import Retention

COUNTS_KEPT_FOR = timedelta(minutes=10)
"""After a bucket is full again it says nothing but an address: ten minutes are for clocks that differ."""
SIGN_INS_KEPT_FOR = timedelta(days=1)
"""After a quarter of an hour an attempt counts no more: a day is for clocks that differ."""
_UNTOLD = frozenset({"rates", "sign_ins"})
"""Counts come and go by the minute, and prove nothing."""

Forget = Callable[[asyncpg.Connection, timedelta], Awaitable[int]]


async def forget(at: datetime, kept_for: Retention) -> dict[str, int]:
    """Forgets what is older than its delay; returns how many rows, by kind. `at` dates the journal.

    Each kind has its transaction, so that one that fails keeps none of the others.
    """
    return {
        "idempotency": await _forget(at, "idempotency", kept_for.idempotency, idempotency.purge),
        "tokens": await _forget(at, "tokens", kept_for.tokens, _tokens),
        "sessions": await _forget(at, "sessions", kept_for.sessions, _sessions),
        "session_proofs": await _forget(at, "session_proofs", kept_for.sessions, _session_proofs),
        "invitations": await _forget(at, "invitations", kept_for.invitations, _invitations),
        "letters": await _forget(at, "letters", kept_for.invitations, _letters),
        "sign_ins": await _forget(at, "sign_ins", SIGN_INS_KEPT_FOR, _sign_ins),
        "rates": await _forget(at, "rates", COUNTS_KEPT_FOR, _rates),
    }


@retrying
async def _forget(at: datetime, kind: str, kept_for: timedelta, work: Forget) -> int:
    require(SCHEDULER, "retention.apply")
    async with transaction(SCHEDULER.context) as con:
        count = await work(con, kept_for)
        if count and kind not in _UNTOLD:
            facts = {"count": count, "kept_days": kept_for.days}
            await journal.record(con, SCHEDULER, at, "retention.applied", "retention", kind, facts)
        return count


async def _tokens(con: asyncpg.Connection, kept_for: timedelta) -> int:
    return await _deleted(
        con, "delete from access_token where least(expires_at, revoked_at) < now() - $1::interval", kept_for
    )


async def _sessions(con: asyncpg.Connection, kept_for: timedelta) -> int:
    return await _deleted(
        con, "delete from session where least(expires_at, revoked_at) < now() - $1::interval", kept_for
    )


async def _session_proofs(con: asyncpg.Connection, _kept_for: timedelta) -> int:
    """What a provider said of the sessions that are forgotten by now; it stays for those that signed."""
    return int(await con.fetchval("select forget_session_proofs()"))


async def _invitations(con: asyncpg.Connection, kept_for: timedelta) -> int:
    """Their letters go with them."""
    return await _deleted(
        con,
        "delete from invitation where least(expires_at, accepted_at, revoked_at) < now() - $1::interval",
        kept_for,
    )


async def _letters(con: asyncpg.Connection, kept_for: timedelta) -> int:
    return await _deleted(con, "delete from letter where ended_at < now() - $1::interval", kept_for)


async def _sign_ins(con: asyncpg.Connection, kept_for: timedelta) -> int:
    return await _deleted(con, "delete from sign_in_attempt where since < now() - $1::interval", kept_for)


async def _rates(con: asyncpg.Connection, kept_for: timedelta) -> int:
    return await _deleted(con, "delete from rate_bucket where full_at < now() - $1::interval", kept_for)


async def _deleted(con: asyncpg.Connection, statement: str, kept_for: timedelta) -> int:
    done: str = await con.execute(statement, kept_for)
    return int(done.rpartition(" ")[2])
