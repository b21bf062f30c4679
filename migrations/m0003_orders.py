"""Orders, lines, claims, planned payments, and the counter of simulations.

What must never happen is refused here by name: an ESSMS financed twice, a state off its table, an advance
and a solde that lose a cent, a decided order that changes.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0003"
VERSION = "1.38.0"
DESCRIPTION = "Orders: purchase orders, lines, claims, planned payments, simulations counted"

LIFECYCLE = """
-- The mirror of rules/lifecycle.py; a test holds the two together.
create table sons.order_state (
  state text not null,
  live boolean not null,
  constraint order_state_pkey primary key (state)
);
insert into sons.order_state (state, live) values
  ('draft', false), ('submitted', true), ('waiting_referencing', true), ('to_review', true),
  ('to_correct', true), ('validated', true), ('rejected', false), ('lapsed', false),
  ('cancelled', false), ('settled', true);

create table sons.order_transition (
  before text not null,
  after text not null,
  event text not null,
  role text not null,
  constraint order_transition_pkey primary key (before, after, event, role),
  constraint order_transition_before_fkey foreign key (before) references sons.order_state (state),
  constraint order_transition_after_fkey foreign key (after) references sons.order_state (state)
);
insert into sons.order_transition (before, after, event, role)
  select 'draft', after, 'deposit', role
  from unnest(array['submitted', 'waiting_referencing', 'to_review', 'rejected']) as after,
       unnest(array['editor', 'distributor']) as role;

create table sons.claim_release (
  reason text not null,
  order_state text not null,
  constraint claim_release_pkey primary key (reason, order_state),
  constraint claim_release_state_fkey foreign key (order_state) references sons.order_state (state)
);
insert into sons.claim_release (reason, order_state) values
  ('rejected', 'rejected'), ('lapsed', 'lapsed'), ('cancelled', 'cancelled'), ('recovered', 'cancelled'),
  ('removed_from_perimeter', 'validated');
insert into sons.claim_release (reason, order_state) select 'decided', state from sons.order_state;

grant select on sons.order_state, sons.order_transition, sons.claim_release to sons_app;
"""

ORDERS = """
alter table sons.organisation
  add constraint organisation_id_finess_juridique_unique unique (id, finess_juridique);
create sequence sons.order_number as bigint;
grant usage on sequence sons.order_number to sons_app;

create table sons.purchase_order (
  id uuid not null,
  number text not null,
  vague text not null,
  dispositif text not null,
  state text not null,
  version int not null,
  supplier_id uuid not null,
  og_id uuid not null,
  editor_id uuid,
  og_finess_juridique text not null,
  solution_version text not null,
  solution text,
  signed_on date not null,
  received_at timestamptz not null,
  already_equipped boolean,
  supplier_reference text,
  order_document_sha256 bytea,
  decision text not null,
  conditional boolean not null,
  ordered int not null,
  tranche text,
  essms_of_og int,
  count_basis text,
  extraction_on date,
  rate_ttc_cents bigint,
  total_ttc_cents bigint,
  advance_ttc_cents bigint,
  solde_ttc_cents bigint,
  law_digest text not null,
  known_on date not null,
  applied jsonb not null,
  verdicts jsonb not null,
  constraint purchase_order_pkey primary key (id),
  constraint purchase_order_number_unique unique (number),
  constraint purchase_order_number_form check (number ~ '^BC-[0-9]{4}-[0-9]{6,}$'),
  constraint purchase_order_parties_unique unique (id, supplier_id, og_id),
  constraint purchase_order_shares_unique unique (id, advance_ttc_cents, solde_ttc_cents),
  constraint purchase_order_supplier_fkey foreign key (supplier_id) references sons.organisation (id),
  constraint purchase_order_og_fkey foreign key (og_id, og_finess_juridique)
    references sons.organisation (id, finess_juridique),
  constraint purchase_order_editor_fkey foreign key (editor_id) references sons.organisation (id),
  constraint purchase_order_state_fkey foreign key (state) references sons.order_state (state),
  constraint purchase_order_law_fkey foreign key (law_digest) references sons.law_enactment (digest),
  constraint purchase_order_decision_known check (decision in ('accepted', 'to_review', 'refused')),
  constraint purchase_order_refused_is_rejected
    check (decision <> 'refused' or state in ('rejected', 'submitted', 'validated')),
  constraint purchase_order_ordered_positive check (ordered > 0),
  constraint purchase_order_document_length check (octet_length(order_document_sha256) = 32),
  -- I3: the two shares are the whole; an order without amounts can only wait for a person, or be over
  constraint purchase_order_shares_whole check (total_ttc_cents = advance_ttc_cents + solde_ttc_cents),
  constraint purchase_order_amounts_together
    check (num_nulls(total_ttc_cents, advance_ttc_cents, solde_ttc_cents) in (0, 3)),
  constraint purchase_order_amounts_positive check (total_ttc_cents > 0),
  constraint purchase_order_amounts_known
    check (total_ttc_cents is not null or state in ('to_review', 'to_correct', 'rejected', 'cancelled'))
);
-- squeezing the verdicts and the kept answer of 500 ESSMS costs a fifth of their deposit
alter table sons.purchase_order alter column verdicts set storage external;
alter table sons.idempotency alter column body set storage external;
create index purchase_order_supplier on sons.purchase_order (supplier_id, received_at desc, id desc);
create index purchase_order_og on sons.purchase_order (og_id, received_at desc, id desc);
create index purchase_order_received on sons.purchase_order (received_at desc, id desc);
create index purchase_order_og_number on sons.purchase_order (og_finess_juridique, vague);

