"""Letters to one person: an invitation, or a change of what opens its account.

They leave as the notices do, claimed with a lease and concluded once. Nothing that a letter says is kept: the
secret of an invitation is drawn as its letter is written, and only its digest stays; a letter that is written
again carries another, and the former opens nothing any more.
"""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import digest
from sons_tracker.operations.deliveries import BACK_OFF, JITTER, LEASE, SENDER, Outcome
from sons_tracker.operations.messages import Message, instant, line

_NOTHING_LEFT = "L'invitation a servi, a été retirée ou a expiré."
_CHANGES = {"password_changed": "mot de passe", "second_factor_changed": "second facteur"}  # nosec B105 # words
_AUTOMATIC = "Ce message est automatique ; n'y répondez pas."


@dataclass(frozen=True, slots=True)
class Letter:
    """One attempt to make. `void` says why nothing is to be sent any more, if so."""

    id: UUID
    attempt: int
    mailbox: str | None = field(repr=False)
    text: Message | None = field(repr=False)
    void: str | None = None


async def to_person(con: asyncpg.Connection, kind: str, person_id: UUID) -> None:
    """Has a person written that its `password_changed` or its `second_factor_changed`, when the caller's
    transaction commits."""
    await _queue(con, kind, None, person_id)


async def of_invitation(con: asyncpg.Connection, invitation_id: UUID) -> None:
    """Has an invitation written to whom it invites."""
    await _queue(con, "invitation", invitation_id, None)


async def _queue(
    con: asyncpg.Connection, kind: str, invitation_id: UUID | None, person_id: UUID | None
) -> None:
    await con.execute(
        "insert into letter (id, kind, invitation_id, person_id, state, attempts, created_at, next_at)"
        " values ($1, $2, $3, $4, 'waiting', 0, now(), now())",
        uuid4(),
        kind,
        invitation_id,
        person_id,
    )


_CLAIM = """
update letter set attempts = attempts + 1, next_at = now() + $1::interval
where id = (select id from letter where state = 'waiting' and next_at <= now() order by next_at, id
            limit 1 for update skip locked)
returning id, kind, person_id, attempts, created_at
"""


async def claim() -> Letter | None:
    """Takes one letter that is due, and writes it; other senders skip it until its lease ends."""
    async with transaction(SENDER.context) as con:
        row = await con.fetchrow(_CLAIM, LEASE)
        if row is None:
            return None
        letter_id, attempt = row["id"], row["attempts"]
        if row["kind"] == "invitation":
            secret = secrets.token_urlsafe(32)
            asked = await con.fetchrow("select * from write_invitation($1, $2)", letter_id, digest(secret))
            if asked is None:
                return Letter(letter_id, attempt, None, None, _NOTHING_LEFT)
            return Letter(letter_id, attempt, asked["email"], _invitation(asked, secret))
        mailbox = await con.fetchval("select email from person where id = $1", row["person_id"])
        return Letter(letter_id, attempt, mailbox, _change(_CHANGES[row["kind"]], row["created_at"]))


async def conclude(letter: Letter, outcome: Outcome) -> bool:
    """Writes how an attempt ended; False when its lease ran out and another attempt has begun since."""
    state = {"delivered": "delivered", "unconfigured": "unconfigured"}.get(outcome.verdict, "dead")
    wait = None
    if outcome.verdict == "failed" and letter.attempt <= len(BACK_OFF):
        state, wait = "waiting", BACK_OFF[letter.attempt - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # nosec B311 # no secret is drawn
    async with transaction(SENDER.context) as con:
        done = await con.fetchval(
            "update letter set state = $3, next_at = now() + $4::interval,"
            " ended_at = case when $4::interval is null then now() end, last_status = $5, last_problem = $6"
            " where id = $1 and attempts = $2 and state = 'waiting' returning true",
            letter.id,
            letter.attempt,
            state,
            wait,
            outcome.status,
            outcome.problem,
        )
    return done is not None


def _invitation(asked: asyncpg.Record, secret: str) -> Message:
    organisation = line(asked["organisation_name"])
    if asked["kind"] == "reset":
        subject = "Choisir à nouveau votre mot de passe"
        first = (
            "Un administrateur vous permet de choisir à nouveau votre mot de passe et votre second facteur."
        )
        then = "Donnez ce code au service, avec un nouveau mot de passe."
    else:
        subject = f"Invitation à rejoindre {organisation}"
        first = f"Vous êtes invité(e) à rejoindre « {organisation} » dans le service de suivi SONS."
        then = (
            "Sans compte, donnez ce code au service avec le mot de passe de votre choix ; avec un compte,"
            " connectez-vous, puis rejoignez l'organisation par ce code."
        )
    lines = [
        "Bonjour,",
        "",
        first,
        "",
        f"Code d'invitation : {secret}",
        f"Il sert une fois, jusqu'au {instant(asked['expires_at'])}. Un courrier plus récent le remplace.",
        "",
        then,
        "",
        f"Si vous n'attendiez pas ce message, ignorez-le : il n'ouvre rien sans vous. {_AUTOMATIC}",
    ]
    return Message(f"[SONS] {subject}", "\n".join(lines) + "\n")


def _change(what: str, at: datetime) -> Message:
    lines = [
        "Bonjour,",
        "",
        f"Votre {what} a été changé le {instant(at)}. Vos autres sessions sont closes.",
        "",
        "Si ce n'est pas vous, prévenez aussitôt un administrateur : il peut clore vos sessions et vous faire"
        " choisir à nouveau ce qui ouvre votre compte.",
        "",
        _AUTOMATIC,
    ]
    return Message(f"[SONS] Votre {what} a été changé", "\n".join(lines) + "\n")
