"""VA, their lines and signatures, invoices and their lines (migration 0006)."""

from piccolo.columns import JSONB, UUID, BigInt, Boolean, Bytea, Date, Integer, SmallInt, Text, Timestamptz
from piccolo.table import Table


class VaTransition(Table, tablename="va_transition", schema="sons"):
    """The mirror of `rules.lifecycle.VA_TRANSITIONS`."""

    before = Text(primary_key=True, default=None)
    after = Text(default=None)
    event = Text(default=None)
    role = Text(default=None)


class Va(Table, tablename="va", schema="sons"):
    """A VA as it was prepared: the text that the OG is shown, and signs."""

    id = UUID(primary_key=True, default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    number = Integer(default=None)
    state = Text(default=None)
    version = Integer(default=None)
    covered = Integer(default=None)
    deploiement_mss = Text(default=None, null=True)
    statement = Text(default=None)
    statement_sha256 = Bytea(default=None)
    prepared_at = Timestamptz(default=None)
    prepared_by = UUID(default=None)
    verdicts = JSONB(default=None)
    law_digest = Text(default=None)
    known_on = Date(default=None)
    withdrawn_at = Timestamptz(default=None, null=True)


class VaLine(Table, tablename="va_line", schema="sons"):
    """The five facts of one ESSMS, as declared (R18)."""

    va_id = UUID(primary_key=True, default=None)
    finess_geographique = Text(default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    dui_deployed = Boolean(default=None)
    tbb1_supplied = Boolean(default=None)
    accompanied = Integer(default=None)
    active = Integer(default=None)
    with_project = Integer(default=None)
    with_event = Integer(default=None)


class VaSignature(Table, tablename="va_signature", schema="sons"):
    """Who signed a VA, by what means, and what proves it."""

    va_id = UUID(primary_key=True, default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    kind = Text(default=None)
    statement_sha256 = Bytea(default=None)
    consent = Text(default=None)
    signer_name = Text(default=None)
    signer_function = Text(default=None)
    signed_at = Timestamptz(default=None)
    person_id = UUID(default=None, null=True)
    role = Text(default=None, null=True)
    auth_level = Text(default=None)
    token_id = UUID(default=None, null=True)
    evidence = JSONB(default=None, null=True)
    verdicts = JSONB(default=None)
    law_digest = Text(default=None)
    known_on = Date(default=None)
    capacity = Text(default=None, null=True)
    delegation_id = UUID(default=None, null=True)


class Invoice(Table, tablename="invoice", schema="sons"):
    """An invoice issued to the OG, in cents."""

    id = UUID(primary_key=True, default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    number = Text(default=None)
    issued_on = Date(default=None)
    og_finess_juridique = Text(default=None)
    signatory_name = Text(default=None)
    share_percent = SmallInt(default=None)
    vat_rate_percent = SmallInt(default=None, null=True)
    ht_cents = BigInt(default=None)
    vat_cents = BigInt(default=None)
    ttc_cents = BigInt(default=None)
    document_sha256 = Bytea(default=None, null=True)
    received_at = Timestamptz(default=None)
    withdrawn_at = Timestamptz(default=None, null=True)


class InvoiceLine(Table, tablename="invoice_line", schema="sons"):
    """What an invoice bears for one ESSMS, in cents."""

    invoice_id = UUID(primary_key=True, default=None)
    finess_geographique = Text(default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    ht_cents = BigInt(default=None)
    vat_cents = BigInt(default=None)
    ttc_cents = BigInt(default=None)
