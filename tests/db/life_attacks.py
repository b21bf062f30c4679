"""The attacks on the life of an order: one per guard, or more, each the smallest change that only it refuses.

The orders of the world, each with its own supplier and OG, named by how far they are: `fresh` (deposited),
`asked` (its advance is asked for), `sent_back` (its request is to correct), `doubtful` (deposited, to review),
`settled_review` (its review is settled), `due`, `in_lot`, `paid` (its advance is), `trimmed` (paid, then an
ESSMS left by agreement), `whole` (settled), `renounced` (cancelled, its paid advance to recover), `lapsed`
(conditional, its delay passed) and `gone` (cancelled before anything was due).
"""

# ruff: noqa: E501 - statements

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = (
    "request_transition", "payment_transition", "financing_request", "request_filing", "correction",
    "ledger_entry", "recovery", "recovery_step", "verdict_settlement",
)  # fmt: skip
NOT_ATTACKED = {
    "financing_request_parties_unique": "weaker than the primary key: what foreign keys point at",
    "recovery_parties_unique": "weaker than the primary key: what foreign keys point at",
}

NOBODY, NEW = str(UUID(int=1)), str(UUID(int=2))
ORDER_FACTS, REQUEST_FACTS, PAYMENT_FACTS = (
    "purchase_order_moves_on_facts", "financing_request_moves_on_facts", "payment_moves_on_facts",
)  # fmt: skip
OVER, PAYMENT_OVER, RECOVERY_OVER = (
    "purchase_order_is_over",
    "payment_of_order_over",
    "recovery_of_order_over",
)
LEDGER, EVEN = "purchase_order_is_its_ledger", "payment_of_even_order"
ALONG, REQUEST_ALONG, PAYMENT_ALONG = (
    "purchase_order_along_the_table", "financing_request_along_the_table", "payment_along_the_table",
)  # fmt: skip
HAS_RECOVERY, HAS_PAYMENT, PAID_FOR = (
    "payment_has_its_recovery", "recovery_has_its_payment", "recovery_of_what_was_paid",
)  # fmt: skip
CASH, LEDGER_CASH, WITHIN, PLANNED = (
    "payment_is_cash", "ledger_is_cash", "ledger_line_within", "ledger_planned_as_decided",
)  # fmt: skip
LET_GO, TAKEN, FILED, IN_TURN = (
    "claim_released_on_facts", "claim_taken_as_ordered", "financing_request_has_its_filing",
    "request_filing_in_turn",
)  # fmt: skip
IN_LOT, LETTER = "payment_in_lot_has_its_line", "recovery_issued_with_its_letter"
# what looks at an order that ends, besides the guard under attack
ENDS = (OVER, PAYMENT_OVER, RECOVERY_OVER, LEDGER, EVEN)


def _do(
    guard: str,
    sqlstate: str | None,
    by: str | None,
    *statements: str,
    lifted: tuple[str, ...] = (),
    note: str = "",
) -> Attack:
    return Attack(guard, sqlstate, by, statements=statements, lifted=lifted, note=note)


def _order(name: str, state: str) -> str:
    return f"update sons.purchase_order set state = '{state}' where id = {{order {name}}}"


def _request(name: str, change: str) -> str:
    return f"update sons.financing_request set {change} where id = {{request {name}}}"


def _payment(name: str, change: str, kind: str = "advance") -> str:
    return f"update sons.payment set {change} where id = {{{kind} {name}}}"


def _recovery(change: str, name: str = "renounced") -> str:
    return f"update sons.recovery set {change} where id = {{recovery {name}}}"


def _free(name: str, reason: str) -> str:
    return (
        f"update sons.claim set released_at = '2024-06-01Z', release_reason = '{reason}'"
        f" where order_id = {{order {name}}} and released_at is null"
    )


def _entry(name: str, movement: str, cause: str, amount: str, kind: str = "advance") -> str:
    """An entry on the first line of an order; `amount` is an expression on the line `l`."""
    return (
        "insert into sons.ledger_entry (order_id, finess_geographique, supplier_id, og_id, payment_id,"
        f" movement, amount_ttc_cents, at, cause) select l.order_id, l.finess_geographique, l.supplier_id,"
        f" l.og_id, {{{kind} {name}}}, '{movement}', {amount}, '2023-04-01Z', '{cause}'"
        f" from sons.order_line l where l.order_id = {{order {name}}} order by l.finess_geographique limit 1"
    )


