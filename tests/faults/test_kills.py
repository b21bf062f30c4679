"""kill -9 of the service and of PostgreSQL under load: what was acknowledged is there, nothing twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from sons_tracker.db import engine, migrate
from sons_tracker.db.embedded import EmbeddedServer, open_database
from sons_tracker.operations.actors import SCHEDULER
from sons_tracker.settings import Settings
from tests import factories_orders as make
from tests.api.http_orders import ORDERS, Offer, an_offer, client, key
from tests.databases import PG_BIN, Database, make_home
from tests.faults.service import serving

FULL = os.environ.get("TIER") == "full"
KILLS = 1_000 if FULL else 10
POSTGRES_KILLS = 1_000 if FULL else 5
CLIENTS = 6


@dataclass(slots=True)
class Ledger:
    """What clients were told: the first acknowledgement of each key, and the keys that were cut."""

    told: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    stop: bool = False


async def deposit_on(http: httpx.AsyncClient, offer: Offer, numbers: list[str], ledger: Ledger) -> None:
    """One client: an order after another, each asked again under its key until it is answered."""
    while numbers and not ledger.stop:
        number, name = numbers.pop(), key()
        headers = {**offer.editor.headers, "idempotency-key": name, "content-type": "application/json"}
        content = json.dumps(offer.body(number))
        while True:
            try:
                answer = await http.post(ORDERS, content=content, headers=headers)
            except httpx.TransportError:
                ledger.cut.add(name)
                await asyncio.sleep(0.05)
                continue
            if answer.status_code in {409, 503} and answer.json()["code"] != "order_refused":
                ledger.cut.add(name)
                await asyncio.sleep(0.05)
                continue
            assert answer.status_code == 201, answer.text
            ledger.told[name] = answer.content
            break


async def check(ledger: Ledger) -> None:
    """Every acknowledged order is there once, with its claim, under its key; no other order is."""
    owner = make.Everything()
    assert ledger.told
    assert ledger.cut
    ids = {json.loads(body)["id"] for body in ledger.told.values()}
    assert len(ids) == len(ledger.told)
    assert {str(row["id"]) for row in await owner.fetch("select id from sons.purchase_order")} == ids
    assert await kept_answers() == ledger.told
    claims = [str(row["holder_id"]) for row in await owner.fetch("select holder_id from sons.claim")]
    assert sorted(claims) == sorted(ids)
    print(f"{len(ids)} orders acknowledged, {len(ledger.cut)} requests cut on the way")


async def kept_answers() -> dict[str, bytes]:
    """The stored answers, by key: only the scheduler, who purges them, sees those of every organisation."""
    async with engine.transaction(SCHEDULER.context, read_only=True) as con:
        return {row["key"]: row["body"] for row in await con.fetch("select key, body from idempotency")}


@pytest.mark.processes
@pytest.mark.scoreboard(2)
async def test_the_service_killed_again_and_again_loses_and_doubles_nothing(database: Database) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    await make.prepare_instance()
    offer = await an_offer(make.Everything(), 200 * KILLS)
    numbers, ledger = list(offer.numbers), Ledger()
    async with (
        serving(database.environ) as (service,),
        httpx.AsyncClient(base_url=service.url, timeout=30) as http,
    ):
        clients = [asyncio.create_task(deposit_on(http, offer, numbers, ledger)) for _ in range(CLIENTS)]
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.1, 0.6))
            await service.kill()
            await service.start()
        ledger.stop = True
        await asyncio.gather(*clients)
    await check(ledger)


@pytest.fixture
async def home() -> AsyncIterator[Path]:
    made = make_home()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.processes
@pytest.mark.scoreboard(3)
async def test_postgresql_killed_again_and_again_loses_and_doubles_nothing(home: Path) -> None:
    """On a server of its own with PostgreSQL's own defaults: fsync and synchronous commit are on."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    environ = {"SONS_HOME": str(home)} | ({} if PG_BIN is None else {"SONS_PG_BIN": str(PG_BIN)})
    settings = Settings.from_env(environ)
    async with open_database(settings) as opened, AsyncExitStack() as stack:
        await migrate.migrate(opened.owner_dsn)
        await engine.start(opened.app_dsn, max_size=CLIENTS)
        stack.push_async_callback(engine.stop)
        await make.prepare_instance()
        offer, ledger = await an_offer(make.Everything(), 200 * POSTGRES_KILLS), Ledger()
        assert await make.Everything().fetchval("select current_setting('fsync')") == "on"
        numbers = list(offer.numbers)
        http = await stack.enter_async_context(
            client(Database("sons", opened.owner_dsn, opened.app_dsn, None, ""))
        )
        clients = [asyncio.create_task(deposit_on(http, offer, numbers, ledger)) for _ in range(CLIENTS)]
        for _ in range(POSTGRES_KILLS):
            await asyncio.sleep(chance.uniform(0.2, 0.8))
            postmaster = int((home / "pgdata" / "postmaster.pid").read_text().split()[0])
            os.kill(postmaster, signal.SIGKILL)
            again = EmbeddedServer(home, pg_bin=PG_BIN)
            await asyncio.to_thread(again.start)
            stack.push_async_callback(asyncio.to_thread, again.stop)
        ledger.stop = True
        await asyncio.gather(*clients)
        await check(ledger)
