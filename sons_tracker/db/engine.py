"""The one connection pool and the one way to open a transaction.

Piccolo's own transaction leaks its connection when it is cancelled or when COMMIT fails, nests
silently and lets a query run outside any transaction, hence outside row-level security. So the pool
and the transaction are ours; Piccolo only borrows the connection of the transaction that is open.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, ParamSpec, TypeVar
from uuid import UUID

import asyncpg
import msgspec
from piccolo.engine.postgres import PostgresEngine
from piccolo.querystring import QueryString

from sons_tracker.errors import ErrorCode, SonsError

Isolation = Literal["read_committed", "repeatable_read", "serializable"]
P = ParamSpec("P")
R = TypeVar("R")

# Seconds. The server gives up before the client does, so that the reason of a failure is known.
ACQUIRE_TIMEOUT = 10
STATEMENT_TIMEOUT = 30
LOCK_TIMEOUT = 10
IDLE_IN_TRANSACTION_TIMEOUT = 60
COMMAND_TIMEOUT = 45

ATTEMPTS = 5
_SERIALIZATION_FAILURE = "40001"
_DEADLOCK_DETECTED = "40P01"


@dataclass(frozen=True, slots=True)
class RowContext:
    """What row-level security sees of the caller. Without an organisation only the role counts; the person
    reaches what is its own: password, second factor, sessions."""

    organisation_id: UUID | None
    role: str
    person_id: UUID | None = None


@dataclass(slots=True, eq=False)
class _OpenTransaction:
    """What Piccolo finds in its context variable; `connection` is the attribute that it reads."""

    connection: asyncpg.Connection
    task: asyncio.Task[Any] | None
    is_open: bool = True


class _Joined:
    """Piccolo's migration code opens a transaction of its own: inside ours it joins, and decides nothing."""

    def __init__(self, joined: _OpenTransaction) -> None:
        self._joined = joined

    async def __aenter__(self) -> _OpenTransaction:
        return self._joined

    async def __aexit__(self, *_: object) -> None:
        return None


class _Engine(PostgresEngine):
    """Piccolo's engine without a connection of its own: every query needs our open transaction."""

    def __init__(self) -> None:
        super().__init__(config={}, extensions=())

    async def check_version(self) -> None:
        """Piccolo connects here, in its constructor, hence at import; ours must not."""

    async def prep_database(self) -> None:
        """See `check_version`; extensions are the migrations' business."""

    def open_transaction(self) -> _OpenTransaction | None:
        """The transaction that this context inherited, while it is open."""
        found: Any = self.current_transaction.get()
        return found if found is not None and found.is_open else None

    def _require_transaction(self) -> _OpenTransaction:
        found = self.open_transaction()
        if found is None:
            raise RuntimeError("a query outside engine.transaction() would escape row-level security")
        if found.task is not asyncio.current_task():
            raise RuntimeError("a task started inside a transaction must not share its connection")
        return found

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> Any:
        self._require_transaction()
        return await super().run_querystring(querystring, in_pool)

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> Any:
        self._require_transaction()
        return await super().run_ddl(ddl, in_pool)

    async def run_script(self, sql: str) -> None:
        """Runs several statements at once, without arguments: what a migration made of SQL needs."""
        await self._require_transaction().connection.execute(sql)

    def transaction(self, allow_nested: bool = True) -> Any:
        return _Joined(self._require_transaction())

    async def batch(self, *_: object, **__: object) -> NoReturn:
        """Piccolo's batch runs outside pool and transaction and swallows every exception."""
        raise RuntimeError("batch() is refused: open a cursor on the transaction's connection")

    async def start_connection_pool(self, **_: object) -> NoReturn:
        raise RuntimeError("the pool is started by engine.start()")


DB = _Engine()
_pool: asyncpg.Pool | None = None


def _encode_jsonb(value: object) -> bytes:
    if isinstance(value, str):
        raise TypeError("a jsonb value is given as an object; text would be encoded twice")
    # 1 is the version of jsonb's binary format
    return b"\x01" + msgspec.json.encode(value, enc_hook=_as_text)


