"""The impact of a law over many open orders, then its enactment.

`python -m tests.bench.bench_impact --orders 20000`: deposits one order of `--essms` ESSMS through the
operation and copies its rows under other numbers, each order with an OG and ESSMS of its own in the register.
Then reads what the extended calendar of vague 1 and another rate would change, and enacts that calendar.
Prints seconds, those that this process computes, orders a second and the growth of memory; with `--assert` it
exits 1 above the goal (30 s for 20 000 orders).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import sys
import time
from collections.abc import Awaitable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import asyncpg

from sons_tracker import law
from sons_tracker.db import engine, migrate
from sons_tracker.db.embedded import open_database
from sons_tracker.law.proposal import with_projects
from sons_tracker.operations import enactment
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.impact import OrderImpact, Tally, impact
from sons_tracker.settings import Settings
from tests import factories_orders as make
from tests.bench.bench_import import PeakMemory
from tests.databases import make_home
from tests.law.files import changed

GOAL_SECONDS_PER_ORDER = 30 / 20_000
JANUARY = datetime(2024, 1, 10, 9, 0, tzinfo=ZoneInfo("Europe/Paris"))

# The guards look at each row: copies of a row that they accepted need not be looked at again.
_COPIES = """
set session_replication_role = replica;
set search_path = sons;
create temporary table copy as
select n, gen_random_uuid() as id, gen_random_uuid() as og_id, '98' || lpad(n::text, 7, '0') as og,
       o.id as from_id, o.supplier_id, array(select '97' || lpad((n * {essms} + i)::text, 7, '0')
       from generate_series(0, {essms} - 1) as i) as essms
from generate_series(1, {orders}) as n, purchase_order o;
insert into organisation (id, kind, name, finess_juridique)
  select og_id, 'og', 'OG de mesure (fictif)', og from copy;
insert into legal_entity (finess_juridique, valid_from, name, stub)
  select og, '2022-01-03', 'OG de mesure (fictif)', false from copy;
insert into establishment (finess_geographique, valid_from, finess_juridique, name, category, aggregate,
    departement, in_service)
  select number, '2022-01-03', og, 'ESSMS de mesure (fictif)', '500', '4400', '75', true
  from copy, unnest(essms) as number;
insert into purchase_order
  select (jsonb_populate_record(o, jsonb_build_object('id', c.id, 'og_id', c.og_id,
    'og_finess_juridique', c.og, 'number', 'BC-2023-' || lpad((900000 + c.n)::text, 7, '0'),
    'verdicts', '[]'::jsonb))).*
  from copy c join purchase_order o on o.id = c.from_id;
insert into order_line
  select (jsonb_populate_record(l.line, jsonb_build_object('order_id', c.id, 'og_id', c.og_id,
    'finess_geographique', c.essms[l.place]))).*
  from copy c join (select order_id, row_number() over (partition by order_id order by finess_geographique)
    as place, line from order_line line) as l on l.order_id = c.from_id;
insert into claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id, claimed_at)
  select o.vague, finess, 'order', c.id, c.supplier_id, c.og_id, o.received_at
  from copy c join purchase_order o on o.id = c.from_id, unnest(c.essms) as finess;
insert into payment
  select (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), 'order_id', c.id,
    'og_id', c.og_id))).*
  from copy c join payment p on p.order_id = c.from_id;
insert into deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)
  select d.rule, c.id::text, d.due_at, d.kind, c.id, c.supplier_id, c.og_id, d.facts
  from copy c join deadline d on d.order_id = c.from_id;
set session_replication_role = default;
analyze;
"""


class Reading:
    """What is told page by page; kept as counts, so that memory is that of the reading alone."""

    def __init__(self) -> None:
        self.changes = 0

    def tell(self, page: Sequence[OrderImpact], read: int, total: int) -> None:
        self.changes += sum(len(order.changes) for order in page)
        if sys.stderr.isatty():
            print(f"\r{read} / {total}", end="", file=sys.stderr)


async def seed(owner: asyncpg.Connection, orders: int, essms: int) -> None:
    """So many open orders of so many ESSMS, the first by the operation and the others copied from it."""
    seeded = make.Everything()
    await make.prepare_instance()
    await make.an_accepted_order(seeded, essms)
    await owner.execute(_COPIES.format(orders=orders - 1, essms=essms))


async def timed(name: str, orders: int, work: Awaitable[Tally | enactment.Enactment]) -> float:
    """Runs and prints one measure; returns its seconds."""
    with PeakMemory() as memory:
        start, busy = time.perf_counter(), time.process_time()
        done = await work
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
    touched = done.touched if isinstance(done, Tally) else done.moved.orders
    print(
        f"{name:<34} {seconds:7.2f} s, dont {busy:5.2f} s de calcul"
        f"   {orders / seconds:8.0f} commandes par seconde   {touched} touchées"
        f"   mémoire + {memory.growth_mb:.0f} Mo"
    )
    return seconds


async def measure(orders: int, essms: int) -> float:
    """The whole run; returns the seconds of the longer reading."""
    home = make_home()
    settings = Settings.from_env({"SONS_HOME": str(home), "SONS_PG_BIN": os.environ.get("SONS_PG_BIN", "")})
    async with open_database(settings) as database:
        await migrate.migrate(database.owner_dsn)
        owner = await migrate.connect(database.owner_dsn)
        await engine.start(database.app_dsn, role=database.app_role)
        start = time.perf_counter()
        await seed(owner, orders, essms)
        print(
            f"{orders} commandes de {essms} ESSMS, semées en {time.perf_counter() - start:.1f} s ;"
            f" Python {platform.python_version()}, {await owner.fetchval('select version()')}"
        )
        package, extended = law.load().law, with_projects(law.load()).law
        dearer = law.read_library(changed("ms1_v1.toml", '"2190.00"', '"2200.00"')).law
        slowest = 0.0
        for name, proposed in (("calendrier prolongé", extended), ("autre barème", dearer)):
            reading = impact(LOCAL_ADMIN, package, proposed, JANUARY, Reading().tell)
            slowest = max(slowest, await timed(f"law impact, {name}", orders, reading))
        await timed("law enact, calendrier prolongé", orders, enactment.enact(LOCAL_ADMIN, extended, JANUARY))
        await timed("law enact, une seconde fois", orders, enactment.enact(LOCAL_ADMIN, extended, JANUARY))
        await engine.stop()
        await owner.close()
    shutil.rmtree(home)
    return slowest


def main() -> int:
    """Runs and prints; 1 with `--assert` when the goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--essms", type=int, default=5)
    parser.add_argument("--assert", dest="check", action="store_true")
    arguments = parser.parse_args()
    seconds = asyncio.run(measure(arguments.orders, arguments.essms))
    goal = GOAL_SECONDS_PER_ORDER * arguments.orders
    print(f"But : {goal:g} s ; mesuré {seconds:.1f} s : {'tenu' if seconds <= goal else 'manqué'}.")
    return 1 if seconds > goal and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
