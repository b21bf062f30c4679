"""The reviewers' queue from the terminal: listed by risk or by age, or written for a spreadsheet."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import Output, Token, money, read, write_bytes
from sons_tracker.cli.frame import YES, Json, choice, emit, parse_count, run
from sons_tracker.cli.french import Cli
from sons_tracker.rules.french import count_fr

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.queue import QueuePage
    from sons_tracker.operations.queue_scores import QueueKey

app = Cli(help="File des contrôleurs : les dossiers de conflit, par risque ou par âge.")

_STATES = ("open", "precisions_asked", "og_choice", "decided", "executed", "closed")
_State = Annotated[
    str | None,
    typer.Option("--state", metavar="ÉTAT", parser=choice(*_STATES), help=f"{', '.join(_STATES)}."),
]
_Family = Annotated[str | None, typer.Option("--family", metavar="FAMILLE", help="two_orders, par exemple.")]
_Couloir = Annotated[str | None, typer.Option("--couloir", metavar="COULOIR", help="MS1, par exemple.")]
_Og = Annotated[str | None, typer.Option("--og", metavar="FINESS", help="FINESS juridique de l'OG.")]
_Region = Annotated[str | None, typer.Option("--region", metavar="RÉGION", help="Bretagne, par exemple.")]
_Assigned = Annotated[
    str | None,
    typer.Option("--assigned", metavar="QUI", help="me, none, ou l'identifiant d'une personne."),
]
_Risk = Annotated[
    int | None, typer.Option("--risk-from", metavar="POINTS", parser=parse_count, help="Au moins ce risque.")
]
_Overdue = Annotated[bool, typer.Option("--overdue", help="Ceux dont une réponse est en retard.")]
_Sort = Annotated[
    str, typer.Option("--sort", metavar="ORDRE", parser=choice("risk", "age"), help="risk ou age.")
]
_View = Annotated[str | None, typer.Option("--view", metavar="NOM", help="Une de vos vues enregistrées.")]


@app.command("list")
def list_cases(
    state: _State = None,
    family: _Family = None,
    couloir: _Couloir = None,
    og: _Og = None,
    region: _Region = None,
    assigned: _Assigned = None,
    risk_from: _Risk = None,
    overdue: _Overdue = False,
    sort: _Sort = "risk",
    view: _View = None,
    token: Token = None,
    as_json: Json = False,
) -> int:
    """Liste les dossiers de la file, les cinquante premiers ; sans jeton, comme l'administrateur."""
    asked = _said(state, family, couloir, og, region, assigned, risk_from, overdue, sort, view)

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.pages import encode_ranked
        from sons_tracker.api.schemas.queue import queue_out

        page = await _page(actor, asked, at, None, 50)
        return queue_out(page, encode_ranked(page.next_after))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _list(console, body))
    return YES


@app.command("export")
def export(
    state: _State = None,
    family: _Family = None,
    couloir: _Couloir = None,
    og: _Og = None,
    region: _Region = None,
    assigned: _Assigned = None,
    risk_from: _Risk = None,
    overdue: _Overdue = False,
    sort: _Sort = "risk",
    view: _View = None,
    form: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", parser=choice("csv", "xlsx"), help="csv ou xlsx."),
    ] = "csv",
    output: Output = None,
    token: Token = None,
) -> int:
    """Exporte la file en CSV ou en classeur ; sans jeton, comme l'administrateur."""
    asked = _said(state, family, couloir, og, region, assigned, risk_from, overdue, sort, view)

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.schemas.queue import queue_sheet
        from sons_tracker.exchanges.tables import sheet_csv, sheet_xlsx
        from sons_tracker.operations.queue import MOST_EXPORTED

        sheet = queue_sheet(await _page(actor, asked, at, None, MOST_EXPORTED))
        return (sheet_csv if form == "csv" else sheet_xlsx)(sheet).hex()

    write_bytes(bytes.fromhex(run(read(reading, token))), output)
    return YES


def _said(
    state: str | None,
    family: str | None,
    couloir: str | None,
    og: str | None,
    region: str | None,
    assigned: str | None,
    risk_from: int | None,
    overdue: bool,
    sort: str,
    view: str | None,
) -> dict[str, Any]:
    """What the options say, as the address of the queue would write it."""
    said = {
        "state": state, "family": family, "couloir": couloir, "og": og, "region": region,
        "assigned": assigned, "risk_from": risk_from, "overdue": overdue or None, "sort": sort, "view": view,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


async def _page(
    actor: Actor, asked: dict[str, Any], at: datetime, after: QueueKey | None, limit: int
) -> QueuePage:
    from sons_tracker import law
    from sons_tracker.api.schemas.queue import QueueQuery, queue_filter
    from sons_tracker.api.strict import validate
    from sons_tracker.operations import queue, saved_views

    query = validate(asked, QueueQuery)
    if query.view is not None:
        view = await saved_views.find_view(actor, query.view)
        query = validate({**view.filters, **asked}, QueueQuery)
    return await queue.read_queue(
        actor, queue_filter(query, actor), query.sort or "risk", law.load().law, at, after, limit
    )


def _list(console: Console, body: dict[str, Any]) -> None:
    for case in body["cases"]:
        clock = case["clock"]
        age = count_fr(clock["working_days"], "jour ouvré", "jours ouvrés")
        facts = (
            case["number"], f"risque {case['risk']['score']}", case["family_label"], case["state_label"],
            f"{money(case['at_stake_ttc'])} en jeu", age + (", horloge arrêtée" if clock["stopped"] else ""),
        )  # fmt: skip
        console.print(" · ".join(facts), markup=False)
        for reason in case["risk"]["reasons"]:
            console.print(f"    {reason['points']:>3}  {reason['message']}", markup=False)
    counts = [f"{count['label']} {count['count']}" for count in body["counts"] if count["count"]]
    console.print(" · ".join(counts) or "Aucun dossier.", markup=False)
