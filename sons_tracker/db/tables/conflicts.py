"""Conflicts: cases, sides, findings, questions, decisions (migration 0014)."""

from piccolo.columns import (
    JSONB,
    UUID,
    Array,
    BigInt,
    Boolean,
    Bytea,
    Date,
    Integer,
    SmallInt,
    Text,
    Timestamptz,
)
from piccolo.table import Table


class ConflictTransition(Table, tablename="conflict_transition", schema="sons"):
    """The mirror of `rules.lifecycle.CONFLICT_TRANSITIONS`."""

    before = Text(primary_key=True, default=None)
    after = Text(default=None)
    event = Text(default=None)
    role = Text(default=None)


class Conflict(Table, tablename="conflict", schema="sons"):
    """A case of double funding: one pair of acts under one family."""

    id = UUID(primary_key=True, default=None)
    number = Text(default=None)
    vague = Text(default=None)
    family = Text(default=None)
    pair_key = Text(default=None)
    state = Text(default=None)
    version = Integer(default=None)
    og_id = UUID(default=None, null=True)
    og_finess_juridique = Text(default=None, null=True)
    suppliers = Array(UUID(), default=None)
    ogs = Array(UUID(), default=None)
    at_stake_ttc_cents = BigInt(default=None)
    opened_at = Timestamptz(default=None)
    opened_for = Text(default=None)
    assigned_to = UUID(default=None, null=True)
    last_found_at = Timestamptz(default=None)
    ceased_at = Timestamptz(default=None, null=True)


class ConflictSide(Table, tablename="conflict_side", schema="sons"):
    """One of the two acts of a case; the key is (case, side)."""

    conflict_id = UUID(primary_key=True, default=None)
    side = SmallInt(default=None)
    kind = Text(default=None)
    order_id = UUID(default=None, null=True)
    grant_reference = Text(default=None, null=True)
    supplier_id = UUID(default=None, null=True)
    og_id = UUID(default=None, null=True)


class ConflictEssms(Table, tablename="conflict_essms", schema="sons"):
    """An ESSMS of a case; the key is (case, ESSMS)."""

    conflict_id = UUID(primary_key=True, default=None)
    finess_geographique = Text(default=None)
    counterpart = Text(default=None, null=True)


class ConflictFinding(Table, tablename="conflict_finding", schema="sons"):
    """What a detection saw, under which law."""

    id = BigInt(primary_key=True, default=None)
    conflict_id = UUID(default=None)
    found_at = Timestamptz(default=None)
    rule = Text(default=None)
    outcome = Text(default=None)
    message = Text(default=None)
    source = Text(default=None)
    remedy = Text(default=None, null=True)
    readings = Array(Text(), default=None)
    a_confirmer = Boolean(default=None)
    facts = JSONB(default=None)
    law_digest = Text(default=None)
    known_on = Date(default=None)
    digest = Bytea(default=None)


class ConflictEvent(Table, tablename="conflict_event", schema="sons"):
    """What happened to a case, in its order."""

    id = BigInt(primary_key=True, default=None)
    conflict_id = UUID(default=None)
    at = Timestamptz(default=None)
    event = Text(default=None)
    before = Text(default=None, null=True)
    after = Text(default=None, null=True)
    person_id = UUID(default=None, null=True)
    organisation_id = UUID(default=None, null=True)
    role = Text(default=None)
    facts = JSONB(default=None)


class ConflictQuestion(Table, tablename="conflict_question", schema="sons"):
    """What a party or an ARS was asked, and what it answered."""

    id = UUID(primary_key=True, default=None)
    conflict_id = UUID(default=None)
    kind = Text(default=None)
    organisation_id = UUID(default=None)
    side = SmallInt(default=None, null=True)
    of_question = UUID(default=None, null=True)
    lacking = Text(default=None, null=True)
    text = Text(default=None)
    asked_at = Timestamptz(default=None)
    asked_by = UUID(default=None, null=True)
    answer_due_at = Timestamptz(default=None, null=True)
    delay_source = Text(default=None, null=True)
    answered_at = Timestamptz(default=None, null=True)
    answered_by = UUID(default=None, null=True)
    position = Text(default=None, null=True)
    chosen_side = SmallInt(default=None, null=True)
    answer = Text(default=None, null=True)
    withdrawn_at = Timestamptz(default=None, null=True)


class ConflictDecision(Table, tablename="conflict_decision", schema="sons"):
    """A decision as it was proposed and approved, with its motivation."""

    id = UUID(primary_key=True, default=None)
    conflict_id = UUID(default=None)
    outcome = Text(default=None)
    refused = Array(SmallInt(), default=None)
    template = Text(default=None)
    motivation = Text(default=None)
    notice = Text(default=None)
    sources = Text(default=None)
    case_version = Integer(default=None)
    at_stake_ttc_cents = BigInt(default=None)
    four_eyes = Boolean(default=None)
    law_digest = Text(default=None)
    proposed_at = Timestamptz(default=None)
    proposed_by = UUID(default=None, null=True)
    approved_at = Timestamptz(default=None, null=True)
    approved_by = UUID(default=None, null=True)
    dropped_at = Timestamptz(default=None, null=True)
    dropped_by = UUID(default=None, null=True)
    drop_reason = Text(default=None, null=True)
