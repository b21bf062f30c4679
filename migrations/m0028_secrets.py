"""Secrets at rest: webhook secrets sealed, seals renewed, another second factor that waits for its code;
letters to one person; what of the doors is forgotten.

All of it lives on the machine's clock, never on the business clock.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0028"
VERSION = "1.38.0"
DESCRIPTION = "Secrets: webhook secrets sealed, seals renewed, letters to one person, invitations forgotten"

WEBHOOKS = """
-- A secret is sealed by a key of the settings, which no migration has: those in clear are sealed when the
-- relay starts, and none is written in clear any more. Until then they sign nothing.
alter table sons.webhook_secret add column sealed bytea, alter column secret drop not null,
  add constraint webhook_secret_kept_one_way check (num_nonnulls(secret, sealed) = 1),
  add constraint webhook_secret_sealed_form check (substring(sealed for 5) = 'gAAAA'::bytea);
revoke insert (secret) on sons.webhook_secret from sons_app;
grant insert (sealed) on sons.webhook_secret to sons_app;
grant select (id, sealed), update (secret, sealed) on sons.webhook_secret to sons_case;

set local role sons_case;
drop function sons.signing_secrets(uuid);
set local role sons_owner;
-- The secrets that sign for an endpoint now, sealed, the newest first; to anyone but the sender, none.
create function sons.signing_secrets(of_endpoint uuid) returns setof bytea
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select s.sealed from sons.webhook_secret s
  where s.endpoint_id = of_endpoint and s.sealed is not null
    and (s.expires_at is null or s.expires_at > now())
  order by s.created_at desc;
end;
"""

FACTORS = """
-- `pending`: another second factor, drawn by a person who is signed in, until its first code.
alter table sons.second_factor add column pending bytea,
  add constraint second_factor_pending_beside_one check (pending is null or confirmed_at is not null);
grant update (pending) on sons.second_factor to sons_app;
grant update (sealed, pending) on sons.second_factor to sons_case;

-- SN230: a code serves once; a new secret is to be confirmed anew, unless it waited and comes with its first
-- code, or is the same one under a newer key, which reseal() alone says.
create or replace function sons.guard_second_factor() returns trigger language plpgsql as $$
begin
  if (case
      when current_user = 'sons_case' then
        (new.confirmed_at, new.last_step) is not distinct from (old.confirmed_at, old.last_step)
        and (new.pending is null) = (old.pending is null)
      when new.sealed is distinct from old.sealed then
        new.pending is null
        and (new.confirmed_at is null or new.sealed = old.pending and new.last_step is not null)
      when new.pending is distinct from old.pending then
        (new.confirmed_at, new.last_step) is not distinct from (old.confirmed_at, old.last_step)
      else new.last_step > coalesce(old.last_step, 0)
        and (old.confirmed_at is null or new.confirmed_at = old.confirmed_at) end) is not true then
    raise exception 'this code has served' using errcode = 'SN230', constraint = tg_name;
  end if;
  return new;
end $$;

-- What the person who acts proves itself by, to change it.
create function sons.own_proofs()
returns table (email text, password_hash text, sealed bytea, pending bytea)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select p.email, c.password_hash, f.sealed, f.pending
  from sons.person p join sons.credential c on c.person_id = p.id
    join sons.second_factor f on f.person_id = p.id
  where p.id = sons.current_person() and f.confirmed_at is not null;
end;

-- All that is sealed, and what is still in clear, to the sender alone.
create function sons.seals() returns table (kind text, id uuid, clear text, sealed bytea)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select 'webhook', s.id, s.secret, s.sealed from sons.webhook_secret s
  union all
  select 'second_factor', f.person_id, null, f.sealed from sons.second_factor f
  where sons.current_role_name() = 'sender'
  union all
  select 'pending_factor', f.person_id, null, f.pending from sons.second_factor f
  where f.pending is not null and sons.current_role_name() = 'sender';
end;

