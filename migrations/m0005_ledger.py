"""The ledger per order line, and the money to get back.

Append-only, in cents: what is planned, paid, compensated, recovered. A balance is a sum, a correction is a
new row, and no line ever receives more than its amount (I3).
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0005"
VERSION = "1.38.0"
DESCRIPTION = "Ledger: entries per order line, recoveries and their follow-up"

LEDGER = """
create table sons.ledger_entry (
  id bigint generated always as identity,
  order_id uuid not null,
  finess_geographique text not null,
  supplier_id uuid not null,
  og_id uuid not null,
  payment_id uuid not null,
  movement text not null,
  amount_ttc_cents bigint not null,
  at timestamptz not null,
  cause text not null,
  constraint ledger_entry_pkey primary key (id),
  constraint ledger_entry_line_fkey foreign key (order_id, finess_geographique, supplier_id, og_id)
    references sons.order_line (order_id, finess_geographique, supplier_id, og_id),
  constraint ledger_entry_payment_fkey foreign key (payment_id, order_id, supplier_id, og_id)
    references sons.payment (id, order_id, supplier_id, og_id),
  constraint ledger_entry_movement_known
    check (movement in ('planned', 'paid', 'compensated', 'recovered')),
  constraint ledger_entry_cause_known check (cause = any (case movement
    when 'planned' then array['advance_validated', 'invoice_lower', 'removed', 'order_ended']
    when 'paid' then array['bank_paid', 'compensated', 'bank_returned']
    when 'compensated' then array['compensated', 'bank_returned']
    when 'recovered' then array['recovered'] else array[cause] end)),
  constraint ledger_entry_not_nothing check (amount_ttc_cents <> 0),
  -- what is taken back is negative, unless a bank's return undoes it; what comes back never leaves again
  constraint ledger_entry_sign check (case movement
    when 'paid' then (amount_ttc_cents > 0) = (cause <> 'bank_returned')
    when 'compensated' then (amount_ttc_cents < 0) = (cause <> 'bank_returned')
    when 'recovered' then amount_ttc_cents < 0
    else true end)
);
create index ledger_entry_line on sons.ledger_entry (order_id, finess_geographique);
create index ledger_entry_payment on sons.ledger_entry (payment_id);
create index ledger_entry_at on sons.ledger_entry (at, id);
create trigger ledger_entry_append_only before update on sons.ledger_entry
  for each row execute function sons.refuse_change();

-- SN017: a line receives between nothing and its amount; it is never planned above it
create function sons.guard_ledger_line() returns trigger language plpgsql as $$
begin
  if exists (
    select from (select distinct order_id, finess_geographique from written) w
    join sons.order_line l using (order_id, finess_geographique)
    join lateral (
      select coalesce(sum(amount_ttc_cents) filter (where movement = 'planned'), 0) as planned,
             coalesce(sum(amount_ttc_cents) filter (where movement <> 'planned'), 0) as received
      from sons.ledger_entry e
      where e.order_id = w.order_id and e.finess_geographique = w.finess_geographique) s on true
    where s.planned not between 0 and l.unit_ttc_cents or s.received not between 0 and l.unit_ttc_cents) then
    raise exception 'a line of the ledger leaves its bounds' using errcode = 'SN017', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger ledger_line_within after insert on sons.ledger_entry
  referencing new table as written for each statement execute function sons.guard_ledger_line();
"""

RECOVERIES = """
create sequence sons.recovery_number as bigint;
grant usage on sequence sons.recovery_number to sons_app;
-- R22: an advance, or a part of it, that the supplier pays back: an ordre de recouvrement once issued.
create table sons.recovery (
  id uuid not null,
  number text not null,
  order_id uuid not null,
  payment_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  amount_ttc_cents bigint not null,
  reason text not null,
  source text not null,
  opened_at timestamptz not null,
  issued_at timestamptz,
  issued_by uuid,
  recovered_at timestamptz,
  bank_reference text,
  constraint recovery_pkey primary key (id),
  constraint recovery_number_unique unique (number),
  constraint recovery_number_form check (number ~ '^OR-[0-9]{4}-[0-9]{6,}$'),
  constraint recovery_once_per_payment unique (payment_id),
  constraint recovery_parties_unique unique (id, supplier_id, og_id),
  constraint recovery_payment_fkey foreign key (payment_id, order_id, supplier_id, og_id)
    references sons.payment (id, order_id, supplier_id, og_id),
  constraint recovery_issued_by_fkey foreign key (issued_by) references sons.person (id),
  constraint recovery_amount_positive check (amount_ttc_cents > 0),
  constraint recovery_reason_known
    check (reason in ('cancelled', 'cloture', 'over_advance', 'reclaimed', 'decided')),
  constraint recovery_source_given check (btrim(source) <> ''),
  constraint recovery_in_order check (issued_at >= opened_at and recovered_at >= issued_at),
  constraint recovery_issued_first check (recovered_at is null or issued_at is not null),
  constraint recovery_proved check ((recovered_at is null) = (bank_reference is null)),
  constraint recovery_bank_reference_unique unique (bank_reference)
);
create index recovery_order on sons.recovery (order_id);
create index recovery_open on sons.recovery (opened_at, id) where recovered_at is null;

-- SN019: all that was paid when the order is over, what was paid in excess when it is settled (C9); opened by
-- who ends the order, neither issued nor recovered yet; then issued once and recovered once
create function sons.guard_recovery() returns trigger language plpgsql as $$
declare
  moving text[] := '{issued_at,issued_by,recovered_at,bank_reference}';
  by_role text := sons.current_role_name();
