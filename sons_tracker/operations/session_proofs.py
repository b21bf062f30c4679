"""What a provider of identity said when a session was opened, and what a signature keeps of it.

A provider authenticates, it does not sign: with the digest of what was shown, the evidence of a signature is
who was authenticated, by whom, how and when (shared notes on R17, « Pro Santé Connect »).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.identity_providers import IdentityProvider, SignatureKind
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.proofs import Door

OIDC = "oidc"
IN_APPLICATION: SignatureKind = "eidas_simple"
"""Who signs here is known by its token or its session: the floor of R17."""
FinessCheck = Literal["matches", "differs", "absent"]


@dataclass(frozen=True, slots=True)
class Identified:
    """Whom a provider vouches for, once its answer was verified.

    `name_id` is the national identifier, `acr` the level of the authentication, `auth_time` its instant,
    `token_id` the name of the token (jti), each when the provider gives it; `finess_juridiques` where it says
    that the person works.
    """

    issuer: str
    subject: str
    name: str | None
    name_id: str | None
    acr: str | None
    auth_time: datetime | None
    token_id: str | None
    finess_juridiques: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit to a provider: what only the browser and this instance know of it."""

    state: str
    nonce: str
    verifier: str


async def keep(
    con: asyncpg.Connection, author: Actor, provider: IdentityProvider, identified: Identified
) -> None:
    """Keeps what was said for the session that the author's `token_id` names."""
    await con.execute(
        "insert into session_proof (session_id, person_id, organisation_id, role, provider, signature_kind,"
        " issuer, subject, name_id, acr, auth_time, token_id, finess_juridiques)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        author.token_id,
        author.person_id,
        author.organisation_id,
        author.role,
        provider.name,
        provider.signature_kind,
        identified.issuer,
        identified.subject,
        identified.name_id,
        identified.acr,
        identified.auth_time,
        identified.token_id,
        list(identified.finess_juridiques),
    )


async def carry(con: asyncpg.Connection, old: UUID, author: Actor) -> None:
    """The same proof for the session that takes the place of `old`: the person was authenticated once."""
    await con.execute(
        "insert into session_proof select $2, person_id, $3, $4, provider, signature_kind, issuer, subject,"
        " name_id, acr, auth_time, token_id, finess_juridiques from session_proof where session_id = $1",
        old,
        author.token_id,
        author.organisation_id,
        author.role,
    )


async def roles_within_reach(con: asyncpg.Connection, actor: Actor, door: Door) -> frozenset[str] | None:
    """The roles that the actor's session may take; None: any that the person has. A provider that is not
    trusted any more opens none."""
    if actor.auth_level != OIDC:
        return None
    name = await con.fetchval("select provider from session_proof where session_id = $1", actor.token_id)
    return next((one.roles for one in door.providers if one.name == name), frozenset())


async def kind_and_evidence(
    con: asyncpg.Connection, actor: Actor, finess_juridique: str | None
) -> tuple[SignatureKind, dict[str, Any] | None]:
    """What a signature given now is in the list of R17, and what proves who gave it; None when the
    application alone knows. `finess_juridique` is that of the OG that signs.

    Raises:
        SonsError: `UNAUTHENTICATED` when a session that a provider opened has no proof.
    """
    if actor.auth_level != OIDC:
        return IN_APPLICATION, None
    row = await con.fetchrow("select * from session_proof where session_id = $1", actor.token_id)
    if row is None:
        raise SonsError(ErrorCode.UNAUTHENTICATED, "Cette session n'a pas gardé sa preuve : se reconnecter.")
    return row["signature_kind"], {
        "provider": row["provider"],
        "issuer": row["issuer"],
        "subject": row["subject"],
        "name_id": row["name_id"],
        "acr": row["acr"],
        "auth_time": None if row["auth_time"] is None else row["auth_time"].isoformat(),
        "jti": row["token_id"],
        "finess_check": finess_check(row["finess_juridiques"], finess_juridique),
    }


def finess_check(given: list[str] | tuple[str, ...], finess_juridique: str | None) -> FinessCheck:
    """The numbers that a provider gave beside that of the OG: noted, never a condition."""
    if not given:
        return "absent"
    return "matches" if finess_juridique in given else "differs"
