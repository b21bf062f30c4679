"""A service whose law is not enacted decides nothing."""

from __future__ import annotations

from tests import factories_orders as make
from tests.api.http_orders import ORDERS, an_offer, client, post
from tests.databases import Database


async def test_an_order_is_not_decided_by_a_law_that_is_not_enacted(database: Database) -> None:
    everything = make.Everything()
    offer = await an_offer(everything, 1)
    async with client(database) as http:
        for path, body in ((ORDERS, offer.body()), (f"{ORDERS}/bulk", {"orders": [offer.body()]})):
            answer = await post(http, path, body, offer.editor)
            assert (answer.status_code, answer.json()["code"]) == (503, "law_not_enacted")
            assert answer.headers["retry-after"]
    assert await everything.fetchval("select count(*) from sons.purchase_order") == 0
