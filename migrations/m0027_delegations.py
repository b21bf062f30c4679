"""Who signs for an OG: who is responsible for it, and who holds a delegation of signature (R17).

The capacity in which something was signed is kept with it, and checked here: whoever writes, nothing is
signed for an OG by a member who may not. Days are days of Paris, both included.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0027"
VERSION = "1.38.0"
DESCRIPTION = "Responsible members of an OG, delegations of signature, the capacity of each signature"

MEMBERS = """
-- Who leaves is responsible no more: one who comes back is not, unless it is said again.
alter table sons.membership add column responsible boolean not null default false;
-- those who are members of an OG today sign for it today
alter table sons.membership no force row level security;
update sons.membership set responsible = true where role = 'og' and removed_at is null;
alter table sons.membership force row level security;
alter table sons.membership
  add constraint membership_responsible_of_an_og check (not responsible or role = 'og'),
  add constraint membership_gone_is_not_responsible check (not responsible or removed_at is null);
grant update (responsible) on sons.membership to sons_app;
grant select (responsible), insert (responsible), update (responsible) on sons.membership to sons_case;

create function sons.is_responsible(of_person uuid, of_organisation uuid) returns boolean language sql stable
return exists (
  select from sons.membership m
  where (m.person_id, m.organisation_id, m.role) = (of_person, of_organisation, 'og') and m.responsible);
grant execute on function sons.is_responsible(uuid, uuid) to sons_app, sons_case;

-- Says who is responsible for an OG, or no more; null: not a member, or not for this caller to say. An
-- administrator says it anywhere, who is responsible, at home.
create function sons.appoint(of_person uuid, of_organisation uuid, as_responsible boolean) returns boolean
language plpgsql volatile security definer set search_path = sons, pg_temp as $$
declare said boolean;
begin
  if sons.current_role_name() is distinct from 'admin'
     and not (sons.current_organisation() is not distinct from of_organisation
              and sons.is_responsible(sons.current_person(), of_organisation)) then
    return null;
  end if;
  update sons.membership m set responsible = as_responsible
  where (m.person_id, m.organisation_id, m.role) = (of_person, of_organisation, 'og')
    and m.removed_at is null
  returning m.responsible into said;
  return said;
end $$;
grant execute on function sons.appoint(uuid, uuid, boolean) to sons_app;
alter function sons.appoint(uuid, uuid, boolean) owner to sons_case;

-- An invitation makes responsible only where its maker could: an administrator, or who is responsible there.
alter table sons.invitation add column responsible boolean not null default false,
  add constraint invitation_responsible_of_an_og check (not responsible or role = 'og' and kind = 'join');
grant select (responsible), insert (responsible) on sons.invitation to sons_app;
create policy invitation_responsible on sons.invitation as restrictive for insert to sons_app
  with check (not responsible or (select sons.current_role_name()) = 'admin'
              or sons.is_responsible((select sons.current_person()), organisation_id));

set local role sons_case;
create or replace function sons.accept_invitation(invitation_sha256 bytea) returns boolean
language plpgsql volatile security definer set search_path = sons, pg_temp as $$
declare accepted sons.invitation;
begin
  update sons.invitation i set accepted_at = now()
  from sons.person p
  where i.sha256 = invitation_sha256 and i.accepted_at is null and i.revoked_at is null
    and i.expires_at > now() and p.email = i.email and p.id = sons.current_person()
  returning i.* into accepted;
  if accepted.id is null then
    return false;
  end if;
  insert into sons.membership as m (person_id, organisation_id, organisation_kind, role, responsible)
  values (sons.current_person(), accepted.organisation_id, accepted.organisation_kind, accepted.role,
          accepted.responsible)
  on conflict on constraint membership_pkey do update
    set removed_at = null, responsible = m.responsible or accepted.responsible;
  return true;
