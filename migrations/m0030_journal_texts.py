"""What people typed, beside the journal: a row of it keeps a digest, the text and its salt can be erased.

The chain seals the digest. Without its salt (32 random bytes) a digest cannot be guessed back, not even of a
short text; with it, it proves that a text is the one that was sealed. What is erased is erased by an act that
the journal tells, in the same transaction.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0030"
VERSION = "1.38.0"
DESCRIPTION = "Journal: what people typed, erasable, beside the chain"

TEXTS = """
-- `field` is the path of the digest in the row's facts, with « / » between the names; `person_id` and
-- `organisation_id` are those of the row. An erased text has neither words nor salt.
create table sons.journal_text (
  journal_id bigint not null,
  field text not null,
  person_id uuid,
  organisation_id uuid,
  digest bytea not null,
  salt bytea,
  text text,
  erased_at timestamptz,
  constraint journal_text_pkey primary key (journal_id, field),
  constraint journal_text_row_fkey foreign key (journal_id) references sons.journal (id),
  constraint journal_text_salted check (octet_length(salt) = 32),
  constraint journal_text_erased_whole
    check ((salt is null) = (text is null) and (erased_at is null) = (text is not null))
);
create index journal_text_person on sons.journal_text (person_id) where person_id is not null;

-- SN310: a text comes with its row, in the same transaction, and is what the row has the digest of
create function sons.guard_journal_text() returns trigger language plpgsql as $$
begin
  perform from sons.journal j
  where j.id = new.journal_id and j.txid = pg_current_xact_id()
    and (j.person_id, j.organisation_id) is not distinct from (new.person_id, new.organisation_id)
    and j.facts #>> string_to_array(new.field || '/said', '/') = encode(new.digest, 'hex')
    and new.digest = sha256(new.salt || convert_to(new.text, 'UTF8'));
  if not found then
    raise exception 'the text % of journal row % is not what it tells', new.field, new.journal_id
      using errcode = 'SN310', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger journal_text_is_the_rows after insert on sons.journal_text
  for each row execute function sons.guard_journal_text();

-- SN311: a text is erased, once, and nothing else of it changes
create function sons.guard_journal_text_change() returns trigger language plpgsql as $$
begin
  if old.text is null or new.text is not null
     or (new.journal_id, new.field, new.person_id, new.organisation_id, new.digest)
        is distinct from (old.journal_id, old.field, old.person_id, old.organisation_id, old.digest) then
    raise exception 'a text of the journal can only be erased' using errcode = 'SN311', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger journal_text_only_erased before update on sons.journal_text
  for each row execute function sons.guard_journal_text_change();

-- SN312: what is erased is told by the journal, in the same transaction
create function sons.guard_journal_text_erasure() returns trigger language plpgsql as $$
begin
  perform from sons.journal j
  where j.object_kind = 'journal' and j.object_id = new.journal_id::text
    and j.action = 'journal.text_erased' and j.txid = pg_current_xact_id()
    and j.facts -> 'erased' ? encode(new.digest, 'hex');
  if not found then
    raise exception 'the journal does not tell that the text % of row % is erased', new.field, new.journal_id
      using errcode = 'SN312', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger journal_text_erasure_told after update on sons.journal_text
  for each row execute function sons.guard_journal_text_erasure();

create trigger journal_text_never_deleted before delete on sons.journal_text
  for each row execute function sons.refuse_change();
create trigger journal_text_never_truncated before truncate on sons.journal_text
  for each statement execute function sons.refuse_change();
"""

RIGHTS = """
alter table sons.journal_text enable row level security, force row level security;
create policy journal_text_seen on sons.journal_text for select to sons_app
  using ((select sons.sees_all()) or organisation_id = (select sons.current_organisation()));
create policy journal_text_said on sons.journal_text for insert to sons_app
  with check (organisation_id is not distinct from (select sons.current_organisation()));
create policy journal_text_erased on sons.journal_text for update to sons_app
  using ((select sons.current_role_name()) = 'admin');
grant select, insert (journal_id, field, person_id, organisation_id, digest, salt, text),
  update (salt, text, erased_at) on sons.journal_text to sons_app;
"""


async def _run() -> None:
    await DB.run_script("\n".join((TEXTS, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
