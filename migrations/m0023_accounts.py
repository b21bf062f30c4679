"""Accounts: passwords and second factors, invitations, sessions, the scopes of tokens, members who left.

Sessions, invitations, tokens and attempts live on the machine's clock, never on the business clock. What is a
person's own (password, second factor, sessions) is guarded by a third word of the context, the person: an
organisation is not enough to reach it.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0023"
VERSION = "1.38.0"
DESCRIPTION = "Accounts: passwords, second factors, invitations, sessions, scopes of tokens"

CONTEXT = """
create function sons.current_person() returns uuid language sql stable parallel safe
return nullif(current_setting('sons.person_id', true), '')::uuid;
grant execute on function sons.current_person() to sons_app, sons_case;
"""

MEMBERS = """
-- who left keeps a row: what was signed refers to it; tokens and sessions stop with the same update
alter table sons.membership add column removed_at timestamptz;
grant update (removed_at) on sons.membership to sons_app, sons_case;
create policy membership_removed on sons.membership for update to sons_app
  using ((select sons.current_role_name()) = 'admin'
         or organisation_kind not in ('agency', 'state')
            and organisation_id = (select sons.current_organisation())
            and role = (select sons.current_role_name()))
  with check ((select sons.current_role_name()) = 'admin' or removed_at is not null);
create policy membership_joined on sons.membership for insert to sons_case with check (true);
create policy membership_came_back on sons.membership for update to sons_case using (true);
grant select (role, organisation_kind, removed_at),
  insert (person_id, organisation_id, organisation_kind, role)
  on sons.membership to sons_case;
create policy person_invited on sons.person for insert to sons_case with check (email is not null);
grant insert (id, name, email) on sons.person to sons_case;
grant select (name, kind) on sons.organisation to sons_case;

-- no more mail for who left
set local role sons_case;
create or replace function sons.fan_out() returns trigger
language plpgsql security definer set search_path = sons, pg_temp as $$
begin
  insert into sons.delivery (outbox_id, organisation_id, endpoint_id, round, state, attempts, created_at,
                             next_at)
  select a.id, a.organisation_id, e.id, 1, 'waiting', 0, now(), now()
  from announced a
  join sons.webhook_endpoint e on e.organisation_id = a.organisation_id and e.disabled_at is null
  where e.id = a.endpoint_id
     or a.endpoint_id is null
        and e.events && array['*', a.event, split_part(a.event, '.', 1) || '.*'];
  insert into sons.delivery (outbox_id, organisation_id, person_id, round, state, attempts, created_at,
                             next_at)
  select distinct a.id, a.organisation_id, p.id, 1, 'waiting', 0, now(), now()
  from announced a
  join sons.membership m on m.organisation_id = a.organisation_id
  join sons.person p on p.id = m.person_id and p.email is not null
  where a.mailed and m.removed_at is null;
  return null;
end $$;
set local role sons_owner;
"""

TOKENS = """
-- `scopes`: what narrows a token below its role; null, nothing does (the tokens made before this column).
alter table sons.access_token add column scopes text[], add column last_used_at timestamptz,
  add constraint access_token_scopes_known check (cardinality(scopes) > 0
    and array_to_string(scopes, ' ') ~ '^(read|write)(:[a-z-]+)?( (read|write)(:[a-z-]+)?)*$');
grant select (scopes, last_used_at), insert (scopes) on sons.access_token to sons_app;
grant update (last_used_at) on sons.access_token to sons_case;
create policy access_token_made_for_oneself on sons.access_token for insert to sons_app
  with check (person_id = (select sons.current_person())
              and organisation_id = (select sons.current_organisation())
              and role = (select sons.current_role_name()));
create policy access_token_used on sons.access_token for update to sons_case using (true);

set local role sons_case;
drop function sons.authenticate(bytea);
set local role sons_owner;

-- Who a token is, while its person belongs where it says. The use is noted once a minute, without waiting for
-- anyone, and not at all where nothing can be written.
create function sons.authenticate(token_sha256 bytea)
returns table (token_id uuid, person_id uuid, organisation_id uuid, role text, scopes text[])
language plpgsql volatile security definer set search_path = sons, pg_temp as $$
#variable_conflict use_column
begin
  if not current_setting('transaction_read_only')::boolean then
    update sons.access_token t set last_used_at = now()
    where t.id = (select u.id from sons.access_token u
      where u.sha256 = token_sha256 and u.revoked_at is null and u.expires_at > now()
        and (u.last_used_at is null or u.last_used_at < now() - interval '1 minute')
      for update skip locked);
  end if;
  return query
    select t.id, t.person_id, t.organisation_id, t.role, t.scopes
    from sons.access_token t join sons.membership m using (person_id, organisation_id, role)
    where t.sha256 = token_sha256 and t.revoked_at is null and t.expires_at > now()
      and m.removed_at is null;
