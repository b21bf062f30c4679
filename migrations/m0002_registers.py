"""The five registers as dated statements of their extractions, and what the extractions were.

A row is valid on [valid_from, valid_to), an axis of extraction dates: `valid_to` is the first stock that
no longer had it, and absence is no closure. Registers are read by everyone and written by an import only;
grants are read by the OG of the ESSMS and by the agencies.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0002"
VERSION = "1.38.0"
DESCRIPTION = "Registers: extractions, establishments, legal entities, referencings, distributors, grants"

EXTRACTIONS = """
create table sons.extraction (
  id uuid not null default gen_random_uuid(),
  register text not null,
  extracted_on date not null,
  scope text not null,
  format text not null,
  file_name text not null,
  file_sha256 bytea not null,
  rows_read int not null,
  rows_new int not null,
  rows_changed int not null,
  rows_absent int not null,
  rows_warned int not null,
  imported_at timestamptz not null,
  imported_by uuid,
  constraint extraction_pkey primary key (id),
  constraint extraction_register_known
    check (register in ('establishment', 'legal_entity', 'referencing', 'distributor', 'esms_grant')),
  constraint extraction_scope_known check (scope in ('stock', 'extrait')),
  constraint extraction_unique unique (register, extracted_on, scope),
  constraint extraction_file_sha256_length check (octet_length(file_sha256) = 32),
  constraint extraction_rows_positive
    check (least(rows_read, rows_new, rows_changed, rows_absent, rows_warned) >= 0),
  constraint extraction_extrait_closes_nothing check (scope = 'stock' or rows_absent = 0),
  constraint extraction_imported_by_fkey foreign key (imported_by) references sons.person (id)
);

-- What an extrait named. A stock says something of every row, by its presence or its absence; an extrait
-- only of what it names, also when it found it unchanged: an older stock that is imported later must not
-- undo that.
create table sons.extract_mention (
  register text not null,
  extracted_on date not null,
  row_key text[] not null,
  constraint extract_mention_pkey primary key (register, extracted_on, row_key)
);
"""

FINESS = """
create table sons.establishment (
  finess_geographique text not null,
  valid_from date not null,
  valid_to date,
  finess_juridique text,
  name text not null,
  long_name text,
  category text not null,
  aggregate text,
  departement text,
  commune text,
  address text,
  postal_line text,
  siret text,
  in_service boolean not null,
  opened_on date,
  closed_on date,
  constraint establishment_pkey primary key (finess_geographique, valid_from),
  constraint establishment_validity check (valid_to > valid_from),
  constraint establishment_number_length check (length(finess_geographique) = 9),
  constraint establishment_category_length check (length(category) = 3),
  constraint establishment_aggregate_level check (aggregate like '__00')
);
create index establishment_finess_juridique on sons.establishment (finess_juridique, valid_from);

create table sons.legal_entity (
  finess_juridique text not null,
  valid_from date not null,
  valid_to date,
  name text not null,
  long_name text,
  siren text,
  legal_status text,
  departement text,
  postal_line text,
  created_on date,
  closed_on date,
  stub boolean not null,
  constraint legal_entity_pkey primary key (finess_juridique, valid_from),
  constraint legal_entity_validity check (valid_to > valid_from),
  constraint legal_entity_number_length check (length(finess_juridique) = 9)
);

-- To which OG an ESSMS was attached, from which extraction and until which: consecutive rows that say the
-- same make one line. It reads with the rights of who asks.
create view sons.attachment with (security_invoker = true) as
with marked as (
  select finess_geographique, finess_juridique, valid_from, valid_to,
         lag(valid_to) over rows_in_time is distinct from valid_from
         or lag(finess_juridique) over rows_in_time is distinct from finess_juridique as begins
  from sons.establishment
  window rows_in_time as (partition by finess_geographique order by valid_from)
), numbered as (
  select finess_geographique, finess_juridique, valid_from, valid_to,
         count(*) filter (where begins)
           over (partition by finess_geographique order by valid_from) as stretch
  from marked
)
select finess_geographique, finess_juridique, min(valid_from) as since,
       case when bool_or(valid_to is null) then null else max(valid_to) end as until
