"""Payment lots, the bank's returns, the letters of recoveries (migration 0009)."""

from piccolo.columns import JSONB, UUID, BigInt, Bytea, Integer, Text, Timestamptz
from piccolo.table import Table


class Lot(Table, tablename="lot", schema="sons"):
    """Payments that one payer prepared and another approves."""

    id = UUID(primary_key=True, default=None)
    number = Text(default=None)
    state = Text(default=None)
    lines = Integer(default=None)
    total_ttc_cents = BigInt(default=None)
    payer_role = Text(default=None)
    prepared_at = Timestamptz(default=None)
    prepared_by = UUID(default=None)
    prepared_organisation_id = UUID(default=None)
    approved_at = Timestamptz(default=None, null=True)
    approved_by = UUID(default=None, null=True)
    approved_organisation_id = UUID(default=None, null=True)
    dropped_at = Timestamptz(default=None, null=True)
    dropped_by = UUID(default=None, null=True)
    drop_reason = Text(default=None, null=True)


class LotLine(Table, tablename="lot_line", schema="sons"):
    """One transfer that a lot asks for, and how it ended."""

    lot_id = UUID(primary_key=True, default=None)
    rank = Integer(default=None)
    payment_id = UUID(default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    amount_ttc_cents = BigInt(default=None)
    bank_account_id = UUID(default=None)
    iban_masked = Text(default=None)
    end_to_end = Text(default=None)
    outcome = Text(default=None, null=True)
    outcome_at = Timestamptz(default=None, null=True)


class BankReturn(Table, tablename="bank_return", schema="sons"):
    """A file of the bank, read whole."""

    id = UUID(primary_key=True, default=None)
    lot_id = UUID(default=None)
    content_sha256 = Bytea(default=None)
    file_sha256 = Bytea(default=None)
    format = Text(default=None)
    lines = Integer(default=None)
    total_ttc_cents = BigInt(default=None)
    payer_role = Text(default=None)
    imported_at = Timestamptz(default=None)
    imported_by = UUID(default=None)
    imported_organisation_id = UUID(default=None)


class BankReturnLine(Table, tablename="bank_return_line", schema="sons"):
    """What the bank says of one transfer."""

    bank_return_id = UUID(primary_key=True, default=None)
    rank = Integer(default=None)
    lot_id = UUID(default=None)
    end_to_end = Text(default=None)
    payment_id = UUID(default=None)
    supplier_id = UUID(default=None)
    amount_ttc_cents = BigInt(default=None)
    bank_reference = Text(default=None)
    outcome = Text(default=None)
    executed_at = Timestamptz(default=None)
    reason_code = Text(default=None, null=True)


class RecoveryLetter(Table, tablename="recovery_letter", schema="sons"):
    """What the supplier reads when its recovery is issued, frozen."""

    recovery_id = UUID(primary_key=True, default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    issued_at = Timestamptz(default=None)
    content = JSONB(default=None)