def _unplan(name: str) -> str:
    return (
        "insert into sons.ledger_entry (order_id, finess_geographique, supplier_id, og_id, payment_id, movement,"
        " amount_ttc_cents, at, cause) select order_id, finess_geographique, supplier_id, og_id, payment_id,"
        f" 'planned', -sum(amount_ttc_cents), '2023-04-01Z', 'order_ended' from sons.ledger_entry"
        f" where order_id = {{order {name}}} and movement = 'planned' group by 1, 2, 3, 4, 5"
    )


def _kept(table: str, where: str, change: str = "", *lifted: str) -> tuple[Attack, ...]:
    """What is written stays: not deleted, not truncated, and where nothing may move, not changed."""
    attacks = [
        _do(
            f"{table}_never_deleted", "SN010", None, f"delete from sons.{table} where {where}", lifted=lifted
        ),
        _do(f"{table}_never_truncated", "SN010", None, f"truncate sons.{table}"),
    ]
    if change:
        statement = f"update sons.{table} set {change} where {where}"
        attacks.append(_do(f"{table}_append_only", "SN010", None, statement))
    return tuple(attacks)


def _hidden(table: str, where: str, *viewers: str) -> tuple[Attack, ...]:
    ask = f"select count(*) from sons.{table} where {where}"
    return tuple(_do(f"{table}_seen", None, viewer, ask, note=viewer) for viewer in viewers)


def _asks(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str = "fresh", note: str = "", **changes: Any
) -> Attack:
    """A request of the fresh order, but for `changes`."""
    return Attack(
        guard,
        sqlstate,
        by,
        "financing_request spare",
        {"id": NEW, **changes},
        lifted=(FILED, *lifted),
        note=note,
    )


def _files(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str = "sent_back", note: str = "", **changes: Any
) -> Attack:
    """The second filing of the request that was sent back."""
    return Attack(
        guard, sqlstate, by, "request_filing sent_back", {"filing": 2, **changes}, lifted=lifted, note=note
    )


def _corrects(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str = "reviewer", note: str = "", **changes: Any
) -> Attack:
    """A correction of the request that is asked."""
    return Attack(guard, sqlstate, by, "correction spare", {"id": NEW, **changes}, lifted=lifted, note=note)


def _books(guard: str, sqlstate: str, by: str | None, *lifted: str, note: str = "", **changes: Any) -> Attack:
    """A planned row of the ledger of the due order, again."""
    return Attack(
        guard, sqlstate, by, "ledger_entry due", {"id": 10**12, **changes}, lifted=lifted, note=note
    )


def _recovers(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str = "renounced", note: str = "", **changes: Any
) -> Attack:
    """The recovery of the renounced order, opened again."""
    changes = {"id": NEW, "number": "OR-2099-000001", **changes}
    once = () if guard == "recovery_once_per_payment" else ("recovery_once_per_payment",)
    return Attack(guard, sqlstate, by, "recovery renounced", changes, lifted=(*once, *lifted), note=note)


def _steps(guard: str, sqlstate: str = CHECK, *lifted: str, by: str = "payer", **changes: Any) -> Attack:
    return Attack(guard, sqlstate, by, "recovery_step spare", {"id": NEW, **changes}, lifted=lifted)


def _settles(guard: str, sqlstate: str = CHECK, *lifted: str, by: str = "reviewer", **changes: Any) -> Attack:
    return Attack(
        guard, sqlstate, by, "verdict_settlement settled_review", {"rule": "R99", **changes}, lifted=lifted
    )


OTHER_OG = Of("purchase_order lapsed", "og_id")
VALID = {"decided_at": "2023-03-02Z", "referenced_on": "2023-03-02"}

TABLES_OF_STATES = tuple(
    attack
    for table in ("request_transition", "payment_transition")
    for attack in (
        _do(f"{table}_pkey", UNIQUE, None, f"insert into sons.{table} select * from sons.{table}"),
        _do(
            f"{table}_states_known", CHECK, None,
            f"insert into sons.{table} values ('draft', 'dreamt', 'deposit', 'editor')",
        ),
    )
)  # fmt: skip

