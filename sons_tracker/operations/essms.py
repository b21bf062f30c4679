"""One ESSMS: what the register says of it, whether it is financed, and its history, as far as one may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.identifiers import FinessGeographique
from sons_tracker.rules.texts import Law


@dataclass(frozen=True, slots=True)
class RegisterEntry:
    """What the register said of the ESSMS from one extraction on, until another (None: still)."""

    since: date
    until: date | None
    finess_juridique: str | None
    name: str
    category: str
    aggregate: str | None
    domaine: str | None
    dispositif: str | None


@dataclass(frozen=True, slots=True)
class Hold:
    """A claim that the actor may see; live while `released_at` is None.

    `held_as`: the new number of the ESSMS for which the order holds it; None when it names this one.
    """

    vague: str
    order_id: UUID | None
    order_number: str | None
    claimed_at: datetime
    released_at: datetime | None
    release_reason: str | None
    held_as: str | None


@dataclass(frozen=True, slots=True)
class KnownGrant:
    """An ESMS numérique grant that the actor may see."""

    reference: str
    year: int
    project: str
    components: tuple[str, ...]
    state: str
    solution: str | None


@dataclass(frozen=True, slots=True)
class EssmsView:
    """An ESSMS. `financing`: `free`, `reserved` or `engaged` for each vague; never by whom."""

    finess: str
    register: tuple[RegisterEntry, ...]
    financing: dict[str, str]
    holds: tuple[Hold, ...]
    grants: tuple[KnownGrant, ...]


async def find_essms(actor: Actor, finess: FinessGeographique, law: Law, at: datetime) -> EssmsView:
    """The state of an ESSMS at the business instant `at`.

    The state of its financing is told to every account; claims and grants only to those whose rows they are,
    and to the agencies.

    Raises:
        SonsError: `NOT_FOUND` when no extraction ever had this number and nothing is known of it.
    """
    require(actor, "essms.read")
    async with transaction(actor.context, read_only=True) as con:
        register = await _register(con, finess, law, known_on(at))
        financing = {}
        for vague in sorted(law.vagues):
            kind = await con.fetchval("select holder_kind from engaged($1, array[$2])", vague, finess)
            financing[vague] = {None: "free", "reservation": "reserved"}.get(kind, "engaged")
        holds = await con.fetch(
            "select c.vague, o.id as order_id, o.number as order_number, c.claimed_at, c.released_at,"
            " c.release_reason, n.finess_geographique as held_as from claim c"
            " left join purchase_order o on o.id = c.holder_id left join claim n on n.id = c.origin"
            " where c.finess_geographique = $1 order by c.claimed_at, c.id",
            finess,
        )
        # row-level security gives the grants to the OG of the ESSMS and to the agencies, to nobody else
        grants = await con.fetch(
            "select grant_reference as reference, call_year as year, project, components, state, solution"
            " from esms_grant where finess_geographique = $1 and valid_from <= $2"
            " and (valid_to is null or valid_to > $2) order by 1",
            finess,
            known_on(at),
        )
    if not register and not holds and set(financing.values()) == {"free"}:
        raise SonsError(ErrorCode.NOT_FOUND, "Aucune extraction chargée ne connaît ce FINESS géographique.")
    return EssmsView(
        finess,
        register,
        financing,
        tuple(Hold(**dict(row)) for row in holds),
        tuple(KnownGrant(**{**dict(row), "components": tuple(row["components"])}) for row in grants),
    )


async def _register(
    con: asyncpg.Connection, finess: FinessGeographique, law: Law, known: date
) -> tuple[RegisterEntry, ...]:
    table = law.register.domaines.find(known, known)
    entries = []
    for row in await con.fetch(
        "select valid_from, valid_to, finess_juridique, name, category, aggregate from establishment"
        " where finess_geographique = $1 order by valid_from",
        finess,
    ):
        domaine = (
            None
            if table is None or table.value is None
            else table.value.domaine(row["category"], row["aggregate"])
        )
        dispositif = next((d.code for d in law.dispositifs.values() if domaine in d.domaines), None)
        entries.append(
            RegisterEntry(
                row["valid_from"],
                row["valid_to"],
                row["finess_juridique"],
                row["name"],
                row["category"],
                row["aggregate"],
                domaine,
                dispositif,
            )
        )
    return tuple(entries)
