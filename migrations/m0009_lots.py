"""Payment lots, what the bank answers to them, and the letters of the recoveries.

A payment is made through a lot that one payer prepared and another approved, or not at all; it is paid
because a line of a bank's return says so, once, to the cent. A recovery is issued with the letter that its
supplier reads.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0009"
VERSION = "1.38.0"
DESCRIPTION = "Lots: payment lots and their lines, returns of the bank, letters of recoveries"

LOTS = """
create sequence sons.lot_number as bigint;
grant usage on sequence sons.lot_number to sons_app;

-- `payer_role` makes (person, organisation, role) a membership: whoever prepares or approves is a payer.
create table sons.lot (
  id uuid not null,
  number text not null,
  state text not null,
  lines int not null,
  total_ttc_cents bigint not null,
  payer_role text generated always as ('payer') stored not null,
  prepared_at timestamptz not null,
  prepared_by uuid not null,
  prepared_organisation_id uuid not null,
  approved_at timestamptz,
  approved_by uuid,
  approved_organisation_id uuid,
  dropped_at timestamptz,
  dropped_by uuid,
  drop_reason text,
  constraint lot_pkey primary key (id),
  constraint lot_number_unique unique (number),
  constraint lot_number_form check (number ~ '^LOT-[0-9]{4}-[0-9]{4,}$'),
  constraint lot_state_known check (state in ('prepared', 'approved', 'dropped')),
  constraint lot_not_empty check (lines > 0 and total_ttc_cents > 0),
  constraint lot_preparer_fkey foreign key (prepared_by, prepared_organisation_id, payer_role)
    references sons.membership (person_id, organisation_id, role),
  constraint lot_approver_fkey foreign key (approved_by, approved_organisation_id, payer_role)
    references sons.membership (person_id, organisation_id, role),
  constraint lot_dropper_fkey foreign key (dropped_by) references sons.person (id),
  constraint lot_four_eyes check (approved_by <> prepared_by),
  constraint lot_approval_whole
    check (num_nulls(approved_at, approved_by, approved_organisation_id) in (0, 3)),
  constraint lot_approved_by_somebody check ((state = 'approved') = (approved_at is not null)),
  constraint lot_drop_whole check (num_nulls(dropped_at, dropped_by, drop_reason) in (0, 3)),
  constraint lot_dropped_by_somebody check ((state = 'dropped') = (dropped_at is not null)),
  constraint lot_drop_reason_given check (btrim(drop_reason) <> ''),
  constraint lot_in_order check (approved_at >= prepared_at and dropped_at >= prepared_at)
);
create index lot_prepared on sons.lot (prepared_at desc, id desc);

-- SN091: a lot is prepared, then approved or dropped, once; nothing else of it changes
create function sons.guard_lot() returns trigger language plpgsql as $$
declare moving text[] := '{state,approved_at,approved_by,approved_organisation_id,dropped_at,dropped_by,
  drop_reason}';
begin
  if tg_op = 'INSERT' and new.state <> 'prepared'
     or tg_op = 'UPDATE' and (old.state <> 'prepared' or to_jsonb(new) - moving - 'payer_role'::text
       is distinct from to_jsonb(old) - moving - 'payer_role'::text) then
    raise exception 'a lot is prepared, then approved or dropped once'
      using errcode = 'SN091', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger lot_decided_once before insert or update on sons.lot
  for each row execute function sons.guard_lot();

