"""Personal data from the terminal: give a person what is kept about them, correct it, erase their words."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from sons_tracker.cli.frame import Json, emit, instance, run
from sons_tracker.cli.french import Cli
from sons_tracker.rules.french import count_fr

app = Cli(help="Données personnelles : remettre ce qui est conservé d'une personne, rectifier, effacer.")
_Person = Annotated[
    str, typer.Argument(metavar="PERSONNE", help="Identifiant de la personne, ou son adresse électronique.")
]


@app.callback()
def group() -> None:
    """Données personnelles : remettre ce qui est conservé d'une personne, rectifier, effacer."""


@app.command()
def export(person: _Person, as_json: Json = False) -> None:
    """Remet tout ce qui est conservé d'une personne ; la remise est inscrite au journal."""
    from sons_tracker.operations import clock, privacy
    from sons_tracker.operations.actors import LOCAL_ADMIN

    async def work() -> privacy.Kept:
        async with instance():
            found = await privacy.find(LOCAL_ADMIN, person)
            return await privacy.export(LOCAL_ADMIN, await clock.now(), found)

    kept = run(work())

    def render(console: Console) -> None:
        for place, rows in kept.rows.items():
            console.print(f"{place} : {len(rows)} ligne{'s' if len(rows) > 1 else ''}", markup=False)
        console.print("L'option « --json » donne le contenu de chaque ligne, à remettre à la personne.")

    emit({"person_id": str(kept.person_id), "rows": kept.rows}, as_json, render)


@app.command()
def rectify(
    person: _Person,
    name: Annotated[str | None, typer.Option(metavar="NOM", help="Nom exact.")] = None,
    email: Annotated[str | None, typer.Option(metavar="ADRESSE", help="Adresse électronique exacte.")] = None,
    as_json: Json = False,
) -> None:
    """Rectifie le nom ou l'adresse électronique d'une personne ; le journal dit quoi, jamais les valeurs."""
    from sons_tracker.operations import clock, privacy
    from sons_tracker.operations.actors import LOCAL_ADMIN

    async def work() -> tuple[str, ...]:
        async with instance():
            found = await privacy.find(LOCAL_ADMIN, person)
            return await privacy.rectify(LOCAL_ADMIN, await clock.now(), found, name=name, email=email)

    changed = run(work())
    words = {"name": "nom", "email": "adresse électronique"}
    said = f"Rectifié : {', '.join(words[one] for one in changed)}." if changed else "Rien n'était à changer."
    emit({"changed": changed}, as_json, lambda console: console.print(said))


@app.command("erase-text")
def erase_text(
    entry: Annotated[
        int, typer.Argument(metavar="ÉCRITURE", help="Numéro de l'écriture du journal (« id »).")
    ],
    reason: Annotated[str, typer.Option(metavar="RAISON", help="Pourquoi ; elle est inscrite au journal.")],
    as_json: Json = False,
) -> None:
    """Efface pour toujours ce qu'une personne a écrit dans un acte ; l'écriture du journal reste, scellée."""
    from sons_tracker.operations import clock, journal_texts
    from sons_tracker.operations.actors import LOCAL_ADMIN

    async def work() -> int:
        async with instance():
            return await journal_texts.erase(LOCAL_ADMIN, await clock.now(), entry, reason)

    erased = run(work())
    emit(
        {"journal_id": entry, "erased": erased},
        as_json,
        lambda console: console.print(f"{count_fr(erased, 'texte effacé', 'textes effacés')}."),
    )
