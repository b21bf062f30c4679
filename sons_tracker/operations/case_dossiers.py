"""Everything that a case of double funding rests on, read at one instant, for its report and its evidence.

The documents themselves are not kept here; their digests are. The journal's extract is what was written about
the objects of the case, each row as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.documents.graph_picture import Graph
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.conflict_reading import ConflictView, view_conflict
from sons_tracker.operations.essms_facts import Fact, read_chains
from sons_tracker.operations.graphs import read_graph, why_linked
from sons_tracker.operations.journal_texts import Kept, texts_of

_ORDERS = """
select o.id, o.number, o.state, o.dispositif, o.solution_version, o.signed_on, o.received_at,
       o.total_ttc_cents, s.name as supplier, s.siren, g.name as og_name, o.og_finess_juridique as og
from purchase_order o join organisation s on s.id = o.supplier_id join organisation g on g.id = o.og_id
where o.id = any($1) order by o.received_at, o.id
"""
_GRANTS = """
select distinct on (grant_reference) * from esms_grant
where grant_reference = any($1) and finess_geographique = any($2) order by grant_reference, valid_from desc
"""
_ESSMS = """
select e.finess_geographique as finess, e.counterpart, r.name, r.finess_juridique as og
from conflict_essms e
left join lateral (select n.name, n.finess_juridique from establishment n
                   where n.finess_geographique = e.finess_geographique
                   order by n.valid_from desc limit 1) r on true
where e.conflict_id = $1 order by 1
"""
_ORGANISATIONS = "select id, name from organisation where id = any($1)"
# What is signed or joined, by the digest that was kept with it.
_DOCUMENTS = """
select o.number as order_number, 'order' as kind, o.number as reference, o.received_at as at,
       o.order_document_sha256 as sha256
from purchase_order o where o.id = any($1) and o.order_document_sha256 is not null
union all
select o.number, 'va', 'VA ' || v.number, v.prepared_at, v.statement_sha256
from va v join purchase_order o on o.id = v.order_id where v.order_id = any($1)
union all
select o.number, 'invoice', i.number, i.received_at, i.document_sha256
from invoice i join purchase_order o on o.id = i.order_id
where i.order_id = any($1) and i.document_sha256 is not null
union all
select o.number, 'cancellation', 'Annulation ' || k.number, k.asked_at, k.document_sha256
from cancellation k join purchase_order o on o.id = k.order_id
where k.order_id = any($1) and k.document_sha256 is not null
union all
select o.number, 'delegation', 'VA ' || v.number || ' par délégation', d.given_at, d.text_sha256
from va_signature s join delegation d on d.id = s.delegation_id join va v on v.id = s.va_id
join purchase_order o on o.id = s.order_id where s.order_id = any($1)
order by 4, 2, 3
"""
_OBJECTS = """
select id::text from payment where order_id = any($1)
union select id::text from recovery where order_id = any($1)
union select id::text from conflict_question where conflict_id = $2
union select id::text from conflict_decision where conflict_id = $2
"""
_JOURNAL = """
select id, at, recorded_at, person_id, organisation_id, role, auth_level, action, object_kind, object_id,
       facts
from journal where object_id = any($1) order by id
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """A document that is known by its digest: 64 hexadecimal characters."""

    order: str
    kind: str
    reference: str
    at: datetime
    sha256: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """A case with what it rests on. Records carry the columns of the statements above; instants are aware."""

    case: ConflictView
    at: datetime
    law_digest: str
    orders: dict[UUID, asyncpg.Record]
    grants: dict[str, asyncpg.Record]
    essms: tuple[asyncpg.Record, ...]
    organisations: dict[UUID, str]
    facts: tuple[tuple[str, Fact], ...]
    graph: Graph
    path: tuple[str, ...]
    pieces: tuple[Piece, ...]
    journal: tuple[dict[str, Any], ...]
    texts: tuple[Kept, ...]


async def read_dossier(
    con: asyncpg.Connection, actor: Actor, conflict: UUID | str, at: datetime, law_digest: str
) -> Dossier:
    """The dossier of a case, by its identifier or number, for an agency: in a constant number of statements.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    case = await view_conflict(con, actor, conflict, at)
    orders = [side.order_id for side in case.sides if side.order_id is not None]
    grants = [side.grant_reference for side in case.sides if side.grant_reference is not None]
    concerned = sorted({*case.essms, *case.counterparts})
    chains = await read_chains(con, concerned, None)
    facts = [(number, fact) for number, chain in chains.items() for fact in chain.facts]
    facts.sort(key=lambda one: (one[1].on, one[1].learnt_at))
    graph = await read_graph(con, case, at)
    sides = [node.id for node in graph.nodes if node.role.startswith("partie")]
    asked = [question.organisation_id for question in case.questions]
    objects = await con.fetch(_OBJECTS, orders, case.id)
    named = [str(case.id), *(str(one) for one in orders), *(row["id"] for row in objects)]
    rows = tuple(dict(row) for row in await con.fetch(_JOURNAL, named))
    return Dossier(
        case=case,
        at=at,
        law_digest=law_digest,
        orders={row["id"]: row for row in await con.fetch(_ORDERS, orders)},
        grants={row["grant_reference"]: row for row in await con.fetch(_GRANTS, grants, concerned)},
        essms=tuple(await con.fetch(_ESSMS, case.id)),
        organisations={row["id"]: row["name"] for row in await con.fetch(_ORGANISATIONS, asked)},
        facts=tuple(facts),
        graph=graph,
        path=why_linked(graph, *sides[:2]) if len(sides) > 1 else (),
        pieces=tuple(
            Piece(row["order_number"], row["kind"], row["reference"], row["at"], row["sha256"].hex())
            for row in await con.fetch(_DOCUMENTS, orders)
        ),
        journal=rows,
        texts=await texts_of(con, [row["id"] for row in rows]),
    )
