"""Suppliers over HTTP: enrolment, bank accounts, decisions. « me » stands for one's own organisation."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api import supplier_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.schemas.suppliers import (
    BankAccountIn,
    CorrectionIn,
    EnrolmentIn,
    SupplierOut,
    SuppliersOut,
    SuppliersQuery,
    ValidationIn,
    bank_account,
    enrolment_file,
    supplier_out,
    suppliers_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations import bank_accounts, clock, enrolment_files, suppliers
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.supplier_views import SupplierView

_TAG = "Fournisseurs"
_SUPPLIER = "/api/v1/suppliers/{supplier_id:str}"
_CHANGE = f"{_SUPPLIER}/bank-account-changes/{{change_id:str}}"
_ID = {"supplier_id": "Identifiant du fournisseur, ou « me » pour votre propre organisation."}
_CHANGE_ID = {**_ID, "change_id": "Identifiant de la demande de changement de compte."}
_UNKNOWN = "Aucun fournisseur visible ne porte cet identifiant."
_UNKNOWN_CHANGE = "Aucun changement de compte visible ne porte cet identifiant."


def _act(
    action: str,
    summary: str,
    description: str,
    *,
    body: Any = None,
    status: int = 200,
    path: dict[str, str] = _ID,
    shown: tuple[Example, ...] = (),
) -> dict[str, Any]:
    """The contract of an act on a supplier: all of them answer the supplier as it stands after."""
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        path=path,
        headers=KEY_HEADER,
        body=body,
        answers={status: Answer("Le fournisseur après cet acte ; les comptes y sont masqués.", SupplierOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
        examples=shown,
    ).opt


@get(
    "/api/v1/suppliers",
    opt=Contract(
        may("supplier.list"),
        "Lister les fournisseurs",
        tag=_TAG,
        description="Éditeurs et distributeurs, avec l'état de leur enrôlement, par pages.",
        query=SuppliersQuery,
        answers={200: Answer("Une page.", SuppliersOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=examples.LISTS,
    ).opt,
)
async def list_suppliers(request: Request[Any, Any, Any], actor: Caller) -> SuppliersOut:
    """A page of suppliers."""
    query = read_query(request, SuppliersQuery)
    after = None if query.after is None else _cursor(query.after)
    page = await suppliers.list_suppliers(actor, await clock.now(), after, query.limit, query.state)
    return suppliers_out(page)


@get(
    _SUPPLIER,
    opt=Contract(
        may("supplier.read"),
        "Lire un fournisseur",
        tag=_TAG,
        description="Son dossier, ses comptes, et ce qui peut être fait maintenant. L'IBAN entier n'est"
        " montré qu'aux membres du fournisseur et à l'agent payeur.",
        path=_ID,
        answers={200: Answer("Le fournisseur.", SupplierOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.READS,
    ).opt,
)
async def find(actor: Caller, supplier_id: FromPath[str]) -> SupplierOut:
    """One supplier; an unknown one and another organisation answer the same 404."""
    return supplier_out(
        await suppliers.find_supplier(actor, _supplier(actor, supplier_id), await clock.now())
    )


@put(
    _SUPPLIER,
    opt=_act(
        "enrolment.submit",
        "Déposer son dossier d'enrôlement",
        "Le dossier entier, à chaque fois. Il attend la validation d'un agent ; le dossier déjà validé, s'il"
        " y en a un, reste en vigueur jusque-là.",
        body=EnrolmentIn,
        shown=examples.FILES,
    ),
)
async def submit(
    request: Request[Any, Any, Any], actor: Caller, supplier_id: FromPath[str]
) -> Response[bytes]:
    """Submits a file for the actor's own organisation."""
    key = await act_key(request, "PUT /api/v1/suppliers/{supplier_id}")
    file = enrolment_file(await decode(request, EnrolmentIn))
    wanted = _supplier(actor, supplier_id)
    return as_response(await enrolment_files.submit(actor, wanted, file, await clock.now(), key, render))


@post(
    f"{_SUPPLIER}/enrolment/validate",
    status_code=200,
    opt=_act(
        "enrolment.decide",
        "Valider un dossier d'enrôlement",
        "Le numéro est celui du dossier qui a été lu.",
        body=ValidationIn,
        shown=examples.VALIDATIONS,
    ),
)
async def validate(
    request: Request[Any, Any, Any], actor: Caller, supplier_id: FromPath[str]
) -> Response[bytes]:
    """Validates the file that was read."""
    key = await act_key(request, "POST /api/v1/suppliers/{supplier_id}/enrolment/validate")
    body = await decode(request, ValidationIn)
    wanted, at = _supplier(actor, supplier_id), await clock.now()
    return as_response(await enrolment_files.validate(actor, wanted, body.number, at, key, render))


