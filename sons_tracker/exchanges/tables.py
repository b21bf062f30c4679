"""CSV that a spreadsheet opens without harm: `;`, UTF-8, CRLF, no cell that it would take for a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

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
