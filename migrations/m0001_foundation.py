"""Persons, organisations, memberships, tokens, journal, instance, enacted law, deadlines, idempotency.

Every table with an organisation's data has FORCE ROW LEVEL SECURITY; the application's role owns none.
Policies read the context of the transaction through three functions, called inside a sub-select so that
PostgreSQL calls each once per statement and not once per row.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0001"
VERSION = "1.38.0"
DESCRIPTION = "Foundation: actors, journal, instance, deadlines, idempotency"

CONTEXT = """
alter default privileges for role sons_owner revoke execute on functions from public;

create function sons.current_organisation() returns uuid language sql stable parallel safe
return nullif(current_setting('sons.organisation_id', true), '')::uuid;

create function sons.current_role_name() returns text language sql stable parallel safe
return nullif(current_setting('sons.role', true), '');

create function sons.sees_all() returns boolean language sql stable parallel safe
return coalesce(sons.current_role_name() in ('reviewer', 'payer', 'pilot', 'admin', 'scheduler'), false);

-- SN010: what is written once cannot be changed
create function sons.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'table % is append-only', tg_table_name
    using errcode = 'SN010', table = tg_table_name, constraint = tg_name;
end $$;

grant execute on function sons.current_organisation(), sons.current_role_name(), sons.sees_all()
  to sons_app, sons_case;
"""

ACTORS = """
create table sons.person (
  id uuid not null default gen_random_uuid(),
  name text not null,
  email text,
  constraint person_pkey primary key (id),
  constraint person_name_not_blank check (btrim(name) <> ''),
  constraint person_email_unique unique (email)
);

create table sons.organisation (
  id uuid not null default gen_random_uuid(),
  kind text not null,
  name text not null,
  finess_juridique text,
  siren text,
  departements text[] not null default '{}',
  constraint organisation_pkey primary key (id),
  constraint organisation_kind_known
    check (kind in ('editor', 'distributor', 'og', 'ars', 'agency', 'state')),
  constraint organisation_name_not_blank check (btrim(name) <> ''),
  constraint organisation_finess_juridique_form check (finess_juridique ~ '^([0-9]{2}|2[AB])[0-9]{7}$'),
  constraint organisation_finess_juridique_unique unique (finess_juridique),
  constraint organisation_og_has_finess_juridique check ((kind = 'og') = (finess_juridique is not null)),
  constraint organisation_siren_form check (siren ~ '^[0-9]{9}$'),
  -- one company may be editor of one solution and distributor of another: two organisations, two desks
  constraint organisation_siren_unique_by_kind unique (kind, siren),
  constraint organisation_departements_of_ars check (kind = 'ars' or departements = '{}'),
  constraint organisation_id_kind_unique unique (id, kind)
);

create table sons.membership (
  person_id uuid not null,
  organisation_id uuid not null,
  organisation_kind text not null,
  role text not null,
  constraint membership_pkey primary key (person_id, organisation_id, role),
  constraint membership_person_fkey foreign key (person_id) references sons.person (id),
  constraint membership_organisation_fkey
    foreign key (organisation_id, organisation_kind) references sons.organisation (id, kind),
  constraint membership_role_fits_kind check ((organisation_kind, role) in (
    ('editor', 'editor'), ('distributor', 'distributor'), ('og', 'og'), ('ars', 'ars'),
    ('agency', 'reviewer'), ('agency', 'payer'), ('agency', 'pilot'), ('agency', 'admin'),
    ('state', 'reviewer'), ('state', 'pilot'), ('state', 'admin')
  ))
);
create index membership_organisation on sons.membership (organisation_id);

-- Tokens live on the machine's clock, never on the business clock.
create table sons.access_token (
  id uuid not null default gen_random_uuid(),
  sha256 bytea not null,
  person_id uuid not null,
  organisation_id uuid not null,
  role text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  constraint access_token_pkey primary key (id),
  constraint access_token_sha256_unique unique (sha256),
  constraint access_token_sha256_length check (octet_length(sha256) = 32),
  constraint access_token_membership_fkey foreign key (person_id, organisation_id, role)
    references sons.membership (person_id, organisation_id, role),
  constraint access_token_expires_later check (expires_at > created_at)
);
create index access_token_membership on sons.access_token (organisation_id, person_id, role);

