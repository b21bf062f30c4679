"""Explanation, graph and evidence over HTTP: what each role is answered, and what the files are served as."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import date
from uuid import uuid4
from xml.etree import ElementTree

import httpx
import pytest

from sons_tracker.app import create_app
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, Account, an_account
from tests.factories_conflicts import a_clash_case

owner = make.Everything()


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    await make.prepare_instance()  # a sandbox, whose clock stands at AT
    app = create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as client:
        yield client


async def get(http: httpx.AsyncClient, path: str, who: Account, **query: str) -> httpx.Response:
    return await http.get(f"/api/v1/{path}", headers=who.headers, params=query)


async def test_an_explanation_is_told_to_each_as_far_as_it_may_know(http: httpx.AsyncClient) -> None:
    clash, case = await a_clash_case(owner, at=AT)
    path = f"essms/{clash.finess}/explanation"
    told = {}
    for name, who in (("reviewer", case.reviewer), ("og", clash.og), ("loser", clash.loser)):
        answer = await get(http, path, who)
        assert answer.status_code == 200, answer.text
        told[name] = answer
    assert told["reviewer"].json() == told["og"].json()
    body = told["reviewer"].json()
    assert [order["number"] for order in body["orders"]] == [clash.held_number, clash.refused_number]
    refused = next(v for v in body["orders"][1]["replay"]["verdicts"] if v["outcome"] == "fail")
    assert (refused["rule"], refused["facts"]) == ("R05", {"holder": clash.held_number})
    assert body["conflicts"][0]["family"] == "two_orders"
    assert clash.held_number not in told["loser"].text
    assert told["loser"].json()["conflicts"][0]["family"] is None
    stranger = await get(http, path, await an_account("editor"))
    nobody = await get(http, "essms/990000010/explanation", await an_account("editor"))
    assert (stranger.status_code, stranger.json()["code"]) == (404, "not_found")
    assert {**stranger.json(), "instance": ""} == {**nobody.json(), "instance": ""}
    assert (await get(http, path, await an_account("ars"))).status_code == 403


async def test_what_changed_since_is_told_rule_by_rule(http: httpx.AsyncClient) -> None:
    _, request, _ = await make.an_accepted_order(owner, 1)
    finess = request.essms[0].finess
    grant = await make.a_grant(owner, finess, solution="AUTRE", agreed_on=date(2022, 5, 1))
    reviewer = await an_account("reviewer")
    body = (await get(http, f"essms/{finess}/explanation", reviewer, mode="today")).json()
    (rule,) = body["orders"][0]["difference"]["rules"]
    assert (rule["rule"], rule["before"], rule["after"]) == ("R25", "pass", "fail")
    assert body["pairs"][0]["grant"] == grant
    path = f"essms/{finess}/explanation"
    known = await get(http, path, reviewer, mode="known", known_on="2022-12-31", against="today")
    assert known.json()["against"] == "today"
    for query in ({"mode": "known"}, {"known_on": "2022-12-31"}, {"mode": "hier"}, {"vague": "V9"}):
        answer = await get(http, path, reviewer, **query)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_the_graph_is_a_table_and_a_picture_that_runs_nothing(http: httpx.AsyncClient) -> None:
    clash, case = await a_clash_case(owner, at=AT)
    for who in (case.reviewer, clash.og):
        body = (await get(http, f"conflicts/{case.id}/graph", who)).json()
        assert body["path"][0].startswith(f"Commande {clash.held_number} engage")
        picture = await get(http, f"conflicts/{case.id}/graph.svg", who)
        assert picture.headers["content-type"].startswith("image/svg+xml")
        assert picture.headers["x-content-type-options"] == "nosniff"
        assert picture.headers["content-security-policy"].startswith("default-src 'none'")
        assert "sandbox" in picture.headers["content-security-policy"]
        titles = [node.text or "" for node in ElementTree.fromstring(picture.content).iter()]
        for link in body["links"]:
            told = f"{link['number']}. {link['source_label']} {link['relation']} {link['target_label']}"
            assert any(title.startswith(told) for title in titles)
    way = await get(
        http, f"conflicts/{case.id}/graph", case.reviewer, source=clash.finess, target=clash.refused_number
    )
    assert len(way.json()["path"]) == 1
    lost = await get(http, f"conflicts/{case.id}/graph", case.reviewer, source="x", target="y")
    assert lost.status_code == 404
    for path in ("graph", "graph.svg"):
        assert (await get(http, f"conflicts/{case.id}/{path}", clash.loser)).status_code == 403
        foreign = await get(http, f"conflicts/{case.id}/{path}", await an_account("og"))
        unknown = await get(http, f"conflicts/{uuid4()}/{path}", await an_account("og"))
        assert foreign.status_code == unknown.status_code == 404
        assert {**foreign.json(), "instance": ""} == {**unknown.json(), "instance": ""}


async def test_the_evidence_is_a_file_for_the_agencies(http: httpx.AsyncClient) -> None:
    clash, case = await a_clash_case(owner, at=AT)
    answer = await get(http, f"conflicts/{case.id}/evidence", await an_account("pilot"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{case.number}-preuves.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read("rapport.pdf").startswith(b"%PDF-")
    for who in (clash.og, clash.holder, clash.loser, await an_account("ars")):
        assert (await get(http, f"conflicts/{case.id}/evidence", who)).status_code == 403
    assert (await get(http, f"conflicts/{uuid4()}/evidence", case.reviewer)).status_code == 404
