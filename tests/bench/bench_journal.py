"""Sixteen writers without the journal, with it, and with the sequencer sealing behind them.

`python -m tests.bench.bench_journal`: each round plays a burst in the four ways, in an order drawn anew:
(a) deposits of orders of 10 ESSMS through the operation; (b) the smallest act of a party that can be: its
key, one row, its answer. Without the journal, `record_all` does nothing. The sequencer is a process of
its own. As the scheduler's, it seals every fifteen seconds: in each burst, at once, as many rows as a
burst writes. Under stress it seals ten times a second. Prints medians, spreads, and the median over the
rounds of the ratio to the same round without a journal; with `--assert` it exits 1 when a deposit, with
the journal and the scheduler's sequencer, is more than 20 % slower. Then seals a long journal, exports it
and verifies the file: rows a second, memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import resource
import shutil
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from uuid import uuid4

import asyncpg

from sons_tracker import verify_journal
from sons_tracker.db import engine, journal, migrate
from sons_tracker.db.embedded import OpenDatabase, open_database
from sons_tracker.operations import sealing
from sons_tracker.operations.actors import LOCAL_ADMIN, Actor
from sons_tracker.operations.acts import perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.scheduler import TICK_SECONDS
from sons_tracker.settings import Settings
from tests import factories_orders as make
from tests.bench.bench_orders import Supply, by_operation
from tests.databases import make_home
from tests.factories import AT, an_account

SEED = 20230301
WRITERS = 16
SLOWEST = 1.20
WITHOUT, WITH, SEALED, STRESS = "sans journal", "avec journal", "et scellement", "à 10 par s"
EVERY = {SEALED: TICK_SECONDS, STRESS: 0.1}
_SEQUENCER = """
import asyncio, sys
from sons_tracker.db import engine
from sons_tracker.operations.sealing import seal_all
async def main():
    await engine.start(sys.argv[1], role=sys.argv[2] or None, max_size=1)
    told, work = asyncio.StreamReader(), None
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    while line := await told.readline():
        if work is not None:
            work.cancel()
            await asyncio.wait([work])
        work = asyncio.create_task(keep_on(float(line))) if line.strip() else None
        print("ok", flush=True)
async def keep_on(seconds):
    while True:
        await seal_all()
        await asyncio.sleep(seconds)
asyncio.run(main())
"""
_LONG = """
insert into sons.journal (at, role, auth_level, action, object_kind, object_id, facts)
select '2023-03-01Z', 'admin', 'local', 'test.written', 'order', gen_random_uuid()::text,
  jsonb_build_object('order_number', 'BC-2023-' || n, 'total_ttc_cents', n * 100, 'reason', repeat('x', 200))
from generate_series(1, $1::int) n
"""
Act = Callable[[], Awaitable[None]]
Tell = Callable[[float | None], Awaitable[None]]


@contextmanager
def no_journal() -> Iterator[None]:
    """Nothing is journaled until leaving."""
    kept = journal.record_all

    async def nothing(*_: object) -> None: ...

    journal.record_all = nothing
    try:
        yield
    finally:
        journal.record_all = kept


@asynccontextmanager
async def sequencer(database: OpenDatabase) -> AsyncIterator[Tell]:
    """Another process, which seals when it is told: at once, then every so many seconds; None: no more. It
    lives on as the server's does, and its connection is warm."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SEQUENCER, database.app_dsn, database.app_role or ""),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    async def tell(seconds: float | None) -> None:
        stdin.write(b"\n" if seconds is None else f"{seconds}\n".encode())
        assert await stdout.readline() == b"ok\n"

    try:
        yield tell
    finally:
        process.kill()
        await process.wait()


async def burst(act: Act, times: int) -> float:
    """Milliseconds that an act takes among sixteen writers, on average over so many."""
    left = count(1)

    async def writer() -> None:
        while next(left) <= times:
            await act()

    start = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    return 1000 * WRITERS * (time.perf_counter() - start) / times