create table sons.lot_line (
  lot_id uuid not null,
  rank int not null,
  payment_id uuid not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  amount_ttc_cents bigint not null,
  bank_account_id uuid not null,
  iban_masked text not null,
  end_to_end text not null,
  outcome text,
  outcome_at timestamptz,
  constraint lot_line_pkey primary key (lot_id, rank),
  constraint lot_line_lot_fkey foreign key (lot_id) references sons.lot (id),
  constraint lot_line_payment_fkey foreign key (payment_id, order_id, supplier_id, og_id)
    references sons.payment (id, order_id, supplier_id, og_id),
  constraint lot_line_account_fkey foreign key (bank_account_id, supplier_id, iban_masked)
    references sons.bank_account (id, supplier_id, iban_masked),
  constraint lot_line_rank_positive check (rank > 0),
  constraint lot_line_amount_positive check (amount_ttc_cents > 0),
  -- pain.001: 35 characters at most, and none that a bank would translate
  constraint lot_line_end_to_end_form check (end_to_end ~ '^[A-Z0-9-]{1,35}$'),
  constraint lot_line_end_to_end_unique unique (end_to_end),
  constraint lot_line_as_asked_unique unique (lot_id, end_to_end, payment_id, amount_ttc_cents),
  constraint lot_line_outcome_known check (outcome in ('paid', 'rejected', 'dropped')),
  constraint lot_line_outcome_dated check ((outcome is null) = (outcome_at is null))
);
create unique index one_open_lot_per_payment on sons.lot_line (payment_id) where outcome is null;
create index lot_line_payment on sons.lot_line (payment_id);
create index lot_line_supplier on sons.lot_line (supplier_id);

-- SN092: a lot has all its lines from its preparation on, in one statement, and is their sum
create function sons.guard_lot_lines() returns trigger language plpgsql as $$
begin
  if exists (
    select from (select distinct lot_id from written) w join sons.lot l on l.id = w.lot_id
    where l.state <> 'prepared' or (l.lines::bigint, l.total_ttc_cents::numeric) is distinct from
      (select (count(*), sum(amount_ttc_cents)) from sons.lot_line where lot_id = l.id)) then
    raise exception 'a lot is its lines' using errcode = 'SN092', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger lot_is_sum_of_lines after insert on sons.lot_line
  referencing new table as written for each statement execute function sons.guard_lot_lines();
create function sons.guard_lot_has_lines() returns trigger language plpgsql as $$
begin
  if not exists (select from sons.lot_line where lot_id = new.id) then
    raise exception 'a lot without lines' using errcode = 'SN092', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger lot_has_lines after insert on sons.lot
  deferrable initially deferred for each row execute function sons.guard_lot_has_lines();

-- SN093: a line asks what is due, and ends once: dropped with its lot, or as the bank says of an approved one
create function sons.guard_lot_line() returns trigger language plpgsql as $$
declare of_lot text := (select state from sons.lot where id = new.lot_id);
begin
  if tg_op = 'INSERT' then
    if new.outcome is not null or not exists (
      select from sons.payment p where p.id = new.payment_id and p.state = 'in_lot'
      and p.due_ttc_cents = new.amount_ttc_cents) then
      raise exception 'a line asks for what is due' using errcode = 'SN093', constraint = tg_name;
    end if;
  elsif old.outcome is not null
     or to_jsonb(new) - '{outcome,outcome_at}'::text[] is distinct from
        to_jsonb(old) - '{outcome,outcome_at}'::text[]
     or (of_lot, new.outcome) not in (('dropped', 'dropped'), ('approved', 'paid'), ('approved', 'rejected'))
  then
    raise exception 'a line of a lot ends once, with its lot or by the bank'
      using errcode = 'SN093', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger lot_line_ends_once before insert or update on sons.lot_line
  for each row execute function sons.guard_lot_line();
