"""Delegations of signature inside an OG: read, given on the exact text that was shown, revoked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.delegation_ends import Told, end_delegations, tell_delegation
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.signatures import Signer, check_consent, digest
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.delegations import (
    DELEGATION_CONSENT,
    DelegationParties,
    DelegationTerms,
    delegation_text,
    terms_reasons,
)
from sons_tracker.rules.french import date_fr

State = Literal["to_come", "in_force", "ended", "revoked"]
_MOST = 1000
_NO_MEMBER = "Aucun membre visible de votre organisme n'est cette personne."
_UNKNOWN = "Aucune délégation visible ne porte cet identifiant."


@dataclass(frozen=True, slots=True)
class Asked:
    """A delegation as it is asked for: to whom, and its terms."""

    receiver_id: UUID
    terms: DelegationTerms


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would be signed: the exact text, and its SHA-256 in UTF-8."""

    text: str
    text_sha256: bytes


@dataclass(frozen=True, slots=True)
class DelegationView:
    """A delegation as its OG and the agencies see it.

    `state` is that of the Paris day of the reading. `revoked_because`: revoked, giver_left, receiver_left or
    not_responsible.
    """

    id: UUID
    organisation_id: UUID
    giver_id: UUID
    giver_name: str
    receiver_id: UUID
    receiver_name: str
    acts: tuple[str, ...]
    from_on: date
    until_on: date
    state: State
    text: str
    text_sha256: str
    signer_name: str
    signer_function: str
    given_at: datetime
    revoked_at: datetime | None
    revoked_role: str | None
    revoked_because: str | None


Render = Callable[[DelegationView | Refused], Answer]


async def list_delegations(
    actor: Actor, at: datetime, organisation_id: UUID | None = None
) -> tuple[DelegationView, ...]:
    """The delegations of the actor's OG; for an agency those of an OG, or of all; the newest first, at most a
    thousand.

    Raises:
        SonsError: `FORBIDDEN`.
    """
    require(actor, "delegation.read")
    of = organisation_id if actor.role != "og" else actor.organisation_id
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(f"{_VIEW} where $1::uuid is null or d.organisation_id = $1 {_NEWEST}", of)  # nosec B608 # constants
    return tuple(_view(row, known_on(at)) for row in rows)


async def propose_text(actor: Actor, asked: Asked, at: datetime) -> Proposal:
    """The text that the actor, responsible for its OG, would sign to give this delegation today.

    Raises:
        SonsError: `FORBIDDEN` for who is not responsible; `NOT_FOUND` for a receiver who is no member of the
            OG; `INVALID_REQUEST` for terms that cannot be given.
    """
    require(actor, "delegation.give")
    async with transaction(actor.context, read_only=True) as con:
        if against := await _against_giver(con, actor):
            raise SonsError(ErrorCode.FORBIDDEN, against.message, remedy=against.remedy)
        parties = await _parties(con, actor, asked.receiver_id)
    if reasons := terms_reasons(asked.terms, known_on(at)):
        raise SonsError(ErrorCode.INVALID_REQUEST, reasons[0].message, remedy=reasons[0].remedy)
    text = delegation_text(parties, asked.terms)
    return Proposal(text, digest(text))


