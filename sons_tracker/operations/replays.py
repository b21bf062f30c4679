"""What was, or is to be, sent to a webhook; and sending the past again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.webhooks import OVER, find
from sons_tracker.rules.actions import Reason

MOST_REPLAYED = 5_000
_UNKNOWN = "Aucun avis visible ne porte cet identifiant."


@dataclass(frozen=True, slots=True)
class Delivery:
    """One way of a notice to a webhook. `state`: waiting, delivered, dead."""

    id: int
    event_id: UUID
    event: str
    round: int
    state: str
    attempts: int
    next_at: datetime | None
    ended_at: datetime | None
    last_status: int | None
    last_problem: str | None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """One page, newest first; `next_after` is the key of the next one, None on the last."""

    deliveries: tuple[Delivery, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What to send again to an endpoint: one notice, or those of a period of business time that its filter
    takes; with `missed_only`, among them those that never reached it."""

    event_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    missed_only: bool = True


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries were put back in line."""

    count: int


RenderReplay = Callable[[Replayed | Refused], Answer]


_REPLAY = """
insert into delivery (outbox_id, organisation_id, endpoint_id, round, state, attempts, created_at, next_at)
select o.id, o.organisation_id, e.id, past.rounds + 1, 'waiting', 0, now(), now()
from webhook_endpoint e
join outbox o on o.organisation_id = e.organisation_id and coalesce(o.endpoint_id, e.id) = e.id
cross join lateral (
  select greatest(coalesce(max(d.round), 1), 1) as rounds, coalesce(bool_or(d.state = 'waiting'), false)
    as waiting, coalesce(bool_or(d.state = 'delivered'), false) as delivered
  from delivery d where d.outbox_id = o.id and d.endpoint_id = e.id) past
where e.id = $1 and not past.waiting
  and case when $2::uuid is not null then o.id = $2
      else o.at >= $3 and o.at <= $4 and not ($5 and past.delivered)
           and e.events && array['*', o.event, split_part(o.event, '.', 1) || '.*'] end
order by o.number limit $6
"""


async def replay(
    actor: Actor, at: datetime, key: Key, endpoint_id: UUID, asked: ReplayRequest, render: RenderReplay
) -> Answer:
    """Puts notices of the past in line again, under the identifiers that they had; what still waits is left
    alone. Refused on a disabled endpoint, and beyond `MOST_REPLAYED` at once.

    Raises:
        SonsError: `NOT_FOUND` for the endpoint or the notice; `INVALID_REQUEST` unless one notice or the two
            ends of a period are given; as `perform`.
    """
    require(actor, "webhook.manage")
    period = asked.since is not None and asked.until is not None
    if (asked.event_id is None) != period or (asked.event_id is not None and (asked.since or asked.until)):
        problem = "Donnez soit « event_id », soit « since » et « until »."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$", problem),))

    async def work(con: asyncpg.Connection) -> Replayed | Refused:
        endpoint = await find(con, actor, endpoint_id, lock=True)
        if asked.event_id is not None and not await con.fetchval(
            "select 1 from outbox where id = $1 and organisation_id = $2",
            asked.event_id,
            actor.organisation_id,
        ):
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        reason = OVER if endpoint.disabled_at is not None else None
        count = 0
        if reason is None:
            done = await con.execute(
                _REPLAY,
                endpoint_id,
                asked.event_id,
                asked.since,
                asked.until,
                asked.missed_only,
                MOST_REPLAYED + 1,
            )
            count = int(done.rpartition(" ")[2])
        if count > MOST_REPLAYED:
            reason = Reason(
                f"Plus de {MOST_REPLAYED} avis sont à rejouer.", "Demandez des périodes plus courtes."
            )
        if asked.event_id is not None and count == 0 and reason is None:
            reason = Reason("Cet avis est déjà en attente d'envoi.", "Attendez l'issue de cet envoi.")
        if reason is not None:
            return Refused("webhook.replay_refused", "webhook", str(endpoint_id), (reason,))
        facts: dict[str, Any] = {
            "event_id": asked.event_id,
            "since": asked.since,
            "until": asked.until,
            "deliveries": count,
        }
        await journal.record(con, actor, at, "webhook.replayed", "webhook", str(endpoint_id), facts)
        return Replayed(count)

    return await perform(actor, at, key, work, render)


_ENDPOINTS_AGAIN = """
insert into delivery (outbox_id, organisation_id, endpoint_id, round, state, attempts, created_at, next_at)
select o.id, o.organisation_id, e.id, past.rounds + 1, 'waiting', 0, now(), now()
from outbox o
join webhook_endpoint e on e.organisation_id = o.organisation_id and e.disabled_at is null
  and case when o.endpoint_id is not null then e.id = o.endpoint_id
      else e.events && array['*', o.event, split_part(o.event, '.', 1) || '.*'] end
