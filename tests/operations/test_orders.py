"""Depositing orders: amounts, refusals that are kept, claims, plans, journal."""

from __future__ import annotations

from datetime import date, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from sons_tracker import law
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import order_reading, simulations
from sons_tracker.operations.actors import ANONYMOUS
from sons_tracker.operations.views import OrderView
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, an_account

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture(scope="module")
async def owner(module_database: Database):
    await make.prepare_instance()
    return make.Everything()


def outcome(view: OrderView, rule: str) -> set[str]:
    return {verdict.outcome for verdict in view.verdicts if verdict.rule == rule}


@pytest.mark.parametrize(
    ("essms", "tranche", "total", "advance", "solde"),
    [
        (35, "E", 4_312_000, 1_293_600, 3_018_400),  # S0:1304
        (72, "E", 8_870_400, 2_661_120, 6_209_280),  # S0:1326
        (8, "C", 1_752_000, 525_600, 1_226_400),  # S0:1470
    ],
)
async def test_amounts_of_the_source_documents(owner, essms, tranche, total, advance, solde):
    _, _, view = await make.an_accepted_order(owner, essms)
    assert (view.decision, view.tranche) == ("accepted", tranche)
    assert (view.total_ttc_cents, view.advance_ttc_cents, view.solde_ttc_cents) == (total, advance, solde)
    assert [(p.kind, p.amount_ttc_cents) for p in view.payments] == [("advance", advance), ("solde", solde)]


async def test_everything_is_written_in_one_transaction(owner):
    editor, _, view = await make.an_accepted_order(owner, 3)
    order_id = make.id_of(view)
    row = await owner.fetchrow("select * from sons.purchase_order where id = $1", order_id)
    assert (row["state"], row["version"], row["supplier_id"]) == (
        "submitted",
        1,
        editor.actor.organisation_id,
    )
    assert row["law_digest"] == law.load().law.digest
    assert row["extraction_on"] == make.REFERENCE
    assert {"name": "MS1-V1.bareme", "depuis": "2022-02-12"}.items() <= next(
        v for v in row["applied"] if v["name"] == "MS1-V1.bareme"
    ).items()
    claims = await owner.fetch("select * from sons.claim where holder_id = $1", order_id)
    assert [c["finess_geographique"] for c in claims] == [line.finess for line in view.lines]
    assert all(c["released_at"] is None and c["vague"] == "V1" for c in claims)
    payments = await owner.fetch(
        "select kind, state from sons.payment where order_id = $1 order by 1", order_id
    )
    assert [tuple(p) for p in payments] == [("advance", "planned"), ("solde", "planned")]
    deadlines = await owner.fetch(
        "select kind, due_at from sons.deadline where order_id = $1 order by due_at", order_id
    )
    assert [(d["kind"], d["due_at"].astimezone(PARIS).isoformat()) for d in deadlines] == [
        ("reminder", "2023-10-02T00:00:00+02:00"),
        ("reminder", "2023-12-01T00:00:00+01:00"),
        ("reminder", "2023-12-24T00:00:00+01:00"),
        ("fermeture", "2023-12-31T23:59:59.999999+01:00"),
        ("reminder", "2024-01-01T00:00:00+01:00"),
        ("reminder", "2024-03-01T00:00:00+01:00"),
        ("reminder", "2024-03-24T00:00:00+01:00"),
        ("cloture", "2024-03-31T23:59:59.999999+02:00"),
    ]
    assert [d.kind for d in view.deadlines] == ["fermeture", "cloture"]
    entry = await owner.fetchrow("select * from sons.journal where object_id = $1", str(order_id))
    assert (entry["action"], entry["at"], entry["role"]) == ("order.deposited", AT, "editor")
    assert entry["facts"]["total_ttc_cents"] == view.total_ttc_cents


