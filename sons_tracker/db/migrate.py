"""The schema: every pending migration and its bookkeeping in one transaction, one process at a time."""

from __future__ import annotations

import contextlib
import functools
import io
import os

import asyncpg
from piccolo.apps.migrations.commands.base import BaseMigrationManager
from piccolo.apps.migrations.commands.forwards import run_forwards
from piccolo.apps.migrations.tables import Migration

from sons_tracker.db import engine, roles
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.settings import resource

APP_NAME = "sons_tracker"
_LOCK = 0x736F6E73  # "sons"
_WAIT_FOR_OTHERS = "180s"
_WAIT_FOR_TABLES = "10s"

_PREPARE = f"""
create schema if not exists sons authorization {roles.OWNER};
set local search_path = sons;
set local role {roles.OWNER};
grant usage on schema sons to {roles.APP}, {roles.CASE};
-- a function can be given to a role only while that role may create in the schema
grant create on schema sons to {roles.CASE};
-- Piccolo's own table of what ran; left to itself, Piccolo would also try to create the schema
create table if not exists sons.migration (
  id serial primary key,
  name varchar(200) not null,
  app_name varchar(200) not null,
  ran_on timestamp not null
);
"""
_FINISH = f"""
revoke create on schema sons from {roles.CASE};
grant select on sons.migration to {roles.APP};
"""


async def migrate(owner_dsn: str) -> tuple[str, ...]:
    """Creates the roles, then runs what is pending; returns the identifiers that were run, in order.

    `owner_dsn` is a superuser, or an account with CREATEROLE that may create in the database.

    Raises:
        SonsError: `DATABASE_UNREACHABLE`.
    """
    con = await connect(owner_dsn)
    try:
        await roles.create_roles(con)
        async with con.transaction():
            await con.execute(f"set local lock_timeout = '{_WAIT_FOR_OTHERS}'")
            await con.execute("select pg_advisory_xact_lock($1)", _LOCK)
            await con.execute(f"set local lock_timeout = '{_WAIT_FOR_TABLES}'")
            await con.execute(_PREPARE)
            before = await _applied(con)
            async with engine.joinable(con):
                await _run_piccolo()
            await con.execute(_FINISH)
            return tuple(sorted(await _applied(con) - before))
    finally:
        await con.close()


async def schema_is_current(con: asyncpg.Connection) -> bool:
    """Whether the database has exactly the migrations of this program, no fewer and no more."""
    return await _applied(con) == known_migrations()


async def connect(owner_dsn: str) -> asyncpg.Connection:
    """A connection outside the pool, for what the owner does; the caller closes it.

    Raises:
        SonsError: `DATABASE_UNREACHABLE`.
    """
    try:
        con = await asyncpg.connect(
            owner_dsn,
            timeout=engine.ACQUIRE_TIMEOUT,
            server_settings={"application_name": "sons_tracker", "timezone": "UTC"},
        )
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # the address is not repeated: it may hold a password
        raise SonsError(
            ErrorCode.DATABASE_UNREACHABLE,
            "La base de données ne répond pas à DATABASE_URL, ou refuse ce compte.",
        ) from error
    await engine.prepare_connection(con)
    return con


@functools.cache
def known_migrations() -> frozenset[str]:
    """The identifiers of the migrations that this program brings."""
    return frozenset(BaseMigrationManager().get_migration_modules(str(resource("migrations"))))


async def _applied(con: asyncpg.Connection) -> frozenset[str]:
    if await con.fetchval("select to_regclass('sons.migration')") is None:
        return frozenset()
    rows = await con.fetch("select name from sons.migration where app_name = $1", APP_NAME)
    return frozenset(row["name"] for row in rows)


async def _run_piccolo() -> None:
    os.environ["PICCOLO_CONF"] = "sons_tracker.db.piccolo_conf"  # where Piccolo looks for the engine
    Migration._meta.schema = "sons"  # noqa: SLF001 - else a table of that name in `public` would be taken
    with contextlib.redirect_stdout(io.StringIO()):  # Piccolo tells its progress with prints
        result = await run_forwards(APP_NAME)
    if not result.success:
        raise RuntimeError(result.message)
