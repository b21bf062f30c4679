"""A file of grants looked at whole: each anomaly on its line, with its code and its sentence."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.grant_imports import list_grant_imports
from sons_tracker.operations.registers import ImportReport, import_register
from sons_tracker.registers.anomalies import KINDS
from tests.databases import Database
from tests.factories import a_finess, an_account
from tests.factories_registers import (
    a_distributor,
    a_grant,
    establishment_line,
    establishments_file,
    imported,
    importing,
    nomenclature,
    rows_file,
)

FINESS_ON, DAY = date(2022, 1, 3), date(2023, 2, 1)
AT_2025 = datetime(2025, 6, 2, 10, tzinfo=UTC)
DAY_2025 = date(2025, 6, 1)
Row = dict[str, Any]


@pytest.fixture(scope="module")
async def places(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Sixty ESSMS of one OG, then two of another, in the only stock; the last left it since."""
    folder = tmp_path_factory.mktemp("finess")
    big, small = a_finess(), a_finess()
    numbers = [a_finess() for _ in range(63)]
    lines = [establishment_line(n, big if i < 60 else small) for i, n in enumerate(numbers)]
    await imported(establishments_file(folder, FINESS_ON, lines))
    await imported(establishments_file(folder, date(2022, 6, 1), lines[:-1]))
    return numbers


async def told(folder: Path, rows: Iterable[Row], **options: Any) -> ImportReport:
    """What an import of these rows would tell."""
    options = {"dry_run": True, "extracted_on": DAY, "scope": "extrait"} | options
    return await importing(rows_file(folder, "grants", rows), **options)


async def told_in_2025(folder: Path, rows: Iterable[Row]) -> ImportReport:
    return await import_register(
        LOCAL_ADMIN,
        rows_file(folder, "grants", rows),
        nomenclature=nomenclature(),
        at=AT_2025,
        scope="extrait",
        extracted_on=DAY_2025,
        dry_run=True,
    )


def codes(report: ImportReport) -> list[tuple[int, str]]:
    return [(one.line, one.code) for one in report.anomalies]


def an_acquisition(number: str, **changes: Any) -> Row:
    return a_grant(
        number,
        **{
            "grant_reference": "ACQ-1",
            "project": "acquisition",
            "components": "usage+equipment",
            "usage_eur": "7000.00",
            "equipment_eur": "14500.00",
        }
        | changes,
    )


def a_call_of_2025(row: Row, **changes: Any) -> Row:
    return row | {"call_year": 2025, "requested_on": "2025-05-01", "agreed_on": "2025-05-20"} | changes


async def test_a_sound_file_has_no_anomaly(places: list[str], tmp_path: Path) -> None:
    report = await told(tmp_path, [a_grant(places[0]), an_acquisition(places[1])])
    assert (codes(report), report.anomaly_counts, report.refused_count) == ([], {}, 0)


async def test_the_same_line_twice_is_one_too_many(places: list[str], tmp_path: Path) -> None:
    report = await told(tmp_path, [a_grant(places[0]), a_grant(places[1]), a_grant(places[0])])
    assert codes(report) == [(4, "duplicate_line")]
    assert report.anomalies[0].message == f"« ESMS-2022-0001 / {places[0]} » figure déjà à la ligne 2."
    assert report.anomalies[0].finess_geographique == places[0]
    assert report.refused == [(4, report.anomalies[0].message)]


async def test_of_two_lines_that_differ_none_is_believed(places: list[str], tmp_path: Path) -> None:
    rows = [a_grant(places[0]), a_grant(places[1]), a_grant(places[0], usage_eur="4000.00")]
    report = await told(tmp_path, rows)
    assert codes(report) == [(2, "conflicting_lines"), (4, "conflicting_lines")]
    assert ["à la ligne 4" in report.anomalies[0].message, "à la ligne 2" in report.anomalies[1].message] == [
        True,
        True,
    ]


async def test_a_number_that_no_stock_ever_had_is_refused(places: list[str], tmp_path: Path) -> None:
    report = await told(tmp_path, [a_grant(a_finess()), a_grant(places[-1]), a_grant(places[0])])
    assert codes(report) == [(2, "unknown_finess"), (3, "finess_gone")]
    assert report.refused_count == 1
    assert report.warnings == {KINDS["finess_gone"].label: 1}