async def test_a_second_order_on_an_essms_is_refused_and_kept(owner):
    _, request, first = await make.an_accepted_order(owner, 4)
    solution = await make.a_solution(owner)
    rival = await an_account("editor", siren=solution.editor_siren)
    taken = request.essms[1].finess
    second = await make.deposit(rival.actor, make.a_request(request.og, (taken,), solution))
    assert second.decision == "refused"
    assert outcome(second, "R05") == {"fail"}
    verdict = next(v for v in second.verdicts if v.rule == "R05")
    assert verdict.essms == (taken,)
    assert make.id_of(first).hex not in str(verdict)
    assert first.identity.number not in str(verdict)  # never by whom
    assert verdict.remedy
    kept = await order_reading.find_order(rival.actor, make.id_of(second))
    assert (kept.identity.state, kept.verdicts) == ("rejected", second.verdicts)
    assert kept.payments == ()
    assert (
        await owner.fetchval("select count(*) from sons.claim where holder_id = $1", make.id_of(second)) == 0
    )
    assert (
        await owner.fetchval("select action from sons.journal where object_id = $1", str(make.id_of(second)))
        == "order.refused"
    )


async def test_a_clash_on_one_essms_claims_none_of_the_others(owner):
    editor, request, _ = await make.an_accepted_order(owner, 3)
    others = await make.an_og(owner, 2)
    mixed = (*others[1], request.essms[0].finess)
    solution = make.ASolution(request.essms[0].dui_in_place, request.solution_version, "")
    refused = await make.deposit(editor.actor, make.a_request(others[0], mixed, solution))
    assert refused.decision == "refused"
    free = await owner.fetchval(
        "select count(*) from sons.claim where finess_geographique = any($1)", list(others[1])
    )
    assert free == 0


async def test_own_clash_names_the_own_order(owner):
    editor, request, first = await make.an_accepted_order(owner, 1)
    again = await make.deposit(editor.actor, request)
    assert first.identity.number in next(v.message for v in again.verdicts if v.rule == "R05")
    assert outcome(again, "R04") == {"fail"}
    assert outcome(again, "R06") == {"warn"}


async def test_part_of_an_og_keeps_the_tranche_of_the_whole(owner):
    og, numbers = await make.an_og(owner, 12)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    part = await make.deposit(editor.actor, make.a_request(og, numbers[:3], solution))
    assert (part.tranche, part.essms_of_og, part.ordered) == ("D", 12, 3)
    assert part.total_ttc_cents == 3 * 164_300


async def test_less_than_the_rate_may_be_asked_and_more_is_refused_but_kept(owner):
    og, numbers = await make.an_og(owner, 2)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    above = await make.deposit(editor.actor, make.a_request(og, numbers, solution, unit_ttc_cents=292_001))
    assert (above.decision, outcome(above, "R13"), above.total_ttc_cents) == ("refused", {"fail"}, None)
    asked = await owner.fetch(
        "select asked_ttc_cents, unit_ttc_cents from sons.order_line where order_id = $1", make.id_of(above)
    )
    assert {tuple(row) for row in asked} == {(292_001, None)}
    below = await make.deposit(editor.actor, make.a_request(og, numbers, solution, unit_ttc_cents=100_001))
    assert (below.decision, below.total_ttc_cents, below.advance_ttc_cents) == ("accepted", 200_002, 60_000)


async def test_conditional_order_waits_for_the_referencing(owner):
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner, status="candidate", referenced_from=None)
    editor = await an_account("editor", siren=solution.editor_siren)
    request = make.a_request(og, numbers, solution, signed_on=date(2023, 2, 1))
    await make.an_extraction(owner, on=date(2023, 1, 3))
    view = await make.deposit(editor.actor, request)
    assert (view.decision, view.identity.state, view.conditional) == ("accepted", "waiting_referencing", True)
    assert (view.deadlines[0].kind, view.deadlines[0].at.isoformat()) == (
        "complete_file",
        "2023-06-01T23:59:59.999999+02:00",  # 120 days after 1 February
    )


async def test_undeclared_dui_holds_the_essms_for_a_person(owner):
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    view = await make.deposit(editor.actor, make.a_request(og, numbers, solution, dui_in_place=None))
    assert (view.decision, view.identity.state, outcome(view, "R38")) == (
        "to_review",
        "to_review",
        {"unknown"},
    )
    assert await owner.fetchval("select count(*) from sons.claim where holder_id = $1", make.id_of(view)) == 1


