"""The outbox: what is announced to an organisation is written in the transaction of what it tells (I6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.notices import EVENTS


@dataclass(frozen=True, slots=True)
class Notice:
    """One announcement as its recipient reads it; `delivery`: how many of its ways are in each state."""

    id: UUID
    number: int
    at: datetime
    event: str
    object_kind: str
    object_id: str
    facts: dict[str, Any]
    deliveries: dict[str, int]


@dataclass(frozen=True, slots=True)
class NoticePage:
    """One page, oldest first; `following` is where to go on from, also when there is nothing new yet."""

    notices: tuple[Notice, ...]
    following: int


@dataclass(frozen=True, slots=True)
class Announcement:
    """What `announce` takes, for many at once."""

    at: datetime
    event: str
    object_kind: str
    object_id: str
    recipients: Sequence[UUID]
    facts: Mapping[str, Any]


async def announce(
    con: asyncpg.Connection,
    at: datetime,
    event: str,
    object_kind: str,
    object_id: str,
    recipients: Sequence[UUID],
    facts: Mapping[str, Any],
) -> None:
    """Tells each recipient organisation once, when the caller's transaction commits.

    `at` is the business instant (aware); `event` one of `notices.EVENTS`. `facts` hold only what every
    recipient may know, never the name of a person; they are shown outside, where an integer `…_cents`
    becomes euros. E-mails also read, where given: `order_number`, `label` or `number` (of what it is
    about), `amount_ttc_cents` or `due_ttc_cents`, `until` (the last instant to act, ISO 8601 with offset),
    `reasons` (a list of sentences, or of reasons with their `message`) and `source`.

    Raises:
        ValueError: an event that is not in the list, an instant without offset.
    """
    await announce_all(con, [Announcement(at, event, object_kind, object_id, recipients, facts)])


async def announce_all(con: asyncpg.Connection, announcements: Sequence[Announcement]) -> None:
    """Tells many things in one statement, in their order; each as `announce` would, which raises the same."""
    for told in announcements:
        if told.event not in EVENTS:
            raise ValueError(f"{told.event!r} is not in notices.EVENTS: add its line there")
        if told.at.tzinfo is None:
            raise ValueError("the business instant must say its offset")
    rows = [(told, recipient) for told in announcements for recipient in sorted(set(told.recipients))]
    if not rows:
        return
    await con.execute(
        "insert into outbox (id, at, event, object_kind, object_id, organisation_id, mailed, facts)"
        " select id, at, event, object_kind, object_id, organisation_id, mailed, facts"
        " from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::uuid[],"
        " $7::boolean[], $8::jsonb[]) with ordinality as told (id, at, event, object_kind, object_id,"
        " organisation_id, mailed, facts, place) order by place",
        [uuid4() for _ in rows],
        [told.at for told, _ in rows],
        [told.event for told, _ in rows],
        [told.object_kind for told, _ in rows],
        [told.object_id for told, _ in rows],
        [recipient for _, recipient in rows],
        [EVENTS[told.event].mailed for told, _ in rows],
        [dict(told.facts) for told, _ in rows],
    )


_PAGE = """
select o.id, o.number, o.at, o.event, o.object_kind, o.object_id, o.facts,
       coalesce((select jsonb_object_agg(d.state, d.count) from (
         select state, count(*) from delivery where outbox_id = o.id group by state) d), '{}') as deliveries
from outbox o
where o.organisation_id = $1 and o.number > $2 and o.number <= $3
order by o.number limit $4
"""


async def list_notices(actor: Actor, after: int, limit: int) -> NoticePage:
    """The announcements to the actor's organisation that follow `after`, at most `limit`.

    Going on from `following` misses none and repeats none, even while others announce: what is still being
    written is left to a later page.
    """
    require(actor, "notice.read")
    async with transaction(actor.context, read_only=True) as con:
        # A statement of its own: the rows are read by a later snapshot than the limit up to which they go.
        up_to = await con.fetchval("select announced_up_to()")
        rows = await con.fetch(_PAGE, actor.organisation_id, after, up_to, limit)
    notices = tuple(Notice(**dict(row)) for row in rows)
    return NoticePage(notices, notices[-1].number if notices else after)
