"""What a reviewer decided of each verdict that held a deposit, and why."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0011"
VERSION = "1.38.0"
DESCRIPTION = "Reviews: each open verdict settled once, with a reason"

REVIEWS = """
create table sons.verdict_settlement (
  order_id uuid not null,
  rule text not null,
  supplier_id uuid not null,
  og_id uuid not null,
  decision text not null,
  reason text not null,
  decided_at timestamptz not null,
  decided_by uuid,
  constraint verdict_settlement_pkey primary key (order_id, rule),
  constraint verdict_settlement_order_fkey foreign key (order_id, supplier_id, og_id)
    references sons.purchase_order (id, supplier_id, og_id),
  constraint verdict_settlement_person_fkey foreign key (decided_by) references sons.person (id),
  constraint verdict_settlement_decision_known check (decision in ('lifted', 'upheld')),
  constraint verdict_settlement_reason_given check (btrim(reason) <> '')
);
create trigger verdict_settlement_append_only before update or delete on sons.verdict_settlement
  for each row execute function sons.refuse_change();
create trigger verdict_settlement_never_truncated before truncate on sons.verdict_settlement
  for each statement execute function sons.refuse_change();
alter table sons.verdict_settlement enable row level security, force row level security;
create policy verdict_settlement_seen on sons.verdict_settlement for select to sons_app
  using ((select sons.sees_all()) or supplier_id = (select sons.current_organisation())
         or og_id = (select sons.current_organisation()));
create policy verdict_settlement_decided on sons.verdict_settlement for insert to sons_app
  with check ((select sons.current_role_name()) = 'reviewer');
grant select, insert on sons.verdict_settlement to sons_app;
"""


async def _run() -> None:
    await DB.run_script(REVIEWS)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
