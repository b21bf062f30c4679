"""Webhooks over HTTP: register, list, turn the secret, test, disable, see and replay what was sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api import outbox_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.schemas.outbox import (
    DeliveriesOut,
    DeliveriesQuery,
    ReplayedOut,
    ReplayIn,
    RotationIn,
    WebhookIn,
    WebhookOut,
    WebhooksOut,
    deliveries_out,
    replay_request,
    webhook_out,
)
from sons_tracker.api.security import Caller, door_of
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, replays, webhooks
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.replays import Replayed
from sons_tracker.operations.webhooks import Endpoint, Shown
from sons_tracker.settings import Settings

_TAG = "Webhooks"
_ALL = "/api/v1/webhooks"
_ONE = f"{_ALL}/{{webhook_id:str}}"
_ID = {"webhook_id": "Identifiant du webhook."}
_UNKNOWN = "Aucun webhook visible ne porte cet identifiant."


def _act(
    action: str,
    summary: str,
    description: str,
    *,
    body: Any = None,
    answer: Any = WebhookOut,
    status: int = 200,
    path: dict[str, str] = _ID,
    shown: tuple[Example, ...] = (),
) -> dict[str, Any]:
    """The contract of an act on one's own webhooks, which every role may do."""
    said = "Le webhook après cet acte." if answer is WebhookOut else "Combien d'envois sont remis en file."
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        path=path,
        headers=KEY_HEADER,
        body=body,
        answers={status: Answer(said, answer)},
        errors=(*ACT_ERRORS, ErrorCode.INVALID_REQUEST, ErrorCode.UNAVAILABLE),
        examples=shown,
    ).opt


