"""The pages for integrators: the OpenAPI document, a page that reads it, and one page per error.

Everything is served from the package, under a policy that lets no other origin in.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api import openapi
from sons_tracker.api.contract import Answer, Contract, Example, public
from sons_tracker.api.problems import address
from sons_tracker.api.security import PAGE_POLICY
from sons_tracker.errors import ErrorCode, ErrorKind, SonsError

_KINDS = {code.value.code: code.value for code in ErrorCode}
_ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}
_PAGE_HEADERS = {"content-security-policy": PAGE_POLICY}
_HIDDEN = Contract(public("service.read"), "Documentation", hidden=True)
_FRAME = """<!doctype html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – sons_tracker</title>
<link rel="stylesheet" href="/documentation/page.css">
</head>
<body>
<main>
{content}
</main>
</body>
</html>
"""


class ErrorView(msgspec.Struct, frozen=True):
    """Une erreur de la liste fermée."""

    code: str
    status: int
    title: str
    remedy: str
    type: str
    retry_after: int | None


def publish(app: Litestar) -> None:
    """Writes the OpenAPI document of the finished application, once, at start-up."""
    app.state.openapi = msgspec.json.encode(openapi.build(app))


@get(
    "/openapi.json",
    opt=Contract(
        public("service.read"),
        "Ce document, en OpenAPI 3.1",
        answers={200: Answer("Le document.", dict[str, Any])},
    ).opt,
)
async def openapi_document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The OpenAPI document."""
    return Response(request.app.state.openapi, media_type="application/json")


@get(["/", "/documentation"], opt=_HIDDEN.opt)
async def page() -> Response[bytes]:
    """The page that reads `/openapi.json`."""
    return Response(_static("page.html"), media_type="text/html", headers=_PAGE_HEADERS)


@get("/documentation/{asset:str}", opt=_HIDDEN.opt)
async def asset(asset: FromPath[str]) -> Response[bytes]:
    """The style and the script of the pages; no other file can be named."""
    if asset not in _ASSETS:
        raise SonsError(ErrorCode.NOT_FOUND, "Aucun fichier n'existe à cette adresse.")
    return Response(_static(asset), media_type=_ASSETS[asset])


@get(
    "/problemes",
    opt=Contract(
        public("service.read"),
        "La liste fermée des erreurs",
        description="En JSON, ou en page HTML pour un navigateur. Un code ne change jamais de sens.",
        answers={200: Answer("Toutes les erreurs, par code.", list[ErrorView])},
        examples=(Example("toutes", "Toutes les erreurs", 200),),
    ).opt,
)
async def error_list(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Every error, sorted by code."""
    kinds = sorted(_KINDS.values(), key=lambda kind: kind.code)
    if _wants_page(request):
        rows = "".join(
            f'<li><a href="{address(kind)}"><code>{kind.code}</code></a> ({kind.status}) : '
            f"{escape(kind.title)}</li>"
            for kind in kinds
        )
        return _html("Les erreurs", f"<h1>Les erreurs</h1>\n<ul>{rows}</ul>")
    return _json([_view(kind) for kind in kinds])


@get(
    "/problemes/{code:str}",
    opt=Contract(
        public("service.read"),
        "Une erreur : cause et remède",
        path={"code": "Code de l'erreur, tel que le donne le membre « code »."},
        answers={200: Answer("L'erreur.", ErrorView)},
        examples=(
            Example("requete", "Une requête refusée", 200, path={"code": "invalid_request"}),
            Example("inconnue", "Un code inconnu", 404, path={"code": "inconnu"}),
        ),
    ).opt,
)
async def error_page(request: Request[Any, Any, Any], code: FromPath[str]) -> Response[bytes]:
    """One error; the address is the `type` of its problems."""
    kind = _KINDS.get(code)
    if kind is None:
        raise SonsError(ErrorCode.NOT_FOUND, "Aucune erreur ne porte ce code.")
    if not _wants_page(request):
        return _json(_view(kind))
    wait = (
        ""
        if kind.retry_after is None
        else f"<p>Délai conseillé avant un nouvel envoi : {kind.retry_after} s.</p>"
    )
    content = (
        f"<h1>{escape(kind.title)}</h1>\n<p>Code <code>{kind.code}</code>, statut HTTP {kind.status}.</p>\n"
        f"<h2>Que faire</h2>\n<p>{escape(kind.remedy)}</p>\n{wait}"
        '<p><a href="/problemes">Toutes les erreurs</a></p>'
    )
    return _html(kind.title, content)


HANDLERS: tuple[HTTPRouteHandler, ...] = (openapi_document, page, asset, error_list, error_page)


def _static(name: str) -> bytes:
    return (files("sons_tracker.api") / "static" / name).read_bytes()


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _view(kind: ErrorKind) -> ErrorView:
    return ErrorView(kind.code, kind.status, kind.title, kind.remedy, address(kind), kind.retry_after)


def _json(content: object) -> Response[bytes]:
    return Response(msgspec.json.encode(content), media_type="application/json", headers={"vary": "accept"})


def _html(title: str, content: str) -> Response[bytes]:
    text = _FRAME.format(title=escape(title), content=content)
    headers = {"vary": "accept", **_PAGE_HEADERS}
    return Response(text.encode(), media_type="text/html", headers=headers)
