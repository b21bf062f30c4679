"""Cancellations and amendments from the terminal: asked, signed on the digest of what was read, dropped."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import KeyName, Token, identifier, perform, read, read_bytes
from sons_tracker.cli.frame import YES, Json, choice, emit, run
from sons_tracker.cli.french import Cli
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.french import instant_fr

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

cancellations = Cli(help="Annulations : lire, attester sur l'honneur, refuser, retirer, décider.")
amendments = Cli(help="Avenants : proposer de retirer des ESSMS, lire, accepter, refuser, retirer.")

MOST_BYTES = 1024 * 1024
Order = Annotated[str, typer.Argument(metavar="COMMANDE", help="Identifiant de la commande.")]
Amendment = Annotated[str, typer.Argument(metavar="AVENANT", help="Identifiant de l'avenant.")]
File = Annotated[Path, typer.Argument(metavar="FICHIER", help="Demande en JSON, comme à l'API.")]
Digest = Annotated[str, typer.Option("--digest", metavar="EMPREINTE", help="Empreinte SHA-256 du texte lu.")]
Name = Annotated[str, typer.Option("--name", metavar="NOM", help="Nom du signataire.")]
Function = Annotated[str, typer.Option("--function", metavar="FONCTION", help="Sa fonction.")]
Consent = Annotated[
    bool, typer.Option("--consent", help="Donne le consentement, dont la lecture montre la phrase.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="MOTIF", help="Le motif, en une ligne.")]


def cancel(order: Order, file: File, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Demande l'annulation d'une commande ; effectuée dès que ses pièces sont réunies."""
    content = read_bytes(file, MOST_BYTES)

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.cancellations import render_new
        from sons_tracker.api.schemas.endings import CancellationIn, cancellation_request
        from sons_tracker.api.strict import decode_bytes
        from sons_tracker.operations import cancellations

        asked = cancellation_request(decode_bytes(content, CancellationIn))
        return await cancellations.ask(actor, identifier(order), asked, law.load().law, at, key, render_new)

    return perform("order cancel", (order, content), act, _show_cancellation, token, key, as_json)


def attest(
    order: Order,
    digest: Digest,
    name: Name,
    function: Function,
    consent: Consent = False,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Signe l'attestation de renonciation au nom de l'organisme gestionnaire du jeton."""
    _consented(consent)

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.cancellations import render
        from sons_tracker.api.schemas.endings import AttestationIn, signature
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import cancellations
        from sons_tracker.rules.declarations import RENUNCIATION_CONSENT

        given = _given(digest, RENUNCIATION_CONSENT, name, function)
        shown, who = signature(validate(given, AttestationIn))
        wanted = identifier(order)
        return await cancellations.attest(actor, wanted, shown, who, law.load().law, at, key, render)

    request = (order, digest, name, function)
    return perform("order attest", request, act, _show_cancellation, token, key, as_json)


@cancellations.command("show")
def show_cancellation(order: Order, token: Token = None, as_json: Json = False) -> int:
    """Montre la dernière annulation : ses pièces, ce qu'elle attend ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker import law
        from sons_tracker.api.schemas.endings import cancellation_out
        from sons_tracker.operations.cancellation_reading import find_cancellation

        return cancellation_out(await find_cancellation(actor, identifier(order), law.load().law, at))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _show_cancellation(console, body))
    return YES


@cancellations.command("statement")
def give_statement(
    order: Order, file: File, token: Token = None, key: KeyName = None, as_json: Json = False
) -> int:
    """Joint l'attestation sur l'honneur du fournisseur à l'annulation demandée par l'OG."""
    content = read_bytes(file, MOST_BYTES)

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.cancellations import render
        from sons_tracker.api.schemas.endings import StatementIn, statement
        from sons_tracker.api.strict import decode_bytes
        from sons_tracker.operations import cancellations

        stated = statement(decode_bytes(content, StatementIn))
        wanted = identifier(order)
        return await cancellations.give_statement(actor, wanted, stated, law.load().law, at, key, render)

    request = (order, content)
    return perform("cancellation statement", request, act, _show_cancellation, token, key, as_json)


