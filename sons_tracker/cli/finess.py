"""FINESS numbers and the register that holds them."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from sons_tracker.cli import registers
from sons_tracker.cli.frame import REFUSED, Json, emit
from sons_tracker.cli.french import Cli
from sons_tracker.errors import SonsError
from sons_tracker.rules.identifiers import parse_finess

app = Cli(help="Numéros et répertoire FINESS.")
app.command("import")(registers.import_finess)


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
