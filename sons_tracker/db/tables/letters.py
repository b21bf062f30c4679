"""Letters to one person, and how far they got (migration 0028)."""

from piccolo.columns import UUID, Integer, Text, Timestamptz
from piccolo.table import Table


class Letter(Table, tablename="letter", schema="sons"):
    """An invitation, or a change of what opens an account, to be written to one person; never its words."""

    id = UUID(primary_key=True, default=None)
    kind = Text(default=None)
    invitation_id = UUID(default=None, null=True)
    person_id = UUID(default=None, null=True)
    state = Text(default=None)
    attempts = Integer(default=None)
    created_at = Timestamptz(default=None)
    next_at = Timestamptz(default=None, null=True)
    ended_at = Timestamptz(default=None, null=True)
    last_status = Integer(default=None, null=True)
    last_problem = Text(default=None, null=True)
