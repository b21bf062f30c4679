"""The advance and the instruction from the terminal: ask, validate, correct, settle, what can be done."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import KeyName, Token, identifier, perform, read
from sons_tracker.cli.frame import YES, Json, choice, emit, run
from sons_tracker.cli.french import Cli
from sons_tracker.cli.va import Order
from sons_tracker.errors import ErrorCode, SonsError

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

advances = Cli(help="Avance : demander, valider, déclarer irrecevable, décider de son sort.")
corrections = Cli(help="Corrections : demander, répondre.")

_Request = Annotated[str, typer.Argument(metavar="DEMANDE", help="Identifiant de la demande.")]
_Reason = Annotated[str, typer.Option("--reason", metavar="PHRASE", help="Motivation, lue par les parties.")]
_SIGNATURES = {"manuscrite": "handwritten", "electronique": "electronic"}
_ABOUT = {"commande": "order", "avance": "advance", "solde": "solde"}
_KINDS = {"incomplete": "incomplete", "incorrecte": "incorrect"}


@advances.command("request")
def request(
    order: Order,
    signature: Annotated[
        str,
        typer.Option("--signature", metavar="SIGNATURE", parser=choice(*_SIGNATURES),
                     help="Comment l'OG a signé le bon de commande : manuscrite ou electronique."),
    ],
    document: Annotated[
        str | None,
        typer.Option("--document-sha256", metavar="EMPREINTE", help="Empreinte SHA-256 du bon signé."),
    ] = None,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:  # fmt: skip
    """Demande l'avance d'une commande, avec le bon de commande signé."""
    content: dict[str, Any] = {"signature": _SIGNATURES[signature]}
    if document is not None:
        content["order_document_sha256"] = document

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.requests import render_new
        from sons_tracker.operations.advances import request_advance

        return await request_advance(actor, identifier(order), content, law.load().law, at, key, render_new)

    return perform("advance request", (order, content), act, _show_request, token, key, as_json)


@advances.command("validate")
def validate(
    request_id: _Request,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason", metavar="PHRASE", help="Motivation, quand une règle laisse décider une personne."
        ),
    ] = None,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Valide une demande d'avance : elle devient due."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.requests import render
        from sons_tracker.operations.advances import validate_advance
        from sons_tracker.operations.requests_filed import find_request

        wanted = identifier(request_id)
        found = await find_request(actor, wanted)
        return await validate_advance(actor, wanted, found.order_id, reason, law.load().law, at, key, render)

    return perform("advance validate", (request_id, reason), act, _show_request, token, key, as_json)


@advances.command("refuse")
def refuse(
    request_id: _Request, reason: _Reason, token: Token = None, key: KeyName = None, as_json: Json = False
) -> int:
    """Déclare irrecevable une demande d'avance ou de solde."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.requests import render
        from sons_tracker.operations.advances import refuse_request
        from sons_tracker.operations.requests_filed import find_request

        wanted = identifier(request_id)
        found = await find_request(actor, wanted)
        return await refuse_request(
            actor, wanted, found.order_id, found.kind, reason, law.load().law, at, key, render
        )

    return perform("advance refuse", (request_id, reason), act, _show_request, token, key, as_json)