-- SN001: a state off its table, or at the deposit not that of its decision (lifecycle.deposit_state).
-- SN002: what was decided is frozen; only the state and the version move.
create function sons.guard_order() returns trigger language plpgsql as $$
declare was text := case tg_op when 'INSERT' then 'draft' else old.state end;
begin
  if tg_op = 'UPDATE' then
    if to_jsonb(new) - '{state,version}'::text[]
       is distinct from to_jsonb(old) - '{state,version}'::text[] then
      raise exception 'order % is frozen', old.number using errcode = 'SN002', constraint = tg_name;
    end if;
    new.version := old.version + 1;
  else
    new.version := 1;
    if new.state is distinct from (case new.decision when 'refused' then 'rejected' when 'to_review' then
      'to_review' else case when new.conditional then 'waiting_referencing' else 'submitted' end end) then
      raise exception 'a deposit that is % is not %', new.decision, new.state
        using errcode = 'SN001', constraint = tg_name;
    end if;
  end if;
  if new.state is distinct from was and not exists (
    select from sons.order_transition t
    where t.before = was and t.after = new.state and t.role = sons.current_role_name()) then
    raise exception 'an order does not go from % to %', was, new.state
      using errcode = 'SN001', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger purchase_order_along_the_table before insert or update on sons.purchase_order
  for each row execute function sons.guard_order();

-- supplier_id and og_id are those of the order, by the foreign key: policies read them without a join.
create table sons.order_line (
  order_id uuid not null,
  finess_geographique text not null,
  supplier_id uuid not null,
  og_id uuid not null,
  dui_in_place text,
  asked_ttc_cents bigint,
  ceiling_ttc_cents bigint,
  unit_ttc_cents bigint,
  advance_percent smallint,
  advance_ttc_cents bigint,
  solde_ttc_cents bigint,
  constraint order_line_pkey primary key (order_id, finess_geographique, supplier_id, og_id),
  constraint order_line_order_fkey foreign key (order_id, supplier_id, og_id)
    references sons.purchase_order (id, supplier_id, og_id),
  constraint order_line_finess_form check (finess_geographique ~ '^([0-9]{2}|2[AB])[0-9]{7}$'),
  constraint order_line_amounts_together check (num_nulls(ceiling_ttc_cents, unit_ttc_cents, advance_percent,
    advance_ttc_cents, solde_ttc_cents) in (0, 5)),
  constraint order_line_under_ceiling check (unit_ttc_cents between 1 and ceiling_ttc_cents),
  -- I3, C7: the advance is floored to the cent, the solde is the rest
  constraint order_line_advance_exact check (advance_ttc_cents = unit_ttc_cents * advance_percent / 100),
  constraint order_line_solde_exact check (solde_ttc_cents = unit_ttc_cents - advance_ttc_cents)
);
create index order_line_finess on sons.order_line (finess_geographique);
create trigger order_line_append_only before update on sons.order_line
  for each row execute function sons.refuse_change();

