"""Reading orders: one whole, or pages of them, as far as the actor may see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require, sees_all
from sons_tracker.operations.views import (
    DeadlineView,
    Identity,
    LineView,
    OrderView,
    PaymentView,
    VerdictView,
    seen_by,
    verdict_from_row,
)

# Row-level security says the same; the code filters too, so that neither stands alone.
_SEEN = "($1 or o.supplier_id = $2 or o.og_id = $2)"
_FINANCED_ONCE = "R05"


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What a page of orders is narrowed to; None does not narrow. `essms` is a FINESS géographique."""

    state: str | None = None
    dispositif: str | None = None
    og: str | None = None
    essms: str | None = None
    signed_from: date | None = None
    signed_to: date | None = None
    supplier_reference: str | None = None


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """An order on a page: no verdicts, no lines. Amounts in cents TTC."""

    id: UUID
    number: str
    state: str
    dispositif: str
    og: str
    solution_version: str
    signed_on: date
    received_at: datetime
    supplier_reference: str | None
    decision: str
    ordered: int
    tranche: str | None
    total_ttc_cents: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page, newest first; `next_after` is the key of the next one, None on the last."""

    orders: tuple[OrderSummary, ...]
    next_after: tuple[datetime, UUID] | None


async def find_order(actor: Actor, order_id: UUID) -> OrderView:
    """An order with everything that was decided and planned.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown order and for another organisation's.
    """
    require(actor, "order.read")
    async with transaction(actor.context, read_only=True) as con:
        return await read_order(con, actor, order_id)


async def read_order(con: asyncpg.Connection, actor: Actor, order_id: UUID) -> OrderView:
    """As `find_order`, in the caller's transaction."""
    row = await con.fetchrow(
        f"select o.* from purchase_order o where {_SEEN} and o.id = $3",  # noqa: S608 # nosec B608 # constants
        sees_all(actor, "order.read"),
        actor.organisation_id,
        order_id,
    )
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, "Aucune commande visible ne porte cet identifiant.")
    return seen_by(await _view(con, row), actor)


async def _view(con: asyncpg.Connection, row: Any) -> OrderView:
    lines = await con.fetch(
        "select finess_geographique as finess, dui_in_place, ceiling_ttc_cents, unit_ttc_cents,"
        " advance_ttc_cents, solde_ttc_cents from order_line where order_id = $1"
        " order by finess_geographique",
        row["id"],
    )
    payments = await con.fetch(
        "select kind, state, amount_ttc_cents, condition, due_ttc_cents, due_at, paid_at from payment"
        " where order_id = $1 order by kind",
        row["id"],
    )
    deadlines = await con.fetch(
        "select kind, due_at, facts from deadline"
        " where order_id = $1 and superseded_at is null and kind <> 'reminder' order by due_at, kind",
        row["id"],
    )
    return OrderView(
        identity=Identity(row["id"], row["number"], row["state"], row["version"], row["received_at"]),
        dispositif=row["dispositif"],
        og=row["og_finess_juridique"],
        solution_version=row["solution_version"],
        signed_on=row["signed_on"],
        supplier_reference=row["supplier_reference"],
        decision=row["decision"],
        conditional=row["conditional"],
        tranche=row["tranche"],
        essms_of_og=row["essms_of_og"],
        count_basis=row["count_basis"],
        extraction_on=row["extraction_on"],
        ordered=row["ordered"],
        rate_ttc_cents=row["rate_ttc_cents"],
        total_ttc_cents=row["total_ttc_cents"],
        advance_ttc_cents=row["advance_ttc_cents"],
        solde_ttc_cents=row["solde_ttc_cents"],
        lines=tuple(LineView(**dict(line)) for line in lines),
        payments=tuple(PaymentView(**dict(payment)) for payment in payments),
        deadlines=tuple(
            DeadlineView(
                d["kind"], d["due_at"], d["facts"]["label"], d["facts"]["source"], d["facts"]["a_confirmer"]
            )
            for d in deadlines
        ),
        verdicts=await _with_holders(con, row, tuple(verdict_from_row(v) for v in row["verdicts"])),
        law_digest=row["law_digest"],
        known_on=row["known_on"],
    )


_HOLDERS = """
with asked as (
  select n as finess, n as held from unnest($2::text[]) n
  union select s.number, s.predecessor from succeeded_by($2) s)
select o.number, array_agg(distinct a.finess) as essms
from asked a join claim c on c.finess_geographique = a.held join purchase_order o on o.id = c.holder_id
where c.vague = $1 and c.holder_id <> $3
  and c.claimed_at <= $4 and (c.released_at is null or c.released_at > $4)
group by o.number order by o.number
"""


async def _with_holders(
    con: asyncpg.Connection, row: Any, verdicts: tuple[VerdictView, ...]
) -> tuple[VerdictView, ...]:
    """The verdicts with the orders that held the ESSMS at the deposit, as far as the reader's rights go.

    A supplier is never told the holder, so that the decision was stored without it; its OG and the agencies
    may know.
    """
    clashing = [
        number for v in verdicts if v.rule == _FINANCED_ONCE for number in v.essms if v.outcome == "fail"
    ]
    if not clashing:
        return verdicts
    held = await con.fetch(_HOLDERS, row["vague"], clashing, row["id"], row["received_at"])
    shown: list[VerdictView] = []
    for verdict in verdicts:
        left = set(verdict.essms)
        if verdict.rule == _FINANCED_ONCE and verdict.outcome == "fail":
            for holder in held:
                if found := tuple(sorted(left.intersection(holder["essms"]))):
                    shown.append(replace(verdict, essms=found, facts={"holder": holder["number"]}))
                    left.difference_update(found)
        if left or not verdict.essms:
            shown.append(replace(verdict, essms=tuple(sorted(left))))
    return tuple(shown)


_PAGE = f"""
select o.id, o.number, o.state, o.dispositif, o.og_finess_juridique as og, o.solution_version, o.signed_on,
       o.received_at, o.supplier_reference, o.decision, o.ordered, o.tranche, o.total_ttc_cents
from purchase_order o
where {_SEEN}
  and ($3::text is null or o.state = $3) and ($4::text is null or o.dispositif = $4)
  and ($5::text is null or o.og_finess_juridique = $5)
  and ($6::text is null or o.id in (select order_id from order_line where finess_geographique = $6))
  and ($7::date is null or o.signed_on >= $7) and ($8::date is null or o.signed_on <= $8)
  and ($9::text is null or o.supplier_reference = $9)
  and ($10::timestamptz is null or (o.received_at, o.id) < ($10, $11::uuid))
order by o.received_at desc, o.id desc
limit $12
"""  # noqa: S608 # nosec B608 # the interpolated text is a constant of this module


async def list_orders(
    actor: Actor, narrowed: OrderFilter, after: tuple[datetime, UUID] | None, limit: int
) -> Page:
    """A page of at most `limit` orders that the actor may see, newest reception first, by key."""
    require(actor, "order.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            _PAGE,
            sees_all(actor, "order.read"),
            actor.organisation_id,
            narrowed.state,
            narrowed.dispositif,
            narrowed.og,
            narrowed.essms,
            narrowed.signed_from,
            narrowed.signed_to,
            narrowed.supplier_reference,
            None if after is None else after[0],
            None if after is None else after[1],
            limit + 1,
        )
    orders = tuple(OrderSummary(**dict(row)) for row in rows[:limit])
    more = len(rows) > limit
    return Page(orders, (orders[-1].received_at, orders[-1].id) if more else None)
