"""The reviewers' queue over many cases, each of one order, and the raising of alerts over the same orders.

`python -m tests.bench.bench_queue --cases 20000`: seeds as `bench_forecast` does (half of the orders have a
paid advance), one case per order with a finding, a question for every tenth; raises the alerts twice, then
asks the queue by risk and by age, first page and a later one; prints the median and the spread of each. With
`--assert` it exits 1 when a median is above the goal.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sons_tracker import law
from sons_tracker.db import engine, migrate
from sons_tracker.db.embedded import open_database
from sons_tracker.operations import alerts
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER
from sons_tracker.operations.queue import read_queue
from sons_tracker.operations.queue_facts import QueueFilter
from sons_tracker.settings import Settings
from tests.bench.bench_forecast import _LIVES
from tests.bench.bench_impact import seed
from tests.databases import make_home

GOALS = {"par âge": 1.0, "par risque": 1.0, "alertes": 5.0}
AT = datetime(2023, 9, 1, 9, 0, tzinfo=ZoneInfo("Europe/Paris"))
_CASES = """
set session_replication_role = replica;
set search_path = sons;
insert into conflict (id, number, vague, family, pair_key, state, version, og_id, og_finess_juridique,
    suppliers, ogs, at_stake_ttc_cents, opened_at, opened_for, last_found_at)
  select gen_random_uuid(), 'CF-2023-' || lpad(n::text, 6, '0'), vague,
    (array['order_grant', 'perimeter_differs', 'two_orders'])[1 + n % 3], 'order:' || id, 'open', 1, og_id,
    og_finess_juridique, array[supplier_id], array[og_id], coalesce(total_ttc_cents, 0),
    '2023-03-08Z'::timestamptz + n * interval '10 minutes', 'audit', '2023-08-31Z'
  from (select *, row_number() over (order by number) as n from purchase_order) o;
insert into conflict_side (conflict_id, side, kind, order_id, supplier_id, og_id)
  select c.id, 1, 'order', o.id, o.supplier_id, o.og_id
  from conflict c join purchase_order o on c.pair_key = 'order:' || o.id;
insert into conflict_essms (conflict_id, finess_geographique)
  select distinct s.conflict_id, l.finess_geographique from conflict_side s
  join order_line l on l.order_id = s.order_id;
insert into conflict_finding (conflict_id, found_at, rule, outcome, message, source, readings, a_confirmer,
    facts, law_digest, known_on, digest)
  select id, opened_at, 'R05', (array['fail', 'review', 'unknown'])[1 + (at_stake_ttc_cents / 100) % 3],
    'Vu.', 'S0:1525', '{}', false, '{}', (select digest from law_enactment limit 1), '2023-08-31',
    sha256(id::text::bytea)
  from conflict;
insert into conflict_question (id, conflict_id, kind, organisation_id, text, asked_at, answer_due_at,
    delay_source)
  select gen_random_uuid(), id, 'precisions', suppliers[1], 'Dites-nous.', opened_at + interval '1 day',
    opened_at + interval '15 days', 'L1:1'
  from (select *, row_number() over (order by number) as n from conflict) c where n % 10 = 0;
set session_replication_role = default;
analyze;
"""


async def measure(cases: int, essms: int, rounds: int) -> dict[str, float]:
    """The whole run; returns the median of each question, in seconds."""
    home = make_home()
    settings = Settings.from_env({"SONS_HOME": str(home), "SONS_PG_BIN": os.environ.get("SONS_PG_BIN", "")})
    async with open_database(settings) as database:
        await migrate.migrate(database.owner_dsn)
        owner = await migrate.connect(database.owner_dsn)
        await engine.start(database.app_dsn, role=database.app_role)
        await seed(owner, cases, essms)
        await owner.execute(_LIVES)
        await owner.execute(_CASES)
        known = law.load().law
        print(
            f"{await owner.fetchval('select count(*) from sons.conflict')} dossiers, commandes de {essms}"
            f" ESSMS ; Python {platform.python_version()}, {await owner.fetchval('select version()')}"
        )
        medians = {}
        for name in ("alertes", "alertes, encore"):
            started = time.perf_counter()
            run = await alerts.raise_all(SCHEDULER, known, AT)
            medians[name] = time.perf_counter() - started
            print(f"{name} : {medians[name]:.3f} s, {sum(run.new.values())} nouvelles, {dict(run.open)}")
        for sort in ("age", "risk"):
            after: Any = None
            for place in ("première page", "plus loin"):
                words = f"{'par âge' if sort == 'age' else 'par risque'}, {place}"

                async def ask(sort: Any = sort, after: Any = after) -> Any:
                    return await read_queue(
                        LOCAL_ADMIN, QueueFilter(), sort, known, AT + timedelta(days=1), after, 50
                    )

                medians[words] = await _timed(words, ask, rounds)
                page = await ask()
                for _ in range(20):
                    after = page.next_after or after
                    if page.next_after is None:
                        break
                    page = await ask(after=after)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"mémoire du processus, au plus : {peak} Mio")
        await engine.stop()
        await owner.close()
    shutil.rmtree(home, ignore_errors=True)
    return medians


async def _timed(words: str, ask: Callable[[], Awaitable[Any]], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        await ask()
        taken.append(time.perf_counter() - started)
    median = statistics.median(taken)
    print(f"{words} : {median:.3f} s (de {min(taken):.3f} à {max(taken):.3f}, {rounds} fois)")
    return median


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--essms", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--assert", action="store_true", dest="asserting")
    given = parser.parse_args()
    medians = asyncio.run(measure(given.cases, given.essms, given.rounds))
    late = [name for name, taken in medians.items() if taken > GOALS[name.partition(",")[0]]]
    if given.asserting and late:
        print(f"Au-delà du but : {', '.join(late)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
