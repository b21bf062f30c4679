"""The JSON register of the ANS (FINESS+), streamed: one legal entity, or one establishment, at a time.

Two shapes are read: the whole structure (`pmej[].ege[]`) and a bare array of establishments (EGE). The
real files do not keep to the casing of their schema, so names are compared without it; a code may be the
bare string or `{"code": …}`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import ijson

from sons_tracker.registers.finess_sql import BAD_IDENTITY, BAD_KEY, BAD_OTHER_KEY, FLAGS, UNKNOWN_CATEGORY
from sons_tracker.registers.layout import LEGAL_ENTITY, Register
from sons_tracker.registers.source import Progress, Reader, open_bytes, refuse, refuse_beyond
from sons_tracker.registers.staging import Staged, stage_rows
from sons_tracker.rules.identifiers import luhn_ok

# A legal entity with five hundred establishments takes about 4 MB; beyond, it is no register.
MAX_ELEMENT = 16 << 20
# A few levels are real. Between two checks one buffer may add as many levels as it has bytes: the parser
# bears three times their sum.
MAX_DEPTH = 1_000
_BUFFER = 16 << 10
# No name and no value of a register comes near. The parser copies a longer one again for each buffer.
MAX_TOKEN = 64 << 10
# The parser ends the process on a number that Python refuses to read, of more than 4 300 digits. Windows of
# this length, one after the other, are within any run of digits four times as long, cut by a buffer or not.
_WINDOW = 250
_BATCH = 500
_GEOGRAPHIC = "03"
_IN_SERVICE = "A"
_NUMBER = re.compile(r"(?:[0-9]{2}|2[AB])[0-9]{7}")
_STAMP = re.compile(r"(?<![0-9])(20[0-9]{2})-?([01][0-9])-?([0-3][0-9])(?![0-9])")
_UNKNOWN_DATES = frozenset({"1900-01-01", "1901-01-01"})
# How the register's `departement` column writes what the commune code says overseas.
_OVERSEAS = {
    "971": "9A",
    "972": "9B",
    "973": "9C",
    "974": "9D",
    "975": "9E",
    "976": "9F",
    "977": "9A",
    "978": "9A",
    "986": "9J",
}


class _DefectError(Exception):
    """Why one element is refused, in French."""


class FinessJson:
    """A FINESS+ file; `declared_on` comes from its name (`finess-structures-journalier-AAAAMMJJ.json.gz`).

    `line` of a refusal is the rank of the element: the file has no lines.
    """

    encoding: str = "utf-8"

    def __init__(self, path: Path, register: Register, nomenclature: Mapping[str, str]) -> None:
        """Raises `SonsError` (`INVALID_FILE`) when the file is no JSON array or object."""
        self.path, self.register, self._nomenclature = path, register, nomenclature
        self._prefix = _prefix(path)
        if register is LEGAL_ENTITY and self._prefix == "item":
            refuse(
                path, "ce JSON ne porte que des établissements ; les entités juridiques sont dans « pmej »."
            )
        self.format = "finess_plus" if self._prefix == "pmej.item" else "finess_plus_ege"
        # no opening date in either shape; no legal entity in a bare array of establishments
        untold = ("opened_on",) if self._prefix == "pmej.item" else ("opened_on", "finess_juridique")
        self.silent_on: tuple[str, ...] = () if register is LEGAL_ENTITY else untold
        self.declared_on = date_in_name(path)

    async def stage(
        self, con: asyncpg.Connection, staged: Staged, extracted_on: date, progress: Progress | None
    ) -> None:
        await stage_rows(con, self.register, self._rows(staged, progress))
        if not staged.read:
            refuse(
                self.path, "aucun élément n'a été lu : « pmej » ou une liste d'établissements est attendue."
            )

    def explain(self, staged: Staged) -> None:
        """Each refusal was already told while reading."""

    async def _rows(self, staged: Staged, progress: Progress | None) -> AsyncIterator[tuple[Any, ...]]:
        rows = self._read(staged, progress)
        # parsing is work: it is done in a thread, by batches, so that the event loop goes on
        while batch := await asyncio.to_thread(lambda: list(islice(rows, _BATCH))):
            for row in batch:
                yield row

    def _read(self, staged: Staged, progress: Progress | None) -> Iterator[tuple[Any, ...]]:
        for element in elements(self.path, self._prefix, progress):
            for row, entity in self._unfold(element):
                staged.read += 1
                try:
                    if self.register is LEGAL_ENTITY:
                        yield (staged.read, *_legal_entity(row, staged))
                    else:
                        yield (staged.read, *self._establishment(row, entity, staged))
                except _DefectError as defect:
                    staged.refuse(staged.read, str(defect))
                    refuse_beyond(self.path, staged.refused_count)

    def _unfold(self, element: Any) -> Iterator[tuple[dict[str, Any], str | None]]:
        whole = _lowered(element)
        if self._prefix == "item" or self.register is LEGAL_ENTITY:
            yield whole, None
        else:
            number = _text(_lowered(whole.get("informationsgeneralespmej")), "numfinesspm")
            establishments = whole.get("ege") or []
            for establishment in establishments if isinstance(establishments, list) else [None]:
                yield _lowered(establishment), number or ""

    def _establishment(self, row: dict[str, Any], entity: str | None, staged: Staged) -> tuple[Any, ...]:
        general = _lowered(row.get("informationsgeneralesege"))
        number = _number(general, "numfinessege")
        if entity is not None and not _NUMBER.fullmatch(entity):
            raise _DefectError(f"« numFinessPm » : « {entity[:40]} » n'est pas un numéro FINESS.")
        name, long_name = _text(general, "nomegecourt"), _text(general, "nomegelong")
        if not name and not long_name:
            raise _DefectError("« nomEgeCourt » et « nomEgeLong » sont vides.")
        category = _code(row.get("categorieentitegeographiqueexercice"))
        if category is None or not re.fullmatch("[0-9]{3}", category):
            raise _DefectError("« categorieEntiteGeographiqueExercice » n'est pas un code de trois chiffres.")
        closed_on = _date(general, "datefermeture")
        siret = _text(general, "siret")
        address = _geographic_address(row.get("adresse"))
        commune = _text(address, "cogcommune")
        staged.warn(FLAGS[BAD_KEY], not luhn_ok(number))
        staged.warn(FLAGS[BAD_OTHER_KEY], entity is not None and not luhn_ok(entity))
        staged.warn(FLAGS[BAD_IDENTITY], siret is not None and not _is_digits(siret, 14))
        staged.warn(FLAGS[UNKNOWN_CATEGORY], category not in self._nomenclature)
        return (
            number,
            entity,
            name or long_name,
            long_name,
            category,
            self._nomenclature.get(category),
            _departement(commune),
            commune,
            _joined(address, "numerovoie", "typevoie", "libellevoie", "complementvoie", "lieudit"),
            _joined(address, "codepostal", "ligneacheminement"),
            siret if siret and _is_digits(siret, 14) else None,
            # closed ones stay in the file: in service = active and without a date of closing
            _code(row.get("etatobjet")) == _IN_SERVICE and closed_on is None,
            _date(general, "dateouverture"),
            closed_on,
        )


def _legal_entity(row: dict[str, Any], staged: Staged) -> tuple[Any, ...]:
    general = _lowered(row.get("informationsgeneralespmej"))
    number = _number(general, "numfinesspm")
    name, long_name = _text(general, "denominationpm"), _text(general, "denominationlonguepmsmsse")
    if not name and not long_name:
        raise _DefectError("« denominationPm » est vide.")
    siren = _text(general, "siren")
    address = _geographic_address(row.get("adresse"))
    staged.warn(FLAGS[BAD_KEY], not luhn_ok(number))
    staged.warn(FLAGS[BAD_IDENTITY], siren is not None and not _is_digits(siren, 9))
    return (
        number,
        name or long_name,
        long_name,
        siren if siren and _is_digits(siren, 9) else None,
        _code(general.get("statutjuridique")),
        _departement(_text(address, "cogcommune")),
        _joined(address, "codepostal", "ligneacheminement"),
        _date(general, "datecreation"),
        _date(general, "datefermeture"),
    )


class _Bounded:
    """Refuses what the parser could not bear: an element that it would hold whole, depth, a long value.

    The parser recurses in C and would end the process, so depth is bounded before it reads. Brackets inside
    texts are counted too: they come in pairs, and the bound is far above what a register needs. A value is no
    longer than the bytes between two quotes, and every element of a register has many.
    """

    def __init__(self, path: Path, reader: Reader) -> None:
        self._path, self._reader = path, reader
        self.last_element = self._depth = self._unquoted = 0

    def read(self, size: int) -> bytes:
        if size and self._reader.total - self.last_element > MAX_ELEMENT:
            refuse(
                self._path, "un élément du JSON dépasse 16 Mio ; le fichier n'est pas un répertoire FINESS."
            )
        data = self._reader.read(size)
        quote = data.rfind(b'"')
        self._unquoted = self._unquoted + len(data) if quote < 0 else len(data) - quote
        if self._unquoted > MAX_TOKEN:
            refuse(
                self._path, "une valeur du JSON dépasse 64 Kio ; le fichier n'est pas un répertoire FINESS."
            )
        if any(len(w) == _WINDOW and w.isdigit() for w in _windows(data)):
            refuse(self._path, "un nombre du JSON a des centaines de chiffres ; le fichier est endommagé.")
        self._depth += data.count(b"[") + data.count(b"{") - data.count(b"]") - data.count(b"}")
        if self._depth > MAX_DEPTH:
            refuse(
                self._path, "le JSON est imbriqué sur trop de niveaux ; ce n'est pas un répertoire FINESS."
            )
        return data

    def done(self) -> None:
        self.last_element = self._reader.total


def _windows(data: bytes) -> Iterator[bytes]:
    return (data[at : at + _WINDOW] for at in range(0, len(data), _WINDOW))


def elements(path: Path, prefix: str, progress: Progress | None) -> Iterator[Any]:
    """Each element under `prefix`, one at a time.

    Raises:
        SonsError: `INVALID_FILE` when it is not JSON, or an element is out of all proportion.
    """
    with open_bytes(path, progress) as reader:
        bounded = _Bounded(path, reader)
        try:
            for element in ijson.items(bounded, prefix, buf_size=_BUFFER):
                yield element
                bounded.done()
        except (ijson.JSONError, ValueError, ArithmeticError) as error:
            # ValueError, ArithmeticError: bytes that are no UTF-8, a number of thousands of digits
            where = f"vers l'octet {reader.total} du fichier décompressé"
            reason = re.sub(r"\s+", " ", str(error)).strip()[:120]
            refuse(path, f"le JSON est mal formé, {where} ({reason}).")


def _prefix(path: Path) -> str:
    with open_bytes(path) as reader:
        head = reader.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"["):
        return "item"
    if not head.startswith(b"{"):
        refuse(path, "un JSON FINESS commence par « { » ou « [ ».")
    return "pmej.item"


def date_in_name(path: Path) -> date | None:
    """The date that a file's name bears, as `…-20261002.json.gz` or `…-2026-10-02.csv`."""
    for year, month, day in _STAMP.findall(path.name):
        try:
            return date(int(year), int(month), int(day))
        except ValueError:
            continue
    return None


