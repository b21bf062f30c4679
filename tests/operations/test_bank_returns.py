"""What the bank answers: paid, rejected, returned; to the cent per ESSMS, and once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from sons_tracker.db import engine
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import bank_returns
from sons_tracker.operations.bank_returns import ReturnView
from sons_tracker.operations.ledger import Ledger, find_ledger
from sons_tracker.operations.lot_reading import find_lot
from sons_tracker.operations.lot_views import LotView
from sons_tracker.operations.va import VaView
from tests import factories_lots as bank
from tests import factories_orders as make
from tests import factories_solde as soldes
from tests.databases import Database
from tests.factories import AT, an_account
from tests.factories_life import Life, an_order_with_due_advance
from tests.operations.test_lots import end, payment_of, state_of

owner = make.Everything()
SOLDE_AT = soldes.LATER + timedelta(days=1)
PAID_AT = SOLDE_AT + timedelta(days=1)
BACK_AT = PAID_AT + timedelta(days=3)


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def order_state(order: Life) -> str:
    found: str = await owner.fetchval("select state from purchase_order where id = $1", order.order_id)
    return found


async def request_state(order: Life, kind: str) -> str:
    found: str = await owner.fetchval(
        "select state from financing_request where order_id = $1 and kind = $2", order.order_id, kind
    )
    return found


async def ledger_of(order: Life) -> Ledger:
    return await find_ledger(order.editor.actor, order.order_id)


def due(ledger: Ledger) -> dict[str, int]:
    """What is left to pay of each line."""
    return {line.finess: line.balance.due_ttc_cents for line in ledger.lines}


async def in_lot(essms: int = 2) -> tuple[Life, bank.Payers, LotView]:
    """An order whose advance is in an approved lot."""
    order, payers = await an_order_with_due_advance(owner, essms), await bank.two_payers()
    return order, payers, await bank.an_approved_lot(payers, [await payment_of(order)])


async def with_paid_solde(order: Life) -> tuple[bank.Payers, LotView]:
    """The order's due solde is paid, through a lot of its own."""
    payers = await bank.two_payers()
    lot = await bank.an_approved_lot(payers, [await payment_of(order, "solde")], SOLDE_AT)
    told = await bank.answered(payers, lot, "paid", PAID_AT, executed_at=PAID_AT)
    assert isinstance(told.outcome, ReturnView), told.outcome
    return payers, lot


async def test_a_paid_advance_reaches_each_line_and_its_request() -> None:
    order, payers, lot = await in_lot(3)
    told = await bank.answered(payers, lot)
    assert (told.outcome.paid.count, told.outcome.paid.total_ttc_cents) == (1, 262_800)
    payment = await payment_of(order)
    assert await state_of(payment) == "paid"
    assert await owner.fetchval("select paid_at from payment where id = $1", payment) == bank.EXECUTED_AT
    assert await request_state(order, "advance") == "paid"
    assert await order_state(order) == "validated"
    ledger = await ledger_of(order)
    assert ledger.balance.paid_ttc_cents == 262_800
    assert due(ledger) == dict.fromkeys(order.essms, 204_400)
    cash = [entry for entry in ledger.entries if entry.movement == "paid"]
    assert {(entry.at, entry.cause, entry.amount_ttc_cents) for entry in cash} == {
        (bank.EXECUTED_AT, "bank_paid", 87_600)
    }
    rows = await owner.fetch("select action, facts from journal where object_id = $1", str(payment))
    assert [row["action"] for row in rows] == ["payment.paid"]
    assert rows[0]["facts"]["amount_ttc_cents"] == 262_800
    told_to = await owner.fetch(
        "select organisation_id, event from outbox where object_id = $1", str(payment)
    )
    parties = {order.editor.actor.organisation_id, order.og.actor.organisation_id}
    assert {tuple(row) for row in told_to} >= {(party, "payment.paid") for party in parties}


