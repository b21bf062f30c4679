"""Webhooks and notices from the terminal: register, turn, try, disable, replay, deliver what waits."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import KeyName, Token, identifier, perform, read
from sons_tracker.cli.frame import YES, Json, emit, instance, parse_count, run, sheet
from sons_tracker.cli.french import Cli
from sons_tracker.rules.french import count_fr
from sons_tracker.settings import Settings

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

app = Cli(help="Webhooks : enregistrer, essayer, rejouer, envoyer ce qui attend.")
notices = Cli(help="Avis à votre organisation : lire, rejouer.")

_ID = Annotated[str, typer.Argument(metavar="IDENTIFIANT", help="Identifiant du webhook.")]
_STATES = {
    "waiting": "en attente",
    "delivered": "remis",
    "dead": "abandonné",
    "unconfigured": "courrier non configuré",
}


@app.command("register")
def register(
    url: Annotated[str, typer.Argument(metavar="ADRESSE", help="Adresse publique en HTTPS.")],
    event: Annotated[
        list[str] | None,
        typer.Option(metavar="ÉVÉNEMENT", help="Un nom, un objet suivi de « .* » (par défaut : tous)."),
    ] = None,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Enregistre une adresse ; son secret n'est montré qu'ici."""
    events = tuple(event or ("*",))

    async def act(actor: Actor, at: datetime, name: Key) -> Answer:
        from sons_tracker.api.webhooks import render_created, with_secret
        from sons_tracker.operations import webhooks
        from sons_tracker.operations.proofs import Door

        settings = Settings.from_env(os.environ)
        door, loopback = Door.of(settings), settings.webhooks_on_loopback
        shown = await webhooks.register(
            actor, at, name, url, events, render_created, door=door, loopback=loopback
        )
        return with_secret(shown, "secret")

    return perform("webhook register", (url, events), act, _show_secret, token, key, as_json)


@app.command("list")
def list_webhooks(token: Token = None, as_json: Json = False) -> int:
    """Montre les webhooks de l'organisation du jeton."""

    async def reading(actor: Actor, _: datetime) -> Any:
        from sons_tracker.api.schemas.outbox import webhook_out
        from sons_tracker.operations import webhooks

        return {"webhooks": [webhook_out(one) for one in await webhooks.list_endpoints(actor)]}

    found = run(read(reading, token))

    def render(console: Console) -> None:
        for one in found["webhooks"]:
            _show(console, one)
        if not found["webhooks"]:
            console.print("Aucun webhook.")

    emit(found, as_json, render)
    return YES