async def give(
    actor: Actor,
    asked: Asked,
    shown: bytes,
    signer: Signer,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Gives a delegation of signature, by a person responsible for the OG, on the text that was shown.

    `shown` is the SHA-256 (32 bytes) of that text. Refused to who is not responsible, a delegate included;
    to oneself, to another responsible, for the past, for more than a year, and to who holds a delegation of
    the same act on one of these days already.

    Raises:
        SonsError: `FORBIDDEN` for another role; `NOT_FOUND` for a receiver who is no member of the OG;
            `INVALID_REQUEST` for another sentence of consent; those of `perform`.
    """
    require(actor, "delegation.give")
    check_consent(signer, DELEGATION_CONSENT)

    async def work(con: asyncpg.Connection) -> DelegationView | Refused:
        parties = await _parties(con, actor, asked.receiver_id)
        text = delegation_text(parties, asked.terms)
        # the database takes the same lock: two givers of one OG wait for each other
        await con.execute(_LOCK, str(actor.organisation_id))
        against = await _against(con, actor, asked, at)
        if shown != digest(text):
            against = (*against, _OTHER_TEXT)
        if against:
            return Refused("delegation.not_given", "organisation", str(actor.organisation_id), against)
        delegation_id = uuid4()
        await con.execute(
            "insert into delegation (id, organisation_id, role, giver_id, receiver_id, acts, from_on,"
            " until_on, text, text_sha256, consent, signer_name, signer_function, given_at, auth_level,"
            " token_id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            delegation_id,
            actor.organisation_id,
            actor.role,
            actor.person_id,
            asked.receiver_id,
            sorted(asked.terms.acts),
            asked.terms.from_on,
            asked.terms.until_on,
            text,
            shown,
            signer.consent,
            signer.name,
            signer.function,
            at,
            actor.auth_level,
            actor.token_id,
        )
        view = await _find(con, delegation_id, at)
        await tell_delegation(con, actor, at, "delegation.given", _told(view), text_sha256=shown.hex())
        return view

    return await perform(actor, at, key, work, render)


async def revoke(actor: Actor, delegation_id: UUID, at: datetime, key: Key, render: Render) -> Answer:
    """Revokes a delegation at once: a person responsible for the OG does, or its receiver gives it back.

    What was signed by it stays. Refused to any other member, and when it is revoked or over already.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND`, the same for another OG's; those of `perform`.
    """
    require(actor, "delegation.revoke")

    async def work(con: asyncpg.Connection) -> DelegationView | Refused:
        found = await con.fetchrow(
            "select receiver_id, until_on, revoked_at from delegation where id = $1 and organisation_id = $2"
            " for update",
            delegation_id,
            actor.organisation_id,
        )
        if found is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        against = None
        if found["revoked_at"] is not None:
            against = Reason("Cette délégation est déjà révoquée.")
        elif found["until_on"] < known_on(at):
            against = Reason(f"Cette délégation a pris fin le {date_fr(found['until_on'])}.")
        elif found["receiver_id"] != actor.person_id:
            against = await _against_giver(con, actor)
        if against is not None:
            return Refused("delegation.not_revoked", "delegation", str(delegation_id), (against,))
        await end_delegations(con, actor, at, "revoked", "id = $1", delegation_id)
        return await _find(con, delegation_id, at)

    return await perform(actor, at, key, work, render)


_OTHER_TEXT = Reason(
    "L'empreinte n'est pas celle du texte de cette délégation.",
    "Relire le texte, puis signer avec l'empreinte qui l'accompagne.",
)
_NOT_RESPONSIBLE = Reason(
    "Seule une personne responsable de l'organisme gestionnaire donne ou révoque une délégation : qui en"
    " tient une ne la donne pas à son tour.",
    "S'adresser à un responsable de l'organisme.",
    source="Délégation de signature, lecture de ce logiciel (à confirmer)",
)
_LOCK = "select pg_advisory_xact_lock(hashtext('sons.delegation'), hashtext($1))"
_NEWEST = f"order by d.given_at desc, d.id limit {_MOST}"
_VIEW = """
select d.id, d.organisation_id, d.giver_id, g.name as giver_name, d.receiver_id, r.name as receiver_name,
       d.acts, d.from_on, d.until_on, d.text, encode(d.text_sha256, 'hex') as text_sha256, d.signer_name,
       d.signer_function, d.given_at, d.revoked_at, d.revoked_role, d.revoked_because
from delegation d join person g on g.id = d.giver_id join person r on r.id = d.receiver_id
"""
_PARTIES = """
select o.finess_juridique, g.name as giver, r.name as receiver, coalesce((
  select coalesce(e.long_name, e.name) from legal_entity e
  where e.finess_juridique = o.finess_juridique order by e.valid_from desc limit 1), o.name) as og
from organisation o
join membership m on m.organisation_id = o.id and m.role = 'og' and m.removed_at is null
join person r on r.id = m.person_id join person g on g.id = $2
where o.id = $1 and m.person_id = $3
"""
_OVERLAPPING = """
select from_on, until_on from delegation
where receiver_id = $1 and organisation_id = $2 and acts && $3 and revoked_at is null
  and from_on <= $5 and $4 <= until_on
order by from_on, id limit 1
"""


async def _parties(con: asyncpg.Connection, actor: Actor, receiver_id: UUID) -> DelegationParties:
    row = await con.fetchrow(_PARTIES, actor.organisation_id, actor.person_id, receiver_id)
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _NO_MEMBER)
    return DelegationParties(row["og"], row["finess_juridique"], row["giver"], row["receiver"])


async def _against_giver(con: asyncpg.Connection, actor: Actor) -> Reason | None:
    who = (actor.person_id, actor.organisation_id)
    return None if await con.fetchval("select is_responsible($1, $2)", *who) else _NOT_RESPONSIBLE


async def _against(con: asyncpg.Connection, actor: Actor, asked: Asked, at: datetime) -> tuple[Reason, ...]:
    """Everything that stands against giving it now."""
    found: list[Reason] = []
    if giver := await _against_giver(con, actor):
        found.append(giver)
    terms = asked.terms
    if await con.fetchval("select is_responsible($1, $2)", asked.receiver_id, actor.organisation_id):
        found.append(Reason("Cette personne est responsable de l'organisme : elle signe sans délégation."))
    found += terms_reasons(terms, known_on(at))
    held = await con.fetchrow(
        _OVERLAPPING,
        asked.receiver_id,
        actor.organisation_id,
        list(terms.acts),
        terms.from_on,
        terms.until_on,
    )
    if held is not None:
        found.append(
            Reason(
                "Cette personne tient déjà une délégation pour l'un de ces actes, du"
                f" {date_fr(held['from_on'])} au {date_fr(held['until_on'])}.",
                "Révoquer d'abord celle-ci, ou choisir d'autres dates.",
            )
        )
    return tuple(found)


async def _find(con: asyncpg.Connection, delegation_id: UUID, at: datetime) -> DelegationView:
    return _view(await con.fetchrow(f"{_VIEW} where d.id = $1", delegation_id), known_on(at))  # nosec B608 # constants


def _view(row: Any, today: date) -> DelegationView:
    return DelegationView(**{**dict(row), "acts": tuple(row["acts"])}, state=_state(row, today))


def _state(row: Any, today: date) -> State:
    if row["revoked_at"] is not None:
        return "revoked"
    if today < row["from_on"]:
        return "to_come"
    return "in_force" if today <= row["until_on"] else "ended"


def _told(view: DelegationView) -> Told:
    return Told(
        view.id, view.organisation_id, view.giver_id, view.receiver_id, view.acts, view.from_on, view.until_on
    )
