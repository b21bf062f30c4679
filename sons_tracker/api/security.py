"""Who is asking, whether they may, and the headers that every answer carries."""

from __future__ import annotations

import hmac
import re
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope

from sons_tracker.api import rate_limits
from sons_tracker.api.contract import ANONYMOUS_ROLE, contract_of
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import actors, sessions
from sons_tracker.operations.actors import ANONYMOUS, Actor
from sons_tracker.operations.proofs import Door

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]{1,200})", re.IGNORECASE)
COOKIE = "__Host-sons"
"""The cookie of a session. It is never sent by another site's form, nor read by a script."""
CSRF_HEADER = "x-csrf-token"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    # An answer names establishments and money: no cache, shared or private, keeps it.
    "cache-control": "no-store",
    # JSON is not a page: nothing may load or frame it. Our few pages bring their own policy.
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def authorise(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of the whole application: the route's contract says who may pass. It runs before the
    body is read.

    Raises:
        SonsError: `UNAUTHENTICATED` or `FORBIDDEN`.
    """
    contract = contract_of(handler)
    if contract is None:
        if is_automatic(handler):
            return
        raise TypeError(f"{handler} has no contract")
    access = contract.access
    actor = ANONYMOUS
    if access.reads_token:
        try:
            actor = await _actor(connection)
        except SonsError as error:
            if error.code is ErrorCode.UNAUTHENTICATED:
                await rate_limits.charge(connection)  # who tries credentials is counted by the address
            raise
        # Who comes with nothing where something is needed is answered without the database: no count.
        if actor.role != ANONYMOUS_ROLE or ANONYMOUS_ROLE in access.roles:
            await rate_limits.charge(connection, actor)
    if actor.role not in access.roles:
        if actor.role == ANONYMOUS_ROLE:
            raise SonsError(ErrorCode.UNAUTHENTICATED, "Aucun jeton n'accompagne la demande.")
        raise actors.forbidden(actor.role, access.action)
    _check_scopes(connection, actor)
    connection.scope["user"] = actor


Caller: TypeAlias = NamedDependency[Actor]
"""How a handler asks for who calls it: `async def show(actor: Caller) -> …`."""


async def current_actor(request: Request[Actor, Any, Any]) -> Actor:
    """The dependency `actor` of every handler that wants it."""
    return request.user


def is_automatic(handler: BaseRouteHandler) -> bool:
    """Whether Litestar made the handler itself: the answer to OPTIONS, which only lists the methods."""
    return getattr(handler, "http_methods", None) == {"OPTIONS"}


async def add_headers(message: Message, scope: Scope) -> None:
    """Before anything is sent, errors and unknown addresses included."""
    if message["type"] == "http.response.start":
        message.setdefault("headers", [])
        headers = MutableScopeHeaders.from_message(message)
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        rate_limits.add_headers(headers, scope)


async def _actor(connection: ASGIConnection[Any, Any, Any, Any]) -> Actor:
    given = connection.headers.getall("authorization", [])
    secret = session_secret(connection)
    if secret is not None:
        if given:
            raise SonsError(ErrorCode.UNAUTHENTICATED, "Un jeton ou une session : les deux ensemble, jamais.")
        return await _of_session(connection, secret)
    if not given:
        return ANONYMOUS
    match = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
    if match is None:
        raise SonsError(
            ErrorCode.UNAUTHENTICATED, "L'en-tête « Authorization » doit être de la forme « Bearer jeton »."
        )
    actor = await actors.authenticate(match[1])
    if actor is None:
        raise SonsError(ErrorCode.UNAUTHENTICATED, "Le jeton est inconnu, expiré ou révoqué.")
    return actor


def door_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Door:
    """What local accounts need of the settings.

    Raises:
        SonsError: `UNAVAILABLE` where they are not open.
    """
    return Door.of(connection.app.state.settings)


def session_secret(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The secret that the cookie of a session carries; None without one.

    Raises:
        SonsError: `UNAUTHENTICATED` for two: who planted the other one?
    """
    sent = [
        pair.partition("=")[2].strip()
        for header in connection.headers.getall("cookie", [])
        for pair in header.split(";")
        if pair.partition("=")[0].strip() == COOKIE
    ]
    if len(sent) > 1:
        raise SonsError(ErrorCode.UNAUTHENTICATED, "Plusieurs cookies de session accompagnent la demande.")
    return sent[0] if sent else None


async def _of_session(connection: ASGIConnection[Any, Any, Any, Any], secret: str) -> Actor:
    actor = await sessions.authenticate(secret, door_of(connection))
    if actor is None:
        raise SonsError(
            ErrorCode.UNAUTHENTICATED, "La session est inconnue, expirée ou close.", remedy="Se connecter."
        )
    if _method(connection) not in _READING:
        _check_origin(connection, secret)
    return actor


def _check_origin(connection: ASGIConnection[Any, Any, Any, Any], secret: str) -> None:
    """A browser joins the cookie to whatever a page asks: a write must come from one of our own pages.

    Raises:
        SonsError: `FORBIDDEN`.
    """
    headers = connection.headers
    origin, said = headers.get("origin"), headers.get(CSRF_HEADER, "")
    ours = origin is None or urlsplit(origin).netloc == headers.get("host")
    known = hmac.compare_digest(said.encode(), sessions.csrf_of(secret).encode())
    if not ours or not known or headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise SonsError(
            ErrorCode.FORBIDDEN,
            "Cette écriture ne vient pas d'une page de ce service.",
            remedy="Joindre par « X-CSRF-Token » la valeur donnée à l'ouverture de la session.",
        )


def _check_scopes(connection: ASGIConnection[Any, Any, Any, Any], actor: Actor) -> None:
    access = "read" if _method(connection) in _READING else "write"
    noun = connection.scope["path"].removeprefix("/api/v1/").partition("/")[0]
    if not actor.may(access, noun):
        raise SonsError(
            ErrorCode.FORBIDDEN,
            f"Ce jeton n'a pas la portée « {access}:{noun[:40]} ».",
            remedy="Employer un jeton qui a cette portée.",
        )


def _method(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    return str(connection.scope.get("method", ""))
