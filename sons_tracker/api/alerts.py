"""Alerts over HTTP: read, exported, dismissed with a reason. None of it decides anything."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api import queue_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, may
from sons_tracker.api.pages import decode_after, encode_next
from sons_tracker.api.queue import sheet_file
from sons_tracker.api.schemas.alerts import (
    AlertOut,
    AlertsExportQuery,
    AlertsOut,
    AlertsQuery,
    DismissalIn,
    alert_filter,
    alert_out,
    alert_sheet,
    alerts_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import alert_reading, alerts, clock
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.alert_reading import MOST_EXPORTED, AlertView
from sons_tracker.operations.idempotency import Answer as Kept

_TAG = "Alertes"
_ALERT = "/api/v1/alerts/{alert_id:str}"
_ID = {"alert_id": "Identifiant de l'alerte."}
_UNKNOWN = "Aucune alerte visible ne porte cet identifiant."


@get(
    "/api/v1/alerts",
    opt=Contract(
        may("alert.read"),
        "Lister les alertes",
        tag=_TAG,
        description="De la plus récente à la plus ancienne. Une alerte montre une habitude à regarder ; elle"
        " ne décide de rien et ne change aucun dossier.",
        query=AlertsQuery,
        answers={200: Answer("Une page.", AlertsOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=examples.ALERTS,
    ).opt,
)
async def list_alerts(request: Request[Any, Any, Any], actor: Caller) -> AlertsOut:
    """A page of alerts."""
    query = read_query(request, AlertsQuery)
    page = await alert_reading.list_alerts(actor, alert_filter(query), decode_after(query.after), query.limit)
    return alerts_out(page, encode_next(page.next_after))


@get(
    "/api/v1/alerts/export",
    opt=Contract(
        may("alert.read"),
        "Exporter les alertes en CSV ou en classeur",
        tag=_TAG,
        description="Toutes celles du filtre ; aucune cellule n'est une formule.",
        query=AlertsExportQuery,
        answers={200: Answer("Le fichier.", media_type="text/csv")},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=examples.ALERT_EXPORTS,
    ).opt,
)
async def export(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """The alerts of a filter as a file."""
    query = read_query(request, AlertsExportQuery)
    page = await alert_reading.list_alerts(actor, alert_filter(query), None, MOST_EXPORTED)
    return sheet_file("alertes", alert_sheet(page), query.format)


@get(
    _ALERT,
    opt=Contract(
        may("alert.read"),
        "Lire une alerte",
        tag=_TAG,
        path=_ID,
        answers={200: Answer("L'alerte.", AlertOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.ALERT_READS,
    ).opt,
)
async def find(actor: Caller, alert_id: FromPath[str]) -> AlertOut:
    """An alert."""
    return alert_out(await alert_reading.find_alert(actor, parse_id(alert_id, _UNKNOWN)))


@post(
    f"{_ALERT}/dismissal",
    status_code=200,
    opt=Contract(
        may("alert.dismiss"),
        "Écarter une alerte",
        tag=_TAG,
        description="Avec une raison. Elle revient si ce qu'elle constate change.",
        path=_ID,
        headers=KEY_HEADER,
        body=DismissalIn,
        answers={200: Answer("L'alerte écartée.", AlertOut)},
        errors=(*ACT_ERRORS, ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.DISMISSALS,
    ).opt,
)
async def dismiss(request: Request[Any, Any, Any], actor: Caller, alert_id: FromPath[str]) -> Response[bytes]:
    """Dismisses an alert."""
    key = await act_key(request, "POST /api/v1/alerts/{alert_id}/dismissal")
    body = await decode(request, DismissalIn)
    wanted, at = parse_id(alert_id, _UNKNOWN), await clock.now()
    return as_response(await alerts.dismiss(actor, wanted, body.reason, at, key, render))


def render(outcome: AlertView | Refused) -> Kept:
    """The answer to the dismissal of an alert."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(200, msgspec.json.encode(alert_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_alerts, export, find, dismiss)
