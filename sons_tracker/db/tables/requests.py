"""Requests of advance and solde, their filings, the corrections asked (migration 0004)."""

from piccolo.columns import JSONB, UUID, Date, Integer, SmallInt, Text, Timestamptz
from piccolo.table import Table


class RequestTransition(Table, tablename="request_transition", schema="sons"):
    """The mirror of `rules.lifecycle.REQUEST_TRANSITIONS`."""

    before = Text(primary_key=True, default=None)
    after = Text(default=None)
    event = Text(default=None)
    role = Text(default=None)


class PaymentTransition(Table, tablename="payment_transition", schema="sons"):
    """The mirror of `rules.lifecycle.PAYMENT_TRANSITIONS`."""

    before = Text(primary_key=True, default=None)
    after = Text(default=None)
    event = Text(default=None)
    role = Text(default=None)


class FinancingRequest(Table, tablename="financing_request", schema="sons"):
    """What the supplier asks for: its advance, or its solde."""

    id = UUID(primary_key=True, default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    kind = Text(default=None)
    state = Text(default=None)
    version = Integer(default=None)
    received_at = Timestamptz(default=None)
    referenced_on = Date(default=None, null=True)
    decided_at = Timestamptz(default=None, null=True)
    decided_by = UUID(default=None, null=True)
    reason = Text(default=None, null=True)
    va_id = UUID(default=None, null=True)
    invoice_id = UUID(default=None, null=True)


class RequestFiling(Table, tablename="request_filing", schema="sons"):
    """One filing of a request as it came, and what the law said of it."""

    request_id = UUID(primary_key=True, default=None)
    filing = SmallInt(default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    filed_at = Timestamptz(default=None)
    schema = Text(default=None)
    content = JSONB(default=None)
    verdicts = JSONB(default=None)
    law_digest = Text(default=None)
    known_on = Date(default=None)


class Correction(Table, tablename="correction", schema="sons"):
    """A correction that a reviewer asked for; it blocks the next step until it is answered."""

    id = UUID(primary_key=True, default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    request_id = UUID(default=None, null=True)
    kind = Text(default=None)
    reason = Text(default=None)
    asked_at = Timestamptz(default=None)
    asked_by = UUID(default=None, null=True)
    answer_due_at = Timestamptz(default=None, null=True)
    answered_at = Timestamptz(default=None, null=True)
    answered_by = UUID(default=None, null=True)
    answer = Text(default=None, null=True)