async def test_a_distributor_deposits_on_its_days_only(owner):
    og, numbers = await make.an_og(owner, 2)
    solution = await make.a_solution(owner)
    distributor = await an_account("distributor")
    await owner.execute(
        "insert into sons.distributor (solution, distributor_siren, distributes_from, distributes_to,"
        " valid_from, distributor_name)"
        " values ($1, $2, '2022-06-01', '2022-06-30', '2022-03-07', 'Distributeur (fictif)')",
        solution.solution,
        distributor.siren,
    )
    before = make.a_request(og, numbers[:1], solution, signed_on=date(2022, 5, 31))
    assert outcome(await make.deposit(distributor.actor, before), "R01") == {"fail"}
    on_the_day = make.a_request(og, numbers[:1], solution, signed_on=date(2022, 6, 1))
    view = await make.deposit(distributor.actor, on_the_day)
    assert (view.decision, outcome(view, "R01")) == ("accepted", {"pass"})
    last_day = make.a_request(og, numbers[1:], solution, signed_on=date(2022, 6, 30))
    assert outcome(await make.deposit(distributor.actor, last_day), "R01") == {"pass"}


async def test_equipment_grant_forbids_and_the_editor_is_not_told_whose(owner):
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    reference = await make.a_grant(owner, numbers[0], solution=solution.solution)
    view = await make.deposit(editor.actor, make.a_request(og, numbers, solution))
    told = next(v for v in view.verdicts if v.rule == "R25")
    assert (told.outcome, told.facts) == ("fail", {})
    assert told.message == "Un financement ESMS numérique de cet ESSMS interdit cette commande."
    reviewer = await an_account("reviewer")
    seen = await order_reading.find_order(reviewer.actor, make.id_of(view))
    whole = next(v for v in seen.verdicts if v.rule == "R25")
    assert whole.facts["grant"] == reference
    og_account = await an_account("og", finess_juridique=og)
    own = await order_reading.find_order(og_account.actor, make.id_of(view))
    assert next(v for v in own.verdicts if v.rule == "R25").facts["grant"] == reference


async def test_usage_grant_for_the_same_software_is_allowed(owner):
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    await make.a_grant(
        owner, numbers[0], solution=solution.solution, components=("usage",), project="upgrade"
    )
    assert (await make.deposit(editor.actor, make.a_request(og, numbers, solution))).decision == "accepted"


async def test_a_grant_that_forbids_nothing_cannot_be_told_from_none(owner):
    og, numbers = await make.an_og(owner, 4)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    same = {"solution": solution.solution}
    await make.a_grant(owner, numbers[0], components=("usage",), project="upgrade", **same)
    await make.a_grant(owner, numbers[1], state="recovered", **same)
    await make.a_grant(owner, numbers[2], state="rejected", **same)
    request = make.a_request(og, numbers, solution)
    told = await make.deposit(editor.actor, request)
    for rule in ("R25", "R26", "R27"):
        (only,) = [verdict for verdict in told.verdicts if verdict.rule == rule]
        assert (only.outcome, only.essms, only.facts) == ("pass", numbers, {}), rule
    reviewer = await an_account("reviewer")
    whole = await order_reading.find_order(reviewer.actor, make.id_of(told))
    assert len([verdict for verdict in whole.verdicts if verdict.rule == "R25"]) > 1


async def test_simulation_says_what_the_deposit_decides(owner):
    og, numbers = await make.an_og(owner, 5)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    await make.a_grant(owner, numbers[2], solution="AUTRE", components=("usage",))
    for changes in ({}, {"already_equipped": None}, {"dui_in_place": None}):
        for chosen in (numbers[:2], numbers[2:3]):
            request = make.a_request(og, chosen, solution, **changes)
            simulated = await simulations.simulate(editor.actor, request, law.load().law, AT)
            deposited = await make.deposit(editor.actor, request)
            assert simulated.verdicts == deposited.verdicts
            assert (simulated.decision, simulated.total_ttc_cents, simulated.deadlines) == (
                deposited.decision,
                deposited.total_ttc_cents,
                deposited.deadlines,
            )
    counted = await owner.fetchrow(
        "select simulations, essms from sons.simulation_count where organisation_id = $1",
        editor.actor.organisation_id,
    )
    assert tuple(counted) == (6, 9)