async def test_a_paid_solde_settles_the_order_and_makes_every_line_even() -> None:
    order = await soldes.a_due_solde(owner, 3)
    await with_paid_solde(order)
    assert await order_state(order) == "settled"
    assert await request_state(order, "solde") == "paid"
    ledger = await ledger_of(order)
    assert set(due(ledger).values()) == {0}
    assert ledger.balance.paid_ttc_cents == ledger.balance.planned_ttc_cents == 876_000
    rows = await owner.fetch(
        "select action from journal where object_id = $1 and action = 'order.settled'", str(order.order_id)
    )
    assert len(rows) == 1


async def test_a_removed_essms_is_compensated_and_a_lower_invoice_is_followed() -> None:
    order = await soldes.a_paid_advance(owner, 3)
    first, second, third = order.essms
    await soldes.remove(order, second)
    assert isinstance((await soldes.prepare(order, soldes.a_declaration(first, third))).outcome, VaView)
    await soldes.sign(order)
    request = await soldes.an_asked_solde(owner, order, {first: 292_000, third: 240_000})
    await soldes.validate(order, request)
    await with_paid_solde(order)
    ledger = await ledger_of(order)
    assert due(ledger) == {first: 0, second: 0, third: 0}
    assert {line.finess: line.balance.planned_ttc_cents for line in ledger.lines} == {
        first: 292_000, second: 0, third: 240_000,
    }  # fmt: skip
    assert {line.finess: line.balance.compensated_ttc_cents for line in ledger.lines} == {
        first: 0, second: -87_600, third: 0,
    }  # fmt: skip
    assert await order_state(order) == "settled"


async def test_a_rejected_payment_is_due_again_and_paid_by_another_lot() -> None:
    order, payers, lot = await in_lot()
    told = await bank.answered(payers, lot, "rejected")
    assert told.outcome.rejected.count == 1
    payment = await payment_of(order)
    assert await state_of(payment) == "due"
    assert await request_state(order, "advance") == "validated"
    line = (await bank.lines_of(payers, lot))[0]
    assert (line.outcome, line.reason_code) == ("rejected", "AC04")
    notice = await owner.fetchrow(
        "select organisation_id, facts from outbox where object_id = $1 and event = 'payment.rejected'",
        str(payment),
    )
    assert notice["organisation_id"] == order.editor.actor.organisation_id
    assert notice["facts"]["reason_code"] == "AC04"
    again = await bank.an_approved_lot(payers, [payment], bank.RETURNED_AT)
    told = await bank.answered(payers, again, "paid", PAID_AT, executed_at=PAID_AT)
    assert told.outcome.paid.count == 1
    assert await state_of(payment) == "paid"
    assert (await ledger_of(order)).balance.paid_ttc_cents == 175_200


async def test_a_solde_that_comes_back_after_the_settlement_is_presented_again() -> None:
    order = await soldes.a_due_solde(owner)
    payers, lot = await with_paid_solde(order)
    before = await ledger_of(order)
    told = await bank.answered(payers, lot, "returned", BACK_AT, executed_at=BACK_AT)
    assert told.outcome.returned.count == 1
    solde = await payment_of(order, "solde")
    assert await state_of(solde) == "returned"
    assert await order_state(order) == "validated"
    assert await request_state(order, "solde") == "validated"
    ledger = await ledger_of(order)
    assert due(ledger) == dict.fromkeys(order.essms, 204_400)
    assert ledger.balance.planned_ttc_cents == before.balance.planned_ttc_cents
    assert (await bank.lines_of(payers, lot))[0].returned_at == BACK_AT
    assert "« retourné par la banque »" in (await bank.prepared(payers, [solde], BACK_AT)).messages
    assert (await bank.represented(payers, solde, BACK_AT)).outcome.state == "due"
    assert "« dû »" in (await bank.represented(payers, solde, BACK_AT)).messages
    again = await bank.an_approved_lot(payers, [solde], BACK_AT)
    later = BACK_AT + timedelta(days=2)
    await bank.answered(payers, again, "paid", later, executed_at=later)
    assert await order_state(order) == "settled"
    assert set(due(await ledger_of(order)).values()) == {0}


