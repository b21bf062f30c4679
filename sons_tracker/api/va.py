"""The VA over HTTP: prepared by the supplier, read by both parties, signed by the OG."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api import va_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, may
from sons_tracker.api.requests import UNKNOWN_ORDER
from sons_tracker.api.schemas.va import VaIn, VaOut, VaSignatureIn, declaration, signer, va_out
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, va
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.va import VaView

_TAG = "Vérification d'aptitude"
_VA = "/api/v1/orders/{order_id:str}/va"
_ORDER_ID = {"order_id": "Identifiant de la commande."}
_READS = (ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE)


@post(
    _VA,
    status_code=201,
    opt=Contract(
        may("va.prepare"),
        "Préparer la VA",
        tag=_TAG,
        description="Tous les ESSMS du périmètre, ou rien. La réponse porte le texte exact que l'organisme"
        " gestionnaire lira et signera. Préparée à nouveau, elle remplace la précédente.",
        path=_ORDER_ID,
        headers=KEY_HEADER,
        body=VaIn,
        answers={201: Answer("La VA préparée.", VaOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
        examples=examples.PREPARATIONS,
    ).opt,
)
async def prepare(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Prepares the VA of an order."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/va")
    declared = declaration(await decode(request, VaIn))
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    return as_response(await va.prepare_va(actor, wanted, declared, law.load().law, at, key, render_new))


@get(
    _VA,
    opt=Contract(
        may("va.read"),
        "Lire la VA d'une commande",
        tag=_TAG,
        description="La VA en vigueur : préparée, ou signée.",
        path=_ORDER_ID,
        answers={200: Answer("La VA.", VaOut)},
        errors=_READS,
        examples=examples.READS,
    ).opt,
)
async def find(actor: Caller, order_id: FromPath[str]) -> VaOut:
    """The VA in force."""
    return va_out(await _find(actor, order_id))


@get(
    f"{_VA}/statement",
    opt=Contract(
        may("va.read"),
        "Lire le texte de la VA",
        tag=_TAG,
        description="Le texte que le responsable de l'organisme gestionnaire signe, seul. L'en-tête"
        " « Repr-Digest » donne son empreinte SHA-256, à renvoyer avec la signature (en hexadécimal).",
        path=_ORDER_ID,
        answers={200: Answer("Le texte.", str, "text/plain")},
        errors=_READS,
        examples=examples.READS,
    ).opt,
)
async def statement(actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """The text that is signed, alone."""
    found = await _find(actor, order_id)
    digest = base64.b64encode(found.statement_sha256).decode()
    return Response(
        found.statement.encode(),
        media_type="text/plain",
        headers={"repr-digest": f"sha-256=:{digest}:"},
    )


@post(
    f"{_VA}/signature",
    status_code=201,
    opt=Contract(
        may("va.sign"),
        "Signer la VA",
        tag=_TAG,
        description="Dans l'application, au niveau eIDAS simple. Sont gardés : l'empreinte de ce qui a été"
        " montré, la personne, son authentification, l'instant, le consentement. Si le texte a changé depuis"
        " sa lecture, la signature est refusée.",
        path=_ORDER_ID,
        headers=KEY_HEADER,
        body=VaSignatureIn,
        answers={201: Answer("La VA signée.", VaOut)},
        errors=(*ACT_ERRORS, ErrorCode.NOT_A_SIGNATORY, ErrorCode.UNAVAILABLE),
        examples=examples.SIGNATURES,
    ).opt,
)
async def sign(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Signs the VA of an order."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/va/signature")
    shown, who = signer(await decode(request, VaSignatureIn))
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    return as_response(await va.sign_va(actor, wanted, shown, who, law.load().law, at, key, render_new))


async def _find(actor: Caller, order_id: str) -> VaView:
    return await va.find_va(actor, parse_id(order_id, UNKNOWN_ORDER), law.load().law, await clock.now())


def render_new(outcome: VaView | Refused) -> Kept:
    """The answer to an act on a VA: the VA after it, or a problem."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(201, msgspec.json.encode(va_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (prepare, find, statement, sign)
