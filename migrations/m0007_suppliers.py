"""Suppliers before they are paid: enrolments, their pieces and decisions, bank accounts and their changes.

Everything here is a dated statement that is never edited, so that what was in force at an instant can still
be asked later: a file is submitted again rather than corrected, a decision is a row, an account has a start
and no end. The number of an account stands apart from its history, because fewer may read it.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0007"
VERSION = "1.38.0"
DESCRIPTION = "Suppliers: enrolments, pieces, decisions, bank accounts and their changes"

ENROLMENTS = """
-- A supplier's role is its kind, so that (person, supplier, kind) is a membership of that supplier.
create table sons.enrolment (
  supplier_id uuid not null,
  number int not null,
  supplier_kind text not null,
  submitted_at timestamptz not null,
  submitted_by uuid not null,
  certificate_reference text not null,
  solution text not null,
  representative_name text not null,
  representative_function text not null,
  representative_id uuid,
  mandated_id uuid,
  mandate_from_on date,
  mandate_to_on date,
  vat_liable boolean not null,
  vat_from_on date not null,
  constraint enrolment_pkey primary key (supplier_id, number),
  constraint enrolment_of_supplier check (supplier_kind in ('editor', 'distributor')),
  constraint enrolment_submitter_fkey foreign key (submitted_by, supplier_id, supplier_kind)
    references sons.membership (person_id, organisation_id, role),
  constraint enrolment_representative_fkey foreign key (representative_id, supplier_id, supplier_kind)
    references sons.membership (person_id, organisation_id, role),
  constraint enrolment_mandated_fkey foreign key (mandated_id, supplier_id, supplier_kind)
    references sons.membership (person_id, organisation_id, role),
  constraint enrolment_number_positive check (number > 0),
  constraint enrolment_texts_not_blank check (btrim(certificate_reference) <> '' and btrim(solution) <> ''
    and btrim(representative_name) <> '' and btrim(representative_function) <> ''),
  constraint enrolment_mandate_whole
    check (num_nulls(mandated_id, mandate_from_on, mandate_to_on) in (0, 3)),
  constraint enrolment_mandate_dates_in_order check (mandate_to_on >= mandate_from_on),
  -- an employee files under a mandate that covers the day; the legal representative needs none
  constraint enrolment_filed_by_who_may check (
    coalesce(submitted_by = representative_id, false)
    or coalesce(submitted_by = mandated_id and (submitted_at at time zone 'Europe/Paris')::date
         between mandate_from_on and mandate_to_on, false))
);

create table sons.enrolment_piece (
  supplier_id uuid not null,
  number int not null,
  kind text not null,
  sha256 bytea not null,
  constraint enrolment_piece_pkey primary key (supplier_id, number, kind),
  constraint enrolment_piece_enrolment_fkey foreign key (supplier_id, number)
    references sons.enrolment (supplier_id, number),
  constraint enrolment_piece_kind_known
    check (kind in ('referencing_certificate', 'mandate', 'vat_exemption')),
  constraint enrolment_piece_sha256_length check (octet_length(sha256) = 32)
);

-- SN071, at the commit: a file has exactly the pieces that it speaks of, and gains none afterwards
create function sons.guard_enrolment_pieces() returns trigger language plpgsql as $$
begin
  if exists (
    select from sons.enrolment e where e.supplier_id = new.supplier_id and e.number = new.number
      and array(select p.kind from sons.enrolment_piece p
                where p.supplier_id = e.supplier_id and p.number = e.number order by p.kind)
        <> array_remove(array[case when e.mandated_id is not null then 'mandate' end,
             'referencing_certificate', case when not e.vat_liable then 'vat_exemption' end], null)) then
    raise exception 'file % of a supplier has not the pieces that it speaks of', new.number
      using errcode = 'SN071', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger enrolment_has_its_pieces after insert on sons.enrolment
  deferrable initially deferred for each row execute function sons.guard_enrolment_pieces();
create constraint trigger enrolment_piece_of_its_file after insert on sons.enrolment_piece
  deferrable initially deferred for each row execute function sons.guard_enrolment_pieces();

