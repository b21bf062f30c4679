"""How the parties end an order, or take ESSMS out of it: cancellations with their pieces, amendments.

What a party declares or signs is kept with exactly what it was shown, its SHA-256, the person, how that
person was identified and the instant; it is never edited. A cancellation is carried out only with the pieces
that its motive requires; ESSMS leave an order only with the agreement of the other party.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0010"
VERSION = "1.38.0"
DESCRIPTION = "Endings: cancellations and their pieces, amendments and their lines"

TRANSITIONS = """
create table sons.cancellation_transition (
  before text not null,
  after text not null,
  event text not null,
  role text not null,
  constraint cancellation_transition_pkey primary key (before, after, event, role),
  constraint cancellation_transition_states_known check (
    before in ('draft', 'open', 'to_settle')
    and after in ('open', 'to_settle', 'carried_out', 'refused', 'dropped'))
);
insert into sons.cancellation_transition (before, after, event, role)
select b, e.after, e.event, r
from (values
  (array['draft'], 'open', 'asked', array['editor', 'distributor', 'og']),
  (array['open'], 'carried_out', 'completed', array['editor', 'distributor', 'og']),
  (array['open'], 'to_settle', 'held', array['editor', 'distributor', 'og']),
  (array['open', 'to_settle'], 'carried_out', 'settled', array['reviewer']),
  (array['open', 'to_settle'], 'refused', 'settled', array['reviewer']),
  (array['open'], 'refused', 'declined', array['og']),
  (array['open', 'to_settle'], 'dropped', 'dropped', array['editor', 'distributor', 'og'])
) as e (befores, after, event, roles), unnest(e.befores) as b, unnest(e.roles) as r;

create table sons.amendment_transition (
  before text not null,
  after text not null,
  event text not null,
  role text not null,
  constraint amendment_transition_pkey primary key (before, after, event, role),
  constraint amendment_transition_states_known check (
    before in ('draft', 'proposed') and after in ('proposed', 'agreed', 'refused', 'withdrawn'))
);
insert into sons.amendment_transition (before, after, event, role)
select e.before, e.after, e.event, r
from (values
  ('draft', 'proposed', 'proposed'), ('proposed', 'agreed', 'agreed'),
  ('proposed', 'refused', 'refused'), ('proposed', 'withdrawn', 'withdrawn')
) as e (before, after, event), unnest(array['editor', 'distributor', 'og']) as r;

