"""Contests: a case that a party opens against an order that it may not see (C17), or for a lapsed one."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0021"
VERSION = "1.38.0"
DESCRIPTION = "Contests: cases opened against an order that a party may not see"

CONTESTS = """
-- What a party contests names an order that it may not see: the case is opened for it, and only the case is
-- answered (C17); the same for a lapsed order that cannot reopen (C16). One row per case, `is_new` false when
-- it stood already.
create policy purchase_order_contested on sons.purchase_order for select to sons_case using (true);
create policy order_line_contested on sons.order_line for select to sons_case using (true);
grant select (id, number, state, vague, supplier_id, og_id, og_finess_juridique) on sons.purchase_order
  to sons_case;
grant select (order_id, finess_geographique, unit_ttc_cents) on sons.order_line to sons_case;
grant select (holder_id) on sons.claim to sons_case;
grant select on sons.conflict_transition to sons_case;
create policy conflict_contested on sons.conflict for insert to sons_case
  with check (opened_for in ('contest', 'reopening'));
create policy conflict_recalled on sons.conflict for select to sons_case using (true);
create policy conflict_side_contested on sons.conflict_side for insert to sons_case with check (true);
create policy conflict_essms_contested on sons.conflict_essms for insert to sons_case with check (true);
create policy conflict_finding_contested on sons.conflict_finding for insert to sons_case with check (true);
grant insert on sons.conflict, sons.conflict_side, sons.conflict_essms, sons.conflict_finding to sons_case;
grant select (id, number, family, pair_key) on sons.conflict to sons_case;

create function sons.open_contest(of_order uuid, at timestamptz, message text, source text, remedy text,
  law text, known date) returns table (conflict_id uuid, is_new boolean)
language plpgsql security definer set search_path = sons, pg_temp as $$
declare
  mine record;
  held record;
  key text;
begin
  select o.id, o.number, o.state, o.vague, o.supplier_id, o.og_id, o.og_finess_juridique into mine
  from purchase_order o
  where o.id = of_order and (
    o.state = 'rejected' and current_organisation() in (o.supplier_id, o.og_id)
    or o.state = 'lapsed' and current_role_name() in ('scheduler', 'admin'));
  for held in
    select o.id, o.number, o.state, o.supplier_id, o.og_id,
           array_agg(l.finess_geographique order by l.finess_geographique) as essms,
           coalesce(sum(l.unit_ttc_cents), 0)::bigint as at_stake
    from order_line l
    join claim c on c.vague = mine.vague and c.finess_geographique = l.finess_geographique
      and c.released_at is null and c.holder_kind = 'order'
    join purchase_order o on o.id = c.holder_id
    where l.order_id = mine.id
    group by o.id, o.number, o.state, o.supplier_id, o.og_id order by o.id
  loop
    key := 'order:' || least(held.id::text, mine.id::text)
      || '|order:' || greatest(held.id::text, mine.id::text);
    select c.id into conflict_id from conflict c
    where c.family in ('two_orders', 'already_financed') and c.pair_key = key limit 1;
    is_new := conflict_id is null;
    if is_new then
      conflict_id := gen_random_uuid();
      insert into conflict (id, number, vague, family, pair_key, state, version, og_id, og_finess_juridique,
        suppliers, ogs, at_stake_ttc_cents, opened_at, opened_for, last_found_at)
      values (conflict_id, 'CF-' || to_char(known, 'YYYY') || '-'
          || lpad(nextval('conflict_number')::text, 6, '0'), mine.vague,
        case held.state when 'settled' then 'already_financed' else 'two_orders' end, key, 'open', 1,
        case when held.og_id = mine.og_id then mine.og_id end,
        case when held.og_id = mine.og_id then mine.og_finess_juridique end,
        array[held.supplier_id, mine.supplier_id], array[held.og_id, mine.og_id], held.at_stake, at,
        case mine.state when 'lapsed' then 'reopening' else 'contest' end, at);
      insert into conflict_side (conflict_id, side, kind, order_id, supplier_id, og_id)
      values (open_contest.conflict_id, 1, 'order', held.id, held.supplier_id, held.og_id),
             (open_contest.conflict_id, 2, 'order', mine.id, mine.supplier_id, mine.og_id);
      insert into conflict_essms (conflict_id, finess_geographique)
      select open_contest.conflict_id, n from unnest(held.essms) as n order by n;
      insert into conflict_finding (conflict_id, found_at, rule, outcome, message, source, remedy, readings,
        a_confirmer, facts, law_digest, known_on, digest)
      values (open_contest.conflict_id, at, 'R05', 'fail', message, source, remedy, array['C17'], false,
        jsonb_build_object('held_by', held.number, 'contested', mine.number, 'essms', held.essms), law, known,
        sha256(convert_to(key || message, 'UTF8')));
    end if;
    return next;
  end loop;
end $$;
revoke execute on function sons.open_contest(uuid, timestamptz, text, text, text, text, date) from public;
grant execute on function sons.open_contest(uuid, timestamptz, text, text, text, text, date) to sons_app;
alter function sons.open_contest(uuid, timestamptz, text, text, text, text, date) owner to sons_case;

-- an OG that answers silences the deadline of its own question
create policy deadline_answered on sons.deadline for update to sons_app
  using (kind = 'conflict_answer' and order_id is null and og_id = (select sons.current_organisation())
         and (select sons.current_role_name()) = 'og');
"""


async def _run() -> None:
    await DB.run_script(CONTESTS)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
