"""What the commands that act for a person share: the token, the key, the answer or the refusal."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

import msgspec
import typer
from rich.console import Console

from sons_tracker.cli.frame import REFUSED, YES, emit, existing_file, instance, run
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.money import NNBSP

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

Token = Annotated[
    str | None,
    typer.Option("--token", metavar="JETON", help="Jeton de l'acteur (par défaut : la variable SONS_TOKEN)."),
]
KeyName = Annotated[
    str | None,
    typer.Option("--key", metavar="CLÉ", help="Clé d'idempotence (par défaut : une clé nouvelle)."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FICHIER", help="Où l'écrire (par défaut : la sortie standard)."),
]

Act = Callable[["Actor", datetime, "Key"], Awaitable["Answer"]]
Reading = Callable[["Actor", datetime], Awaitable[Any]]


def perform(
    command: str,
    request: tuple[object, ...],
    act: Act,
    show: Callable[[Console, Any], None],
    token: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Runs an act in the name of the token's person and tells its answer, or why it is refused.

    `command` and `request` are what the idempotency key is tied to.
    """
    from sons_tracker.operations.idempotency import Key

    digest = hashlib.sha256(repr(request).encode()).digest()
    key = Key(name or str(uuid4()), f"sons-tracker {command}", digest)
    status, body = run(_perform(act, token, key))
    if status < 400:
        emit(body, as_json, lambda console: show(console, body))
        return YES
    if as_json:
        emit(body, True, lambda _: None)
        return REFUSED
    print(f"{body['detail']} {body['remedy']}", file=sys.stderr)
    for reason in body.get("reasons", ())[1:]:
        print(f"  – {reason['message']}", file=sys.stderr)
    return REFUSED


async def _perform(act: Act, token: str | None, key: Key) -> tuple[int, Any]:
    from sons_tracker.operations import clock

    async with instance():
        actor = await _actor(token)
        if actor is None:
            raise SonsError(
                ErrorCode.UNAUTHENTICATED, "Cet acte se fait au nom d'une personne : il faut un jeton."
            )
        answer = await act(actor, await clock.now(), key)
    return answer.status, msgspec.json.decode(answer.body)


async def read(reading: Reading, token: str | None) -> Any:
    """What a reading answers, as plain JSON values; without a token, as the administrator."""
    from sons_tracker.operations import clock
    from sons_tracker.operations.actors import LOCAL_ADMIN

    async with instance():
        return msgspec.to_builtins(await reading(await _actor(token) or LOCAL_ADMIN, await clock.now()))


async def _actor(token: str | None) -> Actor | None:
    from sons_tracker.operations.actors import authenticate

    secret = token or os.environ.get("SONS_TOKEN")
    if not secret:
        return None
    actor = await authenticate(secret)
    if actor is None:
        raise SonsError(ErrorCode.UNAUTHENTICATED, "Le jeton est inconnu, expiré ou révoqué.")
    return actor


def identifier(text: str) -> UUID:
    """An identifier on the command line.

    Raises:
        SonsError: `NOT_FOUND`: what is no identifier names nothing.
    """
    try:
        return UUID(text)
    except ValueError:
        raise SonsError(ErrorCode.NOT_FOUND, "Rien de visible ne porte cet identifiant.") from None


def read_bytes(file: Path, most: int) -> bytes:
    """The bytes of a file of at most `most` bytes.

    Raises:
        SonsError: `INVALID_FILE`.
    """
    path = existing_file(file)
    if path.stat().st_size > most:
        raise SonsError(ErrorCode.INVALID_FILE, f"Le fichier « {path} » dépasse {most // (1 << 20)} Mio.")
    return path.read_bytes()


def write_bytes(content: bytes, output: Path | None) -> None:
    """A file that a command makes: where it was asked, else on stdout.

    Raises:
        SonsError: `INVALID_FILE` when nothing can be written there.
    """
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError:
        raise SonsError(ErrorCode.INVALID_FILE, f"« {output} » ne peut pas être écrit.") from None


def money(text: str) -> str:
    """An amount of the API as a French reader expects it: `-1232.00` → `−1 232,00 €`."""
    sign = "\u2212" if text.startswith("-") else ""
    whole, cents = text.removeprefix("-").split(".")
    return f"{sign}{int(whole):,}".replace(",", NNBSP) + f",{cents}{NNBSP}€"
