"""What orders and decided successions touched since the last look, examined in a transaction of its own.

The acts only leave a row each (`audit_touch`, written by triggers): a deposit does not wait for an audit. A
process that dies in between loses nothing, whoever ticks next examines it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import retrying, transaction
from sons_tracker.operations.actors import SCHEDULER
from sons_tracker.operations.audit import AuditResult, examine, takes_turn
from sons_tracker.operations.audit_followups import OF_ORDERS, law_is_enacted
from sons_tracker.rules.texts import Law

TOUCHES_PER_RUN = 500
# The rules of a deposit read claims and grants: they refuse the pair of two orders, and tell it at once. They
# do not refuse what they leave to an examination, nor read presumed successions and later extractions.
OF_DEPOSITS = ("order_grant", "two_numbers", "perimeter_differs")

_WAITS = "select exists (select from audit_touch where run_id is null)"
# One lot is of one kind of act: its run says which.
_LOT = """
select id, order_id, succession_id from audit_touch
where run_id is null and ($1::uuid is null or succession_id = $1)
  and (order_id is null) = (select order_id is null from audit_touch where run_id is null
                            and ($1::uuid is null or succession_id = $1) order by id limit 1)
order by id limit $2
"""
_OF_THESE_ORDERS = (
    "select finess_geographique as number from claim where order_id = any($1) and released_at is null"
)
# What is claimed for a number is held on those that it follows too.
_OF_THESE_SUCCESSIONS = """
with decided as (
  select predecessor, successor from succession where id = any($1)
), numbers as (
  select array(select predecessor from decided union select successor from decided) as both_
)
select unnest(both_) as number from numbers
union select predecessor from numbers, succeeded_by(both_)
union select successor from numbers, successors_of(both_)
"""


async def examine_touched(
    law: Law, at: datetime, *, stop: asyncio.Event | None = None
) -> tuple[AuditResult, ...]:
    """Examines all that waits, in lots; `at`: the business instant. `stop` ends it after its lot.

    Where another audit is under way, or the law of this program is not enacted, it goes on waiting.
    """
    done: list[AuditResult] = []
    while not (stop and stop.is_set()) and (result := await _examine_lot(law, at, None)) is not None:
        done.append(result)
    return tuple(done)


async def examine_succession(law: Law, at: datetime, succession_id: UUID) -> AuditResult | None:
    """Examines what a decision on this succession touched; None where it waits for the next tick."""
    return await _examine_lot(law, at, succession_id)


@retrying
async def _examine_lot(law: Law, at: datetime, succession_id: UUID | None) -> AuditResult | None:
    async with transaction(SCHEDULER.context) as con:
        # before the lock: most of the time nothing waits
        if not (await con.fetchval(_WAITS) and await law_is_enacted(con, law) and await takes_turn(con)):
            return None
        lot = await con.fetch(_LOT, succession_id, TOUCHES_PER_RUN)
        if not lot:
            return None
        cause, families, numbers = await _touched(con, lot)
        result = await examine(con, SCHEDULER, law, at, numbers, cause, families)
        await con.execute(
            "update audit_touch set run_id = $1 where id = any($2)", result.id, [row["id"] for row in lot]
        )
        return result


async def _touched(
    con: asyncpg.Connection, lot: Sequence[asyncpg.Record]
) -> tuple[str, Sequence[str], list[str]]:
    """The cause of a lot, the families that it may concern, and the ESSMS that it touched."""
    if lot[0]["order_id"] is not None:
        rows = await con.fetch(_OF_THESE_ORDERS, [row["order_id"] for row in lot])
        return "deposit", OF_DEPOSITS, [row["number"] for row in rows]
    rows = await con.fetch(_OF_THESE_SUCCESSIONS, [row["succession_id"] for row in lot])
    return "succession", OF_ORDERS, [row["number"] for row in rows]
