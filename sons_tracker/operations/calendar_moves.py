"""The deadlines of the orders that are not over, against the calendar of the law: what moves, and moving it.

A deadline that fired is never touched, and what it did is not undone. Where it did not end the order, a later
one that is learnt afterwards is planned too; but not the clôture of an order that it handed to a reviewer,
who decides (C15). The delay of the referencing (R12) is moved where it still runs, and never planned here:
whether a file is awaited is a question of the ANS list, not of the calendar.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from itertools import groupby
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.law import load
from sons_tracker.operations.actors import SCHEDULER, Actor
from sons_tracker.operations.deadlines import Due
from sons_tracker.operations.outbox import Announcement, announce_all
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.case import Case, Solution
from sons_tracker.rules.catalogue import READINGS
from sons_tracker.rules.context import open_case
from sons_tracker.rules.identifiers import FinessJuridique
from sons_tracker.rules.lifecycle import OPEN_STATES
from sons_tracker.rules.parameters import Etat
from sons_tracker.rules.schedule import Deadline, Reminder, deadlines, reminders, start_of_day
from sons_tracker.rules.texts import Law

KINDS = ("complete_file", "fermeture", "cloture")
_READING = "C3"  # a calendar is dated data with a publication date
_PUBLISHED = "Une version du calendrier, déjà dans le droit, est publiée"
_PAGE = 1000

_PLANNED = """
select o.id as order_id, o.number, o.state, o.dispositif, o.signed_on, o.supplier_id, o.og_id, k.kind,
       d.planned, d.fired
from purchase_order o
cross join unnest($2::text[]) as k (kind)
cross join lateral (
  select min(due_at) filter (where fired_at is null and superseded_at is null) as planned,
         max(due_at) filter (where fired_at is not null) as fired
  from deadline where order_id = o.id and kind = k.kind) d
where o.id = any($1) order by o.id, d.planned
"""
_NEXT = """
select id from purchase_order
where state = any($1) and ($2::uuid[] is null or id = any($2)) and ($3::uuid is null or id > $3)
order by id limit $4
"""
# As the tick does: an order first, its deadlines after, so that neither waits for the other.
_LOCK = "select id from purchase_order where id = any($1) and state = any($2) order by id for no key update"
_SUPERSEDE = """
update deadline d set superseded_at = $1
from unnest($2::uuid[], $3::text[]) as m (order_id, kind)
where d.order_id = m.order_id and (d.kind = m.kind or d.kind = 'reminder' and d.facts ->> 'of' = m.kind)
  and d.fired_at is null and d.superseded_at is null
"""
# What fired at that instant already is not planned again.
_PLAN = """
insert into deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)
select rule, order_id::text, due_at, kind, order_id, supplier_id, og_id, facts
from unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[], $5::uuid[], $6::uuid[], $7::jsonb[])
  as p (rule, order_id, due_at, kind, supplier_id, og_id, facts)
on conflict (rule, object_id, due_at) where superseded_at is null do nothing
"""


@dataclass(frozen=True, slots=True)
class Given:
    """What the law gives an order: a deadline, with its reminders that are still ahead."""

    deadline: Deadline
    reminders: tuple[Reminder, ...]

    @property
    def rows(self) -> tuple[Deadline | Reminder, ...]:
        """What is planned for it."""
        return (self.deadline, *self.reminders)


Calendar = Callable[[str, date], Mapping[str, Given]]
"""What the law gives by kind of deadline: `(dispositif, signed_on)`; a kind without a date is left out."""


@dataclass(frozen=True, slots=True)
class Move:
    """One deadline of an order: when it is now, and where the law puts it; None where there is none."""

    order_id: UUID
    number: str
    supplier_id: UUID
    og_id: UUID
    kind: str
    before: datetime | None
    given: Given | None

    @property
    def after(self) -> datetime | None:
        """Where the law puts it."""
        return None if self.given is None else self.given.deadline.at


@dataclass(frozen=True, slots=True)
class Moved:
    """How many orders had a deadline moved, and how many deadlines moved, their reminders apart."""

    orders: int
    deadlines: int


def calendar_of(law: Law, at: datetime) -> Calendar:
    """The calendar of the law as it is known at the business instant."""

    @cache
    def given(dispositif: str, signed_on: date) -> Mapping[str, Given]:
        # of the order only what the calendar reads; its version waits, so that R12 gives its day too
        waiting = Solution("", "", "", "", signed_on, ())
        case = Case(
            dispositif=dispositif,
            og=FinessJuridique(),
            signed_on=signed_on,
            received_at=at,
            already_equipped=None,
            supplier=None,
            solution_version="",
            solution=waiting,
            solution_list_on=signed_on,
            extraction=None,
            og_known=None,
            essms_of_og=None,
            other_orders=(),
            lines=(),
        )
        ctx = open_case(case, law, signed_on, known_on(at))
        days = ctx.vague.reminder_days.find(ctx.known_on, ctx.known_on)
        return {one.kind: Given(one, reminders((one,), days, at)) for one in deadlines(ctx)}

    return given


async def refuse_lost_dispositifs(con: asyncpg.Connection, law: Law) -> None:
    """Refuses a law under which an open order could no longer be read.

    Raises:
        SonsError: `INVALID_LAW`.
    """
    lost = await con.fetchval(
        "select string_agg(distinct dispositif, ', ') from purchase_order"
        " where state = any($1) and dispositif <> all($2)",
        OPEN_STATES,
        sorted(law.dispositifs),
    )
    if lost:
        raise SonsError(
            ErrorCode.INVALID_LAW,
            f"Des commandes sont en cours sous un dispositif que ce droit ignore : {lost}.",
        )


async def moves(con: asyncpg.Connection, calendar: Calendar, orders: Sequence[UUID]) -> list[Move]:
    """What the calendar moves of these orders, each order's moves together; nothing is written."""
    found = []
    for row in await con.fetch(_PLANNED, orders, KINDS):
        given = calendar(row["dispositif"], row["signed_on"]).get(row["kind"])
        parties = (row["order_id"], row["number"], row["supplier_id"], row["og_id"])
        move = Move(*parties, row["kind"], row["planned"], given)
        if _is_moved(move, row["fired"], row["state"]):
            found.append(move)
    return found


