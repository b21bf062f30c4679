"""Loading the file of an order: every fact that the rules read, in a constant number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import asyncpg

from sons_tracker.operations.actors import Actor, allowed
from sons_tracker.operations.requests import OrderRequest, known_on
from sons_tracker.rules.case import (
    SAME_ORDER,
    Case,
    Engagement,
    Establishment,
    Extraction,
    Grant,
    OrderedEssms,
    OtherOrder,
    Referencing,
    Solution,
    Supplier,
)
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique
from sons_tracker.rules.texts import Law, Vague

_REGISTER = """
select
  (select scope from extraction where register = 'establishment' and extracted_on = $1
   order by scope desc limit 1) as scope,
  (select count(*) from establishment
   where finess_juridique = $2 and in_service and aggregate = any($3)
     and valid_from <= $1 and (valid_to is null or valid_to > $1)) as counted,
  (exists (select from establishment where finess_juridique = $2
           and valid_from <= $1 and (valid_to is null or valid_to > $1))
   or exists (select from legal_entity where finess_juridique = $2
              and valid_from <= $1 and (valid_to is null or valid_to > $1))) as og_known
"""
_ESTABLISHMENTS = """
select finess_geographique, finess_juridique, category, aggregate from establishment
where finess_geographique = any($2) and in_service
  and valid_from <= $1 and (valid_to is null or valid_to > $1)
"""
_SOLUTION = """
select r.solution, r.solution_kind, r.editor_siren, r.dispositif, r.status, r.complete_file_on,
       r.referenced_from, r.referenced_to, list.extracted_on as list_on, o.siren as supplier_siren,
       exists (select from distributor d where d.solution = r.solution and d.distributor_siren = o.siren
               and d.distributes_from <= $3 and (d.distributes_to is null or d.distributes_to >= $3)
               and d.valid_from <= $2 and (d.valid_to is null or d.valid_to > $2)) as distributes
from (select max(extracted_on) as extracted_on from extraction
      where register = 'referencing' and extracted_on <= $2) list
left join referencing r on r.solution_version = $1 and r.valid_from <= $2
  and (r.valid_to is null or r.valid_to > $2)
left join organisation o on o.id = $4
order by r.dispositif, r.referenced_from
"""
# One statement, hence one instant: a rival that commits between two would be seen by one rule and not by
# the other. Each number is asked for itself and for those that it succeeds; what the actor has reserved under
# the one or the others is its own as long as nobody else holds any of them.
_HOLDS = """
with asked as (
  select n as number, n as under from unnest($2::text[]) n
  union select p.number, p.predecessor from succeeded_by($2) p
)
select
  (select jsonb_agg(jsonb_build_array(number, holder_kind, order_number, reservation, own, held_as))
   from (
     select distinct on (a.number) a.number, e.holder_kind, o.number as order_number,
       r.number as reservation, nullif(e.held_as, a.number) as held_as, coalesce(
         r.supplier_id = (select current_organisation()) and r.og_finess_juridique = $3
         and r.expires_at >= $4
         and exists (select from asked b where b.number = a.number and b.under = e.held_as), false) as own
     from asked a
     join held_under($1, array(select under from asked)) e on e.finess_geographique = a.under
     left join claim c on c.vague = $1 and c.finess_geographique = e.held_as and c.released_at is null
     left join purchase_order o on o.id = c.order_id
     left join reservation r on r.id = c.holder_id and c.holder_kind = 'reservation'
     order by a.number, own, a.under <> a.number, a.under) h) as held,
  (select jsonb_agg(jsonb_build_array(o.number, coalesce(o.solution, ''),
     array(select c.finess_geographique from claim c
           where c.order_id = o.id and c.released_at is null and c.finess_geographique = any($2)
           order by 1)) order by o.number)
   from purchase_order o join order_state s on s.state = o.state
   where o.og_finess_juridique = $3 and o.vague = $1 and s.live) as others,
  (select jsonb_agg(jsonb_build_array(s.number, s.predecessor)) from succeeded_by($2) s
   where s.predecessor = any($2)) as twice
