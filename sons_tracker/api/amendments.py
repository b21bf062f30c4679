"""Amendments over HTTP: ESSMS taken out of an order, proposed by one party and accepted by the other."""

from __future__ import annotations

from typing import Any
from uuid import UUID

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
    AmendmentAgreementIn,
    AmendmentIn,
    AmendmentOut,
    AmendmentsOut,
    EndingReasonIn,
    amendment_out,
    removed,
    signature,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import amendments, clock
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.amendments import AmendmentView, find_amendment, find_amendments
from sons_tracker.operations.idempotency import Answer as Kept

_TAG = "Annulations et avenants"
_AMENDMENTS = "/api/v1/orders/{order_id:str}/amendments"
_AMENDMENT = f"{_AMENDMENTS}/{{amendment_id:str}}"
_ORDER_ID = {"order_id": "Identifiant de la commande."}
_AMENDMENT_ID = {**_ORDER_ID, "amendment_id": "Identifiant de l'avenant."}
_READS = (ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE)
_UNKNOWN = "Aucun avenant visible de cette commande ne porte cet identifiant."


def _act(
    action: str,
    summary: str,
    description: str,
    shown: tuple[Example, ...],
    path: dict[str, str] = _AMENDMENT_ID,
    body: Any = None,
    status: int = 200,
) -> dict[str, Any]:
    """The contract of an act on an amendment: all of them answer the amendment as it stands after."""
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        path=path,
        headers=KEY_HEADER,
        body=body,
        answers={status: Answer("L'avenant après cet acte.", AmendmentOut)},
        errors=(*ACT_ERRORS, ErrorCode.NOT_A_SIGNATORY, ErrorCode.UNAVAILABLE),
        examples=shown,
    ).opt


@post(
    _AMENDMENTS,
    status_code=201,
    opt=_act(
        "amendment.propose",
        "Proposer un avenant",
        "Retirer des ESSMS de la commande. L'autre partie l'accepte ou le refuse. Pour ajouter un ESSMS, il"
        " faut une nouvelle commande ; pour les retirer tous, une annulation.",
        examples.PROPOSALS,
        _ORDER_ID,
        AmendmentIn,
        201,
    ),
)
async def propose(request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Proposes an amendment."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/amendments")
    body = await decode(request, AmendmentIn)
    essms, wanted, at = removed(body), parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    answer = await amendments.propose(
        actor, wanted, essms, body.signer_name, body.signer_function, law.load().law, at, key, render_new
    )
    return as_response(answer)


@get(
    _AMENDMENTS,
    opt=Contract(
        may("amendment.read"),
        "Lister les avenants d'une commande",
        tag=_TAG,
        description="Du plus récent au plus ancien ; refusés et retirés compris.",
        path=_ORDER_ID,
        answers={200: Answer("Les avenants.", AmendmentsOut)},
        errors=_READS,
        examples=examples.READS,
    ).opt,
)
async def history(actor: Caller, order_id: FromPath[str]) -> AmendmentsOut:
    """The amendments of an order."""
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    found = await find_amendments(actor, wanted, law.load().law, at)
    return AmendmentsOut([amendment_out(view) for view in found])


@get(
    _AMENDMENT,
    opt=Contract(
        may("amendment.read"),
        "Lire un avenant",
        tag=_TAG,
        path=_AMENDMENT_ID,
        answers={200: Answer("L'avenant, son texte et son empreinte.", AmendmentOut)},
        errors=_READS,
        examples=examples.AMENDMENT_READS,
    ).opt,
)
async def find(actor: Caller, order_id: FromPath[str], amendment_id: FromPath[str]) -> AmendmentOut:
    """One amendment."""
    wanted, chosen = _ids(order_id, amendment_id)
    return amendment_out(await find_amendment(actor, wanted, chosen, law.load().law, await clock.now()))


@post(
    f"{_AMENDMENT}/agreement",
    status_code=200,
    opt=_act(
        "amendment.agree",
        "Accepter un avenant",
        "Par une autre personne, au nom de l'autre partie. Les ESSMS retirés sont libérés ; l'avance déjà"
        " versée pour eux sera compensée dans le solde.",
        examples.AGREEMENTS,
        body=AmendmentAgreementIn,
    ),
)
async def agree(
    request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str], amendment_id: FromPath[str]
) -> Response[bytes]:
    """Accepts an amendment."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/amendments/{amendment_id}/agreement")
    shown, who = signature(await decode(request, AmendmentAgreementIn))
    wanted, chosen = _ids(order_id, amendment_id)
    answer = await amendments.agree(
        actor, wanted, chosen, shown, who, law.load().law, await clock.now(), key, render
    )
    return as_response(answer)


@post(
    f"{_AMENDMENT}/refusal",
    status_code=200,
    opt=_act(
        "amendment.refuse",
        "Refuser un avenant",
        "Au nom de l'autre partie, avec un motif. La commande reste comme elle est.",
        examples.AMENDMENT_REFUSALS,
        body=EndingReasonIn,
    ),
)
async def refuse(
    request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str], amendment_id: FromPath[str]
) -> Response[bytes]:
    """Refuses an amendment."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/amendments/{amendment_id}/refusal")
    body = await decode(request, EndingReasonIn)
    wanted, chosen = _ids(order_id, amendment_id)
    answer = await amendments.refuse(
        actor, wanted, chosen, body.reason, law.load().law, await clock.now(), key, render
    )
    return as_response(answer)


@post(
    f"{_AMENDMENT}/withdrawal",
    status_code=200,
    opt=_act(
        "amendment.withdraw",
        "Retirer un avenant",
        "Par la partie qui l'a proposé, tant que l'autre n'a pas répondu. Sans corps.",
        examples.WITHDRAWALS,
    ),
)
async def withdraw(
    request: Request[Any, Any, Any], actor: Caller, order_id: FromPath[str], amendment_id: FromPath[str]
) -> Response[bytes]:
    """Takes an amendment back."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/amendments/{amendment_id}/withdrawal")
    wanted, chosen = _ids(order_id, amendment_id)
    answer = await amendments.withdraw(actor, wanted, chosen, law.load().law, await clock.now(), key, render)
    return as_response(answer)


def _ids(order_id: str, amendment_id: str) -> tuple[UUID, UUID]:
    return parse_id(order_id, UNKNOWN_ORDER), parse_id(amendment_id, _UNKNOWN)


def render(outcome: AmendmentView | Refused, status: int = 200) -> Kept:
    """The answer to an act on an amendment: the amendment after it, or a problem."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(amendment_out(outcome)))


def render_new(outcome: AmendmentView | Refused) -> Kept:
    """The answer to one that is new."""
    return render(outcome, 201)


HANDLERS: tuple[HTTPRouteHandler, ...] = (propose, history, find, agree, refuse, withdraw)
