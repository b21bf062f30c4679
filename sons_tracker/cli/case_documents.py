"""`conflict graph` and `conflict evidence`: who is linked to whom around a case, and what proves it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import Token, read, write_bytes
from sons_tracker.cli.frame import YES, Json, emit, run
from sons_tracker.documents.words import plain
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.french import count_fr, date_fr

if TYPE_CHECKING:
    from datetime import datetime

    from sons_tracker.operations.actors import Actor

_Number = Annotated[str, typer.Argument(metavar="NUMÉRO", help="Numéro du dossier (CF-2023-000001).")]


def graph(
    number: _Number,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="OBJET", help="D'où part le chemin (numéro d'objet)."),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", metavar="OBJET", help="Où va le chemin (numéro d'objet).")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FICHIER", help="Écrit aussi l'image dans ce fichier.")
    ] = None,
    token: Token = None,
    as_json: Json = False,
) -> int:
    """Montre les liens autour d'un dossier, et pourquoi ses deux parties sont liées."""
    from sons_tracker.api.schemas.case_documents import graph_out
    from sons_tracker.documents.graph_picture import to_svg
    from sons_tracker.operations import graphs

    if (source is None) != (target is None):
        raise SonsError(ErrorCode.MALFORMED_COMMAND, "Un chemin a deux bouts : « --from » et « --to ».")
    ends = None if source is None or target is None else (source, target)

    async def reading(actor: Actor, at: datetime) -> Any:
        found = await graphs.conflict_graph(actor, number, at, ends)
        if svg is not None:
            write_bytes(to_svg(found.graph), svg)
        return graph_out(found)

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _show(console, body))
    return YES


def evidence(
    number: _Number,
    out: Annotated[Path, typer.Option("--out", metavar="FICHIER", help="Où écrire le ZIP.")],
    token: Token = None,
    as_json: Json = False,
) -> int:
    """Écrit le dossier de preuves d'un dossier : rapport, faits, graphe, journal, manifeste."""
    from sons_tracker import law
    from sons_tracker.operations import evidence as packs

    async def reading(actor: Actor, at: datetime) -> Any:
        pack = await packs.export(actor, number, law.load().law, at)
        write_bytes(pack.content, out)
        return {"file": str(out), "bytes": len(pack.content)}

    body = run(read(reading, token))
    size = count_fr(body["bytes"], "octet")
    emit(body, as_json, lambda console: console.print(f"{body['file']} : {size}.", markup=False))
    return YES


def _show(console: Console, body: Any) -> None:
    console.print(body["title"], markup=False, style="bold")
    console.print(body["description"], markup=False)
    for link in body["links"]:
        on = "" if link["on"] is None else f" ({_day(link['on'])})"
        told = f"{link['source_label']} {link['relation']} {link['target_label']}{on}"
        console.print(f"  {link['number']}. {plain(told)}", markup=False)
    if body["path"]:
        console.print()
        console.print("Pourquoi sont-ils liés ?", markup=False, style="bold")
        for sentence in body["path"]:
            console.print(f"  {plain(sentence)}", markup=False)


def _day(text: str) -> str:
    from datetime import date

    return date_fr(date.fromisoformat(text))
