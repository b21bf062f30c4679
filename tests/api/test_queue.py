"""The queue, alerts, views and samples over HTTP: for the agencies alone, and files without formulas."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from python_calamine import CalamineWorkbook

from sons_tracker import law
from sons_tracker.exchanges.tables import Sheet, sheet_csv, sheet_xlsx
from sons_tracker.operations import alerts, clock
from sons_tracker.operations.actors import SCHEDULER
from tests import factories_conflicts as conflicts
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.factories import Account, an_account

FORMULA = '=HYPERLINK("http://ici";"Éditeur")'
PATHS = ("/api/v1/queue", "/api/v1/alerts", "/api/v1/saved-views", "/api/v1/samples")


@dataclass(frozen=True, slots=True)
class World:
    """A case whose supplier is named like a formula, alerts raised, an advance paid."""

    http: httpx.AsyncClient
    reviewer: Account
    case: conflicts.Case

    async def get(self, path: str, by: Account | None = None, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query, headers=(by or self.reviewer).headers)

    async def post(self, path: str, body: Any, key: str, by: Account | None = None) -> httpx.Response:
        headers = {**(by or self.reviewer).headers, "Idempotency-Key": key}
        return await self.http.post(path, json=body, headers=headers)


@pytest.fixture
async def world(client: httpx.AsyncClient) -> World:
    await make.prepare_instance()
    owner = make.Everything()
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren, organisation=FORMULA)
    order = await make.deposit(editor.actor, make.a_request(og, numbers, solution))
    reviewer = await an_account("reviewer")
    case = await conflicts.a_conflict(
        "order_grant", make.id_of(order), "G-1", essms=numbers, reviewer=reviewer
    )
    await solde.a_paid_advance(owner, 2)
    await alerts.raise_all(SCHEDULER, law.load().law, await clock.now())
    return World(client, reviewer, case)


async def test_a_page_tells_the_risk_its_reasons_and_the_clock(world: World) -> None:
    answer = await world.get("/api/v1/queue", assigned="none", family="order_grant", at_stake_from="1232.00")
    told = answer.json()
    assert (answer.status_code, told["next"]) == (200, None)
    [case] = told["cases"]
    assert (case["number"], case["at_stake_ttc"], case["paid_ttc"]) == (world.case.number, "1232.00", "0.00")
    assert case["risk"]["score"] == sum(reason["points"] for reason in case["risk"]["reasons"])
    assert case["clock"] == {"working_days": 0, "stopped": False, "next_due_at": None, "overdue": 0}
    assert {one["state"]: one["count"] for one in told["counts"]}["open"] == 1


async def test_pages_follow_and_a_foreign_next_is_refused(world: World) -> None:
    for n in range(3):
        await conflicts.a_conflict("two_grants", f"G-{n}", f"H-{n}", essms=["010000016"])
    for sort in ("risk", "age"):
        seen, after = [], {}
        while True:
            told = (await world.get("/api/v1/queue", sort=sort, limit=1, **after)).json()
            seen += [case["number"] for case in told["cases"]]
            if told["next"] is None:
                break
            after = {"after": told["next"]}
        assert len(set(seen)) == len(seen) == 4
        other = {"risk": "age", "age": "risk"}[sort]
        assert (await world.get("/api/v1/queue", sort=other, **after)).status_code == 422
    for name, value in (
        ("after", "x"), ("sort", "colour"), ("risk_from", "101"), ("og", "12"), ("assigned", "you"),
        ("region", "X"),
    ):  # fmt: skip
        assert (await world.get("/api/v1/queue", **{name: value})).status_code == 422, name


async def test_a_view_is_kept_run_by_its_name_and_removed(world: World) -> None:
    body = {"name": "Mes urgences", "filters": {"family": "two_grants", "sort": "age", "assigned": "me"}}
    kept = await world.post("/api/v1/saved-views", body, "v1")
    assert (kept.status_code, kept.json()["filters"]) == (200, body["filters"])
    again = await world.post("/api/v1/saved-views", body, "v1")
    assert again.headers["idempotent-replayed"] == "true"
    assert (await world.get("/api/v1/queue", view="Mes urgences")).json()["cases"] == []
    wider = await world.get("/api/v1/queue", view="Mes urgences", family="order_grant", assigned="none")
    assert [case["number"] for case in wider.json()["cases"]] == [world.case.number]
    other = await an_account("reviewer")
    assert (await world.get("/api/v1/queue", other, view="Mes urgences")).status_code == 404
    assert (await world.get("/api/v1/saved-views", other)).json() == {"views": []}
    wrong = {"name": "Fausse", "filters": {"couleur": "bleue"}}
    assert (await world.post("/api/v1/saved-views", wrong, "v2")).status_code == 422
    removed = await world.post("/api/v1/saved-views/removal", {"name": "Mes urgences"}, "v3")
    assert removed.status_code == 200
    assert (await world.get("/api/v1/saved-views")).json() == {"views": []}


async def test_an_alert_is_read_and_dismissed_once(world: World) -> None:
    found = (await world.get("/api/v1/alerts", state="open", pattern="tranche_threshold")).json()["alerts"]
    assert found
    path = f"/api/v1/alerts/{found[0]['id']}"
    assert (await world.get(path)).json() == found[0]
    payer = await an_account("payer")
    assert (await world.post(f"{path}/dismissal", {"reason": "Vu."}, "d", payer)).status_code == 403
    told = await world.post(f"{path}/dismissal", {"reason": "Vérifié."}, "d1")
    assert (told.status_code, told.json()["state_label"]) == (200, "écartée")
    refused = await world.post(f"{path}/dismissal", {"reason": "Encore."}, "d2")
    assert (refused.status_code, refused.json()["code"]) == (409, "action_refused")
    assert (await world.get("/api/v1/alerts", state="dismissed")).json()["alerts"][0]["id"] == found[0]["id"]


async def test_a_sample_is_drawn_drawn_again_and_exported(world: World) -> None:
    body = {"seed": "audit", "size": 1, "unit": "line", "what": "paid", "until": "2099-01-01T00:00:00+01:00"}
    assert (await world.post("/api/v1/samples", body, "s0")).status_code == 422
    assert (await world.post("/api/v1/samples", {"seed": "audit"}, "s1")).status_code == 422
    # the sandbox's clock has not reached the payment yet: nothing is paid
    refused = await world.post("/api/v1/samples", {"seed": "audit", "size": 1}, "s2")
    assert refused.status_code == 409
    admin = await an_account("admin")
    forward = {"to": solde.LATER.isoformat()}
    assert (await world.post("/api/v1/clock/advance", forward, "c1", admin)).status_code == 200
    drawn = await world.post("/api/v1/samples", {"seed": "audit", "size": 1}, "s3")
    assert (drawn.status_code, drawn.json()["population"]) == (201, 2)
    path = f"/api/v1/samples/{drawn.json()['id']}"
    lines = (await world.get(f"{path}/lines")).json()
    assert (len(lines["lines"]), lines["next"]) == (1, None)
    assert (await world.get(f"{path}/redraw")).json()["unchanged"] is True
    book = await world.get(f"{path}/file", format="xlsx")
    rows = CalamineWorkbook.from_filelike(io.BytesIO(book.content)).get_sheet_by_index(0).to_python()
    assert rows[1][1] == lines["lines"][0]["order"]
    assert (await world.get("/api/v1/samples")).json()["samples"][0] == drawn.json()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("role", ["editor", "distributor", "og", "ars"])
async def test_only_agencies_are_answered(world: World, path: str, role: str) -> None:
    assert (await world.get(path, await an_account(role))).status_code == 403
    assert (await world.http.get(path)).status_code == 401


async def test_a_name_like_a_formula_is_harmless_in_every_file(world: World) -> None:
    told = (await world.get("/api/v1/queue/export", format="csv")).text
    rows = list(csv.DictReader(io.StringIO(told), delimiter=";"))
    assert rows[0]["Fournisseurs"] == f"'{FORMULA}"
    for path in ("/api/v1/queue/export", "/api/v1/alerts/export"):
        book = await world.get(path, format="xlsx")
        assert b"<f>" not in b"".join(parts_of(book.content))
        assert "attachment" in book.headers["content-disposition"]
        table = await world.get(path, format="csv")
        for row in csv.reader(io.StringIO(table.text), delimiter=";"):
            assert not [cell for cell in row if cell.startswith(("=", "+", "@", "\t"))]


def parts_of(book: bytes) -> list[bytes]:
    """The sheets of a workbook, as XML."""
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        return [parts.read(name) for name in parts.namelist() if name.startswith("xl/worksheets")]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "http://ici"])
def test_no_text_becomes_a_formula_or_a_link(text: str) -> None:
    sheet = Sheet(
        "T", ("Texte", "Montant", "Nombre"), [(text, 123456, 7), (None, -1, 0)], frozenset({"Montant"})
    )
    rows = list(csv.reader(io.StringIO(sheet_csv(sheet).decode(), newline=""), delimiter=";"))
    assert rows[1][1:] == ["1234,56", "7"]
    assert rows[1][0] == (text if text == "http://ici" else f"'{text}")
    assert rows[2] == ["", "-0,01", "0"]
    [page] = parts_of(sheet_xlsx(sheet))
    assert b"<f>" not in page
    assert b"hyperlink" not in page
    shown = CalamineWorkbook.from_filelike(io.BytesIO(sheet_xlsx(sheet))).get_sheet_by_index(0).to_python()
    assert (shown[1][1], shown[1][2]) == (1234.56, 7.0)
