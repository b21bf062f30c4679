"""Audits of a database of their own: another law, several at once beside deposits, and how they are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import asyncpg
import pytest

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.operations import audit, enactment
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.audit import AuditResult
from sons_tracker.operations.audit_detectors import Known
from tests import factories_life as life
from tests import factories_orders as make
from tests.bench.bench_audit import STOCK_ON, load
from tests.databases import Database
from tests.factories import AT
from tests.law.files import changed

everything = make.Everything()
LAW = law.load().law
_LARGE = ("claim", "purchase_order", "order_line", "esms_grant", "establishment")


async def a_crossing(state: str = "agreed", on: date = date(2022, 9, 1)) -> None:
    """A deposited order and an acquisition grant of one of its ESSMS, for another DUI."""
    order = await life.a_deposited_order(everything)
    await make.a_grant(everything, order.essms[0], solution="AUTRE", agreed_on=on, state=state)


async def audited() -> AuditResult:
    return await audit.run(LOCAL_ADMIN, LAW, AT)


async def test_another_law_is_asked_about_the_whole_nation(database: Database) -> None:
    await make.prepare_instance()
    await a_crossing(state="requested", on=date(2022, 5, 1))
    assert (await audited()).found == 0, "an application is a warning"
    was, becomes = 'etat = ["demande"]\nissue = "warn"', 'etat = ["demande"]\nissue = "review"'
    other = law.read_library(changed("vague_1.toml", was, becomes)).law
    await enactment.enact(LOCAL_ADMIN, other, AT + timedelta(days=1))
    run = await everything.fetchrow("select * from audit_run order by at desc limit 1")
    assert (run["cause"], run["law_digest"], run["numbers"]) == ("law", other.digest, None)
    case = await everything.fetchrow("select opened_for, state from conflict")
    assert tuple(case) == ("law", "open")
    await enactment.enact(LOCAL_ADMIN, other, AT + timedelta(days=2))
    assert await everything.fetchval("select count(*) from audit_run") == 2, "the same law changes nothing"


async def test_audits_and_deposits_at_once_open_each_case_once(database: Database) -> None:
    await make.prepare_instance()
    for _ in range(6):
        await a_crossing()

    async def more() -> None:
        for _ in range(3):
            await a_crossing()

    results = await asyncio.gather(*(audited() for _ in range(4)), more(), more())
    opened = await everything.fetchval("select count(*) from conflict")
    assert sum(result.opened for result in results if result is not None) == opened >= 6
    assert (await audited()).found == 12
    assert await everything.fetchval("select count(distinct (family, pair_key)) from conflict") == 12


@pytest.fixture
async def a_nation(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """Five thousand financed ESSMS, and nine released claims for each that is held."""
    await make.prepare_instance()
    await make.an_accepted_order(everything, 5)
    await make.an_extraction(everything, on=STOCK_ON)
    owner = await database.connect_superuser()
    await load(owner, 5, 5000)
    await owner.execute("set session_replication_role = replica")
    await owner.execute(
        "insert into sons.claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id,"
        " claimed_at, released_at, release_reason)"
        " select vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id, claimed_at,"
        " claimed_at, 'cancelled' from sons.claim, generate_series(1, 9)"
    )
    await owner.execute("vacuum analyze")
    yield owner
    await owner.close()


async def plans(numbers: list[str] | None) -> dict[str, str]:
    """The plan of each detector."""
    found = {}
    known = Known(LAW, date(2023, 6, 1), STOCK_ON)
    async with transaction(LOCAL_ADMIN.context) as con:
        for detector in audit.DETECTORS:
            sql, arguments = detector.statement(known, list(detector.families), numbers)
            rows = await con.fetch(f"explain {sql}", *arguments)
            found[detector.families[0]] = "\n".join(row[0] for row in rows)
    return found


async def test_a_few_essms_are_reached_by_index_and_the_nation_by_what_lives(
    a_nation: asyncpg.Connection,
) -> None:
    few = [f"97{n:07d}" for n in range(100, 110)]
    for family, plan in (await plans(few)).items():
        for table in _LARGE:
            assert f"Seq Scan on {table} " not in plan, (family, plan)
    whole = await plans(None)
    for family in ("order_grant", "perimeter_differs"):
        assert "one_live_financing" in whole[family], whole[family]
        assert "Seq Scan on claim " not in whole[family], whole[family]