create table sons.enrolment_decision (
  supplier_id uuid not null,
  number int not null,
  decision text not null,
  decided_at timestamptz not null,
  decided_by uuid not null,
  organisation_id uuid not null,
  role text not null,
  reasons text[] not null,
  constraint enrolment_decision_pkey primary key (supplier_id, number),
  constraint enrolment_decision_enrolment_fkey foreign key (supplier_id, number)
    references sons.enrolment (supplier_id, number),
  constraint enrolment_decision_author_fkey foreign key (decided_by, organisation_id, role)
    references sons.membership (person_id, organisation_id, role),
  constraint enrolment_decision_by_an_agent check (role in ('reviewer', 'payer')),
  constraint enrolment_decision_known check (decision in ('validated', 'to_correct')),
  constraint enrolment_decision_says_why check ((decision = 'to_correct') = (cardinality(reasons) > 0))
);
"""

ACCOUNTS = """
-- ISO 7064: moved to the end, letters as 10 to 35, the first four characters make the whole 1 modulo 97.
create function sons.iban_key_holds(iban text) returns boolean
language sql immutable strict parallel safe
return (
  select string_agg(case when c ~ '[0-9]' then c else (ascii(c) - 55)::text end, '' order by place)::numeric
  from regexp_split_to_table(substr(iban, 5) || left(iban, 4), '') with ordinality as t (c, place)) % 97 = 1;

create function sons.masked_iban(iban text) returns text language sql immutable strict parallel safe
return left(iban, 4) || ' •••• ' || right(iban, 4);
grant execute on function sons.iban_key_holds(text), sons.masked_iban(text) to sons_app;

