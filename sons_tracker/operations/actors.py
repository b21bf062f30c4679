"""Who acts: persons, organisations, memberships, and the bearer tokens that stand for them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import RowContext, ask, transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.rules import rights
from sons_tracker.rules.rights import Reach

OrganisationKind = Literal["editor", "distributor", "og", "ars", "agency", "state"]

# The constraint membership_role_fits_kind says the same; a test compares the two.
ROLES_BY_KIND: dict[str, tuple[str, ...]] = {
    "editor": ("editor",),
    "distributor": ("distributor",),
    "og": ("og",),
    "ars": ("ars",),
    "agency": ("reviewer", "payer", "pilot", "admin"),
    "state": ("reviewer", "pilot", "admin"),
}
TOKEN_PREFIX = "sons_"  # noqa: S105 # nosec B105 # lets a scanner of leaked secrets recognise ours
LONGEST_LIFETIME = timedelta(days=366)
_LONGEST_TOKEN = 200


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts in an operation. `scheduler` and `anonymous` are roles that no token can carry.

    `token_id` is the token or the session that stands for the person, and `auth_level` says which. `scopes`
    narrow a token below its role; None: nothing does.
    """

    person_id: UUID | None
    organisation_id: UUID | None
    role: str
    token_id: UUID | None
    auth_level: str
    scopes: tuple[str, ...] | None = None

    @property
    def context(self) -> RowContext:
        """What row-level security sees of this actor."""
        return RowContext(self.organisation_id, self.role, self.person_id)

    def may(self, access: str, noun: str) -> bool:
        """Whether its scopes let it `read` or `write` a noun of the API, e.g. `orders`."""
        return self.scopes is None or not {access, f"{access}:{noun}"}.isdisjoint(self.scopes)


SCHEDULER = Actor(None, None, rights.SCHEDULER, None, "system")
ANONYMOUS = Actor(None, None, rights.ANONYMOUS, None, "none")
# Whoever may run the command line beside the database already holds its address.
LOCAL_ADMIN = Actor(None, None, "admin", None, "local")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made. `secret` is shown once and kept nowhere."""

    token_id: UUID
    secret: str = field(repr=False)
    expires_at: datetime


def digest(token: str) -> bytes:
    """What is kept of a secret of ours."""
    # A plain hash is enough for 256 random bits: there is nothing to guess and nothing to slow down.
    return hashlib.sha256(token.encode()).digest()


def require(actor: Actor, action: str) -> Reach:
    """How far the actor goes with an action of the table of rights.

    Raises:
        SonsError: `FORBIDDEN` for who does not have it.
        ValueError: an action that does not exist.
    """
    found = rights.reach(actor.role, action)
    if found is None:
        raise forbidden(actor.role, action)
    return found


def allowed(actor: Actor, action: str) -> bool:
    """Whether the actor has an action, however far."""
    return rights.reach(actor.role, action) is not None


def sees_all(actor: Actor, action: str) -> bool:
    """Whether the actor's role reaches every object with this action, and not only what concerns it."""
    return rights.reach(actor.role, action) is Reach.ALL


def forbidden(role: str, action: str) -> SonsError:
    """The refusal of an action to a role that does not have it, which says who has it."""
    found = rights.right(action)
    holders = ", ".join(rights.ROLE_WORDS[one] for one in rights.ACCOUNT_ROLES if one in found.reaches)
    return SonsError(
        ErrorCode.FORBIDDEN,
        f"Le rôle « {rights.ROLE_WORDS[role]} » ne permet pas cette action : « {found.label} ».",
        remedy=f"S'adresser à qui en a le droit : {holders}." if holders else None,
    )


async def authenticate(token: str) -> Actor | None:
    """The actor that a bearer token stands for; None when it is unknown, expired or revoked, or when its
    person has left.

    Expiry is compared with the machine's clock, not with the business instant.
    """
    if not token.isascii() or not token.startswith(TOKEN_PREFIX) or len(token) > _LONGEST_TOKEN:
        return None
    row = await ask(
        "select person_id, organisation_id, role, token_id, scopes from authenticate($1)", digest(token)
    )
    if row is None:
        return None
    person_id, organisation_id, role, token_id, scopes = row
    return Actor(
        person_id, organisation_id, role, token_id, "token", None if scopes is None else tuple(scopes)
    )


async def enrol(
    actor: Actor,
    *,
    at: datetime,
    kind: OrganisationKind,
    organisation: str,
    person: str,
    role: str,
    siren: str | None = None,
    finess_juridique: str | None = None,
    departements: tuple[str, ...] = (),
    email: str | None = None,
    responsible: bool | None = None,
) -> tuple[UUID, UUID]:
    """Makes a person a member of an organisation, creating what is missing; returns both identifiers.

    An organisation is recognised by its FINESS juridique, else by its kind and SIREN, else by its kind and
    name; a person by the e-mail address, else by name among the members of the organisation. `actor` is an
    administrator. Identifiers are expected to be checked already. `responsible` says whether who comes into
    an OG is responsible for it: when it is not said, its first member is, and the later ones are not.

    Raises:
        SonsError: `FORBIDDEN`; `INVALID_REQUEST` when the role does not fit the kind of organisation, or for
            a responsible of anything but an OG.
    """
    require(actor, "member.enrol")
    if role not in ROLES_BY_KIND[kind]:
        fitting = ", ".join(ROLES_BY_KIND[kind])
        problem = (
            f"Une organisation de type « {kind} » n'a pas le rôle « {role} » ; rôles possibles : {fitting}."
        )
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("role", problem),))
    if (kind == "og") != (finess_juridique is not None):
        problem = "Un organisme gestionnaire, et lui seul, est désigné par son FINESS juridique."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("finess_juridique", problem),))
    if responsible and kind != "og":
        problem = "Seul un organisme gestionnaire a des responsables."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("responsible", problem),))
    async with transaction(actor.context) as con:
        organisation_id = await ensure_organisation(
            con, kind, organisation, siren, finess_juridique, departements
        )
        person_id = await _person(con, organisation_id, person, email)
        joined = await con.fetchval(_ENROLLED, person_id, organisation_id, kind, role, responsible)
        if joined is not None:
            facts = {
                "person_id": str(person_id),
                "organisation_id": str(organisation_id),
                "role": role,
                **({"responsible": joined} if kind == "og" else {}),
            }
            await journal.record(
                con, actor, at, "membership.created", "organisation", str(organisation_id), facts
            )
    return person_id, organisation_id


