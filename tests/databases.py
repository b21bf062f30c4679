"""The PostgreSQL of a test run, and the clones of its migrated template that tests work on."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest

from sons_tracker.db import migrate, roles
from sons_tracker.db.embedded import EmbeddedServer
from sons_tracker.errors import SonsError
from sons_tracker.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PG_BIN = Path(os.environ["SONS_PG_BIN"]) if os.environ.get("SONS_PG_BIN") else None
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}
_RUN = "sons-run-"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the run. `tcp_dsn` reaches it through TCP with a password, as the application."""

    name: str
    owner_dsn: str
    app_dsn: str
    app_role: str | None
    tcp_dsn: str

    @property
    def settings(self) -> Settings:
        """Settings of a process that works on this database, on loopback, as a sandbox."""
        reached = {name: value for name, value in self.environ.items() if not name.startswith("SONS_RATE_")}
        return Settings.from_env({**reached, "SONS_INSTANCE": "sandbox", "HOME": tempfile.gettempdir()})

    @property
    def environ(self) -> dict[str, str]:
        """What a child process needs to work on this database: in silence, and as fast as it can."""
        app_url = {} if self.app_role else {"DATABASE_APP_URL": self.app_dsn}
        wide = {"SONS_RATE_ACCOUNT": "999999/1", "SONS_RATE_ADDRESS": "999999/1", "SONS_LOG_LEVEL": "warning"}
        return {"DATABASE_URL": self.owner_dsn, **app_url, **wide}

    async def connect_owner(self) -> asyncpg.Connection:
        """A connection as the account that migrates; the caller closes it.

        When DATABASE_URL names an ordinary owner, it obeys row-level security and sees no row.
        """
        return await migrate.connect(self.owner_dsn)

    async def connect_superuser(self) -> asyncpg.Connection:
        """The same for a test that must see or tamper with every row; skips where no superuser is given."""
        con = await self.connect_owner()
        if await con.fetchval("show is_superuser") != "on":
            await con.close()
            pytest.skip("DATABASE_URL is not a superuser")
        return con


@dataclass(frozen=True, slots=True)
class Server:
    """The server of the run: our embedded one, or the one that DATABASE_URL names (CREATEDB is needed)."""

    embedded: EmbeddedServer | None
    owner_url: str
    tcp_port: int
    password: str

    def database(self, name: str) -> Database:
        if self.embedded is None:
            dsn = urlunsplit(urlsplit(self.owner_url)._replace(path=f"/{name}"))
            return Database(name, dsn, dsn, roles.APP, dsn)
        tcp = f"postgresql://{roles.APP}:{quote(self.password)}@127.0.0.1:{self.tcp_port}/{name}"
        return Database(name, self.embedded.dsn(name), self.embedded.dsn(name, roles.APP), None, tcp)

    @asynccontextmanager
    async def clone(self, template: str | None = None) -> AsyncIterator[Database]:
        """A database of its own, copied from `template` or empty; dropped on leaving."""
        name = f"sons_test_{os.getpid()}_{next(_numbers)}"
        await self.run(f"create database {name} template {template or 'template0'}")
        try:
            yield self.database(name)
        finally:
            await self.run(f"drop database {name} with (force)")

    async def run(self, statement: str) -> None:
        """One statement on the maintenance database, outside any transaction."""
        con = await migrate.connect(self.owner_url)
        try:
            await con.execute(statement)
        finally:
            await con.close()


@asynccontextmanager
async def run_server() -> AsyncIterator[Server]:
    """The server of the run; the embedded one lives in a folder of its own and disappears with it."""
    if url := os.environ.get("DATABASE_URL"):
        yield Server(None, url, 0, "")
        return
    sweep_killed_runs()
    home = make_home(_RUN)
    port, password = free_port(), secrets.token_urlsafe(16)
    settings = {**FAST, "listen_addresses": "127.0.0.1", "port": str(port)}
    server = EmbeddedServer(home, pg_bin=PG_BIN, server_settings=settings)
    server.start()
    try:
        con = await migrate.connect(server.dsn("postgres"))
        try:
            await roles.create_roles(con, app_may_log_in=True)
            await con.execute(f"alter role {roles.APP} password '{password}'")
        finally:
            await con.close()
        yield Server(server, server.dsn("postgres"), port, password)
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def make_home(prefix: str = "sons-test-") -> Path:
    """A short new folder that the account of the server may enter, also when the tests run as root."""
    home = Path(tempfile.mkdtemp(prefix=prefix))
    home.chmod(0o755)
    return home


def sweep_killed_runs() -> None:
    """Stops and removes the servers of runs that were killed; a run that lives holds its own."""
    for home in Path(tempfile.gettempdir()).glob(f"{_RUN}*"):
        running = home / "pgdata" / "postmaster.pid"
        with contextlib.suppress(OSError, SonsError):
            if home.stat().st_uid != os.geteuid() or not (home / "lock.use").exists():
                continue
            if running.exists():
                settings = {**FAST, "port": running.read_text().splitlines()[3]}
                left = EmbeddedServer(home, pg_bin=PG_BIN, server_settings=settings)
                left.start()
                left.stop()  # only if nobody else holds it
            if not running.exists():
                shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
