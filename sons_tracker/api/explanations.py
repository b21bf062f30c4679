"""The explanation of one ESSMS over HTTP."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.schemas.explanations import (
    ExplanationOut,
    ExplanationQuery,
    explanation_out,
    question_of,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, explanations
from sons_tracker.rules.identifiers import parse_geographique

_SYNTHETIC = {"finess": "990000010"}


@get(
    "/api/v1/essms/{finess:str}/explanation",
    opt=Contract(
        may("explanation.read"),
        "Expliquer un ESSMS",
        tag="ESSMS",
        description="La chaîne des faits, les verdicts sur chaque commande qui nomme l'ESSMS, avec leurs"
        " sources et leurs remèdes ; ce qui a été décidé, ce que le droit dirait aujourd'hui, ou sous le"
        " droit connu un jour, et la différence règle par règle. Un fournisseur n'y lit que ses propres"
        " commandes : que l'ESSMS est engagé, jamais par qui ni pour combien.",
        path={"finess": "FINESS géographique de l'ESSMS."},
        query=ExplanationQuery,
        answers={200: Answer("L'explication.", ExplanationOut)},
        errors=(ErrorCode.INVALID_IDENTIFIER, ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=(
            Example(
                "inconnu", "Un ESSMS inconnu, ou celui d'un autre", 404, path=_SYNTHETIC, role="reviewer"
            ),
            Example(
                "sans_jour",
                "Le mode « known » sans son jour",
                422,
                path=_SYNTHETIC,
                query={"mode": "known"},
                role="og",
            ),
        ),
    ).opt,
)
async def explain(request: Request[Any, Any, Any], actor: Caller, finess: FromPath[str]) -> ExplanationOut:
    """Why an ESSMS is refused, engaged or in conflict, replayed as asked."""
    query = read_query(request, ExplanationQuery)
    question = question_of(parse_geographique(finess, "finess"), query)
    return explanation_out(await explanations.explain(actor, question, law.load().law, await clock.now()))


HANDLERS: tuple[HTTPRouteHandler, ...] = (explain,)
