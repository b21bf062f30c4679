"""How orders and payments move on, the requests of advance and solde, the corrections that are asked.

A state moves along the mirror of rules/lifecycle.py or not at all; a payment is due only under a validated
request of its kind, and never before the version was referenced (I3).
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0004"
VERSION = "1.38.0"
DESCRIPTION = "The life of an order: transitions, requests, corrections"

TRANSITIONS = """
insert into sons.order_transition (before, after, event, role)
select b, e.after, e.event, r
from (values
  (array['waiting_referencing'], 'submitted', 'referencing_learnt', array['scheduler', 'admin']),
  (array['waiting_referencing'], 'lapsed', 'delay_passed', array['scheduler']),
  (array['lapsed'], 'waiting_referencing', 'submission_learnt', array['scheduler', 'admin']),
  (array['to_review'], 'submitted', 'review_settled', array['reviewer']),
  (array['to_review'], 'waiting_referencing', 'review_settled', array['reviewer']),
  (array['to_review'], 'rejected', 'review_settled', array['reviewer']),
  (array['submitted'], 'to_correct', 'correction_asked', array['reviewer']),
  (array['to_correct'], 'submitted', 'corrected', array['editor', 'distributor']),
  (array['submitted'], 'validated', 'advance_validated', array['reviewer']),
  (array['validated'], 'settled', 'solde_paid', array['payer']),
  (array['validated'], 'settled', 'solde_validated', array['reviewer']),
  (array['settled'], 'validated', 'payment_returned', array['payer']),
  (array['submitted', 'waiting_referencing', 'to_review', 'to_correct', 'validated'], 'cancelled',
   'cancelled', array['editor', 'distributor', 'og', 'reviewer']),
  (array['submitted', 'waiting_referencing', 'to_review', 'to_correct', 'validated'], 'lapsed',
   'cloture', array['scheduler']),
  (array['validated'], 'to_review', 'cloture', array['scheduler']),
  (array['validated'], 'to_review', 'solde_refused', array['reviewer']),
  (array['validated'], 'lapsed', 'solde_refused', array['reviewer']),
  (array['to_review'], 'settled', 'advance_kept', array['reviewer']),
  (array['to_review'], 'lapsed', 'advance_reclaimed', array['reviewer'])
) as e (befores, after, event, roles), unnest(e.befores) as b, unnest(e.roles) as r;

insert into sons.claim_release (reason, order_state) values
  ('recovered', 'lapsed'), ('removed_from_perimeter', 'submitted'),
  ('removed_from_perimeter', 'waiting_referencing'), ('removed_from_perimeter', 'to_correct');

create table sons.request_transition (
  before text not null,
  after text not null,
  event text not null,
  role text not null,
  constraint request_transition_pkey primary key (before, after, event, role),
  constraint request_transition_states_known check (
    before in ('draft', 'requested', 'to_correct', 'validated', 'paid', 'inadmissible')
    and after in ('requested', 'to_correct', 'validated', 'paid', 'inadmissible'))
);
insert into sons.request_transition (before, after, event, role)
select b, e.after, e.event, r
from (values
  (array['draft'], 'requested', 'request', array['editor', 'distributor']),
  (array['draft'], 'inadmissible', 'request', array['editor', 'distributor']),
  (array['requested'], 'to_correct', 'correction_asked', array['reviewer']),
  (array['to_correct'], 'requested', 'corrected', array['editor', 'distributor']),
  (array['requested'], 'validated', 'validated', array['reviewer']),
  (array['requested', 'to_correct'], 'inadmissible', 'declared_inadmissible', array['reviewer']),
  (array['requested', 'to_correct', 'validated'], 'inadmissible', 'order_ended',
   array['editor', 'distributor', 'og', 'reviewer', 'scheduler']),
  (array['validated'], 'paid', 'bank_paid', array['payer']),
  (array['paid'], 'validated', 'bank_returned', array['payer'])
) as e (befores, after, event, roles), unnest(e.befores) as b, unnest(e.roles) as r;

