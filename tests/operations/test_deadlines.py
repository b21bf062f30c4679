"""Deadlines of real orders: who is told, in which order they take effect, what a failure holds back."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from sons_tracker.db import engine
from sons_tracker.db.engine import transaction
from sons_tracker.operations import deadlines
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER
from sons_tracker.operations.deadlines import Due
from sons_tracker.operations.effects import EFFECTS
from sons_tracker.rules.schedule import DEADLINE_WORDS
from tests import factories_life as life
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT

owner = make.Everything()
MOMENT = timedelta(microseconds=1)
FERMETURE = datetime(2023, 12, 31, 22, 59, 59, 999_999, tzinfo=UTC)
CLOTURE = datetime(2024, 3, 31, 21, 59, 59, 999_999, tzinfo=UTC)
REMINDER = datetime(2023, 10, 1, 22, tzinfo=UTC)  # 2 October in Paris, 90 days before the fermeture
LONG_AFTER = CLOTURE + timedelta(days=500)


@pytest.fixture(autouse=True)
async def instance(database: Database) -> None:
    await make.prepare_instance()


async def tick(at: datetime, **limits: Any) -> list[Due]:
    """The deadlines of orders that a tick fired: the accounts of their suppliers have some of their own."""
    return [due for due in await deadlines.tick(at, **limits) if due.order_id is not None]


async def journal_of(order_id: UUID) -> list[tuple[str, datetime]]:
    """What the scheduler did to an order, in the order in which it did it."""
    rows = await owner.fetch(
        "select action, at from journal where object_id = $1 and role = 'scheduler' order by id",
        str(order_id),
    )
    return [(row["action"], row["at"]) for row in rows]


async def notices_of(order_id: UUID, event: str) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = await owner.fetch(
        "select at, organisation_id, facts from outbox where object_id = $1 and event = $2 order by number",
        str(order_id),
        event,
    )
    return found


async def plan(order: life.Life, kind: str, due_at: datetime, rule: str = "R99") -> None:
    """Plans one more deadline for an order."""
    assert order.editor.actor.organisation_id is not None
    async with transaction(SCHEDULER.context) as con:
        await con.execute(
            "insert into deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)"
            " select $2, id::text, $3, $4, id, supplier_id, og_id, '{}' from purchase_order where id = $1",
            order.order_id,
            rule,
            due_at,
            kind,
        )


async def left(order: life.Life) -> list[str]:
    """The kinds of the deadlines that neither fired nor were superseded, in the order of time."""
    rows = await owner.fetch(
        "select kind from deadline where order_id = $1 and fired_at is null and superseded_at is null"
        " order by due_at, rule",
        order.order_id,
    )
    return [row["kind"] for row in rows]


async def test_a_reminder_tells_the_supplier_and_the_og_until_when() -> None:
    order = await life.a_deposited_order(owner)
    assert await tick(REMINDER) == []
    (fired,) = await tick(REMINDER + MOMENT)
    assert (fired.kind, fired.order_number, fired.due_at) == ("reminder", order.number, REMINDER)
    told = await notices_of(order.order_id, "deadline.reminder")
    assert {row["organisation_id"] for row in told} == {
        order.editor.actor.organisation_id,
        order.og.actor.organisation_id,
    }
    assert {row["at"] for row in told} == {REMINDER}
    facts = told[0]["facts"]
    assert (facts["of"], facts["days"], facts["rule"]) == ("fermeture", 90, "R20")
    assert (facts["until"], facts["order_number"]) == ("2023-12-31T23:59:59.999999+01:00", order.number)
    entry = await owner.fetchrow("select * from journal where action = 'deadline.reminder'")
    assert (entry["object_kind"], entry["object_id"], entry["at"]) == ("order", str(order.order_id), REMINDER)
    assert entry["facts"] == {
        "rule": "R20",
        "kind": "reminder",
        "due_at": REMINDER.isoformat(),
        "of": "fermeture",
        "days": 90,
        "deadline_at": "2023-12-31T23:59:59.999999+01:00",
        "number": order.number,
        "object_id": str(order.order_id),
    }


async def test_a_reminder_of_what_has_come_is_silent() -> None:
    asked = await life.with_advance_asked(await life.a_deposited_order(owner))
    waits = await life.a_deposited_order(owner)
    fired = await tick(FERMETURE)
    assert {due.order_id for due in fired} == {waits.order_id}
    assert await notices_of(asked.order_id, "deadline.reminder") == []
    rows = await owner.fetch(
        "select due_at, superseded_at from deadline where order_id = $1 and superseded_at is not null",
        asked.order_id,
    )
    assert len(rows) == 3
    assert all(row["due_at"] == row["superseded_at"] for row in rows)
    # the solde is not asked for: its own reminders still speak
    assert await tick(CLOTURE) != []
    assert len(await notices_of(asked.order_id, "deadline.reminder")) == 6


async def test_the_reminders_of_an_order_that_is_over_are_silent() -> None:
    listed = {"status": "candidate", "referenced_from": None}
    # its 120 days end on 31 March 2023; it may reopen (C16), so that its closings stay
    order = await life.a_deposited_order(owner, 2, listed=listed, signed_on=date(2022, 12, 1))
    await tick(LONG_AFTER)  # after a long stop everything is due in one batch
    told = await notices_of(order.order_id, "deadline.reminder")
    assert [row["facts"]["of"] for row in told] == ["complete_file"] * 2  # 7 days before, to both parties
    assert [action for action, _ in await journal_of(order.order_id)] == [
        "deadline.reminder",
        "deadline.reached",
        "order.lapsed",
        "deadline.reached",
        "deadline.reached",
    ]
    assert await left(order) == []


async def test_an_order_meets_its_deadlines_in_the_order_of_time_whoever_ticks() -> None:
    orders = [await life.a_deposited_order(owner) for _ in range(6)]
    done = await asyncio.gather(*(tick(LONG_AFTER, limit=5) for _ in range(8)))
    while any(done):
        done = await asyncio.gather(*(tick(LONG_AFTER, limit=5) for _ in range(8)))
    for order in orders:
        told = await journal_of(order.order_id)
        assert [at for _, at in told] == sorted(at for _, at in told)
        assert [action for action, _ in told].count("deadline.reminder") == 6
        assert [action for action, _ in told][-2:] == ["deadline.reached", "order.lapsed"]
        assert await life.state_of(owner, order) == "lapsed"


async def test_an_order_that_is_held_keeps_its_deadlines_and_holds_no_other_back() -> None:
    held, free = await life.a_deposited_order(owner), await life.a_deposited_order(owner)
    released, taken = asyncio.Event(), asyncio.Event()

    async def act() -> None:
        async with transaction(LOCAL_ADMIN.context) as con:
            await con.fetch("select 1 from purchase_order where id = $1 for update", held.order_id)
            taken.set()
            await released.wait()

    acting = asyncio.create_task(act())
    await taken.wait()
    fired = await tick(FERMETURE + MOMENT)
    assert {due.order_id for due in fired} == {free.order_id}
    released.set()
    await acting
    fired = await tick(FERMETURE + MOMENT)
    assert [due.kind for due in fired] == ["reminder", "reminder", "reminder", "fermeture"]
    assert {due.order_id for due in fired} == {held.order_id}


async def test_what_an_act_wrote_while_it_held_the_order_is_seen() -> None:
    """A tick that waits for the order looks at it again once it has it: no reminder of what has just come."""
    order = await life.a_deposited_order(owner)
    await life.with_advance_asked(order)
    async with transaction(SCHEDULER.context) as con:
        stuck: set[str] = set()
        await deadlines.fire_all(con, FERMETURE + MOMENT, AT, stuck)
    assert stuck == set()
    assert await notices_of(order.order_id, "deadline.reminder") == []
    assert len(await notices_of(order.order_id, "deadline.reached")) == 2


async def fails(con: asyncpg.Connection, due: Due, at: datetime) -> None:
    await con.execute("update deadline set superseded_at = $1 where kind = 'cloture'", due.due_at)
    raise ZeroDivisionError("told to nobody")


async def test_an_effect_that_fails_leaves_its_order_where_it_was_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sick, sound = await life.a_deposited_order(owner), await life.a_deposited_order(owner)
    calls = 0

    async def counted(con: asyncpg.Connection, due: Due, at: datetime) -> None:
        nonlocal calls
        calls += 1
        await fails(con, due, at)

    await plan(sick, "sickness", REMINDER + timedelta(days=1))
    monkeypatch.setitem(EFFECTS, "sickness", deadlines.one_by_one(counted))
    fired = await tick(LONG_AFTER)
    assert calls == 1
    assert [due.kind for due in fired if due.order_id == sick.order_id] == ["reminder"]
    assert len([due for due in fired if due.order_id == sound.order_id]) == 8
    assert await life.state_of(owner, sound) == "lapsed"
    assert await life.state_of(owner, sick) == "submitted"
    # undone with all that it wrote: the clôture stands, and nothing tells that its deadline was reached
    assert (await left(sick))[0] == "sickness"
    assert (await left(sick))[-1] == "cloture"
    assert ("deadline.reached", REMINDER + timedelta(days=1)) not in await journal_of(sick.order_id)
    assert "ZeroDivisionError" in caplog.text
    assert "R99" in caplog.text
    monkeypatch.setitem(EFFECTS, "sickness", deadlines.only_told)
    assert len(await tick(LONG_AFTER)) == 8
    assert await left(sick) == []


async def test_an_effect_that_fails_among_many_is_found_and_sinks_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Effects of one kind are tried together; a failure is looked for by halves."""
    orders = [await life.a_deposited_order(owner) for _ in range(5)]
    sick = orders[3]
    lapses = EFFECTS["cloture"]

    async def sometimes(con: asyncpg.Connection, due: Due, at: datetime) -> None:
        await lapses(con, [due], at)
        if due.order_id == sick.order_id:
            raise ZeroDivisionError

    monkeypatch.setitem(EFFECTS, "cloture", deadlines.one_by_one(sometimes))
    await tick(LONG_AFTER)
    for order in orders:
        expected = "submitted" if order is sick else "lapsed"
        assert await life.state_of(owner, order) == expected
        told = [action for action, _ in await journal_of(order.order_id)]
        assert told.count("order.lapsed") == (order is not sick)
    assert await left(sick) == ["cloture"]


