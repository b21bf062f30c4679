"""A PDF: whether it is whole, open to all, and does nothing but show pages.

Every object that the document reaches is looked at once; streams are never unpacked, so that what pages show
is not read here.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any, BinaryIO

from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

from sons_tracker.readers.findings import MOST_OBJECTS, MOST_PAGES
from sons_tracker.readers.inside.report import Report

_TAIL = 2_048
_HEAD = 1_024
# the type of an action: what is found
_ACTIONS = {
    "/JavaScript": "pdf_javascript",
    "/Launch": "pdf_launch",
    "/SubmitForm": "pdf_sends",
    "/ImportData": "pdf_sends",
    "/Rendition": "pdf_media",
    "/Movie": "pdf_media",
    "/Sound": "pdf_media",
}
_KEYS = {"/JS": "pdf_javascript", "/XFA": "pdf_xfa"}
_MEDIA = {"/RichMedia", "/Movie", "/Sound", "/3D", "/Screen"}
# Names that Factur-X and its German twin give to their data.
_INVOICES = {"factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml"}


class _Repairs(logging.Handler):
    """Hears what the library says when it reads past a defect: another may read something else there."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report.add("pdf_repaired")


def read(file: BinaryIO, report: Report) -> None:
    """Looks at a whole PDF."""
    library = logging.getLogger("pypdf")
    library.handlers, library.propagate = [_Repairs(report)], False
    data = file.read()
    if not data.startswith(b"%PDF-"):
        report.add("pdf_leading", count=data.find(b"%PDF-", 0, _HEAD))
    if b"%%EOF" not in data[-_TAIL:]:
        report.add("truncated")
        return
    reader = PdfReader(io.BytesIO(data), strict=False)
    if reader.is_encrypted:
        report.add("pdf_encrypted")
        return
    catalogue = _resolved(reader.trailer.raw_get("/Root"))
    _count_pages(catalogue, report)
    if report.pages is None:
        return
    for count, item in enumerate(_objects(catalogue), 1):
        if count > MOST_OBJECTS:
            report.add("pdf_too_many_objects")
            return
        _look(item, report)


def _resolved(item: Any) -> Any:
    return item.get_object() if isinstance(item, IndirectObject) else item


def _raw(item: DictionaryObject, name: str) -> Any:
    """The value of a member as it stands, a reference when it is one."""
    return dict.get(item, name)


def _count_pages(catalogue: Any, report: Report) -> None:
    """The leaves of the tree of pages. A node that stands in two places makes a loop, or as good as one."""
    waiting: list[Any] = [_raw(catalogue, "/Pages")]
    seen: set[int] = set()
    pages = 0
    while waiting:
        reference = waiting.pop()
        if isinstance(reference, IndirectObject):
            if reference.idnum in seen:
                report.add("pdf_cyclic")
                continue
            seen.add(reference.idnum)
        node = _resolved(reference)
        if not isinstance(node, DictionaryObject):
            continue
        children = _resolved(_raw(node, "/Kids"))
        if isinstance(children, ArrayObject):
            waiting.extend(list.__iter__(children))
        else:
            pages += 1
        if pages > MOST_PAGES or len(waiting) > MOST_OBJECTS:
            report.add("pdf_too_many_pages")
            return
    report.pages = pages
    if not pages:
        report.add("pdf_no_page")


def _objects(root: Any) -> Iterator[DictionaryObject]:
    """Every dictionary that is reached from `root`, once."""
    waiting: list[Any] = [root]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, IndirectObject):
            if item.idnum in seen:
                continue
            seen.add(item.idnum)
            item = item.get_object()
        if isinstance(item, DictionaryObject):
            yield item
            waiting.extend(_containers(dict.values(item)))
        elif isinstance(item, ArrayObject):
            waiting.extend(_containers(list.__iter__(item)))


def _containers(items: Any) -> list[Any]:
    return [one for one in items if isinstance(one, (IndirectObject, DictionaryObject, ArrayObject))]


def _look(item: DictionaryObject, report: Report) -> None:
    names = item.keys()
    for name, code in _KEYS.items():
        if name in names:
            report.add(code)
    action = _resolved(_raw(item, "/S"))
    if isinstance(action, str) and action in _ACTIONS and not ("/JS" in names and action == "/JavaScript"):
        report.add(_ACTIONS[action])
    kind = _resolved(_raw(item, "/Subtype"))
    if isinstance(kind, str) and kind in _MEDIA:
        report.add("pdf_media")
    if "/EF" in names:
        given = _resolved(_raw(item, "/UF")) or _resolved(_raw(item, "/F")) or ""
        called = given if isinstance(given, str) else ""
        report.add("pdf_einvoice" if called.lower() in _INVOICES else "pdf_embedded_files", called)
