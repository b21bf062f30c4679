"""The attacks on cancellations and amendments: one per guard, or more, each the least change that it refuses.

The rows of the world, each of an order of its own: `spare` is not in the database yet; `open` waits for the
OG's attestation, which is ready; `renounced` was asked and signed by the OG and waits for the supplier's
statement, which is ready; `dropped` is over. The amendment `open` waits, `refused` is over. `other` is a
person of another organisation.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of
from tests.db.delegation_attacks import ADDED as DELEGATIONS
from tests.db.identity_attacks import ADDED as IDENTITIES
from tests.db.identity_attacks import OPENINGS

TABLES = (
    "cancellation_transition", "amendment_transition", "cancellation", "cancellation_piece", "amendment",
    "amendment_line",
)  # fmt: skip
DATA_TABLES = TABLES[2:]
NOT_ATTACKED = {
    "cancellation_parties_unique": "weaker than the primary key: what a foreign key points at",
    "amendment_parties_unique": "weaker than the primary key: what a foreign key points at",
} | dict.fromkeys(
    DELEGATIONS["cancellation_piece"] | DELEGATIONS["amendment"], "attacked in test_delegation_constraints"
)
NOT_ATTACKED |= {name: OPENINGS[name] for name in IDENTITIES["cancellation_piece"] | IDENTITIES["amendment"]}
PIECE_BY, AMENDED_BY = "cancellation_piece_by_who_may", "amendment_by_who_may"
NOBODY, NEW = str(UUID(int=1)), str(UUID(int=2))
OTHER = Of("other", "person_id")
ALONG, AMENDED = "cancellation_along_the_table", "amendment_along_the_table"
WAITED = "cancellation_piece_waited_for"
WHOLE, LINE = "amendment_is_whole", "amendment_line_of_its_amendment"
CLOSER = "amendment_closer_fkey"
LATER, BEFORE = "2023-03-02T09:00:00Z", "2023-02-28T09:00:00Z"
JUDGED = {
    "cancelled_at": LATER, "verdicts": [], "law_digest": Of("law", "digest"), "known_on": "2023-03-02",
}  # fmt: skip
CLOSED = {"closed_at": LATER, "closed_by": Of("cancellation spare", "asked_by"), "closed_role": "editor"}
ANSWERED = {
    "closed_at": LATER, "closed_by": Of("amendment og", "proposed_by"),
    "closed_for": Of("amendment og", "proposed_for"), "closed_role": "og", "closed_auth_level": "token",
}  # fmt: skip
SIGNED = {
    "signed_sha256": Of("amendment spare", "document_sha256"), "signer_name": "A", "signer_function": "B",
    "consent": "C",
}  # fmt: skip


def _owner(guard: str, sqlstate: str, statement: str, *lifted: str, note: str = "") -> Attack:
    return Attack(guard, sqlstate, None, statements=(statement,), lifted=lifted, note=note)


def _asked(
    guard: str, sqlstate: str = CHECK, by: str = "spare supplier", row: str = "spare", note: str = "",
    **changes: Any,
) -> Attack:  # fmt: skip
    return Attack(guard, sqlstate, by, f"cancellation {row}", changes, note=note)


def _later(guard: str, sqlstate: str = CHECK, note: str = "", **changes: Any) -> Attack:
    """A cancellation that comes into the world further on in its life, by the owner."""
    return Attack(guard, sqlstate, None, "cancellation spare", changes, lifted=(ALONG,), note=note)


def _moved(note: str, row: str, by: str | None, change: str, insert: str | None = None) -> Attack:
    statement = f"update sons.cancellation set {change} where id = {{cancellation {row}}}"
    return Attack(ALONG, "SN101", by, insert, statements=(statement,), note=note)


def _kept(table: str, where: str, change: str | None, *children: str) -> tuple[Attack, ...]:
    """What is written stays: not changed, not deleted, not truncated, whoever asks."""
    found = [
        _owner(f"{table}_never_deleted", "SN010", f"delete from sons.{table} where {where}", *children),
        _owner(f"{table}_never_truncated", "SN010", f"truncate sons.{table}", *children),
    ]
    if change:
        statement = f"update sons.{table} set {change} where {where}"
        found.append(_owner(f"{table}_append_only", "SN010", statement))
    return tuple(found)


def _hidden(table: str, column: str, row: str) -> tuple[Attack, ...]:
    ask = f"select count(*) from sons.{table} where {column} = {{{row}}}"
    return tuple(
        Attack(f"{table}_seen", None, viewer, statements=(ask,), note=viewer)
        for viewer in ("spare supplier", "spare og", "anonymous")
    )


TRANSITIONS = tuple(
    attack
    for noun, first in (("cancellation", "open"), ("amendment", "proposed"))
    for attack in (
        _owner(
            f"{noun}_transition_pkey", UNIQUE,
            f"insert into sons.{noun}_transition select * from sons.{noun}_transition",
        ),
        _owner(
            f"{noun}_transition_states_known", CHECK,
            f"insert into sons.{noun}_transition values ('draft', 'dreamt', 'x', 'og')",
        ),
        _owner(
            f"{noun}_transition_states_known", CHECK,
            f"insert into sons.{noun}_transition values ('dreamt', '{first}', 'x', 'og')", note="before",
        ),
    )
)  # fmt: skip

_COMPLETE = (
    "cancelled_at = '2023-03-02Z', verdicts = '[]', known_on = '2023-03-02', closed_at = '2023-03-02Z',"
    " law_digest = (select digest from sons.law_enactment limit 1)"
)

CANCELLATIONS = (
    _asked("cancellation_pkey", UNIQUE, id=Of("cancellation open", "id")),
    _asked("cancellation_number_unique", UNIQUE, "dropped og", "dropped", id=NEW, state="open"),
    _asked("cancellation_number_positive", number=0),
    _asked("cancellation_order_fkey", FOREIGN, order_id=NOBODY),
    _asked("cancellation_asker_fkey", FOREIGN, asked_by=OTHER),
    _later("cancellation_law_fkey", FOREIGN, **{**JUDGED, "law_digest": "0" * 64}),
    _later("cancellation_closer_fkey", FOREIGN, state="dropped", **{**CLOSED, "closed_by": NOBODY}),
    _later("cancellation_state_known", state="dreamt", **CLOSED),
    _asked("cancellation_motive_known", motive="bored"),
    _asked("cancellation_acquisition_said", motive="acquisition"),
    _asked("cancellation_required_known", required=["statement", "agreement", "selfie"]),
    _asked("cancellation_required_known", required=[], document=None, document_sha256=None, note="none"),
    _asked("cancellation_document_where_required", document=None, document_sha256=None),
    _asked("cancellation_document_digest", document_sha256="\\x00"),
    _asked(
        "cancellation_asked_by_a_party", by="spare og", asked_role="og",
        asked_by=Of("amendment og", "proposed_by"), asked_for=Of("amendment og", "proposed_for"),
    ),
    _asked("cancellation_answer_of_the_supplier", answer_due_at=LATER),
    _asked(
        "cancellation_answer_later", by="spare og", asked_role="og", motive="renunciation",
        asked_by=Of("amendment og", "proposed_by"), asked_for=Of("amendment og", "proposed_for"),
        answer_due_at=BEFORE,
    ),
    _later("cancellation_judged", cancelled_at=LATER),
    _later("cancellation_judged", state="to_settle", note="to_settle"),
    _later("cancellation_closed_whole", closed_at=LATER),
    _later("cancellation_closed_whole", state="dropped", note="dropped"),
    _later("cancellation_in_order", state="dropped", **{**CLOSED, "closed_at": BEFORE}),
    _later("cancellation_in_order", **{**JUDGED, "cancelled_at": BEFORE}, note="judged"),
    _later("cancellation_reason_given", state="refused", **{**CLOSED, "closed_role": "og"}),
    _later(
        "cancellation_reason_given", state="carried_out", **JUDGED, **{**CLOSED, "closed_role": "reviewer"},
        note="reviewer",
    ),
    _asked("one_open_cancellation", UNIQUE, "open supplier", "open", id=NEW, number=9),
    Attack(ALONG, "SN101", None, "cancellation spare", {"state": "dropped", **CLOSED}, note="born_over"),
    _moved("frozen", "open", None, "motive = 'renunciation'"),
    _moved(
        "without_its_pieces", "open", "open supplier",
        f"state = 'carried_out', closed_role = 'editor', closed_by = asked_by, {_COMPLETE}",
    ),
    _moved(
        "of_a_living_order", "open", "open og",
        f"state = 'carried_out', closed_role = 'og', closed_by = asked_by, {_COMPLETE}",
        "cancellation_piece attestation",
    ),
    _moved(
        "dropped_by_the_other", "open", "open og",
        f"state = 'dropped', closed_role = 'og', closed_by = asked_by, closed_at = '{LATER}'",
    ),
    _moved(
        "declined_by_itself", "renounced", "renounced og",
        f"state = 'refused', closed_role = 'og', closed_by = asked_by, closed_at = '{LATER}', reason = 'x'",
    ),
    _moved(
        "in_the_name_of_a_reviewer", "open", "open supplier",
        f"state = 'dropped', closed_role = 'reviewer', closed_by = asked_by, closed_at = '{LATER}',"
        " reason = 'x'",
    ),
    _moved(
        "before_the_supplier_answered", "renounced", "reviewer",
        "state = 'refused', closed_role = 'reviewer', closed_by = asked_by, closed_at = answer_due_at,"
        " reason = 'x'",
    ),
    _moved(
        "alive_again", "dropped", None,
        "state = 'open', closed_at = null, closed_by = null, closed_role = null",
    ),
    *_kept("cancellation", "id = {cancellation open}", None, "cancellation_piece_cancellation_fkey"),
    *_hidden("cancellation", "id", "cancellation open"),
    _asked("cancellation_filed", HIDDEN, "open supplier"),
    _asked("cancellation_filed", HIDDEN, "spare og", note="for_the_other"),
    Attack(
        "cancellation_moved", None, "payer", lifted=(ALONG,), statements=(
            "update sons.cancellation set state = 'dropped', closed_role = 'payer', closed_by = asked_by,"
            f" closed_at = '{LATER}' where id = {{cancellation open}}",
        ),
    ),
    Attack(
        "deadline_asked", HIDDEN, "renounced og", "deadline answer", {"object_id": "x", "kind": "notice"}
    ),
    Attack("deadline_asked", HIDDEN, "open og", "deadline answer", {"object_id": "x"}, note="of_another"),
)  # fmt: skip


def _piece(
    guard: str, sqlstate: str = CHECK, *lifted: str, row: str = "attestation", by: str = "open og",
    note: str = "", **changes: Any,
) -> Attack:  # fmt: skip
    return Attack(guard, sqlstate, by, f"cancellation_piece {row}", changes, lifted=lifted, note=note)


_STATED = {"row": "statement ready", "by": "renounced supplier"}
PIECES = (
    Attack("cancellation_piece_pkey", UNIQUE, "open supplier", "cancellation_piece statement"),
    _piece("cancellation_piece_kind_known", CHECK, PIECE_BY, kind="selfie"),
    _piece("cancellation_piece_cancellation_fkey", FOREIGN, order_id=NOBODY),
    _piece("cancellation_piece_signer_fkey", FOREIGN, PIECE_BY, person_id=OTHER),
    _piece(
        "cancellation_piece_of_its_party",
        CHECK,
        PIECE_BY,
        row="renounced",
        by="renounced og",
        kind="statement",
    ),
    _piece("cancellation_piece_digest", sha256="\\x00", **_STATED),
    _piece("cancellation_piece_texts_given", signer_name=" ", **_STATED),
    _piece("cancellation_piece_texts_given", consent="", note="consent", **_STATED),
    _piece(WAITED, "SN102", text="another", sha256=Of("another", "sha256")),
    _piece(WAITED, "SN102", row="statement too late", by="dropped supplier", note="over"),
    *_kept("cancellation_piece", "cancellation_id = {cancellation open}", "consent = 'X'"),
    *_hidden("cancellation_piece", "cancellation_id", "cancellation open"),
    _piece("cancellation_piece_filed", HIDDEN, WAITED, row="statement ready", by="spare supplier"),
    _piece("cancellation_piece_filed", HIDDEN, row="statement ready", by="renounced og", note="the_other"),
)


def _proposed(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str | None = "spare supplier", row: str = "spare",
    note: str = "", **changes: Any,
) -> Attack:  # fmt: skip
    return Attack(guard, sqlstate, by, f"amendment {row}", changes, lifted=(WHOLE, *lifted), note=note)


def _answered(guard: str, state: str, *lifted: str, note: str = "", **changes: Any) -> Attack:
    """An amendment that comes into the world answered, by the owner."""
    sqlstate = FOREIGN if guard == CLOSER else CHECK
    values = {"state": state, **ANSWERED, **changes}
    return Attack(
        guard, sqlstate, None, "amendment spare", values, lifted=(WHOLE, AMENDED, *lifted), note=note
    )


_AGREED = (
    f"update sons.amendment set state = 'agreed', closed_at = '{LATER}', closed_for = og_id,"
    " closed_by = {og person}, closed_role = 'og', closed_auth_level = 'token',"
    " signed_sha256 = document_sha256, signer_name = 'A', signer_function = 'B', consent = 'C',"
    " closed_capacity = 'responsible'"
)
_OWN = {"closed_for": Of("amendment spare", "proposed_for"), "closed_role": "editor"}

AMENDMENTS = (
    _proposed("amendment_pkey", UNIQUE, id=Of("amendment open", "id")),
    _proposed(
        "amendment_number_unique", UNIQUE, row="refused", by="refused supplier", id=NEW, state="proposed",
    ),
    _proposed("amendment_order_fkey", FOREIGN, order_id=NOBODY),
    _proposed("amendment_proposer_fkey", FOREIGN, proposed_by=OTHER),
    _answered(CLOSER, "refused", closed_by=OTHER, refusal="x"),
    _answered("amendment_state_known", "dreamt"),
    _proposed("amendment_number_positive", number=0),
    _proposed("amendment_removes_something", removed=0),
    _proposed("amendment_texts_given", proposer_name=" "),
    _proposed("amendment_document_digest", document_sha256="\\x00"),
    _proposed(
        "amendment_proposed_by_a_party", CHECK, AMENDED, by=None,
        proposed_by=OTHER, proposed_for=Of("other", "organisation_id"), proposed_role="editor",
    ),
    _answered("amendment_closed_whole", "refused", refusal="x", closed_at=None),
    _proposed("amendment_closed_whole", CHECK, AMENDED, by=None, closed_at=LATER, note="proposed"),
    _answered("amendment_in_order", "refused", refusal="x", closed_at=BEFORE),
    _answered("amendment_other_party_answers", "refused", CLOSER, refusal="x", **_OWN),
    _answered("amendment_other_party_answers", "withdrawn", note="withdrawn"),
    _answered(
        "amendment_other_person_answers", "refused", CLOSER, refusal="x",
        closed_by=Of("amendment spare", "proposed_by"),
    ),
    _answered("amendment_agreement_signed", "agreed"),
    _answered("amendment_agreement_signed", "agreed", note="blank", **{**SIGNED, "consent": " "}),
    _answered("amendment_signed_as_shown", "agreed", **{**SIGNED, "signed_sha256": "\\x00"}),
    _answered("amendment_refusal_says_why", "refused"),
    _proposed("one_open_amendment", UNIQUE, row="open", by="amended supplier", id=NEW, number=9),
    Attack(
        AMENDED, "SN103", None, "amendment spare", {"state": "refused", **ANSWERED, "refusal": "x"},
        lifted=(WHOLE,), note="born_over",
    ),
    _owner(
        AMENDED, "SN103", "update sons.amendment set removed = 2 where id = {amendment open}", WHOLE,
        note="frozen",
    ),
    Attack(
        AMENDED, "SN103", "refused og", lifted=(WHOLE,), note="changed_its_mind",
        statements=(
            f"{_AGREED}, refusal = null where id = {{amendment refused}}".replace("{og person}", "closed_by"),
        ),
    ),
    Attack(WHOLE, "SN104", "spare supplier", "amendment spare", note="no_line"),
    Attack(
        WHOLE, "SN104", "amended og", note="nothing_freed",
        statements=(f"{_AGREED} where id = {{amendment open}}",),
    ),
    Attack(
        WHOLE, "SN104", "amended og", note="nothing_left", lifted=("claim_released_on_facts",),
        statements=(
            f"update sons.claim set released_at = '{LATER}', release_reason = 'removed_from_perimeter'"
            " where order_id = {order amended}",
            f"{_AGREED} where id = {{amendment open}}",
        ),
    ),
    *_kept("amendment", "id = {amendment open}", None, "amendment_line_amendment_fkey"),
    *_hidden("amendment", "id", "amendment open"),
    _proposed("amendment_filed", HIDDEN, by="amended supplier"),
    _proposed("amendment_filed", HIDDEN, by="spare og", note="for_the_other"),
    Attack(
        "amendment_answered", None, "reviewer", lifted=(AMENDED, CLOSER, WHOLE, AMENDED_BY),
        statements=(f"{_AGREED} where id = {{amendment open}}",),
    ),
    Attack("amendment_line_pkey", UNIQUE, "amended supplier", "amendment_line open", lifted=(LINE,)),
    Attack(
        "amendment_line_amendment_fkey", FOREIGN, "amended supplier", "amendment_line open",
        {"amendment_id": NOBODY},
    ),
    Attack(
        "amendment_line_line_fkey", FOREIGN, "amended supplier", "amendment_line open",
        {"finess_geographique": "980000028"}, lifted=(LINE,),
    ),
    Attack(LINE, "SN104", "amended supplier", "amendment_line another"),
    *_kept(
        "amendment_line", "amendment_id = {amendment open}",
        "finess_geographique = (select max(finess_geographique) from sons.order_line l"
        " where l.order_id = amendment_line.order_id)",
    ),
    *_hidden("amendment_line", "amendment_id", "amendment open"),
    Attack("amendment_line_filed", HIDDEN, "spare supplier", "amendment_line another", lifted=(LINE,)),
)  # fmt: skip

ATTACKS = (*TRANSITIONS, *CANCELLATIONS, *PIECES, *AMENDMENTS)
