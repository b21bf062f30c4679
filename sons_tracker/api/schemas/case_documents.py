"""The graph around a case, as JSON: the table that says what the picture shows."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sons_tracker.api.strict import Strict
from sons_tracker.documents.graph_picture import description, table
from sons_tracker.operations.graphs import CaseGraph

End = Annotated[str, Meta(min_length=1, max_length=120, description="Identifiant ou numéro d'un nœud.")]


class GraphQuery(Strict, frozen=True, kw_only=True):
    """Deux nœuds dont on demande le plus court chemin ; sans eux, celui d'une partie à l'autre."""

    source: End | None = None
    target: End | None = None


class NodeOut(msgspec.Struct, frozen=True):
    """Un objet lié au dossier ; « role » dit ce qu'il est au dossier, s'il y est quelque chose."""

    id: str
    kind: Literal["account", "supplier", "reservation", "order", "essms", "og", "grant"]
    reference: str
    name: str
    role: str | None


class LinkOut(msgspec.Struct, frozen=True):
    """Un lien, à lire de « source » à « target ». « number » est celui de l'image, où des liens semblables
    n'en font qu'un."""

    number: int
    source: str
    source_label: str
    relation: str
    target: str
    target_label: str
    on: str | None


class GraphOut(msgspec.Struct, frozen=True):
    """Le graphe autour d'un dossier ; « path » dit pourquoi deux de ses nœuds sont liés, une phrase par
    lien ; « left_out » compte ce qui ne tenait pas."""

    number: str
    title: str
    description: str
    nodes: list[NodeOut]
    links: list[LinkOut]
    path: list[str]
    left_out: int


def graph_out(found: CaseGraph) -> GraphOut:
    """A graph as JSON shows it."""
    graph = found.graph
    return GraphOut(
        found.number,
        graph.title,
        description(graph),
        [
            NodeOut(node.id, node.kind, node.reference, node.name, node.role or None)  # type: ignore[arg-type]
            for node in graph.nodes
        ],
        [
            LinkOut(
                row.number,
                row.source_id,
                row.source,
                row.word,
                row.target_id,
                row.target,
                None if row.on is None else row.on.isoformat(),
            )
            for row in table(graph)
        ],
        list(found.path),
        graph.left_out,
    )
