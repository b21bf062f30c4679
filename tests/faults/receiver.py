"""What receives in tests: a small HTTP server on loopback that answers as it is told, and one of SMTP."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answering = Callable[["Received"], bytes | float | None]
"""The status line and headers to answer, seconds of silence, or None: the connection is cut."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


def status(code: int, headers: str = "") -> bytes:
    """An answer without a body."""
    return f"HTTP/1.1 {code} X\r\n{headers}content-length: 0\r\n\r\n".encode()


@dataclass(slots=True)
class Receiver:
    """`answers` are given one after the other, the last one for ever."""

    port: int = 0
    answers: list[bytes | float | Answering | None] = field(default_factory=lambda: [status(200)])
    requests: list[Received] = field(default_factory=list)
    scheme: str = "http"
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/recevoir"

    async def received(self, count: int) -> None:
        """Waits until so many requests have come; ten seconds at most."""
        async with asyncio.timeout(60):
            while len(self.requests) < count:
                self.came.clear()
                await self.came.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            pairs = [line.split(": ", 1) for line in lines if line]
            headers = {name.lower(): value for name, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            received = Received(first.split()[1], headers, body)
            self.requests.append(received)
            self.came.set()
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if callable(answer):
                answer = answer(received)
            if isinstance(answer, float):
                await asyncio.sleep(answer)
            elif answer is not None:
                writer.write(answer)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own; with `context`, over TLS."""
    receiver = Receiver(scheme="https" if context else "http")
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


@dataclass(slots=True)
class Mailbox:
    """A mail server: what it took, and what it answers to a recipient."""

    port: int = 0
    recipient: str = "250 ok"
    letters: list[tuple[list[str], str]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session: as little of RFC 5321 as a letter needs."""
        recipients: list[str] = []

        async def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await say("220 test")
            while line := (await reader.readline()).decode().strip():
                word = line.split(" ", 1)[0].split(":", 1)[0].upper()
                if word == "RCPT":
                    recipients.append(line.split("<", 1)[1].split(">", 1)[0])
                    await say(self.recipient)
                elif word == "DATA":
                    await say("354 go")
                    letter = (await reader.readuntil(b"\r\n.\r\n")).decode()
                    self.letters.append((recipients, letter.removesuffix(".\r\n")))
                    recipients = []
                    await say("250 kept")
                elif word == "QUIT":
                    await say("221 bye")
                    break
                else:
                    await say("250 ok")
        writer.close()


@asynccontextmanager
async def mailing() -> AsyncIterator[Mailbox]:
    """A mail server on a port of its own."""
    box = Mailbox()
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
