"""kill -9 of the relay between sending and marking: everything announced arrives, under one identifier."""

from __future__ import annotations

import asyncio
import os
import random
import sys

import pytest

from sons_tracker.delivery import relay
from tests.databases import ROOT, Database
from tests.factories import an_actor
from tests.factories_outbox import a_webhook, announced, sending
from tests.faults.receiver import Received, receiving, status

FULL = os.environ.get("TIER") == "full"
KILLS = 500 if FULL else 6
PER_KILL = 4
RELAY = """
import asyncio, os
from sons_tracker.db import engine
from sons_tracker.delivery import relay
from sons_tracker.settings import Settings

async def main():
    settings = Settings.from_env(os.environ)
    await engine.start(settings.database_app_url or settings.database_url, role=os.environ["ROLE"] or None)
    async with relay.running(settings):
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def a_relay(database: Database) -> asyncio.subprocess.Process:
    environ = {
        **os.environ,
        **database.environ,
        "SONS_INSTANCE": "sandbox",
        "SONS_WEBHOOKS_LOOPBACK": "1",
        "ROLE": database.app_role or "",
    }
    return await asyncio.create_subprocess_exec(sys.executable, "-c", RELAY, env=environ, cwd=ROOT)


@pytest.mark.processes
async def test_a_relay_killed_before_it_marks_sends_again_under_the_same_identifier(
    database: Database,
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    og = await an_actor("og")
    owner = await database.connect_superuser()
    try:
        async with receiving() as receiver:
            await a_webhook(og, receiver.url)
            for turn in range(KILLS):
                for _ in range(PER_KILL):
                    await announced(og)
                process = await a_relay(database)
                victim = len(receiver.requests) + chance.randint(1, PER_KILL)

                def answer(
                    _: Received, process: asyncio.subprocess.Process = process, nth: int = victim
                ) -> bytes:
                    if len(receiver.requests) == nth:
                        process.kill()  # it has sent; it will never know nor say how it ended
                    return status(200)

                receiver.answers = [answer]
                assert await asyncio.wait_for(process.wait(), 60) == -9, f"kill {turn}"
                await owner.execute("update sons.delivery set next_at = now() where state = 'waiting'")
            receiver.answers = [status(200)]
            left = await relay.deliver_once(sending(database.settings))
            assert left["delivered"] >= 1
        states = await owner.fetch("select state, count(*) from sons.delivery group by state")
        assert {row["state"]: row["count"] for row in states} == {"delivered": KILLS * PER_KILL}
        told = {str(row["id"]) for row in await owner.fetch("select id from sons.outbox")}
        sent = [request.headers["webhook-id"] for request in receiver.requests]
        assert set(sent) == told, "nothing lost, nothing invented"
        assert len(sent) > len(told), "a kill after the sending is seen twice, under one identifier"
        bodies = {(request.headers["webhook-id"], request.body) for request in receiver.requests}
        assert len(bodies) == len(told), "the same content at every attempt"
        print(f"{len(told)} notices, {len(sent)} requests, {KILLS} kills")
    finally:
        await owner.close()
