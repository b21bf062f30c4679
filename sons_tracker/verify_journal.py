"""Verifies an export of the journal, offline: no database, no network, nothing to install.

    python verify_journal.py EXPORT [--head HEADS]...

EXPORT is what `sons-tracker journal export` wrote. HEADS is a file of heads published earlier, one JSON
object with `seq` and `hash` per line, kept by someone else than who keeps the journal. This file stands
alone so that an auditor can read all that the verification does; its messages are in French.

How the chain is made. The rows stand in an order, seq = 1, 2, 3 and so on. The seal of a row is

    hash = SHA-256( hash of the row before (32 bytes; 32 zero bytes before the first) + bytes of the row )

The bytes of a row are the word `sons-journal-v1`, a line feed, then seq and the fields of FIELDS in that
order, each written as: length in bytes, `:`, the bytes in UTF-8, `,`; a field that is absent as `-`.

What it proves. Whoever changes, adds, removes or moves a row must make anew every seal from there on. The
export alone cannot tell that this was done to all of it; a head that was published before can: its hash no
longer stands in its place. Exit code: 0 whole, 1 something is wrong, 2 a file is not what it should be.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

VERSION = "sons-journal-v1"
FIELDS = (
    "id", "at", "recorded_at", "txid", "person_id", "organisation_id", "role", "token_id", "auth_level",
    "action", "object_kind", "object_id", "facts",
)  # fmt: skip
LONGEST_LINE = 64 * 1024 * 1024  # bytes; a file made to fill the memory is refused
MOST_PROBLEMS = 20  # after one change everything that follows may be wrong


class MalformedError(Exception):
    """A file is not what it should be."""


@dataclass(slots=True)
class Report:
    """What was found. `rows` were read, the last one sealed by `head` (hexadecimal); no problem: whole."""

    rows: int = 0
    head: str = "00" * 32
    heads_checked: int = 0
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
    if type(seq) is not int or seq < 0 or not isinstance(digest, str) or len(digest) != 64:
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


def read_header(line: bytes) -> tuple[tuple[int, str], list[tuple[int, str]]]:
    """The head that the export says it ends with, and the published heads that it tells of."""
    try:
        header = object_of(line)
        told = header["format"], tuple(header["fields"])
        ends, published = head_of(header["head"]), [head_of(one) for one in header["published"]]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise MalformedError("la première ligne n'est pas l'en-tête d'un export du journal.") from None
    if told != (VERSION, FIELDS):
        raise MalformedError(f"l'en-tête n'est pas celui du format « {VERSION} ».")
    return ends, published


def check_row(line: bytes, where: str, seq: int, prev: bytes, report: Report) -> tuple[int, bytes]:
    """Reports what is wrong with a row after the place `seq` and its seal; returns its own place and seal, so
    that one row that is missing makes one problem, and not one for each that follows."""
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
        return seq + 1, prev
    if (row["seq"], follows) != (seq + 1, prev):
        report.problem(f"{where} : l'écriture n° {row['seq']} ne suit pas la précédente ; une écriture manque"
                       ", est en trop, a été déplacée ou a un autre sceau.")  # fmt: skip
    if written != expected:
        report.problem(f"{where} : le sceau ne correspond pas au contenu ; l'écriture a été modifiée.")
    return row["seq"], written


def verify(export: BinaryIO, heads: Sequence[tuple[int, str]] = ()) -> Report:
    """Reads an export once from end to end. Raises MalformedError when it is not an export at all."""
    report, seq, seal = Report(), 0, bytes(32)
    ends, published = read_header(export.readline(LONGEST_LINE + 1))
    wanted: dict[int, set[str]] = {}
    for place, digest in (*heads, *published):
        wanted.setdefault(place, set()).add(digest)
    for number, line in lines_of(export):
        report.rows += 1
        seq, seal = check_row(line, f"ligne {number + 1}", seq, seal, report)
        for digest in wanted.pop(seq, ()):
            report.heads_checked += 1
            if digest != seal.hex():
                report.problem(f"la tête publiée au numéro {seq} n'est pas sur cette chaîne : le"
                               " journal a été réécrit depuis.")  # fmt: skip
    report.head = seal.hex()
    if ends != (report.rows, report.head):
        report.problem(f"l'en-tête annonce {ends[0]} écritures et un autre dernier sceau : l'export est"
                       " incomplet ou son en-tête a été modifié.")  # fmt: skip
    for place in sorted(wanted):
        report.problem(f"la tête publiée au numéro {place} n'y est pas : l'export est plus ancien qu'elle, ou"
                       " des écritures ont été retirées.")  # fmt: skip
    return report


def verify_files(name: str, heads: Sequence[str] = ()) -> Report:
    """The same from the paths of files. Raises MalformedError, OSError."""
    known = [head for one in heads for head in read_heads(one)]
    with open(name, "rb") as export:
        return verify(export, known)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) % 2 == 0 or set(arguments[1::2]) - {"--head"}:
        print("Usage : python verify_journal.py EXPORT [--head TÊTES]…", file=sys.stderr)
        return 2
    try:
        report = verify_files(arguments[0], arguments[2::2])
    except (MalformedError, OSError) as error:
        print(f"Lecture impossible : {error}", file=sys.stderr)
        return 2
    print(f"Écritures lues : {report.rows}. Têtes rapprochées : {report.heads_checked}.")
    print("\n".join([f"Dernier sceau : {report.head}", *(f"  – {one}" for one in report.problems)]))
    print(f"Anomalies : {report.problem_count}." if report.problem_count else "Aucune anomalie.")
    return 1 if report.problem_count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
