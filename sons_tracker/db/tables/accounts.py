"""Passwords, second factors, invitations, sessions (migration 0023), all on the machine's clock."""

from piccolo.columns import UUID, BigInt, Boolean, Bytea, Integer, Text, Timestamptz
from piccolo.table import Table


class Credential(Table, tablename="credential", schema="sons"):
    """The password of a person, as argon2id keeps it; the application may write it and not select it."""

    person_id = UUID(primary_key=True, default=None)
    password_hash = Text(default=None)
    changed_at = Timestamptz(default=None)


class SecondFactor(Table, tablename="second_factor", schema="sons"):
    """The secret of a person's TOTP, sealed by the key of the settings, and the last step that served;
    `pending`: another one, until its first code."""

    person_id = UUID(primary_key=True, default=None)
    sealed = Bytea(default=None)
    confirmed_at = Timestamptz(default=None, null=True)
    last_step = BigInt(default=None, null=True)
    pending = Bytea(default=None, null=True, secret=True)


class SignInAttempt(Table, tablename="sign_in_attempt", schema="sons"):
    """How often an account was tried from an address lately, both as digests."""

    account_sha256 = Bytea(primary_key=True, default=None)
    address_sha256 = Bytea(default=None)
    attempts = Integer(default=None)
    since = Timestamptz(default=None)


class Invitation(Table, tablename="invitation", schema="sons"):
    """A secret that lets the person of an address come into an organisation, or choose a password again."""

    id = UUID(primary_key=True, default=None)
    sha256 = Bytea(default=None)
    kind = Text(default=None)
    organisation_id = UUID(default=None)
    organisation_kind = Text(default=None)
    role = Text(default=None)
    email = Text(default=None)
    invited_by = UUID(default=None, null=True)
    created_at = Timestamptz(default=None)
    expires_at = Timestamptz(default=None)
    accepted_at = Timestamptz(default=None, null=True)
    revoked_at = Timestamptz(default=None, null=True)
    responsible = Boolean(default=None)


class Session(Table, tablename="session", schema="sons"):
    """A person signed in, in one role of one organisation, until it leaves, is idle, or time is up."""

    id = UUID(primary_key=True, default=None)
    sha256 = Bytea(default=None)
    person_id = UUID(default=None)
    organisation_id = UUID(default=None)
    role = Text(default=None)
    auth_level = Text(default=None)
    created_at = Timestamptz(default=None)
    last_seen_at = Timestamptz(default=None)
    expires_at = Timestamptz(default=None)
    revoked_at = Timestamptz(default=None, null=True)
    address_sha256 = Bytea(default=None)