async def compare(tell: Tell, act: Act, times: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds per act, way by way."""
    taken: dict[str, list[float]] = {WITHOUT: [], WITH: [], SEALED: [], STRESS: []}
    draw = random.Random(SEED)
    for number in range(rounds + 1):
        for way in draw.sample(sorted(taken), len(taken)):
            if way == WITHOUT:
                with no_journal():
                    ms = await burst(act, times)
            elif way == WITH:
                ms = await burst(act, times)
            else:
                await sealing.seal_all()
                if way == SEALED:
                    await burst(act, times)
                await tell(EVERY[way])
                ms = await burst(act, times)
                await tell(None)
            if number:  # plans and caches are warm
                taken[way].append(ms)
    return taken


def report(name: str, taken: dict[str, list[float]]) -> float:
    """Prints a table; returns how many times slower it is with the scheduler's sequencer than without a
    journal, in the same round."""
    ratios = {
        way: statistics.median(one / base for one, base in zip(ms, taken[WITHOUT], strict=True))
        for way, ms in taken.items()
    }
    for way, ms in taken.items():
        middle = statistics.median(ms)
        print(
            f"  {name:<12} {way:<14} {middle:8.2f} ms  {min(ms):8.2f} – {max(ms):8.2f}  × {ratios[way]:.3f}"
        )
    return ratios[SEALED]


def small_act(actor: Actor) -> Act:
    """One row under a key, journaled: what an act of a party costs at the least."""

    async def act() -> None:
        name = str(uuid4())

        async def work(con: asyncpg.Connection) -> None:
            await con.execute(
                "insert into deadline (rule, object_id, due_at, kind, supplier_id, facts)"
                " values ('R12', $1, $2, 'notice', $3, '{}')",
                name,
                AT + timedelta(days=99),
                actor.organisation_id,
            )
            await journal.record(con, actor, AT, "test.written", "deadline", name, {"rule": "R12"})

        await perform(actor, AT, Key(name, "bench", bytes(32)), work, lambda _: Answer(200, b"{}"))

    return act


async def long_journal(database: OpenDatabase, rows: int, folder: Path) -> None:
    """Seals, exports and verifies a journal of so many rows; prints rates and memory."""
    owner = await migrate.connect(database.owner_dsn)
    await owner.execute(_LONG, rows)
    await owner.execute("analyze sons.journal")
    await owner.close()
    start = time.perf_counter()
    done = await sealing.seal_all()
    rate("scellées", done.rows, start)
    file, before = folder / "journal.jsonl", _peak()
    start = time.perf_counter()
    with file.open("w", encoding="utf-8") as written:
        head = await sealing.export(LOCAL_ADMIN, written.write)
    rate("exportées", head.seq, start)
    start = time.perf_counter()
    found = verify_journal.verify_files(str(file))
    rate("vérifiées", found.rows, start)
    assert found.problems == []
    print(
        f"  fichier de {file.stat().st_size >> 20} Mio ; mémoire du processus : {before} puis {_peak()} Mio"
    )


def rate(words: str, rows: int, start: float) -> None:
    seconds = time.perf_counter() - start
    print(
        f"  {rows} écritures {words} en {seconds:.2f} s : {rows / seconds:,.0f} par seconde".replace(",", " ")
    )


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


async def measure(rounds: int, times: int, rows: int) -> tuple[float, float]:
    """The whole run; returns the ratios of the deposits and of the smallest act."""
    home = make_home()
    settings = Settings.from_env({"SONS_HOME": str(home), "SONS_PG_BIN": os.environ.get("SONS_PG_BIN", "")})
    async with open_database(settings, server_settings={"max_connections": "100"}) as database:
        await migrate.migrate(database.owner_dsn)
        owner = await migrate.connect(database.owner_dsn)
        await engine.start(database.app_dsn, role=database.app_role, max_size=WRITERS)
        await make.prepare_instance()
        solution = await make.a_solution(owner)
        supply = Supply(owner, await an_account("editor", siren=solution.editor_siren), solution)
        await supply.fill(10, 5 * (rounds + 1) * times)
        await owner.execute("analyze")
        print(f"graine {SEED}, {rounds} tours, {WRITERS} rédacteurs, Python {platform.python_version()}")
        print(await owner.fetchval("select version()"))
        deposit = by_operation(settings, supply)
        async with sequencer(database) as tell:
            taken = await compare(tell, lambda: deposit(supply.take(10)), times, rounds)
            ratio = report("dépôt", taken)
            small = await compare(tell, small_act(supply.editor.actor), 10 * times, rounds)
        ratios = ratio, report("moindre acte", small)
        await owner.close()
        await long_journal(database, rows, home)
        await engine.stop()
    shutil.rmtree(home)
    return ratios


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs and prints; 1 with `--assert` when the journal costs more than its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--times", type=int, default=64)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--assert", dest="check", action="store_true")
    given = parser.parse_args(arguments)
    ratios = asyncio.run(measure(given.rounds, given.times, given.rows))
    for act, ratio in zip(("dépôt", "moindre acte"), ratios, strict=True):
        met = "tenu" if ratio <= SLOWEST else "manqué"
        print(f"But : au plus {SLOWEST:g} fois le temps sans journal ; {act} : {ratio:.3f}, {met}.")
    return 1 if given.check and ratios[0] > SLOWEST else 0


if __name__ == "__main__":
    sys.exit(main())
