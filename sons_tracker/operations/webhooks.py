"""The webhooks of an organisation: its addresses, their secrets, a test.

They live on the machine's clock, as tokens do; only the journal and the announcements are dated by the
business instant.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.addresses import checked_url
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.notices import EVENTS
from sons_tracker.operations.proofs import Door
from sons_tracker.rules.actions import Reason

MOST_ENDPOINTS = 10
"""Live endpoints of an organisation: each multiplies what is sent."""
LONGEST_OVERLAP = timedelta(days=7)
_UNKNOWN = "Aucun webhook visible ne porte cet identifiant."
OVER = Reason("Ce webhook est désactivé.", "Enregistrez à nouveau l'adresse : elle aura un nouveau secret.")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook as its organisation sees it. `secrets`: how many sign for it now, two while one replaces
    the other."""

    id: UUID
    organisation_id: UUID
    url: str
    events: tuple[str, ...]
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    secrets: int
    waiting: int
    dead: int


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer with the secret that it is the only one to show: what is kept for a replay has none."""

    answer: Answer
    secret: str | None = field(repr=False)


Render = Callable[[Endpoint | Refused], Answer]


def checked_events(events: tuple[str, ...], where: str = "$.events") -> tuple[str, ...]:
    """The filter of an endpoint, sorted: names of events, `noun.*`, or `*` for everything.

    Raises:
        SonsError: `INVALID_REQUEST`, with each that names no event.
    """
    nouns = {f"{name.partition('.')[0]}.*" for name in EVENTS}
    faults = tuple(
        Fault(f"{where}[{index}]", "Cette valeur ne désigne aucun événement connu.")
        for index, event in enumerate(events)
        if event not in EVENTS and event not in nouns and event != "*"
    )
    if faults:
        raise SonsError(ErrorCode.INVALID_REQUEST, "Un événement demandé n'existe pas.", faults)
    return tuple(sorted(set(events)))


def new_secret() -> str:
    """256 random bits as Standard Webhooks write them: `whsec_` and base 64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


async def register(
    actor: Actor,
    at: datetime,
    key: Key,
    url: str,
    events: tuple[str, ...],
    render: Render,
    *,
    door: Door,
    loopback: bool,
) -> Shown:
    """Registers an address for the actor's organisation. Its secret is in this answer alone: the kept one,
    that a replay of the key is given, does not have it, and the database has it sealed.

    Refused beyond `MOST_ENDPOINTS`.

    Raises:
        SonsError: `INVALID_REQUEST` for the address or the events; as `perform`.
    """
    require(actor, "webhook.manage")
    target, wanted = checked_url(url, loopback=loopback), checked_events(events)
    endpoint_id, secret = uuid4(), new_secret()

    async def work(con: asyncpg.Connection) -> Endpoint | Refused:
        await con.execute(
            "select pg_advisory_xact_lock(hashtext('sons.webhooks'), hashtext($1))",
            str(actor.organisation_id),
        )
        live = await con.fetchval(
            "select count(*) from webhook_endpoint where organisation_id = $1 and disabled_at is null",
            actor.organisation_id,
        )
        if live >= MOST_ENDPOINTS:
            reason = Reason(
                f"Votre organisation a déjà {MOST_ENDPOINTS} webhooks.",
                "Désactivez-en un, ou partagez une adresse entre plusieurs usages.",
            )
            return Refused("webhook.refused", "organisation", str(actor.organisation_id), (reason,))
        await con.execute(
            "insert into webhook_endpoint (id, organisation_id, url, events, created_at)"
            " values ($1, $2, $3, $4, now())",
            endpoint_id,
            actor.organisation_id,
            target,
            list(wanted),
        )
        await _add_secret(con, endpoint_id, actor, door.seal(secret))
        # the address itself may carry a key of its owner
        facts = {"host": httpx.URL(target).host, "events": list(wanted)}
        await journal.record(con, actor, at, "webhook.registered", "webhook", str(endpoint_id), facts)
        return await find(con, actor, endpoint_id)

    return _shown(await perform(actor, at, key, work, render), secret)


async def rotate(
    actor: Actor,
    at: datetime,
    key: Key,
    endpoint_id: UUID,
    overlap: timedelta,
    render: Render,
    *,
    door: Door,
) -> Shown:
    """A new secret; the one that signed until now signs beside it during `overlap`, an older one no more.

    Refused on a disabled endpoint.

    Raises:
        SonsError: `NOT_FOUND`; `INVALID_REQUEST` for an overlap out of bounds; as `perform`.
    """
    require(actor, "webhook.manage")
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        problem = f"Le recouvrement va de 0 à {LONGEST_OVERLAP.days} jours."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.overlap_hours", problem),))
    secret = new_secret()

    async def work(con: asyncpg.Connection) -> Endpoint | Refused:
        endpoint = await find(con, actor, endpoint_id, lock=True)
        if endpoint.disabled_at is not None:
            return Refused("webhook.rotation_refused", "webhook", str(endpoint_id), (OVER,))
        await con.execute(
            "update webhook_secret set expires_at = case when expires_at is null then now() + $2::interval"
            " else now() end where endpoint_id = $1 and (expires_at is null or expires_at > now())",
            endpoint_id,
            overlap,
        )
        await _add_secret(con, endpoint_id, actor, door.seal(secret))
        facts = {"overlap_seconds": int(overlap.total_seconds())}
        await journal.record(con, actor, at, "webhook.rotated", "webhook", str(endpoint_id), facts)
        return await find(con, actor, endpoint_id)

    return _shown(await perform(actor, at, key, work, render), secret)


