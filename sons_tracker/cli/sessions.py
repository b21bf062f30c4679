"""The sessions of a person, from the terminal of the machine: listed, ended all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sons_tracker.cli.frame import Json, emit, instance, run
from sons_tracker.cli.french import Cli
from sons_tracker.rules.french import count_fr

if TYPE_CHECKING:
    from sons_tracker.operations.sessions import Session

app = Cli(help="Sessions d'une personne : les lister, les clore.")
_Person = Annotated[
    str, typer.Option("--person", metavar="PERSONNE", help="Identifiant, ou adresse électronique.")
]


@app.callback()
def group() -> None:
    """Sessions d'une personne : les lister, les clore."""


@app.command("list")
def list_sessions(person: _Person, as_json: Json = False) -> None:
    """Montre les sessions ouvertes d'une personne."""
    from sons_tracker.api.schemas.accounts import session_out
    from sons_tracker.operations import person_sessions, privacy
    from sons_tracker.operations.actors import LOCAL_ADMIN
    from sons_tracker.operations.messages import instant

    async def work() -> tuple[Session, ...]:
        async with instance():
            return await person_sessions.list_of(LOCAL_ADMIN, await privacy.find(LOCAL_ADMIN, person))

    found = run(work())

    def render(console: Console) -> None:
        for one in found:
            seen, until = instant(one.last_seen_at), instant(one.expires_at)
            console.print(f"{one.id}  {one.role}, vue le {seen}, jusqu'au {until}")
        if not found:
            console.print("Aucune session ouverte.")

    emit({"sessions": [session_out(one) for one in found]}, as_json, render)


@app.command()
def revoke(person: _Person, as_json: Json = False) -> None:
    """Clôt toutes les sessions d'une personne ; ses jetons restent."""
    from sons_tracker.operations import clock, person_sessions, privacy
    from sons_tracker.operations.actors import LOCAL_ADMIN

    async def work() -> int:
        async with instance():
            found = await privacy.find(LOCAL_ADMIN, person)
            return await person_sessions.end_all_here(LOCAL_ADMIN, found, await clock.now())

    count = run(work())
    said = f"{count_fr(count, 'session close', 'sessions closes')}." if count else "Aucune session ouverte."
    emit({"sessions_closed": count}, as_json, lambda console: console.print(said))
