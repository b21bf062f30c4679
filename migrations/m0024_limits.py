"""Rates, retention, rectification: what bounds the requests, what may be forgotten, what may be corrected.

All of it lives on the machine's clock, never on the business clock.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0024"
VERSION = "1.38.0"
DESCRIPTION = "Limits: rates by account and address, retention of what ended, rectification of a person"

RATES = """
-- How much a caller may still ask, as one instant: when its bucket will be full again. Unlogged: written at
-- each request, of no worth after a crash. `subject`: the identifier of a person, or an address of a network.
create unlogged table sons.rate_bucket (
  kind text not null,
  subject text not null,
  full_at timestamptz not null,
  constraint rate_bucket_pkey primary key (kind, subject),
  constraint rate_bucket_kind_known check (kind in ('account', 'address')),
  constraint rate_bucket_subject_length check (char_length(subject) between 1 and 64)
) with (fillfactor = 50);
alter table sons.rate_bucket enable row level security, force row level security;
create policy rate_bucket_spent on sons.rate_bucket to sons_case using (true);
create policy rate_bucket_full_seen on sons.rate_bucket for select to sons_app
  using ((select sons.current_role_name()) = 'scheduler');
create policy rate_bucket_forgotten on sons.rate_bucket for delete to sons_app
  using ((select sons.current_role_name()) = 'scheduler' and full_at < now());
grant select, insert, update on sons.rate_bucket to sons_case;
grant select, delete on sons.rate_bucket to sons_app;

-- Takes one request of a bucket that holds `requests` and fills in `seconds`, in one statement: two at once
-- wait for each other on the row, and none is counted twice. A bucket never counts as emptier than empty, so
-- that a clock that was set back closes nothing for longer than one request takes. No row: it was made this
-- instant by another, and is not seen yet.
create function sons.spend(of_kind text, of_subject text, requests int, seconds int)
returns table (granted boolean, remaining int, wait_seconds float8, full_seconds float8)
language sql volatile security definer set search_path = sons, pg_temp
begin atomic
  with spent as (
    insert into rate_bucket as b (kind, subject, full_at)
    values (of_kind, of_subject, statement_timestamp() + make_interval(secs => seconds::float8 / requests))
    on conflict on constraint rate_bucket_pkey do update
      set full_at = least(greatest(b.full_at, statement_timestamp()),
                          statement_timestamp() + make_interval(secs => seconds))
                    + make_interval(secs => seconds::float8 / requests)
      where least(greatest(b.full_at, statement_timestamp()),
                  statement_timestamp() + make_interval(secs => seconds))
            + make_interval(secs => seconds::float8 / requests)
            <= statement_timestamp() + make_interval(secs => seconds)
    returning extract(epoch from full_at - statement_timestamp())::float8 as full_in
  )
  select true, floor((seconds - s.full_in) * requests / seconds + 1e-6)::int, 0::float8, s.full_in
  from spent s
  union all
  select false, 0, least(b.full_in - seconds, 0) + seconds::float8 / requests, least(b.full_in, seconds)
  from (select extract(epoch from full_at - statement_timestamp())::float8 as full_in from rate_bucket
        where kind = of_kind and subject = of_subject) b
  where not exists (select from spent);
end;
grant execute on function sons.spend(text, text, int, int) to sons_app;
alter function sons.spend(text, text, int, int) owner to sons_case;
"""

RETENTION = """
-- Only what is over may be forgotten, and only by the scheduler; the delay is a setting.
create policy access_token_ended_seen on sons.access_token for select to sons_app
  using ((select sons.current_role_name()) = 'scheduler');
create policy access_token_forgotten on sons.access_token for delete to sons_app
  using ((select sons.current_role_name()) = 'scheduler' and least(expires_at, revoked_at) < now());
grant delete on sons.access_token to sons_app;
create policy session_ended_seen on sons.session for select to sons_app
  using ((select sons.current_role_name()) = 'scheduler');
create policy session_forgotten on sons.session for delete to sons_app
  using ((select sons.current_role_name()) = 'scheduler' and least(expires_at, revoked_at) < now());
grant delete on sons.session to sons_app;
"""

RECTIFICATION = """
create policy person_rectified on sons.person for update to sons_app
  using ((select sons.current_role_name()) = 'admin');
grant update (name, email) on sons.person to sons_app;
"""


async def _run() -> None:
    await DB.run_script("\n".join((RATES, RETENTION, RECTIFICATION)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
