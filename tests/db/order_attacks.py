"""The attacks on the order tables: one per guard, or more, each the smallest change that only it refuses."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = (
    "order_state", "order_transition", "claim_release",
    "purchase_order", "order_line", "claim", "payment", "simulation_count",
)  # fmt: skip
DATA_TABLES = ("purchase_order", "order_line", "claim", "payment", "simulation_count")

NOT_ATTACKED = {
    "purchase_order_parties_unique": "weaker than the primary key: what foreign keys point at",
    "purchase_order_shares_unique": "weaker than the primary key: what a foreign key points at",
    "payment_parties_unique": "weaker than the primary key: what foreign keys point at",
    "claim_crossed": "attacked by the test of engaged(): opened wider it would change nothing",
}


NOBODY = str(UUID(int=1))
WHOLE, SUM, ONCE = "order_is_whole", "order_is_sum_of_lines", "payment_once_per_kind"
TAKEN, PAID_ALONG = "claim_taken_as_ordered", "payment_along_the_table"
ALONG = "purchase_order_along_the_table"
NO_AMOUNTS = dict.fromkeys(("total_ttc_cents", "advance_ttc_cents", "solde_ttc_cents"))
# what points at an order, so that it can be removed alone
PARENTS = ("purchase_order_parties_unique", "purchase_order_shares_unique", "audit_touch_order_fkey")


def _order(guard: str, sqlstate: str = CHECK, row: str = "accepted", *lifted: str, **changes: Any) -> Attack:
    return Attack(guard, sqlstate, insert=f"purchase_order {row}", changes=changes, lifted=(WHOLE, *lifted))


def _line(guard: str, sqlstate: str = CHECK, *lifted: str, **changes: Any) -> Attack:
    changes = {"finess_geographique": "980000028", **changes}
    return Attack(guard, sqlstate, insert="order_line accepted", changes=changes, lifted=(SUM, *lifted))


def _released(guard: str, **changes: Any) -> Attack:
    """A claim that comes into the world released, by the owner: the live one stays beside it."""
    whole = {"released_at": "2024-01-01T00:00:00Z", "release_reason": "decided", **changes}
    return Attack(guard, CHECK, None, "claim accepted", whole, lifted=(TAKEN,))


def _payment(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str | None = "supplier", **changes: Any
) -> Attack:
    return Attack(guard, sqlstate, by, "payment accepted", changes, lifted=(ONCE, *lifted))


def _owner(
    guard: str, sqlstate: str, *statements: str, lifted: tuple[str, ...] = (), note: str = ""
) -> Attack:
    return Attack(guard, sqlstate, None, statements=statements, lifted=lifted, note=note)


LIFECYCLE = (
    _owner("order_state_pkey", UNIQUE, "insert into sons.order_state values ('submitted', false)"),
    _owner(
        "order_transition_pkey",
        UNIQUE,
        "insert into sons.order_transition select * from sons.order_transition",
    ),
    _owner(
        "order_transition_before_fkey",
        FOREIGN,
        "insert into sons.order_transition values ('dreamt', 'submitted', 'deposit', 'editor')",
    ),
    _owner(
        "order_transition_after_fkey",
        FOREIGN,
        "insert into sons.order_transition values ('draft', 'dreamt', 'deposit', 'editor')",
    ),
    _owner("claim_release_pkey", UNIQUE, "insert into sons.claim_release select * from sons.claim_release"),
    _owner(
        "claim_release_state_fkey", FOREIGN, "insert into sons.claim_release values ('decided', 'dreamt')"
    ),
)

ORDERS = (
    _order(
        "purchase_order_pkey", UNIQUE,
        id=Of("purchase_order accepted", "id"), og_id=Of("purchase_order to_review", "og_id"),
        og_finess_juridique=Of("purchase_order to_review", "og_finess_juridique"),
        total_ttc_cents=2, advance_ttc_cents=1, solde_ttc_cents=1,
    ),
    _order("purchase_order_number_unique", UNIQUE, number=Of("purchase_order accepted", "number")),
    _order("purchase_order_number_form", number="2023-1"),
    Attack(
        "purchase_order_supplier_fkey", FOREIGN, "unknown", "purchase_order accepted",
        {"supplier_id": Of("unknown", "organisation_id")}, lifted=(WHOLE,),
    ),
    _order("purchase_order_og_fkey", FOREIGN, og_id=Of("purchase_order to_review", "og_id")),
    _order("purchase_order_editor_fkey", FOREIGN, editor_id=NOBODY),
    _order("purchase_order_law_fkey", FOREIGN, law_digest="0" * 64),
    _owner(
        "purchase_order_state_fkey",
        FOREIGN,
        "delete from sons.claim_release",
        "delete from sons.order_transition",
        "delete from sons.order_state where state = 'to_review'",
    ),
    _order("purchase_order_decision_known", decision="maybe"),
    _order("purchase_order_ordered_positive", ordered=0),
    _order("purchase_order_document_length", order_document_sha256="\\x00"),
    _order("purchase_order_shares_whole", solde_ttc_cents=1),
    Attack(
        "purchase_order_amounts_together", CHECK, "rival", "purchase_order to_review",
        {"total_ttc_cents": None, "advance_ttc_cents": 1, "solde_ttc_cents": 1}, lifted=(WHOLE,),
    ),
    _order("purchase_order_amounts_positive", total_ttc_cents=0, advance_ttc_cents=0, solde_ttc_cents=0),
    _order("purchase_order_amounts_known", **NO_AMOUNTS),
    Attack(ALONG, "SN001", insert="purchase_order accepted", changes={"state": "validated"}, lifted=(WHOLE,)),
    Attack(
        ALONG, "SN001", insert="purchase_order accepted", changes={"decision": "to_review"}, lifted=(WHOLE,),
        note="decision",
    ),
    Attack(
        ALONG, "SN001", None, statements=(
            "update sons.purchase_order set state = 'settled' where id = {purchase_order accepted}",
        ), note="jump",
    ),
    Attack(
        ALONG, "SN002", None, statements=(
            "update sons.purchase_order set signed_on = '2022-07-01' where id = {purchase_order accepted}",
        ), note="frozen",
    ),
    _owner(
        "purchase_order_never_deleted",
        "SN010",
        "delete from sons.purchase_order where id = {purchase_order accepted}",
        lifted=PARENTS,
    ),
    _owner("purchase_order_never_truncated", "SN010", "truncate sons.purchase_order", lifted=PARENTS),
    Attack(WHOLE, "SN014", insert="purchase_order accepted", note="no_line"),
    Attack(
        WHOLE, "SN014", insert="purchase_order rejected", by="rival", note="rejected_without_lines",
    ),
    Attack(
        "purchase_order_seen", None, "rival",
        statements=("select count(*) from sons.purchase_order where id = {purchase_order accepted}",),
    ),
    Attack("purchase_order_deposited", HIDDEN, "rival", "purchase_order accepted", lifted=(WHOLE,)),
    Attack(
        "purchase_order_deposited", HIDDEN, "og", "purchase_order accepted", lifted=(WHOLE, ALONG), note="og"
    ),
)  # fmt: skip

LINES = (
    _line("order_line_pkey", UNIQUE, finess_geographique=Of("order_line accepted", "finess_geographique")),
    _line("order_line_order_fkey", FOREIGN, order_id=NOBODY),
    _line("order_line_finess_form", finess_geographique="2C0000028"),
    _line("order_line_amounts_together", unit_ttc_cents=None),
    _line("order_line_under_ceiling", ceiling_ttc_cents=1),
    _line(
        "order_line_under_ceiling", unit_ttc_cents=0, advance_ttc_cents=0, solde_ttc_cents=0
    ),
    _line("order_line_advance_exact", CHECK, "order_line_solde_exact", advance_ttc_cents=1),
    _line("order_line_solde_exact", solde_ttc_cents=1),
    _owner(
        "order_line_append_only",
        "SN010",
        "update sons.order_line set dui_in_place = 'X' where order_id = {order_line accepted}",
    ),
    _owner(
        "order_line_never_deleted",
        "SN010",
        "delete from sons.order_line where order_id = {order_line accepted}",
        lifted=("claim_line_fkey",),
    ),
    _owner("order_line_never_truncated", "SN010", "truncate sons.order_line", lifted=("claim_line_fkey",)),
    Attack(SUM, "SN013", insert="order_line accepted", changes={"finess_geographique": "980000028"}),
    Attack(
        "order_line_seen", None, "rival",
        statements=("select count(*) from sons.order_line where order_id = {order_line accepted}",),
    ),
    Attack(
        "order_line_deposited", HIDDEN, "rival", "order_line accepted", {"finess_geographique": "980000028"}
    ),
)  # fmt: skip

CLAIMS = (
    Attack(
        "claim_pkey", UNIQUE, None, "claim accepted",
        {"id": Of("claim accepted", "id"), "released_at": "2024-01-01Z", "release_reason": "decided"},
        lifted=(TAKEN,),
    ),
    _released("claim_holder_kind_known", holder_kind="dream"),
    Attack("claim_line_fkey", FOREIGN, insert="claim accepted", changes={"finess_geographique": "980000028"}),
    _released("claim_release_whole", release_reason=None),
    _released("claim_release_reason_known", release_reason="bored"),
    _released("claim_release_after_claim", released_at="2000-01-01T00:00:00Z"),
    Attack(
        "one_live_financing", UNIQUE, "rival", "claim accepted",
        {
            "holder_id": Of("purchase_order rejected", "id"),
            "supplier_id": Of("purchase_order rejected", "supplier_id"),
        },
        lifted=("claim_of_live_order",),
    ),
    Attack(
        "one_live_financing", UNIQUE, None, "claim accepted",
        {"holder_kind": "reservation", "holder_id": NOBODY}, lifted=("claim_of_its_reservation",),
        note="reservation",
    ),
    Attack(
        "claim_of_live_order", "SN003", "rival", "claim accepted",
        {
            "holder_id": Of("purchase_order above", "id"),
            "supplier_id": Of("purchase_order above", "supplier_id"),
            "og_id": Of("purchase_order above", "og_id"),
            "finess_geographique": Of("order_line above", "finess_geographique"),
        },
    ),
    _owner(
        "claim_released_with_reason",
        "SN003",
        "update sons.claim set released_at = '2024-01-01Z', release_reason = 'lapsed'"
        " where id = {claim accepted}",
    ),
    _owner(
        "claim_released_with_reason",
        "SN003",
        "update sons.claim set vague = 'V2' where id = {claim accepted}",
        note="moved",
    ),
    _owner("claim_never_deleted", "SN010", "delete from sons.claim where id = {claim accepted}"),
    _owner("claim_never_truncated", "SN010", "truncate sons.claim"),
    Attack(
        "claim_seen", None, "rival",
        statements=("select count(*) from sons.claim where id = {claim accepted}",),
    ),
    # a reviewer takes ESSMS for an order only where a case was decided
    Attack(
        "claim_won", HIDDEN, "reviewer", "claim accepted", {"vague": "V2"}, lifted=("claim_taken_as_ordered",)
    ),
    Attack(
        "payment_won", HIDDEN, "reviewer", "payment accepted", lifted=("payment_once_per_kind",)
    ),
    Attack("claim_deposited", HIDDEN, "rival", "claim accepted", {"vague": "V2"}),
    # a claim in another vague would leave the ESSMS free in its own
    Attack(
        WHOLE, "SN014", note="claims_elsewhere", statements=(
            "with o as (insert into sons.purchase_order select (jsonb_populate_record(o, jsonb_build_object("
            "'id', '00000000-0000-0000-0000-0000000000aa', 'number', 'BC-2099-900000', 'ordered', 1))).*"
            " from sons.purchase_order o where id = {purchase_order accepted} returning id, supplier_id,"
            " og_id, advance_ttc_cents, solde_ttc_cents), p as (insert into sons.payment (order_id,"
            " supplier_id, og_id, kind, state, amount_ttc_cents, order_advance_ttc_cents,"
            " order_solde_ttc_cents, condition)"
            " select id, supplier_id, og_id, kind, 'planned', case kind when 'advance' then advance_ttc_cents"
            " else solde_ttc_cents end, advance_ttc_cents, solde_ttc_cents, '' from o,"
            " unnest(array['advance', 'solde']) as kind), l as (insert into sons.order_line (order_id,"
            " finess_geographique, supplier_id, og_id) select id, '980000028', supplier_id, og_id from o)"
            " insert into sons.claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id,"
            " claimed_at) select 'V9', '980000028', 'order', id, supplier_id, og_id, '2023-03-01Z' from o",
        ), lifted=(SUM, TAKEN),
    ),
)  # fmt: skip

PAYMENTS = (
    _payment("payment_pkey", UNIQUE, "payment_parties_unique", id=Of("payment accepted", "id")),
    _payment("payment_kind_known", CHECK, "payment_exact_share", kind="gift"),
    _payment("payment_state_known", CHECK, PAID_ALONG, "payment_due_known", by=None, state="dreamt"),
    Attack(ONCE, UNIQUE, insert="payment accepted"),
    _payment("payment_amount_positive", CHECK, "payment_exact_share", amount_ttc_cents=0),
    _payment("payment_exact_share", amount_ttc_cents=1),
    _payment("payment_order_shares_fkey", FOREIGN, order_advance_ttc_cents=1, amount_ttc_cents=1),
    _payment("payment_order_parties_fkey", FOREIGN, og_id=Of("purchase_order to_review", "og_id")),
    Attack(
        "payment_of_live_order", "SN003", "rival", "payment accepted",
        {
            "order_id": Of("purchase_order rejected", "id"),
            "supplier_id": Of("purchase_order rejected", "supplier_id"),
            "amount_ttc_cents": Of("purchase_order rejected", "advance_ttc_cents"),
            "order_advance_ttc_cents": Of("purchase_order rejected", "advance_ttc_cents"),
            "order_solde_ttc_cents": Of("purchase_order rejected", "solde_ttc_cents"),
        },
    ),
    _owner("payment_never_deleted", "SN010", "delete from sons.payment where id = {payment accepted}"),
    _owner("payment_never_truncated", "SN010", "truncate sons.payment"),
    Attack(
        "payment_seen", None, "rival",
        statements=("select count(*) from sons.payment where id = {payment accepted}",),
    ),
    _payment(
        "payment_deposited", HIDDEN, PAID_ALONG, state="due", due_ttc_cents=1, due_at="2023-03-01T00:00:00Z"
    ),
    _payment("payment_deposited", HIDDEN, by="rival"),
    _owner(
        "deadline_order_fkey",
        FOREIGN,
        "insert into sons.deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)"
        f" select 'R20', 'x', received_at, 'order', '{NOBODY}', supplier_id, og_id, '{{}}'"
        " from sons.purchase_order where id = {purchase_order accepted}",
    ),
)  # fmt: skip

SIMULATIONS = (
    Attack("simulation_count_pkey", UNIQUE, insert="simulation_count"),
    Attack(
        "simulation_count_organisation_fkey", FOREIGN, "unknown", "simulation_count",
        {"organisation_id": Of("unknown", "organisation_id")},
    ),
    Attack(
        "simulation_count_positive", CHECK, insert="simulation_count",
        changes={"simulations": 0, "counted_on": "2023-03-02"},
    ),
    Attack(
        "simulation_count_own", None, "rival", statements=("select count(*) from sons.simulation_count",)
    ),
    Attack(
        "simulation_count_own", HIDDEN, "rival", "simulation_count", {"counted_on": "2023-03-02"},
        note="write",
    ),
)  # fmt: skip

ATTACKS = (*LIFECYCLE, *ORDERS, *LINES, *CLAIMS, *PAYMENTS, *SIMULATIONS)
