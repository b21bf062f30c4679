"""Who belongs to an organisation, and how one leaves: tokens and sessions stop with the same update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import ROLES_BY_KIND, Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.rights import Reach

_UNKNOWN = "Aucun membre visible de cette organisation n'est cette personne dans ce rôle."


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a role of an organisation."""

    person_id: UUID
    name: str
    organisation_id: UUID
    role: str
    removed_at: datetime | None


async def list_members(actor: Actor) -> tuple[Member, ...]:
    """Who belongs, or belonged, to the actor's organisation."""
    require(actor, "member.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            "select m.person_id, p.name, m.organisation_id, m.role, m.removed_at"
            " from membership m join person p on p.id = m.person_id where m.organisation_id = $1"
            " order by p.name, m.person_id, m.role limit 1000",
            actor.organisation_id,
        )
    return tuple(Member(*row) for row in rows)


async def remove(
    actor: Actor,
    person_id: UUID,
    organisation_id: UUID | None,
    role: str | None,
    at: datetime,
    key: Key,
    render: Callable[[Member | Refused], Answer],
) -> Answer:
    """A person leaves an organisation, by default in the actor's role and organisation; only an administrator
    names others. Refused for the last administrator.

    Raises:
        SonsError: `NOT_FOUND`, `FORBIDDEN`; as `perform`.
    """
    everywhere = require(actor, "member.remove") is Reach.ALL
    of, as_role = organisation_id or actor.organisation_id, role or actor.role
    own = of == actor.organisation_id and as_role == actor.role and as_role not in ROLES_BY_KIND["agency"]
    if not everywhere and not own:
        raise SonsError(
            ErrorCode.FORBIDDEN,
            "Seul un administrateur retire d'une autre organisation, ou d'un autre rôle que le sien.",
        )

    async def work(con: asyncpg.Connection) -> Member | Refused:
        if as_role == "admin":
            # two administrators who remove each other at the same instant would leave none
            await con.execute("select pg_advisory_xact_lock(hashtext('sons.admins'))")
            others = await con.fetchval(
                "select count(*) from membership where role = 'admin' and removed_at is null"
                " and person_id <> $1",
                person_id,
            )
            if others == 0:
                reason = Reason(
                    "C'est le dernier administrateur.", "Inviter d'abord un autre administrateur."
                )
                return Refused("membership.removal_refused", "organisation", str(of), (reason,))
        row = await con.fetchrow(
            "update membership m set removed_at = now() from person p"
            " where m.person_id = $1 and m.organisation_id = $2 and m.role = $3 and m.removed_at is null"
            " and p.id = m.person_id"
            " returning m.person_id, p.name, m.organisation_id, m.role, m.removed_at",
            person_id,
            of,
            as_role,
        )
        if row is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        facts = {"person_id": str(person_id), "role": as_role}
        await journal.record(con, actor, at, "membership.removed", "organisation", str(of), facts)
        return Member(*row)

    return await perform(actor, at, key, work, render)
