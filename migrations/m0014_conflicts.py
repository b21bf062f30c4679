"""Conflicts: what a detection found, who is asked, what is decided; each case with its own history.

A case is one pair of acts under one family, for ever: found again it gains a finding, it is not doubled. What
may be shown to whom starts here: a supplier sees that it is in conflict, never with whom.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0014"
VERSION = "1.38.0"
DESCRIPTION = "Conflicts: cases, sides, findings, questions, decisions"

LIFECYCLE = """
-- The mirror of rules/lifecycle.py; a test holds the two together.
create table sons.conflict_transition (
  before text not null,
  after text not null,
  event text not null,
  role text not null,
  constraint conflict_transition_pkey primary key (before, after, event, role),
  constraint conflict_transition_states_known check (
    before in ('draft', 'open', 'precisions_asked', 'og_choice', 'decided', 'executed', 'closed')
    and after in ('open', 'precisions_asked', 'og_choice', 'decided', 'executed', 'closed'))
);
insert into sons.conflict_transition (before, after, event, role)
select b, e.after, e.event, r
from (values
  (array['draft'], 'open', 'found', array['reviewer', 'admin', 'scheduler']),
  (array['draft'], 'open', 'contested', array['editor', 'distributor', 'og']),
  (array['open'], 'precisions_asked', 'precisions_asked', array['reviewer']),
  (array['open', 'precisions_asked'], 'og_choice', 'choice_asked', array['reviewer']),
  (array['open', 'precisions_asked', 'og_choice'], 'decided', 'decided', array['reviewer']),
  (array['decided'], 'open', 'reconsidered', array['reviewer']),
  (array['decided'], 'executed', 'executed', array['reviewer']),
  (array['executed'], 'closed', 'closed', array['reviewer']),
  (array['closed'], 'open', 'reopened', array['reviewer']),
  (array['closed'], 'open', 'found_again', array['reviewer', 'admin', 'scheduler'])
) as e (befores, after, event, roles), unnest(e.befores) as b, unnest(e.roles) as r;
grant select on sons.conflict_transition to sons_app;
"""

CASES = """
create sequence sons.conflict_number as bigint;
grant usage on sequence sons.conflict_number to sons_app, sons_case;

create table sons.conflict (
  id uuid not null,
  number text not null,
  vague text not null,
  family text not null,
  pair_key text not null,
  state text not null,
  version int not null,
  og_id uuid,
  og_finess_juridique text,
  suppliers uuid[] not null,
  ogs uuid[] not null,
  at_stake_ttc_cents bigint not null,
  opened_at timestamptz not null,
  opened_for text not null,
  assigned_to uuid,
  last_found_at timestamptz not null,
  ceased_at timestamptz,
  constraint conflict_pkey primary key (id),
  constraint conflict_number_unique unique (number),
  constraint conflict_number_form check (number ~ '^CF-[0-9]{4}-[0-9]{6,}$'),
  constraint conflict_once_per_pair unique (family, pair_key),
  constraint conflict_family_known check (family in ('two_orders', 'already_financed', 'order_grant',
    'two_grants', 'cancelled_then_acquisition', 'two_numbers', 'perimeter_differs')),
  constraint conflict_state_known
    check (state in ('open', 'precisions_asked', 'og_choice', 'decided', 'executed', 'closed')),
  constraint conflict_opened_for_known
    check (opened_for in ('audit', 'contest', 'deposit', 'import', 'law', 'reopening')),
  constraint conflict_at_stake_positive check (at_stake_ttc_cents >= 0),
  constraint conflict_found_in_order check (last_found_at >= opened_at and ceased_at >= opened_at),
  constraint conflict_og_fkey foreign key (og_id) references sons.organisation (id),
  constraint conflict_assigned_to_fkey foreign key (assigned_to) references sons.person (id)
);
create index conflict_queue on sons.conflict (opened_at, id) where state <> 'closed';
create index conflict_og on sons.conflict (og_id, opened_at desc, id desc);
create index conflict_suppliers on sons.conflict using gin (suppliers);
create index conflict_ogs on sons.conflict using gin (ogs);
create index conflict_state on sons.conflict (state, opened_at, id);

-- SN140: a case moves along its table; who and what it is about never moves
create function sons.guard_conflict() returns trigger language plpgsql as $$
declare
  was text := case tg_op when 'INSERT' then 'draft' else old.state end;
  moving text[] := '{state,version,at_stake_ttc_cents,assigned_to,last_found_at,ceased_at}';
