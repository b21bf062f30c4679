"""What must stand beside a change of state: the facts that a transition table cannot see.

The tables of m0004 say who may move what, and where. These guards say with what: a cancellation with its
pieces, a review with its settlements, a sum that is due as the ledger plans it, a claim that goes while no
money is out. They are named apart, so that each is attacked apart.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0013"
VERSION = "1.38.0"
DESCRIPTION = "Guards: no state moves without the facts that it rests on"

ORDERS = """
-- SN131: an order moves with what its event rests on
create function sons.guard_order_facts() returns trigger language plpgsql as $$
declare
  by_review boolean := old.state = 'to_review'
                       and new.state in ('submitted', 'waiting_referencing', 'rejected');
  asked text := case when new.state = 'validated' then 'advance' else 'solde' end;
  right_ boolean := true;
begin
  if by_review then
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
    right_ := not exists (select from sons.payment p where p.order_id = new.id and p.state <> 'planned');
  end if;
  if right_ is not true then
    raise exception 'order % does not go from % to % on these facts', new.number, old.state, new.state
      using errcode = 'SN131', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger purchase_order_moves_on_facts after update of state on sons.purchase_order
  for each row when (new.state is distinct from old.state) execute function sons.guard_order_facts();

-- SN132, at the commit: an order that is over owes nothing and plans nothing; it holds its ESSMS exactly
-- while money is out that no ordre de recouvrement asks back; cancelled, it has its cancellation.
create function sons.guard_order_over() returns trigger language plpgsql as $$
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
      exists (select from sons.payment p where p.order_id = over.id and p.state = 'in_lot')
      or exists (select from sons.recovery r where r.order_id = over.id and r.issued_at is null)) then
    raise exception 'order % is not over', over.number using errcode = 'SN132', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger purchase_order_is_over after update of state on sons.purchase_order
  deferrable initially deferred for each row execute function sons.guard_order_over();
create constraint trigger payment_of_order_over after update of state on sons.payment
  deferrable initially deferred for each row execute function sons.guard_order_over();
create constraint trigger recovery_of_order_over after insert or update of issued_at on sons.recovery
  deferrable initially deferred for each row execute function sons.guard_order_over();

-- SN133, at the commit: a validated order is planned to its amount, line by line; a settled one is even, but
-- for what its recovery still asks back.
create function sons.guard_order_money() returns trigger language plpgsql as $$
declare
  of_order sons.purchase_order;
  asked bigint;
  wrong boolean;
begin
  select * into of_order from sons.purchase_order
  where id = case tg_table_name when 'purchase_order' then (to_jsonb(new) ->> 'id')::uuid
             else (to_jsonb(new) ->> 'order_id')::uuid end;
  if of_order.state = 'validated' and tg_table_name = 'purchase_order'
     and to_jsonb(old) ->> 'state' = 'submitted' then
    wrong := exists (
      select from sons.claim c join sons.order_line l using (order_id, finess_geographique)
      where c.order_id = of_order.id and c.released_at is null and l.unit_ttc_cents is distinct from (
        select sum(e.amount_ttc_cents) from sons.ledger_entry e
        where e.order_id = c.order_id and e.finess_geographique = c.finess_geographique
          and e.movement = 'planned'));
  elsif of_order.state = 'settled' then
    asked := (select coalesce(sum(r.amount_ttc_cents), 0) from sons.recovery r
              where r.order_id = of_order.id and r.recovered_at is null);
    wrong := (select coalesce(sum(s.left_), 0) + asked <> 0 or asked = 0 and bool_or(s.left_ <> 0)
      from (select sum(case e.movement when 'planned' then 1 else -1 end * e.amount_ttc_cents) as left_
            from sons.ledger_entry e where e.order_id = of_order.id group by e.finess_geographique) s);
  end if;
  if wrong then
    raise exception 'the ledger of order % is not what its state says', of_order.number
      using errcode = 'SN133', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger purchase_order_is_its_ledger after update of state on sons.purchase_order
  deferrable initially deferred for each row execute function sons.guard_order_money();
create constraint trigger payment_of_even_order after update of state on sons.payment
  deferrable initially deferred for each row execute function sons.guard_order_money();
"""

CLAIMS = """
-- the guards, and whatever ends an order, ask for the claims of one order: an index, not 25 000 rows
create index claim_order on sons.claim (order_id, finess_geographique);

-- SN134: an order takes its ESSMS in its own vague, once; again only after it lapsed (C16)
create function sons.guard_claim_taken() returns trigger language plpgsql as $$
begin
  if exists (
    select from taken t join sons.purchase_order o on o.id = t.order_id
    where t.vague <> o.vague or exists (
      select from sons.claim c where c.order_id = t.order_id and c.finess_geographique = t.finess_geographique
        and c.released_at is not null and c.release_reason <> 'lapsed')) then
    raise exception 'this order does not take this ESSMS' using errcode = 'SN134', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger claim_taken_as_ordered after insert on sons.claim
  referencing new table as taken for each statement execute function sons.guard_claim_taken();

-- SN134 again: it lets go of one for the fact that its reason names, and never while money is out
create function sons.guard_claim_let_go() returns trigger language plpgsql as $$
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
      when new.release_reason = 'decided' then sons.current_role_name() = 'reviewer'
      else true end) is not true then
    raise exception 'nothing says that this ESSMS is free (%)', new.release_reason
      using errcode = 'SN134', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger claim_released_on_facts after update on sons.claim
  for each row when (new.holder_kind = 'order') execute function sons.guard_claim_let_go();