cross join lateral (
  select greatest(coalesce(max(d.round), 1), 1) as rounds, coalesce(bool_or(d.state = 'waiting'), false)
    as waiting from delivery d where d.outbox_id = o.id and d.endpoint_id = e.id) past
where o.id = $1 and not past.waiting
"""
_MAILBOXES_AGAIN = """
insert into delivery (outbox_id, organisation_id, person_id, round, state, attempts, created_at, next_at)
select o.id, o.organisation_id, p.id, past.rounds + 1, 'waiting', 0, now(), now()
from outbox o
join person p on p.email is not null and exists (
  select from membership m where m.person_id = p.id and m.organisation_id = o.organisation_id
    and m.removed_at is null)
cross join lateral (
  select greatest(coalesce(max(d.round), 1), 1) as rounds, coalesce(bool_or(d.state = 'waiting'), false)
    as waiting from delivery d where d.outbox_id = o.id and d.person_id = p.id) past
where o.id = $1 and o.mailed and not past.waiting
"""


async def replay_notice(
    actor: Actor, at: datetime, key: Key, notice_id: UUID, render: RenderReplay
) -> Answer:
    """Sends a notice of the actor's organisation again, by each of the ways that it has now. Refused when
    it has none, or when all of them still wait.

    Raises:
        SonsError: `NOT_FOUND`; as `perform`.
    """
    require(actor, "notice.replay")

    async def work(con: asyncpg.Connection) -> Replayed | Refused:
        if not await con.fetchval(
            "select 1 from outbox where id = $1 and organisation_id = $2", notice_id, actor.organisation_id
        ):
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        count = 0
        for statement in (_ENDPOINTS_AGAIN, _MAILBOXES_AGAIN):
            done = await con.execute(statement, notice_id)
            count += int(done.rpartition(" ")[2])
        if count == 0:
            reason = Reason(
                "Cet avis n'a aucune voie d'envoi, ou y est déjà en attente.",
                "Enregistrez un webhook qui reçoit cet événement, ou attendez l'issue de l'envoi.",
            )
            return Refused("notice.replay_refused", "notice", str(notice_id), (reason,))
        await journal.record(
            con, actor, at, "notice.replayed", "notice", str(notice_id), {"deliveries": count}
        )
        return Replayed(count)

    return await perform(actor, at, key, work, render)


async def list_deliveries(
    actor: Actor, endpoint_id: UUID, state: str | None, after: int | None, limit: int
) -> DeliveryPage:
    """What was, or is to be, sent to a webhook of the actor's organisation.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    require(actor, "webhook.read")
    async with transaction(actor.context, read_only=True) as con:
        await find(con, actor, endpoint_id)
        rows = await con.fetch(
            "select d.id, d.outbox_id as event_id, o.event, d.round, d.state, d.attempts, d.next_at,"
            " d.ended_at, d.last_status, d.last_problem from delivery d join outbox o on o.id = d.outbox_id"
            " where d.endpoint_id = $1 and ($2::text is null or d.state = $2)"
            " and ($3::bigint is null or d.id < $3) order by d.id desc limit $4",
            endpoint_id,
            state,
            after,
            limit + 1,
        )
    shown = tuple(Delivery(**dict(row)) for row in rows[:limit])
    return DeliveryPage(shown, shown[-1].id if len(rows) > limit else None)
