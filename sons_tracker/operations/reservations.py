"""Reserving ESSMS while an order is being signed: made, renewed, dropped, and expired by the clock.

A reservation claims its ESSMS as an order does, all or nothing. Its OG is told of every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.engine import savepoint
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import SCHEDULER, Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.cases import load_case, with_holds
from sons_tracker.operations.claims import claiming
from sons_tracker.operations.conversions import DEADLINE, hold_reservations, silence_end, tell_parties
from sons_tracker.operations.deadlines import Due
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.orders import describe, organisation_of_og
from sons_tracker.operations.requests import OrderRequest, RequestedEssms, check_request, known_on
from sons_tracker.operations.reservation_reading import ReservationView, read_reservation
from sons_tracker.operations.views import VerdictView, seen_by
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.assessment import assess
from sons_tracker.rules.case import Case
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique
from sons_tracker.rules.parameters import required
from sons_tracker.rules.reservation import Terms, against_making, expiry, without_terms
from sons_tracker.rules.texts import Law

Render = Callable[[ReservationView | Refused], Answer]
_RACES = 3
_SHOWN = 5
_LABEL = "Expiration de la réservation "


@dataclass(frozen=True, slots=True)
class ReservationRequest:
    """ESSMS of one OG to hold for an order to come of one solution version."""

    dispositif: str
    og: FinessJuridique
    essms: tuple[FinessGeographique, ...]
    solution_version: str

    def as_order(self, at: datetime) -> OrderRequest:
        """The order that would be deposited if it were signed on the day of `at`, and said nothing more."""
        return OrderRequest(
            dispositif=self.dispositif,
            og=self.og,
            essms=tuple(RequestedEssms(number, None, None) for number in self.essms),
            solution_version=self.solution_version,
            signed_on=known_on(at),
            already_equipped=None,
            supplier_reference=None,
            order_document_sha256=None,
        )


class _LostRaceError(Exception):
    """Another transaction claimed one of the ESSMS between the reading and the writing."""


async def reserve(
    actor: Actor, request: ReservationRequest, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Reserves ESSMS for the actor's own organisation, an editor or a distributor; all of them or none.

    Refused by whatever would refuse the order itself if it were signed now, R05 included; by the limit of
    what a supplier holds at once; and where it gave one of them back too recently. What a person would have
    to decide (`review`, `unknown`) does not refuse: the order will say it.

    Raises:
        SonsError: `FORBIDDEN`, `INVALID_REQUEST`; what `perform` raises.
    """
    require(actor, "reservation.make")
    as_order = request.as_order(at)
    check_request(as_order, law, at)
    _, vague = dispositif_of(law, request.dispositif)

    async def work(con: asyncpg.Connection) -> ReservationView | Refused:
        await _lock_supplier(con, actor)
        case = await load_case(con, actor, as_order, law, at)
        for _ in range(_RACES):
            terms = vague.reservation.find(known_on(at), known_on(at))
            against = await _against(con, actor, as_order, case, terms, law, at)
            if against or terms is None:
                return Refused("reservation.refused", "supplier", str(actor.organisation_id), against)
            try:
                async with savepoint(con):
                    reservation_id = await _write(con, actor, request, terms, law, at)
            except _LostRaceError:
                case = await with_holds(con, case, vague)
                continue
            view = await read_reservation(con, actor, reservation_id, law, at)
            await _tell(con, actor, at, "reservation.made", view)
            return view
        raise SonsError(
            ErrorCode.UNAVAILABLE, "Les ESSMS de la réservation changent sans cesse de main. Réessayez."
        )

    return await perform(actor, at, key, work, render)


