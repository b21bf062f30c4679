"""Orders from the terminal: simulate, submit, show. The files are the bodies of the API."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console

from sons_tracker.cli.frame import REFUSED, YES, Json, emit, existing_file, instance, run
from sons_tracker.cli.french import Cli
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.money import euros_fr, parse_euros
from sons_tracker.settings import Settings

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.requests import OrderRequest
    from sons_tracker.operations.views import OrderView

app = Cli(help="Commandes : déposer, lire.")

MOST_BYTES = 2 * 1024 * 1024
_File = Annotated[Path, typer.Argument(metavar="FICHIER", help="Commande en JSON, comme à l'API.")]
_Token = Annotated[
    str | None,
    typer.Option("--token", metavar="JETON", help="Jeton de l'acteur (par défaut : la variable SONS_TOKEN)."),
]
_Key = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="CLÉ", help="Clé d'idempotence (par défaut : l'empreinte du fichier, rejouable)."
    ),
]
_DECISIONS = {"accepted": "recevable", "to_review": "à instruire", "refused": "refusée"}


def simulate(file: _File, token: _Token = None, as_json: Json = False) -> int:
    """Dit ce que le droit répondrait à une commande, sans rien garder."""
    from sons_tracker.api.schemas.orders import assessment_out

    view = run(_simulate(_read(file), token))
    emit(assessment_out(view), as_json, lambda _: show_order(view))
    return REFUSED if view.decision == "refused" else YES


@app.command("submit")
def submit(file: _File, token: _Token = None, key: _Key = None, as_json: Json = False) -> int:
    """Dépose une commande pour l'organisation du jeton ; un refus est gardé et sort avec le code 1."""
    content = _read(file)
    name = key or f"fichier-{hashlib.sha256(content).hexdigest()}"
    status, body = run(_submit(content, token, name))
    emit(body, as_json, lambda console: _show_answer(console, body))
    return YES if status == 201 else REFUSED


@app.command("show")
def show(
    order_id: Annotated[str, typer.Argument(metavar="IDENTIFIANT", help="Identifiant de la commande.")],
    token: _Token = None,
    as_json: Json = False,
) -> int:
    """Montre une commande : montants, échéances, verdicts ; sans jeton, comme l'administrateur."""
    from sons_tracker.api.schemas.orders import assessment_out

    view = run(_show(order_id, token))
    emit(assessment_out(view), as_json, lambda _: show_order(view))
    return YES


def _read(file: Path) -> bytes:
    path = existing_file(file)
    if path.stat().st_size > MOST_BYTES:
        raise SonsError(ErrorCode.INVALID_FILE, f"Le fichier « {path} » dépasse 2 Mio.")
    return path.read_bytes()


def _request(content: bytes) -> OrderRequest:
    from sons_tracker.api.schemas.orders import OrderIn, order_request
    from sons_tracker.api.strict import decode_bytes

    return order_request(decode_bytes(content, OrderIn))


async def _actor(token: str | None, default: Actor) -> Actor:
    from sons_tracker.operations.actors import authenticate

    secret = token or os.environ.get("SONS_TOKEN")
    if not secret:
        return default
    actor = await authenticate(secret)
    if actor is None:
        raise SonsError(ErrorCode.UNAUTHENTICATED, "Le jeton est inconnu, expiré ou révoqué.")
    return actor


async def _simulate(content: bytes, token: str | None) -> OrderView:
    from sons_tracker import law
    from sons_tracker.operations import clock, simulations
    from sons_tracker.operations.actors import ANONYMOUS

    request = _request(content)
    async with instance():
        actor = await _actor(token, ANONYMOUS)
        return await simulations.simulate(actor, request, law.load().law, await clock.now())


async def _submit(content: bytes, token: str | None, name: str) -> tuple[int, Any]:
    from sons_tracker import law
    from sons_tracker.api.refusals import Renderer
    from sons_tracker.operations import clock, orders
    from sons_tracker.operations.actors import ANONYMOUS
    from sons_tracker.operations.idempotency import Key

    request = _request(content)
    key = Key(name, "sons-tracker order submit", hashlib.sha256(content).digest())
    async with instance():
        actor = await _actor(token, ANONYMOUS)
        if actor is ANONYMOUS:
            raise SonsError(
                ErrorCode.UNAUTHENTICATED, "Un dépôt se fait au nom d'un éditeur : il faut un jeton."
            )
        render = Renderer(Settings.from_env(os.environ))
        answer = await orders.submit(actor, request, law.load().law, await clock.now(), key, render)
    return answer.status, msgspec.json.decode(answer.body)


async def _show(order_id: str, token: str | None) -> OrderView:
    from uuid import UUID

    from sons_tracker.operations import order_reading
    from sons_tracker.operations.actors import LOCAL_ADMIN

    try:
        wanted = UUID(order_id)
    except ValueError:
        raise SonsError(ErrorCode.NOT_FOUND, "Aucune commande visible ne porte cet identifiant.") from None
    async with instance():
        return await order_reading.find_order(await _actor(token, LOCAL_ADMIN), wanted)


def show_order(view: OrderView) -> None:
    """Prints an order for a person, wrapped to the terminal."""
    from sons_tracker.cli.demonstration.telling import Teller

    Teller(Console(highlight=False)).order(view, None)


def _show_answer(console: Console, body: Any) -> None:
    """Prints the answer of a deposit: the stored JSON, since a replay has nothing else."""
    refused = "order" in body
    kept = body["order"] if refused else body
    console.print(f"{kept['number']} · {_DECISIONS[body['decision']]} · {body['ordered']} ESSMS")
    console.print(f"Identifiant : {kept['id']}")
    if body["total_ttc"] is not None:
        total, advance, solde = (
            euros_fr(parse_euros(body[name])) for name in ("total_ttc", "advance_ttc", "solde_ttc")
        )
        console.print(f"Total {total} TTC : avance {advance}, solde {solde}")
    for verdict in body["verdicts"]:
        if verdict["outcome"] != "pass":
            essms = f" ({', '.join(verdict['essms'][:3])})" if verdict["essms"] else ""
            console.print(f"{verdict['rule']}{essms} : {verdict['message']}", markup=False)
            console.print(f"    Source : {verdict['source']}", markup=False)
            if verdict["remedy"]:
                console.print(f"    Remède : {verdict['remedy']}", markup=False)
    if refused:
        console.print(body["appeal"], markup=False)