@app.command("rotate")
def rotate(
    webhook: _ID,
    overlap: Annotated[
        int,
        typer.Option(
            metavar="HEURES", parser=parse_count, help="Heures où l'ancien secret signe encore, 168 au plus."
        ),
    ] = 24,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Renouvelle le secret ; le nouveau n'est montré qu'ici."""

    async def act(actor: Actor, at: datetime, name: Key) -> Answer:
        from sons_tracker.api.webhooks import render_done, with_secret
        from sons_tracker.operations import webhooks
        from sons_tracker.operations.proofs import Door

        hours, door = timedelta(hours=min(overlap, 100_000)), Door.of(Settings.from_env(os.environ))
        shown = await webhooks.rotate(actor, at, name, identifier(webhook), hours, render_done, door=door)
        return with_secret(shown, "secret")

    return perform("webhook rotate", (webhook, overlap), act, _show_secret, token, key, as_json)


@app.command("ping")
def ping(webhook: _ID, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Lui envoie un essai, à lui seul."""

    async def act(actor: Actor, at: datetime, name: Key) -> Answer:
        from sons_tracker.api.webhooks import render_done
        from sons_tracker.operations import webhooks

        return await webhooks.ping(actor, at, name, identifier(webhook), render_done)

    return perform("webhook ping", (webhook,), act, _show, token, key, as_json)


@app.command("disable")
def disable(webhook: _ID, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Le désactive, pour toujours."""

    async def act(actor: Actor, at: datetime, name: Key) -> Answer:
        from sons_tracker.api.webhooks import render_done
        from sons_tracker.operations import webhooks

        return await webhooks.disable(actor, at, name, identifier(webhook), render_done)

    return perform("webhook disable", (webhook,), act, _show, token, key, as_json)


@app.command("replay")
def replay(
    webhook: _ID,
    notice: Annotated[
        str | None, typer.Option(metavar="IDENTIFIANT", help="Un seul avis, par son identifiant.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Début de la période, décalage horaire compris.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="INSTANT", help="Fin de la période.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Dans la période, même ce qui lui est parvenu.")
    ] = False,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Lui renvoie un avis, ou ceux d'une période qui ne lui sont jamais parvenus."""
    asked = {"event_id": notice, "since": since, "until": until, "missed_only": not everything}

    async def act(actor: Actor, at: datetime, name: Key) -> Answer:
        from sons_tracker.api.schemas.outbox import ReplayIn, replay_request
        from sons_tracker.api.strict import validate
        from sons_tracker.api.webhooks import render_replay
        from sons_tracker.operations import replays

        request = replay_request(validate(asked, ReplayIn))
        return await replays.replay(actor, at, name, identifier(webhook), request, render_replay)

    request = (webhook, notice, since, until, everything)
    return perform("webhook replay", request, act, _show_replayed, token, key, as_json)


@app.command("deliver")
def deliver(as_json: Json = False) -> int:
    """Envoie ce qui attend, webhooks et courriels, puis s'arrête."""

    async def work() -> dict[str, int]:
        from sons_tracker.delivery import relay

        settings = Settings.from_env(os.environ)
        async with instance(settings):
            return dict(await relay.deliver_once(settings))

    tally = run(work())
    delivered, tried = tally.get("delivered", 0), sum(tally.values())

    def render(console: Console) -> None:
        console.print(f"{count_fr(delivered, 'envoi remis', 'envois remis')} sur {tried}.")
        if waiting := tally.get("failed", 0):
            console.print(f"{count_fr(waiting, 'envoi échoué', 'envois échoués')}, à tenter de nouveau.")
        if unconfigured := tally.get("unconfigured", 0):
            console.print(f"{count_fr(unconfigured, 'courriel')} sans serveur de courrier : SONS_SMTP_URL.")

    emit({"delivered": delivered, "tried": tried, "by_outcome": tally}, as_json, render)
    return YES


@notices.command("list")
def list_notices(
    after: Annotated[
        int,
        typer.Option(metavar="N", parser=parse_count, help="Où la lecture précédente s'était arrêtée."),
    ] = 0,
    token: Token = None,
    as_json: Json = False,
) -> int:
    """Montre les avis à l'organisation du jeton, cinquante au plus."""

    async def reading(actor: Actor, _: datetime) -> Any:
        from sons_tracker.api.schemas.outbox import notices_out
        from sons_tracker.operations import outbox

        return notices_out(await outbox.list_notices(actor, after, 50))

    page = run(read(reading, token))

    def render(console: Console) -> None:
        for notice in page["notices"]:
            sent = ", ".join(f"{count} {_STATES[state]}" for state, count in notice["deliveries"].items())
            number = notice["facts"].get("order_number")
            about = notice["label"] + (f", commande {number}" if number else "")
            console.print(f"{notice['at']}  {about}  ({sent or 'aucun envoi'})", markup=False)
        console.print(f"Suite : --after {page['next']}")

    emit(page, as_json, render)
    return YES


@notices.command("replay")
def replay_notice(
    notice: Annotated[str, typer.Argument(metavar="IDENTIFIANT", help="Identifiant de l'avis.")],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Le renvoie par toutes les voies qu'il a aujourd'hui."""

    async def act(actor: Actor, at: datetime, name: Key) -> Answer:
        from sons_tracker.api.webhooks import render_replay
        from sons_tracker.operations import replays

        return await replays.replay_notice(actor, at, name, identifier(notice), render_replay)

    return perform("notice replay", (notice,), act, _show_replayed, token, key, as_json)


def _show(console: Console, one: Any) -> None:
    state = "désactivé" if one["disabled_at"] else "en échec" if one["failing_since"] else "actif"
    rows = {
        "Webhook": one["id"],
        "Adresse": one["url"],
        "Événements": ", ".join(one["events"]),
        "État": state,
        "Envois": f"{one['waiting']} en attente, {count_fr(one['dead'], 'abandonné')}",
    }
    console.print(sheet(rows), markup=False)


def _show_secret(console: Console, one: Any) -> None:
    _show(console, one)
    if one["secret"] is None:
        console.print("Le secret a été montré la première fois ; « webhook rotate » en donne un nouveau.")
    else:
        console.print(one["secret"], markup=False)
        console.print("Ce secret ne sera plus montré.")


def _show_replayed(console: Console, answer: Any) -> None:
    console.print(f"{count_fr(answer['deliveries'], 'envoi remis', 'envois remis')} en file.")
