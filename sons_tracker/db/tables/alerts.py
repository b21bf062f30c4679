"""Alerts, saved views, samples (migration 0018)."""

from piccolo.columns import JSONB, UUID, Array, BigInt, Bytea, Integer, SmallInt, Text, Timestamptz
from piccolo.table import Table


class Alert(Table, tablename="alert", schema="sons"):
    """A pattern about a subject: it decides nothing."""

    id = UUID(primary_key=True, default=None)
    number = Text(default=None)
    pattern = Text(default=None)
    subject_key = Text(default=None)
    message = Text(default=None)
    ogs = Array(Text(), default=None)
    suppliers = Array(UUID(), default=None)
    subjects = JSONB(default=None)
    facts = JSONB(default=None)
    score = SmallInt(default=None)
    raised_at = Timestamptz(default=None)
    last_raised_at = Timestamptz(default=None)
    ceased_at = Timestamptz(default=None, null=True)
    dismissed_at = Timestamptz(default=None, null=True)
    dismissed_by = UUID(default=None, null=True)
    dismiss_reason = Text(default=None, null=True)


class SavedView(Table, tablename="saved_view", schema="sons"):
    """The filters that a person keeps under a name."""

    id = UUID(primary_key=True, default=None)
    person_id = UUID(default=None)
    organisation_id = UUID(default=None)
    role = Text(default=None)
    name = Text(default=None)
    filters = JSONB(default=None)
    saved_at = Timestamptz(default=None)
    removed_at = Timestamptz(default=None, null=True)


class Sample(Table, tablename="sample", schema="sons"):
    """What was drawn for an audit, from what, how."""

    id = UUID(primary_key=True, default=None)
    number = Text(default=None)
    unit = Text(default=None)
    seed = Text(default=None)
    criteria = JSONB(default=None)
    strata = JSONB(default=None)
    population = Integer(default=None)
    population_ttc_cents = BigInt(default=None)
    digest = Bytea(default=None)
    size = Integer(default=None)
    drawn_at = Timestamptz(default=None)
    drawn_by = UUID(default=None)


class SampleLine(Table, tablename="sample_line", schema="sons"):
    """One thing to audit; the key is (sample, rank)."""

    sample_id = UUID(primary_key=True, default=None)
    rank = Integer(default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    finess_geographique = Text(default=None, null=True)
    stratum = Array(Text(), default=None)
    received_ttc_cents = BigInt(default=None)
