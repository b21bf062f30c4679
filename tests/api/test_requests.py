"""Requests, corrections and reviews over HTTP: who may, what is answered, what a refusal says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sons_tracker.app import create_app
from tests import factories_life as life
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import Account, an_account

owner = make.Everything()
ADVANCE = dict(life.CONTENT)


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    await make.prepare_instance()
    app = create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as client:
        yield client


async def post(
    http: httpx.AsyncClient, path: str, who: Account, body: Any, key: str | None = None
) -> httpx.Response:
    headers = {**who.headers, "Idempotency-Key": key or str(uuid4())}
    return await http.post(f"/api/v1/{path}", json=body, headers=headers)


async def actions(http: httpx.AsyncClient, order: life.Life, who: Account) -> dict[str, Any]:
    answer = await http.get(f"/api/v1/orders/{order.order_id}", headers=who.headers)
    return {action["code"]: action for action in answer.json()["actions"]}


async def test_an_advance_is_asked_read_and_validated(http: httpx.AsyncClient) -> None:
    order = await life.a_deposited_order(owner)
    asked = await post(http, f"orders/{order.order_id}/advance-request", order.editor, ADVANCE)
    assert asked.status_code == 201
    told = asked.json()
    assert (told["kind"], told["state"], told["state_label"]) == ("advance", "requested", "déposée")
    assert {verdict["rule"] for verdict in told["verdicts"]} == {"R11", "R12", "R15", "R20"}
    queue = (
        await http.get("/api/v1/requests?kind=advance&state=requested", headers=order.reviewer.headers)
    ).json()
    assert told["id"] in [request["id"] for request in queue["requests"]]
    assert (await actions(http, order, order.reviewer))["validate_advance"]["possible"]
    validated = await post(http, f"requests/{told['id']}/validation", order.reviewer, {})
    assert (validated.status_code, validated.json()["state"]) == (200, "validated")
    read = (await http.get(f"/api/v1/orders/{order.order_id}", headers=order.og.headers)).json()
    advance = next(payment for payment in read["payments"] if payment["kind"] == "advance")
    assert (read["state_label"], advance["state"], advance["due_ttc"]) == ("validée", "due", "1752.00")


async def test_a_refusal_says_why_and_what_repairs_and_the_same_key_is_told_the_same(
    http: httpx.AsyncClient,
) -> None:
    order = await life.with_advance_asked(await life.a_deposited_order(owner))
    path, key = f"orders/{order.order_id}/advance-request", str(uuid4())
    first = await post(http, path, order.editor, ADVANCE, key)
    assert first.status_code == 409
    problem = first.json()
    assert first.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "action_refused"
    assert problem["reasons"][0]["message"] == "Une demande d'avance existe déjà : elle est « déposée »."
    again = await post(http, path, order.editor, ADVANCE, key)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    action = (await actions(http, order, order.editor))["request_advance"]
    assert (action["possible"], action["reasons"]) == (False, problem["reasons"])


async def test_each_act_is_for_its_role_and_foreign_objects_are_unknown(http: httpx.AsyncClient) -> None:
    order = await life.with_advance_asked(await life.a_deposited_order(owner))
    rival = await an_account("editor")
    acts = {
        f"orders/{order.order_id}/advance-request": ({"editor", "distributor"}, ADVANCE),
        f"requests/{order.advance_id}/validation": ({"reviewer"}, {}),
        f"requests/{order.advance_id}/refusal": ({"reviewer"}, {"reason": "Illisible."}),
        f"orders/{order.order_id}/corrections": (
            {"reviewer"},
            {"about": "advance", "kind": "incomplete", "reason": "Il manque une page."},
        ),
        f"orders/{order.order_id}/corrections/answer": ({"editor", "distributor"}, {"answer": "Voici."}),
        f"orders/{order.order_id}/review": (
            {"reviewer"},
            {"settlements": [{"rule": "R38", "decision": "lifted", "reason": "Vu."}]},
        ),
        f"orders/{order.order_id}/advance-decision": ({"reviewer"}, {"keep": True, "reason": "Vu."}),
    }
    for path, (roles, body) in acts.items():
        for role in ("editor", "distributor", "og", "ars", "reviewer", "payer", "pilot", "admin"):
            if role not in roles:
                answer = await post(http, path, await an_account(role), body)
                assert answer.status_code == 403, (path, role)
        if "editor" in roles:
            foreign = await post(http, path, rival, body)
            unknown = await post(http, path.replace(str(order.order_id), str(uuid4())), rival, body)
            assert foreign.status_code == unknown.status_code == 404
            assert foreign.json()["detail"] == unknown.json()["detail"]
        if "reviewer" in roles:
            wrong = path.replace(str(order.order_id), str(uuid4())).replace(
                str(order.advance_id), str(uuid4())
            )
            assert (await post(http, wrong, order.reviewer, body)).status_code == 404
    assert (await http.get(f"/api/v1/requests/{order.advance_id}", headers=rival.headers)).status_code == 404
    assert (
        await http.get(f"/api/v1/requests/{order.advance_id}", headers=order.og.headers)
    ).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"signature": "seal"},
        {"signature": "electronic", "amount": "1.00"},
        {"signature": "electronic", "order_document_sha256": "zz"},
        {"signature": "electronic", "note": "a\u0000b"},
        [],
    ],
)
async def test_a_wrong_body_is_told_where_it_is_wrong(http: httpx.AsyncClient, body: Any) -> None:
    order = await life.a_deposited_order(owner)
    answer = await post(http, f"orders/{order.order_id}/advance-request", order.editor, body)
    assert answer.status_code in {400, 422}
    assert answer.json()["errors"][0]["path"].startswith("$")
    assert await life.the_requests(order) == ()


async def test_open_verdicts_are_settled_each_once(http: httpx.AsyncClient) -> None:
    order = await life.a_deposited_order(owner, dui_in_place=None)
    path = f"orders/{order.order_id}/review"
    lifted = {"rule": "R38", "decision": "lifted", "reason": "Constaté sur pièces."}
    for given in ([{**lifted, "rule": "R05"}], [lifted, lifted], [lifted, {**lifted, "rule": "R05"}]):
        answer = await post(http, path, order.reviewer, {"settlements": given})
        assert answer.status_code == 422, given
    answer = await post(http, path, order.reviewer, {"settlements": [lifted]})
    assert (answer.status_code, answer.json()["state_label"]) == (200, "déposée")
    again = await post(http, path, order.reviewer, {"settlements": [lifted]})
    assert again.status_code == 409
