"""The number of SQL statements of a lot, and of the bank's answer to it, does not depend on its size."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from tests import factories_lots as bank
from tests import factories_orders as make
from tests.databases import Database
from tests.factories_life import an_order_with_due_advance
from tests.operations.test_lots import payment_of
from tests.operations.test_statements import counted, spied

__all__ = ["spied"]
owner = make.Everything()


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def test_statements_are_counted_by_lots_and_not_by_lines(spied: list[str]) -> None:
    runs: dict[str, list[list[str]]] = {}

    async def run(name: str, work: Awaitable[bank.Told]) -> bank.Told:
        with counted(spied, runs.setdefault(name, [])):
            return await work

    payers = await bank.two_payers()
    for size in (1, 2, 6):
        chosen = [await payment_of(await an_order_with_due_advance(owner)) for _ in range(size)]
        lot = (await run("prepare", bank.prepared(payers, chosen))).lot
        await run("approve", bank.approved(payers, lot))
        lines = await bank.lines_of(payers, lot)
        for outcome in ("paid", "returned"):
            content = bank.csv_of(lot.number, [bank.an_answer(line, outcome) for line in lines])
            told = await run(outcome, bank.imported(payers, content))
            assert told.outcome.lines == size
    for name, of_sizes in runs.items():
        assert len({len(statements) for statements in of_sizes}) == 1, name
        assert len(of_sizes[0]) < 30, name