@post(
    _ALL,
    status_code=201,
    opt=_act(
        "webhook.manage",
        "Enregistrer un webhook",
        "Chaque avis est envoyé au moins une fois, signé selon Standard Webhooks (en-têtes « webhook-id »,"
        " « webhook-timestamp », « webhook-signature »), sans garantie d'ordre : « webhook-id » reconnaît un"
        " doublon. Une réponse 2xx en moins de 15 secondes vaut réception ; sinon dix tentatives sur trois"
        " jours. Les redirections ne sont pas suivies et les adresses privées sont refusées. Le secret n'est"
        " montré que dans cette réponse : une réponse rejouée ne l'a plus, et il faut alors le renouveler.",
        body=WebhookIn,
        status=201,
        path={},
        shown=examples.REGISTRATIONS,
    ),
)
async def register(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Registers an address for the actor's own organisation."""
    key = await act_key(request, f"POST {_ALL}")
    body = await decode(request, WebhookIn)
    settings: Settings = request.app.state.settings
    shown = await webhooks.register(
        actor,
        await clock.now(),
        key,
        body.url,
        tuple(body.events),
        render_created,
        door=door_of(request),
        loopback=settings.webhooks_on_loopback,
    )
    return as_response(with_secret(shown, "secret"))


@get(
    _ALL,
    opt=Contract(
        may("webhook.read"),
        "Lister ses webhooks",
        tag=_TAG,
        description="Ceux de votre organisation, désactivés compris, sans leurs secrets.",
        answers={200: Answer("Les webhooks.", WebhooksOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=examples.LISTS,
    ).opt,
)
async def list_webhooks(actor: Caller) -> WebhooksOut:
    """The webhooks of the actor's organisation."""
    return WebhooksOut([webhook_out(one) for one in await webhooks.list_endpoints(actor)])


@get(
    f"{_ONE}/deliveries",
    opt=Contract(
        may("webhook.read"),
        "Lister les envois d'un webhook",
        tag=_TAG,
        description="« dead » : abandonnés après la dernière tentative ; ils peuvent être rejoués.",
        path=_ID,
        query=DeliveriesQuery,
        answers={200: Answer("Une page.", DeliveriesOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.DELIVERIES,
    ).opt,
)
async def list_deliveries(
    request: Request[Any, Any, Any], actor: Caller, webhook_id: FromPath[str]
) -> DeliveriesOut:
    """A page of what was, or is to be, sent."""
    query = read_query(request, DeliveriesQuery)
    wanted = parse_id(webhook_id, _UNKNOWN)
    return deliveries_out(await replays.list_deliveries(actor, wanted, query.state, query.after, query.limit))


@post(
    f"{_ONE}/rotate",
    status_code=200,
    opt=_act(
        "webhook.manage",
        "Renouveler le secret d'un webhook",
        "Pendant le recouvrement, les deux secrets signent ; un troisième, plus ancien, cesse aussitôt.",
        body=RotationIn,
        shown=examples.ROTATIONS,
    ),
)
async def rotate(
    request: Request[Any, Any, Any], actor: Caller, webhook_id: FromPath[str]
) -> Response[bytes]:
    """A new secret, shown once."""
    key = await act_key(request, f"POST {_ALL}/{{webhook_id}}/rotate")
    overlap = timedelta(hours=(await decode(request, RotationIn)).overlap_hours)
    wanted = parse_id(webhook_id, _UNKNOWN)
    door = door_of(request)
    shown = await webhooks.rotate(actor, await clock.now(), key, wanted, overlap, render_done, door=door)
    return as_response(with_secret(shown, "secret"))


@post(
    f"{_ONE}/ping",
    status_code=200,
    opt=_act(
        "webhook.manage",
        "Essayer un webhook",
        "Un avis « webhook.ping » lui est envoyé, à lui seul, quel que soit son filtre.",
    ),
)
async def ping(request: Request[Any, Any, Any], actor: Caller, webhook_id: FromPath[str]) -> Response[bytes]:
    """Sends a test."""
    key = await act_key(request, f"POST {_ALL}/{{webhook_id}}/ping")
    wanted = parse_id(webhook_id, _UNKNOWN)
    return as_response(await webhooks.ping(actor, await clock.now(), key, wanted, render_done))


@post(
    f"{_ONE}/disable",
    status_code=200,
    opt=_act(
        "webhook.manage",
        "Désactiver un webhook",
        "Définitif : rien ne lui est plus envoyé, même ce qui attendait. La même adresse peut être"
        " enregistrée à nouveau, avec un nouveau secret.",
    ),
)
async def disable(
    request: Request[Any, Any, Any], actor: Caller, webhook_id: FromPath[str]
) -> Response[bytes]:
    """Ends a webhook."""
    key = await act_key(request, f"POST {_ALL}/{{webhook_id}}/disable")
    wanted = parse_id(webhook_id, _UNKNOWN)
    return as_response(await webhooks.disable(actor, await clock.now(), key, wanted, render_done))


@post(
    f"{_ONE}/replay",
    status_code=200,
    opt=_act(
        "webhook.manage",
        "Rejouer des avis vers un webhook",
        "Un avis, ou ceux d'une période que son filtre retient ; chacun repart sous son identifiant.",
        body=ReplayIn,
        answer=ReplayedOut,
        shown=examples.REPLAYS,
    ),
)
async def replay(
    request: Request[Any, Any, Any], actor: Caller, webhook_id: FromPath[str]
) -> Response[bytes]:
    """Sends the past again."""
    key = await act_key(request, f"POST {_ALL}/{{webhook_id}}/replay")
    asked = replay_request(await decode(request, ReplayIn))
    wanted = parse_id(webhook_id, _UNKNOWN)
    return as_response(await replays.replay(actor, await clock.now(), key, wanted, asked, render_replay))


def render_replay(outcome: Replayed | Refused) -> Kept:
    """The answer to a replay."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(200, msgspec.json.encode(ReplayedOut(outcome.count)))


def with_secret(shown: Shown, member: str, prefix: str = "", suffix: str = "") -> Kept:
    """The answer with its secret, if it is the one that may show it: what was kept is left without."""
    if shown.secret is None:
        return shown.answer
    body = msgspec.json.decode(shown.answer.body)
    body[member] = f"{prefix}{shown.secret}{suffix}"
    return Kept(shown.answer.status, msgspec.json.encode(body))


def render_created(outcome: Endpoint | Refused) -> Kept:
    """The answer to the act that made it."""
    return _rendered(outcome, 201)


def render_done(outcome: Endpoint | Refused) -> Kept:
    """The answer to any other act on it."""
    return _rendered(outcome, 200)


def _rendered(outcome: Endpoint | Refused, status: int) -> Kept:
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(webhook_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    register,
    list_webhooks,
    list_deliveries,
    rotate,
    ping,
    disable,
    replay,
)
