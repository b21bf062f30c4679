"""The audit over HTTP: one act under its key, pages, and who may."""

from __future__ import annotations

from datetime import date

import httpx
import pytest

from tests import factories_life as life
from tests import factories_orders as make
from tests.factories import an_account


@pytest.fixture
async def order(client: httpx.AsyncClient) -> life.Life:
    await make.prepare_instance()
    made = await life.a_deposited_order(make.Everything(), 2)
    await make.a_grant(make.Everything(), made.essms[0], solution="AUTRE", agreed_on=date(2022, 9, 1))
    return made


async def test_the_same_key_is_the_same_audit(client: httpx.AsyncClient, order: life.Life) -> None:
    headers = {**(await an_account("reviewer")).headers, "Idempotency-Key": "audit-1"}
    first = await client.post("/api/v1/audits", json={}, headers=headers)
    assert first.status_code == 201
    told = first.json()
    assert (told["found"], told["opened"], told["numbers"]) == (1, 1, None)
    again = await client.post("/api/v1/audits", json={}, headers=headers)
    assert (again.status_code, again.json()) == (201, told)
    assert again.headers["idempotent-replayed"] == "true"
    other = await client.post("/api/v1/audits", json={"essms": list(order.essms)}, headers=headers)
    assert other.status_code == 422

    page = (await client.get("/api/v1/audits", headers=headers)).json()
    assert page == {"audits": [told], "next": None}
    found = await client.get(f"/api/v1/audits/{told['id']}", headers=headers)
    assert found.json() == told


async def test_pages_go_on_from_the_key(client: httpx.AsyncClient, order: life.Life) -> None:
    headers = (await an_account("admin")).headers
    made = []
    for n in range(3):
        answer = await client.post(
            "/api/v1/audits",
            json={"essms": [order.essms[0]]},
            headers={**headers, "Idempotency-Key": f"page-{n}"},
        )
        made.append(answer.json()["id"])
    first = (await client.get("/api/v1/audits?limit=2", headers=headers)).json()
    second = (await client.get(f"/api/v1/audits?limit=2&after={first['next']}", headers=headers)).json()
    listed = [one["id"] for one in (*first["audits"], *second["audits"])]
    assert sorted(listed) == sorted(made)
    assert second["next"] is None


@pytest.mark.parametrize("role", ["editor", "distributor", "og", "ars", "payer", "pilot"])
async def test_who_may_ask_for_one(client: httpx.AsyncClient, order: life.Life, role: str) -> None:
    headers = (await an_account(role)).headers
    asked = await client.post("/api/v1/audits", json={}, headers={**headers, "Idempotency-Key": "no"})
    assert asked.status_code == 403
    read = await client.get("/api/v1/audits", headers=headers)
    assert read.status_code == (200 if role in {"payer", "pilot"} else 403)


@pytest.mark.parametrize(
    "body", [{"essms": []}, {"essms": ["123"]}, {"essms": None, "families": []}, {"essms": 1}]
)
async def test_what_is_malformed(client: httpx.AsyncClient, order: life.Life, body: object) -> None:
    headers = {**(await an_account("reviewer")).headers, "Idempotency-Key": "bad"}
    answer = await client.post("/api/v1/audits", json=body, headers=headers)
    assert answer.status_code in {400, 422}