begin
  if tg_op = 'INSERT' then
    if num_nonnulls(new.issued_at, new.issued_by, new.recovered_at, new.bank_reference) > 0 or not exists (
      select from sons.payment p join sons.purchase_order o on o.id = p.order_id
      where p.id = new.payment_id and p.state = 'to_recover' and new.amount_ttc_cents <= p.due_ttc_cents
        and case new.reason
          when 'decided' then by_role = 'reviewer'
          when 'over_advance' then by_role = 'reviewer' and o.state = 'settled' and new.amount_ttc_cents = (
            select sum(case e.movement when 'planned' then -1 else 1 end * e.amount_ttc_cents)
            from sons.ledger_entry e where e.order_id = o.id)
          else new.amount_ttc_cents = p.due_ttc_cents and case new.reason
            when 'cancelled' then o.state = 'cancelled'
            when 'cloture' then o.state = 'lapsed' and by_role in ('scheduler', 'payer')
            else o.state = 'lapsed' and by_role = 'reviewer' end end) then
      raise exception 'only what was paid is recovered, and for what happened'
        using errcode = 'SN019', constraint = tg_name;
    end if;
  elsif to_jsonb(new) - moving is distinct from to_jsonb(old) - moving
     or (old.issued_at is not null and old.issued_at is distinct from new.issued_at)
     or old.recovered_at is not null then
    raise exception 'a recovery is issued once and closed once' using errcode = 'SN019', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger recovery_of_what_was_paid before insert or update on sons.recovery
  for each row execute function sons.guard_recovery();

create table sons.recovery_step (
  id uuid not null,
  recovery_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  at timestamptz not null,
  person_id uuid,
  kind text not null,
  text text not null,
  constraint recovery_step_pkey primary key (id),
  constraint recovery_step_recovery_fkey foreign key (recovery_id, supplier_id, og_id)
    references sons.recovery (id, supplier_id, og_id),
  constraint recovery_step_person_fkey foreign key (person_id) references sons.person (id),
  constraint recovery_step_kind_known check (kind in ('letter', 'reminder', 'note')),
  constraint recovery_step_text_given check (btrim(text) <> '')
);
create index recovery_step_recovery on sons.recovery_step (recovery_id, at);
create trigger recovery_step_append_only before update on sons.recovery_step
  for each row execute function sons.refuse_change();

-- SN018: the cash of a payment is what was due, to the cent, when it is paid, and nothing otherwise; what was
-- recovered of it is what its recoveries asked, once it is recovered, and nothing before.
create function sons.cash_is_right(of_payment uuid) returns boolean language sql stable
return (
  select coalesce(sum(e.amount_ttc_cents) filter (where e.movement in ('paid', 'compensated')), 0)
           = case when p.state in ('paid', 'to_recover', 'recovered') then p.due_ttc_cents else 0 end
     and coalesce(-sum(e.amount_ttc_cents) filter (where e.movement = 'recovered'), 0)
           = case when p.state = 'recovered' then (
               select coalesce(sum(r.amount_ttc_cents), 0) from sons.recovery r where r.payment_id = p.id)
             else 0 end
  from sons.payment p left join sons.ledger_entry e on e.payment_id = p.id
  where p.id = of_payment group by p.id);

create function sons.guard_ledger_cash() returns trigger language plpgsql as $$
begin
  if exists (select from (select distinct payment_id from written where movement <> 'planned') w
             where not sons.cash_is_right(w.payment_id)) then
    raise exception 'the ledger is not the cash' using errcode = 'SN018', constraint = tg_name;
  end if;
  return null;
end $$;
create function sons.guard_payment_cash() returns trigger language plpgsql as $$
begin
  if not sons.cash_is_right(new.id) then
    raise exception 'a payment without its ledger' using errcode = 'SN018', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger ledger_is_cash after insert on sons.ledger_entry
  referencing new table as written for each statement execute function sons.guard_ledger_cash();
create constraint trigger payment_is_cash after update of state on sons.payment
  deferrable initially deferred for each row execute function sons.guard_payment_cash();
"""

_PARTIES = """(select sons.sees_all()) or supplier_id = (select sons.current_organisation())
  or og_id = (select sons.current_organisation())"""
# Who writes: an agent whose role moves orders, or a party in its own role.
_MOVERS = """(select sons.current_role_name()) in ('reviewer', 'payer', 'scheduler')
  or supplier_id = (select sons.current_organisation())
     and (select sons.current_role_name()) in ('editor', 'distributor')
  or og_id = (select sons.current_organisation()) and (select sons.current_role_name()) = 'og'"""
_PAYER = "(select sons.current_role_name()) = 'payer'"
# Whoever may end an order may open a recovery: the triggers say of what, and the transition tables when.
# What is planned follows the order; cash is the payer's.
_ENTRY = f"(movement = 'planned' or {_PAYER}) and ({_MOVERS})"

RIGHTS = (
    "\n".join(
        f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ({_PARTIES});
create policy {table}_written on sons.{table} for insert to sons_app with check ({who});
grant select, insert on sons.{table} to sons_app;
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
        for table, who in (("ledger_entry", _ENTRY), ("recovery", _MOVERS), ("recovery_step", _PAYER))
    )
    + f"""
create policy recovery_moved on sons.recovery for update to sons_app using ({_PAYER});
grant update (issued_at, issued_by, recovered_at, bank_reference) on sons.recovery to sons_app;
grant execute on function sons.cash_is_right(uuid) to sons_app;
"""
)


async def _run() -> None:
    await DB.run_script("\n".join((LEDGER, RECOVERIES, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