begin
  if tg_op = 'UPDATE' then
    if to_jsonb(new) - moving is distinct from to_jsonb(old) - moving then
      raise exception 'a case is what was found' using errcode = 'SN140', constraint = tg_name;
    end if;
    new.version := old.version + 1;
  else
    new.version := 1;
  end if;
  if new.state is distinct from was and not exists (
    select from sons.conflict_transition t
    where t.before = was and t.after = new.state and t.role = sons.current_role_name()) then
    raise exception 'a case does not go from % to %', was, new.state
      using errcode = 'SN140', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger conflict_along_the_table before insert or update on sons.conflict
  for each row execute function sons.guard_conflict();

-- Side 1 is what is in place, or the earlier act; side 2 the other. A grant has no party here.
create table sons.conflict_side (
  conflict_id uuid not null,
  side smallint not null,
  kind text not null,
  order_id uuid,
  grant_reference text,
  supplier_id uuid,
  og_id uuid,
  constraint conflict_side_pkey primary key (conflict_id, side),
  constraint conflict_side_conflict_fkey foreign key (conflict_id) references sons.conflict (id),
  constraint conflict_side_numbered check (side in (1, 2)),
  constraint conflict_side_kind_known check (kind in ('order', 'grant')),
  constraint conflict_side_is_one check ((kind = 'order') = (order_id is not null)
    and (kind = 'grant') = (grant_reference is not null)
    and num_nulls(order_id, supplier_id, og_id) in (0, 3)),
  constraint conflict_side_order_fkey foreign key (order_id, supplier_id, og_id)
    references sons.purchase_order (id, supplier_id, og_id)
);
create index conflict_side_order on sons.conflict_side (order_id);
create index conflict_side_grant on sons.conflict_side (grant_reference);

-- `counterpart`: the other number of the same establishment, where there are two.
create table sons.conflict_essms (
  conflict_id uuid not null,
  finess_geographique text not null,
  counterpart text,
  constraint conflict_essms_pkey primary key (conflict_id, finess_geographique),
  constraint conflict_essms_conflict_fkey foreign key (conflict_id) references sons.conflict (id),
  constraint conflict_essms_form check (finess_geographique ~ '^([0-9]{2}|2[AB])[0-9]{7}$'),
  constraint conflict_essms_counterpart_form check (counterpart ~ '^([0-9]{2}|2[AB])[0-9]{7}$'
    and counterpart <> finess_geographique)
);
create index conflict_essms_finess on sons.conflict_essms (finess_geographique);
create index conflict_essms_counterpart on sons.conflict_essms (counterpart) where counterpart is not null;

