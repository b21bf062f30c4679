"""Requests of advance and solde over HTTP: ask, read, validate, declare inadmissible."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, may
from sons_tracker.api.pages import decode_after, encode_next
from sons_tracker.api.schemas.life import (
    AdvanceRequestIn,
    OrderRequestsOut,
    RequestOut,
    RequestRefusalIn,
    RequestsOut,
    RequestsQuery,
    RequestValidationIn,
    request_out,
    request_summary_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import advances, clock, requests_filed, soldes
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.requests_filed import RequestView

_TAG = "Demandes d'avance et de solde"
_ORDER_ID = {"order_id": "Identifiant de la commande."}
_REQUEST_ID = {"request_id": "Identifiant de la demande."}
UNKNOWN_ORDER = "Aucune commande visible ne porte cet identifiant."
_UNKNOWN = "Aucune demande visible ne porte cet identifiant."
_READS = (ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE)


def render(outcome: RequestView | Refused, status: int = 200) -> Kept:
    """The answer to an act on a request: the request after it, or a problem."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(request_out(outcome)))


def render_new(outcome: RequestView | Refused) -> Kept:
    """The answer to a request that is filed."""
    return render(outcome, 201)


@post(
    "/api/v1/orders/{order_id:str}/advance-request",
    status_code=201,
    opt=Contract(
        may("advance.request"),
        "Demander l'avance",
        tag=_TAG,
        description="Avec le bon de commande signé. Après la fermeture, la demande est gardée et"
        " irrecevable (201, « state » vaut « inadmissible »). Rien n'est dû avant le référencement.",
        path=_ORDER_ID,
        headers=KEY_HEADER,
        body=AdvanceRequestIn,
        answers={201: Answer("La demande.", RequestOut)},
        errors=(*ACT_ERRORS, ErrorCode.OUTSIDE_COVERAGE, ErrorCode.UNAVAILABLE),
    ).opt,
)
async def request_advance(
    request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]
) -> Response[bytes]:
    """Asks for the advance of an order."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/advance-request")
    body = await decode(request, AdvanceRequestIn)
    wanted = parse_id(order_id, UNKNOWN_ORDER)
    at, known_law = await clock.now(), law.load().law
    answer = await advances.request_advance(actor, wanted, content_of(body), known_law, at, key, render_new)
    return as_response(answer)


@get(
    "/api/v1/orders/{order_id:str}/requests",
    opt=Contract(
        may("request.read"),
        "Lire les demandes d'une commande",
        tag=_TAG,
        path=_ORDER_ID,
        answers={200: Answer("Les demandes, de la plus ancienne à la plus récente.", OrderRequestsOut)},
        errors=_READS,
    ).opt,
)
async def of_order(actor: Caller, order_id: FromPath[str]) -> OrderRequestsOut:
    """The requests of an order; an unknown one and another organisation's answer the same 404."""
    found = await requests_filed.requests_of_order(actor, parse_id(order_id, UNKNOWN_ORDER))
    return OrderRequestsOut([request_out(view) for view in found])


@get(
    "/api/v1/requests",
    opt=Contract(
        may("request.read"),
        "Lister les demandes",
        tag=_TAG,
        description="La file des demandes visibles, de la plus ancienne à la plus récente, par pages.",
        query=RequestsQuery,
        answers={200: Answer("Une page.", RequestsOut)},
        errors=(ErrorCode.UNAVAILABLE,),
    ).opt,
)
async def list_requests(request: Request[Any, Any, Any], actor: Caller) -> RequestsOut:
    """A page of the queue."""
    query = read_query(request, RequestsQuery)
    after = decode_after(query.after)
    found = await requests_filed.list_requests(actor, query.state, query.kind, after, query.limit + 1)
    shown = found[: query.limit]
    following = (shown[-1].received_at, shown[-1].id) if len(found) > query.limit else None
    return RequestsOut([request_summary_out(view) for view in shown], encode_next(following))


@get(
    "/api/v1/requests/{request_id:str}",
    opt=Contract(
        may("request.read"),
        "Lire une demande",
        tag=_TAG,
        path=_REQUEST_ID,
        answers={200: Answer("La demande.", RequestOut)},
        errors=_READS,
    ).opt,
)
async def find(actor: Caller, request_id: FromPath[str]) -> RequestOut:
    """One request; an unknown one and another organisation's answer the same 404."""
    return request_out(await requests_filed.find_request(actor, parse_id(request_id, _UNKNOWN)))


@post(
    "/api/v1/requests/{request_id:str}/validation",
    status_code=200,
    opt=Contract(
        may("request.validate"),
        "Valider une demande",
        tag=_TAG,
        description="Les règles de l'étape sont vérifiées à nouveau ; le paiement devient dû.",
        path=_REQUEST_ID,
        headers=KEY_HEADER,
        body=RequestValidationIn,
        answers={200: Answer("La demande validée.", RequestOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
    ).opt,
)
async def validate(
    request: Request[Any, Any, Any], actor: Caller, request_id: FromPath[str]
) -> Response[bytes]:
    """Validates a request of advance or solde."""
    key = await act_key(request, "POST /api/v1/requests/{request_id}/validation")
    body = await decode(request, RequestValidationIn)
    wanted = parse_id(request_id, _UNKNOWN)
    found = await requests_filed.find_request(actor, wanted)
    at, known_law = await clock.now(), law.load().law
    act = advances.validate_advance if found.kind == "advance" else soldes.validate_solde
    return as_response(await act(actor, wanted, found.order_id, body.reason, known_law, at, key, render))


@post(
    "/api/v1/requests/{request_id:str}/refusal",
    status_code=200,
    opt=Contract(
        may("request.refuse"),
        "Déclarer une demande irrecevable",
        tag=_TAG,
        description="Avec sa motivation ; la commande continue, une nouvelle demande reste possible.",
        path=_REQUEST_ID,
        headers=KEY_HEADER,
        body=RequestRefusalIn,
        answers={200: Answer("La demande irrecevable.", RequestOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
    ).opt,
)
async def refuse(
    request: Request[Any, Any, Any], actor: Caller, request_id: FromPath[str]
) -> Response[bytes]:
    """Declares a request inadmissible."""
    key = await act_key(request, "POST /api/v1/requests/{request_id}/refusal")
    body = await decode(request, RequestRefusalIn)
    wanted = parse_id(request_id, _UNKNOWN)
    found = await requests_filed.find_request(actor, wanted)
    at, known_law = await clock.now(), law.load().law
    answer = await advances.refuse_request(
        actor, wanted, found.order_id, found.kind, body.reason, known_law, at, key, render
    )
    return as_response(answer)


def content_of(body: AdvanceRequestIn) -> dict[str, Any]:
    """The content of a request as its schema reads it: what was not said is absent."""
    return {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    request_advance, of_order, list_requests, find, validate, refuse,
)  # fmt: skip
