"""The VA as it is prepared and signed, the invoice, and what a solde rests on.

A VA is prepared again until it is signed; what the OG signs is the exact text that it was shown, by its
digest. A request for the solde names the signature and the invoice: without both there is no solde (I3).
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0006"
VERSION = "1.38.0"
DESCRIPTION = "VA: statements, lines, signatures; invoices and their lines; what a solde rests on"

VA = """
create table sons.va_transition (
  before text not null,
  after text not null,
  event text not null,
  role text not null,
  constraint va_transition_pkey primary key (before, after, event, role),
  constraint va_transition_states_known check (
    before in ('draft', 'prepared', 'signed') and after in ('prepared', 'signed', 'withdrawn'))
);
insert into sons.va_transition (before, after, event, role)
select b, e.after, e.event, r
from (values
  (array['draft'], 'prepared', 'prepared', array['editor', 'distributor']),
  (array['prepared'], 'signed', 'signed', array['og']),
  (array['prepared', 'signed'], 'withdrawn', 'replaced', array['editor', 'distributor'])
) as e (befores, after, event, roles), unnest(e.befores) as b, unnest(e.roles) as r;
grant select on sons.va_transition to sons_app;

-- `covered`: how many ESSMS it attests. `statement`: the text that the OG is shown and signs, in full.
create table sons.va (
  id uuid not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  number int not null,
  state text not null,
  version int not null,
  covered int not null,
  deploiement_mss text,
  statement text not null,
  statement_sha256 bytea not null,
  prepared_at timestamptz not null,
  prepared_by uuid not null,
  verdicts jsonb not null,
  law_digest text not null,
  known_on date not null,
  withdrawn_at timestamptz,
  constraint va_pkey primary key (id),
  constraint va_number_unique unique (order_id, number),
  constraint va_parties_unique unique (id, order_id, supplier_id, og_id),
  constraint va_text_unique unique (id, statement_sha256),
  constraint va_order_fkey foreign key (order_id, supplier_id, og_id)
    references sons.purchase_order (id, supplier_id, og_id),
  constraint va_person_fkey foreign key (prepared_by) references sons.person (id),
  constraint va_law_fkey foreign key (law_digest) references sons.law_enactment (digest),
  constraint va_state_known check (state in ('prepared', 'signed', 'withdrawn')),
  constraint va_number_positive check (number > 0),
  constraint va_covers_something check (covered > 0),
  constraint va_deploiement_mss_known check (deploiement_mss in ('cas_1', 'cas_2')),
  constraint va_statement_digest check (statement_sha256 = sha256(convert_to(statement, 'UTF8'))),
  constraint va_withdrawn_dated check ((state = 'withdrawn') = (withdrawn_at is not null)),
  constraint va_withdrawn_later check (withdrawn_at >= prepared_at)
);
create unique index one_live_va on sons.va (order_id) where state <> 'withdrawn';

-- The five facts of R18, as declared.
create table sons.va_line (
  va_id uuid not null,
  finess_geographique text not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  dui_deployed boolean not null,
  tbb1_supplied boolean not null,
  accompanied int not null,
  active int not null,
  with_project int not null,
  with_event int not null,
  constraint va_line_pkey primary key (va_id, finess_geographique),
  constraint va_line_va_fkey foreign key (va_id, order_id, supplier_id, og_id)
    references sons.va (id, order_id, supplier_id, og_id),
  constraint va_line_line_fkey foreign key (order_id, finess_geographique, supplier_id, og_id)
    references sons.order_line (order_id, finess_geographique, supplier_id, og_id),
  constraint va_line_counts check (0 < active and active <= accompanied
    and with_project between 0 and active and with_event between 0 and active)
);
create index va_line_line on sons.va_line (order_id, finess_geographique);
create trigger va_line_append_only before update on sons.va_line
  for each row execute function sons.refuse_change();