async def test_an_advance_that_comes_back_from_a_settled_order_unsettles_it_until_it_is_paid() -> None:
    order = await soldes.a_due_solde(owner)
    payers, _ = await with_paid_solde(order)
    first = await owner.fetchval("select lot_id from lot_line where payment_id = $1", await payment_of(order))
    lot = await find_lot(payers.first.actor, first)
    told = await bank.answered(payers, lot, "returned", BACK_AT, executed_at=BACK_AT)
    assert told.outcome.returned.count == 1, told.outcome
    assert await order_state(order) == "validated"
    assert due(await ledger_of(order)) == dict.fromkeys(order.essms, 87_600)
    advance = await payment_of(order)
    await bank.represented(payers, advance, BACK_AT)
    again = await bank.an_approved_lot(payers, [advance], BACK_AT)
    later = BACK_AT + timedelta(days=2)
    await bank.answered(payers, again, "paid", later, executed_at=later)
    assert await order_state(order) == "settled"
    assert set(due(await ledger_of(order)).values()) == {0}


async def test_an_advance_and_its_solde_in_one_lot_are_paid_one_after_the_other() -> None:
    """The advance came back, its order's solde is due already: both leave together."""
    order = await soldes.a_signed_va(owner, 3)
    payers = await bank.two_payers()
    advance = await payment_of(order)
    lot_id = await owner.fetchval("select lot_id from lot_line where payment_id = $1", advance)
    first_lot = await find_lot(payers.first.actor, lot_id)
    request = await soldes.an_asked_solde(owner, order)
    await soldes.validate(order, request)
    await bank.answered(payers, first_lot, "returned", SOLDE_AT, executed_at=SOLDE_AT)
    await bank.represented(payers, advance, SOLDE_AT)
    lot = await bank.an_approved_lot(payers, [advance, await payment_of(order, "solde")], SOLDE_AT)
    assert lot.lines == 2
    told = await bank.answered(payers, lot, "paid", PAID_AT, executed_at=PAID_AT)
    assert told.outcome.paid.count == 2, told.outcome
    assert await order_state(order) == "settled"
    ledger = await ledger_of(order)
    assert set(due(ledger).values()) == {0}
    assert {(entry.payment, entry.amount_ttc_cents) for entry in ledger.entries if entry.at == PAID_AT} == {
        ("advance", 87_600),
        ("solde", 204_400),
    }


async def test_a_solde_that_is_paid_while_its_advance_is_away_does_not_settle_the_order() -> None:
    order = await soldes.a_due_solde(owner, 3)
    payers, advance = await bank.two_payers(), await payment_of(order)
    lot_id = await owner.fetchval("select lot_id from lot_line where payment_id = $1", advance)
    first_lot = await find_lot(payers.first.actor, lot_id)
    lot = await bank.an_approved_lot(payers, [await payment_of(order, "solde")], SOLDE_AT)
    await bank.answered(payers, first_lot, "returned", PAID_AT, executed_at=PAID_AT)
    told = await bank.answered(payers, lot, "paid", PAID_AT, executed_at=PAID_AT)
    assert told.outcome.paid.count == 1, told.outcome
    assert await order_state(order) == "validated"
    assert due(await ledger_of(order)) == dict.fromkeys(order.essms, 87_600)
    await bank.represented(payers, advance, PAID_AT)
    again = await bank.an_approved_lot(payers, [advance], PAID_AT)
    await bank.answered(payers, again, "paid", BACK_AT, executed_at=BACK_AT)
    assert await order_state(order) == "settled"
    assert set(due(await ledger_of(order)).values()) == {0}


@pytest.mark.parametrize("outcome", ["paid", "rejected"])
async def test_an_order_that_ended_while_its_payment_was_with_the_bank(outcome: str) -> None:
    order, payers, lot = await in_lot()
    await end(order)
    held = "select count(*) from claim where order_id = $1 and released_at is null"
    assert await owner.fetchval(held, order.order_id) == 2
    told = await bank.answered(payers, lot, outcome)
    assert isinstance(told.outcome, ReturnView), told.outcome
    payment = await payment_of(order)
    recovery = await owner.fetchrow("select * from recovery where payment_id = $1", payment)
    if outcome == "rejected":
        assert await state_of(payment) == "planned"
        assert recovery is None
        assert await owner.fetchval(held, order.order_id) == 0
        return
    assert await state_of(payment) == "to_recover"
    assert (recovery["amount_ttc_cents"], recovery["reason"]) == (175_200, "cloture")
    assert await owner.fetchval(held, order.order_id) == 2
    assert due(await ledger_of(order)) == dict.fromkeys(order.essms, -87_600)
    back = await bank.answered(payers, lot, "returned", BACK_AT, executed_at=BACK_AT)
    assert "s'enregistrent comme un recouvrement" in back.messages


