"""The process apart: one file on its standard input, one report on its standard output, and it ends.

Run by its path, isolated (`python -I child.py ORDER`). ORDER is JSON: `work` (`inspect`, or `unpack` for the
one register that an archive or a workbook holds), `seconds`, `memory`, `unpacked` (bytes at most).
"""

from __future__ import annotations

import codecs
import json
import os
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if __name__ == "__main__":
    # isolated, the interpreter looks for modules in its environment alone: the package may be beside it
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from sons_tracker.readers.inside.confinement import confine
from sons_tracker.readers.inside.report import Report, sender

if TYPE_CHECKING:
    from zipfile import ZipFile

_HEAD = 1_024
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# What the readers would import while they read, when nothing can be opened any more.
_PREPARED = {
    "pdf": ("sons_tracker.readers.inside.pdf",),
    "zip": ("sons_tracker.readers.inside.archive", "sons_tracker.readers.inside.workbook"),
    "xml": ("sons_tracker.readers.inside.markup",),
}
# What names of members and XML of these latitudes are written in; another encoding cannot be read.
_CODECS = (
    *("ascii", "cp1250", "cp1252", "cp437", "cp850", "iso8859-1", "iso8859-2", "iso8859-15", "mac-roman"),
    *("utf-8-sig", "utf-16", "utf-16-be", "utf-16-le"),
)
_REGISTERS = (".csv", ".json", ".txt")


def recognised(head: bytes) -> str | None:
    """The format that the first bytes of a file announce; `old` for what Office wrote before 2007."""
    if b"%PDF-" in head:
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(_OLD_OFFICE):
        return "old"
    for mark in _MARKS:
        head = head.removeprefix(mark)
    return "xml" if head.lstrip(b" \t\r\n\x00").startswith(b"<") else None


def main(order: dict[str, Any]) -> None:
    """Recognises, confines itself, reads, tells."""
    warnings.simplefilter("ignore")
    head = os.pread(0, _HEAD, 0)
    kind = recognised(head)
    readers = [import_module(name) for name in _PREPARED.get(kind or "", ())]
    for codec in _CODECS:
        codecs.lookup(codec)
    confine(order["seconds"], order["memory"])
    report = Report(kind if kind != "old" else None)
    send, flush = sender()
    try:
        with open(0, "rb", closefd=False) as file:
            if not head:
                report.add("empty")
            elif kind is None or kind == "old":
                report.add("unknown_kind" if kind is None else "old_office")
            elif kind == "zip":
                _packed(file, report, order, send, *readers)
            elif order["work"] == "unpack":
                report.add("zip_no_register")
            else:
                readers[0].read(file, report)
        flush()
    except MemoryError:
        report.add("too_heavy")
    except Exception:  # whatever a library says of a file: it is the file that cannot be read
        report.add("unreadable")
    report.send()


def _packed(
    file: BinaryIO,
    report: Report,
    order: dict[str, Any],
    send: Callable[[bytes], None],
    archives: Any,
    workbooks: Any,
) -> None:
    archive = archives.opened(file, report)
    if archive is None:
        return
    most = order["unpacked"]
    if workbooks.MAIN_PART in archive.namelist():
        report.kind = "xlsx"
        if order["work"] == "unpack":
            workbooks.write_first(archive, file, report, most, send)
        else:
            workbooks.read(archive, file, report, most)
    elif order["work"] == "unpack":
        _register(archive, report, most, send, archives)
    else:
        archives.read(archive, report, most)


def _register(
    archive: ZipFile, report: Report, most: int, send: Callable[[bytes], None], archives: Any
) -> None:
    """Sends the one register file of an archive."""
    archives.check_directory(archive, report, most)
    files = [one for one in archives.members(archive) if one.filename.lower().endswith(_REGISTERS)]
    if not report.refused and len(files) != 1:
        report.add("zip_several_registers" if files else "zip_no_register", count=max(1, len(files)))
    if report.refused:
        return
    report.name = files[0].filename.rpartition("/")[2]
    for number, block in enumerate(archives.blocks(archive, files[0], report)):
        if number == 0 and archives.is_nested(files[0], block):
            report.add("zip_nested", files[0].filename)
            return
        send(block)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
