"""The files of orders that were deposited, built again page by page: what the impact of a law is read from.

The register and the grants are those of the deposit; the list of the ANS is the one known on the day of the
question, because R11 and R12 are asked again until the order is validated (C16). An order's own claims are
no obstacle to it, and what else its OG ordered depends on no law: neither is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.operations.cases import (
    establishment,
    listed_solution,
    read_extraction,
    registered_grant,
    supplier_of,
)
from sons_tracker.rules.case import Case, Establishment, Extraction, Grant, OrderedEssms, Solution, Supplier
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique
from sons_tracker.rules.lifecycle import OPEN_STATES
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Law

_FILE = """
select o.id, o.number, o.state, o.decision, o.dispositif, o.og_finess_juridique as og, o.solution_version,
       o.signed_on, o.received_at, o.already_equipped, s.kind as supplier_kind, s.siren as supplier_siren
from purchase_order o join organisation s on s.id = o.supplier_id
where """
_PAGE = f"""{_FILE} o.state = any($1) and ($2::timestamptz is null or (o.received_at, o.id) > ($2, $3::uuid))
order by o.received_at, o.id limit $4
"""
_LINES = """
select order_id, finess_geographique, asked_ttc_cents, dui_in_place from order_line
where order_id = any($1) order by order_id, finess_geographique
"""
_REGISTER = """
select a.extracted_on, a.og, a.aggregates,
  (select scope from extraction where register = 'establishment' and extracted_on = a.extracted_on
   order by scope desc limit 1) as scope,
  (select count(*) from establishment
   where finess_juridique = a.og and in_service and aggregate = any(string_to_array(a.aggregates, ','))
     and valid_from <= a.extracted_on and (valid_to is null or valid_to > a.extracted_on)) as counted,
  exists (
    select from establishment where finess_juridique = a.og
      and valid_from <= a.extracted_on and (valid_to is null or valid_to > a.extracted_on)
    union all select from legal_entity where finess_juridique = a.og
      and valid_from <= a.extracted_on and (valid_to is null or valid_to > a.extracted_on)) as og_known
from unnest($1::date[], $2::text[], $3::text[]) as a (extracted_on, og, aggregates)
"""
_ESTABLISHMENTS = """
select a.extracted_on, e.finess_geographique, e.finess_juridique, e.category, e.aggregate
from unnest($1::date[], $2::text[]) as a (extracted_on, finess)
join establishment e on e.finess_geographique = a.finess and e.in_service
  and e.valid_from <= a.extracted_on and (e.valid_to is null or e.valid_to > a.extracted_on)
"""
_LIST = """
select list.extracted_on as list_on, r.solution_version, r.solution, r.solution_kind, r.editor_siren,
       r.dispositif, r.status, r.complete_file_on, r.referenced_from, r.referenced_to
from (select max(extracted_on) as extracted_on from extraction
      where register = 'referencing' and extracted_on <= $2) list
left join referencing r on r.solution_version = any($1) and r.valid_from <= $2
  and (r.valid_to is null or r.valid_to > $2)
order by r.solution_version, r.dispositif, r.referenced_from
"""
_DISTRIBUTORS = """
select solution, distributor_siren, distributes_from, distributes_to from distributor
where distributor_siren = any($1) and valid_from <= $2 and (valid_to is null or valid_to > $2)
"""
_GRANTS = """
select l.order_id, g.* from order_line l
join purchase_order o on o.id = l.order_id
join esms_grant g on g.finess_geographique = l.finess_geographique
  and g.valid_from <= o.known_on and (g.valid_to is null or g.valid_to > o.known_on)
where l.order_id = any($1)
order by l.order_id, g.finess_geographique, g.grant_reference
"""


@dataclass(frozen=True, slots=True)
class OrderFile:
    """A deposited order that is not over: what was asked, and where it stands."""

    id: UUID
    number: str
    state: str
    decision: str
    dispositif: str
    og: FinessJuridique
    solution_version: str
    signed_on: date
    received_at: datetime
    already_equipped: bool | None
    supplier_kind: str
    supplier_siren: str | None
    lines: tuple[OrderedEssms, ...]
    """Without their place in the register, which depends on the law."""


async def open_orders(con: asyncpg.Connection) -> int:
    """How many orders are not over."""
    return int(await con.fetchval("select count(*) from purchase_order where state = any($1)", OPEN_STATES))


async def order_files(con: asyncpg.Connection, after: OrderFile | None, limit: int) -> tuple[OrderFile, ...]:
    """The page of open orders that follows `after`, oldest reception first."""
    rows = await con.fetch(
        _PAGE,
        OPEN_STATES,
        None if after is None else after.received_at,
        None if after is None else after.id,
        limit,
    )
    return await _files(con, rows)


async def order_file(con: asyncpg.Connection, order_id: UUID) -> OrderFile:
    """One order's file, whatever its state.

    Raises:
        IndexError: no order that the connection may see has that identifier.
    """
    return (await _files(con, await con.fetch(f"{_FILE} o.id = $1", order_id)))[0]


async def _files(con: asyncpg.Connection, rows: Sequence[Any]) -> tuple[OrderFile, ...]:
    ids = [row["id"] for row in rows]
    grants: dict[tuple[UUID, str], tuple[Grant, ...]] = {}
    for row in await con.fetch(_GRANTS, ids):
        key = (row["order_id"], row["finess_geographique"])
        grants[key] = (*grants.get(key, ()), registered_grant(row))
    lines = {
        order_id: tuple(
            OrderedEssms(
                FinessGeographique(line["finess_geographique"]),
                line["asked_ttc_cents"],
                line["dui_in_place"],
                None,
                (),
                grants.get((order_id, line["finess_geographique"]), ()),
            )
            for line in group
        )
        for order_id, group in groupby(await con.fetch(_LINES, ids), key=lambda line: line["order_id"])
    }
    return tuple(
        OrderFile(**{**dict(row), "og": FinessJuridique(row["og"])}, lines=lines[row["id"]]) for row in rows
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one law asks of the register for an order: the extraction, the OG, the aggregates it counts."""

    extracted_on: date
    og: str
    aggregates: str


