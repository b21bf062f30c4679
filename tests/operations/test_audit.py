"""The audit's cases over time: opened once, told, ceased, found again; what imports and laws set going."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import audit
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.audit import AuditResult
from sons_tracker.rules.families import FAMILIES
from tests import factories_conflicts as conflicts
from tests import factories_disputes as disputes
from tests import factories_life as life
from tests import factories_orders as make
from tests import factories_registers as registers
from tests.databases import Database
from tests.factories import AT, an_account

everything = make.Everything()
LAW = law.load().law
LATER = AT + timedelta(days=1)


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def audited(*essms: str, at: Any = AT, **options: Any) -> AuditResult:
    return await audit.run(LOCAL_ADMIN, LAW, at, essms or None, **options)


async def case_of(order: life.Life) -> Any:
    """The only case of an order."""
    (row,) = await everything.fetch(
        "select k.* from conflict k join conflict_side s on s.conflict_id = k.id where s.order_id = $1",
        order.order_id,
    )
    return row


async def a_crossing(**changes: Any) -> tuple[life.Life, str]:
    """A deposited order and an acquisition grant of its first ESSMS, agreed afterwards."""
    order = await life.a_deposited_order(everything)
    options = {"solution": "AUTRE", "agreed_on": date(2022, 9, 1)} | changes
    return order, await make.a_grant(everything, order.essms[0], **options)


async def withdraw_grant(reference: str) -> None:
    await everything.execute(
        "update esms_grant set valid_to = '2023-02-01' where grant_reference = $1", reference
    )


async def give_back_grant(reference: str) -> None:
    await everything.execute("update esms_grant set valid_to = null where grant_reference = $1", reference)


async def also(reference: str, finess: str) -> None:
    """The same grant for another ESSMS."""
    await everything.execute(
        "insert into esms_grant select (jsonb_populate_record(g, jsonb_build_object('finess_geographique',"
        " $2::text))).* from esms_grant g where grant_reference = $1",
        reference,
        finess,
    )


async def events(case: Any) -> list[str]:
    rows = await everything.fetch(
        "select event from conflict_event where conflict_id = $1 order by id", case["id"]
    )
    return [row["event"] for row in rows]


async def close(case: Any, upto: str = "closed") -> None:
    """Brings a case to its end, or to the state before, past its procedure, which is another test's."""
    reviewer = await an_account("reviewer")
    async with transaction(reviewer.actor.context) as con:
        await con.execute(
            "insert into conflict_decision (id, conflict_id, outcome, refused, template, motivation, notice,"
            " sources, case_version, at_stake_ttc_cents, four_eyes, law_digest, proposed_at)"
            " values (gen_random_uuid(), $1, 'maintained', '{}', 't', 'm', 'n', 's', 1, 0, false, $2, $3)",
            case["id"],
            LAW.digest,
            AT,
        )
        approved = "update conflict_decision set approved_at = $2, approved_by = $3 where conflict_id = $1"
        await con.execute(approved, case["id"], AT, reviewer.actor.person_id)
        for state in ("decided", "executed", "closed"):
            await con.execute("update conflict set state = $2 where id = $1", case["id"], state)
            if state == upto:
                return


async def test_a_case_says_who_was_first_and_the_law_that_answers() -> None:
    order, reference = await a_crossing()
    result = await audited(*order.essms)
    assert (result.opened, result.numbers, result.lines, result.grants) == (1, len(order.essms), 2, 1)
    case = await case_of(order)
    assert (case["family"], case["state"], case["opened_for"]) == ("order_grant", "open", "audit")
    assert case["og_finess_juridique"] == order.request.og
    assert case["suppliers"] == [order.editor.actor.organisation_id]
    sides = await everything.fetch(
        "select side, kind, grant_reference from conflict_side where conflict_id = $1 order by side",
        case["id"],
    )
    assert [tuple(side) for side in sides] == [(1, "order", None), (2, "grant", reference)]
    finding = await everything.fetchrow("select * from conflict_finding where conflict_id = $1", case["id"])
    assert (finding["rule"], finding["outcome"]) == ("R26", "fail")
    assert (finding["facts"]["first"], finding["facts"]["later"]) == ("order", "grant")
    assert finding["facts"]["essms"] == [order.essms[0]]
    line = "select unit_ttc_cents from order_line where order_id = $1 and finess_geographique = $2"
    assert case["at_stake_ttc_cents"] == await everything.fetchval(line, order.order_id, order.essms[0])


