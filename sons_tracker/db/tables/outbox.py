"""Outbox, webhooks and their secrets, deliveries, calendar feeds (migration 0008)."""

from piccolo.columns import JSONB, UUID, Array, BigInt, Boolean, Bytea, Integer, Text, Timestamptz
from piccolo.table import Table


class WebhookEndpoint(Table, tablename="webhook_endpoint", schema="sons"):
    """An address of an organisation, and the events that it is told."""

    id = UUID(primary_key=True, default=None)
    organisation_id = UUID(default=None)
    url = Text(default=None)
    events = Array(Text(), default=None)
    created_at = Timestamptz(default=None)
    failing_since = Timestamptz(default=None, null=True)
    disabled_at = Timestamptz(default=None, null=True)
    disabled_reason = Text(default=None, null=True)


class WebhookSecret(Table, tablename="webhook_secret", schema="sons"):
    """What signs for an endpoint, until it expires; sealed, and read by the sender alone."""

    id = UUID(primary_key=True, default=None)
    endpoint_id = UUID(default=None)
    organisation_id = UUID(default=None)
    secret = Text(default=None, null=True, secret=True)
    created_at = Timestamptz(default=None)
    expires_at = Timestamptz(default=None, null=True)
    sealed = Bytea(default=None, null=True, secret=True)


class Outbox(Table, tablename="outbox", schema="sons"):
    """One announcement to one organisation, written with what it tells."""

    id = UUID(primary_key=True, default=None)
    number = BigInt(default=None)
    at = Timestamptz(default=None)
    event = Text(default=None)
    object_kind = Text(default=None)
    object_id = Text(default=None)
    organisation_id = UUID(default=None)
    endpoint_id = UUID(default=None, null=True)
    mailed = Boolean(default=None)
    facts = JSONB(default=None)


class Delivery(Table, tablename="delivery", schema="sons"):
    """One way of an announcement to one webhook or one mailbox, and how far it got."""

    id = BigInt(primary_key=True, default=None)
    outbox_id = UUID(default=None)
    organisation_id = UUID(default=None)
    endpoint_id = UUID(default=None, null=True)
    person_id = UUID(default=None, null=True)
    round = Integer(default=None)
    state = Text(default=None)
    attempts = Integer(default=None)
    created_at = Timestamptz(default=None)
    next_at = Timestamptz(default=None, null=True)
    ended_at = Timestamptz(default=None, null=True)
    last_status = Integer(default=None, null=True)
    last_problem = Text(default=None, null=True)


class CalendarFeed(Table, tablename="calendar_feed", schema="sons"):
    """A calendar that an organisation's programs read by a secret address."""

    id = UUID(primary_key=True, default=None)
    organisation_id = UUID(default=None)
    secret_sha256 = Bytea(default=None, secret=True)
    created_at = Timestamptz(default=None)
    created_by = UUID(default=None, null=True)
    revoked_at = Timestamptz(default=None, null=True)
