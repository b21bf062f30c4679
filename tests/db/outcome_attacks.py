"""The attacks on what a decision does to orders, claims and money: without it, beyond it, by who lost.

Besides the cases of `conflict_attacks`, all decided against their holder: `due` (its advance is due),
`in_lot` (it is with the bank), `partial` (it is due, and one of three ESSMS is lost). Orders: `unheard` (its
advance is due, no case), `lapsed` (its delay passed), `uncontested` (refused; the one side of `alone`).
"""

from __future__ import annotations

from tests.db.attack import HIDDEN, Attack
from tests.db.conflict_attacks import ON_FACTS, STANDS
from tests.db.life_attacks import (
    ENDS,
    LET_GO,
    ORDER_FACTS,
    OVER,
    PAYMENT_FACTS,
    PAYMENT_OVER,
    PLANNED,
    REQUEST_FACTS,
    TAKEN,
)
from tests.db.order_attacks import WHOLE


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


def _free(name: str, which: str = "") -> str:
    return (
        "update sons.claim set released_at = '2024-06-01Z', release_reason = 'decided'"
        f" where order_id = {{order {name}}} and released_at is null {which}"
    )


def _unplan(name: str, cause: str, which: str = "", amount: str = "-sum(amount_ttc_cents)") -> str:
    """Takes back what is planned for an order, or for some of its ESSMS."""
    return (
        "insert into sons.ledger_entry (order_id, finess_geographique, supplier_id, og_id, payment_id,"
        f" movement, amount_ttc_cents, at, cause) select order_id, finess_geographique, supplier_id, og_id,"
        f" payment_id, 'planned', {amount}, '2023-04-01Z', '{cause}' from sons.ledger_entry"
        f" where order_id = {{order {name}}} and movement = 'planned' {which} group by 1, 2, 3, 4, 5"
    )


def _take(name: str) -> str:
    """An order takes all its ESSMS."""
    return (
        "insert into sons.claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id,"
        " claimed_at) select o.vague, l.finess_geographique, 'order', o.id, o.supplier_id, o.og_id,"
        " '2024-06-01Z' from sons.order_line l join sons.purchase_order o on o.id = l.order_id"
        f" where o.id = {{order {name}}}"
    )


_NAMED = (
    "and finess_geographique {} (select e.finess_geographique from sons.conflict_essms e"
    " where e.conflict_id = {{conflict partial}})"
)
OUTSIDE = _NAMED.format("not in")
INSIDE = _NAMED.format("in")
OF_ADVANCE = "and payment_id in (select id from sons.payment where kind = 'advance')"
_TAKEN_BACK = (
    "update sons.payment set state = 'planned', due_ttc_cents = null, due_at = null"
    " where order_id = {{order {}}} and state = 'due'"
)
_ENDED = (
    "update sons.financing_request set state = 'inadmissible', decided_at = '2023-04-01Z', reason = 'Non.'"
    " where order_id = {{order {}}}"
)
_PLAN = (
    "insert into sons.payment (order_id, supplier_id, og_id, kind, state, version, amount_ttc_cents,"
    " order_advance_ttc_cents, order_solde_ttc_cents, condition) select o.id, o.supplier_id, o.og_id, k,"
    " 'planned', 1, case k when 'advance' then o.advance_ttc_cents else o.solde_ttc_cents end,"
    " o.advance_ttc_cents, o.solde_ttc_cents, 'x'"
    " from sons.purchase_order o, unnest(array['advance', 'solde']) as k where o.id = {{order {}}}"
)

ORDERS = (
    _do(
        ORDER_FACTS, "SN131", "reviewer", _order("fresh holder", "rejected"), lifted=ENDS, note="no_decision",
    ),
    _do(
        ORDER_FACTS, "SN131", "reviewer", _order("proposed holder", "rejected"),
        lifted=ENDS, note="not_approved",
    ),
    _do(ORDER_FACTS, "SN131", "reviewer", _order("lost holder", "rejected"), lifted=ENDS, note="it_won"),
    _do(
        ORDER_FACTS, "SN131", "reviewer", _order("partial holder", "rejected"), lifted=ENDS, note="a_part",
    ),
    _do(
        ORDER_FACTS, "SN131", "reviewer", _order("closed holder", "rejected"), lifted=ENDS, note="maintained",
    ),
    _do(
        ORDER_FACTS, "SN131", "reviewer", _order("fresh refused", "submitted"),
        lifted=(WHOLE,), note="revived",
    ),
    _do(
        ORDER_FACTS, "SN131", "reviewer", _order("proposed refused", "to_review"), lifted=(WHOLE,),
        note="revived_not_approved",
    ),
    _do(
        ORDER_FACTS, "SN131", "reviewer", _order("lost refused", "submitted"), lifted=(WHOLE,),
        note="revived_though_it_lost",
    ),
    _do(
        ORDER_FACTS, "SN131", "reviewer", _order("closed refused", "submitted"), lifted=(WHOLE,),
        note="revived_though_maintained",
    ),
    _do(
        ORDER_FACTS, "SN131", "reviewer",
        "insert into sons.conflict_decision select (jsonb_populate_record(d, jsonb_build_object('id',"
        " gen_random_uuid(), 'conflict_id', {conflict alone}, 'four_eyes', false, 'refused', array[2]))).*"
        " from sons.conflict_decision d where id = {conflict_decision proposed}",
        "update sons.conflict_decision set approved_at = proposed_at where conflict_id = {conflict alone}",
        "update sons.conflict set state = 'decided' where id = {conflict alone}",
        _order("uncontested", "submitted"), lifted=(WHOLE,), note="revived_against_no_side",
    ),
    _do(
        ORDER_FACTS, "SN131", "reviewer", _order("lapsed", "waiting_referencing"), lifted=(WHOLE,),
        note="reopened_by_no_decision",
    ),
    _do(OVER, "SN132", "reviewer", _order("decided holder", "rejected"), note="rejected_holds_its_essms"),
    _do(
        OVER, "SN132", "reviewer", _order("due holder", "rejected"), _unplan("due holder", "order_ended"),
        _free("due holder"), note="rejected_still_due",
    ),
    _do(
        OVER, "SN132", "reviewer", _order("due holder", "rejected"), _TAKEN_BACK.format("due holder"),
        _free("due holder"), lifted=(PAYMENT_OVER,), note="rejected_still_planned",
    ),
    _do(
        OVER, "SN132", "reviewer", _order("in_lot holder", "rejected"),
        _unplan("in_lot holder", "order_ended"), note="rejected_holds_while_money_is_out",
    ),
    _do(
        WHOLE, "SN014", "reviewer", _order("decided refused", "submitted"), _PLAN.format("decided refused"),
        note="revived_without_its_essms",
    ),
    _do(
        WHOLE, "SN014", "reviewer", _order("decided holder", "rejected"), _free("decided holder"),
        _order("decided refused", "submitted"), _take("decided refused"), note="revived_unpaid",
    ),
)  # fmt: skip

