"""Taking claims: a number and those that it succeeds are held together, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

ONE_LIVE_FINANCING = "one_live_financing"


@contextmanager
def claiming(lost: type[Exception]) -> Iterator[None]:
    """Raises `lost` when a claim taken inside cannot hold an old number of its ESSMS: another holds it.

    A claim on the number itself is not taken, and is counted by its statement; the rows on the old numbers
    are the database's own, which can only refuse. Nothing of the statement stands: leave the savepoint.
    """
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != ONE_LIVE_FINANCING:
            raise
        raise lost from None
