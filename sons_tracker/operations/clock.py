"""The business instant: a row for a sandbox, the machine's clock for a real instance."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import ask, transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, require

PARIS = ZoneInfo("Europe/Paris")
# Inside the programme: MS1-V1 is open, its first soldes are due. Not a date of the law.
SANDBOX_STARTS_AT = datetime(2023, 3, 1, 10, 0, tzinfo=PARIS)


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
    require(actor, "admin")
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


async def advance(actor: Actor, to: datetime) -> datetime:
    """Moves the clock of a sandbox forward; returns the new business instant.

    Raises:
        SonsError: `FORBIDDEN`; `CONFLICT` on an instance that is not a sandbox; `INVALID_REQUEST` for an
            instant without offset or before the present one.
    """
    require(actor, "admin")
    if to.tzinfo is None:
        problem = "L'instant doit préciser son décalage horaire, par exemple « 2023-04-01T10:00:00+02:00 »."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("to", problem),))
    async with transaction(actor.context) as con:
        row = await con.fetchrow("select mode, clock_at from instance for update")
        if row["mode"] != "sandbox":
            raise SonsError(ErrorCode.CONFLICT, "Seule une instance de démonstration a une horloge réglable.")
        if to < row["clock_at"]:
            problem = "L'horloge de démonstration ne recule pas."
            raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("to", problem),))
        await con.execute("update instance set clock_at = $1", to)
        facts = {"from": row["clock_at"].isoformat(), "to": to.astimezone(UTC).isoformat()}
        await journal.record(con, actor, to, "instance.clock_advanced", "instance", "sandbox", facts)
    return to.astimezone(UTC)
