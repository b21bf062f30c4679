"""The relay: takes what waits, sends it, says how it ended; a few at a time, beside the scheduler's clock."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import httpx
import msgspec
from standardwebhooks import Webhook

from sons_tracker.db.engine import transaction
from sons_tracker.db.migrate import schema_is_current
from sons_tracker.delivery import http, mail
from sons_tracker.errors import SonsError
from sons_tracker.operations import deliveries, letters, seals
from sons_tracker.operations.clock import business_instant
from sons_tracker.operations.deliveries import SENDER, Job, Outcome
from sons_tracker.operations.letters import Letter
from sons_tracker.operations.notices import shown
from sons_tracker.operations.proofs import Door
from sons_tracker.settings import Settings

AT_ONCE = 8
PER_ENDPOINT = 2
"""How many of the `AT_ONCE` one endpoint may hold: a slow one does not keep the others waiting."""
POLL_SECONDS = 2.0
STOP_SECONDS = 5.0
"""How long a stop waits for what is under way; what is cut then is sent again when its lease ends."""
PAUSE_SECONDS = 15.0
"""How long to wait for a database that is away, or not migrated yet."""
_DATABASE_AWAY = (SonsError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_log = logging.getLogger(__name__)

Tally = Counter[str]
"""How many attempts ended in each way; a letter that tells several notices counts as many."""


async def deliver_once(settings: Settings) -> Tally:
    """Sends everything that is due now, and returns when nothing is under way any more."""
    return await _Relay(settings).run(until_idle=True)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    """Delivers until leaving."""
    relay = _Relay(settings)
    task = asyncio.create_task(_forever(relay))
    try:
        yield
    finally:
        relay.stop()
        _, late = await asyncio.wait({task}, timeout=STOP_SECONDS)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if late:
            _log.warning("deliveries were cut by the stop: they leave again when their lease ends")


def body_of(job: Job) -> bytes:
    """What a webhook is posted: the event, its business instant, and the facts in their outward form."""
    data = {"object_kind": job.object_kind, "object_id": job.object_id, **shown(job.facts)}
    return msgspec.json.encode({"type": job.event, "timestamp": job.at, "data": data})


def headers_of(job: Job, secrets: Sequence[str], body: bytes, now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks; one signature per secret that is valid now."""
    text = body.decode()
    signatures = (Webhook(secret).sign(str(job.event_id), now, text) for secret in secrets)
    return {
        "content-type": "application/json",
        "user-agent": "sons-tracker",
        "webhook-id": str(job.event_id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


class _Relay:
    """One life of the loop: what is under way, to whom, and whether to go on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._under_way: dict[asyncio.Task[None], UUID | None] = {}
        self._stopped = asyncio.Event()
        self._tally: Tally = Counter()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        """Takes nothing more; `run` returns when what is under way has ended."""
        self._stopped.set()

    async def reseal(self) -> None:
        """Seals what is in clear or under a former key, before anything is signed."""
        if self._settings.account_key is not None:
            async with transaction(SENDER.context, read_only=True) as con:
                at = await business_instant(con)
            await seals.reseal(Door.of(self._settings), at)

    async def pause(self, seconds: float) -> None:
        """Waits, unless stopped meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()

    async def run(self, *, until_idle: bool) -> Tally:
        """Sends what is due, until told to stop; with `until_idle`, until nothing is due any more."""
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            async with http.make_transport() as transport:
                while True:
                    if not self.stopped:
                        await self._take(transport)
                    if not self._under_way and (until_idle or self.stopped):
                        return self._tally
                    awaited = {*self._under_way} if self.stopped else {*self._under_way, stopped}
                    done, _ = await asyncio.wait(
                        awaited, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    for ended in [task for task in self._under_way if task in done]:
                        del self._under_way[ended]
        finally:
            left = (stopped, *self._under_way)
            for unfinished in left:
                unfinished.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            self._under_way.clear()

    async def _take(self, transport: httpx.AsyncHTTPTransport) -> None:
        """Starts what is due, one by one: a batch could bring one endpoint more than its part."""
        while len(self._under_way) < AT_ONCE:
            held = Counter(endpoint for endpoint in self._under_way.values() if endpoint is not None)
            busy = [endpoint for endpoint, count in held.items() if count >= PER_ENDPOINT]
            if (letter := await letters.claim()) is not None:
                self._under_way[asyncio.create_task(self._write(letter))] = None
                continue
            jobs = await deliveries.claim(1, busy)
            if not jobs:
                return
            task = asyncio.create_task(self._deliver(transport, jobs[0]))
            self._under_way[task] = jobs[0].endpoint_id

    async def _deliver(self, transport: httpx.AsyncHTTPTransport, job: Job) -> None:
        try:
            outcome = await self._send(transport, job)
        except Exception:
            # A defect of ours in one notice: the others leave all the same, and this one ends as dead.
            _log.exception("delivery %s could not be made", job.delivery_id)
            outcome = Outcome("failed", None, "Une erreur de ce service a empêché l'envoi.")
        await self._conclude(job.delivery_id, outcome, deliveries.conclude(job, outcome), 1 + len(job.more))

    async def _write(self, letter: Letter) -> None:
        try:
            outcome = await mail.send_letter(self._settings, letter)
        except Exception as error:
            # No trace: its lines may show the letter, and an invitation has its secret in it.
            _log.error("letter %s could not be sent: %s", letter.id, type(error).__name__)
            outcome = Outcome("failed", None, "Une erreur de ce service a empêché l'envoi.")
        await self._conclude(letter.id, outcome, letters.conclude(letter, outcome), 1)

    async def _conclude(
        self, name: UUID | int, outcome: Outcome, concluding: Awaitable[bool], count: int
    ) -> None:
        try:
            concluded = await concluding
        except _DATABASE_AWAY as error:
            # Sent or not, it is not known here: it leaves again when its lease ends.
            _log.warning("delivery %s has no conclusion: %s", name, type(error).__name__)
            concluded = False
        self._tally[outcome.verdict if concluded else "unknown"] += count

    async def _send(self, transport: httpx.AsyncHTTPTransport, job: Job) -> Outcome:
        if job.void is not None:
            return Outcome("refused", None, job.void)
        if job.url is None:
            return await mail.send(self._settings, job)
        if not job.sealed:
            return Outcome("failed", None, "Aucun secret scellé ne signe pour ce webhook.")
        try:
            door = Door.of(self._settings)
            secrets = [door.unseal(sealed) for sealed in job.sealed]
        except SonsError as error:  # no key, or no longer the right one: its operator may give it back
            return Outcome("failed", None, error.detail)
        body = body_of(job)
        headers = headers_of(job, secrets, body, datetime.now(UTC))
        return await http.post(
            transport, job.url, headers, body, loopback=self._settings.webhooks_on_loopback
        )


async def _forever(relay: _Relay) -> None:
    while not relay.stopped:
        try:
            if await _ready():
                await relay.reseal()
                await relay.run(until_idle=False)
        except _DATABASE_AWAY as error:
            _log.warning("deliveries pause: %s", type(error).__name__)
        await relay.pause(PAUSE_SECONDS)


async def _ready() -> bool:
    """Whether the schema is this program's; /readyz says so otherwise, and there is nothing to send."""
    async with transaction(SENDER.context, read_only=True) as con:
        return await schema_is_current(con)
