"""Cancellations over HTTP: asked, completed by each party, settled by a reviewer, taken back."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api import ending_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.requests import UNKNOWN_ORDER
from sons_tracker.api.schemas.endings import (
    AttestationIn,
    CancellationDecisionIn,
    CancellationIn,
    CancellationOut,
    CancellationsOut,
    EndingReasonIn,
    StatementIn,
    cancellation_out,
    cancellation_request,
    signature,
    statement,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import cancellations, clock
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.cancellation_reading import (
    CancellationView,
    find_cancellation,
    find_cancellations,
)
from sons_tracker.operations.idempotency import Answer as Kept

_TAG = "Annulations et avenants"
_ORDER = "/api/v1/orders/{order_id:str}"
_CANCELLATION = f"{_ORDER}/cancellation"
_ORDER_ID = {"order_id": "Identifiant de la commande."}
_READS = (ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE)


def _act(
    action: str,
    summary: str,
    description: str,
    shown: tuple[Example, ...],
    body: Any = None,
    status: int = 200,
) -> dict[str, Any]:
    """The contract of an act on a cancellation: all of them answer the cancellation as it stands after."""
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        path=_ORDER_ID,
        headers=KEY_HEADER,
        body=body,
        answers={status: Answer("L'annulation après cet acte.", CancellationOut)},
        errors=(
            *ACT_ERRORS, ErrorCode.NOT_A_SIGNATORY, ErrorCode.INVALID_REQUEST, ErrorCode.OUTSIDE_COVERAGE,
            ErrorCode.UNAVAILABLE,
        ),
        examples=shown,
    ).opt  # fmt: skip


def _read(action: str, summary: str, description: str, answer: Answer) -> dict[str, Any]:
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        path=_ORDER_ID,
        answers={200: answer},
        errors=_READS,
        examples=examples.READS,
    ).opt


@post(
    _CANCELLATION,
    status_code=201,
    opt=_act(
        "cancellation.ask",
        "Demander l'annulation d'une commande",
        "Le fournisseur, avec son attestation sur l'honneur ; ou l'organisme gestionnaire qui renonce. Elle"
        " est effectuée dès que les pièces de son motif sont réunies et que R29 ne l'interdit pas. Une avance"
        " payée est alors à recouvrer, et les ESSMS sont libérés avec l'ordre de recouvrement.",
        examples.CANCELLATIONS,
        CancellationIn,
        201,
    ),
)
async def ask(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Asks for the cancellation of an order."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/cancellation")
    asked = cancellation_request(await decode(request, CancellationIn))
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    return as_response(await cancellations.ask(actor, wanted, asked, law.load().law, at, key, render_new))


@get(
    _CANCELLATION,
    opt=_read(
        "cancellation.read",
        "Lire l'annulation d'une commande",
        "La plus récente, avec ses pièces et ce qu'elle attend.",
        Answer("L'annulation.", CancellationOut),
    ),
)
async def find(actor: Caller, order_id: FromPath[str]) -> CancellationOut:
    """The newest cancellation."""
    return cancellation_out(await _find(actor, order_id))


@get(
    f"{_CANCELLATION}s",
    opt=_read(
        "cancellation.read",
        "Lister les annulations d'une commande",
        "Retirées et refusées comprises ; seule la plus récente porte des actions.",
        Answer("Les annulations.", CancellationsOut),
    ),
)
async def history(actor: Caller, order_id: FromPath[str]) -> CancellationsOut:
    """All the cancellations of an order."""
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    found = await find_cancellations(actor, wanted, law.load().law, at)
    return CancellationsOut([cancellation_out(view) for view in found])


@get(
    f"{_CANCELLATION}/attestation",
    opt=_read(
        "cancellation.read",
        "Lire l'attestation de renonciation",
        "Le texte que le responsable de l'organisme gestionnaire signe, seul. L'en-tête « Repr-Digest » donne"
        " son empreinte SHA-256, à renvoyer avec la signature (en hexadécimal).",
        Answer("Le texte.", str, "text/plain"),
    ),
)
async def attestation(actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """The text that the OG signs, alone."""
    found = await _find(actor, order_id)
    if found.document is None or found.document_sha256 is None:
        raise SonsError(ErrorCode.NOT_FOUND, "Le motif de cette annulation ne demande pas d'attestation.")
    digest = base64.b64encode(bytes.fromhex(found.document_sha256)).decode()
    return Response(
        found.document.encode(),
        media_type="text/plain",
        headers={"repr-digest": f"sha-256=:{digest}:"},
    )


@post(
    f"{_CANCELLATION}/attestation",
    status_code=200,
    opt=_act(
        "cancellation.attest",
        "Signer l'attestation de renonciation",
        "Dans l'application. Sont gardés : le texte montré et son empreinte, la personne, son"
        " authentification, l'instant, le consentement.",
        examples.ATTESTATIONS,
        AttestationIn,
    ),
)
async def attest(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Signs the attestation de renonciation."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/cancellation/attestation")
    shown, who = signature(await decode(request, AttestationIn))
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    answer = await cancellations.attest(actor, wanted, shown, who, law.load().law, at, key, render)
    return as_response(answer)


@post(
    f"{_CANCELLATION}/statement",
    status_code=200,
    opt=_act(
        "cancellation.state",
        "Joindre l'attestation sur l'honneur",
        "À l'annulation que l'organisme gestionnaire a demandée. Sans réponse dans le délai, un contrôleur"
        " décide.",
        examples.STATEMENTS,
        StatementIn,
    ),
)
async def give_statement(
    request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]
) -> Response[bytes]:
    """Joins the supplier's statement."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/cancellation/statement")
    stated = statement(await decode(request, StatementIn))
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    answer = await cancellations.give_statement(actor, wanted, stated, law.load().law, at, key, render)
    return as_response(answer)


