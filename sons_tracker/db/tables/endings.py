"""Cancellations with their pieces, amendments with their lines (migration 0010)."""

from piccolo.columns import JSONB, UUID, Array, Boolean, Bytea, Date, Integer, Text, Timestamptz
from piccolo.table import Table


class CancellationTransition(Table, tablename="cancellation_transition", schema="sons"):
    """The mirror of `rules.lifecycle.CANCELLATION_TRANSITIONS`."""

    before = Text(primary_key=True, default=None)
    after = Text(default=None)
    event = Text(default=None)
    role = Text(default=None)


class AmendmentTransition(Table, tablename="amendment_transition", schema="sons"):
    """The mirror of `rules.lifecycle.AMENDMENT_TRANSITIONS`."""

    before = Text(primary_key=True, default=None)
    after = Text(default=None)
    event = Text(default=None)
    role = Text(default=None)


class Cancellation(Table, tablename="cancellation", schema="sons"):
    """A cancellation as it was asked, what the law said of it once whole, and how it ended."""

    id = UUID(primary_key=True, default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    number = Integer(default=None)
    state = Text(default=None)
    version = Integer(default=None)
    motive = Text(default=None)
    for_acquisition = Boolean(default=None, null=True)
    required = Array(Text(), default=None)
    document = Text(default=None, null=True)
    document_sha256 = Bytea(default=None, null=True)
    asked_at = Timestamptz(default=None)
    asked_by = UUID(default=None)
    asked_for = UUID(default=None)
    asked_role = Text(default=None)
    answer_due_at = Timestamptz(default=None, null=True)
    cancelled_at = Timestamptz(default=None, null=True)
    verdicts = JSONB(default=None, null=True)
    law_digest = Text(default=None, null=True)
    known_on = Date(default=None, null=True)
    closed_at = Timestamptz(default=None, null=True)
    closed_by = UUID(default=None, null=True)
    closed_role = Text(default=None, null=True)
    reason = Text(default=None, null=True)


class CancellationPiece(Table, tablename="cancellation_piece", schema="sons"):
    """What a party declared or signed, with its evidence; the key is (cancellation, kind)."""

    cancellation_id = UUID(primary_key=True, default=None)
    kind = Text(default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    text = Text(default=None)
    sha256 = Bytea(default=None)
    consent = Text(default=None)
    given_at = Timestamptz(default=None)
    person_id = UUID(default=None)
    organisation_id = UUID(default=None)
    role = Text(default=None)
    auth_level = Text(default=None)
    token_id = UUID(default=None, null=True)
    signer_name = Text(default=None)
    signer_function = Text(default=None)
    capacity = Text(default=None, null=True)
    delegation_id = UUID(default=None, null=True)


class Amendment(Table, tablename="amendment", schema="sons"):
    """ESSMS that one party proposes to take out of an order, and what the other answered."""

    id = UUID(primary_key=True, default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    number = Integer(default=None)
    state = Text(default=None)
    version = Integer(default=None)
    removed = Integer(default=None)
    document = Text(default=None)
    document_sha256 = Bytea(default=None)
    proposed_at = Timestamptz(default=None)
    proposed_by = UUID(default=None)
    proposed_for = UUID(default=None)
    proposed_role = Text(default=None)
    proposed_auth_level = Text(default=None)
    proposed_token_id = UUID(default=None, null=True)
    proposer_name = Text(default=None)
    proposer_function = Text(default=None)
    closed_at = Timestamptz(default=None, null=True)
    closed_by = UUID(default=None, null=True)
    closed_for = UUID(default=None, null=True)
    closed_role = Text(default=None, null=True)
    closed_auth_level = Text(default=None, null=True)
    closed_token_id = UUID(default=None, null=True)
    signed_sha256 = Bytea(default=None, null=True)
    signer_name = Text(default=None, null=True)
    signer_function = Text(default=None, null=True)
    consent = Text(default=None, null=True)
    refusal = Text(default=None, null=True)
    proposed_capacity = Text(default=None, null=True)
    proposed_delegation_id = UUID(default=None, null=True)
    closed_capacity = Text(default=None, null=True)
    closed_delegation_id = UUID(default=None, null=True)


class AmendmentLine(Table, tablename="amendment_line", schema="sons"):
    """One ESSMS that an amendment takes out; the key is (amendment, FINESS géographique)."""

    amendment_id = UUID(primary_key=True, default=None)
    finess_geographique = Text(default=None)
    order_id = UUID(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
