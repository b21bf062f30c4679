"""The audit of double funding over HTTP: asking for one, and reading those that were made."""

from __future__ import annotations

from typing import Any

import asyncpg
import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.pages import decode_after, encode_next
from sons_tracker.api.schemas.audits import (
    AuditIn,
    AuditOut,
    AuditsOut,
    AuditsQuery,
    asked_numbers,
    audit_out,
    audits_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import audit_reading, clock
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.audit import AuditResult, examine
from sons_tracker.operations.idempotency import Answer as Kept

_TAG = "Audit des doubles financements"
_UNKNOWN = "Aucun audit n'a cet identifiant."
_NOBODY = "00000000-0000-4000-8000-000000000000"


def _render(outcome: AuditResult | Refused) -> Kept:
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(201, msgspec.json.encode(audit_out(outcome)))


@post(
    "/api/v1/audits",
    opt=Contract(
        may("audit.run"),
        "Auditer la nation, ou quelques ESSMS",
        tag=_TAG,
        description="Cherche chaque conflit que les règles définissent, ouvre un dossier pour chacun de ceux"
        " qui sont nouveaux et prévient ses parties. Un conflit déjà connu n'ouvre pas de second dossier ; un"
        " dossier clos est rouvert si l'audit trouve du nouveau.",
        headers=KEY_HEADER,
        body=AuditIn,
        answers={201: Answer("L'audit.", AuditOut)},
        errors=(
            *ACT_ERRORS,
            ErrorCode.INVALID_IDENTIFIER,
            ErrorCode.LAW_NOT_ENACTED,
            ErrorCode.UNAVAILABLE,
        ),
        examples=(
            Example(
                "nation",
                "Auditer toute la nation",
                201,
                body={},
                headers={"Idempotency-Key": "exemple-audit-1"},
                role="reviewer",
            ),
            Example(
                "un-essms",
                "Auditer un ESSMS",
                201,
                body={"essms": ["010000032"]},
                headers={"Idempotency-Key": "exemple-audit-2"},
                role="admin",
            ),
            Example(
                "mauvaise-cle",
                "Un numéro dont la clé est fausse",
                422,
                body={"essms": ["010000033"]},
                headers={"Idempotency-Key": "exemple-audit-3"},
                role="reviewer",
            ),
        ),
    ).opt,
)
async def start(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Audits, and answers what was found."""
    key = await act_key(request, "POST /api/v1/audits")
    numbers = asked_numbers(await decode(request, AuditIn))
    at = await clock.now()

    async def work(con: asyncpg.Connection) -> AuditResult | Refused:
        return await examine(con, actor, law.load().law, at, numbers, "audit")

    return as_response(await perform(actor, at, key, work, _render))


@get(
    "/api/v1/audits",
    opt=Contract(
        may("audit.read"),
        "Lister les audits",
        tag=_TAG,
        description="Du plus récent au plus ancien ; un import et un nouveau droit en causent aussi.",
        query=AuditsQuery,
        answers={200: Answer("Une page.", AuditsOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=(Example("tous", "Les audits", 200, role="pilot"),),
    ).opt,
)
async def list_all(request: Request[Any, Any, Any], actor: Caller) -> AuditsOut:
    """A page of audits."""
    query = read_query(request, AuditsQuery)
    page = await audit_reading.list_audits(actor, decode_after(query.after), query.limit)
    return audits_out(page, encode_next(page.next_after))


@get(
    "/api/v1/audits/{audit_id:str}",
    opt=Contract(
        may("audit.read"),
        "Lire un audit",
        tag=_TAG,
        description="Ce qu'il a examiné, sous quel droit, et ce que chaque famille a donné.",
        path={"audit_id": "Identifiant de l'audit."},
        answers={200: Answer("L'audit.", AuditOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=(Example("inconnu", "Un audit inconnu", 404, path={"audit_id": _NOBODY}, role="reviewer"),),
    ).opt,
)
async def show(actor: Caller, audit_id: FromPath[str]) -> AuditOut:
    """One audit."""
    return audit_out(await audit_reading.find_audit(actor, parse_id(audit_id, _UNKNOWN)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (start, list_all, show)