-- The same secret under another seal, unless it became another secret meanwhile.
create function sons.reseal(of_kind text, of_id uuid, former bytea, renewed bytea) returns boolean
language plpgsql volatile security definer set search_path = sons, pg_temp as $$
begin
  case of_kind
    when 'webhook' then
      update sons.webhook_secret s set secret = null, sealed = renewed
      where s.id = of_id and s.sealed is not distinct from former;
    when 'second_factor' then
      update sons.second_factor f set sealed = renewed where f.person_id = of_id and f.sealed = former;
    when 'pending_factor' then
      update sons.second_factor f set pending = renewed where f.person_id = of_id and f.pending = former;
  end case;
  return found;
end $$;
"""

SIGN_INS = """
set local role sons_case;
drop function sons.count_sign_in(bytea, bytea);
set local role sons_owner;
-- One more attempt on this account from this address: how many of late, and how long until they are over.
-- Counted before anything is checked, so that a thousand at once are a thousand.
create function sons.count_sign_in(account bytea, address bytea)
returns table (times int, wait_seconds float8)
language sql volatile security definer set search_path = sons, pg_temp
begin atomic
  insert into sons.sign_in_attempt as f values (account, address, 1, statement_timestamp())
  on conflict on constraint sign_in_attempt_pkey do update
    set attempts = case when f.since < statement_timestamp() - interval '15 minutes' then 1
                        else f.attempts + 1 end,
        since = case when f.since < statement_timestamp() - interval '15 minutes' then statement_timestamp()
                     else f.since end
  returning f.attempts,
    extract(epoch from f.since + interval '15 minutes' - statement_timestamp())::float8;
end;

grant select (since), delete on sons.sign_in_attempt to sons_app;
revoke delete on sons.sign_in_attempt from sons_case;
"""

INVITATIONS = """
grant delete on sons.invitation to sons_app;
grant update (sha256) on sons.invitation to sons_case;
"""

LETTERS = """
-- A letter to one person: an invitation, or a change of what opens its account. Nothing of what it says is
-- kept: the secret of an invitation is drawn as the letter is written, and only its digest stays.
create table sons.letter (
  id uuid not null,
  kind text not null,
  invitation_id uuid,
  person_id uuid,
  state text not null,
  attempts int not null,
  created_at timestamptz not null,
  next_at timestamptz,
  ended_at timestamptz,
  last_status int,
  last_problem text,
  constraint letter_pkey primary key (id),
  constraint letter_invitation_fkey
    foreign key (invitation_id) references sons.invitation (id) on delete cascade,
  constraint letter_person_fkey foreign key (person_id) references sons.person (id),
  constraint letter_once_per_invitation unique (invitation_id),
  constraint letter_kind_known check (kind in ('invitation', 'password_changed', 'second_factor_changed')),
  constraint letter_to_whom_its_kind_says check (num_nonnulls(invitation_id, person_id) = 1
    and (kind = 'invitation') = (invitation_id is not null)),
  constraint letter_attempts_positive check (attempts >= 0),
  constraint letter_state_known check (state in ('waiting', 'delivered', 'dead', 'unconfigured')),
  constraint letter_waits_or_ended
    check (case state when 'waiting' then next_at is not null and ended_at is null
           else next_at is null and ended_at is not null end)
);
create index letter_due on sons.letter (next_at, id) where state = 'waiting';

-- SN280: what ended has ended, attempts are only counted up, and to whom and why never changes
create function sons.guard_letter() returns trigger language plpgsql as $$
begin
  if old.state <> 'waiting' or new.attempts < old.attempts
     or to_jsonb(new) - '{state,attempts,next_at,ended_at,last_status,last_problem}'::text[]
        is distinct from to_jsonb(old) - '{state,attempts,next_at,ended_at,last_status,last_problem}'::text[]
  then
    raise exception 'letter % has ended', old.id using errcode = 'SN280', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger letter_goes_forward before update on sons.letter
  for each row execute function sons.guard_letter();
create trigger letter_never_truncated before truncate on sons.letter
  for each statement execute function sons.refuse_change();