async def test_an_essms_has_one_project_a_year(places: list[str], tmp_path: Path) -> None:
    rows = [a_grant(places[0]), an_acquisition(places[0]), a_grant(places[1])]
    report = await told(tmp_path, rows)
    assert codes(report) == [(2, "two_projects"), (3, "two_projects")]
    assert "une mise en conformité et, à la ligne 3, une acquisition (dossier ACQ-1)" in (
        report.anomalies[0].message
    )
    rejected = an_acquisition(places[0], state="rejected", agreed_on="", rejected_on="2022-09-01")
    another_year = an_acquisition(
        places[0], call_year=2021, equipment_eur="25000", usage_eur="", requested_on="2021-06-01"
    )
    same_kind = a_grant(places[0], grant_reference="ESMS-2")
    for other in (rejected, another_year, same_kind):
        assert (await told(tmp_path, [a_grant(places[0]), other])).refused_count == 0


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"agreed_on": "2023-02-02"}, "future_date", "postérieur à la date d'extraction"),
        ({"call_year": 2024}, "future_date", "L'appel 2024 est postérieur"),
        ({"agreed_on": "2022-03-31"}, "dates_out_of_order", "précède « requested_on »"),
        ({"agreed_on": ""}, "state_undated", "est exigé dans l'état"),
        ({"paid_on": "2022-12-01"}, "state_contradicted", "l'état est « agreed »"),
        ({"hardware_eur": "1.00"}, "amount_without_component", "n'est pas une composante"),
        ({"state": "payé"}, "malformed", "n'est pas l'une des valeurs"),
        ({"finess_geographique": "010000025"}, "malformed", "n'est pas un numéro FINESS valide"),
    ],
)
async def test_what_a_line_alone_cannot_be(
    places: list[str], tmp_path: Path, changes: Row, code: str, said: str
) -> None:
    report = await told(tmp_path, [a_grant(places[0]), a_grant(places[1]) | changes])
    assert codes(report) == [(3, code)]
    assert said in report.anomalies[0].message


async def test_a_line_tells_each_of_its_defects(places: list[str], tmp_path: Path) -> None:
    wrong = a_grant(places[0], agreed_on="2022-03-31", hardware_eur="1.00", paid_on="2023-03-01")
    report = await told(tmp_path, [wrong])
    assert {code for _, code in codes(report)} == {
        "dates_out_of_order",
        "amount_without_component",
        "state_contradicted",
        "future_date",
    }
    assert report.refused_count == 1


async def test_the_future_is_that_of_the_business_instant_too(places: list[str], tmp_path: Path) -> None:
    rows = [a_grant(places[0], requested_on="2023-03-01", agreed_on="2023-03-02")]
    report = await told(tmp_path, rows, extracted_on=date(2023, 12, 31))
    assert codes(report) == [(2, "future_date")]
    assert report.anomalies[0].message == "« agreed_on » (2 mars 2023) est dans l'avenir."


PER_ESSMS = [
    ("upgrade", "usage", {"usage_eur": "5000.00"}, None),
    ("upgrade", "usage", {"usage_eur": "5000.01"}, "5\u202f000,00\u202f€"),
    ("upgrade", "equipment", {"equipment_eur": "1.00"}, "L'appel 2022 ne finance pas"),
    ("acquisition", "usage", {"usage_eur": "7000.01"}, "7\u202f000,00\u202f€"),
    ("acquisition", "usage", {"usage_eur": "0.01"}, None),
    ("acquisition", "equipment", {"equipment_eur": "14500.01"}, "14\u202f500,00\u202f€"),
    ("acquisition", "equipment", {"equipment_eur": "14500.00"}, None),
    ("acquisition", "equipment", {"equipment_eur": "12000.01", "dui_referenced": "non"},
     "12\u202f000,00\u202f€"),
    ("acquisition", "equipment", {"equipment_eur": "14500.00", "dui_referenced": ""}, None),
    ("acquisition", "hardware", {"hardware_eur": "20000.00"}, None),
    ("acquisition", "hardware", {"hardware_eur": "20000.01"}, "20\u202f000,00\u202f€"),
]  # fmt: skip