grant select on sons.cancellation_transition, sons.amendment_transition to sons_app;
"""

CANCELLATIONS = """
-- `required`: the pieces that the law asked for the motive on that day. `document`: the attestation that the
-- OG is shown, null when none is required. `cancelled_at`: the instant that R29 judges, when the OG renounced
-- or, where it signs nothing, when the supplier declared; known once the pieces are whole.
create table sons.cancellation (
  id uuid not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  number int not null,
  state text not null,
  version int not null,
  motive text not null,
  for_acquisition boolean,
  required text[] not null,
  document text,
  document_sha256 bytea,
  asked_at timestamptz not null,
  asked_by uuid not null,
  asked_for uuid not null,
  asked_role text not null,
  answer_due_at timestamptz,
  cancelled_at timestamptz,
  verdicts jsonb,
  law_digest text,
  known_on date,
  closed_at timestamptz,
  closed_by uuid,
  closed_role text,
  reason text,
  constraint cancellation_pkey primary key (id),
  constraint cancellation_number_unique unique (order_id, number),
  constraint cancellation_number_positive check (number > 0),
  constraint cancellation_parties_unique unique (id, order_id, supplier_id, og_id),
  constraint cancellation_order_fkey foreign key (order_id, supplier_id, og_id)
    references sons.purchase_order (id, supplier_id, og_id),
  constraint cancellation_asker_fkey foreign key (asked_by, asked_for, asked_role)
    references sons.membership (person_id, organisation_id, role),
  constraint cancellation_law_fkey foreign key (law_digest) references sons.law_enactment (digest),
  constraint cancellation_closer_fkey foreign key (closed_by) references sons.person (id),
  constraint cancellation_state_known
    check (state in ('open', 'to_settle', 'carried_out', 'refused', 'dropped')),
  constraint cancellation_motive_known check (
    motive in ('supplier_error', 'agreement', 'change_of_editor', 'renunciation', 'acquisition')),
  -- the motive says it by itself (R29)
  constraint cancellation_acquisition_said check (motive <> 'acquisition' or for_acquisition is true),
  constraint cancellation_required_known
    check (cardinality(required) > 0 and required <@ array['statement', 'agreement', 'renunciation']),
  constraint cancellation_document_where_required
    check ((required && array['agreement', 'renunciation']) = (document is not null)),
  constraint cancellation_document_digest
    check (document_sha256 is not distinct from sha256(convert_to(document, 'UTF8'))),
  -- the client renounces; everything else is for the supplier to ask
  constraint cancellation_asked_by_a_party check (
    asked_for = case when asked_role = 'og' then og_id else supplier_id end
    and (asked_role in ('editor', 'distributor')
         or asked_role = 'og' and motive in ('renunciation', 'acquisition'))),
  constraint cancellation_answer_of_the_supplier
    check (answer_due_at is null or asked_role = 'og' and 'statement' = any (required)),
  constraint cancellation_answer_later check (answer_due_at > asked_at),
  constraint cancellation_judged check (
    num_nonnulls(cancelled_at, verdicts, law_digest, known_on) in (0, 4)
    and (state not in ('to_settle', 'carried_out') or cancelled_at is not null)),
  constraint cancellation_closed_whole check (num_nonnulls(closed_at, closed_by, closed_role)
    = case when state in ('open', 'to_settle') then 0 else 3 end),
  constraint cancellation_in_order check (cancelled_at >= asked_at and closed_at >= asked_at),
  constraint cancellation_reason_given check (coalesce(btrim(reason), '') <> ''
    or state <> 'refused' and closed_role is distinct from 'reviewer')
);
create unique index one_open_cancellation on sons.cancellation (order_id)
  where state in ('open', 'to_settle');
create index cancellation_queue on sons.cancellation (cancelled_at, id) where state = 'to_settle';

-- What was declared (the supplier's statement on honour) or signed (the OG's attestation de renonciation).
create table sons.cancellation_piece (
  cancellation_id uuid not null,
  kind text not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  text text not null,
  sha256 bytea not null,
  consent text not null,
  given_at timestamptz not null,
  person_id uuid not null,
  organisation_id uuid not null,
  role text not null,
  auth_level text not null,
  token_id uuid,
  signer_name text not null,
  signer_function text not null,
  constraint cancellation_piece_pkey primary key (cancellation_id, kind),
  constraint cancellation_piece_kind_known check (kind in ('statement', 'renunciation')),
  constraint cancellation_piece_cancellation_fkey foreign key (cancellation_id, order_id, supplier_id, og_id)
    references sons.cancellation (id, order_id, supplier_id, og_id),
  constraint cancellation_piece_signer_fkey foreign key (person_id, organisation_id, role)
    references sons.membership (person_id, organisation_id, role),
  constraint cancellation_piece_of_its_party
    check (organisation_id = case kind when 'statement' then supplier_id else og_id end),
  constraint cancellation_piece_digest check (sha256 = sha256(convert_to(text, 'UTF8'))),
  constraint cancellation_piece_texts_given check (btrim(text) <> '' and btrim(consent) <> ''
    and btrim(auth_level) <> '' and btrim(signer_name) <> '' and btrim(signer_function) <> '')
);

-- SN101: a state off its table; only its end moves; carried out with its pieces, the order being cancelled
create function sons.guard_cancellation() returns trigger language plpgsql as $$
declare
  was text := case tg_op when 'INSERT' then 'draft' else old.state end;
  moving text[] :=
    '{state,version,cancelled_at,verdicts,law_digest,known_on,closed_at,closed_by,closed_role,reason}';
  given text[];
