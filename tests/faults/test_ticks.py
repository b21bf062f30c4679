"""Three processes that tick, killed with -9 at any instant: each deadline takes effect once, in its order."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter
from datetime import date, datetime, timedelta

import asyncpg
import pytest

from sons_tracker.operations.deadlines import tick
from tests import factories_orders as make
from tests.databases import ROOT, Database
from tests.factories import AT, an_account

FULL = os.environ.get("TIER") == "full"
KILLS = 500 if FULL else 10
ORDERS = 600 if FULL else 40
NOTICES = 350 * KILLS  # enough for the processes to be at work until the last kill
PROCESSES = 3
LONG_AFTER = AT + timedelta(days=600)
owner = make.Everything()

# Ticks until nothing is left, two deadlines a transaction: a kill finds it inside one most of the time.
WORKER = """
import asyncio, os
from datetime import datetime
from sons_tracker.db import engine
from sons_tracker.operations.deadlines import tick
async def main():
    await engine.start(os.environ["APP_DSN"], role=os.environ.get("APP_ROLE"), max_size=2)
    print("ready", flush=True)
    while await tick(datetime.fromisoformat(os.environ["AT"]), limit=2):
        pass
    await engine.stop()
asyncio.run(main())
"""


async def fired() -> int:
    count: int = await owner.fetchval("select count(*) from deadline where fired_at is not null")
    return count


async def start(database: Database) -> asyncio.subprocess.Process:
    environ = {**os.environ, "APP_DSN": database.app_dsn, "AT": LONG_AFTER.isoformat()}
    if database.app_role:
        environ["APP_ROLE"] = database.app_role
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER), env=environ, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()  # it has read its modules: it will be killed at its work, not before
    return process


async def deposit(chance: random.Random, conditional: bool) -> None:
    """An order that lapses at the clôture, or before it, at the end of its 120 days."""
    og, numbers = await make.an_og(owner, 1)
    listed = {"status": "candidate", "referenced_from": None} if conditional else {}
    solution = await make.a_solution(owner, **listed)
    editor = await an_account("editor", siren=solution.editor_siren)
    signed_on = AT.date() - timedelta(days=chance.randrange(1, 115))
    await make.deposit(editor.actor, make.a_request(og, numbers, solution, signed_on=signed_on))


async def plan_notices(chance: random.Random) -> None:
    """Deadlines of nobody's order, among those of the orders."""
    dues = [AT + timedelta(minutes=chance.randrange(500_000)) for _ in range(NOTICES)]
    await owner.execute(
        "insert into deadline (rule, object_id, due_at, kind, facts)"
        " select 'R99', 'o' || n, due, 'notice', '{}' from unnest($1::timestamptz[])"
        " with ordinality as d (due, n)",
        dues,
    )


async def journal() -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await owner.fetch(
        "select at, action, object_kind, object_id, facts from journal where role = 'scheduler' order by id"
    )
    return rows


@pytest.mark.processes
@pytest.mark.scoreboard(6)
async def test_processes_killed_at_any_instant_neither_lose_nor_double_a_deadline(database: Database) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    await make.prepare_instance()
    await make.an_extraction(owner, on=date(2023, 1, 3))
    for number in range(ORDERS):
        await deposit(chance, conditional=number % 2 == 0)
    await plan_notices(chance)
    planned = await owner.fetchval("select count(*) from deadline")
    workers = [await start(database) for _ in range(PROCESSES)]
    killed = 0
    while killed < KILLS:
        await asyncio.sleep(chance.uniform(0, 0.05))
        assert await fired() < planned, "the work ended before the kills: plan more of it"
        victim = chance.randrange(PROCESSES)
        if workers[victim].returncode is None:
            workers[victim].kill()
            killed += 1
        await workers[victim].wait()
        workers[victim] = await start(database)
    for worker in workers:
        assert await worker.wait() == 0
    print(f"{killed} kills, {planned} deadlines")
    assert await tick(LONG_AFTER) == []  # the workers left nothing
    rows = await journal()
    reached = [row for row in rows if row["action"].startswith("deadline.")]
    keys = Counter(
        (r["facts"]["rule"], r["facts"].get("object_id", r["object_id"]), r["at"]) for r in reached
    )
    due = await owner.fetch("select rule, object_id, due_at from deadline where fired_at is not null")
    assert keys == Counter((row["rule"], row["object_id"], row["due_at"]) for row in due)
    silent = await owner.fetchval("select count(*) from deadline where superseded_at is not null")
    assert len(due) + silent == planned
    assert all(datetime.fromisoformat(row["facts"]["due_at"]) == row["at"] for row in reached)
    by_order: dict[str, list[datetime]] = {}
    for row in rows:
        if row["object_kind"] == "order":
            by_order.setdefault(row["object_id"], []).append(row["at"])
    assert len(by_order) == ORDERS
    assert all(times == sorted(times) for times in by_order.values())
    # what they did, they did once: each order lapsed, each of its ESSMS was freed, each party was told
    lapsed = Counter(row["object_id"] for row in rows if row["action"] == "order.lapsed")
    assert lapsed == Counter(by_order.keys())
    assert await owner.fetchval("select count(*) from purchase_order where state = 'lapsed'") == ORDERS
    assert await owner.fetchval("select count(*) from claim where release_reason = 'lapsed'") == ORDERS
    told = await owner.fetchrow(
        "select count(*) as n, count(distinct (object_id, organisation_id, at, event, facts)) as different"
        " from outbox where event like 'deadline.%' or event = 'order.lapsed'"
    )
    of_orders = sum(row["object_kind"] == "order" for row in reached)
    assert told["n"] == told["different"] == 2 * (of_orders + ORDERS)
