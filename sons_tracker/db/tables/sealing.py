"""The chain over the journal and the heads published of it (migration 0022)."""

from piccolo.columns import BigInt, Bytea, Text, Timestamptz
from piccolo.table import Table


class JournalSeal(Table, tablename="journal_seal", schema="sons"):
    """The seal of one row of the journal; `sealed_at` is the machine's."""

    seq = BigInt(primary_key=True, default=None)
    journal_id = BigInt(default=None)
    prev = Bytea(default=None)
    hash = Bytea(default=None)
    sealed_at = Timestamptz(default=None)


class JournalHead(Table, tablename="journal_head", schema="sons"):
    """A head given away: `taken_at` on the business clock, `published_at` on the machine's."""

    seq = BigInt(primary_key=True, default=None)
    channel = Text(default=None)
    hash = Bytea(default=None)
    taken_at = Timestamptz(default=None)
    published_at = Timestamptz(default=None)