@pytest.mark.parametrize(("project", "component", "changes", "said"), PER_ESSMS)
async def test_the_ceiling_of_an_essms(
    places: list[str], tmp_path: Path, project: str, component: str, changes: Row, said: str | None
) -> None:
    row = a_grant(places[60], project=project, components=component, usage_eur="") | changes
    report = await told(tmp_path, [row])
    assert codes(report) == ([] if said is None else [(2, "above_ceiling")])
    if said is not None:
        assert said in report.anomalies[0].message


async def test_from_the_fiftieth_essms_on_the_project_counts(places: list[str], tmp_path: Path) -> None:
    rows = [an_acquisition(n, equipment_eur="", components="usage") for n in places[:50]]
    report = await told(tmp_path, rows)
    # 49 × 7 000 + 2 000, against 50 × 7 000: nobody can tell which line is the fiftieth
    assert report.anomaly_counts == {"project_above_ceiling": 50}
    assert "350\u202f000,00\u202f€ pour 50 ESSMS" in report.anomalies[0].message
    assert "345\u202f000,00\u202f€" in report.anomalies[0].message
    rows[-1] |= {"usage_eur": "2000.00"}
    assert (await told(tmp_path, rows)).anomalies == []
    rows[-1] |= {"usage_eur": "2000.01"}
    assert (await told(tmp_path, rows)).refused_count == 50
    assert (await told(tmp_path, rows[:49])).anomalies == []


async def test_a_line_that_is_too_high_alone_does_not_accuse_its_project(
    places: list[str], tmp_path: Path
) -> None:
    rows = [a_grant(places[0], usage_eur="9000.00"), a_grant(places[1])]
    assert codes(await told(tmp_path, rows)) == [(2, "above_ceiling")]


async def test_project_management_is_paid_once_a_project(places: list[str], tmp_path: Path) -> None:
    def rows(first: str, second: str, project: str = "acquisition") -> list[Row]:
        amounts = zip(places[60:62], (first, second), strict=True)
        return [
            a_grant(n, project=project, components="amoa", amoa_eur=amount, usage_eur="")
            for n, amount in amounts
        ]

    assert (await told(tmp_path, rows("100000.00", "15000.00"))).anomalies == []
    report = await told(tmp_path, rows("100000.00", "15000.01"))
    assert codes(report) == [(2, "project_above_ceiling"), (3, "project_above_ceiling")]
    assert (await told(tmp_path, rows("85000.00", "15000.01", "upgrade"))).refused_count == 2


async def test_what_is_not_known_is_not_checked_and_is_no_error(places: list[str], tmp_path: Path) -> None:
    report = await told(tmp_path, [a_grant(places[0], call_year=2023, usage_eur="999999.00")])
    assert codes(report) == [(2, "not_checkable")]
    assert "ce que l'appel 2023 finance à ce titre n'est pas connu" in report.anomalies[0].message
    assert report.refused_count == 0
    # of 2021 some amounts are known, from pages that are no official text: they refuse, and say so
    old = {"call_year": 2021, "requested_on": "2021-06-01", "agreed_on": "2021-09-01", "usage_eur": ""}
    equipped = an_acquisition(places[0], components="equipment", equipment_eur="25000.01", **old)
    report = await told(tmp_path, [equipped])
    assert codes(report) == [(2, "above_ceiling")]
    assert "(Valeur à confirmer.)" in report.anomalies[0].message
    usage = a_grant(places[0], **old | {"usage_eur": "1.00"})
    assert codes(await told(tmp_path, [usage])) == [(2, "not_checkable")]


async def test_each_year_has_its_own_ceilings_once_they_are_published(
    places: list[str], tmp_path: Path
) -> None:
    rows = [a_call_of_2025(an_acquisition(places[60])), a_call_of_2025(an_acquisition(places[61]))]
    rows[1] |= {"equipment_eur": "14000.00"}
    report = await told_in_2025(tmp_path, rows)
    assert codes(report) == [(2, "above_ceiling")]
    assert "14\u202f000,00\u202f€" in report.anomalies[0].message
    unreferenced = a_call_of_2025(an_acquisition(places[60], dui_referenced="non", equipment_eur="1.00"))
    report = await told_in_2025(tmp_path, [unreferenced])
    assert "d'un DUI non référencé" in report.anomalies[0].message


