"""Runs of the detection, what each family gave, what waits for one (migrations 0019, 0029)."""

from piccolo.columns import UUID, BigInt, Date, Integer, Text, Timestamptz
from piccolo.table import Table


class AuditRun(Table, tablename="audit_run", schema="sons"):
    """One run: what was examined, under which law, by whom."""

    id = UUID(primary_key=True, default=None)
    at = Timestamptz(default=None)
    cause = Text(default=None)
    numbers = Integer(default=None, null=True)
    law_digest = Text(default=None)
    known_on = Date(default=None)
    stock_on = Date(default=None, null=True)
    orders = Integer(default=None)
    grants = Integer(default=None)
    lines = Integer(default=None)
    took_ms = Integer(default=None)
    person_id = UUID(default=None, null=True)
    role = Text(default=None)


class AuditFamily(Table, tablename="audit_family", schema="sons"):
    """What a run gave for one family; cents TTC at stake in the cases found."""

    run_id = UUID(primary_key=True, default=None)
    family = Text(default=None)
    found = Integer(default=None)
    opened = Integer(default=None)
    reopened = Integer(default=None)
    ceased = Integer(default=None)
    at_stake_ttc_cents = BigInt(default=None)


class AuditTouch(Table, tablename="audit_touch", schema="sons"):
    """An order that took ESSMS, or a succession that was decided; `run_id`: the run that looked at it."""

    id = BigInt(primary_key=True, default=None)
    order_id = UUID(default=None, null=True)
    succession_id = UUID(default=None, null=True)
    touched_at = Timestamptz(default=None)
    run_id = UUID(default=None, null=True)