def _as_text(value: object) -> str:
    """A string of a subclass is a string; msgspec takes none but its own."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a jsonb value")


async def prepare_connection(con: asyncpg.Connection) -> None:
    """Makes jsonb come back decoded on this connection."""
    await con.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=_encode_jsonb,
        decoder=lambda data: msgspec.json.decode(data[1:]),
    )


async def start(dsn: str, *, role: str | None = None, min_size: int = 1, max_size: int = 10) -> None:
    """Opens the pool; with `role`, every connection acts as that database role from its start.

    Raises:
        SonsError: `DATABASE_UNREACHABLE`.
    """
    global _pool  # noqa: PLW0603 - one pool per process, with an explicit life
    if _pool is not None:
        raise RuntimeError("the engine is already started")
    server_settings = {
        "application_name": "sons_tracker",
        "search_path": "sons",
        "timezone": "UTC",
        "statement_timeout": f"{STATEMENT_TIMEOUT}s",
        "lock_timeout": f"{LOCK_TIMEOUT}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT}s",
    }
    if role is not None:
        server_settings["role"] = role
    try:
        _pool = await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            timeout=ACQUIRE_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            init=prepare_connection,
            server_settings=server_settings,
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SonsError(
            ErrorCode.DATABASE_UNREACHABLE,
            "La base de données ne répond pas, ou refuse le compte de l'application.",
        ) from error


async def stop() -> None:
    """Closes the pool; transactions still open after ten seconds are cut."""
    global _pool
    pool, _pool = _pool, None
    if pool is None:
        return
    try:
        async with asyncio.timeout(ACQUIRE_TIMEOUT):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _acquire(pool: asyncpg.Pool) -> asyncpg.Connection:
    # asyncio.timeout and not asyncpg's own: its wait_for runs a second task, which a cancellation at the
    # wrong instant leaves holding the connection.
    try:
        async with asyncio.timeout(ACQUIRE_TIMEOUT):
            return await pool.acquire()
    except (
        OSError,
        asyncpg.InterfaceError,
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
    ) as error:
        raise SonsError(
            ErrorCode.UNAVAILABLE,
            "La base de données est momentanément hors d'atteinte. Réessayez dans un instant.",
        ) from error


@asynccontextmanager
async def transaction(
    context: RowContext, *, isolation: Isolation = "read_committed", read_only: bool = False
) -> AsyncIterator[asyncpg.Connection]:
    """One transaction of the application, seen by row-level security as `context`.

    Commits on leaving, rolls back on any exception, gives its connection back whatever happens:
    cancellation at any await, a COMMIT that fails, a lost server.

    Raises:
        RuntimeError: the engine is not started, or a transaction is already open here.
        SonsError: `UNAVAILABLE` when no connection comes in time.
    """
    if _pool is None:
        raise RuntimeError("the engine is not started")
    if DB.open_transaction() is not None:
        raise RuntimeError("a transaction is already open: use savepoint()")
    pool = _pool
    con = await _acquire(pool)
    try:
        async with con.transaction(isolation=isolation, readonly=read_only):
            await see_as(con, context)
            async with joinable(con):
                yield con
    finally:
        # release() shields itself and resets the connection: also after a cancelled ROLLBACK
        await pool.release(con)


async def see_as(con: asyncpg.Connection, context: RowContext) -> None:
    """From here to the end of the transaction, or of a savepoint that is undone, rows are seen as `context`.

    For an act that lets the scheduler work inside its own transaction, and then goes on as itself.
    """
    await con.execute(
        "select set_config('sons.organisation_id', $1, true), set_config('sons.role', $2, true),"
        " set_config('sons.person_id', $3, true)",
        "" if context.organisation_id is None else str(context.organisation_id),
        context.role,
        "" if context.person_id is None else str(context.person_id),
    )


async def ask(sql: str, *args: object) -> asyncpg.Record | None:
    """The first row of one statement asked by nobody: it sees what is open to everyone, no more.

    For the two questions that precede every transaction, who is asking and what time it is: a transaction
    of their own would cost each three more round trips. Without a context no organisation's row is visible.

    Raises:
        RuntimeError: the engine is not started, or a transaction is open here.
        SonsError: `UNAVAILABLE` when no connection comes in time.
    """
    if _pool is None:
        raise RuntimeError("the engine is not started")
    if DB.open_transaction() is not None:
        raise RuntimeError("a transaction is already open: ask through its connection")
    pool = _pool
    con = await _acquire(pool)
    try:
        return await con.fetchrow(sql, *args)
    finally:
        await pool.release(con)


@asynccontextmanager
async def joinable(con: asyncpg.Connection) -> AsyncIterator[None]:
    """Lets Piccolo's queries use `con`, which is inside a transaction, until leaving."""
    current = _OpenTransaction(con, asyncio.current_task())
    token = DB.current_transaction.set(current)  # type: ignore[arg-type]
    try:
        yield
    finally:
        current.is_open = False  # tasks started inside keep a copy of the context variable
        DB.current_transaction.reset(token)


@asynccontextmanager
async def savepoint(con: asyncpg.Connection) -> AsyncIterator[None]:
    """Inside a transaction: what fails within is undone alone, and its exception passes on."""
    if not con.is_in_transaction():
        raise RuntimeError("a savepoint needs an open transaction")
    async with con.transaction():
        yield


def retrying(operation: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Runs the whole operation again when PostgreSQL asks for it, `ATTEMPTS` times at most.

    Raises:
        SonsError: `UNAVAILABLE` when every attempt met a serialization failure or a deadlock.
    """

    @functools.wraps(operation)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if DB.open_transaction() is not None:
            raise RuntimeError("only a whole operation can be run again, not a part of a transaction")
        for attempt in range(ATTEMPTS):
            try:
                return await operation(*args, **kwargs)
            except asyncpg.PostgresError as error:
                if error.sqlstate not in {_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED}:
                    raise
                last = error
            await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # nosec B311 # no secret is drawn
        raise SonsError(
            ErrorCode.UNAVAILABLE,
            "Trop de demandes portent sur les mêmes données. Réessayez dans un instant.",
        ) from last

    return run