@cancellations.command("refuse")
def decline(
    order: Order, reason: Reason, token: Token = None, key: KeyName = None, as_json: Json = False
) -> int:
    """Refuse, au nom de l'OG, l'annulation que le fournisseur a demandée."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.cancellations import render
        from sons_tracker.operations import cancellations

        told = _reason(reason)
        return await cancellations.decline(actor, identifier(order), told, law.load().law, at, key, render)

    request = (order, reason)
    return perform("cancellation refuse", request, act, _show_cancellation, token, key, as_json)


@cancellations.command("drop")
def drop(order: Order, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Retire la demande d'annulation de l'organisation du jeton."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.cancellations import render
        from sons_tracker.operations import cancellations

        return await cancellations.drop(actor, identifier(order), law.load().law, at, key, render)

    return perform("cancellation drop", (order,), act, _show_cancellation, token, key, as_json)


@cancellations.command("settle")
def settle(
    order: Order,
    decision: Annotated[
        str,
        typer.Argument(
            metavar="DÉCISION", parser=choice("carry_out", "refuse"), help="« carry_out » ou « refuse »."
        ),
    ],
    reason: Reason,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Décide d'une annulation que R29 ne tranche pas, ou que le fournisseur a laissée sans réponse."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.cancellations import render
        from sons_tracker.api.schemas.endings import CancellationDecisionIn
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import cancellations

        body = validate({"decision": decision, "reason": reason}, CancellationDecisionIn)
        return await cancellations.settle(
            actor, identifier(order), body.decision, body.reason, law.load().law, at, key, render
        )

    request = (order, decision, reason)
    return perform("cancellation settle", request, act, _show_cancellation, token, key, as_json)


@amendments.command("propose")
def propose(
    order: Order,
    remove: Annotated[
        list[str], typer.Argument(metavar="FINESS…", help="FINESS géographiques des ESSMS à retirer.")
    ],
    name: Name,
    function: Function,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Propose à l'autre partie de retirer des ESSMS de la commande."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.amendments import render_new
        from sons_tracker.api.schemas.endings import AmendmentIn, removed
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import amendments

        given = {"remove": list(remove), "signer_name": name, "signer_function": function}
        essms = removed(validate(given, AmendmentIn))
        return await amendments.propose(
            actor, identifier(order), essms, name, function, law.load().law, at, key, render_new
        )

    request = (order, tuple(remove), name, function)
    return perform("amendment propose", request, act, _show_amendment, token, key, as_json)


@amendments.command("list")
def list_amendments(order: Order, token: Token = None, as_json: Json = False) -> int:
    """Montre les avenants d'une commande, texte et empreinte ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker import law
        from sons_tracker.api.schemas.endings import AmendmentsOut, amendment_out
        from sons_tracker.operations.amendments import find_amendments

        found = await find_amendments(actor, identifier(order), law.load().law, at)
        return AmendmentsOut([amendment_out(view) for view in found])

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _show_amendments(console, body))
    return YES


