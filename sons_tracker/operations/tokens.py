"""Bearer tokens that a person makes for itself: what they may do, until when, last used; rotated, revoked."""

# ruff: noqa: S608 - the SQL is made of `_COLUMNS`, never of a value

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import LONGEST_LIFETIME, TOKEN_PREFIX, Actor, digest, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.webhooks import Shown
from sons_tracker.rules.actions import Reason

MOST_TOKENS = 50
"""Live tokens of one organisation."""
_SCOPE = re.compile(r"(read|write)(:[a-z-]{1,40})?")
_UNKNOWN = "Aucun jeton visible ne porte cet identifiant."


@dataclass(frozen=True, slots=True)
class Token:
    """A token as its organisation sees it. `scopes` None: everything that its role may do."""

    id: UUID
    person_id: UUID
    role: str
    scopes: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


Render = Callable[[Token | Refused], Answer]
_COLUMNS = "id, person_id, role, scopes, created_at, expires_at, last_used_at, revoked_at"


async def list_tokens(actor: Actor) -> tuple[Token, ...]:
    """The tokens of the actor's organisation, the newest first, those that are over included."""
    require(actor, "token.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            f"select {_COLUMNS} from access_token where organisation_id = $1"
            " order by created_at desc, id desc limit 500",  # nosec B608 # constants of this module
            actor.organisation_id,
        )
    return tuple(_token(row) for row in rows)


async def create(
    actor: Actor, scopes: tuple[str, ...], days: int, at: datetime, key: Key, render: Render
) -> Shown:
    """A token of the actor's own person, organisation and role. Its secret is in this answer alone.

    Raises:
        SonsError: `INVALID_REQUEST` for the scopes or the days; `FORBIDDEN` for a token that asks for more
            than it has; as `perform`.
    """
    require(actor, "token.make")
    wanted, lifetime = checked_scopes(actor, scopes), timedelta(days=days)
    if not timedelta(days=1) <= lifetime <= LONGEST_LIFETIME:
        problem = f"Un jeton vaut d'un jour à {LONGEST_LIFETIME.days} jours."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.days", problem),))
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)

    async def work(con: asyncpg.Connection) -> Token | Refused:
        organisation = str(actor.organisation_id)
        await con.execute("select pg_advisory_xact_lock(hashtext('sons.tokens'), hashtext($1))", organisation)
        live = await con.fetchval(
            "select count(*) from access_token where organisation_id = $1 and revoked_at is null"
            " and expires_at > now()",
            actor.organisation_id,
        )
        if live >= MOST_TOKENS:
            reason = Reason(f"Votre organisation a déjà {MOST_TOKENS} jetons valables.", "En révoquer un.")
            return Refused("token.refused", "organisation", organisation, (reason,))
        made = await _insert(con, actor, wanted, lifetime, secret)
        facts = {"scopes": list(wanted), "days": days}
        await journal.record(con, actor, at, "token.created", "access_token", str(made.id), facts)
        return made

    answer = await perform(actor, at, key, work, render)
    return Shown(answer, secret if answer.status < 400 and not answer.replayed else None)


async def rotate(actor: Actor, token_id: UUID, at: datetime, key: Key, render: Render) -> Shown:
    """A new secret for the same rights and the same duration; the old one is refused from here on.

    Raises:
        SonsError: `NOT_FOUND` but for a live token of the actor's person in its role; as `perform`.
    """
    require(actor, "token.rotate")
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)

    async def work(con: asyncpg.Connection) -> Token | Refused:
        old = await con.fetchrow(
            "update access_token set revoked_at = now() where id = $1 and person_id = $2"
            " and organisation_id = $3 and role = $4 and revoked_at is null and expires_at > now()"
            " returning scopes, expires_at - created_at as lifetime",
            token_id,
            actor.person_id,
            actor.organisation_id,
            actor.role,
        )
        if old is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        scopes = None if old["scopes"] is None else tuple(old["scopes"])
        if actor.scopes is not None and (scopes is None or not _within(actor, scopes)):
            raise SonsError(ErrorCode.FORBIDDEN, "Ce jeton en permet plus que celui que vous employez.")
        made = await _insert(con, actor, scopes, old["lifetime"], secret)
        facts = {"new_token_id": str(made.id)}
        await journal.record(con, actor, at, "token.rotated", "access_token", str(token_id), facts)
        return made

    answer = await perform(actor, at, key, work, render)
    return Shown(answer, secret if answer.status < 400 and not answer.replayed else None)


async def revoke(actor: Actor, token_id: UUID, at: datetime, key: Key, render: Render) -> Answer:
    """Ends a token of the actor's organisation, from its next request on. Refused when it is over already.

    Raises:
        SonsError: `NOT_FOUND`; as `perform`.
    """
    require(actor, "token.revoke")

    async def work(con: asyncpg.Connection) -> Token | Refused:
        row = await con.fetchrow(
            f"select {_COLUMNS} from access_token where id = $1 and organisation_id = $2 for update",  # nosec B608 # constants
            token_id,
            actor.organisation_id,
        )
        if row is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        if row["revoked_at"] is not None:
            reason = Reason("Ce jeton est déjà révoqué.")
            return Refused("token.revocation_refused", "access_token", str(token_id), (reason,))
        changed = await con.fetchrow(
            f"update access_token set revoked_at = now() where id = $1 returning {_COLUMNS}",  # nosec B608 # constants
            token_id,
        )
        await journal.record(con, actor, at, "token.revoked", "access_token", str(token_id), {})
        return _token(changed)

    return await perform(actor, at, key, work, render)


def checked_scopes(actor: Actor, scopes: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes of a new token, sorted.

    Raises:
        SonsError: `INVALID_REQUEST` with each that is none; `FORBIDDEN` beyond what the actor's token may do.
    """
    faults = tuple(
        Fault(f"$.scopes[{index}]", "Une portée s'écrit « read », « write », « read:orders »…")
        for index, scope in enumerate(scopes)
        if not _SCOPE.fullmatch(scope)
    )
    if faults or not scopes:
        found = faults or (Fault("$.scopes", "Il faut au moins une portée."),)
        raise SonsError(ErrorCode.INVALID_REQUEST, "Une portée demandée n'en est pas une.", found)
    if not _within(actor, scopes):
        raise SonsError(ErrorCode.FORBIDDEN, "Un jeton n'en crée pas un autre qui permet plus que lui.")
    return tuple(sorted(set(scopes)))


def _within(actor: Actor, scopes: tuple[str, ...]) -> bool:
    held = actor.scopes
    return held is None or all({scope, scope.partition(":")[0]} & set(held) for scope in scopes)


async def _insert(
    con: asyncpg.Connection,
    actor: Actor,
    scopes: tuple[str, ...] | None,
    lifetime: timedelta,
    secret: str,
) -> Token:
    row = await con.fetchrow(
        "insert into access_token (id, sha256, person_id, organisation_id, role, expires_at, scopes)"
        f" values ($1, $2, $3, $4, $5, now() + $6, $7) returning {_COLUMNS}",  # nosec B608 # constants
        uuid4(),
        digest(secret),
        actor.person_id,
        actor.organisation_id,
        actor.role,
        lifetime,
        scopes,
    )
    return _token(row)


def _token(row: asyncpg.Record) -> Token:
    values = dict(row)
    scopes = values.pop("scopes")
    return Token(scopes=None if scopes is None else tuple(scopes), **values)
