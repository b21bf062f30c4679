"""Payment lots from the terminal: prepared, approved, exported; what the bank answers is read from a file."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import (
    KeyName,
    Output,
    Token,
    identifier,
    money,
    perform,
    read,
    read_bytes,
    write_bytes,
)
from sons_tracker.cli.frame import YES, Json, choice, emit, run, sheet
from sons_tracker.cli.french import Cli
from sons_tracker.rules.french import count_fr

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

app = Cli(help="Lots de paiement : préparer, approuver, exporter, intégrer les retours de la banque.")

_Lot = Annotated[str, typer.Argument(metavar="LOT", help="Numéro ou identifiant du lot.")]
_WORDS = {"prepared": "préparé", "approved": "approuvé", "dropped": "abandonné"}
_FORMATS = choice("json", "csv")


@app.command("prepare")
def prepare(
    payment: Annotated[
        list[str] | None,
        typer.Option("--payment", metavar="VERSEMENT", help="Un versement à payer ; répétable."),
    ] = None,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Prépare un lot des versements dus, ou de ceux qui sont nommés ; dit ce qui reste dehors."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.lots import render_created
        from sons_tracker.operations import lots

        chosen = [identifier(one) for one in payment] if payment else None
        return await lots.prepare(actor, chosen, at, key, render_created)

    return perform("lot prepare", tuple(payment or ()), act, _show, token, key, as_json)


@app.command("list")
def list_lots(
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="ÉTAT",
            parser=choice("prepared", "approved", "dropped"),
            help="prepared, approved ou dropped.",
        ),
    ] = None,
    token: Token = None,
    as_json: Json = False,
) -> int:
    """Liste les lots, du plus récent au plus ancien ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, _at: datetime) -> Any:
        from sons_tracker.api.pages import encode_next
        from sons_tracker.api.schemas.lots import lots_out
        from sons_tracker.operations import lot_reading

        page = await lot_reading.list_lots(actor, state, None, 200)
        return lots_out(page, encode_next(page.next_after))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _list(console, body))
    return YES


@app.command("show")
def show(lot: _Lot, token: Token = None, as_json: Json = False) -> int:
    """Montre un lot et ce qui peut en être fait ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, _at: datetime) -> Any:
        from sons_tracker.api.schemas.lots import lot_out
        from sons_tracker.operations import lot_reading

        return lot_out(await lot_reading.find_lot(actor, await lot_reading.resolve_lot(actor, lot)))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _show(console, body))
    return YES


@app.command("approve")
def approve(lot: _Lot, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Approuve un lot qu'une autre personne a préparé."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.lots import render
        from sons_tracker.operations import lot_reading, lots

        return await lots.approve(actor, await lot_reading.resolve_lot(actor, lot), at, key, render)

    return perform("lot approve", (lot,), act, _show, token, key, as_json)


@app.command("drop")
def drop(
    lot: _Lot,
    reason: Annotated[str, typer.Option("--reason", metavar="MOTIF", help="Pourquoi il est abandonné.")],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Abandonne un lot qui n'est pas approuvé : ses versements sont dus à nouveau."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.lots import render
        from sons_tracker.api.schemas.lots import LotDropIn
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import lot_reading, lots

        told = validate({"reason": reason}, LotDropIn).reason
        return await lots.drop(actor, await lot_reading.resolve_lot(actor, lot), told, at, key, render)

    return perform("lot drop", (lot, reason), act, _show, token, key, as_json)


@app.command("export")
def export(
    lot: _Lot,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", parser=_FORMATS, help="json ou csv.")
    ] = "json",
    output: Output = None,
    token: Token = None,
) -> int:
    """Écrit le fichier d'un lot approuvé, avec les numéros de compte et les totaux de contrôle."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.exchanges.lot_file import to_csv, to_json
        from sons_tracker.operations import lot_reading

        wanted = await lot_reading.resolve_lot(actor, lot)
        file = await lot_reading.export(actor, wanted, form, at)
        return (to_json if form == "json" else to_csv)(file).decode()

    write_bytes(run(read(reading, token)).encode(), output)
    return YES


@app.command("import-return")
def import_return(
    file: Annotated[Path, typer.Argument(metavar="FICHIER", help="Retour de la banque, JSON ou CSV.")],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Intègre un retour de la banque, entier ou pas du tout ; rejouable sans autre effet."""
    from sons_tracker.api.schemas.lots import LONGEST_RETURN

    content = read_bytes(file, LONGEST_RETURN)

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.payments import render_return
        from sons_tracker.operations import bank_returns

        return await bank_returns.import_return(actor, content, at, key, render_return)

    digest = hashlib.sha256(content).hexdigest()
    return perform("lot import-return", (digest,), act, _show_return, token, key, as_json)


@app.command("represent")
def represent(
    payment: Annotated[str, typer.Argument(metavar="VERSEMENT", help="Identifiant du versement.")],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Rend dû à nouveau un versement que la banque a retourné."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.payments import render_payment
        from sons_tracker.operations import payments

        return await payments.represent(actor, identifier(payment), at, key, render_payment)

    return perform("lot represent", (payment,), act, _show_payment, token, key, as_json)


def _list(console: Console, body: dict[str, Any]) -> None:
    for lot in body["lots"]:
        facts = (lot["number"], _WORDS[lot["state"]], count_fr(lot["lines"], "virement"))
        console.print(" · ".join((*facts, money(lot["total_ttc"]))), markup=False)


def _show(console: Console, lot: dict[str, Any]) -> None:
    rows = {"Lot": lot["number"], "Identifiant": lot["id"], "État": _WORDS[lot["state"]]}
    rows["Virements"] = f"{lot['lines']}, {money(lot['total_ttc'])}"
    for name, words in (("waiting", "Sans réponse"), ("paid", "Payés"), ("rejected", "Rejetés")):
        rows[words] = f"{lot[name]['count']}, {money(lot[name]['total_ttc'])}"
    console.print(sheet(rows), markup=False)
    for left in lot["left_out"]:
        for reason in left["reasons"]:
            console.print(f"Resté dehors : {left['order']} : {reason['message']}", markup=False)
    for action in lot["actions"]:
        told = "possible" if action["possible"] else f"impossible. {action['reasons'][0]['message']}"
        console.print(f"{action['label']} : {told}", markup=False)


def _show_return(console: Console, body: dict[str, Any]) -> None:
    console.print(
        f"Retour intégré sur le lot {body['lot']} : {count_fr(body['lines'], 'ligne')}.", markup=False
    )
    for name, words in (("paid", "Payés"), ("rejected", "Rejetés"), ("returned", "Retournés")):
        console.print(f"{words} : {body[name]['count']}, {money(body[name]['total_ttc'])}", markup=False)


def _show_payment(console: Console, body: dict[str, Any]) -> None:
    console.print(f"{body['order']} : {money(body['due_ttc'])} à nouveau dus.", markup=False)
