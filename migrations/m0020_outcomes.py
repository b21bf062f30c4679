"""What a decided conflict does to orders: the one that loses, the one that takes its place, the money.

The guards of m0013 learn the two edges: an order is rejected because a decision refused it, and a rejected
one lives again because a decision refused the other. Each is written whole, as migrations are.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0020"
VERSION = "1.38.0"
DESCRIPTION = "Outcomes: what a decided conflict does to its orders"

EDGES = """
insert into sons.order_transition (before, after, event, role)
  select b, 'rejected', 'conflict_lost', 'reviewer'
  from unnest(array['submitted', 'waiting_referencing', 'to_review', 'to_correct', 'validated',
    'settled']) as b;
insert into sons.order_transition (before, after, event, role)
  select 'rejected', a, 'conflict_won', 'reviewer'
  from unnest(array['submitted', 'waiting_referencing', 'to_review']) as a;
insert into sons.order_transition (before, after, event, role)
  values ('lapsed', 'waiting_referencing', 'conflict_won', 'reviewer');
insert into sons.payment_transition (before, after, event, role)
  values ('draft', 'planned', 'conflict_won', 'reviewer');

-- Whether a standing decision refuses this order, for this ESSMS or for any.
create function sons.lost_by_decision(of_order uuid, of_essms text default null) returns boolean
language sql stable
return exists (
  select from sons.conflict_side s
  join sons.conflict_decision d on d.conflict_id = s.conflict_id
    and d.dropped_at is null and d.approved_at is not null and s.side = any (d.refused)
  join sons.conflict c on c.id = s.conflict_id and c.state = 'decided'
  where s.order_id = of_order and (of_essms is null or exists (
    select from sons.conflict_essms e where e.conflict_id = s.conflict_id
      and of_essms in (e.finess_geographique, e.counterpart))));
-- Whether a standing decision refuses the other side of this one's case, and not this one.
create function sons.won_by_decision(of_order uuid) returns boolean
language sql stable
return exists (
  select from sons.conflict_side s
  join sons.conflict_decision d on d.conflict_id = s.conflict_id
    and d.dropped_at is null and d.approved_at is not null
    and cardinality(d.refused) = 1 and not s.side = any (d.refused)
  join sons.conflict_side other on other.conflict_id = s.conflict_id and other.side = any (d.refused)
  join sons.conflict c on c.id = s.conflict_id and c.state = 'decided'
  where s.order_id = of_order);
grant execute on function sons.lost_by_decision(uuid, text), sons.won_by_decision(uuid) to sons_app;

-- an order refused at its deposit lives only through a decision: the guard of its facts says so now
alter table sons.purchase_order drop constraint purchase_order_refused_is_rejected;
alter table sons.ledger_entry drop constraint ledger_entry_cause_known;
alter table sons.ledger_entry add constraint ledger_entry_cause_known check (cause = any (case movement
    when 'planned' then array['advance_validated', 'invoice_lower', 'removed', 'order_ended', 'decided']
    when 'paid' then array['bank_paid', 'compensated', 'bank_returned']
    when 'compensated' then array['compensated', 'bank_returned']
    when 'recovered' then array['recovered'] else array[cause] end));

create policy claim_won on sons.claim for insert to sons_app with check (
  (select sons.current_role_name()) = 'reviewer' and holder_kind = 'order' and released_at is null
  and sons.won_by_decision(holder_id));
create policy payment_won on sons.payment for insert to sons_app with check (
  (select sons.current_role_name()) = 'reviewer' and state = 'planned' and sons.won_by_decision(order_id));
"""

ORDERS = """
-- SN131 again: lost and won by decision
create or replace function sons.guard_order_facts() returns trigger language plpgsql as $$
declare
  -- all that it still holds: an order that loses a part of its ESSMS goes on without them
  lost boolean := new.state = 'rejected' and sons.lost_by_decision(new.id) and not exists (
    select from sons.claim c where c.order_id = new.id and c.released_at is null
      and not sons.lost_by_decision(new.id, c.finess_geographique));
  by_review boolean := old.state = 'to_review' and not lost
                       and new.state in ('submitted', 'waiting_referencing', 'rejected');
  asked text := case when new.state = 'validated' then 'advance' else 'solde' end;
  right_ boolean := true;
