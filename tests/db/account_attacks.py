"""The attacks on the guards of accounts: what each must refuse, and in whose name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = ("credential", "second_factor", "sign_in_attempt", "invitation", "session")
NEW, NOBODY = str(UUID(int=7)), str(UUID(int=1))
DIGEST = "\\x" + "ab" * 32
ELSEWHERE = {"membership_removed", "access_token_made_for_oneself"}
OPENINGS = {
    "credential_signed_in": "read by sign_in_facts() and invitation_of(), each for one address or secret",
    "second_factor_signed_in": "read by the same, and by unconfirmed_factor()",
    "sign_in_attempt_tried": "written by count_sign_in() alone",
    "invitation_shown": "read by functions that ask for its secret",
    "invitation_accepted": "written by accept_invitation(), which asks for the secret and the person",
    "session_shown": "read by session_of(), which asks for the secret",
    "session_used": "written by session_of(), which asks for the secret",
}
"""Policies of sons_case without a condition: they refuse nothing, the functions do."""
ADA, SESSION, INVITATION = "credential ada", "session open", "invitation open"
OVER, SETTLED = "session over", "invitation settled"


def _session(guard: str, sqlstate: str, by: str | None = None, *, note: str = "", **changes: Any) -> Attack:
    made = {"id": NEW, "sha256": DIGEST, **changes}
    return Attack(guard, sqlstate, by, SESSION if by is None else "session granted", made, note=note)


def _invited(guard: str, sqlstate: str, by: str | None = None, *, note: str = "", **changes: Any) -> Attack:
    made = {"id": NEW, "sha256": DIGEST, **changes}
    return Attack(guard, sqlstate, by, INVITATION if by is None else "invitation granted", made, note=note)


def _said(
    guard: str, sqlstate: str | None, by: str | None, statement: str, *lifted: str, note: str = ""
) -> Attack:
    return Attack(guard, sqlstate, by, statements=(statement,), lifted=lifted, note=note)


ATTACKS: tuple[Attack, ...] = (
    Attack("credential_pkey", UNIQUE, None, ADA),
    Attack("credential_person_fkey", FOREIGN, None, ADA, {"person_id": NOBODY}),
    Attack(
        "credential_password_hashed", CHECK, None, ADA, {"password_hash": "secret"},
        lifted=("credential_pkey",),
    ),
    _said(
        "credential_own", None, "colleague", "update sons.credential set changed_at = now()",
        note="changed_by_a_colleague",
    ),
    _said("credential_own", None, "admin", "select count(person_id) from sons.credential", note="read"),
    Attack("second_factor_pkey", UNIQUE, None, "second_factor ada"),
    Attack("second_factor_person_fkey", FOREIGN, None, "second_factor ada", {"person_id": NOBODY}),
    Attack(
        "second_factor_confirmed_by_a_code", CHECK, None, "second_factor ada", {"last_step": None},
        lifted=("second_factor_pkey",),
    ),
    _said("second_factor_own", None, "colleague", "update sons.second_factor set last_step = 10 ^ 12"),
    _said(
        "second_factor_serves_once", "SN230", "ada", "update sons.second_factor set last_step = last_step",
        note="replayed",
    ),
    _said(
        "second_factor_serves_once", "SN230", "ada",
        "update sons.second_factor set last_step = last_step - 1", note="before",
    ),
    _said(
        "second_factor_serves_once", "SN230", "ada", "update sons.second_factor set sealed = 'other'",
        note="another_secret_without_its_code",
    ),
    _said(
        "second_factor_serves_once", "SN230", "ada",
        "update sons.second_factor set confirmed_at = now(), last_step = last_step + 1", note="twice",
    ),
    _said(
        "second_factor_serves_once", "SN230", "ada",
        "update sons.second_factor set sealed = 'other', last_step = 2000",
        note="another_secret_than_the_one_that_waits",
    ),
    _said(
        "second_factor_serves_once", "SN230", "ada",
        "update sons.second_factor set pending = 'other', last_step = 1", note="waiting_and_a_step_back",
    ),
    _said(
        "second_factor_serves_once", "SN230", "ada",
        "update sons.second_factor set sealed = 'attend', pending = 'attend'", note="still_waiting",
    ),
    Attack(
        "second_factor_pending_beside_one", CHECK, None, "second_factor ada",
        {"confirmed_at": None, "last_step": None}, lifted=("second_factor_pkey",),
    ),
    _said(
        "second_factor_resealed", None, "admin",
        "select sons.reseal('second_factor', {person ada}, 'scelle', 'autre')::int",
    ),
    _said(
        "sign_in_attempt_ended_seen", None, "admin", "select count(since) from sons.sign_in_attempt"
    ),
    _said(
        "sign_in_attempt_forgotten", None, "admin", "delete from sons.sign_in_attempt where since < now()",
        "sign_in_attempt_ended_seen", note="by_an_administrator",
    ),
    _said(
        "sign_in_attempt_forgotten", None, "scheduler",
        "delete from sons.sign_in_attempt where since < now()", note="that_counts",
    ),
    _said(
        "invitation_ended_seen", None, "sender", "select count(id) from sons.invitation"
    ),
    _said(
        "invitation_forgotten", None, "scheduler", f"delete from sons.invitation where id = {{{INVITATION}}}",
        note="that_stands",
    ),
    _said(
        "invitation_forgotten", None, "admin", f"delete from sons.invitation where id = {{{SETTLED}}}",
        note="by_an_administrator",
    ),
    Attack("sign_in_attempt_pkey", UNIQUE, None, "sign_in_attempt ada"),
    Attack("sign_in_attempt_digests", CHECK, None, "sign_in_attempt ada", {"account_sha256": "\\xab"}),
    Attack(
        "sign_in_attempt_counted", CHECK, None, "sign_in_attempt ada", {"attempts": 0},
        lifted=("sign_in_attempt_pkey",),
    ),
    _invited("invitation_pkey", UNIQUE, id=Of(INVITATION, "id")),
    _invited("invitation_sha256_unique", UNIQUE, sha256=Of(INVITATION, "sha256")),
    _invited("invitation_sha256_length", CHECK, sha256="\\xab"),
    _invited("invitation_kind_known", CHECK, kind="offer"),
    _invited("invitation_organisation_fkey", FOREIGN, organisation_id=NOBODY),
    _invited("invitation_person_fkey", FOREIGN, invited_by=NOBODY),
    _invited("invitation_email_plain", CHECK, email="Ada@example.org", note="capitals"),
    _invited("invitation_email_plain", CHECK, email="ada"),
    _invited("invitation_expires_later", CHECK, expires_at=Of(INVITATION, "created_at")),
    _invited(
        "invitation_settled_one_way", CHECK, accepted_at=Of(INVITATION, "created_at"),
        revoked_at=Of(INVITATION, "created_at"),
    ),
    _invited("invitation_role_fits_kind", CHECK, role="admin"),
    _said(
        "invitation_settled_once", "SN231", None,
        f"update sons.invitation set accepted_at = null where id = {{{SETTLED}}}",
    ),
    _said(
        "invitation_seen", None, "rival", f"select count(id) from sons.invitation where id = {{{INVITATION}}}"
    ),
    _invited("invitation_made", HIDDEN, "rival", note="elsewhere"),
    _invited("invitation_made", HIDDEN, "ada", kind="reset", note="reset"),
    _said(
        "invitation_revoked", None, "rival",
        f"update sons.invitation set revoked_at = created_at where id = {{{INVITATION}}}", "invitation_seen",
    ),
    _session("session_pkey", UNIQUE, id=Of(SESSION, "id")),
    _session("session_sha256_unique", UNIQUE, sha256=Of(SESSION, "sha256")),
    _session("session_digests", CHECK, sha256="\\xab"),
    _session("session_membership_fkey", FOREIGN, role="og"),
    _session("session_auth_level_known", CHECK, auth_level="password"),
    Attack(
        "session_expires_later", CHECK, None, SESSION,
        {"id": NEW, "sha256": DIGEST, "expires_at": Of(SESSION, "created_at")},
        lifted=("session_seen_during_its_life",),
    ),
    _session("session_seen_during_its_life", CHECK, last_seen_at="2000-01-01T00:00:00Z"),
    _said(
        "session_over_for_good", "SN232", None,
        f"update sons.session set revoked_at = null where id = {{{OVER}}}",
    ),
    _said("session_seen", None, "colleague", f"select count(id) from sons.session where id = {{{SESSION}}}"),
    _session("session_opened", HIDDEN, "colleague", note="for_a_colleague"),
    _session("session_opened", HIDDEN, "admin", note="by_an_administrator"),
    _said(
        "session_revoked", None, "colleague",
        f"update sons.session set revoked_at = created_at where id = {{{SESSION}}}", "session_seen",
    ),
    *(_said(f"{table}_never_truncated", "SN010", None, f"truncate sons.{table}") for table in TABLES),
    _said(
        "membership_removed", None, "rival",
        "update sons.membership set removed_at = now() where organisation_id = {organisation home}",
        "membership_seen",
    ),
    _said(
        "membership_removed", HIDDEN, "ada", "update sons.membership set removed_at = null",
        note="brought_back",
    ),
    Attack(
        "access_token_made_for_oneself", HIDDEN, "ada", "access_token colleague",
        {"id": NEW, "sha256": DIGEST}, note="for_a_colleague",
    ),
)  # fmt: skip
