"""The solde from the terminal: ask for it, file it again, validate it, match its pieces."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import KeyName, Token, identifier, money, perform, read, read_bytes
from sons_tracker.cli.frame import YES, Json, emit, run
from sons_tracker.cli.french import Cli
from sons_tracker.cli.va import MOST_BYTES, Order

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

app = Cli(help="Solde : demander, redéposer, valider, rapprocher.")

_File = Annotated[Path, typer.Argument(metavar="FICHIER", help="Demande en JSON, comme à l'API.")]


@app.command("request")
def request(
    order: Order, file: _File, token: Token = None, key: KeyName = None, as_json: Json = False
) -> int:
    """Demande le solde d'une commande dont la VA est signée."""
    content = read_bytes(file, MOST_BYTES)

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.requests import render_new
        from sons_tracker.operations import soldes

        asked = _content(content)
        return await soldes.request_solde(
            actor, identifier(order), asked, law.load().law, at, key, render_new
        )

    return perform("solde request", (order, content), act, _show, token, key, as_json)


@app.command("refile")
def refile(
    order: Order,
    file: _File,
    answer: Annotated[str, typer.Option("--answer", metavar="PHRASE", help="Ce qui a été corrigé.")],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Dépose de nouveau une demande de solde renvoyée à modifier."""
    content = read_bytes(file, MOST_BYTES)

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.requests import render
        from sons_tracker.operations import soldes

        asked = _content(content)
        return await soldes.refile_solde(
            actor, identifier(order), answer, asked, law.load().law, at, key, render
        )

    return perform("solde refile", (order, answer, content), act, _show, token, key, as_json)


@app.command("validate")
def validate(
    request_id: Annotated[str, typer.Argument(metavar="DEMANDE", help="Identifiant de la demande.")],
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason",
            metavar="PHRASE",
            help="Motivation, quand une règle laisse la décision à une personne.",
        ),
    ] = None,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Valide une demande de solde : ce qui reste à payer devient dû."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.requests import render
        from sons_tracker.operations import requests_filed, soldes

        wanted = identifier(request_id)
        found = await requests_filed.find_request(actor, wanted)
        return await soldes.validate_solde(
            actor, wanted, found.order_id, reason, law.load().law, at, key, render
        )

    return perform("solde validate", (request_id, reason), act, _show, token, key, as_json)


@app.command("match")
def match(order: Order, token: Token = None, as_json: Json = False) -> int:
    """Rapproche commande, VA et facture, ESSMS par ESSMS ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.schemas.soldes import match_out
        from sons_tracker.operations import invoices

        return match_out(await invoices.find_match(actor, identifier(order), at))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _show_match(console, body))
    return YES


def _content(content: bytes) -> dict[str, Any]:
    from sons_tracker.api.schemas.soldes import SoldeRequestIn, solde_content
    from sons_tracker.api.strict import decode_bytes

    return solde_content(decode_bytes(content, SoldeRequestIn))


def _show(console: Console, body: Any) -> None:
    """Prints a request: its state, and what the rules did not simply pass."""
    console.print(f"Demande de solde de la commande {body['order_number']} : {body['state_label']}")
    console.print(f"Identifiant : {body['id']}")
    for verdict in body["verdicts"]:
        if verdict["outcome"] != "pass":
            console.print(f"{verdict['rule']} : {verdict['message']}", markup=False)
    if body["reason"]:
        console.print(f"Motif : {body['reason']}", markup=False)


def _show_match(console: Console, body: Any) -> None:
    va = "aucune VA signée" if body["va_number"] is None else f"VA n° {body['va_number']}"
    invoice = "aucune facture" if body["invoice_number"] is None else f"facture {body['invoice_number']}"
    console.print(f"Commande {body['order_number']}, {va}, {invoice}", markup=False)
    for line in body["lines"]:
        ordered = "non commandé" if line["ordered_ttc"] is None else money(line["ordered_ttc"])
        billed = "non facturé" if line["invoiced_ttc"] is None else money(line["invoiced_ttc"])
        attested = {True: "attesté", False: "non attesté", None: "VA attendue"}[line["attested"]]
        removed = ", retiré du périmètre" if line["removed"] else ""
        console.print(f"{line['finess']} : {ordered}, {attested}, {billed}{removed}")
        for finding in line["findings"]:
            if finding["outcome"] != "pass":
                console.print(f"    {finding['message']}", markup=False)
                if finding["remedy"]:
                    console.print(f"    Remède : {finding['remedy']}", markup=False)
