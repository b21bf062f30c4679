"""Webhooks and notices over HTTP: whose they are, what is shown once, what is malformed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sons_tracker.delivery import relay
from sons_tracker.operations.notices import EVENTS
from tests.databases import Database
from tests.factories import Account, an_account
from tests.factories_outbox import announced, sending
from tests.faults.receiver import receiving

HOOKS, NOTICES = "/api/v1/webhooks", "/api/v1/notices"
HOOK = {"url": "https://editeur.example/sons", "events": ["*"]}


async def post(
    client: httpx.AsyncClient, account: Account, path: str, body: Any = None, key: str = "k"
) -> httpx.Response:
    given = {} if body is None else {"json": body}
    return await client.post(path, headers={**account.headers, "Idempotency-Key": key}, **given)


async def test_a_webhook_lives_from_its_registration_to_its_end(client: httpx.AsyncClient) -> None:
    editor = await an_account("editor")
    made = await post(client, editor, HOOKS, HOOK, "1")
    assert made.status_code == 201
    hook = made.json()
    secret = hook.pop("secret")
    assert secret.startswith("whsec_")
    assert hook["events"] == ["*"]
    assert (hook["secrets"], hook["waiting"], hook["dead"], hook["disabled_at"]) == (1, 0, 0, None)
    again = await post(client, editor, HOOKS, HOOK, "1")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == {**hook, "secret": None}, "the secret is shown once"
    one = f"{HOOKS}/{hook['id']}"
    turned = await post(client, editor, f"{one}/rotate", {}, "2")
    assert (turned.status_code, turned.json()["secrets"]) == (200, 2)
    assert turned.json()["secret"] != secret
    assert (await post(client, editor, f"{one}/ping", key="3")).json()["waiting"] == 1
    listed = (await client.get(HOOKS, headers=editor.headers)).json()["webhooks"]
    assert [(one["id"], one["secret"], one["waiting"]) for one in listed] == [(hook["id"], None, 1)]
    sent = (await client.get(f"{one}/deliveries", headers=editor.headers)).json()
    assert [(one["event"], one["state"], one["attempts"]) for one in sent["deliveries"]] == [
        ("webhook.ping", "waiting", 0)
    ]
    ended = await post(client, editor, f"{one}/disable", key="4")
    assert ended.json()["disabled_reason"] == "asked"
    refused = await post(client, editor, f"{one}/disable", key="5")
    assert (refused.status_code, refused.json()["code"]) == (409, "action_refused")
    assert refused.json()["reasons"][0]["remedy"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({**HOOK, "url": "http://editeur.example/sons"}, "$.url"),
        ({**HOOK, "url": "https://localhost/"}, "$.url"),
        ({**HOOK, "url": "https://169.254.169.254/latest"}, "$.url"),
        ({**HOOK, "url": "https://[::ffff:127.0.0.1]/"}, "$.url"),
        ({**HOOK, "url": "https://editeur.example:22/"}, "$.url"),
        ({**HOOK, "url": "https://u:p@editeur.example/"}, "$.url"),
        ({**HOOK, "url": "pas une adresse"}, "$.url"),
        ({**HOOK, "url": "https://a.fr/" + "x" * 500}, "$.url"),
        ({**HOOK, "events": []}, "$.events"),
        ({**HOOK, "events": ["order.dreamt"]}, "$.events[0]"),
        ({**HOOK, "secret": "whsec_mine"}, "$.secret"),
        ({"url": HOOK["url"]}, "$.events"),
    ],
)
async def test_what_is_malformed_is_said_where(
    client: httpx.AsyncClient, body: dict[str, Any], where: str
) -> None:
    answer = await post(client, await an_account("editor"), HOOKS, body)
    assert answer.status_code == 422, answer.text
    assert where in [fault["path"] for fault in answer.json()["errors"]]


@pytest.mark.parametrize("hours", [-1, 169, "24"])
async def test_an_overlap_is_a_number_of_hours(client: httpx.AsyncClient, hours: object) -> None:
    editor = await an_account("editor")
    hook = (await post(client, editor, HOOKS, HOOK)).json()
    answer = await post(client, editor, f"{HOOKS}/{hook['id']}/rotate", {"overlap_hours": hours}, "2")
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"since": "2023-03-01T00:00:00+01:00"},
        {"since": "2023-03-01T00:00:00", "until": "2023-03-02T00:00:00"},
        {"since": "2023-02-31T00:00:00Z", "until": "2023-03-02T00:00:00Z"},
        {"event_id": "x"},
    ],
)
async def test_a_replay_says_what(client: httpx.AsyncClient, body: dict[str, str]) -> None:
    editor = await an_account("editor")
    hook = (await post(client, editor, HOOKS, HOOK)).json()
    answer = await post(client, editor, f"{HOOKS}/{hook['id']}/replay", body, "2")
    assert answer.status_code == 422, answer.text


async def test_a_foreign_and_an_unknown_webhook_answer_the_same(client: httpx.AsyncClient) -> None:
    editor, other = await an_account("editor"), await an_account("editor")
    hook = (await post(client, editor, HOOKS, HOOK)).json()["id"]
    unknown = "00000000-0000-4000-8000-000000000001"
    period = {"since": "2023-03-01T00:00:00Z", "until": "2023-03-02T00:00:00Z"}
    for act, body in (("rotate", {}), ("ping", None), ("disable", None), ("replay", period)):
        answers = [
            await post(client, other, f"{HOOKS}/{name}/{act}", body, f"{act}-{name[:20]}")
            for name in (hook, unknown, "pas-un-uuid")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.text for answer in answers}) == 1
    for name in (hook, unknown):
        assert (await client.get(f"{HOOKS}/{name}/deliveries", headers=other.headers)).status_code == 404
    assert (await client.get(HOOKS, headers=other.headers)).json() == {"webhooks": []}


async def test_notices_are_read_page_by_page_and_played_again(
    client: httpx.AsyncClient, database: Database
) -> None:
    og = await an_account("og")
    for turn in range(3):
        await announced(
            og.actor, event="recovery.opened", facts={"order_number": f"BC-{turn}", "amount_ttc_cents": 5}
        )
    first = (await client.get(NOTICES, params={"limit": 2}, headers=og.headers)).json()
    assert [notice["facts"] for notice in first["notices"]] == [
        {"order_number": f"BC-{turn}", "amount_ttc": "0.05"} for turn in range(2)
    ]
    assert first["notices"][0]["label"] == EVENTS["recovery.opened"].label
    assert first["notices"][0]["at"] == "2023-03-01T10:00:00+01:00"
    rest = (await client.get(NOTICES, params={"after": first["next"]}, headers=og.headers)).json()
    assert [notice["facts"]["order_number"] for notice in rest["notices"]] == ["BC-2"]
    nothing = (await client.get(NOTICES, params={"after": rest["next"]}, headers=og.headers)).json()
    assert nothing == {"notices": [], "next": rest["next"]}

    again = f"{NOTICES}/{first['notices'][0]['id']}/replay"
    assert (await post(client, og, again, key="1")).status_code == 409, "it has no way"
    async with receiving() as receiver:
        client_settings = sending(database.settings)
        client._transport.app.state.settings = client_settings  # type: ignore[attr-defined]
        assert (await post(client, og, HOOKS, {**HOOK, "url": receiver.url}, "2")).status_code == 201
        assert (await post(client, og, again, key="3")).json() == {"deliveries": 1}
        assert await relay.deliver_once(client_settings) == {"delivered": 1}
        assert receiver.requests[0].headers["webhook-id"] == first["notices"][0]["id"]
    assert (await post(client, await an_account("og"), again, key="4")).status_code == 404


async def test_the_list_of_events_is_public_and_whole(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/events")
    assert [event["event"] for event in answer.json()["events"]] == sorted(EVENTS)


@pytest.mark.parametrize(
    "query", [{"after": "-1"}, {"after": "x"}, {"limit": "0"}, {"limit": "201"}, {"x": "1"}]
)
async def test_a_query_has_bounds(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    og = await an_account("og")
    assert (await client.get(NOTICES, params=query, headers=og.headers)).status_code == 422


async def test_each_act_needs_its_key(client: httpx.AsyncClient) -> None:
    editor = await an_account("editor")
    answer = await client.post(HOOKS, json=HOOK, headers=editor.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
