"""The report of a case as an accessible PDF (PDF/UA-1), made by Typst from plain data.

The data reach the template as JSON, so that nothing that a party wrote can become markup. Fonts are those of
the wheel, the date is the one that is given: the same data give the same bytes on every machine.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Literal

import typst

_TEMPLATE = "conflict_report.typ"
_STANDARD: Literal["ua-1"] = "ua-1"
_UNPRINTABLE = "\u25a1"
# What the fonts of the wheel draw for sure. PDF/UA refuses a sign without a shape, and rightly: the report
# then shows a square, and the tables beside it keep the sign.
_DRAWN = (
    (0x20, 0x7E), (0xA0, 0x17F), (0x192, 0x192), (0x218, 0x21B), (0x386, 0x386), (0x388, 0x38A),
    (0x38C, 0x38C), (0x38E, 0x3A1), (0x3A3, 0x3CE), (0x400, 0x45F),
    (0x1E80, 0x1E85), (0x2009, 0x200A), (0x2010, 0x2015), (0x2018, 0x201E), (0x2020, 0x2022),
    (0x2026, 0x2026), (0x202F, 0x202F), (0x2030, 0x2030), (0x2039, 0x203A), (0x20AC, 0x20AC),
    (0x2116, 0x2116), (0x2122, 0x2122), (0x2190, 0x2193), (0x2212, 0x2212), (0x25A1, 0x25A1),
)  # fmt: skip


def render(data: Mapping[str, Any], picture: bytes, made_at: datetime) -> bytes:
    """The PDF of a report; `data` as the template names it, `picture` the SVG of the graph.

    It holds a processor for a while: not to be called inside a transaction.
    """
    made: bytes = _compile("pdf", data, picture, made_at)
    return made


def pages(data: Mapping[str, Any], picture: bytes, made_at: datetime) -> list[bytes]:
    """The same report as one PNG for each page, for eyes that check it."""
    made = _compile("png", data, picture, made_at)
    return made if isinstance(made, list) else [made]


def _compile(format_: Any, data: Mapping[str, Any], picture: bytes, made_at: datetime) -> Any:
    return typst.compile(
        _template(),
        format=format_,
        sys_inputs={
            "data": json.dumps(_printable(data), ensure_ascii=False),
            "graph": _drawn(picture.decode()),
        },
        pdf_standards=[_STANDARD] if format_ == "pdf" else [],
        ignore_system_fonts=True,
        timestamp=made_at,
    )


@cache
def _template() -> bytes:
    return resources.files(__package__).joinpath(_TEMPLATE).read_bytes()


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return _drawn(value)
    if isinstance(value, Mapping):
        return {name: _printable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(one) for one in value]
    return value


def _drawn(text: str) -> str:
    """The text as the fonts can draw it."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(mark if _has_shape(mark) else _UNPRINTABLE for mark in composed)


@cache
def _has_shape(mark: str) -> bool:
    return mark == "\n" or any(first <= ord(mark) <= last for first, last in _DRAWN)
