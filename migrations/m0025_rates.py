"""Rates: two requests at once are counted in the order in which they take the bucket, not as they arrived."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0025"
VERSION = "1.38.0"
DESCRIPTION = "Rates: a bucket is read at the instant that it is taken"

SPEND = """
-- As before, but for the instant: that of a statement is its arrival, and who waited for the row would count
-- from before the other. The clock is read once the row is held.
set local role sons_case;
create or replace function sons.spend(of_kind text, of_subject text, requests int, seconds int)
returns table (granted boolean, remaining int, wait_seconds float8, full_seconds float8)
language sql volatile security definer set search_path = sons, pg_temp
begin atomic
  with spent as (
    insert into rate_bucket as b (kind, subject, full_at)
    values (of_kind, of_subject, clock_timestamp() + make_interval(secs => seconds::float8 / requests))
    on conflict on constraint rate_bucket_pkey do update
      set full_at = least(greatest(b.full_at, clock_timestamp()),
                          clock_timestamp() + make_interval(secs => seconds))
                    + make_interval(secs => seconds::float8 / requests)
      where least(greatest(b.full_at, clock_timestamp()),
                  clock_timestamp() + make_interval(secs => seconds))
            + make_interval(secs => seconds::float8 / requests)
            <= clock_timestamp() + make_interval(secs => seconds)
    returning extract(epoch from full_at - clock_timestamp())::float8 as full_in
  )
  select true, floor((seconds - s.full_in) * requests / seconds + 1e-6)::int, 0::float8, s.full_in
  from spent s
  union all
  select false, 0, least(b.full_in - seconds, 0) + seconds::float8 / requests, least(b.full_in, seconds)
  from (select extract(epoch from full_at - clock_timestamp())::float8 as full_in from rate_bucket
        where kind = of_kind and subject = of_subject) b
  where not exists (select from spent);
end;
set local role sons_owner;
"""


async def _run() -> None:
    await DB.run_script(SPEND)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
