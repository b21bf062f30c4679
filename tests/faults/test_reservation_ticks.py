"""Processes that expire reservations, killed with -9: each reservation ends once, whole, and is told once."""

from __future__ import annotations

import asyncio
import os
import random
from datetime import timedelta

import pytest

from sons_tracker.operations.deadlines import tick
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT
from tests.factories_reservations import a_ground, reserved
from tests.faults.test_ticks import fired, start

FULL = os.environ.get("TIER") == "full"
RESERVATIONS = 160 if FULL else 24
KILLS = 60 if FULL else 5
owner = make.Everything()


@pytest.mark.processes
@pytest.mark.scoreboard(5)
async def test_a_killed_expiry_is_whole_or_never_was(database: Database) -> None:
    await make.prepare_instance()
    chance = random.Random(seed := random.randrange(2**32))
    print(f"seed {seed}")
    ground = await a_ground(owner, 3 * RESERVATIONS)
    made = [
        await reserved(ground, *ground.essms[n : n + 3], at=AT + timedelta(days=n % 20))
        for n in range(0, 3 * RESERVATIONS, 3)
    ]
    for _ in range(KILLS):
        process, before = await start(database), await fired()
        for _ in range(400):  # until it is at its work, or has nothing left
            if await fired() > before or before == len(made):
                break
            await asyncio.sleep(0.005)
        await asyncio.sleep(chance.random() * 0.03)
        process.kill()
        await process.wait()
        halves = await owner.fetchval(
            "select count(*) from reservation r where (r.state = 'active') <> ("
            "select bool_or(released_at is null) from claim c where c.holder_id = r.id)"
        )
        assert halves == 0
    ended = await owner.fetchval("select count(*) from reservation where state = 'expired'")
    print(f"{ended} of {len(made)} ended before the last kill")
    assert ended > 0, "the kills came before the work"
    await tick(AT + timedelta(days=600))
    rows = await owner.fetch(
        "select r.id, r.state, r.ended_at = r.expires_at as on_time,"
        " (select count(*) from journal j where j.object_id = r.id::text"
        "  and j.action = 'reservation.expired') as said,"
        " (select count(*) from outbox o where o.object_id = r.id::text"
        "  and o.event = 'reservation.expired') as told"
        " from reservation r"
    )
    assert len(rows) == len(made)
    assert {(row["state"], row["on_time"], row["said"], row["told"]) for row in rows} == {
        ("expired", True, 1, 2)
    }
    assert await owner.fetchval("select count(*) from claim where released_at is null") == 0
