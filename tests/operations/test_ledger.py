"""Reading the ledger of an order: its parties and the agencies, whole, and exact."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.ledger import find_ledger
from tests import factories_lots as bank
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import an_account
from tests.factories_life import a_deposited_order, an_order_with_due_advance
from tests.operations.test_lots import end, payment_of

owner = make.Everything()


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def test_what_is_only_deposited_engages_nothing() -> None:
    order = await a_deposited_order(owner, 2)
    ledger = await find_ledger(order.editor.actor, order.order_id)
    assert ledger.entries == ()
    assert [line.unit_ttc_cents for line in ledger.lines] == [292_000, 292_000]
    assert ledger.balance.due_ttc_cents == 0


async def test_the_whole_is_the_sum_of_its_lines_and_each_line_of_its_entries() -> None:
    order, payers = await an_order_with_due_advance(owner, 3), await bank.two_payers()
    lot = await bank.an_approved_lot(payers, [await payment_of(order)])
    await bank.answered(payers, lot)
    ledger = await find_ledger(order.editor.actor, order.number)
    assert (ledger.number, ledger.state) == (order.number, "validated")
    for movement in ("planned", "paid", "compensated", "recovered"):
        name = f"{movement}_ttc_cents"
        entries = [entry for entry in ledger.entries if entry.movement == movement]
        assert getattr(ledger.balance, name) == sum(entry.amount_ttc_cents for entry in entries)
        assert getattr(ledger.balance, name) == sum(getattr(line.balance, name) for line in ledger.lines)
        for line in ledger.lines:
            of_line = sum(entry.amount_ttc_cents for entry in entries if entry.finess == line.finess)
            assert getattr(line.balance, name) == of_line
    assert list(ledger.entries) == sorted(ledger.entries, key=lambda entry: (entry.at, entry.id))
    assert {entry.payment for entry in ledger.entries} == {"advance", "solde"}


async def test_an_order_that_ended_before_any_payment_is_even() -> None:
    order = await an_order_with_due_advance(owner, 2)
    await end(order)
    ledger = await find_ledger(order.og.actor, order.order_id)
    assert {line.balance.due_ttc_cents for line in ledger.lines} == {0}
    assert ledger.balance.planned_ttc_cents == 0


async def test_the_parties_and_the_agencies_read_it_and_nobody_else() -> None:
    order = await an_order_with_due_advance(owner)
    readers = [order.editor, order.og, *[await an_account(role) for role in ("reviewer", "payer", "pilot")]]
    for reader in readers:
        assert (await find_ledger(reader.actor, order.order_id)).order_id == order.order_id
    for role in ("editor", "distributor", "og", "ars"):
        actor = (await an_account(role)).actor
        for wanted in (order.order_id, order.number, uuid4(), "BC-1999-000001"):
            with pytest.raises(SonsError) as caught:
                await find_ledger(actor, wanted)
            # an ARS has not the action; the others are told the same of the unknown and of the foreign
            told = ErrorCode.FORBIDDEN if role == "ars" else ErrorCode.NOT_FOUND
            assert caught.value.code is told
