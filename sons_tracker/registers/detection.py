"""What a register file is, from what it holds; its name is never asked, but for a date."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sons_tracker.registers import rows_csv
from sons_tracker.registers.finess_csv import FinessCsv
from sons_tracker.registers.finess_json import FinessJson
from sons_tracker.registers.layout import (
    DISTRIBUTOR,
    ESMS_GRANT,
    ESTABLISHMENT,
    LEGAL_ENTITY,
    REFERENCING,
    Kind,
)
from sons_tracker.registers.source import open_bytes, refuse, scan
from sons_tracker.registers.staging import RegisterFile

_OWN = (REFERENCING, ESMS_GRANT, DISTRIBUTOR)


def recognise(path: Path, kind: Kind | None, nomenclature: Mapping[str, str]) -> RegisterFile:
    """The reader of a file. `nomenclature` maps a category to its aggregate of level 2.

    A JSON of whole structures holds two registers: establishments, unless `kind` asks for its legal
    entities. The file is read once whole here when it is text.

    Raises:
        SonsError: `INVALID_FILE` when it is no register file, or not one of `kind`.
    """
    with open_bytes(path) as reader:
        head = reader.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    found: RegisterFile
    if not head:
        refuse(path, "le fichier est vide.")
    if head.startswith((b"{", b"[")):
        found = FinessJson(path, LEGAL_ENTITY if kind is Kind.LEGAL_ENTITY else ESTABLISHMENT, nomenclature)
    else:
        text = scan(path)
        own = next((register for register in _OWN if rows_csv.is_header(text, register)), None)
        found = FinessCsv(text, nomenclature) if own is None else rows_csv.RowsCsv(text, own)
    if kind is not None and found.register.kind is not kind:
        refuse(path, f"ce fichier décrit les {found.register.label} ; un autre registre était demandé.")
    return found
