"""Recoveries: opened by what ends an order, issued with a letter, followed, closed to the cent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import recoveries, recovery_reading
from sons_tracker.operations.ledger import find_ledger
from sons_tracker.operations.recoveries import Repayment
from sons_tracker.operations.recovery_reading import RecoveryFilter
from sons_tracker.operations.recovery_views import RecoveryView
from tests import factories_endings as ending
from tests import factories_lots as bank
from tests import factories_orders as make
from tests import factories_solde as soldes
from tests.databases import Database
from tests.factories import Account, an_account
from tests.factories_life import Life
from tests.operations.test_lots import end, payment_of, state_of

owner = make.Everything()
ISSUED_AT = bank.RETURNED_AT + timedelta(days=10)
REPAID_AT = ISSUED_AT + timedelta(days=20)
APPEAL = "Recours gracieux sous deux mois (fictif)."


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def a_recovery(essms: int = 2) -> tuple[Life, bank.Payers, UUID]:
    """An order that was cancelled after its advance was paid, and the recovery that this opened."""
    order, payers = await ending.an_order_with_paid_advance(owner, essms)
    told = await ending.ask(order, at=bank.RETURNED_AT)
    assert told.outcome.state == "carried_out"
    found: UUID = await owner.fetchval("select id from recovery where order_id = $1", order.order_id)
    return order, payers, found


async def issued(payers: bank.Payers, recovery_id: UUID, at: datetime = ISSUED_AT) -> bank.Told:
    told = bank.Told()
    await recoveries.issue(payers.first.actor, recovery_id, APPEAL, at, make.a_key(), told)
    return told


async def repaid(
    payers: bank.Payers, recovery_id: UUID, cents: int = 175_200, at: datetime = REPAID_AT, **changes: Any
) -> bank.Told:
    told = bank.Told()
    repayment = Repayment(f"RB-{uuid4().hex[:12]}", at, cents)
    await recoveries.record_repayment(
        payers.first.actor, recovery_id, replace(repayment, **changes), at, make.a_key(), told
    )
    return told


async def followed(payers: bank.Payers, recovery_id: UUID, kind: str, text: str = "Appelé.") -> bank.Told:
    told = bank.Told()
    await recoveries.add_step(payers.first.actor, recovery_id, kind, text, ISSUED_AT, make.a_key(), told)
    return told


async def test_a_recovery_from_its_opening_to_the_money() -> None:
    order, payers, recovery_id = await a_recovery()
    opened = await recovery_reading.find_recovery(payers.first.actor, recovery_id, ISSUED_AT)
    assert (opened.summary.state, opened.summary.amount_ttc_cents, opened.summary.reason) == (
        "opened", 175_200, "cancelled",
    )  # fmt: skip
    assert opened.summary.number.startswith("OR-2023-")
    assert opened.letter is None
    held = "select count(*) from claim where order_id = $1 and released_at is null"
    assert await owner.fetchval(held, order.order_id) == 2

    told = (await issued(payers, recovery_id)).outcome
    assert isinstance(told, RecoveryView), told
    assert (told.summary.state, [step.kind for step in told.steps]) == ("issued", ["letter"])
    assert await owner.fetchval(held, order.order_id) == 0
    released = await owner.fetch(
        "select distinct release_reason from claim where order_id = $1", order.order_id
    )
    assert [row[0] for row in released] == ["recovered"]

    done = (await repaid(payers, recovery_id)).outcome
    assert isinstance(done, RecoveryView), done
    assert (done.summary.state, done.summary.recovered_at) == ("recovered", REPAID_AT)
    assert await state_of(await payment_of(order)) == "recovered"
    ledger = await find_ledger(order.editor.actor, order.order_id)
    assert {line.balance.due_ttc_cents for line in ledger.lines} == {0}
    assert (ledger.balance.paid_ttc_cents, ledger.balance.recovered_ttc_cents) == (175_200, -175_200)
    rows = await owner.fetch("select action from journal where object_id = $1 order by id", str(recovery_id))
    assert [row["action"] for row in rows] == ["recovery.opened", "recovery.issued", "recovery.recovered"]
    events = await owner.fetch(
        "select event from outbox where object_id = $1 and organisation_id = $2 order by number",
        str(recovery_id),
        order.editor.actor.organisation_id,
    )
    assert [row["event"] for row in events] == ["recovery.opened", "recovery.issued", "recovery.recovered"]


async def test_the_letter_says_who_owes_what_for_which_essms_and_why() -> None:
    order, payers, recovery_id = await a_recovery(3)
    letter = (await issued(payers, recovery_id)).outcome.letter
    assert letter["amount_ttc"] == "2628.00"
    assert letter["lines"] == [{"finess": one, "amount_ttc": "876.00"} for one in order.essms]
    assert letter["order"]["number"] == order.number
    assert letter["og"]["finess_juridique"] == str(order.request.og)
    assert letter["payment"] == {
        "kind": "advance", "paid_at": "2023-03-02T12:00:00+01:00", "amount_ttc": "2628.00",
    }  # fmt: skip
    assert (letter["issued_on"], letter["rule"], letter["appeal"]) == ("2023-03-13", "R22", APPEAL)
    assert any("S0:1666" in source for source in letter["sources"])
    text = " ".join(letter["text"])
    assert "Le 2 mars 2023, 2\u202f628,00\u202f€ TTC vous ont été versés pour l'avance" in text
    assert "annulée" in text
    assert f"en citant le numéro {letter['number']}" in text
    for reader in (order.editor, order.og):
        assert (await recovery_reading.find_recovery(reader.actor, recovery_id, ISSUED_AT)).letter == letter


async def test_acts_out_of_their_order_are_refused_with_the_remedy() -> None:
    _, payers, recovery_id = await a_recovery()
    early = await repaid(payers, recovery_id)
    assert "« à émettre »" in early.messages
    assert early.refused.reasons[0].remedy == "Émettre d'abord l'ordre de recouvrement."
    assert "« à émettre »" in (await followed(payers, recovery_id, "reminder")).messages
    await issued(payers, recovery_id)
    assert "« émis »" in (await issued(payers, recovery_id)).messages
    await repaid(payers, recovery_id)
    assert "« recouvré »" in (await repaid(payers, recovery_id)).messages
    assert "« recouvré »" in (await issued(payers, recovery_id)).messages
    assert "« recouvré »" in (await followed(payers, recovery_id, "reminder")).messages
    assert isinstance((await followed(payers, recovery_id, "note")).outcome, RecoveryView)
    kept = await owner.fetchval(
        "select count(*) from journal where object_id = $1 and action = 'recovery.refused'", str(recovery_id)
    )
    assert kept == 6


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"amount_ttc_cents": 175_201}, "le remboursement de 1\u202f752,01\u202f€"),
        ({"amount_ttc_cents": 175_199}, "le remboursement de 1\u202f751,99\u202f€"),
        ({"received_at": ISSUED_AT - timedelta(seconds=1)}, "daté d'avant l'ordre de recouvrement"),
        ({"received_at": REPAID_AT + timedelta(seconds=1)}, "ou d'après cet instant"),
    ],
)
async def test_a_repayment_that_is_not_exact_changes_nothing(changes: dict[str, Any], sentence: str) -> None:
    order, payers, recovery_id = await a_recovery()
    await issued(payers, recovery_id)
    assert sentence in (await repaid(payers, recovery_id, **changes)).messages
    assert await state_of(await payment_of(order)) == "to_recover"
    ledger = await find_ledger(order.editor.actor, order.order_id)
    assert ledger.balance.recovered_ttc_cents == 0


async def test_a_bank_reference_serves_once() -> None:
    _, payers, first = await a_recovery()
    _, _, second = await a_recovery()
    for one in (first, second):
        await issued(payers, one)
    assert isinstance((await repaid(payers, first, bank_reference="RB-ONCE")).outcome, RecoveryView)
    assert "déjà été intégrée" in (await repaid(payers, second, bank_reference="RB-ONCE")).messages
    paid = await owner.fetchval("select bank_reference from bank_return_line limit 1")
    assert "déjà été intégrée" in (await repaid(payers, second, bank_reference=paid)).messages


async def test_two_who_record_one_repayment_at_once_record_it_once() -> None:
    order, payers, recovery_id = await a_recovery()
    await issued(payers, recovery_id)
    told = await asyncio.gather(*(repaid(payers, recovery_id) for _ in range(4)))
    assert sum(isinstance(one.outcome, RecoveryView) for one in told) == 1
    ledger = await find_ledger(order.editor.actor, order.order_id)
    assert ledger.balance.recovered_ttc_cents == -175_200


async def test_an_advance_above_its_solde_is_recovered_and_the_order_is_even() -> None:
    order = await soldes.a_paid_advance(owner, 3)
    first, second, third = order.essms
    await soldes.remove(order, second, third)
    await soldes.prepare(order, soldes.a_declaration(first))
    await soldes.sign(order)
    request = await soldes.an_asked_solde(owner, order, {first: 120_000})
    await soldes.validate(order, request)
    row = await owner.fetchrow("select * from recovery where order_id = $1", order.order_id)
    assert (row["reason"], row["amount_ttc_cents"]) == ("over_advance", 262_800 - 120_000)
    payers, later = await bank.two_payers(), soldes.LATER + timedelta(days=5)
    letter = (await issued(payers, row["id"], later)).outcome.letter
    assert sum(float(line["amount_ttc"]) for line in letter["lines"]) == 1428.0
    done = await repaid(payers, row["id"], 142_800, later + timedelta(days=1))
    assert isinstance(done.outcome, RecoveryView), done.outcome
    ledger = await find_ledger(order.editor.actor, order.order_id)
    assert {line.balance.due_ttc_cents for line in ledger.lines} == {0}
    assert ledger.state == "settled"


async def test_an_order_that_owes_two_payments_keeps_its_essms_until_both_are_asked_back() -> None:
    order = await soldes.a_due_solde(owner)
    payers = await bank.two_payers()
    at = soldes.LATER + timedelta(days=1)
    lot = await bank.an_approved_lot(payers, [await payment_of(order, "solde")], at)
    await end(order)
    advance = await owner.fetchval("select id from recovery where order_id = $1", order.order_id)
    held = "select count(*) from claim where order_id = $1 and released_at is null"
    await issued(payers, advance, at)
    assert await owner.fetchval(held, order.order_id) == 2
    paid_at = at + timedelta(days=1)
    await bank.answered(payers, lot, "paid", paid_at, executed_at=paid_at)
    assert await owner.fetchval(held, order.order_id) == 2
    solde = await owner.fetchval(
        "select r.id from recovery r where r.order_id = $1 and r.id <> $2", order.order_id, advance
    )
    assert isinstance((await issued(payers, solde, paid_at)).outcome, RecoveryView)
    assert await owner.fetchval(held, order.order_id) == 0
    for one, cents in ((advance, 175_200), (solde, 408_800)):
        done = await repaid(payers, one, cents, paid_at + timedelta(days=1))
        assert isinstance(done.outcome, RecoveryView), done.outcome
    ledger = await find_ledger(order.editor.actor, order.order_id)
    assert {line.balance.due_ttc_cents for line in ledger.lines} == {0}


async def test_an_order_whose_solde_the_bank_rejects_keeps_its_essms_until_its_advance_is_asked_back() -> (
    None
):
    at = soldes.LATER + timedelta(days=1)
    paid_at = at + timedelta(days=1)
    held = "select count(*) from claim where order_id = $1 and released_at is null"
    for issued_first in (True, False):
        order, payers = await soldes.a_due_solde(owner), await bank.two_payers()
        lot = await bank.an_approved_lot(payers, [await payment_of(order, "solde")], at)
        await end(order)
        advance = await owner.fetchval("select id from recovery where order_id = $1", order.order_id)
        if issued_first:
            await issued(payers, advance, at)
        assert await owner.fetchval(held, order.order_id) == 2
        told = await bank.answered(payers, lot, "rejected", paid_at, executed_at=paid_at)
        assert told.outcome.rejected.count == 1
        assert await owner.fetchval(held, order.order_id) == (0 if issued_first else 2)
        if not issued_first:
            await issued(payers, advance, paid_at)
        assert await owner.fetchval(held, order.order_id) == 0
        reasons = await owner.fetch(
            "select distinct release_reason from claim where order_id = $1", order.order_id
        )
        assert [row[0] for row in reasons] == ["recovered"]


async def test_the_follow_up_tells_the_supplier_of_a_reminder_and_keeps_notes_to_the_agencies() -> None:
    order, payers, recovery_id = await a_recovery()
    await issued(payers, recovery_id)
    await followed(payers, recovery_id, "reminder", "Première relance.")
    await followed(payers, recovery_id, "note", "Ne répond pas au téléphone.")
    inside = await recovery_reading.find_recovery(payers.second.actor, recovery_id, ISSUED_AT)
    assert {step.kind for step in inside.steps} == {"letter", "reminder", "note"}
    outside = await recovery_reading.find_recovery(order.editor.actor, recovery_id, ISSUED_AT)
    assert {step.kind for step in outside.steps} == {"letter", "reminder"}
    assert outside.actions == ()
    reminded = await owner.fetchval(
        "select count(*) from outbox where event = 'recovery.reminded' and object_id = $1", str(recovery_id)
    )
    assert reminded == 1
    facts = await owner.fetchval(
        "select string_agg(facts::text, ' ') from journal where object_id = $1", str(recovery_id)
    )
    assert "téléphone" not in facts


async def test_ages_are_paris_days_and_stop_with_the_money() -> None:
    _, payers, recovery_id = await a_recovery()
    for days in (0, 1, 90):
        at = bank.RETURNED_AT + timedelta(days=days)
        view = await recovery_reading.find_recovery(payers.first.actor, recovery_id, at)
        assert view.summary.age_days == days
    midnight = datetime.fromisoformat("2023-03-04T00:00:00+01:00")
    for at, days in ((midnight - timedelta(seconds=1), 0), (midnight, 1)):
        view = await recovery_reading.find_recovery(payers.first.actor, recovery_id, at)
        assert view.summary.age_days == days
    await issued(payers, recovery_id)
    await repaid(payers, recovery_id)
    later = REPAID_AT + timedelta(days=400)
    assert (
        await recovery_reading.find_recovery(payers.first.actor, recovery_id, later)
    ).summary.age_days == 30


async def test_lists_are_narrowed_counted_and_paged() -> None:
    made = [await a_recovery(1) for _ in range(3)]
    payers, suppliers = made[0][1], [order.editor for order, _, _ in made]
    await issued(payers, made[1][2])
    actor, at = payers.first.actor, ISSUED_AT

    async def listed(by: Account | None = None, **narrowed: Any) -> recovery_reading.RecoveryPage:
        asked = actor if by is None else by.actor
        return await recovery_reading.list_recoveries(asked, RecoveryFilter(**narrowed), at, None, 200)

    everywhere = await listed()
    assert {recovery_id for _, _, recovery_id in made} <= {one.id for one in everywhere.recoveries}
    assert everywhere.tally.count == len(everywhere.recoveries)
    assert everywhere.tally.total_ttc_cents == sum(one.amount_ttc_cents for one in everywhere.recoveries)
    of_one = await listed(supplier_id=suppliers[1].actor.organisation_id)
    assert [one.id for one in of_one.recoveries] == [made[1][2]]
    assert (of_one.tally.count, of_one.tally.total_ttc_cents) == (1, 120_000)
    assert made[1][2] not in {one.id for one in (await listed(state="opened")).recoveries}
    assert {one.state for one in (await listed(state="issued")).recoveries} == {"issued"}
    assert {one.reason for one in (await listed(reason="cancelled")).recoveries} == {"cancelled"}
    assert all(one.age_days > 9 for one in (await listed(older_than=9)).recoveries)
    assert made[0][2] not in {one.id for one in (await listed(older_than=10)).recoveries}
    assert [one.id for one in (await listed(suppliers[0])).recoveries] == [made[0][2]]
    assert [one.id for one in (await listed(made[0][0].og)).recoveries] == [made[0][2]]
    assert (await listed(await an_account("editor"))).recoveries == ()
    seen, after = [], None
    while True:
        page = await recovery_reading.list_recoveries(actor, RecoveryFilter(), at, after, 2)
        seen += [one.id for one in page.recoveries]
        after = page.next_after
        if after is None:
            break
    assert seen == [one.id for one in everywhere.recoveries]


@pytest.mark.parametrize("role", ["editor", "og", "reviewer", "pilot", "admin"])
async def test_only_a_payer_recovers(role: str) -> None:
    order, _, recovery_id = await a_recovery()
    account = {"editor": order.editor, "og": order.og}.get(role) or await an_account(role)
    payers = bank.Payers(account, account)
    for act in (
        issued(payers, recovery_id),
        repaid(payers, recovery_id),
        followed(payers, recovery_id, "note"),
    ):
        with pytest.raises(SonsError) as caught:
            await act
        assert caught.value.code is ErrorCode.FORBIDDEN


async def test_a_stranger_finds_nothing_and_an_unknown_one_is_the_same() -> None:
    order, payers, recovery_id = await a_recovery()
    stranger = await an_account("editor")
    number = await owner.fetchval("select number from recovery where id = $1", recovery_id)
    told = []
    for wanted in (recovery_id, number, uuid4(), "OR-1999-000001"):
        with pytest.raises(SonsError) as caught:
            await recovery_reading.find_recovery(stranger.actor, wanted, ISSUED_AT)
        told.append((caught.value.code, caught.value.detail))
    assert len(set(told)) == 1
    assert (
        await recovery_reading.find_recovery(order.editor.actor, number, ISSUED_AT)
    ).summary.id == recovery_id
    with pytest.raises(SonsError):
        await issued(payers, uuid4())


async def test_more_than_was_paid_is_never_asked_back() -> None:
    order, payers = await ending.an_order_with_paid_advance(owner)
    advance, actor = await payment_of(order), payers.first.actor
    for payment, cents, state in (
        (advance, 175_201, "SN019"),
        (await payment_of(order, "solde"), 1, "SN015"),
    ):
        with pytest.raises(asyncpg.PostgresError) as caught:
            async with transaction(actor.context) as con:
                await recoveries.open_recovery(con, actor, ISSUED_AT, payment, cents, "decided", "R22")
        assert caught.value.sqlstate == state
    assert await state_of(advance) == "paid"
