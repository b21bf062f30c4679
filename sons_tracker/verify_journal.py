"""Verifies an export of the journal, offline: no database, no network, nothing to install.

    python verify_journal.py EXPORT [--head HEADS]... [--texts TEXTS]

EXPORT is what `sons-tracker journal export` wrote, with `--texts` TEXTS beside it. HEADS is a file of heads
published earlier, one JSON object with `seq` and `hash` per line, kept by someone else than who keeps the
journal. This file stands alone so that an auditor can read all that the verification does; its messages are
in French.

How the chain is made. The rows stand in an order, seq = 1, 2, 3 and so on. The seal of a row is

    hash = SHA-256( hash of the row before (32 bytes; 32 zero bytes before the first) + bytes of the row )

The bytes of a row are the word `sons-journal-v1`, a line feed, then seq and the fields of FIELDS in that
order, each written as: length in bytes, `:`, the bytes in UTF-8, `,`; a field that is absent as `-`.

What it proves. Whoever changes, adds, removes or moves a row must make anew every seal from there on. The
export alone cannot tell that this was done to all of it; a head that was published before can: its hash no
longer stands in its place. Exit code: 0 whole, 1 something is wrong, 2 a file is not what it should be.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

VERSION = "sons-journal-v1"
TEXTS_VERSION = "sons-journal-texts-v1"
FIELDS = (
    "id", "at", "recorded_at", "txid", "person_id", "organisation_id", "role", "token_id", "auth_level",
    "action", "object_kind", "object_id", "facts",
)  # fmt: skip
HASH = re.compile("[0-9a-f]{64}")
LONGEST_LINE = 64 * 1024 * 1024  # bytes; a file made to fill the memory is refused
MOST_PROBLEMS = 20  # after one change everything that follows may be wrong


class MalformedError(Exception):
    """A file is not what it should be."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A token that has the imprint of a head, and the UTC time that it says, AAAAMMJJhhmmssZ."""

    seq: int
    hash: str
    token: bytes
    time: str


@dataclass(slots=True)
class Report:
    """What was found. `rows` were read, the last one sealed by `head` (hexadecimal); no problem: whole."""

    rows: int = 0
    head: str = "00" * 32
    heads_checked: int = 0
    texts_checked: int = 0
    texts_erased: int = 0
    stamps: list[Stamp] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0

    def problem(self, sentence: str) -> None:
        self.problem_count += 1
        self.problems = [*self.problems, sentence][:MOST_PROBLEMS]


def seal_of(seq: int, prev: bytes, row: dict[str, Any]) -> bytes:
    """The seal that a row must have in its place; the first lines of this file say how it is made."""
    data = VERSION.encode() + b"\n"
    for value in (str(seq), *(row[name] for name in FIELDS)):
        text = b"" if value is None else value.encode("utf-8")
        data += b"-" if value is None else str(len(text)).encode() + b":" + text + b","
    return hashlib.sha256(prev + data).digest()


