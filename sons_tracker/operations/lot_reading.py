"""Reading lots: one, its lines, pages of them, and the file of one that is approved; payments beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.exchanges.lot_file import LotFile, LotFileLine
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.lot_views import LotLineView, LotView, lot_view
from sons_tracker.rules.french import PARIS

_UNKNOWN = "Aucun lot visible ne porte cet identifiant."

LOT = """
select l.*, s.* from lot l cross join lateral (
  select count(*) filter (where outcome is null) as waiting,
    coalesce(sum(amount_ttc_cents) filter (where outcome is null), 0)::bigint as waiting_cents,
    count(*) filter (where outcome = 'paid') as paid,
    coalesce(sum(amount_ttc_cents) filter (where outcome = 'paid'), 0)::bigint as paid_cents,
    count(*) filter (where outcome = 'rejected') as rejected,
    coalesce(sum(amount_ttc_cents) filter (where outcome = 'rejected'), 0)::bigint as rejected_cents
  from lot_line where lot_id = l.id) s
"""


async def lock_lot(con: asyncpg.Connection, lot_id: UUID) -> Any:
    """The row of a lot; nobody else moves it until the commit.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    if await con.fetchval("select id from lot where id = $1 for update", lot_id) is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return await read_lot(con, lot_id)


async def read_lot(con: asyncpg.Connection, lot_id: UUID) -> Any:
    """The row of a lot with its tallies.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    row = await con.fetchrow(LOT + "where l.id = $1", lot_id)
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return row


async def resolve_lot(actor: Actor, text: str) -> UUID:
    """The identifier of a lot, from its identifier or its number.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`.
    """
    require(actor, "lot.read")
    async with transaction(actor.context, read_only=True) as con:
        found: UUID | None = await con.fetchval(
            "select id from lot where number = $1 or id::text = lower($1)", text
        )
    if found is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return found


async def find_lot(actor: Actor, lot_id: UUID) -> LotView:
    """A lot, for the agencies.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`.
    """
    require(actor, "lot.read")
    async with transaction(actor.context, read_only=True) as con:
        return lot_view(await read_lot(con, lot_id), actor)


@dataclass(frozen=True, slots=True)
class LotPage:
    """One page, newest first; `next_after` is the key of the next one, None on the last."""

    lots: tuple[LotView, ...]
    next_after: tuple[datetime, UUID] | None


async def list_lots(
    actor: Actor, state: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> LotPage:
    """A page of at most `limit` lots, for the agencies.

    Raises:
        SonsError: `FORBIDDEN`.
    """
    require(actor, "lot.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            LOT + "where ($1::text is null or l.state = $1)"
            " and ($2::timestamptz is null or (l.prepared_at, l.id) < ($2, $3::uuid))"
            " order by l.prepared_at desc, l.id desc limit $4",
            state,
            None if after is None else after[0],
            None if after is None else after[1],
            limit + 1,
        )
    lots = tuple(lot_view(row, actor) for row in rows[:limit])
    more = len(rows) > limit
    return LotPage(lots, (lots[-1].prepared_at, lots[-1].id) if more else None)


_LINES = """
select l.rank, l.end_to_end, l.payment_id, l.order_id, o.number as order_number, p.kind, l.supplier_id,
  l.amount_ttc_cents, l.iban_masked, l.outcome, l.outcome_at,
  case when r.outcome = 'returned' then r.executed_at end as returned_at, r.bank_reference, r.reason_code
from lot_line l join payment p on p.id = l.payment_id join purchase_order o on o.id = l.order_id
left join lateral (
  select * from bank_return_line b where b.end_to_end = l.end_to_end
  order by b.outcome = 'returned' desc limit 1) r on true
where l.lot_id = $1 and l.rank > $2 order by l.rank limit $3
"""


async def list_lines(actor: Actor, lot_id: UUID, after: int, limit: int) -> tuple[LotLineView, ...]:
    """At most `limit` lines of a lot that follow rank `after`, for the agencies; accounts masked.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`.
    """
    require(actor, "lot.read")
    async with transaction(actor.context, read_only=True) as con:
        await read_lot(con, lot_id)
        rows = await con.fetch(_LINES, lot_id, after, limit)
    return tuple(LotLineView(**dict(row)) for row in rows)


_FILE = """
select l.end_to_end, o.number as order, p.kind, s.name as supplier, s.siren, a.iban, a.bic, l.amount_ttc_cents
from lot_line l join payment p on p.id = l.payment_id join purchase_order o on o.id = l.order_id
join organisation s on s.id = l.supplier_id join bank_account a on a.id = l.bank_account_id
where l.lot_id = $1 order by l.rank
"""


async def export(actor: Actor, lot_id: UUID, form: str, at: datetime) -> LotFile:
    """What the file of an approved lot holds, numbers of accounts included; the journal says who took it.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`; `ACTION_REFUSED` when the lot is not approved.
    """
    require(actor, "lot.export")
    async with transaction(actor.context) as con:
        lot = await read_lot(con, lot_id)
        action = next(one for one in lot_view(lot, actor).actions if one.code == "export_lot")
        if not action.possible:
            reason = action.reasons[0]
            raise SonsError(ErrorCode.ACTION_REFUSED, reason.message, remedy=reason.remedy)
        lines = tuple(LotFileLine(**dict(row)) for row in await con.fetch(_FILE, lot_id))
        facts = {"number": lot["number"], "lines": len(lines), "format": form}
        await journal.record(con, actor, at, "lot.exported", "lot", str(lot_id), facts)
    return LotFile(
        lot["number"], lot["prepared_at"].astimezone(PARIS), lot["approved_at"].astimezone(PARIS), lines
    )
