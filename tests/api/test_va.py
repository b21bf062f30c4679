"""The VA and the solde over HTTP: who may, what is shown, what a refusal says."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sons_tracker.app import create_app
from sons_tracker.rules.va_statement import VA_CONSENT
from tests import factories_life as life
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.databases import Database
from tests.factories import Account, an_account

owner = make.Everything()


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
    return await http.post(f"/api/v1/orders/{path}", json=body, headers=headers)


def a_va(*essms: str, **changes: Any) -> dict[str, Any]:
    """The body of a whole VA, each line but for what `changes` says."""
    line = {
        "dui_deployed": True, "tbb1_supplied": True, "accompanied": 60, "active": 56, "with_project": 50,
        "with_event": 54, **changes,
    }  # fmt: skip
    return {"lines": [{"finess": str(number), **line} for number in essms]}


def a_signature(shown: str, **changes: Any) -> dict[str, Any]:
    return {
        "statement_sha256": shown, "consent": VA_CONSENT, "signer_name": solde.SIGNER.name,
        "signer_function": "Directrice générale", **changes,
    }  # fmt: skip


async def an_order() -> life.Life:
    """A validated order, its advance paid at the business instant of the sandbox."""
    return await solde.a_paid_advance(owner, 2)


async def test_from_the_va_to_the_due_solde(http: httpx.AsyncClient) -> None:
    order = await an_order()
    prepared = await post(http, f"{order.order_id}/va", order.editor, a_va(*order.essms))
    assert prepared.status_code == 201, prepared.text
    told = prepared.json()
    assert (told["state"], told["state_label"], told["number"]) == ("prepared", "à signer", 1)
    assert [line["active_percent"] for line in told["lines"]] == ["93.3", "93.3"]
    read = await http.get(f"/api/v1/orders/{order.order_id}/va/statement", headers=order.og.headers)
    assert read.headers["content-type"] == "text/plain; charset=utf-8"
    assert read.text == told["statement"]
    digest = hashlib.sha256(read.content)
    assert read.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    shown = (await http.get(f"/api/v1/orders/{order.order_id}/va", headers=order.og.headers)).json()
    assert shown["consent"] == VA_CONSENT
    assert {a["code"]: a["possible"] for a in shown["actions"]} == {"sign_va": True}
    signed = await post(http, f"{order.order_id}/va/signature", order.og, a_signature(digest.hexdigest()))
    assert signed.status_code == 201, signed.text
    assert signed.json()["signature"]["kind"] == "eidas_simple"
    content = await solde.a_content(owner, order, issued_on="2023-03-01")
    asked = await post(http, f"{order.order_id}/solde-request", order.editor, content)
    assert asked.status_code == 201, asked.text
    assert asked.json()["content"] == content
    match = (await http.get(f"/api/v1/orders/{order.order_id}/match", headers=order.reviewer.headers)).json()
    assert [(one["ordered_ttc"], one["attested"], one["invoiced_ttc"]) for one in match["lines"]] == [
        ("2920.00", True, "2920.00")
    ] * 2
    assert {f["outcome"] for one in match["lines"] for f in one["findings"]} == {"pass"}
    validated = await http.post(
        f"/api/v1/requests/{asked.json()['id']}/validation",
        json={},
        headers={**order.reviewer.headers, "Idempotency-Key": str(uuid4())},
    )
    assert (validated.status_code, validated.json()["state"]) == (200, "validated")
    due = await owner.fetchval(
        "select due_ttc_cents from payment where order_id = $1 and kind = 'solde'", order.order_id
    )
    assert due == 2 * 204_400


async def test_a_refused_va_says_which_essms_and_what_repairs(http: httpx.AsyncClient) -> None:
    order = await an_order()
    answer = await post(http, f"{order.order_id}/va", order.editor, a_va(order.essms[0], tbb1_supplied=None))
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["code"] == "action_refused"
    assert [reason["rule"] for reason in problem["reasons"]] == ["R18", "R18"]
    assert all(reason["remedy"] and "S0:1618" in reason["source"] for reason in problem["reasons"])
    assert {number in str(problem["reasons"]) for number in order.essms} == {True}
    none = await http.get(f"/api/v1/orders/{order.order_id}/va", headers=order.editor.headers)
    assert none.status_code == 404
    assert "Aucune VA" in none.json()["detail"]


async def test_an_old_text_is_not_signed_and_the_same_key_is_told_the_same(http: httpx.AsyncClient) -> None:
    order = await an_order()
    path, key = f"{order.order_id}/va", str(uuid4())
    old = (await post(http, path, order.editor, a_va(*order.essms))).json()["statement_sha256"]
    await post(http, path, order.editor, a_va(*order.essms, active=55))
    first = await post(http, f"{path}/signature", order.og, a_signature(old), key)
    again = await post(http, f"{path}/signature", order.og, a_signature(old), key)
    assert first.status_code == 409
    assert "Le document a changé" in first.json()["detail"]
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    other = await post(http, f"{path}/signature", order.og, a_signature("00" * 32), key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_a_disagreement_of_the_invoice_is_told_whole(http: httpx.AsyncClient) -> None:
    order = await solde.a_paid_advance(owner, 2)
    shown = (await post(http, f"{order.order_id}/va", order.editor, a_va(*order.essms))).json()
    await post(http, f"{order.order_id}/va/signature", order.og, a_signature(shown["statement_sha256"]))
    content = await solde.a_content(
        owner, order, {order.essms[0]: 292_000}, issued_on="2023-03-01", signatory_name="X", share_percent=30
    )
    answer = await post(http, f"{order.order_id}/solde-request", order.editor, content)
    assert (answer.status_code, answer.json()["code"]) == (409, "action_refused")
    assert len(answer.json()["reasons"]) == 3


@pytest.mark.scoreboard(9)
async def test_each_act_is_for_its_role_and_foreign_orders_are_unknown(http: httpx.AsyncClient) -> None:
    order = await solde.a_signed_va(owner, 1)
    content = await solde.a_content(owner, order)
    acts: dict[str, tuple[set[str], Any]] = {
        "va": ({"editor", "distributor"}, a_va(*order.essms)),
        "va/signature": ({"og"}, a_signature("00" * 32)),
        "solde-request": ({"editor", "distributor"}, content),
        "solde-request/refiling": ({"editor", "distributor"}, {"answer": "Voici.", "solde": content}),
    }
    for path, (roles, body) in acts.items():
        for role in ("editor", "distributor", "og", "ars", "reviewer", "payer", "pilot", "admin"):
            stranger = await an_account(role)
            answer = await post(http, f"{order.order_id}/{path}", stranger, body)
            if role not in roles:
                assert answer.status_code == 403, (path, role)
                continue
            unknown = await post(http, f"{uuid4()}/{path}", stranger, body)
            assert answer.status_code == unknown.status_code == 404
            assert answer.json()["detail"] == unknown.json()["detail"]
            malformed = await post(http, f"x/{path}", stranger, body)
            assert malformed.json()["detail"] == unknown.json()["detail"]
    for path in ("va", "va/statement", "match"):
        for role, status in (
            ("editor", 404), ("og", 404), ("ars", 403), ("reviewer", 200), ("payer", 200), ("pilot", 200),
        ):  # fmt: skip
            stranger = await an_account(role)
            read = await http.get(f"/api/v1/orders/{order.order_id}/{path}", headers=stranger.headers)
            assert read.status_code == status, (path, role)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("va", {}),
        ("va", {"lines": []}),
        ("va", {"lines": [{"finess": "12"}]}),
        ("va", {"lines": [{"finess": "990000028", "active": 1.5}]}),
        ("va", {"lines": [{"finess": "990000028", "rate": 1}]}),
        ("va", {"lines": [{"finess": "990000028"}], "deploiement_mss": "cas_3"}),
        ("va", []),
        ("solde-request", {}),
        ("solde-request", {"invoice": {"number": "F"}}),
        ("solde-request", {"invoice": None}),
    ],
)
async def test_a_wrong_body_is_told_where_it_is_wrong(http: httpx.AsyncClient, path: str, body: Any) -> None:
    editor = await an_account("editor")
    answer = await post(http, f"{uuid4()}/{path}", editor, body)
    assert answer.status_code in {400, 422}
    assert answer.json()["errors"][0]["path"].startswith("$")


@pytest.mark.parametrize(
    "change",
    [
        {"number": "F\n1"}, {"issued_on": "2023-02-30"}, {"og": "123456789"}, {"share_percent": 101},
        {"total": {"ht": "1", "vat": "0.00", "ttc": "1.00"}}, {"lines": [{"finess": "12"}]}, {"colour": 1},
        {"document_sha256": "zz"}, {"vat_rate_percent": "20"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
async def test_a_wrong_invoice_is_malformed_at_its_path(
    http: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    order = await life.a_deposited_order(owner, 1)
    content = await solde.a_content(owner, order, **change)
    answer = await post(http, f"{order.order_id}/solde-request", order.editor, content)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["path"].startswith("$.invoice")
