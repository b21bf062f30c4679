"""Orders over HTTP: simulate, deposit, deposit many, read one, read pages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api import problems
from sons_tracker.api.acts import parse_id
from sons_tracker.api.contract import Answer, Contract, may
from sons_tracker.api.examples import BULK, DEPOSITS, SIMULATIONS
from sons_tracker.api.pages import decode_after, encode_next
from sons_tracker.api.refusals import Renderer
from sons_tracker.api.schemas.life import OrderLifeOut, order_life_out
from sons_tracker.api.schemas.orders import (
    AssessmentOut,
    BulkIn,
    BulkLineOut,
    BulkOut,
    OrderIn,
    OrderOut,
    OrderQuery,
    OrdersOut,
    OrdersQuery,
    assessment_out,
    order_request,
    summary_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import MAX_BODY, decode, idempotency_key, read_query, validate
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import clock, order_reading, orders, simulations
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.idempotency import Key, reserve_key
from sons_tracker.operations.order_life import find_order_life
from sons_tracker.operations.order_reading import OrderFilter
from sons_tracker.operations.views import expanded
from sons_tracker.rules.identifiers import parse_geographique, parse_juridique

_TAG = "Commandes"
_BULK_ROUTE = "POST /api/v1/orders/bulk"
KEY_HEADER = {
    "Idempotency-Key": "Une clé de votre choix, 1 à 255 caractères ASCII visibles : la même demande rejouée"
    " sous la même clé reçoit la même réponse, sans effet nouveau. Gardée trente jours."
}
_KEY_ERRORS = (
    ErrorCode.IDEMPOTENCY_KEY_MISSING,
    ErrorCode.IDEMPOTENCY_KEY_INVALID,
    ErrorCode.IDEMPOTENCY_MISMATCH,
    ErrorCode.IDEMPOTENCY_IN_FLIGHT,
)
_UNREADY = (ErrorCode.LAW_NOT_ENACTED, ErrorCode.UNAVAILABLE)
BULK_ERRORS = (*_KEY_ERRORS, *_UNREADY)
MOST_ORDERS = 1_000


@post(
    "/api/v1/simulations",
    status_code=200,
    opt=Contract(
        may("simulation.run"),
        "Simuler une commande",
        tag=_TAG,
        description="Le même code que le dépôt, sans rien garder : chaque règle répond, avec sa source et ce"
        " qui réparerait. Sans jeton, les règles R05, R25 et R26 répondent « inconnu ».",
        query=OrderQuery,
        body=OrderIn,
        answers={200: Answer("Ce que le dépôt répondrait.", AssessmentOut)},
        errors=(ErrorCode.FORBIDDEN,),
        examples=SIMULATIONS,
    ).opt,
)
async def simulate(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """What a deposit of the body would be told."""
    query = read_query(request, OrderQuery)
    asked = order_request(await decode(request, OrderIn))
    view = await simulations.simulate(actor, asked, law.load().law, await clock.now())
    shown = expanded(view) if query.verdicts == "all" else view
    return _json(msgspec.json.encode(assessment_out(shown)))


@post(
    "/api/v1/orders",
    status_code=201,
    opt=Contract(
        may("order.deposit"),
        "Déposer une commande",
        tag=_TAG,
        description="Décidée aussitôt. Acceptée ou à instruire : 201, et ses ESSMS sont engagés. Refusée :"
        " 409 avec tous les verdicts ; le refus est gardé sous un identifiant et peut être contesté.",
        query=OrderQuery,
        headers=KEY_HEADER,
        body=OrderIn,
        answers={201: Answer("La commande déposée.", OrderOut)},
        errors=(ErrorCode.REFUSED_BY_RULES, *_KEY_ERRORS, *_UNREADY),
        examples=DEPOSITS,
    ).opt,
)
async def submit(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Deposits the body for the actor's own organisation."""
    query = read_query(request, OrderQuery)
    name = idempotency_key(request)
    asked = order_request(await decode(request, OrderIn))
    digest = hashlib.sha256(query.verdicts.encode() + b"\0" + await request.body()).digest()
    render = Renderer(request.app.state.settings, expand=query.verdicts == "all")
    key = Key(name, "POST /api/v1/orders", digest)
    answer = await orders.submit(actor, asked, law.load().law, await clock.now(), key, render)
    return _answer(answer)


