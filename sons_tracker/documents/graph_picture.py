"""A graph as a table, and the same graph as an SVG picture: columns by kind, each link numbered as its row.

The picture needs no colour (a shape and a word for each kind), no script, no style sheet and no other file;
whoever cannot see it reads the table, which says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr  # nosec B406 # it writes, and reads nothing

from sons_tracker.documents.words import plain, shortened
from sons_tracker.rules.french import count_fr, date_fr

KINDS: Mapping[str, str] = {
    "account": "Compte",
    "supplier": "Fournisseur",
    "reservation": "Réservation",
    "order": "Commande",
    "essms": "ESSMS",
    "og": "OG",
    "grant": "Financement",
}
_COLUMN = {"account": 0, "supplier": 1, "reservation": 2, "order": 2, "essms": 3, "og": 4, "grant": 5}
_HEADS = ("Comptes", "Fournisseurs", "Commandes", "ESSMS", "OG", "ESMS numérique")
_BOX_WIDTH, _BOX_HEIGHT = 178, 46
_COLUMN_PITCH, _ROW_PITCH = 250, 74
_MARGIN, _TOP = 24, 62
_LONGEST_NUMBER, _LONGEST_NAME = 26, 30
_MERGED, _FEWEST_AS_ONE = frozenset({"essms", "order", "grant"}), 4
_NUMBER_RADIUS = 9
_SWEEPS = 4


@dataclass(frozen=True, slots=True)
class Node:
    """One thing of a graph. `reference` is what people call it by (a number), `name` what it is called.

    `role` is a word of the case where it has one: `partie 1`, `partie 2`, `en cause`.
    """

    id: str
    kind: str
    reference: str
    name: str
    role: str = ""

    @property
    def label(self) -> str:
        """`Commande BC-2023-000001`: the kind, then the number, or the name of what has none."""
        return f"{KINDS[self.kind]} {plain(self.reference)}"


@dataclass(frozen=True, slots=True)
class Edge:
    """One link, read from `source` to `target`: `OG 750712184` `gère` `ESSMS 750000018`, since `on`."""

    source: str
    target: str
    word: str
    on: date | None


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and links, each in the order of the table; `left_out` nodes did not fit."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    left_out: int

    @property
    def by_id(self) -> dict[str, Node]:
        """The nodes by their identifiers."""
        return {node.id: node for node in self.nodes}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: the link of that number in the picture, by labels and by identifiers."""

    number: int
    source: str
    word: str
    target: str
    on: date | None
    source_id: str
    target_id: str


def table(graph: Graph) -> tuple[Row, ...]:
    """Every link as a row, with its number in the picture: whoever reads with the ears, or with a program,
    reads the same. Rows that the picture draws as one share their number."""
    drawn, of = condensed(graph)
    numbers = {(e.source, e.target): number for number, e in enumerate(drawn.edges, start=1)}
    rows = _rows(graph, [numbers[of[edge.source], of[edge.target]] for edge in graph.edges])
    return tuple(sorted(rows, key=lambda row: row.number))


def drawn_table(graph: Graph) -> tuple[Row, ...]:
    """The links as the picture draws them, one row a number."""
    drawn, _ = condensed(graph)
    return _rows(drawn, range(1, len(drawn.edges) + 1))


