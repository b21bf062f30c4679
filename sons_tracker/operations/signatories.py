"""What a member of an OG may sign for it, as the database holds it."""

from __future__ import annotations

import asyncpg

from sons_tracker.operations.actors import Actor
from sons_tracker.rules.signatories import Held, Signatory

# The newest: what a person held years ago says nothing more of why it may not sign today.
_HELD = """
select d.id, d.acts, d.from_on, d.until_on,
       d.revoked_at is not null or not is_responsible(d.giver_id, d.organisation_id) as stopped
from delegation d where d.receiver_id = $1 and d.organisation_id = $2
order by d.given_at desc, d.id limit 100
"""


async def signatory_of(con: asyncpg.Connection, actor: Actor) -> Signatory | None:
    """What the actor may sign for its OG, on whatever day; None for who is no member of an OG."""
    if actor.role != "og":
        return None
    who = (actor.person_id, actor.organisation_id)
    if await con.fetchval("select is_responsible($1, $2)", *who):
        return Signatory(responsible=True)
    rows = await con.fetch(_HELD, *who)
    return Signatory(False, tuple(Held(**{**dict(row), "acts": tuple(row["acts"])}) for row in rows))
