"""The ledger per order line, recoveries and their follow-up (migration 0005)."""

from piccolo.columns import UUID, BigInt, Text, Timestamptz
from piccolo.table import Table


class LedgerEntry(Table, tablename="ledger_entry", schema="sons"):
    """One movement on one order line, in cents TTC; append-only."""

    id = BigInt(primary_key=True, default=None)
    order_id = UUID(default=None)
    finess_geographique = Text(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    payment_id = UUID(default=None)
    movement = Text(default=None)
    amount_ttc_cents = BigInt(default=None)
    at = Timestamptz(default=None)
    cause = Text(default=None)


class Recovery(Table, tablename="recovery", schema="sons"):
    """An advance, or a part of it, that the supplier pays back."""

    id = UUID(primary_key=True, default=None)
    number = Text(default=None)
    order_id = UUID(default=None)
    payment_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    amount_ttc_cents = BigInt(default=None)
    reason = Text(default=None)
    source = Text(default=None)
    opened_at = Timestamptz(default=None)
    issued_at = Timestamptz(default=None, null=True)
    issued_by = UUID(default=None, null=True)
    recovered_at = Timestamptz(default=None, null=True)
    bank_reference = Text(default=None, null=True)


class RecoveryStep(Table, tablename="recovery_step", schema="sons"):
    """One step of the follow-up of a recovery: a letter, a reminder, a note."""

    id = UUID(primary_key=True, default=None)
    recovery_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    at = Timestamptz(default=None)
    person_id = UUID(default=None, null=True)
    kind = Text(default=None)
    text = Text(default=None)
    place = BigInt(default=None)
