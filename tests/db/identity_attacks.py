"""The attacks on the guards of identities and of what a provider said."""

from __future__ import annotations

from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = ("identity", "session_proof")
ADDED = {
    "session": {"session_proven"},
    "va_signature": {"va_signature_proven", "va_signature_counted"},
    "cancellation_piece": {"cancellation_piece_counted"},
    "amendment": {"amendment_counted"},
}
"""Guards that this migration adds to tables of before."""
OPENINGS = {
    "identity_vouched": "read by identity_of() and invitation_of(), for one subject or one secret",
    "session_proof_over": "deleted by forget_session_proofs() alone, for the scheduler",
    "va_signature_counted": "read by forget_session_proofs() alone",
    "cancellation_piece_counted": "read by forget_session_proofs() alone",
    "amendment_counted": "read by forget_session_proofs() alone",
}
"""Policies of sons_case without a condition: they refuse nothing, the functions do."""
NEW, NOBODY = str(UUID(int=7)), str(UUID(int=1))
IDENTITY, PROOF = "identity ada", "session_proof ada"


def _identity(
    guard: str, sqlstate: str, by: str | None = None, *, note: str = "", **changes: object
) -> Attack:
    return Attack(guard, sqlstate, by, IDENTITY, {"id": NEW, "subject": "autre", **changes}, note=note)


def _proof(guard: str, sqlstate: str, by: str | None = None, *, note: str = "", **changes: object) -> Attack:
    return Attack(guard, sqlstate, by, PROOF, {"session_id": NEW, **changes}, note=note)


ATTACKS: tuple[Attack, ...] = (
    _identity("identity_pkey", UNIQUE, id=Of(IDENTITY, "id")),
    _identity("identity_subject_unique", UNIQUE, subject=Of(IDENTITY, "subject")),
    _identity("identity_person_fkey", FOREIGN, person_id=NOBODY),
    _identity("identity_named", CHECK, issuer="http://identite.test", note="in_clear"),
    _identity("identity_named", CHECK, subject=" ", note="blank"),
    _identity("identity_named", CHECK, subject="x" * 256, note="endless"),
    _identity("identity_own", HIDDEN, "rival", note="linked_to_another"),
    Attack(
        "identity_own", None, "rival", note="read",
        statements=(f"select count(id) from sons.identity where id = {{{IDENTITY}}}",),
    ),
    Attack(
        "identity_own", None, "colleague", note="unlinked_by_a_colleague",
        statements=(f"delete from sons.identity where id = {{{IDENTITY}}}",),
    ),
    Attack(
        "identity_own", None, "admin", note="read_by_an_administrator",
        statements=(f"select count(id) from sons.identity where id = {{{IDENTITY}}}",),
    ),
    _proof("session_proof_pkey", UNIQUE, session_id=Of(PROOF, "session_id")),
    _proof("session_proof_membership_fkey", FOREIGN, role="editor"),
    _proof("session_proof_signature_kind_known", CHECK, signature_kind="cpx"),
    _proof("session_proof_finess_form", CHECK, finess_juridiques=["990000001", "x"]),
    _proof("session_proof_named", CHECK, issuer=" "),
    _proof("session_proof_named", CHECK, acr="", note="blank_level"),
    Attack(
        "session_proof_append_only", "SN010", None, note="another_subject",
        statements=("update sons.session_proof set subject = 'une-autre'",),
    ),
    Attack(
        "session_proof_seen", None, "rival",
        statements=("select count(*) from sons.session_proof where subject = 'sujet'",),
    ),
    _proof("session_proof_kept", HIDDEN, "rival", note="for_another"),
    _proof("session_proof_kept", HIDDEN, "colleague", note="for_a_colleague"),
    *(
        Attack(f"{table}_never_truncated", "SN010", None, statements=(f"truncate sons.{table}",))
        for table in TABLES
    ),
    Attack(
        "session_proven", "SN260", "ada", "session ada", {"id": NEW, "sha256": "\\x" + "ab" * 32},
        note="nobody_vouches",
    ),
)  # fmt: skip
