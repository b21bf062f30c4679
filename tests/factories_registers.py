"""Register files for tests: valid by default, written where the test says, imported as an administrator."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from sons_tracker.operations.actors import LOCAL_ADMIN, Actor
from sons_tracker.operations.registers import ImportReport, import_register
from sons_tracker.registers.finess_csv import ENTITIES, ESTABLISHMENTS
from sons_tracker.registers.layout import Kind, Scope
from sons_tracker.registers.synthetic_words import NOMENCLATURE
from sons_tracker.settings import resource
from tests.factories import AT

FIXTURES = resource("fixtures") / "finess"


@cache
def nomenclature() -> Mapping[str, str]:
    """Category → aggregate of level 2, from the published nomenclature."""
    with (resource("fixtures") / NOMENCLATURE).open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["codeagr2"] for row in csv.DictReader(file)}


def establishment_line(number: str, entity: str = "", **fields: str) -> str:
    """One line of cs1100502; `fields` are named as the file's fields."""
    row = dict.fromkeys(ESTABLISHMENTS.fields, "")
    row |= {
        "structureet": "structureet",
        "nofinesset": number,
        "nofinessej": entity,
        "rs": "EHPAD LES TILLEULS (FICTIF)",
        "departement": "01",
        "commune": "451",
        "ligneacheminement": "01440 VIRIAT",
        "categetab": "500",
        "categagretab": "4401",
        "dateouv": "1990-01-01",
    }
    return _line({**row, **fields})


def entity_line(number: str, **fields: str) -> str:
    """One line of cs1100501."""
    row = dict.fromkeys(ENTITIES.fields, "")
    row |= {"structureej": "structureej", "nofiness": number, "rs": "ASSOCIATION LES TILLEULS (FICTIF)"}
    return _line({**row, **fields})


def _line(row: Mapping[str, str]) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="\n").writerow(row.values())
    return text.getvalue()


def finess_text(on: date, lines: Iterable[str]) -> str:
    return f"finess;etalab;0;{on.isoformat()}\n" + "".join(lines)


def establishments_file(folder: Path, on: date, lines: Iterable[str], name: str = "et") -> Path:
    """A cs1100502 file of that extraction."""
    path = folder / f"{name}-{on:%Y%m%d}.csv"
    path.write_text(finess_text(on, lines), encoding="utf-8")
    return path


def rows_file(folder: Path, name: str, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A CSV of ours; the header is made of the names of every row."""
    listed = list(rows)
    header = list(dict.fromkeys(key for row in listed for key in row))
    path = folder / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, delimiter=";", lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(listed)
    return path


def a_referencing(**changes: Any) -> dict[str, Any]:
    """A referenced version of a DUI for MS1-V1."""
    return {
        "solution_version": "NOTE-2.0",
        "dispositif": "MS1-V1",
        "version_label": "Note 2.0",
        "solution": "NOTE",
        "solution_name": "Note",
        "solution_kind": "dui",
        "editor_siren": "732829320",
        "editor_name": "Éditions de la note",
        "status": "referenced",
        "complete_file_on": "2022-06-01",
        "referenced_from": "2022-09-01",
    } | changes


def a_distributor(**changes: Any) -> dict[str, Any]:
    return {
        "solution": "NOTE",
        "distributor_siren": "404833048",
        "distributor_name": "Distribution du Rhône",
        "distributes_from": "2022-01-01",
    } | changes


def a_grant(finess_geographique: str, **changes: Any) -> dict[str, Any]:
    """A paid usage grant of 2022 for a referenced DUI."""
    return {
        "grant_reference": "ESMS-2022-0001",
        "finess_geographique": finess_geographique,
        "call_year": 2022,
        "project": "upgrade",
        "components": "usage",
        "solution": "NOTE",
        "dui_referenced": "oui",
        "state": "agreed",
        "requested_on": "2022-04-01",
        "agreed_on": "2022-10-01",
        "usage_eur": "5000.00",
    } | changes


async def importing(
    path: Path,
    *,
    scope: Scope = "stock",
    actor: Actor = LOCAL_ADMIN,
    extracted_on: date | None = None,
    kind: Kind | None = None,
    **options: Any,
) -> ImportReport:
    """Imports a file with the published nomenclature."""
    return await import_register(
        actor,
        path,
        nomenclature=nomenclature(),
        at=AT,
        scope=scope,
        extracted_on=extracted_on,
        kinds=() if kind is None else (kind,),
        **options,
    )


async def imported(path: Path, **options: Any) -> ImportReport:
    """Imports a file that must be written whole."""
    report = await importing(path, **options)
    assert report.written, (report.refused, report.guard)
    return report
