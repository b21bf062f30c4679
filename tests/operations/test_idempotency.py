"""One key, one answer: waited for, found again, forgotten after thirty days."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import idempotency, orders
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.views import OrderView
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, Account, an_account


@pytest.fixture(scope="module")
async def everything(module_database: Database) -> make.Everything:
    await make.prepare_instance()
    return make.Everything()


async def an_order(everything: make.Everything) -> tuple[Account, make.OrderRequest]:
    """An order that can be deposited, and its editor."""
    og, numbers = await make.an_og(everything, 1)
    solution = await make.a_solution(everything)
    editor = await an_account("editor", siren=solution.editor_siren)
    return editor, make.a_request(og, numbers, solution)


async def held(editor: Account, key: Key, taken: asyncio.Event, give_up: asyncio.Event) -> None:
    """Another request under the same key, which takes it and ends without an answer."""
    with suppress(ZeroDivisionError):
        async with transaction(editor.actor.context) as con:
            assert await idempotency.open_key(con, editor.actor, key) is None
            taken.set()
            await give_up.wait()
            raise ZeroDivisionError


async def test_the_second_in_flight_waits_then_is_told_to_come_back(everything) -> None:
    editor, request = await an_order(everything)
    key, taken, give_up = make.a_key(), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(held(editor, key, taken, give_up))
    await taken.wait()
    started = time.monotonic()
    with pytest.raises(SonsError) as told:
        await make.deposit(editor.actor, request, key=key)
    waited = time.monotonic() - started
    assert told.value.code is ErrorCode.IDEMPOTENCY_IN_FLIGHT
    assert idempotency.IN_FLIGHT_WAIT <= waited < idempotency.IN_FLIGHT_WAIT + 20
    give_up.set()
    await first
    assert (await make.deposit(editor.actor, request, key=key)).decision == "accepted"


async def test_the_second_takes_the_place_of_a_first_that_ends_without_an_answer(everything) -> None:
    editor, request = await an_order(everything)
    key, taken, give_up = make.a_key(), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(held(editor, key, taken, give_up))
    await taken.wait()
    second = asyncio.create_task(make.deposit(editor.actor, request, key=key))
    await asyncio.sleep(0.2)
    assert not second.done()
    give_up.set()
    assert (await second).decision == "accepted"
    await first


async def test_a_key_is_looked_at_before_any_conflict(everything) -> None:
    editor, request = await an_order(everything)
    key, kept = make.a_key(), make.Kept()
    await make.deposit(editor.actor, request, key=key)
    answer = await orders.submit(editor.actor, request, law.load().law, AT, key, kept)
    assert (answer.status, answer.replayed, kept.view) == (201, True, None)  # its own claims do not refuse it
    other = Key(key.key, key.route, bytes(32))
    with pytest.raises(SonsError) as told:
        await orders.submit(editor.actor, request, law.load().law, AT, other, kept)
    assert told.value.code is ErrorCode.IDEMPOTENCY_MISMATCH


async def test_what_fails_keeps_no_key(everything) -> None:
    editor, request = await an_order(everything)
    key = make.a_key()

    def breaks(_: OrderView) -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await orders.submit(editor.actor, request, law.load().law, AT, key, breaks)
    assert (await make.deposit(editor.actor, request, key=key)).decision == "accepted"
