"""Payment lots over HTTP: prepare, approve, drop, read, and the file for the accounting."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api import lot_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.pages import decode_after, encode_next
from sons_tracker.api.schemas.lots import (
    LotDropIn,
    LotFileQuery,
    LotIn,
    LotLinesOut,
    LotLinesQuery,
    LotOut,
    LotsOut,
    LotsQuery,
    lot_lines_out,
    lot_out,
    lots_out,
    payment_ids,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.exchanges.lot_file import to_csv, to_json
from sons_tracker.operations import clock, lot_reading, lots
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.lot_views import LotView

_TAG = "Paiements"
_LOT = "/api/v1/lots/{lot_id:str}"
_ID = {"lot_id": "Identifiant du lot."}
_UNKNOWN = "Aucun lot visible ne porte cet identifiant."


def _act(
    action: str,
    summary: str,
    description: str,
    *,
    status: int = 200,
    body: Any = None,
    path: dict[str, str] = _ID,
    shown: tuple[Example, ...] = (),
) -> dict[str, Any]:
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        path=path,
        headers=KEY_HEADER,
        body=body,
        answers={status: Answer("Le lot après cet acte.", LotOut)},
        errors=(*ACT_ERRORS, ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=shown,
    ).opt


@get(
    "/api/v1/lots",
    opt=Contract(
        may("lot.read"),
        "Lister les lots de paiement",
        tag=_TAG,
        description="Du plus récent au plus ancien, par pages ; « after » est le « next » reçu.",
        query=LotsQuery,
        answers={200: Answer("Une page.", LotsOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=examples.LISTS,
    ).opt,
)
async def list_lots(request: Request[Any, Any, Any], actor: Caller) -> LotsOut:
    """A page of lots."""
    query = read_query(request, LotsQuery)
    page = await lot_reading.list_lots(actor, query.state, decode_after(query.after), query.limit)
    return lots_out(page, encode_next(page.next_after))


@post(
    "/api/v1/lots",
    status_code=201,
    opt=_act(
        "lot.prepare",
        "Préparer un lot de paiement",
        "Des versements dus, chacun vers le compte en vigueur de son fournisseur. Ce qui ne peut être payé"
        " reste dehors, avec ses raisons ; le référencement de chaque version est contrôlé à nouveau (R11)."
        " Une autre personne approuve.",
        status=201,
        body=LotIn,
        path={},
        shown=examples.PREPARATIONS,
    ),
)
async def prepare(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Prepares a lot."""
    key = await act_key(request, "POST /api/v1/lots")
    chosen = payment_ids(await decode(request, LotIn))
    return as_response(await lots.prepare(actor, chosen, await clock.now(), key, render_created))


@get(
    _LOT,
    opt=Contract(
        may("lot.read"),
        "Lire un lot de paiement",
        tag=_TAG,
        path=_ID,
        answers={200: Answer("Le lot, et ce qui peut être fait maintenant.", LotOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.READS,
    ).opt,
)
async def find(actor: Caller, lot_id: FromPath[str]) -> LotOut:
    """One lot."""
    return lot_out(await lot_reading.find_lot(actor, parse_id(lot_id, _UNKNOWN)))


@get(
    f"{_LOT}/lines",
    opt=Contract(
        may("lot.read"),
        "Lire les virements d'un lot",
        tag=_TAG,
        description="Par leur rang, les comptes masqués.",
        path=_ID,
        query=LotLinesQuery,
        answers={200: Answer("Une page.", LotLinesOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.READS,
    ).opt,
)
async def list_lines(request: Request[Any, Any, Any], actor: Caller, lot_id: FromPath[str]) -> LotLinesOut:
    """A page of the transfers of a lot."""
    query = read_query(request, LotLinesQuery)
    wanted = parse_id(lot_id, _UNKNOWN)
    return lot_lines_out(await lot_reading.list_lines(actor, wanted, query.after, query.limit), query.limit)


@post(
    f"{_LOT}/approval",
    status_code=200,
    opt=_act(
        "lot.approve",
        "Approuver un lot de paiement",
        "Par une autre personne que celle qui l'a préparé. Chaque virement est jugé à nouveau : une commande"
        " terminée ou un compte changé depuis s'opposent au lot entier.",
        shown=examples.DECISIONS,
    ),
)
async def approve(request: Request[Any, Any, Any], actor: Caller, lot_id: FromPath[str]) -> Response[bytes]:
    """Approves what another payer prepared."""
    key = await act_key(request, "POST /api/v1/lots/{lot_id}/approval")
    wanted, at = parse_id(lot_id, _UNKNOWN), await clock.now()
    return as_response(await lots.approve(actor, wanted, at, key, render))


@post(
    f"{_LOT}/drop",
    status_code=200,
    opt=_act(
        "lot.drop",
        "Abandonner un lot de paiement",
        "Tant qu'il n'est pas approuvé ; ses versements sont dus à nouveau.",
        body=LotDropIn,
        shown=examples.DROPS,
    ),
)
async def drop(request: Request[Any, Any, Any], actor: Caller, lot_id: FromPath[str]) -> Response[bytes]:
    """Drops a lot that was not approved."""
    key = await act_key(request, "POST /api/v1/lots/{lot_id}/drop")
    body = await decode(request, LotDropIn)
    wanted, at = parse_id(lot_id, _UNKNOWN), await clock.now()
    return as_response(await lots.drop(actor, wanted, body.reason, at, key, render))


@get(
    f"{_LOT}/file",
    opt=Contract(
        may("lot.export"),
        "Télécharger le fichier d'un lot approuvé",
        tag=_TAG,
        description="En JSON ou en CSV, avec le nombre, la somme et l'empreinte des virements. Il porte les"
        " numéros de compte ; le journal retient qui l'a pris.",
        path=_ID,
        query=LotFileQuery,
        answers={200: Answer("Le fichier, dans le format demandé.", media_type="application/json")},
        errors=(ErrorCode.ACTION_REFUSED, ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.FILES,
    ).opt,
)
async def export(request: Request[Any, Any, Any], actor: Caller, lot_id: FromPath[str]) -> Response[bytes]:
    """The file of an approved lot."""
    query = read_query(request, LotFileQuery)
    file = await lot_reading.export(actor, parse_id(lot_id, _UNKNOWN), query.format, await clock.now())
    return attachment(
        f"{file.lot}.{query.format}",
        to_json(file) if query.format == "json" else to_csv(file),
        "application/json" if query.format == "json" else "text/csv",
    )


def attachment(name: str, content: bytes, media_type: str) -> Response[bytes]:
    """A file that a browser keeps rather than shows."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


def render(outcome: LotView | Refused) -> Kept:
    """The answer to an act on a lot."""
    return _rendered(outcome, 200)


def render_created(outcome: LotView | Refused) -> Kept:
    """The answer to the preparation of a lot."""
    return _rendered(outcome, 201)


def _rendered(outcome: LotView | Refused, status: int) -> Kept:
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(lot_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_lots, prepare, find, list_lines, approve, drop, export)
