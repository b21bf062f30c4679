"""The « next » of a page sorted by instant and identifier: opaque outside, strict when it comes back."""

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
        problem = "Cette valeur n'est pas le « next » d'une page précédente."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("?after", problem),)) from None
