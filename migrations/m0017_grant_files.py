"""Files of grants: what each import read and set aside, and every anomaly that it told, line by line.

The register holds what was imported; this holds what was not, and what was doubted, as it was told. An
import that was refused as a whole wrote nothing and leaves nothing here.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0017"
VERSION = "1.38.0"
DESCRIPTION = "Files of grants: imports with their anomalies"

IMPORTS = """
-- The row of `extraction` is what was stated of a day, and a corrected file replaces it; an import stays.
create table sons.grant_import (
  id uuid not null,
  extracted_on date not null,
  scope text not null,
  file_name text not null,
  file_sha256 bytea not null,
  imported_at timestamptz not null,
  rows_read int not null,
  rows_set_aside int not null,
  anomalies int not null,
  constraint grant_import_pkey primary key (id),
  constraint grant_import_scope_known check (scope in ('stock', 'extrait')),
  constraint grant_import_file_sha256_length check (octet_length(file_sha256) = 32),
  constraint grant_import_takes_a_row check (rows_set_aside >= 0 and rows_set_aside < rows_read),
  -- what it leaves out, a partial import knows nothing of: it is no stock
  constraint grant_import_partial_is_no_stock check (rows_set_aside = 0 or scope = 'extrait'),
  -- a line is set aside for a reason
  constraint grant_import_says_why check (anomalies >= rows_set_aside)
);
create index grant_import_imported on sons.grant_import (imported_at desc, id desc);

create table sons.grant_anomaly (
  import_id uuid not null,
  rank int not null,
  line int not null,
  severity text not null,
  code text not null,
  message text not null,
  grant_reference text,
  finess_geographique text,
  constraint grant_anomaly_pkey primary key (import_id, rank),
  constraint grant_anomaly_import_fkey foreign key (import_id) references sons.grant_import (id),
  constraint grant_anomaly_place_positive check (rank > 0 and line > 0),
  constraint grant_anomaly_severity_known check (severity in ('error', 'warn')),
  constraint grant_anomaly_says_something check (btrim(code) <> '' and btrim(message) <> ''),
  constraint grant_anomaly_finess_form check (finess_geographique ~ '^([0-9]{2}|2[AB])[0-9]{7}$')
);

-- SN170, at the commit: an import keeps every anomaly that it counted
create function sons.guard_grant_import() returns trigger language plpgsql as $$
begin
  if new.anomalies <> (select count(*) from sons.grant_anomaly where import_id = new.id) then
    raise exception 'the anomalies of import % are not whole', new.id
      using errcode = 'SN170', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger grant_import_is_whole after insert on sons.grant_import
  deferrable initially deferred for each row execute function sons.guard_grant_import();
"""

RIGHTS = "\n".join(
    f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ((select sons.sees_all()));
create policy {table}_made on sons.{table} for insert to sons_app
  with check ((select sons.current_role_name()) = 'admin');
grant select, insert on sons.{table} to sons_app;
create trigger {table}_append_only before update on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
    for table in ("grant_import", "grant_anomaly")
)


async def _run() -> None:
    await DB.run_script(IMPORTS + RIGHTS)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