@post(
    f"{_SUPPLIER}/enrolment/correction",
    status_code=200,
    opt=_act(
        "enrolment.decide",
        "Renvoyer un dossier d'enrôlement à modifier",
        "Le fournisseur lit chaque motif ; il dépose ensuite un nouveau dossier.",
        body=CorrectionIn,
        shown=examples.CORRECTIONS,
    ),
)
async def ask_correction(
    request: Request[Any, Any, Any], actor: Caller, supplier_id: FromPath[str]
) -> Response[bytes]:
    """Sends the file that was read back."""
    key = await act_key(request, "POST /api/v1/suppliers/{supplier_id}/enrolment/correction")
    body = await decode(request, CorrectionIn)
    wanted, at = _supplier(actor, supplier_id), await clock.now()
    reasons = tuple(body.reasons)
    return as_response(
        await enrolment_files.ask_correction(actor, wanted, body.number, reasons, at, key, render)
    )


@post(
    f"{_SUPPLIER}/bank-account-changes",
    status_code=201,
    opt=_act(
        "bank_account.ask",
        "Demander un changement de compte bancaire",
        "Le premier compte aussi. Une autre personne du fournisseur le confirme ; il prend effet trois jours"
        " pleins après. Chaque membre est averti à chaque étape et peut l'arrêter jusque-là.",
        body=BankAccountIn,
        status=201,
        shown=examples.ACCOUNTS,
    ),
)
async def ask_change(
    request: Request[Any, Any, Any], actor: Caller, supplier_id: FromPath[str]
) -> Response[bytes]:
    """Asks for another account."""
    key = await act_key(request, "POST /api/v1/suppliers/{supplier_id}/bank-account-changes")
    numbers, statement = bank_account(await decode(request, BankAccountIn))
    wanted, at = _supplier(actor, supplier_id), await clock.now()
    return as_response(await bank_accounts.ask(actor, wanted, numbers, statement, at, key, render_created))


@post(
    f"{_CHANGE}/confirm",
    status_code=200,
    opt=_act(
        "bank_account.confirm",
        "Confirmer un changement de compte bancaire",
        "Par une autre personne que celle qui l'a demandé.",
        path=_CHANGE_ID,
        shown=examples.UNKNOWN_CHANGES,
    ),
)
async def confirm(
    request: Request[Any, Any, Any], actor: Caller, supplier_id: FromPath[str], change_id: FromPath[str]
) -> Response[bytes]:
    """Confirms what another person asked for."""
    key = await act_key(request, "POST /api/v1/suppliers/{supplier_id}/bank-account-changes/{id}/confirm")
    wanted, change, at = await _change(actor, supplier_id, change_id)
    return as_response(await bank_accounts.confirm(actor, wanted, change, at, key, render))


@post(
    f"{_CHANGE}/stop",
    status_code=200,
    opt=_act(
        "bank_account.stop",
        "Arrêter un changement de compte bancaire",
        "Avant qu'il prenne effet : par tout membre du fournisseur, ou par un agent payeur.",
        path=_CHANGE_ID,
        shown=examples.UNKNOWN_CHANGES,
    ),
)
async def stop(
    request: Request[Any, Any, Any], actor: Caller, supplier_id: FromPath[str], change_id: FromPath[str]
) -> Response[bytes]:
    """Stops a change before it takes effect."""
    key = await act_key(request, "POST /api/v1/suppliers/{supplier_id}/bank-account-changes/{id}/stop")
    wanted, change, at = await _change(actor, supplier_id, change_id)
    return as_response(await bank_accounts.stop(actor, wanted, change, at, key, render))


def _supplier(actor: Actor, text: str) -> UUID:
    if text == "me" and actor.organisation_id is not None:
        return actor.organisation_id
    return parse_id(text, _UNKNOWN)


async def _change(actor: Actor, supplier_id: str, change_id: str) -> tuple[UUID, UUID, datetime]:
    return _supplier(actor, supplier_id), parse_id(change_id, _UNKNOWN_CHANGE), await clock.now()


def _cursor(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        problem = "Cette valeur n'est pas le « next » d'une page précédente."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("?after", problem),)) from None


def render(outcome: SupplierView | Refused) -> Kept:
    """The answer to an act: the supplier after it, or the problem that says why it is refused."""
    return _rendered(outcome, 200)


def render_created(outcome: SupplierView | Refused) -> Kept:
    """The same where something new has an identifier."""
    return _rendered(outcome, 201)


def _rendered(outcome: SupplierView | Refused, status: int) -> Kept:
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(supplier_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    list_suppliers,
    find,
    submit,
    validate,
    ask_correction,
    ask_change,
    confirm,
    stop,
)
