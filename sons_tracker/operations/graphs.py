"""Who is linked to whom around a case: editors, OG, ESSMS, orders, grants, and the shortest way between two.

The graph starts from the acts of the case and its ESSMS and goes two steps: what these touch, then what that
touches. Row-level security narrows it to the reader's rights; an account appears only where two suppliers
share it, masked. It is bounded, nearest first, and says how much was left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import networkx as nx

from sons_tracker.db.engine import transaction
from sons_tracker.documents.graph_picture import Edge, Graph, Node
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.conflict_reading import ConflictView, view_conflict
from sons_tracker.operations.essms_facts import grant_day, grant_words
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.french import count_fr, date_fr
from sons_tracker.rules.lifecycle import ORDER_WORDS, RESERVATION_WORDS

MOST_NODES = 400
"""A bound of the software: beyond it nobody reads a picture."""
_MOST_OF_OG = 50
_LINK = 2 * MOST_NODES
"""The length of a link: what is spared on the way to an ESSMS never makes up for one more link."""

_ORDERS = """
select o.id, o.number, o.state, o.signed_on, o.received_at, o.supplier_id, o.og_finess_juridique as og,
       o.solution_version, s.siren,
       coalesce(s.name, (select r.editor_name from referencing r where r.solution_version = o.solution_version
                         order by r.valid_from desc limit 1), 'Fournisseur non communiqué') as supplier
from purchase_order o left join organisation s on s.id = o.supplier_id where o.id = any($1)
order by o.received_at, o.id
"""
_LINES = """
select l.order_id, l.finess_geographique as finess, o.signed_on, c.claimed_at, c.released_at
from order_line l join purchase_order o on o.id = l.order_id
left join claim c on c.order_id = l.order_id and c.finess_geographique = l.finess_geographique
where l.order_id = any($1) or l.finess_geographique = any($2)
order by o.received_at, l.order_id, l.finess_geographique
"""
_GRANTS = """
select g.* from esms_grant g
where (g.grant_reference = any($1) or g.finess_geographique = any($2))
  and g.valid_from <= $3 and (g.valid_to is null or g.valid_to > $3)
order by g.grant_reference, g.finess_geographique
"""
_RESERVATIONS = """
select r.id, r.number, r.state, r.reserved_at, r.supplier_id, l.finess_geographique as finess
from reservation_line l join reservation r on r.id = l.reservation_id
where l.finess_geographique = any($1) order by r.reserved_at, r.id, l.finess_geographique
"""
_REGISTER = """
select distinct on (e.finess_geographique) e.finess_geographique as finess, e.name, e.finess_juridique as og,
       e.valid_from
from establishment e where e.finess_geographique = any($1) and e.valid_from <= $2
order by e.finess_geographique, e.valid_from desc
"""
_ENTITIES = """
select distinct on (finess_juridique) finess_juridique as og, name from legal_entity
where finess_juridique = any($1) and valid_from <= $2 order by finess_juridique, valid_from desc
"""
_COUNTERPARTS = """
select finess_geographique, counterpart from conflict_essms
where conflict_id = $1 and counterpart is not null order by 1
"""
_OF_OG = """
select o.id from purchase_order o where o.og_finess_juridique = any($1) and o.vague = $2
order by o.received_at desc, o.id limit $3
"""
_SUCCESSIONS = """
select predecessor, successor, kind, later_on from succession
where state <> 'dismissed' and (predecessor = any($1) or successor = any($1)) order by 1, 2
"""
# the accounts that suppliers share: what the reader's role may compare, and the end of the number alone
_SHARED = """
select s.account_id, s.ending, array(select unnest(s.suppliers) order by 1) as suppliers
from shared_accounts() s where s.suppliers && $1 order by s.account_id
"""


@dataclass(frozen=True, slots=True)
class CaseGraph:
    """The graph around a case; `path`: why two of its nodes are linked, in sentences."""

    number: str
    graph: Graph
    path: tuple[str, ...]


@dataclass(slots=True)
class _Growing:
    """A graph in the making: what is added first stays when the bound is reached."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], Edge] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)

    def add(self, node: Node) -> None:
        if node.id in self.nodes:
            return
        if len(self.nodes) >= MOST_NODES:
            self.left_out.add(node.id)
        else:
            self.nodes[node.id] = node

    def link(self, source: str, word: str, target: str, on: date | None) -> None:
        """Two nodes that did fit."""
        if source in self.nodes and target in self.nodes:
            self.edges.setdefault((source, target), Edge(source, target, word, on))

    def of(self, kind: str) -> list[str]:
        """The identifiers of a kind, without their prefix, in the order of their coming."""
        return [node.id.partition(":")[2] for node in self.nodes.values() if node.kind == kind]


