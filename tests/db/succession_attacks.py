"""The attacks on successions and on the claims that follow them: one per guard, or more.

The rows of the world: the succession `confirmed` is followed by the claims of an order, `split` by none,
`dismissed` and `probable` have nothing to follow. The claim `origin` is the order's on the new number,
`follower` the one on the old number, `plain` another of the same order.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of
from tests.db.order_attacks import TAKEN

TABLES = ("succession",)
NOT_ATTACKED = {
    "succession_followed_by_claims": "refuses nothing: without it a confirmation leaves the old number free",
    "succession_touches_the_audit": "refuses nothing: without it a decision waits for the next whole audit",
    "succession_crossed": "attacked by the test of succeeded_by(): opened wider it would change nothing",
}
EFFECTS = {
    "claim_touches_the_audit": "refuses nothing: without it a deposit waits for the next whole audit",
    "claim_awaits_successions": "refuses nothing: a confirmation waits for the claims in flight",
    "claim_holds_predecessors": "refuses by one_live_financing: without it the old number is free",
    "claim_lets_go_of_predecessors": "refuses nothing: without it the old number stays held",
}
"""Triggers of this migration on claims that have tests of their own, in test_succession_constraints.py."""

NEW, NOBODY = str(UUID(int=21)), str(UUID(int=22))
BEFORE, AFTER = "2000-01-01T00:00:00Z", "2023-03-02T10:00:00Z"
FREE, OTHER = "980000028", "980000036"
DECIDED = "succession_decided_by_a_reviewer"
FOLLOWS = "claim_follows_its_origin"
WITH_REASON, ON_FACTS = "claim_released_with_reason", "claim_released_on_facts"


def _found(guard: str, sqlstate: str = CHECK, *, by: str | None = None, **changes: Any) -> Attack:
    """Another succession, by the owner: policies do not speak."""
    new = {"id": NEW, "predecessor": FREE, "successor": OTHER, **changes}
    return Attack(guard, sqlstate, by, "succession probable", new)


def _do(guard: str, sqlstate: str | None, by: str | None, *statements: str, note: str = "") -> Attack:
    return Attack(guard, sqlstate, by, statements=statements, note=note)


def _follower(guard: str, sqlstate: str, *lifted: str, note: str = "", **changes: Any) -> Attack:
    """The follower again, by its supplier, on a number that is free."""
    new = {"finess_geographique": FREE, **changes}
    return Attack(guard, sqlstate, "supplier", "claim follower", new, lifted=lifted, note=note)


ATTACKS = (
    _found("succession_pkey", UNIQUE, id=Of("succession probable", "id")),
    _found(
        "succession_once_per_pair", UNIQUE,
        predecessor=Of("succession probable", "predecessor"),
        successor=Of("succession probable", "successor"),
    ),
    _found("succession_two_numbers", successor=FREE),
    _found("succession_numbers_length", successor="98000003"),
    _found("succession_kind_known", kind="rumour"),
    _found("succession_score_bounded", score=101),
    _found("succession_has_reasons", reasons=[]),
    _found("succession_in_time", later_on="2022-01-03"),
    _found("succession_state_known", state="dreamt", decided_at=AFTER, reason="Vu."),
    _found("succession_decision_whole", state="confirmed"),
    _found("succession_decision_motivated", state="confirmed", decided_at=AFTER, reason=" "),
    _found("succession_decided_after_found", state="confirmed", decided_at=BEFORE, reason="Vu."),
    _found(
        "succession_decided_by_fkey", FOREIGN,
        state="confirmed", decided_at=AFTER, reason="Vu.", decided_by=NOBODY,
    ),
    _do(DECIDED, "SN150", "admin", "update sons.succession set score = 99 where id = {succession confirmed}"),
    _do(
        DECIDED, "SN150", "admin",
        f"update sons.succession set state = 'dismissed', decided_at = '{AFTER}', reason = 'Non.'"
        " where id = {succession probable}",
        note="by_no_reviewer",
    ),
    _do(
        DECIDED, "SN150", "reviewer",
        "update sons.succession set state = 'probable', decided_at = null, decided_by = null, reason = null"
        " where id = {succession dismissed}",
        note="undecided_again",
    ),
    _do(
        DECIDED, "SN150", None,
        f"update sons.succession set successor = '{FREE}' where id = {{succession probable}}",
        note="another_pair",
    ),
    Attack(
        "succession_never_deleted", "SN010", None, statements=("delete from sons.succession",),
        lifted=("audit_touch_succession_fkey",),
    ),
    Attack(
        "succession_never_truncated", "SN010", None, statements=("truncate sons.succession",),
        lifted=("audit_touch_succession_fkey",),
    ),
    _do(
        "succession_seen", None, "other og",
        "select count(*) from sons.succession where id = {succession confirmed}",
    ),
    _do(
        "succession_seen", None, "supplier",
        "select count(*) from sons.succession where id = {succession confirmed}", note="supplier",
    ),
    _found("succession_found", HIDDEN, by="reviewer"),
    Attack(
        "succession_found", HIDDEN, "admin", "succession probable",
        {
            "id": NEW, "predecessor": FREE, "successor": OTHER,
            "state": "confirmed", "decided_at": AFTER, "reason": "Vu.",
        },
        note="decided",
    ),
    _do(
        "succession_told", None, "pilot",
        "update sons.succession set score = 80 where id = {succession probable}",
    ),
)  # fmt: skip

CLAIM_ATTACKS = (
    Attack(
        "claim_origin_of_succession", CHECK, None, "claim origin",
        {
            "origin": Of("claim plain", "id"), "released_at": "2024-01-01T00:00:00Z",
            "release_reason": "decided",
        },
        lifted=(TAKEN,),
    ),
    _follower("claim_origin_fkey", FOREIGN, FOLLOWS, origin=10**12),
    _follower(FOLLOWS, "SN151", note="unrelated_number"),
    _follower(FOLLOWS, "SN151", note="another_vague", vague="V2",
              finess_geographique=Of("claim follower", "finess_geographique")),
    _follower(FOLLOWS, "SN151", note="of_a_follower", origin=Of("claim follower", "id")),
    _do(
        FOLLOWS, "SN151", "supplier",
        f"update sons.claim set released_at = '{AFTER}', release_reason = 'cancelled'"
        " where id = {claim follower}",
        note="goes_alone",
    ),
    _do(
        FOLLOWS, "SN151", "reviewer",
        f"update sons.claim set released_at = '{AFTER}', release_reason = 'decided'"
        " where id = {claim follower}",
        note="decided_while_it_follows",
    ),
    _follower(
        "claim_followed", HIDDEN, FOLLOWS, released_at="2024-01-01T00:00:00Z", release_reason="decided"
    ),
    Attack(
        "claim_released_too", None, "pilot",
        statements=("update sons.claim set released_at = null where id = {claim plain}",),
        lifted=(WITH_REASON, ON_FACTS),
    ),
)  # fmt: skip