@post(
    "/api/v1/orders/bulk",
    status_code=200,
    request_max_body_size=8 * MAX_BODY,
    opt=Contract(
        may("order.deposit"),
        "Déposer des commandes en nombre",
        tag=_TAG,
        description="De 1 à 1 000 commandes, chacune décidée pour elle-même ; une commande mal formée ou"
        " refusée n'empêche pas les autres. Le compte rendu suit l'ordre des commandes. Rejoué sous la même"
        " clé, un envoi interrompu reprend sans rien déposer deux fois.",
        headers=KEY_HEADER,
        body=BulkIn,
        answers={200: Answer("Le compte rendu, commande par commande.", BulkOut)},
        errors=BULK_ERRORS,
        examples=BULK,
    ).opt,
)
async def submit_bulk(request: Request[Any, Any, Any], actor: Caller) -> BulkOut:
    """Deposits each order of the body; every one has its own transaction and its own derived key."""
    name = idempotency_key(request)
    body = await decode(request, BulkIn)
    digest = hashlib.sha256(await request.body()).digest()
    return await deposit_each(request, actor, name, digest, list(enumerate(body.orders, start=1)))


async def deposit_each(
    request: Request[Any, Any, Any],
    actor: Actor,
    name: str,
    digest: bytes,
    orders: Sequence[tuple[int, object]],
) -> BulkOut:
    """Deposits orders that came together, each with its line, under the key `name` of the whole.

    Raises:
        SonsError: those of the key; what says to come back later.
    """
    await reserve_key(actor, Key(name, _BULK_ROUTE, digest))
    at, render = await clock.now(), Renderer(request.app.state.settings)
    results = [await _bulk_line(actor, line, plain, name, at, render) for line, plain in orders]
    deposited = sum(r.status == 201 for r in results)
    refused = sum(r.status == ErrorCode.REFUSED_BY_RULES.value.status for r in results)
    return BulkOut(deposited, refused, len(results) - deposited - refused, results)


async def _bulk_line(
    actor: Actor, line: int, plain: object, name: str, at: datetime, render: Renderer
) -> BulkLineOut:
    content = msgspec.json.encode(plain)
    derived = hashlib.sha256(f"{name}\0{line}".encode()).hexdigest()
    key = Key(f"bulk-{derived}", _BULK_ROUTE, hashlib.sha256(content).digest())
    try:
        asked = order_request(validate(plain, OrderIn))
        answer = await orders.submit(actor, asked, law.load().law, at, key, render)
    except SonsError as error:
        if error.kind.retry_after is not None:
            raise  # nothing is known of this line yet: the whole is asked again under the same key
        return BulkLineOut(line, error.kind.status, problem=problems.members(error))
    found = msgspec.json.decode(answer.body)
    if answer.status == 201:
        return BulkLineOut(line, answer.status, order=found)
    return BulkLineOut(line, answer.status, problem=found)


@get(
    "/api/v1/orders/{order_id:str}",
    opt=Contract(
        may("order.read"),
        "Lire une commande",
        tag=_TAG,
        description="Avec « actions » : ce que votre rôle peut y faire maintenant, et pourquoi pas le reste.",
        path={"order_id": "Identifiant de la commande."},
        query=OrderQuery,
        answers={200: Answer("La commande, ses montants, ses échéances, ses verdicts.", OrderLifeOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
    ).opt,
)
async def find(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """One order; an unknown one and another organisation's answer the same 404."""
    query = read_query(request, OrderQuery)
    wanted = parse_id(order_id, "Aucune commande visible ne porte cet identifiant.")
    life = await find_order_life(actor, wanted, law.load().law, await clock.now())
    if query.verdicts == "all":
        life = replace(life, order=expanded(life.order))
    return _json(msgspec.json.encode(order_life_out(life)))


@get(
    "/api/v1/orders",
    opt=Contract(
        may("order.read"),
        "Lister les commandes",
        tag=_TAG,
        description="De la plus récente à la plus ancienne, par pages ; « after » est le « next » reçu.",
        query=OrdersQuery,
        answers={200: Answer("Une page.", OrdersOut)},
        errors=(ErrorCode.UNAVAILABLE,),
    ).opt,
)
async def list_orders(request: Request[Any, Any, Any], actor: Caller) -> OrdersOut:
    """A page of the orders that the actor may see."""
    query = read_query(request, OrdersQuery)
    narrowed = OrderFilter(
        state=query.state,
        dispositif=query.dispositif,
        og=None if query.og is None else parse_juridique(query.og, "?og"),
        essms=None if query.essms is None else parse_geographique(query.essms, "?essms"),
        signed_from=query.signed_from,
        signed_to=query.signed_to,
        supplier_reference=query.supplier_reference,
    )
    after = decode_after(query.after)
    page = await order_reading.list_orders(actor, narrowed, after, query.limit)
    return OrdersOut([summary_out(order) for order in page.orders], encode_next(page.next_after))


def _json(body: bytes) -> Response[bytes]:
    return Response(body, media_type="application/json")


def _answer(answer: Kept) -> Response[bytes]:
    media_type = "application/json" if answer.status < 400 else problems.MEDIA_TYPE
    headers = {"idempotent-replayed": "true"} if answer.replayed else {}
    return Response(answer.body, status_code=answer.status, media_type=media_type, headers=headers)


HANDLERS: tuple[HTTPRouteHandler, ...] = (simulate, submit, submit_bulk, find, list_orders)