-- Who signed what, and what proves it. A person of the OG signs in the application; a signature made outside
-- brings its own evidence. Handwritten is not in the list (R17).
create table sons.va_signature (
  va_id uuid not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  kind text not null,
  statement_sha256 bytea not null,
  consent text not null,
  signer_name text not null,
  signer_function text not null,
  signed_at timestamptz not null,
  person_id uuid,
  role text,
  auth_level text not null,
  token_id uuid,
  evidence jsonb,
  verdicts jsonb not null,
  law_digest text not null,
  known_on date not null,
  constraint va_signature_pkey primary key (va_id),
  constraint va_signature_parties_unique unique (va_id, order_id, supplier_id, og_id),
  constraint va_signature_va_fkey foreign key (va_id, order_id, supplier_id, og_id)
    references sons.va (id, order_id, supplier_id, og_id),
  constraint va_signature_of_this_text foreign key (va_id, statement_sha256)
    references sons.va (id, statement_sha256),
  constraint va_signature_by_a_member_of_the_og foreign key (person_id, og_id, role)
    references sons.membership (person_id, organisation_id, role),
  constraint va_signature_law_fkey foreign key (law_digest) references sons.law_enactment (digest),
  constraint va_signature_kind_known
    check (kind in ('cpx', 'psc', 'rgs', 'eidas_simple', 'eidas_advanced', 'eidas_qualified')),
  constraint va_signature_proved
    check (num_nulls(person_id, role) in (0, 2) and num_nonnulls(person_id, evidence) > 0),
  constraint va_signature_evidence_object check (jsonb_typeof(evidence) = 'object'),
  constraint va_signature_texts_given check (btrim(consent) <> '' and btrim(signer_name) <> ''
    and btrim(signer_function) <> '' and btrim(auth_level) <> '')
);
create trigger va_signature_append_only before update on sons.va_signature
  for each row execute function sons.refuse_change();

-- SN061: a state off its table; only the state moves; signed by its signature; never withdrawn under a solde
create function sons.guard_va() returns trigger language plpgsql as $$
declare
  was text := case tg_op when 'INSERT' then 'draft' else old.state end;
  moving text[] := '{state,version,withdrawn_at}';
begin
  if tg_op = 'UPDATE' then
    if to_jsonb(new) - moving is distinct from to_jsonb(old) - moving or new.state = old.state then
      raise exception 'a VA is what was shown' using errcode = 'SN061', constraint = tg_name;
    end if;
    new.version := old.version + 1;
  else
    new.version := 1;
  end if;
  if not exists (
    select from sons.va_transition t
    where t.before = was and t.after = new.state and t.role = sons.current_role_name()) then
    raise exception 'a VA does not go from % to %', was, new.state
      using errcode = 'SN061', constraint = tg_name;
  end if;
  if new.state = 'signed' and not exists (select from sons.va_signature s where s.va_id = new.id) then
    raise exception 'nobody signed this VA' using errcode = 'SN061', constraint = tg_name;
  end if;
  if was = 'signed' and exists (
    select from sons.financing_request r
    where r.va_id = new.id and r.state in ('requested', 'validated', 'paid')) then
    raise exception 'a solde rests on this VA' using errcode = 'SN061', constraint = tg_name;
  end if;
  return new;
end $$;

-- SN062: a signature comes to the VA that waits for it
create function sons.guard_va_signature() returns trigger language plpgsql as $$
begin
  if not exists (select from sons.va v where v.id = new.va_id and v.state = 'prepared') then
    raise exception 'this VA does not wait for a signature' using errcode = 'SN062', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger va_signature_waited_for before insert on sons.va_signature
  for each row execute function sons.guard_va_signature();

-- SN063: all or nothing: a VA has its lines, at once, and they are the perimeter of the order on that day
create function sons.guard_va_lines() returns trigger language plpgsql as $$
begin
  if exists (
    select from (select distinct va_id from written) w join sons.va v on v.id = w.va_id
    where v.covered <> (select count(*) from sons.va_line l where l.va_id = v.id)) then
    raise exception 'a VA keeps its lines' using errcode = 'SN063', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger va_line_of_its_va after insert on sons.va_line
  referencing new table as written for each statement execute function sons.guard_va_lines();

create function sons.guard_va_whole() returns trigger language plpgsql as $$
begin
  if exists (
    select finess_geographique from sons.va_line where va_id = new.id
    except select finess_geographique from sons.claim
    where order_id = new.order_id and released_at is null)
  or new.covered <> (select count(*) from sons.va_line where va_id = new.id)
  or new.covered <> (select count(*) from sons.claim where order_id = new.order_id and released_at is null)
  then
    raise exception 'a VA attests the whole perimeter, and nothing else'
      using errcode = 'SN063', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger va_is_whole after insert on sons.va
  deferrable initially deferred for each row execute function sons.guard_va_whole();