def _is_moved(move: Move, fired: datetime | None, state: str) -> bool:
    """Whether a deadline leaves its instant, or comes to one; `fired`: when this kind fired last."""
    if move.before is not None:
        return move.before != move.after
    if move.after is None or move.kind == "complete_file":
        return False
    handed_over = move.kind == "cloture" and state == "to_review"
    return fired is None or (fired < move.after and not handed_over)


async def follow_calendar(
    con: asyncpg.Connection, actor: Actor, law: Law, at: datetime, only: Sequence[UUID] | None = None
) -> Moved:
    """Makes the deadlines of the open orders those of the law, as known at the business instant `at`.

    What no longer holds is superseded, with its reminders; what the law gives instead is planned, with the
    reminders that are still ahead. An order whose deadlines are right is not touched: doing it again changes
    nothing. Journaled order by order; the supplier and the OG of each are told. `only`: among these orders.
    Runs in the transaction of the caller, an administrator or the scheduler, a page of orders at a time.

    Raises:
        SonsError: `INVALID_LAW` when the law has lost the dispositif of an open order.
    """
    await refuse_lost_dispositifs(con, law)
    calendar, parties = calendar_of(law, at), Counter[UUID]()
    orders, moved, last = 0, 0, None
    while page := await con.fetch(_NEXT, OPEN_STATES, only, last, _PAGE):
        last = page[-1]["id"]
        touched = {move.order_id for move in await moves(con, calendar, [row["id"] for row in page])}
        if not touched:
            continue
        # read again once they are held: some may have ended, or met their deadline, in between
        held = [row["id"] for row in await con.fetch(_LOCK, list(touched), OPEN_STATES)]
        found = await moves(con, calendar, held)
        await _write(con, at, found)
        by_order = [list(group) for _, group in groupby(found, key=lambda move: move.order_id)]
        await _tell(con, actor, at, law, by_order)
        for first, *_ in by_order:
            parties.update((first.supplier_id, first.og_id))
        orders, moved = orders + len(by_order), moved + len(found)
    digest = law.digest
    await announce_all(
        con,
        [
            Announcement(
                at, "calendar.moved", "law", digest, (party,), {"law_digest": digest, "orders": count}
            )
            for party, count in parties.items()
        ],
    )
    return Moved(orders, moved)


async def plan_publications(con: asyncpg.Connection, law: Law, at: datetime) -> None:
    """Plans the days on which a version of a calendar that this law holds already becomes known."""
    days = sorted(
        {
            max(version.depuis, version.publie_le)
            for one in law.dispositifs.values()
            for versions in (
                one.fermeture.versions,
                one.cloture.versions,
                one.referencing_delay_days.versions,
            )
            for version in versions
            if version.etat is Etat.EN_VIGUEUR
        }
    )
    await con.execute(
        "insert into deadline (rule, object_id, due_at, kind, facts)"
        " select $1, $2, due_at, 'publication', $3 from unnest($4::timestamptz[]) as due_at"
        " on conflict (rule, object_id, due_at) where superseded_at is null do nothing",
        _READING,
        law.digest,
        {"label": _PUBLISHED, "source": READINGS[_READING].title, "a_confirmer": False},
        [start_of_day(day) for day in days if day > known_on(at)],
    )


async def text_published(con: asyncpg.Connection, due: Due, at: datetime) -> None:
    """The day on which a version of a calendar becomes known: it moves what is undecided from then on."""
    await follow_calendar(con, SCHEDULER, load().law, due.due_at)


async def _write(con: asyncpg.Connection, at: datetime, found: Sequence[Move]) -> None:
    await con.execute(_SUPERSEDE, at, [move.order_id for move in found], [move.kind for move in found])
    rows = [(move, row) for move in found if move.given is not None for row in move.given.rows]
    await con.execute(
        _PLAN,
        [row.rule for _, row in rows],
        [move.order_id for move, _ in rows],
        [row.at for _, row in rows],
        [row.kind for _, row in rows],
        [move.supplier_id for move, _ in rows],
        [move.og_id for move, _ in rows],
        [row.facts for _, row in rows],
    )


async def _tell(
    con: asyncpg.Connection, actor: Actor, at: datetime, law: Law, by_order: Sequence[Sequence[Move]]
) -> None:
    entries, announcements = [], []
    for group in by_order:
        first, object_id = group[0], str(group[0].order_id)
        facts = {"law_digest": law.digest, "moves": [_told(move) for move in group]}
        entry = {"number": first.number, **facts}
        entries.append(journal.Entry(at, "deadline.moved", "order", object_id, entry))
        told = {"order_id": object_id, "order_number": first.number, **facts}
        parties = (first.supplier_id, first.og_id)
        announcements.append(Announcement(at, "deadline.moved", "order", object_id, parties, told))
    await journal.record_all(con, actor, entries)
    await announce_all(con, announcements)


def _told(move: Move) -> dict[str, Any]:
    """A move in the journal and outside: instants in ISO 8601, and where the new one comes from."""
    return {
        "kind": move.kind,
        "before": None if move.before is None else move.before.isoformat(),
        "after": None if move.after is None else move.after.isoformat(),
        **({} if move.given is None else move.given.deadline.facts),
    }