@advances.command("decide")
def decide(
    order: Order,
    reason: _Reason,
    keep: Annotated[
        bool, typer.Option("--keep/--reclaim", help="L'avance est laissée acquise, ou réclamée.")
    ],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Décide du sort d'une avance dont la VA était à temps et le solde non demandé."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.reviews import render_settled
        from sons_tracker.operations.reviews import settle_advance

        return await settle_advance(
            actor, identifier(order), keep, reason, law.load().law, at, key, render_settled
        )

    return perform("advance decide", (order, keep, reason), act, _show_order, token, key, as_json)


@corrections.command("ask")
def ask(
    order: Order,
    about: Annotated[
        str,
        typer.Option("--about", metavar="OBJET", parser=choice(*_ABOUT), help="commande, avance ou solde."),
    ],
    kind: Annotated[
        str,
        typer.Option("--kind", metavar="NATURE", parser=choice(*_KINDS), help="incomplete ou incorrecte."),
    ],
    reason: _Reason,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Demande une correction au fournisseur ; l'étape suivante attend sa réponse."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.reviews import render_correction_asked
        from sons_tracker.operations.corrections import ask_correction

        return await ask_correction(
            actor, identifier(order), _ABOUT[about], _KINDS[kind], reason, law.load().law, at, key,
            render_correction_asked,
        )  # fmt: skip

    asked = (order, about, kind, reason)
    return perform("correction ask", asked, act, _show_correction, token, key, as_json)


@corrections.command("answer")
def answer(
    order: Order,
    text: Annotated[str, typer.Option("--answer", metavar="PHRASE", help="Ce qui a été corrigé.")],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Répond à la correction demandée sur une commande."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.reviews import render_correction
        from sons_tracker.operations.corrections import answer_correction

        return await answer_correction(
            actor, identifier(order), text, None, law.load().law, at, key, render_correction
        )

    return perform("correction answer", (order, text), act, _show_correction, token, key, as_json)


def review(
    order: Order,
    lift: Annotated[
        list[str] | None,
        typer.Option("--lift", metavar="RÈGLE", help="Règle dont le verdict est levé ; à répéter."),
    ] = None,
    uphold: Annotated[
        list[str] | None,
        typer.Option("--uphold", metavar="RÈGLE", help="Règle dont le verdict est maintenu ; à répéter."),
    ] = None,
    reason: _Reason = "",
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Règle les verdicts en attente d'une commande, chacun une fois."""
    if not reason.strip():
        raise SonsError(ErrorCode.MALFORMED_COMMAND, "Une décision se motive : donner « --reason ».")
    lifted, upheld = tuple(lift or ()), tuple(uphold or ())

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.reviews import render_settled
        from sons_tracker.operations.reviews import LIFTED, UPHELD, Settlement, settle_review

        decided = tuple(
            Settlement(rule, decision, reason)
            for rules, decision in ((lifted, LIFTED), (upheld, UPHELD))
            for rule in rules
        )
        return await settle_review(actor, identifier(order), decided, law.load().law, at, key, render_settled)

    asked = (order, lifted, upheld, reason)
    return perform("order review", asked, act, _show_order, token, key, as_json)


def actions(order: Order, token: Token = None, as_json: Json = False) -> int:
    """Dit ce qui peut être fait maintenant d'une commande, et pourquoi pas le reste."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker import law
        from sons_tracker.api.acts import actions_out
        from sons_tracker.operations.order_life import find_order_life

        life = await find_order_life(actor, identifier(order), law.load().law, at)
        return actions_out(life.actions)

    found = run(read(reading, token))
    emit(found, as_json, lambda console: _show_actions(console, found))
    return YES


def _show_request(console: Console, body: Any) -> None:
    console.print(f"Demande {body['id']} de la commande {body['order_number']} : {body['state_label']}.")
    if body["reason"]:
        console.print(body["reason"])


def _show_order(console: Console, body: Any) -> None:
    console.print(f"Commande {body['number']} : {body['state_label']}.")


def _show_correction(console: Console, body: Any) -> None:
    answered = "" if body["answer"] is None else f" Réponse : {body['answer']}"
    console.print(f"Correction de la commande {body['order_number']} : {body['reason']}{answered}")


def _show_actions(console: Console, found: Any) -> None:
    if not found:
        console.print("Ce rôle n'a pas d'action sur cette commande.")
    for action in found:
        console.print(f"{'✓' if action['possible'] else '✗'} {action['label']}", highlight=False)
        for reason in action["reasons"]:
            console.print(f"    {reason['message']}", highlight=False)
            if reason["remedy"]:
                console.print(f"    Remède : {reason['remedy']}", highlight=False)
