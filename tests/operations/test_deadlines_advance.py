"""The advanced clock: it stands at each due instant, and a jump ends as the same days lived one by one."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import asyncpg
import pytest

from sons_tracker.db import engine
from sons_tracker.db.engine import transaction
from sons_tracker.errors import SonsError
from sons_tracker.operations import deadlines
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.clock import (
    SANDBOX_STARTS_AT,
    SHOWN_EVENTS,
    Advanced,
    advance_to,
    business_instant,
    now,
)
from sons_tracker.operations.deadlines import Due
from sons_tracker.operations.effects import EFFECTS
from sons_tracker.rules.french import PARIS
from tests import factories_life as life
from tests import factories_orders as make
from tests.databases import Database, Server
from tests.factories import AT

FULL = os.environ.get("TIER") == "full"
SEEDS = 12 if FULL else 2
MOMENT = timedelta(microseconds=1)
owner = make.Everything()


async def jump(to: datetime) -> Advanced:
    done = await advance_to(LOCAL_ADMIN, to)
    assert isinstance(done, Advanced)
    return done


async def plan(kind: str, dues: list[datetime]) -> None:
    """Deadlines of nobody's order."""
    await owner.execute(
        "insert into deadline (rule, object_id, due_at, kind, facts)"
        " select 'R99', 'o' || n, due, $1, '{}' from unnest($2::timestamptz[]) with ordinality as d (due, n)",
        kind,
        dues,
    )


