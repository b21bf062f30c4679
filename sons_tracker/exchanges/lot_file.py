"""The file of a payment lot, for the accounting: JSON (`schemas/lot.json`) or CSV, with its control totals.

The only place where the numbers of accounts leave the software.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sons_tracker.exchanges.tables import write_csv
from sons_tracker.rules.money import euros

FORMAT = "sons-lot-1"
COLUMNS = (
    "end_to_end", "order", "kind", "supplier", "siren", "iban", "bic", "amount_ttc", "currency", "remittance",
)  # fmt: skip
_KINDS = {"advance": "AVANCE", "solde": "SOLDE"}


@dataclass(frozen=True, slots=True)
class LotFileLine:
    """One transfer. `end_to_end` comes back in the bank's return; `order`: the number of the order."""

    end_to_end: str
    order: str
    kind: str
    supplier: str
    siren: str | None
    iban: str = field(repr=False)
    bic: str
    amount_ttc_cents: int

    def columns(self) -> tuple[str, ...]:
        """As `COLUMNS` names them; what the transfer tells its receiver is the order and the kind."""
        return (
            self.end_to_end,
            self.order,
            self.kind,
            self.supplier,
            self.siren or "",
            self.iban,
            self.bic,
            euros(self.amount_ttc_cents),
            "EUR",
            f"SONS {_KINDS[self.kind]} {self.order}",
        )


@dataclass(frozen=True, slots=True)
class LotFile:
    """An approved lot, its instants as text."""

    lot: str
    prepared_at: datetime
    approved_at: datetime
    lines: tuple[LotFileLine, ...]

    @property
    def total_ttc_cents(self) -> int:
        return sum(line.amount_ttc_cents for line in self.lines)

    @property
    def sha256(self) -> str:
        """SHA-256, in hexadecimal, of what is to be paid to whom: one line of text per transfer,
        `end_to_end;order;iban;bic;amount_ttc`, sorted, joined by line feeds, in UTF-8."""
        return lines_sha256(
            ";".join((line.end_to_end, line.order, line.iban, line.bic, euros(line.amount_ttc_cents)))
            for line in self.lines
        )


def lines_sha256(lines: Iterable[str]) -> str:
    """SHA-256, in hexadecimal, of lines of text whatever their order: sorted, joined by line feeds, UTF-8."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def to_json(file: LotFile) -> bytes:
    """The lot as `schemas/lot.json` describes it."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "lot": file.lot,
        "prepared_at": file.prepared_at.isoformat(timespec="seconds"),
        "approved_at": file.approved_at.isoformat(timespec="seconds"),
        "count": len(file.lines),
        "total_ttc": euros(file.total_ttc_cents),
        "sha256": file.sha256,
        "lines": [
            {name: text or None for name, text in zip(COLUMNS, line.columns(), strict=True)}
            for line in file.lines
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


def to_csv(file: LotFile) -> bytes:
    """The lot as CSV: a line of control (format, lot, count, total, SHA-256), the columns, the transfers."""
    control = (FORMAT, file.lot, str(len(file.lines)), euros(file.total_ttc_cents), file.sha256)
    return write_csv((control, COLUMNS, *(line.columns() for line in file.lines)))
