"""The « next » of a page sorted by instant and identifier, or by a score first: opaque, strictly read."""

from __future__ import annotations

import base64
from datetime import datetime
from uuid import UUID

from sons_tracker.errors import ErrorCode, Fault, SonsError


def encode_next(after: tuple[datetime, UUID] | None) -> str | None:
    """The key of the next page as text, None on the last page."""
    if after is None:
        return None
    return base64.urlsafe_b64encode(f"{after[0].isoformat()}/{after[1]}".encode()).decode()


def decode_after(text: str | None) -> tuple[datetime, UUID] | None:
    """The key that « after » gives back.

    Raises:
        SonsError: `INVALID_REQUEST` for what no page gave.
    """
    if text is None:
        return None
    try:
        at, _, object_id = base64.b64decode(text, altchars=b"-_", validate=True).decode().partition("/")
        instant = datetime.fromisoformat(at)
        if instant.tzinfo is None:
            raise ValueError("an instant without offset")
        return instant, UUID(object_id)
    except ValueError:
        raise _not_a_next() from None


def encode_ranked(after: tuple[int | None, datetime, UUID] | None) -> str | None:
    """The key of the next page of a list that may be sorted by a score first; None on the last page."""
    if after is None:
        return None
    rank = "" if after[0] is None else str(after[0])
    return base64.urlsafe_b64encode(f"{rank}/{after[1].isoformat()}/{after[2]}".encode()).decode()


def decode_ranked(text: str | None, *, ranked: bool) -> tuple[int | None, datetime, UUID] | None:
    """The key that « after » gives back, of a list sorted by a score (`ranked`) or not.

    Raises:
        SonsError: `INVALID_REQUEST` for what no page of this order gave.
    """
    if text is None:
        return None
    try:
        rank, at, object_id = base64.b64decode(text, altchars=b"-_", validate=True).decode().split("/")
        instant = datetime.fromisoformat(at)
        if instant.tzinfo is None or (rank != "") is not ranked:
            raise ValueError("another order")
        return int(rank) if ranked else None, instant, UUID(object_id)
    except ValueError:
        raise _not_a_next() from None


def _not_a_next() -> SonsError:
    problem = "Cette valeur n'est pas le « next » d'une page précédente."
    return SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("?after", problem),))
