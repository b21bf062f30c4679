"""Successions of FINESS numbers (migration 0015)."""

from piccolo.columns import JSONB, UUID, Date, SmallInt, Text, Timestamptz
from piccolo.table import Table


class Succession(Table, tablename="succession", schema="sons"):
    """A number that may follow another, and what a reviewer decided of it."""

    id = UUID(primary_key=True, default=None)
    predecessor = Text(default=None)
    successor = Text(default=None)
    predecessor_og = Text(default=None, null=True)
    successor_og = Text(default=None, null=True)
    kind = Text(default=None)
    score = SmallInt(default=None)
    reasons = JSONB(default=None)
    earlier_on = Date(default=None)
    later_on = Date(default=None)
    state = Text(default=None)
    found_at = Timestamptz(default=None)
    decided_at = Timestamptz(default=None, null=True)
    decided_by = UUID(default=None, null=True)
    reason = Text(default=None, null=True)