from numbered
where finess_juridique is not null
group by finess_geographique, stretch, finess_juridique;
"""

SOLUTIONS = """
create table sons.referencing (
  solution_version text not null,
  dispositif text not null,
  valid_from date not null,
  valid_to date,
  version_label text not null,
  solution text not null,
  solution_name text not null,
  solution_kind text not null,
  editor_siren text not null,
  editor_name text not null,
  status text not null,
  complete_file_on date,
  referenced_from date,
  referenced_to date,
  constraint referencing_pkey primary key (solution_version, dispositif, valid_from),
  constraint referencing_validity check (valid_to > valid_from),
  constraint referencing_solution_kind_known check (solution_kind in ('dui', 'in_house', 'module')),
  constraint referencing_status_known check (status in ('candidate', 'referenced', 'withdrawn')),
  constraint referencing_editor_siren_form check (editor_siren ~ '^[0-9]{9}$'),
  constraint referencing_candidate_not_referenced check (status <> 'candidate' or referenced_from is null),
  constraint referencing_since_when check (status <> 'referenced' or referenced_from is not null),
  constraint referencing_dates_in_order check (referenced_to >= referenced_from)
);
create index referencing_solution on sons.referencing (solution);

create table sons.distributor (
  solution text not null,
  distributor_siren text not null,
  distributes_from date not null,
  valid_from date not null,
  valid_to date,
  distributor_name text not null,
  distributes_to date,
  constraint distributor_pkey primary key (solution, distributor_siren, distributes_from, valid_from),
  constraint distributor_validity check (valid_to > valid_from),
  constraint distributor_siren_form check (distributor_siren ~ '^[0-9]{9}$'),
  constraint distributor_dates_in_order check (distributes_to >= distributes_from)
);
"""

GRANTS = """
create table sons.esms_grant (
  grant_reference text not null,
  finess_geographique text not null,
  valid_from date not null,
  valid_to date,
  call_year smallint not null,
  project text not null,
  call text,
  porteur text,
  components text[] not null,
  solution text,
  dui_referenced boolean,
  state text not null,
  requested_on date,
  agreed_on date,
  first_paid_on date,
  vsr_on date,
  paid_on date,
  rejected_on date,
  abandoned_on date,
  withdrawn_on date,
  recovered_on date,
  usage_cents bigint,
  equipment_cents bigint,
  hardware_cents bigint,
  amoa_cents bigint,
  constraint esms_grant_pkey primary key (grant_reference, finess_geographique, valid_from),
  constraint esms_grant_validity check (valid_to > valid_from),
  constraint esms_grant_number_form check (finess_geographique ~ '^([0-9]{2}|2[AB])[0-9]{7}$'),
  constraint esms_grant_project_known check (project in ('acquisition', 'upgrade')),
  constraint esms_grant_call_known check (call in ('regional', 'national')),
  constraint esms_grant_components_known
    check (components <@ array['usage', 'equipment', 'hardware', 'amoa'] and cardinality(components) > 0),
  constraint esms_grant_state_known check (state in ('requested', 'agreed', 'first_paid', 'vsr', 'paid',
    'rejected', 'abandoned', 'withdrawn', 'recovered')),
  constraint esms_grant_amounts_positive
    check (least(usage_cents, equipment_cents, hardware_cents, amoa_cents) >= 0),
  -- the date of the state is the fact that the crossing with SONS reads
  constraint esms_grant_state_dated check (case state
    when 'requested' then requested_on when 'agreed' then agreed_on when 'first_paid' then first_paid_on
    when 'vsr' then vsr_on when 'paid' then paid_on when 'rejected' then rejected_on
    when 'abandoned' then abandoned_on when 'withdrawn' then withdrawn_on
    when 'recovered' then recovered_on end is not null)
);
create index esms_grant_finess_geographique on sons.esms_grant (finess_geographique);

