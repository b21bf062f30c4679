"""Our own CSV files: referenced versions, distributors, ESMS numérique grants.

`;` separator, a header made of the names of the row's JSON Schema (`schemas/*.json`), UTF-8. Each row is
validated by that schema, formats included, then by what a schema cannot say: dates in their order, the
date of the state, nothing after the extraction.
"""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, cast

import asyncpg
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from stdnum.fr import siren

from sons_tracker.errors import SonsError
from sons_tracker.registers.anomalies import Anomaly
from sons_tracker.registers.finess_json import date_in_name
from sons_tracker.registers.layout import DISTRIBUTOR, ESMS_GRANT, REFERENCING, Kind, Register
from sons_tracker.registers.source import Progress, Text, is_well_quoted, refuse, refuse_beyond, text_lines
from sons_tracker.registers.staging import Staged, stage_rows
from sons_tracker.rules.identifiers import parse_finess

# The order in which a grant lives, whatever its end.
_GRANT_LIFE = ("requested_on", "agreed_on", "first_paid_on", "vsr_on", "paid_on")
_GRANT_ENDS = ("rejected_on", "abandoned_on", "withdrawn_on", "recovered_on")
_COMPONENTS = ("usage", "equipment", "hardware", "amoa")
_BOOLEANS = {"oui": True, "true": True, "1": True, "non": False, "false": False, "0": False}
_BATCH = 500
_CELLS_KEPT = 65_536

Row = dict[str, Any]
# The code of an anomaly (`anomalies.KINDS`) and its French sentence.
Defect = tuple[str, str]
_MALFORMED = "malformed"

FORMATS = FormatChecker(formats=("date",))


@FORMATS.checks("siren")
def _is_siren(value: object) -> bool:
    return not isinstance(value, str) or (value.isascii() and len(value) == 9 and siren.is_valid(value))


@FORMATS.checks("finess", raises=SonsError)
def _is_finess(value: object) -> bool:
    # as people paste it is for a screen: a register names a number as it is
    return not isinstance(value, str) or parse_finess(value) == value


