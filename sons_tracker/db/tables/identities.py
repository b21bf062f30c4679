"""Whom a provider of OpenID Connect vouches for, and what it said of a session (migration 0026)."""

from piccolo.columns import UUID, Array, Text, Timestamptz
from piccolo.table import Table


class Identity(Table, tablename="identity", schema="sons"):
    """A subject of an issuer, and the person that it is here."""

    id = UUID(primary_key=True, default=None)
    issuer = Text(default=None)
    subject = Text(default=None)
    person_id = UUID(default=None)
    linked_at = Timestamptz(default=None)


class SessionProof(Table, tablename="session_proof", schema="sons"):
    """What the provider said when the session was opened; it outlives a session under which one signed."""

    session_id = UUID(primary_key=True, default=None)
    person_id = UUID(default=None)
    organisation_id = UUID(default=None)
    role = Text(default=None)
    provider = Text(default=None)
    signature_kind = Text(default=None)
    issuer = Text(default=None)
    subject = Text(default=None)
    name_id = Text(default=None, null=True)
    acr = Text(default=None, null=True)
    auth_time = Timestamptz(default=None, null=True)
    token_id = Text(default=None, null=True)
    finess_juridiques = Array(base_column=Text(), default=None)
