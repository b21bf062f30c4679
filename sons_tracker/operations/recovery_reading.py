"""Reading recoveries: one with its follow-up and letter, or pages of them, as far as the actor may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, allowed, require, sees_all
from sons_tracker.operations.lot_views import Tally
from sons_tracker.operations.recovery_views import RecoverySummary, RecoveryView, StepView, recovery_actions

_UNKNOWN = "Aucun recouvrement visible ne porte cet identifiant."

# $1 and $2: who asks; $3: the business instant that the ages are counted to.
_RECOVERY = """
select r.id, r.number, r.order_id, o.number as order_number, o.state as order_state, r.supplier_id,
  s.name as supplier_name, r.og_id, r.payment_id, p.kind as payment_kind, r.amount_ttc_cents, r.reason,
  r.source, r.opened_at, r.issued_at, r.recovered_at, r.bank_reference,
  case when r.recovered_at is not null then 'recovered' when r.issued_at is not null then 'issued'
       else 'opened' end as state,
  (coalesce(r.recovered_at, $3) at time zone 'Europe/Paris')::date
    - (r.opened_at at time zone 'Europe/Paris')::date as age_days
from recovery r join purchase_order o on o.id = r.order_id join payment p on p.id = r.payment_id
left join organisation s on s.id = r.supplier_id
where ($1 or r.supplier_id = $2 or r.og_id = $2)
"""


async def lock_recovery(con: asyncpg.Connection, actor: Actor, recovery_id: UUID) -> Any:
    """The row of a recovery with its order's number; nobody else moves the two until the commit.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    order_id = await con.fetchval(
        "select order_id from recovery where id = $1 and ($2 or supplier_id = $3 or og_id = $3)",
        recovery_id,
        sees_all(actor, "recovery.read"),
        actor.organisation_id,
    )
    if order_id is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    await con.execute("select from purchase_order where id = $1 for update", order_id)
    return await con.fetchrow(
        "select r.*, o.number as order_number from recovery r join purchase_order o on o.id = r.order_id"
        " where r.id = $1 for update of r",
        recovery_id,
    )


async def load_recovery(
    con: asyncpg.Connection, actor: Actor, recovery_id: UUID, at: datetime
) -> RecoveryView:
    """`find_recovery` in the caller's transaction.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    row = await con.fetchrow(
        _RECOVERY + "and r.id = $4", sees_all(actor, "recovery.read"), actor.organisation_id, at, recovery_id
    )
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    steps = await con.fetch(
        "select at, kind, person_id, text from recovery_step"
        " where recovery_id = $1 and ($2 or kind <> 'note') order by at, place",
        recovery_id,
        allowed(actor, "recovery_note.read"),
    )
    letter = await con.fetchval("select content from recovery_letter where recovery_id = $1", recovery_id)
    summary = RecoverySummary(**dict(row))
    return RecoveryView(
        summary, tuple(StepView(**dict(step)) for step in steps), letter, recovery_actions(summary, actor)
    )


async def find_recovery(actor: Actor, recovery: UUID | str, at: datetime) -> RecoveryView:
    """A recovery that the actor may see, by its identifier or its number, its age counted to `at`.

    The notes of the follow-up are the agencies' own.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown one and for another organisation's.
    """
    require(actor, "recovery.read")
    async with transaction(actor.context, read_only=True) as con:
        found: UUID | None = (
            recovery
            if isinstance(recovery, UUID)
            else await con.fetchval("select id from recovery where number = $1", recovery)
        )
        if found is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        return await load_recovery(con, actor, found, at)


@dataclass(frozen=True, slots=True)
class RecoveryFilter:
    """What a list is narrowed to; None does not narrow. `older_than`: more days of age than that."""

    state: str | None = None
    reason: str | None = None
    supplier_id: UUID | None = None
    older_than: int | None = None


@dataclass(frozen=True, slots=True)
class RecoveryPage:
    """One page, the oldest first, and the tally of all that the filter keeps, every page together.

    `next_after` is the key of the next page, None on the last.
    """

    recoveries: tuple[RecoverySummary, ...]
    tally: Tally
    next_after: tuple[datetime, UUID] | None


_KEPT = " ".join(
    (
        "with known as (",
        _RECOVERY,
        "), kept as (select * from known where ($4::text is null or state = $4)",
        "and ($5::text is null or reason = $5) and ($6::uuid is null or supplier_id = $6)",
        "and ($7::int is null or age_days > $7))",
    )
)
_TALLY = " ".join((_KEPT, "select count(*), coalesce(sum(amount_ttc_cents), 0)::bigint from kept"))
_PAGE = " ".join(
    (
        _KEPT,
        "select * from kept where $8::timestamptz is null or (opened_at, id) > ($8, $9::uuid)",
        "order by opened_at, id limit $10",
    )
)


async def list_recoveries(
    actor: Actor,
    narrowed: RecoveryFilter,
    at: datetime,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> RecoveryPage:
    """A page of at most `limit` recoveries that the actor may see, their ages counted to `at`."""
    require(actor, "recovery.read")
    arguments = (
        sees_all(actor, "recovery.read"),
        actor.organisation_id,
        at,
        narrowed.state,
        narrowed.reason,
        narrowed.supplier_id,
        narrowed.older_than,
    )
    async with transaction(actor.context, isolation="repeatable_read", read_only=True) as con:
        tally = await con.fetchrow(_TALLY, *arguments)
        rows = await con.fetch(
            _PAGE,
            *arguments,
            None if after is None else after[0],
            None if after is None else after[1],
            limit + 1,
        )
    found = tuple(RecoverySummary(**dict(row)) for row in rows[:limit])
    more = len(rows) > limit
    return RecoveryPage(found, Tally(*tally), (found[-1].opened_at, found[-1].id) if more else None)
