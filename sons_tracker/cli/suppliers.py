"""Suppliers from the terminal: enrolment, bank accounts. The files are the bodies of the API."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

import msgspec
import typer
from rich.console import Console

from sons_tracker.cli.frame import (
    REFUSED,
    YES,
    Json,
    emit,
    existing_file,
    instance,
    parse_count,
    run,
    sheet,
)
from sons_tracker.cli.french import Cli
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.french import date_fr

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

app = Cli(help="Fournisseurs : enrôlement, comptes bancaires.")

MOST_BYTES = 64 * 1024
_Token = Annotated[
    str | None,
    typer.Option("--token", metavar="JETON", help="Jeton de l'acteur (par défaut : la variable SONS_TOKEN)."),
]
_Key = Annotated[
    str | None,
    typer.Option("--key", metavar="CLÉ", help="Clé d'idempotence (par défaut : une clé nouvelle)."),
]
_File = Annotated[Path, typer.Argument(metavar="FICHIER", help="Corps de la demande en JSON, comme à l'API.")]
_Supplier = Annotated[
    str, typer.Argument(metavar="FOURNISSEUR", help="Identifiant du fournisseur, « me » pour le sien.")
]
_Number = Annotated[
    int, typer.Argument(metavar="NUMÉRO", parser=parse_count, help="Numéro du dossier qui a été lu.")
]
_Change = Annotated[str, typer.Argument(metavar="CHANGEMENT", help="Identifiant du changement de compte.")]

_STATES = {
    "absent": "aucun dossier",
    "submitted": "à valider",
    "to_correct": "à modifier",
    "validated": "validé",
}
_ACCOUNTS = {
    "asked": "demandé, à confirmer par une autre personne",
    "confirmed": "confirmé, prend effet le {effect}",
    "in_force": "en vigueur depuis le {effect}",
    "replaced": "remplacé",
    "stopped": "arrêté",
}

Act = Callable[["Actor", UUID, datetime, "Key"], Awaitable["Answer"]]


@app.command("show")
def show(supplier: _Supplier = "me", token: _Token = None, as_json: Json = False) -> int:
    """Montre un fournisseur : dossier, comptes, ce qui manque ; sans jeton, comme l'administrateur."""
    body = run(_show(supplier, token))
    emit(body, as_json, lambda console: _print(console, body))
    return YES