@post(
    f"{_CANCELLATION}/refusal",
    status_code=200,
    opt=_act(
        "cancellation.decline",
        "Refuser l'annulation demandée par le fournisseur",
        "La commande continue.",
        examples.REFUSALS,
        EndingReasonIn,
    ),
)
async def decline(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Refuses the supplier's cancellation."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/cancellation/refusal")
    body = await decode(request, EndingReasonIn)
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    answer = await cancellations.decline(actor, wanted, body.reason, law.load().law, at, key, render)
    return as_response(answer)


@post(
    f"{_CANCELLATION}/drop",
    status_code=200,
    opt=_act(
        "cancellation.drop",
        "Retirer sa demande d'annulation",
        "Par la partie qui l'a demandée, tant qu'elle n'est pas effectuée. Sans corps.",
        examples.DROPS,
    ),
)
async def drop(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Takes a cancellation back."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/cancellation/drop")
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    return as_response(await cancellations.drop(actor, wanted, law.load().law, at, key, render))


@post(
    f"{_CANCELLATION}/settlement",
    status_code=200,
    opt=_act(
        "cancellation.settle",
        "Décider d'une annulation",
        "Quand R29 ne tranche pas, ou quand le fournisseur n'a pas répondu dans le délai à l'organisme"
        " gestionnaire. Personne ne renonce à sa place, et rien ne lève ce que R29 interdit.",
        examples.SETTLEMENTS,
        CancellationDecisionIn,
    ),
)
async def settle(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Settles a cancellation."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/cancellation/settlement")
    body = await decode(request, CancellationDecisionIn)
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    answer = await cancellations.settle(
        actor, wanted, body.decision, body.reason, law.load().law, at, key, render
    )
    return as_response(answer)


async def _find(actor: Caller, order_id: str) -> CancellationView:
    return await find_cancellation(
        actor, parse_id(order_id, UNKNOWN_ORDER), law.load().law, await clock.now()
    )


def render(outcome: CancellationView | Refused, status: int = 200) -> Kept:
    """The answer to an act on a cancellation: the cancellation after it, or a problem."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(cancellation_out(outcome)))


def render_new(outcome: CancellationView | Refused) -> Kept:
    """The answer to one that is new."""
    return render(outcome, 201)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    ask, find, history, attestation, attest, give_statement, decline, drop, settle,
)  # fmt: skip
