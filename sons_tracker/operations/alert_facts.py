"""What the usual patterns are judged on, gathered in sets: a constant number of statements for the nation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from functools import cache
from typing import Any

import asyncpg

from sons_tracker.operations.working_calendar import departement_of, public_holidays
from sons_tracker.rules import patterns
from sons_tracker.rules.parameters import Etat, required
from sons_tracker.rules.patterns import Sighting
from sons_tracker.rules.texts import AlertTerms, Law, Vague

_LIVE = "purchase_order o join order_state s on s.state = o.state and s.live"
# The order in which the lines come from the plan must not change what an alert says.
_PRICED = f"""
select o.og_finess_juridique as og, o.dispositif, o.extraction_on, o.essms_of_og as count,
  min(o.signed_on) as signed_on, min(o.known_on) as known_on,
  count(*) filter (where l.asked_ttc_cents is null)::int as unasked,
  coalesce(array_agg(l.asked_ttc_cents order by l.asked_ttc_cents)
    filter (where l.asked_ttc_cents is not null), '{{}}') as asked,
  array_agg(distinct o.number) as orders, array_agg(distinct o.supplier_id::text) as suppliers
from {_LIVE} join order_line l on l.order_id = o.id
where o.vague = $1 and o.essms_of_og > 0 and o.extraction_on is not null
group by 1, 2, 3, 4
"""  # noqa: S608 # nosec B608 # constants
_COUNTED = f"""
with live as (
  select o.og_finess_juridique as og, o.dispositif, array_agg(distinct o.number) as orders,
    array_agg(distinct o.supplier_id::text) as suppliers
  from {_LIVE} where o.vague = $1 group by 1, 2
), counted as (
  select e.finess_juridique as og, d.day, count(*)::int as count
  from unnest($2::date[]) as d (day)
  join establishment e on e.valid_from <= d.day and (e.valid_to is null or e.valid_to > d.day)
  where e.in_service and e.aggregate = any($3) and e.finess_juridique in (select og from live)
  group by 1, 2
)
select l.og, l.dispositif, l.orders, l.suppliers, array_agg(c.day order by c.day) as days,
  array_agg(c.count order by c.day) as counts
from live l join counted c on c.og = l.og group by 1, 2, 3, 4
"""  # noqa: S608 # nosec B608 # constants of this module
_LOADED = """
select d.day from unnest($1::date[]) as d (day)
where exists (select from extraction x where x.register = 'establishment' and x.extracted_on = d.day
  and x.scope = 'stock') order by 1
"""
_SIGNATURES = """
select s.signer_name as name, o.og_finess_juridique as og, 'va' as kind, s.va_id::text as act
from va_signature s join purchase_order o on o.id = s.order_id where o.vague = $1
union all
select p.signer_name, o.og_finess_juridique, 'cancellation', p.cancellation_id::text
from cancellation_piece p join purchase_order o on o.id = p.order_id
where o.vague = $1 and p.organisation_id = p.og_id
union all
select v.name, o.og_finess_juridique, 'amendment', a.id::text
from amendment a join purchase_order o on o.id = a.order_id cross join lateral (values
  (a.proposer_name, a.proposed_for), (a.signer_name, a.closed_for)) as v (name, of)
where o.vague = $1 and v.of = a.og_id and v.name is not null
"""
_SHARED = """
select a.account_id::text as account, a.ending,
  array_agg(o.id::text order by o.id) as suppliers, array_agg(o.siren order by o.id) as sirens
from shared_accounts() a join organisation o on o.id = any(a.suppliers) group by 1, 2
"""
_RECEIVED = f"""
select o.number, o.og_finess_juridique as og, o.supplier_id::text as supplier, o.signed_on, o.received_at
from {_LIVE} cross join lateral (select o.received_at at time zone 'Europe/Paris' as at) p
where o.vague = $1 and (p.at::time < $2 or p.at::time >= $3
  or extract(isodow from p.at) > 5 or extract(isodow from o.signed_on) > 5
  or p.at::date = any($4::date[]) or o.signed_on = any($4::date[]))
"""  # noqa: S608 # nosec B608 # constants of this module
_FIRST_YEAR = """
select extract(year from least(min(signed_on), min(received_at)::date))::int from purchase_order
where vague = $1
"""
_EARLY = f"""
select o.number, o.og_finess_juridique as og, o.supplier_id::text as supplier, o.signed_on, e.created_on
from {_LIVE} cross join lateral (
  select created_on from legal_entity
  where finess_juridique = o.og_finess_juridique and created_on is not null and valid_from <= $2
  order by valid_from desc limit 1) e
