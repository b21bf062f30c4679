"""Two national extractions compared: every change, the probable successions, what they touch.

`python -m tests.bench.bench_finess_diff` (or `make bench`) generates a synthetic register and a second
extraction of it, in which some thousands of numbers closed, opened, were renumbered, moved, renamed, or went
to another OG; imports both; then measures what the import of the second paid for its successions, and the
first page of the difference. Prints sizes and medians. With `--assert` it exits 1 when a median passes the
goal.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

from sons_tracker import law
from sons_tracker.db import engine, migrate
from sons_tracker.db.embedded import open_database
from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.finess_changes import changes_between, probable_successions
from sons_tracker.operations.finess_differences import Filters, difference
from sons_tracker.operations.successions import look_for_successions
from sons_tracker.registers.finess_csv import ESTABLISHMENTS
from sons_tracker.registers.synthetic import finess_key, generate
from sons_tracker.settings import Settings
from tests.databases import make_home
from tests.factories import AT
from tests.factories_registers import imported

SEED = 20220103
EARLIER, LATER = date(2022, 1, 3), date(2023, 1, 2)
GOAL_SECONDS = 5.0
_RENUMBERED, _CLOSED, _OPENED, _CHANGED = 10, 5, 5, 20
"""Of a thousand numbers, those that are renumbered, close, open, or say something else of themselves."""


def second_extraction(first: Path, folder: Path) -> tuple[Path, int]:
    """The same register a year later; returns its file and how many numbers were renumbered."""
    chance, fields = random.Random(SEED), ESTABLISHMENTS.fields
    with first.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file, delimiter=";")
    place = {name: fields.index(name) for name in fields}
    told, renumbered, fresh = [], 0, 0
    for row in rows:
        draw, new = chance.randrange(1000), list(row)
        if draw < _RENUMBERED + _OPENED:
            new[place["nofinesset"]], fresh = finess_key(f"96{fresh:06d}"), fresh + 1
            new[place["dateouv"]] = "2022-06-01"
            if draw < _RENUMBERED:
                renumbered += 1
            else:
                new[place["rs"]] = new[place["rslongue"]] = f"ETABLISSEMENT {fresh} (FICTIF)"
                new[place["siret"]], new[place["voie"]] = "", f"DU LIEU {fresh}"
                told.append(row)
            told.append(new)
        elif draw < _RENUMBERED + _OPENED + _CHANGED:
            name = chance.choice(("rs", "voie", "nofinessej"))
            other = chance.choice(rows)
            new[place[name]] = other[place[name]]
            told.append(new)
        elif draw < _RENUMBERED + _OPENED + _CHANGED + _CLOSED:
            continue
        else:
            told.append(row)
    path = folder / "second.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerows([[*head[:3], LATER.isoformat()], *told])
    return path, renumbered


async def median(rounds: int, work: Callable[[], Awaitable[object]]) -> float:
    """The median of so many runs, in seconds."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


async def run(establishments: int, rounds: int, *, assert_gates: bool) -> int:
    """Prints the figures; returns the exit status."""
    text = law.load().law
    settings = Settings.from_env(
        {"SONS_HOME": str(make_home()), "SONS_PG_BIN": os.environ.get("SONS_PG_BIN", "")}
    )
    with tempfile.TemporaryDirectory() as folder:
        made = generate(Path(folder), seed=SEED, establishments=establishments, extracted_on=EARLIER)
        second, renumbered = second_extraction(made.establishments, Path(folder))
        async with open_database(settings) as database:
            await migrate.migrate(database.owner_dsn)
            await engine.start(database.app_dsn, role=database.app_role)
            try:
                await imported(made.legal_entities)
                await imported(made.establishments)
                report = await imported(second)

                async def read() -> object:
                    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
                        return await changes_between(con, EARLIER, LATER)

                async def looked() -> object:
                    async with transaction(LOCAL_ADMIN.context) as con:
                        return await look_for_successions(con, AT, text, LATER)

                async def page() -> object:
                    return await difference(LOCAL_ADMIN, EARLIER, LATER, Filters(), text, None, 50)

                async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
                    changes = await changes_between(con, EARLIER, LATER)
                    found = await probable_successions(con, changes, EARLIER, LATER, text)
                figures = {
                    "changes read": await median(rounds, read),
                    "successions found and kept (part of the import)": await median(rounds, looked),
                    "difference, first page": await median(rounds, page),
                }
            finally:
                await engine.stop()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(
        f"{report.read} rows after {made.establishment_rows}: {len(changes)} changed numbers,"
        f" {renumbered} renumbered, {len(found)} probable successions {report.successions}"
    )
    for name, seconds in figures.items():
        print(f"  {name:<50} {seconds:6.2f} s (median of {rounds})")
    missed = [name for name, seconds in figures.items() if seconds > GOAL_SECONDS]
    if missed:
        print(f"over {GOAL_SECONDS} s: {', '.join(missed)}")
    return 1 if missed and assert_gates else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--establishments", type=int, default=105_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--assert", dest="assert_gates", action="store_true")
    given = parser.parse_args(arguments)
    return asyncio.run(run(given.establishments, given.rounds, assert_gates=given.assert_gates))


if __name__ == "__main__":
    sys.exit(main())
