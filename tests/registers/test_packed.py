"""A register in a ZIP or in a workbook: read as the CSV would be, by its line numbers, or refused."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from sons_tracker.db.engine import ask
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.registers import ImportReport
from sons_tracker.readers.findings import FINDINGS
from tests.factories import a_finess
from tests.factories_registers import a_grant, establishment_line, finess_text, importing, rows_file
from tests.hostile.pieces import cells, packed

pytestmark = pytest.mark.usefixtures("module_database")
DAY = date(2023, 2, 1)


def csv_of(folder: Path, *rows: dict[str, Any]) -> bytes:
    return rows_file(folder, "grants", rows).read_bytes()


def zipped(folder: Path, *members: tuple[str, bytes], name: str = "grants.zip") -> Path:
    path = folder / name
    path.write_bytes(packed(*members))
    return path


def book(folder: Path, *rows: list[Any], name: str = "grants.xlsx", first: int = 0) -> Path:
    """A workbook of one sheet, its rows from the row `first`; dates as a spreadsheet keeps them."""
    path = folder / name
    with xlsxwriter.Workbook(path, {"default_date_format": "dd/mm/yyyy"}) as workbook:
        sheet = workbook.add_worksheet()
        for number, row in enumerate(rows, first):
            sheet.write_row(number, 0, row)
    return path


def cells_of(row: dict[str, Any]) -> list[Any]:
    return list(row.values())


async def told(path: Path, **options: Any) -> ImportReport:
    return await importing(path, **({"dry_run": True, "extracted_on": DAY, "scope": "extrait"} | options))


async def refused(path: Path) -> list[str]:
    """The codes of what keeps a file from being unpacked."""
    with pytest.raises(SonsError) as raised:
        await told(path)
    assert raised.value.code is ErrorCode.INVALID_FILE
    by_sentence = {f"{kind.message} {kind.remedy}": code for code, kind in FINDINGS.items()}
    return [by_sentence[fault.message] for fault in raised.value.faults]


async def test_a_zip_is_read_as_its_one_register(tmp_path: Path) -> None:
    content = csv_of(tmp_path, a_grant(a_finess()), a_grant(a_finess(), grant_reference="G-2"))
    path = zipped(
        tmp_path, ("lisez-moi.pdf", b"%PDF"), ("dossier/grants.csv", content), ("__MACOSX/x.csv", b"x")
    )
    report = await told(path)
    assert (report.read, report.new, report.refused_count) == (2, 2, 0)
    assert report.file_name == "grants.zip"


async def test_a_finess_extraction_travels_in_a_zip(tmp_path: Path) -> None:
    text = finess_text(DAY, [establishment_line(a_finess())])
    report = await told(zipped(tmp_path, ("cs1100502.csv", text.encode())), extracted_on=None)
    assert (report.register, report.new, report.extracted_on) == ("establishment", 1, DAY)


async def test_a_workbook_is_read_as_its_csv(tmp_path: Path) -> None:
    """What is kept is the same, whichever way the rows came."""
    grant = a_grant(a_finess())
    typed = grant | {
        "requested_on": date(2022, 4, 1),
        "agreed_on": date(2022, 10, 1),
        "usage_eur": 4999.5,
        "dui_referenced": True,
        "call_year": 2022,
    }
    from_csv = tmp_path / "grants.csv"
    from_csv.write_bytes(csv_of(tmp_path, grant | {"usage_eur": "4999.50"}))
    later: dict[str, Any] = {"extracted_on": date(2023, 3, 1), "dry_run": False}
    first = await told(from_csv, **later)
    again = await told(book(tmp_path, list(grant), cells_of(typed)), **later)
    assert (first.new, again.new, again.changed, again.unchanged) == (1, 0, 0, 1), again.refused
    assert again.file_name == "grants.xlsx"


async def test_the_date_comes_from_the_member_or_from_the_file(tmp_path: Path) -> None:
    content = csv_of(tmp_path, a_grant(a_finess()))
    outer = zipped(tmp_path, ("grants.csv", content), name="grants-2023-02-01.zip")
    assert (await told(outer, extracted_on=None)).extracted_on == DAY
    inner = zipped(tmp_path, ("grants-20230201.csv", content), name="download-2026-01-01.zip")
    assert (await told(inner, extracted_on=None)).extracted_on == DAY
    dated = book(tmp_path, list(a_grant("")), cells_of(a_grant(a_finess())), name="grants-2023-02-01.xlsx")
    assert (await told(dated, extracted_on=None)).extracted_on == DAY


async def test_a_refusal_names_the_row_of_the_sheet(tmp_path: Path) -> None:
    good, bad = a_grant(a_finess()), a_grant(a_finess(), grant_reference="G-2", state="perdu")
    path = book(tmp_path, list(good), cells_of(good), [], [""], cells_of(bad))
    report = await told(path)
    assert [line for line, _ in report.refused] == [5]
    assert report.read == 2


async def test_a_number_that_lost_its_zero_is_refused_as_in_a_csv(tmp_path: Path) -> None:
    grant = a_grant(a_finess())
    row = cells_of(grant | {"finess_geographique": 10000024})
    report = await told(book(tmp_path, list(grant), row))
    assert "10000024" in report.refused[0][1]
    assert "FINESS" in report.refused[0][1]


async def test_a_cell_on_two_lines_is_named(tmp_path: Path) -> None:
    grant = a_grant(a_finess())
    path = book(tmp_path, list(grant), cells_of(grant | {"grant_reference": "G\n1"}))
    assert await refused(path) == ["xlsx_line_break"]
    with pytest.raises(SonsError) as raised:
        await told(path)
    assert raised.value.faults[0].where == "A2"


async def test_formulas_are_read_by_their_last_value_and_told(tmp_path: Path) -> None:
    grant = a_grant(a_finess())
    path = tmp_path / "grants.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, list(grant))
        sheet.write_row(1, 0, cells_of(grant))
        sheet.write_formula(1, 0, '="G-"&1', None, "G-1")
        sheet.write_string(1, list(grant).index("project"), "=cmd|'/C calc'!A0")
    report = await told(path)
    assert report.warnings == {FINDINGS["xlsx_formulas"].message: 1}
    # a text that looks like a formula is a text: its column does not know it
    assert "=cmd" in report.refused[0][1]
    path.write_bytes(cells(b'<row r="1"><c r="A1"><f>1+1</f></c></row>'))
    assert await refused(path) == ["xlsx_uncomputed"]


async def test_only_the_first_visible_sheet_is_read(tmp_path: Path) -> None:
    grant = a_grant(a_finess())
    path = tmp_path / "grants.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        hidden, shown, other = (workbook.add_worksheet() for _ in range(3))
        hidden.write(0, 0, "notes")
        shown.write_row(0, 0, list(grant))
        shown.write_row(1, 0, cells_of(grant))
        other.write(0, 0, "notes")
        shown.activate()
        shown.set_first_sheet()
        hidden.hide()
    assert (await told(path)).new == 1


# Name, members, what is said.
NO_REGISTER: dict[str, tuple[tuple[tuple[str, bytes], ...], str]] = {
    "none": ((("a.pdf", b"x"),), "zip_no_register"),
    "two": ((("a.csv", b"x"), ("b.json", b"x")), "zip_several_registers"),
    "an archive under another name": ((("a.csv", packed(("b.csv", b"x"))),), "zip_nested"),
    "a name that leads out": ((("../a.csv", b"x"),), "zip_traversal"),
    "a bomb": ((("a.csv", b"\n" * (16 << 20)),), "zip_ratio"),
    "a document": ((("[Content_Types].xml", b"x"), ("word/document.xml", b"x")), "zip_no_register"),
}


@pytest.mark.parametrize("name", NO_REGISTER)
async def test_an_archive_that_is_no_register(tmp_path: Path, name: str) -> None:
    members, said = NO_REGISTER[name]
    assert await refused(zipped(tmp_path, *members)) == [said]


async def test_a_damaged_member_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    content = csv_of(tmp_path, *(a_grant(a_finess(), grant_reference=f"G-{n}") for n in range(500)))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:  # stored: a changed byte is still text
        archive.writestr("grants.csv", content)
    damaged = out.getvalue().replace(b"G-250;", b"G-999;")
    path = tmp_path / "grants.zip"
    path.write_bytes(damaged)
    assert await refused(path) == ["unreadable"]
    assert await ask("select count(*) from extraction where file_name = 'grants.zip'") == (0,)
