"""Suppliers over HTTP: the whole way to a supplier that can be paid, and every wrong turn."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from sons_tracker.api import suppliers
from sons_tracker.api.contract import ROLES, contract_of
from sons_tracker.app import create_app
from sons_tracker.operations import clock
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests import factories_suppliers as make
from tests.api.http_orders import key
from tests.databases import Database
from tests.factories import Account, an_account

ROOT = "/api/v1/suppliers"
ME = f"{ROOT}/me"
CHANGES = f"{ME}/bank-account-changes"
NOBODY = "00000000-0000-4000-8000-000000000001"
_CONTRACTS = [
    (method, re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)), contract_of(handler))
    for handler in suppliers.HANDLERS
    for path in handler.paths
    for method in handler.http_methods
]


async def _as_announced(response: httpx.Response) -> None:
    """What is answered is what the contract of the route announces."""
    await response.aread()
    request = response.request
    [contract] = [
        c for method, path, c in _CONTRACTS if method == request.method and path.fullmatch(request.url.path)
    ]
    assert contract is not None
    if response.status_code in contract.answers:
        return
    assert response.headers["content-type"].startswith("application/problem+json")
    codes = {error.value.code for error in contract.all_errors()}
    assert response.json()["code"] in codes
    assert response.json()["detail"]


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    await clock.declare(LOCAL_ADMIN, "sandbox")
    app = create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://sons.test", event_hooks={"response": [_as_announced]}
    ) as made:
        yield made


async def send(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    account: Account,
    body: object = None,
    name: str | None = None,
) -> httpx.Response:
    headers = {"idempotency-key": name or key(), **account.headers}
    if body is not None:
        headers["content-type"] = "application/json"
    content = None if body is None else json.dumps(body).encode()
    return await http.request(method, path, content=content, headers=headers)


async def a_body(account: Account, **changes: Any) -> dict[str, Any]:
    """A file that the account's person submits as the legal representative."""
    return {
        "certificate_reference": "ANS-2022-0117",
        "solution": await make.a_solution_of(account),
        "representative": {
            "name": "Camille Exemple",
            "function": "Présidente",
            "person_id": str(account.actor.person_id),
        },
        "vat": {"liable": True, "from_on": "2022-01-01"},
        "pieces": {"referencing_certificate": "0f" * 32},
        **changes,
    }


def account_body(iban: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "iban": make.an_iban() if iban is None else iban,
        "bic": "PSSTFRPP",
        "statement_sha256": "a1" * 32,
        **changes,
    }


def possible(actions: list[dict[str, Any]]) -> dict[str, bool]:
    return {action["code"]: action["possible"] for action in actions}


async def test_from_nothing_to_a_supplier_that_can_be_paid(http: httpx.AsyncClient) -> None:
    first = await an_account("editor")
    second, reviewer = await make.another_person(first), await an_account("reviewer")
    nothing = (await http.get(ME, headers=first.headers)).json()
    assert (nothing["state"], nothing["complete"], nothing["file"]) == ("absent", False, None)
    assert nothing["missing"] == ["aucun dossier d'enrôlement n'est déposé"]
    assert possible(nothing["actions"]) == {"enrolment_submit": True, "bank_account_change_ask": True}
    submitted = await send(http, "PUT", ME, first, await a_body(first))
    assert submitted.status_code == 200
    path = f"{ROOT}/{submitted.json()['id']}"
    read = (await http.get(path, headers=reviewer.headers)).json()
    assert possible(read["actions"]) == {"enrolment_validate": True, "enrolment_correction": True}
    validated = (await send(http, "POST", f"{path}/enrolment/validate", reviewer, {"number": 1})).json()
    assert (validated["state"], validated["vat_liable"], validated["validated_number"]) == (
        "validated", True, 1,
    )  # fmt: skip
    iban = make.an_iban()
    asked = await send(http, "POST", CHANGES, first, account_body(iban))
    assert asked.status_code == 201
    [account] = asked.json()["bank_accounts"]
    assert (account["state"], account["iban"]) == ("asked", None)
    assert possible(account["actions"]) == {"confirm": False, "stop": True}
    confirmed = await send(http, "POST", f"{CHANGES}/{account['id']}/confirm", second)
    [account] = confirmed.json()["bank_accounts"]
    assert account["takes_effect_at"] == "2023-03-05T00:00:00+01:00"
    assert account["confirmed_by"]["id"] == str(second.actor.person_id)
    assert confirmed.json()["complete"] is False
    own = (await http.get(ME, headers=second.headers)).json()
    assert own["bank_accounts"][0]["iban"] == iban
    masked = (await http.get(path, headers=reviewer.headers)).text
    assert iban not in masked
    assert f"{iban[:4]} •••• {iban[-4:]}" in masked
    listed = await http.get(ROOT, headers=reviewer.headers, params={"state": "validated", "limit": 200})
    assert read["id"] in [one["id"] for one in listed.json()["suppliers"]]


