"""The law as data: check it, read it, compare it, put it in force."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker import law as texts
from sons_tracker.cli.frame import REFUSED, Json, day_option, emit, instance, paris_today, run
from sons_tracker.cli.french import Cli
from sons_tracker.cli.impact import impact
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.law.library import Library, read_folder
from sons_tracker.rules.french import count_fr

if TYPE_CHECKING:
    from sons_tracker.operations.enactment import Enactment

app = Cli(help="Le droit, en fichiers datés et sourcés : vérifier, lire, comparer, mettre en vigueur.")
app.command("impact")(impact)

_Folder = Annotated[
    Path | None,
    typer.Argument(metavar="DOSSIER", help="Dossier de fichiers « .toml » (par défaut : le droit livré)."),
]


@app.command()
def check(folder: _Folder = None, as_json: Json = False) -> None:
    """Vérifie les fichiers du droit : schéma, dates, sources, versions."""
    library = _library(folder)
    digest = library.law.digest
    data = {"valid": True, "digest": digest, "texts": sorted(library.documents)}
    emit(
        data,
        as_json,
        lambda console: console.print(
            f"Le droit est valide : {len(library.documents)} textes, empreinte {digest[:12]}…"
        ),
    )


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NOM", help="Texte (MS1-V1) ou valeur (MS1-V1.bareme).")],
    on: Annotated[date | None, day_option("Jour d'application (par défaut : aujourd'hui).")] = None,
    known_on: Annotated[
        date | None, day_option("Jour où l'on connaît les textes (par défaut : aujourd'hui).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ce que dit un texte un jour donné, tel que connu un autre jour."""
    today = paris_today()
    found = texts.show(texts.load(), name, on or today, known_on or today)

    def render(console: Console) -> None:
        console.print(f"{found['name']}, le {found['on']}, tel que connu le {found['known_on']}")
        for value, table in found["values"].items():
            console.print(f"\n[bold]{value}[/bold]")
            _print_value(console, table)

    emit(found, as_json, render)
    if all(table is None for table in found["values"].values()):
        raise typer.Exit(REFUSED)


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(metavar="AVANT", help="Dossier de fichiers du droit.")],
    after: Annotated[
        Path | None, typer.Argument(metavar="APRÈS", help="Autre dossier (par défaut : le droit livré).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ce qui change entre deux versions du droit."""
    found = texts.compare(_library(before), _library(after))
    data = [
        {"kind": one.kind, "name": one.name, "version": one.key, "before": one.before, "after": one.after}
        for one in found
    ]

    def render(console: Console) -> None:
        if not found:
            console.print("Aucune différence.")
        for one in found:
            console.print(f"[bold]{one.kind}[/bold] : {one.name}, version {one.key}")
            for sign, table in (("−", one.before), ("+", one.after)):
                for key, value in (table or {}).items():
                    if (one.before or {}).get(key) != (one.after or {}).get(key):
                        console.print(
                            f"  {sign} {key} = {json.dumps(value, ensure_ascii=False)}", markup=False
                        )

    emit({"differences": data}, as_json, render)


@app.command()
def enact(as_json: Json = False) -> None:
    """Met en vigueur, dans la base, le droit livré, et déplace les échéances qui courent encore."""
    known = texts.load().law

    async def work() -> Enactment:
        from sons_tracker.operations import clock, enactment
        from sons_tracker.operations.actors import LOCAL_ADMIN

        async with instance():
            return await enactment.enact(LOCAL_ADMIN, known, await clock.now())

    done = run(work())
    word = "est mis en vigueur" if done.is_new else "était déjà en vigueur"
    moved = count_fr(done.moved.deadlines, "échéance déplacée", "échéances déplacées")
    orders = count_fr(done.moved.orders, "commande", "commandes")

    def render(console: Console) -> None:
        console.print(f"Le droit d'empreinte {known.digest[:12]}… {word}.")
        if done.moved.orders:
            console.print(f"{moved}, sur {orders} ; les parties en sont averties.")

    data = {
        "digest": known.digest,
        "enacted": done.is_new,
        "orders_moved": done.moved.orders,
        "deadlines_moved": done.moved.deadlines,
    }
    emit(data, as_json, render)


def _library(folder: Path | None) -> Library:
    if folder is None:
        return texts.load()
    if not folder.is_dir() or not any(folder.glob("*.toml")):
        raise SonsError(ErrorCode.INVALID_FILE, f"« {folder} » n'est pas un dossier de fichiers « .toml ».")
    return read_folder(folder)


def _print_value(console: Console, table: dict[str, Any] | list[dict[str, Any]] | None) -> None:
    if table is None:
        console.print("  aucune version connue ce jour-là")
        return
    for one in table if isinstance(table, list) else [table]:
        for key, value in one.items():
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            console.print(f"  {key} : {shown}", markup=False)
