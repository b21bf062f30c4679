"""Running the service, and preparing its database."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from sons_tracker.cli.frame import Json, emit, log_as, prepare, run
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.settings import Settings

if TYPE_CHECKING:
    import uvicorn

_GRACE_SECONDS = 10


def serve(
    host: Annotated[str | None, typer.Option(metavar="HÔTE", help="Adresse d'écoute (SONS_HOST).")] = None,
    port: Annotated[str | None, typer.Option(metavar="PORT", help="Port d'écoute (SONS_PORT).")] = None,
    as_json: Json = False,
) -> None:
    """Sert l'interface de programmation, sur une base embarquée ou sur DATABASE_URL."""
    given = {"SONS_HOST": host, "SONS_PORT": port}
    settings = Settings.from_env({**os.environ, **{name: value for name, value in given.items() if value}})
    log_as(settings)
    # Before the database: a port in use is known at once.
    with _listen(settings.host, settings.port) as listener:
        address = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"http://{address}:{listener.getsockname()[1]}"

        def ready() -> None:
            emit(
                {"url": url, "documentation": f"{url}/documentation"},
                as_json,
                lambda console: console.print(
                    f"sons_tracker répond sur {url} (documentation : {url}/documentation). "
                    "Ctrl-C pour arrêter."
                ),
            )
            sys.stdout.flush()

        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings, listener, ready))


def migrate(as_json: Json = False) -> None:
    """Met le schéma de la base au niveau de ce logiciel."""

    async def work() -> tuple[str, ...]:
        from sons_tracker.db import migrate as schema
        from sons_tracker.db.embedded import open_database

        async with open_database(Settings.from_env(os.environ)) as opened:
            return await schema.migrate(opened.owner_dsn)

    done = run(work())
    emit(
        {"applied": done},
        as_json,
        lambda console: console.print(
            f"Migrations appliquées : {', '.join(done)}." if done else "Le schéma est déjà à jour."
        ),
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        raise SonsError(ErrorCode.PORT_IN_USE, f"Impossible d'écouter sur {host}, port {port}.") from error


async def _serve(settings: Settings, listener: socket.socket, ready: Callable[[], None]) -> None:
    import uvicorn

    from sons_tracker.app import create_app
    from sons_tracker.db.embedded import open_database

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    # Held around the application's own hold, so that an embedded server starts once and stops last.
    async with open_database(settings) as opened:
        try:
            await prepare(opened, settings)
        except SonsError as error:
            if error.code is not ErrorCode.SCHEMA_NOT_CURRENT:
                raise
            # Served all the same: /readyz says why, and an orchestrator waits for the migration.
            print(f"{error.detail} {error.remedy}", file=sys.stderr)
        server = Server(_configuration(create_app(settings), settings))
        # uvicorn ends cleanly on a signal, then raises it again: ignored here, the database is left too.
        for received in (signal.SIGTERM, signal.SIGINT):
            signal.signal(received, signal.SIG_IGN)
        await server.serve(sockets=[listener])
    if not server.started:
        raise SonsError(ErrorCode.UNAVAILABLE, "Le service n'a pas pu démarrer ; le journal dit pourquoi.")


def _configuration(app: object, settings: Settings) -> uvicorn.Config:
    import uvicorn

    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        # Nobody's word is taken for the client's address, but for that of the proxies that are named.
        proxy_headers=bool(settings.safeguards.proxies),
        forwarded_allow_ips=list(settings.safeguards.proxies),
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