end $$;
grant execute on function sons.authenticate(bytea) to sons_app;
alter function sons.authenticate(bytea) owner to sons_case;
"""

CREDENTIALS = """
-- Neither the hash nor the sealed secret can be selected by the application: one function gives them, for one
-- address at a time, to whoever signs in.
create table sons.credential (
  person_id uuid not null,
  password_hash text not null,
  changed_at timestamptz not null,
  constraint credential_pkey primary key (person_id),
  constraint credential_person_fkey foreign key (person_id) references sons.person (id),
  constraint credential_password_hashed check (password_hash ~ '^[$]argon2id[$]')
);
create table sons.second_factor (
  person_id uuid not null,
  sealed bytea not null,
  confirmed_at timestamptz,
  last_step bigint,
  constraint second_factor_pkey primary key (person_id),
  constraint second_factor_person_fkey foreign key (person_id) references sons.person (id),
  constraint second_factor_confirmed_by_a_code check ((confirmed_at is null) = (last_step is null))
);

-- SN230: a code serves once, and a new secret is to be confirmed anew
create function sons.guard_second_factor() returns trigger language plpgsql as $$
begin
  if (case when new.sealed is distinct from old.sealed then new.confirmed_at is null
      else new.last_step > coalesce(old.last_step, 0)
        and (old.confirmed_at is null or new.confirmed_at = old.confirmed_at) end) is not true then
    raise exception 'this code has served' using errcode = 'SN230', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger second_factor_serves_once before update on sons.second_factor
  for each row execute function sons.guard_second_factor();

-- Attempts by account and address, over a quarter of an hour: who guesses waits, the holder does not.
create table sons.sign_in_attempt (
  account_sha256 bytea not null,
  address_sha256 bytea not null,
  attempts int not null,
  since timestamptz not null,
  constraint sign_in_attempt_pkey primary key (account_sha256, address_sha256),
  constraint sign_in_attempt_digests check (octet_length(account_sha256) = 32
    and octet_length(address_sha256) = 32),
  constraint sign_in_attempt_counted check (attempts > 0)
);
create index sign_in_attempt_since on sons.sign_in_attempt (since);
"""

INVITATIONS = """
-- kind `join`: a person of that address comes in; `reset`: they choose a password and a second factor again.
create table sons.invitation (
  id uuid not null,
  sha256 bytea not null,
  kind text not null,
  organisation_id uuid not null,
  organisation_kind text not null,
  role text not null,
  email text not null,
  invited_by uuid,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  accepted_at timestamptz,
  revoked_at timestamptz,
  constraint invitation_pkey primary key (id),
  constraint invitation_sha256_unique unique (sha256),
  constraint invitation_sha256_length check (octet_length(sha256) = 32),
  constraint invitation_kind_known check (kind in ('join', 'reset')),
  constraint invitation_organisation_fkey
    foreign key (organisation_id, organisation_kind) references sons.organisation (id, kind),
  constraint invitation_person_fkey foreign key (invited_by) references sons.person (id),
  constraint invitation_email_plain
    check (email ~ '^[^[:space:]@]+@[^[:space:]@]+$' and email = lower(email)),
  constraint invitation_expires_later check (expires_at > created_at),
  constraint invitation_settled_one_way check (accepted_at is null or revoked_at is null),
  constraint invitation_role_fits_kind check ((organisation_kind, role) in (
    ('editor', 'editor'), ('distributor', 'distributor'), ('og', 'og'), ('ars', 'ars'),
    ('agency', 'reviewer'), ('agency', 'payer'), ('agency', 'pilot'), ('agency', 'admin'),
    ('state', 'reviewer'), ('state', 'pilot'), ('state', 'admin')
  ))
);
create index invitation_organisation on sons.invitation (organisation_id, created_at, id);

-- SN231: an invitation serves once, and not after it was taken back
create function sons.guard_invitation() returns trigger language plpgsql as $$
begin
  if old.accepted_at is not null or old.revoked_at is not null then
    raise exception 'this invitation is settled' using errcode = 'SN231', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger invitation_settled_once before update on sons.invitation
  for each row execute function sons.guard_invitation();
"""

SESSIONS = """
-- A session is known by the digest of its secret; `id` is what people and the journal call it.
create table sons.session (
  id uuid not null,
  sha256 bytea not null,
  person_id uuid not null,
  organisation_id uuid not null,
  role text not null,
  auth_level text not null,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  address_sha256 bytea not null,
  constraint session_pkey primary key (id),
  constraint session_sha256_unique unique (sha256),
  constraint session_digests check (octet_length(sha256) = 32 and octet_length(address_sha256) = 32),
  constraint session_membership_fkey foreign key (person_id, organisation_id, role)
    references sons.membership (person_id, organisation_id, role),
  constraint session_auth_level_known check (auth_level in ('password_totp', 'oidc')),
  constraint session_expires_later check (expires_at > created_at),
  constraint session_seen_during_its_life check (last_seen_at between created_at and expires_at)
);
create index session_person on sons.session (person_id, created_at, id);