begin
  if tg_op = 'UPDATE' then
    if to_jsonb(new) - moving is distinct from to_jsonb(old) - moving
       or old.cancelled_at is not null and (new.cancelled_at, new.verdicts, new.law_digest, new.known_on)
          is distinct from (old.cancelled_at, old.verdicts, old.law_digest, old.known_on)
       or new.state = old.state then
      raise exception 'a cancellation is what was asked' using errcode = 'SN101', constraint = tg_name;
    end if;
    new.version := old.version + 1;
  else
    new.version := 1;
  end if;
  if not exists (
    select from sons.cancellation_transition t
    where t.before = was and t.after = new.state and t.role = sons.current_role_name()) then
    raise exception 'a cancellation does not go from % to %', was, new.state
      using errcode = 'SN101', constraint = tg_name;
  end if;
  if new.closed_role is distinct from sons.current_role_name() and new.closed_role is not null then
    raise exception 'who closes a cancellation says so' using errcode = 'SN101', constraint = tg_name;
  end if;
  -- only who asked drops, only the other party declines
  if new.state in ('dropped', 'refused') and new.closed_role <> 'reviewer'
     and (new.state = 'dropped') <> (new.asked_for = sons.current_organisation()) then
    raise exception 'this party does not close this cancellation'
      using errcode = 'SN101', constraint = tg_name;
  end if;
  -- in the supplier's silence, and only then, a reviewer closes what is still open
  if was = 'open' and new.state in ('carried_out', 'refused') and new.closed_role = 'reviewer'
     and (new.answer_due_at is null or new.closed_at <= new.answer_due_at) then
    raise exception 'the supplier may still answer' using errcode = 'SN101', constraint = tg_name;
  end if;
  if new.state in ('to_settle', 'carried_out') then
    given := array(select p.kind from sons.cancellation_piece p where p.cancellation_id = new.id);
    if new.document is not null and not 'renunciation' = any (given)
       or 'statement' = any (new.required) and not 'statement' = any (given)
          and new.closed_role is distinct from 'reviewer' then
      raise exception 'a piece is missing' using errcode = 'SN101', constraint = tg_name;
    end if;
  end if;
  if new.state = 'carried_out' and not exists (
    select from sons.purchase_order o where o.id = new.order_id and o.state = 'cancelled') then
    raise exception 'the order is not cancelled' using errcode = 'SN101', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger cancellation_along_the_table before insert or update on sons.cancellation
  for each row execute function sons.guard_cancellation();

-- SN102: a piece comes to a cancellation that is open, and the OG signs what it was shown
create function sons.guard_cancellation_piece() returns trigger language plpgsql as $$
begin
  if not exists (
    select from sons.cancellation c where c.id = new.cancellation_id and c.state = 'open'
      and (new.kind <> 'renunciation' or new.sha256 = c.document_sha256)) then
    raise exception 'this piece is not the one that is waited for'
      using errcode = 'SN102', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger cancellation_piece_waited_for before insert on sons.cancellation_piece
  for each row execute function sons.guard_cancellation_piece();
create trigger cancellation_piece_append_only before update on sons.cancellation_piece
  for each row execute function sons.refuse_change();
