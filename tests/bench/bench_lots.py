"""A lot of many payments, from its preparation to its settlement in the ledger, and back.

`python -m tests.bench.bench_lots --lines 5000`: makes one order whose advance is due through the operations
and copies its rows under other numbers. Then prepares a lot of all of them, approves it, writes its file,
imports the bank's answer that all are paid, imports it again, and imports that all came back. Prints seconds
and transfers a second.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import sys
import time
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

import asyncpg

from sons_tracker.db import engine, migrate
from sons_tracker.db.embedded import open_database
from sons_tracker.exchanges.lot_file import to_csv, to_json
from sons_tracker.operations import lot_reading
from sons_tracker.settings import Settings
from tests import factories_lots as bank
from tests import factories_orders as make
from tests.bench.bench_import import PeakMemory
from tests.databases import make_home
from tests.factories_life import an_order_with_due_advance

T = TypeVar("T")

# The guards look at each row: copies of a row that they accepted need not be looked at again.
_COPIES = """
set session_replication_role = replica;
set search_path = sons;
create temporary table copy as
select n, gen_random_uuid() as id, gen_random_uuid() as og_id, gen_random_uuid() as advance,
       gen_random_uuid() as solde, o.id as from_id,
       '98' || lpad(n::text, 7, '0') as og, o.supplier_id
from generate_series(1, {orders}) as n, purchase_order o;
insert into organisation (id, kind, name, finess_juridique)
  select og_id, 'og', 'OG de mesure (fictif)', og from copy;
insert into purchase_order
  select (jsonb_populate_record(o, jsonb_build_object('id', c.id, 'og_id', c.og_id,
    'og_finess_juridique', c.og, 'number', 'BC-2023-' || lpad((900000 + c.n)::text, 7, '0'),
    'verdicts', '[]'::jsonb))).*
  from copy c join purchase_order o on o.id = c.from_id;
insert into order_line
  select (jsonb_populate_record(l, jsonb_build_object('order_id', c.id, 'og_id', c.og_id))).*
  from copy c join order_line l on l.order_id = c.from_id;
insert into payment
  select (jsonb_populate_record(p, jsonb_build_object('order_id', c.id, 'og_id', c.og_id,
    'id', case p.kind when 'advance' then c.advance else c.solde end))).*
  from copy c join payment p on p.order_id = c.from_id;
insert into financing_request
  select (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), 'order_id', c.id,
    'og_id', c.og_id))).*
  from copy c join financing_request r on r.order_id = c.from_id;
insert into ledger_entry (order_id, finess_geographique, supplier_id, og_id, payment_id, movement,
    amount_ttc_cents, at, cause)
  select c.id, e.finess_geographique, e.supplier_id, c.og_id,
    case p.kind when 'advance' then c.advance else c.solde end, e.movement, e.amount_ttc_cents, e.at, e.cause
  from copy c join ledger_entry e on e.order_id = c.from_id join payment p on p.id = e.payment_id;
set session_replication_role = default;
analyze;
"""


async def seed(owner: asyncpg.Connection, orders: int, essms: int) -> None:
    """So many orders whose advance is due, the first by the operations and the others copied from it."""
    await make.prepare_instance()
    await an_order_with_due_advance(make.Everything(), essms)
    if orders > 1:
        await owner.execute(_COPIES.format(orders=orders - 1))


async def timed(name: str, lines: int, work: Awaitable[T]) -> T:
    """Runs and prints one measure."""
    with PeakMemory() as memory:
        start = time.perf_counter()
        done = await work
        seconds = time.perf_counter() - start
    rate = f"{lines / seconds:8.0f} virements par seconde"
    print(f"{name:<34} {seconds:7.2f} s   {rate}   mémoire + {memory.growth_mb:.0f} Mo")
    return done


async def play(lines: int) -> None:
    """The life of one lot of all that is due."""
    payers = await bank.two_payers()
    lot = (await timed("préparer", lines, bank.prepared(payers))).lot
    assert lot.lines == lines
    lot = (await timed("approuver", lines, bank.approved(payers, lot))).lot
    export = lot_reading.export(payers.first.actor, lot.id, "json", bank.APPROVED_AT)
    file = await timed("lire le fichier", lines, export)
    print(f"{'':<34} JSON {len(to_json(file)) / 1e6:.1f} Mo, CSV {len(to_csv(file)) / 1e6:.1f} Mo")
    asked = await bank.lines_of(payers, lot)
    paid = bank.csv_of(lot.number, [bank.an_answer(line) for line in asked])
    told = await timed("intégrer le retour : payés", lines, bank.imported(payers, paid))
    assert told.outcome.paid.count == lines, told.outcome
    await timed("intégrer le même fichier", lines, bank.imported(payers, paid))
    later = bank.RETURNED_AT + timedelta(days=1)
    back = bank.csv_of(lot.number, [bank.an_answer(line, "returned") for line in asked])
    told = await timed("intégrer le retour : retournés", lines, bank.imported(payers, back, later))
    assert told.outcome.returned.count == lines, told.outcome


async def measure(lines: int, essms: int) -> None:
    """The whole run on a database of its own."""
    home = make_home()
    settings = Settings.from_env({"SONS_HOME": str(home), "SONS_PG_BIN": os.environ.get("SONS_PG_BIN", "")})
    async with open_database(settings) as database:
        await migrate.migrate(database.owner_dsn)
        owner = await migrate.connect(database.owner_dsn)
        await engine.start(database.app_dsn, role=database.app_role)
        start = time.perf_counter()
        await seed(owner, lines, essms)
        print(
            f"{lines} avances de {essms} ESSMS, semées en {time.perf_counter() - start:.1f} s ;"
            f" Python {platform.python_version()}, {await owner.fetchval('select version()')}"
        )
        await play(lines)
        await engine.stop()
        await owner.close()
    shutil.rmtree(home)


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=5_000)
    parser.add_argument("--essms", type=int, default=5)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.lines, arguments.essms))
    return 0


if __name__ == "__main__":
    sys.exit(main())