@app.command("enrol")
def enrol(file: _File, token: _Token = None, key: _Key = None, as_json: Json = False) -> int:
    """Dépose le dossier d'enrôlement de l'organisation du jeton."""
    content = _read(file)

    async def act(actor: Actor, supplier_id: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.schemas.suppliers import EnrolmentIn, enrolment_file
        from sons_tracker.api.strict import decode_bytes
        from sons_tracker.api.suppliers import render
        from sons_tracker.operations import enrolment_files

        asked = enrolment_file(decode_bytes(content, EnrolmentIn))
        return await enrolment_files.submit(actor, supplier_id, asked, at, key, render)

    return _tell("me", token, key, ("enrol", content), act, as_json)


@app.command("validate")
def validate(
    supplier: _Supplier, number: _Number, token: _Token = None, key: _Key = None, as_json: Json = False
) -> int:
    """Valide le dossier d'un fournisseur, par un instructeur ou un agent payeur."""

    async def act(actor: Actor, supplier_id: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.suppliers import render
        from sons_tracker.operations import enrolment_files

        return await enrolment_files.validate(actor, supplier_id, number, at, key, render)

    return _tell(supplier, token, key, ("validate", supplier, number), act, as_json)


@app.command("correct")
def correct(
    supplier: _Supplier,
    number: _Number,
    reason: Annotated[
        list[str], typer.Option("--reason", metavar="MOTIF", help="Ce qui est à modifier ; répétable.")
    ],
    token: _Token = None,
    key: _Key = None,
    as_json: Json = False,
) -> int:
    """Renvoie le dossier d'un fournisseur à modifier."""

    async def act(actor: Actor, supplier_id: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.schemas.suppliers import CorrectionIn
        from sons_tracker.api.strict import validate as read
        from sons_tracker.api.suppliers import render
        from sons_tracker.operations import enrolment_files

        asked = read({"number": number, "reasons": list(reason)}, CorrectionIn)
        told = tuple(asked.reasons)
        return await enrolment_files.ask_correction(actor, supplier_id, number, told, at, key, render)

    return _tell(supplier, token, key, ("correct", supplier, number, *reason), act, as_json)


@app.command("bank-change")
def bank_change(file: _File, token: _Token = None, key: _Key = None, as_json: Json = False) -> int:
    """Demande un changement de compte bancaire ; l'IBAN se lit dans un fichier, jamais sur la ligne."""
    content = _read(file)

    async def act(actor: Actor, supplier_id: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.schemas.suppliers import BankAccountIn, bank_account
        from sons_tracker.api.strict import decode_bytes
        from sons_tracker.api.suppliers import render_created
        from sons_tracker.operations import bank_accounts

        numbers, statement = bank_account(decode_bytes(content, BankAccountIn))
        return await bank_accounts.ask(actor, supplier_id, numbers, statement, at, key, render_created)

    return _tell("me", token, key, ("bank-change", content), act, as_json)


@app.command("bank-confirm")
def bank_confirm(change: _Change, token: _Token = None, key: _Key = None, as_json: Json = False) -> int:
    """Confirme le changement de compte qu'une autre personne du même fournisseur a demandé."""

    async def act(actor: Actor, supplier_id: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.suppliers import render
        from sons_tracker.operations import bank_accounts

        return await bank_accounts.confirm(actor, supplier_id, _id(change), at, key, render)

    return _tell("me", token, key, ("bank-confirm", change), act, as_json)


@app.command("bank-stop")
def bank_stop(
    change: _Change,
    supplier: Annotated[
        str, typer.Option("--supplier", metavar="FOURNISSEUR", help="Le fournisseur, pour un agent payeur.")
    ] = "me",
    token: _Token = None,
    key: _Key = None,
    as_json: Json = False,
) -> int:
    """Arrête un changement de compte avant qu'il prenne effet."""

    async def act(actor: Actor, supplier_id: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.suppliers import render
        from sons_tracker.operations import bank_accounts

        return await bank_accounts.stop(actor, supplier_id, _id(change), at, key, render)

    return _tell(supplier, token, key, ("bank-stop", supplier, change), act, as_json)


def _tell(
    supplier: str, token: str | None, name: str | None, request: tuple[object, ...], act: Act, as_json: bool
) -> int:
    """Runs an act and tells its answer: the supplier after it, or why it is refused."""
    from sons_tracker.operations.idempotency import Key

    digest = hashlib.sha256(repr(request).encode()).digest()
    key = Key(name or str(uuid4()), f"sons-tracker supplier {request[0]}", digest)
    status, body = run(_perform(supplier, token, key, act))
    if status < 400:
        emit(body, as_json, lambda console: _print(console, body))
        return YES
    if as_json:
        emit(body, True, lambda _: None)
    else:
        print(f"{body['detail']} {body['remedy']}", file=sys.stderr)
    return REFUSED


async def _perform(supplier: str, token: str | None, key: Key, act: Act) -> tuple[int, Any]:
    from sons_tracker.operations import clock

    async with instance():
        actor = await _actor(token)
        if actor is None:
            raise SonsError(
                ErrorCode.UNAUTHENTICATED, "Cet acte se fait au nom d'une personne : il faut un jeton."
            )
        answer = await act(actor, _supplier_of(supplier, actor), await clock.now(), key)
    return answer.status, msgspec.json.decode(answer.body)


async def _show(supplier: str, token: str | None) -> Any:
    from sons_tracker.api.schemas.suppliers import supplier_out
    from sons_tracker.operations import clock, suppliers
    from sons_tracker.operations.actors import LOCAL_ADMIN

    async with instance():
        actor = await _actor(token) or LOCAL_ADMIN
        view = await suppliers.find_supplier(actor, _supplier_of(supplier, actor), await clock.now())
    return msgspec.to_builtins(supplier_out(view))


async def _actor(token: str | None) -> Actor | None:
    from sons_tracker.operations.actors import authenticate

    secret = token or os.environ.get("SONS_TOKEN")
    if not secret:
        return None
    actor = await authenticate(secret)
    if actor is None:
        raise SonsError(ErrorCode.UNAUTHENTICATED, "Le jeton est inconnu, expiré ou révoqué.")
    return actor


def _supplier_of(text: str, actor: Actor) -> UUID:
    if text == "me" and actor.organisation_id is not None:
        return actor.organisation_id
    return _id(text)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise SonsError(ErrorCode.NOT_FOUND, "Rien de visible ne porte cet identifiant.") from None


def _read(file: Path) -> bytes:
    path = existing_file(file)
    if path.stat().st_size > MOST_BYTES:
        raise SonsError(ErrorCode.INVALID_FILE, f"Le fichier « {path} » dépasse 64 Kio.")
    return path.read_bytes()


def _print(console: Console, body: dict[str, Any]) -> None:
    """Prints a supplier for a person: the answer as JSON, since a replay has nothing else."""
    rows = {"Fournisseur": body["name"], "Identifiant": body["id"], "Enrôlement": _STATES[body["state"]]}
    if body["file"] is not None:
        rows["Dossier"] = f"n° {body['file']['number']}, solution {body['file']['solution']}"
    if body["vat_liable"] is not None:
        rows["TVA"] = "redevable" if body["vat_liable"] else "non redevable"
    rows["Paiement"] = "possible" if body["complete"] else "impossible : " + " ; ".join(body["missing"])
    console.print(sheet(rows), markup=False)
    for reason in body["file"]["reasons"] if body["file"] else ():
        console.print(f"À modifier : {reason}", markup=False)
    for account in body["bank_accounts"]:
        effect = account["takes_effect_at"]
        day = "" if effect is None else date_fr(datetime.fromisoformat(effect).date())
        number = account["iban"] or account["iban_masked"]
        state = _ACCOUNTS[account["state"]].format(effect=day)
        console.print(f"Compte {number} : {state} ({account['id']})", markup=False)
    for action in body["actions"]:
        told = "possible" if action["possible"] else f"impossible. {action['reasons'][0]['message']}"
        console.print(f"{action['label']} : {told}", markup=False)
