"""The application with the probe's routes, with and without a database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api import probe
from tests.databases import Database


@pytest.fixture
async def plain(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client on an application without a database: what must be answered before any query."""
    async with probe.http(probe.make_app(monkeypatch)) as client:
        yield client


@pytest.fixture
async def probed(monkeypatch: pytest.MonkeyPatch, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """The same on a migrated database."""
    async with probe.http(probe.make_app(monkeypatch)) as client:
        yield client
