"""Payments over HTTP: lists, what the bank answers to a lot, one presented again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api import lot_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, may
from sons_tracker.api.schemas.lots import (
    LONGEST_RETURN,
    BankReturnIn,
    BankReturnOut,
    PaymentItemOut,
    PaymentsOut,
    PaymentsQuery,
    payment_out,
    payments_out,
    return_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import bank_returns, clock, payments
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.bank_returns import ReturnView
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.payments import PaymentView

_TAG = "Paiements"
_UNKNOWN = "Aucun versement visible ne porte cet identifiant."


@get(
    "/api/v1/payments",
    opt=Contract(
        may("payment.read"),
        "Lister les versements",
        tag=_TAG,
        description="Ceux que vous pouvez voir, par pages ; « after » est le « next » reçu.",
        query=PaymentsQuery,
        answers={200: Answer("Une page.", PaymentsOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=examples.PAYMENTS,
    ).opt,
)
async def list_payments(request: Request[Any, Any, Any], actor: Caller) -> PaymentsOut:
    """A page of the payments that the actor may see."""
    query = read_query(request, PaymentsQuery)
    after = None if query.after is None else UUID(query.after)
    return payments_out(await payments.list_payments(actor, query.state, after, query.limit))


@post(
    "/api/v1/payments/{payment_id:str}/representation",
    status_code=200,
    opt=Contract(
        may("payment.represent"),
        "Représenter un versement retourné",
        tag=_TAG,
        description="Un versement que la banque a retourné redevient dû : il pourra entrer dans un lot.",
        path={"payment_id": "Identifiant du versement."},
        headers=KEY_HEADER,
        answers={200: Answer("Le versement, dû à nouveau.", PaymentItemOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
        examples=examples.REPRESENTATIONS,
    ).opt,
)
async def represent(
    request: Request[Any, Any, Any], actor: Caller, payment_id: FromPath[str]
) -> Response[bytes]:
    """Makes a returned payment due again."""
    key = await act_key(request, "POST /api/v1/payments/{payment_id}/representation")
    wanted, at = parse_id(payment_id, _UNKNOWN), await clock.now()
    return as_response(await payments.represent(actor, wanted, at, key, render_payment))


@post(
    "/api/v1/bank-returns",
    status_code=200,
    request_max_body_size=2 * LONGEST_RETURN,
    opt=Contract(
        may("bank_return.import"),
        "Intégrer un retour de la banque",
        tag=_TAG,
        description="Le fichier entier, ou rien : un seul défaut le refuse, et chacun est dit à sa place."
        " Le même fichier, ou les mêmes lignes dans un autre ordre ou un autre format, reçoit la même réponse"
        " et n'a pas d'autre effet. « paid » paie le versement, « rejected » le rend dû, « returned » défait"
        " ce qui avait été payé.",
        headers=KEY_HEADER,
        body=BankReturnIn,
        answers={200: Answer("Ce que le retour a dit.", BankReturnOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
        examples=examples.RETURNS,
    ).opt,
)
async def import_return(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Does what a file of the bank says."""
    key = await act_key(request, "POST /api/v1/bank-returns")
    body = await decode(request, BankReturnIn)
    at = await clock.now()
    return as_response(await bank_returns.import_return(actor, body.content.encode(), at, key, render_return))


def render_payment(outcome: PaymentView | Refused) -> Kept:
    """The answer to an act on a payment."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(200, msgspec.json.encode(payment_out(outcome)))


def render_return(outcome: ReturnView | Refused) -> Kept:
    """The answer to a file of the bank."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(200, msgspec.json.encode(return_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_payments, represent, import_return)
