"""A validation and a bank's file broken off anywhere: all of it or nothing, and the same key finds it."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from sons_tracker import law
from sons_tracker.db import engine
from sons_tracker.operations import advances, bank_returns
from sons_tracker.operations.idempotency import Key
from tests import factories_endings as end
from tests import factories_life as life
from tests import factories_lots as bank
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT
from tests.faults.proxy import COMMITTED, Proxy, proxied

FULL = os.environ.get("TIER") == "full"
CUTS = 200 if FULL else 4
BREAKS = 2_000 if FULL else 25
Act = Callable[[Key], Awaitable[Any]]
owner = make.Everything()


@pytest.fixture
async def proxy(clone: Database) -> AsyncIterator[Proxy]:
    """The way of the engine to PostgreSQL."""
    address = urlsplit(clone.tcp_dsn)
    if address.hostname is None:
        pytest.skip("DATABASE_URL has no TCP address")
    async with proxied(address.hostname, address.port or 5432) as made:
        account, _, _ = address.netloc.rpartition("@")
        through = urlunsplit(address._replace(netloc=f"{account}@127.0.0.1:{made.port}"))
        await engine.start(through, role=clone.app_role, max_size=3)
        try:
            await make.prepare_instance()
            yield made
        finally:
            made.cut = None
            await engine.stop()


async def a_validation() -> tuple[life.Life, Act]:
    order = await life.with_advance_asked(await life.a_deposited_order(owner))

    async def act(key: Key) -> Any:
        assert order.advance_id is not None
        return await advances.validate_advance(
            order.reviewer.actor, order.advance_id, order.order_id, None, law.load().law, AT, key, life.Told()
        )

    return order, act


async def a_file_of_the_bank() -> tuple[life.Life, Act]:
    order, payers, lot = await end.an_order_in_lot(owner)
    lines = [bank.an_answer(line) for line in await bank.lines_of(payers, lot)]
    content = bank.csv_of(lot.number, lines)

    async def act(key: Key) -> Any:
        return await bank_returns.import_return(
            payers.first.actor, content, bank.RETURNED_AT, key, bank.Told()
        )

    return order, act


MAKERS = {"validation": a_validation, "bank": a_file_of_the_bank}


async def written(order: life.Life) -> tuple[Any, ...]:
    """Everything that either act writes of the order, as counts and states."""
    row = await owner.fetchrow(
        "select o.state, (select p.state from payment p where p.order_id = o.id and p.kind = 'advance'),"
        " (select r.state from financing_request r where r.order_id = o.id),"
        " (select count(*) from ledger_entry e where e.order_id = o.id),"
        " (select count(*) from journal j where j.object_id in (o.id::text, (select p.id::text from payment p"
        "  where p.order_id = o.id and p.kind = 'advance')) and j.action in ('advance.validated',"
        "  'payment.paid')),"
        " (select count(*) from bank_return_line b join payment p on p.id = b.payment_id"
        "  where p.order_id = o.id)"
        " from purchase_order o where o.id = $1",
        order.order_id,
    )
    return tuple(row)


@pytest.mark.parametrize("kind", MAKERS)
async def test_an_act_whose_commit_was_never_confirmed_is_found_by_its_key(proxy: Proxy, kind: str) -> None:
    for _ in range(CUTS):
        order, act = await MAKERS[kind]()
        before, key, entered = await written(order), make.a_key(), False

        def at_its_commit(piece: bytes) -> bool:
            nonlocal entered
            entered = entered or b"INSERT 0 1" in piece
            return entered and COMMITTED in piece

        proxy.cut = at_its_commit
        with pytest.raises(asyncpg.PostgresConnectionError):  # what the API answers 503 to
            await act(key)
        proxy.cut = None
        after = await written(order)
        assert after != before
        answer = await act(key)
        assert answer.status == 200
        assert await written(order) == after
    assert proxy.cuts >= CUTS


@pytest.mark.parametrize("kind", MAKERS)
async def test_an_act_cancelled_anywhere_is_whole_or_not_there(database: Database, kind: str) -> None:
    await make.prepare_instance()
    source = random.Random(13)
    print("seed 13")
    ends: set[tuple[Any, ...]] = set()
    for _ in range(BREAKS):
        order, act = await MAKERS[kind]()
        before, key = await written(order), make.a_key()
        task = asyncio.ensure_future(act(key))
        for _ in range(source.randint(0, 60)):
            await asyncio.sleep(0)
        await asyncio.sleep(source.choice((0, 0.002, 0.01, 0.03)))
        task.cancel()
        await asyncio.wait({task})
        cut = await written(order)
        assert (await act(key)).status == 200
        whole = await written(order)
        assert cut in (before, whole)
        ends.add(("before",) if cut == before else ("whole",))
    print(ends)
