"""What the process apart tells: frames on its standard output, the last of which is its report.

A frame is a letter (`C` some content, `R` the report), the length of what follows on four bytes, and as many
bytes. A process that was stopped leaves no report, and what it had told counts for nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from sons_tracker.readers.findings import FINDINGS

_LONGEST = 120
_BLOCK = 1 << 16


class Report:
    """What is found, by code: how many times, and where first. Facts of the file beside it."""

    def __init__(self, kind: str | None) -> None:
        self.kind = kind
        self.pages: int | None = None
        self.members: int | None = None
        self.sheets: int | None = None
        self.name: str | None = None
        self._found: dict[str, list[int | str]] = {}

    def add(self, code: str, where: str = "", count: int = 1) -> None:
        """One more of `code`; `where` is kept of the first.

        Raises:
            KeyError: a code that is not of the closed list.
        """
        _ = FINDINGS[code]
        kept = self._found.setdefault(code, [0, shown(where)])
        kept[0] = int(kept[0]) + count

    @property
    def refused(self) -> bool:
        """Whether something found keeps the file from being read further."""
        return any(FINDINGS[code].severity == "error" for code in self._found)

    def send(self) -> None:
        """The last frame."""
        found = [{"code": code, "count": n, "where": where} for code, (n, where) in self._found.items()]
        facts = {name: getattr(self, name) for name in ("kind", "pages", "members", "sheets", "name")}
        _frame(b"R", json.dumps({**facts, "found": found}).encode())


def shown(text: str) -> str:
    """A text of the file, short and without control characters, as it may stand in a sentence."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:_LONGEST])


def sender() -> tuple[Callable[[bytes], None], Callable[[], None]]:
    """`(send, flush)`: content, sent in blocks."""
    held = bytearray()

    def send(content: bytes) -> None:
        held.extend(content)
        while len(held) >= _BLOCK:
            _frame(b"C", bytes(held[:_BLOCK]))
            del held[:_BLOCK]

    def flush() -> None:
        if held:
            _frame(b"C", bytes(held))
            held.clear()

    return send, flush


def _frame(letter: bytes, content: bytes) -> None:
    rest = memoryview(letter + len(content).to_bytes(4, "big") + content)
    while rest:
        rest = rest[os.write(1, rest) :]