async def test_an_act_that_cannot_be_done_is_refused_with_its_reasons_and_kept(
    http: httpx.AsyncClient,
) -> None:
    first = await an_account("editor")
    [account] = (await send(http, "POST", CHANGES, first, account_body())).json()["bank_accounts"]
    path, name = f"{CHANGES}/{account['id']}/confirm", key()
    refused = await send(http, "POST", path, first, name=name)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "action_refused")
    assert problem["reasons"] == [
        {
            "message": "La personne qui demande un changement de compte ne peut pas le confirmer.",
            "remedy": "Le faire confirmer par une autre personne du même fournisseur.",
            "rule": None,
            "source": None,
        }
    ]
    again = await send(http, "POST", path, first, name=name)
    assert again.content == refused.content
    assert again.headers["idempotent-replayed"] == "true"
    mismatch = await send(http, "POST", f"{CHANGES}/{account['id']}/stop", first, name=name)
    assert mismatch.json()["code"] == "idempotency_mismatch"
    elsewhere = await send(http, "POST", f"{CHANGES}/{NOBODY}/confirm", first, name=name)
    assert elsewhere.json()["code"] == "idempotency_mismatch"


async def test_a_change_is_stopped_by_a_payer_at_its_own_address(http: httpx.AsyncClient) -> None:
    first, payer = await an_account("distributor"), await an_account("payer")
    answer = (await send(http, "POST", CHANGES, first, account_body())).json()
    change = f"{ROOT}/{answer['id']}/bank-account-changes/{answer['bank_accounts'][0]['id']}"
    stopped = await send(http, "POST", f"{change}/stop", payer)
    [account] = stopped.json()["bank_accounts"]
    assert (account["state"], account["stopped_by"]["id"]) == ("stopped", str(payer.actor.person_id))
    twice = await send(http, "POST", f"{change}/stop", payer)
    assert twice.json()["code"] == "action_refused"
    # the supplier sees that an agent did it, not who
    seen = (await http.get(ME, headers=first.headers)).json()["bank_accounts"][0]
    assert seen["stopped_by"]["name"] is None


async def test_a_replay_gives_the_first_answer_and_no_second_change(http: httpx.AsyncClient) -> None:
    first, name, body = await an_account("editor"), key(), account_body()
    one = await send(http, "POST", CHANGES, first, body, name)
    two = await send(http, "POST", CHANGES, first, body, name)
    assert (one.status_code, two.status_code, one.content) == (201, 201, two.content)
    assert len((await http.get(ME, headers=first.headers)).json()["bank_accounts"]) == 1
    other = await send(http, "POST", CHANGES, first, account_body(), name)
    assert other.json()["code"] == "idempotency_mismatch"


async def test_an_unknown_and_a_foreign_supplier_answer_the_same(http: httpx.AsyncClient) -> None:
    owner, stranger = await make.an_enrolled_supplier(), await an_account("editor")
    change = owner.bank_account_id
    foreign = []
    for supplier_id in (owner.supplier_id, NOBODY, "x"):
        path = f"{ROOT}/{supplier_id}"
        foreign += [
            await http.get(path, headers=stranger.headers),
            await send(http, "PUT", path, stranger, await a_body(stranger)),
            await send(http, "POST", f"{path}/bank-account-changes", stranger, account_body()),
        ]
    assert {(one.status_code, one.json()["detail"]) for one in foreign} == {
        (404, "Aucun fournisseur visible ne porte cet identifiant.")
    }
    changes = [
        await send(http, "POST", f"{CHANGES}/{change_id}/{act}", stranger)
        for change_id in (change, NOBODY, "x")
        for act in ("confirm", "stop")
    ]
    assert {(one.status_code, one.json()["detail"]) for one in changes} == {
        (404, "Aucun changement de compte visible ne porte cet identifiant.")
    }


