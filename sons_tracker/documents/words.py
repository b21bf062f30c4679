"""What a party wrote, made safe to stand in a document: text, and nothing that a reader would obey."""

from __future__ import annotations

import unicodedata

# Marks that turn the direction of what follows: a number that reads backwards is a forged number.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: str) -> str:
    """The text on one line, without control characters (hence no terminal sequence) nor turning marks."""
    kept = (
        " " if unicodedata.category(mark) in ("Cc", "Zl", "Zp") else mark
        for mark in text
        if mark not in _TURNING
    )
    return " ".join("".join(kept).split(" "))


def shortened(text: str, most: int) -> str:
    """At most `most` characters, the last an ellipsis where something was left out."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