_Place = tuple[date, str]
_Register = tuple[Extraction, bool | None, int | None]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules read beside the orders of a page, for every law that is asked about."""

    known_on: date
    register: Mapping[_Asked, _Register]
    places: Mapping[_Place, Establishment]
    solutions: Mapping[str, Solution]
    list_on: date | None
    distributions: Mapping[tuple[str, str], Sequence[tuple[date, date | None]]]

    def cases(self, file: OrderFile, laws: Sequence[Law]) -> tuple[Case, ...]:
        """The frozen file of an order for each law; laws that ask the register the same share one file."""
        made: dict[_Asked | None, Case] = {}
        asked = [_asked(file, law, self.known_on) for law in laws]
        for question in asked:
            if question not in made:
                made[question] = self._case(file, question)
        return tuple(made[question] for question in asked)

    def _case(self, file: OrderFile, asked: _Asked | None) -> Case:
        extraction, og_known, counted = (None, None, None) if asked is None else self.register[asked]
        lines = file.lines
        if extraction is not None and extraction.scope is not None:
            lines = tuple(
                replace(line, establishment=self.places.get((extraction.on, line.finess))) for line in lines
            )
        solution = self.solutions.get(file.solution_version)
        return Case(
            dispositif=file.dispositif,
            og=file.og,
            signed_on=file.signed_on,
            received_at=file.received_at,
            already_equipped=file.already_equipped,
            supplier=None if solution is None else self._supplier(file, solution),
            solution_version=file.solution_version,
            solution=solution,
            solution_list_on=self.list_on,
            extraction=extraction,
            og_known=og_known,
            essms_of_og=counted,
            other_orders=(),
            lines=lines,
        )

    def _supplier(self, file: OrderFile, solution: Solution) -> Supplier:
        """The kind of an organisation is the only supplier's role that its members may have."""
        periods = self.distributions.get((solution.solution, file.supplier_siren or ""), ())
        distributes = any(
            since <= file.signed_on and (until is None or until >= file.signed_on) for since, until in periods
        )
        return supplier_of(solution, file.supplier_kind, file.supplier_siren, distributes)


async def load_facts(
    con: asyncpg.Connection, files: Sequence[OrderFile], laws: Sequence[Law], known_on: date
) -> Facts:
    """The facts of a page in five statements, however many orders, ESSMS and laws.

    `known_on` is the day on which the laws and the list of the ANS are known. The connection is an
    administrator's: it must see every order and every grant.
    """
    asked = {file.id: {q for law in laws if (q := _asked(file, law, known_on))} for file in files}
    questions = sorted({q for found in asked.values() for q in found}, key=lambda q: (q.extracted_on, q.og))
    register = {
        _Asked(row["extracted_on"], row["og"], row["aggregates"]): read_extraction(row["extracted_on"], row)
        for row in await con.fetch(
            _REGISTER,
            [q.extracted_on for q in questions],
            [q.og for q in questions],
            [q.aggregates for q in questions],
        )
    }
    wanted = sorted(
        {(q.extracted_on, line.finess) for file in files for q in asked[file.id] for line in file.lines}
    )
    found = await con.fetch(_ESTABLISHMENTS, [day for day, _ in wanted], [number for _, number in wanted])
    listed = await con.fetch(_LIST, sorted({file.solution_version for file in files}), known_on)
    solutions = {
        version: listed_solution(version, listed[0]["list_on"], list(rows))
        for version, rows in groupby(listed, key=lambda row: row["solution_version"])
        if version is not None
    }
    distributions: dict[tuple[str, str], list[tuple[date, date | None]]] = {}
    sirens = sorted({file.supplier_siren for file in files if file.supplier_siren})
    for row in await con.fetch(_DISTRIBUTORS, sirens, known_on):
        key = (row["solution"], row["distributor_siren"])
        distributions.setdefault(key, []).append((row["distributes_from"], row["distributes_to"]))
    return Facts(
        known_on=known_on,
        register=register,
        places={(row["extracted_on"], row["finess_geographique"]): establishment(row) for row in found},
        solutions=solutions,
        list_on=listed[0]["list_on"],
        distributions=distributions,
    )


def _asked(file: OrderFile, law: Law, known_on: date) -> _Asked | None:
    """None where the law names no extraction for the day of the signature."""
    _, vague = dispositif_of(law, file.dispositif)
    version = vague.extraction.find(file.signed_on, known_on)
    basis = vague.count_basis.find(file.signed_on, known_on)
    if version is None:
        return None
    aggregates = () if basis is None else sorted(required(basis).aggregates)
    return _Asked(required(version), file.og, ",".join(aggregates))
