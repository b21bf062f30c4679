"""What a law would change before it is enacted: the differing versions, then the orders, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sons_tracker import law as texts
from sons_tracker.cli.frame import Json, day_option, emit, instance, run
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.law.library import Library
from sons_tracker.law.proposal import known_from, read_proposal, with_projects
from sons_tracker.rules.french import PARIS, count_fr, date_fr, until_fr
from sons_tracker.rules.lifecycle import ORDER_WORDS
from sons_tracker.rules.money import euros, euros_fr
from sons_tracker.rules.schedule import DEADLINE_WORDS
from sons_tracker.rules.texts import Limit

if TYPE_CHECKING:
    from sons_tracker.operations.impact import Change, OrderImpact, Tally, Tell

T = TypeVar("T")

_File = Annotated[
    Path | None,
    typer.Argument(
        metavar="FICHIER", help="Fichier « .toml » modifié du droit livré, ou dossier d'un droit entier."
    ),
]
_EFFECTS = {
    "moves": "sera déplacée à la mise en vigueur",
    "to_settle": "un contrôleur décidera",
    "frozen": "déjà décidé : ne changera pas",
}
_EFFECTS_OF_MANY = {
    "moves": "déplacées à la mise en vigueur",
    "to_settle": "laissés à un contrôleur",
    "frozen": "déjà décidés, qui ne changeront pas",
}
_KINDS = {"verdict": "verdicts", "deadline": "échéances", "amount": "montants"}
_AMOUNTS = {"total": "total TTC", "advance": "avance TTC", "solde": "solde TTC"}
_OUTCOMES = {"fail": "refus", "review": "à décider", "unknown": "inconnu", "warn": "attention", "pass": "oui"}  # nosec B105 # words that are shown


@dataclass(frozen=True, slots=True)
class _Answer:
    """The two laws, the day on which both are known, and what differs."""

    before: Library
    after: Library
    differences: Sequence[texts.Difference]
    known_on: date
    orders: Sequence[OrderImpact]
    tally: Tally


def impact(
    file: _File = None,
    projects: Annotated[
        bool, typer.Option("--with-projects", help="Lit les versions en projet comme si elles valaient.")
    ] = False,
    known_on: Annotated[
        date | None,
        day_option("Jour de la mise en vigueur (par défaut : aujourd'hui, ou le jour où tout est publié)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ce qu'un droit changerait aux commandes en cours : verdicts, échéances, montants. N'écrit rien."""
    if file is None and not projects:
        raise SonsError(
            ErrorCode.MALFORMED_COMMAND, "Il manque « FICHIER », ou l'option « --with-projects »."
        )
    before = texts.load()
    after = before if file is None else read_proposal(file)
    answer = run(_read(before, with_projects(after) if projects else after, known_on))
    emit(_data(answer), as_json, lambda console: _show(console, answer))


async def _read(before: Library, after: Library, asked: date | None) -> _Answer:
    from sons_tracker.operations import clock
    from sons_tracker.operations.actors import LOCAL_ADMIN
    from sons_tracker.operations.impact import impact as read_impact

    differences = texts.compare(before, after)
    async with instance():
        now = await clock.now()
        today = now.astimezone(PARIS).date()
        known_on = asked or max(today, known_from(differences) or today)
        at = now if known_on == today else datetime.combine(known_on, time.min, PARIS)
        orders: list[OrderImpact] = []
        with _progress(orders) as tell:
            tally = await read_impact(LOCAL_ADMIN, before.law, after.law, at, tell)
    return _Answer(before, after, differences, known_on, orders, tally)


