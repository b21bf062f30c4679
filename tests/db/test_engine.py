"""The transaction gives its connection back whatever happens, and never hides what it does."""
# ruff: noqa: PT012 - a transaction is left by raising inside it

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from piccolo.apps.migrations.tables import Migration

from sons_tracker.db import engine
from sons_tracker.db.engine import ATTEMPTS, DB, RowContext, retrying, savepoint, transaction
from sons_tracker.db.tables.actors import Person
from sons_tracker.errors import ErrorCode, SonsError
from tests.databases import Database

ADMIN = RowContext(None, "admin")
CANCELLATIONS = 10_000 if os.environ.get("TIER") == "full" else 1_000
READS = 1_000_000 if os.environ.get("TIER") == "full" else 5_000
POOL = 5


@pytest.fixture
async def five(clone: Database) -> AsyncIterator[asyncpg.Pool]:
    """The engine with five connections that stay open, and a table whose COMMIT can fail."""
    owner = await clone.connect_owner()
    await owner.execute(
        "create table sons.twin (id int constraint twin_once unique deferrable initially deferred);"
        "grant select, insert on sons.twin to sons_app"
    )
    await owner.close()
    await engine.start(clone.app_dsn, role=clone.app_role, min_size=POOL, max_size=POOL)
    try:
        assert engine._pool is not None
        yield engine._pool
    finally:
        await engine.stop()


async def states(database: Database) -> list[str]:
    """What PostgreSQL says of the application's connections to this database."""
    owner = await database.connect_owner()
    try:
        rows = await owner.fetch(
            "select state from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()", database.name
        )
    finally:
        await owner.close()
    return [row["state"] for row in rows]


async def test_commits_on_leaving_and_rolls_back_on_any_exception(database: Database) -> None:
    async with transaction(ADMIN) as con:
        await con.execute("insert into person (name) values ('Ada')")
    with pytest.raises(ZeroDivisionError):
        async with transaction(ADMIN) as con:
            await con.execute("insert into person (name) values ('Grace')")
            raise ZeroDivisionError
    async with transaction(ADMIN, read_only=True) as con:
        assert [row["name"] for row in await con.fetch("select name from person")] == ["Ada"]


async def test_isolation_and_read_only_reach_the_server(database: Database) -> None:
    async with transaction(ADMIN, isolation="serializable") as con:
        assert await con.fetchval("show transaction_isolation") == "serializable"
    async with transaction(ADMIN, isolation="repeatable_read", read_only=True) as con:
        assert await con.fetchval("show transaction_isolation") == "repeatable read"
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await con.execute("insert into person (name) values ('Ada')")
    async with transaction(ADMIN) as con:
        assert await con.fetchval("show transaction_isolation") == "read committed"


async def test_timeouts_are_set_on_every_connection(database: Database) -> None:
    async with transaction(ADMIN) as con:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            assert await con.fetchval("select setting::int from pg_settings where name = $1", name) > 0
        assert await con.fetchval("show timezone") == "UTC"


async def test_jsonb_comes_back_decoded_and_text_is_refused(database: Database) -> None:
    async with transaction(ADMIN) as con:
        assert await con.fetchval("select $1::jsonb", {"é": [1, None]}) == {"é": [1, None]}
        with pytest.raises(asyncpg.DataError):
            await con.fetchval("select $1::jsonb", '{"a": 1}')


