"""Samples for audits after payment from the terminal: drawn, shown, drawn again, exported."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import KeyName, Output, Token, money, perform, read, write_bytes
from sons_tracker.cli.frame import YES, Json, choice, emit, parse_count, run, sheet
from sons_tracker.cli.french import Cli
from sons_tracker.rules.french import count_fr

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

app = Cli(help="Échantillons à contrôler après paiement : tirer, montrer, refaire, exporter.")

_Sample = Annotated[
    str, typer.Argument(metavar="ÉCHANTILLON", help="Numéro ou identifiant de l'échantillon.")
]


@app.command("draw")
def draw(
    seed: Annotated[str, typer.Option("--seed", metavar="GRAINE", help="La même redonne le même tirage.")],
    size: Annotated[
        int, typer.Option("--size", metavar="NOMBRE", parser=parse_count, help="Combien d'unités.")
    ],
    unit: Annotated[
        str,
        typer.Option(
            "--unit", metavar="UNITÉ", parser=choice("line", "order"), help="line (un ESSMS) ou order."
        ),
    ] = "line",
    what: Annotated[
        str,
        typer.Option("--what", metavar="QUOI", parser=choice("paid", "settled"), help="paid ou settled."),
    ] = "paid",
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="INSTANT", help="Payé jusqu'à cet instant, par défaut maintenant."),
    ] = None,
    at_least_one: Annotated[
        bool, typer.Option("--at-least-one", help="Au moins une unité par strate.")
    ] = False,
    couloir: Annotated[
        str | None, typer.Option("--couloir", metavar="COULOIR", help="MS1, par exemple.")
    ] = None,
    tranche: Annotated[str | None, typer.Option("--tranche", metavar="LETTRE", help="De A à F.")] = None,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Tire un échantillon de ce qui est payé, stratifié par couloir, tranche et éditeur, et le garde."""
    asked = {
        "seed": seed, "size": size, "unit": unit, "what": what, "until": until,
        "at_least_one": at_least_one, "couloir": couloir, "tranche": tranche,
    }  # fmt: skip
    said = {name: value for name, value in asked.items() if value is not None}

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.samples import render
        from sons_tracker.api.schemas.samples import SampleIn, criteria_of
        from sons_tracker.api.strict import validate
        from sons_tracker.operations.samples import draw_sample

        body = validate(said, SampleIn)
        return await draw_sample(actor, criteria_of(body, at), body.seed, law.load().law, at, key, render)

    return perform("sample draw", tuple(said.items()), act, _show, token, key, as_json)


@app.command("show")
def show(sample: _Sample, token: Token = None, as_json: Json = False) -> int:
    """Montre un échantillon, et si sa population a changé depuis ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, _at: datetime) -> Any:
        from sons_tracker import law
        from sons_tracker.api.schemas.samples import redraw_out, sample_out
        from sons_tracker.operations.sample_reading import find_sample
        from sons_tracker.operations.samples import redraw

        kept = await find_sample(actor, sample)
        again = await redraw(actor, kept.id, law.load().law)
        return {"sample": sample_out(kept), "redraw": redraw_out(again)}

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _both(console, body))
    return YES


@app.command("export")
def export(
    sample: _Sample,
    form: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", parser=choice("csv", "xlsx"), help="csv ou xlsx."),
    ] = "csv",
    output: Output = None,
    token: Token = None,
) -> int:
    """Exporte les unités d'un échantillon ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, _at: datetime) -> Any:
        from sons_tracker.api.schemas.samples import MOST_DRAWN, sample_sheet
        from sons_tracker.exchanges.tables import sheet_csv, sheet_xlsx
        from sons_tracker.operations.sample_reading import find_sample, list_lines

        kept = await find_sample(actor, sample)
        found = sample_sheet(await list_lines(actor, kept.id, 0, MOST_DRAWN))
        return (sheet_csv if form == "csv" else sheet_xlsx)(found).hex()

    write_bytes(bytes.fromhex(run(read(reading, token))), output)
    return YES


def _show(console: Console, body: dict[str, Any]) -> None:
    rows = {
        "Échantillon": body["number"],
        "Graine": body["seed"],
        "Tirées": f"{body['size']} sur {body['population']}",
        "Population": money(body["population_ttc"]),
        "Empreinte": body["population_sha256"],
    }
    console.print(sheet(rows), markup=False)
    for one in body["strata"]:
        stratum = f"{one['couloir']} · tranche {one['tranche']} · éditeur {one['editor']}"
        console.print(f"  {stratum} : {one['drawn']} sur {one['population']}", markup=False)


def _both(console: Console, body: dict[str, Any]) -> None:
    _show(console, body["sample"])
    again = body["redraw"]
    if again["unchanged"]:
        console.print("La population est la même : le tirage redonne cet échantillon.", markup=False)
        return
    lost, gained = (count_fr(len(again[name]), "unité") for name in ("lost", "gained"))
    console.print(
        f"La population a changé ({count_fr(again['population'], 'unité')}) : refait, le tirage perdrait"
        f" {lost} et en gagnerait {gained}.",
        markup=False,
    )
