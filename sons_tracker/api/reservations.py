"""Reservations over HTTP: ESSMS held while an order is being signed."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api import reservation_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.pages import decode_after, encode_next
from sons_tracker.api.schemas.reservations import (
    ReservationIn,
    ReservationOut,
    ReservationsOut,
    ReservationsQuery,
    reservation_out,
    reservation_request,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, reservation_reading, reservations
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.reservation_reading import ReservationFilter, ReservationView
from sons_tracker.rules.identifiers import parse_geographique, parse_juridique

_TAG = "Réservations"
_RESERVATIONS = "/api/v1/reservations"
_RESERVATION = f"{_RESERVATIONS}/{{reservation_id:str}}"
_ID = {"reservation_id": "Identifiant de la réservation."}
_UNKNOWN = "Aucune réservation visible ne porte cet identifiant."


def _act(action: str, summary: str, description: str, shown: tuple[Example, ...]) -> dict[str, Any]:
    """The contract of an act on a reservation: it answers the reservation as it stands after."""
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        path=_ID,
        headers=KEY_HEADER,
        answers={200: Answer("La réservation après cet acte.", ReservationOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
        examples=shown,
    ).opt


@post(
    _RESERVATIONS,
    status_code=201,
    opt=Contract(
        may("reservation.make"),
        "Réserver des ESSMS",
        tag=_TAG,
        description="Tous les ESSMS demandés, ou aucun, pendant la signature d'une commande. Ce qui"
        " refuserait la commande elle-même, si elle était signée aujourd'hui, refuse la réservation ; la"
        " durée, le nombre d'ESSMS réservés à la fois, le nombre de renouvellements et le délai avant de"
        " réserver de nouveau un ESSMS rendu sont des valeurs du droit, à confirmer. L'organisme gestionnaire"
        " est prévenu. Le dépôt de la commande prend les ESSMS réservés ; les autres restent réservés jusqu'à"
        " l'expiration.",
        headers=KEY_HEADER,
        body=ReservationIn,
        answers={201: Answer("La réservation.", ReservationOut)},
        errors=(*ACT_ERRORS, ErrorCode.LAW_NOT_ENACTED, ErrorCode.UNAVAILABLE),
        examples=examples.RESERVATIONS,
    ).opt,
)
async def make(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Reserves ESSMS."""
    key = await act_key(request, "POST /api/v1/reservations")
    asked = reservation_request(await decode(request, ReservationIn))
    answer = await reservations.reserve(actor, asked, law.load().law, await clock.now(), key, render_new)
    return as_response(answer)


@get(
    _RESERVATIONS,
    opt=Contract(
        may("reservation.read"),
        "Lister les réservations",
        tag=_TAG,
        description="De la plus récente à la plus ancienne, par pages : les vôtres, celles qui nomment votre"
        " organisme ou, pour les agences, toutes.",
        query=ReservationsQuery,
        answers={200: Answer("Une page.", ReservationsOut)},
        errors=(ErrorCode.UNAVAILABLE,),
    ).opt,
)
async def list_reservations(request: Request[Any, Any, Any], actor: Caller) -> ReservationsOut:
    """A page of the reservations that the actor may see."""
    query = read_query(request, ReservationsQuery)
    narrowed = ReservationFilter(
        state=query.state,
        og=None if query.og is None else parse_juridique(query.og, "?og"),
        essms=None if query.essms is None else parse_geographique(query.essms, "?essms"),
    )
    page = await reservation_reading.list_reservations(
        actor, narrowed, decode_after(query.after), query.limit, law.load().law, await clock.now()
    )
    return ReservationsOut([reservation_out(one) for one in page.reservations], encode_next(page.next_after))


@get(
    _RESERVATION,
    opt=Contract(
        may("reservation.read"),
        "Lire une réservation",
        tag=_TAG,
        description="Ce que chaque ESSMS est devenu, et ce que votre rôle peut en faire maintenant.",
        path=_ID,
        answers={200: Answer("La réservation.", ReservationOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.READS,
    ).opt,
)
async def find(actor: Caller, reservation_id: FromPath[str]) -> ReservationOut:
    """One reservation; an unknown one and another organisation's answer the same 404."""
    wanted = parse_id(reservation_id, _UNKNOWN)
    at = await clock.now()
    return reservation_out(await reservation_reading.find_reservation(actor, wanted, law.load().law, at))


@post(
    f"{_RESERVATION}/renew",
    status_code=200,
    opt=_act(
        "reservation.renew",
        "Renouveler une réservation",
        "La durée entière recommence le jour du renouvellement. Sans corps.",
        examples.RENEWALS,
    ),
)
async def renew(
    request: Request[Any, Any, Any], actor: Caller, reservation_id: FromPath[str]
) -> Response[bytes]:
    """Makes a reservation run longer."""
    key = await act_key(request, "POST /api/v1/reservations/{reservation_id}/renew")
    wanted, at = parse_id(reservation_id, _UNKNOWN), await clock.now()
    return as_response(await reservations.renew(actor, wanted, law.load().law, at, key, render))


@post(
    f"{_RESERVATION}/drop",
    status_code=200,
    opt=_act(
        "reservation.drop",
        "Lever une réservation",
        "Les ESSMS qu'aucune commande n'a pris sont rendus aussitôt ; vous ne pourrez les réserver de nouveau"
        " qu'après un délai, ni plus ni moins qu'après une expiration. Sans corps.",
        examples.DROPS,
    ),
)
async def drop(
    request: Request[Any, Any, Any], actor: Caller, reservation_id: FromPath[str]
) -> Response[bytes]:
    """Gives a reservation back."""
    key = await act_key(request, "POST /api/v1/reservations/{reservation_id}/drop")
    wanted, at = parse_id(reservation_id, _UNKNOWN), await clock.now()
    return as_response(await reservations.drop(actor, wanted, law.load().law, at, key, render))


def render(outcome: ReservationView | Refused, status: int = 200) -> Kept:
    """The answer to an act on a reservation: the reservation after it, or a problem."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(reservation_out(outcome)))


def render_new(outcome: ReservationView | Refused) -> Kept:
    """The answer to one that is new."""
    return render(outcome, 201)


HANDLERS: tuple[HTTPRouteHandler, ...] = (make, list_reservations, find, renew, drop)
