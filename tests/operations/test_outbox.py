"""What is announced is there when what it tells is, once per recipient; a reader who goes on misses none."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import contextvars
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from sons_tracker.db.engine import savepoint, transaction
from sons_tracker.operations.actors import ANONYMOUS, LOCAL_ADMIN, SCHEDULER, Actor
from sons_tracker.operations.notices import EVENTS, shown
from sons_tracker.operations.outbox import Announcement, announce, announce_all, list_notices
from tests.databases import ROOT, Database
from tests.factories import AT, an_actor
from tests.factories_outbox import announced

pytestmark = pytest.mark.usefixtures("module_database")


async def objects(actor: Actor, after: int = 0, limit: int = 100) -> list[str]:
    return [notice.object_id for notice in (await list_notices(actor, after, limit)).notices]


async def test_each_recipient_is_told_once_and_sees_its_own_alone() -> None:
    editor, og, other = await an_actor("editor"), await an_actor("og"), await an_actor("editor")
    named = await announced(editor, og, og, facts={"amount_ttc_cents": 129_360})
    (notice,) = (await list_notices(editor, 0, 100)).notices
    assert (notice.object_id, notice.event, notice.at) == (named, "payment.paid", AT)
    assert notice.facts == {"amount_ttc_cents": 129_360}
    assert await objects(og) == [named]
    assert await objects(other) == []
    assert await objects(LOCAL_ADMIN) == []


async def test_nothing_is_announced_of_what_was_undone() -> None:
    editor = await an_actor("editor")
    assert editor.organisation_id is not None

    async def one(con: asyncpg.Connection, named: str) -> None:
        await announce(con, AT, "order.lapsed", "order", named, [editor.organisation_id], {})  # type: ignore[list-item]

    with contextlib.suppress(ZeroDivisionError):
        async with transaction(SCHEDULER.context) as con:
            await one(con, "undone")
            raise ZeroDivisionError
    async with transaction(SCHEDULER.context) as con:
        with contextlib.suppress(ZeroDivisionError):
            async with savepoint(con):
                await one(con, "undone with its savepoint")
                raise ZeroDivisionError
        await one(con, "done")
    assert await objects(editor) == ["done"]


async def test_what_is_not_in_the_list_has_no_offset_or_no_recipient() -> None:
    editor = await an_actor("editor")
    ids = [] if editor.organisation_id is None else [editor.organisation_id]
    async with transaction(SCHEDULER.context) as con:
        with pytest.raises(ValueError, match="add its line"):
            await announce(con, AT, "order.dreamt", "order", "1", ids, {})
        with pytest.raises(ValueError, match="offset"):
            await announce(con, datetime(2023, 3, 1), "order.lapsed", "order", "1", ids, {})  # noqa: DTZ001
        await announce(con, AT, "order.lapsed", "order", "1", [], {})
        await announce_all(con, [])
    assert await objects(editor) == []


async def test_nobody_unknown_announces() -> None:
    editor = await an_actor("editor")
    ids = [] if editor.organisation_id is None else [editor.organisation_id]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(ANONYMOUS.context) as con:
            await announce(con, AT, "order.lapsed", "order", "1", ids, {})


async def test_pages_go_on_from_where_they_ended() -> None:
    editor = await an_actor("editor")
    expected = [await announced(editor) for _ in range(5)]
    page = await list_notices(editor, 0, 2)
    seen = [notice.object_id for notice in page.notices]
    while page.notices:
        page = await list_notices(editor, page.following, 2)
        seen += [notice.object_id for notice in page.notices]
    assert seen == expected
    assert (await list_notices(editor, page.following, 2)).following == page.following


@asynccontextmanager
async def announcing(editor: Actor, named: str) -> AsyncIterator[None]:
    """Holds a transaction that has announced, in a task of its own; commits on leaving."""
    begun, end = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with transaction(SCHEDULER.context) as con:
            assert editor.organisation_id is not None
            await announce(con, AT, "order.lapsed", "order", named, [editor.organisation_id], {})
            begun.set()
            await end.wait()

    task = asyncio.create_task(hold(), context=contextvars.Context())
    await begun.wait()
    try:
        yield
    finally:
        end.set()
        await task


async def test_a_reader_waits_for_a_smaller_number_that_is_still_being_written() -> None:
    editor = await an_actor("editor")
    await announced(editor, object_id="before")
    async with announcing(editor, "slow"):
        await announced(editor, object_id="quick")
        page = await list_notices(editor, 0, 100)
        assert [notice.object_id for notice in page.notices] == ["before"], "the quick one would hide it"
    assert await objects(editor, page.following) == ["slow", "quick"]


async def test_who_goes_on_reading_while_many_announce_misses_none_and_repeats_none() -> None:
    editor = await an_actor("editor")
    assert editor.organisation_id is not None
    told: list[str] = []

    async def tell(writer: int) -> None:
        for turn in range(12):
            async with transaction(SCHEDULER.context) as con:
                for part in range(3):
                    named = f"{writer}-{turn}-{part}"
                    await announce(con, AT, "order.lapsed", "order", named, [editor.organisation_id], {})  # type: ignore[list-item]
                    await asyncio.sleep(0.001 * ((writer + turn) % 4))
                if (writer + turn) % 5 == 0:
                    await con.execute("savepoint s")
            told.extend(f"{writer}-{turn}-{part}" for part in range(3))

    writers = asyncio.gather(*(tell(writer) for writer in range(6)))
    seen: list[str] = []
    after = 0
    while True:
        over = writers.done()
        page = await list_notices(editor, after, 1000)
        seen += [notice.object_id for notice in page.notices]
        after = page.following
        if over:
            break
    await writers
    assert len(seen) == len(set(seen))
    assert set(seen) == set(told)


async def test_many_are_told_in_their_order_in_one_statement() -> None:
    editor = await an_actor("editor")
    assert editor.organisation_id is not None
    many = [
        Announcement(AT, "order.lapsed", "order", str(place), [editor.organisation_id], {})
        for place in range(50)
    ]
    async with transaction(SCHEDULER.context) as con:
        await announce_all(con, many)
    assert await objects(editor) == [str(place) for place in range(50)]


async def test_one_lock_stands_for_all_that_a_transaction_announces() -> None:
    editor = await an_actor("editor")
    assert editor.organisation_id is not None
    async with transaction(SCHEDULER.context) as con:
        for _ in range(5):
            await announce(con, AT, "order.lapsed", "order", "1", [editor.organisation_id], {})
        held = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
        assert await con.fetchval(held) == 1


async def test_the_outbox_is_never_rewritten(module_database: Database) -> None:
    editor = await an_actor("editor")
    await announced(editor)
    owner = await module_database.connect_superuser()
    try:
        for statement in ("update sons.outbox set facts = '{}'", "delete from sons.outbox"):
            with pytest.raises(asyncpg.PostgresError) as caught:
                await owner.execute(statement)
            assert caught.value.sqlstate == "SN010"
    finally:
        await owner.close()


def test_the_list_of_events_speaks_french_and_names_its_objects() -> None:
    for name, event in EVENTS.items():
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+", name)
        assert re.fullmatch(r"[A-ZÉ].*[^.]", event.label), name
        assert event.todo is None or event.todo.endswith("."), name


def test_amounts_leave_as_euros_and_nothing_else_changes() -> None:
    facts = {
        "amount_ttc_cents": 129_360,
        "lines": [{"finess": "990000028", "paid_ttc_cents": -5}],
        "cents": 3,
        "count": 3,
        "rate_cents": True,
        "unknown_cents": None,
        "order_id": str(UUID(int=1)),
    }
    assert shown(facts) == {
        "amount_ttc": "1293.60",
        "lines": [{"finess": "990000028", "paid_ttc": "-0.05"}],
        "cents": 3,
        "count": 3,
        "rate_cents": True,
        "unknown_cents": None,
        "order_id": str(UUID(int=1)),
    }


async def test_an_unknown_organisation_is_not_told() -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError) as caught:
        async with transaction(SCHEDULER.context) as con:
            await announce(con, AT, "order.lapsed", "order", "1", [uuid4()], {})
    assert caught.value.constraint_name == "outbox_organisation_fkey"


def test_every_event_that_an_operation_names_is_in_the_list() -> None:
    """What is announced by a name made at run time is checked by the tests of its operation."""
    called = {"announce": 2, "tell": 3, "Announcement": 1}
    named: dict[str, str] = {}
    for path in (ROOT / "sons_tracker" / "operations").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            place = called.get(getattr(node.func, "id", ""))
            if place is not None and len(node.args) > place and isinstance(node.args[place], ast.Constant):
                named[node.args[place].value] = path.name  # type: ignore[attr-defined]
    assert len(named) > 10
    assert {event: name for event, name in named.items() if event not in EVENTS} == {}
