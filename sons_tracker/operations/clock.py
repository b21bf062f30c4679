"""The business instant: a row for a sandbox, the machine's clock for a real instance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import ask, retrying, see_as, transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import SCHEDULER, Actor, require
from sons_tracker.operations.acts import Refused, perform, record_refusal
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.french import PARIS

LONGEST_JUMP_YEARS = 10
SHOWN_EVENTS = 200
# Inside the programme: MS1-V1 is open, its first soldes are due. Not a date of the law.
SANDBOX_STARTS_AT = datetime(2023, 3, 1, 10, 0, tzinfo=PARIS)


_NO_SANDBOX = Reason(
    "Seule une instance de démonstration a une horloge réglable.",
    "Employer une instance de démonstration ; une instance réelle vit à l'heure de la machine.",
)


@dataclass(frozen=True, slots=True)
class ClockState:
    """What kind of instance this is (`sandbox`, `real` or `undeclared`), and its business instant in UTC."""

    mode: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """What the scheduler journaled on the way: dated by the instant at which it fell due."""

    at: datetime
    action: str
    object_kind: str
    object_id: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Advanced:
    """A jump of the clock, from an instant to another (UTC).

    `events`: the first `SHOWN_EVENTS` of the `total`, in their order. `left_due`: how many deadlines stay due
    because their effect failed.
    """

    before: datetime
    after: datetime
    events: tuple[Event, ...]
    total: int
    left_due: int


async def business_instant(con: asyncpg.Connection) -> datetime:
    """The instant (aware, UTC) that an operation of this moment is dated by."""
    return _instant(await con.fetchval("select clock_at from instance"))


async def now() -> datetime:
    """The business instant of this database, before any operation."""
    row = await ask("select clock_at from instance")
    return _instant(None if row is None else row["clock_at"])


async def today() -> date:
    """The Paris date of the business instant."""
    return (await now()).astimezone(PARIS).date()


def _instant(kept: datetime | None) -> datetime:
    return datetime.now(UTC) if kept is None else kept.astimezone(UTC)


async def declare(actor: Actor, mode: Literal["sandbox", "real"]) -> None:
    """Says once and for all what this instance is; saying the same again changes nothing.

    Raises:
        SonsError: `FORBIDDEN`; `CONFLICT` when the instance was declared as the other.
    """
    require(actor, "clock.declare")
    async with transaction(actor.context) as con:
        already: str = await con.fetchval("select mode from instance for update")
        if already == mode:
            return
        if already != "undeclared":
            was = "de démonstration" if already == "sandbox" else "réelle"
            raise SonsError(ErrorCode.CONFLICT, f"Cette instance est {was} : cela ne se change plus.")
        starts_at = SANDBOX_STARTS_AT if mode == "sandbox" else None
        await con.execute("update instance set mode = $1, clock_at = $2", mode, starts_at)
        at = await business_instant(con)
        await journal.record(con, actor, at, "instance.declared", "instance", mode, {"mode": mode})


async def state() -> ClockState:
    """What kind of instance this is, and its business instant."""
    row = await ask("select mode, clock_at from instance")
    return ClockState("undeclared", _instant(None)) if row is None else ClockState(row[0], _instant(row[1]))


async def advance(
    actor: Actor, to: datetime, key: Key, render: Callable[[Advanced | Refused], Answer]
) -> Answer:
    """Moves the clock of a sandbox forward under an idempotency key; see `advance_to`."""
    require(actor, "clock.advance")
    _check_offset(to)
    return await perform(actor, await now(), key, lambda con: _advance(con, actor, to), render)


@retrying
async def advance_to(actor: Actor, to: datetime) -> Advanced | Refused:
    """Moves the clock of a sandbox forward to `to` (aware), and lives what happens on the way.

    The deadlines take effect one after the other, in the order of time; while one does, the business clock
    stands just after its last instant. So a jump ends as the same days lived one by one. All of it is one
    transaction: nobody sees the clock between two instants, a failure leaves it where it was, and two jumps
    at once come one after the other.

    `Refused` on an instance that is not a sandbox: the clock of a real one is the machine's.

    Raises:
        SonsError: `FORBIDDEN`; `INVALID_REQUEST` for an instant without offset, before the present one, or
            more than ten years after it.
    """
    require(actor, "clock.advance")
    _check_offset(to)
    at = await now()
    async with transaction(actor.context) as con:
        outcome = await _advance(con, actor, to)
        if isinstance(outcome, Refused):
            await record_refusal(con, actor, at, outcome)
        return outcome


def _check_offset(to: datetime) -> None:
    if to.tzinfo is None:
        raise _malformed(
            "L'instant doit préciser son décalage horaire, par exemple « 2023-04-01T10:00:00+02:00 »."
        )


def _malformed(problem: str) -> SonsError:
    return SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("to", problem),))


# Just after an instant, as far as PostgreSQL can tell.
_JUST_AFTER = timedelta(microseconds=1)
_NEXT = """
select min(due_at) from deadline
where due_at > $1 and due_at < $2 and fired_at is null and superseded_at is null
"""
_EVENTS = """
select at, action, object_kind, object_id, facts, count(*) over () as total from journal
where id > $1 and txid = pg_current_xact_id() and role = 'scheduler' order by id limit $2
"""


async def _advance(con: asyncpg.Connection, actor: Actor, to: datetime) -> Advanced | Refused:
    # Late: what deadlines do may ask what time it is, and so import this module.
    from sons_tracker.operations.deadlines import fire_all

    row = await con.fetchrow("select mode, clock_at from instance for update")
    if row["mode"] != "sandbox":
        return Refused("instance.advance_refused", "instance", row["mode"], (_NO_SANDBOX,))
    before: datetime = row["clock_at"].astimezone(UTC)
    if to < before:
        raise _malformed("L'horloge de démonstration ne recule pas.")
    if to > _years_after(before, LONGEST_JUMP_YEARS):
        raise _malformed(f"L'horloge avance de {LONGEST_JUMP_YEARS} ans au plus à la fois.")
    last_entry = await con.fetchval("select coalesce(max(id), 0) from journal")
    stuck: set[str] = set()
    lived = datetime.min.replace(tzinfo=UTC)
    while (due_at := await con.fetchval(_NEXT, lived, to)) is not None:
        stands = max(due_at + _JUST_AFTER, before)
        await con.execute("update instance set clock_at = $1", stands)
        await see_as(con, SCHEDULER.context)
        await fire_all(con, stands, due_at, stuck)
        await see_as(con, actor.context)
        lived = due_at
    await con.execute("update instance set clock_at = $1", to)
    rows = await con.fetch(_EVENTS, last_entry, SHOWN_EVENTS)
    left_due = await con.fetchval(
        "select count(*) from deadline where due_at < $1 and fired_at is null and superseded_at is null", to
    )
    total = rows[0]["total"] if rows else 0
    events = tuple(Event(r["at"], r["action"], r["object_kind"], r["object_id"], r["facts"]) for r in rows)
    after = to.astimezone(UTC)
    facts = {"from": before.isoformat(), "to": after.isoformat(), "events": total, "left_due": left_due}
    await journal.record(con, actor, after, "instance.clock_advanced", "instance", "sandbox", facts)
    return Advanced(before, after, events, total, left_due)


def _years_after(at: datetime, years: int) -> datetime:
    """The same instant so many years later; the 28th for a 29 February that is not there."""
    try:
        return at.replace(year=at.year + years)
    except ValueError:
        return at.replace(year=at.year + years, day=28)