where o.vague = $1 and o.signed_on < e.created_on
"""  # noqa: S608 # nosec B608 # constants of this module
_APPLICATIONS = """
with alive as (
  select grant_reference, call, call_year, finess_geographique,
    min(call) over w <> max(call) over w as both
  from esms_grant
  where call is not null and state in ('requested', 'agreed', 'first_paid', 'vsr', 'paid')
    and valid_from <= $1 and (valid_to is null or valid_to > $1)
  window w as (partition by finess_geographique, call_year)
)
select a.grant_reference as reference, a.call, a.call_year as year, a.finess_geographique as finess,
  e.finess_juridique as og
from alive a left join lateral (
  select finess_juridique from establishment
  where finess_geographique = a.finess_geographique and valid_from <= $1
  order by valid_from desc limit 1) e on true
where a.both order by 1, 4
"""


async def sightings(
    con: asyncpg.Connection, law: Law, vague: Vague, terms: AlertTerms, known: date
) -> AsyncIterator[Sighting]:
    """Everything that the patterns see in a vague, as known on a day; the caller sees all organisations."""
    async for one in _tranches(con, law, vague, terms, known):
        yield one
    signatures = [patterns.Signature(**dict(row)) for row in await con.fetch(_SIGNATURES, vague.code)]
    for one in patterns.one_signer_many_og(signatures, terms):
        yield one
    for row in await con.fetch(_SHARED):
        given = tuple(zip(row["suppliers"], row["sirens"], strict=True))
        account = patterns.SharedAccount(row["account"], row["ending"], given)
        if (seen := patterns.one_account_two_suppliers(account, terms)) is not None:
            yield seen
    async for one in _orders(con, vague, terms, known):
        yield one
    applications = [patterns.Application(**dict(row)) for row in await con.fetch(_APPLICATIONS, known)]
    for one in patterns.two_applications(applications):
        yield one


async def _tranches(
    con: asyncpg.Connection, law: Law, vague: Vague, terms: AlertTerms, known: date
) -> AsyncIterator[Sighting]:
    """The barème is that of the deposit for an order, today's for a count that no order was priced on."""
    for row in await con.fetch(_PRICED, vague.code):
        facts = dict(row)
        signed_on, as_known = facts.pop("signed_on"), facts.pop("known_on")
        bareme = law.dispositifs[row["dispositif"]].bareme.find(signed_on, as_known)
        if bareme is None:
            continue
        og = patterns.PricedOg(**_frozen(facts))
        if (seen := patterns.tranche_threshold(og, required(bareme), terms)) is not None:
            yield seen
    basis = vague.count_basis.find(known, known)
    days = sorted(
        {
            required(one)
            for one in vague.extraction.versions
            if one.etat is Etat.EN_VIGUEUR and one.publie_le <= known and one.value is not None
        }
    )
    loaded = [row["day"] for row in await con.fetch(_LOADED, days)]
    if basis is None or len(loaded) < 2:
        return
    for row in await con.fetch(_COUNTED, vague.code, loaded, sorted(required(basis).aggregates)):
        bareme = law.dispositifs[row["dispositif"]].bareme.find(known, known)
        counts = tuple(zip(row["days"], row["counts"], strict=True))
        orders, suppliers = tuple(row["orders"]), tuple(row["suppliers"])
        counted = patterns.CountedOg(row["og"], row["dispositif"], counts, orders, suppliers)
        if bareme is not None and (seen := patterns.tranche_changes(counted, required(bareme))) is not None:
            yield seen


async def _orders(
    con: asyncpg.Connection, vague: Vague, terms: AlertTerms, known: date
) -> AsyncIterator[Sighting]:
    first = await con.fetchval(_FIRST_YEAR, vague.code)
    years = range(first or known.year, known.year + 1)

    @cache
    def holidays(departement: str | None) -> frozenset[date]:
        return public_holidays(departement, years)

    # any holiday of any department lets an order through to its judge, who knows the department
    anywhere = sorted(frozenset().union(*(holidays(one) for one in (None, *_SPECIAL))))
    for row in await con.fetch(_RECEIVED, vague.code, terms.opens, terms.closes, anywhere):
        order = patterns.ReceivedOrder(**dict(row), holidays=holidays(departement_of(row["og"])))
        if (seen := patterns.out_of_hours(order, terms)) is not None:
            yield seen
    for row in await con.fetch(_EARLY, vague.code, known):
        if (early := patterns.before_og_existed(patterns.EarlyOrder(**dict(row)))) is not None:
            yield early


# One department of each set of public holidays (working_calendar).
_SPECIAL = ("57", "67", "971", "972", "973", "974", "975", "976", "977", "978", "986", "987", "988")


def _frozen(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