async def test_what_is_only_doubtful_is_told_and_passes(places: list[str], tmp_path: Path) -> None:
    hardware = {"components": "hardware", "hardware_eur": "10000.00", "usage_eur": ""}
    rows = [
        a_grant(places[0], grant_reference="G-1", **hardware),
        a_grant(places[60], grant_reference="G-2", **hardware),
        an_acquisition(places[1], solution="NOTE"),
        an_acquisition(places[2], solution="AUTRE"),
        a_grant(places[60], grant_reference="G-3", call="regional"),
        a_grant(places[61], grant_reference="G-4", call="national"),
    ]
    report = await told(tmp_path, rows)
    assert codes(report) == [(2, "og_not_small"), (4, "several_solutions"), (6, "two_calls")]
    assert "compte 60 ESSMS ; un petit organisme en compte au plus 14" in report.anomalies[0].message
    assert report.refused_count == 0
    assert report.warned == 3
    ended = rows[5] | {"state": "withdrawn", "withdrawn_on": "2022-11-01"}
    assert (2, "two_calls") not in codes(await told(tmp_path, [rows[4], ended]))


HOSTILE = {
    "an amount beyond any sum": {"usage_eur": "999999999.99"},
    "a formula": {"porteur": "=HYPERLINK(\"x\")"},
    "a quote in the SQL": {"solution": "x'; drop table"},
    "a reference of 65 characters": {"grant_reference": "R" * 65},
    "an Arabic digit": {"call_year": "٢٠٢٢"},
    "no-break spaces": {"usage_eur": "5\u00a0000,00"},
    "a component in capitals": {"components": "USAGE"},
    "the year 9999": {"agreed_on": "9999-12-31"},
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_cell_is_an_anomaly_or_a_text(places: list[str], tmp_path: Path, name: str) -> None:
    report = await told(tmp_path, [a_grant(places[0], usage_eur=""), a_grant(places[1]) | HOSTILE[name]])
    assert {line for line, _ in codes(report)} == (set() if name == "a formula" else {3})
    json.dumps([one.message for one in report.anomalies])


async def counted() -> tuple[int, ...]:
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        tables = ("esms_grant", "extraction", "grant_import", "grant_anomaly")
        return tuple([await con.fetchval(f"select count(*) from {table}") for table in tables])


async def test_a_file_with_an_error_writes_nothing_and_tells_every_line(
    places: list[str], tmp_path: Path
) -> None:
    before = await counted()
    rows = [a_grant(places[i % 60], grant_reference=f"R-{i}", usage_eur="6000.00") for i in range(1200)]
    report = await told(tmp_path, [*rows, a_grant(places[0])], dry_run=False)
    assert (report.written, report.refused_count, len(report.refused)) == (False, 1200, 1000)
    assert (len(report.anomalies), report.anomaly_counts) == (1200, {"above_ceiling": 1200})
    assert await counted() == before


async def test_in_part_a_trial_writes_nothing(places: list[str], tmp_path: Path) -> None:
    before = await counted()
    report = await told(tmp_path, [a_grant(places[0]), a_grant(a_finess())], partial=True)
    assert (report.written, report.set_aside, report.new) == (False, 1, 1)
    assert await counted() == before


async def test_nothing_is_left_to_import_in_part(places: list[str], tmp_path: Path) -> None:
    with pytest.raises(SonsError, match="aucune ligne") as caught:
        await told(tmp_path, [a_grant(a_finess())], partial=True)
    assert caught.value.code is ErrorCode.INVALID_FILE


async def test_only_grants_are_imported_in_part(places: list[str], tmp_path: Path) -> None:
    with pytest.raises(SonsError) as caught:
        await importing(rows_file(tmp_path, "d", [a_distributor()]), extracted_on=DAY, partial=True)
    assert caught.value.code is ErrorCode.INVALID_REQUEST


async def test_imports_are_the_business_of_the_agencies(module_database: Database) -> None:
    for role in ("editor", "distributor", "og", "ars"):
        actor = (await an_account(role)).actor
        with pytest.raises(SonsError) as caught:
            await list_grant_imports(actor, None, 1)
        assert caught.value.code is ErrorCode.FORBIDDEN


def test_every_code_has_a_case() -> None:
    files = (Path(__file__), Path(__file__).with_name("test_grant_imports.py"))
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    assert [code for code in KINDS if f'"{code}"' not in source] == []