def _lowered(value: Any) -> dict[str, Any]:
    """An object with its names in lower case; anything else is an element without content."""
    return {key.lower(): item for key, item in value.items()} if isinstance(value, dict) else {}


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or "\0" in value or "\ufffd" in value:
        raise _DefectError(f"« {name} » n'est pas un texte lisible.")
    return value


def _code(value: Any) -> str | None:
    found = value.get("code") if isinstance(value, dict) else value
    return found if isinstance(found, str) and found.isprintable() else None


def _number(row: Mapping[str, Any], name: str) -> str:
    number = _text(row, name) or ""
    if not _NUMBER.fullmatch(number):
        raise _DefectError(f"« {name} » : « {number[:40]} » n'est pas un numéro FINESS.")
    return number


def _date(row: Mapping[str, Any], name: str) -> date | None:
    text = (_text(row, name) or "")[:10]
    if not text or text in _UNKNOWN_DATES:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _DefectError(f"« {name} » : « {text} » n'est pas une date AAAA-MM-JJ.") from None


def _geographic_address(value: Any) -> dict[str, Any]:
    """The address whose use is 03 (geographic), which is not always the first; else nothing."""
    rows = [_lowered(item) for item in value] if isinstance(value, list) else []
    return next((row for row in rows if _code(row.get("usageadresse")) == _GEOGRAPHIC), {})


def _joined(row: Mapping[str, Any], *names: str) -> str | None:
    return " ".join(text for name in names if (text := _text(row, name))) or None


def _departement(commune: str | None) -> str | None:
    if commune is None:
        return None
    return _OVERSEAS.get(commune[:3], commune[:2])


def _is_digits(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isdigit()
