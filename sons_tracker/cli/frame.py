"""What every command shares: running, answering, refusing, and the database behind it.

Exit codes: 0 yes, 1 refused or negative, 2 malformed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.settings import Settings

if TYPE_CHECKING:
    from sons_tracker.db.embedded import OpenDatabase

T = TypeVar("T")

YES, REFUSED, MALFORMED = 0, 1, 2
_MALFORMED_STATUSES = {400, 413, 415, 422}
# The question was well formed; the answer is that the law, or its files, say no.
_NEGATIVE = {ErrorCode.OUTSIDE_COVERAGE, ErrorCode.INVALID_LAW}

Json = Annotated[bool, typer.Option("--json", help="Répond en JSON, pour un programme.")]


def parse_day(text: str) -> date:
    """A date argument, `AAAA-MM-JJ` only.

    Raises:
        SonsError: `INVALID_DATE`.
    """
    try:
        if len(text) == len("AAAA-MM-JJ"):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise SonsError(ErrorCode.INVALID_DATE, f"« {text[:40]} » n'est pas une date.")


def parse_count(text: str | int) -> int:
    """A whole number argument, from 0 to 999 999 999; typer also hands over the default, a number already.

    Raises:
        SonsError: `MALFORMED_COMMAND`.
    """
    if isinstance(text, int):
        return text
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    raise SonsError(ErrorCode.MALFORMED_COMMAND, f"« {text[:40]} » n'est pas un nombre entier positif.")


def choice(*words: str) -> Callable[[str], str]:
    """The parser of an argument that takes one of some words.

    Raises (when called):
        SonsError: `MALFORMED_COMMAND`.
    """

    def parse(text: str) -> str:
        if text in words:
            return text
        known = ", ".join(words)
        raise SonsError(
            ErrorCode.MALFORMED_COMMAND, f"« {text[:40]} » n'est pas prévu ici ; valeurs possibles : {known}."
        )

    return parse


def day_option(words: str) -> Any:
    """The option of a date: `Annotated[date | None, day_option("…")]`."""
    return typer.Option(parser=parse_day, metavar="AAAA-MM-JJ", help=words)


def paris_today() -> date:
    """Today on the machine's clock, in Paris: for commands that ask no database for its clock."""
    return datetime.now(ZoneInfo("Europe/Paris")).date()


def existing_file(path: Path) -> Path:
    """The path of a readable file.

    Raises:
        SonsError: `INVALID_FILE`.
    """
    if path.is_dir():
        raise SonsError(ErrorCode.INVALID_FILE, f"« {path} » est un dossier, pas un fichier.")
    if not path.exists():
        raise SonsError(ErrorCode.INVALID_FILE, f"Le fichier « {path} » n'existe pas.")
    if not os.access(path, os.R_OK):
        raise SonsError(ErrorCode.INVALID_FILE, f"Le fichier « {path} » ne peut pas être lu.")
    return path


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs the asynchronous part of a command."""
    return asyncio.run(work)


def emit(data: object, as_json: bool, render: Callable[[Console], None]) -> None:
    """Answers on stdout: `data` as JSON, or what `render` prints for a person."""
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n")
    else:
        render(Console(highlight=False, soft_wrap=True))


def sheet(rows: dict[str, str]) -> Table:
    """A two-column sheet: name, value."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def exit_code(error: SonsError) -> int:
    """2 for what is malformed, 1 for what is refused, negative or impossible now."""
    malformed = error.kind.status in _MALFORMED_STATUSES and error.code not in _NEGATIVE
    return MALFORMED if malformed or error.code is ErrorCode.INVALID_SETTING else REFUSED


def report(error: SonsError, as_json: bool) -> int:
    """Tells an error: one French line on stderr and a line per defect, or the problem object on stdout;
    returns the exit code."""
    if as_json:
        from sons_tracker.api.problems import members

        emit(members(error), True, lambda _: None)
        return exit_code(error)
    print(f"{error.detail} {error.remedy}", file=sys.stderr)
    for fault in _not_yet_said(error):
        print(f"  – {fault.where} : {fault.message}", file=sys.stderr)
    return exit_code(error)


def _not_yet_said(error: SonsError) -> list[Fault]:
    return [fault for fault in error.faults if fault.message not in error.detail]


@asynccontextmanager
async def instance(settings: Settings | None = None) -> AsyncIterator[OpenDatabase]:
    """The database with the engine started, for a command's operations.

    The embedded database is migrated, declared and given the package's law first; an external one is
    expected to be migrated already.

    Raises:
        SonsError: `DATABASE_UNREACHABLE`, `HOME_UNUSABLE`, `SCHEMA_NOT_CURRENT`.
    """
    from sons_tracker.db import engine
    from sons_tracker.db.embedded import open_database

    asked = settings or Settings.from_env(os.environ)
    log_as(asked)
    async with open_database(asked) as opened:
        await prepare(opened, asked)
        await engine.start(opened.app_dsn, role=opened.app_role)
        try:
            yield opened
        finally:
            await engine.stop()


def log_as(settings: Settings) -> None:
    """From here on, what the process says of itself goes to standard error, as the settings ask."""
    from sons_tracker import logs

    asked = settings.safeguards
    logs.configure(asked.log_level, asked.log_format, secrets=settings.secrets)


async def prepare(opened: OpenDatabase, settings: Settings) -> None:
    """Makes the embedded database ready; checks that an external one is.

    Raises:
        SonsError: `SCHEMA_NOT_CURRENT`; `CONFLICT` when it was declared as another kind of instance.
    """
    from sons_tracker import law
    from sons_tracker.db import engine, migrate
    from sons_tracker.operations import clock, enactment
    from sons_tracker.operations.actors import LOCAL_ADMIN

    if opened.embedded:
        await migrate.migrate(opened.owner_dsn)
    texts = law.load().law
    await engine.start(opened.app_dsn, role=opened.app_role, max_size=1)
    try:
        if not (await enactment.readiness(texts.digest)).schema_current:
            raise SonsError(
                ErrorCode.SCHEMA_NOT_CURRENT, "Le schéma de la base n'est pas celui de ce logiciel."
            )
        await clock.declare(LOCAL_ADMIN, settings.instance)
        if opened.embedded and not await enactment.is_followed(texts.digest):
            await enactment.enact(LOCAL_ADMIN, texts, await clock.now())
    finally:
        await engine.stop()