async def renew(
    actor: Actor, reservation_id: UUID, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Makes a reservation run for the whole delay again, counted from the day of the renewal.

    Refused when it is over, was renewed as often as the law allows, or would not end later.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`; what `perform` raises.
    """
    require(actor, "reservation.renew")

    async def work(con: asyncpg.Connection) -> ReservationView | Refused:
        view = await _held(con, actor, reservation_id, law, at)
        if refused := _refused(view, "renew"):
            return refused
        dispositif, vague = dispositif_of(law, view.dispositif)
        day = known_on(at)
        terms = vague.reservation.in_force(day, day)
        expires_at = expiry(day, terms, dispositif.fermeture.find(day, day))
        await con.execute(
            "update reservation set renewed = renewed + 1, expires_at = $2 where id = $1",
            reservation_id,
            expires_at,
        )
        await silence_end(con, reservation_id, at)
        await con.execute(
            "insert into deadline (rule, object_id, due_at, kind, supplier_id, og_id, facts)"
            " values ($1, $2, $3, $1, $4, $5, $6)",
            DEADLINE,
            str(reservation_id),
            expires_at,
            view.supplier_id,
            view.og_id,
            {"label": f"{_LABEL}{view.number}", **_planned(terms)},
        )
        return await _told(con, actor, reservation_id, law, at, "reservation.renewed")

    return await perform(actor, at, key, work, render)


async def drop(
    actor: Actor, reservation_id: UUID, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Gives back whatever a reservation still holds. Refused when it is over.

    The pause before its supplier may reserve the same ESSMS again is that of an expiry: otherwise dropping on
    the last day would begin a chain.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`; what `perform` raises.
    """
    require(actor, "reservation.drop")

    async def work(con: asyncpg.Connection) -> ReservationView | Refused:
        view = await _held(con, actor, reservation_id, law, at)
        if refused := _refused(view, "drop"):
            return refused
        await _end(con, reservation_id, "dropped", at)
        await silence_end(con, reservation_id, at)
        return await _told(con, actor, reservation_id, law, at, "reservation.dropped")

    return await perform(actor, at, key, work, render)


async def reservation_expired(con: asyncpg.Connection, due: Due, _at: datetime) -> None:
    """The effect of the deadline of a reservation: what it still holds is free from its last instant on."""
    reservation_id = UUID(due.object_id)
    row = await con.fetchrow(
        "select number, supplier_id, og_id, (select count(*) from claim c where c.holder_id = r.id"
        " and c.holder_kind = 'reservation' and c.released_at is null) as held"
        " from reservation r where id = $1 and state = 'active' and expires_at = $2 for no key update",
        reservation_id,
        due.due_at,
    )
    if row is None:  # not a deadline of ours: a supplier may write deadlines of its own
        return
    await _end(con, reservation_id, "expired", due.due_at)
    facts = {"number": row["number"], "essms": row["held"]}
    parties = (row["supplier_id"], row["og_id"])
    await tell_parties(con, SCHEDULER, due.due_at, "reservation.expired", reservation_id, parties, facts)


async def _lock_supplier(con: asyncpg.Connection, actor: Actor) -> None:
    """Makes the reservations of one supplier follow each other: the limit is read under it.

    The same lock as the guard `claim_reserved_within_limit`.
    """
    await con.execute(
        "select pg_advisory_xact_lock(hashtext('sons.reservation'), hashtext($1))", str(actor.organisation_id)
    )


async def _against(
    con: asyncpg.Connection,
    actor: Actor,
    asked: OrderRequest,
    case: Case,
    terms: Terms | None,
    law: Law,
    at: datetime,
) -> tuple[Reason, ...]:
    """Why these ESSMS cannot be reserved: what fails of the order, then the terms."""
    day = known_on(at)
    if terms is None:
        return (without_terms(day),)
    view = seen_by(describe(asked, assess(case, law, day, day), at), actor)
    failed = tuple(_reason(verdict) for verdict in view.verdicts if verdict.outcome == "fail")
    # After the claims of the file were read: an ESSMS that was given back since was still held there, and one
    # that was given back before is found here. No lock is needed against the end of another reservation.
    row = await con.fetchrow(
        "select (select count(*) from claim where supplier_id = $1 and holder_kind = 'reservation'"
        " and released_at is null) as held,"
        " (select jsonb_object_agg(finess_geographique, last) from ("
        " select finess_geographique, max(released_at) as last from claim"
        " where supplier_id = $1 and holder_kind = 'reservation' and vague = $2"
        " and finess_geographique = any($3) and release_reason = 'expired' group by 1) back) as back",
        actor.organisation_id,
        dispositif_of(law, asked.dispositif)[1].code,
        [line.finess for line in asked.essms],
    )
    back = {number: known_on(datetime.fromisoformat(last)) for number, last in (row["back"] or {}).items()}
    return (*failed, *against_making(case.lines, row["held"], back, day, terms))


def _reason(verdict: VerdictView) -> Reason:
    """A verdict that fails as a reason, with some of its ESSMS."""
    more = len(verdict.essms) - _SHOWN
    shown = ", ".join(verdict.essms[:_SHOWN]) + (f" et {more} autres" if more > 0 else "")
    message = f"{verdict.message} ({shown})" if shown else verdict.message
    return Reason(message, verdict.remedy, verdict.rule, verdict.source)


_WRITE = """
with written as (
  insert into reservation (id, number, vague, dispositif, supplier_id, og_id, og_finess_juridique,
    solution_version, essms, most_essms, most_renewals, state, version, reserved_at, expires_at, renewed,
    law_digest)
  values ($1, 'RS-' || $2 || '-' || lpad(nextval('reservation_number')::text, 6, '0'), $3, $4, $5, $6, $7, $8,
    cardinality($9::text[]), $10, $11, 'active', 1, $12, $13, 0, $14)
  returning number
), lines as (
  insert into reservation_line (reservation_id, finess_geographique, supplier_id, og_id)
  select $1, finess, $5, $6 from unnest($9::text[]) as finess order by finess
), claims as (
  insert into claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id, claimed_at)
  select $3, finess, 'reservation', $1, $5, $6, $12 from unnest($9::text[]) as finess order by finess
  on conflict (vague, finess_geographique) where released_at is null do nothing
  returning 1
), ends as (
  insert into deadline (rule, object_id, due_at, kind, supplier_id, og_id, facts)
  select $15, $1::uuid::text, $13, $15, $5, $6,
         $16::jsonb || jsonb_build_object('label', $17::text || number) from written
)
select count(*) from claims
"""


async def _write(
    con: asyncpg.Connection,
    actor: Actor,
    request: ReservationRequest,
    terms: Terms,
    law: Law,
    at: datetime,
) -> UUID:
    """The reservation, its lines, its claims in the order of their numbers, and its end, in one statement.

    Raises:
        _LostRaceError: a claim was not taken; the savepoint of the caller undoes the whole.
    """
    day, reservation_id = known_on(at), uuid4()
    dispositif, vague = dispositif_of(law, request.dispositif)
    with claiming(_LostRaceError):
        claimed = await con.fetchval(
            _WRITE,
            reservation_id,
            str(day.year),
            vague.code,
            request.dispositif,
            actor.organisation_id,
            await organisation_of_og(con, request.og),
            request.og,
            request.solution_version,
            sorted(request.essms),
            required(terms).most_essms,
            required(terms).renewals,
            at,
            expiry(day, terms, dispositif.fermeture.find(day, day)),
            law.digest,
            DEADLINE,
            _planned(terms),
            _LABEL,
        )
    if claimed < len(request.essms):
        raise _LostRaceError
    return reservation_id


def _planned(terms: Terms) -> dict[str, object]:
    """What is kept with the deadline of a reservation, beside its label."""
    return {"source": str(terms.source), "a_confirmer": terms.a_confirmer}


async def _end(con: asyncpg.Connection, reservation_id: UUID, state: str, at: datetime) -> None:
    """Ends a reservation by an expiry or by its supplier, and gives back what it holds."""
    await con.execute(
        "update reservation set state = $2, ended_at = $3 where id = $1", reservation_id, state, at
    )
    await con.execute(
        "update claim set released_at = $2, release_reason = 'expired'"
        " where holder_id = $1 and holder_kind = 'reservation' and released_at is null",
        reservation_id,
        at,
    )


async def _held(
    con: asyncpg.Connection, actor: Actor, reservation_id: UUID, law: Law, at: datetime
) -> ReservationView:
    await hold_reservations(con, [reservation_id])
    return await read_reservation(con, actor, reservation_id, law, at)


def _refused(view: ReservationView, code: str) -> Refused | None:
    reasons = next(action.reasons for action in view.actions if action.code == code)
    return Refused("reservation.refused", "reservation", str(view.id), reasons) if reasons else None


async def _told(
    con: asyncpg.Connection, actor: Actor, reservation_id: UUID, law: Law, at: datetime, event: str
) -> ReservationView:
    """The reservation after an act, told to its supplier and its OG."""
    view = await read_reservation(con, actor, reservation_id, law, at)
    await _tell(con, actor, at, event, view)
    return view


async def _tell(
    con: asyncpg.Connection, actor: Actor, at: datetime, event: str, view: ReservationView
) -> None:
    facts = {
        "number": view.number,
        "dispositif": view.dispositif,
        "solution_version": view.solution_version,
        "essms": len(view.lines),
        **({"until": view.expires_at.isoformat()} if view.state == "active" else {}),
    }
    await tell_parties(con, actor, at, event, view.id, (view.supplier_id, view.og_id), facts)
