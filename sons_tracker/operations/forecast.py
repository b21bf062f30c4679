"""What is engaged, paid, to come and at risk: by month, couloir, editor and region, to the ledger's cent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sons_tracker.db.engine import transaction
from sons_tracker.exchanges.forecast_file import ForecastTable
from sons_tracker.operations.actors import Actor, require, sees_all
from sons_tracker.registers.regions import REGIONS
from sons_tracker.rules.texts import Law

DIMENSIONS = ("month", "dispositif", "editor", "region")
MEASURES = ("engaged", "paid", "to_come", "at_risk", "conditional", "to_recover", "recovered")


@dataclass(frozen=True, slots=True)
class ForecastFilter:
    """What a forecast is narrowed to; None does not narrow. Months by any of their days, both included."""

    month_from: date | None = None
    month_to: date | None = None
    dispositif: str | None = None
    editor: UUID | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """One group. A dimension that was not asked for is None; so is a month, an editor or a region that is not
    known. `cents`: by name of measure, in cents TTC."""

    month: date | None
    dispositif: str | None
    editor: str | None
    region: str | None
    cents: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Forecast:
    """The groups sorted by their dimensions, and their sums; seen at the business instant `as_of`."""

    by: tuple[str, ...]
    rows: tuple[ForecastRow, ...]
    total: Mapping[str, int]
    as_of: datetime
    law_digest: str


# $1 all, $2 organisation, $3 dispositif, $4 editor, $5 now, $6 departements, $7 their regions,
# $8 $9 months, $10 region.
_ORDERS = """
with orders as materialized (
  select o.id, o.dispositif, coalesce(o.editor_id, o.supplier_id) as editor_id, o.received_at, o.state,
    s.live, o.total_ttc_cents, o.advance_ttc_cents, advance.state as advance,
    coalesce(advance.state in ('planned', 'due', 'in_lot', 'returned'), false) as unpaid,
    coalesce(solde.state, 'planned') as solde, back.opened_at as reclaimed_at,
    o.state in ('validated', 'to_review') and not exists (
      select from financing_request r
      where r.order_id = o.id and r.kind = 'solde' and r.state <> 'inadmissible') as unasked
  from purchase_order o join order_state s on s.state = o.state
  left join payment advance on advance.order_id = o.id and advance.kind = 'advance'
  left join payment solde on solde.order_id = o.id and solde.kind = 'solde'
  left join (select order_id, min(opened_at) as opened_at from recovery group by 1) back
    on back.order_id = o.id
  where o.state <> 'rejected' and o.total_ttc_cents is not null
    and ($1 or o.supplier_id = $2 or o.og_id = $2)
    and ($3::text is null or o.dispositif = $3)
    and ($4::uuid is null or coalesce(o.editor_id, o.supplier_id) = $4)
), moments as (
  select order_id, min(due_at) filter (where kind = 'fermeture') as fermeture,
    min(due_at) filter (where kind = 'cloture') as cloture,
    min(due_at) filter (where kind = 'complete_file') as complete_file
  from deadline
  where superseded_at is null and kind in ('fermeture', 'cloture', 'complete_file') and order_id is not null
  group by order_id
)
"""
# An ESSMS is where its latest row of the register says.
_PLACES = """, places as (
  select distinct on (finess_geographique) finess_geographique, departement from establishment
  order by finess_geographique, valid_from desc
)"""
_LOCATED = "left join places l on l.finess_geographique = e.finess_geographique"
# What each order is worth and has received: from the ledger once the State is engaged, else from its lines;
# all over, or by région. The ledger is read once, and summed by département before anything else is joined.
_SHARES = """, regions as (
  select departement, region from unnest($6::text[], $7::text[]) as r (departement, region)
), booked as materialized (
  select p.order_id, p.kind, r.region, s.movement, s.at, s.cents
  from (
    select e.payment_id, __PLACE__ as departement, e.movement, e.at, sum(e.amount_ttc_cents)::bigint as cents
    from ledger_entry e __LOCATED__ group by 1, 2, 3, 4
  ) s join payment p on p.id = s.payment_id left join regions r on r.departement = s.departement
), account as (
  select order_id, region, bool_or(movement = 'planned') as engaged,
    coalesce(sum(cents) filter (where movement = 'planned'), 0)::bigint as worth,
    coalesce(sum(cents) filter (where movement = 'planned' and kind = 'advance'), 0)::bigint as advance,
    coalesce(sum(cents) filter (where movement <> 'planned'), 0)::bigint as received
  from booked group by order_id, region
), shares as (
  select order_id, region, worth, advance, received from account
  union all
  select s.order_id, r.region, s.worth, s.advance, 0
  from (
    select e.order_id, __PLACE__ as departement, sum(e.unit_ttc_cents)::bigint as worth,
      sum(e.advance_ttc_cents)::bigint as advance
    from orders o join order_line e on e.order_id = o.id __LOCATED__
    where o.live and not exists (select from account a where a.order_id = o.id and a.engaged)
      and not exists (select from claim c where c.release_reason = 'removed_from_perimeter'
        and c.order_id = e.order_id and c.finess_geographique = e.finess_geographique)
    group by 1, 2
  ) s left join regions r on r.departement = s.departement
)"""
_MEASURED = """, measured as (
  select o.dispositif, o.editor_id, n.region, v.measure, v.at, v.cents
  from shares n join orders o on o.id = n.order_id left join moments m on m.order_id = n.order_id
  cross join lateral (values
    ('engaged', o.received_at, case when o.live then n.worth else 0 end),
    ('to_come', case when o.advance = 'planned' then m.fermeture else $5 end,
      case when o.live and o.unpaid then n.advance else 0 end),
    ('to_come', case when o.solde = 'planned' then m.cloture else $5 end,
      case when o.live then n.worth - n.received - case when o.unpaid then n.advance else 0 end
        else 0 end),
    ('at_risk', m.cloture, case when o.unasked then n.received else 0 end),
    ('conditional', m.complete_file, case when o.state = 'waiting_referencing' then n.worth else 0 end),
    ('to_recover', o.reclaimed_at,
      case when o.live and o.state <> 'settled' then 0 else greatest(n.received - n.worth, 0) end)
  ) as v (measure, at, cents) where v.cents <> 0
  union all
  select o.dispositif, o.editor_id, c.region,
    case c.movement when 'recovered' then 'recovered' else 'paid' end, c.at,
    case c.movement when 'recovered' then -c.cents else c.cents end
  from booked c join orders o on o.id = c.order_id
  where c.movement <> 'planned'
), placed as (
  select date_trunc('month', at at time zone 'Europe/Paris')::date as month, dispositif, editor_id, region,
    measure, cents
  from measured
)
"""


async def forecast(
    actor: Actor, by: Sequence[str], narrowed: ForecastFilter, law: Law, at: datetime
) -> Forecast:
    """The money of the orders that the actor may see, grouped by some of `DIMENSIONS`, at the instant `at`.

    Per ESSMS, in cents TTC, each measure with its own month of Paris:

    - `engaged`, month of the order: what a live order is worth now: the ledger's plan once its advance is
      validated, its amounts before;
    - `paid`, month of the payment: net of what was compensated, or returned by the bank;
    - `to_come`: what a live order is worth less what was received; the advance by the fermeture, the rest by
      the clôture (negative: to compensate), at once what is due already;
    - `at_risk`, month of the clôture: received by orders whose solde is not asked for (R22);
    - `conditional`, month of the end of the delay: worth of orders that wait for their referencing (R12);
    - `to_recover`, month of the recovery: received beyond what an order that is over is worth;
    - `recovered`, month of the repayment.

    By region, each order counts for its share there. Over all months, for live orders, engaged = received +
    to come, where received = paid - recovered.

    Raises:
        SonsError: `FORBIDDEN`.
    """
    require(actor, "forecast.read")
    wanted = tuple(name for name in DIMENSIONS if name in by)
    sums = ", ".join(
        f"coalesce(sum(cents) filter (where measure = '{name}'), 0)::bigint as {name}" for name in MEASURES
    )
    columns = {"editor": "editor_id"}
    grouped = [columns.get(name, name) for name in wanted]
    located = "region" in wanted or narrowed.region is not None
    shares = _SHARES.replace("__PLACE__", "l.departement" if located else "null::text")
    shares = shares.replace("__LOCATED__", _LOCATED if located else "")
    measured = _ORDERS + (_PLACES if located else "") + shares + _MEASURED
    shown = ", ".join([*grouped, sums])
    grouping = f"group by {', '.join(grouped)}" if grouped else ""
    sql = (
        f"{measured} select {shown} from placed"  # noqa: S608 - names of this module only
        " where ($8::date is null or month >= $8) and ($9::date is null or month <= $9)"
        " and ($10::text is null or region = $10)"
        f" {grouping}"  # nosec B608 # constants of this module
    )
    async with transaction(actor.context, read_only=True) as con:
        # whole tables are hashed once and not sorted on disk; what runs once is not worth compiling
        await con.execute(
            "select set_config('work_mem', '64MB', true), set_config('enable_mergejoin', 'off', true),"
            " set_config('jit', 'off', true)"
        )
        rows = await con.fetch(
            sql,
            sees_all(actor, "forecast.read"),
            actor.organisation_id,
            narrowed.dispositif,
            narrowed.editor,
            at,
            list(REGIONS),
            list(REGIONS.values()),
            None if narrowed.month_from is None else narrowed.month_from.replace(day=1),
            None if narrowed.month_to is None else narrowed.month_to.replace(day=1),
            narrowed.region,
        )
        names = {}
        if "editor" in wanted:
            found = await con.fetch(
                "select id, name from organisation where id = any($1)", [row["editor_id"] for row in rows]
            )
            names = {row["id"]: row["name"] for row in found}
    groups = [
        ForecastRow(
            row["month"] if "month" in wanted else None,
            row["dispositif"] if "dispositif" in wanted else None,
            names.get(row["editor_id"]) if "editor" in wanted else None,
            row["region"] if "region" in wanted else None,
            {name: row[name] for name in MEASURES},
        )
        for row in rows
    ]
    groups = [group for group in groups if any(group.cents.values())]
    groups.sort(key=lambda g: (g.month or date.max, g.dispositif or "", g.editor or "", g.region or "~"))
    total = {name: sum(group.cents[name] for group in groups) for name in MEASURES}
    return Forecast(wanted, tuple(groups), total, at, law.digest)


def as_table(found: Forecast) -> ForecastTable:
    """A forecast as its files hold it."""
    return ForecastTable(
        found.by,
        [(tuple(getattr(row, name) for name in found.by), row.cents) for row in found.rows],
        found.total,
        found.as_of,
        found.law_digest,
    )