-- The number itself: for the supplier and for the payer, nobody else.
create table sons.bank_account (
  id uuid not null,
  supplier_id uuid not null,
  iban text not null,
  bic text not null,
  statement_sha256 bytea not null,
  iban_masked text generated always as (sons.masked_iban(iban)) stored not null,
  constraint bank_account_pkey primary key (id),
  constraint bank_account_masked_unique unique (id, supplier_id, iban_masked),
  constraint bank_account_supplier_fkey foreign key (supplier_id) references sons.organisation (id),
  constraint bank_account_iban_form check (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$'),
  constraint bank_account_iban_key_holds check (sons.iban_key_holds(iban)),
  constraint bank_account_bic_form check (bic ~ '^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$'),
  constraint bank_account_statement_length check (octet_length(statement_sha256) = 32)
);

-- Who asked for an account, who confirmed it, from when it is in force. It has a start and no end: it is in
-- force until the next one is, so that neither a gap nor an overlap can be written.
create table sons.bank_account_change (
  id uuid not null,
  supplier_id uuid not null,
  supplier_kind text not null,
  iban_masked text not null,
  requested_at timestamptz not null,
  requested_by uuid not null,
  confirmed_at timestamptz,
  confirmed_by uuid,
  takes_effect_at timestamptz,
  stopped_at timestamptz,
  stopped_by uuid,
  constraint bank_account_change_pkey primary key (id),
  constraint bank_account_change_account_fkey foreign key (id, supplier_id, iban_masked)
    references sons.bank_account (id, supplier_id, iban_masked),
  constraint bank_account_change_of_supplier check (supplier_kind in ('editor', 'distributor')),
  constraint bank_account_change_requester_fkey foreign key (requested_by, supplier_id, supplier_kind)
    references sons.membership (person_id, organisation_id, role),
  constraint bank_account_change_confirmer_fkey foreign key (confirmed_by, supplier_id, supplier_kind)
    references sons.membership (person_id, organisation_id, role),
  constraint bank_account_change_stopper_fkey foreign key (stopped_by) references sons.person (id),
  constraint bank_account_change_confirmation_whole
    check (num_nulls(confirmed_at, confirmed_by, takes_effect_at) in (0, 3)),
  constraint bank_account_change_by_two_persons check (confirmed_by <> requested_by),
  constraint bank_account_change_confirmed_after_request check (confirmed_at >= requested_at),
  constraint bank_account_change_takes_effect_later check (takes_effect_at > confirmed_at),
  constraint bank_account_change_stop_whole check ((stopped_at is null) = (stopped_by is null)),
  constraint bank_account_change_stopped_after_request check (stopped_at >= requested_at),
  constraint bank_account_change_stopped_before_effect check (stopped_at < takes_effect_at)
);
create unique index bank_account_change_one_unconfirmed on sons.bank_account_change (supplier_id)
  where confirmed_at is null and stopped_at is null;
create index bank_account_change_supplier on sons.bank_account_change (supplier_id, requested_at);

-- SN072: at most one change waits; each is asked for once the one before is in force, or stopped. So the
-- starts of one supplier follow each other, and one account is in force at every instant. Two that are asked
-- for at once do not see each other: the index above decides between them.
create function sons.guard_bank_account_asked() returns trigger language plpgsql as $$
begin
  if exists (select from sons.bank_account_change c where c.supplier_id = new.supplier_id and c.id <> new.id
             and c.stopped_at is null and coalesce(c.takes_effect_at > new.requested_at, true)) then
    raise exception 'a change of bank account is waiting already' using errcode = 'SN072',
      constraint = tg_name;
  end if;
  return null;
end $$;
create trigger bank_account_change_one_waits after insert on sons.bank_account_change
  for each row execute function sons.guard_bank_account_asked();

-- SN073: a change is confirmed once, by its supplier, and stopped once; what was said stays said
create function sons.guard_bank_account_change() returns trigger language plpgsql as $$
declare confirms boolean := old.confirmed_at is null and new.confirmed_at is not null;
begin
  if old.stopped_at is not null
     or old.confirmed_at is not null and (new.confirmed_at, new.confirmed_by, new.takes_effect_at)
        is distinct from (old.confirmed_at, old.confirmed_by, old.takes_effect_at)
     or to_jsonb(new) - '{confirmed_at,confirmed_by,takes_effect_at,stopped_at,stopped_by}'::text[]
        is distinct from
        to_jsonb(old) - '{confirmed_at,confirmed_by,takes_effect_at,stopped_at,stopped_by}'::text[]
     or confirms and (new.stopped_at is not null
        or sons.current_role_name() is distinct from new.supplier_kind) then
    raise exception 'a change of bank account is confirmed once by its supplier, or stopped once'
      using errcode = 'SN073', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger bank_account_change_moves_once before update on sons.bank_account_change
  for each row execute function sons.guard_bank_account_change();
"""

_OWN = "supplier_id = (select sons.current_organisation())"
_BY_SUPPLIER = f"{_OWN} and (select sons.current_role_name()) in ('editor', 'distributor')"
# Neither the pilot, who counts, nor the other parties of an order: a supplier's file is its own business.
_AGENTS = "(select sons.current_role_name()) in ('reviewer', 'payer', 'admin', 'scheduler')"

RIGHTS = "\n".join(
    [
        f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ({seen});
create policy {table}_written on sons.{table} for insert to sons_app with check ({written});
grant select on sons.{table} to sons_app;
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
        for table, seen, written in (
            ("enrolment", f"{_AGENTS} or {_OWN}", _BY_SUPPLIER),
            ("enrolment_piece", f"{_AGENTS} or {_OWN}", _BY_SUPPLIER),
            (
                "enrolment_decision",
                f"{_AGENTS} or {_OWN}",
                "role = (select sons.current_role_name())"
                " and organisation_id = (select sons.current_organisation())",
            ),
            ("bank_account", f"(select sons.current_role_name()) = 'payer' or {_BY_SUPPLIER}", _BY_SUPPLIER),
            ("bank_account_change", f"{_AGENTS} or {_OWN}", _BY_SUPPLIER),
        )
    ]
    + [
        f"""
create trigger {table}_append_only before update on sons.{table}
  for each row execute function sons.refuse_change();
"""
        for table in ("enrolment", "enrolment_piece", "enrolment_decision", "bank_account")
    ]
    + [
        f"""
create policy bank_account_change_moved on sons.bank_account_change for update to sons_app
  using ((select sons.current_role_name()) = 'payer' or {_BY_SUPPLIER});
grant insert on sons.enrolment, sons.enrolment_piece, sons.enrolment_decision to sons_app;
grant insert (id, supplier_id, iban, bic, statement_sha256) on sons.bank_account to sons_app;
grant insert (id, supplier_id, supplier_kind, iban_masked, requested_at, requested_by),
  update (confirmed_at, confirmed_by, takes_effect_at, stopped_at, stopped_by)
  on sons.bank_account_change to sons_app;
"""
    ]
)


async def _run() -> None:
    await DB.run_script("\n".join((ENROLMENTS, ACCOUNTS, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
