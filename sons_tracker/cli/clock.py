"""The clock of the instance: what time it is, and living on in a sandbox."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sons_tracker.cli.frame import REFUSED, YES, Json, emit, instance, run, sheet
from sons_tracker.cli.french import Cli
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.french import PARIS, count_fr, instant_fr
from sons_tracker.rules.schedule import DEADLINE_WORDS

if TYPE_CHECKING:
    from sons_tracker.operations.acts import Refused
    from sons_tracker.operations.clock import Advanced, ClockState, Event

app = Cli(help="Horloge de l'instance : la lire, l'avancer dans une démonstration.")

_OPENING = time(10)  # the hour at which a sandbox starts
_MODES = {
    "sandbox": "démonstration, horloge réglable",
    "real": "réelle, heure de la machine",
    "undeclared": "pas encore déclarée, heure de la machine",
}
_SHOWN = 30


@app.callback()
def group() -> None:
    """Horloge de l'instance : la lire, l'avancer dans une démonstration."""


@app.command("show")
def show(as_json: Json = False) -> int:
    """Montre l'instant dont tout acte de ce moment serait daté."""
    state = run(_show())
    data = {"mode": state.mode, "at": state.at.astimezone(PARIS)}
    rows = {"Instant": instant_fr(state.at), "Instance": _MODES[state.mode]}
    emit(data, as_json, lambda console: console.print(sheet(rows)))
    return YES


@app.command("advance")
def advance(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="AAAA-MM-JJ[THH:MM]",
            help="Jour, ou jour et heure de Paris ; un jour seul s'entend à 10 h 00, heure à laquelle une"
            " démonstration commence. Un décalage horaire peut être donné.",
        ),
    ],
    as_json: Json = False,
) -> int:
    """Avance l'horloge d'une démonstration ; les échéances prennent effet une à une, dans l'ordre."""
    from sons_tracker.api.clock import advanced_out
    from sons_tracker.operations.acts import Refused

    outcome = run(_advance(_parse(to)))
    if isinstance(outcome, Refused):
        reason = outcome.reasons[0]
        raise SonsError(ErrorCode.ACTION_REFUSED, reason.message, remedy=reason.remedy)
    emit(advanced_out(outcome), as_json, lambda console: _tell(console, outcome))
    return REFUSED if outcome.left_due else YES


def _parse(text: str) -> datetime:
    """An instant: a day, a wall-clock instant of Paris, or an instant with its offset.

    Raises:
        SonsError: `INVALID_DATE` for anything else, and for an hour that the change of hour skips in Paris.
    """
    try:
        if len(text) == len("AAAA-MM-JJ"):
            return datetime.combine(date.fromisoformat(text), _OPENING, PARIS)
        if text[len("AAAA-MM-JJ") :][:1] != "T":  # Python also reads 20231231, and a space
            raise ValueError(text)
        given = datetime.fromisoformat(text)
    except ValueError:
        raise SonsError(
            ErrorCode.INVALID_DATE,
            f"« {text[:40]} » n'est pas un instant.",
            remedy="Donner un jour, AAAA-MM-JJ, ou un jour et une heure, AAAA-MM-JJTHH:MM.",
        ) from None
    if given.tzinfo is not None:
        return given
    local = given.replace(tzinfo=PARIS)
    if local.astimezone(UTC).astimezone(PARIS).replace(tzinfo=None) != given:
        raise SonsError(
            ErrorCode.INVALID_DATE,
            f"« {text[:40]} » n'existe pas à Paris : cette heure est sautée au passage à l'heure d'été.",
            remedy="Choisir une heure avant ou après le changement d'heure.",
        )
    return local


async def _show() -> ClockState:
    from sons_tracker.operations import clock

    async with instance():
        return await clock.state()


async def _advance(to: datetime) -> Advanced | Refused:
    from sons_tracker.operations import clock
    from sons_tracker.operations.actors import LOCAL_ADMIN

    async with instance():
        return await clock.advance_to(LOCAL_ADMIN, to)


def _tell(console: Console, done: Advanced) -> None:
    console.print(f"Du {instant_fr(done.before)} au {instant_fr(done.after)} : {_events(done.total)}.")
    if done.events:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("Instant", "Commande", "Événement"):
            table.add_column(name, no_wrap=name != "Événement")
        for event in done.events[:_SHOWN]:
            table.add_row(
                f"{event.at.astimezone(PARIS):%d/%m/%Y %H:%M:%S}",
                event.facts.get("number", "—"),
                _words(event),
            )
        console.print(table)
    if done.total > _SHOWN:
        console.print(f"… et {_events(done.total - _SHOWN)} de plus.")
    if done.left_due:
        console.print(
            f"{count_fr(done.left_due, 'échéance')} en échec, à reprendre au prochain passage : le journal"
            " technique dit pourquoi.",
            style="bold red",
        )


def _events(count: int) -> str:
    return count_fr(count, "événement")


def _words(event: Event) -> str:
    from sons_tracker.operations.notices import EVENTS

    facts: dict[str, Any] = event.facts
    known = EVENTS.get(event.action)
    said = event.action if known is None else known.label
    if event.action == "deadline.reminder":
        return f"{said} : {DEADLINE_WORDS[facts['of']]}, {count_fr(facts['days'], 'jour')} avant"
    if event.action == "deadline.reached":
        return f"{said} : {DEADLINE_WORDS.get(facts['kind'], facts['kind'])}"
    return said