async def conflict_graph(
    actor: Actor, conflict: UUID | str, at: datetime, ends: tuple[str, str] | None = None
) -> CaseGraph:
    """The graph around a case, by its identifier or number, and the shortest way between `ends`.

    An end is the identifier or the reference of a node; without ends, the way from one side to the other.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND`, the same for an unknown case, another's, and an unknown end.
    """
    require(actor, "graph.read")
    async with transaction(actor.context, isolation="repeatable_read", read_only=True) as con:
        case = await view_conflict(con, actor, conflict, at)
        graph = await read_graph(con, case, at)
    if ends is not None:
        return CaseGraph(case.number, graph, why_linked(graph, *(_end(graph, end) for end in ends)))
    sides = [node.id for node in graph.nodes if node.role.startswith("partie")]
    path = why_linked(graph, sides[0], sides[1]) if len(sides) > 1 else ()
    return CaseGraph(case.number, graph, path)


async def read_graph(con: asyncpg.Connection, case: ConflictView, at: datetime) -> Graph:
    """The graph around a case as the reader of `con` may see it, in a constant number of statements."""
    today = known_on(at)
    growing = _Growing()
    concerned = sorted({*case.essms, *case.counterparts})
    acts = {side.order_id: side.side for side in case.sides if side.order_id is not None}
    granted = {side.grant_reference: side.side for side in case.sides if side.grant_reference is not None}
    # the case itself, then what its ESSMS and its acts touch, then the rest of what those touch
    await _add_orders(con, growing, list(acts), acts)
    await _add_essms(con, growing, concerned, today, set(concerned))
    lines = await con.fetch(_LINES, list(acts), concerned)
    grants = await con.fetch(_GRANTS, list(granted), concerned, today)
    _add_grants(growing, grants, granted)
    await _add_orders(con, growing, _missing(growing, [row["order_id"] for row in lines]), acts)
    beyond = [row["finess"] for row in (*lines, *_named(grants))]
    await _add_essms(con, growing, list(dict.fromkeys(beyond)), today, set(concerned))
    others = await con.fetch(_OF_OG, growing.of("og"), case.vague, _MOST_OF_OG)
    await _add_orders(con, growing, _missing(growing, [row["id"] for row in others]), acts)
    around = growing.of("essms")
    grants = await con.fetch(_GRANTS, growing.of("grant"), around, today)
    _add_grants(growing, grants, granted)
    await _add_reservations(con, growing, around)
    for row in await con.fetch(_LINES, [UUID(one) for one in growing.of("order")], []):
        word, day = _held(row)
        growing.link(f"order:{row['order_id']}", word, f"essms:{row['finess']}", day)
    for row in grants:
        growing.link(
            f"grant:{row['grant_reference']}",
            _grant_word(row),
            f"essms:{row['finess_geographique']}",
            grant_day(row),
        )
    for number, other in await con.fetch(_COUNTERPARTS, case.id):
        growing.link(f"essms:{other}", "est un autre numéro de", f"essms:{number}", None)
    for row in await con.fetch(_SUCCESSIONS, growing.of("essms")):
        pair = f"essms:{row['successor']}", f"essms:{row['predecessor']}"
        growing.link(pair[0], "succède à", pair[1], row["later_on"])
    await _add_accounts(con, growing)
    await _name_og(con, growing, today)
    return Graph(
        f"Liens autour du dossier {case.number}",
        tuple(growing.nodes.values()),
        tuple(growing.edges.values()),
        len(growing.left_out),
    )


def why_linked(graph: Graph, source: str, target: str) -> tuple[str, ...]:
    """The shortest way between two nodes, a sentence per link; of two as short, the one through an ESSMS.

    Two nodes that nothing links are told so in one sentence.
    """
    nodes = graph.by_id
    links = nx.Graph()
    links.add_nodes_from(nodes)
    for edge in graph.edges:
        through_essms = "essms" in (nodes[edge.source].kind, nodes[edge.target].kind)
        links.add_edge(edge.source, edge.target, edge=edge, length=_LINK - through_essms)
    try:
        way: Sequence[str] = nx.shortest_path(links, source, target, weight="length")
    except nx.NetworkXNoPath:
        return (f"Aucun lien connu ne relie {nodes[source].label} à {nodes[target].label}.",)
    if len(way) == 1:
        return (f"{nodes[source].label} : c'est le même objet.",)
    told = []
    for one, other in pairwise(way):
        link: Edge = links.edges[one, other]["edge"]
        on = "" if link.on is None else f" ({date_fr(link.on)})"
        told.append(f"{nodes[link.source].label} {link.word} {nodes[link.target].label}{on}.")
    return tuple(told)