MATRIX = {
    ("GET", ""): {"reviewer", "payer", "admin"},
    ("GET", "/me"): {"editor", "distributor", "reviewer", "payer", "admin"},
    ("PUT", "/me"): {"editor", "distributor"},
    ("POST", "/me/enrolment/validate"): {"reviewer", "payer"},
    ("POST", "/me/enrolment/correction"): {"reviewer", "payer"},
    ("POST", "/me/bank-account-changes"): {"editor", "distributor"},
    ("POST", f"/me/bank-account-changes/{NOBODY}/confirm"): {"editor", "distributor"},
    ("POST", f"/me/bank-account-changes/{NOBODY}/stop"): {"editor", "distributor", "payer"},
}


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_who_may_call_what(http: httpx.AsyncClient, role: str) -> None:
    account = await an_account(role)
    for (method, path), allowed in MATRIX.items():
        answer = await send(http, method, ROOT + path, account, {} if method != "GET" else None)
        assert (answer.status_code == 403) is (role not in allowed), (method, path)
    assert len(MATRIX) == len(suppliers.HANDLERS)


async def test_every_fault_of_a_body_is_named_with_its_path(http: httpx.AsyncClient) -> None:
    first = await an_account("editor")
    body = await a_body(first)
    wrong = {
        **body,
        "representative": {"name": "", "function": "X", "person_id": "ABC"},
        "vat": {"liable": "oui", "from_on": "2022-02-30"},
        "pieces": {"referencing_certificate": "0F", "autre": "x"},
        "iban": "FR76",
    }
    answer = await send(http, "PUT", ME, first, wrong)
    assert answer.status_code == 422
    assert {fault["path"] for fault in answer.json()["errors"]} == {
        "$.representative.name", "$.representative.person_id", "$.vat.liable", "$.vat.from_on",
        "$.pieces.referencing_certificate", "$.pieces.autre", "$.iban",
    }  # fmt: skip
    missing = await send(http, "PUT", ME, first, {**body, "vat": {"liable": False, "from_on": "2022-01-01"}})
    assert [fault["path"] for fault in missing.json()["errors"]] == ["$.pieces.vat_exemption"]
    mandate = {"person_id": NOBODY, "from_on": "2022-01-01", "to_on": "2023-12-31"}
    pieces = {**body["pieces"], "mandate": "0a" * 32}
    stranger = await send(http, "PUT", ME, first, {**body, "mandate": mandate, "pieces": pieces})
    assert [fault["path"] for fault in stranger.json()["errors"]] == ["$.mandate.person_id"]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"iban": "FR1520041010050500013M02606"}, "$.iban"),
        ({"iban": "FR14 2004 1010 0505 0001 3M02 606", "bic": "DEUTDEFF"}, "$.bic"),
        ({"iban": "FR14 2004 1010 0505 0001 3M02 606", "bic": "SOGEFRPP"}, "$.bic"),
        ({"iban": ""}, "$.iban"),
        ({"statement_sha256": "x"}, "$.statement_sha256"),
    ],
)
async def test_a_wrong_account_is_not_asked_for_and_not_repeated(
    http: httpx.AsyncClient, changes: dict[str, str], where: str
) -> None:
    first = await an_account("editor")
    body = account_body(**changes)
    answer = await send(http, "POST", CHANGES, first, body)
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == [where]
    assert len(body["iban"]) < 5 or body["iban"] not in answer.text
    assert (await http.get(ME, headers=first.headers)).json()["bank_accounts"] == []


async def test_the_account_in_force_is_not_asked_for_again(http: httpx.AsyncClient) -> None:
    supplier = await make.an_enrolled_supplier(at=make.LONG_AGO + timedelta(days=1))
    answer = await send(http, "POST", CHANGES, supplier.account, account_body(supplier.numbers.iban))
    assert (answer.status_code, answer.json()["code"]) == (409, "action_refused")
    assert supplier.numbers.iban not in answer.text
    assert "déjà celui qui est en vigueur" in answer.json()["detail"]


async def test_a_page_that_is_none_is_malformed(http: httpx.AsyncClient) -> None:
    reviewer = await an_account("reviewer")
    await an_account("editor")
    first = (await http.get(ROOT, headers=reviewer.headers, params={"limit": 1})).json()
    assert len(first["suppliers"]) == 1
    following = await http.get(ROOT, headers=reviewer.headers, params={"limit": 1, "after": first["next"]})
    assert following.json()["suppliers"][0]["id"] > first["suppliers"][0]["id"]
    for params in ({"after": "x"}, {"limit": "0"}, {"state": "perdu"}):
        answer = await http.get(ROOT, headers=reviewer.headers, params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
