"""What is announced outside, to whom, and how it got there: outbox, webhooks, deliveries, calendar feeds.

A row of the outbox is written in the transaction of what it tells, and fans out there into one delivery per
webhook and per mailbox of its recipient. Deliveries, endpoints, secrets and feeds live on the machine's
clock, never on the business clock: a sandbox whose clock jumps does not send a year of retries at once.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0008"
VERSION = "1.38.0"
DESCRIPTION = "Outbox: announcements, webhooks and their secrets, deliveries, calendar feeds"

ENDPOINTS = """
create table sons.webhook_endpoint (
  id uuid not null,
  organisation_id uuid not null,
  url text not null,
  events text[] not null,
  created_at timestamptz not null,
  failing_since timestamptz,
  disabled_at timestamptz,
  disabled_reason text,
  constraint webhook_endpoint_pkey primary key (id),
  constraint webhook_endpoint_owner_unique unique (id, organisation_id),
  constraint webhook_endpoint_organisation_fkey
    foreign key (organisation_id) references sons.organisation (id),
  constraint webhook_endpoint_url_form check (url ~ '^https?://[!-~]+$'),
  constraint webhook_endpoint_url_length check (length(url) <= 500),
  constraint webhook_endpoint_events_some check (cardinality(events) > 0),
  constraint webhook_endpoint_disabled_whole check ((disabled_at is null) = (disabled_reason is null)),
  constraint webhook_endpoint_disabled_reason_known check (disabled_reason in ('asked', 'failing', 'gone'))
);
create index webhook_endpoint_organisation on sons.webhook_endpoint (organisation_id);

-- SN081: an endpoint that was disabled stays so; another address is another endpoint, with its own secret
create function sons.guard_webhook_endpoint() returns trigger language plpgsql as $$
begin
  if old.disabled_at is not null then
    raise exception 'a disabled endpoint stays disabled' using errcode = 'SN081', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger webhook_endpoint_disabled_for_good before update on sons.webhook_endpoint
  for each row execute function sons.guard_webhook_endpoint();

-- The signer needs the secret itself, so that a digest will not do. The application may write it and never
-- select it; the definer function below gives it to the sender alone.
create table sons.webhook_secret (
  id uuid not null,
  endpoint_id uuid not null,
  organisation_id uuid not null,
  secret text not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  constraint webhook_secret_pkey primary key (id),
  constraint webhook_secret_endpoint_fkey foreign key (endpoint_id, organisation_id)
    references sons.webhook_endpoint (id, organisation_id),
  constraint webhook_secret_form check (secret ~ '^whsec_[A-Za-z0-9+/]{43}=$'),
  constraint webhook_secret_expires_after_birth check (expires_at >= created_at)
);
create unique index webhook_secret_one_current on sons.webhook_secret (endpoint_id) where expires_at is null;
create index webhook_secret_endpoint on sons.webhook_secret (endpoint_id);

-- SN082: the end of a secret only comes nearer
create function sons.guard_webhook_secret() returns trigger language plpgsql as $$
begin
  if old.expires_at is not null and (new.expires_at is null or new.expires_at > old.expires_at) then
    raise exception 'the end of a secret only comes nearer' using errcode = 'SN082', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger webhook_secret_never_prolonged before update on sons.webhook_secret
  for each row execute function sons.guard_webhook_secret();
"""

OUTBOX = """
-- `id` is the identifier of the event outside (webhook-id): the same at every attempt. `number` is the order
-- of the list of notices. `mailed`: important enough for an e-mail. `endpoint_id`: told to it alone (a test).
create table sons.outbox (
  id uuid not null,
  number bigint generated always as identity,
  at timestamptz not null,
  event text not null,
  object_kind text not null,
  object_id text not null,
  organisation_id uuid not null,
  endpoint_id uuid,
  mailed boolean not null,
  facts jsonb not null,
  constraint outbox_pkey primary key (id),
  constraint outbox_number_unique unique (number),
  constraint outbox_recipient_unique unique (id, organisation_id),
  constraint outbox_organisation_fkey foreign key (organisation_id) references sons.organisation (id),
  constraint outbox_endpoint_fkey foreign key (endpoint_id, organisation_id)
    references sons.webhook_endpoint (id, organisation_id),
  constraint outbox_event_form check (event ~ '^[a-z_]+\\.[a-z_]+$'),
  constraint outbox_facts_object check (jsonb_typeof(facts) = 'object')
);
create index outbox_recipient on sons.outbox (organisation_id, number);
create trigger outbox_append_only before update or delete on sons.outbox
  for each row execute function sons.refuse_change();

