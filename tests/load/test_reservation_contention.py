"""Many at once on reservations: one holder each, no limit passed by racing, no deadlock told to anyone."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from sons_tracker import law
from sons_tracker.operations import deadlines
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.reservation_reading import ReservationView
from sons_tracker.rules.texts import ReservationTerms
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT
from tests.factories_reservations import JUST, Ground, a_ground, a_rival, drop, read, reserve, reserved

FULL = os.environ.get("TIER") == "full"
CLIENTS = 40
ROUNDS = 25 if FULL else 2
owner = make.Everything()


@pytest.fixture(autouse=True)
async def prepared(database: Database) -> None:
    await make.prepare_instance()


async def live(ground: Ground) -> Counter[str]:
    """How many live claims each ESSMS has."""
    rows = await owner.fetch(
        "select finess_geographique as n from claim where released_at is null"
        " and finess_geographique = any($1)",
        list(ground.essms),
    )
    return Counter(row["n"] for row in rows)


@pytest.mark.scoreboard(1)
async def test_of_forty_who_reserve_or_order_the_same_essms_one_holds_it() -> None:
    for _ in range(ROUNDS):
        ground = await a_ground(owner, 4)
        rivals = [ground, *[await a_rival(owner, ground) for _ in range(9)]]
        chance = random.Random(seed := random.randrange(2**32))
        print(f"seed {seed}")

        async def one(client: int, rivals: list[Ground] = rivals, chance: random.Random = chance) -> bool:
            mine = rivals[client % len(rivals)]
            wanted = chance.sample(mine.essms, chance.randint(2, 4))
            if client % 2:
                return (await make.deposit(mine.editor.actor, mine.order(*wanted))).decision == "accepted"
            told = await reserve(mine.editor.actor, mine.asked(*wanted))
            return isinstance(told.outcome, ReservationView)

        won = await asyncio.gather(*(one(client) for client in range(CLIENTS)))
        assert any(won)
        assert set((await live(ground)).values()) == {1}
        # who was refused left nothing behind: every live claim is of a living holder, whole
        assert (
            await owner.fetchval(
                "select count(*) from reservation r where state = 'active' and essms <> (select"
                " count(*) from claim c where c.holder_id = r.id)"
            )
            == 0
        )


@pytest.mark.scoreboard(1)
async def test_while_a_deposit_takes_over_its_reservation_nobody_slips_in() -> None:
    for _ in range(ROUNDS):
        ground = await a_ground(owner, 3)
        rivals = [await a_rival(owner, ground) for _ in range(8)]
        made = await reserved(ground)
        its_own = [make.deposit(ground.editor.actor, ground.order()) for _ in range(4)]
        others = [
            make.deposit(rival.editor.actor, rival.order(number))
            for rival in rivals
            for number in rival.essms
        ]
        reserving = [reserve(rival.editor.actor, rival.asked()) for rival in rivals]
        views = await asyncio.gather(*its_own, *others, *reserving)
        decisions = [view.decision for view in views[: len(its_own)]]
        assert Counter(decisions) == {"accepted": 1, "refused": 3}
        assert {view.decision for view in views[len(its_own) : -len(reserving)]} == {"refused"}
        assert all(isinstance(told.outcome, Refused) for told in views[-len(reserving) :])
        assert await live(ground) == dict.fromkeys(ground.essms, 1)
        assert (await read(ground.editor.actor, made)).state == "converted"


async def test_the_limit_is_not_passed_by_racing() -> None:
    texts = law.load().law
    vague = texts.vagues["V1"]
    [version] = vague.reservation.versions
    few = replace(version, value=ReservationTerms(15, 7, 1, 30))
    changed = replace(vague, reservation=replace(vague.reservation, versions=(few,)))
    strict = replace(texts, vagues={"V1": changed})
    for _ in range(ROUNDS):
        ground = await a_ground(owner, 20)
        told = await asyncio.gather(
            *(
                reserve(ground.editor.actor, ground.asked(*ground.essms[n : n + 2]), texts=strict)
                for n in range(0, 20, 2)
            )
        )
        assert sum(isinstance(one.outcome, ReservationView) for one in told) == 3
        assert sum((await live(ground)).values()) == 6


async def test_dropping_and_reserving_again_at_once_does_not_escape_the_pause() -> None:
    for _ in range(ROUNDS):
        ground = await a_ground(owner, 2)
        made = await reserved(ground)
        at = AT + timedelta(days=1)
        await asyncio.gather(
            drop(ground.editor.actor, made.id, at),
            *(reserve(ground.editor.actor, ground.asked(), at) for _ in range(5)),
        )
        assert await live(ground) == {}


@pytest.mark.scoreboard(5)
async def test_the_end_comes_once_whoever_ticks_drops_and_orders() -> None:
    for _ in range(ROUNDS):
        ground = await a_ground(owner, 4)
        made = await reserved(ground)
        last = made.expires_at
        await asyncio.gather(
            *(deadlines.tick(last + JUST) for _ in range(4)),
            *(make.deposit(ground.editor.actor, ground.order(number), last) for number in ground.essms[:2]),
            drop(ground.editor.actor, made.id, last),
        )
        await deadlines.tick(last + JUST)
        found = await read(ground.editor.actor, made)
        assert found.state in {"expired", "dropped", "converted"}
        assert found.held == 0
        ends = await owner.fetchval(
            "select count(*) from journal where object_id = $1 and action in ('reservation.expired',"
            " 'reservation.dropped')",
            str(made.id),
        )
        assert ends == 1, "two of the four ESSMS are left to expire, or to be given back"
