"""Lots, returns, recoveries and ledger over HTTP: from what is due to the money that comes back."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sons_tracker.app import create_app
from tests import factories_endings as ending
from tests import factories_lots as bank
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, Account, an_account
from tests.factories_life import Life, an_order_with_due_advance
from tests.operations.test_lots import payment_of

owner = make.Everything()


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    await make.prepare_instance()  # a sandbox, whose clock stands at AT
    app = create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as client:
        yield client


async def post(
    http: httpx.AsyncClient, path: str, who: Account, body: Any = None, key: str | None = None
) -> httpx.Response:
    headers = {**who.headers, "Idempotency-Key": key or str(uuid4())}
    sent = {} if body is None else {"json": body}
    return await http.post(f"/api/v1/{path}", headers=headers, **sent)


async def get(http: httpx.AsyncClient, path: str, who: Account) -> httpx.Response:
    return await http.get(f"/api/v1/{path}", headers=who.headers)


@dataclass(frozen=True, slots=True)
class Approved:
    """A lot of one advance, prepared and approved over HTTP."""

    order: Life
    payers: bank.Payers
    lot: dict[str, Any]
    payment: str

    async def content(self, http: httpx.AsyncClient, outcome: str = "paid") -> str:
        """The file of the bank, from what the accounting was given."""
        file = (await get(http, f"lots/{self.lot['id']}/file", self.payers.second)).json()
        line = file["lines"][0]
        answer = bank.ReturnLine(
            place="",
            end_to_end=line["end_to_end"],
            order=line["order"],
            bank_reference=f"BQ-{uuid4().hex[:10]}",
            outcome=outcome,
            executed_at=AT,
            amount_ttc_cents=int(line["amount_ttc"].replace(".", "")),
            reason_code=None if outcome == "paid" else "AC01",
        )
        return bank.csv_of(self.lot["number"], [answer]).decode()


async def an_approved(http: httpx.AsyncClient) -> Approved:
    order, payers = await an_order_with_due_advance(owner), await bank.two_payers()
    payment = str(await payment_of(order))
    prepared = await post(http, "lots", payers.first, {"payments": [payment]})
    assert prepared.status_code == 201, prepared.text
    answer = await post(http, f"lots/{prepared.json()['id']}/approval", payers.second)
    assert answer.status_code == 200, answer.text
    return Approved(order, payers, answer.json(), payment)


async def test_what_is_due_is_paid_through_a_lot(http: httpx.AsyncClient) -> None:
    order, payers = await an_order_with_due_advance(owner), await bank.two_payers()
    payment = str(await payment_of(order))
    due = (await get(http, "payments?state=due&limit=200", payers.first)).json()["payments"]
    assert payment in [one["id"] for one in due]
    mine = (await get(http, "payments?state=due", order.editor)).json()["payments"]
    assert [(one["id"], one["due_ttc"], one["order"]) for one in mine] == [(payment, "1752.00", order.number)]
    lot = (await post(http, "lots", payers.first, {"payments": [payment]})).json()
    assert (lot["state"], lot["lines"], lot["total_ttc"]) == ("prepared", 1, "1752.00")
    assert {one["code"]: one["possible"] for one in lot["actions"]} == {
        "approve_lot": False, "drop_lot": True, "export_lot": False, "import_return": False,
    }  # fmt: skip
    alone = await post(http, f"lots/{lot['id']}/approval", payers.first)
    assert (alone.status_code, alone.json()["code"]) == (409, "action_refused")
    early = await get(http, f"lots/{lot['id']}/file", payers.first)
    assert (early.status_code, early.json()["code"]) == (409, "action_refused")
    assert (await post(http, f"lots/{lot['id']}/approval", payers.second)).json()["state"] == "approved"
    lines = (await get(http, f"lots/{lot['id']}/lines", payers.first)).json()
    assert (len(lines["lines"]), lines["next"]) == (1, None)
    assert "••••" in lines["lines"][0]["iban_masked"]
    listed = (await get(http, "lots?state=approved&limit=1", payers.first)).json()
    assert listed["lots"][0]["number"] == lot["number"]
    as_csv = await get(http, f"lots/{lot['id']}/file?format=csv", payers.first)
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert as_csv.headers["content-disposition"] == f'attachment; filename="{lot["number"]}.csv"'
    rows = list(csv.reader(io.StringIO(as_csv.text), delimiter=";"))
    assert rows[0][:4] == ["sons-lot-1", lot["number"], "1", "1752.00"]
    for path in ("lots", f"lots/{lot['id']}", f"lots/{lot['id']}/lines"):
        assert (await get(http, path, order.editor)).status_code == 403
    assert (await get(http, f"lots/{lot['id']}/file", await an_account("reviewer"))).status_code == 403


async def test_the_bank_s_answer_is_taken_once_and_shows_in_the_ledger(http: httpx.AsyncClient) -> None:
    lot = await an_approved(http)
    content = await lot.content(http)
    first = await post(http, "bank-returns", lot.payers.first, {"content": content})
    assert first.status_code == 200, first.text
    assert first.json()["paid"] == {"count": 1, "total_ttc": "1752.00"}
    again = await post(http, "bank-returns", lot.payers.second, {"content": content})
    assert (again.status_code, again.json()) == (200, first.json())
    ledger = (await get(http, f"orders/{lot.order.order_id}/ledger", lot.order.og)).json()
    assert ledger["balance"] == {
        "planned_ttc": "5840.00", "paid_ttc": "1752.00", "compensated_ttc": "0.00", "recovered_ttc": "0.00",
        "due_ttc": "4088.00",
    }  # fmt: skip
    assert [line["finess"] for line in ledger["lines"]] == list(lot.order.essms)
    assert {entry["at"] for entry in ledger["entries"]} == {"2023-03-01T10:00:00+01:00"}
    back = await lot.content(http, "returned")
    returned = await post(http, "bank-returns", lot.payers.first, {"content": back})
    assert returned.json()["returned"]["count"] == 1
    again = await post(http, f"payments/{lot.payment}/representation", lot.payers.first)
    assert (again.status_code, again.json()["state"]) == (200, "due")
    twice = await post(http, f"payments/{lot.payment}/representation", lot.payers.first)
    assert (twice.status_code, twice.json()["code"]) == (409, "action_refused")


async def test_a_bad_file_is_a_problem_with_every_reason(http: httpx.AsyncClient) -> None:
    lot = await an_approved(http)
    content = await lot.content(http)
    wrong = content.replace("1752.00", "1752.01")
    answer = await post(http, "bank-returns", lot.payers.first, {"content": wrong}, "same")
    assert answer.status_code == 409
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert "L'empreinte annoncée" in problem["reasons"][0]["message"]
    assert problem["reasons"][0]["remedy"]
    again = await post(http, "bank-returns", lot.payers.first, {"content": wrong}, "same")
    assert (again.headers["idempotent-replayed"], again.json()) == ("true", problem)
    other = await post(http, "bank-returns", lot.payers.first, {"content": content}, "same")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ({"content": ""}, "invalid_request"),
        ({"content": "x", "more": 1}, "invalid_request"),
        ({"content": 3}, "invalid_request"),
    ],
)
async def test_a_body_that_is_not_one_is_malformed(http: httpx.AsyncClient, body: Any, code: str) -> None:
    payers = await bank.two_payers()
    answer = await post(http, "bank-returns", payers.first, body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_payment_named_twice_and_a_bad_identifier_are_told_by_their_path(
    http: httpx.AsyncClient,
) -> None:
    payers, one = await bank.two_payers(), str(uuid4())
    twice = await post(http, "lots", payers.first, {"payments": [one, str(uuid4()), one]})
    assert twice.status_code == 422
    assert [fault["path"] for fault in twice.json()["errors"]] == ["$.payments[2]"]
    bad = await post(http, "lots", payers.first, {"payments": ["x"]})
    assert [fault["path"] for fault in bad.json()["errors"]] == ["$.payments[0]"]
    for path in ("lots/x", f"lots/{uuid4()}", "lots/x/lines", f"lots/{uuid4()}/file"):
        assert (await get(http, path, payers.first)).status_code == 404
    for query in ("lots?after=x", "lots?state=x", "payments?after=1", "recoveries?after=%20", "lots?limit=0"):
        assert (await get(http, query, payers.first)).status_code == 422


async def test_a_lot_is_dropped_with_a_reason(http: httpx.AsyncClient) -> None:
    order, payers = await an_order_with_due_advance(owner), await bank.two_payers()
    chosen = {"payments": [str(await payment_of(order))]}
    lot = (await post(http, "lots", payers.first, chosen)).json()
    again = await post(http, "lots", payers.first, chosen)
    assert (again.status_code, again.json()["code"]) == (409, "action_refused")
    assert (await post(http, f"lots/{lot['id']}/drop", payers.first, {"reason": ""})).status_code == 422
    dropped = (await post(http, f"lots/{lot['id']}/drop", payers.first, {"reason": "Erreur."})).json()
    assert (dropped["state"], dropped["drop_reason"]) == ("dropped", "Erreur.")
    assert (await post(http, "lots", payers.first, chosen)).status_code == 201


async def test_a_recovery_is_issued_followed_and_closed(http: httpx.AsyncClient) -> None:
    lot = await an_approved(http)
    await post(http, "bank-returns", lot.payers.first, {"content": await lot.content(http)})
    assert (await ending.ask(lot.order)).outcome.state == "carried_out"
    payer = lot.payers.first
    listed = (await get(http, "recoveries", lot.order.editor)).json()
    assert listed["total"] == {"count": 1, "total_ttc": "1752.00"}
    one = listed["recoveries"][0]
    assert (one["state"], one["order"], one["age_days"]) == ("opened", lot.order.number, 0)
    path = f"recoveries/{one['id']}"
    body = {"bank_reference": "RB-API-1", "received_at": AT.isoformat(), "amount_ttc": "1752.00"}
    assert (await post(http, f"{path}/repayment", payer, body)).status_code == 409
    issued = (await post(http, f"{path}/issue", payer)).json()
    assert (issued["state"], issued["letter"]["amount_ttc"]) == ("issued", "1752.00")
    assert issued["letter"]["appeal"]
    step = await post(http, f"{path}/steps", payer, {"kind": "note", "text": "Appelé.\nSans réponse."})
    assert [one["kind"] for one in step.json()["steps"]] == ["letter", "note"]
    assert (await post(http, f"{path}/steps", payer, {"kind": "letter", "text": "x"})).status_code == 422
    assert (await post(http, f"{path}/steps", payer, {"kind": "note", "text": "\u0007"})).status_code == 422
    off = await post(http, f"{path}/repayment", payer, {**body, "amount_ttc": "1752.01"})
    assert "1\u202f752,01\u202f€" in off.json()["detail"]
    naive = await post(http, f"{path}/repayment", payer, {**body, "received_at": "2023-03-01T10:00:00"})
    assert [fault["path"] for fault in naive.json()["errors"]] == ["$.received_at"]
    done = await post(http, f"{path}/repayment", payer, body)
    assert (done.status_code, done.json()["state"]) == (200, "recovered")
    read = (await get(http, path, lot.order.editor)).json()
    assert ([one["kind"] for one in read["steps"]], read["actions"]) == (["letter"], [])
    assert (await get(http, path, await an_account("editor"))).status_code == 404
    export = await get(http, "recoveries/export?state=recovered", lot.order.editor)
    rows = list(csv.reader(io.StringIO(export.text), delimiter=";"))
    assert rows[1][:7] == [
        one["number"], "recouvré", lot.order.number, one["supplier"], "avance", "1752.00", "commande annulée",
    ]  # fmt: skip
    assert (await get(http, f"orders/{lot.order.order_id}/ledger", await an_account("og"))).status_code == 404