begin
  if old.state = 'rejected' then
    -- what was refused lives again only where a case was decided against the other side
    right_ := sons.won_by_decision(new.id);
  elsif new.state = 'rejected' and old.state <> 'to_review' then
    right_ := lost;
  elsif by_review then
    -- each verdict that held the deposit is settled; one that is upheld rejects the order, and only that
    right_ := not exists (
        select from jsonb_to_recordset(new.verdicts) as v (rule text, outcome text)
        where v.outcome in ('review', 'unknown') and not exists (
          select from sons.verdict_settlement s where s.order_id = new.id and s.rule = v.rule))
      and (new.state = 'rejected') = exists (
        select from sons.verdict_settlement s where s.order_id = new.id and s.decision = 'upheld')
      and not exists (
        select from sons.financing_request r
        where r.order_id = new.id and r.kind = 'advance' and r.state in ('validated', 'paid'));
  elsif old.state = 'to_review' and new.state in ('settled', 'lapsed')
        and sons.current_role_name() = 'reviewer' then
    -- an advance that the bank gave back meanwhile is not to keep, and nothing is to recover
    right_ := exists (
      select from sons.payment p where p.order_id = new.id and p.kind = 'advance'
        and (p.state = 'paid' or p.state = 'returned' and new.state = 'lapsed'));
  elsif (old.state, new.state) in (('submitted', 'to_correct'), ('to_correct', 'submitted')) then
    right_ := (new.state = 'to_correct') = exists (
      select from sons.correction c
      where c.order_id = new.id and c.request_id is null and c.answered_at is null);
  elsif (old.state, new.state) in (('submitted', 'validated'), ('validated', 'settled')) then
    right_ := exists (
      select from sons.financing_request r
      where r.order_id = new.id and r.kind = asked and r.state in ('validated', 'paid'));
  elsif (old.state, new.state) = ('settled', 'validated') then
    right_ := exists (select from sons.payment p where p.order_id = new.id and p.state = 'returned');
  elsif (old.state, new.state) = ('lapsed', 'waiting_referencing') then
    right_ := not exists (select from sons.payment p where p.order_id = new.id and p.state <> 'planned')
      and (sons.current_role_name() <> 'reviewer' or sons.won_by_decision(new.id));
  end if;
  if right_ is not true then
    raise exception 'order % does not go from % to % on these facts', new.number, old.state, new.state
      using errcode = 'SN131', constraint = tg_name;
  end if;
  return null;
end $$;

-- SN132 again: what is rejected holds nothing, even while money is out: a decision swaps the claims at once
create or replace function sons.guard_order_over() returns trigger language plpgsql as $$
declare
  over sons.purchase_order;
begin
  select * into over from sons.purchase_order
  where id = case tg_table_name when 'purchase_order' then (to_jsonb(new) ->> 'id')::uuid
             else (to_jsonb(new) ->> 'order_id')::uuid end;
  if over.state not in ('cancelled', 'lapsed', 'rejected') then
    return null;
  end if;
  if over.state = 'cancelled' and not exists (
      select from sons.cancellation c where c.order_id = over.id and c.state = 'carried_out')
     or exists (
      select from sons.payment p where p.order_id = over.id and p.state in ('due', 'paid', 'returned'))
     or exists (
      select from sons.ledger_entry e where e.order_id = over.id and e.movement = 'planned'
      group by e.finess_geographique, e.payment_id having sum(e.amount_ttc_cents) <> 0)
     or exists (select from sons.claim c where c.order_id = over.id and c.released_at is null) <> (
      over.state <> 'rejected' and (
      exists (select from sons.payment p where p.order_id = over.id and p.state = 'in_lot')
      or exists (select from sons.recovery r where r.order_id = over.id and r.issued_at is null))) then
    raise exception 'order % is not over', over.number using errcode = 'SN132', constraint = tg_name;
  end if;
  return null;
end $$;

-- SN014 again: what a decision took from an order is no longer its perimeter
create or replace function sons.guard_order_whole() returns trigger language plpgsql as $$
declare
  alive boolean := (select live from sons.order_state where state = new.state);
  removed int;
begin
  if tg_op = 'UPDATE' and (select live from sons.order_state where state = old.state) then
    return null; -- it was whole when it came alive; what it lost since has its own reasons
  end if;
  removed := (select count(distinct finess_geographique) from sons.claim
              where order_id = new.id and release_reason in ('removed_from_perimeter', 'decided'));
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

