"""The number of SQL statements of an operation does not depend on the number of ESSMS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from sons_tracker import law
from sons_tracker.db import engine
from sons_tracker.operations import order_reading, simulations
from sons_tracker.operations.views import OrderView
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, Account, an_account

SIZES = (1, 10, 500)


@pytest.fixture(scope="module")
async def owner(module_database: Database) -> make.Everything:
    await make.prepare_instance()
    return make.Everything()


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that the engine's connections run."""
    seen: list[str] = []
    acquire = engine._acquire

    def note(query: asyncpg.connection.LoggedQuery) -> None:
        seen.append(query.query)

    async def noted(pool: asyncpg.Pool) -> asyncpg.Connection:
        con = await acquire(pool)
        con.remove_query_logger(note)
        con.add_query_logger(note)
        return con

    monkeypatch.setattr(engine, "_acquire", noted)
    return seen


@contextmanager
def counted(seen: list[str], into: list[list[str]]) -> Iterator[None]:
    """Adds the statements run inside to `into`, without the reset of the connection given back."""
    seen.clear()
    yield
    into.append([re.sub(r"_savepoint_\w+", "", query) for query in seen if "unlock_all" not in query])


async def _order(owner: make.Everything, essms: int) -> tuple[Account, make.OrderRequest]:
    og, numbers = await make.an_og(owner, essms)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    for number in numbers[:3]:
        await make.a_grant(
            owner, number, solution=solution.solution, components=("usage",), project="upgrade"
        )
    return editor, make.a_request(og, numbers, solution)


@pytest.mark.scoreboard(5)
async def test_a_deposit_runs_as_many_statements_for_1_10_and_500_essms(owner, spied):
    await make.an_accepted_order(owner)  # a new connection asks for the types that it meets, once
    runs: list[list[str]] = []
    views: list[OrderView] = []
    for essms in SIZES:
        editor, request = await _order(owner, essms)
        with counted(spied, runs):
            views.append(await make.deposit(editor.actor, request))
    assert {view.decision for view in views} == {"accepted"}
    assert runs[0] == runs[1] == runs[2]
    assert len(runs[0]) <= 17, runs[0]


async def test_a_refusal_and_a_reading_too(owner, spied):
    refusals: list[list[str]] = []
    readings: list[list[str]] = []
    for essms in SIZES:
        editor, request = await _order(owner, essms)
        first = await make.deposit(editor.actor, request)
        with counted(spied, refusals):
            second = await make.deposit(editor.actor, request)
        assert second.decision == "refused"
        with counted(spied, readings):
            await order_reading.find_order(editor.actor, make.id_of(first))
    assert len({len(run) for run in refusals}) == 1
    assert len({len(run) for run in readings}) == 1


async def test_a_simulation_too(owner, spied):
    runs: list[list[str]] = []
    for essms in SIZES:
        editor, request = await _order(owner, essms)
        with counted(spied, runs):
            await simulations.simulate(editor.actor, request, law.load().law, AT)
    assert runs[0] == runs[1] == runs[2]
    assert len(runs[0]) <= 11, runs[0]
