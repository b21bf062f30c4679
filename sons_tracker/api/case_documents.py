"""The graph around a case and its evidence pack over HTTP."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api.conflicts import CONFLICT, parse_conflict
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.lots import attachment
from sons_tracker.api.schemas.case_documents import GraphOut, GraphQuery, graph_out
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import read_query
from sons_tracker.documents.graph_picture import to_svg
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations import clock, evidence, graphs

_TAG = "Conflits"
_ID = {"conflict_id": "Identifiant du dossier de conflit."}
_NOBODY = {"conflict_id": "00000000-0000-4000-8000-000000000001"}
_SVG = "image/svg+xml"
_ZIP = "application/zip"
_ERRORS = (ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE)
# A picture opened on its own runs, loads and frames nothing.
_PICTURE_HEADERS = {"content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox"}


@get(
    f"{CONFLICT}/graph",
    opt=Contract(
        may("graph.read"),
        "Lire les liens autour d'un dossier",
        tag=_TAG,
        description="Fournisseurs, commandes, réservations, ESSMS, OG, financements à deux liens du dossier,"
        " et les comptes bancaires que deux fournisseurs partagent, masqués. Les lignes sont celles de"
        " l'image.",
        path=_ID,
        query=GraphQuery,
        answers={200: Answer("Les nœuds, les liens, et pourquoi deux d'entre eux sont liés.", GraphOut)},
        errors=_ERRORS,
        examples=(
            Example("inconnu", "Un dossier inconnu, ou celui d'un autre", 404, path=_NOBODY, role="og"),
            Example(
                "un_bout", "Un seul des deux bouts", 422, path=_NOBODY, query={"source": "BC-2023-000001"},
                role="reviewer",
            ),
        ),
    ).opt,
)  # fmt: skip
async def graph(request: Request[Any, Any, Any], actor: Caller, conflict_id: FromPath[str]) -> GraphOut:
    """The graph around a case as a table, and why two of its nodes are linked."""
    ends = _ends(read_query(request, GraphQuery))
    wanted = parse_conflict(conflict_id)
    return graph_out(await graphs.conflict_graph(actor, wanted, await clock.now(), ends))


@get(
    f"{CONFLICT}/graph.svg",
    opt=Contract(
        may("graph.read"),
        "Voir les liens autour d'un dossier",
        tag=_TAG,
        description="La même chose en image : des colonnes par nature, une forme et un mot pour chacune, sans"
        " couleur nécessaire ; chaque lien porte le numéro de sa ligne.",
        path=_ID,
        answers={200: Answer("L'image (SVG), sans script ni référence extérieure.", str, _SVG)},
        errors=_ERRORS,
        examples=(Example("inconnu", "Un dossier inconnu", 404, path=_NOBODY, role="reviewer"),),
    ).opt,
)
async def picture(actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """The graph around a case as a picture."""
    found = await graphs.conflict_graph(actor, parse_conflict(conflict_id), await clock.now())
    return Response(to_svg(found.graph), media_type=_SVG, headers=_PICTURE_HEADERS)


@get(
    f"{CONFLICT}/evidence",
    opt=Contract(
        may("evidence.export"),
        "Télécharger le dossier de preuves",
        tag=_TAG,
        description="Un ZIP : rapport accessible (PDF/UA), faits, graphe en image et en tableau, empreintes"
        " des documents, extrait du journal avec sa preuve, manifeste. Le journal retient qui l'a pris.",
        path=_ID,
        answers={200: Answer("Le dossier de preuves.", str, _ZIP)},
        errors=_ERRORS,
        examples=(
            Example("inconnu", "Un dossier inconnu", 404, path=_NOBODY, role="reviewer"),
            Example("og", "Les preuves vont aux agences", 403, path=_NOBODY, role="og"),
        ),
    ).opt,
)
async def pack(actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """The evidence pack of a case."""
    wanted = parse_conflict(conflict_id)
    made = await evidence.export(actor, wanted, law.load().law, await clock.now())
    return attachment(made.name, made.content, _ZIP)


def _ends(query: GraphQuery) -> tuple[str, str] | None:
    if query.source is not None and query.target is not None:
        return query.source, query.target
    if query.source is None and query.target is None:
        return None
    missing = "target" if query.target is None else "source"
    problem = "Un chemin a deux bouts : « source » et « target »."
    raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault(f"?{missing}", problem),))


HANDLERS: tuple[HTTPRouteHandler, ...] = (graph, picture, pack)