async def test_the_clock_stands_just_after_each_due_instant(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make.prepare_instance()
    stood: list[tuple[datetime, datetime, datetime, str]] = []

    async def looks(con: asyncpg.Connection, due: Due, at: datetime) -> None:
        role = await con.fetchval("select current_role_name()")
        stood.append((due.due_at, at, await business_instant(con), role))

    monkeypatch.setitem(EFFECTS, "looks", deadlines.one_by_one(looks))
    dues = [AT + timedelta(days=n, hours=n % 5) for n in (3, 1, 2, 2, 9)]
    await plan("looks", dues)
    done = await jump(AT + timedelta(days=5))
    assert [due for due, *_ in stood] == sorted(dues)[:4]
    assert all(at == clock == due + MOMENT and role == "scheduler" for due, at, clock, role in stood)
    assert [event.at for event in done.events] == sorted(dues)[:4]
    assert await now() == AT + timedelta(days=5)


async def test_the_very_instant_of_arrival_is_not_over(database: Database) -> None:
    await make.prepare_instance()
    await plan("notice", [AT + timedelta(days=1)])
    assert (await jump(AT + timedelta(days=1))).total == 0
    assert (await jump(AT + timedelta(days=1) + MOMENT)).total == 1
    assert (await jump(AT + timedelta(days=1) + MOMENT)).total == 0


async def test_what_was_overdue_fires_first_and_the_clock_does_not_go_back_for_it(database: Database) -> None:
    await make.prepare_instance()
    await plan("notice", [AT - timedelta(days=30), AT - timedelta(days=1), AT + timedelta(days=1)])
    done = await jump(AT + timedelta(days=2))
    assert [event.at for event in done.events] == [
        AT - timedelta(days=30),
        AT - timedelta(days=1),
        AT + timedelta(days=1),
    ]
    rows = await owner.fetch("select due_at, fired_at from deadline order by due_at")
    assert [row["fired_at"] for row in rows] == [AT, AT, AT + timedelta(days=1) + MOMENT]


async def test_many_events_are_counted_and_the_first_are_told(database: Database) -> None:
    await make.prepare_instance()
    await plan("notice", [AT + timedelta(hours=n) for n in range(SHOWN_EVENTS + 50)])
    done = await jump(AT + timedelta(days=30))
    assert (len(done.events), done.total) == (SHOWN_EVENTS, SHOWN_EVENTS + 50)
    entry = await owner.fetchval("select facts from journal where action = 'instance.clock_advanced'")
    assert (entry["events"], entry["left_due"]) == (SHOWN_EVENTS + 50, 0)


async def test_an_effect_that_fails_is_tried_once_and_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make.prepare_instance()
    tried = 0

    async def fails(con: asyncpg.Connection, due: Due, at: datetime) -> None:
        nonlocal tried
        tried += 1
        raise ZeroDivisionError

    monkeypatch.setitem(EFFECTS, "fails", deadlines.one_by_one(fails))
    await plan("fails", [AT])
    await plan("notice", [AT + timedelta(days=n) for n in range(1, 9)])
    done = await jump(AT + timedelta(days=30))
    assert (tried, done.total, done.left_due) == (1, 8, 1)


async def test_a_jump_that_breaks_leaves_the_clock_and_everything_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make.prepare_instance()
    order = await life.a_deposited_order(owner)
    record = deadlines.journal.record_all

    async def breaks(*arguments: Any) -> None:
        await record(*arguments)
        raise asyncpg.DeadlockDetectedError("met")

    monkeypatch.setattr(deadlines.journal, "record_all", breaks)
    with pytest.raises(SonsError):
        await advance_to(LOCAL_ADMIN, AT + timedelta(days=900))
    monkeypatch.undo()
    assert await now() == AT
    assert await owner.fetchval("select count(*) from deadline where fired_at is not null") == 0
    assert await life.state_of(owner, order) == "submitted"


async def test_two_jumps_at_once_come_one_after_the_other(database: Database) -> None:
    await make.prepare_instance()
    await plan("notice", [AT + timedelta(days=n) for n in range(60)])
    targets = [AT + timedelta(days=days, hours=1) for days in (20, 59)]
    done = await asyncio.gather(*(advance_to(LOCAL_ADMIN, to) for to in targets), return_exceptions=True)
    late = [one for one in done if isinstance(one, SonsError)]
    assert all("ne recule pas" in str(one) for one in late)  # the shorter one, if it came second
    assert sum(one.total for one in done if isinstance(one, Advanced)) == 60
    assert await owner.fetchval("select count(*) from journal where action = 'deadline.reached'") == 60
    assert await now() == targets[1]


async def test_a_jump_and_ticks_at_once_fire_each_deadline_once(database: Database) -> None:
    await make.prepare_instance()
    orders = [await life.a_deposited_order(owner) for _ in range(3)]
    over = False

    async def ticking() -> None:
        while not over:
            await deadlines.tick(await now())

    tickers = [asyncio.create_task(ticking()) for _ in range(2)]
    done = await jump(AT + timedelta(days=500))
    over = True
    await asyncio.gather(*tickers)
    assert done.left_due == 0
    fired = await owner.fetchval("select count(*) from deadline where order_id is not null")
    told = "select count(*) from journal where action like 'deadline.%' and object_kind = 'order'"
    assert await owner.fetchval(told) == fired == 24
    for order in orders:
        assert await life.state_of(owner, order) == "lapsed"


# What depends on the machine, on chance, or on how the days were stepped through.
_MACHINE = {"id", "number", "recorded_at", "txid", "fired_at"}


_IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def world(chance: random.Random) -> None:
    """Orders in every situation that time alone changes, the same for the same seed."""
    await make.prepare_instance()
    await make.an_extraction(owner, on=date(2023, 1, 3))
    candidate = {"status": "candidate", "referenced_from": None}
    for number in range(9):
        signed_on = AT.date() - timedelta(days=chance.randrange(0, 118))
        listed: list[dict[str, Any]] = [
            {},
            candidate,
            {"referenced_from": AT.date() + timedelta(days=chance.randrange(1, 200))},
        ]
        order = await life.a_deposited_order(
            owner,
            1 + number % 2,
            listed=listed[number % 3],
            signed_on=signed_on,
            supplier_reference=f"histoire-{number}",
        )
        if number in {0, 3}:
            order = await life.with_advance_asked(order)
        if number == 3:
            await life.validate_advance(order)


async def what_stands() -> dict[str, list[Any]]:
    """The final tables, each order named by its reference instead of its identifier, without `_MACHINE`."""
    names = {
        str(row["id"]): row["supplier_reference"]
        for row in await owner.fetch("select id, supplier_reference from purchase_order")
    }
    names |= {
        row["number"]: row["supplier_reference"] for row in await owner.fetch("select * from purchase_order")
    }
    names |= {
        str(row["id"]): f"{row['kind']} {row['siren'] is not None}"
        for row in await owner.fetch("select id, kind, siren from organisation")
    }

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in sorted(value.items()) if name not in _MACHINE}
        return names.get(str(value), "some id" if _IDENTIFIER.fullmatch(str(value)) else str(value))

    queries = {
        "orders": "select supplier_reference, state, version from purchase_order",
        "claims": "select order_id, released_at, release_reason from claim",
        "payments": "select order_id, kind, state, due_ttc_cents, due_at, paid_at from payment",
        "requests": "select order_id, kind, state, decided_at, reason from financing_request",
        "ledger": "select order_id, movement, amount_ttc_cents, at, cause from ledger_entry",
        "recoveries": "select order_id, amount_ttc_cents, reason, opened_at from recovery",
        "deadlines": "select order_id, rule, kind, due_at, fired_at is not null as fired, superseded_at"
        " from deadline where order_id is not null",
        "journal": "select at, role, action, object_id, facts from journal where object_kind = 'order'",
        "outbox": "select at, event, object_id, organisation_id, facts from outbox"
        " where object_kind = 'order'",
    }
    found = {}
    for name, query in queries.items():
        rows = [plain(dict(row)) for row in await owner.fetch(query)]
        found[name] = sorted(rows, key=str)
    return found


