"""Persons whom a provider of identity vouches for: they sign in, come in by an invitation, link and unlink.

Whom the provider names is never taken for a person by a name or an address: only by what was linked, by the
secret of an invitation, or by a session of that person. A provider opens the roles that it is trusted for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import RowContext, ask, retrying, see_as, transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.identity_providers import IdentityProvider
from sons_tracker.operations.actors import ANONYMOUS, Actor, digest, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.invitations import come_in, find_invitation
from sons_tracker.operations.proofs import Door
from sons_tracker.operations.session_proofs import OIDC, Identified, finess_check, keep
from sons_tracker.operations.sessions import Opened, belongings, choose, open_session
from sons_tracker.rules.actions import Reason

_UNKNOWN = "Aucune de vos identités ne porte cet identifiant."
_NAMELESS = "Personne sans nom"


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity that is linked to the reader; the provider knows it as `subject`."""

    id: UUID
    issuer: str
    subject: str
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person asked for before the provider was visited."""

    organisation_id: UUID | None = None
    role: str | None = None
    invitation: str | None = None


async def sign_in(
    provider: IdentityProvider, identified: Identified, wanted: Wanted, address: str, door: Door, at: datetime
) -> Opened:
    """Opens a session for whom the provider vouches for; with an invitation, after coming in by it.

    Raises:
        SonsError: `UNAUTHENTICATED` when nobody is linked and nothing invites; `NOT_FOUND` for an invitation
            that does not stand; `FORBIDDEN` when it may not open that account, or when the person has no role
            that this provider opens.
    """
    if wanted.invitation is None:
        person_id = await _known(identified)
        if person_id is None:
            raise SonsError(
                ErrorCode.UNAUTHENTICATED,
                f"« {provider.label} » vous identifie, mais aucun compte n'est lié à cette identité.",
                remedy="Suivre l'invitation de votre organisation, ou lier cette identité à votre compte.",
            )
        return await _open(provider, identified, person_id, wanted, address, door, at)
    return await _come_in_and_open(provider, identified, wanted, wanted.invitation, address, door, at)


@retrying
async def _open(
    provider: IdentityProvider,
    identified: Identified,
    person_id: UUID,
    wanted: Wanted,
    address: str,
    door: Door,
    at: datetime,
) -> Opened:
    async with transaction(RowContext(None, ANONYMOUS.role, person_id)) as con:
        return await _session(con, provider, identified, person_id, wanted, address, door, at)


@retrying
async def _come_in_and_open(
    provider: IdentityProvider,
    identified: Identified,
    wanted: Wanted,
    invitation: str,
    address: str,
    door: Door,
    at: datetime,
) -> Opened:
    found = await find_invitation(invitation)
    known = await _known(identified)
    if found["kind"] != "join" or (known is not None and known != found["person_id"]):
        raise SonsError(ErrorCode.NOT_FOUND, "Cette invitation n'est pas pour cette personne.")
    if known is None and found["signs_in"]:
        raise SonsError(
            ErrorCode.FORBIDDEN,
            "Cette personne a déjà un compte.",
            remedy="Se connecter à ce compte, y lier cette identité, puis rejoindre l'organisation.",
        )
    if known is None and found["belongs"] and not found["by_admin"]:
        raise SonsError(
            ErrorCode.FORBIDDEN,
            "Cette personne est déjà connue : un administrateur doit lui ouvrir son compte.",
        )
    name = identified.name or _NAMELESS
    async with transaction(RowContext(None, ANONYMOUS.role)) as con:
        person_id = await con.fetchval("select person_of_invitation($1, $2)", digest(invitation), name)
        if person_id is None:
            raise SonsError(ErrorCode.NOT_FOUND, "Cette invitation n'existe plus.")
        author = Actor(person_id, found["organisation_id"], found["role"], None, "invitation")
        await see_as(con, author.context)
        if known is None:
            await _link(con, author, identified, at)
        await come_in(con, author, invitation, found["invitation_id"], at)
        place = Wanted(found["organisation_id"], found["role"])
        return await _session(con, provider, identified, person_id, place, address, door, at)


async def _session(
    con: asyncpg.Connection,
    provider: IdentityProvider,
    identified: Identified,
    person_id: UUID,
    wanted: Wanted,
    address: str,
    door: Door,
    at: datetime,
) -> Opened:
    places = tuple(one for one in await belongings(con) if one.role in provider.roles)
    chosen = choose(places, wanted.organisation_id, wanted.role)
    if chosen is None:
        raise SonsError(
            ErrorCode.FORBIDDEN,
            f"Vous n'avez pas de rôle que « {provider.label} » puisse ouvrir ici.",
            remedy="Demander une invitation, ou se connecter autrement.",
        )
    author = Actor(person_id, chosen.organisation_id, chosen.role, uuid4(), OIDC)
    await see_as(con, author.context)
    await keep(con, author, provider, identified)
    number = await con.fetchval(
        "select finess_juridique from organisation where id = $1", chosen.organisation_id
    )
    facts = {
        "provider": provider.name,
        "acr": identified.acr,
        "finess_check": finess_check(identified.finess_juridiques, number),
    }
    expires_at = await con.fetchval("select now() + $1::interval", door.life)
    return await open_session(
        con, author, "session.opened", door.digest(address), expires_at, places, at, facts
    )


@retrying
async def link(actor: Actor, identified: Identified, at: datetime) -> None:
    """Links whom the provider vouches for to the person who is signed in, if it is linked to nobody.

    Raises:
        SonsError: `CONFLICT` when it is another person's; doing it twice changes nothing.
    """
    require(actor, "identity.link")
    known = await _known(identified)
    if known == actor.person_id:
        return
    async with transaction(actor.context) as con:
        if known is not None:
            raise _taken()
        await _link(con, actor, identified, at)


async def list_identities(actor: Actor) -> tuple[Identity, ...]:
    """The identities that are linked to the actor's person, the oldest first."""
    require(actor, "identity.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            "select id, issuer, subject, linked_at from identity where person_id = $1 order by linked_at, id",
            actor.person_id,
        )
    return tuple(Identity(*row) for row in rows)


