"""The attacks on the guards of reservations: what each must refuse, and in whose name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = ("reservation_transition", "reservation", "reservation_line")
NOBODY = str(UUID(int=1))
ACTIVE = "reservation active"
WHOLE, ALONG = "reservation_is_whole", "reservation_along_the_table"
OWN, LIMIT = "claim_of_its_reservation", "claim_reserved_within_limit"
LET_GO, CONVERTED = "claim_reservation_let_go", "claim_converted_into_an_order"
STANDS = "deadline_of_reservation_stands"
ELSEWHERE = {OWN, LIMIT, LET_GO, CONVERTED, STANDS, "claim_reserved", "claim_reserved_once"}
_SAME_INSTANT = Of(ACTIVE, "reserved_at")


def _made(
    guard: str,
    sqlstate: str,
    changes: dict[str, Any],
    *lifted: str,
    by: str | None = "supplier",
    note: str = "",
) -> Attack:
    """A reservation inserted as the active one, but for `changes`."""
    return Attack(guard, sqlstate, by, ACTIVE, changes, lifted=(*lifted, WHOLE), note=note)


def _said(
    guard: str, sqlstate: str | None, by: str | None, statement: str, *lifted: str, note: str = ""
) -> Attack:
    return Attack(guard, sqlstate, by, statements=(statement,), lifted=lifted, note=note)


def _moved(guard: str, by: str | None, changes: str, *lifted: str, sqlstate: str, note: str) -> Attack:
    """The active reservation updated."""
    statement = f"update sons.reservation set {changes} where id = {{{ACTIVE}}}"
    return _said(guard, sqlstate, by, statement, *lifted, note=note)


_RELEASE = (
    "update sons.claim set released_at = claimed_at, release_reason = '{reason}' where holder_id = {active}"
)
# a second reservation beside the first, under terms that allow a single ESSMS to its supplier
_ONE_MORE = f"""
with r as (
  insert into sons.reservation
  select (jsonb_populate_record(r, '{{"id": "{NOBODY}", "number": "RS-2099-900000", "essms": 1,
    "most_essms": 1}}')).* from sons.reservation r where id = {{{ACTIVE}}} returning *
), l as (
  insert into sons.reservation_line select id, '980000028', supplier_id, og_id from r
)
insert into sons.claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id, claimed_at)
select vague, '980000028', 'reservation', id, supplier_id, og_id, reserved_at from r
"""

ATTACKS: tuple[Attack, ...] = (
    _said(
        "reservation_transition_pkey", UNIQUE, None,
        "insert into sons.reservation_transition select * from sons.reservation_transition",
    ),
    _said(
        "reservation_transition_states_known", CHECK, None,
        "insert into sons.reservation_transition values ('active', 'dreamt', 'dreamt', 'editor')",
    ),
    _made("reservation_pkey", UNIQUE, {"id": Of(ACTIVE, "id")}, "reservation_parties_unique"),
    _made("reservation_parties_unique", UNIQUE, {"id": Of(ACTIVE, "id")}, "reservation_pkey"),
    _made("reservation_number_unique", UNIQUE, {"number": Of(ACTIVE, "number")}),
    _made("reservation_number_form", CHECK, {"number": "BC-2022-000001"}),
    _made("reservation_supplier_fkey", FOREIGN, {"supplier_id": NOBODY}, ALONG, by=None),
    _made("reservation_og_fkey", FOREIGN, {"og_finess_juridique": "980000010"}),
    _made("reservation_law_fkey", FOREIGN, {"law_digest": "f" * 64}),
    _made("reservation_state_known", CHECK, {"state": "dreamt", "ended_at": _SAME_INSTANT}, ALONG),
    _made("reservation_essms_positive", CHECK, {"essms": 0}),
    _made("reservation_renewed_as_often_as_allowed", CHECK, {"renewed": 9}, ALONG),
    _made("reservation_expires_later", CHECK, {"expires_at": _SAME_INSTANT}),
    _made("reservation_ended_once_over", CHECK, {"ended_at": _SAME_INSTANT}),
    _made(
        "reservation_ended_in_time", CHECK,
        {"state": "dropped", "ended_at": "2099-01-01T00:00:00Z"}, ALONG,
    ),
    _made(ALONG, "SN160", {"state": "converted", "ended_at": _SAME_INSTANT}, note="born_over"),
    _made(ALONG, "SN160", {"renewed": 1}, note="born_renewed"),
    _moved(ALONG, None, "essms = essms + 1", WHOLE, sqlstate="SN160", note="frozen"),
    _moved(
        ALONG, "supplier", "expires_at = expires_at + interval '1 day'", WHOLE, sqlstate="SN160",
        note="longer",
    ),
    _moved(
        ALONG, "scheduler", "renewed = renewed + 1, expires_at = expires_at + interval '1 day'", WHOLE,
        sqlstate="SN160", note="renewed_by_nobody",
    ),
    _moved(
        ALONG, "scheduler", "state = 'expired', ended_at = expires_at", WHOLE, sqlstate="SN160",
        note="before_its_end",
    ),
    _moved(
        ALONG, "supplier", "state = 'expired', ended_at = reserved_at", WHOLE, sqlstate="SN160",
        note="by_its_supplier",
    ),
    _said(
        "reservation_never_deleted", "SN010", None, f"delete from sons.reservation where id = {{{ACTIVE}}}",
        "reservation_line_reservation_fkey",
    ),
    _said("reservation_never_truncated", "SN010", None, "truncate sons.reservation"),
    _said(
        "reservation_seen", None, "rival", f"select count(*) from sons.reservation where id = {{{ACTIVE}}}"
    ),
    _made("reservation_made", HIDDEN, {}, by="rival"),
    _said(
        "reservation_moved", None, "og",
        f"update sons.reservation set ended_at = ended_at where id = {{{ACTIVE}}}",
    ),
    Attack(WHOLE, "SN165", insert=ACTIVE, note="alone"),
    _moved(
        WHOLE, "supplier", "renewed = renewed + 1, expires_at = expires_at + interval '1 day'",
        sqlstate="SN165", note="no_end_planned",
    ),
    _moved(
        WHOLE, "supplier", "state = 'dropped', ended_at = reserved_at", sqlstate="SN165", note="still_holds"
    ),
    Attack("reservation_line_pkey", UNIQUE, insert="reservation_line active"),
    Attack(
        "reservation_line_reservation_fkey", FOREIGN, insert="reservation_line active",
        changes={"reservation_id": NOBODY},
    ),
    Attack(
        "reservation_line_finess_form", CHECK, insert="reservation_line active",
        changes={"finess_geographique": "12"},
    ),
    _said(
        "reservation_line_append_only", "SN010", None,
        f"update sons.reservation_line set og_id = og_id where reservation_id = {{{ACTIVE}}}",
    ),
    _said(
        "reservation_line_never_deleted", "SN010", None,
        f"delete from sons.reservation_line where reservation_id = {{{ACTIVE}}}",
    ),
    _said("reservation_line_never_truncated", "SN010", None, "truncate sons.reservation_line"),
    _said(
        "reservation_line_seen", None, "rival",
        f"select count(*) from sons.reservation_line where reservation_id = {{{ACTIVE}}}",
    ),
    Attack(
        "reservation_line_made", HIDDEN, "rival", "reservation_line active",
        {"finess_geographique": "980000028"},
    ),
    Attack(
        "claim_reserved", HIDDEN, "rival", "claim active", {"finess_geographique": "980000028"},
        lifted=(OWN,),
    ),
    Attack("claim_reserved_once", UNIQUE, None, "claim dropped", lifted=(OWN,)),
    Attack(OWN, "SN161", insert="claim active", changes={"finess_geographique": "980000028"}),
    _said(LIMIT, "SN162", "supplier", _ONE_MORE, WHOLE),
    _said(LET_GO, "SN163", "supplier", _RELEASE.format(reason="expired", active=f"{{{ACTIVE}}}")),
    _said(
        LET_GO, "SN163", "reviewer", _RELEASE.format(reason="decided", active=f"{{{ACTIVE}}}"),
        note="decided",
    ),
    _said(CONVERTED, "SN164", "supplier", _RELEASE.format(reason="converted", active=f"{{{ACTIVE}}}")),
    _said(
        STANDS, "SN166", "supplier",
        f"update sons.deadline set superseded_at = due_at where object_id = {{{ACTIVE}}}",
    ),
)  # fmt: skip
