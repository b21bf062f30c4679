"""What time does to orders: 120 days, clôture, a referencing or a submission that is learnt later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.operations import advances, deadlines, lapses, reviews
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.acts import Refused
from tests import factories_disputes as cases
from tests import factories_life as life
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.databases import Database
from tests.factories import AT, an_account

PARIS = ZoneInfo("Europe/Paris")
SIGNED_ON = date(2023, 2, 1)
DELAY_ENDS = datetime.combine(SIGNED_ON + timedelta(days=120), time.max, PARIS)
CLOTURE = datetime(2024, 3, 31, 23, 59, 59, 999_999, tzinfo=PARIS)
SOON = timedelta(seconds=1)
owner = make.Everything()
CANDIDATE = {"status": "candidate", "referenced_from": None}


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()
    # the extraction that applies to what is signed from January 2023 on
    await make.an_extraction(owner, on=date(2023, 1, 3))


async def a_conditional_order() -> life.Life:
    return await life.a_deposited_order(owner, 2, listed=CANDIDATE, signed_on=SIGNED_ON)


async def claims_of(order: life.Life) -> dict[str | None, int]:
    rows = await owner.fetch(
        "select release_reason, count(*) as n from claim where order_id = $1 group by 1", order.order_id
    )
    return {row["release_reason"]: row["n"] for row in rows}


async def learn(order: life.Life, at: datetime, **facts: object) -> int:
    """The list of the day says something new of the version; what follows from it."""
    day = at.astimezone(PARIS).date()
    await make.an_extraction(owner, "referencing", day)
    columns = {"status": "candidate", "complete_file_on": None, "referenced_from": None, **facts}
    await owner.execute(
        "with old as (update sons.referencing set valid_to = $2 where solution_version = $1"
        " and valid_to is null returning *)"
        " insert into sons.referencing (solution_version, dispositif, valid_from, version_label, solution,"
        " solution_name, solution_kind, editor_siren, editor_name, status, complete_file_on, referenced_from)"
        " select solution_version, dispositif, $2, version_label, solution, solution_name, solution_kind,"
        " editor_siren, editor_name, $3, $4, $5 from old",
        order.request.solution_version,
        day,
        columns["status"],
        columns["complete_file_on"],
        columns["referenced_from"],
    )
    async with transaction(LOCAL_ADMIN.context) as con:
        return await lapses.follow_list(con, LOCAL_ADMIN, at)


async def test_after_120_days_without_a_file_the_order_lapses_and_its_essms_are_free() -> None:
    order = await a_conditional_order()
    await deadlines.tick(DELAY_ENDS)  # the last instant of the delay is inside it
    assert await life.state_of(owner, order) == "waiting_referencing"
    await deadlines.tick(DELAY_ENDS + SOON)
    assert await life.state_of(owner, order) == "lapsed"
    assert await claims_of(order) == {"lapsed": 2}
    at = await owner.fetchval(
        "select at from journal where object_id = $1 and action = 'order.lapsed'", str(order.order_id)
    )
    assert at == DELAY_ENDS
    solution = await make.a_solution(owner)
    rival = await an_account("editor", siren=solution.editor_siren)
    again = make.a_request(order.request.og, order.essms, solution)
    assert (await make.deposit(rival.actor, again, DELAY_ENDS + SOON)).decision == "accepted"


async def test_a_submission_known_in_time_keeps_the_order() -> None:
    order = await a_conditional_order()
    await learn(order, AT + timedelta(days=30), complete_file_on=date(2023, 3, 20))
    await deadlines.tick(DELAY_ENDS + SOON)
    assert await life.state_of(owner, order) == "waiting_referencing"


@pytest.mark.parametrize(("late", "state"), [(0, "waiting_referencing"), (1, "lapsed")])
async def test_a_submission_within_the_delay_learnt_later_reopens(late: int, state: str) -> None:
    order = await a_conditional_order()
    await deadlines.tick(DELAY_ENDS + SOON)
    last_day = SIGNED_ON + timedelta(days=120)
    moved = await learn(
        order, DELAY_ENDS + timedelta(days=9), complete_file_on=last_day + timedelta(days=late)
    )
    assert (moved, await life.state_of(owner, order)) == (1 - late, state)
    if state == "waiting_referencing":
        assert await claims_of(order) == {"lapsed": 2, None: 2}
        # referenced at last: under condition no more
        await learn(
            order, DELAY_ENDS + timedelta(days=20), status="referenced", complete_file_on=last_day,
            referenced_from=date(2023, 6, 15),
        )  # fmt: skip
        assert await life.state_of(owner, order) == "submitted"


async def test_a_lapsed_order_whose_essms_was_taken_does_not_reopen() -> None:
    order = await a_conditional_order()
    await deadlines.tick(DELAY_ENDS + SOON)
    solution = await make.a_solution(owner)
    rival = await an_account("editor", siren=solution.editor_siren)
    await make.deposit(
        rival.actor, make.a_request(order.request.og, order.essms[:1], solution), DELAY_ENDS + SOON
    )
    assert await learn(order, DELAY_ENDS + timedelta(days=9), complete_file_on=date(2023, 5, 1)) == 0
    assert await life.state_of(owner, order) == "lapsed"
    assert await claims_of(order) == {"lapsed": 2}
    told = await owner.fetchval(
        "select facts from outbox where object_id = $1 and event = 'order.reopening_refused' limit 1",
        str(order.order_id),
    )
    assert told["essms_taken"] == [order.essms[0]]
    case = await owner.fetchrow(
        "select c.id, c.family, c.opened_for from conflict c join conflict_side s on s.conflict_id = c.id"
        " where s.order_id = $1 and s.side = 2",
        order.order_id,
    )
    assert (case["family"], case["opened_for"]) == ("two_orders", "reopening"), "C16: then a conflict"


async def test_a_lapsed_order_reopens_when_the_conflict_is_decided_for_it() -> None:
    order = await a_conditional_order()
    await deadlines.tick(DELAY_ENDS + SOON)
    at = DELAY_ENDS + timedelta(days=9)
    solution = await make.a_solution(owner)
    rival = await an_account("editor", siren=solution.editor_siren)
    request = make.a_request(order.request.og, order.essms[:1], solution)
    view = await make.deposit(rival.actor, request, DELAY_ENDS + SOON)
    assert view.identity is not None
    await learn(order, at, complete_file_on=date(2023, 5, 1))
    case_id = await owner.fetchval(
        "select conflict_id from conflict_side where order_id = $1", order.order_id
    )
    holder = replace(order, order_id=view.identity.id, number=view.identity.number, editor=rival)
    dispute = await cases.heard(cases.Dispute(holder, order, case_id), at)
    told = await cases.execute(await cases.decided_against(dispute, 1, at=at), at)
    assert not isinstance(told.outcome, life.Refused), told.outcome
    assert await life.state_of(owner, order) == "waiting_referencing"
    assert await cases.live_claims(owner, order) == sorted(order.essms)
    assert await life.state_of(owner, holder) == "rejected"


async def test_the_cloture_takes_an_unpaid_order_without_debt() -> None:
    order = await life.a_deposited_order(owner)
    await deadlines.tick(CLOTURE)
    assert await life.state_of(owner, order) == "submitted"
    await deadlines.tick(CLOTURE + SOON)
    assert await life.state_of(owner, order) == "lapsed"
    assert await claims_of(order) == {"lapsed": 2}
    assert await owner.fetchval("select count(*) from recovery where order_id = $1", order.order_id) == 0


async def test_the_cloture_withdraws_an_advance_that_is_due_and_not_paid() -> None:
    order = await life.an_order_with_due_advance(owner)
    await deadlines.tick(CLOTURE + SOON)
    assert await life.state_of(owner, order) == "lapsed"
    states = await owner.fetch("select state from payment where order_id = $1", order.order_id)
    assert {row["state"] for row in states} == {"planned"}
    assert (
        await owner.fetchval(
            "select sum(amount_ttc_cents) from ledger_entry where order_id = $1", order.order_id
        )
        == 0
    )
    assert (await life.the_requests(order))[0].state == "inadmissible"


async def test_a_verdict_settled_lets_the_order_go_on_or_rejects_it() -> None:
    for decision, state, claims in (
        (reviews.LIFTED, "submitted", {None: 2}),
        (reviews.UPHELD, "rejected", {"rejected": 2}),
    ):
        order = await life.a_deposited_order(owner, dui_in_place=None)
        assert await life.state_of(owner, order) == "to_review"
        told = life.Told()
        await reviews.settle_review(
            order.reviewer.actor, order.order_id,
            (reviews.Settlement("R38", decision, "Constaté sur pièces."),),
            law.load().law, AT, make.a_key(), told,
        )  # fmt: skip
        assert not isinstance(told.outcome, Refused)
        assert told.outcome.state == state == await life.state_of(owner, order)
        assert await claims_of(order) == claims
        kept = await owner.fetchrow(
            "select rule, decision, reason, decided_at from verdict_settlement where order_id = $1",
            order.order_id,
        )
        assert tuple(kept) == ("R38", decision, "Constaté sur pièces.", AT.astimezone(UTC))


async def performed_late(essms: int, removed: int = 0) -> life.Life:
    """An order whose VA was signed in time and whose solde was not asked before the clôture (C15)."""
    order = await solde.a_paid_advance(owner, essms)
    if removed:
        await solde.remove(order, *order.essms[:removed])
    kept = solde.a_declaration(*order.essms[removed:])
    assert not isinstance((await solde.prepare(order, kept)).outcome, Refused)
    assert not isinstance((await solde.sign(order)).outcome, Refused)
    await deadlines.tick(CLOTURE + SOON)
    assert await life.state_of(owner, order) == "to_review"
    return order


async def decide(order: life.Life, keep: bool) -> life.Told:
    told = life.Told()
    await reviews.settle_advance(
        order.reviewer.actor, order.order_id, keep, "VA signée à temps.", law.load().law,
        CLOTURE + timedelta(days=2), make.a_key(), told,
    )  # fmt: skip
    return told


async def test_an_advance_that_is_kept_settles_the_order_without_its_solde() -> None:
    order = await performed_late(2)
    assert (await decide(order, True)).outcome.state == "settled"
    assert await claims_of(order) == {None: 2}
    sums = await owner.fetchrow(
        "select sum(amount_ttc_cents) filter (where movement = 'planned') as planned,"
        " sum(amount_ttc_cents) filter (where movement = 'paid') as paid from ledger_entry"
        " where order_id = $1",
        order.order_id,
    )
    assert tuple(sums) == (2 * 87_600, 2 * 87_600)
    assert "soldée" in (await decide(order, True)).messages


async def test_an_advance_that_is_reclaimed_is_to_recover_before_its_essms_are_free() -> None:
    order = await performed_late(2)
    assert (await decide(order, False)).outcome.state == "lapsed"
    assert await claims_of(order) == {None: 2}
    recovery = await owner.fetchrow(
        "select reason, amount_ttc_cents from recovery where order_id = $1", order.order_id
    )
    assert tuple(recovery) == ("reclaimed", 2 * 87_600)


async def test_an_advance_kept_is_not_kept_for_an_essms_that_was_removed() -> None:
    order = await performed_late(3, removed=1)
    assert (await decide(order, True)).outcome.state == "settled"
    recovery = await owner.fetchrow(
        "select reason, amount_ttc_cents from recovery where order_id = $1", order.order_id
    )
    assert tuple(recovery) == ("over_advance", 87_600)


async def test_a_solde_refused_after_the_cloture_leaves_the_advance_to_a_reviewer() -> None:
    order = await solde.a_signed_va(owner, 2)
    asked = await solde.an_asked_solde(owner, order)
    await deadlines.tick(CLOTURE + SOON)
    assert await life.state_of(owner, order) == "validated"  # asked in time: it goes on
    told = life.Told()
    await advances.refuse_request(
        order.reviewer.actor, asked, order.order_id, "solde", "Facture fausse.", law.load().law,
        CLOTURE + timedelta(days=5), make.a_key(), told,
    )  # fmt: skip
    assert told.outcome.state == "inadmissible"
    assert await life.state_of(owner, order) == "to_review"
    assert (await decide(order, False)).outcome.state == "lapsed"
    assert (
        await owner.fetchval("select amount_ttc_cents from recovery where order_id = $1", order.order_id)
        == 2 * 87_600
    )


async def test_a_solde_refused_before_the_cloture_can_be_asked_again() -> None:
    order = await solde.a_signed_va(owner, 1)
    asked = await solde.an_asked_solde(owner, order)
    told = life.Told()
    await advances.refuse_request(
        order.reviewer.actor, asked, order.order_id, "solde", "Facture fausse.", law.load().law,
        solde.LATER, make.a_key(), told,
    )  # fmt: skip
    assert await life.state_of(owner, order) == "validated"
    await solde.an_asked_solde(owner, order)
