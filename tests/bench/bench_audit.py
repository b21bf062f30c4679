"""The audit of a nation: what SQL takes to find, what it takes to write, and 100 new grants after it.

`python -m tests.bench.bench_audit`: loads 10 000, 45 000, 100 000 and 1 000 000 financed ESSMS (orders of
five, copied in SQL from one that was deposited by the operation); two grants for three of them, half on
financed ESSMS, of which one in twenty forbids or is forbidden by the order; one ESSMS in a hundred changes in
a second stock of the register; one order in a hundred has a rival that was refused. At each size: the finding
alone, the first audit with its cases written, the same nation again, and 100 more grants; the median of
three. Two of the three first audits are rolled back, so that each opens the same cases; the last commits.

With `--assert` it exits 1 when a bar is missed: 45 000 ESSMS and 30 000 grants found in 1 s and written in
5 s, 1 000 000 in 60 s, 100 grants 20 times faster than the whole, and at most twice the time per line from
one size to the next.
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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import asyncpg

from sons_tracker import law
from sons_tracker.db import engine, migrate
from sons_tracker.db.embedded import open_database
from sons_tracker.db.engine import transaction
from sons_tracker.operations import audit
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.audit import AuditResult
from sons_tracker.operations.audit_detectors import Known
from sons_tracker.operations.audit_followups import OF_GRANTS
from sons_tracker.rules.families import FAMILIES
from sons_tracker.settings import Settings
from tests import factories_orders as make
from tests.databases import make_home

SIZES = (10_000, 45_000, 100_000, 1_000_000)
ESSMS_PER_ORDER = 5
NEW_GRANTS = 100
AT = datetime(2023, 6, 1, 10, 0, tzinfo=ZoneInfo("Europe/Paris"))
STOCK_ON = date(2023, 1, 3)
GREATEST_GROWTH, LEAST_GAIN = 2.0, 20.0
# seconds: to find, to write
BARS = {45_000: (1.0, 5.0), 1_000_000: (60.0, 60.0)}

# The guards look at each row: copies of a row that they accepted need not be looked at again. ESSMS n is
# 97…n, its OG that of its order; the numbers 96… have grants and no order.
_ORDERS = """
set session_replication_role = replica;
set search_path = sons;
create temporary table copy as
select n, gen_random_uuid() as id, gen_random_uuid() as rival_id, gen_random_uuid() as og_id,
       '98' || lpad(n::text, 7, '0') as og,
       array(select '97' || lpad((n * {each} + i)::text, 7, '0')
             from generate_series(0, {each} - 1) as i) as essms
from generate_series({since}, {until} - 1) as n;
insert into organisation (id, kind, name, finess_juridique)
  select og_id, 'og', 'OG de mesure (fictif)', og from copy;
insert into establishment (finess_geographique, valid_from, valid_to, finess_juridique, name, category,
    aggregate, departement, in_service)
  select e.number, '2022-01-03', case when e.place % 100 = 0 then date '2023-01-03' end, og,
         'ESSMS de mesure (fictif)', '500', '4400', '75', true
  from copy, lateral (select number, n * {each} + i as place
                      from unnest(essms) with ordinality as u (number, i)) e;
insert into establishment (finess_geographique, valid_from, finess_juridique, name, category, aggregate,
    departement, in_service)
  select e.number, '2023-01-03', case when place % 400 = 0 then '990000001' else og end,
         'ESSMS de mesure (fictif)', '500', '4400', '75', place % 400 <> 200
  from copy, lateral (select number, n * {each} + i as place
                      from unnest(essms) with ordinality as u (number, i)) e
  where place % 100 = 0 and place % 400 <> 300;
create temporary table model as select * from purchase_order where number not like 'BC-2023-9%' limit 1;
insert into purchase_order
  select (jsonb_populate_record(o, jsonb_build_object('id', c.id, 'og_id', c.og_id,
    'og_finess_juridique', c.og, 'number', 'BC-2023-9' || lpad(c.n::text, 8, '0'),
    'verdicts', '[]'::jsonb))).*
  from copy c, model o;
