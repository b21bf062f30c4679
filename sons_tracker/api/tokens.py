"""Bearer tokens over HTTP: what they may do, until when; made, rotated, revoked by their holders."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.schemas.accounts import TokenIn, TokenOut, TokensOut, token_out
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode
from sons_tracker.api.webhooks import with_secret
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, tokens
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.tokens import Token

_TAG = "Comptes"
_ALL = "/api/v1/tokens"
_ONE = f"{_ALL}/{{token_id}}"
_UNKNOWN = "Aucun jeton visible ne porte cet identifiant."
_PATH = {"token_id": "Identifiant du jeton."}  # nosec B105 # words that are shown
_ERRORS = (*ACT_ERRORS, ErrorCode.UNAVAILABLE)


@get(
    _ALL,
    opt=Contract(
        may("token.read"),
        "Lister les jetons de son organisation",
        tag=_TAG,
        description="Échus et révoqués compris, sans leurs secrets ; l'usage est noté à la minute.",
        answers={200: Answer("Les jetons.", TokensOut)},
        examples=(Example("jetons", "Les jetons de l'organisation", 200, role="editor"),),
    ).opt,
)
async def list_tokens(actor: Caller) -> TokensOut:
    """The tokens of the caller's organisation."""
    return TokensOut([token_out(one) for one in await tokens.list_tokens(actor)])


@post(
    _ALL,
    status_code=201,
    opt=Contract(
        may("token.make"),
        "Créer un jeton",
        tag=_TAG,
        description="Pour soi-même, dans son rôle, borné à des portées : « read » lit ce que lit le rôle,"
        " « write:orders » n'écrit que sous « /api/v1/orders ». Une simulation est une écriture : elle se"
        " compte. Un jeton n'en crée pas un autre qui permet plus que lui. Le secret n'est que dans cette"
        " réponse.",
        headers=KEY_HEADER,
        body=TokenIn,
        answers={201: Answer("Le jeton, et son secret dans « token ».", TokenOut)},
        errors=_ERRORS,
        examples=(
            Example(
                "lecture", "Un jeton qui lit", 201, body={"scopes": ["read"], "days": 30},
                headers={"Idempotency-Key": "jeton-lecture"}, role="editor",
            ),
            Example(
                "portee", "Une portée qui n'en est pas une", 422, body={"scopes": ["tout"]},
                headers={"Idempotency-Key": "jeton-portee"}, role="editor",
            ),
        ),
    ).opt,
)  # fmt: skip
async def create(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """A token of the caller's own."""
    key = await act_key(request, f"POST {_ALL}")
    body = await decode(request, TokenIn)
    shown = await tokens.create(actor, tuple(body.scopes), body.days, await clock.now(), key, _created)
    return as_response(with_secret(shown, "token"))


@post(
    f"{_ALL}/{{token_id:str}}/rotate",
    status_code=201,
    opt=Contract(
        may("token.rotate"),
        "Renouveler un jeton",
        tag=_TAG,
        description="Un nouveau secret pour les mêmes portées et la même durée ; l'ancien cesse aussitôt."
        " Pour en garder deux un moment, en créer un second puis révoquer le premier. Le sien seulement.",
        path=_PATH,
        headers=KEY_HEADER,
        answers={201: Answer("Le nouveau jeton, et son secret dans « token ».", TokenOut)},
        errors=_ERRORS,
    ).opt,
)
async def rotate(request: Request[Any, Any, Any], actor: Caller, token_id: FromPath[str]) -> Response[bytes]:
    """A new secret for the same rights."""
    key = await act_key(request, f"POST {_ONE}/rotate")
    wanted = parse_id(token_id, _UNKNOWN)
    return as_response(
        with_secret(await tokens.rotate(actor, wanted, await clock.now(), key, _created), "token")
    )


@post(
    f"{_ALL}/{{token_id:str}}/revoke",
    status_code=200,
    opt=Contract(
        may("token.revoke"),
        "Révoquer un jeton",
        tag=_TAG,
        description="N'importe lequel de son organisation : il est refusé dès la demande suivante.",
        path=_PATH,
        headers=KEY_HEADER,
        answers={200: Answer("Le jeton révoqué.", TokenOut)},
        errors=_ERRORS,
    ).opt,
)
async def revoke(request: Request[Any, Any, Any], actor: Caller, token_id: FromPath[str]) -> Response[bytes]:
    """Ends a token of the caller's organisation."""
    key = await act_key(request, f"POST {_ONE}/revoke")
    wanted = parse_id(token_id, _UNKNOWN)
    return as_response(await tokens.revoke(actor, wanted, await clock.now(), key, _done))


def _created(outcome: Token | Refused) -> Kept:
    return _rendered(outcome, 201)


def _done(outcome: Token | Refused) -> Kept:
    return _rendered(outcome, 200)


def _rendered(outcome: Token | Refused, status: int) -> Kept:
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(token_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_tokens, create, rotate, revoke)
