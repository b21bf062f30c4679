"""Reservations: ESSMS claimed while an order is being signed, for so many days, and never by hoarding.

A reservation claims like an order, under the same index; what it claimed goes once: into an order of its own
supplier, or back to all when it expires or is dropped.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0016"
VERSION = "1.38.0"
DESCRIPTION = "Reservations: ESSMS held while an order is being signed"

LIFECYCLE = """
-- The mirror of rules/lifecycle.py; a test holds the two together.
create table sons.reservation_transition (
  before text not null,
  after text not null,
  event text not null,
  role text not null,
  constraint reservation_transition_pkey primary key (before, after, event, role),
  constraint reservation_transition_states_known check (before in ('draft', 'active')
    and after in ('active', 'converted', 'expired', 'dropped'))
);
insert into sons.reservation_transition (before, after, event, role)
select e.before, e.after, e.event, r
from (values
  ('draft', 'active', 'made', array['editor', 'distributor']),
  ('active', 'converted', 'converted', array['editor', 'distributor']),
  ('active', 'expired', 'expired', array['scheduler']),
  ('active', 'dropped', 'dropped', array['editor', 'distributor'])
) as e (before, after, event, roles), unnest(e.roles) as r;
grant select on sons.reservation_transition to sons_app;
"""

RESERVATIONS = """
create sequence sons.reservation_number as bigint;
grant usage on sequence sons.reservation_number to sons_app;

-- `most_essms` and `most_renewals`: the terms of the law that it was made under, kept with it.
create table sons.reservation (
  id uuid not null,
  number text not null,
  vague text not null,
  dispositif text not null,
  supplier_id uuid not null,
  og_id uuid not null,
  og_finess_juridique text not null,
  solution_version text not null,
  essms int not null,
  most_essms int not null,
  most_renewals smallint not null,
  state text not null,
  version int not null,
  reserved_at timestamptz not null,
  expires_at timestamptz not null,
  renewed smallint not null,
  ended_at timestamptz,
  law_digest text not null,
  constraint reservation_pkey primary key (id),
  constraint reservation_number_unique unique (number),
  constraint reservation_number_form check (number ~ '^RS-[0-9]{4}-[0-9]{6,}$'),
  constraint reservation_parties_unique unique (id, supplier_id, og_id),
  constraint reservation_supplier_fkey foreign key (supplier_id) references sons.organisation (id),
  constraint reservation_og_fkey foreign key (og_id, og_finess_juridique)
    references sons.organisation (id, finess_juridique),
  constraint reservation_law_fkey foreign key (law_digest) references sons.law_enactment (digest),
  constraint reservation_state_known check (state in ('active', 'converted', 'expired', 'dropped')),
  constraint reservation_essms_positive check (essms > 0),
  constraint reservation_renewed_as_often_as_allowed check (renewed between 0 and most_renewals),
  constraint reservation_expires_later check (expires_at > reserved_at),
  constraint reservation_ended_once_over check ((ended_at is null) = (state = 'active')),
  constraint reservation_ended_in_time check (ended_at between reserved_at and expires_at)
);
create index reservation_supplier on sons.reservation (supplier_id, reserved_at desc, id desc);
create index reservation_og on sons.reservation (og_id, reserved_at desc, id desc);
create index reservation_reserved on sons.reservation (reserved_at desc, id desc);

-- SN160: it moves along its table, expires once its deadline has fired, and runs longer by a renewal alone
create function sons.guard_reservation() returns trigger language plpgsql as $$
declare
  was text := case tg_op when 'INSERT' then 'draft' else old.state end;
  moving text[] := '{state,version,expires_at,renewed,ended_at}';
  right_ boolean;
begin
  if tg_op = 'INSERT' then
    new.version := 1;
    right_ := new.renewed = 0;
  else
    new.version := old.version + 1;
    right_ := old.state = 'active' and to_jsonb(new) - moving is not distinct from to_jsonb(old) - moving
      and case when new.renewed = old.renewed then new.expires_at = old.expires_at
          else new.renewed = old.renewed + 1 and new.expires_at > old.expires_at and new.state = 'active'
            and sons.current_role_name() in ('editor', 'distributor') end;
  end if;
  if right_ and new.state <> was then
    right_ := exists (select from sons.reservation_transition t
                      where t.before = was and t.after = new.state and t.role = sons.current_role_name());
  end if;
  if right_ and new.state = 'expired' then
    right_ := exists (select from sons.deadline d where d.rule = 'reservation'
      and d.object_id = new.id::text and d.due_at = new.expires_at and d.fired_at is not null);
  end if;
  if right_ is not true then
    raise exception 'reservation % does not go from % to %', new.number, was, new.state
      using errcode = 'SN160', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger reservation_along_the_table before insert or update on sons.reservation
  for each row execute function sons.guard_reservation();