-- SN013: an order is the sum of its lines, in number and to the cent
create function sons.guard_order_total() returns trigger language plpgsql as $$
declare wrong text;
begin
  select o.number into wrong
  from (select distinct order_id from written) w
  join sons.purchase_order o on o.id = w.order_id
  join lateral (
    select count(*) as lines, count(l.unit_ttc_cents) as priced, sum(l.unit_ttc_cents) as total,
           sum(l.advance_ttc_cents) as advance, sum(l.solde_ttc_cents) as solde
    from sons.order_line l where l.order_id = o.id) s on true
  where s.lines <> o.ordered
     or (o.total_ttc_cents is not null and (s.priced <> o.ordered
         or (s.total, s.advance, s.solde) is distinct from
            (o.total_ttc_cents::numeric, o.advance_ttc_cents::numeric, o.solde_ttc_cents::numeric)))
  limit 1;
  if wrong is not null then
    raise exception 'order % is not its lines', wrong using errcode = 'SN013', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger order_is_sum_of_lines after insert on sons.order_line
  referencing new table as written for each statement execute function sons.guard_order_total();
"""

CLAIMS = """
-- I1: at most one live claim per ESSMS and vague, whatever the couloir, the editor or the order (R05).
create table sons.claim (
  id bigint generated always as identity,
  vague text not null,
  finess_geographique text not null,
  holder_kind text not null,
  holder_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  order_id uuid generated always as (case when holder_kind = 'order' then holder_id end) stored,
  claimed_at timestamptz not null,
  released_at timestamptz,
  release_reason text,
  constraint claim_pkey primary key (id),
  constraint claim_holder_kind_known check (holder_kind in ('order', 'reservation')),
  constraint claim_line_fkey foreign key (order_id, finess_geographique, supplier_id, og_id)
    references sons.order_line (order_id, finess_geographique, supplier_id, og_id),
  constraint claim_release_whole check ((released_at is null) = (release_reason is null)),
  constraint claim_release_reason_known check (release_reason in ('rejected', 'lapsed', 'cancelled',
    'expired', 'removed_from_perimeter', 'recovered', 'decided')),
  constraint claim_release_after_claim check (released_at >= claimed_at)
);
create unique index one_live_financing on sons.claim (vague, finess_geographique) where released_at is null;
create index claim_history on sons.claim (finess_geographique, vague);
create index claim_holder on sons.claim (holder_id);

-- SN003: only an order that is alive holds ESSMS; it lets go of one for a reason that its state allows
create function sons.guard_taken() returns trigger language plpgsql as $$
begin
  if exists (select from taken t join sons.purchase_order o on o.id = t.order_id
             join sons.order_state s on s.state = o.state where not s.live) then
    raise exception 'an order that is not alive holds nothing and is paid nothing'
      using errcode = 'SN003', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger claim_of_live_order after insert on sons.claim
  referencing new table as taken for each statement execute function sons.guard_taken();

create function sons.guard_claim_release() returns trigger language plpgsql as $$
begin
  if old.released_at is not null or to_jsonb(new) - '{released_at,release_reason}'::text[]
        is distinct from to_jsonb(old) - '{released_at,release_reason}'::text[] then
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
create trigger claim_released_with_reason before update on sons.claim
  for each row execute function sons.guard_claim_release();
"""

PAYMENTS = """
-- I3: one advance and one solde per order, each exactly its share of the order.
create table sons.payment (
  id uuid not null default gen_random_uuid(),
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  kind text not null,
  state text not null,
  amount_ttc_cents bigint not null,
  order_advance_ttc_cents bigint not null,
  order_solde_ttc_cents bigint not null,
  condition text not null,
  constraint payment_pkey primary key (id),
  constraint payment_kind_known check (kind in ('advance', 'solde')),
  constraint payment_state_known
    check (state in ('planned', 'due', 'in_lot', 'paid', 'returned', 'to_recover', 'recovered')),
  constraint payment_once_per_kind unique (order_id, kind),
  constraint payment_amount_positive check (amount_ttc_cents > 0),
  constraint payment_exact_share check (amount_ttc_cents
    = case kind when 'advance' then order_advance_ttc_cents else order_solde_ttc_cents end),
  constraint payment_order_shares_fkey foreign key (order_id, order_advance_ttc_cents, order_solde_ttc_cents)
    references sons.purchase_order (id, advance_ttc_cents, solde_ttc_cents),
  constraint payment_order_parties_fkey foreign key (order_id, supplier_id, og_id)
    references sons.purchase_order (id, supplier_id, og_id)
);
create trigger payment_of_live_order after insert on sons.payment
  referencing new table as taken for each statement execute function sons.guard_taken();

