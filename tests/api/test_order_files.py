"""Orders deposited by a file: each row its own fate under its own line, CSV and XLSX alike, never twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests import factories_orders as make
from tests.api.http_orders import an_offer, client, key
from tests.databases import Database
from tests.hostile.pieces import packed, workbook

FILE = "/api/v1/orders/bulk/file"
OCTETS = "application/octet-stream"


@pytest.fixture(scope="module")
async def owner(module_database: Database) -> make.Everything:
    await make.prepare_instance()
    return make.Everything()


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(module_database) as made:
        yield made


def row(body: dict[str, Any]) -> dict[str, str]:
    """The cells of an order."""
    cells = {name: value for name, value in body.items() if value is not None}
    cells["essms"] = "+".join(one if isinstance(one, str) else one["finess"] for one in cells["essms"])
    return {name: {True: "oui", False: "non"}.get(value, str(value)) for name, value in cells.items()}


async def send(
    http: httpx.AsyncClient, editor: Any, content: bytes, name: str | None = None
) -> httpx.Response:
    headers = {**editor.headers, "content-type": OCTETS, "idempotency-key": name or key()}
    return await http.post(FILE, content=content, headers=headers)


async def test_csv_and_workbook_have_the_same_fate(owner: make.Everything, http: httpx.AsyncClient) -> None:
    offer = await an_offer(owner, 2)
    one, two = (row(offer.body(number)) for number in offer.numbers)
    header = list(one)
    lines = [";".join(header), ";".join(one.values()), "", ";".join([*one.values(), "x"]), "MS1-V1"]
    name = key()
    answer = await send(http, offer.editor, "\n".join(lines).encode(), name)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [(r["line"], r["status"]) for r in told["results"]] == [(2, 201), (4, 422), (5, 422)]
    again = await send(http, offer.editor, "\n".join(lines).encode(), name)
    assert again.json() == told
    content = workbook(tuple(header), (), tuple(one.values()), tuple(two.values()))
    told = (await send(http, offer.editor, content)).json()
    assert [(r["line"], r["status"]) for r in told["results"]] == [(3, 409), (4, 201)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a;b\n1;2\n",
        b"dispositif\n",
        b'dispositif;"og\n',
        b"\xff",
        b"PK\x03\x04x",
        packed(("a.pdf", b"x")),
    ],
    ids=["empty", "columns", "few", "quote", "bytes", "cut", "archive"],
)
async def test_a_file_that_is_none_is_refused_whole(
    owner: make.Everything, http: httpx.AsyncClient, content: bytes
) -> None:
    offer = await an_offer(owner, 1)
    answer = await send(http, offer.editor, content)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_file"), answer.text


async def test_the_template_is_what_is_read(owner: make.Everything, http: httpx.AsyncClient) -> None:
    offer = await an_offer(owner, 1)
    answer = await http.get("/api/v1/orders/bulk/template", headers=offer.editor.headers)
    assert answer.status_code == 200
    cells = row(offer.body(offer.numbers[0]))
    header = answer.content.decode("utf-8-sig").strip().split(";")
    content = answer.content + ";".join(cells.get(name, "") for name in header).encode()
    assert (await send(http, offer.editor, content)).json()["deposited"] == 1
