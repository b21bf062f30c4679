"""Bodies and answers about notices, webhooks and calendar feeds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.strict import Strict
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.addresses import MAX_URL
from sons_tracker.operations.feeds import Feed
from sons_tracker.operations.notices import EVENTS, shown
from sons_tracker.operations.outbox import NoticePage
from sons_tracker.operations.replays import DeliveryPage, ReplayRequest
from sons_tracker.operations.webhooks import Endpoint

_EXPECTED_INSTANT = "Un instant s'écrit avec son décalage, par exemple « 2023-03-01T10:00:00+01:00 »."
_Instant = Annotated[
    str,
    Meta(
        pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})(?!\\n)$",
        description="Instant d'effet, avec son décalage horaire.",
        examples=["2023-03-01T10:00:00+01:00"],
        extra_json_schema={"x-attendu": _EXPECTED_INSTANT},
    ),
]
_Id = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?!\\n)$",
        description="Identifiant d'un avis : celui de l'en-tête « webhook-id ».",
        extra_json_schema={"x-attendu": "Un identifiant s'écrit en 36 caractères, en minuscules."},
    ),
]
_Number = Annotated[int, Meta(ge=0, le=9_223_372_036_854_775_807)]
_Limit = Annotated[int, Meta(ge=1, le=200)]
_DeliveryState = Literal["waiting", "delivered", "dead"]


class NoticesQuery(Strict, frozen=True, kw_only=True):
    """D'où reprendre la liste des avis."""

    after: Annotated[_Number, Meta(description="Le « next » de la page précédente ; 0 pour tout relire.")] = 0
    limit: _Limit = 50


class NoticeOut(msgspec.Struct, frozen=True):
    """Un avis à votre organisation ; « deliveries » compte ses envois par état."""

    id: str
    at: str
    event: str
    label: str
    object_kind: str
    object_id: str
    facts: dict[str, Any]
    deliveries: dict[str, int]


class NoticesOut(msgspec.Struct, frozen=True):
    """Une page d'avis, du plus ancien au plus récent ; reprendre à « next » n'en manque ni n'en répète."""

    notices: list[NoticeOut]
    next: int


class EventOut(msgspec.Struct, frozen=True):
    """Un événement qui peut être annoncé ; « mailed » : aussi par courriel."""

    event: str
    label: str
    todo: str | None
    mailed: bool


class EventsOut(msgspec.Struct, frozen=True):
    """La liste fermée des événements."""

    events: list[EventOut]


class WebhookIn(Strict, frozen=True, kw_only=True):
    """L'adresse à prévenir, et de quoi."""

    url: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_URL,
            description="Adresse publique en HTTPS, port 443 ou à partir de 1024.",
            examples=["https://editeur.example/sons"],
        ),
    ]
    events: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=60)]],
        Meta(
            min_length=1,
            max_length=100,
            description="Événements voulus : un nom, un objet suivi de « .* », ou « * » pour tous.",
            examples=[["payment.*", "order.lapsed"]],
        ),
    ]


class RotationIn(Strict, frozen=True, kw_only=True):
    """Combien de temps l'ancien secret signe encore à côté du nouveau."""

    overlap_hours: Annotated[int, Meta(ge=0, le=168)] = 24


class ReplayIn(Strict, frozen=True, kw_only=True):
    """Ce qui est à envoyer de nouveau : un avis, ou une période."""

    event_id: _Id | None = None
    since: _Instant | None = None
    until: _Instant | None = None
    missed_only: Annotated[
        bool, Meta(description="Dans la période, seulement ce qui n'est jamais parvenu à cette adresse.")
    ] = True


class WebhookOut(msgspec.Struct, frozen=True):
    """Un webhook. « secret » n'est donné que dans la réponse qui le crée, jamais dans une réponse rejouée."""

    id: str
    url: str
    events: list[str]
    created_at: str
    failing_since: str | None
    disabled_at: str | None
    disabled_reason: str | None
    secrets: int
    waiting: int
    dead: int
    secret: str | None = None