alter table sons.letter enable row level security, force row level security;
grant select, insert (id, kind, invitation_id, person_id, state, attempts, created_at, next_at),
  update (state, attempts, next_at, ended_at, last_status, last_problem), delete on sons.letter to sons_app;
grant select (id, invitation_id, state) on sons.letter to sons_case;

-- The secret of an invitation, at the moment its letter is written, by the sender: a letter that is written
-- again has another, and the former opens nothing any more. No row: there is nothing left to accept.
create function sons.write_invitation(of_letter uuid, secret_sha256 bytea)
returns table (email text, kind text, organisation_name text, expires_at timestamptz)
language sql volatile security definer set search_path = sons, pg_temp
begin atomic
  update sons.invitation i set sha256 = secret_sha256
  from sons.letter l, sons.organisation o
  where l.id = of_letter and l.invitation_id = i.id and l.state = 'waiting' and o.id = i.organisation_id
    and sons.current_role_name() = 'sender'
    and i.accepted_at is null and i.revoked_at is null and i.expires_at > now()
  returning i.email, i.kind, o.name, i.expires_at;
end;
"""

_SCHEDULER = "(select sons.current_role_name()) = 'scheduler'"
_SENDER = "(select sons.current_role_name()) = 'sender'"
_ONESELF = "person_id = (select sons.current_person())"
_KEEPERS = "(select sons.current_role_name()) in ('sender', 'admin', 'scheduler')"
# who may see an invitation may have it written, and a person what concerns itself
_OF_ITS_OWN = f"{_ONESELF} or exists (select from sons.invitation i where i.id = invitation_id)"  # nosec B608 # constants
_WRITTEN_TO = (
    f"{_SENDER} and exists (select from sons.letter l where l.person_id = person.id and l.state = 'waiting')"  # nosec B608 # constants
)
# name, table, command, role, clause
_POLICIES = (
    ("webhook_secret_resealed", "webhook_secret", "update", "sons_case", _SENDER),
    ("second_factor_resealed", "second_factor", "update", "sons_case", _SENDER),
    ("sign_in_attempt_ended_seen", "sign_in_attempt", "select", "sons_app", _SCHEDULER),
    (
        "sign_in_attempt_forgotten", "sign_in_attempt", "delete", "sons_app",
        f"{_SCHEDULER} and since < now() - interval '15 minutes'",
    ),
    ("invitation_ended_seen", "invitation", "select", "sons_app", _SCHEDULER),
    (
        "invitation_forgotten", "invitation", "delete", "sons_app",
        f"{_SCHEDULER} and least(expires_at, accepted_at, revoked_at) < now()",
    ),
    ("letter_seen", "letter", "select", "sons_app", f"{_KEEPERS} or {_ONESELF}"),
    (
        "letter_asked", "letter", "insert", "sons_app",
        f"state = 'waiting' and attempts = 0 and ({_OF_ITS_OWN})",
    ),
    ("letter_sent", "letter", "update", "sons_app", _SENDER),
    ("letter_forgotten", "letter", "delete", "sons_app", f"{_SCHEDULER} and ended_at < now()"),
    ("letter_written", "letter", "select", "sons_case", "true"),
    ("person_written_to", "person", "select", "sons_app", _WRITTEN_TO),
)  # fmt: skip
POLICIES = "\n".join(
    f"create policy {name} on sons.{table} for {command} to {role}"
    f" {'with check' if command == 'insert' else 'using'} ({clause});"
    for name, table, command, role, clause in _POLICIES
)

_CALLED = (
    "signing_secrets(uuid)",
    "own_proofs()",
    "seals()",
    "reseal(text, uuid, bytea, bytea)",
    "count_sign_in(bytea, bytea)",
    "write_invitation(uuid, bytea)",
)
OWNERS = "\n".join(
    f"grant execute on function sons.{name} to sons_app;\nalter function sons.{name} owner to sons_case;"
    for name in _CALLED
)


async def _run() -> None:
    await DB.run_script("\n".join((WEBHOOKS, FACTORS, SIGN_INS, INVITATIONS, LETTERS, POLICIES, OWNERS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
