"""Calendar feeds: an organisation's deadlines as iCalendar, under an address that is a secret.

A calendar program keeps an address and sends no token. So the address carries 256 random bits, shown once
and kept as a digest, and reads nothing but the deadlines of its organisation, until it is revoked.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import asyncpg
from icalendar import Calendar, Event

from sons_tracker.db import journal
from sons_tracker.db.engine import RowContext, ask, transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.clock import business_instant
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.webhooks import Shown
from sons_tracker.rules.actions import Reason

MOST_FEEDS = 20
MOST_EVENTS = 5_000
KEPT_PAST = timedelta(days=90)
"""How long a deadline stays in the feed once it is past: long enough to see what was missed."""
_LENGTH = 43  # 32 bytes in base 64 for addresses, without padding
_UNKNOWN = "Aucun calendrier visible ne porte cet identifiant."
# Nobody's role: it sees the rows of its organisation, has no right of any role, and reads in a transaction
# that is read-only.
_READER = "calendar"
# A feed shows what falls due; what only announces it, a calendar program does by itself.
_NOT_SHOWN = ("reminder", "notice")


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar feed as its organisation sees it: everything but its address."""

    id: UUID
    created_at: datetime
    created_by: UUID | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class CalendarFile:
    """A feed as it is served: the text, and the tag that changes with it."""

    content: bytes
    etag: str


Render = Callable[[Feed | Refused], Answer]


async def create(actor: Actor, at: datetime, key: Key, render: Render) -> Shown:
    """A feed of the actor's organisation. Its secret is in this answer alone. Refused beyond `MOST_FEEDS`.

    Raises:
        SonsError: as `perform`.
    """
    require(actor, "feed.manage")
    feed_id, secret = uuid4(), secrets.token_urlsafe(32)

    async def work(con: asyncpg.Connection) -> Feed | Refused:
        organisation = str(actor.organisation_id)
        await con.execute("select pg_advisory_xact_lock(hashtext('sons.feeds'), hashtext($1))", organisation)
        live = await con.fetchval(
            "select count(*) from calendar_feed where organisation_id = $1 and revoked_at is null",
            actor.organisation_id,
        )
        if live >= MOST_FEEDS:
            reason = Reason(f"Votre organisation a déjà {MOST_FEEDS} calendriers.", "Révoquez-en un.")
            return Refused("feed.refused", "organisation", organisation, (reason,))
        await con.execute(
            "insert into calendar_feed (id, organisation_id, secret_sha256, created_at, created_by)"
            " values ($1, $2, $3, now(), $4)",
            feed_id,
            actor.organisation_id,
            _digest(secret),
            actor.person_id,
        )
        await journal.record(con, actor, at, "feed.created", "feed", str(feed_id), {})
        return await _find(con, actor, feed_id)

    answer = await perform(actor, at, key, work, render)
    return Shown(answer, secret if answer.status < 400 and not answer.replayed else None)


async def revoke(actor: Actor, at: datetime, key: Key, feed_id: UUID, render: Render) -> Answer:
    """The address answers no more, from now on and for good. Refused when it is already so.

    Raises:
        SonsError: `NOT_FOUND`; as `perform`.
    """
    require(actor, "feed.manage")

    async def work(con: asyncpg.Connection) -> Feed | Refused:
        await con.execute("select from calendar_feed where id = $1 for update", feed_id)
        feed = await _find(con, actor, feed_id)
        if feed.revoked_at is not None:
            reason = Reason("Ce calendrier est déjà révoqué.")
            return Refused("feed.revocation_refused", "feed", str(feed_id), (reason,))
        await con.execute("update calendar_feed set revoked_at = now() where id = $1", feed_id)
        await journal.record(con, actor, at, "feed.revoked", "feed", str(feed_id), {})
        return await _find(con, actor, feed_id)

    return await perform(actor, at, key, work, render)


_FEEDS = """
select id, created_at, created_by, revoked_at from calendar_feed
where organisation_id = $1 and ($2::uuid is null or id = $2) order by created_at, id
"""