"""

RETURNS = """
-- A file of the bank, read whole or not at all. `content_sha256` is that of its lines in a canonical form:
-- the same lines in another order, or in another format, are the same file.
create table sons.bank_return (
  id uuid not null,
  lot_id uuid not null,
  content_sha256 bytea not null,
  file_sha256 bytea not null,
  format text not null,
  lines int not null,
  total_ttc_cents bigint not null,
  payer_role text generated always as ('payer') stored not null,
  imported_at timestamptz not null,
  imported_by uuid not null,
  imported_organisation_id uuid not null,
  constraint bank_return_pkey primary key (id),
  constraint bank_return_lot_unique unique (id, lot_id),
  constraint bank_return_lot_fkey foreign key (lot_id) references sons.lot (id),
  constraint bank_return_once unique (content_sha256),
  constraint bank_return_digests_length
    check (octet_length(content_sha256) = 32 and octet_length(file_sha256) = 32),
  constraint bank_return_format_known check (format in ('csv', 'json')),
  constraint bank_return_not_empty check (lines > 0 and total_ttc_cents > 0),
  constraint bank_return_importer_fkey foreign key (imported_by, imported_organisation_id, payer_role)
    references sons.membership (person_id, organisation_id, role)
);
create index bank_return_lot on sons.bank_return (lot_id);
create trigger bank_return_append_only before update on sons.bank_return
  for each row execute function sons.refuse_change();

-- The foreign key to the line of the lot refuses another payment, another lot, another amount.
create table sons.bank_return_line (
  bank_return_id uuid not null,
  rank int not null,
  lot_id uuid not null,
  end_to_end text not null,
  payment_id uuid not null,
  supplier_id uuid not null,
  amount_ttc_cents bigint not null,
  bank_reference text not null,
  outcome text not null,
  executed_at timestamptz not null,
  reason_code text,
  constraint bank_return_line_pkey primary key (bank_return_id, rank),
  constraint bank_return_line_file_fkey foreign key (bank_return_id, lot_id)
    references sons.bank_return (id, lot_id),
  constraint bank_return_line_asked_fkey foreign key (lot_id, end_to_end, payment_id, amount_ttc_cents)
    references sons.lot_line (lot_id, end_to_end, payment_id, amount_ttc_cents),
  constraint bank_return_line_supplier_fkey foreign key (supplier_id) references sons.organisation (id),
  constraint bank_return_line_rank_positive check (rank > 0),
  constraint bank_return_line_reference_form check (bank_reference ~ '^[!-~]{1,35}$'),
  constraint bank_return_line_reference_unique unique (bank_reference),
  constraint bank_return_line_outcome_known check (outcome in ('paid', 'rejected', 'returned')),
  -- a transfer is made or rejected, once; one that was made may come back, once
  constraint bank_return_line_once unique (end_to_end, outcome),
  constraint bank_return_line_reason_given check ((outcome = 'paid') = (reason_code is null)),
  constraint bank_return_line_reason_form check (reason_code ~ '^[A-Z0-9]{4}$')
);
create trigger bank_return_line_append_only before update on sons.bank_return_line
  for each row execute function sons.refuse_change();

-- SN092 again: a return is its lines
create function sons.guard_return_lines() returns trigger language plpgsql as $$
begin
  if exists (
    select from (select distinct bank_return_id as id from written) w join sons.bank_return r using (id)
    where (r.lines::bigint, r.total_ttc_cents::numeric) is distinct from
      (select (count(*), sum(amount_ttc_cents)) from sons.bank_return_line where bank_return_id = r.id)) then
    raise exception 'a return is its lines' using errcode = 'SN092', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger bank_return_is_sum_of_lines after insert on sons.bank_return_line
  referencing new table as written for each statement execute function sons.guard_return_lines();
create function sons.guard_return_has_lines() returns trigger language plpgsql as $$
begin
  if not exists (select from sons.bank_return_line where bank_return_id = new.id) then
    raise exception 'a return without lines' using errcode = 'SN092', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger bank_return_has_lines after insert on sons.bank_return
  deferrable initially deferred for each row execute function sons.guard_return_has_lines();

-- SN094, at the commit: a payment is in a lot exactly while a line of a lot waits for it; and how a line
-- ended is what the bank said, and where its payment went.
create function sons.guard_payment_in_lot() returns trigger language plpgsql as $$
declare
  of_payment sons.payment;
