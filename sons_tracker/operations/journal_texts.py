"""What people typed, beside the journal: read with its salt, erased with its reason.

The journal keeps a digest of each text (`db/journal.py`). Erasing takes the words and the salt away, for
good; the row that had them and the chain stay as they are, and the journal tells who erased what, and why.
What the tables of a case keep of the same words (`docs/privacy.md`) is theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.db.journal import Said
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, require

ACTION = "journal.text_erased"
LONGEST_REASON = 1000
_OF_ROWS = """
select journal_id, field, encode(salt, 'hex') as salt, text from journal_text
where journal_id = any($1) order by journal_id, field
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A text as it stands: `salt` in hexadecimal; without salt and words once erased."""

    journal_id: int
    field: str
    salt: str | None
    text: str | None


async def texts_of(con: asyncpg.Connection, rows: Sequence[int]) -> tuple[Kept, ...]:
    """The texts of some rows of the journal, as far as the caller may see them."""
    return tuple(Kept(*row) for row in await con.fetch(_OF_ROWS, rows))


async def erase(actor: Actor, at: datetime, journal_id: int, reason: str) -> int:
    """Erases every text of one row of the journal, for good; returns how many. The reason is journaled, as a
    text that can be erased in its turn.

    Raises:
        SonsError: `FORBIDDEN`; `INVALID_REQUEST` without reason; `NOT_FOUND` for a row that is unknown or
            has no text left.
    """
    require(actor, "journal.erase")
    words = reason.strip()
    if not 1 <= len(words) <= LONGEST_REASON:
        problem = f"Un effacement dit sa raison, en {LONGEST_REASON} caractères au plus."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("reason", problem),))
    async with transaction(actor.context) as con:
        found = await con.fetch(
            "select field, encode(digest, 'hex') as digest from journal_text"
            " where journal_id = $1 and text is not null order by field for update",
            journal_id,
        )
        if not found:
            raise SonsError(
                ErrorCode.NOT_FOUND,
                "Cette écriture du journal n'est pas connue, ou n'a plus de texte à effacer.",
            )
        facts = {"erased": [row["digest"] for row in found], "reason": Said(words)}
        # told first: the database refuses what the journal does not tell
        await journal.record(con, actor, at, ACTION, "journal", str(journal_id), facts)
        await con.execute(
            "update journal_text set text = null, salt = null, erased_at = $2"
            " where journal_id = $1 and text is not null",
            journal_id,
            at,
        )
    return len(found)
