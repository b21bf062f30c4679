"""Reviewers over HTTP: open verdicts settled, corrections asked and answered, advances left in doubt."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, may
from sons_tracker.api.requests import UNKNOWN_ORDER, content_of
from sons_tracker.api.schemas.life import (
    AdvanceDecisionIn,
    OrderCorrectionAnswerIn,
    OrderCorrectionIn,
    OrderCorrectionOut,
    ReviewIn,
    SettledOut,
    correction_out,
    settled_out,
    settlements,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, corrections, reviews
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.corrections import CorrectionView
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.reviews import Settled

_ORDER = "/api/v1/orders/{order_id:str}"


def _contract(
    action: str, summary: str, description: str, body: Any, status: int, answer: Answer
) -> dict[str, Any]:
    return Contract(
        may(action),
        summary,
        tag="Instruction",
        description=description,
        path={"order_id": "Identifiant de la commande."},
        headers=KEY_HEADER,
        body=body,
        answers={status: answer},
        errors=(*ACT_ERRORS, ErrorCode.OUTSIDE_COVERAGE, ErrorCode.UNAVAILABLE),
    ).opt


@post(
    f"{_ORDER}/review",
    status_code=200,
    opt=_contract(
        "order.review",
        "Régler les verdicts en attente",
        "Chaque règle en attente, une fois, avec sa motivation. Un verdict maintenu rejette la commande et"
        " libère ses ESSMS ; tous levés, elle continue.",
        ReviewIn,
        200,
        Answer("La commande après la décision.", SettledOut),
    ),
)
async def settle(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Settles the open verdicts of an order."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/review")
    body = await decode(request, ReviewIn)
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    answer = await reviews.settle_review(
        actor, wanted, settlements(body), law.load().law, at, key, render_settled
    )
    return as_response(answer)


@post(
    f"{_ORDER}/advance-decision",
    status_code=200,
    opt=_contract(
        "advance.settle",
        "Décider du sort de l'avance",
        "Quand la VA était signée à temps et que le solde n'a pas été demandé avant la clôture : l'avance est"
        " laissée, et le solde perdu, ou bien elle est à recouvrer.",
        AdvanceDecisionIn,
        200,
        Answer("La commande après la décision.", SettledOut),
    ),
)
async def decide_advance(
    request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]
) -> Response[bytes]:
    """Keeps or reclaims an advance."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/advance-decision")
    body = await decode(request, AdvanceDecisionIn)
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    answer = await reviews.settle_advance(
        actor, wanted, body.keep, body.reason, law.load().law, at, key, render_settled
    )
    return as_response(answer)


@post(
    f"{_ORDER}/corrections",
    status_code=201,
    opt=_contract(
        "correction.ask",
        "Demander une correction",
        "De la commande, de la demande d'avance ou de la demande de solde ; l'étape suivante attend la"
        " réponse, dans un délai en jours ouvrés.",
        OrderCorrectionIn,
        201,
        Answer("La correction demandée.", OrderCorrectionOut),
    ),
)
async def ask(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Asks the supplier for a correction."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/corrections")
    body = await decode(request, OrderCorrectionIn)
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    answer = await corrections.ask_correction(
        actor, wanted, body.about, body.kind, body.reason, law.load().law, at, key, render_correction_asked
    )
    return as_response(answer)


@post(
    f"{_ORDER}/corrections/answer",
    status_code=200,
    opt=_contract(
        "correction.answer",
        "Répondre à une demande de correction",
        "La demande d'avance peut être redéposée avec la réponse ; une demande de solde se redépose à son"
        " adresse propre.",
        OrderCorrectionAnswerIn,
        200,
        Answer("La correction et sa réponse.", OrderCorrectionOut),
    ),
)
async def answer(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Answers the open correction of an order."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/corrections/answer")
    body = await decode(request, OrderCorrectionAnswerIn)
    content = None if body.advance is None else content_of(body.advance)
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    told = await corrections.answer_correction(
        actor, wanted, body.answer, content, law.load().law, at, key, render_correction
    )
    return as_response(told)


def render_settled(outcome: Settled | Refused) -> Kept:
    """The answer to a decision: the order after it, or a problem."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(200, msgspec.json.encode(settled_out(outcome)))


def render_correction(outcome: CorrectionView | Refused, status: int = 200) -> Kept:
    """The answer to a correction that is answered."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(correction_out(outcome)))


def render_correction_asked(outcome: CorrectionView | Refused) -> Kept:
    """The answer to a correction that is asked."""
    return render_correction(outcome, 201)


HANDLERS: tuple[HTTPRouteHandler, ...] = (settle, decide_advance, ask, answer)
