"""What helps a reviewer to look, and decides nothing: alerts, saved views, samples for audits after payment.

Nothing refers to these tables but their own lines, and they refer to no state: an alert, a view or a sample
can be taken away without any order, payment or case being otherwise than it is.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0018"
VERSION = "1.38.0"
DESCRIPTION = "Alerts, saved views, samples"

ALERTS = """
create sequence sons.alert_number as bigint;
grant usage on sequence sons.alert_number to sons_app;

-- A pattern about a subject is one alert, for ever: found again it is raised again, it is not doubled.
-- `ogs` (FINESS juridiques) and `suppliers` are whom it is about; `subjects` the acts, by kind and number.
create table sons.alert (
  id uuid not null,
  number text not null,
  pattern text not null,
  subject_key text not null,
  message text not null,
  ogs text[] not null,
  suppliers uuid[] not null,
  subjects jsonb not null,
  facts jsonb not null,
  score smallint not null,
  raised_at timestamptz not null,
  last_raised_at timestamptz not null,
  ceased_at timestamptz,
  dismissed_at timestamptz,
  dismissed_by uuid,
  dismiss_reason text,
  constraint alert_pkey primary key (id),
  constraint alert_number_unique unique (number),
  constraint alert_number_form check (number ~ '^AL-[0-9]{4}-[0-9]{6,}$'),
  constraint alert_once_per_subject unique (pattern, subject_key),
  constraint alert_pattern_known check (pattern in ('tranche_threshold', 'tranche_changes',
    'one_signer_many_og', 'one_account_two_suppliers', 'out_of_hours', 'before_og_existed',
    'two_applications')),
  constraint alert_said check (btrim(message) <> '' and btrim(subject_key) <> ''),
  constraint alert_subjects_array check (jsonb_typeof(subjects) = 'array'),
  constraint alert_facts_object check (jsonb_typeof(facts) = 'object'),
  constraint alert_score_bounded check (score between 0 and 100),
  constraint alert_in_order
    check (last_raised_at >= raised_at and ceased_at >= raised_at and dismissed_at >= raised_at),
  constraint alert_dismissal_whole
    check (num_nulls(dismissed_at, dismissed_by, dismiss_reason) in (0, 3)),
  constraint alert_dismissal_motivated check (btrim(dismiss_reason) <> ''),
  constraint alert_dismissed_by_fkey foreign key (dismissed_by) references sons.person (id)
);
create index alert_open on sons.alert (raised_at, id) where ceased_at is null and dismissed_at is null;
create index alert_raised on sons.alert (raised_at, id);
create index alert_ogs on sons.alert using gin (ogs);
create index alert_suppliers on sons.alert using gin (suppliers);

-- SN180: what an alert is about stays; it is not raised in the past; a reviewer dismisses it
create function sons.guard_alert() returns trigger language plpgsql as $$
declare
  moving text[] := '{message,ogs,suppliers,subjects,facts,score,last_raised_at,ceased_at}';
  dismissal text[] := '{dismissed_at,dismissed_by,dismiss_reason}';
begin
  if to_jsonb(new) - moving - dismissal is distinct from to_jsonb(old) - moving - dismissal
     or new.last_raised_at < old.last_raised_at
     or new.dismissed_at is not null and new.dismissed_at is distinct from old.dismissed_at
        and sons.current_role_name() is distinct from 'reviewer' then
    raise exception 'alert % stays what it is about', old.number
      using errcode = 'SN180', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger alert_stays_its_subject before update on sons.alert
  for each row execute function sons.guard_alert();

-- The accounts that more than one supplier has asked for and not given up: the last four characters, never
-- the number. `account_id` is the first of them, by which an alert knows it again.
create policy bank_account_compared on sons.bank_account for select to sons_case using (true);
create policy bank_account_change_compared on sons.bank_account_change for select to sons_case using (true);
grant select (id, supplier_id, iban) on sons.bank_account to sons_case;
grant select (id, requested_at, stopped_at) on sons.bank_account_change to sons_case;
create function sons.shared_accounts()
returns table (account_id uuid, ending text, suppliers uuid[])
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select (array_agg(a.id order by c.requested_at, a.id))[1], right(a.iban, 4),
    array_agg(distinct a.supplier_id)
  from sons.bank_account a join sons.bank_account_change c on c.id = a.id
  where c.stopped_at is null and sons.current_role_name() in ('reviewer', 'admin', 'scheduler')
  group by a.iban having count(distinct a.supplier_id) > 1;
end;
grant execute on function sons.shared_accounts() to sons_app;
alter function sons.shared_accounts() owner to sons_case;
"""

VIEWS = """
-- The filters that a person keeps under a name. Row-level security knows organisations, the code the person.
create table sons.saved_view (
  id uuid not null,
  person_id uuid not null,
  organisation_id uuid not null,
  role text not null,
  name text not null,
  filters jsonb not null,
  saved_at timestamptz not null,
  removed_at timestamptz,
  constraint saved_view_pkey primary key (id),
  constraint saved_view_person_fkey foreign key (person_id, organisation_id, role)
    references sons.membership (person_id, organisation_id, role),
  constraint saved_view_named check (btrim(name) <> ''),
  constraint saved_view_filters_object check (jsonb_typeof(filters) = 'object'),
  constraint saved_view_in_order check (removed_at >= saved_at)
);
create unique index one_view_per_name on sons.saved_view (person_id, organisation_id, name)
  where removed_at is null;