"""

INVOICES = """
-- What the supplier billed to the OG. A corrected filing withdraws the invoice before and brings its own.
create table sons.invoice (
  id uuid not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  number text not null,
  issued_on date not null,
  og_finess_juridique text not null,
  signatory_name text not null,
  share_percent smallint not null,
  vat_rate_percent smallint,
  ht_cents bigint not null,
  vat_cents bigint not null,
  ttc_cents bigint not null,
  document_sha256 bytea,
  received_at timestamptz not null,
  withdrawn_at timestamptz,
  constraint invoice_pkey primary key (id),
  constraint invoice_parties_unique unique (id, order_id, supplier_id, og_id),
  constraint invoice_order_fkey foreign key (order_id, supplier_id, og_id)
    references sons.purchase_order (id, supplier_id, og_id),
  constraint invoice_issued_to_the_og foreign key (og_id, og_finess_juridique)
    references sons.organisation (id, finess_juridique),
  constraint invoice_texts_given check (btrim(number) <> '' and btrim(signatory_name) <> ''),
  constraint invoice_share_is_one check (share_percent between 1 and 100),
  constraint invoice_vat_rate_is_one check (vat_rate_percent between 0 and 100),
  constraint invoice_total_exact check (ht_cents + vat_cents = ttc_cents),
  constraint invoice_not_nothing check (ttc_cents > 0 and ht_cents >= 0 and vat_cents >= 0),
  constraint invoice_document_length check (octet_length(document_sha256) = 32),
  constraint invoice_withdrawn_later check (withdrawn_at >= received_at)
);
create unique index one_live_invoice on sons.invoice (order_id) where withdrawn_at is null;
create unique index one_live_invoice_number on sons.invoice (supplier_id, number) where withdrawn_at is null;
create index invoice_order on sons.invoice (order_id, received_at);

create table sons.invoice_line (
  invoice_id uuid not null,
  finess_geographique text not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  ht_cents bigint not null,
  vat_cents bigint not null,
  ttc_cents bigint not null,
  constraint invoice_line_pkey primary key (invoice_id, finess_geographique),
  constraint invoice_line_invoice_fkey foreign key (invoice_id, order_id, supplier_id, og_id)
    references sons.invoice (id, order_id, supplier_id, og_id),
  constraint invoice_line_line_fkey foreign key (order_id, finess_geographique, supplier_id, og_id)
    references sons.order_line (order_id, finess_geographique, supplier_id, og_id),
  constraint invoice_line_total_exact check (ht_cents + vat_cents = ttc_cents),
  constraint invoice_line_not_nothing check (ttc_cents > 0 and ht_cents >= 0 and vat_cents >= 0)
);
create index invoice_line_line on sons.invoice_line (order_id, finess_geographique);
create trigger invoice_line_append_only before update on sons.invoice_line
  for each row execute function sons.refuse_change();

-- SN064: an invoice is only ever withdrawn, once, and never under a solde
create function sons.guard_invoice() returns trigger language plpgsql as $$
begin
  if old.withdrawn_at is not null
     or to_jsonb(new) - 'withdrawn_at' is distinct from to_jsonb(old) - 'withdrawn_at'
     or exists (select from sons.financing_request r
                where r.invoice_id = new.id and r.state in ('requested', 'validated', 'paid')) then
    raise exception 'an invoice is only ever withdrawn' using errcode = 'SN064', constraint = tg_name;
  end if;
  return new;
end $$;

-- SN065: an invoice has its lines, at once, and is their sum to the cent
create function sons.invoice_is_sum(of_invoice uuid) returns boolean language sql stable
return (
  select (i.ht_cents, i.vat_cents, i.ttc_cents) is not distinct from
         (sum(l.ht_cents)::bigint, sum(l.vat_cents)::bigint, sum(l.ttc_cents)::bigint)
  from sons.invoice i left join sons.invoice_line l on l.invoice_id = i.id
  where i.id = of_invoice group by i.id);

create function sons.guard_invoice_lines() returns trigger language plpgsql as $$
begin
  if exists (select from (select distinct invoice_id from written) w
             where not sons.invoice_is_sum(w.invoice_id)) then
    raise exception 'an invoice is the sum of its lines' using errcode = 'SN065', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger invoice_line_of_its_invoice after insert on sons.invoice_line
  referencing new table as written for each statement execute function sons.guard_invoice_lines();

create function sons.guard_invoice_whole() returns trigger language plpgsql as $$
begin
  if not sons.invoice_is_sum(new.id) then
    raise exception 'an invoice is the sum of its lines' using errcode = 'SN065', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger invoice_is_sum_of_lines after insert on sons.invoice
  deferrable initially deferred for each row execute function sons.guard_invoice_whole();
