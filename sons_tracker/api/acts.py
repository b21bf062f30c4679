"""What every act over HTTP shares: its key, its refusal as a problem, what can be done now and why not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response

from sons_tracker.api import problems
from sons_tracker.api.strict import idempotency_key
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.rules.actions import Action, Reason

KEY_HEADER = {
    "Idempotency-Key": "Une clé de votre choix, 1 à 255 caractères ASCII visibles : la même demande rejouée"
    " sous la même clé reçoit la même réponse, sans effet nouveau. Gardée trente jours."
}
_IDENTIFIER = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ACT_ERRORS = (
    ErrorCode.ACTION_REFUSED,
    ErrorCode.IDEMPOTENCY_KEY_MISSING,
    ErrorCode.IDEMPOTENCY_KEY_INVALID,
    ErrorCode.IDEMPOTENCY_MISMATCH,
    ErrorCode.IDEMPOTENCY_IN_FLIGHT,
)


class ReasonOut(msgspec.Struct, frozen=True):
    """Pourquoi une action n'est pas possible, ce qui y remédie, et la règle ou la source qui le dit."""

    message: str
    remedy: str | None
    rule: str | None
    source: str | None


class ActionOut(msgspec.Struct, frozen=True):
    """Une action que votre rôle peut avoir sur cet objet, possible maintenant ou non, et pourquoi."""

    code: str
    label: str
    possible: bool
    reasons: list[ReasonOut]


def actions_out(actions: Sequence[Action]) -> list[ActionOut]:
    """The actions of an object as JSON shows them."""
    return [
        ActionOut(action.code, action.label, action.possible, [_reason(one) for one in action.reasons])
        for action in actions
    ]


def refusal(refused: Refused) -> Answer:
    """The answer to an act that cannot be done: a 409 problem whose `reasons` say why and what repairs."""
    first = refused.reasons[0]
    error = SonsError(ErrorCode.ACTION_REFUSED, first.message, remedy=first.remedy)
    told = {"reasons": [_reason(one) for one in refused.reasons]}
    return Answer(error.kind.status, msgspec.json.encode(problems.members(error) | told))


async def act_key(request: Request[Any, Any, Any], route: str) -> Key:
    """The idempotency key of a request to `route` (as the contract writes it), tied to its address and body.

    Raises:
        SonsError: `IDEMPOTENCY_KEY_MISSING` or `IDEMPOTENCY_KEY_INVALID`.
    """
    name = idempotency_key(request)
    digest = hashlib.sha256(request.url.path.encode() + b"\0" + await request.body()).digest()
    return Key(name, route, digest)


def as_response(answer: Answer) -> Response[bytes]:
    """A kept answer as it leaves, marked when it is a replay."""
    media_type = "application/json" if answer.status < 400 else problems.MEDIA_TYPE
    headers = {"idempotent-replayed": "true"} if answer.replayed else {}
    return Response(answer.body, status_code=answer.status, media_type=media_type, headers=headers)


def parse_id(text: str, unknown: str) -> UUID:
    """The identifier of a path.

    Raises:
        SonsError: `NOT_FOUND` with the sentence `unknown`: what is no identifier names nothing. Python reads
            others (`urn:uuid:…`, in braces, without hyphens): one object has one address.
    """
    if not _IDENTIFIER.fullmatch(text):
        raise SonsError(ErrorCode.NOT_FOUND, unknown)
    return UUID(text)


def _reason(reason: Reason) -> ReasonOut:
    return ReasonOut(reason.message, reason.remedy, reason.rule, reason.source)