ORDERS = (
    # a state without the facts of its event
    _do(ORDER_FACTS, "SN131", "reviewer", _order("fresh", "to_correct"), note="nothing_to_correct"),
    _do(ORDER_FACTS, "SN131", "faulty", _order("faulty", "submitted"), note="not_answered"),
    _do(ORDER_FACTS, "SN131", "reviewer", _order("asked", "validated"), lifted=(LEDGER,), note="nothing_validated"),
    _do(ORDER_FACTS, "SN131", "reviewer", _order("doubtful", "submitted"), note="nothing_settled"),
    _do(ORDER_FACTS, "SN131", "reviewer", _order("doubtful", "rejected"), lifted=ENDS, note="nothing_upheld"),
    _do(ORDER_FACTS, "SN131", "reviewer", _order("doubtful", "settled"), note="no_advance"),
    _do(ORDER_FACTS, "SN131", "payer", _order("paid", "settled"), lifted=(LEDGER,), note="no_solde"),
    _do(ORDER_FACTS, "SN131", "payer", _order("whole", "validated"), note="nothing_returned"),
    # a party ends its order alone
    _do(OVER, "SN132", "fresh", _order("fresh", "cancelled"), _free("fresh", "cancelled"), note="without_pieces"),
    _do(OVER, "SN132", "fresh og", _order("fresh", "cancelled"), _free("fresh", "cancelled"), note="og_without_pieces"),
    _do(OVER, "SN132", "scheduler", _order("fresh", "lapsed"), note="keeps_its_essms"),
    _do(OVER, "SN132", "scheduler", _order("paid", "lapsed"), _unplan("paid"), _free("paid", "lapsed"), lifted=(LET_GO,), note="advance_forgotten"),
    _do(
        OVER, "SN132", "scheduler", _order("due", "lapsed"),
        _payment("due", "state = 'planned', due_ttc_cents = null, due_at = null"), _free("due", "lapsed"),
        lifted=(PAYMENT_OVER,), note="still_planned",
    ),
    _do(
        OVER, "SN132", "scheduler", _order("due", "lapsed"), _unplan("due"), _free("due", "lapsed"),
        note="still_due",
    ),
    # a lot that is dropped after the end leaves nothing due
    _do(
        PAYMENT_OVER, "SN132", "payer",
        "select set_config('sons.role', 'scheduler', true) is not null",
        _order("in_lot", "lapsed"), _unplan("in_lot"),
        "select set_config('sons.role', 'payer', true) is not null",
        _payment("in_lot", "state = 'due'"), lifted=(OVER, IN_LOT),
    ),
    _do(RECOVERY_OVER, "SN132", "payer", _recovery("issued_at = opened_at"), lifted=(LETTER,), note="essms_not_freed"),
    # a ledger that is not what the state says
    _do(LEDGER, "SN133", "reviewer", _request("asked", "state = 'validated', referenced_on = '2023-03-02', decided_at = '2023-03-02Z'"), _order("asked", "validated"), note="not_planned"),
    _do(LEDGER, "SN133", "payer", _order("paid", "settled"), lifted=(ORDER_FACTS,), note="not_even"),
    _do(
        EVEN, "SN133", "payer",
        _payment("whole", "state = 'returned', paid_at = null", "solde"),
        "insert into sons.ledger_entry (order_id, finess_geographique, supplier_id, og_id, payment_id, movement,"
        " amount_ttc_cents, at, cause) select order_id, finess_geographique, supplier_id, og_id, payment_id,"
        " 'paid', -amount_ttc_cents, at, 'bank_returned' from sons.ledger_entry"
        " where payment_id = {solde whole} and movement = 'paid'",
        note="returned_alone",
    ),
    _do("purchase_order_moved", None, "pilot", "update sons.purchase_order set state = state where id = {order fresh}"),
    _do("purchase_order_moved", None, "rival", "update sons.purchase_order set state = state where id = {order fresh}", lifted=("purchase_order_seen",), note="rival"),
    _do("purchase_order_moved", None, "fresh og as editor", "update sons.purchase_order set state = state where id = {order fresh}", note="og_as_editor"),
)  # fmt: skip

