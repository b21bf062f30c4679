"""One tick over many planned deadlines.

`python -m tests.bench.bench_tick --orders 12500 --due 5000`: seeds open orders (eight deadlines each: two
closings and their six reminders), brings so many deadlines into one day, and ticks once the day is over:
reminders, which are told in sets; a mixture of which one in five is a clôture; clôtures alone, where each
order lapses, frees its ESSMS and tells its parties. Then an idle tick, and three processes' worth of ticks
at once. Prints seconds and the growth of memory; with `--assert` it exits 1 when one of them misses 10 s.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from sons_tracker.db import engine, migrate
from sons_tracker.db.embedded import open_database
from sons_tracker.operations.deadlines import Due, tick
from sons_tracker.settings import Settings
from tests.bench.bench_impact import seed
from tests.bench.bench_import import PeakMemory
from tests.databases import make_home
from tests.factories import AT

GOAL_SECONDS = 10.0

_BRING = """
update sons.deadline d set due_at = $1::timestamptz + n * interval '86399 s' / $2
from (select rule, object_id, due_at, row_number() over (order by object_id) as n from sons.deadline
      where fired_at is null and superseded_at is null and due_at > $1 and kind = $3
        and (kind <> 'reminder' or facts @> '{"of": "fermeture", "days": 90}')
      limit $2) as brought
where (d.rule, d.object_id, d.due_at) = (brought.rule, brought.object_id, brought.due_at)
"""


@dataclass(slots=True)
class Bench:
    """The database under measure, and the day that its next deadlines are brought into."""

    owner: asyncpg.Connection
    day: datetime = AT + timedelta(days=1)

    async def bring(self, kind: str, count: int) -> None:
        """Brings so many deadlines of a kind into the day, past the guards, as a seed is written."""
        await self.owner.execute("set session_replication_role = replica")
        await self.owner.execute(_BRING, self.day, count, kind)
        await self.owner.execute("set session_replication_role = default")
        await self.owner.execute("analyze sons.deadline")

    async def timed(self, name: str, ticks: int = 1) -> float:
        """Ticks once the day is over; prints and returns its seconds."""
        self.day += timedelta(days=1)
        with PeakMemory() as memory:
            start = time.perf_counter()
            done: list[list[Due]] = await asyncio.gather(*(tick(self.day) for _ in range(ticks)))
            seconds = time.perf_counter() - start
        fired = sum(map(len, done))
        rate = f"{fired / seconds:8.0f} par seconde" if fired else ""
        print(
            f"{name:<35} {fired:5} échéances {seconds:6.2f} s {rate:>20}"
            f"  mémoire + {memory.growth_mb:.0f} Mo",
            flush=True,
        )
        return seconds


async def measure(orders: int, due: int) -> float:
    """The whole run; returns the seconds of the slowest tick of one process."""
    home = make_home()
    settings = Settings.from_env({"SONS_HOME": str(home), "SONS_PG_BIN": os.environ.get("SONS_PG_BIN", "")})
    async with open_database(settings) as database:
        await migrate.migrate(database.owner_dsn)
        owner = await migrate.connect(database.owner_dsn)
        await engine.start(database.app_dsn, role=database.app_role)
        await seed(owner, orders, 2)
        planned = await owner.fetchval("select count(*) from sons.deadline")
        print(
            f"{planned} échéances planifiées de {orders} commandes de 2 ESSMS ; Python"
            f" {platform.python_version()}, {await owner.fetchval('select version()')}"
        )
        bench = Bench(owner)
        await bench.timed("rien n'est dû")
        await bench.bring("reminder", due)
        await bench.timed("rappels")
        await bench.bring("reminder", due - due // 5)
        await bench.bring("cloture", due // 5)
        mixture = await bench.timed("rappels et une clôture sur cinq")
        await bench.bring("cloture", due)
        slowest = max(mixture, await bench.timed("clôtures, chaque commande caduque"))
        await bench.bring("cloture", due)
        await bench.timed("clôtures, trois passages à la fois", ticks=3)
        await bench.timed("rien n'est dû, après tout cela")
        await engine.stop()
        await owner.close()
    shutil.rmtree(home)
    return slowest


def main() -> int:
    """Runs and prints; 1 with `--assert` when the goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=12_500)
    parser.add_argument("--due", type=int, default=5_000)
    parser.add_argument("--assert", dest="check", action="store_true")
    arguments = parser.parse_args()
    seconds = asyncio.run(measure(arguments.orders, arguments.due))
    met = "tenu" if seconds <= GOAL_SECONDS else "manqué"
    print(f"But : {GOAL_SECONDS:g} s pour un passage ; mesuré {seconds:.1f} s : {met}.")
    return 1 if seconds > GOAL_SECONDS and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
