"""The chain over the journal, its published heads, the texts beside it (migrations 0022, 0030, 0031)."""

from piccolo.columns import UUID, BigInt, Bytea, Text, Timestamptz
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


class JournalText(Table, tablename="journal_text", schema="sons"):
    """What a person typed in an act; once erased, without words or salt. Its key is (journal_id, field)."""

    journal_id = BigInt(primary_key=True, default=None)
    field = Text(default=None)
    person_id = UUID(default=None, null=True)
    organisation_id = UUID(default=None, null=True)
    digest = Bytea(default=None)
    salt = Bytea(default=None, null=True)
    text = Text(default=None, null=True)
    erased_at = Timestamptz(default=None, null=True)


class JournalStamp(Table, tablename="journal_stamp", schema="sons"):
    """What a time stamping authority answered of a head, and the time that it attests (RFC 3161)."""

    seq = BigInt(primary_key=True, default=None)
    hash = Bytea(default=None)
    token = Bytea(default=None)
    stamped_at = Timestamptz(default=None)
    kept_at = Timestamptz(default=None)