_TAKE = (
    "insert into sons.claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id, claimed_at{})"
    " select {}, c.finess_geographique, 'order', c.order_id, c.supplier_id, c.og_id, '2024-06-01Z'{}"
    " from sons.claim c where c.order_id = {{order {}}} {} limit 1"
)
CLAIMS = (
    _do(LET_GO, "SN134", "renounced", _free("renounced", "cancelled"), note="advance_out"),
    _do(LET_GO, "SN134", "renounced", _free("renounced", "recovered"), note="not_issued"),
    _do(LET_GO, "SN134", "scheduler", _order("in_lot", "lapsed"), _unplan("in_lot"), _free("in_lot", "lapsed"), lifted=(OVER,), note="with_the_bank"),
    _do(LET_GO, "SN134", "scheduler", _order("fresh", "lapsed"), _free("fresh", "recovered"), note="never_paid"),
    _do(LET_GO, "SN134", "paid", _free("paid", "removed_from_perimeter"), note="without_agreement"),
    _do(LET_GO, "SN134", "paid", _free("paid", "decided"), note="decided_by_itself"),
    _do(TAKEN, "SN134", "fresh", _TAKE.format("", "'V9'", "", "fresh", ""), note="another_vague"),
    _do(TAKEN, "SN134", "trimmed", _TAKE.format("", "'V1'", "", "trimmed", "and c.released_at is not null"), note="removed_essms"),
    _do(
        "claim_deposited", HIDDEN, "fresh",
        _TAKE.format(", released_at, release_reason", "'V1'", ", '2024-06-01Z', 'removed_from_perimeter'", "fresh", ""),
        lifted=(TAKEN,), note="removed_by_itself",
    ),
    _do(
        "claim_retaken", HIDDEN, "scheduler",
        _TAKE.format(", released_at, release_reason", "'V1'", ", '2024-06-01Z', 'removed_from_perimeter'", "fresh", ""),
        lifted=(TAKEN,),
    ),
    _do("claim_released", None, "pilot", "select set_config('sons.role', 'scheduler', true) is not null", _order("fresh", "lapsed"), "select set_config('sons.role', 'pilot', true) is not null", _free("fresh", "lapsed")),
)  # fmt: skip

REQUESTS = (
    _asks(
        "financing_request_pkey", UNIQUE, "financing_request_parties_unique", id=Of("financing_request asked", "id")
    ),
    _asks("financing_request_kind_known", kind="gift"),
    _asks("financing_request_state_known", CHECK, REQUEST_ALONG, state="dreamt"),
    _asks("financing_request_order_fkey", FOREIGN, og_id=OTHER_OG),
    _asks("financing_request_person_fkey", FOREIGN, decided_by=NOBODY),
    _asks("financing_request_referenced", CHECK, REQUEST_ALONG, state="validated", decided_at="2023-03-02Z"),
    _asks("financing_request_decided", CHECK, state="inadmissible", reason="Tard."),
    _asks("financing_request_reason_given", CHECK, state="inadmissible", decided_at="2023-03-02Z"),
    _asks(
        "financing_request_reason_given", CHECK, state="inadmissible", decided_at="2023-03-02Z", reason=" ", note="blank"
    ),
    Attack(
        "one_live_request", UNIQUE, "asked", "financing_request asked", {"id": NEW}, lifted=(FILED,)
    ),
    _asks(REQUEST_ALONG, "SN016", state="validated", **VALID),
    _do(REQUEST_ALONG, "SN016", "asked", _request("asked", "state = 'validated', referenced_on = '2023-03-02', decided_at = '2023-03-02Z'"), note="by_its_supplier"),
    _do(REQUEST_ALONG, "SN016", None, _request("asked", "received_at = '2022-03-02Z'"), note="backdated"),
    Attack(FILED, "SN136", "fresh", "financing_request spare", {"id": NEW}),
    _do(REQUEST_FACTS, "SN135", "reviewer", _request("asked", "state = 'to_correct'"), note="nothing_to_correct"),
    _do(REQUEST_FACTS, "SN135", "sent_back", _request("sent_back", "state = 'requested'"), note="not_answered"),
    _do(REQUEST_FACTS, "SN135", "due", _request("due", "state = 'inadmissible', decided_at = '2023-03-02Z', reason = 'Non.'"), note="ended_by_itself"),
    _do(REQUEST_FACTS, "SN135", "reviewer", _request("due", "state = 'inadmissible', decided_at = '2023-03-02Z', reason = 'Non.'"), note="after_validation"),
    _do(REQUEST_FACTS, "SN135", "payer", _request("due", "state = 'paid'"), note="not_paid"),
    _do(REQUEST_FACTS, "SN135", "payer", _request("paid", "state = 'validated'"), note="not_returned"),
    _do(REQUEST_FACTS, "SN135", "asked", _request("asked", "referenced_on = '2023-03-02'"), note="referenced_by_itself"),
    _do(REQUEST_FACTS, "SN135", "due", _request("due", "reason = 'Autre.'"), note="reason_rewritten"),
    *_kept("financing_request", "id = {request asked}", "", "request_filing_request_fkey"),
    *_hidden("financing_request", "id = {request asked}", "rival", "rival og", "anonymous"),
    _asks("financing_request_filed", HIDDEN, by="rival"),
    _asks("financing_request_filed", HIDDEN, REQUEST_ALONG, by="fresh og", note="og"),
    _do("financing_request_moved", None, "pilot", _request("asked", "state = state")),

    _files("request_filing_pkey", UNIQUE, IN_TURN, filing=1),
    _files("request_filing_numbered", CHECK, IN_TURN, filing=0),
    _files("request_filing_request_fkey", FOREIGN, request_id=NOBODY, filing=1),
    _files("request_filing_law_fkey", FOREIGN, law_digest="0" * 64),
    _files("request_filing_content_object", content=[]),
    _files(IN_TURN, "SN136", filing=3),
    Attack(IN_TURN, "SN136", "asked", "request_filing asked", {"filing": 2}, note="not_sent_back"),
    *_kept("request_filing", "request_id = {request asked}", "filed_at = filed_at + interval '1 d'"),
    *_hidden("request_filing", "request_id = {request asked}", "rival", "rival og", "anonymous"),
    Attack("request_filing_filed", HIDDEN, "rival", "request_filing sent_back", {"filing": 2}, lifted=(IN_TURN,)),

    _corrects("correction_pkey", UNIQUE, id=Of("correction sent_back", "id")),
    _corrects("correction_kind_known", kind="ugly"),
    _corrects("correction_reason_given", reason=" "),
    _corrects("correction_order_fkey", FOREIGN, "correction_request_fkey", og_id=OTHER_OG),
    _corrects("correction_request_fkey", FOREIGN, request_id=Of("financing_request sent_back", "id")),
    _corrects("correction_asked_by_fkey", FOREIGN, asked_by=NOBODY),
    _corrects("correction_answered_by_fkey", FOREIGN, answered_by=NOBODY),
    _corrects("correction_answer_whole", answer="Voici."),
    _corrects("correction_answered_later", answer="Voici.", answered_at="2022-01-01Z"),
    Attack("one_open_correction", UNIQUE, "reviewer", "correction sent_back", {"id": NEW}),
    _do("correction_answered_once", "SN016", None, "update sons.correction set reason = 'Autre.' where id = {correction sent_back}"),
    _do(
        "correction_answered_once", "SN016", "sent_back",
        *["update sons.correction set answered_at = asked_at, answer = 'Voici.' where id = {correction sent_back}"] * 2,
        note="twice",
    ),
    *_kept("correction", "id = {correction sent_back}"),
    *_hidden("correction", "id = {correction sent_back}", "rival", "rival og", "anonymous"),
    _corrects("correction_filed", HIDDEN, by="asked"),
    _do("correction_answered", None, "payer", "update sons.correction set answered_at = asked_at, answer = 'Voici.' where id = {correction sent_back}"),
)  # fmt: skip