create table sons.payment_transition (
  before text not null,
  after text not null,
  event text not null,
  role text not null,
  constraint payment_transition_pkey primary key (before, after, event, role),
  constraint payment_transition_states_known check (
    before in ('draft', 'planned', 'due', 'in_lot', 'paid', 'returned', 'to_recover', 'recovered')
    and after in ('planned', 'due', 'in_lot', 'paid', 'returned', 'to_recover', 'recovered'))
);
insert into sons.payment_transition (before, after, event, role)
select b, e.after, e.event, r
from (values
  (array['draft'], 'planned', 'deposit', array['editor', 'distributor']),
  (array['planned'], 'due', 'validated', array['reviewer']),
  (array['due'], 'in_lot', 'lot_prepared', array['payer']),
  (array['in_lot'], 'due', 'bank_rejected', array['payer']),
  (array['in_lot'], 'due', 'lot_dropped', array['payer']),
  (array['in_lot'], 'paid', 'bank_paid', array['payer']),
  (array['paid'], 'returned', 'bank_returned', array['payer']),
  (array['returned'], 'due', 'represented', array['payer']),
  (array['due', 'returned'], 'planned', 'order_ended',
   array['editor', 'distributor', 'og', 'reviewer', 'scheduler', 'payer']),
  (array['paid'], 'to_recover', 'reclaimed',
   array['editor', 'distributor', 'og', 'reviewer', 'scheduler', 'payer']),
  (array['to_recover'], 'recovered', 'recovered', array['payer'])
) as e (befores, after, event, roles), unnest(e.befores) as b, unnest(e.roles) as r;

grant select on sons.request_transition, sons.payment_transition to sons_app;
"""

ORDERS_MOVE = """
-- The guards decide what may change; the policies at the end of this file open the door.
grant update (state) on sons.purchase_order to sons_app;
create index purchase_order_waiting on sons.purchase_order (solution_version)
  where state in ('waiting_referencing', 'lapsed');

grant update (released_at, release_reason) on sons.claim to sons_app;
-- C16: a lapsed order that reopens takes its ESSMS again, if they are free
create policy claim_retaken on sons.claim for insert to sons_app
  with check ((select sons.current_role_name()) in ('scheduler', 'admin') and holder_kind = 'order');

-- an OG that renounces ends an order, and its deadlines with it
create policy deadline_ended on sons.deadline for update to sons_app
  using (order_id is not null and og_id = (select sons.current_organisation())
         and (select sons.current_role_name()) = 'og');

-- SN003 again: order_id follows from holder_id, and is not known yet before the row is written
create or replace function sons.guard_claim_release() returns trigger language plpgsql as $$
declare moving text[] := '{released_at,release_reason,order_id}';
begin
  if old.released_at is not null or to_jsonb(new) - moving is distinct from to_jsonb(old) - moving then
    raise exception 'a claim is only ever released' using errcode = 'SN003', constraint = tg_name;
  end if;
  if old.holder_kind = 'order' and not exists (
    select from sons.purchase_order o join sons.claim_release r on r.order_state = o.state
    where o.id = old.order_id and r.reason = new.release_reason) then
    raise exception 'this order does not let go of its ESSMS for %', new.release_reason
      using errcode = 'SN003', constraint = tg_name;
  end if;
  return new;
end $$;

-- SN014 again: an order that comes alive once more holds what was not removed from its perimeter (C10).
create or replace function sons.guard_order_whole() returns trigger language plpgsql as $$
declare
  alive boolean := (select live from sons.order_state where state = new.state);
  removed int;
begin
  if tg_op = 'UPDATE' and (select live from sons.order_state where state = old.state) then
    return null; -- it was whole when it came alive; what it lost since has its own reasons
  end if;
  removed := (select count(distinct finess_geographique) from sons.claim
              where order_id = new.id and release_reason = 'removed_from_perimeter');
  if new.ordered <> (select count(*) from sons.order_line where order_id = new.id)
     or alive and new.ordered - removed <> (select count(*) from sons.claim c
       where c.holder_id = new.id and c.order_id = new.id and c.vague = new.vague and c.released_at is null)
     or alive and coalesce(new.total_ttc_cents, 0)
       <> (select coalesce(sum(amount_ttc_cents), 0) from sons.payment where order_id = new.id) then
    raise exception 'order % is not whole', new.number using errcode = 'SN014', constraint = tg_name;
  end if;
  return null;
