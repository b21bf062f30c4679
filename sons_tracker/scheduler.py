"""The clock of the deadlines. APScheduler only ticks; what is due is a question to PostgreSQL, which any
process asks (`operations/deadlines.py`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from sons_tracker.db.engine import transaction
from sons_tracker.db.migrate import schema_is_current
from sons_tracker.law import load
from sons_tracker.operations.actors import SCHEDULER
from sons_tracker.operations.audit_touches import examine_touched
from sons_tracker.operations.clock import business_instant
from sons_tracker.operations.deadlines import tick
from sons_tracker.operations.retention import forget
from sons_tracker.operations.sealing import keep
from sons_tracker.safeguards import Retention

TICK_SECONDS = 15.0
FORGET_SECONDS = 3600.0


@asynccontextmanager
async def running(
    seconds: float = TICK_SECONDS, *, heads: Path | None = None, kept_for: Retention | None = None
) -> AsyncIterator[None]:
    """Ticks every `seconds` on the business clock until leaving; the batch under way is seen through. Then
    examines what orders and successions touched, and seals the journal, whose heads go to the file `heads`
    among others. With `kept_for`, what is over is forgotten at the first tick and every hour.

    A UTC interval and no cron: a cron in Paris time skips or doubles its hour twice a year. A late tick
    still runs, late ones run as one, and two never overlap.
    """
    under_way, leaving = asyncio.Lock(), asyncio.Event()
    forgotten_at = float("-inf")

    async def come_round() -> None:
        nonlocal forgotten_at
        async with under_way:
            async with transaction(SCHEDULER.context, read_only=True) as con:
                if not await schema_is_current(con):
                    return  # /readyz says so; there is nothing to fire before `migrate`
                at = await business_instant(con)
            try:
                await tick(at, stop=leaving)
                await examine_touched(load().law, at, stop=leaving)
            finally:  # a deadline that fails is no reason to leave the journal unsealed
                await keep(at, heads, stop=leaving)
            now = asyncio.get_running_loop().time()
            if kept_for is not None and now - forgotten_at >= FORGET_SECONDS and not leaving.is_set():
                forgotten_at = now  # also when it fails: the next hour tries again, not the next tick
                await forget(at, kept_for)

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
        leaving.set()
        async with under_way:
            clock.shutdown(wait=False)