@amendments.command("agree")
def agree(
    order: Order,
    amendment: Amendment,
    digest: Digest,
    name: Name,
    function: Function,
    consent: Consent = False,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Accepte un avenant au nom de l'autre partie : les ESSMS retirés sont libérés."""
    _consented(consent)

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.amendments import render
        from sons_tracker.api.schemas.endings import AmendmentAgreementIn, signature
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import amendments
        from sons_tracker.rules.declarations import AMENDMENT_CONSENT

        given = _given(digest, AMENDMENT_CONSENT, name, function)
        shown, who = signature(validate(given, AmendmentAgreementIn))
        wanted, chosen = identifier(order), identifier(amendment)
        return await amendments.agree(actor, wanted, chosen, shown, who, law.load().law, at, key, render)

    request = (order, amendment, digest, name, function)
    return perform("amendment agree", request, act, _show_amendment, token, key, as_json)


@amendments.command("refuse")
def refuse(
    order: Order,
    amendment: Amendment,
    reason: Reason,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Refuse un avenant au nom de l'autre partie, avec un motif."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.amendments import render
        from sons_tracker.operations import amendments

        wanted, chosen = identifier(order), identifier(amendment)
        return await amendments.refuse(
            actor, wanted, chosen, _reason(reason), law.load().law, at, key, render
        )

    request = (order, amendment, reason)
    return perform("amendment refuse", request, act, _show_amendment, token, key, as_json)


@amendments.command("withdraw")
def withdraw(
    order: Order, amendment: Amendment, token: Token = None, key: KeyName = None, as_json: Json = False
) -> int:
    """Retire un avenant que l'organisation du jeton a proposé."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.amendments import render
        from sons_tracker.operations import amendments

        wanted, chosen = identifier(order), identifier(amendment)
        return await amendments.withdraw(actor, wanted, chosen, law.load().law, at, key, render)

    return perform("amendment withdraw", (order, amendment), act, _show_amendment, token, key, as_json)


def _consented(consent: bool) -> None:
    """Raises `MALFORMED_COMMAND` without the consent that a signature needs."""
    if not consent:
        raise SonsError(
            ErrorCode.MALFORMED_COMMAND,
            "Une signature se donne avec le consentement : ajouter l'option --consent.",
        )


def _given(digest: str, consent: str, name: str, function: str) -> dict[str, str]:
    return {
        "document_sha256": digest, "consent": consent, "signer_name": name, "signer_function": function
    }  # fmt: skip


def _reason(text: str) -> str:
    """The reason of a refusal, read as the API reads it."""
    from sons_tracker.api.schemas.endings import EndingReasonIn
    from sons_tracker.api.strict import validate

    return validate({"reason": text}, EndingReasonIn).reason


_WAITS = {
    "statement": "l'attestation sur l'honneur du fournisseur",
    "renunciation": "l'attestation de renonciation de l'organisme gestionnaire",
    "reviewer": "la décision d'un contrôleur",
}


def _show_cancellation(console: Console, body: Any) -> None:
    """Prints a cancellation: what it waits for, what R29 said, the text that the OG signs."""
    console.print(
        f"Annulation n° {body['number']} de la commande {body['order_number']} : {body['state_label']}"
        f" ({body['motive_label']})",
        markup=False,
    )
    for piece in body["waits_for"]:
        console.print(f"Attend {_WAITS[piece]}.")
    if body["answer_due_at"] is not None and body["waits_for"]:
        until = instant_fr(datetime.fromisoformat(body["answer_due_at"]))
        console.print(f"Réponse du fournisseur attendue au plus tard le {until}.")
    for verdict in body["verdicts"]:
        console.print(f"{verdict['rule']} : {verdict['message']}", markup=False)
    if body["reason"] is not None:
        console.print(f"Motif de la décision : {body['reason']}", markup=False)
    if "renunciation" in body["waits_for"]:
        console.print()
        console.print(body["document"], markup=False)
        _show_signing(console, body)


def _show_amendment(console: Console, body: Any) -> None:
    """Prints an amendment: its text as it is, then what it takes to accept it."""
    console.print(
        f"Avenant n° {body['number']} de la commande {body['order_number']} : {body['state_label']}"
    )
    console.print(f"Identifiant : {body['id']}")
    if body["refusal"] is not None:
        console.print(f"Motif du refus : {body['refusal']}", markup=False)
    console.print()
    console.print(body["document"], markup=False)
    if body["state"] == "proposed":
        _show_signing(console, body)


def _show_amendments(console: Console, body: Any) -> None:
    if not body["amendments"]:
        console.print("Aucun avenant n'a été proposé pour cette commande.")
    for amendment in body["amendments"]:
        _show_amendment(console, amendment)


def _show_signing(console: Console, body: Any) -> None:
    console.print(f"Empreinte SHA-256 : {body['document_sha256']}")
    console.print(f"Consentement à donner pour signer : {body['consent']}", markup=False)
