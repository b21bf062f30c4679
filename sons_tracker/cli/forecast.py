"""The forecast from the terminal: a table, or a file for a spreadsheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from sons_tracker.cli.frame import YES, Json, emit, instance, run
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.french import date_fr
from sons_tracker.rules.money import euros_fr

if TYPE_CHECKING:
    from sons_tracker.operations.forecast import Forecast

_By = Annotated[
    str,
    typer.Option(
        "--by", metavar="DIMENSIONS", help="month, dispositif, editor, region, séparées par des virgules."
    ),
]
_Csv = Annotated[Path | None, typer.Option("--csv", metavar="FICHIER", help="Écrit aussi un CSV.")]
_Xlsx = Annotated[Path | None, typer.Option("--xlsx", metavar="FICHIER", help="Écrit aussi un classeur.")]


def forecast(by: _By = "month", csv: _Csv = None, xlsx: _Xlsx = None, as_json: Json = False) -> int:
    """Dit ce qui est engagé, payé, à venir et à risque, sur toutes les commandes de l'instance."""
    from sons_tracker.api.forecast import forecast_out
    from sons_tracker.exchanges.forecast_file import forecast_csv, forecast_xlsx
    from sons_tracker.operations.forecast import DIMENSIONS, as_table

    wanted = [name.strip() for name in by.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in DIMENSIONS]:
        raise SonsError(
            ErrorCode.MALFORMED_COMMAND,
            f"« {unknown[0][:40]} » n'est pas une dimension ; dimensions : {', '.join(DIMENSIONS)}.",
        )
    found = run(_read(wanted))
    for path, write in ((csv, forecast_csv), (xlsx, forecast_xlsx)):
        if path is not None:
            try:
                path.write_bytes(write(as_table(found)))
            except OSError:
                raise SonsError(
                    ErrorCode.INVALID_FILE, f"Le fichier « {path} » ne peut pas être écrit."
                ) from None
    emit(forecast_out(found), as_json, lambda console: _show(console, found))
    return YES


async def _read(by: list[str]) -> Forecast:
    from sons_tracker import law
    from sons_tracker.operations import clock
    from sons_tracker.operations.actors import LOCAL_ADMIN
    from sons_tracker.operations.forecast import ForecastFilter, forecast

    async with instance():
        return await forecast(LOCAL_ADMIN, by, ForecastFilter(), law.load().law, await clock.now())


def _show(console: Console, found: Forecast) -> None:
    from sons_tracker.exchanges.forecast_file import DIMENSION_WORDS, MEASURE_WORDS
    from sons_tracker.rules.french import PARIS

    day = date_fr(found.as_of.astimezone(PARIS).date())
    table = Table(title=f"Prévision au {day}, en euros TTC", title_justify="left", title_style="bold")
    for name in found.by:
        table.add_column(DIMENSION_WORDS[name])
    for words in MEASURE_WORDS.values():
        table.add_column(words.removesuffix(" (€ TTC)"), justify="right", no_wrap=True)
    for row in found.rows:
        values = [getattr(row, name) for name in found.by]
        shown = ["inconnu" if v is None else v if isinstance(v, str) else f"{v:%m/%Y}" for v in values]
        table.add_row(*shown, *(euros_fr(row.cents[name]) for name in MEASURE_WORDS))
    blank = [""] * (len(found.by) - 1)
    total = ["Ensemble", *blank] if found.by else []
    table.add_row(*total, *(euros_fr(found.total[name]) for name in MEASURE_WORDS), style="bold")
    console.print(table)
