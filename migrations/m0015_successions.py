"""Successions: a FINESS number that follows another; and what a confirmed one does to the claims.

A claim on a number also holds the numbers that it is known to succeed, each by a row of its own: the partial
unique index `one_live_financing` then decides between the old number and the new one as it does between two
orders. See docs/decisions/a-claim-holds-the-old-numbers.md.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0015"
VERSION = "1.38.0"
DESCRIPTION = "Successions of FINESS numbers, and the claims that follow them"

SUCCESSIONS = """
-- Found between two extractions, then decided by a person. The OG are those that the two extractions say.
create table sons.succession (
  id uuid not null,
  predecessor text not null,
  successor text not null,
  predecessor_og text,
  successor_og text,
  kind text not null,
  score smallint not null,
  reasons jsonb not null,
  earlier_on date not null,
  later_on date not null,
  state text not null,
  found_at timestamptz not null,
  decided_at timestamptz,
  decided_by uuid,
  reason text,
  constraint succession_pkey primary key (id),
  constraint succession_once_per_pair unique (predecessor, successor),
  constraint succession_two_numbers check (predecessor <> successor),
  constraint succession_numbers_length check (length(predecessor) = 9 and length(successor) = 9),
  constraint succession_kind_known check (kind in ('merger', 'split', 'move', 'renumbering')),
  constraint succession_score_bounded check (score between 0 and 100),
  constraint succession_has_reasons check (jsonb_typeof(reasons) = 'array' and reasons <> '[]'),
  constraint succession_in_time check (later_on > earlier_on),
  constraint succession_state_known check (state in ('probable', 'confirmed', 'dismissed')),
  constraint succession_decision_whole check ((state = 'probable') = (decided_at is null)
    and num_nulls(decided_at, reason) in (0, 2) and (decided_at is not null or decided_by is null)),
  constraint succession_decision_motivated check (btrim(reason) <> ''),
  constraint succession_decided_after_found check (decided_at >= found_at),
  constraint succession_decided_by_fkey foreign key (decided_by) references sons.person (id)
);
create index succession_successor on sons.succession (successor) where state = 'confirmed';
create index succession_waiting on sons.succession (later_on, id) where state = 'probable';

-- SN150: a decision is a reviewer's; found again, only what nobody has decided is told anew
create function sons.guard_succession() returns trigger language plpgsql as $$
declare decision text[] := '{state,decided_at,decided_by,reason}';
        told text[] := '{predecessor_og,successor_og,kind,score,reasons,earlier_on,later_on}';
begin
  if to_jsonb(new) - decision is distinct from to_jsonb(old) - decision and (
       old.state <> 'probable' or to_jsonb(new) - told is distinct from to_jsonb(old) - told) then
    raise exception 'what was decided is not found again' using errcode = 'SN150', constraint = tg_name;
  end if;
  if (new.state, new.decided_at, new.decided_by, new.reason)
       is distinct from (old.state, old.decided_at, old.decided_by, old.reason)
     and (sons.current_role_name() <> 'reviewer' or new.state in ('probable', old.state)) then
    raise exception 'a succession is confirmed or dismissed by a reviewer'
      using errcode = 'SN150', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger succession_decided_by_a_reviewer before update on sons.succession
  for each row execute function sons.guard_succession();
"""

# A split is not followed: two numbers after one count twice (R07), and a person decides which one was paid.
FOLLOWED = """
-- For each of these numbers, every number that it succeeds, near or far.
create function sons.succeeded_by(numbers text[]) returns table (number text, predecessor text)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  with recursive chain as (
    select s.successor as number, s.predecessor from sons.succession s
    where s.successor = any (numbers) and s.state = 'confirmed' and s.kind <> 'split'
    union
    select c.number, s.predecessor from chain c
    join sons.succession s on s.successor = c.predecessor and s.state = 'confirmed' and s.kind <> 'split')
  select c.number, c.predecessor from chain c where c.predecessor <> c.number;
end;

-- For each of these numbers, every number that succeeds it, near or far.
create function sons.successors_of(numbers text[]) returns table (number text, successor text)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  with recursive chain as (
    select s.predecessor as number, s.successor from sons.succession s
    where s.predecessor = any (numbers) and s.state = 'confirmed' and s.kind <> 'split'
    union
    select c.number, s.successor from chain c
    join sons.succession s on s.predecessor = c.successor and s.state = 'confirmed' and s.kind <> 'split')
  select c.number, c.successor from chain c where c.successor <> c.number;