alter table sons.person enable row level security, force row level security;
alter table sons.organisation enable row level security, force row level security;
alter table sons.membership enable row level security, force row level security;
alter table sons.access_token enable row level security, force row level security;

create policy organisation_seen on sons.organisation for select to sons_app
  using ((select sons.sees_all()) or id = (select sons.current_organisation()));
create policy organisation_enrolled on sons.organisation for insert to sons_app
  with check ((select sons.current_role_name()) = 'admin');
create policy organisation_og_found on sons.organisation for select to sons_case using (true);
create policy organisation_og_enrolled on sons.organisation for insert to sons_case with check (kind = 'og');

create policy membership_seen on sons.membership for select to sons_app
  using ((select sons.sees_all()) or organisation_id = (select sons.current_organisation()));
create policy membership_enrolled on sons.membership for insert to sons_app
  with check ((select sons.current_role_name()) = 'admin');

create policy person_seen on sons.person for select to sons_app
  using ((select sons.sees_all()) or exists (
    select from sons.membership m
    where m.person_id = person.id and m.organisation_id = (select sons.current_organisation())));
create policy person_enrolled on sons.person for insert to sons_app
  with check ((select sons.current_role_name()) = 'admin');

create policy access_token_seen on sons.access_token for select to sons_app
  using ((select sons.current_role_name()) = 'admin'
         or organisation_id = (select sons.current_organisation()));
create policy access_token_created on sons.access_token for insert to sons_app
  with check ((select sons.current_role_name()) = 'admin');
create policy access_token_revoked on sons.access_token for update to sons_app
  using ((select sons.current_role_name()) = 'admin'
         or organisation_id = (select sons.current_organisation()));
create policy access_token_authenticated on sons.access_token for select to sons_case using (true);

grant select, insert on sons.person, sons.organisation, sons.membership to sons_app;
-- the digest of a token can be written and never read back
grant select (id, person_id, organisation_id, role, created_at, expires_at, revoked_at) on sons.access_token
  to sons_app;
grant insert (id, sha256, person_id, organisation_id, role, expires_at) on sons.access_token to sons_app;
grant update (revoked_at) on sons.access_token to sons_app;
grant select on sons.access_token to sons_case;
grant select (id, finess_juridique), insert (id, kind, name, finess_juridique) on sons.organisation
  to sons_case;

create function sons.guard_access_token() returns trigger language plpgsql as $$
begin
  if old.revoked_at is not null then
    raise exception 'a revoked token stays revoked' using errcode = 'SN010', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger access_token_revoked_for_good before update on sons.access_token
  for each row execute function sons.guard_access_token();

-- Before anything is known of the caller no table is readable: one function answers who a token is.
create function sons.authenticate(token_sha256 bytea)
returns table (token_id uuid, person_id uuid, organisation_id uuid, role text)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select t.id, t.person_id, t.organisation_id, t.role from sons.access_token t
  where t.sha256 = token_sha256 and t.revoked_at is null and t.expires_at > now();
end;

-- The organisation of an OG comes into being with the first order that names it, whoever deposits it.
create function sons.ensure_og(finess text, og_name text) returns uuid
language plpgsql volatile security definer set search_path = sons, pg_temp as $$
declare found_id uuid;
begin
  select id into found_id from sons.organisation where finess_juridique = finess;
  if found_id is null then
    insert into sons.organisation (kind, name, finess_juridique) values ('og', og_name, finess)
      on conflict on constraint organisation_finess_juridique_unique do nothing returning id into found_id;
  end if;
  if found_id is null then -- another transaction has just created it
    select id into found_id from sons.organisation where finess_juridique = finess;
  end if;
  return found_id;
end $$;

