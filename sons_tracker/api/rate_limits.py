"""Who asks too much is told to wait: counted by account, and by address for who has none."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.types import Scope

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import rates
from sons_tracker.operations.actors import ANONYMOUS, Actor
from sons_tracker.operations.rates import Spent
from sons_tracker.settings import Settings

_KEY = "sons_rate"


async def charge(connection: ASGIConnection[Any, Any, Any, Any], actor: Actor = ANONYMOUS) -> None:
    """Counts the request, once: by the person when it is known, else by the address that it comes from.

    Raises:
        SonsError: `TOO_MANY_REQUESTS`.
    """
    scope: dict[str, Any] = connection.scope  # type: ignore[assignment]
    settings: Settings | None = getattr(connection.app.state, "settings", None)
    if settings is None or _KEY in scope:
        return
    limits, account = settings.safeguards, rates.account_of(actor)
    if account is not None and limits.rate_account is not None:
        spent = await rates.spend("account", account, limits.rate_account)
    elif account is None and limits.rate_address is not None:
        spent = await rates.spend("address", client_address(connection), limits.rate_address)
    else:
        return
    scope[_KEY] = spent
    if not spent.granted:
        whose = "cette adresse" if account is None else "ce compte"
        raise SonsError(
            ErrorCode.TOO_MANY_REQUESTS,
            f"Trop de demandes viennent de {whose} : la prochaine sera admise dans {spent.retry_after} s.",
            retry_after=spent.retry_after,
        )


def client_address(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Where a request comes from, as it is counted: here and at the sign-in. The server has put the client's
    address in place of a proxy's, when the settings name the proxy."""
    return rates.address_of(connection.client.host if connection.client else None)


def add_headers(headers: MutableScopeHeaders, scope: Scope) -> None:
    """What is left, and when it will be whole again, on every answer to a request that was counted."""
    spent: Spent | None = scope.get(_KEY)  # type: ignore[assignment]
    if spent is None:
        return
    headers["ratelimit-limit"] = str(spent.limit)
    headers["ratelimit-remaining"] = str(spent.remaining)
    headers["ratelimit-reset"] = str(spent.reset)
