"""The attacks on runs of the audit, on what waits for one, and on what lets one open a closed case: each one
guard's alone.

The rows of the world: the run `first` of a reviewer with its family; `decision` stands for a case; the touch
`examined` of an order by the run, and `waiting`, of another.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack

TABLES = ("audit_run", "audit_family", "audit_touch")
ELSEWHERE = {"conflict_decision_found_again"}
"""Guards of this migration on tables of others."""

NEW, NOBODY = str(UUID(int=2)), str(UUID(int=1))
APPENDED = "SN010"


def _run(
    guard: str, sqlstate: str = CHECK, *, by: str | None = "reviewer", note: str = "", **changes: Any
) -> Attack:
    """Another run."""
    return Attack(guard, sqlstate, by, "audit_run first", {"id": NEW, **changes}, note=note)


def _family(guard: str, sqlstate: str = CHECK, *, by: str | None = "reviewer", **changes: Any) -> Attack:
    """What the run gave, for a family that it was not asked for."""
    return Attack(guard, sqlstate, by, "audit_family first", {"family": "two_numbers", **changes})


def _touch(guard: str, sqlstate: str = CHECK, **changes: Any) -> Attack:
    """Another touch, by the owner: policies do not speak."""
    return Attack(guard, sqlstate, None, "audit_touch waiting", {"id": 999_999, **changes})


def _touched(guard: str, by: str | None, changes: str, row: str = "waiting", note: str = "") -> Attack:
    statement = f"update sons.audit_touch set {changes} where id = {{audit_touch {row}}}"
    return Attack(guard, APPENDED, by, statements=(statement,), note=note)


_RUN = "run_id = (select id from sons.audit_run limit 1)"

ATTACKS: tuple[Attack, ...] = (
    Attack("audit_run_pkey", UNIQUE, "reviewer", "audit_run first"),
    _run("audit_run_cause_known", cause="curiosity"),
    _run("audit_run_counts_positive", grants=-1),
    _run("audit_run_counts_positive", numbers=-1, note="numbers"),
    _run("audit_run_counts_positive", orders=2_000_000, note="more orders than lines"),
    _run("audit_run_law_fkey", FOREIGN, law_digest="0" * 64),
    _run("audit_run_person_fkey", FOREIGN, person_id=NOBODY),
    Attack("audit_family_pkey", UNIQUE, "reviewer", "audit_family first"),
    _family("audit_family_run_fkey", FOREIGN, run_id=NEW),
    _family("audit_family_known", family="bad_luck"),
    _family("audit_family_counts_positive", ceased=-1),
    Attack(
        "audit_family_counts_positive", CHECK, "reviewer", "audit_family first",
        {"family": "two_numbers", "found": 1, "opened": 1, "reopened": 1}, note="more than found",
    ),
    _run("audit_run_written", HIDDEN, by="pilot"),
    _run("audit_run_written", HIDDEN, by="supplier", note="a supplier"),
    _family("audit_family_written", HIDDEN, by="pilot"),
    Attack("audit_run_seen", None, "supplier", statements=("select count(*) from sons.audit_run",)),
    Attack("audit_family_seen", None, "og", statements=("select count(*) from sons.audit_family",)),
    Attack("audit_run_append_only", APPENDED, None, statements=("update sons.audit_run set orders = 0",)),
    Attack(
        "audit_family_append_only", APPENDED, None, statements=("update sons.audit_family set ceased = 7",)
    ),
    Attack("audit_family_never_deleted", APPENDED, None, statements=("delete from sons.audit_family",)),
    Attack(
        "audit_run_never_deleted", APPENDED, None, statements=("delete from sons.audit_run",),
        lifted=("audit_family_run_fkey", "audit_touch_run_fkey"),
    ),
    Attack("audit_family_never_truncated", APPENDED, None, statements=("truncate sons.audit_family",)),
    Attack("audit_run_never_truncated", APPENDED, None, statements=("truncate sons.audit_run",)),
    Attack("audit_touch_pkey", UNIQUE, None, "audit_touch waiting"),
    _touch("audit_touch_of_one_act", order_id=None),
    _touch("audit_touch_order_fkey", FOREIGN, order_id=NOBODY),
    _touch("audit_touch_succession_fkey", FOREIGN, order_id=None, succession_id=NOBODY),
    _touch("audit_touch_run_fkey", FOREIGN, run_id=NOBODY),
    Attack(
        "audit_touch_made", HIDDEN, "og",
        statements=("insert into sons.audit_touch (order_id, touched_at)"
                    " values ({purchase_order other}, '2023-03-01Z')",),
    ),
    Attack("audit_touch_seen", None, "supplier", statements=("select count(*) from sons.audit_touch",)),
    Attack(
        "audit_touch_examined", None, "reviewer",
        statements=(f"update sons.audit_touch set {_RUN} where id = {{audit_touch waiting}}",),
    ),
    _touched("audit_touch_examined_once", "scheduler", "run_id = null", "examined", note="forgotten"),
    _touched("audit_touch_examined_once", None, "touched_at = touched_at + interval '1 s'", note="moved"),
    Attack("audit_touch_never_deleted", APPENDED, None, statements=("delete from sons.audit_touch",)),
    Attack("audit_touch_never_truncated", APPENDED, None, statements=("truncate sons.audit_touch",)),
    # what opens a closed case again drops its decision: it approves none, and drops none in a person's name
    Attack(
        "conflict_decision_found_again", HIDDEN, "admin",
        statements=("update sons.conflict_decision set approved_at = proposed_at"
                    " where id = {conflict_decision stands}",),
        note="approves",
    ),
    Attack(
        "conflict_decision_found_again", HIDDEN, "admin",
        statements=("update sons.conflict_decision set dropped_at = proposed_at, drop_reason = 'x',"
                    " dropped_by = proposed_by where id = {conflict_decision stands}",),
        note="in a person's name",
    ),
    Attack(
        "conflict_decision_found_again", None, "pilot",
        statements=("update sons.conflict_decision set dropped_at = proposed_at, drop_reason = 'x'"
                    " where id = {conflict_decision stands}",),
        note="another agency",
    ),
)  # fmt: skip