async def test_the_end_of_an_order_does_not_change_what_its_solde_was_paid_for() -> None:
    order = await soldes.a_paid_advance(owner, 3)
    first, second, third = order.essms
    await soldes.remove(order, second)
    await soldes.prepare(order, soldes.a_declaration(first, third))
    await soldes.sign(order)
    await soldes.validate(order, await soldes.an_asked_solde(owner, order, {first: 292_000, third: 292_000}))
    payers = await bank.two_payers()
    lot = await bank.an_approved_lot(payers, [await payment_of(order, "solde")], SOLDE_AT)
    await end(order)
    told = await bank.answered(payers, lot, "paid", PAID_AT, executed_at=PAID_AT)
    assert told.outcome.paid.total_ttc_cents == 321_200, told.outcome
    entries = [entry for entry in (await ledger_of(order)).entries if entry.at == PAID_AT]
    assert {(entry.finess, entry.movement): entry.amount_ttc_cents for entry in entries} == {
        (first, "paid"): 204_400, (second, "compensated"): -87_600, (third, "paid"): 204_400,
    }  # fmt: skip
    assert await state_of(await payment_of(order, "solde")) == "to_recover"


COUNTED = (
    "ledger_entry", "bank_return", "bank_return_line", "recovery", "outbox", "purchase_order", "payment",
    "financing_request", "lot", "lot_line", "claim",
)  # fmt: skip


async def everything() -> dict[str, Any]:
    """A digest of each table that a return could change."""
    return {
        table: await owner.fetchval(f"select md5(string_agg(t::text, '' order by t::text)) from {table} t")
        for table in COUNTED
    }


async def test_the_same_file_again_does_nothing_whatever_its_order_its_format_or_its_key() -> None:
    orders = [await an_order_with_due_advance(owner) for _ in range(3)]
    payers = await bank.two_payers()
    lot = await bank.an_approved_lot(payers, [await payment_of(order) for order in orders])
    lines = [bank.an_answer(line) for line in await bank.lines_of(payers, lot)]
    first = await bank.imported(payers, bank.csv_of(lot.number, lines))
    before = await everything()
    for content in (
        bank.csv_of(lot.number, lines),
        bank.csv_of(lot.number, bank.reordered(lines)),
        bank.csv_of(lot.number, lines).replace(b"\n", b"\r\n"),
        bank.json_of(lot.number, bank.reordered(lines)),
    ):
        told = await bank.imported(payers, content, BACK_AT)
        assert told.outcome == first.outcome
    assert await everything() == before


async def test_a_reordered_file_has_the_same_effects() -> None:
    orders = [await an_order_with_due_advance(owner) for _ in range(3)]
    payers = await bank.two_payers()
    lot = await bank.an_approved_lot(payers, [await payment_of(order) for order in orders])
    lines = await bank.lines_of(payers, lot)
    words = ("paid", "rejected", "paid")
    answers = [bank.an_answer(line, word) for line, word in zip(lines, words, strict=True)]
    told = await bank.imported(payers, bank.json_of(lot.number, bank.reordered(answers)))
    assert (told.outcome.paid.count, told.outcome.rejected.count) == (2, 1)
    assert [await state_of(line.payment_id) for line in lines] == ["paid", "due", "paid"]


async def test_a_lot_may_be_answered_in_several_files() -> None:
    orders = [await an_order_with_due_advance(owner) for _ in range(2)]
    payers = await bank.two_payers()
    lot = await bank.an_approved_lot(payers, [await payment_of(order) for order in orders])
    for line in await bank.lines_of(payers, lot):
        told = await bank.imported(payers, bank.csv_of(lot.number, [bank.an_answer(line)]))
        assert told.outcome.lines == 1
    assert {await state_of(await payment_of(order)) for order in orders} == {"paid"}


