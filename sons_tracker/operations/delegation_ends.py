"""How delegations end before their last day: revoked, or when one of its two persons leaves.

Apart from the other acts on delegations: whoever removes a member ends those that the member gave or held.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.outbox import announce
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.delegations import acts_fr
from sons_tracker.rules.french import date_fr


@dataclass(frozen=True, slots=True)
class Told:
    """What the journal and the announcements tell of a delegation: identifiers and terms, no name."""

    id: UUID
    organisation_id: UUID
    giver_id: UUID
    receiver_id: UUID
    acts: tuple[str, ...]
    from_on: date
    until_on: date


async def end_of_member(
    con: asyncpg.Connection, actor: Actor, at: datetime, person_id: UUID, organisation_id: UUID
) -> None:
    """Ends the delegations that a person who leaves an OG gave or holds, and that are not over."""
    both = (person_id, organisation_id)
    await end_delegations(con, actor, at, "giver_left", "giver_id = $1 and organisation_id = $2", *both)
    await end_delegations(con, actor, at, "receiver_left", "receiver_id = $1 and organisation_id = $2", *both)


async def end_given(
    con: asyncpg.Connection, actor: Actor, at: datetime, person_id: UUID, organisation_id: UUID
) -> None:
    """Ends the delegations given by a person who is responsible for the OG no more."""
    which = "giver_id = $1 and organisation_id = $2"
    await end_delegations(con, actor, at, "not_responsible", which, person_id, organisation_id)


async def end_delegations(
    con: asyncpg.Connection, actor: Actor, at: datetime, because: str, which: str, *arguments: Any
) -> None:
    """Revokes the delegations that `which` (SQL on its arguments, written by us) names and that are neither
    revoked nor over; journals and announces each."""
    place = len(arguments)
    rows = await con.fetch(
        f"update delegation set revoked_at = ${place + 1}, revoked_by = ${place + 2},"  # noqa: S608 # nosec B608 # our own words
        f" revoked_role = ${place + 3}, revoked_because = ${place + 4}"
        f" where {which} and revoked_at is null and until_on >= ${place + 5}"
        " returning id, organisation_id, giver_id, receiver_id, acts, from_on, until_on",
        *arguments,
        at,
        actor.person_id,
        actor.role,
        because,
        known_on(at),
    )
    for row in sorted(rows, key=lambda one: one["id"]):
        told = Told(**{**dict(row), "acts": tuple(row["acts"])})
        await tell_delegation(con, actor, at, "delegation.revoked", told, because=because)


async def tell_delegation(
    con: asyncpg.Connection, actor: Actor, at: datetime, event: str, told: Told, **facts: str
) -> None:
    """Journals an event of a delegation, and announces it to its OG, whose members the receiver is among."""
    known = {
        "organisation_id": str(told.organisation_id),
        "giver_id": str(told.giver_id),
        "receiver_id": str(told.receiver_id),
        "acts": list(told.acts),
        "from_on": told.from_on.isoformat(),
        "until_on": told.until_on.isoformat(),
        **facts,
    }
    await journal.record(con, actor, at, event, "delegation", str(told.id), known)
    dates = f"du {date_fr(told.from_on)} au {date_fr(told.until_on)}"
    shown = {**known, "label": f"{acts_fr(told.acts)}, {dates}"}
    await announce(con, at, event, "delegation", str(told.id), [told.organisation_id], shown)