# Who comes back is as one who comes; who is there stays as it is.
_ENROLLED = """
insert into membership as m (person_id, organisation_id, organisation_kind, role, responsible)
select $1, $2, $3, $4, coalesce($5::boolean, $4 = 'og' and not exists (
  select from membership o where o.organisation_id = $2 and o.role = 'og' and o.removed_at is null))
on conflict on constraint membership_pkey do update set removed_at = null,
  responsible = excluded.responsible
where m.removed_at is not null
returning responsible
"""


async def ensure_organisation(
    con: asyncpg.Connection,
    kind: str,
    name: str,
    siren: str | None = None,
    finess_juridique: str | None = None,
    departements: tuple[str, ...] = (),
) -> UUID:
    """The organisation that `enrol` would recognise by these, made when there is none."""
    # A lock by kind: two enrolments of one unnamed-by-number organisation would otherwise both insert it.
    await con.execute("select pg_advisory_xact_lock(hashtext('sons.enrol'), hashtext($1))", kind)
    found: UUID | None = await con.fetchval(
        "select id from organisation where kind = $1 and case"
        " when $2::text is not null then finess_juridique = $2"
        " when $3::text is not null then siren = $3 else name = $4 end order by id limit 1",
        kind,
        finess_juridique,
        siren,
        name,
    )
    if found is not None:
        return found
    made: UUID = await con.fetchval(
        "insert into organisation (kind, name, siren, finess_juridique, departements)"
        " values ($1, $2, $3, $4, $5) returning id",
        kind,
        name,
        siren,
        finess_juridique,
        list(departements),
    )
    return made


async def _person(con: asyncpg.Connection, organisation_id: UUID, name: str, email: str | None) -> UUID:
    found: UUID | None = await con.fetchval(
        "select p.id from person p where case when $1::text is not null then p.email = $1"
        " else p.name = $2 and exists (select from membership m"
        " where m.person_id = p.id and m.organisation_id = $3) end order by p.id limit 1",
        email,
        name,
        organisation_id,
    )
    if found is not None:
        return found
    made: UUID = await con.fetchval(
        "insert into person (name, email) values ($1, $2) returning id", name, email
    )
    return made


async def create_token(
    actor: Actor,
    *,
    at: datetime,
    person_id: UUID,
    organisation_id: UUID,
    role: str,
    lifetime: timedelta = timedelta(days=90),
    scopes: tuple[str, ...] | None = None,
) -> NewToken:
    """Makes a bearer token for a member of an organisation; `actor` is an administrator.

    `lifetime` counts on the machine's clock, from one minute to `LONGEST_LIFETIME`; `at` dates the journal.

    Raises:
        SonsError: `FORBIDDEN`; `INVALID_REQUEST` for a lifetime out of bounds or for who is not a member.
    """
    require(actor, "token.grant")
    if not timedelta(minutes=1) <= lifetime <= LONGEST_LIFETIME:
        problem = f"La durée d'un jeton va d'une minute à {LONGEST_LIFETIME.days} jours."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("lifetime", problem),))
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    async with transaction(actor.context) as con:
        try:
            row = await con.fetchrow(
                "insert into access_token (sha256, person_id, organisation_id, role, expires_at, scopes)"
                " values ($1, $2, $3, $4, now() + $5, $6) returning id, expires_at",
                digest(secret),
                person_id,
                organisation_id,
                role,
                lifetime,
                scopes,
            )
        except asyncpg.ForeignKeyViolationError as error:
            problem = f"Cette personne n'a pas le rôle « {role} » dans cette organisation."
            raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("role", problem),)) from error
        facts = {"person_id": str(person_id), "organisation_id": str(organisation_id), "role": role}
        await journal.record(con, actor, at, "token.created", "access_token", str(row["id"]), facts)
    return NewToken(row["id"], secret, row["expires_at"])


async def revoke_token(actor: Actor, *, at: datetime, token_id: UUID) -> None:
    """Ends a token at once: any of its organisation's, or any at all for an administrator.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown token, a foreign one and one already revoked.
    """
    require(actor, "token.revoke")
    async with transaction(actor.context) as con:
        revoked = await con.fetchval(
            "update access_token set revoked_at = now() where id = $1 and revoked_at is null returning id",
            token_id,
        )
        if revoked is None:
            raise SonsError(ErrorCode.NOT_FOUND, "Aucun jeton valable ne porte cet identifiant.")
        await journal.record(con, actor, at, "token.revoked", "access_token", str(token_id), {})
