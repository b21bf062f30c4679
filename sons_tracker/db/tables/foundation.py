"""What every operation leans on: journal, instance, enacted law, deadlines, kept answers (migration 0001)."""

from piccolo.columns import JSONB, UUID, BigInt, Boolean, Bytea, SmallInt, Text, Timestamptz
from piccolo.table import Table


class Journal(Table, tablename="journal", schema="sons"):
    """One append-only row; `txid` (xid8, unknown to Piccolo) stays on the database's side."""

    id = BigInt(primary_key=True, default=None)
    at = Timestamptz(default=None)
    recorded_at = Timestamptz(default=None)
    person_id = UUID(default=None, null=True)
    organisation_id = UUID(default=None, null=True)
    role = Text(default=None)
    token_id = UUID(default=None, null=True)
    auth_level = Text(default=None)
    action = Text(default=None)
    object_kind = Text(default=None)
    object_id = Text(default=None)
    facts = JSONB(default=None)


class Instance(Table, tablename="instance", schema="sons"):
    """The one row that says what this instance is, and the clock of a sandbox."""

    singleton = Boolean(primary_key=True, default=None)
    mode = Text(default=None)
    clock_at = Timestamptz(default=None, null=True)


class LawEnactment(Table, tablename="law_enactment", schema="sons"):
    """The digests of the law that this database applies."""

    digest = Text(primary_key=True, default=None)
    enacted_at = Timestamptz(default=None)
    enacted_by = UUID(default=None, null=True)
    recorded_at = Timestamptz(default=None)


class Deadline(Table, tablename="deadline", schema="sons"):
    """What falls due; one that holds, or fired, is alone with its (rule, object, due instant)."""

    id = BigInt(primary_key=True, default=None)
    rule = Text(default=None)
    object_id = Text(default=None)
    due_at = Timestamptz(default=None)
    kind = Text(default=None)
    order_id = UUID(default=None, null=True)
    supplier_id = UUID(default=None, null=True)
    og_id = UUID(default=None, null=True)
    facts = JSONB(default=None)
    fired_at = Timestamptz(default=None, null=True)
    superseded_at = Timestamptz(default=None, null=True)


class Idempotency(Table, tablename="idempotency", schema="sons"):
    """The answer kept for an Idempotency-Key; the key is (organisation, key)."""

    organisation_id = UUID(primary_key=True, default=None)
    key = Text(default=None)
    route = Text(default=None)
    request_sha256 = Bytea(default=None)
    status = SmallInt(default=None, null=True)
    body = Bytea(default=None, null=True)
    created_at = Timestamptz(default=None)
