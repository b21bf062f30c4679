"""Tables that a spreadsheet opens without harm: CSV (`;`, UTF-8, CRLF) and XLSX, without any formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import xlsxwriter

from sons_tracker.rules.money import euros

_NUMBER = re.compile(r"-[0-9]+([.,][0-9]+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(text: str) -> str:
    """The text as a spreadsheet shows it: what would be a formula is preceded by an apostrophe.

    A plain negative number is a number, not a formula.
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def write_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """The rows as CSV; every cell is made harmless, and quoted where it must be."""
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="\r\n").writerows(
        [cell(text) for text in row] for row in rows
    )
    return out.getvalue().encode()


Cell = str | int | None
"""What a cell of a workbook holds: a text, a whole number, or nothing. In a column of money, cents."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table for a spreadsheet: its title, its columns, its rows; `money` are the columns of cents TTC."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    money: frozenset[str]


def sheet_csv(sheet: Sheet) -> bytes:
    """The table as CSV; amounts in euros with a comma, as a French spreadsheet reads them."""

    def text(column: str, value: Cell) -> str:
        if isinstance(value, int):
            return euros(value).replace(".", ",") if column in sheet.money else str(value)
        return value or ""

    rows = ([text(c, value) for c, value in zip(sheet.columns, row, strict=True)] for row in sheet.rows)
    return write_csv([sheet.columns, *rows])


def sheet_xlsx(sheet: Sheet) -> bytes:
    """The table as a workbook: texts are never formulas nor links, amounts are numbers of euros."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    page = book.add_worksheet(sheet.title)
    bold, money = book.add_format({"bold": True}), book.add_format({"num_format": "#,##0.00"})
    for place, header in enumerate(sheet.columns):
        page.write_string(0, place, header, bold)
    for line, row in enumerate(sheet.rows, start=1):
        for place, (column, value) in enumerate(zip(sheet.columns, row, strict=True)):
            if isinstance(value, int):
                # a number of a spreadsheet is binary: exact to the cent up to ninety thousand billions
                amount = (value / 100, money) if column in sheet.money else (value,)
                page.write_number(line, place, *amount)
            elif value is not None:
                page.write_string(line, place, value)
    page.freeze_panes(1, 0)
    page.autofit()
    book.close()
    return out.getvalue()