async def list_feeds(actor: Actor) -> tuple[Feed, ...]:
    """The feeds of the actor's organisation, the oldest first, revoked ones included."""
    require(actor, "feed.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(_FEEDS, actor.organisation_id, None)
    return tuple(Feed(**dict(row)) for row in rows)


_DEADLINES = """
select d.rule, d.object_id, d.due_at, d.kind, d.facts, d.fired_at, d.superseded_at, o.number, o.state,
       o.received_at
from deadline d left join purchase_order o on o.id = d.order_id
where d.due_at >= $1 and d.kind <> all ($2)
order by d.due_at, o.number, d.rule, d.object_id limit $3
"""


async def read_calendar(secret: str) -> CalendarFile:
    """The feed behind an address: the deadlines of its organisation, the nearest `MOST_EVENTS` of them.

    A deadline keeps its identifier as long as it exists; one that a new text superseded is shown as
    cancelled, beside the one that replaces it. The text changes only when a deadline does.

    Raises:
        SonsError: `NOT_FOUND`, the same for an address unknown, malformed or revoked.
    """
    unknown = SonsError(ErrorCode.NOT_FOUND, "Aucun calendrier n'existe à cette adresse.")
    if not secret.isascii() or len(secret) != _LENGTH:
        raise unknown
    row = await ask("select organisation_id from calendar_feed_of($1)", _digest(secret))
    if row is None:
        raise unknown
    async with transaction(RowContext(row["organisation_id"], _READER), read_only=True) as con:
        since = await business_instant(con) - KEPT_PAST
        rows = await con.fetch(_DEADLINES, since, list(_NOT_SHOWN), MOST_EVENTS + 1)
    content = _calendar(rows[:MOST_EVENTS], truncated=len(rows) > MOST_EVENTS).to_ical()
    return CalendarFile(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _calendar(rows: list[Any], *, truncated: bool) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", "-//sons_tracker//FR")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", "SONS : échéances")
    calendar.add("refresh-interval", timedelta(hours=6), parameters={"VALUE": "DURATION"})
    if truncated:
        calendar.add("x-wr-caldesc", f"Les {MOST_EVENTS} premières échéances ; l'API les donne toutes.")
    for row in rows:
        calendar.add_component(_event(row))
    return calendar


def _event(row: Any) -> Event:
    facts, cancelled = row["facts"], row["superseded_at"] is not None
    label = str(facts.get("label") or "Échéance")
    number = row["number"]
    event = Event()
    event.add("uid", f"{uuid5(NAMESPACE_URL, _identity(row))}@sons-tracker")
    event.add("summary", f"{number} : {label}" if number else label)
    # the last instant itself, and no duration: a deadline is a point
    event.add("dtstart", row["due_at"].astimezone(UTC).replace(microsecond=0))
    event.add("dtstamp", (row["superseded_at"] or row["received_at"] or row["due_at"]).astimezone(UTC))
    event.add("sequence", int(cancelled))
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    event.add("description", "\n".join(_description(row, facts)))
    return event


def _description(row: Any, facts: dict[str, Any]) -> list[str]:
    reserved = row["kind"] == "reservation"
    ended = "Réservation terminée ou renouvelée." if reserved else "Remplacée par un nouveau texte."
    lines = [ended] if row["superseded_at"] is not None else []
    if source := facts.get("source"):
        lines.append(f"Source : {source}")
    if facts.get("a_confirmer"):
        lines.append("Date à confirmer.")
    if not reserved:  # no rule of the law: its source says so
        lines.append(f"Règle {row['rule']}.")
    return lines


def _identity(row: Any) -> str:
    """A deadline is its primary key."""
    return f"sons-tracker:{row['rule']}:{row['object_id']}:{row['due_at'].astimezone(UTC).isoformat()}"


async def _find(con: asyncpg.Connection, actor: Actor, feed_id: UUID) -> Feed:
    row = await con.fetchrow(_FEEDS, actor.organisation_id, feed_id)
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return Feed(**dict(row))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