end;
"""

CLAIMS = """
-- `origin`: the claim that this one follows. Such a claim is of no order's line: `order_id` is null.
alter table sons.claim add column origin bigint,
  drop constraint claim_holder_kind_known,
  add constraint claim_holder_kind_known check (holder_kind in ('order', 'reservation', 'succession')),
  add constraint claim_origin_of_succession check ((holder_kind = 'succession') = (origin is not null)),
  add constraint claim_origin_fkey foreign key (origin) references sons.claim (id);
create index claim_origin on sons.claim (origin) where origin is not null;

-- Claims are taken side by side; a decision on a succession waits for those in flight, and those that come
-- after it see it. Taken before the rows, so that no claimer waits for a decision that waits for its rows.
create function sons.await_successions() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(21333, 1);
  return null;
end $$;
create trigger claim_awaits_successions before insert on sons.claim
  for each statement execute function sons.await_successions();

create function sons.hold_predecessors() returns trigger language plpgsql as $$
declare
  numbers text[] := (select array_agg(finess_geographique) from taken where origin is null);
  wanted int;
  held int;
begin
  if numbers is null or not exists (select from sons.succeeded_by(numbers)) then
    return null;
  end if;
  wanted := (select count(distinct (t.vague, p.predecessor))
             from taken t join sons.succeeded_by(numbers) p on p.number = t.finess_geographique
             where t.origin is null and t.released_at is null);
  insert into sons.claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id, claimed_at,
    origin)
  select distinct on (p.predecessor, t.vague) t.vague, p.predecessor, 'succession', t.holder_id,
    t.supplier_id, t.og_id, t.claimed_at, t.id
  from taken t join sons.succeeded_by(numbers) p on p.number = t.finess_geographique
  where t.origin is null and t.released_at is null
  order by p.predecessor, t.vague, t.id
  on conflict (vague, finess_geographique) where released_at is null do nothing;
  get diagnostics held = row_count;
  if held < wanted then
    raise exception 'an old number of one of these ESSMS is held'
      using errcode = '23505', constraint = 'one_live_financing', table = 'claim';
  end if;
  return null;
end $$;
create trigger claim_holds_predecessors after insert on sons.claim
  referencing new table as taken for each statement execute function sons.hold_predecessors();

create function sons.let_go_of_predecessors() returns trigger language plpgsql as $$
begin
  update sons.claim set released_at = new.released_at, release_reason = new.release_reason
  where origin = new.id and released_at is null;
  return null;
end $$;
create trigger claim_lets_go_of_predecessors after update on sons.claim
  for each row when (new.origin is null and new.released_at is not null)
  execute function sons.let_go_of_predecessors();

-- SN151: it stands for its origin in everything, on a number that its origin's succeeds; it goes with it, or
-- when a reviewer no longer holds the one for the other
create function sons.guard_following_claim() returns trigger language plpgsql as $$
declare
  of_origin sons.claim;
  follows boolean;
begin
  select * into of_origin from sons.claim where id = new.origin;
  follows := exists (select from sons.succeeded_by(array[of_origin.finess_geographique]) p
                     where p.predecessor = new.finess_geographique);
  if (case
      when tg_op = 'INSERT' then follows and of_origin.origin is null and of_origin.released_at is null
        and new.released_at is null and (new.vague, new.holder_id, new.supplier_id, new.og_id, new.claimed_at)
          = (of_origin.vague, of_origin.holder_id, of_origin.supplier_id, of_origin.og_id,
             of_origin.claimed_at)
      when of_origin.released_at is not null then
        (new.released_at, new.release_reason) = (of_origin.released_at, of_origin.release_reason)
      else sons.current_role_name() = 'reviewer' and new.release_reason = 'decided' and not follows
      end) is not true then
    raise exception 'a claim on an old number follows the claim on the new one'
      using errcode = 'SN151', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger claim_follows_its_origin after insert or update on sons.claim
  for each row when (new.holder_kind = 'succession') execute function sons.guard_following_claim();
