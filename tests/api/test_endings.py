"""Cancellations and amendments over HTTP: who may, what is shown, what a refusal says, the kept answers."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sons_tracker.app import create_app
from sons_tracker.rules.declarations import AMENDMENT_CONSENT, RENUNCIATION_CONSENT, STATEMENT_CONSENT
from tests import factories_life as life
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import Account, an_account

owner = make.Everything()
SIGNER = {"signer_name": "Dominique Fictif", "signer_function": "Directeur général"}
STATEMENT = {"text": "Déposée par erreur.\nRien n'a été réalisé.", "consent": STATEMENT_CONSENT, **SIGNER}


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    await make.prepare_instance()
    app = create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test/api/v1/orders/") as client:
        yield client


async def post(
    http: httpx.AsyncClient, path: str, who: Account, body: Any = None, key: str | None = None
) -> httpx.Response:
    headers = {**who.headers, "Idempotency-Key": key or str(uuid4())}
    content = {} if body is None else {"json": body}
    return await http.post(path, headers=headers, **content)


async def read(http: httpx.AsyncClient, path: str, who: Account) -> httpx.Response:
    return await http.get(path, headers=who.headers)


def signed(sha256: str, consent: str = RENUNCIATION_CONSENT) -> dict[str, str]:
    return {"document_sha256": sha256, "consent": consent, **SIGNER}


def possible(body: dict[str, Any]) -> set[str]:
    return {action["code"] for action in body["actions"] if action["possible"]}


async def test_a_change_of_editor_step_by_step(http: httpx.AsyncClient) -> None:
    order = await life.a_deposited_order(owner, 2)
    path = f"{order.order_id}/cancellation"
    asked = await post(http, path, order.editor, {"motive": "change_of_editor", "statement": STATEMENT})
    assert asked.status_code == 201, asked.text
    body = asked.json()
    assert (body["state"], body["state_label"], body["motive_label"]) == (
        "open", "en attente de pièces", "changement d'éditeur",
    )  # fmt: skip
    assert (body["waits_for"], body["consent"]) == (["renunciation"], RENUNCIATION_CONSENT)
    shown = await read(http, f"{path}/attestation", order.og)
    assert shown.headers["content-type"].startswith("text/plain")
    assert shown.text == body["document"]
    digest = hashlib.sha256(shown.content)
    expected = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert shown.headers["repr-digest"] == expected
    assert digest.hexdigest() == body["document_sha256"]
    assert possible((await read(http, path, order.og)).json()) == {
        "attest_cancellation", "decline_cancellation",
    }  # fmt: skip
    key = str(uuid4())
    done = await post(http, f"{path}/attestation", order.og, signed(digest.hexdigest()), key)
    assert (done.status_code, done.json()["state"]) == (200, "carried_out")
    assert [piece["kind"] for piece in done.json()["pieces"]] == ["renunciation", "statement"]
    again = await post(http, f"{path}/attestation", order.og, signed(digest.hexdigest()), key)
    assert (again.content, again.headers["idempotent-replayed"]) == (done.content, "true")
    order_now = (await read(http, str(order.order_id), order.editor)).json()
    assert order_now["state"] == "cancelled"


async def test_a_refusal_says_why_and_what_repairs(http: httpx.AsyncClient) -> None:
    order = await life.a_deposited_order(owner, 1)
    path = f"{order.order_id}/cancellation"
    early = await post(http, f"{path}/attestation", order.og, signed("ab" * 32))
    assert early.status_code == 409
    assert early.headers["content-type"].startswith("application/problem+json")
    problem = early.json()
    assert problem["code"] == "action_refused"
    assert problem["reasons"][0]["remedy"] == "Demander d'abord l'annulation, avec son motif."
    for who in (order.editor, order.og, order.reviewer):
        assert (await read(http, path, who)).status_code == 404
    listed = await read(http, f"{path}s", order.og)
    assert (listed.status_code, listed.json()) == (200, {"cancellations": []})
    await post(http, path, order.editor, {"motive": "supplier_error", "statement": STATEMENT})
    none = await read(http, f"{path}/attestation", order.og)
    assert (none.status_code, none.json()["code"]) == (404, "not_found")
    twice = await post(http, path, order.editor, {"motive": "supplier_error", "statement": STATEMENT})
    assert twice.status_code == 409
    assert "« annulée »" in twice.json()["detail"]


async def test_the_og_renounces_the_supplier_answers_each_takes_back_its_own(http: httpx.AsyncClient) -> None:
    order = await life.a_deposited_order(owner, 1)
    path = f"{order.order_id}/cancellation"
    asked = await post(http, path, order.og, {"motive": "renunciation", "for_acquisition": False})
    assert asked.json()["answer_due_at"] == "2023-03-15T23:59:59+01:00"
    assert (await post(http, f"{path}/drop", order.editor)).status_code == 409
    dropped = await post(http, f"{path}/drop", order.og)
    assert (dropped.status_code, dropped.json()["state"]) == (200, "dropped")
    await post(http, path, order.editor, {"motive": "agreement", "statement": STATEMENT})
    refused = await post(http, f"{path}/refusal", order.og, {"reason": "Attendue."})
    assert (refused.json()["state"], refused.json()["reason"]) == ("refused", "Attendue.")
    asked = await post(http, path, order.og, {"motive": "renunciation", "for_acquisition": False})
    await post(http, f"{path}/attestation", order.og, signed(asked.json()["document_sha256"]))
    early = await post(
        http, f"{path}/settlement", order.reviewer, {"decision": "carry_out", "reason": "Silence."}
    )
    assert "15 mars 2023" in early.json()["detail"]
    done = await post(http, f"{path}/statement", order.editor, STATEMENT)
    assert (done.status_code, done.json()["state"]) == (200, "carried_out")
    history = (await read(http, f"{path}s", order.reviewer)).json()["cancellations"]
    assert [(one["number"], one["state"]) for one in history] == [
        (3, "carried_out"), (2, "refused"), (1, "dropped"),
    ]  # fmt: skip


async def test_an_amendment_step_by_step(http: httpx.AsyncClient) -> None:
    order = await life.a_deposited_order(owner, 3)
    path = f"{order.order_id}/amendments"
    first, second, _ = (str(number) for number in order.essms)
    proposed = await post(http, path, order.editor, {"remove": [first], **SIGNER})
    assert proposed.status_code == 201, proposed.text
    body = proposed.json()
    assert (body["state"], body["removed"], body["number"]) == ("proposed", [first], 1)
    assert hashlib.sha256(body["document"].encode()).hexdigest() == body["document_sha256"]
    one = f"{path}/{body['id']}"
    assert possible((await read(http, one, order.og)).json()) == {"agree_amendment", "refuse_amendment"}
    assert possible((await read(http, one, order.editor)).json()) == {"withdraw_amendment"}
    refused = await post(http, f"{one}/refusal", order.og, {"reason": "Nous le gardons."})
    assert refused.json()["refusal"] == "Nous le gardons."
    proposed = await post(http, path, order.og, {"remove": [second], **SIGNER})
    await post(http, f"{path}/{proposed.json()['id']}/withdrawal", order.og)
    proposed = (await post(http, path, order.og, {"remove": [second], **SIGNER})).json()
    agreed = await post(
        http, f"{path}/{proposed['id']}/agreement", order.editor,
        signed(proposed["document_sha256"], AMENDMENT_CONSENT),
    )  # fmt: skip
    assert (agreed.status_code, agreed.json()["state"], agreed.json()["number"]) == (200, "agreed", 3)
    history = (await read(http, path, order.reviewer)).json()["amendments"]
    assert [view["state"] for view in history] == ["agreed", "withdrawn", "refused"]
    more = await post(http, path, order.editor, {"remove": [second, "990000028"], **SIGNER})
    assert more.status_code == 409
    remedies = [reason["remedy"] for reason in more.json()["reasons"]]
    assert remedies == [
        "Pour ajouter un ESSMS, déposer une nouvelle commande.",
        "Ôter ces numéros de l'avenant.",
    ]


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("cancellation", {"motive": "bored", "statement": STATEMENT}, "$.motive"),
        ("cancellation", {"motive": "agreement"}, "$.statement"),
        (
            "cancellation",
            {"motive": "agreement", "statement": {**STATEMENT, "text": " \n "}},
            "$.statement.text",
        ),
        (
            "cancellation",
            {"motive": "agreement", "statement": {**STATEMENT, "text": "a\u0007b"}},
            "$.statement.text",
        ),
        (
            "cancellation",
            {"motive": "agreement", "statement": {**STATEMENT, "consent": "Oui."}},
            "$.statement.consent",
        ),
        ("cancellation", {"motive": "agreement", "state": "carried_out"}, "$.state"),
        ("amendments", {"remove": [], **SIGNER}, "$.remove"),
        ("amendments", {"remove": ["990000028", "12"], **SIGNER}, "$.remove[1]"),
        ("amendments", {"remove": ["990000028"]}, "$.signer_name"),
    ],
)
async def test_what_is_malformed_names_its_place(
    http: httpx.AsyncClient, path: str, body: dict[str, Any], where: str
) -> None:
    order = await life.a_deposited_order(owner, 1)
    answer = await post(http, f"{order.order_id}/{path}", order.editor, body)
    assert answer.status_code == 422, answer.text
    assert where in {fault["path"] for fault in answer.json()["errors"]}


SIDES = {"editor", "distributor", "og"}
ROUTES = [
    ("POST", "cancellation", {"motive": "renunciation"}, SIDES),
    ("POST", "cancellation/attestation", signed("ab" * 32), {"og"}),
    ("POST", "cancellation/statement", STATEMENT, {"editor", "distributor"}),
    ("POST", "cancellation/refusal", {"reason": "x"}, {"og"}),
    ("POST", "cancellation/drop", None, SIDES),
    ("POST", "cancellation/settlement", {"decision": "refuse", "reason": "x"}, {"reviewer"}),
    ("POST", "amendments", {"remove": ["990000028"], **SIGNER}, SIDES),
    ("POST", "amendments/{}/agreement", signed("ab" * 32, AMENDMENT_CONSENT), SIDES),
    ("POST", "amendments/{}/refusal", {"reason": "x"}, SIDES),
    ("POST", "amendments/{}/withdrawal", None, SIDES),
    ("GET", "cancellation", None, None),
    ("GET", "cancellations", None, None),
    ("GET", "cancellation/attestation", None, None),
    ("GET", "amendments", None, None),
    ("GET", "amendments/{}", None, None),
]  # fmt: skip
READERS = {"editor", "distributor", "og", "reviewer", "payer", "pilot", "admin"}


@pytest.mark.parametrize(
    ("method", "path", "body", "roles"), ROUTES, ids=[f"{method} {path}" for method, path, _, _ in ROUTES]
)
async def test_the_matrix_of_roles_on_an_order_of_others(
    http: httpx.AsyncClient, method: str, path: str, body: Any, roles: set[str] | None
) -> None:
    order = await life.a_deposited_order(owner, 1)
    for order_id in (str(order.order_id), str(uuid4()), "not-an-identifier"):
        address = f"{order_id}/{path.format(uuid4())}"
        for role in (*sorted(READERS), "ars"):
            who = await an_account(role)
            if method == "GET":
                answer = await read(http, address, who)
            else:
                answer = await post(http, address, who, _for(role, path, body))
            allowed = role in (READERS if roles is None else roles)
            sees = role in {"reviewer", "payer", "pilot", "admin"} and order_id == str(order.order_id)
            expected = {200, 404, 409} if allowed and sees else {404} if allowed else {403}
            assert answer.status_code in expected, (role, order_id, answer.text)
        anonymous = await http.request(method, address, json=body, headers={"Idempotency-Key": "x"})
        assert anonymous.status_code == 401


def _for(role: str, path: str, body: Any) -> Any:
    """The body that this role may send."""
    if path == "cancellation" and role in {"editor", "distributor"}:
        return {**body, "statement": STATEMENT}
    return body