_DUE = "state = 'due', due_ttc_cents = amount_ttc_cents, due_at = '2023-03-02Z'"
_NOT_YET = (PAYMENT_ALONG, PAYMENT_FACTS)
PAYMENTS = (
    _do("payment_due_known", CHECK, "reviewer", _payment("fresh", "state = 'due'"), lifted=_NOT_YET),
    _do("payment_due_dated", CHECK, "reviewer", _payment("fresh", "state = 'due', due_ttc_cents = 1"), lifted=_NOT_YET),
    _do("payment_due_within", CHECK, "reviewer", _payment("fresh", "state = 'due', due_ttc_cents = amount_ttc_cents + 1, due_at = '2023-03-02Z'"), lifted=_NOT_YET),
    _do("payment_paid_dated", CHECK, "payer", _payment("in_lot", "state = 'paid'"), lifted=(CASH, IN_LOT)),
    _do(PAYMENT_ALONG, "SN015", "fresh", _payment("fresh", _DUE), lifted=(PAYMENT_FACTS,), note="made_due_by_its_supplier"),
    _do(PAYMENT_ALONG, "SN015", "due", _payment("due", "state = 'paid', paid_at = due_at"), lifted=(CASH, PAYMENT_FACTS), note="paid_by_its_supplier"),
    _do(PAYMENT_ALONG, "SN015", "reviewer", _payment("fresh", _DUE), lifted=(PAYMENT_FACTS,), note="no_request"),
    _do(PAYMENT_ALONG, "SN015", "reviewer", _payment("paid", _DUE, "solde"), lifted=(PAYMENT_FACTS,), note="solde_without_request"),
    _do(PAYMENT_ALONG, "SN015", "reviewer", _payment("due", "due_ttc_cents = due_ttc_cents - 1"), lifted=(PAYMENT_FACTS,), note="amount"),
    # the advance of this order is validated and planned, then made due a cent off
    _do(
        PAYMENT_FACTS, "SN137", "reviewer", _payment("paid", "state = 'due', due_ttc_cents = 1, due_at = '2023-03-02Z'", "solde"),
        lifted=(PAYMENT_ALONG,), note="not_what_is_planned",
    ),
    _do(
        PAYMENT_FACTS, "SN137", "reviewer", _payment("paid", "state = 'due', due_ttc_cents = amount_ttc_cents - 1, due_at = '2023-03-02Z'", "solde"),
        lifted=(PAYMENT_ALONG,), note="a_cent_off",
    ),
    _do(PAYMENT_FACTS, "SN137", "due", _payment("due", "state = 'planned', due_ttc_cents = null, due_at = null"), note="taken_back_by_itself"),
    _do(PAYMENT_FACTS, "SN137", "due", _payment("due", "due_at = '2022-01-01Z'"), note="due_earlier"),
    _do(PAYMENT_FACTS, "SN137", "paid", _payment("paid", "paid_at = '2022-01-01Z'"), note="paid_earlier"),
    _do(PAYMENT_FACTS, "SN137", "scheduler", _order("due", "lapsed"), "select set_config('sons.role', 'payer', true) is not null", _payment("due", "state = 'in_lot'"), lifted=(IN_LOT, *ENDS), note="order_over"),
    _do(CASH, "SN018", "payer", _payment("in_lot", "state = 'paid', paid_at = '2023-03-09Z'"), lifted=(IN_LOT,), note="paid_without_ledger"),
    _do(CASH, "SN018", "payer", _payment("renounced", "state = 'recovered'"), lifted=(HAS_RECOVERY,), note="recovered_without_ledger"),
    _do(CASH, "SN018", "payer", _payment("paid", "state = 'returned', paid_at = null"), note="returned_without_ledger"),
    _do(HAS_RECOVERY, "SN138", "paid", _payment("paid", "state = 'to_recover'")),
    _do("payment_moved", None, "pilot", _payment("due", "state = state")),
)  # fmt: skip

