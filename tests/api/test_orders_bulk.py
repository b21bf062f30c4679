"""Orders in number: each line decided for itself, told in order, never twice."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from sons_tracker.operations import orders
from tests import factories_orders as make
from tests.api.http_orders import BULK, ORDERS, an_offer, client, key, post
from tests.databases import Database

FULL = os.environ.get("TIER") == "full"
MANY = 1_000 if FULL else 300


@pytest.fixture(scope="module")
async def owner(module_database: Database) -> make.Everything:
    await make.prepare_instance()
    return make.Everything()


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(module_database) as made:
        yield made


async def deposited(owner: make.Everything, supplier: object) -> int:
    count = "select count(*) from sons.purchase_order where supplier_id = $1"
    return int(await owner.fetchval(count, supplier))


async def test_each_line_has_its_own_fate_in_order(owner, http):
    offer = await an_offer(owner, 3)
    one, two, _ = offer.numbers
    lines = [
        offer.body(one),
        {"dispositif": "MS1-V1", "essms": ["1"], "n": 10**30},
        offer.body(one),
        "pas une commande",
        None,
        offer.body(two, signed_on="2023-03-02"),
        offer.body(two, dispositif="MS9-V9"),
        offer.body(two),
    ]
    answer = await post(http, BULK, {"orders": lines}, offer.editor)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [r["line"] for r in told["results"]] == list(range(1, 9))
    assert [r["status"] for r in told["results"]] == [201, 422, 409, 422, 422, 422, 422, 201]
    assert (told["deposited"], told["refused"], told["malformed"]) == (2, 1, 5)
    assert told["results"][0]["order"]["ordered"] == 1
    assert {e["path"] for e in told["results"][1]["problem"]["errors"]} >= {"$.og", "$.essms[0]", "$.n"}
    refused = told["results"][2]["problem"]
    assert refused["order"]["state"] == "rejected"
    assert "R05" in {v["rule"] for v in refused["verdicts"] if v["outcome"] == "fail"}
    assert told["results"][5]["problem"]["errors"][0]["path"] == "$.signed_on"
    assert await deposited(owner, offer.editor.actor.organisation_id) == 3


@pytest.mark.parametrize("count", [0, 1_001])
async def test_from_one_to_a_thousand_orders(owner, http, count):
    offer = await an_offer(owner, 1)
    answer = await post(http, BULK, {"orders": [{}] * count}, offer.editor)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "$.orders")


async def test_a_thousand_orders_in_one_body(owner, http):
    offer = await an_offer(owner, MANY)
    lines = [offer.body(number) for number in offer.numbers]
    answer = await post(http, BULK, {"orders": lines}, offer.editor)
    assert answer.json()["deposited"] == MANY
    assert await deposited(owner, offer.editor.actor.organisation_id) == MANY


async def test_an_interrupted_bulk_goes_on_under_its_key(owner, http, monkeypatch):
    offer = await an_offer(owner, 6)
    lines, name = [offer.body(number) for number in offer.numbers], key()
    submit, seen = orders.submit, 0

    async def breaks(*arguments: object) -> object:
        nonlocal seen
        seen += 1
        if seen == 4:
            raise asyncpg.ConnectionDoesNotExistError("cut")
        return await submit(*arguments)

    monkeypatch.setattr(orders, "submit", breaks)
    cut = await post(http, BULK, {"orders": lines}, offer.editor, name)
    assert (cut.status_code, cut.json()["code"]) == (503, "unavailable")
    assert await deposited(owner, offer.editor.actor.organisation_id) == 3
    monkeypatch.undo()
    first = await post(http, BULK, {"orders": lines}, offer.editor, name)
    again = await post(http, BULK, {"orders": lines}, offer.editor, name)
    assert first.json()["deposited"] == 6
    assert again.content == first.content
    assert await deposited(owner, offer.editor.actor.organisation_id) == 6


async def test_a_key_of_a_bulk_serves_one_body(owner, http):
    offer = await an_offer(owner, 3)
    lines, name = [offer.body(number) for number in offer.numbers], key()
    assert (await post(http, BULK, {"orders": lines[:2]}, offer.editor, name)).json()["deposited"] == 2
    for other in (lines, lines[:1], lines[1::-1]):
        answer = await post(http, BULK, {"orders": other}, offer.editor, name)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert (await post(http, ORDERS, lines[0], offer.editor, name)).status_code == 422
    assert await deposited(owner, offer.editor.actor.organisation_id) == 2


async def test_the_same_bulk_twice_at_once_deposits_once(owner, http):
    offer = await an_offer(owner, 10)
    lines, name = [offer.body(number) for number in offer.numbers], key()
    answers = await asyncio.gather(
        *(post(http, BULK, {"orders": lines}, offer.editor, name) for _ in range(3))
    )
    assert {a.status_code for a in answers} == {200}
    assert len({a.content for a in answers}) == 1
    assert await deposited(owner, offer.editor.actor.organisation_id) == 10