"""

AMENDMENTS = """
-- C10: some ESSMS leave the perimeter, by the agreement of two parties and of two persons.
create table sons.amendment (
  id uuid not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  number int not null,
  state text not null,
  version int not null,
  removed int not null,
  document text not null,
  document_sha256 bytea not null,
  proposed_at timestamptz not null,
  proposed_by uuid not null,
  proposed_for uuid not null,
  proposed_role text not null,
  proposed_auth_level text not null,
  proposed_token_id uuid,
  proposer_name text not null,
  proposer_function text not null,
  closed_at timestamptz,
  closed_by uuid,
  closed_for uuid,
  closed_role text,
  closed_auth_level text,
  closed_token_id uuid,
  signed_sha256 bytea,
  signer_name text,
  signer_function text,
  consent text,
  refusal text,
  constraint amendment_pkey primary key (id),
  constraint amendment_number_unique unique (order_id, number),
  constraint amendment_parties_unique unique (id, order_id, supplier_id, og_id),
  constraint amendment_order_fkey foreign key (order_id, supplier_id, og_id)
    references sons.purchase_order (id, supplier_id, og_id),
  constraint amendment_proposer_fkey foreign key (proposed_by, proposed_for, proposed_role)
    references sons.membership (person_id, organisation_id, role),
  constraint amendment_closer_fkey foreign key (closed_by, closed_for, closed_role)
    references sons.membership (person_id, organisation_id, role),
  constraint amendment_state_known check (state in ('proposed', 'agreed', 'refused', 'withdrawn')),
  constraint amendment_number_positive check (number > 0),
  constraint amendment_removes_something check (removed > 0),
  constraint amendment_texts_given check (btrim(document) <> '' and btrim(proposed_auth_level) <> ''
    and btrim(proposer_name) <> '' and btrim(proposer_function) <> ''),
  constraint amendment_document_digest check (document_sha256 = sha256(convert_to(document, 'UTF8'))),
  constraint amendment_proposed_by_a_party check (proposed_for in (supplier_id, og_id)),
  constraint amendment_closed_whole check (
    num_nonnulls(closed_at, closed_by, closed_for, closed_role, closed_auth_level)
      = case state when 'proposed' then 0 else 5 end),
  constraint amendment_in_order check (closed_at >= proposed_at),
  -- the other party answers, through another person; only the one that proposed withdraws
  constraint amendment_other_party_answers check (
    closed_for in (supplier_id, og_id) and (closed_for = proposed_for) = (state = 'withdrawn')),
  constraint amendment_other_person_answers
    check (state not in ('agreed', 'refused') or closed_by <> proposed_by),
  constraint amendment_agreement_signed check (
    num_nonnulls(signed_sha256, signer_name, signer_function, consent)
      = case state when 'agreed' then 4 else 0 end
    and btrim(signer_name) <> '' and btrim(signer_function) <> '' and btrim(consent) <> ''),
  constraint amendment_signed_as_shown check (signed_sha256 = document_sha256),
  constraint amendment_refusal_says_why
    check ((state = 'refused') = (coalesce(btrim(refusal), '') <> ''))
);
create unique index one_open_amendment on sons.amendment (order_id) where state = 'proposed';

create table sons.amendment_line (
  amendment_id uuid not null,
  finess_geographique text not null,
  order_id uuid not null,
  supplier_id uuid not null,
  og_id uuid not null,
  constraint amendment_line_pkey primary key (amendment_id, finess_geographique),
  constraint amendment_line_amendment_fkey foreign key (amendment_id, order_id, supplier_id, og_id)
    references sons.amendment (id, order_id, supplier_id, og_id),
  constraint amendment_line_line_fkey foreign key (order_id, finess_geographique, supplier_id, og_id)
    references sons.order_line (order_id, finess_geographique, supplier_id, og_id)
);
create index amendment_line_finess on sons.amendment_line (order_id, finess_geographique);
create trigger amendment_line_append_only before update on sons.amendment_line
  for each row execute function sons.refuse_change();

-- SN103: a state off its table; only the answer moves, once
create function sons.guard_amendment() returns trigger language plpgsql as $$
declare
  was text := case tg_op when 'INSERT' then 'draft' else old.state end;
  moving text[] := '{state,version,closed_at,closed_by,closed_for,closed_role,closed_auth_level,'
    'closed_token_id,signed_sha256,signer_name,signer_function,consent,refusal}';
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
create trigger amendment_along_the_table before insert or update on sons.amendment
  for each row execute function sons.guard_amendment();

