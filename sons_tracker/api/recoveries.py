"""Recoveries over HTTP: lists, the ordre de recouvrement, the money that comes back, the follow-up."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api import lot_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.lots import attachment
from sons_tracker.api.pages import decode_after, encode_next
from sons_tracker.api.schemas.recoveries import (
    CSV_COLUMNS,
    RecoveriesFilter,
    RecoveriesOut,
    RecoveriesQuery,
    RecoveryOut,
    RepaymentIn,
    StepIn,
    csv_row,
    recoveries_out,
    recovery_out,
    repayment,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.exchanges.tables import write_csv
from sons_tracker.operations import clock, recoveries, recovery_reading
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.recovery_letters import APPEAL
from sons_tracker.operations.recovery_reading import RecoveryFilter
from sons_tracker.operations.recovery_views import RecoveryView

_TAG = "Recouvrements"
_RECOVERY = "/api/v1/recoveries/{recovery_id:str}"
_ID = {"recovery_id": "Identifiant du recouvrement."}
_UNKNOWN = "Aucun recouvrement visible ne porte cet identifiant."
MOST_EXPORTED = 100_000


def _act(
    action: str, summary: str, description: str, *, body: Any = None, shown: tuple[Example, ...] = ()
) -> dict[str, Any]:
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        path=_ID,
        headers=KEY_HEADER,
        body=body,
        answers={200: Answer("Le recouvrement après cet acte.", RecoveryOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
        examples=shown,
    ).opt


@get(
    "/api/v1/recoveries",
    opt=Contract(
        may("recovery.read"),
        "Lister les recouvrements",
        tag=_TAG,
        description="Du plus ancien au plus récent, par pages, avec leur âge et le total de ceux du filtre.",
        query=RecoveriesQuery,
        answers={200: Answer("Une page.", RecoveriesOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=examples.RECOVERIES,
    ).opt,
)
async def list_recoveries(request: Request[Any, Any, Any], actor: Caller) -> RecoveriesOut:
    """A page of recoveries."""
    query = read_query(request, RecoveriesQuery)
    page = await recovery_reading.list_recoveries(
        actor, _narrowed(query), await clock.now(), decode_after(query.after), query.limit
    )
    return recoveries_out(page, encode_next(page.next_after))


@get(
    "/api/v1/recoveries/export",
    opt=Contract(
        may("recovery.read"),
        "Exporter les recouvrements en CSV",
        tag=_TAG,
        description="Tous ceux du filtre, du plus ancien au plus récent ; aucune cellule n'est une formule.",
        query=RecoveriesFilter,
        answers={200: Answer("Le fichier CSV, en UTF-8.", media_type="text/csv")},
        errors=(ErrorCode.UNAVAILABLE,),
    ).opt,
)
async def export(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """The recoveries of a filter as CSV."""
    query = read_query(request, RecoveriesFilter)
    at = await clock.now()
    page = await recovery_reading.list_recoveries(actor, _narrowed(query), at, None, MOST_EXPORTED)
    content = write_csv((CSV_COLUMNS, *(csv_row(one) for one in page.recoveries)))
    return attachment("recouvrements.csv", content, "text/csv")


@get(
    _RECOVERY,
    opt=Contract(
        may("recovery.read"),
        "Lire un recouvrement",
        tag=_TAG,
        description="Son suivi, sa lettre une fois émise ; les notes de l'agence ne sont montrées qu'à elle.",
        path=_ID,
        answers={200: Answer("Le recouvrement, et ce qui peut être fait maintenant.", RecoveryOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.RECOVERY_READS,
    ).opt,
)
async def find(actor: Caller, recovery_id: FromPath[str]) -> RecoveryOut:
    """One recovery; an unknown one and another organisation's answer the same 404."""
    wanted = parse_id(recovery_id, _UNKNOWN)
    return recovery_out(await recovery_reading.find_recovery(actor, wanted, await clock.now()))


@post(
    f"{_RECOVERY}/issue",
    status_code=200,
    opt=_act(
        "recovery.issue",
        "Émettre l'ordre de recouvrement",
        "La lettre est figée : parties, montants par ESSMS, textes, recours. Les ESSMS d'une commande"
        " terminée sont libérés (R22).",
        shown=examples.ISSUES,
    ),
)
async def issue(
    request: Request[Any, Any, Any], actor: Caller, recovery_id: FromPath[str]
) -> Response[bytes]:
    """Issues the ordre de recouvrement."""
    key = await act_key(request, "POST /api/v1/recoveries/{recovery_id}/issue")
    appeal = request.app.state.settings.appeal_text or APPEAL
    wanted, at = parse_id(recovery_id, _UNKNOWN), await clock.now()
    return as_response(await recoveries.issue(actor, wanted, appeal, at, key, render))


@post(
    f"{_RECOVERY}/repayment",
    status_code=200,
    opt=_act(
        "recovery.repay",
        "Enregistrer un remboursement",
        "Au centime : un recouvrement se clôt par son montant exact, et le grand livre de la commande suit.",
        body=RepaymentIn,
        shown=examples.REPAYMENTS,
    ),
)
async def repay(
    request: Request[Any, Any, Any], actor: Caller, recovery_id: FromPath[str]
) -> Response[bytes]:
    """Closes a recovery by the money that came back."""
    key = await act_key(request, "POST /api/v1/recoveries/{recovery_id}/repayment")
    body = repayment(await decode(request, RepaymentIn))
    wanted, at = parse_id(recovery_id, _UNKNOWN), await clock.now()
    return as_response(await recoveries.record_repayment(actor, wanted, body, at, key, render))


@post(
    f"{_RECOVERY}/steps",
    status_code=200,
    opt=_act(
        "recovery.follow",
        "Ajouter une étape au suivi",
        "Une relance, dont le fournisseur est informé, ou une note que seules les agences lisent.",
        body=StepIn,
        shown=examples.STEPS,
    ),
)
async def add_step(
    request: Request[Any, Any, Any], actor: Caller, recovery_id: FromPath[str]
) -> Response[bytes]:
    """Adds a reminder or a note."""
    key = await act_key(request, "POST /api/v1/recoveries/{recovery_id}/steps")
    body = await decode(request, StepIn)
    wanted, at = parse_id(recovery_id, _UNKNOWN), await clock.now()
    return as_response(await recoveries.add_step(actor, wanted, body.kind, body.text, at, key, render))


def _narrowed(query: RecoveriesFilter) -> RecoveryFilter:
    supplier = None if query.supplier is None else UUID(query.supplier)
    return RecoveryFilter(query.state, query.reason, supplier, query.older_than)


def render(outcome: RecoveryView | Refused) -> Kept:
    """The answer to an act on a recovery."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(200, msgspec.json.encode(recovery_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_recoveries, export, find, issue, repay, add_step)
