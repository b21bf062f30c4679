"""One act of a party: its key, its transaction, its answer; a refusal changes nothing but the journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import retrying, savepoint, transaction
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.idempotency import Answer, Key, keep_answer, open_key
from sons_tracker.operations.outbox import Announcement, announce_all
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.dossier import Dossier

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer to an act that cannot be done. `event` names it in the journal, e.g. `advance.refused`."""

    event: str
    object_kind: str
    object_id: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class OrderParties:
    """An order and who is told of it."""

    id: UUID
    number: str
    supplier_id: UUID
    og_id: UUID


class _UndoneError(Exception):
    """Takes back what an act wrote before it found its reason to refuse."""


@retrying
async def perform(
    actor: Actor,
    at: datetime,
    key: Key,
    work: Callable[[asyncpg.Connection], Awaitable[T | Refused]],
    render: Callable[[T | Refused], Answer],
) -> Answer:
    """Runs `work` in one transaction, under an idempotency key; the answer is stored with its effect.

    When `work` returns `Refused`, whatever it wrote is undone, the refusal is journaled and its answer kept:
    the same request under the same key is told the same thing.

    Raises:
        SonsError: what `work` raises; `IDEMPOTENCY_MISMATCH`, `IDEMPOTENCY_IN_FLIGHT`, `UNAVAILABLE`.
    """
    async with transaction(actor.context) as con:
        kept = await open_key(con, actor, key)
        if kept is not None:
            return kept
        outcome: T | Refused
        try:
            async with savepoint(con):
                outcome = await work(con)
                if isinstance(outcome, Refused):
                    raise _UndoneError
        except _UndoneError:
            pass
        if isinstance(outcome, Refused):
            await record_refusal(con, actor, at, outcome)
        answer = render(outcome)
        await keep_answer(con, actor, key, answer)
        return answer


async def record_refusal(con: asyncpg.Connection, actor: Actor, at: datetime, refused: Refused) -> None:
    """Journals a refusal with its reasons."""
    facts = {"reasons": [asdict(reason) for reason in refused.reasons]}
    await journal.record(con, actor, at, refused.event, refused.object_kind, refused.object_id, facts)


async def tell(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    event: str,
    dossier: Dossier,
    facts: Mapping[str, Any],
) -> None:
    """Journals an event of an order and announces it to its supplier and its OG, with the same facts."""
    order = OrderParties(dossier.id, dossier.number, dossier.supplier_id, dossier.og_id)
    await tell_all(con, actor, event, [(order, at, facts)])


async def tell_all(
    con: asyncpg.Connection,
    actor: Actor,
    event: str,
    said: Sequence[tuple[OrderParties, datetime, Mapping[str, Any]]],
) -> None:
    """The same event of many orders, each with its instant and its facts, in two statements."""
    entries, announced = [], []
    for order, at, plain in said:
        facts, order_id = {"order_number": order.number, **plain}, str(order.id)
        entries.append(journal.Entry(at, event, "order", order_id, facts))
        parties = (order.supplier_id, order.og_id)
        announced.append(Announcement(at, event, "order", order_id, parties, facts))
    await journal.record_all(con, actor, entries)
    await announce_all(con, announced)
