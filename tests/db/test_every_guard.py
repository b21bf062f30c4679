"""Every constraint, unique index, trigger and policy of the catalogue is attacked, or says why not.

That an attack fails by its guard and succeeds without it is shown beside each noun; here is only that none is
missing. NOT NULL has no name: `test_schema` compares each column with its mirror, nullability included, and
fails when one goes.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

import tests.db
from tests.databases import Database
from tests.db.attack import Attack
from tests.db.test_constraints import ATTACKS as FOUNDATION
from tests.db.test_schema import READ_BY_ALL

REASONS = {
    "migration_pkey": "written by the migration tool alone, under a lock; the application may not write it",
    "outbox_marked": "refuses nothing: test_outbox.py shows what a reader misses without it",
    "outbox_fanned_out": "refuses nothing: without it nothing is delivered, as test_webhook_sending.py shows",
    "succession_followed_by_claims": "refuses nothing: test_succession_constraints.py shows what it frees",
    "claim_awaits_successions": "refuses nothing: it waits; test_succession_constraints.py takes it away",
    "claim_holds_predecessors": "refuses nothing: test_succession_constraints.py shows what is lost without",
    "claim_lets_go_of_predecessors": "the same",
    "access_token_ended_seen": "shows the scheduler what ended; what it may forget is another policy's",
    "session_ended_seen": "the same",
    "person_fanned_out": "read by one function that asks for one organisation",
    "webhook_endpoint_fanned_out": "the same",
    "calendar_feed_asked": "the same, of one secret",
    "delivery_fanned_out": "written by one function that writes nothing else",
    "lot_line_as_asked_unique": "weaker than lot_line_end_to_end_unique: what a foreign key points at",
    "claim_touches_the_audit": "refuses nothing: it tells the audit what to examine again",
    "succession_touches_the_audit": "the same",
}
# What a policy, a unique constraint or an index is for, read from the catalogue itself.
_GUARDS = """
select conname::text as name, conrelid::regclass::text as tab,
  case when contype = 'u' and conkey @> (
    select p.conkey from pg_constraint p where p.conrelid = c.conrelid and p.contype = 'p')
    then 'weaker than the primary key: what a foreign key points at' end as why
from pg_constraint c
where connamespace = 'sons'::regnamespace and contype in ('c', 'f', 'p', 'u', 'x') and conparentid = 0
union all
select tgname, tgrelid::regclass::text, null from pg_trigger t join pg_class r on r.oid = tgrelid
where not tgisinternal and r.relnamespace = 'sons'::regnamespace
union all
select policyname, 'sons.' || tablename, case
  when coalesce(qual, 'true') = 'true' and coalesce(with_check, 'true') = 'true' then case
    when roles = '{sons_case}' then 'opens to functions that ask for what they need: it refuses nothing'
    when tablename = any ($1) then 'read by everybody: it refuses nothing' end end
from pg_policies where schemaname = 'sons'
union all
select r.relname, indrelid::regclass::text, null
from pg_index i join pg_class r on r.oid = i.indexrelid
where r.relnamespace = 'sons'::regnamespace and indisunique
  and not exists (select from pg_constraint where conindid = indexrelid)
"""


@pytest.fixture(scope="module")
async def owner(module_database: Database) -> AsyncIterator[asyncpg.Connection]:
    con = await module_database.connect_owner()
    yield con
    await con.close()


def attacks(value: object) -> Iterator[Attack]:
    """Every attack in a list of lists of them."""
    if isinstance(value, Attack):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from attacks(one)


def attacked() -> set[str]:
    """The guards that the modules of this folder attack."""
    names = set(FOUNDATION)
    for module in pkgutil.iter_modules(tests.db.__path__):
        found = importlib.import_module(f"tests.db.{module.name}")
        names |= {attack.guard for value in vars(found).values() for attack in attacks(value)}
    return names


@pytest.mark.scoreboard(12)
async def test_every_guard_is_attacked_or_says_why_not(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(_GUARDS, sorted(READ_BY_ALL))
    guards = {row["name"] for row in rows}
    silent = {row["name"] for row in rows if row["why"] is not None}
    known = attacked()
    print(f"{len(rows)} guards, {len(guards & known)} attacked, {len(silent - known)} that refuse nothing")
    assert sorted(guards - known - silent - set(REASONS)) == [], "neither an attack nor a reason"
    assert set(REASONS) <= guards - known - silent, "a reason that excuses nothing"
    assert known <= guards, "an attack on a guard that is no more"