-- SN014, at the commit: an order has its lines; one that comes alive holds each of them in its own vague and
-- plans its whole amount. Otherwise an order could live beside another on the same ESSMS, claiming nothing.
create function sons.guard_order_whole() returns trigger language plpgsql as $$
declare alive boolean := (select live from sons.order_state where state = new.state);
begin
  if tg_op = 'UPDATE' and (select live from sons.order_state where state = old.state) then
    return null; -- it was whole when it came alive; what it lost since has its own reasons
  end if;
  if new.ordered <> (select count(*) from sons.order_line where order_id = new.id)
     or alive and new.ordered <> (select count(*) from sons.claim c
       where c.holder_id = new.id and c.order_id = new.id and c.vague = new.vague and c.released_at is null)
     or alive and coalesce(new.total_ttc_cents, 0)
       <> (select coalesce(sum(amount_ttc_cents), 0) from sons.payment where order_id = new.id) then
    raise exception 'order % is not whole', new.number using errcode = 'SN014', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger order_is_whole after insert or update of state on sons.purchase_order
  deferrable initially deferred for each row execute function sons.guard_order_whole();

alter table sons.deadline
  add constraint deadline_order_fkey foreign key (order_id, supplier_id, og_id)
  references sons.purchase_order (id, supplier_id, og_id);

-- Simulations are counted per organisation and machine day: a supplier that fishes is seen.
create table sons.simulation_count (
  organisation_id uuid not null,
  counted_on date not null,
  simulations int not null,
  essms int not null,
  constraint simulation_count_pkey primary key (organisation_id, counted_on),
  constraint simulation_count_organisation_fkey
    foreign key (organisation_id) references sons.organisation (id),
  constraint simulation_count_positive check (simulations > 0 and essms >= simulations)
);
"""

_PARTIES = """(select sons.sees_all()) or supplier_id = (select sons.current_organisation())
  or og_id = (select sons.current_organisation())"""
_SUPPLIER = """supplier_id = (select sons.current_organisation())
  and (select sons.current_role_name()) in ('editor', 'distributor')"""

RIGHTS = "\n".join(
    [
        f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ({_PARTIES});
create policy {table}_deposited on sons.{table} for insert to sons_app with check ({_SUPPLIER}{only});
grant select, insert on sons.{table} to sons_app;
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
        for table, only in (
            ("purchase_order", ""),
            ("order_line", ""),
            ("claim", " and holder_kind = 'order'"),
            ("payment", " and state = 'planned'"),
        )
    ]
    + [
        """
alter table sons.simulation_count enable row level security, force row level security;
create policy simulation_count_own on sons.simulation_count to sons_app
  using ((select sons.sees_all()) or organisation_id = (select sons.current_organisation()))
  with check (organisation_id = (select sons.current_organisation()));
grant select, insert, update (simulations, essms) on sons.simulation_count to sons_app;

create policy claim_crossed on sons.claim for select to sons_case using (true);
grant select (vague, finess_geographique, holder_kind, released_at) on sons.claim to sons_case;

-- Whether these ESSMS are engaged in the vague: yes or no, and by what kind of holder; never by whom.
create function sons.engaged(of_vague text, numbers text[])
returns table (finess_geographique text, holder_kind text)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select c.finess_geographique, c.holder_kind from sons.claim c
  where c.vague = of_vague and c.finess_geographique = any (numbers) and c.released_at is null;
end;

-- The editor of a solution is known by its SIREN in the ANS list; its organisation, if it has one here, is
-- named on the order even when a distributor deposits.
create function sons.editor_of(editor_siren text) returns uuid
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select o.id from sons.organisation o where o.kind = 'editor' and o.siren = editor_siren;
end;
grant select (kind, siren) on sons.organisation to sons_case;
grant execute on function sons.engaged(text, text[]), sons.editor_of(text) to sons_app;
alter function sons.editor_of(text) owner to sons_case;
alter function sons.engaged(text, text[]) owner to sons_case;
"""
    ]
)


async def _run() -> None:
    await DB.run_script("\n".join((LIFECYCLE, ORDERS, CLAIMS, PAYMENTS, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