insert into purchase_order
  select (jsonb_populate_record(o, jsonb_build_object('id', c.rival_id, 'og_id', c.og_id,
    'og_finess_juridique', c.og, 'number', 'BC-2023-99' || lpad(c.n::text, 8, '0'), 'ordered', 1,
    'state', 'rejected', 'decision', 'refused', 'verdicts', jsonb_build_array(jsonb_build_object(
      'rule', 'R05', 'outcome', 'fail', 'essms', jsonb_build_array(c.essms[1])))))).*
  from copy c, model o where c.n % 100 = 0;
create temporary table model_line as select l.* from order_line l join model m on m.id = l.order_id limit 1;
insert into order_line
  select (jsonb_populate_record(l, jsonb_build_object('order_id', c.id, 'og_id', c.og_id,
    'finess_geographique', finess))).*
  from copy c, model_line l, unnest(c.essms) as finess;
insert into order_line
  select (jsonb_populate_record(l, jsonb_build_object('order_id', c.rival_id, 'og_id', c.og_id,
    'finess_geographique', c.essms[1]))).*
  from copy c, model_line l where c.n % 100 = 0;
insert into claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id, claimed_at)
  select o.vague, finess, 'order', c.id, o.supplier_id, c.og_id, o.received_at
  from copy c, model o, unnest(c.essms) as finess;
drop table copy, model, model_line;
set session_replication_role = default;
"""
_GRANTS = """
insert into sons.esms_grant (grant_reference, finess_geographique, valid_from, call_year, project, components,
  solution, dui_referenced, state, requested_on, agreed_on, first_paid_on, usage_cents, equipment_cents)
select '{name}' || lpad((n / 20)::text, 7, '0'),
  case when n % 2 = 0 then '97' else '96' end || lpad(({first} + n)::text, 7, '0'), '2022-01-03',
  2022 + n % 4 / 3, case when n % 40 = 0 then 'acquisition' else 'upgrade' end,
  case when n % 40 = 0 then array['usage', 'equipment'] else array['usage'] end, m.solution,
  (array[true, false, null])[n % 3 + 1], (array['agreed', 'first_paid', 'requested'])[n % 3 + 1],
  date '2022-04-01' + n % 30, case when n % 3 < 2 then date '2022-05-20' + n % 40 end,
  case when n % 3 = 1 then date '2022-07-01' end, 500000, case when n % 40 = 0 then 1450000 end
from generate_series({since}, {until} - 1) as n, (select solution from sons.purchase_order limit 1) m
"""


_BARE = """
select count(*) from sons.claim c join sons.esms_grant g using (finess_geographique)
where c.released_at is null and g.valid_to is null
"""


class _RolledBackError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds at one size, medians of three.

    `bare`: the join of live claims and current grants, counted as the owner; `again`: the same nation,
    nothing being new.
    """

    lines: int
    grants: int
    found: int
    bare: float
    finding: float
    writing: float
    again: float
    hundred: float


