"""Delegations of signature over HTTP: read, given on the text that was shown, revoked."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.schemas.delegations import (
    UNKNOWN_MEMBER,
    DelegationIn,
    DelegationOut,
    DelegationsOut,
    DelegationsQuery,
    DelegationTextOut,
    DelegationTextQuery,
    asked,
    asked_text,
    delegation_out,
    signature,
    text_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, delegations
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.delegations import DelegationView
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.rules.delegations import DELEGATION_CONSENT

_TAG = "Comptes"
_ALL = "/api/v1/delegations"
_UNKNOWN = "Aucune délégation visible ne porte cet identifiant."
_NOBODY = "00000000-0000-4000-8000-000000000001"
_NO_ORGANISATION = "Aucune organisation visible ne porte cet identifiant."
_ERRORS = (*ACT_ERRORS, ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE)
_TERMS = {"from_on": "2023-03-01", "until_on": "2023-03-31"}


@get(
    _ALL,
    opt=Contract(
        may("delegation.read"),
        "Lister les délégations de signature",
        tag=_TAG,
        description="Celles de votre organisme, révoquées et terminées comprises ; pour une agence, celles de"
        " tous, ou d'un seul.",
        query=DelegationsQuery,
        answers={200: Answer("Les délégations.", DelegationsOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=(Example("siennes", "Les délégations de l'organisme", 200, role="og"),),
    ).opt,
)
async def list_delegations(request: Request[Any, Any, Any], actor: Caller) -> DelegationsOut:
    """The delegations that the caller may see."""
    named = read_query(request, DelegationsQuery).organisation_id
    of = None if named is None else parse_id(named, _NO_ORGANISATION)
    found = await delegations.list_delegations(actor, await clock.now(), of)
    return DelegationsOut([delegation_out(one) for one in found])


@get(
    f"{_ALL}/text/{{receiver_id:str}}",
    opt=Contract(
        may("delegation.give"),
        "Lire le texte d'une délégation à donner",
        tag=_TAG,
        description="Le texte exact que vous signeriez, en personne responsable de l'organisme gestionnaire,"
        " pour ce membre, ces actes et ces dates, avec son empreinte et la phrase de consentement.",
        path={"receiver_id": "Identifiant de la personne qui la recevrait, membre de votre organisme."},
        query=DelegationTextQuery,
        answers={200: Answer("Le texte et son empreinte.", DelegationTextOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=(
            Example(
                "inconnu", "Une personne d'un autre organisme", 404, path={"receiver_id": _NOBODY},
                query={"acts": "va", **_TERMS}, role="og",
            ),
        ),
    ).opt,
)  # fmt: skip
async def read_text(
    request: Request[Any, Any, Any], actor: Caller, receiver_id: FromPath[str]
) -> DelegationTextOut:
    """What would be signed."""
    parse_id(receiver_id, UNKNOWN_MEMBER)  # nobody is not found, whatever else is asked
    wanted = asked_text(receiver_id, read_query(request, DelegationTextQuery))
    return text_out(await delegations.propose_text(actor, wanted, await clock.now()))


@post(
    _ALL,
    status_code=201,
    opt=Contract(
        may("delegation.give"),
        "Donner une délégation de signature",
        tag=_TAG,
        description="Une personne responsable de l'organisme gestionnaire laisse un autre membre signer des"
        " VA, des attestations de renonciation ou des avenants, d'un jour à un autre, un an au plus. Elle"
        " signe le texte qu'elle a lu. Qui tient une délégation n'en donne pas.",
        headers=KEY_HEADER,
        body=DelegationIn,
        answers={201: Answer("La délégation.", DelegationOut)},
        errors=_ERRORS,
        examples=(
            Example(
                "inconnu", "Une personne d'un autre organisme", 404,
                body={
                    "receiver_id": _NOBODY, "acts": ["va"], **_TERMS, "text_sha256": "ab" * 32,
                    "consent": DELEGATION_CONSENT, "signer_name": "Camille Exemple",
                    "signer_function": "Directrice générale",
                },
                headers={"Idempotency-Key": "delegation-1"}, role="og",
            ),
        ),
    ).opt,
)  # fmt: skip
async def give(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Gives a delegation."""
    key = await act_key(request, f"POST {_ALL}")
    body = await decode(request, DelegationIn)
    shown, signer = signature(body)
    at = await clock.now()
    return as_response(await delegations.give(actor, asked(body), shown, signer, at, key, render_new))


@post(
    f"{_ALL}/{{delegation_id:str}}/revocation",
    status_code=200,
    opt=Contract(
        may("delegation.revoke"),
        "Révoquer une délégation de signature",
        tag=_TAG,
        description="À effet immédiat ; ce qui a été signé reste valable. Par une personne responsable de"
        " l'organisme, ou par celle qui la tient, qui la rend.",
        path={"delegation_id": "Identifiant de la délégation."},
        headers=KEY_HEADER,
        answers={200: Answer("La délégation révoquée.", DelegationOut)},
        errors=_ERRORS,
        examples=(
            Example(
                "inconnue", "Une délégation d'un autre organisme", 404, path={"delegation_id": _NOBODY},
                headers={"Idempotency-Key": "delegation-2"}, role="og",
            ),
        ),
    ).opt,
)  # fmt: skip
async def revoke(
    request: Request[Any, Any, Any], actor: Caller, delegation_id: FromPath[str]
) -> Response[bytes]:
    """Revokes a delegation."""
    key = await act_key(request, f"POST {_ALL}/{{delegation_id}}/revocation")
    wanted = parse_id(delegation_id, _UNKNOWN)
    return as_response(await delegations.revoke(actor, wanted, await clock.now(), key, render_done))


def render_new(outcome: DelegationView | Refused) -> Kept:
    """The answer to a delegation that is given."""
    return _rendered(outcome, 201)


def render_done(outcome: DelegationView | Refused) -> Kept:
    """The answer to one that is revoked."""
    return _rendered(outcome, 200)


def _rendered(outcome: DelegationView | Refused, status: int) -> Kept:
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(delegation_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_delegations, read_text, give, revoke)
