"""The journal sealed beside itself: a hash chain over its rows, and the heads published outside.

Writers never meet the chain: a row is sealed afterwards, once no running transaction can still write before
it. What may be sealed, in which place, with which hash is checked here again, since what enters an
append-only chain wrongly stays there.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0022"
VERSION = "1.38.0"
DESCRIPTION = "Sealing of the journal: hash chain, published heads"

SEALS = """
-- `hash` is sha256 of `prev` and of the row in its canonical form (rules/sealing.py, docs/journal.md); the
-- first `prev` is 32 zero bytes. `sealed_at` comes from the machine and cannot be supplied.
create table sons.journal_seal (
  seq bigint not null,
  journal_id bigint not null,
  prev bytea not null,
  hash bytea not null,
  sealed_at timestamptz not null default clock_timestamp(),
  constraint journal_seal_pkey primary key (seq),
  constraint journal_seal_once unique (journal_id),
  constraint journal_seal_head_unique unique (seq, hash),
  constraint journal_seal_row_fkey foreign key (journal_id) references sons.journal (id)
);
-- the sequencer goes through the journal by transaction
create index journal_txid on sons.journal (txid, id);

-- A field is its length in bytes, « : », its UTF-8 bytes, « , »; an absent one is « - ».
create function sons.journal_field(value text) returns text language sql immutable parallel safe
return coalesce(octet_length(value) || ':' || value || ',', '-');

create function sons.journal_instant(value timestamptz) returns text language sql stable parallel safe
return to_char(value at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

create function sons.journal_hash(seq bigint, prev bytea, j sons.journal) returns bytea
language sql stable parallel safe
return sha256(prev || convert_to('sons-journal-v1' || chr(10)
  || sons.journal_field(seq::text) || sons.journal_field(j.id::text)
  || sons.journal_field(sons.journal_instant(j.at))
  || sons.journal_field(sons.journal_instant(j.recorded_at)) || sons.journal_field(j.txid::text)
  || sons.journal_field(j.person_id::text) || sons.journal_field(j.organisation_id::text)
  || sons.journal_field(j.role) || sons.journal_field(j.token_id::text)
  || sons.journal_field(j.auth_level) || sons.journal_field(j.action)
  || sons.journal_field(j.object_kind) || sons.journal_field(j.object_id)
  || sons.journal_field(j.facts::text), 'UTF8'));

-- The guards look at a batch at once: row by row they would cost the sequencer most of its time.
-- SN220: no running transaction may still write a row that belongs before this one. A number that no
-- transaction of this cluster has reached yet comes with a base restored from another: its row is committed.
create function sons.guard_journal_final() returns trigger language plpgsql as $$
declare wrong bigint;
begin
  select j.id into wrong from written w join sons.journal j on j.id = w.journal_id
  where j.txid is not distinct from pg_current_xact_id_if_assigned()
     or j.txid >= pg_snapshot_xmin(pg_current_snapshot())
        and j.txid < pg_snapshot_xmax(pg_current_snapshot()) limit 1;
  if found then
    raise exception 'journal row % may still have one before it', wrong
      using errcode = 'SN220', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger journal_seal_of_final_row after insert on sons.journal_seal
  referencing new table as written for each statement execute function sons.guard_journal_final();

-- SN221: each seal follows another, but for the first; as there is one in each place, there is no gap
create function sons.guard_journal_chain() returns trigger language plpgsql as $$
declare wrong bigint;
begin
  select w.seq into wrong from written w left join sons.journal_seal p on p.seq = w.seq - 1
  where w.prev is distinct from
    case w.seq when 1 then decode(repeat('00', 32), 'hex') else p.hash end limit 1;
  if found then
    raise exception 'seal % does not follow another', wrong using errcode = 'SN221', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger journal_seal_follows after insert on sons.journal_seal
  referencing new table as written for each statement execute function sons.guard_journal_chain();

-- SN222: what is sealed is the row
create function sons.guard_journal_hash() returns trigger language plpgsql as $$
declare wrong bigint;
begin
  select w.seq into wrong from written w left join sons.journal j on j.id = w.journal_id
  where w.hash is distinct from sons.journal_hash(w.seq, w.prev, j) limit 1;
  if found then
    raise exception 'seal % is not that of its row', wrong using errcode = 'SN222', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger journal_seal_is_the_rows after insert on sons.journal_seal
  referencing new table as written for each statement execute function sons.guard_journal_hash();
"""

HEADS = """
-- A head that was given away, once per way: `taken_at` is the business instant, `published_at` the machine's.
create table sons.journal_head (
  seq bigint not null,
  channel text not null,
  hash bytea not null,
  taken_at timestamptz not null,
  published_at timestamptz not null default clock_timestamp(),
  constraint journal_head_pkey primary key (seq, channel),
  constraint journal_head_channel_known check (channel in ('file', 'mail')),
  constraint journal_head_of_chain foreign key (seq, hash) references sons.journal_seal (seq, hash)
);
create index journal_head_channel on sons.journal_head (channel, seq);
"""

RIGHTS = "\n".join(
    f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ((select sons.sees_all()));
create policy {table}_{done} on sons.{table} for insert to sons_app
  with check ((select sons.current_role_name()) = 'scheduler');
grant select, insert ({columns}) on sons.{table} to sons_app;
create trigger {table}_append_only before update or delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
    for table, done, columns in (
        ("journal_seal", "sealed", "seq, journal_id, prev, hash"),
        ("journal_head", "published", "seq, channel, hash, taken_at"),
    )
)

FUNCTIONS = """
grant execute on function sons.journal_field(text), sons.journal_instant(timestamptz),
  sons.journal_hash(bigint, bytea, sons.journal) to sons_app;
"""


async def _run() -> None:
    await DB.run_script("\n".join((SEALS, HEADS, RIGHTS, FUNCTIONS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