async def test_the_same_file_by_eight_at_once_is_done_once() -> None:
    orders = [await an_order_with_due_advance(owner) for _ in range(2)]
    payers = await bank.two_payers()
    lot = await bank.an_approved_lot(payers, [await payment_of(order) for order in orders])
    lines = [bank.an_answer(line) for line in await bank.lines_of(payers, lot)]
    content = bank.csv_of(lot.number, lines)
    clerks = [await bank.two_payers() for _ in range(8)]
    told = await asyncio.gather(*(bank.imported(one, content) for one in clerks))
    assert len({one.outcome.id for one in told}) == 1
    assert await owner.fetchval("select count(*) from bank_return where lot_id = $1", lot.id) == 1
    for order in orders:
        assert (await ledger_of(order)).balance.paid_ttc_cents == 175_200


async def test_two_files_that_contradict_each_other_at_once_one_is_done() -> None:
    order, payers, lot = await in_lot()
    line = (await bank.lines_of(payers, lot))[0]
    files = [bank.csv_of(lot.number, [bank.an_answer(line, word)]) for word in ("paid", "rejected")]
    told = await asyncio.gather(*(bank.imported(payers, content) for content in files))
    done = [isinstance(one.outcome, ReturnView) for one in told]
    assert sorted(done) == [False, True]
    assert "ce virement est déjà" in told[done.index(False)].messages
    assert await state_of(await payment_of(order)) == ("paid" if done[0] else "due")


async def test_an_import_that_is_cancelled_at_any_moment_is_whole_or_nothing() -> None:
    payers = await bank.two_payers()
    seen = set()
    for step in range(12):
        order = await an_order_with_due_advance(owner, 1)
        lot = await bank.an_approved_lot(payers, [await payment_of(order)])
        content = bank.csv_of(lot.number, [bank.an_answer((await bank.lines_of(payers, lot))[0])])
        task = asyncio.create_task(bank.imported(payers, content))
        await asyncio.sleep(step * 0.004)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        paid = await state_of(await payment_of(order)) == "paid"
        kept = await owner.fetchval("select count(*) from bank_return where lot_id = $1", lot.id)
        ledger = await ledger_of(order)
        assert (kept, ledger.balance.paid_ttc_cents) == ((1, 120_000) if paid else (0, 0))
        seen.add(paid)
        if not paid:
            again = await bank.imported(payers, content)
            assert again.outcome.paid.count == 1
    assert engine._pool is not None
    assert engine._pool.get_idle_size() == engine._pool.get_size()
    assert False in seen


@pytest.mark.parametrize("role", ["editor", "distributor", "og", "reviewer", "pilot", "admin"])
async def test_only_a_payer_reads_what_the_bank_says(role: str) -> None:
    actor = (await an_account(role)).actor
    with pytest.raises(SonsError) as caught:
        await bank_returns.import_return(actor, b"{}", AT, make.a_key(), bank.Told())
    assert caught.value.code is ErrorCode.FORBIDDEN


async def test_the_supplier_reads_its_own_transfers_and_nobody_elses(module_database: Database) -> None:
    order, payers, lot = await in_lot()
    await bank.answered(payers, lot)
    stranger = await an_account("editor")
    seen: dict[str, list[int]] = {}
    for name, actor in (("own", order.editor.actor), ("og", order.og.actor), ("other", stranger.actor)):
        async with transaction(actor.context, read_only=True) as con:
            seen[name] = [
                await con.fetchval(f"select count(*) from {table} where {column} = $1", value)
                for table, column, value in (
                    ("lot", "id", lot.id),
                    ("lot_line", "lot_id", lot.id),
                    ("bank_return", "lot_id", lot.id),
                    ("bank_return_line", "lot_id", lot.id),
                )
            ]
    assert seen == {"own": [0, 1, 0, 1], "og": [0, 0, 0, 0], "other": [0, 0, 0, 0]}
