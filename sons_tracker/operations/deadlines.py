"""Deadlines that come due: claimed by whichever process asks, taking effect once, dated by their due instant.

A deadline is inclusive: it takes effect strictly after its last instant. The deadlines of one order take
effect one after the other, under the lock of the order, so that two processes after a long stop never meet
its clôture before its fermeture.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import retrying, savepoint, transaction
from sons_tracker.operations.actors import SCHEDULER, require
from sons_tracker.operations.outbox import Announcement, announce_all
from sons_tracker.rules.lifecycle import OPEN_STATES

ROWS_PER_TICK = 10_000
_BATCH = 500
_log = logging.getLogger(__name__)

Key: TypeAlias = tuple[datetime, str, str]
_BEGINNING: Key = (datetime.min.replace(tzinfo=UTC), "", "")


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline that is reached. `facts` are those it was planned with: `label`, `source`, `a_confirmer`,
    and for a reminder `of`, `days` and `deadline_at`. `object_id` is the order's, or what the `kind` is
    about: a correction, a reservation.
    """

    rule: str
    object_id: str
    due_at: datetime
    kind: str
    order_id: UUID | None
    supplier_id: UUID | None
    og_id: UUID | None
    facts: Mapping[str, Any]
    order_number: str | None = None

    @property
    def key(self) -> Key:
        """Its place in the order of time."""
        return self.due_at, self.rule, self.object_id


Effect: TypeAlias = Callable[[asyncpg.Connection, Sequence[Due], datetime], Awaitable[None]]
"""What deadlines of one kind do, in the transaction of the tick and as the scheduler: `(con, dues, at)`.

At most one deadline of an order comes at a time. Everything that is written is dated by its own `due_at`;
`at`, the business instant of the tick, is only for what must not be dated before it was known. What it raises
is undone, and looked for by halves: the deadline that fails alone is logged, and stays due.
"""


async def only_told(con: asyncpg.Connection, dues: Sequence[Due], at: datetime) -> None:
    """The effect of what is journaled and announced, and nothing more."""


def one_by_one(effect: Callable[[asyncpg.Connection, Due, datetime], Awaitable[None]]) -> Effect:
    """The effect of what comes seldom: one deadline after the other."""

    async def of_each(con: asyncpg.Connection, dues: Sequence[Due], at: datetime) -> None:
        for due in dues:
            await effect(con, due, at)

    return of_each


# What is checked at the commit would otherwise fail there, and take the whole batch with it, tick after tick.
_CHECK_NOW = "set constraints all immediate; set constraints all deferred"
_TEXT = "publication"
_WHOLE_AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""What asks for the whole transaction again, not for one effect less."""

_OLDEST = """
select rule, object_id, due_at, order_id, kind from deadline
where due_at < $1 and fired_at is null and superseded_at is null
  and (due_at, rule, object_id) > ($2, $3, $4)
order by due_at, rule, object_id limit $5
"""
# An operation locks its order first and touches its deadlines after; so does the tick, and neither waits for
# the other while holding what it needs.
_ORDERS = "select id from purchase_order where id = any($1) order by id for no key update"
# A statement of its own: what its orders' last holder has written is visible to it.
_OF_ORDERS = """
select d.rule, d.object_id, d.due_at, d.kind, d.order_id, d.supplier_id, d.og_id, d.facts,
       o.number as order_number, o.state,
       case when d.kind = 'reminder' then array(select r.kind from financing_request r
         where r.order_id = d.order_id and r.state <> 'inadmissible') end as asked
from deadline d join purchase_order o on o.id = d.order_id
where d.order_id = any($1) and d.fired_at is null and d.superseded_at is null
  and (d.due_at, d.rule, d.object_id) <= ($2, $3, $4)
"""
_ALONE = """
select d.rule, d.object_id, d.due_at, d.kind, d.order_id, d.supplier_id, d.og_id, d.facts
from unnest($1::timestamptz[], $2::text[], $3::text[]) as k (due_at, rule, object_id)
join deadline d on (d.due_at, d.rule, d.object_id) = (k.due_at, k.rule, k.object_id)
where d.fired_at is null and d.superseded_at is null
order by d.due_at, d.rule, d.object_id for update of d
"""
_SILENCE = """
update deadline d set superseded_at = d.due_at
from unnest($1::timestamptz[], $2::text[], $3::text[]) as k (due_at, rule, object_id)
where (d.due_at, d.rule, d.object_id) = (k.due_at, k.rule, k.object_id)
  and d.fired_at is null and d.superseded_at is null
"""
_DUE_COLUMNS = ("rule", "object_id", "due_at", "kind", "order_id", "supplier_id", "og_id", "facts")
_MARK = """
update deadline d set fired_at = $1
from unnest($2::timestamptz[], $3::text[], $4::text[]) as k (due_at, rule, object_id)
where (d.due_at, d.rule, d.object_id) = (k.due_at, k.rule, k.object_id)
  and d.fired_at is null and d.superseded_at is null