alter table sons.esms_grant enable row level security, force row level security;
create policy esms_grant_seen on sons.esms_grant for select to sons_app
  using ((select sons.sees_all()) or ((select sons.current_role_name()) = 'og' and exists (
    select from sons.establishment e
    join sons.organisation o on o.finess_juridique = e.finess_juridique
    where o.id = (select sons.current_organisation())
      and e.finess_geographique = esms_grant.finess_geographique
      -- attached at some time when the statement held: the OG that left and the OG that came both had it
      and e.valid_from < coalesce(esms_grant.valid_to, 'infinity')
      and esms_grant.valid_from < coalesce(e.valid_to, 'infinity'))));
create policy esms_grant_crossed on sons.esms_grant for select to sons_case using (true);
grant select (grant_reference, finess_geographique, valid_from, valid_to, call_year, project, call,
  components, solution, dui_referenced, state, requested_on, agreed_on, first_paid_on, vsr_on, paid_on,
  rejected_on, abandoned_on, withdrawn_on, recovered_on) on sons.esms_grant to sons_case;

-- What the crossing with SONS needs of the grants of these ESSMS, as the register told on that date: no
-- amount and no porteur. What of it may be shown to whom is decided by the operation that asks.
create function sons.grants_of(numbers text[], known_on date)
returns table (grant_reference text, finess_geographique text, valid_from date, valid_to date,
  call_year smallint, project text, call text, components text[], solution text, dui_referenced boolean,
  state text, requested_on date, agreed_on date, first_paid_on date, vsr_on date, paid_on date,
  rejected_on date, abandoned_on date, withdrawn_on date, recovered_on date)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select g.grant_reference, g.finess_geographique, g.valid_from, g.valid_to,
    g.call_year, g.project, g.call, g.components, g.solution, g.dui_referenced,
    g.state, g.requested_on, g.agreed_on, g.first_paid_on, g.vsr_on, g.paid_on,
    g.rejected_on, g.abandoned_on, g.withdrawn_on, g.recovered_on
  from sons.esms_grant g
  where g.finess_geographique = any (numbers)
    and g.valid_from <= known_on and (g.valid_to is null or g.valid_to > known_on)
  order by g.finess_geographique, g.grant_reference;
end;
grant execute on function sons.grants_of(text[], date) to sons_app;
alter function sons.grants_of(text[], date) owner to sons_case;
"""

REGISTERS_OF_ALL = ("establishment", "legal_entity", "referencing", "distributor")
PUBLIC_TABLES = ("extraction", "extract_mention", *REGISTERS_OF_ALL)

RIGHTS = "grant select on sons.attachment to sons_app;\n" + "\n".join(
    [
        f"""
alter table sons.{table} enable row level security;
create policy {table}_read on sons.{table} for select to sons_app using (true);
"""
        for table in PUBLIC_TABLES
    ]
    + [
        f"""
create policy {table}_imported on sons.{table} to sons_app
  using ((select sons.current_role_name()) = 'admin')
  with check ((select sons.current_role_name()) = 'admin');
grant select, insert on sons.{table} to sons_app;
"""
        for table in (*PUBLIC_TABLES, "esms_grant")
    ]
    # what an import moves in a row is its validity, never what it says
    + [
        f"grant delete, update (valid_from, valid_to) on sons.{table} to sons_app;"
        for table in (*REGISTERS_OF_ALL, "esms_grant")
    ]
    + [
        "grant update (format, file_name, file_sha256, rows_read, rows_new, rows_changed, rows_absent,"
        " rows_warned, imported_at, imported_by) on sons.extraction to sons_app;",
    ]
)


async def _run() -> None:
    await DB.run_script("\n".join((EXTRACTIONS, FINESS, SOLUTIONS, GRANTS, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
