"""The VA from the terminal: prepared from a file, read in full, signed on its digest."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import KeyName, Token, identifier, perform, read, read_bytes
from sons_tracker.cli.frame import YES, Json, emit, run
from sons_tracker.cli.french import Cli
from sons_tracker.errors import ErrorCode, SonsError

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

app = Cli(help="Vérification d'aptitude : préparer, lire, signer.")

MOST_BYTES = 2 * 1024 * 1024
Order = Annotated[str, typer.Argument(metavar="COMMANDE", help="Identifiant de la commande.")]


@app.command("prepare")
def prepare(
    order: Order,
    file: Annotated[Path, typer.Argument(metavar="FICHIER", help="VA en JSON, comme à l'API.")],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Prépare la VA d'une commande validée : tous ses ESSMS, ou rien."""
    content = read_bytes(file, MOST_BYTES)

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.schemas.va import VaIn, declaration
        from sons_tracker.api.strict import decode_bytes
        from sons_tracker.api.va import render_new
        from sons_tracker.operations import va

        declared = declaration(decode_bytes(content, VaIn))
        return await va.prepare_va(actor, identifier(order), declared, law.load().law, at, key, render_new)

    return perform("va prepare", (order, content), act, _show, token, key, as_json)


@app.command("show")
def show(order: Order, token: Token = None, as_json: Json = False) -> int:
    """Montre la VA en vigueur : son texte entier, son empreinte ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker import law
        from sons_tracker.api.schemas.va import va_out
        from sons_tracker.operations import va

        return va_out(await va.find_va(actor, identifier(order), law.load().law, at))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _show(console, body))
    return YES


@app.command("sign")
def sign(
    order: Order,
    digest: Annotated[
        str, typer.Option("--digest", metavar="EMPREINTE", help="Empreinte SHA-256 du texte lu.")
    ],
    name: Annotated[str, typer.Option("--name", metavar="NOM", help="Nom du signataire.")],
    function: Annotated[str, typer.Option("--function", metavar="FONCTION", help="Sa fonction.")],
    consent: Annotated[
        bool,
        typer.Option("--consent", help="Donne le consentement, dont « va show » montre la phrase."),
    ] = False,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Signe la VA au nom de l'organisme gestionnaire du jeton."""
    if not consent:
        raise SonsError(
            ErrorCode.MALFORMED_COMMAND, "Une VA se signe avec le consentement : ajouter l'option --consent."
        )

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.schemas.va import VaSignatureIn, signer
        from sons_tracker.api.strict import validate
        from sons_tracker.api.va import render_new
        from sons_tracker.operations import va
        from sons_tracker.rules.va_statement import VA_CONSENT

        given = {
            "statement_sha256": digest,
            "consent": VA_CONSENT,
            "signer_name": name,
            "signer_function": function,
        }
        shown, who = signer(validate(given, VaSignatureIn))
        return await va.sign_va(actor, identifier(order), shown, who, law.load().law, at, key, render_new)

    request = (order, digest, name, function)
    return perform("va sign", request, act, _show, token, key, as_json)


def _show(console: Console, body: Any) -> None:
    """Prints a VA: the text that is signed, as it is, then what it takes to sign it."""
    console.print(f"VA n° {body['number']} de la commande {body['order_number']} : {body['state_label']}")
    console.print()
    console.print(body["statement"], markup=False)
    console.print(f"Empreinte SHA-256 : {body['statement_sha256']}")
    for verdict in body["verdicts"]:
        if verdict["outcome"] != "pass":
            essms = f" ({', '.join(verdict['essms'][:3])})" if verdict["essms"] else ""
            console.print(f"{verdict['rule']}{essms} : {verdict['message']}", markup=False)
    if body["signature"] is None:
        console.print(f"Consentement à donner pour signer : {body['consent']}", markup=False)
    else:
        signature = body["signature"]
        console.print(
            f"Signée le {signature['signed_at']} par {signature['signer_name']},"
            f" {signature['signer_function']}.",
            markup=False,
        )
