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
from sons_tracker.operations.actors import SCHEDULER
from sons_tracker.operations.clock import business_instant
from sons_tracker.operations.deadlines import tick
from sons_tracker.operations.sealing import keep

TICK_SECONDS = 15.0


@asynccontextmanager
async def running(seconds: float = TICK_SECONDS, *, heads: Path | None = None) -> AsyncIterator[None]:
    """Ticks every `seconds` on the business clock until leaving; the batch under way is seen through. Then
    seals the journal, whose heads go to the file `heads` among others.

    A UTC interval and no cron: a cron in Paris time skips or doubles its hour twice a year. A late tick
    still runs, late ones run as one, and two never overlap.
    """
    under_way, leaving = asyncio.Lock(), asyncio.Event()

    async def come_round() -> None:
        async with under_way:
            async with transaction(SCHEDULER.context, read_only=True) as con:
                if not await schema_is_current(con):
                    return  # /readyz says so; there is nothing to fire before `migrate`
                at = await business_instant(con)
            try:
                await tick(at, stop=leaving)
            finally:  # a deadline that fails is no reason to leave the journal unsealed
                await keep(at, heads, stop=leaving)

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