async def test_the_grant_that_was_first_is_the_first_side() -> None:
    order, reference = await a_crossing(agreed_on=date(2022, 5, 1))
    await audited(*order.essms)
    side = await everything.fetchrow(
        "select s.side from conflict_side s where s.grant_reference = $1", reference
    )
    assert side["side"] == 1


async def test_the_parties_are_told_once_without_the_other_nor_an_amount() -> None:
    order, reference = await a_crossing()
    await audited(*order.essms)
    await audited(*order.essms)
    case = await case_of(order)
    told = await everything.fetch(
        "select organisation_id, event, facts from outbox where object_id = $1", str(case["id"])
    )
    assert {row["organisation_id"] for row in told} == {order.editor.actor.organisation_id, case["og_id"]}
    assert len(told) == 2
    assert {row["event"] for row in told} == {"conflict.opened"}
    for row in told:
        assert set(row["facts"]) <= {"number", "label", "essms", "order_number"}
        assert reference not in str(row["facts"])


async def test_what_is_no_longer_there_ceases_and_comes_back() -> None:
    order, reference = await a_crossing()
    await audited(*order.essms)
    await withdraw_grant(reference)
    elsewhere = await life.a_deposited_order(everything)
    assert (await audited(*elsewhere.essms, at=LATER)).ceased == 0, "another ESSMS says nothing of this one"
    assert (await audited(*order.essms, at=LATER, families=("two_grants",))).ceased == 0
    assert (await audited(*order.essms, at=LATER)).ceased == 1
    case = await case_of(order)
    assert case["ceased_at"] == LATER
    assert (await audited(*order.essms, at=LATER)).ceased == 0
    await give_back_grant(reference)
    again = await audited(*order.essms, at=LATER)
    assert (again.found, again.opened, again.reopened) == (1, 0, 0)
    case = await case_of(order)
    assert (case["ceased_at"], case["state"]) == (None, "open")
    assert await events(case) == ["found", "ceased"]


async def test_a_case_is_examined_whole_when_one_of_its_essms_is() -> None:
    order, reference = await a_crossing()
    await also(reference, order.essms[1])
    assert (await audited(*order.essms)).opened == 1
    await everything.execute(
        "update esms_grant set valid_to = '2023-02-01' where grant_reference = $1"
        " and finess_geographique = $2",
        reference,
        order.essms[0],
    )
    result = await audited(order.essms[0], at=LATER)
    assert (result.found, result.ceased, result.numbers) == (1, 0, 1)


async def test_a_closed_case_stays_closed_until_something_is_new() -> None:
    order, reference = await a_crossing()
    await audited(*order.essms)
    case = await case_of(order)
    await close(case)
    assert (await audited(*order.essms, at=LATER)).reopened == 0
    assert (await case_of(order))["state"] == "closed"

    second = order.essms[1]
    await also(reference, second)
    result = await audited(second, at=LATER)
    assert (result.found, result.opened, result.reopened) == (1, 0, 1)
    case = await case_of(order)
    assert case["state"] == "open"
    assert "found_again" in await events(case)
    standing = "select count(*) from conflict_decision where conflict_id = $1 and dropped_at is null"
    assert await everything.fetchval(standing, case["id"]) == 0
    named = "select array_agg(finess_geographique order by 1) from conflict_essms where conflict_id = $1"
    assert await everything.fetchval(named, case["id"]) == sorted(order.essms)
    notices = "select count(*) from outbox where object_id = $1 and event = 'conflict.reopened'"
    assert await everything.fetchval(notices, str(case["id"])) == 2


async def test_at_stake_is_what_would_be_paid_twice() -> None:
    clash = await conflicts.a_clash(everything, second_unit=100_000)
    result = await audited(clash.finess)
    (family,) = [one for one in result.families if one.found]
    assert (family.family, family.at_stake_ttc_cents) == ("two_orders", 100_000)
    case = await everything.fetchrow(
        "select * from conflict where suppliers @> $1",
        [clash.holder.actor.organisation_id, clash.loser.actor.organisation_id],
    )
    assert case["og_id"] == clash.og.actor.organisation_id
    sides = await everything.fetch(
        "select order_id from conflict_side where conflict_id = $1 order by side", case["id"]
    )
    assert [side["order_id"] for side in sides] == [clash.held, clash.refused]


async def test_two_orders_stay_one_case_when_the_holder_is_settled(module_database: Database) -> None:
    holder = await life.a_deposited_order(everything)
    refused = await disputes.a_refused_order(everything, holder)
    assert (await audited(*holder.essms)).opened == 1
    owner = await module_database.connect_superuser()
    await owner.execute("set session_replication_role = replica")
    await owner.execute("update sons.purchase_order set state = 'settled' where id = $1", holder.order_id)
    await owner.close()
    result = await audited(*holder.essms, at=LATER)
    assert (result.found, result.opened, result.ceased) == (1, 0, 0)
    case = await case_of(refused)
    assert case["family"] == "two_orders"
    messages = await everything.fetch(
        "select message from conflict_finding where conflict_id = $1 order by id", case["id"]
    )
    assert len(messages) == 2
    assert "soldée" in messages[1]["message"]


