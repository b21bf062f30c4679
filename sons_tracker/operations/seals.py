"""What is sealed at rest, sealed anew under the newest key: secrets of webhooks, second factors.

Keys are settings, so no migration seals anything: this does, when the relay starts and when the operator
asks. To change a key: put the new one first, run this, then take the old one away.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sons_tracker.db import journal
from sons_tracker.db.engine import retrying, transaction
from sons_tracker.errors import SonsError
from sons_tracker.operations.deliveries import SENDER
from sons_tracker.operations.proofs import Door


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many secrets were sealed by the newest key, how many had to be, how many no key opens."""

    kept: int
    renewed: int
    lost: int


@retrying
async def reseal(door: Door, at: datetime) -> Resealed:
    """Seals what is in clear or under a former key; a secret that no key opens stays as it is.

    `at` dates the journal, which says how many of which kind. Nothing is written twice: what changes
    meanwhile is another secret, sealed by its own act.
    """
    kept = lost = 0
    renewed: Counter[str] = Counter()
    async with transaction(SENDER.context) as con:
        for row in await con.fetch("select kind, id, clear, sealed from seals()"):
            try:
                seal = door.renewed(row["sealed"]) if row["clear"] is None else door.seal(row["clear"])
            except SonsError:
                lost += 1
                continue
            if seal is None:
                kept += 1
            elif await con.fetchval(
                "select reseal($1, $2, $3, $4)", row["kind"], row["id"], row["sealed"], seal
            ):
                renewed[row["kind"]] += 1
        if renewed:
            facts = {"lost": lost, **renewed}
            await journal.record(con, SENDER, at, "secrets.resealed", "instance", "secrets", facts)
    return Resealed(kept, renewed.total(), lost)