@cache
def schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one row of the register's CSV."""
    text = (files("sons_tracker.registers") / "schemas" / f"{kind}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def is_header(text: Text, register: Register) -> bool:
    """Whether the first line of a file names the columns of this register's CSV."""
    return schema(register.kind)["required"][0] in text.first.split(";")


class RowsCsv:
    """A CSV of ours; `declared_on` comes from its name (`esms_grant-2023-02-01.csv`), if it bears a date."""

    silent_on: tuple[str, ...] = ()

    def __init__(self, text: Text, register: Register) -> None:
        """Raises `SonsError` (`INVALID_FILE`) when the header lacks, repeats or invents a column."""
        self.path: Path = text.path
        self.encoding: str = text.encoding
        self.register, self.format = register, f"{register.kind}_csv"
        self.declared_on = date_in_name(text.path)
        self._text, self._schema = text, schema(register.kind)
        self._validator = Draft202012Validator(self._schema, format_checker=FORMATS)
        self._cell = lru_cache(_CELLS_KEPT)(self._read_cell)
        self._header = _header(text, self._schema)
        self._told: dict[tuple[str, str], tuple[str, ...]] = {}

    async def stage(
        self, con: asyncpg.Connection, staged: Staged, extracted_on: date, progress: Progress | None
    ) -> None:
        rows = self._read(staged, extracted_on)

        async def batches() -> AsyncIterator[tuple[Any, ...]]:
            # validation is work: it is done in a thread, by batches, so that the event loop goes on
            while batch := await asyncio.to_thread(lambda: list(islice(rows, _BATCH))):
                for row in batch:
                    yield row

        await stage_rows(con, self.register, batches())
        if progress is not None:
            size = self.path.stat().st_size
            progress(size, size)

    def explain(self, staged: Staged) -> None:
        """Each refusal was already told while reading."""

    def _read(self, staged: Staged, extracted_on: date) -> Iterator[tuple[Any, ...]]:
        for number, line in enumerate(text_lines(self._text), start=1):
            if number == 1 or not line.strip():
                continue
            staged.read += 1
            row, defects = self._row(line, extracted_on)
            if defects:
                staged.refuse(number, " ".join(sentence for _, sentence in defects))
                self._note(staged, number, row, defects)
                refuse_beyond(self.path, staged.refused_count)
            else:
                yield (number, *map(row.get, self.register.columns))

    def _note(self, staged: Staged, number: int, row: Row, defects: list[Defect]) -> None:
        """The defects of a grant one by one, under the key of the line where it can be read."""
        if self.register is not ESMS_GRANT:
            return
        key = (row.get("grant_reference"), row.get("finess_geographique"))
        for code, sentence in defects:
            staged.anomalies.add(Anomaly(number, code, sentence, *key))

    def _row(self, line: str, extracted_on: date) -> tuple[Row, list[Defect]]:
        if not is_well_quoted(line):
            return {}, [(_MALFORMED, "Un guillemet s'ouvre ou se ferme au milieu d'un champ.")]
        cells = next(csv.reader([line], delimiter=";", strict=True))
        if len(cells) != len(self._header):
            read = f"{len(self._header)} champs sont attendus, {len(cells)} sont lus."
            return {}, [(_MALFORMED, read)]
        typed = {
            name: self._cell(name, text)
            for name, cell in zip(self._header, cells, strict=True)
            if (text := cell.strip())
        }
        given = {name: value for name, (value, _) in typed.items()}
        if not (all(fits for _, fits in typed.values()) and given.keys() >= set(self._schema["required"])):
            errors = sorted(self._validator.iter_errors(given), key=lambda error: list(map(str, error.path)))
            return {}, [(_MALFORMED, _in_french(error, given)) for error in errors]
        row = _as_columns(given, self._schema["properties"])
        return row, _CROSS_CHECKS[self.register.kind](row, extracted_on) + self._contradictions(row)

    def _read_cell(self, name: str, text: str) -> tuple[Any, bool]:
        """The JSON value of a cell, and whether it fits its column.

        A row is its columns and nothing else (a test reads the schemas), and lists repeat themselves: each
        value is validated once, which is most of the time of an import.
        """
        of_property = self._schema["properties"][name]
        value = _typed(text, of_property)
        return value, self._validator.evolve(schema=of_property).is_valid(value)

    def _contradictions(self, row: Row) -> list[Defect]:
        """What earlier lines of the same list said otherwise of the same solution or version."""
        if self.register is not REFERENCING:
            return []
        facts = {
            ("solution", row["solution"]): (row["solution_name"], row["editor_siren"], row["editor_name"]),
            ("solution_version", row["solution_version"]): (row["solution"], row["version_label"]),
        }
        return [
            (
                "conflicting_lines",
                f"« {code} » ({field}) est décrit autrement plus haut :"
                f" {', '.join(self._told[field, code])}.",
            )
            for (field, code), said in facts.items()
            if self._told.setdefault((field, code), said) != said
        ]


def _header(text: Text, of_row: dict[str, Any]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.first.split(";"))
    known = of_row["properties"]
    if unknown := [name for name in names if name not in known]:
        shown = ", ".join(f"« {name[:40]} »" for name in unknown[:10])
        refuse(text.path, f"colonnes inconnues : {shown} ; colonnes possibles : {', '.join(known)}.", 1)
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        refuse(text.path, f"colonnes répétées : {', '.join(repeated)}.", 1)
    if missing := [name for name in of_row["required"] if name not in names]:
        refuse(text.path, f"colonnes manquantes : {', '.join(missing)}.", 1)
    return names


def _typed(cell: str, of_property: dict[str, Any]) -> Any:
    """The JSON value that a cell writes; text that does not fit stays text, for the schema to refuse."""
    match of_property.get("type"):
        case "integer" if cell.isascii() and cell.isdigit() and len(cell) <= 9:
            return int(cell)
        case "boolean":
            return _BOOLEANS.get(cell.lower(), cell)
        case "array":
            return [part.strip() for part in cell.split("+")]
        case _:
            return cell


def _as_columns(given: Row, properties: dict[str, Any]) -> Row:
    row: Row = {}
    for name, value in given.items():
        if properties[name].get("format") == "date":
            row[name] = date.fromisoformat(value)
        elif name.endswith("_eur"):
            whole, _, cents = value.replace(",", ".").partition(".")
            row[name.removesuffix("_eur") + "_cents"] = int(whole) * 100 + int(cents or 0)
        elif name == "components":
            # one order, so that two lists that say the same are equal
            row[name] = [component for component in _COMPONENTS if component in value]
        else:
            row[name] = value
    return row


def _in_french(error: ValidationError, given: Row) -> str:
    name = str(error.path[0]) if error.path else ""
    shown, bound = str(given.get(name, ""))[:60], cast("Any", error.validator_value)
    match error.validator:
        case "required":
            missing = next(n for n in bound if n not in given and f"'{n}'" in error.message)
            return f"« {missing} » est vide."
        case "enum":
            return f"{name} : « {shown} » n'est pas l'une des valeurs {', '.join(bound)}."
        case "format" if bound == "finess":
            return f"{name} : « {shown} » n'est pas un numéro FINESS valide (9 caractères, clé comprise)."
        case "format" if bound == "siren":
            return f"{name} : « {shown} » n'est pas un numéro SIREN valide (9 chiffres, clé comprise)."
        case "format":
            return f"{name} : « {shown} » n'est pas une date AAAA-MM-JJ."
        case "minimum" | "maximum":
            return f"{name} : « {shown} » est hors des bornes."
        case "type":
            return f"{name} : « {shown} » n'est pas du type attendu."
        case "maxLength":
            return f"{name} : plus de {bound} caractères."
        case "uniqueItems":
            return f"{name} : une valeur est répétée."
        case _:
            return f"{name} : « {shown} » n'a pas la forme attendue ({bound})."


def _in_order(row: Row, names: Sequence[str]) -> list[Defect]:
    """One defect for each date that comes before the one known before it."""
    known = [name for name in names if row.get(name)]
    return [
        ("dates_out_of_order", f"« {after} » ({row[after]}) précède « {before} » ({row[before]}).")
        for before, after in pairwise(known)
        if row[after] < row[before]
    ]


def _check_referencing(row: Row, extracted_on: date) -> list[Defect]:
    defects = _in_order(row, ("referenced_from", "referenced_to"))
    if row["status"] == "referenced" and "referenced_from" not in row:
        defects.append(("state_undated", "« referenced_from » est exigé d'une version référencée."))
    if row["status"] == "candidate" and "referenced_from" in row:
        sentence = "Une version candidate n'est pas encore référencée : « referenced_from » reste vide."
        defects.append(("state_contradicted", sentence))
    if row.get("complete_file_on", extracted_on) > extracted_on:
        defects.append(_after("complete_file_on", row, extracted_on))
    return defects


def _check_distributor(row: Row, _extracted_on: date) -> list[Defect]:
    return _in_order(row, ("distributes_from", "distributes_to"))


def _check_grant(row: Row, extracted_on: date) -> list[Defect]:
    state_date = f"{row['state']}_on"
    defects = _in_order(row, _GRANT_LIFE)
    for end in _GRANT_ENDS:
        # a refusal answers a demand, a recovery follows a payment
        defects += _in_order(row, ("first_paid_on" if end == "recovered_on" else "requested_on", end))
    if state_date not in row:
        defects.append(("state_undated", f"« {state_date} » est exigé dans l'état « {row['state']} »."))
    if state_date in _GRANT_LIFE:
        later = (*_GRANT_LIFE[_GRANT_LIFE.index(state_date) + 1 :], *_GRANT_ENDS)
        defects += [
            ("state_contradicted", f"« {name} » est donné, mais l'état est « {row['state']} ».")
            for name in later
            if name in row
        ]
    defects += [
        _after(name, row, extracted_on)
        for name in (*_GRANT_LIFE, *_GRANT_ENDS)
        if name in row and row[name] > extracted_on
    ]
    if row["call_year"] > extracted_on.year:
        sentence = f"L'appel {row['call_year']} est postérieur à la date d'extraction ({extracted_on})."
        defects.append(("future_date", sentence))
    defects += [
        (
            "amount_without_component",
            f"« {component}_eur » est donné, mais « {component} » n'est pas une composante.",
        )
        for component in _COMPONENTS
        if f"{component}_cents" in row and component not in row["components"]
    ]
    return defects


def _after(name: str, row: Row, extracted_on: date) -> Defect:
    return (
        "future_date",
        f"« {name} » ({row[name]}) est postérieur à la date d'extraction ({extracted_on}).",
    )


_CROSS_CHECKS: dict[str, Callable[[Row, date], list[Defect]]] = {
    REFERENCING.kind: _check_referencing,
    DISTRIBUTOR.kind: _check_distributor,
    ESMS_GRANT.kind: _check_grant,
}