begin
  select * into of_payment from sons.payment
  where id = case tg_table_name when 'payment' then (to_jsonb(new) ->> 'id')::uuid
             else (to_jsonb(new) ->> 'payment_id')::uuid end;
  if (of_payment.state = 'in_lot') <> exists (
    select from sons.lot_line l where l.payment_id = of_payment.id and l.outcome is null) then
    raise exception 'a payment is in a lot, or it is not' using errcode = 'SN094', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger payment_in_lot_has_its_line after update of state on sons.payment
  deferrable initially deferred for each row execute function sons.guard_payment_in_lot();
create constraint trigger lot_line_has_its_payment after insert or update on sons.lot_line
  deferrable initially deferred for each row execute function sons.guard_payment_in_lot();

create function sons.guard_lot_line_outcome() returns trigger language plpgsql as $$
begin
  if not exists (
    select from sons.payment p where p.id = new.payment_id
    and case new.outcome when 'paid' then p.state in ('paid', 'to_recover') and p.paid_at = new.outcome_at
        else p.state in ('due', 'planned') end)
     or new.outcome <> 'dropped' and not exists (
    select from sons.bank_return_line r where r.lot_id = new.lot_id and r.end_to_end = new.end_to_end
    and r.outcome = new.outcome and r.executed_at = new.outcome_at) then
    raise exception 'a line of a lot ends as the bank says' using errcode = 'SN094', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger lot_line_ends_as_the_bank_says after update on sons.lot_line
  deferrable initially deferred for each row execute function sons.guard_lot_line_outcome();
"""

LETTERS = """
-- What the supplier reads when its recovery is issued, frozen: the parties, the amounts per ESSMS, the text.
create table sons.recovery_letter (
  recovery_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  issued_at timestamptz not null,
  content jsonb not null,
  constraint recovery_letter_pkey primary key (recovery_id),
  constraint recovery_letter_recovery_fkey foreign key (recovery_id, supplier_id, og_id)
    references sons.recovery (id, supplier_id, og_id),
  constraint recovery_letter_content_object check (jsonb_typeof(content) = 'object')
);
create trigger recovery_letter_append_only before update on sons.recovery_letter
  for each row execute function sons.refuse_change();

-- Steps of one instant keep their order: the clock of a sandbox stands still.
alter table sons.recovery_step add column place bigint generated always as identity;

-- SN095, at the commit: a recovery is issued with its letter, and by somebody
create function sons.guard_recovery_letter() returns trigger language plpgsql as $$
begin
  if new.issued_at is not null and (new.issued_by is null or not exists (
    select from sons.recovery_letter l where l.recovery_id = new.id and l.issued_at = new.issued_at)) then
    raise exception 'a recovery is issued with its letter' using errcode = 'SN095', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger recovery_issued_with_its_letter after insert or update of issued_at on sons.recovery
  deferrable initially deferred for each row execute function sons.guard_recovery_letter();
"""

_SEES_ALL = "(select sons.sees_all())"
_OWN_LINES = f"{_SEES_ALL} or supplier_id = (select sons.current_organisation())"
_PARTIES = f"{_OWN_LINES} or og_id = (select sons.current_organisation())"
_PAYER = "(select sons.current_role_name()) = 'payer'"

RIGHTS = (
    "\n".join(
        f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ({seen});
create policy {table}_written on sons.{table} for insert to sons_app with check ({_PAYER});
grant select, insert on sons.{table} to sons_app;
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
        for table, seen in (
            ("lot", _SEES_ALL),
            ("lot_line", _OWN_LINES),
            ("bank_return", _SEES_ALL),
            ("bank_return_line", _OWN_LINES),
            ("recovery_letter", _PARTIES),
        )
    )
    + f"""
create policy lot_moved on sons.lot for update to sons_app using ({_PAYER});
create policy lot_line_moved on sons.lot_line for update to sons_app using ({_PAYER});
grant update (state, approved_at, approved_by, approved_organisation_id, dropped_at, dropped_by, drop_reason)
  on sons.lot to sons_app;
grant update (outcome, outcome_at) on sons.lot_line to sons_app;
"""
)


async def _run() -> None:
    await DB.run_script("\n".join((LOTS, RETURNS, LETTERS, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
