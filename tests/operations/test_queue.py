"""The reviewers' queue: filters, both orders, pages, clocks, what weighs on a case, and who may look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.errors import SonsError
from sons_tracker.operations import alerts, queue
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER
from sons_tracker.operations.queue import QueueCase, QueuePage
from sons_tracker.operations.queue_facts import QueueFilter
from tests import factories_conflicts as conflicts
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.factories import Account, an_account, an_actor
from tests.factories_life import Life

LAW = law.load().law
FOUND = conflicts.FOUND
NOW = FOUND + timedelta(days=30)
SUNDAY = datetime.fromisoformat("2023-03-05T10:00:00+01:00")


@dataclass(frozen=True, slots=True)
class World:
    """`small`: 100 € at stake, found first; `paid`: its order has its advance; `alerted`: its order came on a
    Sunday; `late`: an answer is overdue; `led` waits for precisions. `reviewer` has `paid` assigned."""

    reviewer: Account
    order: Life
    cases: dict[str, conflicts.Case]

    def names(self, page: QueuePage) -> list[str]:
        by_id = {case.id: name for name, case in self.cases.items()}
        return [by_id[one.id] for one in page.cases]


async def asked(case: conflicts.Case, kind: str, at: datetime, due: datetime | None, **more: Any) -> UUID:
    """A question of a case, as the reviewer asks it."""
    question, context = uuid4(), case.reviewer.actor.context
    columns = {
        "id": question, "conflict_id": case.id, "kind": kind, "organisation_id": context.organisation_id,
        "text": "Dites-nous.", "asked_at": at, "answer_due_at": due,
        "delay_source": None if due is None else "Texte (L1:1)", **more,
    }  # fmt: skip
    holders = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    async with transaction(context) as con:
        await con.execute(
            f"insert into conflict_question ({', '.join(columns)}) values ({holders})", *columns.values()
        )
    return question


@pytest.fixture(scope="module")
async def world(module_database: object) -> World:
    await make.prepare_instance()
    owner = make.Everything()
    reviewer = await an_account("reviewer")
    order = await solde.a_paid_advance(owner, 2)
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    view = await make.deposit(editor.actor, make.a_request(og, numbers, solution), SUNDAY)
    other = (await make.an_accepted_order(owner))[2]

    async def found(family: str, *sides: UUID | str, **more: Any) -> conflicts.Case:
        return await conflicts.a_conflict(family, *sides, reviewer=reviewer, **{"essms": numbers, **more})

    cases = {
        "small": await found("perimeter_differs", make.id_of(other), at_stake_ttc_cents=10_000),
        "paid": await found(
            "order_grant", order.order_id, "G-1", essms=order.essms[:1], at=FOUND + timedelta(days=1)
        ),
        "alerted": await found(
            "perimeter_differs", make.id_of(view), at=FOUND + timedelta(days=2), at_stake_ttc_cents=10_000
        ),
        "late": await found("two_grants", "G-2", "G-3", at=FOUND + timedelta(days=3)),
        "led": await found("two_grants", "G-4", "G-5", at=FOUND + timedelta(days=4)),
    }
    at = FOUND + timedelta(days=5)
    await asked(cases["late"], "precisions", at, at + timedelta(days=14))
    precisions = await asked(cases["small"], "precisions", at, None)
    await asked(cases["small"], "correction", at, None, lacking="incomplete", of_question=precisions)
    async with transaction(reviewer.actor.context) as con:
        await con.execute(
            "update conflict set assigned_to = $2 where id = $1", cases["paid"].id, reviewer.actor.person_id
        )
    async with transaction(reviewer.actor.context) as con:
        await con.execute("update conflict set state = 'precisions_asked' where id = $1", cases["led"].id)
    await alerts.raise_all(SCHEDULER, LAW, NOW)
    return World(reviewer, order, cases)


async def page(
    sort: queue.Sort = "risk", *, at: datetime = NOW, after: Any = None, limit: int = 50, **narrowed: Any
) -> QueuePage:
    return await queue.read_queue(LOCAL_ADMIN, QueueFilter(**narrowed), sort, LAW, at, after, limit)


async def case_of(world: World, name: str, at: datetime = NOW) -> QueueCase:
    wanted = world.cases[name].id
    return next(one for one in (await page(at=at)).cases if one.id == wanted)


async def test_the_oldest_or_the_riskiest_first(world: World) -> None:
    assert world.names(await page("age")) == ["small", "paid", "alerted", "late", "led"]
    by_risk = await page()
    assert world.names(by_risk)[0] == "paid"
    scores = [one.risk.score for one in by_risk.cases]
    assert scores == sorted(scores, reverse=True)
    assert {state: n for state, n in by_risk.counts.items() if n} == {"open": 4, "precisions_asked": 1}
    assert (await page(state="decided")).counts == by_risk.counts


@pytest.mark.parametrize("sort", ["risk", "age"])
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_hold_each_case_once(world: World, sort: queue.Sort, limit: int) -> None:
    whole = [one.id for one in (await page(sort)).cases]
    walked: list[UUID] = []
    after = None
    while True:
        found = await page(sort, after=after, limit=limit)
        assert len(found.cases) <= limit
        walked += [one.id for one in found.cases]
        after = found.next_after
        if after is None:
            break
    assert walked == whole


async def test_what_weighs_on_a_case_is_told(world: World) -> None:
    paid = await case_of(world, "paid")
    assert paid.paid_ttc_cents == 87_600  # 30 % of 2 920 €, for the one ESSMS of the case
    reasons = {reason.code: reason for reason in paid.risk.reasons}
    assert reasons["paid"].message == "876,00\u202f€ déjà versés."
    assert reasons["family"].message == "Commande SONS et financement ESMS numérique."
    assert paid.suppliers == ((world.order.editor.actor.organisation_id, paid.suppliers[0][1]),)
    assert paid.dispositifs == ("MS1-V1",)
    small, alerted = await case_of(world, "small"), await case_of(world, "alerted")
    # both OG are at one ESSMS of a threshold; only one order came on a Sunday
    points = [{r.code: r.points for r in one.risk.reasons}["alerts"] for one in (small, alerted)]
    assert points == [5, 8]
    assert "hors des jours" in next(r.message for r in alerted.risk.reasons if r.code == "alerts")
    late = await case_of(world, "late")
    assert late.clock.overdue == 1
    assert "overdue" in {reason.code for reason in late.risk.reasons}
    assert (late.og, late.suppliers, late.dispositifs) == (None, (), ())


async def test_a_clock_stands_still_while_a_correction_is_awaited(world: World) -> None:
    small, late = await case_of(world, "small"), await case_of(world, "late")
    assert small.clock.stopped
    assert small.clock.working_days == 3  # from Wednesday to Monday
    assert not late.clock.stopped
    later = await case_of(world, "small", NOW + timedelta(days=60))
    assert later.clock.working_days == small.clock.working_days


@pytest.mark.parametrize(
    ("narrowed", "names"),
    [
        ({"family": "two_grants"}, ["late", "led"]),
        ({"state": "decided"}, []),
        ({"state": "precisions_asked"}, ["led"]),
        ({"unassigned": True}, ["small", "alerted", "late", "led"]),
        ({"couloir": "MS1"}, ["small", "paid", "alerted"]),
        ({"couloir": "MS2"}, []),
        ({"region": "Bretagne"}, []),
        ({"at_stake_from": 10_001}, ["paid", "late", "led"]),
        ({"overdue": True}, ["late"]),
        ({"opened_from": date(2023, 3, 2), "opened_to": date(2023, 3, 3)}, ["paid", "alerted"]),
        ({"opened_to": date(2023, 3, 1)}, ["small"]),
        ({"risk_from": 100}, []),
    ],
)
async def test_each_filter_narrows(world: World, narrowed: dict[str, Any], names: list[str]) -> None:
    assert world.names(await page("age", **narrowed)) == names
    assert set(world.names(await page("risk", **narrowed))) == set(names)


async def test_filters_that_name_somebody(world: World) -> None:
    paid = await case_of(world, "paid")
    assert world.names(await page("age", og=paid.og)) == ["paid"]
    assert world.names(await page("age", supplier=world.order.editor.actor.organisation_id)) == ["paid"]
    assert world.names(await page("age", assigned_to=world.reviewer.actor.person_id)) == ["paid"]
    assert world.names(await page("age", region="Île-de-France")) == [
        "small",
        "paid",
        "alerted",
        "late",
        "led",
    ]
    threshold = paid.risk.score
    assert world.names(await page("age", risk_from=threshold, limit=1)) == ["paid"]
    for wrong in ({"couloir": "MS9"}, {"region": "Atlantide"}):
        with pytest.raises(SonsError, match="n'est connu"):
            await page(**wrong)


async def test_only_agencies_look(world: World) -> None:
    for role in ("editor", "distributor", "og", "ars"):
        with pytest.raises(SonsError, match="rôle"):
            await queue.read_queue(await an_actor(role), QueueFilter(), "age", LAW, NOW)


async def test_a_supplier_that_comes_back_weighs(world: World) -> None:
    await conflicts.a_conflict(
        "order_grant", world.order.order_id, "G-9", essms=world.order.essms, reviewer=world.reviewer,
        at=NOW,
    )  # fmt: skip
    paid = await case_of(world, "paid")
    assert {reason.code: reason.points for reason in paid.risk.reasons}["cases"] == 2
