"""Invitations: how a person comes into an organisation, and chooses a password and a second factor.

The secret of an invitation is given once to whoever invites, who hands it over, or is written to the person
alone (`letters`); so an invitation never opens what its maker could not open: an account that exists joins by
signing in, and only an administrator may let a person who already belongs somewhere choose a password.
"""

# ruff: noqa: S608 - the SQL is made of `_COLUMNS`, never of a value

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import RowContext, ask, retrying, see_as, transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations import letters
from sons_tracker.operations.actors import (
    ANONYMOUS,
    LOCAL_ADMIN,
    ROLES_BY_KIND,
    Actor,
    digest,
    ensure_organisation,
    require,
    sees_all,
)
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.proofs import (
    Door,
    address,
    checked_password,
    hash_password,
    new_secret,
    step_of,
)
from sons_tracker.operations.webhooks import Shown
from sons_tracker.rules.actions import Reason

LIFETIME = timedelta(days=7)
_LONGEST = 200
_UNKNOWN = "Cette invitation n'existe pas, a servi, a été retirée ou a expiré."
_NO_ORGANISATION = "Aucune organisation visible ne porte cet identifiant."
_NO_MAIL = Reason(
    "Cette instance n'envoie pas de courrier.",
    "Remettre l'invitation en main propre : « deliver » vaut alors « hand ».",
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as those who make them see it: everything but its secret."""

    id: UUID
    kind: str
    organisation_id: UUID
    role: str
    email: str
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    revoked_at: datetime | None
    responsible: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to invite. Only an administrator names another organisation, another role, or a `reset`.

    `responsible`: whether the person becomes responsible for the OG; when it is not said, only the first whom
    an administrator brings into an OG. `by_email`: the secret is written to the person, and whoever invites
    never has it.
    """

    email: str
    organisation_id: UUID | None = None
    role: str | None = None
    kind: str = "join"
    responsible: bool | None = None
    by_email: bool = False


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator needs, shown once: the secret in base 32, and its `otpauth://` address."""

    secret: str = field(repr=False)
    address: str = field(repr=False)


Render = Callable[[Invitation | Refused], Answer]
_COLUMNS = (
    "id, kind, organisation_id, role, email, created_at, expires_at, accepted_at, revoked_at, responsible"
)


async def invite(
    actor: Actor, asked: Asked, at: datetime, key: Key, render: Render, *, mails: bool = False
) -> Shown:
    """Invites a person; the secret is in this answer alone, a replay does not have it.

    With `asked.by_email` it is in no answer: the person is written to. Refused unless mail leaves (`mails`).

    Raises:
        SonsError: `FORBIDDEN` beyond one's own organisation and role, or to name a responsible without being
            one; `NOT_FOUND` for an organisation that is not visible; `INVALID_REQUEST` for a role that does
            not fit it, or a responsible of anything but an OG; as `perform`.
    """
    require(actor, "invitation.make")
    invitation_id, secret = uuid4(), secrets.token_urlsafe(32)

    async def work(con: asyncpg.Connection) -> Invitation | Refused:
        made = await _write(con, actor, asked, at, invitation_id, secret)
        if asked.by_email:
            if not mails:
                organisation = str(made.organisation_id)
                return Refused("invitation.refused", "organisation", organisation, (_NO_MAIL,))
            await letters.of_invitation(con, invitation_id)
        return made

    answer = await perform(actor, at, key, work, render)
    shown = answer.status < 400 and not answer.replayed and not asked.by_email
    return Shown(answer, secret if shown else None)


async def invite_first(organisation: str, email: str, at: datetime) -> str:
    """An administrator of an agency, invited from the terminal; returns the secret of the invitation.

    The agency is made when none has that name. Also how an administrator who lost everything comes back:
    who already signs in is let choose again.
    """
    secret = secrets.token_urlsafe(32)
    async with transaction(LOCAL_ADMIN.context) as con:
        agency = await ensure_organisation(con, "agency", organisation)
        known = await con.fetchval("select true from person where email = $1", email.strip().lower())
        asked = Asked(email, agency, "admin", "reset" if known else "join")
        await _write(con, LOCAL_ADMIN, asked, at, uuid4(), secret)
    return secret


async def list_invitations(actor: Actor) -> tuple[Invitation, ...]:
    """The latest invitations of the actor's organisation; of all, for an administrator."""
    require(actor, "invitation.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            f"select {_COLUMNS} from invitation order by created_at desc, id desc limit 200"  # nosec B608 # constants
        )
    return tuple(Invitation(*row) for row in rows)


async def revoke(actor: Actor, invitation_id: UUID, at: datetime, key: Key, render: Render) -> Answer:
    """Takes an invitation back. Refused when it has served or was taken back already.

    Raises:
        SonsError: `NOT_FOUND`; as `perform`.
    """
    require(actor, "invitation.revoke")

    async def work(con: asyncpg.Connection) -> Invitation | Refused:
        row = await con.fetchrow(f"select {_COLUMNS} from invitation where id = $1 for update", invitation_id)  # nosec B608 # constants
        if row is None:
            raise SonsError(ErrorCode.NOT_FOUND, "Aucune invitation visible ne porte cet identifiant.")
        if row["accepted_at"] is not None or row["revoked_at"] is not None:
            reason = Reason("Cette invitation a servi, ou est déjà retirée.")
            return Refused("invitation.revocation_refused", "invitation", str(invitation_id), (reason,))
        changed = await con.fetchrow(
            f"update invitation set revoked_at = now() where id = $1 returning {_COLUMNS}",  # nosec B608 # constants
            invitation_id,
        )
        await journal.record(con, actor, at, "invitation.revoked", "invitation", str(invitation_id), {})
        return Invitation(*changed)

    return await perform(actor, at, key, work, render)


async def accept(secret: str, name: str, password: str, door: Door, at: datetime) -> Enrolment:
    """First step of who has no account: the password is kept, a second factor drawn, and nothing is open yet.

    May be done again until `confirm`: each time the former second factor is forgotten.

    Raises:
        SonsError: `NOT_FOUND`; `INVALID_REQUEST` for the password; `FORBIDDEN` for a person who has an
            account already, or belongs somewhere and was not invited by an administrator.
    """
    found = await find_invitation(secret)
    if found["signs_in"] and found["kind"] == "join":
        raise SonsError(
            ErrorCode.FORBIDDEN,
            "Cette personne a déjà un compte.",
            remedy="Se connecter, puis rejoindre l'organisation avec cette invitation.",
        )
    if found["belongs"] and not found["by_admin"]:
        raise SonsError(
            ErrorCode.FORBIDDEN,
            "Cette personne est déjà connue : un administrateur doit lui ouvrir son compte.",
        )
    hashed = await hash_password(checked_password(password, found["email"]))
    chosen = new_secret()
    async with transaction(RowContext(None, ANONYMOUS.role)) as con:
        person_id = await con.fetchval("select person_of_invitation($1, $2)", digest(secret), name)
        if person_id is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        author = Actor(person_id, found["organisation_id"], found["role"], None, "invitation")
        await see_as(con, author.context)
        await con.execute(
            "insert into credential (person_id, password_hash, changed_at) values ($1, $2, now())"
            " on conflict (person_id) do update set password_hash = $2, changed_at = now()",
            person_id,
            hashed,
        )
        await con.execute(
            "insert into second_factor (person_id, sealed) values ($1, $2)"
            " on conflict (person_id) do update"
            " set sealed = $2, confirmed_at = null, last_step = null, pending = null",
            person_id,
            door.seal(chosen),
        )
        # Whoever had opened a session with the former password is out.
        await con.execute(
            "update session set revoked_at = now() where person_id = $1 and revoked_at is null", person_id
        )
        await journal.record(
            con, author, at, "account.prepared", "person", str(person_id),
            {"invitation_id": str(found["invitation_id"])},
        )  # fmt: skip
    return Enrolment(chosen, address(chosen, found["email"]))


@retrying
async def confirm(secret: str, code: str, door: Door, at: datetime) -> None:
    """Second step: a code of the second factor opens the account, and the person belongs. After a `reset`,
    the person is also written that its password was changed.

    Raises:
        SonsError: `NOT_FOUND`; `INVALID_REQUEST` for a code that is not the one of the moment.
    """
    found = await find_invitation(secret)
    facts = await ask("select sealed from unconfirmed_factor($1)", digest(secret))
    step = None if facts is None else step_of(door.unseal(facts["sealed"]), code, time.time())
    if step is None:
        problem = "Ce code n'est pas celui du moment."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.code", problem),))
    author = Actor(found["person_id"], found["organisation_id"], found["role"], None, "invitation")
    async with transaction(author.context) as con:
        confirmed = await con.fetchval(
            "update second_factor set confirmed_at = now(), last_step = $2"
            " where person_id = $1 and confirmed_at is null returning true",
            author.person_id,
            step,
        )
        if not confirmed:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        await come_in(con, author, secret, found["invitation_id"], at)
        if found["kind"] == "reset":  # who lost an account to whoever asked for this learns it
            await letters.to_person(con, "password_changed", found["person_id"])


async def join(actor: Actor, secret: str, at: datetime, key: Key, render: Callable[[None], Answer]) -> Answer:
    """Who is signed in, and is the person of the invitation, belongs to one more organisation.

    Raises:
        SonsError: `NOT_FOUND`, also for somebody else's invitation; as `perform`.
    """
    require(actor, "invitation.join")
    found = await find_invitation(secret)

    async def work(con: asyncpg.Connection) -> None:
        if found["person_id"] != actor.person_id or found["kind"] != "join":
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        await come_in(con, actor, secret, found["invitation_id"], at)

    return await perform(actor, at, key, work, lambda _: render(None))


async def come_in(
    con: asyncpg.Connection, author: Actor, secret: str, invitation_id: UUID, at: datetime
) -> None:
    """The invitation serves: its person, as whom the transaction is seen, belongs there.

    Raises:
        SonsError: `NOT_FOUND` when it does not stand any more, or is somebody else's.
    """
    if not await con.fetchval("select accept_invitation($1)", digest(secret)):
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    facts = {"person_id": str(author.person_id)}
    await journal.record(con, author, at, "invitation.accepted", "invitation", str(invitation_id), facts)


async def find_invitation(secret: str) -> asyncpg.Record:
    """What `invitation_of` says of an invitation that stands.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    found = None
    if secret.isascii() and len(secret) <= _LONGEST:
        found = await ask("select * from invitation_of($1)", digest(secret))
    if found is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return found


async def _write(
    con: asyncpg.Connection, actor: Actor, asked: Asked, at: datetime, invitation_id: UUID, secret: str
) -> Invitation:
    organisation_id, role = asked.organisation_id or actor.organisation_id, asked.role or actor.role
    own = organisation_id == actor.organisation_id and role == actor.role
    if not sees_all(actor, "invitation.make") and (
        not own or asked.kind != "join" or role in ROLES_BY_KIND["agency"]
    ):
        raise SonsError(
            ErrorCode.FORBIDDEN,
            "Seul un administrateur invite hors de sa propre organisation et de son rôle.",
        )
    kind = await con.fetchval("select kind from organisation where id = $1", organisation_id)
    if kind is None:
        raise SonsError(ErrorCode.NOT_FOUND, _NO_ORGANISATION)
    if role not in ROLES_BY_KIND[kind]:
        problem = f"Une organisation de type « {kind} » n'a pas le rôle « {role} »."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.role", problem),))
    responsible = await _makes_responsible(con, actor, asked, organisation_id, role)
    row = await con.fetchrow(
        "insert into invitation (id, sha256, kind, organisation_id, organisation_kind, role, email,"
        " invited_by, created_at, expires_at, responsible)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, now(), now() + $9::interval, $10)"
        f" returning {_COLUMNS}",  # nosec B608 # constants of this module
        invitation_id,
        digest(secret),
        asked.kind,
        organisation_id,
        kind,
        role,
        asked.email.strip().lower(),
        actor.person_id,
        LIFETIME,
        responsible,
    )
    facts = {
        "organisation_id": str(organisation_id), "role": role, "kind": asked.kind,
        "deliver": "email" if asked.by_email else "hand",
    }  # fmt: skip
    await journal.record(con, actor, at, "invitation.made", "invitation", str(invitation_id), facts)
    return Invitation(*row)


async def _makes_responsible(
    con: asyncpg.Connection, actor: Actor, asked: Asked, organisation_id: UUID | None, role: str
) -> bool:
    """Whether the invitation makes its person responsible for the OG.

    Raises:
        SonsError: `INVALID_REQUEST`, `FORBIDDEN`.
    """
    if asked.responsible is None:
        if actor.role != "admin" or role != "og" or asked.kind != "join":
            return False
        return not await con.fetchval(
            "select exists (select from membership where organisation_id = $1 and removed_at is null)",
            organisation_id,
        )
    if asked.responsible and (role != "og" or asked.kind != "join"):
        problem = "Seul un organisme gestionnaire a des responsables, et ils y entrent par « join »."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.responsible", problem),))
    if asked.responsible and actor.role != "admin":
        own = (actor.person_id, organisation_id)
        if not await con.fetchval("select is_responsible($1, $2)", *own):
            raise SonsError(
                ErrorCode.FORBIDDEN,
                "Seul un responsable de l'organisme, ou un administrateur, en nomme un autre.",
            )
    return asked.responsible
