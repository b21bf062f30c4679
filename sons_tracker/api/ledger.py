"""The ledger of an order over HTTP."""

from __future__ import annotations

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api import lot_examples as examples
from sons_tracker.api.acts import parse_id
from sons_tracker.api.contract import Answer, Contract, may
from sons_tracker.api.schemas.ledger import LedgerOut, ledger_out
from sons_tracker.api.security import Caller
from sons_tracker.errors import ErrorCode
from sons_tracker.operations.ledger import find_ledger

_UNKNOWN = "Aucune commande visible ne porte cet identifiant."


@get(
    "/api/v1/orders/{order_id:str}/ledger",
    opt=Contract(
        may("ledger.read"),
        "Lire le grand livre d'une commande",
        tag="Paiements",
        description="Par ESSMS : prévu, payé, compensé, recouvré. Un solde est une somme d'écritures ; ce qui"
        " est seulement déposé n'engage rien et n'y figure pas encore.",
        path={"order_id": "Identifiant de la commande."},
        answers={200: Answer("Le grand livre.", LedgerOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.LEDGERS,
    ).opt,
)
async def show(actor: Caller, order_id: FromPath[str]) -> LedgerOut:
    """The ledger of an order; an unknown one and another organisation's answer the same 404."""
    return ledger_out(await find_ledger(actor, parse_id(order_id, _UNKNOWN)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (show,)