end $$;
set local role sons_owner;
"""

DELEGATIONS = """
create table sons.delegation (
  id uuid not null,
  organisation_id uuid not null,
  role text not null,
  giver_id uuid not null,
  receiver_id uuid not null,
  acts text[] not null,
  from_on date not null,
  until_on date not null,
  text text not null,
  text_sha256 bytea not null,
  consent text not null,
  signer_name text not null,
  signer_function text not null,
  given_at timestamptz not null,
  auth_level text not null,
  token_id uuid,
  revoked_at timestamptz,
  revoked_by uuid,
  revoked_role text,
  revoked_because text,
  constraint delegation_pkey primary key (id),
  constraint delegation_holder_unique unique (id, receiver_id, organisation_id),
  constraint delegation_giver_fkey foreign key (giver_id, organisation_id, role)
    references sons.membership (person_id, organisation_id, role),
  constraint delegation_receiver_fkey foreign key (receiver_id, organisation_id, role)
    references sons.membership (person_id, organisation_id, role),
  constraint delegation_revoker_fkey foreign key (revoked_by) references sons.person (id),
  constraint delegation_of_an_og check (role = 'og'),
  constraint delegation_to_another check (giver_id <> receiver_id),
  -- each act once, of the closed list of what an OG signs in the application
  constraint delegation_acts_known check ((cardinality(acts) > 0
    and cardinality(acts) = ('va' = any (acts))::int + ('renunciation' = any (acts))::int
      + ('amendment' = any (acts))::int) is true),
  constraint delegation_in_order check (until_on >= from_on),
  constraint delegation_within_a_year check (until_on < from_on + interval '1 year'),
  constraint delegation_not_backdated check (from_on >= (given_at at time zone 'Europe/Paris')::date),
  constraint delegation_text_digest check (text_sha256 = sha256(convert_to(text, 'UTF8'))),
  constraint delegation_texts_given check (btrim(text) <> '' and btrim(consent) <> ''
    and btrim(signer_name) <> '' and btrim(signer_function) <> '' and btrim(auth_level) <> ''),
  -- the administrator of the terminal is no person
  constraint delegation_revoked_whole check (
    num_nonnulls(revoked_at, revoked_role, revoked_because) in (0, 3)
    and (revoked_by is null or revoked_at is not null)),
  constraint delegation_revoked_later check (revoked_at >= given_at),
  constraint delegation_revoked_because_known
    check (revoked_because in ('revoked', 'giver_left', 'receiver_left', 'not_responsible'))
);
create index delegation_receiver on sons.delegation (receiver_id, organisation_id, given_at, id);
create index delegation_organisation on sons.delegation (organisation_id, given_at, id);

-- SN270: it is given by who is responsible there, to who belongs there
create function sons.guard_delegation_given() returns trigger language plpgsql as $$
begin
  if not sons.is_responsible(new.giver_id, new.organisation_id) or not exists (
    select from sons.membership m
    where (m.person_id, m.organisation_id, m.role) = (new.receiver_id, new.organisation_id, new.role)
      and m.removed_at is null) then
    raise exception 'this person has nothing to delegate here, or to nobody'
      using errcode = 'SN270', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger delegation_by_a_responsible before insert on sons.delegation
  for each row execute function sons.guard_delegation_given();

-- SN271: a person holds one delegation of an act on a day, so that revoking it leaves none; two at once wait
-- for each other
create function sons.guard_delegation_alone() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtext('sons.delegation'), hashtext(new.organisation_id::text));
  if exists (
    select from sons.delegation d
    where (d.receiver_id, d.organisation_id) = (new.receiver_id, new.organisation_id) and d.acts && new.acts
      and d.revoked_at is null and d.from_on <= new.until_on and new.from_on <= d.until_on) then
    raise exception 'this person holds such a delegation' using errcode = 'SN271', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger delegation_one_at_a_time before insert on sons.delegation
  for each row execute function sons.guard_delegation_alone();

-- SN272: what was given is what was signed; it is only ever revoked, once
create function sons.guard_delegation_revoked() returns trigger language plpgsql as $$
declare moving text[] := '{revoked_at,revoked_by,revoked_role,revoked_because}';
begin
  if old.revoked_at is not null
     or to_jsonb(new) - moving is distinct from to_jsonb(old) - moving then
    raise exception 'a delegation is only ever revoked' using errcode = 'SN272', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger delegation_revoked_once before update on sons.delegation
  for each row execute function sons.guard_delegation_revoked();
create trigger delegation_never_deleted before delete on sons.delegation
  for each row execute function sons.refuse_change();
create trigger delegation_never_truncated before truncate on sons.delegation
  for each statement execute function sons.refuse_change();

alter table sons.delegation enable row level security, force row level security;
create policy delegation_seen on sons.delegation for select to sons_app
  using ((select sons.sees_all()) or organisation_id = (select sons.current_organisation()));
create policy delegation_given on sons.delegation for insert to sons_app
  with check (organisation_id = (select sons.current_organisation())
              and role = (select sons.current_role_name())
              and giver_id = (select sons.current_person()));
