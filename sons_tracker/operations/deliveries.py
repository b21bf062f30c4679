"""What waits to be sent: claimed with a lease, sent outside any transaction (room `delivery`), concluded.

At least once: a sender that dies between sending and concluding leaves its claim to run out, and the same
event leaves again under the same identifier. In no order: an endpoint that was down receives the new before
the old. Everything here is on the machine's clock.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.clock import business_instant
from sons_tracker.operations.outbox import announce

SENDER = Actor(None, None, "sender", None, "system")
"""Who delivers: it sees what waits, the sealed secrets and the mailboxes, and nothing of the orders."""

LEASE = timedelta(minutes=2)
"""How long a claim holds: more than the longest sending, so that only a dead sender's runs out."""
BACK_OFF = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""The waits between attempts, three days in all; after the last attempt a delivery is dead."""
JITTER = 0.2
FAILING_FOR = timedelta(days=5)
"""An endpoint that refuses everything for so long is disabled."""

MOST_IN_LETTER = 200
"""How many notices of one event a letter tells."""

Verdict = Literal["delivered", "failed", "refused", "gone", "unconfigured"]


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt to make. A webhook has `url` and its secrets as they are `sealed`, newest first; an e-mail
    has `mailbox`, and `more`: the other notices of the same event that wait for it, told by the same letter.
    `void` says why nothing is to be sent any more, if so."""

    delivery_id: int
    attempt: int
    event_id: UUID
    at: datetime
    event: str
    object_kind: str
    object_id: str
    organisation_id: UUID
    facts: dict[str, Any]
    endpoint_id: UUID | None
    url: str | None = field(repr=False)
    sealed: tuple[bytes, ...] = field(repr=False)
    person_id: UUID | None
    mailbox: str | None = field(repr=False)
    void: str | None
    more: tuple[Job, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `failed` is tried again later; `refused` never; `gone` (410) ends the endpoint
    too; `unconfigured`: there is no way out for e-mails here. `status` is HTTP's or SMTP's; `problem` a
    French sentence without any content of the answer."""

    verdict: Verdict
    status: int | None = None
    problem: str | None = None


_DUE = """
select id from delivery
where state = 'waiting' and next_at <= now() and (endpoint_id is null or endpoint_id <> all ($2))
order by next_at, id limit $3 for update skip locked
"""
# A date that many orders share would otherwise be as many letters to each member of their supplier.
_SAME_LETTER = """
select d.id from delivery d join outbox o on o.id = d.outbox_id
where d.person_id = $2 and d.state = 'waiting' and d.next_at <= now()
  and o.organisation_id = $3 and o.event = $4
order by d.id limit $5 for update of d skip locked
"""
_CLAIM = """
with due as ({due}), claimed as (
  update delivery d set attempts = d.attempts + 1, next_at = now() + $1::interval
  from due where d.id = due.id
  returning d.id as delivery_id, d.attempts as attempt, d.outbox_id, d.endpoint_id, d.person_id
)
select c.delivery_id, c.attempt, o.id as event_id, o.at, o.event, o.object_kind, o.object_id,
       o.organisation_id, o.facts, c.endpoint_id, e.url, c.person_id, p.email as mailbox,
       array(select signing_secrets(c.endpoint_id)) as sealed,
       case when e.disabled_at is not null then 'Le webhook est désactivé.'
            when c.person_id is not null and p.email is null then 'Cette personne n''a plus d''adresse.'
       end as void
from claimed c
join outbox o on o.id = c.outbox_id
left join webhook_endpoint e on e.id = c.endpoint_id
left join person p on p.id = c.person_id
order by o.number, c.delivery_id
"""
_CLAIM_DUE, _CLAIM_SAME_LETTER = (_CLAIM.replace("{due}", due) for due in (_DUE, _SAME_LETTER))


async def claim(limit: int, busy: Sequence[UUID]) -> list[Job]:
    """Takes at most `limit` deliveries that are due, but none to the `busy` endpoints; other senders skip
    them until their lease ends. With an e-mail come the others that its letter can tell."""
    async with transaction(SENDER.context) as con:
        jobs = [_job(row) for row in await con.fetch(_CLAIM_DUE, LEASE, list(busy), limit)]
        for place, job in enumerate(jobs):
            if job.person_id is not None:
                rows = await con.fetch(
                    _CLAIM_SAME_LETTER,
                    LEASE,
                    job.person_id,
                    job.organisation_id,
                    job.event,
                    MOST_IN_LETTER - 1,
                )
                jobs[place] = replace(job, more=tuple(_job(row) for row in rows))
    return jobs


def _job(row: Any) -> Job:
    return Job(**{**dict(row), "sealed": tuple(row["sealed"])})


async def conclude(job: Job, outcome: Outcome) -> bool:
    """Writes how an attempt ended; False when its lease ran out and another attempt has begun since."""
    async with transaction(SENDER.context) as con:
        for told in job.more:
            await _end(con, told, outcome)
        if not await _end(con, job, outcome):
            return False
        if job.endpoint_id is not None and job.void is None:
            await _watch(con, job, outcome)
    return True


async def _end(con: asyncpg.Connection, job: Job, outcome: Outcome) -> bool:
    state = {"delivered": "delivered", "unconfigured": "unconfigured"}.get(outcome.verdict, "dead")
    wait: timedelta | None = None
    if outcome.verdict == "failed" and job.attempt <= len(BACK_OFF):
        state, wait = "waiting", BACK_OFF[job.attempt - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # nosec B311 # no secret is drawn
    done = await con.fetchval(
        "update delivery set state = $3, next_at = now() + $4::interval,"
        " ended_at = case when $4::interval is null then now() end, last_status = $5, last_problem = $6"
        " where id = $1 and attempts = $2 and state = 'waiting' returning true",
        job.delivery_id,
        job.attempt,
        state,
        wait,
        outcome.status,
        outcome.problem,
    )
    return done is not None


async def _watch(con: asyncpg.Connection, job: Job, outcome: Outcome) -> None:
    """What an attempt says of its endpoint: it works again, it fails since, it is not worth trying."""
    if outcome.verdict == "delivered":
        await con.execute(
            "update webhook_endpoint set failing_since = null"
            " where id = $1 and failing_since is not null and disabled_at is null",
            job.endpoint_id,
        )
        return
    reason = await con.fetchval(
        "update webhook_endpoint set failing_since = coalesce(failing_since, now()),"
        " disabled_at = case when $2 or failing_since < now() - $3::interval then now() end,"
        " disabled_reason = case when $2 then 'gone'"
        "   when failing_since < now() - $3::interval then 'failing' end"
        " where id = $1 and disabled_at is null returning disabled_reason",
        job.endpoint_id,
        outcome.verdict == "gone",
        FAILING_FOR,
    )
    if reason is not None:
        at, endpoint_id = await business_instant(con), str(job.endpoint_id)
        facts = {"reason": reason, "status": outcome.status}
        await journal.record(con, SENDER, at, "webhook.disabled", "webhook", endpoint_id, facts)
        await announce(con, at, "webhook.disabled", "webhook", endpoint_id, [job.organisation_id], facts)