async def unlink(
    actor: Actor, identity_id: UUID, at: datetime, key: Key, render: Callable[[Refused | None], Answer]
) -> Answer:
    """Unlinks an identity of the actor's person, and closes the sessions that it opened.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown identity and for another person's; as `perform`.
    """
    require(actor, "identity.unlink")

    async def work(con: asyncpg.Connection) -> Refused | None:
        # two at once would each see the other as the way in that is left
        await con.execute(
            "select pg_advisory_xact_lock(hashtext('sons.identity'), hashtext($1))", str(actor.person_id)
        )
        row = await con.fetchrow(
            "select issuer, subject from identity where id = $1 and person_id = $2",
            identity_id,
            actor.person_id,
        )
        if row is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        other_way = await con.fetchval(
            "select exists (select from identity where person_id = $1 and id <> $2)"
            " or exists (select from credential c join second_factor f using (person_id)"
            "   where c.person_id = $1 and f.confirmed_at is not null)",
            actor.person_id,
            identity_id,
        )
        if not other_way:
            return Refused("identity.unlinking_refused", "identity", str(identity_id), (_LAST,))
        await con.execute("delete from identity where id = $1", identity_id)
        await con.execute(
            "update session set revoked_at = now() where person_id = $1 and revoked_at is null and id in"
            " (select session_id from session_proof where person_id = $1 and issuer = $2 and subject = $3)",
            actor.person_id,
            row["issuer"],
            row["subject"],
        )
        await journal.record(con, actor, at, "identity.unlinked", "identity", str(identity_id), {})
        return None

    return await perform(actor, at, key, work, render)


_LAST = Reason(
    "C'est votre seule façon de vous connecter.",
    "Lier une autre identité, ou faire ouvrir un compte local par un administrateur, puis recommencer.",
)


async def _known(identified: Identified) -> UUID | None:
    row = await ask("select person_id from identity_of($1, $2)", identified.issuer, identified.subject)
    return None if row is None else row["person_id"]


async def _link(con: asyncpg.Connection, author: Actor, identified: Identified, at: datetime) -> None:
    identity_id = uuid4()
    made = await con.fetchval(
        "insert into identity (id, issuer, subject, person_id, linked_at) values ($1, $2, $3, $4, now())"
        " on conflict on constraint identity_subject_unique do nothing returning true",
        identity_id,
        identified.issuer,
        identified.subject,
        author.person_id,
    )
    if not made:
        raise _taken()
    await journal.record(con, author, at, "identity.linked", "identity", str(identity_id), {})


def _taken() -> SonsError:
    return SonsError(
        ErrorCode.CONFLICT,
        "Cette identité est liée à un autre compte.",
        remedy="Se connecter avec elle, ou la délier de l'autre compte d'abord.",
    )
