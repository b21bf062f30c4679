"""The attacks on conflicts: their cases, sides, findings, histories, questions and decisions.

The cases of the world, each with a holder, an order that was refused its ESSMS, and their OG: `fresh` (just
contested), `asked` (precisions asked of both, an opinion of an ARS), `heard` (both answered), `corrected` (a
correction is asked), `choice` (the client is to choose), `proposed` (a decision waits for its second person),
`decided` (against the holder), `lost` (against the refused), `closed`. `alone` has one side.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = (
    "conflict_transition", "conflict", "conflict_side", "conflict_essms", "conflict_finding",
    "conflict_event", "conflict_question", "conflict_decision",
)  # fmt: skip
NOT_ATTACKED = {
    "conflict_question_of_case_unique": "weaker than the primary key: what a foreign key points at",
}
OPENINGS = {
    "purchase_order_contested", "order_line_contested", "conflict_recalled", "conflict_side_contested",
    "conflict_essms_contested", "conflict_finding_contested",
}  # fmt: skip
"""Policies of sons_case without a condition: they refuse nothing, open_contest() works through them alone. A
test takes each away."""

NOBODY, NEW = str(UUID(int=31)), str(UUID(int=32))
BEFORE, LATER = "2000-01-01T00:00:00Z", "2023-04-06T10:00:00Z"
FREE = "980000028"
ALONG, ON_FACTS = "conflict_along_the_table", "conflict_moves_on_facts"
ONCE, KEPT, STANDS = (
    "conflict_question_answered_once",
    "conflict_decision_kept",
    "conflict_stands_on_its_decision",
)
ONE_OPEN, ONE_STANDING = "one_open_question", "one_standing_decision"


def _do(
    guard: str,
    sqlstate: str | None,
    by: str | None,
    *statements: str,
    lifted: tuple[str, ...] = (),
    note: str = "",
) -> Attack:
    return Attack(guard, sqlstate, by, statements=statements, lifted=lifted, note=note)


def _case(
    guard: str,
    sqlstate: str = CHECK,
    *lifted: str,
    by: str | None = "reviewer",
    note: str = "",
    **changes: Any,
) -> Attack:
    """Another case, of another pair."""
    new = {"id": NEW, "number": "CF-2099-000001", "pair_key": "order:spare", **changes}
    return Attack(guard, sqlstate, by, "conflict fresh", new, lifted=lifted, note=note)


def _side(
    guard: str, sqlstate: str = CHECK, *, by: str = "reviewer", note: str = "", **changes: Any
) -> Attack:
    """The second side of the case that has one."""
    return Attack(guard, sqlstate, by, "conflict_side spare", changes, note=note)


def _essms(
    guard: str, sqlstate: str = CHECK, *, by: str = "reviewer", note: str = "", **changes: Any
) -> Attack:
    new = {"finess_geographique": FREE, **changes}
    return Attack(guard, sqlstate, by, "conflict_essms fresh", new, note=note)


def _finding(
    guard: str, sqlstate: str = CHECK, *, by: str = "reviewer", note: str = "", **changes: Any
) -> Attack:
    new = {"id": 10**12, "digest": "\\x" + "0f" * 32, **changes}
    return Attack(guard, sqlstate, by, "conflict_finding fresh", new, note=note)


def _event(
    guard: str, sqlstate: str = CHECK, *, by: str = "reviewer", note: str = "", **changes: Any
) -> Attack:
    return Attack(guard, sqlstate, by, "conflict_event fresh", {"id": 10**12, **changes}, note=note)


def _asks(
    guard: str,
    sqlstate: str = CHECK,
    *lifted: str,
    by: str | None = "reviewer",
    note: str = "",
    **changes: Any,
) -> Attack:
    """Precisions asked of the holder of the fresh case, where nothing was."""
    new = {"id": NEW, **changes}
    return Attack(guard, sqlstate, by, "conflict_question spare", new, lifted=lifted, note=note)


def _answered(guard: str, sqlstate: str = CHECK, *, note: str = "", **changes: Any) -> Attack:
    """The same, answered; by the owner, since nobody writes a question with its answer."""
    whole = {"answered_at": LATER, "answer": "Voici.", **changes}
    return _asks(guard, sqlstate, by=None, note=note, **whole)


def _proposes(
    guard: str,
    sqlstate: str = CHECK,
    *lifted: str,
    by: str | None = "reviewer",
    note: str = "",
    **changes: Any,
) -> Attack:
    """A decision of the fresh case, where nothing was proposed."""
    new = {"id": NEW, **changes}
    return Attack(guard, sqlstate, by, "conflict_decision spare", new, lifted=lifted, note=note)


def _approved(guard: str, sqlstate: str = CHECK, *, note: str = "", **changes: Any) -> Attack:
    return _proposes(guard, sqlstate, by=None, note=note, **{"approved_at": LATER, **changes})


def _dropped(guard: str, sqlstate: str = CHECK, *, note: str = "", **changes: Any) -> Attack:
    whole = {"dropped_at": LATER, "drop_reason": "Erreur.", **changes}
    return _proposes(guard, sqlstate, by=None, note=note, **whole)


def _kept(table: str, where: str, *children: str, change: str = "") -> tuple[Attack, ...]:
    """What is written is neither deleted nor truncated, nor, where nothing moves, changed."""
    attacks = [
        _do(
            f"{table}_never_deleted",
            "SN010",
            None,
            f"delete from sons.{table} where {where}",
            lifted=children,
        ),
        _do(f"{table}_never_truncated", "SN010", None, f"truncate sons.{table}", lifted=children),
    ]
    if change:
        statement = f"update sons.{table} set {change} where {where}"
        attacks.append(_do(f"{table}_append_only", "SN010", None, statement))
    return tuple(attacks)


def _seen(table: str, where: str, *viewers: str) -> tuple[Attack, ...]:
    ask = f"select count(*) from sons.{table} where {where}"
    return tuple(_do(f"{table}_seen", None, viewer, ask, note=viewer) for viewer in viewers)


def _moves(name: str, state: str) -> str:
    return f"update sons.conflict set state = '{state}' where id = {{conflict {name}}}"


def _question(name: str, change: str) -> str:
    return f"update sons.conflict_question set {change} where id = {{conflict_question {name}}}"


def _decision(name: str, change: str) -> str:
    return f"update sons.conflict_decision set {change} where id = {{conflict_decision {name}}}"


_AS = "select set_config('sons.role', '{}', true) is not null"
_OPENED_BY_A_PARTY = (
    "insert into sons.conflict (id, number, vague, family, pair_key, state, version, suppliers, ogs,"
    " at_stake_ttc_cents, opened_at, opened_for, last_found_at) values"
    f" ('{NEW}', 'CF-2099-000001', 'V1', 'two_orders', 'order:spare', 'open', 1, '{{}}', '{{}}', 0,"
    f" '{LATER}', 'audit', '{LATER}')"
)
_CHILDREN = tuple(
    f"conflict_{table}_conflict_fkey"
    for table in ("side", "essms", "finding", "event", "question", "decision")
)
CASES = (
    _do(
        "conflict_transition_pkey", UNIQUE, None,
        "insert into sons.conflict_transition select * from sons.conflict_transition",
    ),
    _do(
        "conflict_transition_states_known", CHECK, None,
        "insert into sons.conflict_transition values ('open', 'dreamt', 'found', 'reviewer')",
    ),
    _case("conflict_pkey", UNIQUE, id=Of("conflict fresh", "id")),
    _case("conflict_number_unique", UNIQUE, number=Of("conflict fresh", "number")),
    _case("conflict_number_form", number="CF-1"),
    _case("conflict_once_per_pair", UNIQUE, pair_key=Of("conflict fresh", "pair_key")),
    _case("conflict_family_known", family="three_orders"),
    _case("conflict_state_known", CHECK, ALONG, state="dreamt"),
    _case("conflict_opened_for_known", opened_for="fun"),
    _case("conflict_at_stake_positive", at_stake_ttc_cents=-1),
    _case("conflict_found_in_order", last_found_at=BEFORE),
    _case("conflict_found_in_order", ceased_at=BEFORE, note="ceased"),
    _case("conflict_og_fkey", FOREIGN, og_id=NOBODY),
    _case("conflict_assigned_to_fkey", FOREIGN, assigned_to=NOBODY),
    _case(ALONG, "SN140", state="decided", note="born_decided"),
    _do(ALONG, "SN140", "reviewer", _moves("fresh", "executed"), note="undecided"),
    _do(ALONG, "SN140", "admin", _moves("heard", "og_choice"), note="by_no_reviewer"),
    _do(ALONG, "SN140", "scheduler", _moves("decided", "executed"), lifted=(ON_FACTS,), note="by_the_clock"),
    *(
        _do(
            ALONG, "SN140", None, f"update sons.conflict set {change} where id = {{conflict fresh}}",
            note=note,
        )
        for note, change in {
            "other_pair": "pair_key = 'order:other'",
            "other_parties": "suppliers = '{}'",
            "other_instant": "opened_at = opened_at - interval '1 d'",
        }.items()
    ),
    _do(ON_FACTS, "SN143", "reviewer", _moves("heard", "decided"), note="no_decision"),
    _do(ON_FACTS, "SN143", "reviewer", _moves("proposed", "decided"), note="not_approved"),
    _do(
        ON_FACTS, "SN143", "reviewer",
        "insert into sons.conflict_decision select (jsonb_populate_record(d, jsonb_build_object('id',"
        f" '{NEW}', 'conflict_id', {{conflict corrected}}, 'four_eyes', false))).*"
        " from sons.conflict_decision d where id = {conflict_decision proposed}",
        "update sons.conflict_decision set approved_at = proposed_at where conflict_id ="
        " {conflict corrected}",
        _moves("corrected", "decided"),
        note="correction_open",
    ),
    _do(ON_FACTS, "SN143", "reviewer", _moves("decided", "executed"), note="loser_holds"),
    _do(ON_FACTS, "SN143", "reviewer", _moves("decided", "open"), note="decision_stands"),
    _do(ON_FACTS, "SN143", "reviewer", _moves("closed", "open"), note="reopened_decision_stands"),
    *_kept("conflict", "id = {conflict fresh}", *_CHILDREN),
    *_seen("conflict", "id = {conflict fresh}", "rival", "rival og", "rival ars", "anonymous"),
    _case("conflict_written", HIDDEN, by="fresh holder"),
    _case("conflict_written", HIDDEN, by="fresh og", note="og"),
    _do(
        "conflict_moved", None, "fresh refused",
        "update sons.conflict set ceased_at = last_found_at where id = {conflict fresh}",
    ),
    _do(
        "conflict_contested", HIDDEN, None, "set local role sons_case", _AS.format("editor"),
        _OPENED_BY_A_PARTY,
    ),
)  # fmt: skip

SIDES = (
    Attack("conflict_side_pkey", UNIQUE, "reviewer", "conflict_side fresh"),
    _side("conflict_side_conflict_fkey", FOREIGN, conflict_id=NOBODY),
    _side("conflict_side_numbered", side=3),
    _side("conflict_side_kind_known", kind="dream", order_id=None, supplier_id=None, og_id=None),
    _side("conflict_side_is_one", kind="grant"),
    _side("conflict_side_is_one", grant_reference="G-1", note="both"),
    _side("conflict_side_is_one", og_id=None, note="half"),
    _side("conflict_side_order_fkey", FOREIGN, og_id=Of("conflict asked", "og_id")),
    *_kept(
        "conflict_side", "conflict_id = {conflict fresh}", "conflict_question_side_fkey",
        "conflict_question_chosen_side_fkey", change="side = side",
    ),
    *_seen("conflict_side", "conflict_id = {conflict fresh}", "rival", "rival og", "anonymous"),
    _do(
        "conflict_side_seen", None, "fresh holder",
        "select count(*) from sons.conflict_side where conflict_id = {conflict fresh} and side = 2",
        note="the_other_side",
    ),
    _side("conflict_side_written", HIDDEN, by="fresh holder"),
    Attack("conflict_essms_pkey", UNIQUE, "reviewer", "conflict_essms fresh"),
    _essms("conflict_essms_conflict_fkey", FOREIGN, conflict_id=NOBODY),
    _essms("conflict_essms_form", finess_geographique="12"),
    _essms("conflict_essms_counterpart_form", counterpart="12"),
    _essms("conflict_essms_counterpart_form", counterpart=FREE, note="itself"),
    *_kept("conflict_essms", "conflict_id = {conflict fresh}", change="counterpart = counterpart"),
    *_seen("conflict_essms", "conflict_id = {conflict fresh}", "rival", "rival og", "anonymous"),
    _essms("conflict_essms_written", HIDDEN, by="fresh holder"),
)  # fmt: skip

HISTORY = (
    _finding("conflict_finding_pkey", UNIQUE, id=Of("conflict_finding fresh", "id")),
    _finding("conflict_finding_once", UNIQUE, digest=Of("conflict_finding fresh", "digest")),
    _finding("conflict_finding_conflict_fkey", FOREIGN, conflict_id=NOBODY),
    _finding("conflict_finding_law_fkey", FOREIGN, law_digest="0" * 64),
    _finding("conflict_finding_outcome_known", outcome="pass"),
    _finding("conflict_finding_said", message=" "),
    _finding("conflict_finding_said", source=" ", note="source"),
    _finding("conflict_finding_facts_object", facts=[]),
    _finding("conflict_finding_digest_length", digest="\\x00"),
    *_kept("conflict_finding", "conflict_id = {conflict fresh}", change="remedy = 'x'"),
    *_seen("conflict_finding", "conflict_id = {conflict fresh}", "rival", "fresh holder", "asked ars"),
    _finding("conflict_finding_written", HIDDEN, by="fresh holder"),
    _event("conflict_event_pkey", UNIQUE, id=Of("conflict_event fresh", "id")),
    _event("conflict_event_conflict_fkey", FOREIGN, conflict_id=NOBODY),
    _event("conflict_event_person_fkey", FOREIGN, person_id=NOBODY),
    _event("conflict_event_organisation_fkey", FOREIGN, organisation_id=NOBODY),
    _event("conflict_event_named", event=" "),
    _event("conflict_event_facts_object", facts=[]),
    *_kept("conflict_event", "conflict_id = {conflict fresh}", change="event = 'x'"),
    *_seen("conflict_event", "conflict_id = {conflict fresh}", "rival", "fresh holder"),
    _event("conflict_event_written", HIDDEN, by="fresh holder", note="in_another_name"),
    _event(
        "conflict_event_written", HIDDEN, by="rival", note="of_a_foreign_case",
        organisation_id=Of("rival", "organisation_id"), person_id=None,
    ),
)  # fmt: skip

_ANSWER = "answered_at = asked_at, answer = 'Voici.', position = 'maintained'"
QUESTIONS = (
    _asks("conflict_question_pkey", UNIQUE, "conflict_question_of_case_unique",
          id=Of("conflict_question asked", "id")),
    _asks("conflict_question_conflict_fkey", FOREIGN, "conflict_question_side_fkey", conflict_id=NOBODY),
    _asks("conflict_question_side_fkey", FOREIGN, conflict_id=Of("conflict alone", "id"), side=2),
    _answered("conflict_question_chosen_side_fkey", FOREIGN, chosen_side=3),
    _asks("conflict_question_organisation_fkey", FOREIGN, organisation_id=NOBODY),
    _asks("conflict_question_of_question_fkey", FOREIGN, kind="correction", lacking="incomplete",
          of_question=NOBODY),
    _asks("conflict_question_of_question_fkey", FOREIGN, kind="correction", lacking="incomplete",
          of_question=Of("conflict_question heard", "id"), note="another_case"),
    _asks("conflict_question_asked_by_fkey", FOREIGN, asked_by=NOBODY),
    _answered("conflict_question_answered_by_fkey", FOREIGN, answered_by=NOBODY),
    _asks("conflict_question_kind_known", kind="riddle"),
    _asks("conflict_question_lacking_known", kind="correction", lacking="ugly",
          conflict_id=Of("conflict heard", "id"), of_question=Of("conflict_question heard", "id")),
    _asks("conflict_question_correction_whole", kind="correction"),
    _asks("conflict_question_correction_whole", lacking="incomplete", note="no_correction"),
    _asks("conflict_question_said", text=" "),
    _asks("conflict_question_delay_sourced", delay_source=None),
    _asks("conflict_question_delay_sourced", delay_source=" ", note="blank"),
    _answered("conflict_question_position_known", position="maybe"),
    _answered("conflict_question_answer_whole", answer=None),
    _answered("conflict_question_answer_whole", answer=" ", note="blank"),
    _asks("conflict_question_answer_whole", by=None, position="maintained", note="position_alone"),
    _answered("conflict_question_choice_made", kind="choice"),
    _answered("conflict_question_in_order", answered_at=BEFORE),
    _asks("conflict_question_in_order", by=None, withdrawn_at=BEFORE, note="withdrawn"),
    _answered("conflict_question_answered_or_withdrawn", withdrawn_at=LATER),
    Attack(ONE_OPEN, UNIQUE, "reviewer", "conflict_question asked", {"id": NEW}),
    _do(ONCE, "SN141", "heard holder", _question("heard", "answer = 'Autre.'"), note="twice"),
    _do(ONCE, "SN141", "reviewer", _question("heard", "withdrawn_at = asked_at"),
        lifted=("conflict_question_answered_or_withdrawn",), note="withdrawn_once_answered"),
    _do(ONCE, "SN141", None, _question("asked", "text = 'Autre question.'"), note="rewritten"),
    _do(
        ONCE, "SN141", None, _question("asked", "answer_due_at = null, delay_source = null"),
        note="another_delay",
    ),
    _do(ONCE, "SN141", "reviewer", _question("asked", _ANSWER), note="answered_by_who_asked"),
    _do(
        ONCE, "SN141", "asked holder", _question("asked", "withdrawn_at = asked_at"),
        note="withdrawn_by_a_party",
    ),
    *_kept("conflict_question", "conflict_id = {conflict asked}", "conflict_question_of_question_fkey"),
    *_seen(
        "conflict_question", "id = {conflict_question asked}", "asked refused", "asked og", "asked ars",
        "rival",
    ),
    _asks("conflict_question_written", HIDDEN, by="fresh holder"),
    _asks("conflict_question_written", HIDDEN, answered_at=LATER, answer="Je renonce.", position="withdrawn",
          note="with_its_answer"),
    _asks("conflict_question_written", HIDDEN, withdrawn_at=LATER, note="withdrawn"),
    _do(
        "conflict_question_answered", None, "payer", _question("asked", "withdrawn_at = asked_at"),
        lifted=(ONCE,),
    ),
    _do(
        "conflict_question_answered", None, "asked refused", _question("asked", _ANSWER),
        lifted=("conflict_question_seen", ONCE), note="of_the_other_side",
    ),
)  # fmt: skip

_DROP = "dropped_at = proposed_at, drop_reason = 'Non.'"
DECISIONS = (
    _proposes("conflict_decision_pkey", UNIQUE, id=Of("conflict_decision decided", "id")),
    _proposes("conflict_decision_conflict_fkey", FOREIGN, conflict_id=NOBODY),
    _proposes("conflict_decision_law_fkey", FOREIGN, law_digest="0" * 64),
    _proposes("conflict_decision_proposed_by_fkey", FOREIGN, proposed_by=NOBODY),
    _approved("conflict_decision_approved_by_fkey", FOREIGN, approved_by=NOBODY),
    _dropped("conflict_decision_dropped_by_fkey", FOREIGN, dropped_by=NOBODY),
    _proposes("conflict_decision_outcome_known", outcome="tossed", refused=[]),
    _proposes("conflict_decision_refused_fits", refused=[]),
    _proposes("conflict_decision_refused_fits", refused=[3], note="no_side"),
    _proposes("conflict_decision_refused_fits", outcome="maintained", note="maintained"),
    _proposes(
        "conflict_decision_refused_fits", outcome="both_refused", refused=[1, 1], note="twice_the_same",
    ),
    _proposes("conflict_decision_motivated", motivation=" "),
    _proposes("conflict_decision_motivated", notice=" ", note="notice"),
    _proposes("conflict_decision_motivated", sources=" ", note="sources"),
    _approved("conflict_decision_four_eyes", approved_by=Of("conflict_decision spare", "proposed_by")),
    _approved("conflict_decision_four_eyes", approved_by=None, note="nobody"),
    _proposes("conflict_decision_approved_whole", by=None, approved_by=Of("second", "person_id")),
    _dropped("conflict_decision_dropped_whole", drop_reason=None),
    _dropped("conflict_decision_drop_reason_given", drop_reason=" "),
    _approved("conflict_decision_in_order", approved_at=BEFORE, approved_by=Of("second", "person_id")),
    _dropped("conflict_decision_in_order", dropped_at=BEFORE, note="dropped"),
    Attack(ONE_STANDING, UNIQUE, None, "conflict_decision decided", {"id": NEW}),
    _do(KEPT, "SN142", None, _decision("proposed", "motivation = 'Autre.'"), note="rewritten"),
    _do(KEPT, "SN142", None, _decision("proposed", "refused = '{2}'"), note="the_other_side"),
    _do(
        KEPT, "SN142", "reviewer", _decision("decided", "approved_at = null, approved_by = null"),
        note="unapproved",
    ),
    _do(
        KEPT, "SN142", "reviewer", _decision("proposed", _DROP),
        _decision("proposed", "dropped_at = null, dropped_by = null, drop_reason = null"),
        note="taken_up_again",
    ),
    _do(STANDS, "SN144", "reviewer", _decision("decided", _DROP)),
    _do(STANDS, "SN144", "admin", _decision("closed", _DROP), note="closed"),
    *_kept("conflict_decision", "id = {conflict_decision decided}"),
    *_seen("conflict_decision", "id = {conflict_decision decided}", "rival", "rival og", "decided ars"),
    *_seen("conflict_decision", "id = {conflict_decision proposed}", "proposed holder", "proposed og"),
    _proposes("conflict_decision_written", HIDDEN, by="fresh holder"),
    _proposes(
        "conflict_decision_written", HIDDEN, four_eyes=False, approved_at=LATER, note="approved_at_once",
    ),
    _do("conflict_decision_moved", None, "payer", _decision("proposed", _DROP)),
    _do("conflict_decision_found_again", HIDDEN, "admin", _decision("proposed", "approved_at = proposed_at,"
        " approved_by = (select id from sons.person where id <> proposed_by limit 1)"), note="approved"),
    _do("conflict_decision_found_again", HIDDEN, "scheduler", _decision("proposed", f"{_DROP}, dropped_by ="
        " proposed_by"), note="in_a_name"),
)  # fmt: skip
ATTACKS = (*CASES, *SIDES, *HISTORY, *QUESTIONS, *DECISIONS)
