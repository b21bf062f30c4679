"""Sessions: signed in with a password and a code, in one role of one organisation; listed, changed, ended.

Everything here lives on the machine's clock; `at` only dates the journal. The secret of a session is given
once and kept as a digest; a new one is drawn at the sign-in and at each change of role, so that an identifier
known before is worth nothing after.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import RowContext, ask, retrying, see_as, transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import rates
from sons_tracker.operations.actors import ANONYMOUS, Actor, digest, require
from sons_tracker.operations.proofs import Door, new_secret, step_of, verify_password
from sons_tracker.operations.session_proofs import OIDC, carry, roles_within_reach
from sons_tracker.safeguards import Rate

MOST_ATTEMPTS = 10
"""Sign-ins tried on one account from one address in a quarter of an hour, successes included."""
CODES = Rate(MOST_ATTEMPTS, 15 * 60)
"""Codes looked at on one account once its password was right, wherever they come from. Beyond, the answer is
that of a wrong password: it does not say that this one is right."""
SECRET_LENGTH = 43
_UNKNOWN = "Aucune session ouverte ne porte cet identifiant."


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a person gives to sign in. Without an organisation or a role, the first that fits is taken."""

    email: str
    password: str = field(repr=False)
    code: str = field(repr=False)
    organisation_id: UUID | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person belongs: an organisation and a role in it."""

    organisation_id: UUID
    organisation_name: str
    organisation_kind: str
    role: str


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its person sees it."""

    id: UUID
    organisation_id: UUID
    role: str
    auth_level: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A session just opened, and where else its person may go. `secret` is in this value alone."""

    session: Session
    places: tuple[Place, ...]
    secret: str = field(repr=False)

    @property
    def csrf(self) -> str:
        return csrf_of(self.secret)


def csrf_of(secret: str) -> str:
    """What a page must say with each write of this session, and that no other site can know."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


async def authenticate(secret: str, door: Door) -> Actor | None:
    """The actor of a session; None when it is unknown, idle, over, or its person has left."""
    if len(secret) != SECRET_LENGTH or not secret.isascii():
        return None
    row = await ask(
        "select person_id, organisation_id, role, session_id, auth_level from session_of($1, $2)",
        digest(secret),
        door.idle,
    )
    return None if row is None else Actor(*row)


async def sign_in(asked: SignIn, address: str, door: Door, at: datetime) -> Opened:
    """Opens a session for who gives the address, the password and the code of the moment.

    Whatever is wrong, the answer is the same and takes as long: it does not say whether an account exists.

    Raises:
        SonsError: `UNAUTHENTICATED`; as `count_attempt`.
    """
    email, place = asked.email.strip().lower(), door.digest(address)
    await count_attempt(email, address, door)
    facts = await ask("select person_id, password_hash, sealed, last_step from sign_in_facts($1)", email)
    right = await verify_password(None if facts is None else facts["password_hash"], asked.password)
    step = step_of(new_secret() if facts is None else door.unseal(facts["sealed"]), asked.code, time.time())
    # Who has the password and many addresses would find a code in hours: only so many are looked at, wherever
    # they come from. Where the password is wrong another count is spent, to take as long.
    counted = door.digest(f"{'code' if right else 'nothing'} {email}").hex()
    looked_at = (await rates.spend("account", counted, CODES)).granted
    if facts is None or not right or step is None or not looked_at:
        raise _refused()
    return await _open_first(facts["person_id"], step, asked, place, door, at)


async def count_attempt(email: str, address: str, door: Door) -> None:
    """Counts one attempt to prove that one is the holder of an account, before anything is checked.

    Raises:
        SonsError: `TOO_MANY_REQUESTS` beyond `MOST_ATTEMPTS`, with the wait.
    """
    tried = await ask(
        "select times, wait_seconds from count_sign_in($1, $2)", door.digest(email), door.digest(address)
    )
    if tried is not None and tried["times"] <= MOST_ATTEMPTS:
        return
    wait = 1 if tried is None else max(1, math.ceil(tried["wait_seconds"]))
    raise SonsError(
        ErrorCode.TOO_MANY_REQUESTS,
        f"Trop d'essais sur ce compte depuis cette adresse : le prochain sera admis dans {wait} s.",
        remedy="Attendre, ou se connecter d'ailleurs.",
        retry_after=wait,
    )


@retrying
async def _open_first(
    person_id: UUID, step: int, asked: SignIn, place: bytes, door: Door, at: datetime
) -> Opened:
    async with transaction(RowContext(None, ANONYMOUS.role, person_id)) as con:
        served = await con.fetchval(
            "update second_factor set last_step = $2 where person_id = $1 and last_step < $2 returning true",
            person_id,
            step,
        )
        places = await belongings(con)
        chosen = choose(places, asked.organisation_id, asked.role)
        if not served or chosen is None:
            raise _refused()
        expires_at = await con.fetchval("select now() + $1::interval", door.life)
        author = Actor(person_id, chosen.organisation_id, chosen.role, uuid4(), "password_totp")
        return await open_session(con, author, "session.opened", place, expires_at, places, at, {})


