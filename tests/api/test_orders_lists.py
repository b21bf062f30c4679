"""Lists of orders over HTTP: pages by key, filters, and only what is the actor's own."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import httpx
import pytest

from tests import factories_orders as make
from tests.api.http_orders import ORDERS, Offer, an_offer, client, post
from tests.databases import Database
from tests.factories import a_finess, an_account


@pytest.fixture(scope="module")
async def owner(module_database: Database) -> make.Everything:
    await make.prepare_instance()
    return make.Everything()


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(module_database) as made:
        yield made


async def _page(http: httpx.AsyncClient, offer: Offer, **query: object) -> dict[str, object]:
    answer = await http.get(ORDERS, params=query, headers=offer.editor.headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, object] = answer.json()
    return told


async def test_pages_give_each_order_once_newest_first(owner, http):
    offer = await an_offer(owner, 5)
    made = [
        (await post(http, ORDERS, offer.body(n, supplier_reference=f"R{i}"), offer.editor)).json()["id"]
        for i, n in enumerate(offer.numbers)
    ]
    seen, after = [], {}
    while True:
        page = await _page(http, offer, limit=2, **after)
        seen += [order["id"] for order in page["orders"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert sorted(seen) == sorted(made)
    assert len(page["orders"]) == 1


async def test_filters_narrow(owner, http):
    offer = await an_offer(owner, 3)
    one, two, three = offer.numbers
    await post(http, ORDERS, offer.body(one, supplier_reference="A 1"), offer.editor)
    await post(http, ORDERS, offer.body(two, signed_on="2022-07-01"), offer.editor)
    await post(http, ORDERS, offer.body(three, already_equipped=False), offer.editor)
    for query, expected in (
        ({"state": "submitted"}, 2),
        ({"state": "rejected"}, 1),
        ({"state": "dreamt"}, 0),
        ({"dispositif": "MS1-V1"}, 3),
        ({"dispositif": "MS2-V1"}, 0),
        ({"og": offer.og}, 3),
        ({"og": a_finess()}, 0),
        ({"essms": two}, 1),
        ({"signed_from": "2022-06-02"}, 1),
        ({"signed_to": "2022-06-01"}, 2),
        ({"signed_from": "2022-06-01", "signed_to": "2022-07-01"}, 3),
        ({"supplier_reference": "A 1"}, 1),
        ({"supplier_reference": "' or 1=1 --"}, 0),
    ):
        assert len((await _page(http, offer, **query))["orders"]) == expected, query


async def test_a_list_shows_only_what_is_the_actors_own(owner, http):
    offer = await an_offer(owner, 1)
    told = (await post(http, ORDERS, offer.body(), offer.editor)).json()
    other = await an_offer(owner, 1)
    assert (await _page(http, other))["orders"] == []
    assert (await _page(http, other, essms=offer.numbers[0], og=offer.og))["orders"] == []
    og = await an_account("og", finess_juridique=offer.og)
    seen = (await http.get(ORDERS, headers=og.headers)).json()["orders"]
    assert [order["id"] for order in seen] == [told["id"]]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("og=123", "?og"),
        ("essms=99000002X", "?essms"),
        ("signed_from=2022-13-01", "?signed_from"),
        ("after=x", "?after"),
        ("after=MjAyMy0wMy0wMVQxMDowMDowMC94", "?after"),  # an instant without offset, and no identifier
        ("state=", "?state"),
        ("autre=1", "?autre"),
    ],
)
async def test_a_wrong_filter_is_422_with_its_parameter(owner, http, query, where):
    offer = await an_offer(owner, 1)
    answer = await http.get(f"{ORDERS}?{query}", headers=offer.editor.headers)
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == [where]


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_forged_cursor_beyond_the_calendar_is_no_defect(owner, http, instant):

    offer = await an_offer(owner, 1)
    text = f"{instant}/00000000-0000-4000-8000-000000000000".encode()
    answer = await http.get(
        ORDERS, params={"after": base64.urlsafe_b64encode(text).decode()}, headers=offer.editor.headers
    )
    assert answer.status_code == 422
