"""A piece examined at the terminal, before its digest is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sons_tracker.cli.frame import REFUSED, YES, Json, emit, existing_file, run, sheet
from sons_tracker.cli.french import Cli

if TYPE_CHECKING:
    from sons_tracker.api.schemas.pieces import PieceOut

app = Cli(help="Pièces : bons de commande, factures, VA.")

_NUMBERS = {"pages": "Pages", "members": "Fichiers", "sheets": "Feuilles"}


@app.callback()
def _pieces() -> None:
    """Pièces : bons de commande, factures, VA."""


@app.command("inspect")
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FICHIER", help="PDF, ZIP, XLSX ou XML à examiner.")],
    as_json: Json = False,
) -> int:
    """Dit ce qu'est un fichier, son empreinte, et ce qui empêcherait de le présenter ; rien n'est gardé."""
    from sons_tracker.api.schemas.pieces import piece_out
    from sons_tracker.operations.actors import LOCAL_ADMIN
    from sons_tracker.operations.pieces import inspect as inspect_piece

    with existing_file(file).open("rb") as opened:
        piece = piece_out(run(inspect_piece(LOCAL_ADMIN, opened)))
    emit(piece, as_json, lambda console: _print(console, file.name, piece))
    return YES if piece.acceptable else REFUSED


def _print(console: Console, name: str, piece: PieceOut) -> None:
    numbers = {label: getattr(piece, field) for field, label in _NUMBERS.items()}
    console.print(
        sheet(
            {
                "Fichier": name,
                "Type": (piece.kind or "inconnu").upper(),
                "Taille": f"{piece.size:,} octets".replace(",", "\u202f"),
                "SHA-256": piece.sha256,
                **{label: str(count) for label, count in numbers.items() if count is not None},
            }
        )
    )
    for one in piece.findings:
        where = f" ({one.where})" if one.where else ""
        console.print(f"  – {one.message}{where} {one.remedy}", markup=False)
    console.print("Cette pièce convient." if piece.acceptable else "Cette pièce ne peut pas être présentée.")
