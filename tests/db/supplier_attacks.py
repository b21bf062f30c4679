"""The attacks on the tables of suppliers: one per guard, or more, each the least change that only it refuses.

The rows of the world: `supplier` has a file in force and another that waits, an account in force and a spare
one; `rival` has asked for an account; `third` has one that is confirmed and waits.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = ("enrolment", "enrolment_piece", "enrolment_decision", "bank_account", "bank_account_change")
NOT_ATTACKED = {
    "bank_account_masked_unique": "weaker than the primary key: what a foreign key points at",
    "bank_account_compared": "attacked by the test of shared_accounts(): it is open already",
    "bank_account_change_compared": "the same",
}
NOBODY = str(UUID(int=1))
STRANGER = Of("person stranger", "id")
PIECES, EXTRA = "enrolment_has_its_pieces", "enrolment_piece_of_its_file"
FILED, WAITS, ONCE = (
    "enrolment_filed_by_who_may",
    "bank_account_change_one_waits",
    "bank_account_change_moves_once",
)
FILE_CHILDREN = ("enrolment_piece_enrolment_fkey", "enrolment_decision_enrolment_fkey")


def _file(
    guard: str,
    sqlstate: str = CHECK,
    *lifted: str,
    by: str | None = "supplier",
    note: str = "",
    **changes: Any,
) -> Attack:
    changes = {"number": 9, **changes}
    return Attack(guard, sqlstate, by, "enrolment first", changes, lifted=(PIECES, *lifted), note=note)


def _piece(guard: str, sqlstate: str = CHECK, *lifted: str, **changes: Any) -> Attack:
    changes = {"kind": "mandate", **changes}
    return Attack(guard, sqlstate, "supplier", "enrolment_piece first", changes, lifted=(EXTRA, *lifted))


def _decision(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str | None = "reviewer", **changes: Any
) -> Attack:
    return Attack(guard, sqlstate, by, "enrolment_decision first", {"number": 2, **changes}, lifted=lifted)


def _account(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str = "supplier", note: str = "", **changes: Any
) -> Attack:
    changes = {"id": str(UUID(int=2)), **changes}
    return Attack(guard, sqlstate, by, "bank_account first", changes, lifted=lifted, note=note)


def _asked(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str | None = "supplier", **changes: Any
) -> Attack:
    return Attack(guard, sqlstate, by, "bank_account_change spare", changes, lifted=lifted)


def _moved(
    guard: str,
    sqlstate: str | None,
    change: str,
    *,
    row: str = "rival",
    by: str | None = "rival",
    lifted: tuple[str, ...] = (),
    note: str = "",
) -> Attack:
    """An update of the change that waits."""
    statement = f"update sons.bank_account_change set {change} where id = {{bank_account_change {row}}}"
    return Attack(guard, sqlstate, by, statements=(statement,), lifted=lifted, note=note)


def _kept(table: str, change: str, *children: str) -> tuple[Attack, ...]:
    """What is written stays: not changed, not deleted, not truncated, whoever asks."""
    of_supplier = "where supplier_id = {supplier}"
    attacks = [
        Attack(
            f"{table}_never_deleted", "SN010", None,
            statements=(f"delete from sons.{table} {of_supplier}",), lifted=children,
        ),
        Attack(
            f"{table}_never_truncated", "SN010", None,
            statements=(f"truncate sons.{table}",), lifted=children,
        ),
    ]  # fmt: skip
    if change:
        statement = f"update sons.{table} set {change} {of_supplier}"
        attacks.append(Attack(f"{table}_append_only", "SN010", None, statements=(statement,)))
    return tuple(attacks)


def _hidden(table: str, *viewers: str) -> tuple[Attack, ...]:
    ask = f"select count(*) from sons.{table} where supplier_id = {{supplier}}"
    return tuple(Attack(f"{table}_seen", None, viewer, statements=(ask,), note=viewer) for viewer in viewers)


MANDATE = {"mandate_from_on": "2022-01-01", "mandate_to_on": "2022-12-31"}

FILES = (
    _file("enrolment_pkey", UNIQUE, number=1),
    _file(
        "enrolment_of_supplier", CHECK, "enrolment_submitter_fkey", "enrolment_representative_fkey",
        by=None, supplier_kind="og",
    ),
    _file("enrolment_submitter_fkey", FOREIGN, FILED, submitted_by=STRANGER),
    _file("enrolment_representative_fkey", FOREIGN, FILED, representative_id=STRANGER),
    _file("enrolment_mandated_fkey", FOREIGN, mandated_id=STRANGER, **MANDATE),
    _file("enrolment_number_positive", number=0),
    _file("enrolment_texts_not_blank", solution=" "),
    _file("enrolment_mandate_whole", mandate_from_on="2022-01-01"),
    _file(
        "enrolment_mandate_dates_in_order",
        mandated_id=Of("person second", "id"), mandate_from_on="2022-02-01", mandate_to_on="2022-01-31",
    ),
    _file(FILED, representative_id=None),
    _file(
        FILED, note="mandate_over",
        representative_id=None, mandated_id=Of("enrolment first", "submitted_by"),
        mandate_from_on="2021-01-01", mandate_to_on="2022-05-04",
    ),
    Attack(PIECES, "SN071", insert="enrolment first", changes={"number": 9}),
    *_kept("enrolment", "solution = 'X'", *FILE_CHILDREN),
    *_hidden("enrolment", "rival", "pilot", "og", "anonymous"),
    _file("enrolment_written", HIDDEN, by="rival"),
    _file("enrolment_written", HIDDEN, by="supplier as payer", note="as_payer"),

    Attack("enrolment_piece_pkey", UNIQUE, insert="enrolment_piece first", lifted=(EXTRA,)),
    _piece("enrolment_piece_enrolment_fkey", FOREIGN, number=99),
    _piece("enrolment_piece_kind_known", kind="selfie"),
    _piece("enrolment_piece_sha256_length", sha256="\\x00"),
    Attack(EXTRA, "SN071", insert="enrolment_piece first", changes={"kind": "vat_exemption"}),
    *_kept("enrolment_piece", "sha256 = sha256('x')"),
    *_hidden("enrolment_piece", "rival", "pilot"),
    Attack(
        "enrolment_piece_written", HIDDEN, "rival", "enrolment_piece first", {"kind": "mandate"},
        lifted=(EXTRA,),
    ),

    _decision("enrolment_decision_pkey", UNIQUE, number=1),
    _decision("enrolment_decision_enrolment_fkey", FOREIGN, number=99),
    _decision("enrolment_decision_author_fkey", FOREIGN, decided_by=STRANGER),
    _decision(
        "enrolment_decision_by_an_agent", CHECK, "enrolment_decision_author_fkey", by=None, role="pilot"
    ),
    _decision("enrolment_decision_known", decision="maybe"),
    _decision("enrolment_decision_says_why", decision="to_correct"),
    *_kept("enrolment_decision", "decided_at = decided_at + interval '1 d'"),
    *_hidden("enrolment_decision", "rival", "pilot"),
    _decision("enrolment_decision_written", HIDDEN, by="supplier"),
)  # fmt: skip

ACCOUNTS = (
    _account("bank_account_pkey", UNIQUE, id=Of("bank_account first", "id"), iban=Of("iban", "other")),
    _account(
        "bank_account_supplier_fkey", FOREIGN, by="unknown", supplier_id=Of("unknown", "organisation_id")
    ),
    _account("bank_account_iban_form", CHECK, "bank_account_iban_key_holds", iban="FR76"),
    _account("bank_account_iban_key_holds", iban="FR1520041010050500013M02606"),
    _account("bank_account_bic_form", bic="PSSTFRP"),
    _account("bank_account_statement_length", statement_sha256="\\x00"),
    *_kept("bank_account", "bic = 'SOGEFRPP'", "bank_account_change_account_fkey", "lot_line_account_fkey"),
    *_hidden("bank_account", "rival", "reviewer", "admin", "pilot", "og", "scheduler", "supplier as pilot"),
    _account("bank_account_written", HIDDEN, by="rival"),
    _account("bank_account_written", HIDDEN, by="payer", note="payer"),
)  # fmt: skip

CHANGES = (
    Attack("bank_account_change_pkey", UNIQUE, None, "bank_account_change first"),
    _asked("bank_account_change_account_fkey", FOREIGN, iban_masked="FR76 •••• 0000"),
    _asked(
        "bank_account_change_of_supplier", CHECK, "bank_account_change_requester_fkey",
        by=None, supplier_kind="og",
    ),
    _asked("bank_account_change_requester_fkey", FOREIGN, requested_by=STRANGER),
    _moved(
        "bank_account_change_confirmer_fkey", FOREIGN,
        "confirmed_at = requested_at, confirmed_by = {person second},"
        " takes_effect_at = requested_at + interval '1 d'",
    ),
    _moved(
        "bank_account_change_stopper_fkey", FOREIGN, f"stopped_at = requested_at, stopped_by = '{NOBODY}'"
    ),
    _moved("bank_account_change_confirmation_whole", CHECK, "confirmed_at = requested_at"),
    _moved(
        "bank_account_change_by_two_persons", CHECK,
        "confirmed_at = requested_at, confirmed_by = requested_by,"
        " takes_effect_at = requested_at + interval '1 d'",
    ),
    _moved(
        "bank_account_change_confirmed_after_request", CHECK,
        "confirmed_at = requested_at - interval '1 s', confirmed_by = {person stranger},"
        " takes_effect_at = requested_at",
    ),
    _moved(
        "bank_account_change_takes_effect_later", CHECK,
        "confirmed_at = requested_at, confirmed_by = {person stranger}, takes_effect_at = requested_at",
    ),
    _moved("bank_account_change_stop_whole", CHECK, "stopped_at = requested_at"),
    _moved(
        "bank_account_change_stopped_after_request", CHECK,
        "stopped_at = requested_at - interval '1 s', stopped_by = requested_by",
    ),
    _moved(
        "bank_account_change_stopped_before_effect", CHECK,
        "stopped_at = takes_effect_at, stopped_by = requested_by", row="first", by="supplier",
    ),
    Attack(
        "bank_account_change_one_unconfirmed", UNIQUE, "rival", "bank_account_change spare of rival",
        lifted=(WAITS,),
    ),
    Attack(
        WAITS, "SN072", "rival", "bank_account_change spare of rival",
        lifted=("bank_account_change_one_unconfirmed",),
    ),
    Attack(WAITS, "SN072", "third", "bank_account_change spare of third", note="confirmed"),
    _moved(
        ONCE, "SN073",
        "confirmed_at = requested_at, confirmed_by = {person stranger},"
        " takes_effect_at = requested_at + interval '1 d'",
        by="payer", note="confirmed_by_a_payer",
    ),
    _moved(ONCE, "SN073", "takes_effect_at = takes_effect_at + interval '1 d'", row="third", by="third"),
    _moved(
        ONCE, "SN073", "requested_at = requested_at - interval '1 d'", by=None, note="rewritten",
    ),
    Attack(
        ONCE, "SN073", "rival", statements=(
            "update sons.bank_account_change set stopped_at = requested_at, stopped_by = requested_by"
            " where id = {bank_account_change rival}",
            "update sons.bank_account_change set stopped_at = null, stopped_by = null"
            " where id = {bank_account_change rival}",
        ), note="unstopped",
    ),
    *_kept("bank_account_change", ""),
    *_hidden("bank_account_change", "rival", "pilot", "og", "anonymous"),
    _asked("bank_account_change_written", HIDDEN, by="rival"),
    _moved(
        "bank_account_change_moved", None, "stopped_at = requested_at, stopped_by = requested_by",
        by="reviewer",
    ),
)  # fmt: skip

ATTACKS = (*FILES, *ACCOUNTS, *CHANGES)