"""

SOLDE = """
-- I3: no solde without a signed VA and an invoice. A late request, inadmissible, may have neither.
alter table sons.financing_request
  add column va_id uuid,
  add column invoice_id uuid,
  add constraint financing_request_signed_va_fkey foreign key (va_id, order_id, supplier_id, og_id)
    references sons.va_signature (va_id, order_id, supplier_id, og_id),
  add constraint financing_request_invoice_fkey foreign key (invoice_id, order_id, supplier_id, og_id)
    references sons.invoice (id, order_id, supplier_id, og_id),
  add constraint financing_request_solde_whole
    check (kind <> 'solde' or state = 'inadmissible' or num_nulls(va_id, invoice_id) = 0),
  add constraint financing_request_advance_alone
    check (kind = 'solde' or num_nonnulls(va_id, invoice_id) = 0);
grant update (va_id, invoice_id) on sons.financing_request to sons_app;
create index financing_request_va on sons.financing_request (va_id) where va_id is not null;
create index financing_request_invoice on sons.financing_request (invoice_id) where invoice_id is not null;

create trigger va_along_the_table before insert or update on sons.va
  for each row execute function sons.guard_va();
create trigger invoice_withdrawn_once before update on sons.invoice
  for each row execute function sons.guard_invoice();

-- SN016 again: what a solde rests on moves only while it is to be corrected, and is in force once examined.
create or replace function sons.guard_request() returns trigger language plpgsql as $$
declare
  was text := case tg_op when 'INSERT' then 'draft' else old.state end;
  moving text[] := '{state,version,referenced_on,decided_at,decided_by,reason}';
begin
  if was = 'to_correct' and new.state in ('to_correct', 'requested') then
    moving := moving || '{va_id,invoice_id}';
  end if;
  if tg_op = 'UPDATE' then
    if to_jsonb(new) - moving is distinct from to_jsonb(old) - moving then
      raise exception 'a request is what was filed' using errcode = 'SN016', constraint = tg_name;
    end if;
    new.version := old.version + 1;
  else
    new.version := 1;
  end if;
  if new.state is distinct from was and not exists (
    select from sons.request_transition t
    where t.before = was and t.after = new.state and t.role = sons.current_role_name()) then
    raise exception 'a request does not go from % to %', was, new.state
      using errcode = 'SN016', constraint = tg_name;
  end if;
  if new.kind = 'solde' and new.state in ('requested', 'validated')
     and num_nulls(new.va_id, new.invoice_id) = 0 and not exists (
       select from sons.va v, sons.invoice i
       where v.id = new.va_id and v.state = 'signed' and i.id = new.invoice_id and i.withdrawn_at is null)
  then
    raise exception 'this VA or this invoice was replaced' using errcode = 'SN016', constraint = tg_name;
  end if;
  return new;
end $$;
"""

_PARTIES = """(select sons.sees_all()) or supplier_id = (select sons.current_organisation())
  or og_id = (select sons.current_organisation())"""
_SUPPLIER = """supplier_id = (select sons.current_organisation())
  and (select sons.current_role_name()) in ('editor', 'distributor')"""
_OG = "og_id = (select sons.current_organisation()) and (select sons.current_role_name()) = 'og'"

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
        for table, who in (
            ("va", _SUPPLIER),
            ("va_line", _SUPPLIER),
            ("va_signature", _OG),
            ("invoice", f"{_SUPPLIER} and withdrawn_at is null"),
            ("invoice_line", _SUPPLIER),
        )
    )
    + f"""
create policy va_moved on sons.va for update to sons_app using ({_SUPPLIER} or {_OG});
grant update (state, withdrawn_at) on sons.va to sons_app;
create policy invoice_withdrawn on sons.invoice for update to sons_app using ({_SUPPLIER});
grant update (withdrawn_at) on sons.invoice to sons_app;
grant execute on function sons.invoice_is_sum(uuid) to sons_app;
-- A solde that moves no cash: what one line owes pays another. SN018 keeps it at nothing in all.
create policy ledger_entry_evened on sons.ledger_entry for insert to sons_app with check (
  (select sons.current_role_name()) = 'reviewer' and cause = 'compensated'
  and movement in ('paid', 'compensated'));
"""
)


async def _run() -> None:
    await DB.run_script("\n".join((VA, INVOICES, SOLDE, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
