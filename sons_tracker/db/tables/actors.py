"""Persons, organisations, who belongs where, and the tokens that stand for them (migration 0001)."""

from piccolo.columns import UUID, Array, Boolean, Bytea, Text, Timestamptz
from piccolo.table import Table


class Person(Table, tablename="person", schema="sons"):
    """Whoever acts; the journal names a person by `id` only."""

    id = UUID(primary_key=True, default=None)
    name = Text(default=None)
    email = Text(default=None, null=True)


class Organisation(Table, tablename="organisation", schema="sons"):
    """An editor, a distributor, an OG, an ARS, an agency or the State."""

    id = UUID(primary_key=True, default=None)
    kind = Text(default=None)
    name = Text(default=None)
    finess_juridique = Text(default=None, null=True)
    siren = Text(default=None, null=True)
    departements = Array(base_column=Text(), default=None)


class Membership(Table, tablename="membership", schema="sons"):
    """A role of a person in an organisation; the key is (person, organisation, role)."""

    person_id = UUID(primary_key=True, default=None)
    organisation_id = UUID(default=None)
    organisation_kind = Text(default=None)
    role = Text(default=None)
    removed_at = Timestamptz(default=None, null=True)
    responsible = Boolean(default=None)


class AccessToken(Table, tablename="access_token", schema="sons"):
    """A bearer token by its SHA-256, which the application may write and not read."""

    id = UUID(primary_key=True, default=None)
    sha256 = Bytea(default=None)
    person_id = UUID(default=None)
    organisation_id = UUID(default=None)
    role = Text(default=None)
    created_at = Timestamptz(default=None)
    expires_at = Timestamptz(default=None)
    revoked_at = Timestamptz(default=None, null=True)
    scopes = Array(base_column=Text(), default=None, null=True)
    last_used_at = Timestamptz(default=None, null=True)
