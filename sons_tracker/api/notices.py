"""Notices over HTTP: what can be announced, what was, and sending one again."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api import outbox_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id
from sons_tracker.api.contract import Answer, Contract, may, public
from sons_tracker.api.schemas.outbox import (
    EVENTS_OUT,
    EventsOut,
    NoticesOut,
    NoticesQuery,
    ReplayedOut,
    notices_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import read_query
from sons_tracker.api.webhooks import render_replay
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, outbox, replays

_TAG = "Avis"
_UNKNOWN = "Aucun avis visible ne porte cet identifiant."


@get(
    "/api/v1/events",
    opt=Contract(
        public("event.read"),
        "Lister les événements",
        tag=_TAG,
        description="La liste fermée de ce qui peut être annoncé, par avis, webhook ou courriel.",
        answers={200: Answer("Les événements.", EventsOut)},
        examples=examples.EVENTS,
    ).opt,
)
async def list_events() -> EventsOut:
    """The closed list of events."""
    return EVENTS_OUT


@get(
    "/api/v1/notices",
    opt=Contract(
        may("notice.read"),
        "Lister ses avis",
        tag=_TAG,
        description="Du plus ancien au plus récent. Demander « after » le dernier « next » reçu, autant de"
        " fois qu'on veut : aucun avis n'est manqué ni répété, même pendant que d'autres s'écrivent.",
        query=NoticesQuery,
        answers={200: Answer("Une page.", NoticesOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=examples.NOTICES,
    ).opt,
)
async def list_notices(request: Request[Any, Any, Any], actor: Caller) -> NoticesOut:
    """A page of the notices to the actor's organisation."""
    query = read_query(request, NoticesQuery)
    return notices_out(await outbox.list_notices(actor, query.after, query.limit))


@post(
    "/api/v1/notices/{notice_id:str}/replay",
    status_code=200,
    opt=Contract(
        may("notice.replay"),
        "Rejouer un avis",
        tag=_TAG,
        description="Il repart par toutes les voies qu'il a aujourd'hui : les webhooks dont le filtre le"
        " retient, et le courriel s'il en mérite un.",
        path={"notice_id": "Identifiant de l'avis."},
        headers=KEY_HEADER,
        answers={200: Answer("Combien d'envois sont remis en file.", ReplayedOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
        examples=examples.NOTICE_REPLAYS,
    ).opt,
)
async def replay(request: Request[Any, Any, Any], actor: Caller, notice_id: FromPath[str]) -> Response[bytes]:
    """Sends a notice again."""
    key = await act_key(request, "POST /api/v1/notices/{notice_id}/replay")
    wanted = parse_id(notice_id, _UNKNOWN)
    return as_response(await replays.replay_notice(actor, await clock.now(), key, wanted, render_replay))


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_events, list_notices, replay)
