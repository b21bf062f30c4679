"""An XLSX: a ZIP of XML parts, checked as such, then its sheets; the first visible one as lines of CSV.

What a cell gives is text: a date AAAA-MM-JJ, a whole number its digits, an amount two decimals, a truth
« oui » or « non ». A formula gives the value that the spreadsheet last kept.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from typing import Any, BinaryIO
from zipfile import ZipFile

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from sons_tracker.readers.findings import MOST_COLUMNS, MOST_ROWS, MOST_SHEETS
from sons_tracker.readers.inside.archive import blocks, check_directory
from sons_tracker.readers.inside.report import Report

MAIN_PART = "xl/workbook.xml"
_SHEET = re.compile(r"^xl/worksheets/[^/]+\.xml$")
_EXTERNAL = re.compile(r"^xl/(?:externalLinks/|connections\.xml$|queryTables/)")
_EMBEDDED = re.compile(r"^xl/(?:embeddings|activeX|ctrlProps)/")
_MARKUP = re.compile(r"\.(?:xml|rels|vml)$", re.IGNORECASE)
_DECLARED = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
# A formula without a kept value; a text that is empty (`t="str"`) is a value.
_UNCOMPUTED = re.compile(
    rb'<(?:\w+:)?c(?=[\s>])(?![^<>]*\st="str")[^<>]*>\s*'
    rb"<(?:\w+:)?f(?:\s[^<>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_OVERLAP = 4_096
_WIDE = (b"\xff\xfe", b"\xfe\xff")
# A column is at most « XFD »; only what would be written in a CSV as another line is refused.
_UNFIT = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_LETTERS = 26


def read(archive: ZipFile, file: BinaryIO, report: Report, most_unpacked: int) -> None:
    """Looks at a whole workbook."""
    _check_parts(archive, report, most_unpacked)
    if not report.refused:
        for _ in _sheets(file, report):
            if report.refused:
                return


def write_first(
    archive: ZipFile, file: BinaryIO, report: Report, most_unpacked: int, send: Callable[[bytes], None]
) -> None:
    """Sends the first visible sheet as CSV (`;`, UTF-8): a line for each of its rows, from the first."""
    _check_parts(archive, report, most_unpacked)
    if report.refused:
        return
    sheet = next(_sheets(file, report), None)
    if sheet is None or report.refused:
        return
    report.name = f"{sheet.name}.csv"
    width = 0
    for number, row in enumerate(_rows(sheet), 1):
        cells = [_text(cell) for cell in row]
        for column, cell in enumerate(cells):
            if _UNFIT.search(cell):
                report.add("xlsx_line_break", f"{_letters(column)}{number}")
        while cells and not cells[-1]:
            cells.pop()
        # the first row says how many columns there are; a row that has more is refused by its reader
        width = width or len(cells)
        if cells:
            cells += [""] * (width - len(cells))
        line = io.StringIO()
        csv.writer(line, delimiter=";", lineterminator="\n").writerow(cells)
        send(line.getvalue().encode() if cells else b"\n")


def _check_parts(archive: ZipFile, report: Report, most_unpacked: int) -> None:
    check_directory(archive, report, most_unpacked)
    if report.refused:
        return
    for one in archive.infolist():
        name = one.filename
        if name.lower().endswith("vbaproject.bin"):
            report.add("xlsx_macros", name)
        if _EXTERNAL.match(name):
            report.add("xlsx_external", name)
        if _EMBEDDED.match(name):
            report.add("xlsx_embedded", name)
        if name == "EncryptedPackage":
            report.add("old_office")
        tail = b""
        for block in blocks(archive, one, report):
            if not _MARKUP.search(name):
                continue
            if not tail and block.startswith(_WIDE):
                report.add("unreadable", name)
            whole = tail + block
            if _DECLARED.search(whole):
                report.add("xml_dtd", name)
                return
            if _SHEET.match(name):
                _count_formulas(whole, len(tail), name, report)
            tail = whole[-_OVERLAP:]


def _count_formulas(whole: bytes, known: int, name: str, report: Report) -> None:
    """Those that end in the new part of `whole`: what ends before `known` was counted already."""
    for code, pattern in (("xlsx_formulas", _FORMULA), ("xlsx_uncomputed", _UNCOMPUTED)):
        count = sum(found.end() > known for found in pattern.finditer(whole))
        if count:
            report.add(code, name, count)


def _sheets(file: BinaryIO, report: Report) -> Iterator[CalamineSheet]:
    """The visible sheets, in their order, one at a time."""
    file.seek(0)
    try:
        workbook = CalamineWorkbook.from_filelike(file)
        sheets = [
            one.name
            for one in workbook.sheets_metadata
            if one.typ == SheetTypeEnum.WorkSheet and one.visible == SheetVisibleEnum.Visible
        ]
        report.sheets = len(workbook.sheets_metadata)
        if len(workbook.sheets_metadata) > MOST_SHEETS:
            report.add("xlsx_too_many_sheets")
            return
        if not sheets:
            report.add("xlsx_no_sheet")
        for name in sheets:
            sheet = workbook.get_sheet_by_name(name)
            last_row, last_column = sheet.end or (0, 0)  # from 0
            if last_row >= MOST_ROWS or last_column >= MOST_COLUMNS:
                report.add("xlsx_too_many_cells", name)
            yield sheet
    except CalamineError:
        report.add("unreadable")


def _rows(sheet: CalamineSheet) -> Iterator[list[Any]]:
    """Every row from the first of the sheet, every cell from column A: a line has its row's number."""
    first_row, first_column = sheet.start or (0, 0)
    for _ in range(first_row):
        yield []
    for row in sheet.iter_rows():
        yield [""] * first_column + row


def _text(cell: Any) -> str:
    match cell:
        case bool():
            return "oui" if cell else "non"
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case float() if round(cell, 2) == cell:
            return f"{cell:.2f}"
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime() | date():
            return cell.isoformat()
        case _:
            return str(cell)


def _letters(column: int) -> str:
    """The name of a column, as a spreadsheet shows it."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, _LETTERS)
        name = chr(ord("A") + rest) + name
    return name
