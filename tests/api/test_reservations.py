"""Reservations over HTTP: who may, what each party reads, what a refusal says, the kept answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sons_tracker.app import create_app
from tests import factories_orders as make
from tests import factories_reservations as reservations
from tests.databases import Database
from tests.factories import Account, an_account
from tests.factories_reservations import Ground

RESERVATIONS = "/api/v1/reservations"
owner = make.Everything()


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    await make.prepare_instance()
    app = create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as client:
        yield client


def body_of(ground: Ground, *numbers: str) -> dict[str, Any]:
    asked = ground.asked(*numbers)
    return {
        "dispositif": asked.dispositif,
        "og": str(asked.og),
        "essms": list(asked.essms),
        "solution_version": asked.solution_version,
    }


async def post(
    http: httpx.AsyncClient, path: str, who: Account, body: Any = None, key: str | None = None
) -> httpx.Response:
    headers = {**who.headers, "Idempotency-Key": key or str(uuid4())}
    return await http.post(path, headers=headers, **({} if body is None else {"json": body}))


async def read(http: httpx.AsyncClient, path: str, who: Account) -> httpx.Response:
    return await http.get(path, headers=who.headers)


async def test_made_read_by_its_parties_converted_and_dropped(http: httpx.AsyncClient) -> None:
    ground = await reservations.a_ground(owner, 2)
    made = await post(http, RESERVATIONS, ground.editor, body_of(ground))
    assert made.status_code == 201, made.text
    body = made.json()
    assert (body["state"], body["state_label"], body["held"]) == ("active", "en cours", 2)
    assert body["expires_at"] == "2023-03-16T23:59:59+01:00"
    assert {one["code"]: one["possible"] for one in body["actions"]} == {"renew": False, "drop": True}

    path = f"{RESERVATIONS}/{body['id']}"
    og, reviewer = await an_account("og", finess_juridique=ground.og), await an_account("reviewer")
    for who in (og, reviewer):
        seen = (await read(http, path, who)).json()
        assert (seen["number"], seen["actions"]) == (body["number"], [])
    stranger = await an_account("editor")
    assert (await read(http, path, stranger)).status_code == 404
    assert (await read(http, f"{RESERVATIONS}/{uuid4()}", stranger)).status_code == 404
    essms = f"/api/v1/essms/{ground.essms[0]}"
    for who in (ground.editor, og, stranger):
        assert (await read(http, essms, who)).json()["financing"] == {"V1": "reserved"}

    order = {
        "dispositif": "MS1-V1",
        "og": str(ground.og),
        "essms": [ground.essms[0]],
        "solution_version": ground.solution.version,
        "signed_on": "2023-03-01",
        "already_equipped": True,
        "dui_in_place": ground.solution.solution,
    }
    simulated = (await post(http, "/api/v1/simulations", ground.editor, order)).json()
    [r05] = [v for v in simulated["verdicts"] if v["rule"] == "R05"]
    assert (r05["outcome"], body["number"] in r05["message"]) == ("pass", True)
    deposited = await post(http, "/api/v1/orders", ground.editor, order)
    assert deposited.status_code == 201, deposited.text
    seen = (await read(http, path, og)).json()
    assert seen["essms"] == [
        {"finess": ground.essms[0], "state": "ordered", "order_number": deposited.json()["number"]},
        {"finess": ground.essms[1], "state": "reserved", "order_number": None},
    ]
    dropped = await post(http, f"{path}/drop", ground.editor)
    assert (dropped.status_code, dropped.json()["state_label"]) == (200, "levée")
    again = await post(http, f"{path}/drop", ground.editor)
    assert again.status_code == 409
    assert again.json()["reasons"][0]["message"] == "Cette réservation est levée."


async def test_a_rival_learns_that_it_is_engaged_and_never_by_whom(http: httpx.AsyncClient) -> None:
    ground = await reservations.a_ground(owner, 1)
    made = (await post(http, RESERVATIONS, ground.editor, body_of(ground))).json()
    rival = await reservations.a_rival(owner, ground)
    refused = await post(http, RESERVATIONS, rival.editor, body_of(rival))
    assert refused.status_code == 409
    [reason] = refused.json()["reasons"]
    assert reason["rule"] == "R05"
    for secret in (made["number"], made["id"], ground.solution.solution, str(ground.editor.siren)):
        assert secret not in refused.text
    listed = (await read(http, RESERVATIONS, rival.editor)).json()
    assert listed == {"reservations": [], "next": None}


async def test_the_same_request_has_the_same_answer_and_one_effect(http: httpx.AsyncClient) -> None:
    ground = await reservations.a_ground(owner, 1)
    first = await post(http, RESERVATIONS, ground.editor, body_of(ground), "cle-1")
    twin = await post(http, RESERVATIONS, ground.editor, body_of(ground), "cle-1")
    assert (twin.status_code, twin.content) == (201, first.content)
    assert twin.headers["idempotent-replayed"] == "true"
    other = await post(
        http, RESERVATIONS, ground.editor, {**body_of(ground), "dispositif": "MS2-V1"}, "cle-1"
    )
    assert other.status_code == 422
    assert len((await read(http, RESERVATIONS, ground.editor)).json()["reservations"]) == 1


async def test_pages_and_filters(http: httpx.AsyncClient) -> None:
    ground = await reservations.a_ground(owner, 3)
    made = [(await post(http, RESERVATIONS, ground.editor, body_of(ground, n))).json() for n in ground.essms]
    await post(http, f"{RESERVATIONS}/{made[1]['id']}/drop", ground.editor)
    seen: list[str] = []
    path: str | None = f"{RESERVATIONS}?limit=2"
    while path:
        page = (await read(http, path, ground.editor)).json()
        seen += [one["number"] for one in page["reservations"]]
        path = f"{RESERVATIONS}?limit=2&after={page['next']}" if page["next"] else None
    assert sorted(seen) == sorted(one["number"] for one in made)
    for narrowed, expected in (
        ("state=dropped", [made[1]["id"]]),
        (f"essms={ground.essms[2]}", [made[2]["id"]]),
        ("og=990000010", []),
    ):
        page = (await read(http, f"{RESERVATIONS}?{narrowed}", ground.editor)).json()
        assert [one["id"] for one in page["reservations"]] == expected


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"essms": []}, "$.essms"),
        ({"essms": ["990000029"]}, "$.essms[0]"),
        ({"og": "990000011"}, "$.og"),
        ({"dispositif": "MS9-V1"}, "$.dispositif"),
        ({"signed_on": "2023-03-01"}, "$.signed_on"),
    ],
)
async def test_what_is_malformed_is_told_with_its_place(
    http: httpx.AsyncClient, changes: dict[str, Any], where: str
) -> None:
    ground = await reservations.a_ground(owner, 1)
    answer = await post(http, RESERVATIONS, ground.editor, {**body_of(ground), **changes})
    assert answer.status_code == 422
    assert where in {fault["path"] for fault in answer.json()["errors"]}