-- Numbers are drawn before the commit, so that a transaction may show a smaller number after a reader has
-- seen a greater one: a reader who goes on from the greatest it saw would miss it. So who announces first
-- holds, until its end, a shared advisory lock that tells from which number on its own may come; a reader
-- stops at the smallest. Nobody waits. (Transaction numbers would do it too, until the first restored dump.)
create function sons.mark_announcing() returns trigger language plpgsql as $$
declare drawn bigint;
begin
  if coalesce(current_setting('sons.announcing', true), '') = '' then
    select case when is_called then last_value else 0 end into drawn from sons.outbox_number_seq;
    perform pg_advisory_xact_lock_shared((20656::bigint << 40) | drawn);
    perform set_config('sons.announcing', drawn::text, true);
  end if;
  return null;
end $$;
create trigger outbox_marked before insert on sons.outbox
  for each statement execute function sons.mark_announcing();

-- Up to which number every announcement is either visible to the next statement or never will be. The
-- sequence is read first: what is drawn after that is greater than the answer.
create function sons.announced_up_to() returns bigint language plpgsql volatile as $$
declare drawn bigint; running bigint;
begin
  select case when is_called then last_value else 0 end into drawn from sons.outbox_number_seq;
  select min((classid::bigint << 32 | objid::bigint) & ((1::bigint << 40) - 1)) into running
  from pg_locks
  where locktype = 'advisory' and objsubid = 1 and classid::bigint >> 8 = 20656
    and database = (select oid from pg_database where datname = current_database());
  return least(drawn, running);
end $$;
grant select on sequence sons.outbox_number_seq to sons_app;
grant execute on function sons.announced_up_to() to sons_app;
"""

DELIVERIES = """
-- One way of one announcement to one webhook or one mailbox. `attempts` also fences: who was given attempt
-- n may only tell how attempt n ended. `next_at`: not before; a claim pushes it by its lease, so that a
-- delivery whose sender died comes back by itself. A replay is another round, a row of its own.
create table sons.delivery (
  id bigint generated always as identity,
  outbox_id uuid not null,
  organisation_id uuid not null,
  endpoint_id uuid,
  person_id uuid,
  round int not null,
  state text not null,
  attempts int not null,
  created_at timestamptz not null,
  next_at timestamptz,
  ended_at timestamptz,
  last_status int,
  last_problem text,
  constraint delivery_pkey primary key (id),
  constraint delivery_outbox_fkey foreign key (outbox_id, organisation_id)
    references sons.outbox (id, organisation_id),
  constraint delivery_endpoint_fkey foreign key (endpoint_id, organisation_id)
    references sons.webhook_endpoint (id, organisation_id),
  constraint delivery_person_fkey foreign key (person_id) references sons.person (id),
  constraint delivery_one_way check (num_nonnulls(endpoint_id, person_id) = 1),
  constraint delivery_once_per_endpoint unique (outbox_id, endpoint_id, round),
  constraint delivery_once_per_person unique (outbox_id, person_id, round),
  constraint delivery_round_positive check (round > 0),
  constraint delivery_attempts_positive check (attempts >= 0),
  constraint delivery_state_known check (state in ('waiting', 'delivered', 'dead', 'unconfigured')),
  constraint delivery_waits_or_ended
    check (case state when 'waiting' then next_at is not null and ended_at is null
           else next_at is null and ended_at is not null end)
);
create index delivery_due on sons.delivery (next_at, id) where state = 'waiting';
create index delivery_of_endpoint on sons.delivery (endpoint_id, id);
create index delivery_of_person on sons.delivery (person_id) where state = 'waiting';
create index delivery_of_recipient on sons.delivery (organisation_id, id);

