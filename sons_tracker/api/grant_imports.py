"""Imports of ESMS numérique grants over HTTP: which there were, and what each of them found wrong."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api.acts import parse_id
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.pages import decode_after, encode_next
from sons_tracker.api.schemas.grant_imports import (
    AnomaliesOut,
    AnomaliesQuery,
    GrantImportsOut,
    GrantImportsQuery,
    anomalies_out,
    grant_import_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import grant_imports

_TAG = "Financements ESMS numérique"
_UNKNOWN = "Aucun import visible ne porte cet identifiant."


@get(
    "/api/v1/grants/imports",
    opt=Contract(
        may("grant_import.read"),
        "Lister les imports de financements",
        tag=_TAG,
        description="Du plus récent au plus ancien, avec ce que chacun a lu et laissé de côté. Un import"
        " refusé en entier n'a rien écrit et n'y figure pas.",
        query=GrantImportsQuery,
        answers={200: Answer("Une page.", GrantImportsOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=(
            Example("recents", "Les dix derniers imports", 200, query={"limit": "10"}, role="reviewer"),
        ),
    ).opt,
)
async def list_imports(request: Request[Any, Any, Any], actor: Caller) -> GrantImportsOut:
    """A page of imports."""
    query = read_query(request, GrantImportsQuery)
    page = await grant_imports.list_grant_imports(actor, decode_after(query.after), query.limit)
    return GrantImportsOut([grant_import_out(one) for one in page.imports], encode_next(page.next_after))


@get(
    "/api/v1/grants/imports/{import_id:str}/anomalies",
    opt=Contract(
        may("grant_import.read"),
        "Lire les anomalies d'un import de financements",
        tag=_TAG,
        description="Ligne par ligne : ce qui a été laissé de côté (« error »), ce qui a été importé avec un"
        " doute (« warn »), et que faire.",
        path={"import_id": "Identifiant de l'import."},
        query=AnomaliesQuery,
        answers={200: Answer("L'import et une page de ses anomalies.", AnomaliesOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=(
            Example(
                "inconnu",
                "Un import inconnu",
                404,
                path={"import_id": "00000000-0000-4000-8000-000000000001"},
                query={"severity": "error"},
                role="reviewer",
            ),
        ),
    ).opt,
)
async def list_anomalies(
    request: Request[Any, Any, Any], actor: Caller, import_id: FromPath[str]
) -> AnomaliesOut:
    """A page of what an import found wrong or doubtful."""
    query = read_query(request, AnomaliesQuery)
    page = await grant_imports.list_anomalies(
        actor,
        parse_id(import_id, _UNKNOWN),
        severity=query.severity,
        code=query.code,
        after=query.after,
        limit=query.limit,
    )
    return anomalies_out(page)


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_imports, list_anomalies)
