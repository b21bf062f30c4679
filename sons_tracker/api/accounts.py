"""What opens an account over HTTP: one's own password and second factor changed; a person's sessions ended.

The acts on one's own account take no `Idempotency-Key`: a code serves once, so that sent twice they are
refused, and a kept answer would keep a secret.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.rate_limits import client_address
from sons_tracker.api.schemas.accounts import (
    ChangedOut,
    CodeIn,
    EnrolmentOut,
    PasswordIn,
    SecondFactorIn,
    SessionsOut,
    enrolment_out,
    session_out,
)
from sons_tracker.api.security import Caller, door_of
from sons_tracker.api.strict import decode
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, own_account, person_sessions
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.own_account import Proof

_TAG = "Comptes"
_OWN, _SESSIONS = "/api/v1/account", "/api/v1/persons/{person_id:str}/sessions"
_UNKNOWN = "Aucune personne ne porte cet identifiant."
_PATH = {"person_id": "Identifiant de la personne."}
_ONCE = " Réservé aux sessions. Sans « Idempotency-Key » : un code ne sert qu'une fois."


@post(
    f"{_OWN}/password",
    status_code=200,
    opt=Contract(
        may("account.change"),
        "Changer son mot de passe",
        tag=_TAG,
        description="Avec le mot de passe actuel et le code du moment, comptés avec les essais de connexion."
        " Vos autres sessions sont closes, et un courrier vous le dit ; vos jetons restent." + _ONCE,
        body=PasswordIn,
        answers={200: Answer("Le mot de passe est changé.", ChangedOut)},
        examples=(
            Example(
                "jeton", "Un jeton ne change pas un mot de passe", 403,
                body={"current_password": "l'actuel", "code": "000000", "password": "douze lettres"},  # nosec B105 # shown
                role="og",
            ),
        ),
    ).opt,
)  # fmt: skip
async def change_password(request: Request[Any, Any, Any], actor: Caller) -> ChangedOut:
    """Another password for the caller's own account."""
    body = await decode(request, PasswordIn)
    proof, door = Proof(body.current_password, body.code), door_of(request)
    at, origin = await clock.now(), client_address(request)
    return ChangedOut(await own_account.change_password(actor, proof, body.password, origin, door, at))


@post(
    f"{_OWN}/second-factor",
    status_code=200,
    opt=Contract(
        may("account.change"),
        "Changer son second facteur : en recevoir un autre",
        tag=_TAG,
        description="Avec le mot de passe et un code de l'actuel, qui sert encore jusqu'à la confirmation."
        + _ONCE,
        body=SecondFactorIn,
        answers={200: Answer("Le nouveau second facteur, montré une fois.", EnrolmentOut)},
    ).opt,
)
async def draw_second_factor(request: Request[Any, Any, Any], actor: Caller) -> EnrolmentOut:
    """Another second factor, not in force yet."""
    body = await decode(request, SecondFactorIn)
    proof, door = Proof(body.current_password, body.code), door_of(request)
    at, origin = await clock.now(), client_address(request)
    return enrolment_out(await own_account.draw_factor(actor, proof, origin, door, at))


@post(
    f"{_OWN}/second-factor/confirmation",
    status_code=200,
    opt=Contract(
        may("account.change"),
        "Changer son second facteur : le confirmer",
        tag=_TAG,
        description="Un premier code du nouveau le met en vigueur. Vos autres sessions sont closes, et un"
        " courrier vous le dit." + _ONCE,
        body=CodeIn,
        answers={200: Answer("Le second facteur est changé.", ChangedOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.TRANSITION_REFUSED),
    ).opt,
)
async def confirm_second_factor(request: Request[Any, Any, Any], actor: Caller) -> ChangedOut:
    """The first code of the new second factor."""
    body = await decode(request, CodeIn)
    door, at, origin = door_of(request), await clock.now(), client_address(request)
    return ChangedOut(await own_account.confirm_factor(actor, body.code, origin, door, at))


@get(
    _SESSIONS,
    opt=Contract(
        may("session.oversee"),
        "Lister les sessions d'une personne",
        tag=_TAG,
        description="Celles qui sont ouvertes, dans toutes ses organisations : pour qui appelle à l'aide.",
        path=_PATH,
        answers={200: Answer("Les sessions.", SessionsOut)},
        examples=(
            Example(
                "inconnue", "Une personne que personne ne connaît", 404,
                path={"person_id": "00000000-0000-4000-8000-0000000000ff"}, role="admin",
            ),
        ),
    ).opt,
)  # fmt: skip
async def list_sessions(actor: Caller, person_id: FromPath[str]) -> SessionsOut:
    """The open sessions of a person."""
    found = await person_sessions.list_of(actor, parse_id(person_id, _UNKNOWN))
    return SessionsOut([session_out(one) for one in found])


@post(
    f"{_SESSIONS}/revoke",
    status_code=200,
    opt=Contract(
        may("session.oversee"),
        "Clore toutes les sessions d'une personne",
        tag=_TAG,
        description="Elles ne valent plus rien dès la demande suivante. Ses jetons restent : les révoquer, ou"
        " retirer la personne de l'organisation.",
        path=_PATH,
        headers=KEY_HEADER,
        answers={200: Answer("Combien ont été closes.", ChangedOut)},
        errors=ACT_ERRORS,
    ).opt,
)
async def revoke_sessions(
    request: Request[Any, Any, Any], actor: Caller, person_id: FromPath[str]
) -> Response[bytes]:
    """Ends every session of a person."""
    key = await act_key(request, "POST /api/v1/persons/{person_id}/sessions/revoke")
    wanted = parse_id(person_id, _UNKNOWN)
    return as_response(await person_sessions.end_all(actor, wanted, await clock.now(), key, _counted))


def _counted(outcome: int | Refused) -> Kept:
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(200, msgspec.json.encode(ChangedOut(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    change_password,
    draw_second_factor,
    confirm_second_factor,
    list_sessions,
    revoke_sessions,
)
