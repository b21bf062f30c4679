"""The attacks on lots, returns of the bank and letters: one per guard, or more, each what only it refuses.

The rows of the world: the lot `prepared` waits for its approval, `approved` for the bank, `paid` was answered
by the return `first`; the recovery `opened` has no letter, `issued` has one; a payment is `due`.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = ("lot", "lot_line", "bank_return", "bank_return_line", "recovery_letter")
NOT_ATTACKED = {
    "lot_line_as_asked_unique": "weaker than lot_line_end_to_end_unique: what a foreign key points at",
    "bank_return_lot_unique": "weaker than the primary key: what a foreign key points at",
}
ELSEWHERE = {"payment_in_lot_has_its_line", "recovery_issued_with_its_letter"}
"""Guards of this migration on tables of others."""

NOBODY, NEW = str(UUID(int=1)), str(UUID(int=2))
AT, LATER, EARLIER = "2023-03-05T10:00:00Z", "2023-03-06T10:00:00Z", "2000-01-01T00:00:00Z"
STRANGER = Of("stranger", "person_id")
HAS_LINES, DECIDED = "lot_has_lines", "lot_decided_once"
SUM, ENDS, OPEN = "lot_is_sum_of_lines", "lot_line_ends_once", "one_open_lot_per_payment"
HELD, SAYS = "lot_line_has_its_payment", "lot_line_ends_as_the_bank_says"
RETURN_SUM, RETURN_LINES = "bank_return_is_sum_of_lines", "bank_return_has_lines"
OF_LOT = ("lot_line_lot_fkey", "bank_return_lot_fkey")
ASKED = "bank_return_line_asked_fkey"
APPROVAL = {
    "approved_at": LATER,
    "approved_by": Of("second", "person_id"),
    "approved_organisation_id": Of("second", "organisation_id"),
}
# a line for the payment that is due, and in no lot
DUE = {
    "payment_id": Of("payment due", "id"),
    "order_id": Of("payment due", "order_id"),
    "supplier_id": Of("payment due", "supplier_id"),
    "og_id": Of("payment due", "og_id"),
    "amount_ttc_cents": Of("payment due", "due_ttc_cents"),
    "bank_account_id": Of("bank_account due", "id"),
    "iban_masked": Of("bank_account due", "iban_masked"),
}
DROP = {"dropped_at": LATER, "dropped_by": Of("second", "person_id"), "drop_reason": "Erreur."}


def _lot(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str | None = "payer", note: str = "", **changes: Any
) -> Attack:
    """Another lot, without its lines."""
    new = {"id": NEW, "number": "LOT-2099-0001", **changes}
    return Attack(guard, sqlstate, by, "lot prepared", new, lifted=(HAS_LINES, *lifted), note=note)


def _approved(guard: str, sqlstate: str = CHECK, **changes: Any) -> Attack:
    return _lot(guard, sqlstate, DECIDED, state="approved", **{**APPROVAL, **changes})


def _dropped(guard: str, sqlstate: str = CHECK, **changes: Any) -> Attack:
    return _lot(guard, sqlstate, DECIDED, state="dropped", **{**DROP, **changes})


def _line(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str | None = "payer", note: str = "", **changes: Any
) -> Attack:
    """A second line for a payment that is in the lot already."""
    new = {"rank": 9, "end_to_end": "LOT-2099-0001-00009", **changes}
    return Attack(guard, sqlstate, by, "lot_line prepared", new, lifted=(SUM, OPEN, *lifted), note=note)


def _return(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str | None = "payer", **changes: Any
) -> Attack:
    """Another return, without its lines."""
    new = {"id": NEW, "content_sha256": "\\x" + "0f" * 32, **changes}
    return Attack(guard, sqlstate, by, "bank_return first", new, lifted=(RETURN_LINES, *lifted))


def _return_line(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str | None = "payer", **changes: Any
) -> Attack:
    """What was paid came back, by a line too many of the same file."""
    new = {"rank": 9, "bank_reference": "BQ-NEW", "outcome": "returned", "reason_code": "AC04", **changes}
    return Attack(guard, sqlstate, by, "bank_return_line first", new, lifted=(RETURN_SUM, *lifted))


def _letter(guard: str, sqlstate: str = CHECK, *, by: str | None = "payer", **changes: Any) -> Attack:
    return Attack(guard, sqlstate, by, "recovery_letter opened", changes)


def _done(
    guard: str,
    sqlstate: str | None,
    *statements: str,
    by: str | None = None,
    lifted: tuple[str, ...] = (),
    note: str = "",
) -> Attack:
    return Attack(guard, sqlstate, by, statements=statements, lifted=lifted, note=note)


def _kept(table: str, where: str, *children: str) -> tuple[Attack, ...]:
    """What is written is neither deleted nor truncated, whoever asks."""
    return (
        _done(f"{table}_never_deleted", "SN010", f"delete from sons.{table} where {where}", lifted=children),
        _done(f"{table}_never_truncated", "SN010", f"truncate sons.{table}", lifted=children),
    )


def _seen(table: str, where: str, by: str) -> Attack:
    return _done(f"{table}_seen", None, f"select count(*) from sons.{table} where {where}", by=by)


LOTS = (
    _lot("lot_pkey", UNIQUE, id=Of("lot prepared", "id")),
    _lot("lot_number_unique", UNIQUE, number=Of("lot prepared", "number")),
    _lot("lot_number_form", number="LOT-1"),
    _lot("lot_state_known", CHECK, DECIDED, state="dreamt"),
    _lot("lot_not_empty", lines=0),
    _lot("lot_not_empty", total_ttc_cents=0, note="nothing"),
    _lot("lot_preparer_fkey", FOREIGN, prepared_by=STRANGER),
    _approved("lot_approver_fkey", FOREIGN, approved_by=STRANGER),
    _dropped("lot_dropper_fkey", FOREIGN, dropped_by=NOBODY),
    _approved("lot_four_eyes", approved_by=Of("lot prepared", "prepared_by")),
    _approved("lot_approval_whole", approved_by=None),
    _lot("lot_approved_by_somebody", CHECK, DECIDED, state="approved"),
    _dropped("lot_drop_whole", dropped_by=None),
    _lot("lot_dropped_by_somebody", CHECK, DECIDED, state="dropped"),
    _dropped("lot_drop_reason_given", drop_reason=" "),
    _approved("lot_in_order", approved_at=EARLIER),
    _dropped("lot_in_order", dropped_at=EARLIER),
    _lot(DECIDED, "SN091", state="approved", **APPROVAL),
    _done(
        DECIDED,
        "SN091",
        "update sons.lot set state = 'dropped', approved_at = null, approved_by = null,"
        " approved_organisation_id = null, dropped_at = approved_at, dropped_by = approved_by,"
        " drop_reason = 'x' where id = {lot approved}",
        note="twice",
    ),
    _done(DECIDED, "SN091", "update sons.lot set lines = 3 where id = {lot prepared}", note="frozen"),
    Attack(HAS_LINES, "SN092", "payer", "lot prepared", {"id": NEW, "number": "LOT-2099-0001"}),
    *_kept("lot", "id = {lot prepared}", *OF_LOT),
    _seen("lot", "id = {lot prepared}", "supplier"),
    _lot("lot_written", HIDDEN, by="reviewer"),
    _done(
        "lot_moved",
        None,
        "update sons.lot set state = 'dropped', dropped_at = prepared_at, dropped_by = prepared_by,"
        " drop_reason = 'x' where id = {lot prepared}",
        by="reviewer",
    ),
)
_OUTCOME = "update sons.lot_line set outcome = '{0}', outcome_at = '{1}' where lot_id = {{lot {2}}}"
LINES = (
    _line("lot_line_pkey", UNIQUE, rank=Of("lot_line prepared", "rank")),
    _line("lot_line_lot_fkey", FOREIGN, lot_id=NOBODY),
    _line("lot_line_payment_fkey", FOREIGN, og_id=Of("lot_line prepared", "supplier_id")),
    _line("lot_line_account_fkey", FOREIGN, iban_masked="FR00 •••• 0000"),
    _line("lot_line_rank_positive", rank=0),
    _line("lot_line_amount_positive", CHECK, ENDS, amount_ttc_cents=0),
    _line("lot_line_end_to_end_form", end_to_end="a b"),
    _line("lot_line_end_to_end_form", end_to_end="A" * 36, note="long"),
    _line("lot_line_end_to_end_unique", UNIQUE, "lot_line_as_asked_unique",
          end_to_end=Of("lot_line prepared", "end_to_end")),
    _line("lot_line_outcome_known", CHECK, ENDS, outcome="dreamt", outcome_at=AT),
    _line("lot_line_outcome_dated", CHECK, ENDS, outcome="paid"),
    Attack(
        OPEN, UNIQUE, "payer", "lot_line prepared", {"rank": 9, "end_to_end": "LOT-2099-0001-00009"},
        lifted=(SUM,),
    ),
    Attack(
        SUM, "SN092", "payer", "lot_line prepared", {"rank": 9, "end_to_end": "LOT-2099-0001-00009"},
        lifted=(OPEN,),
    ),
    _line(ENDS, "SN093", amount_ttc_cents=1),
    _line(ENDS, "SN093", HELD, note="not_in_lot", **DUE),
    _done(ENDS, "SN093", _OUTCOME.format("paid", AT, "prepared"), lifted=(HELD, SAYS), note="not_approved"),
    _done(ENDS, "SN093", _OUTCOME.format("dropped", AT, "approved"), lifted=(HELD, SAYS), note="approved"),
    _done(ENDS, "SN093", _OUTCOME.format("rejected", AT, "paid"), lifted=(HELD, SAYS), note="twice"),
    _done(
        ENDS, "SN093", "update sons.lot_line set rank = 99 where lot_id = {lot prepared}", lifted=(SAYS,),
        note="frozen",
    ),
    _done(HELD, "SN094", _OUTCOME.format("rejected", AT, "approved"), lifted=(SAYS,)),
    _done(
        SAYS,
        "SN094",
        f"update sons.payment set state = 'paid', paid_at = '{AT}' where id = {{payment approved}}",
        _OUTCOME.format("paid", AT, "approved"),
        by="payer",
        lifted=("payment_is_cash",),
    ),
    _done(
        SAYS,
        "SN094",
        "update sons.payment set state = 'due' where id = {payment approved}",
        _OUTCOME.format("rejected", AT, "approved"),
        by="payer",
        note="rejected",
    ),
    _done(
        "payment_in_lot_has_its_line",
        "SN094",
        "update sons.payment set state = 'in_lot' where id = {payment due}",
        by="payer",
    ),
    _done(
        "payment_in_lot_has_its_line",
        "SN094",
        f"update sons.payment set state = 'paid', paid_at = '{AT}' where id = {{payment approved}}",
        by="payer",
        lifted=("payment_is_cash",),
        note="paid",
    ),
    *_kept("lot_line", "lot_id = {lot prepared}", ASKED),
    _seen("lot_line", "lot_id = {lot prepared}", "rival"),
    _line("lot_line_written", HIDDEN, by="reviewer"),
    _done(
        "lot_line_moved", None, _OUTCOME.format("rejected", AT, "approved"), by="reviewer",
        lifted=(HELD, SAYS),
    ),
)  # fmt: skip
RETURNS = (
    _return("bank_return_pkey", UNIQUE, "bank_return_lot_unique", id=Of("bank_return first", "id")),
    _return("bank_return_lot_fkey", FOREIGN, lot_id=NOBODY),
    _return("bank_return_once", UNIQUE, content_sha256=Of("bank_return first", "content_sha256")),
    _return("bank_return_digests_length", content_sha256="\\x00"),
    _return("bank_return_format_known", format="xml"),
    _return("bank_return_not_empty", lines=0),
    _return("bank_return_importer_fkey", FOREIGN, imported_by=STRANGER),
    _done(
        "bank_return_append_only", "SN010", "update sons.bank_return set format = 'json' where id ="
        " {bank_return first}",
    ),
    Attack(
        RETURN_LINES, "SN092", "payer", "bank_return first",
        {"id": NEW, "content_sha256": "\\x" + "0f" * 32},
    ),
    *_kept("bank_return", "id = {bank_return first}", "bank_return_line_file_fkey"),
    _seen("bank_return", "id = {bank_return first}", "supplier"),
    _return("bank_return_written", HIDDEN, by="reviewer"),
    _return_line("bank_return_line_pkey", UNIQUE, rank=Of("bank_return_line first", "rank")),
    _return_line("bank_return_line_file_fkey", FOREIGN, bank_return_id=NOBODY),
    _return_line(ASKED, FOREIGN, amount_ttc_cents=1),
    _return_line("bank_return_line_supplier_fkey", FOREIGN, supplier_id=NOBODY),
    _return_line("bank_return_line_rank_positive", rank=0),
    _return_line("bank_return_line_reference_form", bank_reference="a b"),
    _return_line(
        "bank_return_line_reference_unique", UNIQUE,
        bank_reference=Of("bank_return_line first", "bank_reference"),
    ),
    _return_line("bank_return_line_outcome_known", outcome="dreamt"),
    _return_line("bank_return_line_once", UNIQUE, outcome="paid", reason_code=None),
    _return_line("bank_return_line_reason_given", reason_code=None),
    _return_line("bank_return_line_reason_form", reason_code="ac4"),
    _done(
        "bank_return_line_append_only", "SN010",
        "update sons.bank_return_line set bank_reference = 'X' where bank_return_id = {bank_return first}",
    ),
    Attack(
        RETURN_SUM, "SN092", "payer", "bank_return_line first",
        {"rank": 9, "bank_reference": "BQ-NEW", "outcome": "returned", "reason_code": "AC04"},
    ),
    *_kept("bank_return_line", "bank_return_id = {bank_return first}"),
    _seen("bank_return_line", "bank_return_id = {bank_return first}", "rival"),
    _return_line("bank_return_line_written", HIDDEN, by="reviewer"),
)  # fmt: skip
LETTERS = (
    _letter("recovery_letter_pkey", UNIQUE, recovery_id=Of("recovery_letter issued", "recovery_id"),
            supplier_id=Of("recovery_letter issued", "supplier_id"),
            og_id=Of("recovery_letter issued", "og_id")),
    _letter("recovery_letter_recovery_fkey", FOREIGN, recovery_id=NOBODY),
    _letter("recovery_letter_content_object", content=[]),
    _done(
        "recovery_letter_append_only", "SN010",
        "update sons.recovery_letter set content = '{}' where recovery_id = {recovery issued}",
    ),
    *_kept("recovery_letter", "recovery_id = {recovery issued}"),
    _seen("recovery_letter", "recovery_id = {recovery issued}", "rival"),
    _letter("recovery_letter_written", HIDDEN, by="reviewer"),
    _done(
        "recovery_issued_with_its_letter", "SN095",
        f"update sons.recovery set issued_at = '{LATER}', issued_by = (select prepared_by from sons.lot"
        " where id = {lot prepared}) where id = {recovery opened}",
        by="payer",
        lifted=("recovery_of_order_over",),  # what the letter frees is another guard's
    ),
)  # fmt: skip
ATTACKS = (*LOTS, *LINES, *RETURNS, *LETTERS)