async def test_an_effect_that_the_commit_would_refuse_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deferred constraints speak at the commit; unless asked before, one order would sink its whole batch."""

    async def halves(con: asyncpg.Connection, due: Due, at: datetime) -> None:
        await con.execute(
            "update purchase_order set state = 'waiting_referencing' where id = $1 and state = 'lapsed'",
            due.order_id,
        )

    sick, sound = await life.a_deposited_order(owner), await life.a_deposited_order(owner)
    await tick(LONG_AFTER)
    monkeypatch.setitem(EFFECTS, "halves", deadlines.one_by_one(halves))
    await plan(sick, "halves", LONG_AFTER)
    await plan(sound, "notice", LONG_AFTER)
    fired = await tick(LONG_AFTER + MOMENT)
    assert [due.order_id for due in fired] == [sound.order_id]
    assert await life.state_of(owner, sick) == "lapsed"
    assert await left(sick) == ["halves"]


async def test_a_kind_without_an_effect_stays_due(caplog: pytest.LogCaptureFixture) -> None:
    order = await life.a_deposited_order(owner)
    await plan(order, "mystery", AT)
    assert await tick(AT + MOMENT) == []
    assert "no effect is known" in caplog.text


async def test_a_malformed_row_among_many_sinks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notices are told in sets; a set that fails is told one by one."""
    orders = [await life.a_deposited_order(owner) for _ in range(4)]
    sick = orders[1]
    announcement = deadlines._announcement

    def trips(due: Due) -> Any:
        if due.order_id == sick.order_id:
            raise KeyError("label")
        return announcement(due)

    monkeypatch.setattr(deadlines, "_announcement", trips)
    fired = await tick(REMINDER + MOMENT)
    assert {due.order_id for due in fired} == {order.order_id for order in orders} - {sick.order_id}
    monkeypatch.undo()
    assert [due.order_id for due in await tick(REMINDER + MOMENT)] == [sick.order_id]


