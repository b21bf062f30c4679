"""Alerts from the terminal: raised over the nation, listed, dismissed. They decide nothing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import KeyName, Token, perform, read
from sons_tracker.cli.frame import YES, Json, choice, emit, run
from sons_tracker.cli.french import Cli
from sons_tracker.rules.families import PATTERNS
from sons_tracker.rules.french import count_fr

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

app = Cli(help="Alertes : des habitudes à regarder, qui ne décident de rien.")

_STATES = ("open", "dismissed", "ceased")


@app.command("raise")
def raise_alerts(token: Token = None, as_json: Json = False) -> int:
    """Cherche tous les motifs sur tout le pays ; sans jeton, comme l'administrateur."""

    async def raising(actor: Actor, at: datetime) -> Any:
        from sons_tracker import law
        from sons_tracker.api.schemas.alerts import alert_run_out
        from sons_tracker.operations import alerts

        return alert_run_out(await alerts.raise_all(actor, law.load().law, at))

    body = run(read(raising, token))
    emit(body, as_json, lambda console: _told(console, body))
    return YES


@app.command("list")
def list_alerts(
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="ÉTAT", parser=choice(*_STATES), help=f"{', '.join(_STATES)}."),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option("--pattern", metavar="MOTIF", parser=choice(*PATTERNS), help=f"{', '.join(PATTERNS)}."),
    ] = None,
    token: Token = None,
    as_json: Json = False,
) -> int:
    """Liste les alertes, de la plus récente à la plus ancienne ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, _at: datetime) -> Any:
        from sons_tracker.api.pages import encode_next
        from sons_tracker.api.schemas.alerts import AlertsFilters, alert_filter, alerts_out
        from sons_tracker.api.strict import validate
        from sons_tracker.operations.alert_reading import list_alerts as listing

        said = {name: value for name, value in (("state", state), ("pattern", pattern)) if value is not None}
        page = await listing(actor, alert_filter(validate(said, AlertsFilters)), None, 200)
        return alerts_out(page, encode_next(page.next_after))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _list(console, body))
    return YES


@app.command("dismiss")
def dismiss(
    alert: Annotated[str, typer.Argument(metavar="ALERTE", help="Numéro ou identifiant de l'alerte.")],
    reason: Annotated[str, typer.Option("--reason", metavar="MOTIF", help="Pourquoi elle est écartée.")],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Écarte une alerte, avec une raison ; elle revient si ce qu'elle constate change."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.alerts import render
        from sons_tracker.api.schemas.alerts import DismissalIn
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import alerts
        from sons_tracker.operations.alert_reading import resolve_alert

        given = validate({"reason": reason}, DismissalIn)
        return await alerts.dismiss(actor, await resolve_alert(actor, alert), given.reason, at, key, render)

    return perform("alert dismiss", (alert, reason), act, _show, token, key, as_json)


def _told(console: Console, body: dict[str, Any]) -> None:
    for one in body["patterns"]:
        new = count_fr(one["new"], "nouvelle")
        console.print(f"{one['label']} : {new}, {one['open']} à regarder", markup=False)
    console.print(
        f"{count_fr(body['returned'], 'revenue')}, {count_fr(len(body['reopened']), 'rouverte')},"
        f" {count_fr(body['ceased'], 'disparue')}",
        markup=False,
    )


def _list(console: Console, body: dict[str, Any]) -> None:
    for alert in body["alerts"]:
        _show(console, alert)
    console.print(count_fr(len(body["alerts"]), "alerte"), markup=False)


def _show(console: Console, alert: dict[str, Any]) -> None:
    console.print(f"{alert['number']} · {alert['state_label']} · {alert['message']}", markup=False)
