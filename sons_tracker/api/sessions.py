"""Sessions over HTTP: sign in, who am I, another role, list, revoke, sign out. A cookie carries the session.

These acts take no `Idempotency-Key`: a session that is replayed would be a session that is known twice, and
what ends one is the same done twice.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api.acts import parse_id
from sons_tracker.api.contract import Answer, Contract, may, public
from sons_tracker.api.rate_limits import client_address
from sons_tracker.api.schemas.accounts import (
    CurrentOut,
    OpenedOut,
    RoleIn,
    SessionsOut,
    SignInIn,
    opened_out,
    place_out,
    session_out,
)
from sons_tracker.api.security import COOKIE, Caller, door_of, session_secret
from sons_tracker.api.strict import decode
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, sessions
from sons_tracker.operations.proofs import Door
from sons_tracker.operations.sessions import Opened, SignIn

_TAG = "Comptes"
_ONE, _ALL = "/api/v1/session", "/api/v1/sessions"
_UNKNOWN = "Aucune session ouverte ne porte cet identifiant."


@post(
    _ONE,
    status_code=201,
    opt=Contract(
        public("session.open"),
        "Se connecter",
        tag=_TAG,
        description="Adresse, mot de passe et code du second facteur. La session est un cookie"
        " « __Host-sons » ; elle cesse après trente minutes d'inaction ou douze heures (réglables). Chaque"
        " écriture faite avec le cookie porte « X-CSRF-Token ». Quoi qui ne convienne pas, la réponse est la"
        " même ; dix essais par compte et par adresse en un quart d'heure, puis « Retry-After » dit"
        " l'attente. Sans « Idempotency-Key » : une session rejouée serait connue deux fois.",
        body=SignInIn,
        answers={201: Answer("La session, dont le secret est dans le cookie.", OpenedOut)},
        errors=(ErrorCode.UNAUTHENTICATED, ErrorCode.TOO_MANY_REQUESTS, ErrorCode.UNAVAILABLE),
    ).opt,
)
async def sign_in(request: Request[Any, Any, Any]) -> Response[OpenedOut]:
    """Opens a session; what the request's own cookie says is not even looked at."""
    body = await decode(request, SignInIn)
    wanted = None if body.organisation_id is None else parse_id(body.organisation_id, _UNKNOWN)
    asked = SignIn(body.email, body.password, body.code, wanted, body.role)
    door = door_of(request)
    opened = await sessions.sign_in(asked, client_address(request), door, await clock.now())
    return _with_cookie(opened, door, 201)


@get(
    _ONE,
    opt=Contract(
        may("session.read"),
        "Savoir qui l'on est",
        tag=_TAG,
        description="La personne, l'organisation et le rôle de cette demande, et les autres rôles possibles.",
        answers={200: Answer("Qui vous êtes.", CurrentOut)},
    ).opt,
)
async def current(request: Request[Any, Any, Any], actor: Caller) -> CurrentOut:
    """Who the token or the session stands for."""
    secret = session_secret(request)
    return CurrentOut(
        _text(actor.person_id),
        _text(actor.organisation_id),
        actor.role,
        actor.auth_level,
        None if actor.scopes is None else list(actor.scopes),
        None if secret is None else sessions.csrf_of(secret),
        [place_out(one) for one in await sessions.places_of(actor)],
    )


@post(
    f"{_ONE}/role",
    status_code=200,
    opt=Contract(
        may("session.change"),
        "Prendre un autre de ses rôles",
        tag=_TAG,
        description="La session reçoit un nouveau secret et garde son heure de fin ; l'ancien cookie ne vaut"
        " plus rien. Réservé aux sessions : un jeton a le rôle qu'il a. Sans « Idempotency-Key » : une"
        " session rejouée serait connue deux fois.",
        body=RoleIn,
        answers={200: Answer("La session dans l'autre rôle.", OpenedOut)},
        errors=(ErrorCode.NOT_FOUND,),
    ).opt,
)
async def change_role(request: Request[Any, Any, Any], actor: Caller) -> Response[OpenedOut]:
    """Another role of the same person."""
    body = await decode(request, RoleIn)
    organisation_id = parse_id(body.organisation_id, "Vous n'avez pas ce rôle dans cette organisation.")
    door = door_of(request)
    opened = await sessions.change_role(
        actor, organisation_id, body.role, client_address(request), door, await clock.now()
    )
    return _with_cookie(opened, door, 200)


@delete(
    _ONE,
    status_code=204,
    opt=Contract(
        may("session.close"),
        "Se déconnecter",
        tag=_TAG,
        description="La session cesse aussitôt, et le cookie est effacé. Réservé aux sessions. Sans"
        " « Idempotency-Key » : une session close ne se clôt pas deux fois.",
        answers={204: Answer("La session est close.")},
        errors=(ErrorCode.NOT_FOUND,),
    ).opt,
)
async def sign_out(actor: Caller) -> Response[None]:
    """Ends the caller's own session."""
    await sessions.revoke(actor, await clock.now(), sessions.session_id(actor))
    return Response(None, status_code=204, cookies=[_cookie("", 0)])


@get(
    _ALL,
    opt=Contract(
        may("session.read"),
        "Lister ses sessions",
        tag=_TAG,
        description="Celles qui sont ouvertes, dans toutes vos organisations.",
        answers={200: Answer("Les sessions.", SessionsOut)},
    ).opt,
)
async def list_sessions(actor: Caller) -> SessionsOut:
    """The open sessions of the caller's person."""
    return SessionsOut([session_out(one) for one in await sessions.list_sessions(actor)])


@post(
    f"{_ALL}/{{session_id:str}}/revoke",
    status_code=204,
    opt=Contract(
        may("session.close"),
        "Clore une de ses sessions",
        tag=_TAG,
        description="Elle ne vaut plus rien dès la demande suivante. Sans « Idempotency-Key » : close deux"
        " fois, la seconde réponse est 404 et rien d'autre ne change.",
        path={"session_id": "Identifiant de la session."},
        answers={204: Answer("La session est close.")},
    ).opt,
)
async def revoke(actor: Caller, session_id: FromPath[str]) -> Response[None]:
    """Ends a session of the caller's person, wherever it was opened."""
    await sessions.revoke(actor, await clock.now(), parse_id(session_id, _UNKNOWN))
    return Response(None, status_code=204)


def _with_cookie(opened: Opened, door: Door, status: int) -> Response[OpenedOut]:
    return Response(opened_out(opened), status_code=status, cookies=[session_cookie(opened, door)])


def session_cookie(opened: Opened, door: Door) -> Cookie:
    """The cookie that carries a session just opened, for as long as it may live."""
    return _cookie(opened.secret, int(door.life.total_seconds()))


def _cookie(secret: str, seconds: int) -> Cookie:
    # The prefix obliges the browser: over TLS, for this host alone, for the whole of it.
    return Cookie(COOKIE, value=secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def _text(identifier: UUID | None) -> str | None:
    return None if identifier is None else str(identifier)


HANDLERS: tuple[HTTPRouteHandler, ...] = (sign_in, current, change_role, sign_out, list_sessions, revoke)