-- supplier_id and og_id are those of the reservation, by the foreign key: policies read them without a join.
create table sons.reservation_line (
  reservation_id uuid not null,
  finess_geographique text not null,
  supplier_id uuid not null,
  og_id uuid not null,
  constraint reservation_line_pkey primary key (reservation_id, finess_geographique),
  constraint reservation_line_reservation_fkey foreign key (reservation_id, supplier_id, og_id)
    references sons.reservation (id, supplier_id, og_id),
  constraint reservation_line_finess_form check (finess_geographique ~ '^([0-9]{2}|2[AB])[0-9]{7}$')
);
create index reservation_line_finess on sons.reservation_line (finess_geographique);
create trigger reservation_line_append_only before update on sons.reservation_line
  for each row execute function sons.refuse_change();
"""

CLAIMS = """
alter table sons.claim drop constraint claim_release_reason_known;
alter table sons.claim add constraint claim_release_reason_known check (release_reason in ('rejected',
  'lapsed', 'cancelled', 'expired', 'removed_from_perimeter', 'recovered', 'decided', 'converted'));
-- what a reservation let go of, it never takes again
create unique index claim_reserved_once on sons.claim (holder_id, finess_geographique)
  where holder_kind = 'reservation';
create index claim_reserved_now on sons.claim (supplier_id, holder_id)
  where holder_kind = 'reservation' and released_at is null;

-- SN161: a reservation claims its own lines, in its vague, when it is made
create function sons.guard_reserved() returns trigger language plpgsql as $$
begin
  if exists (
    select from taken t where t.holder_kind = 'reservation' and not exists (
      select from sons.reservation r join sons.reservation_line l on l.reservation_id = r.id
      where r.id = t.holder_id and r.state = 'active' and r.vague = t.vague and r.reserved_at = t.claimed_at
        and l.finess_geographique = t.finess_geographique
        and (l.supplier_id, l.og_id) = (t.supplier_id, t.og_id))) then
    raise exception 'no reservation claims this ESSMS' using errcode = 'SN161', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger claim_of_its_reservation after insert on sons.claim
  referencing new table as taken for each statement execute function sons.guard_reserved();

-- SN162: two reservations of one supplier do not see each other's claims before the first commits: each waits
-- for the lock of its supplier, which the operation has taken before it counted, and counts again
create function sons.guard_reserved_most() returns trigger language plpgsql as $$
declare found record;
begin
  for found in
    select t.supplier_id, min(r.most_essms) as most
    from taken t join sons.reservation r on r.id = t.holder_id
    where t.holder_kind = 'reservation' group by t.supplier_id
  loop
    perform pg_advisory_xact_lock(hashtext('sons.reservation'), hashtext(found.supplier_id::text));
    if (select count(*) from sons.claim c where c.supplier_id = found.supplier_id
        and c.holder_kind = 'reservation' and c.released_at is null) > found.most then
      raise exception 'a supplier reserves % ESSMS at most', found.most
        using errcode = 'SN162', constraint = tg_name;
    end if;
  end loop;
  return null;
end $$;
create trigger claim_reserved_within_limit after insert on sons.claim
  referencing new table as taken for each statement execute function sons.guard_reserved_most();

-- SN163: it lets go of an ESSMS because it is over, or to an order
create function sons.guard_reserved_let_go() returns trigger language plpgsql as $$
begin
  if (case new.release_reason
      when 'expired' then exists (select from sons.reservation r
        where r.id = new.holder_id and r.state in ('expired', 'dropped') and r.ended_at = new.released_at)
      when 'converted' then exists (select from sons.reservation r
        where r.id = new.holder_id and r.expires_at >= new.released_at)
      else false end) is not true then
    raise exception 'nothing says that this reserved ESSMS is free (%)', new.release_reason
      using errcode = 'SN163', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger claim_reservation_let_go after update on sons.claim
  for each row when (new.holder_kind = 'reservation') execute function sons.guard_reserved_let_go();