"""


async def load_case(
    con: asyncpg.Connection, actor: Actor, request: OrderRequest, law: Law, at: datetime
) -> Case:
    """The file of a request as it stands at the business instant `at`, seen with the rights of `actor`.

    Without an account nobody is told whether an ESSMS is engaged or has a grant: those facts stay unknown.

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif.
    """
    known = known_on(at)
    _, vague = dispositif_of(law, request.dispositif)
    numbers = [line.finess for line in request.essms]
    extraction, og_known, counted, places = await _register(con, request, vague, known, numbers)
    solution, supplier, list_on = await _solution(con, actor, request, known)
    has_account = allowed(actor, "essms.read")
    grants = await _grants(con, numbers, known) if has_account else {}
    case = Case(
        dispositif=request.dispositif,
        og=request.og,
        signed_on=request.signed_on,
        received_at=at,
        already_equipped=request.already_equipped,
        supplier=supplier,
        solution_version=request.solution_version,
        solution=solution,
        solution_list_on=list_on,
        extraction=extraction,
        og_known=og_known,
        essms_of_og=counted,
        other_orders=(),
        lines=tuple(
            OrderedEssms(
                line.finess,
                line.unit_ttc_cents,
                line.dui_in_place,
                places.get(line.finess),
                None,
                grants.get(line.finess, ()) if has_account else None,
            )
            for line in request.essms
        ),
    )
    return await with_holds(con, case, vague) if has_account else case


async def with_holds(con: asyncpg.Connection, case: Case, vague: Vague) -> Case:
    """The same file with the live claims and the OG's other orders of this instant; after a lost race they
    are read again."""
    numbers = [line.finess for line in case.lines]
    row = await con.fetchrow(_HOLDS, vague.code, numbers, case.og, case.received_at)
    held = {number: (Engagement(*holder),) for number, *holder in row["held"] or ()}
    for number, old in row["twice"] or ():
        if number not in held or held[number][0].own:  # its own reservation is for one of the two
            held[number] = (Engagement(SAME_ORDER, None, held_as=old),)
    return replace(
        case,
        other_orders=tuple(
            OtherOrder(number, solution, tuple(shared)) for number, solution, shared in row["others"] or ()
        ),
        lines=tuple(replace(line, engagements=held.get(line.finess, ())) for line in case.lines),
    )


async def _register(
    con: asyncpg.Connection,
    request: OrderRequest,
    vague: Vague,
    known: date,
    numbers: list[FinessGeographique],
) -> tuple[Extraction | None, bool | None, int | None, dict[str, Establishment]]:
    version = vague.extraction.find(request.signed_on, known)
    basis = vague.count_basis.find(request.signed_on, known)
    if version is None or version.value is None:
        return None, None, None, {}
    aggregates = [] if basis is None or basis.value is None else sorted(basis.value.aggregates)
    row = await con.fetchrow(_REGISTER, version.value, request.og, aggregates)
    extraction, og_known, counted = read_extraction(version.value, row)
    if extraction.scope is None:
        return extraction, None, None, {}
    found = await con.fetch(_ESTABLISHMENTS, version.value, numbers)
    return (
        extraction,
        og_known,
        counted,
        {place["finess_geographique"]: establishment(place) for place in found},
    )


def read_extraction(on: date, row: Any) -> tuple[Extraction, bool | None, int | None]:
    """The extraction of that day, whether it knows the OG, and the count; `row`: scope, og_known, counted."""
    extraction = Extraction(on, row["scope"])
    if extraction.is_stock:
        return extraction, row["og_known"], row["counted"]
    # an extract that lists the OG knows it; one that does not says nothing, and counts nothing
    return extraction, True if row["scope"] is not None and row["og_known"] else None, None


def establishment(row: Any) -> Establishment:
    """An ESSMS from a row of the register."""
    return Establishment(
        FinessGeographique(row["finess_geographique"]),
        None if row["finess_juridique"] is None else FinessJuridique(row["finess_juridique"]),
        row["category"],
        row["aggregate"],
    )


async def _solution(
    con: asyncpg.Connection, actor: Actor, request: OrderRequest, known: date
) -> tuple[Solution | None, Supplier | None, date | None]:
    """The version in the list, what the actor is to it, and the day of the list; None for what is unknown."""
    supplies = actor.role in {"editor", "distributor"}
    rows = await con.fetch(
        _SOLUTION,
        request.solution_version,
        known,
        request.signed_on,
        actor.organisation_id if supplies else None,
    )
    first = rows[0]
    if first["solution"] is None:
        return None, None, first["list_on"]
    solution = listed_solution(request.solution_version, first["list_on"], rows)
    supplier = supplier_of(solution, actor.role, first["supplier_siren"], first["distributes"])
    return solution, supplier if supplies else None, first["list_on"]


def listed_solution(version: str, listed_on: date, rows: Sequence[Any]) -> Solution:
    """A version from its rows in the list of the ANS, one per dispositif and period."""
    return Solution(
        version=version,
        solution=rows[0]["solution"],
        kind=rows[0]["solution_kind"],
        editor_siren=rows[0]["editor_siren"],
        snapshot_on=listed_on,
        referencings=tuple(
            Referencing(
                row["dispositif"],
                row["status"],
                row["complete_file_on"],
                row["referenced_from"],
                row["referenced_to"],
            )
            for row in rows
        ),
    )


def supplier_of(solution: Solution, role: str, siren: str | None, distributes: bool) -> Supplier:
    """What an editor or a distributor of that SIREN is to the solution."""
    return Supplier(
        role == "editor" and siren == solution.editor_siren, role == "distributor" and distributes
    )


async def _grants(
    con: asyncpg.Connection, numbers: list[FinessGeographique], known: date
) -> dict[str, tuple[Grant, ...]]:
    found: dict[str, tuple[Grant, ...]] = {}
    for row in await con.fetch("select * from grants_of($1, $2)", numbers, known):
        number = row["finess_geographique"]
        found[number] = (*found.get(number, ()), registered_grant(row))
    return found


def registered_grant(row: Any) -> Grant:
    """A grant of one ESSMS from a row of the register."""
    payments = [day for day in (row["first_paid_on"], row["paid_on"]) if day is not None]
    return Grant(
        reference=row["grant_reference"],
        year=row["call_year"],
        project=row["project"],
        components=tuple(row["components"]),
        state=row["state"],
        solution=row["solution"],
        dui_referenced=row["dui_referenced"],
        agreed_on=row["agreed_on"],
        first_payment_on=min(payments, default=None),
    )
