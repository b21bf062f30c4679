"""A piece examined before its digest is given in an order, an invoice or a VA: nothing of it is kept.

What keeps pieces comes later, and will ask the same question of each before it keeps it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass, replace
from typing import IO

from sons_tracker.operations.actors import Actor, require
from sons_tracker.readers import apart
from sons_tracker.readers.apart import Inspection, Kind

_BLOCK = 1 << 20
# A media type names one kind; the others of the route promise nothing.
MEDIA_TYPES: dict[str, Kind] = {
    "application/pdf": "pdf",
    "application/zip": "zip",
    "application/xml": "xml",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}


@dataclass(frozen=True, slots=True)
class PieceView:
    """What a piece is: the digest and the size in bytes of the file as it was given; what was found in it."""

    sha256: bytes
    size: int
    inspection: Inspection


async def inspect(actor: Actor, file: IO[bytes], media_type: str | None = None) -> PieceView:
    """Examines an open file of any size; `media_type` is what whoever gives it says that it is.

    Raises:
        SonsError: `FORBIDDEN` without an account; `UNAVAILABLE` when too many files are being read.
    """
    require(actor, "piece.inspect")
    digest = await asyncio.to_thread(_digest, file)
    inspection = await apart.inspect(file)
    announced = MEDIA_TYPES.get(media_type or "")
    if announced is not None and inspection.kind not in {announced, None}:
        other = (apart.finding("other_kind"), *inspection.findings)
        inspection = replace(inspection, findings=other)
    return PieceView(digest, os.fstat(file.fileno()).st_size, inspection)


def _digest(file: IO[bytes]) -> bytes:
    found = hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK):
        found.update(block)
    return found.digest()
