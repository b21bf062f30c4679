"""Who belongs to an organisation, who is responsible for an OG, and how one leaves.

Tokens and sessions stop with the same update; so do the delegations of signature that one gave or held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import ROLES_BY_KIND, Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.delegation_ends import end_given, end_of_member
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.rights import Reach

_UNKNOWN = "Aucun membre visible de cette organisation n'est cette personne dans ce rôle."


@dataclass(frozen=True, slots=True)
class HeldDelegation:
    """A delegation of signature that a member holds: the acts, until which day of Paris."""

    id: UUID
    acts: tuple[str, ...]
    until_on: date


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a role of an organisation. `responsible`: for the OG; `delegations`: those in force."""

    person_id: UUID
    name: str
    organisation_id: UUID
    role: str
    removed_at: datetime | None
    responsible: bool
    delegations: tuple[HeldDelegation, ...] = ()


async def list_members(actor: Actor, at: datetime) -> tuple[Member, ...]:
    """Who belongs, or belonged, to the actor's organisation, with what each may sign on the Paris day of the
    business instant `at`."""
    require(actor, "member.read")
    held: dict[UUID, list[HeldDelegation]] = {}
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            "select m.person_id, p.name, m.organisation_id, m.role, m.removed_at, m.responsible"
            " from membership m join person p on p.id = m.person_id where m.organisation_id = $1"
            " order by p.name, m.person_id, m.role limit 1000",
            actor.organisation_id,
        )
        for row in await con.fetch(_IN_FORCE, actor.organisation_id, known_on(at)):
            held.setdefault(row["receiver_id"], []).append(
                HeldDelegation(row["id"], tuple(row["acts"]), row["until_on"])
            )
    return tuple(
        Member(**dict(row), delegations=tuple(held.get(row["person_id"], ()) if row["role"] == "og" else ()))
        for row in rows
    )


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
    names others. Refused for the last administrator; for the last responsible of an OG, unless an
    administrator says so; and for a responsible, to a member who is not.

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
        if as_role == "og" and not everywhere and await con.fetchval(_IS_RESPONSIBLE, person_id, of):
            against = await _against(con, actor, loses=person_id)
            if against is not None:
                return Refused("membership.removal_refused", "organisation", str(of), (against,))
        row = await con.fetchrow(
            "update membership m set removed_at = now(), responsible = false from person p"
            " where m.person_id = $1 and m.organisation_id = $2 and m.role = $3 and m.removed_at is null"
            " and p.id = m.person_id"
            " returning m.person_id, p.name, m.organisation_id, m.role, m.removed_at, m.responsible",
            person_id,
            of,
            as_role,
        )
        if row is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        facts = {"person_id": str(person_id), "role": as_role}
        await journal.record(con, actor, at, "membership.removed", "organisation", str(of), facts)
        if as_role == "og":
            await end_of_member(con, actor, at, person_id, row["organisation_id"])
        return Member(*row)

    return await perform(actor, at, key, work, render)


async def appoint(
    actor: Actor,
    person_id: UUID,
    organisation_id: UUID | None,
    responsible: bool,
    at: datetime,
    key: Key,
    render: Callable[[Member | Refused], Answer],
) -> Answer:
    """Says that a member of an OG is responsible for it, or no more: what that person delegated then stops.

    A responsible says it at home, an administrator anywhere. Refused to another member, and for the last
    responsible unless an administrator says so.

    Raises:
        SonsError: `NOT_FOUND`, `FORBIDDEN`; as `perform`.
    """
    everywhere = require(actor, "member.appoint") is Reach.ALL
    of = organisation_id or actor.organisation_id
    if not everywhere and of != actor.organisation_id:
        raise SonsError(ErrorCode.FORBIDDEN, "Seul un administrateur nomme dans une autre organisation.")

    async def work(con: asyncpg.Connection) -> Member | Refused:
        if not everywhere:
            against = await _against(con, actor, loses=None if responsible else person_id)
            if against is not None:
                return Refused("membership.appointment_refused", "organisation", str(of), (against,))
        if await con.fetchval("select appoint($1, $2, $3)", person_id, of, responsible) is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        facts = {"person_id": str(person_id), "responsible": responsible}
        await journal.record(con, actor, at, "membership.appointed", "organisation", str(of), facts)
        if not responsible and of is not None:
            await end_given(con, actor, at, person_id, of)
        row = await con.fetchrow(
            "select m.person_id, p.name, m.organisation_id, m.role, m.removed_at, m.responsible"
            " from membership m join person p on p.id = m.person_id"
            " where m.person_id = $1 and m.organisation_id = $2 and m.role = 'og'",
            person_id,
            of,
        )
        return Member(*row)

    return await perform(actor, at, key, work, render)


_NOT_RESPONSIBLE = Reason(
    "Seul un responsable de l'organisme gestionnaire nomme, relève ou retire un responsable.",
    "S'adresser à un responsable de l'organisme, ou à un administrateur.",
)
_LAST_RESPONSIBLE = Reason(
    "C'est la dernière personne responsable de l'organisme gestionnaire : plus personne ne pourrait signer.",
    "Nommer d'abord un autre responsable, ou s'adresser à un administrateur.",
)
_IS_RESPONSIBLE = "select is_responsible($1, $2)"
_IN_FORCE = """
select d.id, d.receiver_id, d.acts, d.until_on from delegation d
where d.organisation_id = $1 and d.revoked_at is null and $2 between d.from_on and d.until_on
  and is_responsible(d.giver_id, d.organisation_id)
order by d.given_at, d.id limit 1000
"""


async def _against(con: asyncpg.Connection, actor: Actor, loses: UUID | None) -> Reason | None:
    """Why a member of an OG may not say who is responsible for it; `loses`: who would be no more."""
    # two responsibles who dismiss each other at the same instant would leave none
    await con.execute(
        "select pg_advisory_xact_lock(hashtext('sons.responsible'), hashtext($1))", str(actor.organisation_id)
    )
    rows = await con.fetch(
        "select person_id from membership where organisation_id = $1 and responsible", actor.organisation_id
    )
    responsible = {row["person_id"] for row in rows}
    if actor.person_id not in responsible:
        return _NOT_RESPONSIBLE
    return _LAST_RESPONSIBLE if responsible == {loses} else None
