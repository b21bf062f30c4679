"""The historical CSV files of the FINESS: cs1100502 and cs1100507 (establishments), cs1100501 (entities).

The bytes go as they are into a temporary table by COPY, and are checked and typed there set by set. When
anything in the file is wrong nothing will be written, so a slow pass in Python may then name every line.
"""

from __future__ import annotations

import asyncio
import csv
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import asyncpg

from sons_tracker.registers.finess_sql import COUNT_SQL, ENTITIES_SQL, ESTABLISHMENTS_SQL, FLAGS
from sons_tracker.registers.layout import ESTABLISHMENT, LEGAL_ENTITY, Register
from sons_tracker.registers.source import Progress, Text, is_well_quoted, line_blocks, refuse, text_lines
from sons_tracker.registers.staging import IMPORT_TIMEOUT, MustExplainError, Staged

SYNTHETIC = "synthetique"
ORIGINS = frozenset({"etalab", SYNTHETIC})
_BOM = b"\xef\xbb\xbf"
# The fields in the order of each file; the two orders differ.
_CS1100502 = (
    "structureet nofinesset nofinessej rs rslongue complrs compldistrib numvoie typvoie voie compvoie"
    " lieuditbp commune departement libdepartement ligneacheminement telephone telecopie categetab"
    " libcategetab categagretab libcategagretab siret codeape codemft libmft codesph libsph dateouv"
    " dateautor datemaj numuai"
)
_CS1100501 = (
    "structureej nofiness rs rslongue complrs numvoie typvoie voie compvoie compldistrib lieuditbp"
    " commune ligneacheminement departement libdepartement telephone statutjuridique libstatutjuridique"
    " categetab libcategetab siren codeape datecrea"
)
_GEOLOCATION = "geolocalisation"
_GEOLOCATION_LINE = b"\ngeolocalisation;"
_END_OF_COPY = b"\n\\.\n"
_NUMBER = re.compile(r"(?:[0-9]{2}|2[AB])[0-9]{7}")
_CATEGORY = re.compile(r"[0-9]{3}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Format:
    """One of the files: the tag that starts its lines, its fields in order, the SQL that types them."""

    name: str
    tag: str
    register: Register
    fields: tuple[str, ...]
    incoming_sql: str
    # what the slow pass looks at: field → what it is called in a refusal
    own_number: str
    other_number: str | None
    category: str | None
    opened: str

    def position(self, field: str) -> int:
        return self.fields.index(field)


ESTABLISHMENTS = Format(
    "cs1100502",
    "structureet",
    ESTABLISHMENT,
    tuple(_CS1100502.split()),
    ESTABLISHMENTS_SQL,
    own_number="nofinesset",
    other_number="nofinessej",
    category="categetab",
    opened="dateouv",
)
ENTITIES = Format(
    "cs1100501",
    "structureej",
    LEGAL_ENTITY,
    tuple(_CS1100501.split()),
    ENTITIES_SQL,
    own_number="nofiness",
    other_number=None,
    category=None,
    opened="datecrea",
)


class FinessCsv:
    """A cs11005NN file; `declared_on` is the fourth field of its first line."""

    silent_on: tuple[str, ...] = ()

    def __init__(self, text: Text, nomenclature: Mapping[str, str]) -> None:
        """Raises `SonsError` (`INVALID_FILE`) when the first two lines are not of such a file."""
        self.path: Path = text.path
        self.encoding: str = text.encoding
        self._text, self._nomenclature = text, nomenclature
        self.declared_on: date | None
        self._origin, self.declared_on = _first_line(text)
        tag = text.second.partition(";")[0]
        found = {ESTABLISHMENTS.tag: ESTABLISHMENTS, ENTITIES.tag: ENTITIES}.get(tag)
        if found is None:
            refuse(
                text.path,
                f"« {ESTABLISHMENTS.tag} » ou « {ENTITIES.tag} » est attendu en début de ligne ; "
                f"« {tag[:40]} » est lu.",
                2,
            )
        self._format = found
        self.register = found.register
        self._has_geolocation = False

    @property
    def format(self) -> str:
        """Its name in the register of extractions, which says when a file is synthetic."""
        name = "cs1100507" if self._has_geolocation else self._format.name
        return name if self._origin == "etalab" else f"{name} ({self._origin})"

    async def stage(
        self, con: asyncpg.Connection, staged: Staged, extracted_on: date, progress: Progress | None
    ) -> None:
        if not self._text.well_quoted:
            raise MustExplainError
        columns = ", ".join(f"{name} text" for name in self._format.fields)
        await con.execute(
            "create temp table finess_raw (line int not null"
            f" generated always as identity (start 2 cache 1000), {columns}) on commit drop"
        )
        await con.execute("create temp table nomenclature (code text, aggregate text) on commit drop")
        await con.execute(
            "insert into nomenclature select * from unnest($1::text[], $2::text[])",
            list(self._nomenclature.keys()),
            list(self._nomenclature.values()),
        )
        try:
            await con.copy_to_table(
                "finess_raw",
                source=self._copied(progress),
                columns=self._format.fields,
                format="csv",
                delimiter=";",
                force_null=self._format.fields,
                encoding="UTF8" if self.encoding == "utf-8" else "WIN1252",
                timeout=IMPORT_TIMEOUT,
            )
            await con.execute(self._format.incoming_sql, timeout=IMPORT_TIMEOUT)
        except asyncpg.DataError as error:
            raise MustExplainError from error
        counts = await con.fetchrow(COUNT_SQL, timeout=IMPORT_TIMEOUT)
        if counts["refused"]:
            raise MustExplainError
        staged.read = counts["rows"]
        for flag, label in FLAGS.items():
            staged.warn(label, counts[f"flag_{flag}"])

    async def _copied(self, progress: Progress | None) -> AsyncIterator[bytes]:
        """The establishments' or entities' lines, as COPY wants them; the geolocation is left aside."""
        blocks, first = line_blocks(self.path, progress), True
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            lines = block.replace(b"\r\n", b"\n") if b"\r" in block else block
            if first:
                lines, first = lines.removeprefix(_BOM).partition(b"\n")[2], False
            if b"\\" in lines and _END_OF_COPY in b"\n" + lines + b"\n":
                raise MustExplainError  # older servers would take this for the end of the data
            if not self._has_geolocation:
                self._has_geolocation = lines.startswith(_GEOLOCATION_LINE[1:]) or _GEOLOCATION_LINE in lines
                if not self._has_geolocation:
                    yield lines
                    continue
                start = (b"\n" + lines).find(_GEOLOCATION_LINE)
                if start:
                    yield lines[:start]
                lines = lines[start:]
            # coordinates: no rule of the scheme reads them; that nothing else hides there is checked
            if any(not _is_geolocation(line) for line in lines.splitlines()):
                raise MustExplainError

    def explain(self, staged: Staged) -> None:
        places = False
        for number, line in enumerate(text_lines(self._text), start=1):
            if number == 1:
                continue
            if reason := self._defect(line):
                staged.refuse(number, reason)
            elif places and not line.startswith(_GEOLOCATION):
                staged.refuse(number, "Cette ligne suit la géolocalisation, qui termine le fichier.")
            else:
                places = line.startswith(_GEOLOCATION)
        if not staged.refused:
            refuse(self.path, "PostgreSQL refuse une valeur que la relecture ligne à ligne n'explique pas.")

    def _defect(self, line: str) -> str | None:
        """Why a line is refused: the same conditions as `finess_sql`, one by one and in words."""
        layout = self._format
        if not is_well_quoted(line):
            return "Un guillemet s'ouvre ou se ferme au milieu d'un champ."
        fields = next(csv.reader([line], delimiter=";", strict=True), [])
        if fields and fields[0] == _GEOLOCATION:
            return None if len(fields) == 6 else f"6 champs sont attendus, {len(fields)} sont lus."
        if len(fields) != len(layout.fields):
            return f"{len(layout.fields)} champs sont attendus, {len(fields)} sont lus."
        row = dict(zip(layout.fields, fields, strict=True))
        if fields[0] != layout.tag:
            return f"« {layout.tag} » est attendu en début de ligne, « {fields[0][:40]} » est lu."
        for field in (layout.own_number, layout.other_number):
            if field and not _NUMBER.fullmatch(row[field]) and (row[field] or field == layout.own_number):
                where = layout.position(field) + 1
                return (
                    f"Champ {where} ({field}) : « {row[field][:40]} » n'est pas un numéro FINESS "
                    "(9 chiffres, ou 2A ou 2B puis 7 chiffres)."
                )
        if not row["rs"] and not row["rslongue"]:
            return "Le nom (rs, rslongue) est vide."
        if layout.category and not _CATEGORY.fullmatch(row[layout.category]):
            return f"Le code de catégorie « {row[layout.category][:40]} » n'a pas trois chiffres."
        if row[layout.opened] and not _is_date(row[layout.opened]):
            return f"{layout.opened} : « {row[layout.opened][:40]} » n'est pas une date AAAA-MM-JJ."
        return None


def _is_geolocation(line: bytes) -> bool:
    return line.startswith(_GEOLOCATION_LINE[1:]) and line.count(b";") == 5


def _first_line(text: Text) -> tuple[str, date]:
    fields = text.first.split(";")
    if len(fields) != 4 or fields[0] != "finess" or fields[1] not in ORIGINS or not _is_date(fields[3]):
        refuse(
            text.path,
            "la première ligne d'un fichier FINESS est « finess;etalab;<n>;<date d'extraction> » ; "
            f"« {text.first[:60]} » est lu.",
            1,
        )
    return fields[1], date.fromisoformat(fields[3])


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
