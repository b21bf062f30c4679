"""Reading reservations: one, or pages of them, as far as the actor may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require, sees_all
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.actions import Action
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.reservation import Running, actions_of
from sons_tracker.rules.texts import Law

# Row-level security says the same; the code filters too, so that neither stands alone.
_SEEN = "($1 or r.supplier_id = $2 or r.og_id = $2)"


@dataclass(frozen=True, slots=True)
class ReservedEssms:
    """One reserved ESSMS. `state`: `reserved`, `ordered` (by the order of that number) or `given_back`."""

    finess: str
    state: str
    order_number: str | None


@dataclass(frozen=True, slots=True)
class ReservationView:
    """A reservation and what the actor can do with it now.

    `expires_at` is inclusive; `ended_at` is None while it is active; `supplier_id` and `og_id` are those who
    are told of it.
    """

    id: UUID
    number: str
    state: str
    version: int
    dispositif: str
    vague: str
    og: str
    solution_version: str
    supplier_id: UUID
    og_id: UUID
    reserved_at: datetime
    expires_at: datetime
    renewed: int
    most_renewals: int
    ended_at: datetime | None
    lines: tuple[ReservedEssms, ...]
    actions: tuple[Action, ...]

    @property
    def held(self) -> int:
        """How many ESSMS it still holds."""
        return sum(line.state == "reserved" for line in self.lines)

    @property
    def running(self) -> Running:
        """What its rules read of it."""
        return Running(self.state, self.expires_at, self.renewed, self.most_renewals)


@dataclass(frozen=True, slots=True)
class ReservationFilter:
    """What a page is narrowed to; None does not narrow. `essms`: a FINESS géographique; `og`: a juridique."""

    state: str | None = None
    og: str | None = None
    essms: str | None = None


@dataclass(frozen=True, slots=True)
class ReservationPage:
    """One page, newest first; `next_after` is the key of the next one, None on the last."""

    reservations: tuple[ReservationView, ...]
    next_after: tuple[datetime, UUID] | None


_LINES = """
select l.reservation_id, l.finess_geographique as finess,
       case c.release_reason when 'converted' then 'ordered' when 'expired' then 'given_back'
            else 'reserved' end as state,
       (select o.number from claim t join purchase_order o on o.id = t.order_id
        where c.release_reason = 'converted' and t.vague = c.vague and t.holder_kind = 'order'
          and t.finess_geographique = c.finess_geographique and t.claimed_at = c.released_at
        limit 1) as order_number
from reservation_line l
join claim c on c.holder_id = l.reservation_id and c.holder_kind = 'reservation'
  and c.finess_geographique = l.finess_geographique
where l.reservation_id = any($1) order by l.finess_geographique
"""
_PAGE = f"""
select r.* from reservation r
where {_SEEN} and ($3::text is null or r.state = $3) and ($4::text is null or r.og_finess_juridique = $4)
  and ($5::text is null or r.id in (select reservation_id from reservation_line
                                    where finess_geographique = $5))
  and ($6::timestamptz is null or (r.reserved_at, r.id) < ($6, $7::uuid))
order by r.reserved_at desc, r.id desc limit $8
"""  # noqa: S608 # nosec B608 # the interpolated text is a constant of this module


async def find_reservation(actor: Actor, reservation_id: UUID, law: Law, at: datetime) -> ReservationView:
    """A reservation as it stands at the business instant `at`.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown one and for another organisation's.
    """
    require(actor, "reservation.read")
    async with transaction(actor.context, read_only=True) as con:
        return await read_reservation(con, actor, reservation_id, law, at)


async def read_reservation(
    con: asyncpg.Connection, actor: Actor, reservation_id: UUID, law: Law, at: datetime
) -> ReservationView:
    """As `find_reservation`, in the caller's transaction."""
    row = await con.fetchrow(
        f"select r.* from reservation r where {_SEEN} and r.id = $3",  # noqa: S608 # nosec B608 # a constant
        sees_all(actor, "reservation.read"),
        actor.organisation_id,
        reservation_id,
    )
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, "Aucune réservation visible ne porte cet identifiant.")
    [view] = await _views(con, actor, [row], law, at)
    return view


async def list_reservations(
    actor: Actor,
    narrowed: ReservationFilter,
    after: tuple[datetime, UUID] | None,
    limit: int,
    law: Law,
    at: datetime,
) -> ReservationPage:
    """A page of at most `limit` reservations that the actor may see, newest first, by key."""
    require(actor, "reservation.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            _PAGE,
            sees_all(actor, "reservation.read"),
            actor.organisation_id,
            narrowed.state,
            narrowed.og,
            narrowed.essms,
            None if after is None else after[0],
            None if after is None else after[1],
            limit + 1,
        )
        views = await _views(con, actor, rows[:limit], law, at)
    more = len(rows) > limit
    return ReservationPage(views, (views[-1].reserved_at, views[-1].id) if more else None)


async def _views(
    con: asyncpg.Connection, actor: Actor, rows: Sequence[Any], law: Law, at: datetime
) -> tuple[ReservationView, ...]:
    lines: dict[UUID, list[ReservedEssms]] = {row["id"]: [] for row in rows}
    for line in await con.fetch(_LINES, list(lines)):
        reserved = ReservedEssms(line["finess"], line["state"], line["order_number"])
        lines[line["reservation_id"]].append(reserved)
    return tuple(_view(actor, row, tuple(lines[row["id"]]), law, at) for row in rows)


def _view(
    actor: Actor, row: Any, lines: tuple[ReservedEssms, ...], law: Law, at: datetime
) -> ReservationView:
    day = known_on(at)
    dispositif, vague = dispositif_of(law, row["dispositif"])
    running = Running(row["state"], row["expires_at"], row["renewed"], row["most_renewals"])
    return ReservationView(
        id=row["id"],
        number=row["number"],
        state=row["state"],
        version=row["version"],
        dispositif=row["dispositif"],
        vague=row["vague"],
        og=row["og_finess_juridique"],
        solution_version=row["solution_version"],
        supplier_id=row["supplier_id"],
        og_id=row["og_id"],
        reserved_at=row["reserved_at"],
        expires_at=row["expires_at"],
        renewed=row["renewed"],
        most_renewals=row["most_renewals"],
        ended_at=row["ended_at"],
        lines=lines,
        actions=actions_of(
            actor.role,
            running,
            vague.reservation.find(day, day),
            dispositif.fermeture.find(day, day),
            at.astimezone(PARIS),
        ),
    )
