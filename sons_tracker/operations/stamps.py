"""The time stamps of the journal's heads (RFC 3161): which head wants one, and the one that was given.

The room `delivery` asks the authority, between the two, outside any transaction. A stamp says when a head
stood, to whoever trusts neither the instance nor who was sent its heads; a head without one is published all
the same.
"""

from __future__ import annotations

from datetime import datetime

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import SCHEDULER
from sons_tracker.operations.clock import business_instant
from sons_tracker.operations.sealing import Head

# The heads of before the first stamp stand before the one that gets it: it covers them.
_WANTED = """
select h.seq, h.hash from journal_head h
where h.seq > coalesce((select max(seq) from journal_stamp), (select max(seq) - 1 from journal_head))
order by h.seq limit 1
"""


async def wanted() -> Head | None:
    """The next published head that has no stamp; None when the last one has its own."""
    async with transaction(SCHEDULER.context, read_only=True) as con:
        row = await con.fetchrow(_WANTED)
    return None if row is None else Head(row["seq"], row["hash"])


async def keep(head: Head, token: bytes, stamped_at: datetime) -> bool:
    """Keeps the verified answer of the authority, whole, and journals it; False when another process did.

    `stamped_at` (aware) is the time that the authority attests, on its own clock.
    """
    async with transaction(SCHEDULER.context) as con:
        kept: bool | None = await con.fetchval(
            "insert into journal_stamp (seq, hash, token, stamped_at) values ($1, $2, $3, $4)"
            " on conflict (seq) do nothing returning true",
            head.seq,
            head.hash,
            token,
            stamped_at,
        )
        if kept:
            at = await business_instant(con)
            facts = {"seq": head.seq, "hash": head.hash.hex(), "stamped_at": stamped_at.isoformat()}
            await journal.record(con, SCHEDULER, at, "journal.stamped", "journal", str(head.seq), facts)
    return bool(kept)