-- a claim comes into the world live, whoever writes it
alter policy claim_deposited on sons.claim with check (supplier_id = (select sons.current_organisation())
  and (select sons.current_role_name()) in ('editor', 'distributor')
  and holder_kind = 'order' and released_at is null);
alter policy claim_retaken on sons.claim with check (
  (select sons.current_role_name()) in ('scheduler', 'admin') and holder_kind = 'order'
  and released_at is null);
"""

REQUESTS = """
-- SN135: a request moves with what its event rests on; its decision is written with it, and stays
create function sons.guard_request_facts() returns trigger language plpgsql as $$
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
       else of_order in ('cancelled', 'lapsed')
         or sons.current_role_name() = 'reviewer' and old.state <> 'validated' end) is not true then
    raise exception 'a request does not go from % to % on these facts', old.state, new.state
      using errcode = 'SN135', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger financing_request_moves_on_facts after update on sons.financing_request
  for each row execute function sons.guard_request_facts();

-- SN136: what is filed comes in turn: with the request, then only in answer to a correction
create function sons.guard_filing() returns trigger language plpgsql as $$
begin
  if new.filing <> 1 + (select count(*) from sons.request_filing where request_id = new.request_id)
     or new.filing > 1 and not exists (
       select from sons.financing_request r where r.id = new.request_id and r.state = 'to_correct') then
    raise exception 'nothing is filed out of turn' using errcode = 'SN136', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger request_filing_in_turn before insert on sons.request_filing
  for each row execute function sons.guard_filing();
create function sons.guard_request_filed() returns trigger language plpgsql as $$
begin
  if not exists (select from sons.request_filing where request_id = new.id) then
    raise exception 'a request without what was filed' using errcode = 'SN136', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger financing_request_has_its_filing after insert on sons.financing_request
  deferrable initially deferred for each row execute function sons.guard_request_filed();
"""

MONEY = """
-- SN137: a sum is due as the ledger plans it, while its order is validated; nothing else of it moves
create function sons.guard_payment_facts() returns trigger language plpgsql as $$
declare
  of_order text := (select state from sons.purchase_order where id = new.order_id);
  owed numeric;
begin
  if (new.due_ttc_cents, new.due_at) is distinct from (old.due_ttc_cents, old.due_at)
       and (new.state = old.state or new.state not in ('due', 'planned'))
     or new.paid_at is distinct from old.paid_at
       and (old.state, new.state) not in (('in_lot', 'paid'), ('paid', 'returned'))
     or new.state = 'planned' and of_order not in ('cancelled', 'lapsed')
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
create trigger payment_moves_on_facts after update on sons.payment
  for each row execute function sons.guard_payment_facts();

-- SN138, at the commit: a payment is to recover exactly while a recovery of it is open
create function sons.guard_payment_recovery() returns trigger language plpgsql as $$
declare
  of_payment sons.payment;
  closed boolean;
begin
  select * into of_payment from sons.payment
  where id = case tg_table_name when 'payment' then (to_jsonb(new) ->> 'id')::uuid
             else (to_jsonb(new) ->> 'payment_id')::uuid end;
  closed := (select bool_and(recovered_at is not null) from sons.recovery where payment_id = of_payment.id);
  if closed is distinct from
     (case of_payment.state when 'to_recover' then false when 'recovered' then true end) then
    raise exception 'a payment without its recovery' using errcode = 'SN138', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger payment_has_its_recovery after update of state on sons.payment
  deferrable initially deferred for each row execute function sons.guard_payment_recovery();
create constraint trigger recovery_has_its_payment after insert or update on sons.recovery
  deferrable initially deferred for each row execute function sons.guard_payment_recovery();

-- SN139: what is planned follows a decision: the advance's, each line's share once; an invoice that is lower;
-- an ESSMS that leaves by agreement or an order that ends, each down to nothing
create unique index ledger_entry_planned_once on sons.ledger_entry (payment_id, finess_geographique)
  where movement = 'planned' and cause = 'advance_validated';
create function sons.guard_ledger_plan() returns trigger language plpgsql as $$
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
          when 'order_ended' then o.state in ('cancelled', 'lapsed')
            or o.state = 'to_review' and p.kind = 'solde' and sons.current_role_name() = 'reviewer' end
      end) is not true) then
    raise exception 'the ledger plans what was decided' using errcode = 'SN139', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger ledger_planned_as_decided after insert on sons.ledger_entry
  referencing new table as written for each statement execute function sons.guard_ledger_plan();
"""

DEADLINES = """
-- One of each kind runs for an order.
create unique index one_running_deadline on sons.deadline (order_id, kind)
  where kind in ('complete_file', 'fermeture', 'cloture') and fired_at is null and superseded_at is null;
-- SN130: a party does not silence what its order owes; it answers, or its order is over
create function sons.guard_deadline_silenced() returns trigger language plpgsql as $$
begin
  if sons.current_role_name() in ('editor', 'distributor', 'og') and new.kind <> 'answer' and not exists (
    select from sons.purchase_order o
    where o.id = new.order_id and o.state in ('cancelled', 'lapsed', 'rejected')) then
    raise exception 'the deadline % stands', new.kind using errcode = 'SN130', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger deadline_not_silenced_by_a_party after update on sons.deadline
  for each row when (new.order_id is not null and new.superseded_at is not null)
  execute function sons.guard_deadline_silenced();
"""


async def _run() -> None:
    await DB.run_script("\n".join((ORDERS, CLAIMS, REQUESTS, MONEY, DEADLINES)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