end $$;
"""

REQUESTS = """
-- What the supplier asks for: its advance, then its solde. What was filed stands in request_filing.
create table sons.financing_request (
  id uuid not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  kind text not null,
  state text not null,
  version int not null,
  received_at timestamptz not null,
  referenced_on date,
  decided_at timestamptz,
  decided_by uuid,
  reason text,
  constraint financing_request_pkey primary key (id),
  constraint financing_request_kind_known check (kind in ('advance', 'solde')),
  constraint financing_request_state_known
    check (state in ('requested', 'to_correct', 'validated', 'paid', 'inadmissible')),
  constraint financing_request_order_fkey foreign key (order_id, supplier_id, og_id)
    references sons.purchase_order (id, supplier_id, og_id),
  constraint financing_request_parties_unique unique (id, order_id, supplier_id, og_id),
  constraint financing_request_person_fkey foreign key (decided_by) references sons.person (id),
  -- I3: nothing is paid before the referencing; the day that covers it is kept with the decision (R11)
  constraint financing_request_referenced
    check (state not in ('validated', 'paid') or referenced_on is not null),
  constraint financing_request_decided
    check (state not in ('validated', 'paid', 'inadmissible') or decided_at is not null),
  constraint financing_request_reason_given
    check (state <> 'inadmissible' or coalesce(btrim(reason), '') <> '')
);
create unique index one_live_request on sons.financing_request (order_id, kind) where state <> 'inadmissible';
create index financing_request_order on sons.financing_request (order_id, received_at);
create index financing_request_queue on sons.financing_request (received_at, id) where state = 'requested';

-- SN016: a state off its table; only the decision and the state move
create function sons.guard_request() returns trigger language plpgsql as $$
declare
  was text := case tg_op when 'INSERT' then 'draft' else old.state end;
  moving text[] := '{state,version,referenced_on,decided_at,decided_by,reason}';
begin
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
  return new;
end $$;
create trigger financing_request_along_the_table before insert or update on sons.financing_request
  for each row execute function sons.guard_request();

-- Each filing as it came, with the schema that it was read by and what the law said of it; never changed.
create table sons.request_filing (
  request_id uuid not null,
  filing smallint not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  filed_at timestamptz not null,
  schema text not null,
  content jsonb not null,
  verdicts jsonb not null,
  law_digest text not null,
  known_on date not null,
  constraint request_filing_pkey primary key (request_id, filing),
  constraint request_filing_numbered check (filing > 0),
  constraint request_filing_request_fkey foreign key (request_id, order_id, supplier_id, og_id)
    references sons.financing_request (id, order_id, supplier_id, og_id),
  constraint request_filing_law_fkey foreign key (law_digest) references sons.law_enactment (digest),
  constraint request_filing_content_object check (jsonb_typeof(content) = 'object')
);
create trigger request_filing_append_only before update on sons.request_filing
  for each row execute function sons.refuse_change();

-- A correction that a reviewer asks for blocks the next step until it is answered.
create table sons.correction (
  id uuid not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  request_id uuid,
  kind text not null,
  reason text not null,
  asked_at timestamptz not null,
  asked_by uuid,
  answer_due_at timestamptz,
  answered_at timestamptz,
  answered_by uuid,
  answer text,
  constraint correction_pkey primary key (id),
  constraint correction_kind_known check (kind in ('incomplete', 'incorrect')),
  constraint correction_reason_given check (btrim(reason) <> ''),
  constraint correction_order_fkey foreign key (order_id, supplier_id, og_id)
    references sons.purchase_order (id, supplier_id, og_id),
  constraint correction_request_fkey foreign key (request_id, order_id, supplier_id, og_id)
    references sons.financing_request (id, order_id, supplier_id, og_id),
  constraint correction_asked_by_fkey foreign key (asked_by) references sons.person (id),
  constraint correction_answered_by_fkey foreign key (answered_by) references sons.person (id),
  constraint correction_answer_whole check ((answered_at is null) = (answer is null)),
  constraint correction_answered_later check (answered_at >= asked_at)
);
create unique index one_open_correction on sons.correction (order_id) where answered_at is null;

-- SN016: what was asked stays, an answer is given once
create function sons.guard_correction() returns trigger language plpgsql as $$
declare moving text[] := '{answered_at,answered_by,answer}';
begin
  if old.answered_at is not null or to_jsonb(new) - moving is distinct from to_jsonb(old) - moving then
    raise exception 'a correction is only ever answered, once' using errcode = 'SN016', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger correction_answered_once before update on sons.correction
  for each row execute function sons.guard_correction();