-- SN083: what ended has ended, attempts are only counted up, and the way itself never changes
create function sons.guard_delivery() returns trigger language plpgsql as $$
begin
  if old.state <> 'waiting' or new.attempts < old.attempts
     or to_jsonb(new) - '{state,attempts,next_at,ended_at,last_status,last_problem}'::text[]
        is distinct from to_jsonb(old) - '{state,attempts,next_at,ended_at,last_status,last_problem}'::text[]
  then
    raise exception 'delivery % has ended', old.id using errcode = 'SN083', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger delivery_goes_forward before update on sons.delivery
  for each row execute function sons.guard_delivery();

-- Whoever announces need not see the webhooks and the members of the recipient: this function does.
create function sons.fan_out() returns trigger
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
  where a.mailed;
  return null;
end $$;
create trigger outbox_fanned_out after insert on sons.outbox
  referencing new table as announced for each statement execute function sons.fan_out();
"""

FEEDS = """
-- The address of a feed is its secret: only a digest is kept.
create table sons.calendar_feed (
  id uuid not null,
  organisation_id uuid not null,
  secret_sha256 bytea not null,
  created_at timestamptz not null,
  created_by uuid,
  revoked_at timestamptz,
  constraint calendar_feed_pkey primary key (id),
  constraint calendar_feed_secret_unique unique (secret_sha256),
  constraint calendar_feed_secret_length check (octet_length(secret_sha256) = 32),
  constraint calendar_feed_organisation_fkey
    foreign key (organisation_id) references sons.organisation (id),
  constraint calendar_feed_person_fkey foreign key (created_by) references sons.person (id)
);
create index calendar_feed_organisation on sons.calendar_feed (organisation_id);

-- SN084
create function sons.guard_calendar_feed() returns trigger language plpgsql as $$
begin
  if old.revoked_at is not null then
    raise exception 'a revoked feed stays revoked' using errcode = 'SN084', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger calendar_feed_revoked_for_good before update on sons.calendar_feed
  for each row execute function sons.guard_calendar_feed();
"""

_OWN = "organisation_id = (select sons.current_organisation())"
_SENDER = "(select sons.current_role_name()) = 'sender'"
_ADMIN = "(select sons.current_role_name()) = 'admin'"
_NEW = "state = 'waiting' and attempts = 0"
# the sender writes to the mailboxes of the deliveries that wait
_WAITED_FOR = (
    f"{_SENDER} and exists"
    " (select from sons.delivery d where d.person_id = person.id and d.state = 'waiting')"  # nosec B608 # constants
)

# table, who sees its rows besides the organisation whose they are, whether rows are only ever added
TABLES = (
    ("outbox", f"{_SENDER} or {_ADMIN}", True),
    ("webhook_endpoint", f"{_SENDER} or {_ADMIN}", False),
    ("webhook_secret", _SENDER, False),
    ("delivery", f"{_SENDER} or {_ADMIN}", False),
    ("calendar_feed", _ADMIN, False),
)
POLICIES = (
    # whoever acts tells the others: the organisation of the row is its recipient, not its author
    ("outbox_announced", "outbox", "insert", "sons_app", "(select sons.current_role_name()) <> 'anonymous'"),
    ("webhook_endpoint_registered", "webhook_endpoint", "insert", "sons_app", _OWN),
    ("webhook_endpoint_watched", "webhook_endpoint", "update", "sons_app", f"{_OWN} or {_SENDER}"),
    ("webhook_secret_made", "webhook_secret", "insert", "sons_app", _OWN),
    ("webhook_secret_ended", "webhook_secret", "update", "sons_app", _OWN),
    ("delivery_replayed", "delivery", "insert", "sons_app", f"{_OWN} and round > 1 and {_NEW}"),
    ("delivery_sent", "delivery", "update", "sons_app", _SENDER),
    ("calendar_feed_created", "calendar_feed", "insert", "sons_app", _OWN),
    ("calendar_feed_revoked", "calendar_feed", "update", "sons_app", _OWN),
    ("person_mailed", "person", "select", "sons_app", _WAITED_FOR),
    ("membership_fanned_out", "membership", "select", "sons_case", "true"),
    ("person_fanned_out", "person", "select", "sons_case", "email is not null"),
    ("webhook_endpoint_fanned_out", "webhook_endpoint", "select", "sons_case", "disabled_at is null"),
    ("delivery_fanned_out", "delivery", "insert", "sons_case", f"round = 1 and {_NEW}"),
    ("webhook_secret_signing", "webhook_secret", "select", "sons_case", _SENDER),
    ("calendar_feed_asked", "calendar_feed", "select", "sons_case", "revoked_at is null"),
)

RIGHTS = "\n".join(
    [
        f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ({_OWN} or {seers});
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
        for table, seers, _ in TABLES
    ]
    + [
        f"""
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
"""
        for table, _, append_only in TABLES
        if not append_only
    ]
    + [
        f"create policy {name} on sons.{table} for {command} to {role}"
        f" {'with check' if command == 'insert' else 'using'} ({clause});"
        for name, table, command, role, clause in POLICIES
    ]
)

GRANTS = """
grant select, insert (id, at, event, object_kind, object_id, organisation_id, endpoint_id, mailed, facts)
  on sons.outbox to sons_app;