def lines_of(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their numbers, one at a time: the memory needed does not grow with it."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise MalformedError(f"ligne {number} : plus longue que tout ce qu'un export contient.")
        yield number, line


def object_of(line: bytes) -> dict[str, Any]:
    """A line as a JSON object in which no name comes twice: what a person reads is what is verified."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name comes twice")
        return found

    found = json.loads(line.decode("utf-8"), object_pairs_hook=once)
    if isinstance(found, dict):
        return found
    raise ValueError("not an object")


def head_of(value: object) -> tuple[int, str]:
    """A head: the place of a row, and the seal that stands there."""
    seq, digest = (value.get("seq"), value.get("hash")) if isinstance(value, dict) else (None, None)
    if type(seq) is not int or seq < 0 or not isinstance(digest, str) or not HASH.fullmatch(digest):
        raise ValueError("not a head")
    return seq, digest


def read_heads(name: str) -> list[tuple[int, str]]:
    """The heads of a file, one per line; at least one."""
    heads = []
    with open(name, "rb") as file:
        for number, line in lines_of(file):
            try:
                heads += [head_of(object_of(line))] if line.strip() else []
            except (ValueError, RecursionError):
                raise MalformedError(f"{name}, ligne {number} : ce n'est pas une tête.") from None
    if not heads:
        raise MalformedError("le fichier de têtes est vide.")
    return heads


def read_header(line: bytes) -> tuple[tuple[int, str], list[tuple[int, str]], list[tuple[int, str, bytes]]]:
    """The head that the export says it ends with, the published heads that it tells of, and their tokens."""
    try:
        header = object_of(line)
        told = header["format"], tuple(header["fields"])
        ends, published = head_of(header["head"]), [head_of(one) for one in header["published"]]
        given = [(*head_of(one), one["token"]) for one in header.get("stamps", ())]
        stamps = [(seq, digest, base64.b64decode(token, validate=True)) for seq, digest, token in given]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise MalformedError("la première ligne n'est pas l'en-tête d'un export du journal.") from None
    if told != (VERSION, FIELDS):
        raise MalformedError(f"l'en-tête n'est pas celui du format « {VERSION} ».")
    return ends, published, stamps


def time_of(token: bytes, digest: str) -> str | None:
    """The time in a token that has the imprint of a head; None when it is not of this head. In DER: SHA-256
    by its identifier, 32 bytes, then a serial number (02) and the time (18), each after its length."""
    imprint = hashlib.sha256(bytes.fromhex(digest)).digest()
    sha256, serial = rb"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01(?:\x05\x00)?", rb"\x02([\x01-\x20])"
    found = re.search(sha256 + rb"\x04\x20" + re.escape(imprint) + serial, token, re.DOTALL)
    rest = token[found.end() + found[1][0] :] if found else b""
    time = re.match(rb"\x18.(\d{14}(?:\.\d+)?Z)", rest, re.DOTALL)
    return time[1].decode() if time else None


class Texts:
    """The texts beside an export, read in step with its rows. `of` is the head of the export they are of."""

    def __init__(self, file: BinaryIO, name: str = "textes") -> None:
        try:
            header = object_of(file.readline(LONGEST_LINE + 1))
            self.of = head_of(header["head"])
            if header["format"] != TEXTS_VERSION:
                raise ValueError("another format")
        except (ValueError, RecursionError, KeyError, TypeError):
            raise MalformedError(f"{name} : ce n'est pas un fichier des textes du journal.") from None
        self._lines, self._erased = lines_of(file), dict[str, str]()
        self._next: tuple[int, str, str | None, str | None] | None = None
        self._where = ""

    def advance(self, report: Report) -> None:
        """Goes to the next line that is a text."""
        self._next = None
        for number, line in self._lines:
            self._where = f"textes, ligne {number + 1}"
            try:
                one = object_of(line)
                seq, name, salt, text = (one[key] for key in ("seq", "field", "salt", "text"))
                kept = isinstance(salt, str) and isinstance(text, str) and HASH.fullmatch(salt)
                if type(seq) is not int or not isinstance(name, str) or not (kept or salt is text is None):
                    raise ValueError("not a text")
            except (ValueError, KeyError, TypeError, RecursionError):
                report.problem(f"{self._where} : ce n'est pas un texte du journal.")
            else:
                self._next = seq, name, salt, text
                return

    def check(self, seq: int, row: dict[str, Any], report: Report) -> None:
        """The texts of a row: each that it has the digest of, and no other."""
        try:
            facts = object_of(row["facts"].encode())
            expected = dict(said_in(facts, ()))
        except (ValueError, AttributeError, RecursionError):
            return  # what no database wrote: its seal tells
        while self._next is not None and self._next[0] <= seq:
            of, name, salt, text = self._next
            digest = expected.pop(name, None) if of == seq else None
            if digest is None:
                report.problem(f"{self._where} : aucune écriture n'a ce texte à cette place.")
            elif salt is None or text is None:
                self._erased[digest] = f"le texte « {name} » de l'écriture n° {seq}"
                report.texts_erased += 1
            else:
                report.texts_checked += 1
                if hashlib.sha256(bytes.fromhex(salt) + text.encode(errors="replace")).hexdigest() != digest:
                    report.problem(f"{self._where} : ce n'est pas le texte scellé par l'écriture n° {seq}.")
            self.advance(report)
        for name in expected:
            report.problem(f"textes : « {name} » de l'écriture n° {seq} n'y est pas.")
        if row["action"] == "journal.text_erased" and isinstance(facts.get("erased"), list):
            for told in facts["erased"]:
                self._erased.pop(str(told), None)

    def end(self, report: Report) -> None:
        """What must not be left over."""
        while self._next is not None:
            report.problem(f"{self._where} : aucune écriture n'a ce texte à cette place.")
            self.advance(report)
        for what in self._erased.values():
            report.problem(f"{what} est donné pour effacé, et aucun acte ne l'efface.")


def said_in(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The digests in the facts of a row, each with its path, `/` between the names."""
    if isinstance(value, dict) and set(value) == {"said"} and isinstance(value["said"], str):
        yield "/".join(path), value["said"]
        return
    inside = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    for name, one in inside:
        yield from said_in(one, (*path, str(name)))


def check_row(
    line: bytes, where: str, seq: int, prev: bytes, report: Report
) -> tuple[int, bytes, dict[str, Any] | None]:
    """Reports what is wrong with a row after the place `seq` and its seal; returns its own place and seal, so
    that one row that is missing makes one problem and not one for each that follows, and the row."""
    try:
        row = object_of(line)
        if set(row) != {"seq", "prev", "hash", *FIELDS}:
            raise ValueError("other fields")
        if type(row["seq"]) is not int or not all(isinstance(row[name], str | None) for name in FIELDS):
            raise ValueError("other types")
        follows, written = bytes.fromhex(row["prev"]), bytes.fromhex(row["hash"])
        expected = seal_of(row["seq"], follows, row)
        if (row["prev"], row["hash"]) != (follows.hex(), written.hex()):
            raise ValueError("another spelling of the same seal")
    except (ValueError, TypeError, RecursionError):
        report.problem(f"{where} : ce n'est pas une écriture du journal telle que l'export les donne.")
        return seq + 1, prev, None
    if (row["seq"], follows) != (seq + 1, prev):
        report.problem(f"{where} : l'écriture n° {row['seq']} ne suit pas la précédente ; une écriture manque"
                       ", est en trop, a été déplacée ou a un autre sceau.")  # fmt: skip
    if written != expected:
        report.problem(f"{where} : le sceau ne correspond pas au contenu ; l'écriture a été modifiée.")
    return row["seq"], written, row


def verify(export: BinaryIO, heads: Sequence[tuple[int, str]] = (), texts: Texts | None = None) -> Report:
    """Reads an export once from end to end. Raises MalformedError when it is not an export at all."""
    report, seq, seal = Report(), 0, bytes(32)
    ends, published, stamps = read_header(export.readline(LONGEST_LINE + 1))
    wanted: dict[int, set[str]] = {}
    for place, digest in (*heads, *published, *(stamp[:2] for stamp in stamps)):
        wanted.setdefault(place, set()).add(digest)
    for place, digest, token in stamps:
        time = time_of(token, digest)
        if time is None:
            report.problem(f"le jeton d'horodatage donné pour la tête n° {place} n'est pas le sien.")
        else:
            report.stamps.append(Stamp(place, digest, token, time))
    if texts is not None:
        texts.advance(report)
        if texts.of != ends:
            report.problem("les textes ne sont pas ceux de cet export.")
    for number, line in lines_of(export):
        report.rows += 1
        seq, seal, row = check_row(line, f"ligne {number + 1}", seq, seal, report)
        if texts is not None and row is not None:
            texts.check(seq, row, report)
        for digest in wanted.pop(seq, ()):
            report.heads_checked += 1
            if digest != seal.hex():
                report.problem(f"la tête publiée au numéro {seq} n'est pas sur cette chaîne : le"
                               " journal a été réécrit depuis.")  # fmt: skip
    if texts is not None:
        texts.end(report)
    report.head = seal.hex()
    if ends != (report.rows, report.head):
        report.problem(f"l'en-tête annonce {ends[0]} écritures et un autre dernier sceau : l'export est"
                       " incomplet ou son en-tête a été modifié.")  # fmt: skip
    for place in sorted(wanted):
        report.problem(f"la tête publiée au numéro {place} n'y est pas : l'export est plus ancien qu'elle, ou"
                       " des écritures ont été retirées.")  # fmt: skip
    return report


def verify_files(name: str, heads: Sequence[str] = (), texts: str | None = None) -> Report:
    """The same from the paths of files. Raises MalformedError, OSError."""
    known = [head for one in heads for head in read_heads(one)]
    with open(name, "rb") as export:
        if texts is None:
            return verify(export, known)
        with open(texts, "rb") as beside:
            return verify(export, known, Texts(beside, texts))


def main(arguments: Sequence[str]) -> int:
    options = list(zip(arguments[1::2], arguments[2::2], strict=False))
    texts = [value for name, value in options if name == "--texts"]
    if len(arguments) % 2 == 0 or {name for name, _ in options} - {"--head", "--texts"} or len(texts) > 1:
        print("Usage : python verify_journal.py EXPORT [--head TÊTES]… [--texts TEXTES]", file=sys.stderr)
        return 2
    try:
        heads = [value for name, value in options if name == "--head"]
        report = verify_files(arguments[0], heads, texts[0] if texts else None)
    except (MalformedError, OSError) as error:
        print(f"Lecture impossible : {error}", file=sys.stderr)
        return 2
    print(f"Écritures lues : {report.rows}. Têtes rapprochées : {report.heads_checked}.")
    if texts:
        print(f"Textes vérifiés : {report.texts_checked}. Textes effacés : {report.texts_erased}.")
    for one in report.stamps:
        print(f"Jeton d'horodatage de la tête n° {one.seq} : {one.time} (signature non vérifiée ici).")
    print("\n".join([f"Dernier sceau : {report.head}", *(f"  – {one}" for one in report.problems)]))
    print(f"Anomalies : {report.problem_count}." if report.problem_count else "Aucune anomalie.")
    return 1 if report.problem_count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