-- granted before they change owner: afterwards they are no longer sons_owner's to grant
grant execute on function sons.authenticate(bytea), sons.ensure_og(text, text) to sons_app;
alter function sons.authenticate(bytea) owner to sons_case;
alter function sons.ensure_og(text, text) owner to sons_case;
"""

JOURNAL = """
-- `at` is the business instant; `recorded_at` and `txid` come from the machine and cannot be supplied.
-- `txid` lets a sequencer seal only what is older than every running transaction.
create table sons.journal (
  id bigint generated always as identity,
  at timestamptz not null,
  recorded_at timestamptz not null default clock_timestamp(),
  txid xid8 not null default pg_current_xact_id(),
  person_id uuid,
  organisation_id uuid,
  role text not null,
  token_id uuid,
  auth_level text not null,
  action text not null,
  object_kind text not null,
  object_id text not null,
  facts jsonb not null,
  constraint journal_pkey primary key (id),
  constraint journal_action_form check (action ~ '^[a-z_]+\\.[a-z_]+$'),
  constraint journal_facts_object check (jsonb_typeof(facts) = 'object')
);
create index journal_object on sons.journal (object_kind, object_id, id);
create index journal_organisation on sons.journal (organisation_id, id);
create trigger journal_append_only before update or delete on sons.journal
  for each row execute function sons.refuse_change();
create trigger journal_never_truncated before truncate on sons.journal
  for each statement execute function sons.refuse_change();

alter table sons.journal enable row level security, force row level security;
create policy journal_seen on sons.journal for select to sons_app
  using ((select sons.sees_all()) or organisation_id = (select sons.current_organisation()));
create policy journal_signed on sons.journal for insert to sons_app
  with check (role = (select sons.current_role_name())
              and organisation_id is not distinct from (select sons.current_organisation()));
grant select on sons.journal to sons_app;
grant insert (at, person_id, organisation_id, role, token_id, auth_level,
  action, object_kind, object_id, facts) on sons.journal to sons_app;
"""

INSTANCE = """
create table sons.instance (
  singleton boolean not null default true,
  mode text not null,
  clock_at timestamptz,
  constraint instance_pkey primary key (singleton),
  constraint instance_one_row check (singleton),
  constraint instance_mode_known check (mode in ('undeclared', 'sandbox', 'real')),
  constraint instance_only_sandbox_has_clock check ((mode = 'sandbox') = (clock_at is not null))
);
insert into sons.instance (mode) values ('undeclared');

-- SN011: what an instance is, once said, stays; its clock only advances
create function sons.guard_instance() returns trigger language plpgsql as $$
begin
  if old.mode <> 'undeclared' and new.mode <> old.mode then
    raise exception 'the instance is declared as %', old.mode using errcode = 'SN011', constraint = tg_name;
  end if;
  if new.clock_at < old.clock_at then
    raise exception 'the clock of a sandbox never goes back' using errcode = 'SN011', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger instance_declared_once before update on sons.instance
  for each row execute function sons.guard_instance();
create trigger instance_never_deleted before delete on sons.instance
  for each row execute function sons.refuse_change();
create trigger instance_never_truncated before truncate on sons.instance
  for each statement execute function sons.refuse_change();

alter table sons.instance enable row level security, force row level security;
create policy instance_seen on sons.instance for select to sons_app using (true);
create policy instance_declared on sons.instance for update to sons_app
  using ((select sons.current_role_name()) = 'admin');
grant select, update (mode, clock_at) on sons.instance to sons_app;

create table sons.law_enactment (
  digest text not null,
  enacted_at timestamptz not null,
  enacted_by uuid,
  recorded_at timestamptz not null default clock_timestamp(),
  constraint law_enactment_pkey primary key (digest),
  constraint law_enactment_digest_form check (digest ~ '^[0-9a-f]{64}$'),
  constraint law_enactment_person_fkey foreign key (enacted_by) references sons.person (id)
);
create trigger law_enactment_append_only before update or delete on sons.law_enactment
  for each row execute function sons.refuse_change();
create trigger law_enactment_never_truncated before truncate on sons.law_enactment
  for each statement execute function sons.refuse_change();
alter table sons.law_enactment enable row level security, force row level security;
create policy law_enactment_seen on sons.law_enactment for select to sons_app using (true);
create policy law_enactment_enacted on sons.law_enactment for insert to sons_app
  with check ((select sons.current_role_name()) = 'admin');