async def load(owner: asyncpg.Connection, since: int, until: int) -> None:
    """Brings the nation from `since` to `until` financed ESSMS."""
    orders = {"since": since // ESSMS_PER_ORDER, "until": until // ESSMS_PER_ORDER, "each": ESSMS_PER_ORDER}
    await owner.execute(_ORDERS.format(**orders))
    await owner.execute(_GRANTS.format(name="M", first=0, since=since * 2 // 3, until=until * 2 // 3))
    await owner.execute("analyze")


async def _detect() -> int:
    known = Known(law.load().law, AT.date(), STOCK_ON)
    try:
        async with transaction(LOCAL_ADMIN.context) as con:
            await audit.prepare(con)
            await audit.detect(con, known, list(FAMILIES), None)
            raise _RolledBackError
    except _RolledBackError:
        return 0


async def _examine(*, commit: bool) -> AuditResult | None:
    try:
        async with transaction(LOCAL_ADMIN.context) as con:
            result = await audit.examine(con, LOCAL_ADMIN, law.load().law, AT, None, "audit")
            if not commit:
                raise _RolledBackError
            return result
    except _RolledBackError:
        return None


async def _median(work: Callable[[], Awaitable[object]], times: int = 3) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


async def _hundred(owner: asyncpg.Connection, lines: int) -> float:
    """100 more grants, on financed ESSMS that had none, then the audit of what they touch."""
    taken = []
    for turn in range(3):
        first = lines * 2 // 3 + turn * 2 * NEW_GRANTS
        name = f"N{lines}-{turn}-"
        sql = _GRANTS.format(name=name, first=first, since=0, until=2 * NEW_GRANTS)
        await owner.execute(sql + " where n % 2 = 0")
        rows = await owner.fetch(
            "select finess_geographique as n from sons.esms_grant where grant_reference like $1", f"{name}%"
        )
        numbers = [row["n"] for row in rows]
        start = time.perf_counter()
        await audit.run(LOCAL_ADMIN, law.load().law, AT, numbers, "import", OF_GRANTS)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


async def measure(owner: asyncpg.Connection, lines: int) -> Measured:
    """The whole of one size, the nation being loaded."""
    bare = await _median(lambda: owner.fetchval(_BARE))
    finding = await _median(_detect)
    start = time.perf_counter()
    await _examine(commit=False)
    taken = [time.perf_counter() - start]
    start = time.perf_counter()
    await _examine(commit=False)
    taken.append(time.perf_counter() - start)
    start = time.perf_counter()
    result = await _examine(commit=True)
    taken.append(time.perf_counter() - start)
    assert result is not None
    await owner.execute("analyze")
    again = await _median(lambda: audit.run(LOCAL_ADMIN, law.load().law, AT))
    return Measured(
        result.lines,
        result.grants,
        result.found,
        bare,
        finding,
        statistics.median(taken),
        again,
        await _hundred(owner, lines),
    )


def _row(one: Measured, loaded: float) -> str:
    return (
        f"{one.lines:15,} {one.grants:13,} {one.found:9,} {one.bare * 1000:10.0f} ms {one.finding:7.2f} s"
        f" {one.writing:7.2f} s {one.again:10.2f} s {one.hundred * 1000:9.0f} ms"
        f" {one.again / one.hundred:6.0f}   (chargé en {loaded:.0f} s)"
    )


async def run(sizes: Sequence[int]) -> list[Measured]:
    """Loads and measures each size, the smallest first."""
    home = make_home()
    settings = Settings.from_env({"SONS_HOME": str(home), "SONS_PG_BIN": os.environ.get("SONS_PG_BIN", "")})
    found: list[Measured] = []
    async with open_database(settings) as database:
        await migrate.migrate(database.owner_dsn)
        owner = await migrate.connect(database.owner_dsn)
        await engine.start(database.app_dsn, role=database.app_role)
        seeded = make.Everything()
        await make.prepare_instance()
        await make.an_accepted_order(seeded, ESSMS_PER_ORDER)
        await make.an_extraction(seeded, on=STOCK_ON)
        print(f"Python {platform.python_version()}, {await owner.fetchval('select version()')}")
        print(
            " ESSMS financés  financements  conflits  jointure nue   trouver    écrire   de nouveau"
            "  100 de plus   gain"
        )
        since = ESSMS_PER_ORDER
        for lines in sizes:
            start = time.perf_counter()
            await load(owner, since, lines)
            loaded = time.perf_counter() - start
            since = lines
            one = await measure(owner, lines)
            found.append(one)
            print(_row(one, loaded).replace(",", " "), flush=True)
        await engine.stop()
        await owner.close()
    shutil.rmtree(home)
    return found


def missed(found: Sequence[Measured], sizes: Sequence[int]) -> list[str]:
    """The bars that are missed, in French."""
    problems = []
    for size, one in zip(sizes, found, strict=True):
        finding, writing = BARS.get(size, (float("inf"), float("inf")))
        if one.finding > finding or one.writing > writing:
            problems.append(f"{size} ESSMS : {one.finding:.2f} s et {one.writing:.2f} s")
        if size in BARS and one.again < LEAST_GAIN * one.hundred:
            problems.append(f"{size} ESSMS : 100 financements en {one.hundred:.3f} s")
    for (size, one), (_, next_) in zip(
        zip(sizes, found, strict=True), list(zip(sizes, found, strict=True))[1:], strict=False
    ):
        growth = (next_.finding / next_.lines) / (one.finding / one.lines)
        if growth > GREATEST_GROWTH:
            problems.append(f"après {size} ESSMS, {growth:.1f} fois plus de temps par ESSMS")
    return problems


def main() -> int:
    """Runs and prints; 1 with `--assert` when a bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--assert", dest="check", action="store_true")
    arguments = parser.parse_args()
    found = asyncio.run(run(arguments.sizes))
    problems = missed(found, arguments.sizes)
    print("Buts manqués : " + " ; ".join(problems) if problems else "Buts tenus.")
    return 1 if problems and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