create policy delegation_revoked on sons.delegation for update to sons_app
  using ((select sons.current_role_name()) = 'admin'
         or organisation_id = (select sons.current_organisation())
            and role = (select sons.current_role_name()));
grant select, insert (id, organisation_id, role, giver_id, receiver_id, acts, from_on, until_on, text,
  text_sha256, consent, signer_name, signer_function, given_at, auth_level, token_id),
  update (revoked_at, revoked_by, revoked_role, revoked_because) on sons.delegation to sons_app;
"""

SIGNATURES = """
-- The delegations by which a person may sign an act for an OG on a day: neither revoked, nor given by one who
-- is responsible no more, nor held by one who left.
create function sons.delegations_in_force(of_person uuid, of_organisation uuid, of_act text, on_day date)
returns setof uuid language sql stable
begin atomic
  select d.id from sons.delegation d
  join sons.membership r
    on (r.person_id, r.organisation_id, r.role) = (d.receiver_id, d.organisation_id, d.role)
  where d.receiver_id = of_person and d.organisation_id = of_organisation and of_act = any (d.acts)
    and on_day between d.from_on and d.until_on and d.revoked_at is null and r.removed_at is null
    and sons.is_responsible(d.giver_id, d.organisation_id);
end;

-- In what capacity a person may sign an act for an OG on a day: 'responsible', 'delegation', or null.
create function sons.may_sign(of_person uuid, of_organisation uuid, of_act text, on_day date) returns text
language sql stable
return case
  when sons.is_responsible(of_person, of_organisation) then 'responsible'
  when exists (select from sons.delegations_in_force(of_person, of_organisation, of_act, on_day))
    then 'delegation'
end;
grant execute on function sons.delegations_in_force(uuid, uuid, text, date),
  sons.may_sign(uuid, uuid, text, date) to sons_app;

-- Whether the capacity in which something is signed is that of its signer. A revocation that is being written
-- is waited for.
create function sons.signs_as(of_person uuid, of_organisation uuid, of_act text, signed_at timestamptz,
  in_capacity text, by_delegation uuid) returns boolean language plpgsql volatile as $$
declare on_day date := (signed_at at time zone 'Europe/Paris')::date;
begin
  if in_capacity = 'delegation' then
    perform from sons.delegation d where d.id = by_delegation for share;
    return by_delegation in (
      select sons.delegations_in_force(of_person, of_organisation, of_act, on_day));
  end if;
  return in_capacity is not distinct from sons.may_sign(of_person, of_organisation, of_act, on_day)
    and in_capacity is not null;
end $$;
grant execute on function sons.signs_as(uuid, uuid, text, timestamptz, text, uuid) to sons_app;

-- Null: signed before capacities were kept, or not for an OG, or outside, with its own evidence.
alter table sons.va_signature add column capacity text, add column delegation_id uuid,
  add constraint va_signature_delegation_fkey foreign key (delegation_id, person_id, og_id)
    references sons.delegation (id, receiver_id, organisation_id),
  add constraint va_signature_capacity_whole check (
    (capacity is null or capacity in ('responsible', 'delegation'))
    and (capacity is not distinct from 'delegation') = (delegation_id is not null));
alter table sons.cancellation_piece add column capacity text, add column delegation_id uuid,
  add constraint cancellation_piece_delegation_fkey foreign key (delegation_id, person_id, organisation_id)
    references sons.delegation (id, receiver_id, organisation_id),
  add constraint cancellation_piece_capacity_whole check (
    (capacity is null or capacity in ('responsible', 'delegation'))
    and (capacity is not distinct from 'delegation') = (delegation_id is not null));
alter table sons.amendment
  add column proposed_capacity text, add column proposed_delegation_id uuid,
  add column closed_capacity text, add column closed_delegation_id uuid,
  add constraint amendment_proposed_delegation_fkey
    foreign key (proposed_delegation_id, proposed_by, proposed_for)
    references sons.delegation (id, receiver_id, organisation_id),
  add constraint amendment_closed_delegation_fkey foreign key (closed_delegation_id, closed_by, closed_for)
    references sons.delegation (id, receiver_id, organisation_id),
  add constraint amendment_proposed_capacity_whole check (
    (proposed_capacity is null
     or proposed_role = 'og' and proposed_capacity in ('responsible', 'delegation'))
    and (proposed_capacity is not distinct from 'delegation') = (proposed_delegation_id is not null)),
  add constraint amendment_closed_capacity_whole check (
    (closed_capacity is null or state = 'agreed' and closed_role is not distinct from 'og'
     and closed_capacity in ('responsible', 'delegation'))
    and (closed_capacity is not distinct from 'delegation') = (closed_delegation_id is not null));
