"""FINESS numbers and the register that holds them."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from sons_tracker.cli import registers, successions
from sons_tracker.cli.frame import REFUSED, Json, day_option, emit, parse_count
from sons_tracker.cli.french import Cli
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.identifiers import parse_finess

_REFERENCE = date(2022, 1, 3)  # the extraction that most orders of vague 1 refer to

app = Cli(help="Numéros et répertoire FINESS.")
app.command("import")(registers.import_finess)
app.command("diff")(successions.diff)
app.command("successions")(successions.successions)
app.command("confirm")(successions.confirm)
app.command("dismiss")(successions.dismiss)


@app.command()
def check(
    number: Annotated[str, typer.Argument(metavar="NUMÉRO", help="Numéro FINESS, avec ou sans espaces.")],
    as_json: Json = False,
) -> None:
    """Vérifie un numéro FINESS : sortie 1 si sa clé est fausse, 2 s'il est mal formé."""
    try:
        found = parse_finess(number)
    except SonsError as error:
        expected = _with_right_key(number)
        if expected is None:
            raise
        reason = f"{error.faults[0].message} Avec ces huit premiers caractères, la clé serait {expected[-1]}."
        emit(
            {"number": number, "valid": False, "reason": reason, "expected_key": expected[-1]},
            as_json,
            lambda console: console.print(f"Numéro incorrect. {reason}", markup=False),
        )
        raise typer.Exit(REFUSED) from None
    emit(
        {"number": found, "valid": True},
        as_json,
        lambda console: console.print(f"{found} : numéro FINESS bien formé, clé exacte."),
    )


def _with_right_key(text: str) -> str | None:
    """The number with the one last digit that would fit, when only the key is wrong."""
    for key in "0123456789":
        with suppress(SonsError):
            return parse_finess(text.strip()[:-1] + key)
    return None


@app.command()
def generate(
    folder: Annotated[Path, typer.Argument(metavar="DOSSIER", help="Dossier où écrire les deux fichiers.")],
    establishments: Annotated[
        int,
        typer.Option(
            parser=parse_count, metavar="NOMBRE", help="Nombre d'établissements ; 105 000 pour un pays."
        ),
    ] = 105_000,
    seed: Annotated[
        int, typer.Option(parser=parse_count, metavar="GRAINE", help="Même graine, mêmes octets.")
    ] = 1,
    extracted_on: Annotated[date | None, day_option("Date déclarée (par défaut : 2022-01-03).")] = None,
    as_json: Json = False,
) -> None:
    """Écrit un répertoire national fictif (cs1100501 et cs1100502), pour les essais et les mesures."""
    from sons_tracker.registers.synthetic import generate as write

    try:
        declared = extracted_on or _REFERENCE
        made = write(folder, seed=seed, establishments=establishments, extracted_on=declared)
    except ValueError:
        raise SonsError(
            ErrorCode.MALFORMED_COMMAND, "Le nombre d'établissements va de 10 à 200 000."
        ) from None
    except OSError:
        raise SonsError(
            ErrorCode.INVALID_FILE, f"Le dossier « {folder} » ne peut pas recevoir les fichiers."
        ) from None
    files = {"establishments": str(made.establishments), "legal_entities": str(made.legal_entities)}
    counts = {"essms": made.essms, "og": made.og, "establishment_rows": made.establishment_rows}
    emit(
        {**files, **counts},
        as_json,
        lambda console: console.print(
            f"Répertoire fictif : {made.establishment_rows} établissements, dont {made.essms} ESSMS"
            f" de {made.og} OG.\n{made.legal_entities}\n{made.establishments}",
            markup=False,
        ),
    )
