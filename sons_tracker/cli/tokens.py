"""Access tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, cast

import typer
from rich.console import Console

from sons_tracker.cli.frame import Json, choice, emit, instance, parse_count, run
from sons_tracker.cli.french import Cli
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import ROLES_BY_KIND, NewToken, OrganisationKind
from sons_tracker.rules.identifiers import parse_finess
from sons_tracker.rules.rights import ACCOUNT_ROLES

app = Cli(help="Jetons d'accès à l'interface de programmation.")


@app.callback()
def group() -> None:
    """Jetons d'accès à l'interface de programmation."""


@app.command()
def create(
    role: Annotated[
        str,
        typer.Option(
            metavar="RÔLE", parser=choice(*ACCOUNT_ROLES), help=f"Rôle : {', '.join(ACCOUNT_ROLES)}."
        ),
    ],
    organisation: Annotated[str, typer.Option(metavar="NOM", help="Nom de l'organisation.")],
    person: Annotated[str, typer.Option(metavar="NOM", help="Nom de la personne.")],
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            parser=choice(*ROLES_BY_KIND),
            help=f"Type d'organisation : {', '.join(ROLES_BY_KIND)} (par défaut : celui du rôle).",
        ),
    ] = None,
    siren: Annotated[str | None, typer.Option(metavar="SIREN", help="SIREN de l'organisation.")] = None,
    finess_juridique: Annotated[
        str | None, typer.Option(metavar="NUMÉRO", help="FINESS juridique, pour un organisme gestionnaire.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="PORTÉE", help="Portée, à répéter : read, write, read:orders…"),
    ] = None,
    all_scopes: Annotated[
        bool, typer.Option("--all-scopes", help="Toutes les portées : tout ce que permet le rôle.")
    ] = False,
    responsible: Annotated[
        bool | None,
        typer.Option(
            "--responsible/--not-responsible",
            help="Qui entre dans un organisme gestionnaire en est responsable (par défaut : le premier).",
            show_default=False,
        ),
    ] = None,
    days: Annotated[int, typer.Option(metavar="JOURS", parser=parse_count, help="Durée de validité.")] = 90,
    as_json: Json = False,
) -> None:
    """Crée un jeton pour une personne d'une organisation ; il n'est montré qu'une fois."""
    if bool(scope) is all_scopes:
        raise SonsError(
            ErrorCode.MALFORMED_COMMAND,
            "Dire ce que le jeton permettra : des portées par « --scope », ou « --all-scopes ».",
        )
    chosen = kind or next(known for known, roles in ROLES_BY_KIND.items() if role in roles)
    number = None if finess_juridique is None else parse_finess(finess_juridique, "finess_juridique")
    checked = None if siren is None else _siren(siren)

    async def work() -> NewToken:
        from sons_tracker.operations import actors, clock
        from sons_tracker.operations.tokens import checked_scopes

        async with instance():
            at = await clock.now()
            person_id, organisation_id = await actors.enrol(
                actors.LOCAL_ADMIN,
                at=at,
                kind=cast(OrganisationKind, chosen),
                organisation=organisation,
                person=person,
                role=role,
                siren=checked,
                finess_juridique=number,
                responsible=responsible,
            )
            return await actors.create_token(
                actors.LOCAL_ADMIN,
                at=at,
                person_id=person_id,
                organisation_id=organisation_id,
                role=role,
                lifetime=timedelta(days=min(days, 100_000)),
                scopes=None if not scope else checked_scopes(actors.LOCAL_ADMIN, tuple(scope)),
            )

    made = run(work())
    data = {"token": made.secret, "token_id": str(made.token_id), "role": role, "expires_at": made.expires_at}

    def render(console: Console) -> None:
        console.print(made.secret, markup=False)
        console.print(
            f"Rôle {role}, valable jusqu'au {made.expires_at:%d/%m/%Y}. Ce jeton ne sera plus montré."
        )

    emit(data, as_json, render)


def _siren(text: str) -> str:
    from stdnum.exceptions import ValidationError
    from stdnum.fr import siren

    try:
        return str(siren.validate(text))
    except ValidationError:
        raise SonsError(
            ErrorCode.INVALID_IDENTIFIER,
            f"Le SIREN « {text[:40]} » est mal formé : neuf chiffres, clé comprise.",
        ) from None
