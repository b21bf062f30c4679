"""Calendar feeds from the terminal: make, list, revoke."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import KeyName, Token, identifier, perform, read
from sons_tracker.cli.frame import YES, Json, emit, run
from sons_tracker.cli.french import Cli
from sons_tracker.settings import Settings

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

app = Cli(help="Calendriers des échéances, pour un agenda : créer, lister, révoquer.")


@app.command("create")
def create(token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Crée un calendrier de l'organisation du jeton ; son adresse n'est montrée qu'ici."""

    async def act(actor: Actor, at: datetime, name: Key) -> Answer:
        from sons_tracker.api.feeds import render_created
        from sons_tracker.api.webhooks import with_secret
        from sons_tracker.operations import feeds

        settings = Settings.from_env(os.environ)
        prefix = f"http://{settings.host}:{settings.port}/calendar/"
        return with_secret(await feeds.create(actor, at, name, render_created), "url", prefix, ".ics")

    def show(console: Console, feed: Any) -> None:
        console.print(f"Calendrier {feed['id']}")
        if feed["url"] is None:
            console.print("L'adresse a été montrée la première fois ; révoquez ce calendrier et créez-en un.")
        else:
            console.print(feed["url"], markup=False)
            console.print("Cette adresse vaut un mot de passe et ne sera plus montrée.")

    return perform("feed create", (), act, show, token, key, as_json)


@app.command("list")
def list_feeds(token: Token = None, as_json: Json = False) -> int:
    """Montre les calendriers de l'organisation du jeton, sans leurs adresses."""

    async def reading(actor: Actor, _: datetime) -> Any:
        from sons_tracker.api.schemas.outbox import feed_out
        from sons_tracker.operations import feeds

        return {"feeds": [feed_out(one) for one in await feeds.list_feeds(actor)]}

    found = run(read(reading, token))

    def render(console: Console) -> None:
        for feed in found["feeds"]:
            _show(console, feed)
        if not found["feeds"]:
            console.print("Aucun calendrier.")

    emit(found, as_json, render)
    return YES


@app.command("revoke")
def revoke(
    feed: Annotated[str, typer.Argument(metavar="IDENTIFIANT", help="Identifiant du calendrier.")],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Son adresse ne répond plus, aussitôt et pour toujours."""

    async def act(actor: Actor, at: datetime, name: Key) -> Answer:
        from sons_tracker.api.feeds import render_done
        from sons_tracker.operations import feeds

        return await feeds.revoke(actor, at, name, identifier(feed), render_done)

    return perform("feed revoke", (feed,), act, _show, token, key, as_json)


def _show(console: Console, feed: Any) -> None:
    state = f"révoqué le {feed['revoked_at']}" if feed["revoked_at"] else "actif"
    console.print(f"{feed['id']}  créé le {feed['created_at']}  {state}")