def condensed(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """The graph as it is drawn, and the drawn node of each node: those that have the same links are one.

    Three hundred ESSMS of one order and one OG say the same three hundred times; as one, it can be read.
    """
    links: dict[str, set[tuple[str, str, bool, date | None]]] = {node.id: set() for node in graph.nodes}
    for edge in graph.edges:
        links[edge.source].add((edge.target, edge.word, True, edge.on))
        links[edge.target].add((edge.source, edge.word, False, edge.on))
    alike: dict[tuple[object, ...], list[Node]] = {}
    for node in graph.nodes:
        alone = None if node.kind in _MERGED and links[node.id] else node.id
        alike.setdefault((node.kind, node.role, frozenset(links[node.id]), alone), []).append(node)
    of: dict[str, str] = {}
    nodes = []
    for group in alike.values():
        merged = [_as_one(group)] if len(group) >= _FEWEST_AS_ONE else group
        nodes += merged
        of |= {node.id: (merged[0] if len(merged) < len(group) else node).id for node in group}
    edges: dict[tuple[str, str], Edge] = {}
    for edge in graph.edges:
        ends = of[edge.source], of[edge.target]
        edges.setdefault(ends, replace(edge, source=ends[0], target=ends[1]))
    return Graph(graph.title, tuple(nodes), tuple(edges.values()), graph.left_out), of


def _as_one(group: Sequence[Node]) -> Node:
    first, last = group[0], group[-1]
    name = f"{plain(first.reference)} … {plain(last.reference)}"
    return replace(first, id=f"{first.id}+{len(group)}", reference=f"× {len(group)}", name=name)


def _rows(graph: Graph, numbers: Iterable[int]) -> tuple[Row, ...]:
    nodes = graph.by_id
    return tuple(
        Row(
            number,
            nodes[edge.source].label,
            edge.word,
            nodes[edge.target].label,
            edge.on,
            edge.source,
            edge.target,
        )
        for number, edge in zip(numbers, graph.edges, strict=True)
    )


def description(graph: Graph) -> str:
    """The picture in one French sentence."""
    kinds = [
        count_fr(count, KINDS[kind].lower() if kind not in ("essms", "og") else KINDS[kind], plural)
        for kind, plural in _PLURALS.items()
        if (count := sum(node.kind == kind for node in graph.nodes))
    ]
    more = count_fr(graph.left_out, "objet de plus ne tient", "objets de plus ne tiennent")
    cut = f" {more} pas ici." if graph.left_out else ""
    links, drawn = count_fr(len(graph.edges), "lien"), len(condensed(graph)[0].edges)
    if drawn < len(graph.edges):
        links += f" ; les semblables n'en font qu'un, soit {count_fr(drawn, 'lien')} dans l'image"
    return f"{', '.join(kinds)} ; {links}, numérotés comme les lignes du tableau.{cut}"


_PLURALS = {
    "account": "comptes", "supplier": "fournisseurs", "reservation": "réservations", "order": "commandes",
    "essms": "ESSMS", "og": "OG", "grant": "financements",
}  # fmt: skip


def to_svg(graph: Graph) -> bytes:
    """The picture, in UTF-8: the same graph gives the same bytes."""
    drawn, _ = condensed(graph)
    columns = _columns(drawn)
    used = [column for column in range(len(_HEADS)) if columns.get(column)]
    rows = max((len(nodes) for nodes in columns.values()), default=1)
    left = {column: _MARGIN + place * _COLUMN_PITCH for place, column in enumerate(used)}
    boxes = {
        node.id: _Box(node, left[column], _TOP + (first + row) * _ROW_PITCH, place)
        for place, column in enumerate(used)
        for first in [(rows - len(columns[column])) // 2]
        for row, node in enumerate(columns[column])
    }
    width = 2 * _MARGIN + max(len(used) - 1, 0) * _COLUMN_PITCH + _BOX_WIDTH
    height = _TOP + rows * _ROW_PITCH
    gaps = [left[column] for column in used]
    lines, numbers = _links(drawn, boxes, gaps)
    heads = [
        _text(left[column] + _BOX_WIDTH / 2, 30, _HEADS[column], size=14, weight="bold") for column in used
    ]
    body = "".join([*heads, *lines, *(box.drawn for box in boxes.values()), *numbers])
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img" aria-labelledby="titre description" lang="fr"'
        ' font-family="Libertinus Serif, Georgia, serif">'
        f'<title id="titre">{_safe(graph.title)}</title>'
        f'<desc id="description">{_safe(description(graph))}</desc>'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>{body}</svg>\n'
    ).encode()


@dataclass(frozen=True, slots=True)
class _Box:
    """A node at its place: `left` and `top` in pixels, `place` the rank of its column."""

    node: Node
    left: int
    top: int
    place: int

    @property
    def right(self) -> int:
        return self.left + _BOX_WIDTH

    @property
    def middle(self) -> float:
        return self.top + _BOX_HEIGHT / 2

    @property
    def drawn(self) -> str:
        node = self.node
        role = f" · {node.role}" if node.role else ""
        stroke = 2.6 if node.role else 1.2
        first = node.label
        if len(first) > _LONGEST_NUMBER:  # the shape and the head of the column tell its kind
            first = shortened(plain(node.reference), _LONGEST_NUMBER)
        second = shortened(plain(node.name), _LONGEST_NAME - len(role)) + role
        full = f"{node.label}, {plain(node.name)}{role}"
        return (
            f"<g><title>{_safe(full)}</title>{_shape(self, stroke)}"
            + _text(self.left + _BOX_WIDTH / 2, self.top + 20, first, size=13, weight="bold")
            + _text(self.left + _BOX_WIDTH / 2, self.top + 36, second, size=11)
            + "</g>"
        )


def _shape(box: _Box, stroke: float) -> str:
    """The outline of a kind: told apart without a colour."""
    x, y, w, h = box.left, box.top, _BOX_WIDTH, _BOX_HEIGHT
    line = f'fill="#ffffff" stroke="#000000" stroke-width="{stroke}"'
    match box.node.kind:
        case "supplier":
            return f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="14" {line}/>'
        case "essms":
            points = [(x + 10, y), (x + w - 10, y), (x + w, y + h / 2), (x + w - 10, y + h), (x + 10, y + h),
                      (x, y + h / 2)]  # fmt: skip
            return f'<polygon points="{_points(points)}" {line}/>'
        case "og":
            inner = f'<rect x="{x + 4}" y="{y + 4}" width="{w - 8}" height="{h - 8}" fill="none"'
            return (
                f'<rect x="{x}" y="{y}" width="{w}" height="{h}" {line}/>'
                f'{inner} stroke="#000000" stroke-width="0.8"/>'
            )
        case "grant":
            points = [(x, y), (x + w - 14, y), (x + w, y + 14), (x + w, y + h), (x, y + h)]
            return f'<polygon points="{_points(points)}" {line}/>'
        case "account" | "reservation":
            return f'<rect x="{x}" y="{y}" width="{w}" height="{h}" {line} stroke-dasharray="6 4"/>'
    return f'<rect x="{x}" y="{y}" width="{w}" height="{h}" {line}/>'


def _columns(graph: Graph) -> dict[int, list[Node]]:
    """The nodes of each column, so ordered that linked nodes stand at about the same height."""
    columns: dict[int, list[Node]] = {}
    for node in graph.nodes:
        columns.setdefault(_COLUMN[node.kind], []).append(node)
    neighbours: dict[str, list[str]] = {}
    for edge in graph.edges:
        neighbours.setdefault(edge.source, []).append(edge.target)
        neighbours.setdefault(edge.target, []).append(edge.source)
    height = {node.id: _centred(row, nodes) for nodes in columns.values() for row, node in enumerate(nodes)}
    for _ in range(_SWEEPS):
        for column in sorted(columns):
            nodes = columns[column]
            nodes.sort(
                key=lambda node: _mean([height[n] for n in neighbours.get(node.id, ())], height[node.id])
            )
            height |= {node.id: _centred(row, nodes) for row, node in enumerate(nodes)}
    return columns


def _centred(row: int, nodes: Sequence[Node]) -> float:
    return row - (len(nodes) - 1) / 2


def _mean(heights: Sequence[float], otherwise: float) -> float:
    return sum(heights) / len(heights) if heights else otherwise


def _links(graph: Graph, boxes: Mapping[str, _Box], lefts: Sequence[int]) -> tuple[list[str], list[str]]:
    """The lines, and the numbers that stand on them without hiding one another."""
    lines: list[str] = []
    numbers: list[str] = []
    taken: list[tuple[float, float]] = []
    for row, edge in zip(_rows(graph, range(1, len(graph.edges) + 1)), graph.edges, strict=True):
        path = _path(boxes[edge.source], boxes[edge.target], lefts)
        on = "" if row.on is None else f" ({date_fr(row.on)})"
        told = _safe(f"{row.number}. {row.source} {row.word} {row.target}{on}")
        lines.append(
            f'<g><title>{told}</title><polyline points="{_points(path)}" fill="none" stroke="#444444"'
            ' stroke-width="1.2"/></g>'
        )
        x, y = _free(path, taken)
        taken.append((x, y))
        numbers.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_NUMBER_RADIUS}" fill="#ffffff" stroke="#444444"'
            ' stroke-width="0.8"/>' + _text(x, y + 3.5, str(row.number), size=10)
        )
    return lines, numbers