create index va_signature_delegation on sons.va_signature (delegation_id) where delegation_id is not null;
create index cancellation_piece_delegation on sons.cancellation_piece (delegation_id)
  where delegation_id is not null;
grant insert (proposed_capacity, proposed_delegation_id), update (closed_capacity, closed_delegation_id)
  on sons.amendment to sons_app;

-- SN273: nobody signs for an OG in a capacity that is not his. After the row: the other guards speak first.
create function sons.guard_va_signatory() returns trigger language plpgsql as $$
begin
  if new.person_id is not null and not sons.signs_as(
    new.person_id, new.og_id, 'va', new.signed_at, new.capacity, new.delegation_id) then
    raise exception 'this person may not sign this VA' using errcode = 'SN273', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger va_signature_by_who_may after insert on sons.va_signature
  for each row execute function sons.guard_va_signatory();

create function sons.guard_piece_signatory() returns trigger language plpgsql as $$
begin
  if (case new.kind when 'renunciation' then sons.signs_as(new.person_id, new.organisation_id,
        'renunciation', new.given_at, new.capacity, new.delegation_id)
      else new.capacity is null end) is not true then
    raise exception 'this person may not renounce' using errcode = 'SN273', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger cancellation_piece_by_who_may after insert on sons.cancellation_piece
  for each row execute function sons.guard_piece_signatory();

create function sons.guard_amendment_signatory() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.proposed_for = new.og_id and not sons.signs_as(new.proposed_by, new.og_id, 'amendment',
      new.proposed_at, new.proposed_capacity, new.proposed_delegation_id) then
      raise exception 'this person may not propose' using errcode = 'SN273', constraint = tg_name;
    end if;
  elsif new.state = 'agreed' and new.closed_for = new.og_id and not sons.signs_as(new.closed_by, new.og_id,
    'amendment', new.closed_at, new.closed_capacity, new.closed_delegation_id) then
    raise exception 'this person may not agree' using errcode = 'SN273', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger amendment_by_who_may after insert or update of state on sons.amendment
  for each row execute function sons.guard_amendment_signatory();

-- SN103 again: the capacity of who accepts is part of the answer
create or replace function sons.guard_amendment() returns trigger language plpgsql as $$
declare
  was text := case tg_op when 'INSERT' then 'draft' else old.state end;
  moving text[] := '{state,version,closed_at,closed_by,closed_for,closed_role,closed_auth_level,'
    'closed_token_id,signed_sha256,signer_name,signer_function,consent,refusal,closed_capacity,'
    'closed_delegation_id}';
begin
  if tg_op = 'UPDATE' then
    if to_jsonb(new) - moving is distinct from to_jsonb(old) - moving then
      raise exception 'an amendment is what was proposed' using errcode = 'SN103', constraint = tg_name;
    end if;
    new.version := old.version + 1;
  else
    new.version := 1;
  end if;
  if not exists (
    select from sons.amendment_transition t
    where t.before = was and t.after = new.state and t.role = sons.current_role_name()) then
    raise exception 'an amendment does not go from % to %', was, new.state
      using errcode = 'SN103', constraint = tg_name;
  end if;
  return new;
end $$;

-- What a provider said for a session under which a delegation was signed is kept with it.
create policy delegation_counted on sons.delegation for select to sons_case using (true);
grant select (token_id) on sons.delegation to sons_case;
set local role sons_case;
create or replace function sons.forget_session_proofs() returns bigint
language sql volatile security definer set search_path = sons, pg_temp
begin atomic
  with forgotten as (
    delete from sons.session_proof p
    where sons.current_role_name() = 'scheduler'
      and not exists (select from sons.session s where s.id = p.session_id)
      and not exists (select from sons.va_signature v where v.token_id = p.session_id)
      and not exists (select from sons.cancellation_piece c where c.token_id = p.session_id)
      and not exists (select from sons.amendment a
        where p.session_id in (a.proposed_token_id, a.closed_token_id))
      and not exists (select from sons.delegation d where d.token_id = p.session_id)
    returning 1)
  select count(*) from forgotten;
end;
set local role sons_owner;
"""


async def _run() -> None:
    await DB.run_script("\n".join((MEMBERS, DELEGATIONS, SIGNATURES)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
