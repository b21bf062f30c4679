"""Delegations of signature from the terminal: read, signed on the digest of what was read, revoked."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import KeyName, Token, identifier, perform, read
from sons_tracker.cli.frame import YES, Json, choice, emit, parse_day, run
from sons_tracker.cli.french import Cli
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.french import count_fr, date_fr
from sons_tracker.rules.signatories import ACT_WORDS

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

app = Cli(help="Délégations de signature d'un organisme gestionnaire : lire, donner, révoquer.")

_RECEIVER = typer.Argument(metavar="PERSONNE", help="Identifiant de qui la reçoit, membre de l'organisme.")
Receiver = Annotated[str, _RECEIVER]
Delegation = Annotated[str, typer.Argument(metavar="DÉLÉGATION", help="Identifiant de la délégation.")]
Acts = Annotated[
    list[str],
    typer.Option(
        "--act", metavar="ACTE", parser=choice(*ACT_WORDS), help=f"Acte, à répéter : {', '.join(ACT_WORDS)}."
    ),
]
From = Annotated[
    date, typer.Option("--from", metavar="AAAA-MM-JJ", parser=parse_day, help="Premier jour, compris.")
]
Until = Annotated[
    date, typer.Option("--until", metavar="AAAA-MM-JJ", parser=parse_day, help="Dernier jour, compris.")
]


@app.command("text")
def text(
    receiver: Receiver, act: Acts, from_on: From, until_on: Until, token: Token = None, as_json: Json = False
) -> int:
    """Montre le texte à signer pour donner une délégation, et son empreinte."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.schemas.delegations import text_out
        from sons_tracker.operations import delegations
        from sons_tracker.rules.delegations import DelegationTerms

        terms = DelegationTerms(tuple(sorted(set(act))), from_on, until_on)
        wanted = delegations.Asked(identifier(receiver), terms)
        return text_out(await delegations.propose_text(actor, wanted, at))

    body = run(read(reading, token))

    def render(console: Console) -> None:
        console.print(body["text"], markup=False)
        console.print(f"Empreinte SHA-256 : {body['text_sha256']}")
        console.print(f"Consentement à donner pour signer : {body['consent']}", markup=False)

    emit(body, as_json, render)
    return YES


@app.command("give")
def give(
    receiver: Receiver,
    act: Acts,
    from_on: From,
    until_on: Until,
    digest: Annotated[
        str, typer.Option("--digest", metavar="EMPREINTE", help="Empreinte SHA-256 du texte lu.")
    ],
    name: Annotated[str, typer.Option("--name", metavar="NOM", help="Nom du signataire.")],
    function: Annotated[str, typer.Option("--function", metavar="FONCTION", help="Sa fonction.")],
    consent: Annotated[
        bool, typer.Option("--consent", help="Donne le consentement, dont la lecture montre la phrase.")
    ] = False,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Donne une délégation de signature, en personne responsable de l'organisme du jeton."""
    if not consent:
        raise SonsError(
            ErrorCode.MALFORMED_COMMAND,
            "Une délégation se signe avec le consentement : ajouter l'option --consent.",
        )

    async def acting(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.delegations import render_new
        from sons_tracker.api.schemas.delegations import DelegationIn, asked, signature
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import delegations
        from sons_tracker.rules.delegations import DELEGATION_CONSENT

        said = {
            "receiver_id": receiver, "acts": list(act), "from_on": from_on.isoformat(),
            "until_on": until_on.isoformat(), "text_sha256": digest, "consent": DELEGATION_CONSENT,
            "signer_name": name, "signer_function": function,
        }  # fmt: skip
        body = validate(said, DelegationIn)
        shown, signer = signature(body)
        return await delegations.give(actor, asked(body), shown, signer, at, key, render_new)

    request = (receiver, tuple(act), from_on, until_on, digest, name, function)
    return perform("delegation give", request, acting, _show, token, key, as_json)


@app.command("list")
def list_delegations(token: Token = None, as_json: Json = False) -> int:
    """Montre les délégations de l'organisme du jeton ; sans jeton, toutes, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.schemas.delegations import delegation_out
        from sons_tracker.operations import delegations

        found = await delegations.list_delegations(actor, at)
        return {"delegations": [delegation_out(one) for one in found]}

    body = run(read(reading, token))

    def render(console: Console) -> None:
        for one in body["delegations"]:
            _show(console, one)
        console.print(f"{count_fr(len(body['delegations']), 'délégation')}.")

    emit(body, as_json, render)
    return YES


@app.command("revoke")
def revoke(delegation: Delegation, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Révoque une délégation aussitôt : un responsable de l'organisme, ou la personne qui la tient."""

    async def acting(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.delegations import render_done
        from sons_tracker.operations import delegations

        return await delegations.revoke(actor, identifier(delegation), at, key, render_done)

    return perform("delegation revoke", (delegation,), acting, _show, token, key, as_json)


@app.command("appoint")
def appoint(
    person: Annotated[str, typer.Argument(metavar="PERSONNE", help="Identifiant du membre.")],
    dismiss: Annotated[
        bool, typer.Option("--dismiss", help="N'est plus responsable ; ce qu'elle a délégué cesse.")
    ] = False,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Nomme un membre responsable de l'organisme gestionnaire du jeton, ou le relève."""

    async def acting(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.members import render_member
        from sons_tracker.operations import members

        return await members.appoint(actor, identifier(person), None, not dismiss, at, key, render_member)

    return perform("delegation appoint", (person, dismiss), acting, _show_member, token, key, as_json)


def _show(console: Console, body: Any) -> None:
    """One delegation, in three lines."""
    first, last = (date_fr(date.fromisoformat(body[name])) for name in ("from_on", "until_on"))
    console.print(f"{body['id']} : {body['state_label']}, du {first} au {last}")
    console.print(f"  {body['giver_name']} la donne à {body['receiver_name']}", markup=False)
    console.print(f"  pour {body['acts_label']}", markup=False)


def _show_member(console: Console, body: Any) -> None:
    said = "est responsable" if body["responsible"] else "n'est plus responsable"
    console.print(f"{body['name']} {said} de l'organisme gestionnaire.", markup=False)
