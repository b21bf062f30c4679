"""One ESSMS over HTTP: its state is for every account, its history for those whose it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from sons_tracker.api.contract import ROLES
from tests import factories_orders as make
from tests.api.http_orders import ORDERS, an_offer, client, post
from tests.databases import Database
from tests.factories import a_finess, an_account


@pytest.fixture(scope="module")
async def owner(module_database: Database) -> make.Everything:
    await make.prepare_instance()
    return make.Everything()


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(module_database) as made:
        yield made


async def test_free_then_engaged_for_every_role_and_by_whom_for_few(owner, http):
    offer = await an_offer(owner, 1)
    number = offer.numbers[0]
    grant = await make.a_grant(
        owner, number, solution=offer.solution.solution, components=("usage",), project="upgrade"
    )
    path = f"/api/v1/essms/{number}"
    before = (await http.get(path, headers=offer.editor.headers)).json()
    assert before["financing"]["V1"] == "free"
    assert before["register"] == [
        {
            "since": "2022-01-03", "until": None, "finess_juridique": offer.og,
            "name": "ESSMS de test (fictif)",
            "category": "500", "aggregate": "4400", "domaine": before["register"][0]["domaine"],
            "dispositif": "MS1-V1",
        }
    ]  # fmt: skip
    order = (await post(http, ORDERS, offer.body(), offer.editor)).json()
    assert order["state"] == "submitted"
    own_og = await an_account("og", finess_juridique=offer.og)
    agencies = {role: await an_account(role) for role in ("reviewer", "payer", "pilot", "admin")}
    strangers = {role: await an_account(role) for role in ("editor", "distributor", "og", "ars")}
    assert set(agencies) | set(strangers) == ROLES
    for account in (offer.editor, own_og, *agencies.values(), *strangers.values()):
        told = (await http.get(path, headers=account.headers)).json()
        assert told["financing"]["V1"] == "engaged"
        assert told["register"] == before["register"]
        sees = account in (offer.editor, own_og, *agencies.values())
        assert [hold["order_number"] for hold in told["holds"]] == ([order["number"]] if sees else [])
        knows = account in (own_og, *agencies.values())
        assert [g["reference"] for g in told["grants"]] == ([grant] if knows else [])
    hold = (await http.get(path, headers=own_og.headers)).json()["holds"][0]
    assert hold == {
        "vague": "V1", "order_id": order["id"], "order_number": order["number"],
        "claimed_at": "2023-03-01T10:00:00+01:00", "released_at": None, "release_reason": None,
        "held_as": None,
    }  # fmt: skip


async def test_an_essms_that_no_extraction_knows(owner, http):
    offer = await an_offer(owner, 1)
    answer = await http.get(f"/api/v1/essms/{a_finess()}", headers=offer.editor.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "written", ["123", "99000002", "990000029", "%00", "99%2F000002", "2c0000000", "' or 1=1"]
)
async def test_a_number_that_is_not_one_is_told_so(owner, http, written):
    offer = await an_offer(owner, 1)
    answer = await http.get(f"/api/v1/essms/{written}", headers=offer.editor.headers)
    assert answer.status_code in {404, 422}
    if answer.status_code == 422:
        assert answer.json()["code"] == "invalid_identifier"


async def test_a_number_is_read_as_people_write_it(owner, http):
    offer = await an_offer(owner, 1)
    number = offer.numbers[0]
    answer = await http.get(f"/api/v1/essms/{number[:2]} {number[2:]}", headers=offer.editor.headers)
    assert (answer.status_code, answer.json()["finess"]) == (200, number)
