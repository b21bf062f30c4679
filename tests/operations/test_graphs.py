"""The graph around a case: what it shows and to whom, the shortest way, the picture and its table."""

from __future__ import annotations

from datetime import date
from xml.etree import ElementTree

import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.documents.graph_picture import (
    KINDS,
    Edge,
    Graph,
    Node,
    description,
    drawn_table,
    table,
    to_svg,
)
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import graphs
from sons_tracker.operations.graphs import conflict_graph, why_linked
from tests import factories_orders as make
from tests import factories_suppliers as enrolling
from tests.databases import Database
from tests.factories import Account, an_actor
from tests.factories_conflicts import FOUND, a_clash, a_clash_case, a_conflict

owner = make.Everything()
SVG = "{http://www.w3.org/2000/svg}"
DAY = date(2023, 3, 1)


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def test_a_clash_shows_both_sides_and_why_they_are_linked() -> None:
    clash, case = await a_clash_case(owner)
    for actor in (case.reviewer.actor, clash.og.actor, await an_actor("pilot")):
        found = await conflict_graph(actor, case.id, FOUND)
        roles = {node.reference: node.role for node in found.graph.nodes if node.role}
        assert roles == {
            clash.held_number: "partie 1",
            clash.refused_number: "partie 2",
            clash.finess: "en cause",
        }
        assert found.path == (
            f"Commande {clash.held_number} engage ESSMS {clash.finess} (1er mars 2023).",
            f"Commande {clash.refused_number} porte sur ESSMS {clash.finess} (1er juin 2022).",
        ), "of two ways as short, the one through the ESSMS"
        assert found.graph.left_out == 0


async def test_a_grant_stands_in_the_graph_with_what_it_pays() -> None:
    clash = await a_clash(owner)
    grant = await make.a_grant(owner, clash.finess, solution="AUTRE")
    case = await a_conflict("order_grant", clash.held, grant, essms=[clash.finess])
    found = await conflict_graph(case.reviewer.actor, case.number, FOUND)
    assert next(node for node in found.graph.nodes if node.kind == "grant").role == "partie 2"
    assert found.path == (
        f"Commande {clash.held_number} engage ESSMS {clash.finess} (1er mars 2023).",
        f"Financement {grant} finance ESSMS {clash.finess} (1er mai 2022).",
    )


@pytest.mark.parametrize("who", ["editor", "distributor", "ars", "payer"])
async def test_only_the_agencies_and_the_og_of_the_case_see_it(who: str) -> None:
    clash, case = await a_clash_case(owner)
    stranger = await an_actor("og")
    with pytest.raises(SonsError) as refused:
        await conflict_graph(stranger, case.id, FOUND)
    assert refused.value.code is ErrorCode.NOT_FOUND
    actor = clash.loser.actor if who == "editor" else await an_actor(who)
    if who == "payer":
        assert (await conflict_graph(actor, case.id, FOUND)).graph.nodes
        return
    with pytest.raises(SonsError) as refused:
        await conflict_graph(actor, case.id, FOUND)
    assert refused.value.code is ErrorCode.FORBIDDEN


async def test_the_way_between_any_two_things_and_none() -> None:
    clash, case = await a_clash_case(owner)
    reviewer = case.reviewer.actor
    ends = (clash.finess, f"supplier:{clash.loser.actor.organisation_id}")
    found = await conflict_graph(reviewer, case.id, FOUND, ends)
    assert len(found.path) == 2
    assert found.path[0].startswith(f"Commande {clash.refused_number} porte sur ESSMS {clash.finess}")
    assert "a déposé" in found.path[1]
    with pytest.raises(SonsError) as refused:
        await conflict_graph(reviewer, case.id, FOUND, (clash.finess, "BC-2023-999999"))
    assert refused.value.code is ErrorCode.NOT_FOUND


async def test_an_account_is_shown_masked_and_only_where_two_suppliers_share_it() -> None:
    clash, case = await a_clash_case(owner)
    reviewer = case.reviewer.actor
    assert "account" not in {n.kind for n in (await conflict_graph(reviewer, case.id, FOUND)).graph.nodes}
    iban = enrolling.an_iban()
    for account in (clash.holder, clash.loser):
        await give_account(account, iban)
    graph = (await conflict_graph(reviewer, case.id, FOUND)).graph
    (shared,) = (node for node in graph.nodes if node.kind == "account")
    assert iban not in repr(graph)
    assert sum(edge.source == shared.id for edge in graph.edges) == 2
    of_og = (await conflict_graph(clash.og.actor, case.id, FOUND)).graph
    assert "account" not in {node.kind for node in of_og.nodes}, "an account is no OG's business"


async def test_a_graph_too_large_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    clash, case = await a_clash_case(owner)
    whole = (await conflict_graph(case.reviewer.actor, case.id, FOUND)).graph
    monkeypatch.setattr(graphs, "MOST_NODES", 4)
    cut = (await conflict_graph(case.reviewer.actor, case.id, FOUND)).graph
    assert len(cut.nodes) == 4
    assert cut.left_out == len(whole.nodes) - 4
    assert {clash.held_number} <= {node.reference for node in cut.nodes}, "the acts of the case come first"
    kept = {node.id for node in cut.nodes}
    assert all({edge.source, edge.target} <= kept for edge in cut.edges)
    assert "ne tiennent pas ici" in description(cut)


