"""Orders, lines, claims, planned payments, simulations counted (migration 0003)."""

from piccolo.columns import (
    JSONB,
    UUID,
    BigInt,
    Boolean,
    Bytea,
    Date,
    Integer,
    SmallInt,
    Text,
    Timestamptz,
)
from piccolo.table import Table


class OrderState(Table, tablename="order_state", schema="sons"):
    """The closed list of the states of an order, and whether the order then holds its ESSMS."""

    state = Text(primary_key=True, default=None)
    live = Boolean(default=None)


class OrderTransition(Table, tablename="order_transition", schema="sons"):
    """The mirror of `rules.lifecycle.ORDER_TRANSITIONS`."""

    before = Text(primary_key=True, default=None)
    after = Text(default=None)
    event = Text(default=None)
    role = Text(default=None)


class ClaimRelease(Table, tablename="claim_release", schema="sons"):
    """The mirror of `rules.lifecycle.RELEASE_REASONS`."""

    reason = Text(primary_key=True, default=None)
    order_state = Text(default=None)


class PurchaseOrder(Table, tablename="purchase_order", schema="sons"):
    """An order as it was deposited and decided, with the law that was applied."""

    id = UUID(primary_key=True, default=None)
    number = Text(default=None)
    vague = Text(default=None)
    dispositif = Text(default=None)
    state = Text(default=None)
    version = Integer(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    editor_id = UUID(default=None, null=True)
    og_finess_juridique = Text(default=None)
    solution_version = Text(default=None)
    solution = Text(default=None, null=True)
    signed_on = Date(default=None)
    received_at = Timestamptz(default=None)
    already_equipped = Boolean(default=None, null=True)
    supplier_reference = Text(default=None, null=True)
    order_document_sha256 = Bytea(default=None, null=True)
    decision = Text(default=None)
    conditional = Boolean(default=None)
    ordered = Integer(default=None)
    tranche = Text(default=None, null=True)
    essms_of_og = Integer(default=None, null=True)
    count_basis = Text(default=None, null=True)
    extraction_on = Date(default=None, null=True)
    rate_ttc_cents = BigInt(default=None, null=True)
    total_ttc_cents = BigInt(default=None, null=True)
    advance_ttc_cents = BigInt(default=None, null=True)
    solde_ttc_cents = BigInt(default=None, null=True)
    law_digest = Text(default=None)
    known_on = Date(default=None)
    applied = JSONB(default=None)
    verdicts = JSONB(default=None)


class OrderLine(Table, tablename="order_line", schema="sons"):
    """One ESSMS of an order with its amounts in cents TTC."""

    order_id = UUID(primary_key=True, default=None)
    finess_geographique = Text(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    dui_in_place = Text(default=None, null=True)
    asked_ttc_cents = BigInt(default=None, null=True)
    ceiling_ttc_cents = BigInt(default=None, null=True)
    unit_ttc_cents = BigInt(default=None, null=True)
    advance_percent = SmallInt(default=None, null=True)
    advance_ttc_cents = BigInt(default=None, null=True)
    solde_ttc_cents = BigInt(default=None, null=True)


class Claim(Table, tablename="claim", schema="sons"):
    """The hold of an order (or a reservation) on an ESSMS in a vague; live until released."""

    id = BigInt(primary_key=True, default=None)
    vague = Text(default=None)
    finess_geographique = Text(default=None)
    holder_kind = Text(default=None)
    holder_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    order_id = UUID(default=None, null=True)
    claimed_at = Timestamptz(default=None)
    released_at = Timestamptz(default=None, null=True)
    release_reason = Text(default=None, null=True)
    origin = BigInt(default=None, null=True)


class Payment(Table, tablename="payment", schema="sons"):
    """The advance or the solde of an order, planned to the cent."""

    id = UUID(primary_key=True, default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    kind = Text(default=None)
    state = Text(default=None)
    amount_ttc_cents = BigInt(default=None)
    order_advance_ttc_cents = BigInt(default=None)
    order_solde_ttc_cents = BigInt(default=None)
    condition = Text(default=None)
    version = Integer(default=None)
    due_ttc_cents = BigInt(default=None, null=True)
    due_at = Timestamptz(default=None, null=True)
    paid_at = Timestamptz(default=None, null=True)


class SimulationCount(Table, tablename="simulation_count", schema="sons"):
    """How many simulations, on how many ESSMS, an organisation asked on a day of the machine."""

    organisation_id = UUID(primary_key=True, default=None)
    counted_on = Date(default=None)
    simulations = Integer(default=None)
    essms = Integer(default=None)
