"""`audit measure`: how much the detection finds of what was planted, on invented nations."""

from __future__ import annotations

import asyncio
import os
import signal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sons_tracker.cli.frame import REFUSED, YES, Json, choice, emit, parse_count, run
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.families import FAMILIES
from sons_tracker.rules.french import count_fr
from sons_tracker.settings import Settings

if TYPE_CHECKING:
    from sons_tracker.operations.measures import Measure, Score

_Seeds = Annotated[
    list[int] | None,
    typer.Option(
        "--seed",
        parser=parse_count,
        metavar="GRAINE",
        help="Graine d'une nation fictive ; l'option se répète (par défaut : 1, 2 et 3).",
    ),
]
_Size = Annotated[
    str,
    typer.Option(
        "--size",
        parser=choice("quick", "national"),
        metavar="TAILLE",
        help="« national » : 105 000 établissements ; « quick » : 12 000.",
    ),
]
_Without = Annotated[
    str | None,
    typer.Option(
        "--without",
        parser=choice(*FAMILIES),
        metavar="FAMILLE",
        help="Ne lance pas la détection de cette famille : la mesure doit alors échouer.",
    ),
]


def measure(
    seed: _Seeds = None, size: _Size = "national", without: _Without = None, as_json: Json = False
) -> int:
    """Mesure la détection sur des nations fictives, dont les conflits sont connus d'avance.

    Chaque graine a sa base, créée puis supprimée. Code de sortie 1 si un seuil n'est pas tenu.
    """
    seeds = list(dict.fromkeys(seed or (1, 2, 3)))
    measures = run(_measured(seeds, size, without))
    holds = all(one.holds for one in measures)
    answer = {"size": size, "without": without, "holds": holds, "seeds": [_out(one) for one in measures]}
    emit(answer, as_json, lambda console: _show(console, measures))
    return YES if holds else REFUSED


async def _measured(seeds: list[int], size: str, without: str | None) -> list[Measure]:
    from sons_tracker import law
    from sons_tracker.db import engine
    from sons_tracker.db.scratch import scratch_database
    from sons_tracker.operations import measures

    settings, texts, found = Settings.from_env(os.environ), law.load().law, []
    # Asked to stop, it stops as when interrupted from the keyboard: the database is dropped. A handler of its
    # own: a process started in the background ignores the keyboard, and would ignore this too.
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a coroutine that runs has its task"
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        for seed in seeds:
            async with scratch_database(settings) as opened:
                await engine.start(opened.app_dsn, role=opened.app_role)
                try:
                    nation = await measures.load(opened.owner_dsn, seed, size, texts)
                    found.append(await measures.measure(nation, texts, without))
                finally:
                    await engine.stop()
    except ValueError:
        raise SonsError(ErrorCode.MALFORMED_COMMAND, "Cette nation est trop petite.") from None
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    return found


def _out(one: Measure) -> dict[str, Any]:
    return {
        "seed": one.seed,
        "holds": one.holds,
        "orders": one.orders,
        "lines": one.lines,
        "grants": one.grants,
        "seconds": round(one.seconds, 2),
        "families": [_score_out(score) for score in one.families],
        "patterns": [_score_out(score) for score in one.patterns],
        "near_misses": {
            "planted": one.spared,
            "found": [
                {"family": family, "essms": essms, "story": story} for family, essms, story in one.near_misses
            ],
        },
    }


def _score_out(score: Score) -> dict[str, Any]:
    return {
        "code": score.code,
        "label": score.label,
        "planted": score.planted,
        "found": score.found,
        "missed": score.missed,
        "wrong": score.wrong,
        "recall": _decimals(score.recall),
        "precision": _decimals(score.precision),
        "bar": _decimals(score.bar),
        "holds": score.holds,
    }


def _decimals(part: Fraction | None) -> str | None:
    """A part of one with two decimals, rounded down: what is not whole is not shown as whole."""
    if part is None:
        return None
    hundredths = int(part * 100)
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _show(console: Console, measures: list[Measure]) -> None:
    for one in measures:
        console.print(_table(one), "", sep="\n")
        spared = count_fr(one.spared, "faux-semblant planté", "faux-semblants plantés")
        taken = count_fr(len(one.near_misses), "pris", "pris")
        seconds = f"{one.seconds:.1f}".replace(".", ",")
        console.print(f"{spared}, {taken} pour un conflit. Détection : {seconds} s.", markup=False)
        for family, essms, story in one.near_misses:
            console.print(f"  – {FAMILIES[family].label}, {essms} : {story}", markup=False)
        console.print()
    held = all(one.holds for one in measures)
    console.print("Seuils tenus." if held else "Seuils manqués.", style="bold")


def _table(one: Measure) -> Table:
    sizes = (
        count_fr(one.orders, "commande"),
        count_fr(one.lines, "ligne"),
        count_fr(one.grants, "ligne de financement", "lignes de financement"),
    )
    title = f"Graine {one.seed} : {', '.join(sizes)}"
    # plain and narrow: the names of the families fold, the figures never do
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column("Famille", min_width=24)
    for words in ("Plantés", "Trouvés", "Manqués", "En trop", "Rappel", "Précision", "Seuil"):
        table.add_column(words, justify="right", no_wrap=True)
    for score in one.families:
        table.add_row(*_cells(score), _shown(score.bar) if score.holds else "manqué")
    table.add_row()
    for score in one.patterns:
        table.add_row(*_cells(score), "alerte")
    return table


def _cells(score: Score) -> tuple[str, ...]:
    counts = (score.planted, score.found, score.missed, score.wrong)
    return score.label, *map(str, counts), _shown(score.recall), _shown(score.precision)


def _shown(part: Fraction | None) -> str:
    return (_decimals(part) or "–").replace(".", ",")