-- SN104, at the commit: it removes the ESSMS that it says, no more afterwards; agreed, they are free and
-- something is left: an order without ESSMS is cancelled, not amended.
create function sons.guard_amendment_whole() returns trigger language plpgsql as $$
declare
  of_id uuid := case tg_table_name when 'amendment' then to_jsonb(new) ->> 'id'
                else to_jsonb(new) ->> 'amendment_id' end;
begin
  if exists (
    select from sons.amendment a where a.id = of_id and (
      a.removed <> (select count(*) from sons.amendment_line l where l.amendment_id = a.id)
      or a.state = 'agreed' and (
        exists (
          select from sons.amendment_line l where l.amendment_id = a.id and not exists (
            select from sons.claim c where c.order_id = l.order_id
              and c.finess_geographique = l.finess_geographique
              and c.release_reason = 'removed_from_perimeter'))
        or not exists (
          select from sons.claim c where c.order_id = a.order_id and c.released_at is null)))) then
    raise exception 'an amendment does not do what it says' using errcode = 'SN104', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger amendment_is_whole after insert or update of state on sons.amendment
  deferrable initially deferred for each row execute function sons.guard_amendment_whole();
create constraint trigger amendment_line_of_its_amendment after insert on sons.amendment_line
  deferrable initially deferred for each row execute function sons.guard_amendment_whole();
"""

_PARTIES = """(select sons.sees_all()) or supplier_id = (select sons.current_organisation())
  or og_id = (select sons.current_organisation())"""
_SUPPLIER = """supplier_id = (select sons.current_organisation())
  and (select sons.current_role_name()) in ('editor', 'distributor')"""
_OG = "og_id = (select sons.current_organisation()) and (select sons.current_role_name()) = 'og'"
_EITHER = f"{_SUPPLIER} or {_OG}"


def _own(column: str, role: str) -> str:
    """What is signed for an organisation is written by it, in that role."""
    return f"""{column} = (select sons.current_organisation())
  and {role} = (select sons.current_role_name()) and ({_EITHER})"""


RIGHTS = (
    "\n".join(
        f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ({_PARTIES});
create policy {table}_filed on sons.{table} for insert to sons_app with check ({who});
grant select on sons.{table} to sons_app;
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
        for table, who in (
            ("cancellation", _own("asked_for", "asked_role")),
            ("cancellation_piece", _own("organisation_id", "role")),
            ("amendment", _own("proposed_for", "proposed_role")),
            ("amendment_line", _EITHER),
        )
    )
    + f"""
create policy cancellation_moved on sons.cancellation for update to sons_app
  using ({_EITHER} or (select sons.current_role_name()) = 'reviewer');
create policy amendment_answered on sons.amendment for update to sons_app using ({_EITHER});
grant insert (id, order_id, supplier_id, og_id, number, state, version, motive, for_acquisition, required,
  document, document_sha256, asked_at, asked_by, asked_for, asked_role, answer_due_at),
  update (state, cancelled_at, verdicts, law_digest, known_on, closed_at, closed_by, closed_role, reason)
  on sons.cancellation to sons_app;
grant insert on sons.cancellation_piece, sons.amendment_line to sons_app;
grant insert (id, order_id, supplier_id, og_id, number, state, version, removed, document, document_sha256,
  proposed_at, proposed_by, proposed_for, proposed_role, proposed_auth_level, proposed_token_id,
  proposer_name, proposer_function),
  update (state, closed_at, closed_by, closed_for, closed_role, closed_auth_level, closed_token_id,
  signed_sha256, signer_name, signer_function, consent, refusal)
  on sons.amendment to sons_app;

-- an OG that asks for a cancellation opens a delay for the supplier to answer
create policy deadline_asked on sons.deadline for insert to sons_app with check (
  og_id = (select sons.current_organisation()) and (select sons.current_role_name()) = 'og'
  and kind = 'answer');
"""
)


async def _run() -> None:
    await DB.run_script("\n".join((TRANSITIONS, CANCELLATIONS, AMENDMENTS, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