async def test_an_order_that_another_rule_refused_too_is_no_conflict() -> None:
    holder = await life.a_deposited_order(everything)
    solution = await make.a_solution(everything, kind="module", status="candidate", referenced_from=None)
    rival = await an_account("editor", siren=solution.editor_siren)
    request = make.a_request(holder.request.og, holder.essms, solution, dui_in_place="AUTRE")
    view = await make.deposit(rival.actor, request)
    failed = {verdict.rule for verdict in view.verdicts if verdict.outcome == "fail"}
    assert failed > {"R05"}
    assert (await audited(*holder.essms)).found == 0


async def test_a_contest_does_not_cease_because_the_audit_does_not_see_it(module_database: Database) -> None:
    dispute = await disputes.a_dispute(everything)
    owner = await module_database.connect_superuser()
    await owner.execute("set session_replication_role = replica")
    await owner.execute(
        "update sons.purchase_order set verdicts = verdicts || $2 where id = $1",
        dispute.refused.order_id,
        [{"rule": "R36", "outcome": "fail", "essms": []}],
    )
    await owner.close()
    result = await audited(*dispute.holder.essms)
    assert (result.found, result.opened, result.ceased) == (0, 0, 0)


async def test_grants_that_are_imported_are_crossed_in_the_same_transaction(tmp_path: Path) -> None:
    order = await life.a_deposited_order(everything)
    row = registers.a_grant(
        order.essms[0], grant_reference="ESMS-IMPORT-1", project="acquisition",
        components="usage + equipment", solution="AUTRE", equipment_eur="1000.00",
    )  # fmt: skip
    path = registers.rows_file(tmp_path, "grants", [row])
    dry = await registers.importing(path, scope="extrait", extracted_on=date(2023, 2, 20), dry_run=True)
    assert dry.conflicts_opened == 1
    assert (
        await everything.fetchval("select count(*) from conflict_side where order_id = $1", order.order_id)
        == 0
    )
    report = await registers.imported(path, scope="extrait", extracted_on=date(2023, 2, 20))
    assert report.conflicts_opened == 1
    case = await case_of(order)
    assert case["opened_for"] == "import"
    run = await everything.fetchrow("select * from audit_run order by at desc, took_ms limit 1")
    assert run["cause"] in {"import", "audit"}


@pytest.mark.parametrize("essms", [[], ["999999999"]])
async def test_nothing_to_find_is_an_answer(essms: list[str]) -> None:
    result = await audit.run(LOCAL_ADMIN, LAW, AT, essms)
    assert (result.found, result.lines, [one.family for one in result.families]) == (0, 0, list(FAMILIES))


async def test_who_may_audit() -> None:
    for role in ("editor", "og", "payer", "pilot"):
        account = await an_account(role)
        with pytest.raises(SonsError) as refused:
            await audit.run(account.actor, LAW, AT)
        assert refused.value.code is ErrorCode.FORBIDDEN
    with pytest.raises(SonsError) as unknown:
        await audit.run(LOCAL_ADMIN, LAW, AT, families=("bad_luck",))
    assert unknown.value.code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("state", ["decided", "executed"])
async def test_nothing_is_added_to_a_case_between_its_decision_and_its_closing(state: str) -> None:
    """An ESSMS found meanwhile would be lost, or kept, without having been decided."""
    order, reference = await a_crossing()
    await audited(*order.essms)
    case = await case_of(order)
    await close(case, state)
    await also(reference, order.essms[1])
    await audited(*order.essms, at=AT + timedelta(days=1))
    named = "select array_agg(finess_geographique) from conflict_essms where conflict_id = $1"
    assert await everything.fetchval(named, case["id"]) == [order.essms[0]]
    assert (await case_of(order))["state"] == state
    assert "found_again" not in await events(case)
    reviewer = await an_account("reviewer")
    async with transaction(reviewer.actor.context) as con:
        for after in ("executed", "closed")[state == "executed" :]:
            await con.execute("update conflict set state = $2 where id = $1", case["id"], after)
    await audited(*order.essms, at=AT + timedelta(days=2))
    assert sorted(await everything.fetchval(named, case["id"])) == sorted(order.essms)
    assert (await case_of(order))["state"] == "open", "told once it is closed"
