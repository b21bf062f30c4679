"""Delegations of signature inside an OG (migration 0027)."""

from piccolo.columns import UUID, Array, Bytea, Date, Text, Timestamptz
from piccolo.table import Table


class Delegation(Table, tablename="delegation", schema="sons"):
    """What a responsible of an OG lets another member sign, from a day until another, and its revocation."""

    id = UUID(primary_key=True, default=None)
    organisation_id = UUID(default=None)
    role = Text(default=None)
    giver_id = UUID(default=None)
    receiver_id = UUID(default=None)
    acts = Array(base_column=Text(), default=None)
    from_on = Date(default=None)
    until_on = Date(default=None)
    text = Text(default=None)
    text_sha256 = Bytea(default=None)
    consent = Text(default=None)
    signer_name = Text(default=None)
    signer_function = Text(default=None)
    given_at = Timestamptz(default=None)
    auth_level = Text(default=None)
    token_id = UUID(default=None, null=True)
    revoked_at = Timestamptz(default=None, null=True)
    revoked_by = UUID(default=None, null=True)
    revoked_role = Text(default=None, null=True)
    revoked_because = Text(default=None, null=True)
