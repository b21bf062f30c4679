"""The reviewers' queue over HTTP: pages, exports, and the views that a person keeps of it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from sons_tracker import law
from sons_tracker.api import queue_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.lots import attachment
from sons_tracker.api.pages import decode_ranked, encode_ranked
from sons_tracker.api.schemas.queue import (
    QueueExportQuery,
    QueueOut,
    QueueQuery,
    SavedViewIn,
    SavedViewNameIn,
    SavedViewOut,
    SavedViewsOut,
    plain_filters,
    queue_filter,
    queue_out,
    queue_sheet,
    saved_view_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query, validate
from sons_tracker.errors import ErrorCode
from sons_tracker.exchanges.tables import Sheet, sheet_csv, sheet_xlsx
from sons_tracker.operations import clock, queue, saved_views
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.saved_views import SavedView

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_TAG = "File des contrôleurs"
Asked = TypeVar("Asked", QueueQuery, QueueExportQuery)


@get(
    "/api/v1/queue",
    opt=Contract(
        may("queue.read"),
        "Lire la file des dossiers de conflit",
        tag=_TAG,
        description="Par risque, ou du plus ancien au plus récent (« sort=age »), avec l'horloge et le risque"
        " de chaque dossier, ses raisons, et le nombre de dossiers par état. Le risque range les dossiers, il"
        " ne décide de rien.",
        query=QueueQuery,
        answers={200: Answer("Une page.", QueueOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.QUEUES,
    ).opt,
)
async def read(request: Request[Any, Any, Any], actor: Caller) -> QueueOut:
    """A page of the queue."""
    query = await _with_view(actor, read_query(request, QueueQuery))
    sort = query.sort or "risk"
    page = await queue.read_queue(
        actor,
        queue_filter(query, actor),
        sort,
        law.load().law,
        await clock.now(),
        decode_ranked(query.after, ranked=sort == "risk"),
        query.limit,
    )
    return queue_out(page, encode_ranked(page.next_after))


@get(
    "/api/v1/queue/export",
    opt=Contract(
        may("queue.read"),
        "Exporter la file en CSV ou en classeur",
        tag=_TAG,
        description=f"Les {queue.MOST_EXPORTED} premiers dossiers du filtre ; aucune cellule n'est une"
        " formule.",
        query=QueueExportQuery,
        answers={200: Answer("Le fichier.", media_type="text/csv")},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.EXPORTS,
    ).opt,
)
async def export(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """The queue as a file."""
    query = await _with_view(actor, read_query(request, QueueExportQuery))
    page = await queue.read_queue(
        actor,
        queue_filter(query, actor),
        query.sort or "risk",
        law.load().law,
        await clock.now(),
        limit=queue.MOST_EXPORTED,
    )
    return sheet_file("file", queue_sheet(page), query.format)


def sheet_file(name: str, sheet: Sheet, form: str) -> Response[bytes]:
    """A table as the file that was asked for, `csv` or `xlsx`."""
    if form == "csv":
        return attachment(f"{name}.csv", sheet_csv(sheet), "text/csv")
    return attachment(f"{name}.xlsx", sheet_xlsx(sheet), XLSX)


async def _with_view(actor: Actor, query: Asked) -> Asked:
    """The question with the filters of the view that it names; what it says itself comes first."""
    if query.view is None:
        return query
    view = await saved_views.find_view(actor, query.view)
    said = {name: value for name, value in msgspec.to_builtins(query).items() if value is not None}
    return validate({**view.filters, **said}, type(query))


@get(
    "/api/v1/saved-views",
    opt=Contract(
        may("saved_view.read"),
        "Lister vos vues de la file",
        tag=_TAG,
        description="Par nom. Une vue n'est lue que de la personne qui la garde.",
        answers={200: Answer("Vos vues.", SavedViewsOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=examples.VIEWS,
    ).opt,
)
async def list_views(actor: Caller) -> SavedViewsOut:
    """The views of the person who asks."""
    return SavedViewsOut([saved_view_out(view) for view in await saved_views.list_views(actor)])


def _act(
    action: str, summary: str, description: str, body: Any, shown: tuple[Example, ...]
) -> dict[str, Any]:
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        headers=KEY_HEADER,
        body=body,
        answers={200: Answer("La vue.", SavedViewOut)},
        errors=(*ACT_ERRORS, ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=shown,
    ).opt


@post(
    "/api/v1/saved-views",
    status_code=200,
    opt=_act(
        "saved_view.manage",
        "Enregistrer une vue de la file",
        "Des filtres sous un nom ; une vue du même nom est remplacée. « GET /api/v1/queue?view=… » la lit.",
        SavedViewIn,
        examples.SAVED,
    ),
)
async def save_view(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Keeps filters under a name."""
    key = await act_key(request, "POST /api/v1/saved-views")
    body = await decode(request, SavedViewIn)
    filters, at = plain_filters(body.filters), await clock.now()
    return as_response(await saved_views.save_view(actor, body.name, filters, at, key, render))


@post(
    "/api/v1/saved-views/removal",
    status_code=200,
    opt=_act(
        "saved_view.manage",
        "Retirer une vue de la file",
        "Une des vôtres, par son nom.",
        SavedViewNameIn,
        examples.REMOVED,
    ),
)
async def remove_view(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Removes a view."""
    key = await act_key(request, "POST /api/v1/saved-views/removal")
    body = await decode(request, SavedViewNameIn)
    return as_response(await saved_views.remove_view(actor, body.name, await clock.now(), key, render))


def render(outcome: SavedView | Refused) -> Kept:
    """The answer to an act on a view."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(200, msgspec.json.encode(saved_view_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (read, export, list_views, save_view, remove_view)