async def disable(actor: Actor, at: datetime, key: Key, endpoint_id: UUID, render: Render) -> Answer:
    """Nothing more is sent to the endpoint, not even what waits; for good. Refused when it is already so.

    Raises:
        SonsError: `NOT_FOUND`; as `perform`.
    """
    require(actor, "webhook.manage")

    async def work(con: asyncpg.Connection) -> Endpoint | Refused:
        endpoint = await find(con, actor, endpoint_id, lock=True)
        if endpoint.disabled_at is not None:
            return Refused("webhook.disabling_refused", "webhook", str(endpoint_id), (OVER,))
        await con.execute(
            "update webhook_endpoint set disabled_at = now(), disabled_reason = 'asked' where id = $1",
            endpoint_id,
        )
        facts = {"reason": "asked"}
        await journal.record(con, actor, at, "webhook.disabled", "webhook", str(endpoint_id), facts)
        return await find(con, actor, endpoint_id)

    return await perform(actor, at, key, work, render)


async def ping(actor: Actor, at: datetime, key: Key, endpoint_id: UUID, render: Render) -> Answer:
    """Announces a `webhook.ping` to this endpoint alone, whatever its filter. Refused once disabled.

    Raises:
        SonsError: `NOT_FOUND`; as `perform`.
    """
    require(actor, "webhook.manage")

    async def work(con: asyncpg.Connection) -> Endpoint | Refused:
        endpoint = await find(con, actor, endpoint_id, lock=True)
        if endpoint.disabled_at is not None:
            return Refused("webhook.ping_refused", "webhook", str(endpoint_id), (OVER,))
        await con.execute(
            "insert into outbox (id, at, event, object_kind, object_id, organisation_id, endpoint_id,"
            " mailed, facts) values ($1, $2, 'webhook.ping', 'webhook', $3, $4, $5, false, '{}')",
            uuid4(),
            at,
            str(endpoint_id),
            actor.organisation_id,
            endpoint_id,
        )
        await journal.record(con, actor, at, "webhook.pinged", "webhook", str(endpoint_id), {})
        return await find(con, actor, endpoint_id)

    return await perform(actor, at, key, work, render)


_ENDPOINTS = """
select e.*,
       (select count(*) from webhook_secret s
        where s.endpoint_id = e.id and (s.expires_at is null or s.expires_at > now())) as secrets,
       (select count(*) from delivery d where d.endpoint_id = e.id and d.state = 'waiting') as waiting,
       (select count(*) from delivery d where d.endpoint_id = e.id and d.state = 'dead') as dead
from webhook_endpoint e
where e.organisation_id = $1 and ($2::uuid is null or e.id = $2)
order by e.created_at, e.id
"""


async def list_endpoints(actor: Actor) -> tuple[Endpoint, ...]:
    """The webhooks of the actor's organisation, the oldest first, disabled ones included."""
    require(actor, "webhook.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(_ENDPOINTS, actor.organisation_id, None)
    return tuple(_endpoint(row) for row in rows)


async def find(con: asyncpg.Connection, actor: Actor, endpoint_id: UUID, *, lock: bool = False) -> Endpoint:
    """A webhook of the actor's organisation, in the caller's transaction.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown one and for another organisation's.
    """
    if lock:
        await con.execute("select from webhook_endpoint where id = $1 for update", endpoint_id)
    row = await con.fetchrow(_ENDPOINTS, actor.organisation_id, endpoint_id)
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return _endpoint(row)


def _endpoint(row: Any) -> Endpoint:
    return Endpoint(**{**dict(row), "events": tuple(row["events"])})


async def _add_secret(con: asyncpg.Connection, endpoint_id: UUID, actor: Actor, sealed: bytes) -> None:
    await con.execute(
        "insert into webhook_secret (id, endpoint_id, organisation_id, sealed, created_at)"
        " values ($1, $2, $3, $4, now())",
        uuid4(),
        endpoint_id,
        actor.organisation_id,
        sealed,
    )


def _shown(answer: Answer, secret: str) -> Shown:
    fresh = answer.status < 400 and not answer.replayed
    return Shown(answer, secret if fresh else None)
