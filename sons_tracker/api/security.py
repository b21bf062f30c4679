"""Who is asking, whether they may, and the headers that every answer carries."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope

from sons_tracker.api import rate_limits
from sons_tracker.api.contract import ANONYMOUS_ROLE, contract_of
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import actors
from sons_tracker.operations.actors import ANONYMOUS, Actor

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]{1,200})", re.IGNORECASE)

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
        raise SonsError(ErrorCode.FORBIDDEN, f"Le rôle « {actor.role} » ne permet pas cette action.")
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
