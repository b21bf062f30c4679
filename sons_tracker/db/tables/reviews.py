"""What reviewers decided of the verdicts that held a deposit (migration 0011)."""

from piccolo.columns import UUID, Text, Timestamptz
from piccolo.table import Table


class VerdictSettlement(Table, tablename="verdict_settlement", schema="sons"):
    """The open verdicts of one rule, settled."""

    order_id = UUID(primary_key=True, default=None)
    rule = Text(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    decision = Text(default=None)
    reason = Text(default=None)
    decided_at = Timestamptz(default=None)
    decided_by = UUID(default=None, null=True)
