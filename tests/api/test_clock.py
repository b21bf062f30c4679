"""The clock over HTTP: read by anyone, advanced by an administrator, in a sandbox only."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sons_tracker.api.contract import ROLES
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.clock import declare
from tests import factories_orders as make
from tests.api.http_orders import ORDERS, an_offer, post
from tests.factories import Account, an_account

CLOCK, ADVANCE = "/api/v1/clock", "/api/v1/clock/advance"


async def advance(http: httpx.AsyncClient, account: Account, to: object, key: str = "k") -> httpx.Response:
    headers = {**account.headers, "idempotency-key": key}
    return await http.post(ADVANCE, json={"to": to}, headers=headers)


async def test_the_clock_is_read_without_a_token(client: httpx.AsyncClient) -> None:
    await make.prepare_instance()
    answer = await client.get(CLOCK)
    assert (answer.status_code, answer.json()) == (
        200,
        {"mode": "sandbox", "at": "2023-03-01T10:00:00+01:00"},
    )


async def test_a_jump_tells_what_happened_and_is_replayed(client: httpx.AsyncClient) -> None:
    await make.prepare_instance()
    offer = await an_offer(make.Everything(), 1)
    order = (await post(client, ORDERS, offer.body(), offer.editor)).json()
    admin = await an_account("admin")
    answer = await advance(client, admin, "2023-10-02T00:00:00+02:00")
    assert answer.json()["events"] == []  # the reminder is due at that very instant, which is not over
    answer = await advance(client, admin, "2024-04-01T00:00:00+02:00", "other")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert (told["before"], told["after"]) == ("2023-10-02T00:00:00+02:00", "2024-04-01T00:00:00+02:00")
    reached = [one for one in told["events"] if "kind" in one["facts"]]
    assert [(one["at"], one["event"], one["facts"]["kind"]) for one in reached] == [
        ("2023-10-02T00:00:00+02:00", "deadline.reminder", "reminder"),
        ("2023-12-01T00:00:00+01:00", "deadline.reminder", "reminder"),
        ("2023-12-24T00:00:00+01:00", "deadline.reminder", "reminder"),
        ("2023-12-31T23:59:59+01:00", "deadline.reached", "fermeture"),
        ("2024-01-01T00:00:00+01:00", "deadline.reminder", "reminder"),
        ("2024-03-01T00:00:00+01:00", "deadline.reminder", "reminder"),
        ("2024-03-24T00:00:00+01:00", "deadline.reminder", "reminder"),
        ("2024-03-31T23:59:59+02:00", "deadline.reached", "cloture"),
    ]  # fmt: skip
    assert [one["event"] for one in told["events"]][-1] == "order.lapsed"
    assert {one["object_id"] for one in told["events"]} == {order["id"]}
    assert (told["total"], told["left_due"]) == (len(told["events"]), 0)
    again = await advance(client, admin, "2024-04-01T00:00:00+02:00", "other")
    assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")
    assert (await client.get(CLOCK)).json()["at"] == "2024-04-01T00:00:00+02:00"
    after = (await client.get(f"{ORDERS}/{order['id']}", headers=offer.editor.headers)).json()
    assert after["state"] == "lapsed"


@pytest.mark.parametrize(
    "to",
    [
        "2023-03-01T09:59:59+01:00",  # backwards
        "2033-03-02T10:00:00+01:00",  # more than ten years
        "9999-12-31T23:59:59-10:00",
        "2023-04-01T10:00:00",  # without offset
        "2023-04-01",
        "demain",
        "",
        None,
        1680000000,
        "2023-02-30T10:00:00+01:00",
    ],
)
async def test_an_instant_that_does_not_fit_is_named(client: httpx.AsyncClient, to: object) -> None:
    await make.prepare_instance()
    answer = await advance(client, await an_account("admin"), to)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text
    (fault,) = answer.json()["errors"]
    assert fault["path"].endswith("to")
    assert fault["message"]
    assert (await client.get(CLOCK)).json()["at"] == "2023-03-01T10:00:00+01:00"


async def test_only_an_administrator_advances_it(client: httpx.AsyncClient) -> None:
    await make.prepare_instance()
    for role in sorted(ROLES - {"admin"}):
        answer = await advance(client, await an_account(role), "2023-04-01T10:00:00+02:00")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await client.post(ADVANCE, json={})).status_code == 401


async def test_the_clock_of_a_real_instance_is_the_machines(client: httpx.AsyncClient) -> None:
    await declare(LOCAL_ADMIN, "real")
    admin = await an_account("admin")
    assert (await client.get(CLOCK)).json()["mode"] == "real"
    answer = await advance(client, admin, "2100-01-01T00:00:00+01:00")
    assert (answer.status_code, answer.json()["code"]) == (409, "action_refused")
    assert "démonstration" in answer.json()["reasons"][0]["message"]
    owner = make.Everything()
    assert await owner.fetchval("select count(*) from journal where action = 'instance.advance_refused'") == 1
