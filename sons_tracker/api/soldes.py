"""The solde over HTTP: ask for it, file it again, see order, VA and invoice side by side."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api import va_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id
from sons_tracker.api.contract import Answer, Contract, may
from sons_tracker.api.requests import UNKNOWN_ORDER, render, render_new
from sons_tracker.api.schemas.life import RequestOut
from sons_tracker.api.schemas.soldes import (
    MatchOut,
    SoldeRefilingIn,
    SoldeRequestIn,
    match_out,
    solde_content,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, invoices, soldes

_TAG = "Demandes d'avance et de solde"
_ORDER = "/api/v1/orders/{order_id:str}"
_ORDER_ID = {"order_id": "Identifiant de la commande."}
_ERRORS = (*ACT_ERRORS, ErrorCode.OUTSIDE_COVERAGE, ErrorCode.INVALID_IDENTIFIER, ErrorCode.UNAVAILABLE)


@post(
    f"{_ORDER}/solde-request",
    status_code=201,
    opt=Contract(
        may("solde.request"),
        "Demander le solde",
        tag=_TAG,
        description="Avec la facture ; la VA est celle que l'organisme gestionnaire a signée. Commande, VA"
        " et facture concordent au centime, ou la demande est refusée avec tous les écarts. Après la clôture,"
        " elle est gardée et irrecevable (201, « state » vaut « inadmissible »).",
        path=_ORDER_ID,
        headers=KEY_HEADER,
        body=SoldeRequestIn,
        answers={201: Answer("La demande.", RequestOut)},
        errors=_ERRORS,
        examples=examples.SOLDES,
    ).opt,
)
async def request_solde(
    request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]
) -> Response[bytes]:
    """Asks for the solde of an order."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/solde-request")
    content = solde_content(await decode(request, SoldeRequestIn))
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    answer = await soldes.request_solde(actor, wanted, content, law.load().law, at, key, render_new)
    return as_response(answer)


@post(
    f"{_ORDER}/solde-request/refiling",
    status_code=200,
    opt=Contract(
        may("solde.request"),
        "Déposer de nouveau la demande de solde",
        tag=_TAG,
        description="Répond à la demande de correction : la demande entière, avec la VA alors en vigueur."
        " Elle garde l'instant de sa première réception, que la clôture regarde.",
        path=_ORDER_ID,
        headers=KEY_HEADER,
        body=SoldeRefilingIn,
        answers={200: Answer("La demande.", RequestOut)},
        errors=_ERRORS,
        examples=examples.REFILINGS,
    ).opt,
)
async def refile_solde(
    request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]
) -> Response[bytes]:
    """Files a solde that was sent back again."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/solde-request/refiling")
    body = await decode(request, SoldeRefilingIn)
    wanted, at, content = parse_id(order_id, UNKNOWN_ORDER), await clock.now(), solde_content(body.solde)
    answer = await soldes.refile_solde(actor, wanted, body.answer, content, law.load().law, at, key, render)
    return as_response(answer)


@get(
    f"{_ORDER}/match",
    opt=Contract(
        may("match.read"),
        "Rapprocher commande, VA et facture",
        tag=_TAG,
        description="ESSMS par ESSMS, sans tolérance : ce que dit chaque pièce, les écarts, ce qui les"
        " réparerait.",
        path=_ORDER_ID,
        answers={200: Answer("Le rapprochement.", MatchOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.READS,
    ).opt,
)
async def match(actor: Caller, order_id: FromPath[str]) -> MatchOut:
    """Order, VA and invoice side by side."""
    wanted = parse_id(order_id, UNKNOWN_ORDER)
    return match_out(await invoices.find_match(actor, wanted, await clock.now()))


HANDLERS: tuple[HTTPRouteHandler, ...] = (request_solde, refile_solde, match)
