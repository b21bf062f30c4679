"""Real processes of the service on loopback, for tests that race and kill them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import httpx

from tests.databases import ROOT, free_port

READY_SECONDS = 60.0


@dataclass(slots=True)
class Service:
    """One process that serves on a port of its own; `start` again after `kill`."""

    environ: Mapping[str, str]
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Starts it and waits until it says that it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "uvicorn", "--factory", "sons_tracker.app:from_environment",
            "--port", str(self.port), "--no-access-log", "--log-level", "critical",
            env={**os.environ, **self.environ}, cwd=ROOT,
        )  # fmt: skip
        end = time.monotonic() + READY_SECONDS
        async with httpx.AsyncClient(base_url=self.url) as http:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get("/readyz")).status_code == 200:
                        return
                assert self.process.returncode is None, "the service ended before it was ready"
                assert time.monotonic() < end, "the service is not ready"
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@contextlib.asynccontextmanager
async def serving(environ: Mapping[str, str], count: int = 1) -> AsyncIterator[list[Service]]:
    """So many processes on one database, killed on leaving."""
    services = [Service(environ) for _ in range(count)]
    try:
        await asyncio.gather(*(service.start() for service in services))
        yield services
    finally:
        for service in services:
            await service.kill()
