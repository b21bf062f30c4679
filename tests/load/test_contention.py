"""Many at once on the same ESSMS: one financing each, one effect per key, no deadlock."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from sons_tracker.operations import orders
from tests import factories_orders as make
from tests.api.http_orders import ORDERS, an_offer, body_of, key
from tests.databases import Database
from tests.factories import an_account
from tests.faults.service import Service, serving

FULL = os.environ.get("TIER") == "full"
CLIENTS = 40
ESSMS = 500
ATTEMPTS_EACH = 200 if FULL else 10
PAIRS = 1_000 if FULL else 100
TWINS = 2_500 if FULL else 25
SECONDS = 3_600 if FULL else 120


@pytest.fixture
async def owner(database: Database) -> make.Everything:
    await make.prepare_instance()
    return make.Everything()


async def a_known_og(owner: make.Everything, essms: int) -> tuple[str, tuple[str, ...]]:
    """An OG whose organisation exists: with a new one, the first order makes the others wait."""
    og, numbers = await make.an_og(owner, essms)
    await owner.execute("select ensure_og($1, 'OG de test (fictif)')", og)
    return og, numbers


def shuffled(seed: int) -> random.Random:
    """A source of chance whose seed is printed."""
    print(f"seed {seed}")
    return random.Random(seed)


@asynccontextmanager
async def connected(services: list[Service]) -> AsyncIterator[list[httpx.AsyncClient]]:
    """One client per process. It gives up an idle connection before the server does (five seconds): at equal
    delays a request may leave on a connection that is being closed."""
    limits = httpx.Limits(max_connections=CLIENTS, keepalive_expiry=2)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=service.url, limits=limits, timeout=60)
            )
            for service in services
        ]


@pytest.mark.processes
@pytest.mark.scoreboard(1)
async def test_of_many_conflicting_orders_one_wins_each_essms(database: Database, owner) -> None:
    chance = shuffled(random.randrange(2**32))
    ogs = [await a_known_og(owner, 1) for _ in range(ESSMS)]
    offers = [await an_offer(owner, og=ogs[0]) for _ in range(10)]
    attempts = []
    for start in range(0, ESSMS, 4):
        # the attempts on an ESSMS stand side by side, so that they really meet
        together = [
            (chance.choice(offers), og) for og in ogs[start : start + 4] for _ in range(ATTEMPTS_EACH)
        ]
        chance.shuffle(together)
        attempts += together
    queue = iter(attempts)
    outcomes: dict[str, Counter[int]] = defaultdict(Counter)
    problems: list[str] = []

    async def client(http: httpx.AsyncClient) -> None:
        for offer, (og, numbers) in queue:
            body = body_of(make.a_request(og, numbers, offer.solution))
            headers = {**offer.editor.headers, "idempotency-key": key()}
            answer = await http.post(ORDERS, json=body, headers=headers)
            outcomes[numbers[0]][answer.status_code] += 1
            if answer.status_code == 409:
                failed = {v["rule"] for v in answer.json()["verdicts"] if v["outcome"] == "fail"}
                if "R05" not in failed:
                    problems.append(answer.text)

    started = time.monotonic()
    async with serving(database.environ, 2) as services, connected(services) as clients:
        await asyncio.gather(*(client(clients[n % 2]) for n in range(CLIENTS)))
    took = time.monotonic() - started
    print(f"{len(attempts)} attempts by {CLIENTS} clients in {took:.1f} s")
    assert problems == []
    assert len(outcomes) == ESSMS
    assert set().union(*outcomes.values()) == {201, 409}
    assert {count[201] for count in outcomes.values()} == {1}
    assert sum(sum(count.values()) for count in outcomes.values()) == len(attempts)
    live = await owner.fetch(
        "select finess_geographique, count(*) as n from sons.claim where released_at is null group by 1"
    )
    assert {row["finess_geographique"]: row["n"] for row in live} == {n: 1 for _, (n,) in ogs}
    assert await owner.fetchval("select count(*) from sons.purchase_order") == len(attempts)
    assert await owner.fetchval("select count(*) from sons.journal where object_kind = 'order'") == len(
        attempts
    )
    assert took < SECONDS


@pytest.mark.scoreboard(1)
async def test_overlapping_orders_of_500_lines_in_any_order_never_deadlock(
    database: Database, owner, monkeypatch
) -> None:
    chance = shuffled(random.randrange(2**32))
    solutions = [await make.a_solution(owner) for _ in range(2)]
    editors = [await an_account("editor", siren=solution.editor_siren) for solution in solutions]
    won: Counter[int] = Counter()
    write, gates = orders._write, {}

    async def write_together(con, actor, request, *rest):
        gate = gates.get((request.og, actor.organisation_id))
        if gate is not None:  # the first time: what follows a lost race does not wait
            del gates[request.og, actor.organisation_id]
            await gate.wait()
        return await write(con, actor, request, *rest)

    monkeypatch.setattr(orders, "_write", write_together)

    async def pair(og: str, numbers: tuple[str, ...]) -> None:
        halves = []
        for chosen in (numbers[:510], numbers[10:]):
            lines = list(chosen)
            chance.shuffle(lines)
            halves.append(tuple(lines))
        gate = asyncio.Barrier(2)
        gates.update({(og, editor.actor.organisation_id): gate for editor in editors})
        views = await asyncio.gather(
            *(
                make.deposit(editor.actor, make.a_request(og, half, solution))
                for editor, half, solution in zip(editors, halves, solutions, strict=True)
            )
        )
        won[sum(view.decision == "accepted" for view in views)] += 1

    started = time.monotonic()
    for _ in range(PAIRS // 4):
        await asyncio.gather(*[pair(*await a_known_og(owner, 520)) for _ in range(4)])
    print(f"{PAIRS} pairs of 510 lines in {time.monotonic() - started:.1f} s")
    assert won == {1: PAIRS}
    deadlocks = await owner.fetchval(
        "select deadlocks from pg_stat_database where datname = current_database()"
    )
    assert deadlocks == 0
    double = await owner.fetchval(
        "select count(*) from (select 1 from sons.claim where released_at is null"
        " group by vague, finess_geographique having count(*) > 1) d"
    )
    assert double == 0
    assert time.monotonic() - started < SECONDS


@pytest.mark.processes
@pytest.mark.scoreboard(4)
async def test_the_same_request_many_times_at_once_has_one_effect_and_one_answer(
    database: Database, owner
) -> None:
    offers = [await an_offer(owner, 2) for _ in range(TWINS)]
    async with serving(database.environ, 2) as services, connected(services) as clients:
        for offer in offers:
            content = json.dumps(offer.body())
            headers = {**offer.editor.headers, "idempotency-key": key(), "content-type": "application/json"}
            answers = await asyncio.gather(
                *(clients[n % 2].post(ORDERS, content=content, headers=headers) for n in range(CLIENTS))
            )
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.content for answer in answers}) == 1
            first = [a for a in answers if "idempotent-replayed" not in a.headers]
            assert len(first) == 1
    assert await owner.fetchval("select count(*) from sons.purchase_order") == TWINS
    assert await owner.fetchval("select count(*) from sons.claim") == 2 * TWINS
