"""The advance, from the request to the amount that is due; corrections; what is refused and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from sons_tracker import law
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import advances, corrections
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.corrections import CorrectionView
from tests import factories_life as life
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, an_account

PARIS = ZoneInfo("Europe/Paris")
FERMETURE = datetime(2023, 12, 31, 23, 59, 59, 999_999, tzinfo=PARIS)
owner = make.Everything()


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def journaled(order: life.Life, action: str) -> int:
    found: int = await owner.fetchval(
        "select count(*) from journal where object_id = $1 and action = $2", str(order.order_id), action
    )
    return found


async def test_a_validated_advance_is_due_to_the_cent_and_planned_in_the_ledger() -> None:
    order = await life.an_order_with_due_advance(owner, 5)
    assert await life.state_of(owner, order) == "validated"
    payments = await owner.fetch(
        "select kind, state, due_ttc_cents, due_at from payment where order_id = $1 order by kind",
        order.order_id,
    )
    assert [tuple(row) for row in payments] == [
        ("advance", "due", 5 * 65_700, AT),
        ("solde", "planned", None, None),
    ]
    planned = await owner.fetch(
        "select movement, sum(amount_ttc_cents)::bigint as cents, count(*) as lines from ledger_entry"
        " where order_id = $1 group by movement",
        order.order_id,
    )
    assert [tuple(row) for row in planned] == [("planned", 5 * 219_000, 10)]
    request = (await life.the_requests(order))[0]
    assert (request.kind, request.state, request.referenced_on) == ("advance", "validated", make.SIGNED_ON)
    told = await owner.fetch(
        "select event from outbox where object_id = $1 and organisation_id = $2 order by number",
        str(order.order_id),
        order.editor.actor.organisation_id,
    )
    assert [row["event"] for row in told] == ["advance.requested", "advance.validated"]


async def test_a_second_request_is_refused_and_journaled_and_changes_nothing() -> None:
    order = await life.with_advance_asked(await life.a_deposited_order(owner))
    told = await life.request_advance(order)
    assert "existe déjà" in told.messages
    assert len(await life.the_requests(order)) == 1
    assert await journaled(order, "advance.refused") == 1


@pytest.mark.parametrize(
    ("after", "state"), [(timedelta(0), "requested"), (timedelta(microseconds=1), "inadmissible")]
)
async def test_the_last_instant_of_the_fermeture_passes_and_the_next_is_irrecevable(
    after: timedelta, state: str
) -> None:
    order = await life.a_deposited_order(owner)
    told = await life.request_advance(order, FERMETURE + after)
    assert not isinstance(told.outcome, Refused)
    assert told.outcome.state == state
    if state == "inadmissible":
        assert "31 décembre 2023" in told.outcome.reason
        assert "irrecevable" in told.outcome.reason
        verdict = next(v for v in told.outcome.verdicts if v.rule == "R20")
        assert "S0:1637" in verdict.source
    # what is filed late leaves no live request behind
    assert len([r for r in await life.the_requests(order) if r.state != "inadmissible"]) == (
        state == "requested"
    )


async def test_without_the_signed_order_nothing_is_kept() -> None:
    order = await life.a_deposited_order(owner)
    told = await life.request_advance(order, content={"signature": "electronic"})
    assert [reason.rule for reason in told.refused.reasons] == ["R15"]
    assert await life.the_requests(order) == ()


async def test_a_content_off_its_schema_is_malformed_with_every_fault() -> None:
    order = await life.a_deposited_order(owner)
    with pytest.raises(SonsError) as caught:
        await life.request_advance(order, content={"signature": "seal", "colour": "blue"})
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert len(caught.value.faults) == 2


async def test_others_do_not_ask_and_do_not_know() -> None:
    order = await life.a_deposited_order(owner)
    rival = replace(order, editor=await an_account("editor"))
    with pytest.raises(SonsError) as foreign:
        await life.request_advance(rival)
    with pytest.raises(SonsError) as unknown:
        await life.request_advance(replace(order, order_id=uuid4()))
    assert foreign.value.code is unknown.value.code is ErrorCode.NOT_FOUND
    assert foreign.value.detail == unknown.value.detail
    with pytest.raises(SonsError) as og:
        await life.request_advance(replace(order, editor=order.og))
    assert og.value.code is ErrorCode.FORBIDDEN


async def test_nothing_is_due_before_the_referencing() -> None:
    order = await life.a_deposited_order(
        owner,
        listed={"status": "candidate", "referenced_from": None, "complete_file_on": date(2022, 9, 1)},
    )
    assert await life.state_of(owner, order) == "waiting_referencing"
    order = await life.with_advance_asked(order)
    told = await life.validate_advance(order)
    assert {reason.rule for reason in told.refused.reasons} >= {"R11"}
    assert await owner.fetchval(
        "select array_agg(state) from payment where order_id = $1", order.order_id
    ) == ["planned", "planned"]


async def test_nothing_is_due_to_a_supplier_that_is_not_enrolled() -> None:
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    request = make.a_request(og, numbers, solution)
    view = await make.deposit(editor.actor, request)
    account = await an_account("og", finess_juridique=og)
    order = life.Life(make.id_of(view), "", editor, account, await an_account("reviewer"), request)
    told = await life.validate_advance(await life.with_advance_asked(order))
    assert "enrôlement" in told.messages


async def test_two_validations_pay_once() -> None:
    order = await life.an_order_with_due_advance(owner)
    told = await life.validate_advance(order)
    assert "validée" in told.messages
    assert await owner.fetchval("select count(*) from ledger_entry where order_id = $1", order.order_id) == 4


async def test_an_odd_cent_stays_in_the_solde() -> None:
    order = await life.a_deposited_order(owner, 3, unit_ttc_cents=100_001)
    order = await life.with_advance_asked(order)
    await life.validate_advance(order)
    due = await owner.fetchval(
        "select due_ttc_cents from payment where order_id = $1 and kind = 'advance'", order.order_id
    )
    assert due == 3 * 30_000


async def ask(order: life.Life, about: str) -> life.Told:
    told = life.Told()
    await corrections.ask_correction(
        order.reviewer.actor, order.order_id, about, "incomplete", "La mention manque.",
        law.load().law, AT, make.a_key(), told,
    )  # fmt: skip
    return told


async def test_a_correction_blocks_the_next_step_until_it_is_answered() -> None:
    order = await life.with_advance_asked(await life.a_deposited_order(owner))
    asked = await ask(order, "advance")
    assert isinstance(asked.outcome, CorrectionView)
    # ten working days after Wednesday 1 March 2023
    assert asked.outcome.answer_due_at is not None
    assert asked.outcome.answer_due_at.astimezone(PARIS).date() == date(2023, 3, 15)
    assert (await life.the_requests(order))[0].state == "to_correct"
    assert asked.outcome.reason == "La mention manque."
    # what was typed is read there: the journal seals the refusal
    assert "Une correction est demandée." in (await life.validate_advance(order)).messages
    sealed = await owner.fetch("select facts::text from journal where object_id = $1", str(order.order_id))
    assert "La mention manque." not in str(sealed)
    assert "Une correction est demandée" in (await ask(order, "advance")).messages
    told = life.Told()
    await corrections.answer_correction(
        order.editor.actor, order.order_id, "La pièce est complétée.", {**life.CONTENT, "note": "v2"},
        law.load().law, AT + timedelta(hours=1), make.a_key(), told,
    )  # fmt: skip
    assert told.outcome.answer == "La pièce est complétée."
    request = (await life.the_requests(order))[0]
    assert (request.state, request.filings, request.content["note"]) == ("requested", 2, "v2")
    assert request.received_at == AT
    assert not isinstance((await life.validate_advance(order)).outcome, Refused)
    assert (
        await owner.fetchval(
            "select count(*) from deadline where order_id = $1 and kind = 'answer' and superseded_at is null",
            order.order_id,
        )
        == 0
    )


async def test_an_order_is_corrected_and_goes_on() -> None:
    order = await life.a_deposited_order(owner)
    await ask(order, "order")
    assert await life.state_of(owner, order) == "to_correct"
    assert "à modifier" in (await life.request_advance(order)).messages
    told = life.Told()
    await corrections.answer_correction(
        order.editor.actor, order.order_id, "Voici la pièce.", None, law.load().law, AT, make.a_key(), told
    )
    assert await life.state_of(owner, order) == "submitted"


async def test_an_inadmissible_request_leaves_room_for_another() -> None:
    order = await life.with_advance_asked(await life.a_deposited_order(owner))
    assert order.advance_id is not None
    told = life.Told()
    await advances.refuse_request(
        order.reviewer.actor, order.advance_id, order.order_id, "advance", "Pièce illisible.",
        law.load().law, AT, make.a_key(), told,
    )  # fmt: skip
    assert (told.outcome.state, told.outcome.reason) == ("inadmissible", "Pièce illisible.")
    again = await life.with_advance_asked(order)
    assert not isinstance((await life.validate_advance(again)).outcome, Refused)


async def test_a_request_that_is_sent_back_can_be_refused_and_asked_again() -> None:
    order = await life.with_advance_asked(await life.a_deposited_order(owner))
    await ask(order, "advance")
    assert order.advance_id is not None
    told = life.Told()
    await advances.refuse_request(
        order.reviewer.actor, order.advance_id, order.order_id, "advance", "Sans réponse.",
        law.load().law, AT + timedelta(days=20), make.a_key(), told,
    )  # fmt: skip
    assert told.outcome.state == "inadmissible"
    assert not isinstance((await life.request_advance(order, AT + timedelta(days=21))).outcome, Refused)
    left = await owner.fetchval(
        "select count(*) from deadline where order_id = $1 and kind = 'answer' and superseded_at is null",
        order.order_id,
    )
    assert left == 0