def _path(source: _Box, target: _Box, lefts: Sequence[int]) -> list[tuple[float, float]]:
    """From side to side; across a column in between, through the space between two of its rows."""
    if source.place == target.place:
        x, bulge = source.right, source.right + 26
        return [(x, source.middle), (bulge, source.middle), (bulge, target.middle), (x, target.middle)]
    one, other = (source, target) if source.place < target.place else (target, source)
    path: list[tuple[float, float]] = [(one.right, one.middle)]
    crossed = range(one.place + 1, other.place)
    for rank, place in enumerate(crossed, start=1):
        straight = one.middle + (other.middle - one.middle) * rank / (len(crossed) + 1)
        lane = _TOP - 14 + max(round((straight - _TOP + 14) / _ROW_PITCH), 0) * _ROW_PITCH
        path += [(lefts[place] - 12, lane), (lefts[place] + _BOX_WIDTH + 12, lane)]
    return [*path, (other.left, other.middle)]


def _free(path: Sequence[tuple[float, float]], taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """A point of the line, between two columns, that is far enough from the numbers that stand already."""
    pieces = [(a, b) for a, b in pairwise(path) if a[0] != b[0] and a[1] != b[1]]
    pieces = pieces or list(pairwise(path))
    spots = [
        (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
        for share in (0.5, 0.38, 0.62, 0.26, 0.74)
        for a, b in pieces
    ]
    return next((spot for spot in spots if _clear(spot, taken)), spots[0])


def _clear(spot: tuple[float, float], taken: Sequence[tuple[float, float]]) -> bool:
    apart = 2 * _NUMBER_RADIUS
    return all(abs(spot[0] - x) > apart or abs(spot[1] - y) > apart for x, y in taken)


def _text(x: float, y: float, text: str, *, size: int, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight={quoteattr(weight)}'
        f' text-anchor="middle">{_safe(text)}</text>'
    )


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _safe(text: str) -> str:
    return escape(plain(text))