-- What a detection saw, under which law: the same is written once.
create table sons.conflict_finding (
  id bigint generated always as identity,
  conflict_id uuid not null,
  found_at timestamptz not null,
  rule text not null,
  outcome text not null,
  message text not null,
  source text not null,
  remedy text,
  readings text[] not null,
  a_confirmer boolean not null,
  facts jsonb not null,
  law_digest text not null,
  known_on date not null,
  digest bytea not null,
  constraint conflict_finding_pkey primary key (id),
  constraint conflict_finding_once unique (conflict_id, digest),
  constraint conflict_finding_conflict_fkey foreign key (conflict_id) references sons.conflict (id),
  constraint conflict_finding_law_fkey foreign key (law_digest) references sons.law_enactment (digest),
  constraint conflict_finding_outcome_known check (outcome in ('fail', 'review', 'unknown')),
  constraint conflict_finding_said check (btrim(message) <> '' and btrim(source) <> ''),
  constraint conflict_finding_facts_object check (jsonb_typeof(facts) = 'object'),
  constraint conflict_finding_digest_length check (octet_length(digest) = 32)
);
-- What happened to the case, in its order.
create table sons.conflict_event (
  id bigint generated always as identity,
  conflict_id uuid not null,
  at timestamptz not null,
  event text not null,
  before text,
  after text,
  person_id uuid,
  organisation_id uuid,
  role text not null,
  facts jsonb not null,
  constraint conflict_event_pkey primary key (id),
  constraint conflict_event_conflict_fkey foreign key (conflict_id) references sons.conflict (id),
  constraint conflict_event_person_fkey foreign key (person_id) references sons.person (id),
  constraint conflict_event_organisation_fkey
    foreign key (organisation_id) references sons.organisation (id),
  constraint conflict_event_named check (btrim(event) <> ''),
  constraint conflict_event_facts_object check (jsonb_typeof(facts) = 'object')
);
create index conflict_event_conflict on sons.conflict_event (conflict_id, id);
"""

QUESTIONS = """
-- precisions: to the supplier of a side; choice: to the OG; opinion: to an ARS; correction: what an answer
-- lacks, and until it is answered nothing is decided and the clock stands still.
create table sons.conflict_question (
  id uuid not null,
  conflict_id uuid not null,
  kind text not null,
  organisation_id uuid not null,
  side smallint,
  of_question uuid,
  lacking text,
  text text not null,
  asked_at timestamptz not null,
  asked_by uuid,
  answer_due_at timestamptz,
  delay_source text,
  answered_at timestamptz,
  answered_by uuid,
  position text,
  chosen_side smallint,
  answer text,
  withdrawn_at timestamptz,
  constraint conflict_question_pkey primary key (id),
  constraint conflict_question_conflict_fkey foreign key (conflict_id) references sons.conflict (id),
  constraint conflict_question_side_fkey foreign key (conflict_id, side)
    references sons.conflict_side (conflict_id, side),
  constraint conflict_question_chosen_side_fkey foreign key (conflict_id, chosen_side)
    references sons.conflict_side (conflict_id, side),
  constraint conflict_question_organisation_fkey
    foreign key (organisation_id) references sons.organisation (id),
  constraint conflict_question_of_case_unique unique (conflict_id, id),
  constraint conflict_question_of_question_fkey foreign key (conflict_id, of_question)
    references sons.conflict_question (conflict_id, id),
  constraint conflict_question_asked_by_fkey foreign key (asked_by) references sons.person (id),
  constraint conflict_question_answered_by_fkey foreign key (answered_by) references sons.person (id),
  constraint conflict_question_kind_known check (kind in ('precisions', 'choice', 'correction', 'opinion')),
  constraint conflict_question_lacking_known check (lacking in ('incomplete', 'incorrect')),
  constraint conflict_question_correction_whole
    check (num_nulls(lacking, of_question) = case kind when 'correction' then 0 else 2 end),
  constraint conflict_question_said check (btrim(text) <> ''),
  -- a delay says which text gives it
  constraint conflict_question_delay_sourced
    check ((answer_due_at is null) = (delay_source is null) and btrim(delay_source) <> ''),
  constraint conflict_question_position_known
    check (position in ('maintained', 'perimeter_error', 'withdrawn', 'favourable', 'unfavourable')),
  constraint conflict_question_answer_whole
    check (num_nulls(answered_at, answer) in (0, 2) and (answered_at is not null or
      num_nonnulls(answered_by, position, chosen_side) = 0) and (answer is null or btrim(answer) <> '')),
  constraint conflict_question_choice_made
    check (kind <> 'choice' or answered_at is null or chosen_side is not null),
  constraint conflict_question_in_order check (answered_at >= asked_at and withdrawn_at >= asked_at),
  constraint conflict_question_answered_or_withdrawn check (answered_at is null or withdrawn_at is null)
);
create unique index one_open_question on sons.conflict_question (conflict_id, kind, organisation_id,
  coalesce(side, 0::smallint)) where answered_at is null and withdrawn_at is null;
create index conflict_question_conflict on sons.conflict_question (conflict_id, asked_at);
create index conflict_question_organisation on sons.conflict_question (organisation_id, asked_at);

-- SN141: what was asked stays; an answer is given once, by whom was asked
create function sons.guard_conflict_question() returns trigger language plpgsql as $$
declare moving text[] := '{answered_at,answered_by,position,chosen_side,answer,withdrawn_at}';
begin
  if old.answered_at is not null or old.withdrawn_at is not null
     or to_jsonb(new) - moving is distinct from to_jsonb(old) - moving
     or new.answered_at is not null
        and new.organisation_id is distinct from (select sons.current_organisation())
     or new.withdrawn_at is not null and sons.current_role_name() <> 'reviewer' then
    raise exception 'a question is answered once, by whom was asked'
      using errcode = 'SN141', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger conflict_question_answered_once before update on sons.conflict_question
  for each row execute function sons.guard_conflict_question();
