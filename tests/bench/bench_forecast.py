"""The forecast over many orders, half of them with a paid advance and its ledger.

`python -m tests.bench.bench_forecast --orders 20000`: seeds as `bench_impact` does, then asks the forecast
by several dimensions, in turn; prints the median and the spread of each. With `--assert` it exits 1 when a
median is above the goal (1 s for 20 000 orders of 10 ESSMS).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import statistics
import sys
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from sons_tracker import law
from sons_tracker.db import engine, migrate
from sons_tracker.db.embedded import open_database
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.forecast import ForecastFilter, forecast
from sons_tracker.settings import Settings
from tests.bench.bench_impact import seed
from tests.databases import make_home

GOAL_SECONDS = 1.0
AT = datetime(2023, 9, 1, 9, 0, tzinfo=ZoneInfo("Europe/Paris"))
ASKED = (("month",), ("month", "dispositif", "editor"), ("month", "dispositif", "editor", "region"))
# every second order goes on: validated, its advance paid, its lines in the ledger
_LIVES = """
set session_replication_role = replica;
set search_path = sons;
create temporary table further as
  select id from (select id, row_number() over (order by id) as n from purchase_order) o where n % 2 = 0;
update purchase_order set state = 'validated' where id in (select id from further);
update payment set state = 'paid', due_ttc_cents = amount_ttc_cents, due_at = '2023-03-06Z',
    paid_at = '2023-03-07Z'
  where kind = 'advance' and order_id in (select id from further);
insert into ledger_entry (order_id, finess_geographique, supplier_id, og_id, payment_id, movement,
    amount_ttc_cents, at, cause)
  select l.order_id, l.finess_geographique, l.supplier_id, l.og_id, p.id, m.movement,
    case p.kind when 'advance' then l.advance_ttc_cents else l.solde_ttc_cents end, m.at, m.cause
  from further f join order_line l on l.order_id = f.id join payment p on p.order_id = f.id
  join (values ('planned', '2023-03-06Z'::timestamptz, 'advance_validated'),
               ('paid', '2023-03-07Z'::timestamptz, 'bank_paid')) as m (movement, at, cause)
    on m.movement = 'planned' or p.kind = 'advance';
set session_replication_role = default;
analyze;
"""


async def measure(orders: int, essms: int, rounds: int) -> float:
    """The whole run; returns the largest median, in seconds."""
    home = make_home()
    settings = Settings.from_env({"SONS_HOME": str(home), "SONS_PG_BIN": os.environ.get("SONS_PG_BIN", "")})
    async with open_database(settings) as database:
        await migrate.migrate(database.owner_dsn)
        owner = await migrate.connect(database.owner_dsn)
        await engine.start(database.app_dsn, role=database.app_role)
        await seed(owner, orders, essms)
        await owner.execute(_LIVES)
        print(
            f"{orders} commandes de {essms} ESSMS ; Python {platform.python_version()},"
            f" {await owner.fetchval('select version()')}"
        )
        known, narrowed = law.load().law, ForecastFilter()
        times: dict[tuple[str, ...], list[float]] = {by: [] for by in ASKED}
        for _ in range(rounds):
            for by in ASKED:
                start = time.perf_counter()
                await forecast(LOCAL_ADMIN, by, narrowed, known, AT)
                times[by].append(time.perf_counter() - start)
        for by, found in times.items():
            print(
                f"prévision par {', '.join(by):<36} médiane {statistics.median(found):6.2f} s"
                f"   de {min(found):.2f} à {max(found):.2f} s"
            )
        await engine.stop()
        await owner.close()
    shutil.rmtree(home, ignore_errors=True)
    return max(statistics.median(found) for found in times.values())


def main() -> int:
    """Runs the bench from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--essms", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--assert", dest="gate", action="store_true")
    options = parser.parse_args()
    slowest = asyncio.run(measure(options.orders, options.essms, options.rounds))
    return int(options.gate and slowest > GOAL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
