"""A database of its own for a measure: made, used, dropped, whatever happens in between."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from sons_tracker.db import migrate
from sons_tracker.db.embedded import OpenDatabase, open_database
from sons_tracker.settings import Settings

_PREFIX = "sons_mesure_"
_LOCK = 0x6D657375  # "mesu"


@asynccontextmanager
async def scratch_database(settings: Settings) -> AsyncIterator[OpenDatabase]:
    """An empty migrated database beside that of the settings, on the same server; dropped on leaving.

    What a killed process left there is dropped first: a database of that name to which nobody is connected.

    Raises:
        SonsError: `DATABASE_UNREACHABLE`, `HOME_UNUSABLE`.
    """
    name = f"{_PREFIX}{os.getpid()}"
    async with open_database(settings) as opened:
        made = replace(opened, owner_dsn=_on(opened.owner_dsn, name), app_dsn=_on(opened.app_dsn, name))
        keeper = await migrate.connect(opened.owner_dsn)
        inside: asyncpg.Connection | None = None
        try:
            # a database is empty of connections between its making and the first: nobody sweeps meanwhile
            await keeper.execute("select pg_advisory_lock($1)", _LOCK)
            await _sweep(keeper)
            await keeper.execute(f"create database {name} template template0")
            inside = await migrate.connect(made.owner_dsn)
            await keeper.execute("select pg_advisory_unlock($1)", _LOCK)
            await migrate.migrate(made.owner_dsn)
            yield made
        finally:
            if inside is not None:
                await inside.close()
            await keeper.execute(f"drop database if exists {name} with (force)")
            await keeper.close()


def _on(dsn: str, name: str) -> str:
    """The address of another database of the same server."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def _sweep(con: asyncpg.Connection) -> None:
    left = await con.fetch(
        "select datname from pg_database where starts_with(datname, $1)"
        " and not exists (select from pg_stat_activity a where a.datname = pg_database.datname)",
        _PREFIX,
    )
    for row in left:
        await con.execute(f"drop database if exists {row['datname']}")
