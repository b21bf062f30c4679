"""Our own CSV files: the schema of a row, the checks across fields, and what a refusal says."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.registers.layout import REGISTERS, Kind
from sons_tracker.registers.rows_csv import schema
from tests.databases import Database
from tests.factories_registers import a_distributor, a_grant, a_referencing, imported, importing, rows_file

DAY = date(2023, 2, 1)
ESSMS = "010000024"
OWN = (Kind.REFERENCING, Kind.DISTRIBUTOR, Kind.ESMS_GRANT)


async def refusals(folder: Path, *rows: dict[str, Any]) -> list[tuple[int, str]]:
    report = await importing(rows_file(folder, "liste", rows), extracted_on=DAY, dry_run=True)
    assert report.refused_count == len(report.refused)
    return report.refused


async def test_a_list_of_versions_is_read(database: Database, tmp_path: Path) -> None:
    candidate = a_referencing(
        solution_version="NOTE-3.0", version_label="Note 3.0", status="candidate", referenced_from=""
    )
    report = await imported(rows_file(tmp_path, "liste-2023-02-01", [a_referencing(), candidate]))
    assert (report.register, report.extracted_on, report.new) == (Kind.REFERENCING, DAY, 2)
    async with transaction(LOCAL_ADMIN.context) as con:
        row = await con.fetchrow("select * from referencing where status = 'referenced'")
    assert dict(row) == {
        "solution_version": "NOTE-2.0",
        "dispositif": "MS1-V1",
        "valid_from": DAY,
        "valid_to": None,
        "version_label": "Note 2.0",
        "solution": "NOTE",
        "solution_name": "Note",
        "solution_kind": "dui",
        "editor_siren": "732829320",
        "editor_name": "Éditions de la note",
        "status": "referenced",
        "complete_file_on": date(2022, 6, 1),
        "referenced_from": date(2022, 9, 1),
        "referenced_to": None,
    }


async def test_the_weekly_list_keeps_its_snapshots(database: Database, tmp_path: Path) -> None:
    candidate = a_referencing(status="candidate", referenced_from="")
    await imported(rows_file(tmp_path, "liste-2022-08-01", [candidate]))
    report = await imported(rows_file(tmp_path, "liste-2022-09-05", [a_referencing()]))
    assert report.changed == 1
    async with transaction(LOCAL_ADMIN.context) as con:
        rows = await con.fetch("select status, valid_from, valid_to from referencing order by valid_from")
    assert [tuple(row) for row in rows] == [
        ("candidate", date(2022, 8, 1), date(2022, 9, 5)),
        ("referenced", date(2022, 9, 5), None),
    ]


async def test_distributors_are_read(database: Database, tmp_path: Path) -> None:
    report = await imported(
        rows_file(tmp_path, "d", [a_distributor(distributes_to="2024-01-01")]), extracted_on=DAY
    )
    assert (report.register, report.new) == (Kind.DISTRIBUTOR, 1)


async def test_a_grant_is_read_with_its_amounts_in_cents_and_its_components_in_one_order(
    database: Database, tmp_path: Path
) -> None:
    grant = a_grant(
        ESSMS,
        project="acquisition",
        components="equipment + usage",
        usage_eur="7000",
        equipment_eur="11500,50",
        call="regional",
        porteur="Grappe de l'Ain",
        dui_referenced="non",
    )
    await imported(rows_file(tmp_path, "g", [grant]), extracted_on=DAY)
    async with transaction(LOCAL_ADMIN.context) as con:
        row = await con.fetchrow("select * from esms_grant")
    assert row["components"] == ["usage", "equipment"]
    assert (row["usage_cents"], row["equipment_cents"], row["hardware_cents"]) == (700_000, 1_150_050, None)
    assert (row["dui_referenced"], row["call"], row["call_year"]) == (False, "regional", 2022)
    # the same said in another order is no change
    again = rows_file(tmp_path, "g2", [grant | {"components": "usage+equipment"}])
    assert (await imported(again, extracted_on=DAY)).unchanged == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "referencee"}, "n'est pas l'une des valeurs candidate, referenced, withdrawn"),
        ({"editor_siren": "732829321"}, "n'est pas un numéro SIREN valide"),
        ({"editor_siren": "73282932"}, "n'est pas un numéro SIREN valide"),
        ({"dispositif": "MS1"}, "n'a pas la forme attendue"),
        ({"solution": ""}, "« solution » est vide"),
        ({"referenced_from": "01/09/2022"}, "n'est pas une date AAAA-MM-JJ"),
        ({"referenced_from": "20220901"}, "n'est pas une date AAAA-MM-JJ"),
        ({"referenced_from": "2022-09-31"}, "n'est pas une date AAAA-MM-JJ"),
        ({"referenced_from": ""}, "« referenced_from » est exigé"),
        ({"status": "candidate"}, "n'est pas encore référencée"),
        ({"referenced_to": "2022-08-31"}, "précède « referenced_from »"),
        ({"complete_file_on": "2023-02-02"}, "postérieur à la date d'extraction"),
        ({"editor_name": "x" * 201}, "plus de 200 caractères"),
    ],
)
async def test_a_wrong_version_is_refused(
    module_database: Database, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    found = await refusals(
        tmp_path, a_referencing(solution_version="OK-1", solution="OK"), a_referencing(**changes)
    )
    assert [line for line, _ in found] == [3]
    assert said in found[0][1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"finess_geographique": "010000025"}, "n'est pas un numéro FINESS valide"),
        ({"finess_geographique": "01 000 0024"}, "n'est pas un numéro FINESS valide"),
        ({"finess_geographique": "10000024"}, "n'est pas un numéro FINESS valide"),
        ({"call_year": "2020"}, "hors des bornes"),
        ({"call_year": "vingt"}, "n'est pas du type attendu"),
        ({"components": "usage+licence"}, "components"),
        ({"components": "usage+usage"}, "une valeur est répétée"),
        ({"components": ""}, "« components » est vide"),
        ({"dui_referenced": "peut-être"}, "n'est pas du type attendu"),
        ({"usage_eur": "5000.5"}, "n'a pas la forme attendue"),
        ({"usage_eur": "-5000.00"}, "n'a pas la forme attendue"),
        ({"usage_eur": "5 000,00"}, "n'a pas la forme attendue"),
        ({"hardware_eur": "5000.00"}, "« hardware » n'est pas une composante"),
        ({"agreed_on": ""}, "« agreed_on » est exigé dans l'état « agreed »"),
        ({"agreed_on": "2022-03-31"}, "précède « requested_on »"),
        ({"agreed_on": "2023-02-02"}, "postérieur à la date d'extraction"),
        ({"paid_on": "2022-12-01"}, "l'état est « agreed »"),
        ({"recovered_on": "2022-12-01"}, "l'état est « agreed »"),
        ({"state": "rejected", "rejected_on": "2022-03-01"}, "« rejected_on » (2022-03-01) précède"),
        (
            {"state": "recovered", "first_paid_on": "2022-11-01", "recovered_on": "2022-10-31"},
            "« recovered_on » (2022-10-31) précède « first_paid_on »",
        ),
    ],
)
async def test_a_wrong_grant_is_refused(
    module_database: Database, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    found = await refusals(tmp_path, a_grant(ESSMS, grant_reference="OK"), a_grant(ESSMS) | changes)
    assert [line for line, _ in found] == [3]
    assert said in found[0][1]


@pytest.mark.parametrize("day", ["2023-01-31", "2023-02-01"])
async def test_a_fact_of_the_day_of_the_extraction_passes(
    module_database: Database, tmp_path: Path, day: str
) -> None:
    assert await refusals(tmp_path, a_grant(ESSMS, agreed_on=day)) == []


async def test_every_reason_of_a_line_is_told_and_every_line(
    module_database: Database, tmp_path: Path
) -> None:
    wrong = a_grant("12", call_year="x", state="payé")
    found = await refusals(tmp_path, wrong, a_grant(ESSMS), a_grant("", project=""))
    assert [line for line, _ in found] == [2, 4]
    for field in ("finess_geographique", "call_year", "state"):
        assert field in found[0][1]


async def test_a_repeated_key_is_refused(module_database: Database, tmp_path: Path) -> None:
    found = await refusals(
        tmp_path, a_grant(ESSMS), a_grant("010000024", state="agreed"), a_grant("010780054")
    )
    assert found == [(3, "« ESMS-2022-0001 / 010000024 » figure déjà à la ligne 2.")]


async def test_a_solution_is_described_once(module_database: Database, tmp_path: Path) -> None:
    found = await refusals(
        tmp_path,
        a_referencing(),
        a_referencing(dispositif="MS2-V1", editor_siren="404833048"),
        a_referencing(solution_version="NOTE-4", version_label="Note 4"),
        a_referencing(dispositif="MS3-V1", version_label="Autre"),
    )
    assert [line for line, _ in found] == [3, 5]
    assert "« NOTE » (solution) est décrit autrement plus haut" in found[0][1]
    assert "« NOTE-2.0 » (solution_version)" in found[1][1]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("solution_version;dispositif;couleur", "colonnes inconnues : « couleur »"),
        ("solution_version;dispositif", "colonnes manquantes : version_label"),
        ("solution_version;solution_version;dispositif", "colonnes répétées : solution_version"),
    ],
)
async def test_a_wrong_header_is_refused(
    module_database: Database, tmp_path: Path, header: str, said: str
) -> None:
    path = tmp_path / "liste.csv"
    path.write_text(header + "\n", encoding="utf-8")
    with pytest.raises(SonsError, match=said) as caught:
        await importing(path, extracted_on=DAY)
    assert caught.value.code is ErrorCode.INVALID_FILE
    assert "ligne 1" in caught.value.detail


async def test_a_header_alone_is_refused(module_database: Database, tmp_path: Path) -> None:
    path = tmp_path / "liste.csv"
    path.write_text(";".join(a_referencing()) + "\n", encoding="utf-8")
    with pytest.raises(SonsError, match="aucune ligne"):
        await importing(path, extracted_on=DAY)


@pytest.mark.parametrize(
    ("line", "said"),
    [('NOTE-2.0;"MS1', "guillemet"), ('NOTE-2.0;x"y"', "guillemet"), ("a;b", "sont attendus, 2")],
)
async def test_a_line_that_is_no_csv_is_refused(
    module_database: Database, tmp_path: Path, line: str, said: str
) -> None:
    path = rows_file(tmp_path, "liste", [a_referencing()])
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n\n")
    report = await importing(path, extracted_on=DAY)
    assert [number for number, _ in report.refused] == [3]
    assert said in report.refused[0][1]


@pytest.mark.parametrize("kind", OWN)
def test_the_schemas_are_schemas_and_name_the_columns_of_the_register(kind: Kind) -> None:
    of_row = schema(kind)
    Draft202012Validator.check_schema(of_row)
    columns = [name.replace("_eur", "_cents") for name in of_row["properties"]]
    assert sorted(columns) == sorted(REGISTERS[kind].columns)
    assert set(REGISTERS[kind].keys) <= set(of_row["required"])
    # nothing but columns: a cell that fits its own is all that a row needs
    assert set(of_row) == {
        "$schema",
        "$id",
        "title",
        "type",
        "additionalProperties",
        "required",
        "properties",
    }
    assert all("description" in part for part in of_row["properties"].values())


@pytest.mark.parametrize("kind", OWN)
def test_the_documentation_names_every_column_of_every_file(kind: Kind) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "registres.md").read_text(encoding="utf-8")
    for name, part in schema(kind)["properties"].items():
        assert f"`{name}`" in guide
        assert part["description"] in guide
    assert json.dumps(kind.value) not in guide  # names are quoted as code, not as JSON