returning d.due_at, d.rule, d.object_id
"""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What became of the oldest deadlines after a place; `last` is the place of the last one looked at."""

    fired: list[Due]
    failed: list[Due]
    last: Key


async def tick(at: datetime, *, limit: int = ROWS_PER_TICK, stop: asyncio.Event | None = None) -> list[Due]:
    """Fires what was due before the business instant `at`, oldest first; at most about `limit` deadlines.

    Any number of processes may tick together. A batch is one transaction: killed anywhere, what it had
    claimed is due again and its effects never happened. An effect that fails leaves its deadline due, and
    the later ones of its order with it, until the next tick. `stop` ends the tick after its batch.
    """
    fired: list[Due] = []
    failed: set[str] = set()
    while True:
        before, after = len(fired), _BEGINNING
        while len(fired) < limit and not (stop and stop.is_set()):
            batch = await _next_batch(at, min(_BATCH, limit - len(fired)), after, failed)
            if batch is None:
                break
            fired += batch.fired
            failed.update(_holder(due) for due in batch.failed)
            after = batch.last
        # another pass finds what the effects planned, and what another process held meanwhile
        if len(fired) == before or len(fired) >= limit or (stop and stop.is_set()):
            return fired


async def fire_all(con: asyncpg.Connection, at: datetime, since: datetime, stuck: set[str]) -> None:
    """Fires what is due from `since` on and before `at`, in the caller's transaction; waits for held orders.

    The context of the transaction is the scheduler's. `stuck` names the orders, and the deadlines without an
    order, whose effect failed: they are left alone, and those that fail are added.

    Raises:
        asyncpg.PostgresError: when an order stays held longer than the lock time-out.
    """
    while True:
        after, fired = (since, "", ""), 0
        while (batch := await _fire(con, at, _BATCH, after, stuck, wait=True)) is not None:
            fired += len(batch.fired)
            stuck.update(_holder(due) for due in batch.failed)
            after = batch.last
        if not fired:
            return


@retrying
async def _next_batch(at: datetime, size: int, after: Key, failed: Container[str]) -> _Batch | None:
    require(SCHEDULER, "deadline.fire")
    async with transaction(SCHEDULER.context) as con:
        return await _fire(con, at, size, after, failed, wait=False)


async def _fire(
    con: asyncpg.Connection, at: datetime, size: int, after: Key, failed: Container[str], *, wait: bool
) -> _Batch | None:
    """Fires the oldest deadlines after that place; None when there is none."""
    oldest = _up_to_a_text(await con.fetch(_OLDEST, at, *after, size))
    if not oldest:
        return None
    batch = _Batch([], [], (oldest[-1]["due_at"], oldest[-1]["rule"], oldest[-1]["object_id"]))
    dues = await _claim(con, oldest, batch.last, failed, wait=wait)
    if not dues and oldest[0]["kind"] == _TEXT and str(_key(oldest[0])) not in failed:
        return None  # another process is moving deadlines: nothing that comes later may go first
    for effect, group in _grouped(dues):
        parts = deque([group])  # all at once; if that fails, each half, down to the one that fails alone
        while parts:
            stuck = {_holder(due) for due in batch.failed}
            part = [due for due in parts.popleft() if _holder(due) not in stuck]
            if not part:
                continue
            try:
                async with savepoint(con):
                    reached = await _reach(con, at, part)
                    await effect(con, reached, at)
                    await con.execute(_CHECK_NOW)
            except Exception as error:
                if con.is_closed() or isinstance(error, _WHOLE_AGAIN):
                    raise
                if len(part) > 1:
                    half = len(part) // 2
                    parts.extendleft((part[half:], part[:half]))
                    continue
                due = part[0]
                _log.exception("deadline %s of %s, due %s, stays due", due.rule, due.object_id, due.due_at)
                batch.failed.append(due)
            else:
                batch.fired.extend(reached)
    return batch


def _up_to_a_text(oldest: Sequence[Any]) -> Sequence[Any]:
    """What comes before the publication of a text, or the publication alone: it may move all the rest."""
    place = next((place for place, row in enumerate(oldest) if row["kind"] == _TEXT), len(oldest))
    return oldest[: max(place, 1)]


def _grouped(dues: Iterable[Due]) -> Iterator[tuple[Effect, list[Due]]]:
    """The deadlines to fire in sets, each after those of its own order that come before it.

    First what is only told, then the effects by kind, one for each order: an effect may change what the next
    deadlines of its order have to say, so that they wait to be claimed anew.
    """
    effects, told, acting = _effects(), list[Due](), dict[Effect, list[Due]]()
    waiting: set[str] = set()
    for due in dues:
        effect = effects.get(due.kind, _unknown)
        if _holder(due) in waiting:
            continue
        if effect is only_told:
            told.append(due)
        else:
            acting.setdefault(effect, []).append(due)
            waiting.add(_holder(due))
    yield only_told, told
    yield from acting.items()


