"""The decision of a conflict over HTTP: proposed, approved, taken back, executed, closed, reopened."""

from __future__ import annotations

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api import conflict_examples as examples
from sons_tracker.api.acts import act_key, as_response
from sons_tracker.api.conflicts import CONFLICT, Body, contract_of_act, parse_conflict, render
from sons_tracker.api.schemas import conflicts as schemas
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode
from sons_tracker.operations import clock, conflict_decisions


@post(
    f"{CONFLICT}/decision",
    status_code=200,
    opt=contract_of_act(
        "conflict.decide",
        "Proposer une décision motivée",
        "Sous le seuil du droit elle est approuvée aussitôt ; au-delà, un autre contrôleur l'approuve. Nul"
        " n'est refusé sans avoir été invité à s'expliquer.",
        examples.DECISIONS,
        schemas.ConflictDecisionIn,
    ),
)
async def propose(request: Body, actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """Proposes a decision."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/decision")
    wanted = schemas.proposal(await decode(request, schemas.ConflictDecisionIn))
    case, at = parse_conflict(conflict_id), await clock.now()
    return as_response(await conflict_decisions.propose(actor, case, wanted, law.load().law, at, key, render))


@post(
    f"{CONFLICT}/approval",
    status_code=200,
    opt=contract_of_act(
        "conflict.approve",
        "Approuver la décision",
        "Par un autre contrôleur. Sans corps.",
        examples.APPROVALS,
    ),
)
async def approve(request: Body, actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """Approves the decision."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/approval")
    return as_response(
        await conflict_decisions.approve(actor, parse_conflict(conflict_id), await clock.now(), key, render)
    )


@post(
    f"{CONFLICT}/reconsideration",
    status_code=200,
    opt=contract_of_act(
        "conflict.reconsider",
        "Retirer la décision avant son exécution",
        "Avec son motif ; le dossier est de nouveau à instruire.",
        examples.RECONSIDERATIONS,
        schemas.ConflictReasonIn,
    ),
)
async def withdraw(request: Body, actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """Takes a decision back."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/reconsideration")
    body = await decode(request, schemas.ConflictReasonIn)
    wanted, at = parse_conflict(conflict_id), await clock.now()
    return as_response(await conflict_decisions.withdraw(actor, wanted, body.reason, at, key, render))


@post(
    f"{CONFLICT}/execution",
    status_code=200,
    opt=contract_of_act(
        "conflict.execute",
        "Exécuter la décision",
        "En une fois : les ESSMS perdus sont libérés, ce qui a été payé pour eux est à recouvrer, et la"
        " commande qui avait été refusée prend leur place. Sans corps.",
        examples.EXECUTIONS,
    ),
)
async def execute(request: Body, actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """Executes the decision."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/execution")
    wanted, at = parse_conflict(conflict_id), await clock.now()
    return as_response(await conflict_decisions.execute(actor, wanted, law.load().law, at, key, render))


@post(
    f"{CONFLICT}/closing",
    status_code=200,
    opt=contract_of_act("conflict.close", "Clore un dossier exécuté", "Sans corps.", examples.CLOSINGS),
)
async def close(request: Body, actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """Closes a case."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/closing")
    return as_response(
        await conflict_decisions.close(actor, parse_conflict(conflict_id), await clock.now(), key, render)
    )


@post(
    f"{CONFLICT}/reopening",
    status_code=200,
    opt=contract_of_act(
        "conflict.reopen",
        "Rouvrir un dossier clos",
        "Avec son motif.",
        examples.REOPENINGS,
        schemas.ConflictReasonIn,
    ),
)
async def reopen(request: Body, actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """Opens a closed case again."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/reopening")
    body = await decode(request, schemas.ConflictReasonIn)
    wanted, at = parse_conflict(conflict_id), await clock.now()
    return as_response(await conflict_decisions.reopen(actor, wanted, body.reason, at, key, render))


HANDLERS: tuple[HTTPRouteHandler, ...] = (propose, approve, withdraw, execute, close, reopen)