async def test_random_cancellations_lose_no_connection(five: asyncpg.Pool, clone: Database) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)

    async def work(number: int) -> None:
        async with transaction(ADMIN) as con:
            await con.execute("insert into twin (id) values ($1)", number)
            async with savepoint(con):
                await con.execute("select pg_sleep($1)", chance.random() / 500)
            await Person.select(Person.id).limit(1)

    async def cancelled(number: int) -> None:
        task = asyncio.create_task(work(number))
        await asyncio.sleep(chance.random() / 60)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    numbers = iter(range(CANCELLATIONS))

    async def worker() -> None:
        for number in numbers:
            await cancelled(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(2 * POOL):
            group.create_task(worker())
    async with asyncio.timeout(60):
        while five.get_idle_size() < POOL:  # noqa: ASYNC110 - connections are cleaned in the background
            await asyncio.sleep(0.05)
    assert await states(clone) == ["idle"] * POOL
    held = [await five.acquire(timeout=20) for _ in range(POOL)]
    for con in held:
        assert await con.fetchval("select 1") == 1
        await five.release(con)


async def test_a_failing_commit_gives_the_connection_back(five: asyncpg.Pool, clone: Database) -> None:
    for _ in range(2 * POOL):
        with pytest.raises(asyncpg.UniqueViolationError) as caught:
            async with transaction(ADMIN) as con:
                await con.execute("insert into twin (id) values (1), (1)")
        assert caught.value.constraint_name == "twin_once"
    assert DB.open_transaction() is None
    assert five.get_idle_size() == POOL
    assert await states(clone) == ["idle"] * POOL


async def test_a_lost_connection_is_not_given_again(five: asyncpg.Pool, clone: Database) -> None:
    owner = await clone.connect_owner()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        async with transaction(ADMIN) as con:
            pid = await con.fetchval("select pg_backend_pid()")
            await owner.fetchval("select pg_terminate_backend($1)", pid)
            await con.execute("select 1")
    await owner.close()
    for _ in range(POOL + 1):
        async with transaction(ADMIN) as con:
            assert await con.fetchval("select 1") == 1


async def test_nesting_is_refused(database: Database) -> None:
    async with transaction(ADMIN):
        with pytest.raises(RuntimeError, match="already open"):
            async with transaction(ADMIN):
                pass
        with pytest.raises(RuntimeError, match="already open"):  # on Python 3.11 wait_for runs a new task
            await asyncio.wait_for(asyncio.create_task(_one_transaction()), 5)
    await _one_transaction()


async def _one_transaction() -> int:
    async with transaction(ADMIN) as con:
        found: int = await con.fetchval("select 1")
        return found


async def test_a_task_that_outlives_a_transaction_opens_its_own(database: Database) -> None:
    gate = asyncio.Event()

    async def later() -> int:
        await gate.wait()
        return await _one_transaction()

    async with transaction(ADMIN):
        task = asyncio.create_task(later())
    gate.set()
    assert await task == 1


async def test_a_savepoint_undoes_alone(database: Database) -> None:
    async with transaction(ADMIN) as con:
        await con.execute("insert into person (name, email) values ('Ada', 'a@example.org')")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with savepoint(con):
                await con.execute("insert into person (name) values ('Grace')")
                await con.execute("insert into person (name, email) values ('Alan', 'a@example.org')")
        assert await con.fetchval("select count(*) from person") == 1
    with pytest.raises((RuntimeError, asyncpg.InterfaceError)):
        async with savepoint(con):
            pass


async def test_piccolo_joins_our_transaction(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction(ADMIN) as con:
            await con.execute("insert into person (name) values ('Ada')")
            assert [row["name"] for row in await Person.select(Person.name)] == ["Ada"]
            async with DB.transaction():
                assert await Person.count() == 1
            raise ZeroDivisionError
    async with transaction(ADMIN):
        assert await Person.count() == 0


async def test_piccolo_outside_our_transaction_is_refused(database: Database) -> None:
    with pytest.raises(RuntimeError, match="row-level security"):
        await Person.select()
    with pytest.raises(RuntimeError, match="row-level security"):
        async with DB.transaction():
            pass
    with pytest.raises(RuntimeError, match="row-level security"):
        await Migration.create_table(if_not_exists=True)
    with pytest.raises(RuntimeError, match="pool"):
        await DB.start_connection_pool()
    async with transaction(ADMIN):
        with pytest.raises(RuntimeError, match="batch"):
            async with await Person.select().batch():
                pass
        with pytest.raises(RuntimeError, match="share"):
            await asyncio.create_task(Person.select().run())


async def test_the_engine_must_be_started_once(clone: Database) -> None:
    with pytest.raises(RuntimeError, match="not started"):
        async with transaction(ADMIN):
            pass
    await engine.start(clone.app_dsn, role=clone.app_role)
    with pytest.raises(RuntimeError, match="already started"):
        await engine.start(clone.app_dsn)
    await engine.stop()
    await engine.stop()


async def test_an_exhausted_pool_answers_in_time(five: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ACQUIRE_TIMEOUT", 0.05)
    held = [await five.acquire() for _ in range(POOL)]
    with pytest.raises(SonsError) as caught:
        await _one_transaction()
    assert caught.value.code is ErrorCode.UNAVAILABLE
    for con in held:
        await five.release(con)
    assert await _one_transaction() == 1


async def test_a_conflict_is_tried_again_five_times_at_most(database: Database) -> None:
    tried = 0

    @retrying
    async def fails(times: int) -> str:
        nonlocal tried
        tried += 1
        if tried <= times:
            raise asyncpg.DeadlockDetectedError
        return "done"

    assert await fails(ATTEMPTS - 1) == "done"
    tried = 0
    with pytest.raises(SonsError) as caught:
        await fails(ATTEMPTS)
    assert (caught.value.code, tried) == (ErrorCode.UNAVAILABLE, ATTEMPTS)
    async with transaction(ADMIN):
        with pytest.raises(RuntimeError, match="whole operation"):
            await fails(0)


async def test_a_real_serialization_failure_is_tried_again(database: Database) -> None:
    barrier = asyncio.Barrier(2)
    first_time = {"a": True, "b": True}

    @retrying
    async def add(name: str) -> None:
        async with transaction(ADMIN, isolation="serializable") as con:
            count = await con.fetchval("select count(*) from person")
            if first_time[name]:
                first_time[name] = False
                await barrier.wait()
            await con.execute("insert into person (name) values ($1)", f"{name} after {count}")

    await asyncio.gather(add("a"), add("b"))
    async with transaction(ADMIN) as con:
        names = {row["name"] for row in await con.fetch("select name from person")}
    assert names in ({"a after 0", "b after 1"}, {"b after 0", "a after 1"})


async def test_the_context_ends_with_the_transaction_itself(database: Database) -> None:
    async with transaction(RowContext(uuid4(), "editor")) as con:
        await con.execute("commit")  # before the pool has reset anything
        assert await con.fetchval("select sons.current_organisation()") is None
        assert await con.fetchval("select sons.current_role_name()") is None
        await con.execute("begin")


async def test_the_context_does_not_leak_between_interleaved_transactions(clone: Database) -> None:
    organisations: list[UUID] = [uuid4() for _ in range(20)]
    await engine.start(clone.app_dsn, role=clone.app_role, max_size=3)

    async def read(turn: int) -> None:
        own = organisations[turn % len(organisations)] if turn % 7 else None
        async with transaction(RowContext(own, "editor")) as con:
            assert await con.fetchval("select sons.current_organisation()") == own
            assert await con.fetchval("select sons.current_role_name()") == "editor"
        if turn % 11 == 0:
            assert engine._pool is not None
            raw = await engine._pool.acquire()
            assert await raw.fetchval("select sons.current_organisation()") is None
            assert await raw.fetchval("select sons.current_role_name()") is None
            await engine._pool.release(raw)

    turns = iter(range(READS))

    async def worker() -> None:
        for turn in turns:
            await read(turn)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(12):
                group.create_task(worker())
    finally:
        await engine.stop()