-- SN181: a view keeps its owner and its name, and once removed stays so
create function sons.guard_saved_view() returns trigger language plpgsql as $$
declare moving text[] := '{filters,saved_at,removed_at}';
begin
  if old.removed_at is not null or to_jsonb(new) - moving is distinct from to_jsonb(old) - moving then
    raise exception 'a view keeps its owner and its name' using errcode = 'SN181', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger saved_view_stays_its_owners before update on sons.saved_view
  for each row execute function sons.guard_saved_view();
"""

SAMPLES = """
create sequence sons.sample_number as bigint;
grant usage on sequence sons.sample_number to sons_app;

-- What was drawn, from what, how: the same seed on the same population (`digest`) gives the same lines.
create table sons.sample (
  id uuid not null,
  number text not null,
  unit text not null,
  seed text not null,
  criteria jsonb not null,
  strata jsonb not null,
  population int not null,
  population_ttc_cents bigint not null,
  digest bytea not null,
  size int not null,
  drawn_at timestamptz not null,
  drawn_by uuid not null,
  constraint sample_pkey primary key (id),
  constraint sample_number_unique unique (number),
  constraint sample_number_form check (number ~ '^EC-[0-9]{4}-[0-9]{6,}$'),
  constraint sample_unit_known check (unit in ('line', 'order')),
  constraint sample_seed_given check (btrim(seed) <> ''),
  constraint sample_criteria_object check (jsonb_typeof(criteria) = 'object'),
  constraint sample_strata_array check (jsonb_typeof(strata) = 'array'),
  constraint sample_of_its_population check (size between 1 and population),
  constraint sample_of_money check (population_ttc_cents > 0),
  constraint sample_digest_length check (octet_length(digest) = 32),
  constraint sample_drawn_by_fkey foreign key (drawn_by) references sons.person (id)
);
create index sample_drawn on sons.sample (drawn_at, id);

-- One thing to audit: a line of an order, or a whole order (then without an ESSMS).
create table sons.sample_line (
  sample_id uuid not null,
  rank int not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  finess_geographique text,
  stratum text[] not null,
  received_ttc_cents bigint not null,
  constraint sample_line_pkey primary key (sample_id, rank),
  constraint sample_line_once unique nulls not distinct (sample_id, order_id, finess_geographique),
  constraint sample_line_sample_fkey foreign key (sample_id) references sons.sample (id),
  constraint sample_line_order_fkey foreign key (order_id, supplier_id, og_id)
    references sons.purchase_order (id, supplier_id, og_id),
  constraint sample_line_line_fkey foreign key (order_id, finess_geographique, supplier_id, og_id)
    references sons.order_line (order_id, finess_geographique, supplier_id, og_id),
  constraint sample_line_rank_positive check (rank > 0),
  constraint sample_line_received check (received_ttc_cents > 0)
);
create index sample_line_order on sons.sample_line (order_id);

-- SN182: a sample has its lines when it is drawn, all of them, and never another
create function sons.guard_sample_lines() returns trigger language plpgsql as $$
declare wrong text;
begin
  select s.number into wrong from (select distinct sample_id from written) w
  join sons.sample s on s.id = w.sample_id
  where s.size <> (select count(*) from sons.sample_line l where l.sample_id = s.id) limit 1;
  if wrong is not null then
    raise exception 'sample % is not its lines', wrong using errcode = 'SN182', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger sample_is_its_lines after insert on sons.sample_line
  referencing new table as written for each statement execute function sons.guard_sample_lines();
create function sons.guard_sample_drawn() returns trigger language plpgsql as $$
begin
  if not exists (select from sons.sample_line where sample_id = new.id) then
    raise exception 'sample % has no line', new.number using errcode = 'SN182', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger sample_has_its_lines after insert on sons.sample
  deferrable initially deferred for each row execute function sons.guard_sample_drawn();
"""

_AGENCY = "(select sons.sees_all())"
_FINDERS = "(select sons.current_role_name()) in ('reviewer', 'admin', 'scheduler')"
_REVIEWER = "(select sons.current_role_name()) = 'reviewer'"
_OWN = f"{_AGENCY} and organisation_id = (select sons.current_organisation())"

RIGHTS = "\n".join(
    [
        f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ({seen});
create policy {table}_written on sons.{table} for insert to sons_app with check ({written});
grant select, insert on sons.{table} to sons_app;
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
        for table, seen, written in (
            ("alert", _AGENCY, _FINDERS),
            ("saved_view", _OWN, _OWN),
            ("sample", _AGENCY, _REVIEWER),
            ("sample_line", _AGENCY, _REVIEWER),
        )
    ]
    + [
        f"""create trigger {table}_append_only before update on sons.{table}
  for each row execute function sons.refuse_change();
"""
        for table in ("sample", "sample_line")
    ]
    + [
        f"""
create policy alert_moved on sons.alert for update to sons_app using ({_FINDERS});
grant update (message, ogs, suppliers, subjects, facts, score, last_raised_at, ceased_at, dismissed_at,
  dismissed_by, dismiss_reason) on sons.alert to sons_app;
create policy saved_view_moved on sons.saved_view for update to sons_app using ({_OWN});
grant update (filters, saved_at, removed_at) on sons.saved_view to sons_app;
"""
    ]
)


async def _run() -> None:
    await DB.run_script("\n".join((ALERTS, VIEWS, SAMPLES, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
