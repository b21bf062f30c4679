"""Announcements, webhooks and settings of a sender, for tests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from sons_tracker.db.engine import transaction
from sons_tracker.operations import webhooks
from sons_tracker.operations.actors import SCHEDULER, Actor
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.outbox import announce
from sons_tracker.operations.proofs import Door
from sons_tracker.settings import Settings
from tests.factories import AT


def a_key(name: str | None = None) -> Key:
    """A key that no other test has."""
    return Key(name or uuid4().hex, "test", hashlib.sha256(b"test").digest())


def kept(outcome: Any) -> Answer:
    """The answer that a test lets an act keep: what it returned, as JSON; 409 for a refusal."""
    return Answer(409 if isinstance(outcome, Refused) else 200, msgspec.json.encode(outcome))


def sending(settings: Settings, **changes: Any) -> Settings:
    """Settings whose webhooks may go to this machine."""
    return replace(settings, webhooks_on_loopback=True, **changes)


DOOR = Door.of(Settings.from_env({}))
"""The door of a sandbox, which has a key that everyone knows."""


@dataclass(frozen=True, slots=True)
class AWebhook:
    """A webhook that was registered, with its secret."""

    id: UUID
    secret: str


async def a_webhook(actor: Actor, url: str, *events: str) -> AWebhook:
    """Registers an address, for every event by default."""
    shown = await webhooks.register(actor, AT, a_key(), url, events or ("*",), kept, door=DOOR, loopback=True)
    assert shown.answer.status == 200, shown.answer.body
    assert shown.secret is not None
    return AWebhook(UUID(msgspec.json.decode(shown.answer.body)["id"]), shown.secret)


async def announced(
    *recipients: Actor,
    event: str = "payment.paid",
    facts: dict[str, Any] | None = None,
    at: datetime = AT,
    object_id: str | None = None,
) -> str:
    """Tells organisations something as the scheduler would; returns the identifier of its object."""
    named = object_id or str(uuid4())
    async with transaction(SCHEDULER.context) as con:
        ids = [actor.organisation_id for actor in recipients if actor.organisation_id is not None]
        await announce(con, at, event, "payment", named, ids, facts or {})
    return named
