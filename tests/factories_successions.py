"""Successions between synthetic numbers, as an import would have found them, and decisions on them."""

from __future__ import annotations

from datetime import date
from uuid import UUID, uuid4

from sons_tracker.operations import successions
from sons_tracker.operations.successions import Settled
from tests import factories_orders as make
from tests.factories import AT, Account, an_account
from tests.factories_life import Told

EARLIER, LATER = date(2022, 1, 3), date(2023, 1, 2)


async def a_succession(
    seeded: make.Seeded,
    predecessor: str,
    successor: str,
    *,
    kind: str = "renumbering",
    og: str | None = None,
    score: int = 75,
) -> UUID:
    """A probable succession, found on 1 March 2023."""
    found = uuid4()
    await seeded.execute(
        "insert into sons.succession (id, predecessor, successor, predecessor_og, successor_og, kind, score,"
        " reasons, earlier_on, later_on, state, found_at)"
        " values ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, 'probable', $10)",
        found,
        predecessor,
        successor,
        og,
        kind,
        score,
        [{"code": "nom", "points": score, "message": "Même nom dans la même commune : « RESIDENCE »."}],
        EARLIER,
        LATER,
        AT,
    )
    return found


async def settled(
    succession_id: UUID,
    confirmed: bool = True,
    reviewer: Account | None = None,
    reason: str = "Vu au dossier.",
) -> Settled:
    """A reviewer's decision on it; what it did."""
    actor = (reviewer or await an_account("reviewer")).actor
    told = Told()
    await successions.settle_succession(actor, succession_id, confirmed, reason, AT, make.a_key(), told)
    assert isinstance(told.outcome, Settled), told.outcome
    return told.outcome


async def a_confirmed_succession(
    seeded: make.Seeded, predecessor: str, successor: str, *, kind: str = "renumbering", og: str | None = None
) -> Settled:
    """A succession that was found and confirmed."""
    return await settled(await a_succession(seeded, predecessor, successor, kind=kind, og=og))
