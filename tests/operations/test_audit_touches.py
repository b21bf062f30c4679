"""What a deposit or a decided succession touched is examined just after it, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest

from sons_tracker import law, scheduler
from sons_tracker.operations import audit, audit_touches
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.audit import AuditResult
from sons_tracker.rules.families import FAMILIES
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, an_account
from tests.factories_successions import a_succession, settled

everything = make.Everything()
LAW = law.load().law


@pytest.fixture(autouse=True)
async def instance(database: Database) -> None:
    await make.prepare_instance()


async def ticked() -> tuple[AuditResult, ...]:
    return await audit_touches.examine_touched(LAW, AT)


async def cases() -> list[tuple[str, str]]:
    """The family of each case and what it was opened for."""
    return [
        (row["family"], row["opened_for"])
        for row in await everything.fetch(
            "select family, opened_for from conflict order by opened_at, family"
        )
    ]


async def deposited(og: str, *essms: str) -> tuple[make.ASolution, str]:
    """An order by an editor of its own: its solution, and the state it is in."""
    solution = await make.a_solution(everything)
    editor = await an_account("editor", siren=solution.editor_siren)
    view = await make.deposit(editor.actor, make.a_request(og, essms, solution))
    assert view.identity is not None
    return solution, view.identity.state


async def _two_orders() -> None:
    og, essms = await make.an_og(everything, 1)
    assert [(await deposited(og, *essms))[1] for _ in range(2)] == ["submitted", "rejected"]


async def _order_after_grant(state: str, **of_grant: Any) -> None:
    og, (number,) = await make.an_og(everything, 1)
    solution = await make.a_solution(everything)
    editor = await an_account("editor", siren=solution.editor_siren)
    await make.a_grant(everything, number, **{"solution": solution.solution, **of_grant})
    view = await make.deposit(editor.actor, make.a_request(og, (number,), solution))
    assert view.identity is not None
    assert view.identity.state == state


async def _forbidden_by_a_grant() -> None:
    await _order_after_grant("rejected")


async def _to_review_for_a_grant() -> None:
    await _order_after_grant("to_review", dui_referenced=False)


async def _two_numbers() -> None:
    og, (old, new) = await make.an_og(everything, 2)
    await a_succession(everything, old, new, og=og)
    await deposited(og, old)
    await deposited(og, new)


async def _perimeter_moved() -> None:
    og, (number,) = await make.an_og(everything, 1)
    await make.an_extraction(everything, on=date(2023, 1, 3))
    await everything.execute(
        "with was as (update establishment set valid_to = '2023-01-03' where finess_geographique = $1"
        " returning *) insert into establishment (finess_geographique, valid_from, finess_juridique, name,"
        " category, aggregate, departement, in_service)"
        " select finess_geographique, '2023-01-03', finess_juridique, name, category, aggregate, departement,"
        " false from was",
        number,
    )
    await deposited(og, number)


async def _nothing() -> None:
    og, essms = await make.an_og(everything, 2)
    await deposited(og, *essms)


FOUND: dict[str, tuple[Callable[[], Awaitable[None]], str | None]] = {
    "two_orders": (_two_orders, None),
    "already_financed": (_two_orders, None),
    "order_grant, forbidden": (_forbidden_by_a_grant, None),
    "order_grant, to review": (_to_review_for_a_grant, "order_grant"),
    "two_numbers": (_two_numbers, "two_numbers"),
    "perimeter_differs": (_perimeter_moved, "perimeter_differs"),
    "none": (_nothing, None),
}
"""By family: a deposit that makes such a pair, and the case that the next tick opens. None: the rules of the
deposit refused it, and told it at once (R05, R25, R26); its case is opened by who contests, or by an audit of
all."""
WITHOUT_DEPOSIT = {
    "two_grants": "of grants alone: an import finds it",
    "cancelled_then_acquisition": "of an order that is over: an import finds it, R29 refuses the rest",
}


def test_each_family_says_how_it_is_found() -> None:
    assert {name.partition(",")[0] for name in FOUND} - {"none"} | set(WITHOUT_DEPOSIT) == set(FAMILIES)


@pytest.mark.parametrize("name", FOUND)
async def test_what_the_rules_of_a_deposit_cannot_refuse_is_found_just_after_it(name: str) -> None:
    make_pair, family = FOUND[name]
    await make_pair()
    assert {result.cause for result in await ticked()} <= {"deposit"}
    assert await cases() == ([] if family is None else [(family, "deposit")])
    assert await ticked() == (), "once"


async def test_only_what_is_touched_is_examined() -> None:
    await _to_review_for_a_grant()
    await ticked()
    await everything.execute("update esms_grant set valid_to = '2023-02-01'")
    await _nothing()
    (result,) = await ticked()
    assert (result.numbers, result.ceased) == (2, 0)
    assert (await audit.run(LOCAL_ADMIN, LAW, AT)).ceased == 1, "the rest waits for an audit of all"


async def test_what_several_orders_touched_is_one_run_and_a_stop_leaves_it() -> None:
    for _ in range(3):
        await _nothing()
    leaving = asyncio.Event()
    leaving.set()
    assert await audit_touches.examine_touched(LAW, AT, stop=leaving) == ()
    assert [result.numbers for result in await ticked()] == [6]


async def test_it_waits_while_another_audit_is_under_way(database: Database) -> None:
    await _nothing()
    other = await database.connect_superuser()
    async with other.transaction():
        await other.execute("select pg_advisory_xact_lock($1, 0)", audit.LOCK)
        assert await ticked() == ()
    await other.close()
    assert len(await ticked()) == 1


async def test_the_clock_examines_it() -> None:
    await _two_numbers()
    async with scheduler.running(0.05), asyncio.timeout(60):
        while not await cases():  # noqa: ASYNC110 - the clock does the work
            await asyncio.sleep(0.02)
    assert await cases() == [("two_numbers", "deposit")]


async def test_a_confirmed_succession_is_examined_at_once_and_so_is_its_dismissal() -> None:
    og, (old, new, far) = await make.an_og(everything, 3)
    found = await a_succession(everything, old, new, og=og)
    await deposited(og, old)
    await deposited(og, new)
    await deposited(og, far)
    assert (await settled(found)).both_held == ("V1",)
    assert await cases() == [("two_numbers", "succession")]
    run = await everything.fetchrow("select * from audit_run")
    assert (run["cause"], run["numbers"]) == ("succession", 2)
    finding = await everything.fetchrow("select outcome from conflict_finding")
    assert finding["outcome"] == "fail"
    await settled(found, confirmed=False, reason="Deux maisons distinctes.")
    ceased = await everything.fetchval("select ceased_at is not null from conflict")
    assert ceased


async def test_a_confirmed_succession_meets_the_grants_of_the_old_number() -> None:
    """What an order holds for the new number it holds on the old one: a grant of that one crosses it."""
    og, (old, new) = await make.an_og(everything, 2)
    await make.a_grant(everything, old, solution="AUTRE", agreed_on=date(2022, 9, 1))
    await deposited(og, new)
    assert [result.found for result in await ticked()] == [0]
    await settled(await a_succession(everything, old, new, og=og))
    assert await cases() == [("order_grant", "succession")]


async def test_four_ticks_at_once_examine_each_touch_once() -> None:
    touching = (_two_numbers, _perimeter_moved, _to_review_for_a_grant, _nothing)
    for one in touching:
        await one()
    ticks = [asyncio.create_task(ticked()) for _ in range(4)]
    runs = [run for part in await asyncio.gather(*ticks) for run in part] + [*await ticked()]
    assert await everything.fetchval("select count(*) from sons.audit_touch where run_id is null") == 0
    assert len(runs) == await everything.fetchval("select count(distinct run_id) from sons.audit_touch")
    families = [family for family, _ in await cases()]
    assert sorted(families) == ["order_grant", "perimeter_differs", "two_numbers"]
