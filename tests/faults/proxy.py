"""A TCP proxy before PostgreSQL that cuts a connection at a chosen answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


@dataclass(slots=True)
class Proxy:
    """`cut` is asked for each piece of PostgreSQL; true: the client never gets it, nor what follows."""

    host: str
    upstream: int
    port: int = 0
    cut: Callable[[bytes], bool] | None = None
    cuts: int = 0
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self.host, self.upstream)
        both = {
            asyncio.create_task(self._pump(reader, back, answers=False)),
            asyncio.create_task(self._pump(there, writer, answers=True)),
        }
        self._open |= both
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for one in (writer, back):
            one.transport.abort()
        await asyncio.wait(both)
        self._open -= both

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                if answers and self.cut is not None and self.cut(piece):
                    self.cuts += 1
                    return
                writer.write(piece)
                await writer.drain()


@contextlib.asynccontextmanager
async def proxied(host: str, upstream: int) -> AsyncIterator[Proxy]:
    """A proxy that listens on loopback until leaving."""
    proxy = Proxy(host, upstream)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(proxy._open):
            task.cancel()
        await asyncio.sleep(0)
