"""Sixteen at once on the money of one order: one coherent outcome each, no deadlock, nothing half done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sons_tracker.operations import deadlines
from sons_tracker.operations.acts import Refused
from tests import factories_endings as end
from tests import factories_life as life
from tests import factories_lots as bank
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.databases import Database
from tests.factories import AT

CLIENTS = 16
CLOTURE = datetime(2024, 3, 31, 23, 59, 59, 999_999, ZoneInfo("Europe/Paris"))
AFTER = CLOTURE + timedelta(seconds=1)
owner = make.Everything()


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def at_once(*acts: Awaitable[Any]) -> tuple[list[Any], list[Any]]:
    """What was accepted and what was refused; any error fails the test."""
    told = [one for one in await asyncio.gather(*acts) if one is not None]
    done = [one for one in told if not isinstance(getattr(one, "outcome", None), Refused)]
    return done, [one for one in told if one not in done]


async def payments_of(order: life.Life) -> dict[str, str]:
    rows = await owner.fetch("select kind, state from payment where order_id = $1", order.order_id)
    return {row["kind"]: row["state"] for row in rows}


async def cash_of(order: life.Life) -> int:
    found: int = await owner.fetchval(
        "select coalesce(sum(amount_ttc_cents), 0) from ledger_entry"
        " where order_id = $1 and movement <> 'planned'",
        order.order_id,
    )
    return found


async def refusals_of(order: life.Life, event: str) -> int:
    found: int = await owner.fetchval(
        "select count(*) from journal where object_id = $1 and action = $2", str(order.order_id), event
    )
    return found


async def test_one_advance_is_asked_for_whoever_comes_first() -> None:
    order = await life.a_deposited_order(owner)
    done, refused = await at_once(*(life.request_advance(order) for _ in range(CLIENTS)))
    assert (len(done), len(refused)) == (1, CLIENTS - 1)
    assert len(await life.the_requests(order)) == 1
    assert await refusals_of(order, "advance.refused") == CLIENTS - 1


async def test_an_advance_is_validated_once() -> None:
    order = await life.with_advance_asked(await life.a_deposited_order(owner))
    done, refused = await at_once(*(life.validate_advance(order) for _ in range(CLIENTS)))
    assert (len(done), len(refused)) == (1, CLIENTS - 1)
    planned = await owner.fetchval(
        "select sum(amount_ttc_cents) from ledger_entry where order_id = $1", order.order_id
    )
    assert planned == await owner.fetchval(
        "select total_ttc_cents from purchase_order where id = $1", order.order_id
    )


@pytest.mark.parametrize("turn", range(4))
async def test_validated_cancelled_or_lapsed_is_one_of_them(turn: int) -> None:
    """Whatever comes first, an order that ended owes nothing and holds nothing."""
    order = await life.with_advance_asked(await life.a_deposited_order(owner))
    acts: list[Awaitable[Any]] = [life.validate_advance(order, AT + timedelta(hours=n)) for n in range(5)]
    acts += [end.ask(order, at=AT + timedelta(hours=n)) for n in range(5)]
    acts += [deadlines.tick(AFTER) for _ in range(6)]
    acts = acts[turn * 4 :] + acts[: turn * 4]
    await asyncio.gather(*acts)
    await deadlines.tick(AFTER)
    assert await life.state_of(owner, order) in ("cancelled", "lapsed")
    assert set((await payments_of(order)).values()) == {"planned"}
    assert await end.held_by(owner, order) == []
    left = await owner.fetchval(
        "select coalesce(sum(amount_ttc_cents), 0) from ledger_entry where order_id = $1", order.order_id
    )
    assert left == 0


async def test_what_is_signed_is_what_was_shown_while_it_is_prepared_anew() -> None:
    order = await solde.a_paid_advance(owner)
    await solde.prepare(order)
    shown = (await solde.the_va(order)).statement_sha256
    acts: list[Awaitable[Any]] = [solde.sign(order, shown=shown) for _ in range(8)]
    later = solde.LATER + timedelta(hours=1)
    acts += [solde.prepare(order, at=later) for _ in range(8)]
    await asyncio.gather(*acts)
    rows = await owner.fetch(
        "select v.state, s.statement_sha256 from va v left join va_signature s on s.va_id = v.id"
        " where v.order_id = $1 and v.state <> 'withdrawn'",
        order.order_id,
    )
    assert len(rows) == 1
    assert (rows[0]["state"] == "signed") is (rows[0]["statement_sha256"] is not None)
    assert rows[0]["statement_sha256"] in (None, shown)


async def test_a_payment_enters_one_lot() -> None:
    orders = [await life.an_order_with_due_advance(owner, 1) for _ in range(3)]
    payments = [await end.the_payment(owner, order) for order in orders]
    payers = await bank.two_payers()
    done, refused = await at_once(
        *(bank.prepared(payers, payments if n % 2 else payments[::-1]) for n in range(CLIENTS))
    )
    assert (len(done), len(refused)) == (1, CLIENTS - 1)
    lines = await owner.fetchval("select count(*) from lot_line where payment_id = any($1)", payments)
    assert lines == len(payments)


async def test_a_file_of_the_bank_pays_once() -> None:
    order, payers, lot = await end.an_order_in_lot(owner)
    lines = [bank.an_answer(line) for line in await bank.lines_of(payers, lot)]
    content = bank.csv_of(lot.number, lines)
    done, refused = await at_once(*(bank.imported(payers, content) for _ in range(CLIENTS)))
    assert (len(done), len(refused)) == (CLIENTS, 0)
    assert len({told.outcome.id for told in done}) == 1
    assert (await payments_of(order))["advance"] == "paid"
    assert await cash_of(order) == lot.total_ttc_cents
