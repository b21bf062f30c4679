"""What the network and the caller can do to a deposit: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from sons_tracker.db import engine
from tests import factories_orders as make
from tests.api.http_orders import ORDERS, Offer, an_offer, client, key, post
from tests.databases import Database
from tests.faults.proxy import COMMITTED, Proxy, proxied

FULL = os.environ.get("TIER") == "full"
CUTS = 1_000 if FULL else 25
CANCELLATIONS = 10_000 if FULL else 400


@dataclass(frozen=True, slots=True)
class Line:
    """An application whose way to PostgreSQL passes through a proxy."""

    http: httpx.AsyncClient
    watcher: asyncpg.Connection
    proxy: Proxy


@pytest.fixture
async def line(clone: Database) -> AsyncIterator[Line]:
    # beside the proxy, as the administrator
    watcher = await asyncpg.connect(clone.app_dsn, server_settings={"sons.role": "admin"})
    if clone.app_role is not None:
        await watcher.execute(f"set role {clone.app_role}")
    address = urlsplit(clone.tcp_dsn)
    if address.hostname is None:
        pytest.skip("DATABASE_URL has no TCP address")
    async with proxied(address.hostname, address.port or 5432) as proxy:
        account, _, _ = address.netloc.rpartition("@")
        through = urlunsplit(address._replace(netloc=f"{account}@127.0.0.1:{proxy.port}"))
        await engine.start(through, role=clone.app_role, max_size=2)
        try:
            await make.prepare_instance()
            async with client(clone) as http:
                yield Line(http, watcher, proxy)
        finally:
            await engine.stop()
            await watcher.close()


async def settle(line: Line, offer: Offer, name: str) -> httpx.Response:
    """The same request under the same key until it is answered, on a network that works again."""
    line.proxy.cut = None
    while True:
        answer = await post(line.http, ORDERS, offer.body(), offer.editor, name)
        if answer.status_code != 503:
            return answer


async def found(line: Line, offer: Offer) -> int:
    """The orders of the supplier."""
    count = "select count(*) from sons.purchase_order where supplier_id = $1"
    return int(await line.watcher.fetchval(count, offer.editor.actor.organisation_id))


@pytest.mark.scoreboard(3)
async def test_an_order_whose_commit_was_never_confirmed_is_found_by_its_key(line: Line) -> None:
    for _ in range(CUTS):
        offer, name, written = await an_offer(make.Everything(), 1), key(), False

        def at_the_commit_of_the_deposit(piece: bytes) -> bool:
            nonlocal written
            written = written or b"INSERT 0 1" in piece  # the journal's row: authentication writes none
            return written and COMMITTED in piece

        line.proxy.cut = at_the_commit_of_the_deposit
        cut = await post(line.http, ORDERS, offer.body(), offer.editor, name)
        assert (cut.status_code, cut.json()["code"]) == (503, "unavailable")
        assert await found(line, offer) == 1  # committed, and nobody was told
        replay = await settle(line, offer, name)
        assert (replay.status_code, replay.headers.get("idempotent-replayed")) == (201, "true")
        assert await found(line, offer) == 1
    assert line.proxy.cuts >= CUTS


@pytest.mark.scoreboard(3)
async def test_a_connection_cut_anywhere_leaves_a_whole_order_or_none(line: Line) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    statuses = set()
    for _ in range(CUTS):
        offer, name, left = await an_offer(make.Everything(), 2), key(), chance.randrange(1, 30)

        def after_some_answers(_: bytes) -> bool:
            nonlocal left
            left -= 1
            return left == 0

        line.proxy.cut = after_some_answers
        answer = await post(line.http, ORDERS, offer.body(), offer.editor, name)
        statuses.add(answer.status_code)
        assert answer.status_code in {201, 503}, answer.text
        assert await found(line, offer) <= 1
        assert (await settle(line, offer, name)).status_code == 201
        assert await found(line, offer) == 1
    assert 503 in statuses
    halves = await line.watcher.fetchval(
        "select count(*) from sons.purchase_order o where o.ordered <>"
        " (select count(*) from sons.claim c where c.holder_id = o.id)"
    )
    assert halves == 0


@pytest.mark.scoreboard(5)
async def test_a_request_given_up_at_any_await_costs_no_connection_and_no_half_order(
    database: Database,
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    await make.prepare_instance()
    owner = make.Everything()
    offer = await an_offer(owner, CANCELLATIONS)
    async with client(database) as http:
        names = {number: key() for number in offer.numbers}

        async def give_up(number: str) -> None:
            going = asyncio.create_task(post(http, ORDERS, offer.body(number), offer.editor, names[number]))
            await asyncio.sleep(chance.uniform(0, 0.08))
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)

        for start in range(0, CANCELLATIONS, 8):
            await asyncio.gather(*(give_up(number) for number in offer.numbers[start : start + 8]))
        kept = await owner.fetchval("select count(*) from sons.purchase_order")
        print(f"{CANCELLATIONS} given up, {kept} had been deposited all the same")
        assert 0 < kept < CANCELLATIONS
        halves = await owner.fetchval(
            "select count(*) from sons.purchase_order o where not exists"
            " (select from sons.claim c where c.holder_id = o.id) or not exists"
            " (select from sons.payment p where p.order_id = o.id)"
        )
        assert halves == 0
        for number in offer.numbers[:: CANCELLATIONS // 50]:
            answer = await post(http, ORDERS, offer.body(number), offer.editor, names[number])
            assert answer.status_code == 201
    pool = engine._pool
    assert pool is not None
    assert pool.get_idle_size() == pool.get_size()
    left = await owner.fetchval(
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and state like 'idle in transaction%'"
    )
    assert left == 0
