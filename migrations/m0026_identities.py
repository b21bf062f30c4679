"""Identities: whom a provider of OpenID Connect vouches for, and what it said at the opening of a session.

What a provider said lives beside the session and longer: a signature given in the session refers to it.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0026"
VERSION = "1.38.0"
DESCRIPTION = "Identities of OpenID Connect, and the proof that each session was opened with"

TABLES = """
-- A subject of an issuer is one person here; a person may have several.
create table sons.identity (
  id uuid not null,
  issuer text not null,
  subject text not null,
  person_id uuid not null,
  linked_at timestamptz not null,
  constraint identity_pkey primary key (id),
  constraint identity_subject_unique unique (issuer, subject),
  constraint identity_person_fkey foreign key (person_id) references sons.person (id),
  constraint identity_named check (issuer ~ '^https://[^[:space:]]+$' and btrim(subject) <> ''
    and char_length(issuer) <= 500 and char_length(subject) <= 255)
);
create index identity_person on sons.identity (person_id, linked_at, id);

-- `signature_kind`: what a signature given in this session is in the list of R17. `auth_time`: when the
-- provider says that the person was there. `token_id`: the name of the identity token (jti).
-- `finess_juridiques`: where the provider says that the person works; often empty, and never a condition.
create table sons.session_proof (
  session_id uuid not null,
  person_id uuid not null,
  organisation_id uuid not null,
  role text not null,
  provider text not null,
  signature_kind text not null,
  issuer text not null,
  subject text not null,
  name_id text,
  acr text,
  auth_time timestamptz,
  token_id text,
  finess_juridiques text[] not null,
  constraint session_proof_pkey primary key (session_id),
  constraint session_proof_membership_fkey foreign key (person_id, organisation_id, role)
    references sons.membership (person_id, organisation_id, role),
  constraint session_proof_signature_kind_known check (signature_kind in ('psc', 'eidas_simple')),
  constraint session_proof_finess_form
    check (array_to_string(finess_juridiques, ' ', '') ~ '^(([0-9]{2}|2[AB])[0-9]{7} ?)*$'),
  constraint session_proof_named check (btrim(provider) <> '' and btrim(issuer) <> ''
    and btrim(subject) <> '' and btrim(name_id) <> '' and btrim(acr) <> '' and btrim(token_id) <> '')
);
create trigger session_proof_append_only before update on sons.session_proof
  for each row execute function sons.refuse_change();

-- SN260: a session that a provider opened says what the provider said, in the same transaction; a signature
-- of the list of R17 that rests on it repeats it
create function sons.guard_session_proven() returns trigger language plpgsql as $$
begin
  if new.auth_level = 'oidc' and not exists (
    select from sons.session_proof p where p.session_id = new.id
      and (p.person_id, p.organisation_id, p.role) = (new.person_id, new.organisation_id, new.role)) then
    raise exception 'nobody vouches for this session' using errcode = 'SN260', constraint = tg_name;
  end if;
  return new;
end $$;
create constraint trigger session_proven after insert on sons.session deferrable initially deferred
  for each row execute function sons.guard_session_proven();

create function sons.guard_va_signature_proven() returns trigger language plpgsql as $$
begin
  if (new.kind = 'psc' or new.auth_level = 'oidc') and not exists (
    select from sons.session_proof p where p.session_id = new.token_id and p.person_id = new.person_id
      and p.signature_kind = new.kind
      and (p.issuer, p.subject) = (new.evidence ->> 'issuer', new.evidence ->> 'subject')
      and (p.acr, p.token_id) is not distinct from (new.evidence ->> 'acr', new.evidence ->> 'jti')) then
    raise exception 'the signature does not repeat its proof' using errcode = 'SN260', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger va_signature_proven before insert on sons.va_signature
  for each row execute function sons.guard_va_signature_proven();
"""

_ONESELF = "person_id = (select sons.current_person())"
RIGHTS = (
    "\n".join(
        f"""
alter table sons.{table} enable row level security, force row level security;
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
        for table in ("identity", "session_proof")
    )
    + f"""
create policy identity_own on sons.identity to sons_app using ({_ONESELF});
create policy identity_vouched on sons.identity for select to sons_case using (true);
grant select, insert, delete on sons.identity to sons_app;
grant select on sons.identity to sons_case;

create policy session_proof_seen on sons.session_proof for select to sons_app
  using ({_ONESELF} or organisation_id = (select sons.current_organisation())
         or (select sons.sees_all()));
create policy session_proof_kept on sons.session_proof for insert to sons_app
  with check ({_ONESELF} and organisation_id = (select sons.current_organisation())
              and role = (select sons.current_role_name()));
create policy session_proof_over on sons.session_proof to sons_case using (true);
grant select, insert on sons.session_proof to sons_app;
grant select, delete on sons.session_proof to sons_case;
create policy va_signature_counted on sons.va_signature for select to sons_case using (true);
create policy cancellation_piece_counted on sons.cancellation_piece for select to sons_case using (true);
create policy amendment_counted on sons.amendment for select to sons_case using (true);
grant select (token_id) on sons.va_signature, sons.cancellation_piece to sons_case;
grant select (proposed_token_id, closed_token_id) on sons.amendment to sons_case;
"""
)

FUNCTIONS = """
-- The person that a provider vouches for; no row: nobody is known by that name.
create function sons.identity_of(of_issuer text, of_subject text)
returns table (identity_id uuid, person_id uuid)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select i.id, i.person_id from sons.identity i where i.issuer = of_issuer and i.subject = of_subject;
end;
grant execute on function sons.identity_of(text, text) to sons_app;
alter function sons.identity_of(text, text) owner to sons_case;

-- Forgets what was said for sessions that are forgotten themselves and under which nothing was signed.
create function sons.forget_session_proofs() returns bigint
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
    returning 1)
  select count(*) from forgotten;
end;
grant execute on function sons.forget_session_proofs() to sons_app;
alter function sons.forget_session_proofs() owner to sons_case;

-- as before; an identity is a way in too
set local role sons_case;
create or replace function sons.invitation_of(invitation_sha256 bytea)
returns table (invitation_id uuid, kind text, organisation_id uuid, organisation_name text, role text,
  email text, by_admin boolean, person_id uuid, signs_in boolean, belongs boolean)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select i.id, i.kind, i.organisation_id, o.name, i.role, i.email,
    i.invited_by is null or exists (select from sons.membership a where a.person_id = i.invited_by
      and a.role = 'admin' and a.removed_at is null),
    p.id, exists (select from sons.credential c join sons.second_factor f on f.person_id = c.person_id
      where c.person_id = p.id and f.confirmed_at is not null)
      or exists (select from sons.identity d where d.person_id = p.id),
    exists (select from sons.membership m where m.person_id = p.id)
  from sons.invitation i join sons.organisation o on o.id = i.organisation_id
    left join sons.person p on p.email = i.email
  where i.sha256 = invitation_sha256 and i.accepted_at is null and i.revoked_at is null
    and i.expires_at > now();
end;
set local role sons_owner;
"""


async def _run() -> None:
    await DB.run_script("\n".join((TABLES, RIGHTS, FUNCTIONS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
