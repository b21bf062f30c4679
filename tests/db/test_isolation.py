"""Organisations on the same few connections: none ever sees another's rows, whoever is cut off meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from sons_tracker import law
from sons_tracker.db import engine
from sons_tracker.db.engine import transaction
from sons_tracker.operations import audit, order_reading, outbox, requests_filed
from sons_tracker.operations.actors import ANONYMOUS, LOCAL_ADMIN, Actor
from tests import factories_life as lives
from tests import factories_orders as make
from tests import factories_outbox as announcing
from tests.databases import Database
from tests.factories import AT

READS = 1_000_000 if os.environ.get("TIER") == "full" else 20_000
CONNECTIONS, WORKERS, SIDES, SEED = 3, 12, 4, 10
# Every column by which a row belongs to an organisation. A row without one of these names nobody.
OWNERS = ("organisation_id", "supplier_id", "og_id")
AGENCIES = ("reviewer", "payer", "pilot", "admin")


@dataclass(frozen=True, slots=True)
class Tenant:
    """An actor, the orders that it may see, and the object of the announcement that was made to it."""

    actor: Actor
    orders: frozenset[UUID]
    told_of: str | None = None


@pytest.fixture
async def tenants(clone: Database) -> AsyncIterator[list[Tenant]]:
    """Suppliers and OG with an order each, on three connections; nobody; an agency."""
    await engine.start(clone.app_dsn, role=clone.app_role, min_size=CONNECTIONS, max_size=CONNECTIONS)
    await make.prepare_instance()
    owner, found, every = make.Everything(), [], set()
    for _ in range(SIDES):
        life = await lives.an_order_with_due_advance(owner)
        every.add(life.order_id)
        mine = frozenset({life.order_id})
        parties = (life.editor.actor, life.og.actor)
        found += [Tenant(who, mine, await announcing.announced(who)) for who in parties]
    await audit.run(LOCAL_ADMIN, law.load().law, AT)
    found.append(Tenant(Actor(None, uuid4(), "editor", None, "token"), frozenset()))
    found.append(Tenant(life.reviewer.actor, frozenset(every)))
    try:
        yield found
    finally:
        await engine.stop()


async def owned_tables() -> Mapping[str, tuple[str, ...]]:
    """Each table with the columns by which its rows belong to organisations."""
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        rows = await con.fetch(
            "select relname, array_agg(attname::text) as columns from pg_attribute a"
            " join pg_class c on c.oid = a.attrelid where c.relnamespace = 'sons'::regnamespace"
            " and c.relkind = 'r' and attname = any($1) and has_column_privilege(c.oid, attname, 'select')"
            " group by relname",
            list(OWNERS),
        )
    return {row["relname"]: tuple(row["columns"]) for row in rows}


async def read(tenant: Tenant, tables: Mapping[str, tuple[str, ...]], kind: int) -> None:
    """One read, which must show what is the tenant's and nothing else."""
    actor = tenant.actor
    if kind == 0:
        name = random.choice(list(tables))
        mine = " or ".join(f"{column} is not distinct from $1" for column in tables[name])
        async with transaction(actor.context, read_only=True) as con:
            foreign = await con.fetchval(
                f"select count(*) from {name} where not ({mine}) and coalesce({', '.join(tables[name])})"
                " is not null",
                actor.organisation_id,
            )
        assert actor.role in AGENCIES or foreign == 0, name
    elif kind == 1:
        async with transaction(actor.context, read_only=True) as con:
            seen = {row["id"] for row in await con.fetch("select id from purchase_order")}
        assert seen == tenant.orders
    elif kind == 2:
        for order_id in tenant.orders:
            assert (await order_reading.find_order(actor, order_id)).identity is not None
    elif kind == 3:
        listed = await requests_filed.list_requests(actor, None, None, None, 50)
        assert {one.order_id for one in listed} == tenant.orders
    else:
        page = await outbox.list_notices(actor, 0, 50)
        told = {notice.object_id for notice in page.notices if notice.event == "payment.paid"}
        assert told == ({tenant.told_of} if tenant.told_of else set())


@pytest.mark.scoreboard(10)
async def test_interleaved_reads_see_their_own_and_nothing_else(tenants: list[Tenant]) -> None:
    tables = await owned_tables()
    assert len(tables) > 15
    chance, started = random.Random(SEED), time.monotonic()
    turns, cut = iter(range(READS)), 0

    async def worker() -> None:
        nonlocal cut
        for turn in turns:
            tenant = chance.choice(tenants)
            task = asyncio.create_task(read(tenant, tables, chance.choice((0, 0, 1, 1, 2, 3, 4))))
            if turn % 13 == 0:  # somebody hangs up, at any instant of the read
                await asyncio.sleep(chance.random() * 0.004)
                cut += task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                continue
            if turn % 17 == 0:  # a connection that nobody has told who asks
                async with transaction(ANONYMOUS.context, read_only=True) as con:
                    assert await con.fetchval("select count(*) from purchase_order") == 0

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(worker())
    took = time.monotonic() - started
    print(f"{READS} reads, {cut} cut off, {CONNECTIONS} connections, seed {SEED}, {took:.0f} s: no leak")
    assert cut > READS // 100
    assert engine._pool is not None
    assert engine._pool.get_idle_size() == engine._pool.get_size() == CONNECTIONS


async def test_the_test_would_see_a_leak(tenants: list[Tenant], clone: Database) -> None:
    """With one policy opened wide, a read of the kind above fails."""
    owner = await clone.connect_superuser()
    await owner.execute("create policy leak on sons.purchase_order for select to sons_app using (true)")
    await owner.close()
    with pytest.raises(AssertionError):
        await read(tenants[0], {"purchase_order": ("supplier_id", "og_id")}, 0)
    with pytest.raises(AssertionError):
        await read(tenants[0], {}, 1)


async def test_a_read_that_is_cut_leaves_no_context_behind(tenants: list[Tenant]) -> None:
    for delay in range(40):
        task = asyncio.create_task(read(tenants[0], {}, 2))
        await asyncio.sleep(delay / 10_000)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert engine._pool is not None
        con = await engine._pool.acquire()
        assert await con.fetchval("select current_setting('sons.organisation_id', true)") in {None, ""}
        assert await con.fetchval("select count(*) from purchase_order") == 0
        await engine._pool.release(con)
