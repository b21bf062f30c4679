"""A body that is a file: its type checked, then received on the disk by blocks, never whole in memory."""

from __future__ import annotations

import asyncio
from typing import IO, Any

from litestar import Request

from sons_tracker.api.contract import contract_of
from sons_tracker.api.faults import show
from sons_tracker.errors import ErrorCode, SonsError

_BLOCK = 1 << 20


async def receive(request: Request[Any, Any, Any], into: IO[bytes]) -> str:
    """Writes the body of `request` to an open file; returns the media type that it announces.

    Raises:
        SonsError: `UNSUPPORTED_MEDIA_TYPE` for a type that the route's contract does not name, or a body that
            was packed for its travel. Litestar raises its own 413 beyond the size of the route.
    """
    contract = contract_of(request.route_handler)
    if contract is None or contract.file is None:
        raise TypeError(f"the contract of {request.url.path} announces no file")
    media_type = request.content_type[0]
    if media_type not in contract.file.media_types:
        known = ", ".join(f"« {one} »" for one in contract.file.media_types)
        raise SonsError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            f"Le type de contenu « {show(request.headers.get('content-type', ''))} » n'est pas accepté ici.",
            remedy=f"Envoyer le fichier tel quel, sous l'un de ces types : {known}.",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise SonsError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            "Le corps doit être envoyé sans compression.",
            remedy="Envoyer le fichier tel quel, sans « Content-Encoding ».",
        )
    held = bytearray()
    async for block in request.stream():
        held += block
        if len(held) >= _BLOCK:
            await asyncio.to_thread(into.write, bytes(held))
            held.clear()
    into.write(held)
    into.flush()
    return media_type