MONEY = """
-- SN134 again: for a decision, the reviewer lets go of what it names
create or replace function sons.guard_claim_let_go() returns trigger language plpgsql as $$
begin
  if (case
      when new.release_reason in ('cancelled', 'lapsed') then not exists (
        select from sons.payment p
        where p.order_id = new.order_id and p.state in ('in_lot', 'paid', 'to_recover'))
      when new.release_reason = 'recovered' then not exists (
          select from sons.payment p where p.order_id = new.order_id and p.state in ('in_lot', 'paid'))
        and (select bool_and(r.issued_at is not null) from sons.recovery r where r.order_id = new.order_id)
      when new.release_reason = 'removed_from_perimeter' then exists (
        select from sons.amendment a join sons.amendment_line l on l.amendment_id = a.id
        where a.order_id = new.order_id and a.state = 'agreed'
          and l.finess_geographique = new.finess_geographique)
      when new.release_reason = 'decided' then sons.current_role_name() = 'reviewer' and (
        sons.lost_by_decision(new.order_id, new.finess_geographique) or exists (
          select from sons.purchase_order o where o.id = new.order_id and o.state = 'rejected'))
      else true end) is not true then
    raise exception 'nothing says that this ESSMS is free (%)', new.release_reason
      using errcode = 'SN134', constraint = tg_name;
  end if;
  return null;
end $$;

-- SN135 again
create or replace function sons.guard_request_facts() returns trigger language plpgsql as $$
declare
  of_order text := (select state from sons.purchase_order where id = new.order_id);
  of_payment text := (select state from sons.payment where order_id = new.order_id and kind = new.kind);
  decides boolean := new.state <> old.state and new.state in ('validated', 'inadmissible')
                     and old.state <> 'paid';
  asked boolean := exists (
    select from sons.correction c
    where c.order_id = new.order_id and c.request_id = new.id and c.answered_at is null);
begin
  if new.referenced_on is distinct from old.referenced_on and not (decides and new.state = 'validated')
     or not decides and (new.decided_at, new.decided_by, new.reason)
        is distinct from (old.decided_at, old.decided_by, old.reason)
     or new.state <> old.state and (case new.state
       when 'to_correct' then asked
       when 'requested' then not asked
       when 'validated' then case when old.state = 'paid' then of_payment = 'returned'
         else of_order = case new.kind when 'advance' then 'submitted' else 'validated' end end
       when 'paid' then of_payment = 'paid'
       else of_order in ('cancelled', 'lapsed', 'rejected')
         or sons.current_role_name() = 'reviewer' and old.state <> 'validated' end) is not true then
    raise exception 'a request does not go from % to % on these facts', old.state, new.state
      using errcode = 'SN135', constraint = tg_name;
  end if;
  return null;
end $$;

-- SN137 again
create or replace function sons.guard_payment_facts() returns trigger language plpgsql as $$
declare
  of_order text := (select state from sons.purchase_order where id = new.order_id);
  owed numeric;
begin
  if (new.due_ttc_cents, new.due_at) is distinct from (old.due_ttc_cents, old.due_at)
       and (new.state = old.state or new.state not in ('due', 'planned'))
     or new.paid_at is distinct from old.paid_at
       and (old.state, new.state) not in (('in_lot', 'paid'), ('paid', 'returned'))
     or new.state = 'planned' and of_order not in ('cancelled', 'lapsed', 'rejected')
     or (old.state, new.state) in (('planned', 'due'), ('returned', 'due'), ('due', 'in_lot'))
       and of_order <> 'validated' then
    raise exception 'a payment follows its order' using errcode = 'SN137', constraint = tg_name;
  end if;
  if (old.state, new.state) = ('planned', 'due') then
    owed := (select sum(case e.movement when 'planned' then 1 else -1 end * e.amount_ttc_cents)
             from sons.ledger_entry e where e.order_id = new.order_id
             and (new.kind = 'solde' or e.payment_id = new.id));
    if new.due_ttc_cents is distinct from owed then
      raise exception 'what is due is what the ledger plans' using errcode = 'SN137', constraint = tg_name;
    end if;
  end if;
  return null;
end $$;

-- SN139 again: what a decision takes from an order is planned down to nothing
create or replace function sons.guard_ledger_plan() returns trigger language plpgsql as $$
begin
  if exists (
    select from written w
    join sons.purchase_order o on o.id = w.order_id
    join sons.payment p on p.id = w.payment_id
    join sons.order_line l on l.order_id = w.order_id and l.finess_geographique = w.finess_geographique
    where w.movement = 'planned' and (case w.cause
      when 'advance_validated' then sons.current_role_name() = 'reviewer' and o.state = 'validated'
        and w.amount_ttc_cents = case p.kind when 'advance' then l.advance_ttc_cents
                                 else l.solde_ttc_cents end
      when 'invoice_lower' then sons.current_role_name() = 'reviewer' and o.state = 'validated'
        and w.amount_ttc_cents < 0
      else w.amount_ttc_cents < 0
        and (select sum(e.amount_ttc_cents) from sons.ledger_entry e where e.movement = 'planned'
             and e.payment_id = w.payment_id and e.finess_geographique = w.finess_geographique) = 0
        and case w.cause
          when 'removed' then exists (
            select from sons.amendment a join sons.amendment_line x on x.amendment_id = a.id
            where a.order_id = w.order_id and a.state = 'agreed'
              and x.finess_geographique = w.finess_geographique)
          when 'decided' then sons.current_role_name() = 'reviewer'
            and sons.lost_by_decision(w.order_id, w.finess_geographique)
          when 'order_ended' then o.state in ('cancelled', 'lapsed', 'rejected')
            or o.state = 'to_review' and p.kind = 'solde' and sons.current_role_name() = 'reviewer' end
      end) is not true) then
    raise exception 'the ledger plans what was decided' using errcode = 'SN139', constraint = tg_name;
  end if;
  return null;
end $$;
"""


async def _run() -> None:
    await DB.run_script("\n".join((EDGES, ORDERS, MONEY)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