def _effects() -> Mapping[str, Effect]:
    # Late: an effect may plan deadlines or ask what time it is, and so import this module.
    from sons_tracker.operations.effects import EFFECTS

    return EFFECTS


async def _unknown(con: asyncpg.Connection, dues: Sequence[Due], at: datetime) -> None:
    raise LookupError(f"no effect is known for deadlines of kind {dues[0].kind}")


def _holder(due: Due) -> str:
    """Whose deadlines wait when this one fails: those of its order, or itself alone."""
    return str(due.key) if due.order_id is None else str(due.order_id)


async def _claim(
    con: asyncpg.Connection,
    oldest: Sequence[Any],
    last: Key,
    failed: Container[str],
    *,
    wait: bool,
) -> list[Due]:
    """The deadlines among the oldest that nobody else is firing, in order, as they are once claimed.

    With an order come all its deadlines up to `last`: an earlier one may have been held by another process.
    Reminders that have nothing left to say are superseded.
    """
    patience = "" if wait else " skip locked"
    orders = {row["order_id"] for row in oldest if row["order_id"] and str(row["order_id"]) not in failed}
    alone = [key for row in oldest if not row["order_id"] and str(key := _key(row)) not in failed]
    found: list[Due] = []
    if orders:
        held = [row["id"] for row in await con.fetch(_ORDERS + patience, list(orders))]
        rows = await con.fetch(_OF_ORDERS, held, *last)
        moot = {_key(row) for row in rows if row["kind"] == "reminder" and _is_moot(row)}
        if moot:
            await con.execute(_SILENCE, *_columns(list(moot)))
        found += [_due(row) for row in rows if _key(row) not in moot]
    if alone:
        found += [_due(row) for row in await con.fetch(_ALONE + patience, *_columns(alone))]
    return sorted(found, key=lambda due: due.key)


# What a deadline waits for; a reminder of what has come would only alarm.
_MET_BY_REQUEST = {"fermeture": "advance", "cloture": "solde"}
_WAITS_FOR_FILE = ("waiting_referencing", "to_review")


def _is_moot(row: Any) -> bool:
    """Whether a reminder has nothing left to say: its order is over, or has what its deadline waits for."""
    of = row["facts"].get("of")
    if of == "complete_file":
        return row["state"] not in _WAITS_FOR_FILE
    return row["state"] not in OPEN_STATES or _MET_BY_REQUEST.get(of) in row["asked"]


async def _reach(con: asyncpg.Connection, at: datetime, dues: Sequence[Due]) -> list[Due]:
    """Marks deadlines as fired, journals and announces them, in sets; those superseded meanwhile are not."""
    marked = {_key(row) for row in await con.fetch(_MARK, at, *_columns([due.key for due in dues]))}
    reached = [due for due in dues if due.key in marked]
    await journal.record_all(con, SCHEDULER, [_entry(due) for due in reached])
    await announce_all(con, [_announcement(due) for due in reached if due.order_id is not None])
    return reached


def _entry(due: Due) -> journal.Entry:
    facts: dict[str, Any] = {"rule": due.rule, "kind": due.kind, "due_at": due.due_at.isoformat()}
    if due.kind == "reminder":
        facts |= {name: due.facts[name] for name in ("of", "days", "deadline_at") if name in due.facts}
    if due.order_id is None:
        kind, object_id = "deadline", due.object_id
    else:
        kind, object_id = "order", str(due.order_id)
        facts |= {"number": due.order_number, "object_id": due.object_id}
    return journal.Entry(due.due_at, _event(due), kind, object_id, facts)


def _announcement(due: Due) -> Announcement:
    """To the supplier and to the OG; `until` is the last instant that they still have."""
    facts = {
        **due.facts,
        "order_id": str(due.order_id),
        "order_number": due.order_number,
        "rule": due.rule,
        "kind": due.kind,
    }
    if "deadline_at" in due.facts:
        facts["until"] = due.facts["deadline_at"]
    recipients = [party for party in (due.supplier_id, due.og_id) if party is not None]
    return Announcement(due.due_at, _event(due), "order", str(due.order_id), recipients, facts)


def _event(due: Due) -> str:
    return "deadline.reminder" if due.kind == "reminder" else "deadline.reached"


def _due(row: Any) -> Due:
    number = row.get("order_number")
    return Due(**{name: row[name] for name in _DUE_COLUMNS}, order_number=number)


def _key(row: Any) -> Key:
    return row["due_at"], row["rule"], row["object_id"]


def _columns(keys: Sequence[Key]) -> tuple[list[datetime], list[str], list[str]]:
    return [key[0] for key in keys], [key[1] for key in keys], [key[2] for key in keys]
