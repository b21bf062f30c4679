"""The solde, from the request to the amount that is due: to the cent, per ESSMS; what is refused and why."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import advances, soldes
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer
from sons_tracker.operations.invoices import find_match
from sons_tracker.operations.requests_filed import RequestView
from sons_tracker.operations.va import VaView
from sons_tracker.rules.parameters import Confiance, Etat, Parameter, Source, Version
from sons_tracker.rules.texts import Law, Limit
from sons_tracker.scheduler import tick
from tests import factories_life as life
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.databases import Database
from tests.factories import an_account
from tests.factories_suppliers import LONG_AGO, a_file, a_solution_of, submitted, validated

PARIS = ZoneInfo("Europe/Paris")
CLOTURE = datetime(2024, 3, 31, 23, 59, 59, 999_999, tzinfo=PARIS)
MSS = datetime(2024, 9, 12, 14, tzinfo=PARIS)
MICROSECOND = timedelta(microseconds=1)
UNIT, ADVANCE, SOLDE = 292_000, 87_600, 204_400
owner = make.Everything()


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def money_of(order: life.Life) -> dict[str, Any]:
    """The payments, and the sums of the ledger per line: planned, received."""
    payments = await owner.fetch(
        "select kind, state, due_ttc_cents from payment where order_id = $1 order by kind", order.order_id
    )
    lines = await owner.fetch(
        "select finess_geographique as finess,"
        " coalesce(sum(amount_ttc_cents) filter (where movement = 'planned'), 0)::bigint as planned,"
        " coalesce(sum(amount_ttc_cents) filter (where movement <> 'planned'), 0)::bigint as received"
        " from ledger_entry where order_id = $1 group by 1 order by 1",
        order.order_id,
    )
    return {
        "payments": [tuple(row) for row in payments],
        "lines": [(row["planned"], row["received"]) for row in lines],
    }


async def journaled(order: life.Life, action: str) -> int:
    found: int = await owner.fetchval(
        "select count(*) from journal where object_id = $1 and action = $2", str(order.order_id), action
    )
    return found


async def solde_states(order: life.Life) -> list[str]:
    return [r.state for r in await life.the_requests(order) if r.kind == "solde"]


async def test_a_validated_solde_is_due_to_the_cent_then_paid_and_the_order_settled() -> None:
    order = await solde.a_due_solde(owner, 2)
    assert await money_of(order) == {
        "payments": [("advance", "paid", 2 * ADVANCE), ("solde", "due", 2 * SOLDE)],
        "lines": [(UNIT, ADVANCE)] * 2,
    }
    assert await solde_states(order) == ["validated"]
    await solde.pay(owner, order, "solde", solde.LATER + timedelta(days=1))
    assert await life.state_of(owner, order) == "settled"
    assert (await money_of(order))["lines"] == [(UNIT, UNIT)] * 2
    assert await solde_states(order) == ["paid"]
    events = await owner.fetch(
        "select action from journal where object_id = $1 and action like 'solde.%' order by id",
        str(order.order_id),
    )
    assert [row["action"] for row in events] == ["solde.requested", "solde.validated"]


async def test_the_request_rests_on_the_signature_and_on_the_invoice_as_they_were_filed() -> None:
    order = await solde.a_signed_va(owner, 2)
    content = await solde.a_content(owner, order)
    told = await solde.ask(order, content)
    assert isinstance(told.outcome, RequestView)
    assert told.outcome.content == content
    assert told.outcome.schema == "requests/solde_2022.json"
    assert {v.rule: v.outcome for v in told.outcome.verdicts} == {"R16": "pass", "R21": "pass", "R22": "pass"}
    row = await owner.fetchrow(
        "select r.va_id, i.* from financing_request r join invoice i on i.id = r.invoice_id where r.id = $1",
        told.outcome.id,
    )
    assert row["va_id"] == (await solde.the_va(order)).id
    assert (row["number"], row["ttc_cents"], row["issued_on"]) == (
        content["invoice"]["number"], 2 * UNIT, date(2023, 3, 20),
    )  # fmt: skip
    assert row["ht_cents"] + row["vat_cents"] == 2 * UNIT


async def test_an_invoice_below_the_order_lowers_the_plan_of_its_line_and_the_solde() -> None:
    order = await solde.a_signed_va(owner, 2)
    a, b = order.essms
    request_id = await solde.an_asked_solde(owner, order, {a: 240_000, b: UNIT})
    assert isinstance((await solde.validate(order, request_id)).outcome, RequestView)
    assert await money_of(order) == {
        "payments": [("advance", "paid", 2 * ADVANCE), ("solde", "due", 240_000 + UNIT - 2 * ADVANCE)],
        "lines": [(240_000, ADVANCE), (UNIT, ADVANCE)],
    }
    causes = await owner.fetch(
        "select finess_geographique, amount_ttc_cents from ledger_entry where order_id = $1"
        " and cause = 'invoice_lower'",
        order.order_id,
    )
    assert [tuple(row) for row in causes] == [(a, 240_000 - UNIT)]
    await solde.pay(owner, order, "solde", solde.LATER + timedelta(days=1))
    assert (await money_of(order))["lines"] == [(240_000, 240_000), (UNIT, UNIT)]


async def test_an_invoice_below_the_advance_of_a_line_is_compensated_by_the_other() -> None:
    order = await solde.a_signed_va(owner, 2)
    a, b = order.essms
    request_id = await solde.an_asked_solde(owner, order, {a: 60_000, b: UNIT})
    await solde.validate(order, request_id)
    assert (await money_of(order))["payments"][1] == ("solde", "due", 60_000 + UNIT - 2 * ADVANCE)
    await solde.pay(owner, order, "solde", solde.LATER + timedelta(days=1))
    assert (await money_of(order))["lines"] == [(60_000, 60_000), (UNIT, UNIT)]


async def test_what_was_advanced_for_a_removed_essms_is_compensated_in_the_solde() -> None:
    order = await solde.a_paid_advance(owner, 3)
    kept, gone = order.essms[:2], order.essms[2]
    await solde.remove(order, gone)
    await solde.prepare(order, solde.a_declaration(*kept))
    await solde.sign(order)
    request_id = await solde.an_asked_solde(owner, order, dict.fromkeys(kept, UNIT))
    await solde.validate(order, request_id)
    assert await money_of(order) == {
        "payments": [("advance", "paid", 3 * ADVANCE), ("solde", "due", 2 * UNIT - 3 * ADVANCE)],
        "lines": [(UNIT, ADVANCE), (UNIT, ADVANCE), (0, ADVANCE)],
    }
    await solde.pay(owner, order, "solde", solde.LATER + timedelta(days=1))
    assert (await money_of(order))["lines"] == [(UNIT, UNIT), (UNIT, UNIT), (0, 0)]
    assert await life.state_of(owner, order) == "settled"


async def test_nothing_left_to_pay_settles_the_order_at_once() -> None:
    order = await solde.a_signed_va(owner, 2)
    request_id = await solde.an_asked_solde(owner, order, dict.fromkeys(order.essms, ADVANCE))
    told = await solde.validate(order, request_id)
    assert told.outcome.state == "validated"
    assert await life.state_of(owner, order) == "settled"
    assert await money_of(order) == {
        "payments": [("advance", "paid", 2 * ADVANCE), ("solde", "planned", None)],
        "lines": [(ADVANCE, ADVANCE)] * 2,
    }
    assert await journaled(order, "order.settled") == 1


async def test_lines_that_owe_each_other_are_even_when_no_cash_moves() -> None:
    order = await solde.a_paid_advance(owner, 2)
    kept, gone = order.essms
    await solde.remove(order, gone)
    await solde.prepare(order, solde.a_declaration(kept))
    await solde.sign(order)
    request_id = await solde.an_asked_solde(owner, order, {kept: 2 * ADVANCE})
    await solde.validate(order, request_id)
    assert await life.state_of(owner, order) == "settled"
    assert (await money_of(order))["lines"] == [(2 * ADVANCE, 2 * ADVANCE), (0, 0)]


async def test_an_advance_above_the_invoice_settles_the_order_and_leaves_the_rest_to_recover() -> None:
    order = await solde.a_signed_va(owner, 2)
    a, b = order.essms
    request_id = await solde.an_asked_solde(owner, order, {a: 60_000, b: 90_000})
    await solde.validate(order, request_id)
    assert await life.state_of(owner, order) == "settled"
    left = 2 * ADVANCE - 150_000
    recovery = await owner.fetchrow(
        "select amount_ttc_cents, reason, source from recovery where order_id = $1", order.order_id
    )
    assert (recovery["amount_ttc_cents"], recovery["reason"]) == (left, "over_advance")
    assert "C9" in recovery["source"]
    assert await money_of(order) == {
        "payments": [("advance", "to_recover", 2 * ADVANCE), ("solde", "planned", None)],
        "lines": [(60_000, ADVANCE - (ADVANCE - 60_000) + left), (90_000, 90_000)],
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"signatory_name": "Paul Autre"}, "n'est pas celui du signataire"),
        ({"og": "990000010"}, "n'est pas celui de la commande|non pour celui de la commande"),
        ({"share_percent": 70}, "70"),
        ({"vat_rate_percent": 10}, "taux de 10"),
        ({"vat_rate_percent": None}, "sans TVA"),
        ({"issued_on": "2022-05-31"}, "avant la signature de la commande"),
        ({"issued_on": "2023-04-01"}, "après la demande de solde"),
        ({"total": {"ht": "4866.66", "vat": "973.33", "ttc": "5840.00"}}, "ne font pas"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_an_invoice_that_is_wrong_is_refused_with_its_remedy_and_nothing_changes(
    change: dict[str, Any], said: str
) -> None:
    order = await solde.a_signed_va(owner, 2)
    told = await solde.ask(order, await solde.a_content(owner, order, **change))
    assert any(part in told.messages for part in said.split("|")), told.messages
    assert all(reason.remedy for reason in told.refused.reasons)
    assert "Autre" not in told.messages
    assert await solde_states(order) == []
    assert await owner.fetchval("select count(*) from invoice where order_id = $1", order.order_id) == 0
    assert await journaled(order, "solde.refused") == 1


async def test_one_cent_above_the_order_is_refused_and_names_the_essms() -> None:
    order = await solde.a_signed_va(owner, 2)
    a, b = order.essms
    bills = [
        {"finess": str(a), "ht": "2433.34", "vat": "486.67", "ttc": "2920.01"}, solde.a_bill(b, UNIT),
    ]  # fmt: skip
    told = await solde.ask(order, {"invoice": solde.an_invoice(order, bills)})
    assert a in told.messages
    assert "2\u202f920,01\u202f€" in told.messages
    assert b not in told.messages


async def test_every_disagreement_is_told_at_once() -> None:
    order = await solde.a_signed_va(owner, 2)
    stranger = (await life.a_deposited_order(owner, 1)).essms[0]
    bills = [solde.a_bill(order.essms[0], UNIT), solde.a_bill(stranger, UNIT)]
    content = {"invoice": solde.an_invoice(order, bills, signatory_name="X", share_percent=30)}
    told = await solde.ask(order, content)
    for said in (stranger, order.essms[1], "porte 30", "signataire"):
        assert said in told.messages
    assert {reason.rule for reason in told.refused.reasons} == {"R16"}


async def test_no_solde_without_a_signed_va() -> None:
    order = await solde.a_paid_advance(owner, 1)
    told = await solde.ask(order, await solde.a_content(owner, order))
    assert "Aucune VA n'est signée" in told.messages
    await solde.prepare(order)
    assert "Aucune VA n'est signée" in (await solde.ask(order, await solde.a_content(owner, order))).messages


async def test_a_content_off_its_schema_is_malformed_with_every_fault() -> None:
    order = await solde.a_signed_va(owner, 1)
    content = await solde.a_content(owner, order, colour="blue", issued_on="2023-02-30")
    with pytest.raises(SonsError) as caught:
        await solde.ask(order, {**content, "deploiement_mss": "cas_1"})
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert len(caught.value.faults) == 3


async def test_by_another_party_on_another_order_or_twice() -> None:
    order = await solde.a_signed_va(owner, 1)
    content = await solde.a_content(owner, order)
    for actor, code in (
        (order.og.actor, ErrorCode.FORBIDDEN), ((await an_account("editor")).actor, ErrorCode.NOT_FOUND),
    ):  # fmt: skip
        with pytest.raises(SonsError) as caught:
            await solde.ask(order, content, actor=actor)
        assert caught.value.code is code
    request_id = await solde.an_asked_solde(owner, order)
    again = await solde.ask(order, await solde.a_content(owner, order))
    assert "existe déjà" in again.messages
    validated = await solde.validate(order, request_id)
    assert isinstance(validated.outcome, RequestView)
    twice = await solde.validate(order, request_id)
    assert "validée" in twice.messages
    assert (await money_of(order))["payments"][1] == ("solde", "due", 400_000 - 120_000)


async def another_order_with_a_signed_va(order: life.Life) -> life.Life:
    """A second order of the same supplier, for another OG, just as far."""
    og, numbers = await make.an_og(owner, 1)
    request = replace(order.request, og=og, essms=make.a_request(og, numbers, _solution(order)).essms)
    view = await make.deposit(order.editor.actor, request)
    account = await an_account("og", finess_juridique=og)
    other = life.Life(make.id_of(view), "", order.editor, account, order.reviewer, request)
    other = await life.with_advance_asked(other)
    await life.validate_advance(other)
    await solde.pay(owner, other, "advance")
    await solde.prepare(other)
    await solde.sign(other)
    return other


async def test_one_invoice_is_presented_for_one_order() -> None:
    order = await solde.a_signed_va(owner, 1)
    content = await solde.a_content(owner, order)
    await solde.ask(order, content)
    other = await another_order_with_a_signed_va(order)
    number = content["invoice"]["number"]
    told = await solde.ask(other, await solde.a_content(owner, other, number=number))
    assert "déjà présentée" in told.messages
    assert await solde_states(other) == []


async def test_one_invoice_presented_for_two_orders_at_once_serves_one() -> None:
    order = await solde.a_signed_va(owner, 1)
    other = await another_order_with_a_signed_va(order)
    contents = [await solde.a_content(owner, one, number="F-MÊME") for one in (order, other)]
    told = await asyncio.gather(solde.ask(order, contents[0]), solde.ask(other, contents[1]))
    assert sorted(isinstance(one.outcome, RequestView) for one in told) == [False, True]


def _solution(order: life.Life) -> make.ASolution:
    line = order.request.essms[0]
    return make.ASolution(str(line.dui_in_place), order.request.solution_version, "")


async def test_two_soldes_at_once_leave_one() -> None:
    order = await solde.a_signed_va(owner, 1)
    contents = [await solde.a_content(owner, order) for _ in range(4)]
    told = await asyncio.gather(*(solde.ask(order, content) for content in contents))
    assert sum(isinstance(one.outcome, RequestView) for one in told) == 1
    assert await solde_states(order) == ["requested"]
    assert await owner.fetchval("select count(*) from invoice where order_id = $1", order.order_id) == 1


async def test_the_same_request_under_one_key_has_one_effect_and_one_answer() -> None:
    order = await solde.a_signed_va(owner, 1)
    content, key = await solde.a_content(owner, order), make.a_key()
    answers: list[Answer] = []
    for _ in range(2):
        told = life.Told()
        answers.append(
            await soldes.request_solde(
                order.editor.actor, order.order_id, content, solde.the_law(), solde.LATER, key, told
            )
        )
    assert [a.replayed for a in answers] == [False, True]
    assert answers[0].body == answers[1].body
    assert await solde_states(order) == ["requested"]


async def test_two_reviewers_at_once_make_one_payment_due() -> None:
    order = await solde.a_signed_va(owner, 2)
    request_id = await solde.an_asked_solde(owner, order)
    second = replace(order, reviewer=await an_account("reviewer"))
    told = await asyncio.gather(solde.validate(order, request_id), solde.validate(second, request_id))
    assert sum(isinstance(one.outcome, RequestView) for one in told) == 1
    assert await journaled(order, "solde.validated") == 1


@pytest.mark.parametrize(
    ("after", "state"),
    [(-MICROSECOND, "requested"), (timedelta(0), "requested"), (MICROSECOND, "inadmissible"),
     (timedelta(seconds=1), "inadmissible")],
)  # fmt: skip
async def test_the_clotures_last_instant_passes_and_the_next_is_irrecevable(
    after: timedelta, state: str
) -> None:
    order = await solde.a_signed_va(owner, 1)
    told = await solde.ask(order, await solde.a_content(owner, order), CLOTURE + after)
    assert isinstance(told.outcome, RequestView)
    assert told.outcome.state == state
    if state == "inadmissible":
        assert "31 mars 2024" in str(told.outcome.reason)
        assert "irrecevable" in str(told.outcome.reason)
        outcomes = {v.rule: v.outcome for v in told.outcome.verdicts}
        assert (outcomes["R21"], outcomes["R22"]) == ("fail", "review")  # C15: the VA was signed in time
        assert await journaled(order, "solde.inadmissible") == 1
        assert await owner.fetchval("select count(*) from invoice where order_id = $1", order.order_id) == 0


async def test_a_late_request_is_kept_after_the_clock_has_met_the_order_too() -> None:
    order = await solde.a_signed_va(owner, 1)
    await tick(CLOTURE + timedelta(seconds=1))
    assert await life.state_of(owner, order) == "to_review"
    told = await solde.ask(order, await solde.a_content(owner, order), CLOTURE + timedelta(days=1))
    assert told.outcome.state == "inadmissible"
    assert await life.state_of(owner, order) == "to_review"


async def test_a_solde_asked_in_time_is_validated_after_the_cloture() -> None:
    order = await solde.a_signed_va(owner, 1)
    told = await solde.ask(order, await solde.a_content(owner, order), CLOTURE)
    await tick(CLOTURE + timedelta(days=1))
    validated = await solde.validate(order, told.outcome.id, CLOTURE + timedelta(days=9))
    assert isinstance(validated.outcome, RequestView)
    assert (await money_of(order))["payments"][1][1] == "due"


async def test_a_solde_sent_back_is_filed_again_with_another_invoice_or_another_va() -> None:
    order = await solde.a_signed_va(owner, 2)
    content = await solde.a_content(owner, order)
    request_id = (await solde.ask(order, content)).outcome.id
    assert "à modifier" in (await solde.refile(order, content)).messages
    await solde.send_back(order)
    assert "à modifier" in (await solde.validate(order, request_id)).messages
    assert isinstance((await solde.prepare(order)).outcome, VaView)
    assert "Aucune VA n'est signée" in (await solde.refile(order, content)).messages
    await solde.sign(order)
    wrong = await solde.refile(order, await solde.a_content(owner, order, signatory_name="X"))
    assert "signataire" in wrong.messages
    # the same number: the copy was wrong, not the invoice
    number = content["invoice"]["number"]
    lower = dict.fromkeys(order.essms, 240_000)
    told = await solde.refile(order, await solde.a_content(owner, order, lower, number=number))
    assert isinstance(told.outcome, RequestView), told.outcome
    assert (told.outcome.id, told.outcome.state, told.outcome.filings) == (request_id, "requested", 2)
    assert told.outcome.received_at == solde.LATER
    invoices = await owner.fetch(
        "select ttc_cents, withdrawn_at is null as live from invoice where order_id = $1 order by live",
        order.order_id,
    )
    assert [tuple(row) for row in invoices] == [(2 * UNIT, False), (480_000, True)]
    assert isinstance((await solde.validate(order, request_id)).outcome, RequestView)
    assert (await money_of(order))["payments"][1] == ("solde", "due", 480_000 - 2 * ADVANCE)


async def test_a_filing_after_the_cloture_answers_a_request_received_before() -> None:
    order = await solde.a_signed_va(owner, 1)
    await solde.ask(order, await solde.a_content(owner, order), CLOTURE)
    await solde.send_back(order, CLOTURE)
    told = await solde.refile(order, await solde.a_content(owner, order), CLOTURE + timedelta(days=2))
    assert isinstance(told.outcome, RequestView), told.outcome
    assert told.outcome.state == "requested"


async def test_an_inadmissible_solde_leaves_room_for_another_with_the_same_invoice() -> None:
    order = await solde.a_signed_va(owner, 1)
    content = await solde.a_content(owner, order)
    request_id = (await solde.ask(order, content)).outcome.id
    told = life.Told()
    await advances.refuse_request(
        order.reviewer.actor, request_id, order.order_id, "solde", "Pièce illisible.", solde.the_law(),
        solde.LATER, make.a_key(), told,
    )  # fmt: skip
    assert told.outcome.state == "inadmissible"
    again = (await solde.ask(order, content)).outcome
    assert isinstance(again, RequestView)
    assert "n'est plus en cours d'examen" in (await solde.validate(order, request_id)).messages
    assert isinstance((await solde.validate(order, again.id)).outcome, RequestView)


async def test_the_solde_waits_for_the_payment_of_the_advance() -> None:
    order = await life.an_order_with_due_advance(owner, 1)
    await solde.prepare(order)
    await solde.sign(order)
    request_id = await solde.an_asked_solde(owner, order)
    told = await solde.validate(order, request_id)
    assert "Le versement de l'avance est « dû »" in told.messages
    await solde.pay(owner, order, "advance")
    assert isinstance((await solde.validate(order, request_id)).outcome, RequestView)


async def test_only_a_reviewer_validates() -> None:
    order = await solde.a_signed_va(owner, 1)
    request_id = await solde.an_asked_solde(owner, order)
    for account in (order.editor, order.og, await an_account("payer")):
        with pytest.raises(SonsError) as caught:
            await solde.validate(replace(order, reviewer=account), request_id)
        assert caught.value.code is ErrorCode.FORBIDDEN


def extended(until: datetime) -> Law:
    """The law with a clôture at that instant: the worked example of the extended calendar."""
    known = solde.the_law()
    source = Source("Calendrier prolongé", "test")
    limit = Limit(until.date(), until)
    since = date(2022, 2, 12)
    version = Version(since, since, Confiance.A_CONFIRMER, Etat.EN_VIGUEUR, source, limit)
    dispositif = replace(known.dispositifs["MS1-V1"], cloture=Parameter("MS1-V1.cloture", (version,)))
    return replace(known, dispositifs={**known.dispositifs, "MS1-V1": dispositif})


@pytest.mark.parametrize(("before", "asks_for_it"), [(MICROSECOND, False), (timedelta(0), True)])
async def test_the_deploiement_mss_is_asked_for_from_its_instant_on(
    before: timedelta, asks_for_it: bool
) -> None:
    longer = extended(datetime(2024, 12, 19, 14, tzinfo=PARIS))
    order = await solde.a_paid_advance(owner, 1)
    at = MSS - before
    await solde.prepare(order, solde.a_declaration(*order.essms, deploiement_mss="cas_1"), at, by=longer)
    await solde.sign(order, at, by=longer)
    content = await solde.a_content(owner, order)
    with pytest.raises(SonsError) as caught:
        await solde.ask(order, content | ({} if asks_for_it else {"deploiement_mss": "cas_1"}), at, by=longer)
    assert "deploiement_mss" in str(caught.value.faults)
    if asks_for_it:
        other = await solde.ask(order, {**content, "deploiement_mss": "cas_2"}, at, by=longer)
        assert "« Déploiement MSS »" in other.messages
        content = {**content, "deploiement_mss": "cas_1"}
    told = await solde.ask(order, content, at, by=longer)
    assert isinstance(told.outcome, RequestView), told.outcome
    assert told.outcome.schema == ("requests/solde_2024.json" if asks_for_it else "requests/solde_2022.json")


@pytest.mark.parametrize(("seconds", "state"), [(-1, "requested"), (0, "requested"), (1, "inadmissible")])
async def test_a_cloture_with_an_hour_ends_at_that_hour_included(seconds: int, state: str) -> None:
    until = datetime(2024, 12, 19, 14, tzinfo=PARIS)
    longer = extended(until)
    order = await solde.a_signed_va(owner, 1)
    at = until + timedelta(seconds=seconds)
    content = {**await solde.a_content(owner, order), "deploiement_mss": "cas_1"}
    told = await solde.ask(order, content, at.astimezone(UTC), by=longer)
    assert told.outcome.state == state


async def test_the_match_answers_each_essms_before_and_after_each_piece() -> None:
    order = await solde.a_paid_advance(owner, 3)
    await solde.remove(order, order.essms[2])
    before = await find_match(order.og.actor, order.order_id, solde.LATER)
    assert (before.va_number, before.invoice_number) == (None, None)
    assert [(line.attested, line.invoiced_ttc_cents, line.removed) for line in before.lines] == [
        (None, None, False), (None, None, False), (None, None, True),
    ]  # fmt: skip
    kept = order.essms[:2]
    await solde.prepare(order, solde.a_declaration(*kept))
    prepared = await find_match(order.og.actor, order.order_id, solde.LATER)
    assert (prepared.va_number, prepared.lines[0].attested) == (None, None)  # nobody signed it yet
    await solde.sign(order)
    await solde.an_asked_solde(owner, order, {kept[0]: 240_000, kept[1]: UNIT})
    after = await find_match(order.editor.actor, order.order_id, solde.LATER)
    assert after.va_number == 1
    assert after.invoice_number is not None
    assert [(line.ordered_ttc_cents, line.attested, line.invoiced_ttc_cents) for line in after.lines] == [
        (UNIT, True, 240_000), (UNIT, True, UNIT), (UNIT, False, None),
    ]  # fmt: skip
    assert [[str(f.outcome) for f in line.findings] for line in after.lines] == [["warn"], ["pass"], ["pass"]]
    with pytest.raises(SonsError) as caught:
        await find_match((await an_account("og")).actor, order.order_id, solde.LATER)
    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_a_supplier_without_vat_invoices_without_it() -> None:
    order = await solde.a_signed_va(owner, 1)
    account = order.editor
    file = a_file(await a_solution_of(account), account.actor, vat_liable=False)
    filed = await submitted(account, file)
    assert filed.view.file is not None
    assert account.actor.organisation_id is not None
    await validated(account.actor.organisation_id, filed.view.file.number)
    with_vat = await solde.ask(order, await solde.a_content(owner, order))
    assert "n'y est pas assujetti" in with_vat.messages
    bills = [solde.a_bill(order.essms[0], 400_000, None)]
    content = {"invoice": solde.an_invoice(order, bills, vat_rate_percent=None)}
    told = await solde.ask(order, content)
    assert isinstance(told.outcome, RequestView), told.outcome
    assert not isinstance((await solde.validate(order, told.outcome.id)).outcome, Refused)


async def test_what_a_rule_leaves_to_a_person_is_validated_with_a_reason_that_is_kept() -> None:
    dispositif = replace(solde.the_law().dispositifs["MS1-V1"], cloture=Parameter("MS1-V1.cloture", ()))
    undated = replace(solde.the_law(), dispositifs={"MS1-V1": dispositif})
    order = await solde.a_signed_va(owner, 1)
    request_id = await solde.an_asked_solde(owner, order)
    told = await solde.validate(order, request_id, by=undated)
    assert {reason.rule for reason in told.refused.reasons} == {"R21", "R22"}
    told = await solde.validate(order, request_id, by=undated, reason="Vu avec le ministère.")
    assert isinstance(told.outcome, RequestView), told.outcome
    assert told.outcome.reason == "Vu avec le ministère."
    facts, said = await owner.fetchrow(
        "select j.facts, t.text from journal j join journal_text t on t.journal_id = j.id"
        " where j.object_id = $1 and j.action = 'solde.validated'",
        str(order.order_id),
    )
    assert (facts["settled_rules"], said) == (["R21", "R22"], "Vu avec le ministère.")


async def test_nothing_is_due_once_the_version_left_the_list_or_while_the_supplier_is_not_enrolled() -> None:
    order = await solde.a_signed_va(owner, 1)
    request_id = await solde.an_asked_solde(owner, order)
    early = await solde.validate(order, request_id, LONG_AGO + timedelta(hours=1))
    assert "enrôlement" in early.messages
    await owner.execute(
        "update referencing set valid_to = $2 where solution_version = $1",
        order.request.solution_version,
        solde.LATER.date(),
    )
    told = await solde.validate(order, request_id)
    assert "R11" in {reason.rule for reason in told.refused.reasons}
    assert (await money_of(order))["payments"][1][1] == "planned"
