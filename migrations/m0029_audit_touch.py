"""What the audit still has to look at: an order that took claims, a succession that was decided.

A deposit is refused by its own rules where they can; the pairs that no rule of a deposit refuses (those left
to an examination, two numbers that perhaps are one, a perimeter that moved since) are found just after it, by
whoever ticks first. And an ESSMS that was reserved under its old number goes to an order of its new one.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0029"
VERSION = "1.38.0"
DESCRIPTION = "Audits of what an order or a succession touched; reservations under an old number"

TOUCHES = """
-- `touched_at`: the business instant of the act; `run_id`: the run that looked at it, null while none did.
create table sons.audit_touch (
  id bigint generated always as identity,
  order_id uuid,
  succession_id uuid,
  touched_at timestamptz not null,
  run_id uuid,
  constraint audit_touch_pkey primary key (id),
  constraint audit_touch_of_one_act check (num_nonnulls(order_id, succession_id) = 1),
  constraint audit_touch_order_fkey foreign key (order_id) references sons.purchase_order (id),
  constraint audit_touch_succession_fkey foreign key (succession_id) references sons.succession (id),
  constraint audit_touch_run_fkey foreign key (run_id) references sons.audit_run (id)
);
create index audit_touch_waiting on sons.audit_touch (id) where run_id is null;

-- whatever gives ESSMS to an order, in the same statement: a deposit, a list of the ANS, a decided conflict
create function sons.touch_orders() returns trigger language plpgsql as $$
begin
  insert into sons.audit_touch (order_id, touched_at)
  select distinct o.id, t.claimed_at from taken t join sons.purchase_order o on o.id = t.holder_id
  where t.holder_kind = 'order';  -- of a claim that no order holds other guards speak
  return null;
end $$;
create trigger claim_touches_the_audit after insert on sons.claim
  referencing new table as taken for each statement execute function sons.touch_orders();

create function sons.touch_succession() returns trigger language plpgsql as $$
begin
  insert into sons.audit_touch (succession_id, touched_at) values (new.id, new.decided_at);
  return null;
end $$;
create trigger succession_touches_the_audit after update of state on sons.succession
  for each row when (new.state <> old.state and new.decided_at is not null)
  execute function sons.touch_succession();
"""

CAUSES = """
alter table sons.audit_run drop constraint audit_run_cause_known;
alter table sons.audit_run add constraint audit_run_cause_known
  check (cause in ('audit', 'deposit', 'import', 'law', 'succession'));
alter table sons.conflict drop constraint conflict_opened_for_known;
alter table sons.conflict add constraint conflict_opened_for_known
  check (opened_for in ('audit', 'contest', 'deposit', 'import', 'law', 'reopening', 'succession'));
"""

RIGHTS = """
alter table sons.audit_touch enable row level security, force row level security;
create policy audit_touch_seen on sons.audit_touch for select to sons_app using ((select sons.sees_all()));
-- by whoever claims or decides, of what it may see
create policy audit_touch_made on sons.audit_touch for insert to sons_app
  with check (exists (select from sons.purchase_order o where o.id = order_id)
    or exists (select from sons.succession s where s.id = succession_id));
create policy audit_touch_examined on sons.audit_touch for update to sons_app
  using ((select sons.current_role_name()) = 'scheduler');
grant select, insert (order_id, succession_id, touched_at), update (run_id) on sons.audit_touch to sons_app;
create trigger audit_touch_examined_once before update on sons.audit_touch
  for each row when (old.run_id is not null or new.run_id is null
    or to_jsonb(new) - 'run_id' is distinct from to_jsonb(old) - 'run_id')
  execute function sons.refuse_change();
create trigger audit_touch_never_deleted before delete on sons.audit_touch
  for each row execute function sons.refuse_change();
create trigger audit_touch_never_truncated before truncate on sons.audit_touch
  for each statement execute function sons.refuse_change();
"""

RESERVED = """
-- SN164, at the commit: as before, and the order may hold what was reserved as the old number of its ESSMS
create or replace function sons.guard_converted() returns trigger language plpgsql as $$
begin
  if not exists (
      select from sons.claim c left join sons.claim origin on origin.id = c.origin
      where 'order' in (c.holder_kind, origin.holder_kind) and c.vague = new.vague
        and c.finess_geographique = new.finess_geographique and c.claimed_at = new.released_at
        and (c.supplier_id, c.og_id) = (new.supplier_id, new.og_id))
    or exists (select from sons.reservation r where r.id = new.holder_id and r.state = 'active')
       and not exists (select from sons.claim c where c.supplier_id = new.supplier_id
         and c.holder_id = new.holder_id and c.holder_kind = 'reservation' and c.released_at is null) then
    raise exception 'no order took this reserved ESSMS, or nothing is left of its reservation'
      using errcode = 'SN164', constraint = tg_name;
  end if;
  return null;
end $$;
"""


async def _run() -> None:
    await DB.run_script(TOUCHES + CAUSES + RIGHTS + RESERVED)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
