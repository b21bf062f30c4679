"""The import of a national register beside a bare COPY of the same file, in one interleaved run.

`python -m tests.bench.bench_import` (or `make bench`) generates a synthetic register, then measures in
rounds, each on a new database of a server with its default settings (fsync on) where the legal entities are
already: the bare COPY of the file into a table without index, the first import, the import again without
change. Prints medians, spread, ratios, growth of memory of this process, rows written. With `--assert`
it exits 1 on a missed gate: no register row written without change, memory within bounds, ratios within
twice the goal (time is noisy on a shared machine).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import asyncpg

from sons_tracker.db import engine, migrate
from sons_tracker.db.embedded import OpenDatabase, open_database
from sons_tracker.registers.finess_csv import ESTABLISHMENTS
from sons_tracker.registers.synthetic import GeneratedRegister, generate
from sons_tracker.settings import Settings
from tests.databases import make_home
from tests.factories_registers import imported

SEED = 20220103
GOAL_RATIO = 3.0
GOAL_MEMORY_MB = 32.0
_PAGE_KB = 4


class PeakMemory:
    """The largest resident size of this process while entered, above what it was on entering; in MB."""

    def __enter__(self) -> PeakMemory:
        self._before = self._peak = _resident_kb()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.005):
            self._peak = max(self._peak, _resident_kb())

    @property
    def growth_mb(self) -> float:
        return (self._peak - self._before) / 1024


def _resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_KB


async def bare_copy(owner: asyncpg.Connection, path: Path) -> float:
    """Seconds to COPY the file into a table of text columns, without index, as the owner."""
    columns = ", ".join(f"{name} text" for name in ESTABLISHMENTS.fields)
    await owner.execute(f"drop table if exists public.bare; create table public.bare ({columns})")
    started = time.perf_counter()
    await owner.copy_to_table(
        "bare", schema_name="public", source=path, format="csv", delimiter=";", header=True
    )
    return time.perf_counter() - started


async def rows_written(owner: asyncpg.Connection) -> int:
    """Register rows inserted, updated or deleted since the database was made."""
    await asyncio.sleep(1.1)  # the server's statistics come late
    return int(
        await owner.fetchval(
            "select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables"
            " where schemaname = 'sons' and relname in ('establishment', 'legal_entity')"
        )
    )


@dataclass(slots=True)
class Figures:
    """Seconds by what was timed, growth of memory in MB, register rows written without change."""

    seconds: dict[str, list[float]]
    growth_mb: float = 0.0
    rewritten: int = 0


async def measure_round(database: OpenDatabase, made: GeneratedRegister, figures: Figures) -> None:
    await migrate.migrate(database.owner_dsn)
    owner = await migrate.connect(database.owner_dsn)
    await engine.start(database.app_dsn, role=database.app_role)
    try:
        await imported(made.legal_entities)
        figures.seconds["COPY"].append(await bare_copy(owner, made.establishments))
        with PeakMemory() as memory:
            figures.seconds["import"].append(await _timed(made.establishments))
            written = await rows_written(owner)
            figures.seconds["import again"].append(await _timed(made.establishments))
        figures.seconds["COPY"].append(await bare_copy(owner, made.establishments))
        figures.rewritten += await rows_written(owner) - written
        figures.growth_mb = max(figures.growth_mb, memory.growth_mb)
    finally:
        await engine.stop()
        await owner.close()


async def run(establishments: int, rounds: int, *, assert_gates: bool) -> int:
    """Prints the figures; returns the exit status."""
    figures = Figures({"COPY": [], "import": [], "import again": []})
    home = make_home()
    settings = Settings.from_env({"SONS_HOME": str(home), "SONS_PG_BIN": os.environ.get("SONS_PG_BIN", "")})
    with tempfile.TemporaryDirectory() as folder:
        made = generate(Path(folder), seed=SEED, establishments=establishments, extracted_on=date(2022, 1, 3))
        async with open_database(settings) as first:
            for number in range(rounds):
                async with open_database(settings, name=f"bench_{number}") as database:
                    await measure_round(database, made, figures)
            version = await _version(first)
        size = made.establishments.stat().st_size
    shutil.rmtree(home)
    print(f"{establishments} lignes, {size / 1e6:.1f} Mo, graine {SEED}, {rounds} tours")
    print(f"Python {platform.python_version()}, {version}, réglages par défaut (fsync)")
    copy = statistics.median(figures.seconds["COPY"])
    ratios = {}
    for name, seconds in figures.seconds.items():
        ratios[name] = statistics.median(seconds) / copy
        print(
            f"{name:13} médiane {statistics.median(seconds):6.3f} s"
            f"  ({min(seconds):.3f} à {max(seconds):.3f})  × {ratios[name]:.2f}"
        )
    print(f"mémoire : + {figures.growth_mb:.1f} Mo au plus")
    print(f"lignes de registre écrites par l'import sans changement : {figures.rewritten}")
    missed = (
        figures.rewritten != 0 or figures.growth_mb > GOAL_MEMORY_MB or max(ratios.values()) > 2 * GOAL_RATIO
    )
    return int(assert_gates and missed)


async def _timed(path: Path) -> float:
    started = time.perf_counter()
    await imported(path)
    return time.perf_counter() - started


async def _version(database: OpenDatabase) -> str:
    con = await migrate.connect(database.owner_dsn)
    try:
        return "PostgreSQL " + str(await con.fetchval("show server_version"))
    finally:
        await con.close()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--establishments", type=int, default=105_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--assert", dest="assert_gates", action="store_true")
    given = parser.parse_args(arguments)
    return asyncio.run(run(given.establishments, given.rounds, assert_gates=given.assert_gates))


if __name__ == "__main__":
    sys.exit(main())
