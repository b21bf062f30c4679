"""Deadlines. APScheduler is only a clock; what is due is a question to PostgreSQL, which any process asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from sons_tracker.db import journal
from sons_tracker.db.engine import retrying, transaction
from sons_tracker.db.migrate import schema_is_current
from sons_tracker.operations.actors import SCHEDULER
from sons_tracker.operations.clock import business_instant

TICK_SECONDS = 15.0
ROWS_PER_TICK = 1000


@dataclass(frozen=True, slots=True)
class Fired:
    """A deadline that has just taken effect, dated by its due instant."""

    rule: str
    object_id: str
    kind: str
    due_at: datetime


async def tick(at: datetime, *, limit: int = ROWS_PER_TICK) -> list[Fired]:
    """Fires what is due at the business instant `at`, oldest first; at most `limit` deadlines.

    Each deadline is one transaction: claimed with SKIP LOCKED, so that processes share the work; its
    effect and its mark commit together, so that a process killed in the middle leaves it due.
    """
    fired: list[Fired] = []
    while len(fired) < limit:
        one = await _fire_next(at)
        if one is None:
            break
        fired.append(one)
    return fired


@retrying
async def _fire_next(at: datetime) -> Fired | None:
    async with transaction(SCHEDULER.context) as con:
        row = await con.fetchrow(
            "select rule, object_id, kind, due_at, order_id, facts from deadline"
            " where due_at <= $1 and fired_at is null and superseded_at is null"
            " order by due_at, rule, object_id limit 1 for update skip locked",
            at,
        )
        if row is None:
            return None
        due = Fired(row["rule"], row["object_id"], row["kind"], row["due_at"])
        order = {} if row["order_id"] is None else {"order_id": str(row["order_id"])}
        facts = {**row["facts"], **order, "rule": due.rule, "due_at": due.due_at.isoformat()}
        # The effect: dated by the due instant, whenever the clock came round to it.
        await journal.record(con, SCHEDULER, due.due_at, "deadline.reached", due.kind, due.object_id, facts)
        await con.execute(
            "update deadline set fired_at = $4 where rule = $1 and object_id = $2 and due_at = $3",
            due.rule,
            due.object_id,
            due.due_at,
            at,
        )
        return due


@asynccontextmanager
async def running(seconds: float = TICK_SECONDS) -> AsyncIterator[None]:
    """Ticks every `seconds` on the business clock until leaving; the tick under way is seen through.

    A UTC interval and no cron: a cron in Paris time skips or doubles its hour twice a year. A late tick
    still runs, late ones run as one, and two never overlap.
    """
    under_way = asyncio.Lock()

    async def come_round() -> None:
        async with under_way:
            async with transaction(SCHEDULER.context, read_only=True) as con:
                if not await schema_is_current(con):
                    return  # /readyz says so; there is nothing to fire before `migrate`
                at = await business_instant(con)
            await tick(at)

    clock = AsyncIOScheduler(timezone=UTC)
    clock.add_job(
        come_round,
        IntervalTrigger(seconds=seconds, timezone=UTC),
        id="tick",
        misfire_grace_time=None,
        coalesce=True,
        max_instances=1,
        next_run_time=datetime.now(UTC),
    )
    clock.start()
    try:
        yield
    finally:
        clock.pause()
        async with under_way:
            clock.shutdown(wait=False)
