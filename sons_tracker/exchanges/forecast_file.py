"""The forecast as files that a spreadsheet opens: CSV and XLSX, amounts in euros, French headers."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import xlsxwriter

from sons_tracker.exchanges.tables import write_csv
from sons_tracker.rules.money import euros

DIMENSION_WORDS = {
    "month": "Mois", "dispositif": "Dispositif", "editor": "Éditeur", "region": "Région",
}  # fmt: skip
MEASURE_WORDS = {
    "engaged": "Engagé (€ TTC)", "paid": "Payé (€ TTC)", "to_come": "À venir (€ TTC)",
    "at_risk": "À risque (€ TTC)", "conditional": "Sous condition (€ TTC)",
    "to_recover": "À recouvrer (€ TTC)", "recovered": "Recouvré (€ TTC)",
}  # fmt: skip
_UNKNOWN = "inconnu"
_TOTAL = "Ensemble"


@dataclass(frozen=True, slots=True)
class ForecastTable:
    """What a file holds: the dimensions, rows of their values with the measures in cents TTC, and the sums.

    A value of a dimension is a text, the first day of a month, or None when it is not known.
    """

    by: tuple[str, ...]
    rows: Sequence[tuple[tuple[str | date | None, ...], Mapping[str, int]]]
    total: Mapping[str, int]
    as_of: datetime
    law_digest: str


def _headers(table: ForecastTable) -> list[str]:
    return [DIMENSION_WORDS[name] for name in table.by] + list(MEASURE_WORDS.values())


def _shown(value: str | date | None) -> str:
    if value is None:
        return _UNKNOWN
    return value if isinstance(value, str) else f"{value:%Y-%m}"


def _lines(table: ForecastTable) -> Iterable[tuple[list[str], Mapping[str, int]]]:
    for values, cents in table.rows:
        yield [_shown(value) for value in values], cents
    if table.by:
        yield [_TOTAL] + [""] * (len(table.by) - 1), table.total
    else:
        yield [], table.total


def forecast_csv(table: ForecastTable) -> bytes:
    """The table as CSV; amounts with two decimals and a comma, as a French spreadsheet reads them."""
    rows = [_headers(table)]
    rows += [
        [*texts, *(euros(cents[name]).replace(".", ",") for name in MEASURE_WORDS)]
        for texts, cents in _lines(table)
    ]
    return write_csv(rows)


def forecast_xlsx(table: ForecastTable) -> bytes:
    """The table as XLSX: texts are never formulas, amounts are numbers of euros with two decimals."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    sheet = book.add_worksheet("Prévision")
    bold, money = book.add_format({"bold": True}), book.add_format({"num_format": "#,##0.00"})
    for column, header in enumerate(_headers(table)):
        sheet.write_string(0, column, header, bold)
    for line, (texts, cents) in enumerate(_lines(table), start=1):
        for column, text in enumerate(texts):
            sheet.write_string(line, column, text)
        for column, name in enumerate(MEASURE_WORDS, start=len(texts)):
            # a number of a spreadsheet is binary: exact to the cent up to ninety thousand billions
            sheet.write_number(line, column, cents[name] / 100, money)
    sheet.freeze_panes(1, len(table.by))
    sheet.autofit()
    book.set_properties({"comments": f"Au {table.as_of.isoformat()} ; droit {table.law_digest}"})
    book.close()
    return out.getvalue()