async def at_once(to: datetime) -> None:
    await jump(to)


async def day_by_day(to: datetime) -> None:
    """Ten o'clock in Paris each day, whatever the hour is elsewhere."""
    day = SANDBOX_STARTS_AT.date()
    while (day := day + timedelta(days=1)) < to.astimezone(PARIS).date():
        await jump(datetime.combine(day, time(10), PARIS))
    await jump(to)


async def asleep(to: datetime) -> None:
    """A machine that slept all along, then ticked."""
    async with transaction(LOCAL_ADMIN.context) as con:
        await con.execute("update instance set clock_at = $1", to)
    await deadlines.tick(to)


@pytest.mark.parametrize("number", range(SEEDS))
async def test_a_jump_ends_as_the_same_days_lived_one_by_one(
    server: Server, template: str, number: int
) -> None:
    seed = random.randrange(2**32)
    days = (500, 200, 396, 60)[number % 4]  # past the clôture, in the midst, on its day, early
    to = SANDBOX_STARTS_AT + timedelta(days=days, hours=5)
    print(f"seed {seed}, {days} days")
    ways: list[Callable[[datetime], Awaitable[None]]] = [at_once, day_by_day, asleep]
    stood = []
    for lives in ways:
        async with server.clone(template) as database:
            await engine.start(database.app_dsn, role=database.app_role)
            try:
                await world(random.Random(seed))
                await lives(to)
                stood.append(await what_stands())
            finally:
                await engine.stop()
    jumped, stepped, slept = stood
    assert any(row["fired"] == "True" for row in jumped["deadlines"])
    for table, rows in jumped.items():
        assert rows == stepped[table], table
        assert rows == slept[table], table


async def test_every_change_of_hour_is_lived_once(database: Database) -> None:
    """A clock that steps over each midnight around the changes of hour and 29 February, 2022 to 2040."""
    days = [date(2022, 1, 1) + timedelta(days=n) for n in range(19 * 366)] if FULL else list(special_days())
    ends = [datetime.combine(day, time.max, PARIS).astimezone(UTC) for day in days]
    starts = [datetime.combine(day, time.min, PARIS).astimezone(UTC) for day in days]
    await plan("notice", ends)
    await plan("reminder", [start for start in starts if start not in ends])
    for start, end in zip(starts, ends, strict=True):
        for instant in (start, end):
            await deadlines.tick(instant)
            assert await unfired(instant) == 1
            (fired,) = await deadlines.tick(instant + MOMENT)
            assert fired.due_at == instant
    rows = await owner.fetch("select at, facts from journal where action like 'deadline.%' order by id")
    assert [row["at"] for row in rows] == sorted((*starts, *ends))
    assert all(datetime.fromisoformat(row["facts"]["due_at"]) == row["at"] for row in rows)


async def unfired(instant: datetime) -> int:
    found: int = await owner.fetchval(
        "select count(*) from deadline where due_at = $1 and fired_at is null", instant
    )
    return found


def special_days() -> list[date]:
    """The day before, the day of and the day after each change of hour and each 29 February."""
    found = set()
    for year in range(2022, 2041):
        for month in (3, 10):
            last = date(year, month, 31)
            found.add(last - timedelta(days=(last.weekday() + 1) % 7))
        found.add(date(year, 3, 1) - timedelta(days=1))
    return sorted({day + timedelta(days=n) for day in found for n in (-1, 0, 1)})
