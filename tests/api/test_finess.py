"""Extractions compared and successions decided over HTTP: who may, what is told, what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests import factories_orders as make
from tests.databases import Database
from tests.factories import Account, a_finess, an_account
from tests.factories_registers import establishment_line, establishments_file, imported
from tests.factories_successions import EARLIER, LATER, a_succession

DIFFERENCES, SUCCESSIONS = "/api/v1/finess/differences", "/api/v1/finess/successions"
DAYS = {"earlier": EARLIER.isoformat(), "later": LATER.isoformat()}


@pytest.fixture
async def owner(database: Database) -> asyncpg.Connection:
    await make.prepare_instance()
    con = await database.connect_superuser()
    yield con
    await con.close()


def keyed(account: Account, key: str = "cle-1") -> dict[str, str]:
    return {**account.headers, "Idempotency-Key": key}


async def test_from_an_import_to_a_confirmed_succession(
    owner: asyncpg.Connection, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    og, old, new, same = (a_finess() for _ in range(4))
    first = [establishment_line(old, og, voie="RUE NEUVE"), establishment_line(same, og, rs="FOYER DU LAC")]
    second = [establishment_line(new, og, voie="RUE NEUVE", dateouv="2022-06-01"), first[1]]
    await imported(establishments_file(tmp_path, EARLIER, first))
    await imported(establishments_file(tmp_path, LATER, second), accept_loss=True)
    reviewer = await an_account("reviewer")
    answer = await client.get(DIFFERENCES, params=DAYS, headers=reviewer.headers)
    body = answer.json()
    assert (answer.status_code, body["summary"]["changes"]) == (200, {"absent": 1, "created": 1})
    (told,) = body["items"][0]["successions"]
    assert (told["predecessor"], told["successor"], told["kind_label"], told["score"]) == (
        old, new, "renumérotation", 75,
    )  # fmt: skip
    assert "Même adresse : RUE NEUVE." in [reason["message"] for reason in told["reasons"]]
    confirm = f"{SUCCESSIONS}/{told['id']}/confirm"
    decision = {"reason": "L'arrêté de transfert le dit."}
    done = await client.post(confirm, json=decision, headers=keyed(reviewer))
    assert (done.status_code, done.json()["succession"]["state"]) == (200, "confirmed")
    again = await client.post(confirm, json=decision, headers=keyed(reviewer))
    assert (again.json(), again.headers["idempotent-replayed"]) == (done.json(), "true")
    refused = await client.post(confirm, json=decision, headers=keyed(reviewer, "cle-2"))
    assert (refused.status_code, refused.json()["detail"]) == (409, "Cette succession est déjà confirmée.")
    listed = await client.get(SUCCESSIONS, params={"finess": old}, headers=reviewer.headers)
    assert [one["reason"] for one in listed.json()["successions"]] == [decision["reason"]]
    after = await client.get(DIFFERENCES, params={**DAYS, "change": "created"}, headers=reviewer.headers)
    assert after.json()["items"][0]["successions"][0]["state_label"] == "confirmée"


@pytest.mark.parametrize("role", ["editor", "distributor", "ars", "payer", "pilot", "admin", "og"])
async def test_who_may_do_what(owner: asyncpg.Connection, client: httpx.AsyncClient, role: str) -> None:
    await make.an_og(owner, 1)
    await make.an_extraction(owner, on=LATER)
    found = await a_succession(owner, a_finess(), a_finess())
    account, reads = await an_account(role), role in {"payer", "pilot", "admin", "og"}
    for path, query in ((DIFFERENCES, DAYS), (SUCCESSIONS, {})):
        answer = await client.get(path, params=query, headers=account.headers)
        assert answer.status_code == (200 if reads else 403)
    if reads:
        assert len(answer.json()["successions"]) == (0 if role == "og" else 1)
    for decision in ("confirm", "dismiss"):
        path = f"{SUCCESSIONS}/{found}/{decision}"
        answer = await client.post(path, json={"reason": "Non."}, headers=keyed(account))
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"earlier": "2022-01-03"}, "?later"),
        ({"earlier": "2023-01-02", "later": "2022-01-03"}, "?later"),
        ({"earlier": "2022-01-03", "later": "2022-01-03"}, "?later"),
        ({**DAYS, "og": "12"}, "?og"),
        ({**DAYS, "change": "gone"}, "?change"),
        ({**DAYS, "limit": "201"}, "?limit"),
        ({"earlier": EARLIER.isoformat(), "later": (LATER + timedelta(days=1)).isoformat()}, "later"),
    ],
)
async def test_what_is_malformed_is_said(
    owner: asyncpg.Connection, client: httpx.AsyncClient, query: dict[str, str], where: str
) -> None:
    await make.an_extraction(owner, on=EARLIER)
    await make.an_extraction(owner, on=LATER)
    reviewer = await an_account("reviewer")
    answer = await client.get(DIFFERENCES, params=query, headers=reviewer.headers)
    assert answer.status_code == 422
    assert where in [error["path"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("after", ["x", "75", "75/x", "٧٥/00000000-0000-4000-8000-000000000001"])
async def test_a_page_that_no_page_gave(
    owner: asyncpg.Connection, client: httpx.AsyncClient, after: str
) -> None:
    reviewer = await an_account("reviewer")
    answer = await client.get(SUCCESSIONS, params={"after": after}, headers=reviewer.headers)
    assert answer.status_code == 422