_ALL_LEDGER = (WITHIN, LEDGER_CASH, PLANNED)
MONEY = (
    _books("ledger_entry_pkey", UNIQUE, "reviewer", WITHIN, "ledger_entry_planned_once", id=Of("ledger_entry due", "id")),
    _books("ledger_entry_line_fkey", FOREIGN, "reviewer", finess_geographique="980000028"),
    _books("ledger_entry_payment_fkey", FOREIGN, "reviewer", WITHIN, payment_id=NOBODY),
    _books("ledger_entry_movement_known", CHECK, "payer", *_ALL_LEDGER, movement="gift"),
    _books("ledger_entry_cause_known", CHECK, "reviewer", *_ALL_LEDGER, cause="bank_paid", amount_ttc_cents=-1),
    _books("ledger_entry_not_nothing", CHECK, "reviewer", *_ALL_LEDGER, amount_ttc_cents=0, cause="invoice_lower"),
    _books("ledger_entry_sign", CHECK, "payer", *_ALL_LEDGER, movement="paid", cause="bank_paid", amount_ttc_cents=-1),
    _books("ledger_entry_sign", CHECK, "payer", *_ALL_LEDGER, movement="recovered", cause="recovered", amount_ttc_cents=1, note="recovered"),
    _books("ledger_entry_planned_once", UNIQUE, "reviewer", WITHIN),
    _do(WITHIN, "SN017", "payer", _entry("paid", "paid", "bank_paid", "l.unit_ttc_cents"), lifted=(LEDGER_CASH,), note="received_above"),
    _do(WITHIN, "SN017", "payer", _entry("due", "recovered", "recovered", "-1"), lifted=(LEDGER_CASH,), note="received_below"),
    _do(WITHIN, "SN017", "reviewer", _entry("due", "planned", "invoice_lower", "1"), lifted=(PLANNED,), note="planned_above"),
    _do(WITHIN, "SN017", "reviewer", _entry("due", "planned", "invoice_lower", "-l.unit_ttc_cents - 1"), lifted=(PLANNED,), note="planned_below"),
    _do(LEDGER_CASH, "SN018", "payer", _entry("paid", "paid", "bank_paid", "1"), note="a_cent_more"),
    _do(LEDGER_CASH, "SN018", "payer", _entry("due", "paid", "bank_paid", "l.advance_ttc_cents"), note="before_the_bank"),
    _do(LEDGER_CASH, "SN018", "payer", _entry("paid", "compensated", "compensated", "-1"), note="a_cent_less"),
    _do(LEDGER_CASH, "SN018", "payer", _entry("paid", "recovered", "recovered", "-1"), note="recovered_alone"),
    _do(PLANNED, "SN139", "fresh", _entry("fresh", "planned", "advance_validated", "l.advance_ttc_cents"), note="engaged_by_its_supplier"),
    _do(PLANNED, "SN139", "reviewer", _entry("fresh", "planned", "advance_validated", "l.advance_ttc_cents"), note="before_the_validation"),
    _do(PLANNED, "SN139", "paid", _entry("paid", "planned", "removed", "-l.advance_ttc_cents"), note="hidden_by_its_supplier"),
    _do(PLANNED, "SN139", "paid", _entry("paid", "planned", "order_ended", "-l.advance_ttc_cents"), note="ended_by_its_supplier"),
    _do(PLANNED, "SN139", "paid", _entry("paid", "planned", "invoice_lower", "-1"), note="lowered_by_its_supplier"),
    _do(PLANNED, "SN139", "scheduler", _order("due", "lapsed"), _entry("due", "planned", "order_ended", "-1"), lifted=ENDS, note="half_taken_back"),
    *_kept("ledger_entry", "order_id = {order due}", "cause = 'removed'"),
    *_hidden("ledger_entry", "order_id = {order due}", "rival", "rival og", "anonymous"),
    _do("ledger_entry_written", HIDDEN, "due", _entry("due", "paid", "bank_paid", "l.advance_ttc_cents"), lifted=(LEDGER_CASH,), note="paid_by_its_supplier"),
    _do("ledger_entry_written", HIDDEN, "pilot", _entry("due", "planned", "invoice_lower", "-1"), lifted=(PLANNED,), note="pilot"),

    _recovers("recovery_pkey", UNIQUE, "recovery_parties_unique", id=Of("recovery renounced", "id")),
    _recovers("recovery_number_unique", UNIQUE, number=Of("recovery renounced", "number")),
    _recovers("recovery_number_form", number="OR-1"),
    _recovers("recovery_once_per_payment", UNIQUE),
    _recovers("recovery_payment_fkey", FOREIGN, RECOVERY_OVER, by="payer", og_id=OTHER_OG),
    _recovers("recovery_issued_by_fkey", FOREIGN, PAID_FOR, issued_by=NOBODY),
    _recovers("recovery_amount_positive", CHECK, PAID_FOR, amount_ttc_cents=0),
    _recovers("recovery_reason_known", CHECK, PAID_FOR, reason="bored"),
    _recovers("recovery_source_given", source=" "),
    _do("recovery_in_order", CHECK, "payer", _recovery("issued_at = opened_at - interval '1 s'"), lifted=(LETTER, RECOVERY_OVER)),
    _do("recovery_issued_first", CHECK, "payer", _recovery("recovered_at = opened_at, bank_reference = 'B-1'"), lifted=(HAS_PAYMENT,)),
    _do("recovery_proved", CHECK, "payer", _recovery("issued_at = opened_at, recovered_at = opened_at"), lifted=(LETTER, RECOVERY_OVER, HAS_PAYMENT)),
    _do("recovery_bank_reference_unique", UNIQUE, "payer", _recovery("issued_at = opened_at, recovered_at = opened_at, bank_reference = 'REF-REPAID'"), lifted=(LETTER, RECOVERY_OVER, HAS_PAYMENT)),
    _recovers(PAID_FOR, "SN019", amount_ttc_cents=1, note="one_cent"),
    _recovers(PAID_FOR, "SN019", "recovery_amount_positive", by="payer", amount_ttc_cents=10**9, note="above_what_was_paid"),
    _recovers(PAID_FOR, "SN019", LETTER, issued_at="2024-06-01Z", note="issued_by_itself"),
    _recovers(PAID_FOR, "SN019", reason="decided", note="decided_by_itself"),
    _recovers(PAID_FOR, "SN019", reason="cloture", note="another_reason"),
    Attack(
        PAID_FOR, "SN019", "paid", "recovery renounced",
        {
            "id": NEW, "number": "OR-2099-000001", "payment_id": Of("payment paid", "id"),
            "order_id": Of("payment paid", "order_id"), "supplier_id": Of("payment paid", "supplier_id"),
            "og_id": Of("payment paid", "og_id"), "amount_ttc_cents": 1,
        },
        lifted=(HAS_PAYMENT,), note="order_alive",
    ),
    _do(PAID_FOR, "SN019", None, _recovery("amount_ttc_cents = 1"), note="rewritten"),
    _do(PAID_FOR, "SN019", "payer", *[_recovery(f"issued_at = opened_at + interval '{n} s'") for n in (1, 2)], lifted=(LETTER, RECOVERY_OVER), note="issued_twice"),
    _do(PAID_FOR, "SN019", "payer", _recovery("bank_reference = 'B-2'", "repaid"), note="closed_twice"),
    _do(HAS_PAYMENT, "SN138", "payer", _recovery("issued_at = opened_at, recovered_at = opened_at, bank_reference = 'B-3'"), lifted=(LETTER, RECOVERY_OVER)),
    *_kept("recovery", "id = {recovery renounced}", "", "recovery_step_recovery_fkey", "recovery_letter_recovery_fkey"),
    *_hidden("recovery", "id = {recovery renounced}", "rival", "rival og", "anonymous"),
    _recovers("recovery_written", HIDDEN, PAID_FOR, by="rival"),
    _recovers("recovery_written", HIDDEN, PAID_FOR, by="pilot", note="pilot"),
    _do("recovery_moved", None, "renounced", _recovery("issued_at = issued_at")),

    _steps("recovery_step_pkey", UNIQUE, id=Of("recovery_step repaid", "id")),
    _steps("recovery_step_recovery_fkey", FOREIGN, og_id=OTHER_OG),
    _steps("recovery_step_person_fkey", FOREIGN, person_id=NOBODY),
    _steps("recovery_step_kind_known", kind="song"),
    _steps("recovery_step_text_given", text=" "),
    *_kept("recovery_step", "recovery_id = {recovery repaid}", "text = 'Autre.'"),
    *_hidden("recovery_step", "recovery_id = {recovery repaid}", "rival", "rival og", "anonymous"),
    _steps("recovery_step_written", HIDDEN, by="repaid"),
)  # fmt: skip