-- SN232: a session that ended is over for good
create function sons.guard_session() returns trigger language plpgsql as $$
begin
  if old.revoked_at is not null then
    raise exception 'this session is over' using errcode = 'SN232', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger session_over_for_good before update on sons.session
  for each row execute function sons.guard_session();
"""

_ADMIN = "(select sons.current_role_name()) = 'admin'"
_ONESELF = "person_id = (select sons.current_person())"
_OWN_ROLE = """organisation_id = (select sons.current_organisation())
  and role = (select sons.current_role_name())"""

RIGHTS = (
    "\n".join(
        f"""
alter table sons.{table} enable row level security, force row level security;
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
        for table in ("credential", "second_factor", "sign_in_attempt", "invitation", "session")
    )
    + f"""
create policy credential_own on sons.credential to sons_app using ({_ONESELF});
create policy credential_signed_in on sons.credential for select to sons_case using (true);
grant select (person_id, changed_at), insert, update (password_hash, changed_at)
  on sons.credential to sons_app;
grant select on sons.credential to sons_case;

create policy second_factor_own on sons.second_factor to sons_app using ({_ONESELF});
create policy second_factor_signed_in on sons.second_factor for select to sons_case using (true);
grant select (person_id, confirmed_at, last_step), insert (person_id, sealed),
  update (sealed, confirmed_at, last_step) on sons.second_factor to sons_app;
grant select on sons.second_factor to sons_case;

create policy sign_in_attempt_tried on sons.sign_in_attempt to sons_case using (true);
grant select, insert, update, delete on sons.sign_in_attempt to sons_case;

create policy invitation_seen on sons.invitation for select to sons_app using ({_ADMIN} or {_OWN_ROLE});
create policy invitation_made on sons.invitation for insert to sons_app
  with check ({_ADMIN} or kind = 'join' and organisation_kind not in ('agency', 'state') and {_OWN_ROLE});
create policy invitation_revoked on sons.invitation for update to sons_app using ({_ADMIN} or {_OWN_ROLE});
create policy invitation_shown on sons.invitation for select to sons_case using (true);
create policy invitation_accepted on sons.invitation for update to sons_case using (true);
grant select (id, kind, organisation_id, organisation_kind, role, email, invited_by, created_at, expires_at,
  accepted_at, revoked_at), insert (id, sha256, kind, organisation_id, organisation_kind, role, email,
  invited_by, created_at, expires_at), update (revoked_at) on sons.invitation to sons_app;
grant select, update (accepted_at) on sons.invitation to sons_case;

create policy session_seen on sons.session for select to sons_app using ({_ONESELF} or {_ADMIN});
create policy session_opened on sons.session for insert to sons_app
  with check ({_ONESELF} and {_OWN_ROLE} and revoked_at is null);
create policy session_revoked on sons.session for update to sons_app using ({_ONESELF} or {_ADMIN});
create policy session_shown on sons.session for select to sons_case using (true);
create policy session_used on sons.session for update to sons_case using (true);
grant select (id, person_id, organisation_id, role, auth_level, created_at, last_seen_at, expires_at,
  revoked_at), insert (id, sha256, person_id, organisation_id, role, auth_level, created_at, last_seen_at,
  expires_at, address_sha256), update (revoked_at) on sons.session to sons_app;
grant select, update (last_seen_at) on sons.session to sons_case;
"""
)

