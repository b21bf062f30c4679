"""Reservations from the terminal: make, show, list, renew, drop. The files are the bodies of the API."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import KeyName, Token, identifier, perform, read, read_bytes
from sons_tracker.cli.frame import YES, Json, choice, emit, parse_count, run
from sons_tracker.cli.french import Cli

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

app = Cli(help="Réservations d'ESSMS : réserver, lire, renouveler, lever.")

MOST_BYTES = 1 << 20
_File = Annotated[Path, typer.Argument(metavar="FICHIER", help="Réservation en JSON, comme à l'API.")]
_Reservation = Annotated[str, typer.Argument(metavar="IDENTIFIANT", help="Identifiant de la réservation.")]
_WORDS = {"reserved": "réservé", "ordered": "commandé", "given_back": "rendu"}


@app.command("make")
def make(file: _File, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Réserve des ESSMS pendant la signature d'une commande : tous, ou aucun."""
    content = read_bytes(file, MOST_BYTES)

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.reservations import render_new
        from sons_tracker.api.schemas.reservations import ReservationIn, reservation_request
        from sons_tracker.api.strict import decode_bytes
        from sons_tracker.operations import reservations

        asked = reservation_request(decode_bytes(content, ReservationIn))
        return await reservations.reserve(actor, asked, law.load().law, at, key, render_new)

    return perform("reservation make", (content,), act, _show, token, key, as_json)


@app.command("show")
def show(reservation: _Reservation, token: Token = None, as_json: Json = False) -> int:
    """Montre une réservation : ses ESSMS, son terme, ce qui peut en être fait ; sans jeton, comme
    l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker import law
        from sons_tracker.api.schemas.reservations import reservation_out
        from sons_tracker.operations.reservation_reading import find_reservation

        wanted = identifier(reservation)
        return reservation_out(await find_reservation(actor, wanted, law.load().law, at))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _show(console, body))
    return YES


@app.command("list")
def list_all(
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            parser=choice("active", "converted", "expired", "dropped"),
            metavar="ÉTAT",
            help="active, converted, expired ou dropped.",
        ),
    ] = None,
    og: Annotated[
        str | None,
        typer.Option("--og", metavar="FINESS", help="FINESS juridique de l'organisme gestionnaire."),
    ] = None,
    essms: Annotated[
        str | None, typer.Option("--essms", metavar="FINESS", help="FINESS géographique d'un ESSMS réservé.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", parser=parse_count, metavar="NOMBRE", help="Combien au plus.")
    ] = 20,
    token: Token = None,
    as_json: Json = False,
) -> int:
    """Liste les réservations, de la plus récente à la plus ancienne ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker import law
        from sons_tracker.api.schemas.reservations import reservation_out
        from sons_tracker.operations.reservation_reading import ReservationFilter, list_reservations
        from sons_tracker.rules.identifiers import parse_geographique, parse_juridique

        narrowed = ReservationFilter(
            state,
            None if og is None else parse_juridique(og, "--og"),
            None if essms is None else parse_geographique(essms, "--essms"),
        )
        page = await list_reservations(actor, narrowed, None, limit, law.load().law, at)
        return [reservation_out(one) for one in page.reservations]

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _show_list(console, body))
    return YES


@app.command("renew")
def renew(reservation: _Reservation, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Renouvelle une réservation : sa durée recommence aujourd'hui."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.reservations import render
        from sons_tracker.operations import reservations

        return await reservations.renew(actor, identifier(reservation), law.load().law, at, key, render)

    return perform("reservation renew", (reservation,), act, _show, token, key, as_json)


@app.command("drop")
def drop(reservation: _Reservation, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Lève une réservation : les ESSMS qu'aucune commande n'a pris sont rendus."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.reservations import render
        from sons_tracker.operations import reservations

        return await reservations.drop(actor, identifier(reservation), law.load().law, at, key, render)

    return perform("reservation drop", (reservation,), act, _show, token, key, as_json)


def _show(console: Console, body: Any) -> None:
    """Prints a reservation: what it holds, until when, and what can be done with it."""
    console.print(f"Réservation {body['number']} : {body['state_label']}, {_line(body)}")
    console.print(f"Identifiant : {body['id']}")
    for line in body["essms"]:
        by = f" (commande {line['order_number']})" if line["order_number"] else ""
        console.print(f"{line['finess']} : {_WORDS[line['state']]}{by}")
    for action in body["actions"]:
        why = "possible" if action["possible"] else action["reasons"][0]["message"]
        console.print(f"{action['label']} : {why}", markup=False)


def _show_list(console: Console, body: Any) -> None:
    if not body:
        console.print("Aucune réservation.")
    for one in body:
        console.print(f"{one['number']} · {one['state_label']} · {_line(one)}")
        console.print(f"    {one['id']}")


def _line(body: Any) -> str:
    """`organisme 990000010, jusqu'au 16 mars 2023. ESSMS encore réservés : 2 sur 3`."""
    from sons_tracker.rules.french import date_fr

    at = datetime.fromisoformat(body["expires_at"])
    hour = "" if f"{at:%H:%M:%S}" == "23:59:59" else f" à {at:%H h %M}"
    held = f"ESSMS encore réservés : {body['held']} sur {len(body['essms'])}"
    return f"organisme {body['og']}, jusqu'au {date_fr(at.date())}{hour}. {held}"
