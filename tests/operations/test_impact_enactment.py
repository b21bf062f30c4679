"""Enacting a law moves what is undecided, never what is decided; the extended calendar of vague 1 (C3)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.law.proposal import with_projects
from sons_tracker.operations import enactment
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER
from sons_tracker.operations.calendar_moves import Moved, follow_calendar
from sons_tracker.operations.deadlines import tick
from sons_tracker.operations.lapses import follow_list
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, an_account
from tests.operations.impact_laws import (
    CLOTURE,
    FERMETURE,
    JANUARY,
    LATER_CLOTURE,
    LATER_FERMETURE,
    PACKAGE,
    edited,
    extended,
    learn_submission,
    paris,
    planned,
)

NOTHING = Moved(0, 0)
CONDITIONAL_ON = date(2022, 12, 15)
PUBLISHED = paris(2023, 12, 31)
"""The day on which the extended calendar becomes known, before the fermeture that it moves."""


@pytest.fixture
async def owner(database: Database) -> make.Everything:
    await make.prepare_instance()
    return make.Everything()


async def an_order(owner: make.Everything) -> UUID:
    _, _, view = await make.an_accepted_order(owner)
    return make.id_of(view)


async def a_conditional_order(owner: make.Everything) -> UUID:
    """Its complete file is awaited 120 days after its signature."""
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner, status="candidate", referenced_from=None)
    editor = await an_account("editor", siren=solution.editor_siren)
    request = make.a_request(og, numbers, solution, signed_on=CONDITIONAL_ON)
    return make.id_of(await make.deposit(editor.actor, request))


async def put(database: Database, order_id: UUID, state: str) -> None:
    """Puts an order in a state, as if it had lived until there."""
    con = await database.connect_superuser()
    try:
        await con.execute("set session_replication_role = replica")
        await con.execute("update sons.purchase_order set state = $2 where id = $1", order_id, state)
    finally:
        await con.close()


async def test_the_extended_calendar_moves_what_still_runs(owner: make.Everything) -> None:
    order = await an_order(owner)
    assert await planned(owner, order, "fermeture") == [FERMETURE]
    assert await planned(owner, order, "cloture") == [CLOTURE]
    done = await enactment.enact(LOCAL_ADMIN, extended(), JANUARY)
    assert done.is_new
    assert done.moved == Moved(orders=1, deadlines=2)
    assert await planned(owner, order, "fermeture") == [LATER_FERMETURE]
    assert await planned(owner, order, "cloture") == [LATER_CLOTURE]
    # −90 days of the fermeture is past in January; the others are ahead
    assert await planned(owner, order, "reminder fermeture") == [paris(2024, 1, 29), paris(2024, 2, 21)]
    assert await planned(owner, order, "reminder cloture") == [
        paris(2024, 9, 20),
        paris(2024, 11, 19),
        paris(2024, 12, 12),
    ]
    left = await owner.fetch(
        "select distinct kind, superseded_at from deadline where order_id = $1 and superseded_at is not null",
        order,
    )
    assert {(row["kind"], row["superseded_at"]) for row in left} == {
        ("fermeture", JANUARY),
        ("cloture", JANUARY),
        ("reminder", JANUARY),
    }


async def test_what_moved_is_journaled_and_told_to_both_parties(owner: make.Everything) -> None:
    order = await an_order(owner)
    texts = extended()
    await enactment.enact(LOCAL_ADMIN, texts, JANUARY)
    row = await owner.fetchrow("select * from journal where action = 'deadline.moved'")
    assert (row["at"], row["object_kind"], row["object_id"], row["role"]) == (
        JANUARY,
        "order",
        str(order),
        "admin",
    )
    assert row["facts"]["law_digest"] == texts.digest
    moves = {move["kind"]: move for move in row["facts"]["moves"]}
    assert datetime.fromisoformat(moves["fermeture"]["before"]) == FERMETURE
    assert datetime.fromisoformat(moves["fermeture"]["after"]) == LATER_FERMETURE
    assert moves["cloture"]["a_confirmer"]
    enacted = await owner.fetchrow("select * from journal where object_id = $1", texts.digest)
    assert enacted["facts"] == {"orders_moved": 1, "deadlines_moved": 2}
    parties = await owner.fetchrow("select supplier_id, og_id from purchase_order where id = $1", order)
    told = await owner.fetch(
        "select event, organisation_id, mailed, facts from outbox where event like '%.moved'"
    )
    assert {(row["event"], row["organisation_id"], row["mailed"]) for row in told} == {
        (event, party, mailed)
        for event, mailed in (("deadline.moved", False), ("calendar.moved", True))
        for party in (parties["supplier_id"], parties["og_id"])
    }
    assert all(row["facts"]["orders"] == 1 for row in told if row["event"] == "calendar.moved")


async def test_enacting_twice_changes_nothing(owner: make.Everything) -> None:
    await an_order(owner)
    await enactment.enact(LOCAL_ADMIN, extended(), JANUARY)
    before = await owner.fetch("select * from deadline order by id")
    journal = await owner.fetchval("select count(*) from journal")
    again = await enactment.enact(LOCAL_ADMIN, extended(), JANUARY + timedelta(days=1))
    assert (again.is_new, again.moved) == (False, NOTHING)
    assert await owner.fetch("select * from deadline order by id") == before
    assert await owner.fetchval("select count(*) from journal") == journal


@pytest.mark.parametrize("state", ["settled", "lapsed", "cancelled", "rejected"])
async def test_an_order_that_is_over_does_not_move(
    owner: make.Everything, database: Database, state: str
) -> None:
    order = await an_order(owner)
    await put(database, order, state)
    assert (await enactment.enact(LOCAL_ADMIN, extended(), JANUARY)).moved == NOTHING
    assert await planned(owner, order, "fermeture") == [FERMETURE]
    assert await planned(owner, order, "cloture") == [CLOTURE]


async def test_what_fired_stays_and_a_later_fermeture_is_planned_anew(owner: make.Everything) -> None:
    order = await an_order(owner)
    await tick(JANUARY)
    fired = await owner.fetch("select * from deadline where fired_at is not null order by id")
    assert "fermeture" in {row["kind"] for row in fired}
    assert (await enactment.enact(LOCAL_ADMIN, extended(), JANUARY)).moved == Moved(1, 2)
    assert await owner.fetch("select * from deadline where fired_at is not null order by id") == fired
    assert await planned(owner, order, "fermeture") == [LATER_FERMETURE]
    assert await planned(owner, order, "cloture") == [LATER_CLOTURE]


async def test_a_fermeture_that_fired_is_not_planned_again_at_an_earlier_date(owner: make.Everything) -> None:
    order = await an_order(owner)
    await tick(JANUARY)
    earlier = edited("ms1_v1.toml", "le = 2023-12-31", "le = 2023-11-30")
    assert (await enactment.enact(LOCAL_ADMIN, earlier, JANUARY)).moved == NOTHING
    assert await planned(owner, order, "fermeture") == []


@pytest.mark.parametrize(("state", "later"), [("to_review", []), ("validated", [LATER_CLOTURE])])
async def test_an_order_that_outlived_its_cloture(
    owner: make.Everything, database: Database, state: str, later: list[datetime]
) -> None:
    """A reviewer has it and decides (C15); or its solde was asked in time, and a later clôture counts."""
    order = await an_order(owner)
    await put(database, order, state)
    con = await database.connect_superuser()
    try:
        await con.execute("set session_replication_role = replica")
        await con.execute(
            "update sons.deadline set fired_at = due_at where order_id = $1 and kind <> 'reminder'", order
        )
    finally:
        await con.close()
    await enactment.enact(LOCAL_ADMIN, extended(), JANUARY)
    assert await planned(owner, order, "cloture") == later
    assert await planned(owner, order, "fermeture") == [LATER_FERMETURE]


async def test_a_former_law_taken_up_again_puts_the_former_dates_back(owner: make.Everything) -> None:
    order = await an_order(owner)
    for texts, fermeture, cloture in (
        (extended(), LATER_FERMETURE, LATER_CLOTURE),
        (PACKAGE, FERMETURE, CLOTURE),
        (extended(), LATER_FERMETURE, LATER_CLOTURE),
        (PACKAGE, FERMETURE, CLOTURE),
    ):
        assert not await enactment.is_followed(texts.digest)
        await enactment.enact(LOCAL_ADMIN, texts, PUBLISHED)
        assert await enactment.is_followed(texts.digest)
        assert await planned(owner, order, "fermeture") == [fermeture]
        assert await planned(owner, order, "cloture") == [cloture]
        reminders = await owner.fetch(
            "select due_at, facts ->> 'deadline_at' as deadline_at from deadline where order_id = $1"
            " and kind = 'reminder' and facts ->> 'of' = 'cloture' and superseded_at is null",
            order,
        )
        assert {datetime.fromisoformat(row["deadline_at"]) for row in reminders} == {cloture}


async def test_a_calendar_that_is_not_published_yet_moves_on_its_day(
    owner: make.Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await an_order(owner)
    library = with_projects(law.load())
    monkeypatch.setattr("sons_tracker.operations.calendar_moves.load", lambda: library)
    assert (await enactment.enact(LOCAL_ADMIN, library.law, AT)).moved == NOTHING
    assert await planned(owner, order, "cloture") == [CLOTURE]
    await tick(PUBLISHED)
    assert await planned(owner, order, "cloture") == [CLOTURE]
    # the clock comes round weeks later: the publication first, so that the former fermeture never takes place
    fired = await tick(JANUARY)
    assert [due.kind for due in fired if due.kind != "reminder"] == ["publication"]
    assert await planned(owner, order, "fermeture") == [LATER_FERMETURE]
    assert await planned(owner, order, "cloture") == [LATER_CLOTURE]
    moved = await owner.fetchrow("select at, role from journal where action = 'deadline.moved'")
    assert (moved["at"], moved["role"]) == (PUBLISHED, "scheduler")


async def test_nothing_overtakes_a_publication_that_another_process_holds(
    owner: make.Everything, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await an_order(owner)
    library = with_projects(law.load())
    monkeypatch.setattr("sons_tracker.operations.calendar_moves.load", lambda: library)
    await enactment.enact(LOCAL_ADMIN, library.law, AT)
    con = await database.connect_superuser()
    try:
        async with con.transaction():
            await con.execute("select from sons.deadline where kind = 'publication' for update")
            assert {due.kind for due in await tick(CLOTURE + timedelta(days=1))} <= {"reminder"}
    finally:
        await con.close()
    await tick(CLOTURE + timedelta(days=1))
    assert await owner.fetchval("select state from purchase_order where id = $1", order) == "submitted"
    assert await planned(owner, order, "cloture") == [LATER_CLOTURE]


async def test_the_law_of_the_package_waits_for_no_publication(owner: make.Everything) -> None:
    assert await owner.fetchval("select count(*) from deadline where kind = 'publication'") == 0


async def test_the_delay_of_the_referencing_moves_where_it_runs_only(owner: make.Everything) -> None:
    waiting, referenced = await a_conditional_order(owner), await an_order(owner)
    longer = edited("ms1_v1.toml", "jours = 120", "jours = 150")
    assert (await enactment.enact(LOCAL_ADMIN, longer, AT)).moved == Moved(1, 1)
    assert [at.date() for at in await planned(owner, waiting, "complete_file")] == [
        CONDITIONAL_ON + timedelta(days=150)
    ]
    assert await planned(owner, referenced, "complete_file") == []


async def test_a_deadline_that_comes_before_the_enactment_is_due_at_once(owner: make.Everything) -> None:
    order = await an_order(owner)
    earlier = edited("ms1_v1.toml", "le = 2023-12-31", "le = 2023-02-15")
    await enactment.enact(LOCAL_ADMIN, earlier, AT)
    fired = await tick(AT)
    assert [(due.kind, due.order_id) for due in fired] == [("fermeture", order)]


async def test_a_law_that_lost_a_dispositif_is_refused_whole(owner: make.Everything) -> None:
    await an_order(owner)
    texts = extended()
    lost = replace(texts, dispositifs={c: d for c, d in texts.dispositifs.items() if c != "MS1-V1"})
    with pytest.raises(SonsError) as caught:
        await enactment.enact(LOCAL_ADMIN, lost, JANUARY)
    assert caught.value.code is ErrorCode.INVALID_LAW
    assert "MS1-V1" in caught.value.detail
    assert not await enactment.is_followed(lost.digest)
    assert await owner.fetchval("select count(*) from law_enactment where digest = $1", lost.digest) == 0


async def test_only_the_orders_that_are_asked_for_follow(owner: make.Everything) -> None:
    one, other = await an_order(owner), await an_order(owner)
    async with transaction(SCHEDULER.context) as con:
        assert await follow_calendar(con, SCHEDULER, extended(), JANUARY, [one]) == Moved(1, 2)
    assert await planned(owner, one, "cloture") == [LATER_CLOTURE]
    assert await planned(owner, other, "cloture") == [CLOTURE]


async def test_an_order_that_reopens_follows_the_calendar_of_that_day(
    owner: make.Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C16: it lapsed for its delay, a text moved the calendar, then its submission in time is learnt."""
    order = await a_conditional_order(owner)
    await tick(AT + timedelta(days=60))
    assert await owner.fetchval("select state from purchase_order where id = $1", order) == "lapsed"
    library = with_projects(law.load())
    for reader in ("calendar_moves", "lapses"):
        monkeypatch.setattr(f"sons_tracker.operations.{reader}.load", lambda: library)
    assert (await enactment.enact(LOCAL_ADMIN, library.law, JANUARY)).moved == NOTHING
    version = await owner.fetchval("select solution_version from purchase_order where id = $1", order)
    submitted_on = CONDITIONAL_ON + timedelta(days=100)
    await learn_submission(owner, version, JANUARY.date(), submitted_on)
    async with transaction(LOCAL_ADMIN.context) as con:
        assert await follow_list(con, LOCAL_ADMIN, JANUARY) == 1
    assert (
        await owner.fetchval("select state from purchase_order where id = $1", order) == "waiting_referencing"
    )
    assert await planned(owner, order, "cloture") == [LATER_CLOTURE]