FUNCTIONS = """
-- What a sign-in is checked against, for one address; no row: nobody signs in there.
create function sons.sign_in_facts(of_email text)
returns table (person_id uuid, password_hash text, sealed bytea, last_step bigint)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select p.id, c.password_hash, f.sealed, f.last_step
  from sons.person p join sons.credential c on c.person_id = p.id
    join sons.second_factor f on f.person_id = p.id
  where p.email = of_email and f.confirmed_at is not null;
end;

-- One more attempt on this account from this address: how many of late. Counted before anything is checked,
-- so that a thousand at once are a thousand.
create function sons.count_sign_in(account bytea, address bytea) returns int
language plpgsql volatile security definer set search_path = sons, pg_temp as $$
declare counted int;
begin
  delete from sons.sign_in_attempt f where f.since < now() - interval '1 day';
  insert into sons.sign_in_attempt as f values (account, address, 1, now())
  on conflict on constraint sign_in_attempt_pkey do update
    set attempts = case when f.since < now() - interval '15 minutes' then 1 else f.attempts + 1 end,
        since = case when f.since < now() - interval '15 minutes' then now() else f.since end
  returning f.attempts into counted;
  return counted;
end $$;

-- Where a person belongs, to whoever has just proved to be that person.
create function sons.roles_of_person()
returns table (organisation_id uuid, organisation_name text, organisation_kind text, role text)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select m.organisation_id, o.name, m.organisation_kind, m.role
  from sons.membership m join sons.organisation o on o.id = m.organisation_id
  where m.person_id = sons.current_person() and m.removed_at is null
  order by o.name, m.organisation_id, m.role;
end;

-- Whose session a cookie is, while it lives and its person belongs there; its use is noted once a minute.
create function sons.session_of(session_sha256 bytea, idle interval)
returns table (session_id uuid, person_id uuid, organisation_id uuid, role text, auth_level text)
language plpgsql volatile security definer set search_path = sons, pg_temp as $$
#variable_conflict use_column
begin
  return query
    select s.id, s.person_id, s.organisation_id, s.role, s.auth_level
    from sons.session s join sons.membership m using (person_id, organisation_id, role)
    where s.sha256 = session_sha256 and s.revoked_at is null and s.expires_at > now()
      and s.last_seen_at > now() - idle and m.removed_at is null;
  if found and not current_setting('transaction_read_only')::boolean then
    update sons.session s set last_seen_at = now()
    where s.id = (select u.id from sons.session u
      where u.sha256 = session_sha256 and u.revoked_at is null
        and u.last_seen_at < now() - interval '1 minute' for update skip locked);
  end if;
end $$;

-- An invitation that still stands, and whether its person exists, signs in already, or belongs somewhere.
create function sons.invitation_of(invitation_sha256 bytea)
returns table (invitation_id uuid, kind text, organisation_id uuid, organisation_name text, role text,
  email text, by_admin boolean, person_id uuid, signs_in boolean, belongs boolean)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select i.id, i.kind, i.organisation_id, o.name, i.role, i.email,
    i.invited_by is null or exists (select from sons.membership a where a.person_id = i.invited_by
      and a.role = 'admin' and a.removed_at is null),
    p.id, exists (select from sons.credential c join sons.second_factor f on f.person_id = c.person_id
      where c.person_id = p.id and f.confirmed_at is not null),
    exists (select from sons.membership m where m.person_id = p.id)
  from sons.invitation i join sons.organisation o on o.id = i.organisation_id
    left join sons.person p on p.email = i.email
  where i.sha256 = invitation_sha256 and i.accepted_at is null and i.revoked_at is null
    and i.expires_at > now();
end;

-- The person of an invitation that still stands, made when nobody has that address.
create function sons.person_of_invitation(invitation_sha256 bytea, person_name text) returns uuid
language plpgsql volatile security definer set search_path = sons, pg_temp as $$
declare
  invited text := (select i.email from sons.invitation_of(invitation_sha256) i);
  found_id uuid;
begin
  if invited is not null then
    insert into sons.person (id, name, email) values (gen_random_uuid(), person_name, invited)
      on conflict on constraint person_email_unique do nothing;
    select p.id into found_id from sons.person p where p.email = invited;
  end if;
  return found_id;
end $$;

-- The second factor that an invitation drew and no code has confirmed.
create function sons.unconfirmed_factor(invitation_sha256 bytea) returns table (sealed bytea)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select f.sealed from sons.invitation_of(invitation_sha256) i
    join sons.second_factor f on f.person_id = i.person_id
  where f.confirmed_at is null;
end;

-- The invitation serves: whoever it was made for, and has just proved to be, belongs there.
create function sons.accept_invitation(invitation_sha256 bytea) returns boolean
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
  insert into sons.membership as m (person_id, organisation_id, organisation_kind, role)
  values (sons.current_person(), accepted.organisation_id, accepted.organisation_kind, accepted.role)
  on conflict on constraint membership_pkey do update set removed_at = null;
  return true;
end $$;
"""

_CALLED = (
    "sign_in_facts(text)",
    "count_sign_in(bytea, bytea)",
    "roles_of_person()",
    "session_of(bytea, interval)",
    "invitation_of(bytea)",
    "person_of_invitation(bytea, text)",
    "unconfirmed_factor(bytea)",
    "accept_invitation(bytea)",
)
OWNERS = "\n".join(f"grant execute on function sons.{name} to sons_app;" for name in _CALLED) + "\n".join(
    # person_of_invitation() asks invitation_of(): granted to its own owner by owning both
    f"\nalter function sons.{name} owner to sons_case;"
    for name in _CALLED
)


async def _run() -> None:
    await DB.run_script(
        "\n".join((CONTEXT, MEMBERS, TOKENS, CREDENTIALS, INVITATIONS, SESSIONS, RIGHTS, FUNCTIONS, OWNERS))
    )


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
