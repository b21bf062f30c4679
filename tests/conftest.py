"""One server per run, the migrations once into a template, a clone for who asks.

`database`: an empty migrated database of this test, the engine started on it as the application.
`module_database`: the same, shared by a module whose tests bring their own organisations and numbers.
`clone`: a migrated database of this test, the engine not started (for processes and applications).
`client`: an HTTP client on the application, in this event loop, on the engine of `database`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator

import httpx
import pytest
from hypothesis import settings

from sons_tracker.db import engine, migrate
from tests.databases import Database, Server, run_server

# Drawn the same at each run, so that a change is judged by what it changes; `TIER=full` goes looking.
settings.register_profile("same", derandomize=True, database=None)
settings.load_profile("default" if os.environ.get("TIER") == "full" else "same")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a hostile test wrote may be no UTF-8; a report leaves the process that ran it as UTF-8."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[Server]:
    async with run_server() as started:
        yield started


@pytest.fixture(scope="session")
async def template(server: Server) -> AsyncIterator[str]:
    async with server.clone() as made:
        await migrate.migrate(made.owner_dsn)
        yield made.name


@pytest.fixture
async def clone(server: Server, template: str) -> AsyncIterator[Database]:
    async with server.clone(template) as made:
        yield made


@pytest.fixture
async def database(clone: Database) -> AsyncIterator[Database]:
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        yield clone
    finally:
        await engine.stop()


@pytest.fixture(scope="module")
async def module_database(server: Server, template: str) -> AsyncIterator[Database]:
    async with server.clone(template) as made:
        await engine.start(made.app_dsn, role=made.app_role)
        try:
            yield made
        finally:
            await engine.stop()


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    from sons_tracker.app import create_app

    app = create_app(database.settings, connect=False)  # on the engine of this test, and nothing ticks
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as http:
        yield http