async def test_every_page_of_orders_moves(owner: make.Everything, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [await an_order(owner) for _ in range(5)]
    monkeypatch.setattr("sons_tracker.operations.calendar_moves._PAGE", 2)
    assert (await enactment.enact(LOCAL_ADMIN, extended(), JANUARY)).moved == Moved(5, 10)
    for order in orders:
        assert await planned(owner, order, "cloture") == [LATER_CLOTURE]


async def _until_it_waits(con: asyncpg.Connection) -> None:
    """Returns once another connection to this database waits for a lock."""
    waits = "datname = current_database() and wait_event_type = 'Lock'"
    for _ in range(1000):
        await con.execute("select pg_stat_clear_snapshot()")
        if await con.fetchval(f"select exists (select from pg_stat_activity where {waits})"):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits for the order")


async def test_an_order_that_ends_meanwhile_is_left_as_it_ended(
    owner: make.Everything, database: Database
) -> None:
    order = await an_order(owner)
    con = await database.connect_superuser()
    try:
        await con.execute("set session_replication_role = replica")
        async with con.transaction():
            await con.execute("update sons.purchase_order set state = 'cancelled' where id = $1", order)
            enacting = asyncio.create_task(enactment.enact(LOCAL_ADMIN, extended(), JANUARY))
            await _until_it_waits(con)
        assert (await enacting).moved == NOTHING
    finally:
        await con.close()
    assert await planned(owner, order, "cloture") == [CLOTURE]


async def test_ticks_and_an_enactment_at_once_lose_no_deadline(owner: make.Everything) -> None:
    orders = [await an_order(owner) for _ in range(12)]
    await asyncio.gather(
        tick(JANUARY), enactment.enact(LOCAL_ADMIN, extended(), JANUARY), tick(JANUARY), tick(JANUARY)
    )
    for order in orders:
        # whichever came first, the later fermeture and the later clôture run, and nothing runs beside them
        assert await planned(owner, order, "fermeture") == [LATER_FERMETURE]
        assert await planned(owner, order, "cloture") == [LATER_CLOTURE]
    assert (
        await owner.fetchval(
            "select count(*) from deadline where kind = 'fermeture' and due_at = $1"
            " and (fired_at is null) = (superseded_at is null)",
            FERMETURE,
        )
        == 0
    )