"""

DECISIONS = """
-- A confirmed succession is followed by the claims that live; one that is dismissed after all lets go. Where
-- both numbers are held already nothing is written: that is a conflict, and a person's to settle.
create function sons.follow_succession() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(21333, 1);
  if new.state = 'confirmed' then
    insert into sons.claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id,
      claimed_at, origin)
    select c.vague, p.predecessor, 'succession', c.holder_id, c.supplier_id, c.og_id, c.claimed_at, c.id
    from (select new.successor as number
          union select successor from sons.successors_of(array[new.successor])) n
    join sons.claim c on c.finess_geographique = n.number and c.released_at is null and c.origin is null
    cross join sons.succeeded_by(array[n.number]) p
    order by c.vague, p.predecessor, c.id
    on conflict (vague, finess_geographique) where released_at is null do nothing;
  else
    update sons.claim f set released_at = new.decided_at, release_reason = 'decided'
    from sons.claim o
    where o.id = f.origin and f.released_at is null and not exists (
      select from sons.succeeded_by(array[o.finess_geographique]) p
      where p.predecessor = f.finess_geographique);
  end if;
  return null;
end $$;
create trigger succession_followed_by_claims after update of state on sons.succession
  for each row when (new.state <> old.state) execute function sons.follow_succession();
"""

RIGHTS = """
alter table sons.succession enable row level security, force row level security;
create policy succession_seen on sons.succession for select to sons_app
  using ((select sons.sees_all()) or ((select sons.current_role_name()) = 'og' and exists (
    select from sons.organisation o where o.id = (select sons.current_organisation())
      and o.finess_juridique in (succession.predecessor_og, succession.successor_og))));
create policy succession_found on sons.succession for insert to sons_app
  with check ((select sons.current_role_name()) = 'admin' and state = 'probable');
create policy succession_told on sons.succession for update to sons_app
  using ((select sons.current_role_name()) in ('admin', 'reviewer'));
create policy succession_crossed on sons.succession for select to sons_case using (true);
grant select, insert, update (predecessor_og, successor_og, kind, score, reasons, earlier_on, later_on, state,
  decided_at, decided_by, reason) on sons.succession to sons_app;
grant select (predecessor, successor, kind, state) on sons.succession to sons_case;
create trigger succession_never_deleted before delete on sons.succession
  for each row execute function sons.refuse_change();
create trigger succession_never_truncated before truncate on sons.succession
  for each statement execute function sons.refuse_change();

-- Whoever takes or releases a claim takes and releases what follows it; the guard says that it is no more.
create policy claim_followed on sons.claim for insert to sons_app
  with check (holder_kind = 'succession' and released_at is null);
create policy claim_released_too on sons.claim for update to sons_app using (holder_kind = 'succession');

grant select (id, origin) on sons.claim to sons_case;
grant execute on function sons.succeeded_by(text[]), sons.successors_of(text[]) to sons_app, sons_case;
alter function sons.succeeded_by(text[]) owner to sons_case;
alter function sons.successors_of(text[]) owner to sons_case;

-- By what kind of holder these ESSMS are engaged in the vague, and under which number: their own, an old one,
-- or a new one. Never by whom.
create function sons.held_under(of_vague text, numbers text[])
returns table (finess_geographique text, holder_kind text, held_as text)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  with asked as (
    select n as number, n as held from unnest(numbers) n
    union select p.number, p.predecessor from sons.succeeded_by(numbers) p)
  select distinct on (a.number) a.number, coalesce(o.holder_kind, c.holder_kind),
    coalesce(o.finess_geographique, c.finess_geographique)
  from asked a
  join sons.claim c on c.vague = of_vague and c.finess_geographique = a.held and c.released_at is null
  left join sons.claim o on o.id = c.origin
  order by a.number, a.held <> a.number, a.held;
end;
grant execute on function sons.held_under(text, text[]) to sons_app, sons_case;
alter function sons.held_under(text, text[]) owner to sons_case;

-- its owner alone may replace it
set local role sons_case;
create or replace function sons.engaged(of_vague text, numbers text[])
returns table (finess_geographique text, holder_kind text)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select h.finess_geographique, h.holder_kind from sons.held_under(of_vague, numbers) h;
end;
set local role sons_owner;
"""


async def _run() -> None:
    await DB.run_script("\n".join((SUCCESSIONS, FOLLOWED, CLAIMS, DECISIONS, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
