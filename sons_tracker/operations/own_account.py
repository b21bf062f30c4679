"""What opens one's own account, changed while signed in: the password, the second factor.

Each change asks for both proofs again, ends the person's other sessions, is journaled, and is told by a
letter: who left a session open loses no account by it, and who loses one learns it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import retrying, transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations import letters
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.invitations import Enrolment
from sons_tracker.operations.proofs import (
    Door,
    address,
    checked_password,
    composed,
    hash_password,
    new_secret,
    step_of,
    verify_password,
)
from sons_tracker.operations.sessions import count_attempt, session_id


@dataclass(frozen=True, slots=True)
class Proof:
    """What the person gives again: its password, and the code of the moment."""

    password: str = field(repr=False)
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proved:
    """The account of a person who has just given both proofs, and the step of its code, not served yet."""

    email: str
    step: int


async def change_password(
    actor: Actor, proof: Proof, chosen: str, origin: str, door: Door, at: datetime
) -> int:
    """Another password; returns how many other sessions it ended. `origin`: the network address.

    Raises:
        SonsError: as `_prove`; `INVALID_REQUEST` for a password that may not be chosen.
    """
    require(actor, "account.change")
    proved = await _prove(actor, proof, origin, door)
    checked = checked_password(chosen, proved.email)
    if checked == composed(proof.password):
        problem = "Le nouveau mot de passe est l'actuel."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.password", problem),))
    return await _write_password(actor, proved, await hash_password(checked), at)


@retrying
async def _write_password(actor: Actor, proved: Proved, hashed: str, at: datetime) -> int:
    async with transaction(actor.context) as con:
        await _serve(con, actor, proved)
        await con.execute(
            "update credential set password_hash = $2, changed_at = now() where person_id = $1",
            actor.person_id,
            hashed,
        )
        return await _tell(con, actor, "password_changed", at)


@retrying
async def draw_factor(actor: Actor, proof: Proof, origin: str, door: Door, at: datetime) -> Enrolment:
    """Another second factor, shown once; the present one serves until `confirm_factor`. May be done again.

    Raises:
        SonsError: as `_prove`.
    """
    require(actor, "account.change")
    proved, chosen = await _prove(actor, proof, origin, door), new_secret()
    async with transaction(actor.context) as con:
        await _serve(con, actor, proved)
        await con.execute(
            "update second_factor set pending = $2 where person_id = $1", actor.person_id, door.seal(chosen)
        )
        await journal.record(
            con, actor, at, "account.second_factor_drawn", "person", str(actor.person_id), {}
        )
    return Enrolment(chosen, address(chosen, proved.email))


@retrying
async def confirm_factor(actor: Actor, code: str, origin: str, door: Door, at: datetime) -> int:
    """A first code puts the second factor that was drawn in the place of the present one; returns how many
    other sessions it ended.

    Raises:
        SonsError: `FORBIDDEN` as `_prove`; `NOT_FOUND` when none was drawn; `INVALID_REQUEST` for a code that
            is not the one of the moment; `TOO_MANY_REQUESTS`.
    """
    require(actor, "account.change")
    facts = await _facts(actor)
    await count_attempt(facts["email"], origin, door)
    if facts["pending"] is None:
        raise SonsError(ErrorCode.NOT_FOUND, "Aucun second facteur n'attend d'être confirmé.")
    step = step_of(door.unseal(facts["pending"]), code, time.time())
    if step is None:
        problem = "Ce code n'est pas celui du moment."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.code", problem),))
    async with transaction(actor.context) as con:
        await con.execute(
            "update second_factor set sealed = $2, pending = null, confirmed_at = now(), last_step = $3"
            " where person_id = $1",
            actor.person_id,
            facts["pending"],
            step,
        )
        return await _tell(con, actor, "second_factor_changed", at)


async def _facts(actor: Actor) -> asyncpg.Record:
    session_id(actor)
    async with transaction(actor.context, read_only=True) as con:
        facts = await con.fetchrow("select email, password_hash, sealed, pending from own_proofs()")
    if facts is None:
        raise SonsError(
            ErrorCode.FORBIDDEN,
            "Votre compte n'a pas de mot de passe ici.",
            remedy="Le changer auprès du fournisseur d'identité par lequel vous vous connectez.",
        )
    return facts


async def _prove(actor: Actor, proof: Proof, origin: str, door: Door) -> Proved:
    """Both proofs, checked as a sign-in checks them, and counted with its attempts.

    Raises:
        SonsError: `FORBIDDEN` for a token, and for who has no local account; `INVALID_REQUEST` whatever is
            wrong, alike; `TOO_MANY_REQUESTS`.
    """
    facts = await _facts(actor)
    await count_attempt(facts["email"], origin, door)
    right = await verify_password(facts["password_hash"], proof.password)
    step = step_of(door.unseal(facts["sealed"]), proof.code, time.time())
    if not right or step is None:
        raise _refused()
    return Proved(facts["email"], step)


async def _serve(con: asyncpg.Connection, actor: Actor, proved: Proved) -> None:
    served = await con.fetchval(
        "update second_factor set last_step = $2 where person_id = $1 and last_step < $2 returning true",
        actor.person_id,
        proved.step,
    )
    if not served:
        raise _refused()


async def _tell(con: asyncpg.Connection, actor: Actor, what: str, at: datetime) -> int:
    ended = await con.fetch(
        "update session set revoked_at = now() where person_id = $1 and id <> $2 and revoked_at is null"
        " returning id",
        actor.person_id,
        session_id(actor),
    )
    facts = {"sessions": sorted(str(row["id"]) for row in ended)}
    await journal.record(con, actor, at, f"account.{what}", "person", str(actor.person_id), facts)
    assert actor.person_id is not None  # whoever has a password is a person
    await letters.to_person(con, what, actor.person_id)
    return len(ended)


def _refused() -> SonsError:
    problem = "Le mot de passe actuel ou le code ne conviennent pas."
    return SonsError(
        ErrorCode.INVALID_REQUEST,
        problem,
        (Fault("$", problem),),
        remedy="Vérifier les deux ; un code ne sert qu'une fois, attendre le suivant.",
    )