"""

DECISIONS = """
-- `refused`: the sides that lose; `notice`: what the parties are told, which names nobody.
create table sons.conflict_decision (
  id uuid not null,
  conflict_id uuid not null,
  outcome text not null,
  refused smallint[] not null,
  template text not null,
  motivation text not null,
  notice text not null,
  sources text not null,
  case_version int not null,
  at_stake_ttc_cents bigint not null,
  four_eyes boolean not null,
  law_digest text not null,
  proposed_at timestamptz not null,
  proposed_by uuid,
  approved_at timestamptz,
  approved_by uuid,
  dropped_at timestamptz,
  dropped_by uuid,
  drop_reason text,
  constraint conflict_decision_pkey primary key (id),
  constraint conflict_decision_conflict_fkey foreign key (conflict_id) references sons.conflict (id),
  constraint conflict_decision_law_fkey foreign key (law_digest) references sons.law_enactment (digest),
  constraint conflict_decision_proposed_by_fkey foreign key (proposed_by) references sons.person (id),
  constraint conflict_decision_approved_by_fkey foreign key (approved_by) references sons.person (id),
  constraint conflict_decision_dropped_by_fkey foreign key (dropped_by) references sons.person (id),
  constraint conflict_decision_outcome_known
    check (outcome in ('maintained', 'one_refused', 'both_refused', 'dismissed')),
  constraint conflict_decision_refused_fits check (case outcome
    when 'one_refused' then refused in ('{1}', '{2}') when 'both_refused' then refused = '{1,2}'
    else refused = '{}' end),
  constraint conflict_decision_motivated
    check (btrim(motivation) <> '' and btrim(notice) <> '' and btrim(sources) <> ''),
  constraint conflict_decision_four_eyes
    check (not four_eyes or approved_at is null
      or approved_by is not null and approved_by is distinct from proposed_by),
  constraint conflict_decision_approved_whole check (approved_by is null or approved_at is not null),
  constraint conflict_decision_dropped_whole
    check (num_nulls(dropped_at, drop_reason) in (0, 2)),
  constraint conflict_decision_drop_reason_given check (btrim(drop_reason) <> ''),
  constraint conflict_decision_in_order check (approved_at >= proposed_at and dropped_at >= proposed_at)
);
create unique index one_standing_decision on sons.conflict_decision (conflict_id) where dropped_at is null;

-- SN142: a decision is proposed, approved once, dropped once; its words stay
create function sons.guard_conflict_decision() returns trigger language plpgsql as $$
declare moving text[] := '{approved_at,approved_by,dropped_at,dropped_by,drop_reason}';
begin
  if to_jsonb(new) - moving is distinct from to_jsonb(old) - moving or old.dropped_at is not null
     or old.approved_at is not null and (new.approved_at, new.approved_by)
        is distinct from (old.approved_at, old.approved_by) then
    raise exception 'a decision keeps its words' using errcode = 'SN142', constraint = tg_name;
  end if;
  return new;
end $$;
create trigger conflict_decision_kept before update on sons.conflict_decision
  for each row execute function sons.guard_conflict_decision();

-- SN144: what was decided stands on its decision; without it the case is open again
create function sons.guard_conflict_decided() returns trigger language plpgsql as $$
begin
  if exists (select from sons.conflict c where c.id = new.conflict_id
             and c.state in ('decided', 'executed', 'closed')) then
    raise exception 'a case that is decided keeps its decision' using errcode = 'SN144', constraint = tg_name;
  end if;
  return null;
end $$;
create constraint trigger conflict_stands_on_its_decision after update on sons.conflict_decision
  deferrable initially deferred for each row when (new.dropped_at is not null)
  execute function sons.guard_conflict_decided();

-- SN143: a case is decided by an approved decision, and not while a correction is open; executed, no refused
-- order holds what the case is about
create function sons.guard_conflict_facts() returns trigger language plpgsql as $$
declare right_ boolean := true;
begin
  if new.state = 'decided' then
    right_ := exists (select from sons.conflict_decision d where d.conflict_id = new.id
                      and d.approved_at is not null and d.dropped_at is null)
      and not exists (select from sons.conflict_question q where q.conflict_id = new.id
                      and q.kind = 'correction' and q.answered_at is null and q.withdrawn_at is null);
  elsif new.state = 'executed' then
    right_ := not exists (
      select from sons.conflict_decision d
      join sons.conflict_side s on s.conflict_id = d.conflict_id and s.side = any (d.refused)
      join sons.claim c on c.order_id = s.order_id and c.released_at is null
      join sons.conflict_essms e on e.conflict_id = d.conflict_id
        and c.finess_geographique in (e.finess_geographique, e.counterpart)
      where d.conflict_id = new.id and d.dropped_at is null);
  elsif new.state = 'open' then
    right_ := not exists (select from sons.conflict_decision d
                          where d.conflict_id = new.id and d.dropped_at is null);
  end if;
  if right_ is not true then
    raise exception 'case % does not become % on these facts', new.number, new.state
      using errcode = 'SN143', constraint = tg_name;
  end if;
  return null;
