"""The table of rights over HTTP and in the published document: what is told is what is applied."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from sons_tracker import app as application
from sons_tracker.rules.rights import REACH_WORDS, RIGHTS, ROLES
from tests.api import probe
from tests.databases import Database


@pytest.fixture
async def served() -> AsyncIterator[httpx.AsyncClient]:
    """The application as it is, without a database: the table needs none."""
    settings = Database("", "", "", None, "").settings
    async with probe.http(application.create_app(settings, connect=False)) as client:
        yield client


async def test_everyone_reads_the_table_that_is_applied(served: httpx.AsyncClient) -> None:
    answer = await served.get("/api/v1/rights")
    told = answer.json()
    assert answer.status_code == 200
    assert [role["code"] for role in told["roles"]] == list(ROLES)
    assert {one["code"]: one["label"] for one in told["reaches"]} == REACH_WORDS
    assert {one["action"]: one["reaches"] for one in told["rights"]} == {
        action: right.reaches for action, right in RIGHTS.items()
    }
    [signing] = [one for one in told["rights"] if one["action"] == "va.sign"]
    assert signing == {
        "action": "va.sign",
        "label": "Signer la VA",
        "section": "L'avance, la VA et le solde",
        "reaches": {"og": "party"},
    }


async def test_the_document_names_the_action_of_each_operation(served: httpx.AsyncClient) -> None:
    document = (await served.get("/openapi.json")).json()
    named = {
        f"{method} {path}": operation["x-action"]
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert set(named.values()) <= set(RIGHTS)
    assert named["post /api/v1/orders/{order_id}/va/signature"] == "va.sign"