grant select, insert (digest, enacted_at, enacted_by) on sons.law_enactment to sons_app;
"""

DEADLINES = """
-- I5: the primary key makes a deadline exist once, `fired_at` makes it fire once, on its due date.
create table sons.deadline (
  rule text not null,
  object_id text not null,
  due_at timestamptz not null,
  kind text not null,
  order_id uuid,
  supplier_id uuid,
  og_id uuid,
  facts jsonb not null,
  fired_at timestamptz,
  superseded_at timestamptz,
  constraint deadline_pkey primary key (rule, object_id, due_at),
  constraint deadline_supplier_fkey foreign key (supplier_id) references sons.organisation (id),
  constraint deadline_og_fkey foreign key (og_id) references sons.organisation (id),
  -- a foreign key of several columns looks at none when one is null: an order's deadline has its parties
  constraint deadline_order_with_parties
    check (order_id is null or num_nulls(supplier_id, og_id) = 0),
  constraint deadline_facts_object check (jsonb_typeof(facts) = 'object'),
  constraint deadline_never_fired_early check (fired_at >= due_at),
  constraint deadline_fired_or_superseded check (fired_at is null or superseded_at is null)
);
create index deadline_due on sons.deadline (due_at, rule, object_id)
  where fired_at is null and superseded_at is null;
create index deadline_order on sons.deadline (order_id);

-- SN012: a deadline that fired or was superseded is history; only the scheduler makes one fire
create function sons.guard_deadline() returns trigger language plpgsql as $$
begin
  if old.fired_at is not null or old.superseded_at is not null then
    raise exception 'deadline % of % is past', old.rule, old.object_id
      using errcode = 'SN012', constraint = tg_name;
  end if;
  if new.fired_at is not null and sons.current_role_name() is distinct from 'scheduler' then
    raise exception 'only the scheduler fires a deadline' using errcode = 'SN012', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger deadline_fires_once before update on sons.deadline
  for each row execute function sons.guard_deadline();
create trigger deadline_never_deleted before delete on sons.deadline
  for each row execute function sons.refuse_change();
create trigger deadline_never_truncated before truncate on sons.deadline
  for each statement execute function sons.refuse_change();

alter table sons.deadline enable row level security, force row level security;
create policy deadline_seen on sons.deadline for select to sons_app
  using ((select sons.sees_all())
         or supplier_id = (select sons.current_organisation())
         or og_id = (select sons.current_organisation()));
create policy deadline_planned on sons.deadline for insert to sons_app
  with check ((select sons.sees_all()) or supplier_id = (select sons.current_organisation()));
create policy deadline_passed on sons.deadline for update to sons_app
  using ((select sons.sees_all()) or supplier_id = (select sons.current_organisation()));
grant select, insert (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts),
  update (fired_at, superseded_at) on sons.deadline to sons_app;
"""

IDEMPOTENCY = """
-- I4: the answer is stored in the transaction of its effect; `created_at` is the machine's, for the purge.
create table sons.idempotency (
  organisation_id uuid not null,
  key text not null,
  route text not null,
  request_sha256 bytea not null,
  status smallint,
  body bytea,
  created_at timestamptz not null default now(),
  constraint idempotency_pkey primary key (organisation_id, key),
  constraint idempotency_organisation_fkey foreign key (organisation_id) references sons.organisation (id),
  constraint idempotency_key_length check (char_length(key) between 1 and 255),
  constraint idempotency_request_sha256_length check (octet_length(request_sha256) = 32),
  constraint idempotency_status_kept check (status between 200 and 499 and status <> 429),
  constraint idempotency_answer_whole check ((status is null) = (body is null))
);
create index idempotency_created on sons.idempotency (created_at);
alter table sons.idempotency enable row level security, force row level security;
create policy idempotency_own on sons.idempotency to sons_app
  using (organisation_id = (select sons.current_organisation()));
create policy idempotency_purged_seen on sons.idempotency for select to sons_app
  using ((select sons.current_role_name()) = 'scheduler');
create policy idempotency_purged on sons.idempotency for delete to sons_app
  using ((select sons.current_role_name()) = 'scheduler');
grant select, insert (organisation_id, key, route, request_sha256, status, body),
  update (status, body), delete on sons.idempotency to sons_app;
"""


async def _run() -> None:
    await DB.run_script("\n".join((CONTEXT, ACTORS, JOURNAL, INSTANCE, DEADLINES, IDEMPOTENCY)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