end $$;
create trigger conflict_moves_on_facts after update of state on sons.conflict
  for each row when (new.state is distinct from old.state) execute function sons.guard_conflict_facts();
"""

_AGENCY = "(select sons.sees_all())"
_FINDERS = "(select sons.current_role_name()) in ('reviewer', 'admin', 'scheduler')"
_REVIEWER = "(select sons.current_role_name()) = 'reviewer'"
_ORG = "(select sons.current_organisation())"
_OF_OG = f"exists (select from sons.conflict c where c.id = conflict_id and c.og_id = {_ORG})"  # nosec B608 # constants
_SEEN = {
    # one OG reads the whole case; of two, each reads its own side, as a supplier does
    "conflict": f"""{_AGENCY} or og_id = {_ORG} or {_ORG} = any (suppliers) or {_ORG} = any (ogs)
  or exists (select from sons.conflict_question q
             where q.conflict_id = conflict.id and q.organisation_id = {_ORG})""",  # nosec B608 # constants
    "conflict_side": f"{_AGENCY} or {_OF_OG} or supplier_id = {_ORG} or og_id = {_ORG}",
    "conflict_essms": "exists (select from sons.conflict c where c.id = conflict_id)",
    "conflict_finding": f"{_AGENCY} or {_OF_OG}",
    "conflict_event": f"{_AGENCY} or {_OF_OG} or organisation_id = {_ORG}",
    "conflict_question": f"{_AGENCY} or organisation_id = {_ORG}",
    # the parties, once it is approved: an ARS that gives its opinion is told nothing
    "conflict_decision": f"""{_AGENCY} or approved_at is not null and ({_OF_OG}
  or exists (select from sons.conflict_side s where s.conflict_id = conflict_decision.conflict_id
             and {_ORG} in (s.supplier_id, s.og_id)))""",  # nosec B608 # constants of this module
}
_WRITTEN = {
    **dict.fromkeys(("conflict", "conflict_side", "conflict_essms", "conflict_finding"), _FINDERS),
    # a party writes into the history of a case that it sees, in its own name
    "conflict_event": f"{_FINDERS} or organisation_id = {_ORG}"
    " and exists (select from sons.conflict c where c.id = conflict_id)",  # nosec B608 # constants
    # who asks does not answer, who proposes does not approve in the same breath
    "conflict_question": f"{_REVIEWER} and answered_at is null and withdrawn_at is null",
    "conflict_decision": f"{_REVIEWER} and approved_at is null and dropped_at is null",
}
_APPEND_ONLY = ("conflict_side", "conflict_finding", "conflict_event")

RIGHTS = "\n".join(
    [
        f"""
alter table sons.{table} enable row level security, force row level security;
create policy {table}_seen on sons.{table} for select to sons_app using ({seen});
create policy {table}_written on sons.{table} for insert to sons_app with check ({_WRITTEN[table]});
grant select, insert on sons.{table} to sons_app;
create trigger {table}_never_deleted before delete on sons.{table}
  for each row execute function sons.refuse_change();
create trigger {table}_never_truncated before truncate on sons.{table}
  for each statement execute function sons.refuse_change();
"""
        for table, seen in _SEEN.items()
    ]
    + [
        f"""create trigger {table}_append_only before update on sons.{table}
  for each row execute function sons.refuse_change();
"""
        for table in (*_APPEND_ONLY, "conflict_essms")
    ]
    + [
        f"""
create policy conflict_moved on sons.conflict for update to sons_app using ({_FINDERS});
grant update (state, at_stake_ttc_cents, assigned_to, last_found_at, ceased_at)
  on sons.conflict to sons_app;
create policy conflict_question_answered on sons.conflict_question for update to sons_app
  using ({_REVIEWER} or organisation_id = {_ORG});
grant update (answered_at, answered_by, position, chosen_side, answer, withdrawn_at)
  on sons.conflict_question to sons_app;
create policy conflict_decision_moved on sons.conflict_decision for update to sons_app using ({_REVIEWER});
grant update (approved_at, approved_by, dropped_at, dropped_by, drop_reason)
  on sons.conflict_decision to sons_app;
"""
    ]
)


async def _run() -> None:
    await DB.run_script("\n".join((LIFECYCLE, CASES, QUESTIONS, DECISIONS, RIGHTS)))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
