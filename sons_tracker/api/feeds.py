"""Calendar feeds over HTTP: make, list, revoke; and the feed itself, under its secret address."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api import outbox_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, may, public
from sons_tracker.api.schemas.outbox import FeedOut, FeedsOut, feed_out
from sons_tracker.api.security import Caller
from sons_tracker.api.webhooks import with_secret
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import clock, feeds
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.feeds import Feed
from sons_tracker.operations.idempotency import Answer as Kept

_TAG = "Calendriers"
_ALL = "/api/v1/calendar/feeds"
_SUFFIX = ".ics"
_MEDIA_TYPE = "text/calendar"
_UNKNOWN = "Aucun calendrier visible ne porte cet identifiant."


@post(
    _ALL,
    status_code=201,
    opt=Contract(
        may("feed.manage"),
        "Créer un calendrier",
        tag=_TAG,
        description="Les échéances des commandes de votre organisation, pour un agenda (iCalendar). L'adresse"
        " vaut un mot de passe : elle n'est montrée que dans cette réponse, une réponse rejouée ne l'a plus,"
        " et il faut alors révoquer et créer à nouveau.",
        headers=KEY_HEADER,
        answers={201: Answer("Le calendrier et son adresse.", FeedOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
        examples=examples.FEEDS,
    ).opt,
)
async def create(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """A feed of the actor's own organisation."""
    key = await act_key(request, f"POST {_ALL}")
    shown = await feeds.create(actor, await clock.now(), key, render_created)
    prefix = f"{str(request.base_url).rstrip('/')}/calendar/"
    return as_response(with_secret(shown, "url", prefix, _SUFFIX))


@get(
    _ALL,
    opt=Contract(
        may("feed.read"),
        "Lister ses calendriers",
        tag=_TAG,
        description="Ceux de votre organisation, révoqués compris, sans leurs adresses.",
        answers={200: Answer("Les calendriers.", FeedsOut)},
        errors=(ErrorCode.UNAVAILABLE,),
    ).opt,
)
async def list_feeds(actor: Caller) -> FeedsOut:
    """The feeds of the actor's organisation."""
    return FeedsOut([feed_out(one) for one in await feeds.list_feeds(actor)])


@post(
    f"{_ALL}/{{feed_id:str}}/revoke",
    status_code=200,
    opt=Contract(
        may("feed.manage"),
        "Révoquer un calendrier",
        tag=_TAG,
        description="Son adresse ne répond plus, aussitôt et pour toujours.",
        path={"feed_id": "Identifiant du calendrier."},
        headers=KEY_HEADER,
        answers={200: Answer("Le calendrier révoqué.", FeedOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
    ).opt,
)
async def revoke(request: Request[Any, Any, Any], actor: Caller, feed_id: FromPath[str]) -> Response[bytes]:
    """Ends a feed."""
    key = await act_key(request, f"POST {_ALL}/{{feed_id}}/revoke")
    wanted = parse_id(feed_id, _UNKNOWN)
    return as_response(await feeds.revoke(actor, await clock.now(), key, wanted, render_done))


@get(
    "/calendar/{secret:str}",
    opt=Contract(
        public("feed.open"),
        "Lire un calendrier",
        tag=_TAG,
        description="Sans jeton : l'adresse suffit. Les échéances de l'organisation, à partir de celles des"
        " 90 derniers jours ; une échéance déplacée par un texte y est annulée, à côté de la nouvelle.",
        path={"secret": "Le secret, suivi de « .ics »."},  # nosec B105 # words that are shown
        answers={
            200: Answer("Le calendrier (RFC 5545).", str, _MEDIA_TYPE),
            304: Answer("Inchangé depuis l'« ETag » que cite « If-None-Match »."),
        },
        errors=(ErrorCode.UNAVAILABLE,),
        examples=examples.CALENDARS,
    ).opt,
)
async def read(request: Request[Any, Any, Any], secret: FromPath[str]) -> Response[bytes]:
    """The feed behind an address; 304 when it is the one that the reader has."""
    if not secret.endswith(_SUFFIX):
        raise SonsError(ErrorCode.NOT_FOUND, "Aucun calendrier n'existe à cette adresse.")
    found = await feeds.read_calendar(secret.removesuffix(_SUFFIX))
    # to be asked again each time, by the reader alone: the tag spares the text
    headers = {"etag": found.etag, "cache-control": "private, no-cache"}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=_MEDIA_TYPE)
    return Response(found.content, headers=headers, media_type=_MEDIA_TYPE)


def render_created(outcome: Feed | Refused) -> Kept:
    """The answer to the act that made it."""
    return _rendered(outcome, 201)


def render_done(outcome: Feed | Refused) -> Kept:
    """The answer to any other act on it."""
    return _rendered(outcome, 200)


def _rendered(outcome: Feed | Refused, status: int) -> Kept:
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(feed_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (create, list_feeds, revoke, read)