def _end(graph: Graph, name: str) -> str:
    for node in graph.nodes:
        if name in (node.id, node.reference):
            return node.id
    raise SonsError(ErrorCode.NOT_FOUND, "Le graphe de ce dossier n'a pas cet objet.")


def _missing(growing: _Growing, orders: Iterable[UUID]) -> list[UUID]:
    return [one for one in dict.fromkeys(orders) if f"order:{one}" not in growing.nodes]


def _named(grants: Sequence[Any]) -> list[dict[str, str]]:
    return [{"finess": row["finess_geographique"]} for row in grants]


async def _add_orders(
    con: asyncpg.Connection, growing: _Growing, orders: list[UUID], acts: dict[UUID, int]
) -> None:
    for row in await con.fetch(_ORDERS, orders) if orders else ():
        order, supplier, og = f"order:{row['id']}", f"supplier:{row['supplier_id']}", f"og:{row['og']}"
        role = f"partie {acts[row['id']]}" if row["id"] in acts else ""
        name = f"{ORDER_WORDS[row['state']]}, {row['solution_version']}"
        growing.add(Node(order, "order", row["number"], name, role))
        growing.add(Node(supplier, "supplier", row["supplier"], f"SIREN {row['siren'] or 'non communiqué'}"))
        growing.add(Node(og, "og", row["og"], "inconnu du répertoire"))
        growing.link(supplier, "a déposé", order, known_on(row["received_at"]))
        growing.link(og, "a signé", order, row["signed_on"])


async def _add_essms(
    con: asyncpg.Connection, growing: _Growing, numbers: list[str], today: date, concerned: set[str]
) -> None:
    rows = {row["finess"]: row for row in await con.fetch(_REGISTER, numbers, today)}
    for number in numbers:
        row = rows.get(number)
        role = "en cause" if number in concerned else ""
        growing.add(
            Node(
                f"essms:{number}",
                "essms",
                number,
                "inconnu du répertoire" if row is None else row["name"],
                role,
            )
        )
        if row is None or row["og"] is None:
            continue
        og = f"og:{row['og']}"
        growing.add(Node(og, "og", row["og"], "inconnu du répertoire"))
        growing.link(og, "gère", f"essms:{number}", row["valid_from"])


def _add_grants(growing: _Growing, grants: Sequence[Any], sides: dict[str, int]) -> None:
    for row in grants:
        reference = row["grant_reference"]
        role = f"partie {sides[reference]}" if reference in sides else ""
        growing.add(Node(f"grant:{reference}", "grant", reference, grant_words(row), role))


async def _add_reservations(con: asyncpg.Connection, growing: _Growing, numbers: list[str]) -> None:
    for row in await con.fetch(_RESERVATIONS, numbers):
        reservation, day = f"reservation:{row['id']}", known_on(row["reserved_at"])
        growing.add(Node(reservation, "reservation", row["number"], RESERVATION_WORDS[row["state"]]))
        growing.link(reservation, "réserve", f"essms:{row['finess']}", day)
        growing.link(f"supplier:{row['supplier_id']}", "a fait", reservation, day)


async def _add_accounts(con: asyncpg.Connection, growing: _Growing) -> None:
    for row in await con.fetch(_SHARED, [UUID(one) for one in growing.of("supplier")]):
        account = f"account:{row['account_id']}"
        suppliers = count_fr(len(row["suppliers"]), "fournisseur")
        growing.add(Node(account, "account", f"…{row['ending']}", f"partagé entre {suppliers}"))
        for supplier in row["suppliers"]:
            growing.link(account, "est un compte de", f"supplier:{supplier}", None)


async def _name_og(con: asyncpg.Connection, growing: _Growing, today: date) -> None:
    for row in await con.fetch(_ENTITIES, growing.of("og"), today):
        node = growing.nodes[f"og:{row['og']}"]
        growing.nodes[node.id] = replace(node, name=row["name"])


def _held(row: Any) -> tuple[str, date]:
    if row["claimed_at"] is None:
        return "porte sur", row["signed_on"]
    if row["released_at"] is None:
        return "engage", known_on(row["claimed_at"])
    return "a libéré", known_on(row["released_at"])


def _grant_word(row: Any) -> str:
    if row["state"] == "requested":
        return "demande à financer"
    return "finance" if row["state"] in {"agreed", "first_paid", "vsr", "paid"} else "visait"
