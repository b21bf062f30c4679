"""Enrolments, their pieces and decisions, bank accounts and their changes (migration 0007)."""

from piccolo.columns import UUID, Array, Boolean, Bytea, Date, Integer, Text, Timestamptz
from piccolo.table import Table


class Enrolment(Table, tablename="enrolment", schema="sons"):
    """A file as a supplier submitted it; the key is (supplier, number)."""

    supplier_id = UUID(primary_key=True, default=None)
    number = Integer(default=None)
    supplier_kind = Text(default=None)
    submitted_at = Timestamptz(default=None)
    submitted_by = UUID(default=None)
    certificate_reference = Text(default=None)
    solution = Text(default=None)
    representative_name = Text(default=None)
    representative_function = Text(default=None)
    representative_id = UUID(default=None, null=True)
    mandated_id = UUID(default=None, null=True)
    mandate_from_on = Date(default=None, null=True)
    mandate_to_on = Date(default=None, null=True)
    vat_liable = Boolean(default=None)
    vat_from_on = Date(default=None)


class EnrolmentPiece(Table, tablename="enrolment_piece", schema="sons"):
    """A piece of a file by its SHA-256; the key is (supplier, number, kind)."""

    supplier_id = UUID(primary_key=True, default=None)
    number = Integer(default=None)
    kind = Text(default=None)
    sha256 = Bytea(default=None)


class EnrolmentDecision(Table, tablename="enrolment_decision", schema="sons"):
    """What an agent answered to a file, once; the key is (supplier, number)."""

    supplier_id = UUID(primary_key=True, default=None)
    number = Integer(default=None)
    decision = Text(default=None)
    decided_at = Timestamptz(default=None)
    decided_by = UUID(default=None)
    organisation_id = UUID(default=None)
    role = Text(default=None)
    reasons = Array(base_column=Text(), default=None)


class BankAccount(Table, tablename="bank_account", schema="sons"):
    """The number of an account, for its supplier and the payer only."""

    id = UUID(primary_key=True, default=None)
    supplier_id = UUID(default=None)
    iban = Text(default=None)
    bic = Text(default=None)
    statement_sha256 = Bytea(default=None)
    iban_masked = Text(default=None)


class BankAccountChange(Table, tablename="bank_account_change", schema="sons"):
    """Who asked for an account, who confirmed or stopped it, from when it is in force."""

    id = UUID(primary_key=True, default=None)
    supplier_id = UUID(default=None)
    supplier_kind = Text(default=None)
    iban_masked = Text(default=None)
    requested_at = Timestamptz(default=None)
    requested_by = UUID(default=None)
    confirmed_at = Timestamptz(default=None, null=True)
    confirmed_by = UUID(default=None, null=True)
    takes_effect_at = Timestamptz(default=None, null=True)
    stopped_at = Timestamptz(default=None, null=True)
    stopped_by = UUID(default=None, null=True)
