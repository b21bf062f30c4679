"""FINESS extractions over HTTP: what changed between two, and the numbers that follow others."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.schemas.finess import (
    DifferenceOut,
    DifferenceQuery,
    SettledSuccessionOut,
    SuccessionDecisionIn,
    SuccessionsOut,
    SuccessionsQuery,
    decode_following,
    difference_out,
    filters,
    settled_out,
    successions_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, finess_differences, successions
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.successions import Settled
from sons_tracker.rules.identifiers import parse_geographique

_TAG = "Répertoire FINESS"
_UNKNOWN = "Aucune succession visible ne porte cet identifiant."
_NOBODY = {"succession_id": "00000000-0000-4000-8000-000000000001"}
_KEY = {"Idempotency-Key": "succession-2023-03-01"}
_REASON = {"reason": "L'arrêté de transfert du 1er juin 2022 le dit."}


@get(
    "/api/v1/finess/differences",
    opt=Contract(
        may("extraction.compare"),
        "Comparer deux extractions du répertoire",
        tag=_TAG,
        description="Nouveaux, absents (une absence n'est pas une fermeture), fermés, autre catégorie, autre"
        " organisme, autre nom ou adresse, successions probables avec leur score et leurs raisons ; pour"
        " chacun, les commandes, VA, tranches et conflits touchés. Un organisme voit ce qui est à lui.",
        query=DifferenceQuery,
        answers={200: Answer("Le résumé, et une page par numéro.", DifferenceOut)},
        errors=(ErrorCode.INVALID_IDENTIFIER,),
        examples=(
            Example(
                "non_chargee", "Une extraction qui n'est pas chargée", 422,
                query={"earlier": "2022-01-03", "later": "2023-01-02"}, role="reviewer",
            ),
            Example(
                "inverse", "Des dates dans le mauvais ordre", 422,
                query={"earlier": "2023-01-02", "later": "2022-01-03"}, role="reviewer",
            ),
            Example(
                "fournisseur", "Un fournisseur", 403,
                query={"earlier": "2022-01-03", "later": "2023-01-02"}, role="editor",
            ),
        ),
    ).opt,
)  # fmt: skip
async def list_differences(request: Request[Any, Any, Any], actor: Caller) -> DifferenceOut:
    """A page of the difference between two extractions."""
    query = read_query(request, DifferenceQuery)
    found = await finess_differences.difference(
        actor, query.earlier, query.later, filters(query), law.load().law, query.after, query.limit
    )
    return difference_out(found)


@get(
    "/api/v1/finess/successions",
    opt=Contract(
        may("succession.read"),
        "Lister les successions de numéros",
        tag=_TAG,
        description="Fusions, scissions, déménagements et renumérotations trouvés à l'import d'un stock, les"
        " plus probables d'abord, et ce qui en a été décidé.",
        query=SuccessionsQuery,
        answers={200: Answer("Une page.", SuccessionsOut)},
        errors=(ErrorCode.INVALID_IDENTIFIER,),
        examples=(
            Example(
                "probables", "Celles qui attendent une décision", 200, query={"state": "probable"},
                role="reviewer",
            ),
        ),
    ).opt,
)  # fmt: skip
async def list_successions(request: Request[Any, Any, Any], actor: Caller) -> SuccessionsOut:
    """A page of successions."""
    query = read_query(request, SuccessionsQuery)
    finess = None if query.finess is None else parse_geographique(query.finess, "?finess")
    following = decode_following(query.after)
    page = await successions.list_successions(actor, query.state, query.kind, finess, following, query.limit)
    return successions_out(page)


def _decision(action: str, summary: str, description: str) -> dict[str, Any]:
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        path={"succession_id": "Identifiant de la succession."},
        headers=KEY_HEADER,
        body=SuccessionDecisionIn,
        answers={
            200: Answer("La succession décidée, et ce que deviennent les engagements.", SettledSuccessionOut)
        },
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
        examples=(
            Example(
                "inconnue", "Une succession inconnue", 404, body=_REASON, path=_NOBODY, headers=_KEY,
                role="reviewer",
            ),
        ),
    ).opt  # fmt: skip


@post(
    "/api/v1/finess/successions/{succession_id:str}/confirm",
    status_code=200,
    opt=_decision(
        "succession.settle",
        "Confirmer une succession",
        "Sauf une scission, un engagement du nouveau numéro tient désormais aussi l'ancien : l'ESSMS n'est"
        " financé qu'une fois, sous quelque numéro que ce soit (R05). Les organismes sont prévenus.",
    ),
)
async def confirm(
    request: Request[Any, Any, Any], actor: Caller, succession_id: FromPath[str]
) -> Response[bytes]:
    """Confirms a succession."""
    return await _settle(request, actor, succession_id, True)


@post(
    "/api/v1/finess/successions/{succession_id:str}/dismiss",
    status_code=200,
    opt=_decision(
        "succession.settle",
        "Écarter une succession",
        "Les deux numéros restent distincts ; si elle était confirmée, l'ancien numéro est libéré.",
    ),
)
async def dismiss(
    request: Request[Any, Any, Any], actor: Caller, succession_id: FromPath[str]
) -> Response[bytes]:
    """Dismisses a succession."""
    return await _settle(request, actor, succession_id, False)


async def _settle(
    request: Request[Any, Any, Any], actor: Caller, succession_id: str, confirmed: bool
) -> Response[bytes]:
    decision = "confirm" if confirmed else "dismiss"
    key = await act_key(request, f"POST /api/v1/finess/successions/{{succession_id}}/{decision}")
    body = await decode(request, SuccessionDecisionIn)
    wanted, at = parse_id(succession_id, _UNKNOWN), await clock.now()
    answer = await successions.settle_succession(actor, wanted, confirmed, body.reason, at, key, render)
    return as_response(answer)


def render(outcome: Settled | Refused) -> Kept:
    """The answer to a decision: the succession after it, or a problem."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(200, msgspec.json.encode(settled_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_differences, list_successions, confirm, dismiss)
