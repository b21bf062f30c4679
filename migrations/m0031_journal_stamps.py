"""Time stamps of the journal's heads (RFC 3161), who of an agency is sent a head, one index less."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0031"
VERSION = "1.38.0"
DESCRIPTION = "Journal: time stamps of its heads; heads to pilots and administrators alone"

STAMPS = """
-- What a time stamping authority answered of a head, whole; `stamped_at` is the authority's clock, `kept_at`
-- the machine's. What it stamped is sha256 of the head's hash.
create table sons.journal_stamp (
  seq bigint not null,
  hash bytea not null,
  token bytea not null,
  stamped_at timestamptz not null,
  kept_at timestamptz not null default clock_timestamp(),
  constraint journal_stamp_pkey primary key (seq),
  constraint journal_stamp_of_chain foreign key (seq, hash) references sons.journal_seal (seq, hash),
  constraint journal_stamp_of_its_head check (position(sha256(hash) in token) > 0),
  constraint journal_stamp_token_size check (octet_length(token) <= 65536)
);

alter table sons.journal_stamp enable row level security, force row level security;
create policy journal_stamp_seen on sons.journal_stamp for select to sons_app
  using ((select sons.sees_all()));
create policy journal_stamp_kept on sons.journal_stamp for insert to sons_app
  with check ((select sons.current_role_name()) = 'scheduler');
grant select, insert (seq, hash, token, stamped_at) on sons.journal_stamp to sons_app;
create trigger journal_stamp_append_only before update or delete on sons.journal_stamp
  for each row execute function sons.refuse_change();
create trigger journal_stamp_never_truncated before truncate on sons.journal_stamp
  for each statement execute function sons.refuse_change();
"""

HEADS = """
-- a head of the journal is for who watches over the instance, not for each member of its organisation
set local role sons_case;
create or replace function sons.fan_out() returns trigger
language plpgsql security definer set search_path = sons, pg_temp as $$
begin
  insert into sons.delivery (outbox_id, organisation_id, endpoint_id, round, state, attempts, created_at,
                             next_at)
  select a.id, a.organisation_id, e.id, 1, 'waiting', 0, now(), now()
  from announced a
  join sons.webhook_endpoint e on e.organisation_id = a.organisation_id and e.disabled_at is null
  where e.id = a.endpoint_id
     or a.endpoint_id is null
        and e.events && array['*', a.event, split_part(a.event, '.', 1) || '.*'];
  insert into sons.delivery (outbox_id, organisation_id, person_id, round, state, attempts, created_at,
                             next_at)
  select distinct a.id, a.organisation_id, p.id, 1, 'waiting', 0, now(), now()
  from announced a
  join sons.membership m on m.organisation_id = a.organisation_id
  join sons.person p on p.id = m.person_id and p.email is not null
  where a.mailed and m.removed_at is null
    and (a.event <> 'journal.head' or m.role in ('pilot', 'admin'));
  return null;
end $$;
set local role sons_owner;
"""


LIGHTER = """
-- nothing asks the journal by organisation, and each act paid for it
drop index sons.journal_organisation;

-- The same text as before. « || » of a number is only stable, so an immutable function that had it was called
-- for each field; this one is read into the query, and the hash of a row takes a quarter of the time.
create or replace function sons.journal_field(value text) returns text language sql immutable parallel safe
return coalesce(octet_length(value)::text || ':' || value || ',', '-');

-- SN221 again, in as many steps as there are new seals: the place before is a column here, because under
-- row-level security an index is not asked for an expression, and the whole chain was read for each batch.
create or replace function sons.guard_journal_chain() returns trigger language plpgsql as $$
declare wrong bigint;
begin
  with placed as materialized (select seq, seq - 1 as before, prev from written)
  select w.seq into wrong from placed w left join sons.journal_seal p on p.seq = w.before
  where w.prev is distinct from
    case w.seq when 1 then decode(repeat('00', 32), 'hex') else p.hash end limit 1;
  if found then
    raise exception 'seal % does not follow another', wrong using errcode = 'SN221', constraint = tg_name;
  end if;
  return null;
end $$;
-- A guard is planned once in the life of a connection, maybe when the chain is empty: by the index, always.
alter function sons.guard_journal_final() set enable_seqscan = off;
alter function sons.guard_journal_final() set enable_hashjoin = off;
alter function sons.guard_journal_final() set enable_mergejoin = off;
alter function sons.guard_journal_chain() set enable_seqscan = off;
alter function sons.guard_journal_chain() set enable_hashjoin = off;
alter function sons.guard_journal_chain() set enable_mergejoin = off;
alter function sons.guard_journal_hash() set enable_seqscan = off;
alter function sons.guard_journal_hash() set enable_hashjoin = off;
alter function sons.guard_journal_hash() set enable_mergejoin = off;
"""


async def _run() -> None:
    await DB.run_script("\n".join((STAMPS, HEADS, LIGHTER)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
