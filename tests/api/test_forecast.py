"""The forecast over HTTP and from the terminal: formats, filters, who may."""

from __future__ import annotations

import io

import httpx
import pytest
from python_calamine import CalamineWorkbook

from tests import factories_life as life
from tests import factories_orders as make
from tests.factories import an_account


@pytest.fixture
async def order(client: httpx.AsyncClient) -> life.Life:
    await make.prepare_instance()
    return await life.an_order_with_due_advance(make.Everything(), 2)


async def get(client: httpx.AsyncClient, query: str, role: str = "pilot") -> httpx.Response:
    return await client.get(f"/api/v1/forecast{query}", headers=(await an_account(role)).headers)


async def test_it_answers_in_json_csv_and_xlsx(client: httpx.AsyncClient, order: life.Life) -> None:
    answer = await get(client, "?by=month,dispositif")
    told = answer.json()
    assert answer.status_code == 200
    assert (told["by"], told["total"]["engaged_ttc"]) == (["month", "dispositif"], "5840.00")
    assert {row["month"] for row in told["rows"]} == {"2023-03", "2024-03"}
    assert len(told["law_digest"]) == 64
    table = await get(client, "?by=month,dispositif&format=csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in table.headers["content-disposition"]
    assert "2023-03;MS1-V1;5840,00" in table.text
    book = await get(client, "?by=region&format=xlsx")
    rows = CalamineWorkbook.from_filelike(io.BytesIO(book.content)).get_sheet_by_index(0).to_python()
    assert rows[1][:2] == ["Île-de-France", 5840.0]


@pytest.mark.parametrize(
    "query", ["?by=colour", "?month_from=2023-13-01", "?format=pdf", "?colour=blue", "?by=month,,colour"]
)
async def test_a_wrong_question_is_told_so(client: httpx.AsyncClient, order: life.Life, query: str) -> None:
    answer = await get(client, query)
    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_an_editor_that_nobody_knows_and_a_role_that_may_not(
    client: httpx.AsyncClient, order: life.Life
) -> None:
    assert (await get(client, "?editor=nobody")).status_code == 404
    assert (await get(client, "", "ars")).status_code == 403
    assert (await client.get("/api/v1/forecast")).status_code == 401
    mine = await client.get("/api/v1/forecast", headers=order.editor.headers)
    assert mine.json()["total"]["engaged_ttc"] == "5840.00"
    assert (await get(client, "", "editor")).json()["total"]["engaged_ttc"] == "0.00"
