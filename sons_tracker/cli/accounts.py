"""Local accounts: the first administrator, and an invitation accepted from a terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sons_tracker.cli.frame import REFUSED, YES, Json, emit, instance, run
from sons_tracker.cli.french import Cli
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.identity_providers import CALLBACK
from sons_tracker.settings import Settings

if TYPE_CHECKING:
    from sons_tracker.operations.seals import Resealed

app = Cli(help="Comptes locaux : mot de passe et second facteur.")


@app.callback()
def group() -> None:
    """Comptes locaux : mot de passe et second facteur."""


@app.command()
def admin(
    email: Annotated[str, typer.Option(metavar="ADRESSE", help="Adresse électronique de la personne.")],
    organisation: Annotated[
        str, typer.Option(metavar="NOM", help="Nom de l'agence, créée si elle n'existe pas.")
    ],
    as_json: Json = False,
) -> None:
    """Invite un administrateur, le premier ou celui qui a tout perdu ; le secret n'est montré qu'une fois."""
    if email.count("@") != 1 or email.strip("@") != email or any(letter.isspace() for letter in email):
        raise SonsError(ErrorCode.MALFORMED_COMMAND, f"« {email[:40]} » n'est pas une adresse électronique.")

    async def work() -> str:
        from sons_tracker.operations import clock, invitations

        async with instance():
            return await invitations.invite_first(organisation, email, await clock.now())

    secret = run(work())

    def render(console: Console) -> None:
        console.print(secret, markup=False)
        console.print("Vaut sept jours. À remettre à la personne : « sons-tracker account activate ».")

    emit({"invitation": secret, "email": email.lower()}, as_json, render)


@app.command()
def activate(
    invitation: Annotated[str, typer.Argument(metavar="INVITATION", help="Le secret de l'invitation.")],
    name: Annotated[str, typer.Option(metavar="NOM", help="Nom de la personne.")],
    as_json: Json = False,
) -> None:
    """Accepte une invitation : lit le mot de passe, montre le second facteur, puis lit un premier code.

    Le mot de passe et le code se tapent, ou se lisent sur l'entrée standard, ligne à ligne.
    """
    password = _ask("Mot de passe (12 caractères au moins)", hidden=True)

    async def work() -> None:
        from sons_tracker.operations import clock, invitations
        from sons_tracker.operations.proofs import Door

        door = Door.of(Settings.from_env(os.environ))
        async with instance():
            at = await clock.now()
            shown = await invitations.accept(invitation, name, password, door, at)
            # on stderr: what a program reads on stdout is the answer alone
            print(f"Second facteur à enregistrer : {shown.secret}\n{shown.address}", file=sys.stderr)
            await invitations.confirm(invitation, _ask("Code", hidden=False), door, at)

    run(work())
    emit({"done": True}, as_json, lambda console: console.print("Le compte est ouvert."))


@app.command()
def providers(
    check: Annotated[
        bool, typer.Option("--check", help="Demander à chacun ses métadonnées et ses clés.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Montre les fournisseurs d'identité réglés, et l'adresse de retour à leur déclarer."""
    settings = Settings.from_env(os.environ)
    failures = run(_failures(settings)) if check else {}
    told = [
        {
            "name": one.name,
            "label": one.label,
            "issuer": one.issuer,
            "roles": sorted(one.roles),
            "acr_accepted": list(one.acr_accepted),
            **({"failure": failures[one.name]} if check else {}),
        }
        for one in settings.identity_providers
    ]

    def render(console: Console) -> None:
        lines = [f"Adresse de retour : {settings.public_url}{CALLBACK}"]
        for one in settings.identity_providers:
            lines.append(f"{one.name} : {one.label}, {one.issuer} ; rôles : {', '.join(sorted(one.roles))}")
            if check:
                failure = failures[one.name]
                lines.append("  répond" if failure is None else f"  ne répond pas comme il faut : {failure}")
        if not told:
            lines.append("Aucun fournisseur d'identité n'est réglé (SONS_OIDC).")
        for line in lines:
            console.print(line, markup=False, soft_wrap=True)

    emit({"callback": f"{settings.public_url}{CALLBACK}", "providers": told}, as_json, render)
    return REFUSED if any(failures.values()) else YES


async def _failures(settings: Settings) -> dict[str, str | None]:
    from sons_tracker.delivery.openid import OpenIdClient

    client = OpenIdClient(settings.public_url)
    try:
        return {one.name: await client.what_fails(one) for one in settings.identity_providers}
    finally:
        await client.aclose()


@app.command()
def reseal(as_json: Json = False) -> int:
    """Scelle par la clé la plus récente les secrets des webhooks et les seconds facteurs.

    À faire après avoir mis une clé devant les autres, avant de retirer l'ancienne.
    """

    async def work() -> Resealed:
        from sons_tracker.operations import clock, seals
        from sons_tracker.operations.proofs import Door

        door = Door.of(Settings.from_env(os.environ))
        async with instance():
            return await seals.reseal(door, await clock.now())

    done = run(work())

    def render(console: Console) -> None:
        console.print(f"Scellés à nouveau : {done.renewed} ; déjà par la clé la plus récente : {done.kept}.")
        if done.lost:
            console.print(f"Scellés par une clé qui n'est pas donnée : {done.lost}. La redonner en second.")

    emit({"renewed": done.renewed, "kept": done.kept, "lost": done.lost}, as_json, render)
    return REFUSED if done.lost else YES


def _ask(words: str, *, hidden: bool) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(words, hide_input=hidden, err=True))
    return sys.stdin.readline().rstrip("\n")