grant select, insert (id, organisation_id, url, events, created_at),
  update (failing_since, disabled_at, disabled_reason) on sons.webhook_endpoint to sons_app;
-- the secret can be written and never selected
grant select (id, endpoint_id, organisation_id, created_at, expires_at),
  insert (id, endpoint_id, organisation_id, secret, created_at), update (expires_at)
  on sons.webhook_secret to sons_app;
grant select,
  insert (outbox_id, organisation_id, endpoint_id, person_id, round, state, attempts, created_at, next_at),
  update (state, attempts, next_at, ended_at, last_status, last_problem) on sons.delivery to sons_app;
grant select (id, organisation_id, created_at, created_by, revoked_at),
  insert (id, organisation_id, secret_sha256, created_at, created_by), update (revoked_at)
  on sons.calendar_feed to sons_app;

grant select (person_id, organisation_id) on sons.membership to sons_case;
grant select (id, email) on sons.person to sons_case;
grant select (id, organisation_id, events, disabled_at) on sons.webhook_endpoint to sons_case;
grant insert (outbox_id, organisation_id, endpoint_id, person_id, round, state, attempts, created_at, next_at)
  on sons.delivery to sons_case;
grant select (endpoint_id, secret, created_at, expires_at) on sons.webhook_secret to sons_case;
grant select (id, organisation_id, secret_sha256, revoked_at) on sons.calendar_feed to sons_case;
"""

FUNCTIONS = """
-- The secrets that sign for an endpoint now, the newest first; to anyone but the sender, none.
create function sons.signing_secrets(of_endpoint uuid) returns setof text
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select s.secret from sons.webhook_secret s
  where s.endpoint_id = of_endpoint and (s.expires_at is null or s.expires_at > now())
  order by s.created_at desc;
end;

-- Whose feed an address is: asked before anything is known of the caller, as authenticate().
create function sons.calendar_feed_of(feed_sha256 bytea) returns table (feed_id uuid, organisation_id uuid)
language sql stable security definer set search_path = sons, pg_temp
begin atomic
  select f.id, f.organisation_id from sons.calendar_feed f
  where f.secret_sha256 = feed_sha256 and f.revoked_at is null;
end;
grant execute on function sons.signing_secrets(uuid), sons.calendar_feed_of(bytea) to sons_app;
alter function sons.fan_out() owner to sons_case;
alter function sons.signing_secrets(uuid) owner to sons_case;
alter function sons.calendar_feed_of(bytea) owner to sons_case;
"""


async def _run() -> None:
    await DB.run_script("\n".join((ENDPOINTS, OUTBOX, DELIVERIES, FEEDS, RIGHTS, GRANTS, FUNCTIONS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