@contextmanager
def _progress(orders: list[OrderImpact]) -> Iterator[Tell]:
    """Keeps the orders that come, and shows how far the reading is where somebody watches."""
    console = Console(stderr=True)
    columns = (TextColumn("Commandes lues"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("")

        def tell(page: Sequence[OrderImpact], read: int, total: int) -> None:
            orders.extend(page)
            bar.update(task, completed=read, total=total)

        yield tell


def _data(answer: _Answer) -> dict[str, Any]:
    return {
        "before": answer.before.law.digest,
        "after": answer.after.law.digest,
        "known_on": answer.known_on.isoformat(),
        "differences": [
            {"kind": d.kind, "name": d.name, "version": d.key, "before": d.before, "after": d.after}
            for d in answer.differences
        ],
        "orders": [
            {
                "id": str(order.id),
                "number": order.number,
                "state": order.state,
                "dispositif": order.dispositif,
                "changes": [_change_data(change) for change in order.changes],
            }
            for order in answer.orders
        ],
        "read": answer.tally.read,
        "touched": answer.tally.touched,
        "by_change": [
            {"kind": kind, "effect": effect, "orders": count}
            for (kind, effect), count in sorted(answer.tally.by_change.items())
        ],
    }


def _change_data(change: Change) -> dict[str, Any]:
    from sons_tracker.operations.impact import AmountChange, VerdictChange

    found: dict[str, Any] = {"kind": change.kind, "effect": change.effect}
    if isinstance(change, VerdictChange):
        found |= {"name": change.rule, "essms": change.essms}
        return {**found, "before": change.before, "after": change.after}
    if isinstance(change, AmountChange):
        before, after = _optional(euros, change.before_cents), _optional(euros, change.after_cents)
        return {**found, "name": f"{change.name}_ttc", "before": before, "after": after}
    before, after = _optional(_iso, change.before), _optional(_iso, change.after)
    return {**found, "name": change.name, "before": before, "after": after}


def _show(console: Console, answer: _Answer) -> None:
    console.print(
        f"Droit proposé {answer.after.law.digest[:12]}…, comparé au droit livré"
        f" {answer.before.law.digest[:12]}…, l'un et l'autre tels que connus le {date_fr(answer.known_on)}."
    )
    for one in answer.differences:
        console.print(f"  {one.kind} : {one.name}, version {one.key}", markup=False)
    if not answer.differences:
        console.print("  Aucune version ne diffère.")
    for order in answer.orders:
        console.print(f"[bold]{order.number}[/bold] ({ORDER_WORDS[order.state]}, {order.dispositif})")
        for change in order.changes:
            console.print(f"  {_sentence(change)} ({_EFFECTS[change.effect]})", markup=False)
    read = count_fr(answer.tally.read, "commande en cours lue", "commandes en cours lues")
    touched = count_fr(answer.tally.touched, "commande touchée", "commandes touchées")
    console.print(f"{read}, {touched}. Rien n'est écrit.")
    for (kind, effect), count in sorted(answer.tally.by_change.items()):
        console.print(f"  {_KINDS[kind]}, {_EFFECTS_OF_MANY[effect]} : {count_fr(count, 'commande')}")


def _sentence(change: Change) -> str:
    from sons_tracker.operations.impact import AmountChange, VerdictChange

    if isinstance(change, VerdictChange):
        essms = f", {count_fr(len(change.essms), 'ESSMS', 'ESSMS')}" if change.essms else ""
        return f"règle {change.rule}{essms} : {_OUTCOMES[change.before]} → {_OUTCOMES[change.after]}"
    if isinstance(change, AmountChange):
        before, after = _optional(euros_fr, change.before_cents), _optional(euros_fr, change.after_cents)
        return f"{_AMOUNTS[change.name]} : {before or 'aucun montant'} → {after or 'aucun montant'}"
    before, after = _optional(_until, change.before), _optional(_until, change.after)
    return f"{DEADLINE_WORDS[change.name]} : {before or 'aucune date'} → {after or 'aucune date'}"


def _optional(write: Callable[[T], str], value: T | None) -> str | None:
    return None if value is None else write(value)


def _iso(at: datetime) -> str:
    return at.astimezone(PARIS).isoformat(timespec="seconds")


def _until(at: datetime) -> str:
    local = at.astimezone(PARIS)
    return until_fr(Limit(local.date(), local))