MONEY = (
    _do(LET_GO, "SN134", "reviewer", _free("fresh holder"), note="no_decision"),
    _do(LET_GO, "SN134", "reviewer", _free("proposed holder"), note="not_approved"),
    _do(LET_GO, "SN134", "reviewer", _free("lost holder"), note="it_won"),
    _do(LET_GO, "SN134", "reviewer", _free("partial holder", OUTSIDE), note="not_named"),
    _do(LET_GO, "SN134", "decided holder", _free("decided holder"), note="lost_by_itself"),
    _do(LET_GO, "SN134", "decided og", _free("decided holder"), note="by_its_og"),
    _do(REQUEST_FACTS, "SN135", "reviewer", _ENDED.format("due holder"), note="before_its_order_is_rejected"),
    _do(
        PAYMENT_FACTS, "SN137", "reviewer", _TAKEN_BACK.format("due holder"),
        note="before_its_order_is_rejected",
    ),
    _do(PLANNED, "SN139", "reviewer", _unplan("unheard", "decided"), note="no_decision"),
    _do(PLANNED, "SN139", "reviewer", _unplan("partial holder", "decided", OUTSIDE), note="not_named"),
    _do(
        PLANNED, "SN139", "partial holder", _unplan("partial holder", "decided", INSIDE),
        note="lost_by_itself",
    ),
    _do(
        PLANNED, "SN139", "reviewer", _unplan("partial holder", "decided", INSIDE, "-1"),
        note="half_taken_by_decision",
    ),
    _do(
        PLANNED, "SN139", "reviewer", _unplan("due holder", "order_ended", OF_ADVANCE),
        note="ended_before_it_is_rejected",
    ),
)  # fmt: skip

POLICIES = (
    _do(
        "claim_won", HIDDEN, "reviewer", _take("lost refused"),
        lifted=("claim_of_live_order", "one_live_financing", TAKEN), note="it_lost",
    ),
    _do(
        "claim_won", HIDDEN, "decided og", _take("decided refused"),
        lifted=("claim_of_live_order", "one_live_financing", TAKEN), note="by_its_og",
    ),
    _do(
        "claim_won", HIDDEN, "reviewer",
        _take("decided refused").replace(" claimed_at)", " claimed_at, released_at, release_reason)")
        .replace("'2024-06-01Z'", "'2024-06-01Z', '2024-06-01Z', 'decided'"),
        lifted=("claim_of_live_order", TAKEN), note="released_at_once",
    ),
    _do(
        "payment_won", HIDDEN, "reviewer", _PLAN.format("lost refused"),
        lifted=("payment_of_live_order",), note="it_lost",
    ),
    _do(
        "payment_won", HIDDEN, "decided og", _PLAN.format("decided refused"),
        lifted=("payment_of_live_order", "payment_along_the_table"), note="by_its_og",
    ),
    _do(
        "deadline_answered", None, "rival og",
        "update sons.deadline set superseded_at = due_at where object_id = {conflict_question choice}",
        lifted=("deadline_seen",),
    ),
    _do(
        "deadline_answered", None, "choice og as editor",
        "update sons.deadline set superseded_at = due_at where object_id = {conflict_question choice}",
        note="in_another_role",
    ),
)  # fmt: skip
_OTHER_NUMBER = (
    "insert into sons.conflict_essms select e.conflict_id, '980000028', min(c.finess_geographique)"
    " from sons.conflict_essms e, sons.claim c where e.conflict_id = {conflict partial}"
    " and c.order_id = {order partial holder} and c.finess_geographique <> e.finess_geographique group by 1"
)
CASES = (
    _do(
        ON_FACTS, "SN143", "reviewer", _OTHER_NUMBER, _free("partial holder", INSIDE),
        "update sons.conflict set state = 'executed' where id = {conflict partial}",
        note="loser_holds_the_other_number",
    ),
    _do(
        ON_FACTS, "SN143", "reviewer",
        "update sons.conflict_decision set dropped_at = approved_at, drop_reason = 'Non.'"
        " where id = {conflict_decision decided}",
        "update sons.conflict set state = 'open' where id = {conflict decided}",
        "update sons.conflict set state = 'decided' where id = {conflict decided}",
        lifted=(STANDS,), note="decision_dropped",
    ),
)  # fmt: skip
ATTACKS = (*ORDERS, *MONEY, *POLICIES, *CASES)
