"""Runs of the detection: what was examined, under which law, and what was found, family by family.

And the access paths of the detection: what it reads of a nation is what lives, and of a few ESSMS their own
rows.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0019"
VERSION = "1.38.0"
DESCRIPTION = "Audits: runs of the detection, what each family gave"

RUNS = """
-- `numbers`: how many ESSMS were examined, null for the whole nation. `orders`, `lines`: what holds claims
-- there; `grants`: lines of grants. `opened_for` of the cases that it opened is its `cause`.
create table sons.audit_run (
  id uuid not null,
  at timestamptz not null,
  cause text not null,
  numbers int,
  law_digest text not null,
  known_on date not null,
  stock_on date,
  orders int not null,
  grants int not null,
  lines int not null,
  took_ms int not null,
  person_id uuid,
  role text not null,
  constraint audit_run_pkey primary key (id),
  constraint audit_run_cause_known check (cause in ('audit', 'deposit', 'import', 'law')),
  constraint audit_run_counts_positive
    check (least(numbers, orders, grants, lines, took_ms) >= 0 and orders <= lines),
  constraint audit_run_law_fkey foreign key (law_digest) references sons.law_enactment (digest),
  constraint audit_run_person_fkey foreign key (person_id) references sons.person (id)
);
create index audit_run_at on sons.audit_run (at desc, id desc);

-- One row per family that the run was asked for, also when it found nothing.
create table sons.audit_family (
  run_id uuid not null,
  family text not null,
  found int not null,
  opened int not null,
  reopened int not null,
  ceased int not null,
  at_stake_ttc_cents bigint not null,
  constraint audit_family_pkey primary key (run_id, family),
  constraint audit_family_run_fkey foreign key (run_id) references sons.audit_run (id),
  constraint audit_family_known check (family in ('two_orders', 'already_financed', 'order_grant',
    'two_grants', 'cancelled_then_acquisition', 'two_numbers', 'perimeter_differs')),
  constraint audit_family_counts_positive check (
    least(found, opened, reopened, ceased, at_stake_ttc_cents) >= 0 and opened + reopened <= found)
);

-- a case that was closed and is found again reopens: its decision no longer stands
create policy conflict_decision_found_again on sons.conflict_decision for update to sons_app
  using ((select sons.current_role_name()) in ('admin', 'scheduler') and dropped_at is null)
  with check ((select sons.current_role_name()) in ('admin', 'scheduler') and dropped_at is not null
    and dropped_by is null);

-- what an import of grants touched
create index esms_grant_since on sons.esms_grant (valid_from);
create index esms_grant_until on sons.esms_grant (valid_to) where valid_to is not null;
-- what was refused waits to be contested; the orders that live are many times as many
create index purchase_order_refused on sons.purchase_order (id) where state = 'rejected';
create index succession_standing on sons.succession (successor) where state <> 'dismissed';
create index conflict_unceased on sons.conflict (family) where ceased_at is null;
"""

RIGHTS = "\n".join(
    f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ((select sons.sees_all()));
create policy {table}_written on sons.{table} for insert to sons_app
  with check ((select sons.current_role_name()) in ('reviewer', 'admin', 'scheduler'));
grant select, insert on sons.{table} to sons_app;
create trigger {table}_append_only before update on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
    for table in ("audit_run", "audit_family")
)


async def _run() -> None:
    await DB.run_script(RUNS + RIGHTS)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
