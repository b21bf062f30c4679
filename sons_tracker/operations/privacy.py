"""What is kept about a person: given to them whole, corrected when it is wrong.

What is kept is read from the catalogue and not from a list: a table that is added tomorrow and names a person
is in the export the same day. Secrets are not: the application may write them and never read them back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, require

# Every column of identifiers, of whatever they are, with those of their table that the application may read:
# an identifier is drawn at random, and a person stands in many places by the key of something else.
_STATEMENTS = """
select c.relname as tab, a.attname as col,
       format('select jsonb_build_object(%s) as row from sons.%I where %I = $1 order by 1',
              (select string_agg(format('%L, %I', r.attname, r.attname), ', ' order by r.attnum)
               from pg_attribute r where r.attrelid = c.oid and r.attnum > 0 and not r.attisdropped
                 and has_column_privilege(c.oid, r.attnum, 'select') and r.atttypid <> 'bytea'::regtype),
              c.relname, a.attname) as statement
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'sons'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  and a.attnum > 0 and not a.attisdropped and a.atttypid = 'uuid'::regtype
  and has_column_privilege(c.oid, a.attnum, 'select')
order by 1, 2
"""
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,190}")
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept about a person: rows by table and column, as JSON objects."""

    person_id: UUID
    rows: dict[str, list[dict[str, Any]]]


async def find(actor: Actor, said: str) -> UUID:
    """The person of an identifier or of an e-mail address; `actor` is an administrator.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND`.
    """
    require(actor, "person.read")
    async with transaction(actor.context, read_only=True) as con:
        found: UUID | None = await con.fetchval(
            "select id from person where id::text = lower($1) or lower(email) = lower($1) limit 1",
            said.strip(),
        )
    if found is None:
        raise _unknown()
    return found


async def export(actor: Actor, at: datetime, person_id: UUID) -> Kept:
    """Everything that is kept about a person, journaled without what it says.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND`.
    """
    require(actor, "person.read")
    rows: dict[str, list[dict[str, Any]]] = {}
    async with transaction(actor.context, isolation="repeatable_read") as con:
        for one in await con.fetch(_STATEMENTS):
            found = await con.fetch(one["statement"], person_id)
            if found:
                rows[f"{one['tab']}.{one['col']}"] = [row["row"] for row in found]
        if "person.id" not in rows:
            raise _unknown()
        facts = {"rows": sum(map(len, rows.values()))}
        await journal.record(con, actor, at, "person.exported", "person", str(person_id), facts)
    return Kept(person_id, rows)


async def rectify(
    actor: Actor, at: datetime, person_id: UUID, *, name: str | None = None, email: str | None = None
) -> tuple[str, ...]:
    """Corrects the name or the e-mail address of a person; returns what changed, by name. The journal says
    that it was, not what it was: it knows the person by an identifier, which stays.

    Raises:
        SonsError: `FORBIDDEN`; `INVALID_REQUEST` with every fault; `NOT_FOUND`; `CONFLICT` when another
            person has this address.
    """
    require(actor, "person.rectify")
    given = {"name": _name(name), "email": None if email is None else email.strip().lower()}
    if faults := _faults(given):
        raise SonsError(ErrorCode.INVALID_REQUEST, " ".join(one.message for one in faults), faults)
    async with transaction(actor.context) as con:
        former = await con.fetchrow("select name, email from person where id = $1 for update", person_id)
        if former is None:
            raise _unknown()
        changed = tuple(one for one, value in given.items() if value is not None and former[one] != value)
        if changed:
            await _write(con, person_id, given)
            facts = {"fields": list(changed)}
            await journal.record(con, actor, at, "person.rectified", "person", str(person_id), facts)
    return changed


async def _write(con: asyncpg.Connection, person_id: UUID, given: dict[str, str | None]) -> None:
    try:
        await con.execute(
            "update person set name = coalesce($2, name), email = coalesce($3, email) where id = $1",
            person_id,
            given["name"],
            given["email"],
        )
    except asyncpg.UniqueViolationError as error:
        raise SonsError(
            ErrorCode.CONFLICT, "Une autre personne a déjà cette adresse électronique."
        ) from error


def _name(text: str | None) -> str | None:
    return None if text is None else " ".join(text.split())


def _faults(given: dict[str, str | None]) -> tuple[Fault, ...]:
    name, email = given["name"], given["email"]
    found = []
    if name is None and email is None:
        found.append(Fault("name", "Donner le nom ou l'adresse électronique à rectifier."))
    if name is not None and not (1 <= len(name) <= _LONGEST_NAME and name.isprintable()):
        found.append(
            Fault("name", f"Un nom compte de 1 à {_LONGEST_NAME} caractères, sans caractère de contrôle.")
        )
    if email is not None and not (_EMAIL.fullmatch(email) and email.isprintable()):
        found.append(Fault("email", "L'adresse électronique est de la forme « nom@domaine »."))
    return tuple(found)


def _unknown() -> SonsError:
    return SonsError(
        ErrorCode.NOT_FOUND, "Aucune personne n'est connue par cet identifiant ou cette adresse."
    )
