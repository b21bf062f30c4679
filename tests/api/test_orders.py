"""Orders over HTTP: the forms of the specification, refusals, replays, what each role may read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from sons_tracker.api.contract import ROLES
from sons_tracker.db import engine
from tests import factories_orders as make
from tests.api.http_orders import APPEAL, ORDERS, SIMULATIONS, an_offer, client, key, post
from tests.databases import Database
from tests.factories import an_account

MONEY = re.compile(r"[0-9]+\.[0-9]{2}")


@pytest.fixture(scope="module")
async def owner(module_database: Database) -> make.Everything:
    await make.prepare_instance()
    return make.Everything()


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(module_database) as made:
        yield made


async def test_a_deposit_answers_what_the_specification_writes(owner, http):
    offer = await an_offer(owner, 35)
    first, *others = offer.numbers
    line = {"unit_ttc": "1232.00", "dui_in_place": offer.solution.solution}
    body = {
        "dispositif": "MS1-V1",
        "og": offer.og,
        "essms": [first, *({**line, "finess": number} for number in others)],
        "solution_version": offer.solution.version,
        "signed_on": "2022-06-01",
        "already_equipped": True,
        "dui_in_place": offer.solution.solution,
        "supplier_reference": "DEVIS 2022-117",
        "order_document_sha256": "ab" * 32,
    }  # fmt: skip
    answer = await post(http, ORDERS, body, offer.editor)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert {name: told[name] for name in ("decision", "eligible", "tranche", "essms_of_og", "ordered")} == {
        "decision": "accepted", "eligible": True, "tranche": "E", "essms_of_og": 35, "ordered": 35,
    }  # fmt: skip
    assert {name: told[name] for name in ("unit_ttc", "total_ttc", "advance_ttc", "solde_ttc")} == {
        "unit_ttc": "1232.00", "total_ttc": "43120.00", "advance_ttc": "12936.00", "solde_ttc": "30184.00",
    }  # fmt: skip
    assert [(d["kind"], d["at"]) for d in told["deadlines"]] == [
        ("fermeture", "2023-12-31T23:59:59+01:00"),
        ("cloture", "2024-03-31T23:59:59+02:00"),
    ]
    assert all(d["source"] for d in told["deadlines"])
    for verdict in told["verdicts"]:
        assert {"rule", "essms", "outcome", "message", "source", "remedy"} <= set(verdict)
        assert verdict["outcome"] in {"pass", "warn"}
        assert verdict["message"]
        assert verdict["source"]
    assert re.fullmatch(r"BC-2023-\d{6}", told["number"])
    assert (told["state"], told["received_at"]) == ("submitted", "2023-03-01T10:00:00+01:00")
    read = (await http.get(f"{ORDERS}/{told['id']}", headers=offer.editor.headers)).json()
    assert {name: read[name] for name in told} == told
    assert read["state_label"] == "déposée"
    possible = {action["code"]: action["possible"] for action in read["actions"]}
    assert possible["request_advance"]
    assert not possible["correct"]
    row = await owner.fetchrow("select * from sons.purchase_order where id = $1", told["id"])
    assert (row["supplier_reference"], row["order_document_sha256"]) == ("DEVIS 2022-117", b"\xab" * 32)


async def test_a_request_without_its_optional_members_is_read(owner, http):
    offer = await an_offer(owner, 1)
    body = {
        "dispositif": "MS1-V1", "og": offer.og, "essms": [offer.numbers[0]],
        "solution_version": offer.solution.version, "signed_on": "2022-06-01",
    }  # fmt: skip
    told = (await post(http, SIMULATIONS, body, offer.editor)).json()
    assert (told["decision"], told["total_ttc"]) == ("to_review", "4000.00")
    answer = await post(http, ORDERS, body, offer.editor)
    assert (answer.status_code, answer.json()["state"]) == (201, "to_review")


async def test_a_refusal_is_a_problem_with_verdicts_the_kept_order_and_the_appeal(owner, http):
    offer = await an_offer(owner, 2)
    assert (await post(http, ORDERS, offer.body(offer.numbers[0]), offer.editor)).status_code == 201
    rival = await an_offer(owner, og=(offer.og, offer.numbers))
    answer = await post(http, ORDERS, rival.body(), rival.editor)
    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["type"], problem["status"], problem["code"]) == (
        "/problemes/order_refused",
        409,
        "order_refused",
    )
    assert (problem["decision"], problem["eligible"]) == ("refused", False)
    failed = [v for v in problem["verdicts"] if v["outcome"] == "fail"]
    clash = next(v for v in failed if v["rule"] == "R05")
    assert clash["essms"] == [offer.numbers[0]]
    assert clash["remedy"]
    assert clash["message"] in problem["detail"] or failed[0]["message"] in problem["detail"]
    assert problem["appeal"] == APPEAL
    kept = problem["order"]
    assert (set(kept), kept["state"]) == ({"id", "number", "state", "received_at"}, "rejected")
    read = await http.get(f"{ORDERS}/{kept['id']}", headers=rival.editor.headers)
    assert read.json()["verdicts"] == problem["verdicts"]
    assert read.json()["decision"] == "refused"
    og = await an_account("og", finess_juridique=offer.og)
    assert (await http.get(f"{ORDERS}/{kept['id']}", headers=og.headers)).status_code == 200


async def test_amounts_are_strings_with_two_decimals_wherever_they_stand(owner, http):
    offer = await an_offer(owner, 3)
    told = (await post(http, ORDERS, offer.body(), offer.editor)).json()
    found: list[str] = []

    def walk(value: object, name: str) -> None:
        if name.endswith("_ttc") and not (name == "due_ttc" and value is None):
            assert isinstance(value, str), name
            found.append(value)
        if isinstance(value, dict):
            for inner, content in value.items():
                walk(content, inner)
        if isinstance(value, list):
            for content in value:
                walk(content, "")

    walk(told, "")
    assert len(found) == 5 + 3 * 3 + 2
    assert all(MONEY.fullmatch(amount) for amount in found)


async def test_verdicts_are_grouped_or_one_by_essms(owner, http):
    offer = await an_offer(owner, 4)
    answer = await http.post(f"{SIMULATIONS}?verdicts=all", json=offer.body(), headers=offer.editor.headers)
    one_each = [v["essms"] for v in answer.json()["verdicts"] if v["rule"] == "R36"]
    assert one_each == [[n] for n in offer.numbers]
    grouped = (await post(http, SIMULATIONS, offer.body(), offer.editor)).json()
    assert [v["essms"] for v in grouped["verdicts"] if v["rule"] == "R36"] == [list(offer.numbers)]
    deposited = await http.post(
        f"{ORDERS}?verdicts=all",
        json=offer.body(),
        headers={**offer.editor.headers, "idempotency-key": key()},
    )
    assert deposited.json()["verdicts"] == answer.json()["verdicts"]
    wrong = await http.get(f"{ORDERS}/{deposited.json()['id']}?verdicts=some", headers=offer.editor.headers)
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "?verdicts")


async def test_every_fault_of_a_body_is_told_with_its_path(owner, http):
    offer = await an_offer(owner, 1)
    wrong = offer.body() | {
        "og": "990000014",
        "essms": ["12345678", {"finess": offer.numbers[0], "unit_ttc": "12,50"}, {"unit": 3}],
        "signed_on": "2022-02-30",
        "already_equipped": "oui",
        "order_document_sha256": "zz",
        "unit": 1,
    }
    answer = await post(http, ORDERS, wrong, offer.editor)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert {fault["path"] for fault in answer.json()["errors"]} >= {
        "$.og", "$.essms[0]", "$.essms[1].unit_ttc", "$.essms[2].finess", "$.essms[2].unit", "$.signed_on",
        "$.already_equipped", "$.order_document_sha256", "$.unit",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"signed_on": "2023-03-02"}, "$.signed_on"),
        ({"signed_on": "9999-12-31"}, "$.signed_on"),
        ({"essms": []}, "$.essms"),
        ({"dispositif": "MS9-V9"}, "$.dispositif"),
        ({"dispositif": "MS1-V1\n"}, "$.dispositif"),
        ({"solution_version": ""}, "$.solution_version"),
        ({"supplier_reference": "a\u0000b"}, "$.supplier_reference"),
    ],
)
async def test_what_no_order_can_be_is_422_and_leaves_nothing(owner, http, change, where):
    offer = await an_offer(owner, 1)
    before = await owner.fetchval("select count(*) from sons.purchase_order")
    for path in (ORDERS, SIMULATIONS):
        answer = await post(http, path, offer.body() | change, offer.editor)
        assert answer.status_code == 422, answer.text
        assert where in {fault["path"] for fault in answer.json()["errors"]}
    assert await owner.fetchval("select count(*) from sons.purchase_order") == before
    async with engine.transaction(offer.editor.actor.context, read_only=True) as con:
        assert await con.fetchval("select count(*) from idempotency") == 0


@pytest.mark.parametrize("signed_on", ["0001-01-01", "1900-01-01", "2022-02-11", "2022-02-12"])
async def test_any_day_that_exists_is_judged_and_not_a_defect(owner, http, signed_on):
    offer = await an_offer(owner, 1)
    told = await post(http, SIMULATIONS, offer.body(signed_on=signed_on), offer.editor)
    assert told.status_code == 200
    kept = await post(http, ORDERS, offer.body(signed_on=signed_on), offer.editor)
    assert kept.status_code == (409 if told.json()["decision"] == "refused" else 201)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_request"),
        (b"{", 400, "malformed_request"),
        (b'{"og": "1", "og": "2"}', 400, "malformed_request"),
        (b"[" * 100_000, 400, "malformed_request"),
        (b"null", 422, "invalid_request"),
        (b" " * (16 * 1024 * 1024 + 1), 413, "payload_too_large"),
    ],
)
async def test_what_is_not_an_order_is_4xx(owner, http, body, status, code):
    offer = await an_offer(owner, 1)
    headers = {**offer.editor.headers, "content-type": "application/json", "idempotency-key": key()}
    for path in (ORDERS, SIMULATIONS, "/api/v1/orders/bulk"):
        answer = await http.post(path, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
    form = await http.post(
        ORDERS, data={"og": "1"}, headers=offer.editor.headers | {"idempotency-key": key()}
    )
    assert form.status_code == 415


async def test_an_amount_above_the_rate_is_refused_and_a_null_one_malformed(owner, http):
    offer = await an_offer(owner, 2)
    number = offer.numbers[0]
    for amount, status in (("4000.01", 409), ("999999999.99", 409), ("0.00", 422), ("0.01", 201)):
        line = {"finess": number, "unit_ttc": amount, "dui_in_place": offer.solution.solution}
        answer = await post(http, ORDERS, offer.body() | {"essms": [line]}, offer.editor)
        assert answer.status_code == status, (amount, answer.text)
    cent = answer.json()
    assert (cent["total_ttc"], cent["advance_ttc"], cent["solde_ttc"]) == ("0.01", "0.00", "0.01")
    assert [(p["kind"], p["amount_ttc"]) for p in cent["payments"]] == [("solde", "0.01")]


async def test_the_same_number_written_in_two_ways_is_the_same_essms(owner, http):
    offer = await an_offer(owner, 1)
    number = offer.numbers[0]
    spaced = f"{number[:2]} {number[2:5]} {number[5:]}"
    answer = await post(http, ORDERS, offer.body() | {"essms": [number, spaced]}, offer.editor)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "$.essms[1]")


async def test_a_replay_gives_the_same_bytes_and_has_no_effect(owner, http):
    offer = await an_offer(owner, 2)
    name = key()
    first = await post(http, ORDERS, offer.body(offer.numbers[0]), offer.editor, name)
    again = [await post(http, ORDERS, offer.body(offer.numbers[0]), offer.editor, name) for _ in range(3)]
    assert "idempotent-replayed" not in first.headers
    for replay in again:
        assert (replay.status_code, replay.content) == (201, first.content)
        assert replay.headers["idempotent-replayed"] == "true"
        assert replay.headers["content-type"] == first.headers["content-type"]
    count = "select count(*) from sons.purchase_order where supplier_id = $1"
    assert await owner.fetchval(count, offer.editor.actor.organisation_id) == 1


async def test_a_refusal_is_replayed_even_when_it_would_no_longer_be_one(owner, http):
    offer = await an_offer(owner, 1)
    name = key()
    body = offer.body(already_equipped=False)
    first = await post(http, ORDERS, body, offer.editor, name)
    assert first.status_code == 409
    replay = await post(http, ORDERS, body, offer.editor, name)
    assert (replay.content, replay.headers["idempotent-replayed"]) == (first.content, "true")
    assert replay.headers["content-type"] == "application/problem+json"
    assert (await post(http, ORDERS, offer.body(), offer.editor)).status_code == 201


@pytest.mark.parametrize("change", ["body", "query", "route"])
async def test_a_key_serves_one_request(owner, http, change):
    offer = await an_offer(owner, 2)
    name = key()
    assert (await post(http, ORDERS, offer.body(offer.numbers[0]), offer.editor, name)).status_code == 201
    path = {"query": f"{ORDERS}?verdicts=all", "route": f"{ORDERS}/bulk"}.get(change, ORDERS)
    body = offer.body(offer.numbers[1 if change == "body" else 0])
    answer = await post(http, path, {"orders": [body]} if change == "route" else body, offer.editor, name)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    count = "select count(*) from sons.purchase_order where supplier_id = $1"
    assert await owner.fetchval(count, offer.editor.actor.organisation_id) == 1


async def test_a_key_belongs_to_its_organisation(owner, http):
    name = key()
    for _ in range(2):
        offer = await an_offer(owner, 1)
        answer = await post(http, ORDERS, offer.body(), offer.editor, name)
        assert answer.status_code == 201
        assert "idempotent-replayed" not in answer.headers


@pytest.mark.parametrize(
    ("keys", "status", "code"),
    [
        ([], 400, "idempotency_key_missing"),
        ([""], 422, "idempotency_key_invalid"),
        (["a b"], 422, "idempotency_key_invalid"),
        (["x" * 256], 422, "idempotency_key_invalid"),
        (["a", "b"], 422, "idempotency_key_invalid"),
    ],
)
async def test_a_deposit_needs_one_readable_key(owner, http, keys, status, code):
    offer = await an_offer(owner, 1)
    headers = [*offer.editor.headers.items(), *(("idempotency-key", name) for name in keys)]
    for path, body in ((ORDERS, offer.body()), (f"{ORDERS}/bulk", {"orders": [offer.body()]})):
        answer = await http.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_only_suppliers_deposit(owner, http, role):
    offer = await an_offer(owner, 1)
    account = await an_account(role)
    for path, body in ((ORDERS, offer.body()), (f"{ORDERS}/bulk", {"orders": [offer.body()]})):
        answer = await post(http, path, body, account)
        if role in {"editor", "distributor"}:  # a stranger to the solution: judged, and refused by R01
            assert answer.status_code == (409 if path == ORDERS else 200)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_without_a_token_or_with_a_false_one(owner, http):
    offer = await an_offer(owner, 1)
    for path in (ORDERS, f"{ORDERS}/bulk"):
        answer = await post(http, path, offer.body())
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    for path in (ORDERS, f"{ORDERS}/x", f"/api/v1/essms/{offer.numbers[0]}"):
        assert (await http.get(path)).status_code == 401
    false = {"authorization": "Bearer sons_" + "x" * 43}
    assert (await http.post(SIMULATIONS, json=offer.body(), headers=false)).status_code == 401


async def test_without_an_account_a_simulation_says_what_the_texts_suffice_to_say(owner, http):
    offer = await an_offer(owner, 2)
    assert (await post(http, ORDERS, offer.body(offer.numbers[0]), offer.editor)).status_code == 201
    told = (await http.post(SIMULATIONS, json=offer.body())).json()
    assert (told["decision"], told["tranche"], told["total_ttc"]) == ("to_review", "A", "8000.00") or told[
        "tranche"
    ]
    unknown = {v["rule"] for v in told["verdicts"] if v["outcome"] == "unknown"}
    assert {"R05", "R25", "R26"} <= unknown
    assert "id" not in told


async def test_an_og_simulates_for_itself_only(owner, http):
    offer = await an_offer(owner, 1)
    itself = await an_account("og", finess_juridique=offer.og)
    assert (await post(http, SIMULATIONS, offer.body(), itself)).status_code == 200
    answer = await post(http, SIMULATIONS, offer.body(), await an_account("og"))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_strangers_and_unknown_orders_look_the_same(owner, http):
    offer = await an_offer(owner, 1)
    told = (await post(http, ORDERS, offer.body(), offer.editor)).json()
    stranger = await an_account("editor")
    seen = set()
    for wanted in (told["id"], "00000000-0000-4000-8000-000000000000", "x", "%00", told["number"]):
        answer = await http.get(f"{ORDERS}/{wanted}", headers=stranger.headers)
        assert answer.status_code == 404
        seen.add(answer.text)
    assert len(seen) == 1
    for role, status in (("reviewer", 200), ("payer", 200), ("pilot", 200), ("admin", 200), ("ars", 403)):
        answer = await http.get(f"{ORDERS}/{told['id']}", headers=(await an_account(role)).headers)
        assert answer.status_code == status, role


async def test_facts_of_others_are_hidden_on_every_route(owner, http):
    offer = await an_offer(owner, 2)
    holder = (await post(http, ORDERS, offer.body(offer.numbers[0]), offer.editor)).json()
    reference = await make.a_grant(owner, offer.numbers[1], solution=offer.solution.solution)
    rival = await an_offer(owner, og=(offer.og, offer.numbers))
    secrets = (holder["id"], holder["number"], reference, "14500.00", "14 500")
    name = key()
    answers = [
        await post(http, SIMULATIONS, rival.body(), rival.editor),
        await post(http, ORDERS, rival.body(), rival.editor, name),
        await post(http, ORDERS, rival.body(), rival.editor, name),  # the stored bytes
        await post(http, f"{ORDERS}/bulk", {"orders": [rival.body()]}, rival.editor),
        await http.get(ORDERS, headers=rival.editor.headers),
        await http.get(f"/api/v1/essms/{offer.numbers[0]}", headers=rival.editor.headers),
        await http.get(f"/api/v1/essms/{offer.numbers[1]}", headers=rival.editor.headers),
        await http.post(SIMULATIONS, json=rival.body()),
    ]
    refused = answers[1].json()["order"]["id"]
    answers.append(await http.get(f"{ORDERS}/{refused}", headers=rival.editor.headers))
    answers.append(await http.get(f"{ORDERS}/{refused}?verdicts=all", headers=rival.editor.headers))
    for answer in answers:
        assert answer.status_code < 500
        for secret in secrets:
            assert secret not in answer.text, (answer.request.url, secret)
    for role, told in (("og", True), ("reviewer", True)):
        account = await an_account(role, finess_juridique=offer.og if role == "og" else None)
        read = await http.get(f"{ORDERS}/{refused}", headers=account.headers)
        assert (reference in read.text) is told
        assert (holder["number"] in read.text) is told