async def test_what_an_effect_supersedes_never_fires(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ends(con: asyncpg.Connection, due: Due, at: datetime) -> None:
        await con.execute(
            "update deadline set superseded_at = $2 where order_id = $1 and fired_at is null and due_at > $2",
            due.order_id,
            due.due_at,
        )

    order = await life.a_deposited_order(owner)
    monkeypatch.setitem(EFFECTS, "ends", deadlines.one_by_one(ends))
    await plan(order, "ends", REMINDER + timedelta(days=1))
    fired = await tick(LONG_AFTER)  # all of them are due at once, in one batch
    assert [due.kind for due in fired] == ["reminder", "ends"]
    assert await left(order) == []


async def test_what_an_effect_plans_in_the_past_fires_in_the_same_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = await life.a_deposited_order(owner)

    async def again(con: asyncpg.Connection, due: Due, at: datetime) -> None:
        await con.execute(
            "insert into deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)"
            " values ('R99', $1, $2, 'notice', $3, $4, $5, '{}')",
            due.object_id,
            due.due_at + timedelta(days=1),
            due.order_id,
            due.supplier_id,
            due.og_id,
        )

    monkeypatch.setitem(EFFECTS, "again", deadlines.one_by_one(again))
    await plan(order, "again", AT)
    assert [due.kind for due in await tick(AT + timedelta(days=2))] == ["again", "notice"]


async def test_a_deadlock_asks_for_the_batch_again_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = await life.a_deposited_order(owner)
    times = 0

    async def meets(con: asyncpg.Connection, due: Due, at: datetime) -> None:
        nonlocal times
        times += 1
        if times == 1:
            await con.execute("do $$ begin raise exception 'met' using errcode = '40P01'; end $$")

    monkeypatch.setitem(EFFECTS, "meets", deadlines.one_by_one(meets))
    await plan(order, "meets", AT)
    assert [due.kind for due in await tick(AT + MOMENT)] == ["meets"]
    assert times == 2


async def test_reminders_are_told_in_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due together costs one round trip of each kind a batch, however many they are."""
    seen: list[str] = []
    acquire = engine._acquire

    def note(query: asyncpg.connection.LoggedQuery) -> None:
        seen.append(query.query)

    async def noted(pool: asyncpg.Pool) -> asyncpg.Connection:
        con = await acquire(pool)
        con.remove_query_logger(note)
        con.add_query_logger(note)
        return con

    monkeypatch.setattr(engine, "_acquire", noted)
    counts = []
    for number in (1, 1, 12):  # the first meets types and plans that the others know
        for _ in range(number):
            await make.an_accepted_order(owner)
        seen.clear()
        assert len(await tick(REMINDER + MOMENT)) == number
        counts.append(len(seen))
    assert counts[1] == counts[2] < 40, seen


def test_each_kind_of_deadline_has_an_effect_and_a_word() -> None:
    assert set(EFFECTS) == set(DEADLINE_WORDS)