-- SN164, at the commit: what is converted is claimed, from the same instant, by an order of the same supplier
-- for the same OG; and a reservation that holds nothing any more is over
create function sons.guard_converted() returns trigger language plpgsql as $$
begin
  if not exists (
      select from sons.claim c where c.holder_kind = 'order' and c.vague = new.vague
        and c.finess_geographique = new.finess_geographique and c.claimed_at = new.released_at
        and (c.supplier_id, c.og_id) = (new.supplier_id, new.og_id))
    or exists (select from sons.reservation r where r.id = new.holder_id and r.state = 'active')
       and not exists (select from sons.claim c where c.supplier_id = new.supplier_id
         and c.holder_id = new.holder_id and c.holder_kind = 'reservation' and c.released_at is null) then
    raise exception 'no order took this reserved ESSMS, or nothing is left of its reservation'
      using errcode = 'SN164', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger claim_converted_into_an_order after update on sons.claim
  deferrable initially deferred for each row
  when (new.holder_kind = 'reservation' and new.release_reason = 'converted')
  execute function sons.guard_converted();

-- SN165, at the commit: a reservation claims each of its lines; active, it holds some and its end is planned;
-- over, it holds none
create function sons.guard_reservation_whole() returns trigger language plpgsql as $$
declare
  r sons.reservation;
  held record;
  planned bigint;
begin
  select * into r from sons.reservation where id = new.id;
  select count(*) as taken, count(*) filter (where released_at is null) as live,
         bool_or(release_reason = 'converted') as converted,
         bool_or(release_reason = 'expired') as given_back
    into held from sons.claim where holder_id = r.id and holder_kind = 'reservation';
  select count(*) into planned from sons.deadline where rule = 'reservation' and kind = 'reservation'
    and object_id = r.id::text and due_at = r.expires_at and fired_at is null and superseded_at is null;
  if held.taken <> r.essms
     or r.essms <> (select count(*) from sons.reservation_line where reservation_id = r.id)
     or planned <> (r.state = 'active')::int
     or (case r.state when 'active' then held.live > 0
         when 'converted' then held.live = 0 and held.converted and not held.given_back
         else held.live = 0 and held.given_back end) is not true then
    raise exception 'reservation % is not whole', r.number using errcode = 'SN165', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger reservation_is_whole after insert or update on sons.reservation
  deferrable initially deferred for each row execute function sons.guard_reservation_whole();

-- SN166: the end of an active reservation is not silenced by who reserves
create function sons.guard_reservation_end() returns trigger language plpgsql as $$
begin
  if exists (select from sons.reservation r where r.id::text = new.object_id
             and r.state = 'active' and r.expires_at = new.due_at) then
    raise exception 'the end of an active reservation stands' using errcode = 'SN166', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger deadline_of_reservation_stands after update on sons.deadline
  for each row when (new.rule = 'reservation' and new.superseded_at is not null)
  execute function sons.guard_reservation_end();
"""

_SEEN = """(select sons.sees_all()) or supplier_id = (select sons.current_organisation())
  or og_id = (select sons.current_organisation())"""
_SUPPLIER = """supplier_id = (select sons.current_organisation())
  and (select sons.current_role_name()) in ('editor', 'distributor')"""

RIGHTS = "\n".join(
    f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ({_SEEN});
create policy {table}_made on sons.{table} for insert to sons_app with check ({_SUPPLIER});
grant select, insert on sons.{table} to sons_app;
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
    for table in ("reservation", "reservation_line")
) + (
    f"""
create policy reservation_moved on sons.reservation for update to sons_app
  using ((select sons.current_role_name()) = 'scheduler' or ({_SUPPLIER}));
grant update (state, expires_at, renewed, ended_at) on sons.reservation to sons_app;
create policy claim_reserved on sons.claim for insert to sons_app
  with check ({_SUPPLIER} and holder_kind = 'reservation' and released_at is null);
"""
)


async def _run() -> None:
    await DB.run_script("\n".join((LIFECYCLE, RESERVATIONS, CLAIMS, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