async def test_without_an_account_engagements_and_grants_stay_unknown(owner):
    _, request, _ = await make.an_accepted_order(owner, 1)
    view = await simulations.simulate(ANONYMOUS, request, law.load().law, AT)
    for rule in ("R05", "R25", "R26"):
        assert outcome(view, rule) == {"unknown"}, rule
    assert view.decision == "to_review"
    assert view.total_ttc_cents == 400_000


async def test_an_og_simulates_only_for_itself(owner):
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner)
    stranger = await an_account("og")
    with pytest.raises(SonsError) as refused:
        await simulations.simulate(stranger.actor, make.a_request(og, numbers, solution), law.load().law, AT)
    assert refused.value.code is ErrorCode.FORBIDDEN
    itself = await an_account("og", finess_juridique=og)
    view = await simulations.simulate(itself.actor, make.a_request(og, numbers, solution), law.load().law, AT)
    assert view.decision == "accepted"


@pytest.mark.parametrize(
    ("change", "where"),
    [({"signed_on": date(2023, 3, 2)}, "$.signed_on"), ({"essms": ()}, "$.essms")],
)
async def test_malformed_requests_are_refused_before_anything_is_kept(owner, change, where):
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    before = await owner.fetchval("select count(*) from sons.purchase_order")
    with pytest.raises(SonsError) as refused:
        await make.deposit(editor.actor, make.a_request(og, numbers, solution, **change))
    assert refused.value.code is ErrorCode.INVALID_REQUEST
    assert [fault.where for fault in refused.value.faults] == [where]
    assert await owner.fetchval("select count(*) from sons.purchase_order") == before


async def test_an_essms_named_twice_is_malformed(owner):
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    with pytest.raises(SonsError) as refused:
        await make.deposit(editor.actor, make.a_request(og, numbers * 2, solution))
    assert [fault.where for fault in refused.value.faults] == ["$.essms[1]"]


async def test_only_suppliers_deposit(owner):
    _, request, _ = await make.an_accepted_order(owner, 1)
    for role in ("og", "reviewer", "payer", "pilot", "admin", "ars"):
        with pytest.raises(SonsError) as refused:
            await make.deposit((await an_account(role)).actor, request)
        assert refused.value.code is ErrorCode.FORBIDDEN


async def test_strangers_and_unknown_orders_look_the_same(owner):
    _, _, view = await make.an_accepted_order(owner, 1)
    stranger = await an_account("editor")
    for wanted in (make.id_of(view), uuid4()):
        with pytest.raises(SonsError) as refused:
            await order_reading.find_order(stranger.actor, wanted)
        assert (refused.value.code, refused.value.detail) == (
            ErrorCode.NOT_FOUND,
            "Aucune commande visible ne porte cet identifiant.",
        )


async def test_pages_by_key_miss_and_repeat_nothing(owner):
    og, numbers = await make.an_og(owner, 7)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    at = datetime(2023, 3, 1, 8, 0, tzinfo=PARIS)  # one instant for all: the identifier breaks the tie
    made = {
        make.id_of(await make.deposit(editor.actor, make.a_request(og, (n,), solution), at)) for n in numbers
    }
    seen, after = [], None
    while True:
        page = await order_reading.list_orders(editor.actor, order_reading.OrderFilter(), after, 3)
        seen += [order.id for order in page.orders]
        after = page.next_after
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 7
    assert set(seen) == made
    one = await order_reading.list_orders(
        editor.actor, order_reading.OrderFilter(essms=numbers[3], state="submitted"), None, 10
    )
    assert len(one.orders) == 1
    none = await order_reading.list_orders(
        editor.actor, order_reading.OrderFilter(state="rejected"), None, 10
    )
    assert none.orders == ()