REVIEWS = (
    _settles("verdict_settlement_pkey", UNIQUE, rule=Of("verdict_settlement settled_review", "rule")),
    _settles("verdict_settlement_order_fkey", FOREIGN, og_id=OTHER_OG),
    _settles("verdict_settlement_person_fkey", FOREIGN, decided_by=NOBODY),
    _settles("verdict_settlement_decision_known", decision="maybe"),
    _settles("verdict_settlement_reason_given", reason=" "),
    _do("verdict_settlement_append_only", "SN010", None, "update sons.verdict_settlement set reason = 'x' where order_id = {order settled_review}"),
    _do("verdict_settlement_append_only", "SN010", None, "delete from sons.verdict_settlement where order_id = {order settled_review}", note="deleted"),
    _do("verdict_settlement_never_truncated", "SN010", None, "truncate sons.verdict_settlement"),
    *_hidden("verdict_settlement", "order_id = {order settled_review}", "rival", "rival og", "anonymous"),
    _settles("verdict_settlement_decided", HIDDEN, by="settled_review"),
)  # fmt: skip

_SILENCE = (
    "update sons.deadline set superseded_at = due_at where order_id = {{order {}}} and kind = 'cloture'"
)
_PLAN = (
    "insert into sons.deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)"
    " select rule, object_id, due_at - interval '90 d', kind, order_id, supplier_id, og_id, facts"
    " from sons.deadline where order_id = {order fresh} and kind = 'cloture'"
)
DEADLINES = (
    _do("deadline_not_silenced_by_a_party", "SN130", "paid", _SILENCE.format("paid"), note="supplier"),
    _do("deadline_not_silenced_by_a_party", "SN130", "paid og", _SILENCE.format("paid"), note="og"),
    _do("one_running_deadline", UNIQUE, "fresh", _PLAN),
    _do("deadline_ended", None, "rival og", _SILENCE.format("paid"), lifted=("deadline_seen", "deadline_not_silenced_by_a_party")),
)  # fmt: skip

ATTACKS = (*TABLES_OF_STATES, *ORDERS, *CLAIMS, *REQUESTS, *PAYMENTS, *MONEY, *REVIEWS, *DEADLINES)