async def change_role(
    actor: Actor, organisation_id: UUID, role: str, address: str, door: Door, at: datetime
) -> Opened:
    """The same person in another of its roles: a new session, until the same instant; the old one is over.

    Raises:
        SonsError: `FORBIDDEN` for a token; `NOT_FOUND` for a role that the person does not have.
    """
    require(actor, "session.change")
    old = session_id(actor)
    async with transaction(actor.context) as con:
        roles = await roles_within_reach(con, actor, door)
        places = tuple(one for one in await belongings(con) if roles is None or one.role in roles)
        chosen = choose(places, organisation_id, role)
        if chosen is None:
            raise SonsError(ErrorCode.NOT_FOUND, "Vous n'avez pas ce rôle dans cette organisation.")
        expires_at = await con.fetchval(
            "update session set revoked_at = now() where id = $1 and revoked_at is null returning expires_at",
            old,
        )
        if expires_at is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        author = Actor(actor.person_id, chosen.organisation_id, chosen.role, uuid4(), actor.auth_level)
        await see_as(con, author.context)
        if actor.auth_level == OIDC:
            await carry(con, old, author)
        facts = {"from_session": str(old), "from_role": actor.role}
        return await open_session(
            con, author, "session.role_changed", door.digest(address), expires_at, places, at, facts
        )


async def list_sessions(actor: Actor) -> tuple[Session, ...]:
    """The open sessions of the actor's person, in whatever organisation, the newest first."""
    require(actor, "session.read")
    async with transaction(actor.context, read_only=True) as con:
        return await fetch_open(con, actor.person_id)


async def fetch_open(con: asyncpg.Connection, person_id: UUID | None) -> tuple[Session, ...]:
    """The open sessions of a person that the caller may see."""
    rows = await con.fetch(
        "select id, organisation_id, role, auth_level, created_at, last_seen_at, expires_at from session"
        " where person_id = $1 and revoked_at is null and expires_at > now()"
        " order by created_at desc, id desc limit 200",
        person_id,
    )
    return tuple(Session(*row) for row in rows)


async def places_of(actor: Actor) -> tuple[Place, ...]:
    """Where the actor's person belongs."""
    require(actor, "session.read")
    async with transaction(actor.context, read_only=True) as con:
        return await belongings(con)


async def revoke(actor: Actor, at: datetime, of_session: UUID) -> None:
    """Ends a session of the actor's person, from its next request on.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown session, a foreign one and one that is over.
    """
    require(actor, "session.close")
    async with transaction(actor.context) as con:
        ended = await con.fetchval(
            "update session set revoked_at = now()"
            " where id = $1 and person_id = $2 and revoked_at is null returning true",
            of_session,
            actor.person_id,
        )
        if not ended:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        await journal.record(con, actor, at, "session.revoked", "session", str(of_session), {})


def session_id(actor: Actor) -> UUID:
    """The session that stands for the actor.

    Raises:
        SonsError: `FORBIDDEN` for who came with a token.
    """
    if actor.token_id is None or actor.auth_level == "token":
        raise SonsError(
            ErrorCode.FORBIDDEN, "Cette demande concerne une session, et vous employez un jeton.",
            remedy="Se connecter, puis renvoyer la demande sans jeton.",
        )  # fmt: skip
    return actor.token_id


async def belongings(con: asyncpg.Connection) -> tuple[Place, ...]:
    """Where the person that the transaction is seen as belongs."""
    rows = await con.fetch(
        "select organisation_id, organisation_name, organisation_kind, role from roles_of_person()"
    )
    return tuple(Place(*row) for row in rows)


def choose(places: tuple[Place, ...], organisation_id: UUID | None, role: str | None) -> Place | None:
    """The first place that fits what is asked; None: it may be any."""
    fitting = (
        place
        for place in places
        if organisation_id in {None, place.organisation_id} and role in {None, place.role}
    )
    return next(fitting, None)


async def open_session(
    con: asyncpg.Connection,
    author: Actor,
    action: str,
    address: bytes,
    expires_at: datetime,
    places: tuple[Place, ...],
    at: datetime,
    facts: dict[str, Any],
) -> Opened:
    """Writes the session whose identifier is the author's `token_id`, seen as the author from here on.

    `address` is the digest of where it is opened from, `places` what the answer says of the person's roles.
    """
    await see_as(con, author.context)
    secret = secrets.token_urlsafe(32)
    row = await con.fetchrow(
        "insert into session (id, sha256, person_id, organisation_id, role, auth_level, created_at,"
        " last_seen_at, expires_at, address_sha256) values ($1, $2, $3, $4, $5, $6, now(), now(), $7, $8)"
        " returning id, organisation_id, role, auth_level, created_at, last_seen_at, expires_at",
        author.token_id,
        digest(secret),
        author.person_id,
        author.organisation_id,
        author.role,
        author.auth_level,
        expires_at,
        address,
    )
    await journal.record(con, author, at, action, "session", str(author.token_id), facts)
    return Opened(Session(*row), places, secret)


def _refused() -> SonsError:
    return SonsError(
        ErrorCode.UNAUTHENTICATED,
        "L'adresse, le mot de passe ou le code ne conviennent pas.",
        remedy="Vérifier les trois ; un code ne sert qu'une fois, attendre le suivant.",
    )
