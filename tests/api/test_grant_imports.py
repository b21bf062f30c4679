"""Imports of grants over HTTP: what was set aside, line by line, for the agencies alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import httpx

from tests.factories import a_finess, an_account
from tests.factories_orders import prepare_instance
from tests.factories_registers import (
    a_grant,
    establishment_line,
    establishments_file,
    imported,
    importing,
    rows_file,
)

PATH = "/api/v1/grants/imports"


async def an_import_in_part(folder: Path) -> list[str]:
    """Three ESSMS: the first has a sound grant, the second one that is too high, the third a doubtful one."""
    numbers = [a_finess() for _ in range(3)]
    await imported(establishments_file(folder, date(2022, 1, 3), map(establishment_line, numbers)))
    rows = [
        a_grant(numbers[0]),
        a_grant(numbers[1], usage_eur="5000.01"),
        a_grant(numbers[2], call_year=2023),
    ]
    report = await importing(rows_file(folder, "g", rows), extracted_on=date(2023, 2, 1), partial=True)
    assert report.written
    return numbers


async def test_a_reviewer_reads_what_an_import_set_aside(client: httpx.AsyncClient, tmp_path: Path) -> None:
    await prepare_instance()
    numbers = await an_import_in_part(tmp_path)
    reviewer = (await an_account("reviewer")).headers
    page = (await client.get(PATH, headers=reviewer)).json()
    one = page["imports"][0]
    assert page["next"] is None
    assert (one["extracted_on"], one["scope"], one["rows_read"], one["rows_set_aside"], one["anomalies"]) == (
        "2023-02-01",
        "extrait",
        3,
        1,
        2,
    )
    told = (await client.get(f"{PATH}/{one['id']}/anomalies", headers=reviewer)).json()
    assert told["of"] == one
    assert told["anomalies"][0] == {
        "line": 3,
        "severity": "error",
        "code": "above_ceiling",
        "label": "montant au-dessus du plafond",
        "message": "Le montant d'usage (5\u202f000,01\u202f€) dépasse le plafond de l'appel 2022 pour un"
        " ESSMS : 5\u202f000,00\u202f€.",
        "remedy": "Vérifier le montant auprès de l'ARS ou de la CNSA.",
        "grant_reference": "ESMS-2022-0001",
        "finess_geographique": numbers[1],
    }
    assert [(a["line"], a["code"]) for a in told["anomalies"][1:]] == [(4, "not_checkable")]


async def test_pages_and_filters_follow_the_file(client: httpx.AsyncClient, tmp_path: Path) -> None:
    await prepare_instance()
    await an_import_in_part(tmp_path)
    pilot = (await an_account("pilot")).headers
    first = (await client.get(PATH, params={"limit": 1}, headers=pilot)).json()
    assert len(first["imports"]) == 1
    assert first["next"] is None
    found = f"{PATH}/{first['imports'][0]['id']}/anomalies"
    page = (await client.get(found, params={"limit": 1}, headers=pilot)).json()
    assert ([a["line"] for a in page["anomalies"]], page["next"]) == ([3], 1)
    rest = (await client.get(found, params={"limit": 1, "after": 1}, headers=pilot)).json()
    assert ([a["line"] for a in rest["anomalies"]], rest["next"]) == ([4], None)
    warned = (await client.get(found, params={"severity": "warn"}, headers=pilot)).json()
    assert [a["code"] for a in warned["anomalies"]] == ["not_checkable"]
    for query in ({"code": "x"}, {"severity": "grave"}, {"limit": "0"}, {"colour": "blue"}):
        assert (await client.get(found, params=query, headers=pilot)).status_code == 422, query
    assert (await client.get(PATH, params={"after": "x"}, headers=pilot)).status_code == 422


async def test_only_the_agencies_read_it(client: httpx.AsyncClient, tmp_path: Path) -> None:
    await prepare_instance()
    await an_import_in_part(tmp_path)
    admin = (await an_account("admin")).headers
    import_id = (await client.get(PATH, headers=admin)).json()["imports"][0]["id"]
    for role in ("editor", "distributor", "og", "ars"):
        headers = (await an_account(role)).headers
        for path in (PATH, f"{PATH}/{import_id}/anomalies"):
            assert (await client.get(path, headers=headers)).status_code == 403, role
    assert (await client.get(PATH)).status_code == 401
    for unknown in ("00000000-0000-4000-8000-000000000001", "rien"):
        assert (await client.get(f"{PATH}/{unknown}/anomalies", headers=admin)).status_code == 404