class WebhooksOut(msgspec.Struct, frozen=True):
    """Les webhooks de votre organisation."""

    webhooks: list[WebhookOut]


class DeliveriesQuery(Strict, frozen=True, kw_only=True):
    """Quels envois."""

    state: _DeliveryState | None = None
    after: Annotated[_Number, Meta(description="Le « next » de la page précédente.")] | None = None
    limit: _Limit = 50


class DeliveryOut(msgspec.Struct, frozen=True):
    """Un envoi : son état, ses tentatives, et comment finit la dernière."""

    event_id: str
    event: str
    round: int
    state: str
    attempts: int
    next_at: str | None
    ended_at: str | None
    last_status: int | None
    last_problem: str | None


class DeliveriesOut(msgspec.Struct, frozen=True):
    """Une page d'envois, du plus récent au plus ancien."""

    deliveries: list[DeliveryOut]
    next: int | None


class ReplayedOut(msgspec.Struct, frozen=True):
    """Combien d'envois ont été remis en file."""

    deliveries: int


class FeedOut(msgspec.Struct, frozen=True):
    """Un calendrier. « url » n'est donnée que dans la réponse qui le crée, pas dans une réponse rejouée."""

    id: str
    created_at: str
    revoked_at: str | None
    url: str | None = None


class FeedsOut(msgspec.Struct, frozen=True):
    """Les calendriers de votre organisation."""

    feeds: list[FeedOut]


EVENTS_OUT = EventsOut(
    [EventOut(name, event.label, event.todo, event.mailed) for name, event in sorted(EVENTS.items())]
)


def replay_request(asked: ReplayIn) -> ReplayRequest:
    """What a body asks to replay.

    Raises:
        SonsError: `INVALID_REQUEST` for an instant that does not exist.
    """
    return ReplayRequest(
        None if asked.event_id is None else UUID(asked.event_id),
        _instant(asked.since, "$.since"),
        _instant(asked.until, "$.until"),
        asked.missed_only,
    )


def notices_out(page: NoticePage) -> NoticesOut:
    """A page of notices as JSON shows it: amounts in euros."""
    return NoticesOut(
        [
            NoticeOut(
                str(notice.id),
                paris_text(notice.at),
                notice.event,
                EVENTS[notice.event].label,
                notice.object_kind,
                notice.object_id,
                shown(notice.facts),
                notice.deliveries,
            )
            for notice in page.notices
        ],
        page.following,
    )


def webhook_out(endpoint: Endpoint) -> WebhookOut:
    """A webhook as JSON shows it, without its secret."""
    return WebhookOut(
        str(endpoint.id),
        endpoint.url,
        list(endpoint.events),
        paris_text(endpoint.created_at),
        _text(endpoint.failing_since),
        _text(endpoint.disabled_at),
        endpoint.disabled_reason,
        endpoint.secrets,
        endpoint.waiting,
        endpoint.dead,
    )


def deliveries_out(page: DeliveryPage) -> DeliveriesOut:
    """A page of deliveries as JSON shows it."""
    return DeliveriesOut(
        [
            DeliveryOut(
                str(one.event_id),
                one.event,
                one.round,
                one.state,
                one.attempts,
                _text(one.next_at),
                _text(one.ended_at),
                one.last_status,
                one.last_problem,
            )
            for one in page.deliveries
        ],
        page.next_after,
    )


def feed_out(feed: Feed) -> FeedOut:
    """A feed as JSON shows it, without its address."""
    return FeedOut(str(feed.id), paris_text(feed.created_at), _text(feed.revoked_at))


def _text(at: datetime | None) -> str | None:
    return None if at is None else paris_text(at)


def _instant(text: str | None, where: str) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise SonsError(
            ErrorCode.INVALID_REQUEST, _EXPECTED_INSTANT, (Fault(where, _EXPECTED_INSTANT),)
        ) from None
