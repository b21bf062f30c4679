"""Errors as `application/problem+json` (RFC 9457).

One shape for all: `type` (a stable address that a person can open), `title`, `status`, `detail`,
`code`, `remedy`, `errors` (`path`, `message`), and members of the route's own such as verdicts.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from sons_tracker.db.errors_map import from_database
from sons_tracker.errors import ErrorCode, ErrorKind, Fault, SonsError

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)

_BY_STATUS = {
    400: ErrorCode.MALFORMED_REQUEST,
    401: ErrorCode.UNAUTHENTICATED,
    403: ErrorCode.FORBIDDEN,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    413: ErrorCode.PAYLOAD_TOO_LARGE,
    415: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    429: ErrorCode.TOO_MANY_REQUESTS,
    503: ErrorCode.UNAVAILABLE,
}


class FaultView(msgspec.Struct, frozen=True):
    """Un défaut : l'endroit (chemin JSON, champ ou ligne) et une phrase."""

    path: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Une erreur (RFC 9457). D'autres membres peuvent s'ajouter selon la route."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str
    errors: list[FaultView] = []
    instance: str | None = None


def address(kind: ErrorKind) -> str:
    """The stable relative address that documents a kind of error."""
    return f"/problemes/{kind.code}"


def members(error: SonsError, *, instance: str | None = None) -> dict[str, Any]:
    """The members of the problem object; the terminal prints the same with `--json`."""
    kind = error.kind
    problem = Problem(
        type=address(kind),
        title=kind.title,
        status=kind.status,
        detail=error.detail,
        code=kind.code,
        remedy=error.remedy,
        errors=[FaultView(fault.where, fault.message) for fault in error.faults],
        instance=instance,
    )
    built: dict[str, Any] = msgspec.to_builtins(problem)
    return built


def problem_response(
    error: SonsError,
    *,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    instance: str | None = None,
) -> Response[bytes]:
    """The answer that tells `error`. `extra` adds members (verdicts, id of the kept refusal…)."""
    kind = error.kind
    sent = dict(headers or {})
    if error.retry_after is not None:
        sent.setdefault("retry-after", str(error.retry_after))
    if error.code is ErrorCode.UNAUTHENTICATED:
        sent.setdefault("www-authenticate", "Bearer")
    content = msgspec.json.encode(members(error, instance=instance) | dict(extra or {}))
    return Response(content, status_code=kind.status, media_type=MEDIA_TYPE, headers=sent)


def handle_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything: the framework's errors, the database's and ours.

    What nobody foresaw is a 500 that tells nothing; the log has the trace under the same number.
    """
    if isinstance(error, SonsError):
        return problem_response(error)
    if isinstance(error, HTTPException) and error.status_code in _BY_STATUS:
        return problem_response(_from_framework(request, error), headers=_kept_headers(error))
    if (refusal := from_database(error)) is not None:
        if refusal.kind.status >= 500:
            _log.warning("database: %s on %s %r", type(error).__name__, request.method, _route(request))
        return problem_response(refusal)
    incident = uuid.uuid4().urn
    _log.error("%s: %s %r", incident, request.method, _route(request), exc_info=error)
    unforeseen = SonsError(
        ErrorCode.INTERNAL, "L'erreur a été enregistrée ; rien d'autre n'est à savoir ici."
    )
    return problem_response(unforeseen, instance=incident)


def _route(request: Request[Any, Any, Any]) -> str:
    """The route as its contract writes it: what stands in an address may be a secret (calendar feeds)."""
    return str(request.scope.get("path_template") or "")


def _from_framework(request: Request[Any, Any, Any], error: HTTPException) -> SonsError:
    code = _BY_STATUS[error.status_code]
    path = request.url.path
    found: tuple[Fault, ...] = ()
    match code:
        case ErrorCode.NOT_FOUND:
            detail = "Aucune page ni ressource n'existe à cette adresse."
        case ErrorCode.METHOD_NOT_ALLOWED:
            detail = f"La méthode {request.method} n'est pas acceptée ici."
        case ErrorCode.PAYLOAD_TOO_LARGE:
            detail = "Le corps de la requête dépasse la taille admise par cette adresse."
        case ErrorCode.MALFORMED_REQUEST if isinstance(error, ValidationException):
            detail = "Un paramètre de la requête ne convient pas."
            found = tuple(
                Fault(str(one.get("key", path)), "La valeur ne convient pas à ce paramètre.")
                for one in (error.extra if isinstance(error.extra, list) else [])
                if isinstance(one, dict)
            )
        case ErrorCode.MALFORMED_REQUEST:
            detail = "La requête n'a pas pu être lue (en-tête, adresse ou corps mal formé)."
        case _:
            detail = code.value.title
    return SonsError(code, detail, found)


def _kept_headers(error: HTTPException) -> dict[str, str]:
    given = {name.lower(): str(value) for name, value in dict(error.headers or {}).items()}
    return {name: given[name] for name in ("allow", "retry-after", "www-authenticate") if name in given}
