"""The application as the server calls it: every request has an identifier, and leaves one line in the log."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import TYPE_CHECKING, cast

import structlog
from litestar import Litestar
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType

from sons_tracker.operations.actors import Actor

if TYPE_CHECKING:
    from litestar.types import LifeSpanReceive, LifeSpanScope, LifeSpanSend, Message, Receive, Scope, Send

HEADER = "x-request-id"
# What a caller gives is repeated in its answer and in our lines: short, and nothing that could be more than
# an identifier.
_GIVEN = re.compile(rb"[A-Za-z0-9-]{8,64}")
_log = logging.getLogger(__name__)


class Application(Litestar):
    """Litestar, told apart request by request.

    Around Litestar and not a middleware of it: an address that is unknown meets no middleware.
    """

    async def __call__(
        self,
        scope: Scope | LifeSpanScope,
        receive: Receive | LifeSpanReceive,
        send: Send | LifeSpanSend,
    ) -> None:
        """Runs the request with its identifier bound to whatever it logs, then logs how it ended."""
        if scope["type"] != ScopeType.HTTP:
            await super().__call__(scope, receive, send)
            return
        request = cast("Scope", scope)
        request_id = identifier(request)
        status, began = 0, time.perf_counter()

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableScopeHeaders.from_message(message)[HEADER] = request_id
            await send(message)  # type: ignore[arg-type]

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await super().__call__(scope, receive, told)
            finally:
                _tell(request, status, time.perf_counter() - began)


def identifier(scope: Scope) -> str:
    """The identifier of a request: the one that it gives, when it looks like one; else a new one."""
    given = [value for name, value in scope["headers"] if name.lower() == HEADER.encode()]
    if len(given) == 1 and _GIVEN.fullmatch(given[0]):
        return given[0].decode()
    return str(uuid.uuid4())


def _tell(scope: Scope, status: int, seconds: float) -> None:
    if not _log.isEnabledFor(logging.INFO):
        return
    actor = scope.get("user")
    who = (
        {
            "role": actor.role,
            "person_id": actor.person_id,
            "organisation_id": actor.organisation_id,
            "token_id": actor.token_id,
        }
        if isinstance(actor, Actor)
        else {}
    )
    fields = {
        "method": scope.get("method"),
        # As its contract writes it: what stands in an address may be a secret (calendar feeds).
        "route": scope.get("path_template") or "",
        # 0: the caller left, or the process is stopping, before there was an answer.
        "status": status,
        "milliseconds": round(seconds * 1000, 1),
        **who,
    }
    _log.info("request", extra=fields)