"""

PAYMENTS = """
alter table sons.payment
  add column version int not null default 1, -- payments of before: their first version
  add column due_ttc_cents bigint,
  add column due_at timestamptz,
  add column paid_at timestamptz,
  add constraint payment_parties_unique unique (id, order_id, supplier_id, og_id),
  add constraint payment_due_known check ((state = 'planned') = (due_ttc_cents is null)),
  add constraint payment_due_dated check ((due_ttc_cents is null) = (due_at is null)),
  add constraint payment_due_within check (due_ttc_cents between 1 and amount_ttc_cents),
  add constraint payment_paid_dated
    check ((state in ('paid', 'to_recover', 'recovered')) = (paid_at is not null));
alter table sons.payment alter column version drop default;
create index payment_due on sons.payment (due_at, id) where state = 'due';

-- SN015: a state off its table; what is due is fixed once; due only under a validated request of its kind
create function sons.guard_payment() returns trigger language plpgsql as $$
declare
  was text := case tg_op when 'INSERT' then 'draft' else old.state end;
  moving text[] := '{state,version,due_ttc_cents,due_at,paid_at}';
begin
  if tg_op = 'UPDATE' then
    if to_jsonb(new) - moving is distinct from to_jsonb(old) - moving
       or (old.due_ttc_cents <> new.due_ttc_cents and new.state <> 'planned') then
      raise exception 'a payment keeps its amounts' using errcode = 'SN015', constraint = tg_name;
    end if;
    new.version := old.version + 1;
  else
    new.version := 1;
  end if;
  if new.state is distinct from was and not exists (
    select from sons.payment_transition t
    where t.before = was and t.after = new.state and t.role = sons.current_role_name()) then
    raise exception 'a payment does not go from % to %', was, new.state
      using errcode = 'SN015', constraint = tg_name;
  end if;
  if new.state = 'due' and was = 'planned' and not exists (
    select from sons.financing_request r
    where r.order_id = new.order_id and r.kind = new.kind and r.state = 'validated') then
    raise exception 'nothing is due without a validated request'
      using errcode = 'SN015', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger payment_along_the_table before insert or update on sons.payment
  for each row execute function sons.guard_payment();
grant update (state, due_ttc_cents, due_at, paid_at) on sons.payment to sons_app;
"""

_PARTIES = """(select sons.sees_all()) or supplier_id = (select sons.current_organisation())
  or og_id = (select sons.current_organisation())"""
_SUPPLIER = """supplier_id = (select sons.current_organisation())
  and (select sons.current_role_name()) in ('editor', 'distributor')"""
# Who moves: an agent whose role moves orders, or a party in its own role.
_MOVERS = """(select sons.current_role_name()) in ('reviewer', 'payer', 'admin', 'scheduler')
  or supplier_id = (select sons.current_organisation())
     and (select sons.current_role_name()) in ('editor', 'distributor')
  or og_id = (select sons.current_organisation()) and (select sons.current_role_name()) = 'og'"""
_REVIEWER = "(select sons.current_role_name()) = 'reviewer'"

RIGHTS = (
    "\n".join(
        f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ({_PARTIES});
create policy {table}_filed on sons.{table} for insert to sons_app with check ({who});
grant select, insert on sons.{table} to sons_app;
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
        for table, who in (
            ("financing_request", _SUPPLIER),
            ("request_filing", _SUPPLIER),
            ("correction", _REVIEWER),
        )
    )
    + f"""
create policy purchase_order_moved on sons.purchase_order for update to sons_app using ({_MOVERS});
create policy claim_released on sons.claim for update to sons_app using ({_MOVERS});
create policy payment_moved on sons.payment for update to sons_app using ({_MOVERS});
create policy financing_request_moved on sons.financing_request for update to sons_app using ({_MOVERS});
grant update (state, referenced_on, decided_at, decided_by, reason) on sons.financing_request to sons_app;
create policy correction_answered on sons.correction for update to sons_app
  using (({_SUPPLIER}) or {_REVIEWER});
grant update (answered_at, answered_by, answer) on sons.correction to sons_app;
"""
)


async def _run() -> None:
    await DB.run_script("\n".join((TRANSITIONS, ORDERS_MOVE, REQUESTS, PAYMENTS, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