def a_graph() -> Graph:
    nodes = tuple(
        Node(f"{kind}:1", kind, f"N-{kind}", 'Nom <b>&"hostile"</b>\x1b[31m\u202e', "partie 1")
        for kind in KINDS
    )
    edges = tuple(
        Edge(one.id, other.id, "touche", DAY)
        for place, one in enumerate(nodes)
        for other in nodes[place + 1 :]
    )
    return Graph("Liens <script>", (*nodes, Node("og:2", "og", "990000010", "Seul")), edges, 0)


def test_the_picture_says_what_the_table_says_and_nothing_runs_in_it() -> None:
    graph = a_graph()
    content = to_svg(graph)
    picture = ElementTree.fromstring(content)
    assert content == to_svg(graph)
    tags = {node.tag.removeprefix(SVG) for node in picture.iter()}
    assert tags == {"svg", "title", "desc", "rect", "polygon", "polyline", "circle", "text", "g"}
    assert not [name for node in picture.iter() for name in node.attrib if "href" in name or name[:2] == "on"]
    assert (picture.get("role"), picture.get("lang")) == ("img", "fr")
    titles = [node.text or "" for node in picture.iter(f"{SVG}title")]
    for row in table(graph):
        assert f"{row.number}. {row.source} touche {row.target} (1er mars 2023)" in titles
    numbers = {node.text for node in picture.iter(f"{SVG}text")}
    assert {str(row.number) for row in table(graph)} <= numbers
    assert all(text is None or text.isprintable() for node in picture.iter() for text in [node.text])


def test_every_kind_has_a_shape_or_a_word_of_its_own() -> None:
    graph = a_graph()
    words = [node.text or "" for node in ElementTree.fromstring(to_svg(graph)).iter(f"{SVG}text")]
    for node in graph.nodes:
        assert node.label in words


def test_the_way_is_the_shortest_and_reads_in_the_direction_of_each_link() -> None:
    names = {"a": "order", "b": "essms", "c": "order", "d": "og", "e": "supplier"}
    nodes = tuple(Node(name, kind, name.upper(), "") for name, kind in names.items())
    edges = (
        Edge("e", "a", "a déposé", DAY),
        Edge("e", "c", "a déposé", DAY),
        Edge("a", "b", "engage", DAY),
        Edge("c", "b", "porte sur", None),
    )
    graph = Graph("", nodes, edges, 0)
    assert why_linked(graph, "a", "c") == (
        "Commande A engage ESSMS B (1er mars 2023).",
        "Commande C porte sur ESSMS B.",
    )
    assert why_linked(graph, "a", "d") == ("Aucun lien connu ne relie Commande A à OG D.",)
    assert why_linked(graph, "a", "a") == ("Commande A : c'est le même objet.",)


async def give_account(supplier: Account, iban: str) -> None:
    """An account of a supplier, as it would have written it."""
    async with transaction(supplier.actor.context) as con:
        await con.execute(
            "with account as (insert into bank_account (id, supplier_id, iban, bic, statement_sha256)"
            " values (gen_random_uuid(), $1, $2, 'PSSTFRPPXXX', sha256('essai'))"
            " returning id, supplier_id, iban_masked)"
            " insert into bank_account_change (id, supplier_id, supplier_kind, iban_masked, requested_at,"
            " requested_by) select id, supplier_id, 'editor', iban_masked, $3, $4 from account",
            supplier.actor.organisation_id,
            iban,
            FOUND,
            supplier.actor.person_id,
        )


def test_what_has_the_same_links_is_drawn_as_one_and_told_one_by_one() -> None:
    essms = tuple(Node(f"essms:{n}", "essms", f"99{n:07d}", "Foyer", "en cause") for n in range(300))
    order, og = Node("order:1", "order", "BC-2023-000001", ""), Node("og:1", "og", "990000010", "")
    edges = tuple(
        edge
        for node in essms
        for edge in (Edge("order:1", node.id, "engage", DAY), Edge("og:1", node.id, "gère", None))
    )
    apart = Edge("order:1", "essms:odd", "porte sur", DAY)
    odd = Node("essms:odd", "essms", "990009999", "Foyer", "en cause")
    graph = Graph("", (order, og, *essms, odd), (*edges, apart), 0)
    drawn = drawn_table(graph)
    assert [(row.number, row.source, row.word, row.target) for row in drawn] == [
        (1, "Commande BC-2023-000001", "engage", "ESSMS × 300"),
        (2, "OG 990000010", "gère", "ESSMS × 300"),
        (3, "Commande BC-2023-000001", "porte sur", "ESSMS 990009999"),
    ]
    told = table(graph)
    assert len(told) == 601
    assert [row.number for row in told] == [1] * 300 + [2] * 300 + [3]
    assert {row.target_id for row in told} == {node.id for node in (*essms, odd)}
    picture = ElementTree.fromstring(to_svg(graph))
    assert len(list(picture.iter(f"{SVG}circle"))) == 3
    assert "301 ESSMS, 1 OG ; 601 liens ; les semblables" in description(graph)
    assert "soit 3 liens dans l'image" in description(graph)
