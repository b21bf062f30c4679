"""A deadline fires once, dated by its due instant, whatever ticks, when, and whoever is killed meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import asyncpg
import pytest

from sons_tracker import scheduler
from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER
from sons_tracker.operations.clock import SANDBOX_STARTS_AT, declare
from sons_tracker.operations.deadlines import Due, Key, tick
from sons_tracker.scheduler import running
from tests.databases import Database
from tests.factories import AT


async def plan(rule: str, dues: list[datetime]) -> None:
    async with transaction(SCHEDULER.context) as con:
        await con.execute(
            "insert into deadline (rule, object_id, due_at, kind, facts)"
            " select $1, 'o' || n, due, 'notice', '{}'"
            " from unnest($2::timestamptz[]) with ordinality as d (due, n)",
            rule,
            dues,
        )


async def reached() -> list[asyncpg.Record]:
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        rows: list[asyncpg.Record] = await con.fetch(
            "select at, role, object_kind, object_id, facts from journal"
            " where action = 'deadline.reached' order by id"
        )
    return rows


async def until_reached(count: int) -> None:
    """Waits until that many deadlines fired, by whichever process."""
    async with asyncio.timeout(60):
        while len(await reached()) < count:  # noqa: ASYNC110 - other processes do the work
            await asyncio.sleep(0.01)


MOMENT = timedelta(microseconds=1)
"""A deadline is inclusive: it is reached once its last instant is over."""


def keys(fired: list[Due]) -> list[Key]:
    return [due.key for due in fired]


async def test_what_is_due_fires_in_order_and_is_dated_by_its_due_instant(database: Database) -> None:
    dues = [AT + timedelta(days=2), AT, AT + timedelta(days=1), AT + timedelta(seconds=1)]
    await plan("R12", dues)
    fired = await tick(AT + timedelta(days=1) + MOMENT)
    assert keys(fired) == [
        (AT, "R12", "o2"),
        (AT + timedelta(seconds=1), "R12", "o4"),
        (AT + timedelta(days=1), "R12", "o3"),
    ]
    assert await tick(AT + timedelta(days=1) + MOMENT) == []
    assert [row["at"] for row in await reached()] == [one.due_at for one in fired]
    assert (await reached())[0]["facts"] == {"rule": "R12", "kind": "notice", "due_at": AT.isoformat()}
    assert {row["role"] for row in await reached()} == {"scheduler"}


async def test_the_last_instant_still_counts(database: Database) -> None:
    await plan("R12", [AT])
    assert await tick(AT - MOMENT) == []
    assert await tick(AT) == []
    assert keys(await tick(AT + MOMENT)) == [(AT, "R12", "o1")]


async def test_a_superseded_deadline_never_fires(database: Database) -> None:
    await plan("R12", [AT])
    async with transaction(SCHEDULER.context) as con:
        await con.execute("update deadline set superseded_at = $1", AT)
    assert await tick(AT + timedelta(days=999)) == []
    assert await reached() == []


async def test_a_limit_leaves_the_rest_for_the_next_tick(database: Database) -> None:
    await plan("R12", [AT] * 5)
    assert [len(await tick(AT + MOMENT, limit=2)) for _ in range(4)] == [2, 2, 1, 0]


async def test_a_tick_that_is_told_to_stop_fires_no_more(database: Database) -> None:
    await plan("R12", [AT] * 5)
    stop = asyncio.Event()
    stop.set()
    assert await tick(AT + MOMENT, stop=stop) == []


async def test_ticks_of_one_process_share_the_work(database: Database) -> None:
    await plan("R12", [AT] * 60)
    done = await asyncio.gather(*(tick(AT + MOMENT, limit=10) for _ in range(6)))
    fired = [due.object_id for part in done for due in part] + [
        due.object_id for due in await tick(AT + MOMENT)
    ]
    assert Counter(fired) == Counter(f"o{n}" for n in range(1, 61))
    assert len(await reached()) == 60


async def test_the_clock_ticks_on_the_business_instant(database: Database) -> None:
    await declare(LOCAL_ADMIN, "sandbox")
    await plan("R12", [SANDBOX_STARTS_AT - MOMENT, SANDBOX_STARTS_AT + timedelta(days=1)])
    async with running(seconds=0.02), asyncio.timeout(60):
        await until_reached(1)
        await asyncio.sleep(0.1)
        assert len(await reached()) == 1
        async with transaction(LOCAL_ADMIN.context) as con:  # the clock alone: the tick must do the rest
            later = SANDBOX_STARTS_AT + timedelta(days=1, seconds=1)
            await con.execute("update instance set clock_at = $1", later)
        await until_reached(2)


async def test_leaving_sees_the_tick_under_way_through(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, finished = asyncio.Event(), False

    async def slow(_: datetime, **__: object) -> list[Due]:
        nonlocal finished
        entered.set()
        await asyncio.sleep(0.2)
        finished = True
        return []

    monkeypatch.setattr(scheduler, "tick", slow)
    async with running(seconds=60):
        await entered.wait()
    assert finished


async def test_a_tick_that_fails_does_not_stop_the_clock(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    times, again = 0, asyncio.Event()

    async def fails_once(_: datetime, **__: object) -> list[Due]:
        nonlocal times
        times += 1
        if times == 1:
            raise ZeroDivisionError
        again.set()
        return []

    monkeypatch.setattr(scheduler, "tick", fails_once)
    async with running(seconds=0.02), asyncio.timeout(60):
        await again.wait()
    assert "ZeroDivisionError" in caplog.text
