"""Register files that an attacker, or a broken transfer, would hand over; each with what the import must say.

`said` is a code of the closed list, `refused` (lines are told, nothing is written) or `guard`.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.factories import a_finess
from tests.factories_registers import a_grant, a_referencing, establishment_line, finess_text
from tests.hostile import pieces
from tests.hostile.reading import DAY
from tests.registers.test_finess_json import a_pmej, an_ege

INVALID = "invalid_file"
REFUSED = "refused"
Write = Callable[[Path], None]


def _finess(*lines: str) -> str:
    return finess_text(DAY, lines)


def _rows(
    row: dict[str, object], *changes: dict[str, object], header: tuple[str, ...] | None = None
) -> bytes:
    names = header or tuple(row)
    lines = [";".join(names)] + [";".join(str({**row, **one}.get(n, "")) for n in names) for one in changes]
    return ("\n".join(lines) + "\n").encode()


def _cells(cell: str) -> tuple[bytes, ...]:
    """The cell in a grant, in a version, in an establishment."""
    return (
        _rows(a_grant(a_finess()), {"grant_reference": cell}),
        _rows(a_referencing(), {"solution_name": cell, "editor_name": cell}),
        _finess(establishment_line(a_finess(), nofinesset=cell)).encode(),
    )


def texts() -> Iterator[tuple[str, bytes, str]]:
    """CSV and what pretends to be: name, content, what is said."""
    line = establishment_line(a_finess())
    whole = _finess(*(establishment_line(a_finess()) for _ in range(20))).encode()
    grants = _rows(a_grant(a_finess()), *({"grant_reference": f"G-{n}"} for n in range(20)))
    yield "empty.csv", b"", INVALID
    yield "spaces.csv", b" \n \n", INVALID
    yield "one-byte.csv", b"x", INVALID
    yield "mark-only.csv", b"\xef\xbb\xbf", INVALID
    yield "header-only.csv", finess_text(DAY, ()).encode(), INVALID
    yield "own-header-only.csv", grants.split(b"\n")[0] + b"\n", INVALID
    yield "no-header.csv", line.encode(), INVALID
    yield "nul.csv", b"\x00" * 100_000, INVALID
    yield "nul-inside.csv", whole.replace(b"FICTIF", b"\x00ICTIF", 1), INVALID
    yield "utf-16.csv", whole.decode().encode("utf-16"), INVALID
    yield "utf-16-no-mark.csv", whole.decode().encode("utf-16-le"), INVALID
    yield "utf-32.csv", whole.decode().encode("utf-32"), INVALID
    yield "utf-7.csv", b"+AGEAOwBi-;c\n", INVALID
    yield "mixed.csv", whole + "é".encode() + b";\n\xe9;\n", INVALID
    yield "twice-encoded.csv", whole + "é".encode().decode("cp1252").encode(), INVALID
    yield "lost.csv", whole + "\ufffd".encode(), INVALID
    yield "lone-cr.csv", whole.replace(b"\n", b"\r"), INVALID
    yield "lone-cr-inside.csv", whole + b"a\rb\n", INVALID
    yield "long-line.csv", whole + b"x" * (64 << 20) + b"\n", INVALID
    yield "long-line-own.csv", grants + b"x" * (64 << 20), INVALID
    yield "long-quoted.csv", grants + b'"' + b"x\n" * 100_000, REFUSED
    yield "columns.csv", b";".join(b"c%d" % n for n in range(10_000)) + b"\n", INVALID
    yield "columns-of-a-line.csv", whole + b"structureet" + b";" * 10_000 + b"\n", REFUSED
    yield "columns-own.csv", grants + b";" * 10_000 + b"\n", REFUSED
    yield "few-columns.csv", whole + b"structureet;1\n", REFUSED
    yield "repeated-header.csv", b"grant_reference;grant_reference\nA;B\n", INVALID
    yield "unknown-header.csv", b"grant_reference;drop table\nA;B\n", INVALID
    yield "open-quote.csv", whole + b'structureet;"abc\n', REFUSED
    yield "quotes.csv", whole + b'"' * 60_001 + b"\n", REFUSED
    yield "half-a-quote.csv", grants + b'a"b;' * 5 + b"\n", REFUSED
    yield "HTML.csv", b"<!DOCTYPE html><html><body>404</body></html>", INVALID
    yield "XML.csv", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', INVALID
    yield "PDF.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", INVALID
    yield "XLSX.csv", b"PK\x03\x04" + b"\x00" * 1_000, INVALID
    yield "ELF.csv", b"\x7fELF\x02\x01\x01" + b"\x00" * 1_000, INVALID
    yield "random.csv", random.Random(1).randbytes(100_000), INVALID
    yield "lines.csv", whole + b"\n" * 1_000_000, REFUSED
    for number, value in enumerate(CELLS):
        for kind, content in zip(("grant", "version", "finess"), _cells(value), strict=True):
            yield f"cell-{number:02}-{kind}.csv", content, ""


# Cells that another reader would run. What is said depends on the column: a text is a text, a number is none.
CELLS = (
    "=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1", '=HYPERLINK("http://a")', "$(reboot)", "`reboot`",
    "'; drop table sons.journal; --", "{{7*7}}", "<script>alert(1)</script>", "\u202egpj.exe",
    "\x1b[31mrouge", "../../etc/passwd", "%s%s%n", "9" * 10_000, "é" * 5_000, "\u0000", "NaN", "1e309",
)  # fmt: skip


def trees() -> Iterator[tuple[str, bytes, str]]:
    """JSON: name, content, what is said."""
    whole = json.dumps({"pmej": [a_pmej(a_finess(), an_ege(a_finess())) for _ in range(3)]}).encode()
    bare = json.dumps([an_ege(a_finess()) for _ in range(4)]).encode()
    for number, at in enumerate(range(1, len(whole), len(whole) // 40)):
        yield f"cut-{number:02}.json", whole[:at], INVALID
    for number, at in enumerate(range(1, len(bare), len(bare) // 20)):
        yield f"cut-bare-{number:02}.json", bare[:at], INVALID
    yield "empty-list.json", b"[]", INVALID
    yield "empty-object.json", b"{}", INVALID
    yield "other-object.json", b'{"a": 1}', INVALID
    yield "no-structures.json", b'{"pmej": null}', INVALID
    yield "structures-are-text.json", b'{"pmej": "x"}', INVALID
    yield "deep.json", b"[" * 200_000, INVALID
    yield "deep-objects.json", b'{"a":' * 200_000, INVALID
    yield "deep-element.json", b'[{"a":' + b"[" * 200_000, INVALID
    yield "huge-element.json", b'[{"a": "' + b"x" * (40 << 20) + b'"}]', INVALID
    yield "huge-number.json", b"[" + b"9" * 5_000_000 + b"]", INVALID
    yield "huge-number-inside.json", b'[{"a": ' + b"9" * 5_000_000 + b"}]", INVALID
    yield "huge-fraction.json", b'[{"a": 0.' + b"9" * 5_000_000 + b"}]", INVALID
    yield "huge-exponent.json", b'[{"a": 1e' + b"9" * 200 + b"}]", INVALID
    for digits in (1_000, 4_300, 4_301, 10_000, 60_000):
        for shift in (0, 16_000, 16_384 - 500):  # within a buffer of the parser, and across two
            filling = b" " * shift
            yield f"digits-{digits}-{shift}.json", b"[" + filling + b"9" * digits + b"]", INVALID
    yield "digits-100.json", b"[" + b"9" * 100 + b"]", REFUSED
    yield "huge-name.json", b'[{"' + b"n" * (40 << 20) + b'": 1}]', INVALID
    yield "scalars.json", b"[" + b"1," * 100_000 + b"1]", INVALID
    yield "few-scalars.json", b"[" + b"1," * 1_000 + b"1]", REFUSED
    yield "many-wrong-elements.json", b"[" + b'{"a":"1"},' * 200_000 + b"{}]", INVALID
    yield "nulls.json", b"[null, null]", REFUSED
    yield "lists.json", b"[[], [[]]]", REFUSED
    yield "NaN.json", b"[NaN]", INVALID
    yield "bad-utf-8.json", bare.replace(b"TILLEULS", b"TI\xff\xfeULS", 1), INVALID
    yield "nul.json", bare.replace(b"TILLEULS", b"TI\\u0000ULS", 1), REFUSED
    yield "raw-nul.json", bare.replace(b"TILLEULS", b"TI\x00EULS", 1), INVALID
    yield "surrogate.json", bare.replace(b"TILLEULS", b"TI\\ud800LS", 1), ""
    yield "utf-16.json", bare.decode().encode("utf-16"), INVALID
    yield "trailing.json", bare + b"]", INVALID
    yield "two.json", bare + bare, INVALID
    yield "text-after.json", bare + b"x", INVALID
    yield "single-quotes.json", bare.replace(b'"', b"'"), INVALID
    yield "wrong-types.json", json.dumps([an_ege(a_finess(), adresse="x", etatObjet=[1])]).encode(), ""
    yield (
        "names-as-numbers.json",
        json.dumps([an_ege(a_finess(), informationsGeneralesEGE=7)]).encode(),
        REFUSED,
    )


def packed() -> Iterator[tuple[str, bytes, str]]:
    """gzip: cut, damaged, swollen, nested."""
    whole = json.dumps([an_ege(a_finess()) for _ in range(50)]).encode()
    good = gzip.compress(whole)
    for number, at in enumerate(range(2, len(good) - 1, len(good) // 30)):
        yield f"cut-{number:02}.json.gz", good[:at], INVALID
    for number, at in enumerate(range(20, len(good) - 8, len(good) // 10)):
        damaged = bytearray(good)
        damaged[at] ^= 0xFF
        yield f"damaged-{number:02}.json.gz", bytes(damaged), ""
    yield "wrong-sum.json.gz", good[:-8] + b"\x00" * 8, INVALID
    yield "nested.json.gz", gzip.compress(gzip.compress(whole)), INVALID
    yield "empty.json.gz", gzip.compress(b""), INVALID
    yield "nothing.json.gz", b"\x1f\x8b", INVALID
    yield "trailing.json.gz", good + b"garbage", INVALID
    yield "bomb-of-zeros.json.gz", bomb(b"\x00", 1 << 28), INVALID
    yield "bomb-of-spaces.json.gz", bomb(b" ", 1 << 28), INVALID
    yield "bomb-of-elements.json.gz", bomb(b'{"":1},', 1 << 28, b"["), INVALID
    yield "bomb-of-lines.csv.gz", bomb(b"a;b;c\n", 1 << 28), INVALID
    yield "bomb-in-a-register.csv.gz", bomb(b"\n", 1 << 28, _finess().encode()), INVALID
    yield "bomb-of-brackets.json.gz", bomb(b"[", 1 << 28), INVALID


def archives() -> Iterator[tuple[str, bytes, str]]:
    """ZIP and XLSX, unpacked apart: none of these holds a register."""
    for name, content, _ in (*pieces.zips(), *pieces.workbooks()):
        yield name, content, INVALID
    lines = _rows(a_grant(a_finess()), *({"grant_reference": f"G-{n}"} for n in range(200)))
    whole = pieces.packed(("grants.csv", lines))
    for number, at in enumerate(range(4, len(whole), len(whole) // 20)):
        yield f"cut-{number:02}.zip", whole[:at], INVALID
    yield "nul-inside.zip", pieces.packed(("grants.csv", b"\x00" * 1_000)), INVALID
    yield (
        "long-line.zip",
        pieces.packed(("grants.csv", random.Random(6).randbytes(9 << 20).hex().encode())),
        INVALID,
    )


def bomb(unit: bytes, size: int, head: bytes = b"") -> bytes:
    """A gzip of `head`, then of `unit` again and again until `size` bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = unit * ((1 << 20) // len(unit))
    found = [packer.compress(head)] + [packer.compress(block) for _ in range(size // len(block))]
    return b"".join(found) + packer.flush()
