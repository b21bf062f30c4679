"""Which line of the table of rights row-level security says a second time, table by table.

`SEEN` names, for each table that holds an organisation's data, the action that reads it and which of its
rows are the asker's own: `$1` is its organisation, `$2` its person. Operations narrow what the database
shows; so the database may show a role more than the table gives it, never without a line in `WIDER`.
"""

from __future__ import annotations

_PARTY = "coalesce($1 = supplier_id, false) or coalesce($1 = og_id, false)"
_SUPPLIER = "coalesce($1 = supplier_id, false)"
_OWN = "coalesce($1 = organisation_id, false)"
_SELF = "coalesce($2 = person_id, false)"
_NOBODY = "false"
_CASE = (
    "exists (select from sons.conflict_side s where s.conflict_id = t.conflict_id"
    " and (coalesce($1 = s.supplier_id, false) or coalesce($1 = s.og_id, false)))"
    " or exists (select from sons.conflict_question q where q.conflict_id = t.conflict_id"
    " and q.organisation_id = $1)"
)
_ESSMS = (
    "exists (select from sons.establishment e"
    " join sons.organisation o on o.finess_juridique = e.finess_juridique"
    " where o.id = $1 and e.finess_geographique = t.finess_geographique)"
)
_FOLLOWS = (
    "exists (select from sons.organisation o where o.id = $1"
    " and o.finess_juridique in (t.predecessor_og, t.successor_og))"
)


def _lines(action: str, owned: str, *tables: str) -> dict[str, tuple[str, str]]:
    return dict.fromkeys(tables, (action, owned))


SEEN: dict[str, tuple[str, str]] = {
    **_lines("order.read", _PARTY, "purchase_order", "order_line", "claim", "deadline", "verdict_settlement"),
    **_lines("order.read", _PARTY, "correction"),
    **_lines("request.read", _PARTY, "financing_request", "request_filing"),
    **_lines("va.read", _PARTY, "va", "va_line", "va_signature"),
    **_lines("match.read", _PARTY, "invoice", "invoice_line"),
    **_lines("cancellation.read", _PARTY, "cancellation", "cancellation_piece"),
    **_lines("amendment.read", _PARTY, "amendment", "amendment_line"),
    **_lines("reservation.read", _PARTY, "reservation", "reservation_line"),
    **_lines("ledger.read", _PARTY, "ledger_entry"),
    **_lines("payment.read", _PARTY, "payment"),
    **_lines("recovery.read", _PARTY, "recovery", "recovery_letter", "recovery_step"),
    **_lines("lot.read", _SUPPLIER, "lot_line", "bank_return_line"),
    **_lines("lot.read", _NOBODY, "lot", "bank_return"),
    **_lines("conflict.read", _CASE.replace("t.conflict_id", "t.id"), "conflict"),
    **_lines("conflict.read", _CASE, "conflict_side", "conflict_essms", "conflict_question"),
    **_lines("conflict.read", _CASE, "conflict_decision"),
    **_lines("side.read", _CASE, "conflict_finding", "conflict_event"),
    **_lines("fact.read", _ESSMS, "esms_grant"),
    **_lines("succession.read", _FOLLOWS, "succession"),
    **_lines("supplier.read", _SUPPLIER, "enrolment", "enrolment_decision", "enrolment_piece"),
    **_lines("supplier.read", _SUPPLIER, "bank_account_change"),
    **_lines("bank_number.read", _SUPPLIER, "bank_account"),
    **_lines("alert.read", _NOBODY, "alert"),
    **_lines("audit.read", _NOBODY, "audit_run", "audit_family"),
    **_lines("sample.read", _NOBODY, "sample", "sample_line"),
    **_lines("grant_import.read", _NOBODY, "grant_import", "grant_anomaly"),
    **_lines("journal.export", _OWN, "journal"),
    **_lines("journal.export", _NOBODY, "journal_seal", "journal_head"),
    **_lines("member.read", _OWN, "membership"),
    **_lines("member.read", "coalesce($1 = id, false)", "organisation"),
    **_lines(
        "member.read",
        "exists (select from sons.membership m where m.person_id = t.id and m.organisation_id = $1)",
        "person",
    ),
    **_lines("invitation.read", _OWN, "invitation"),
    **_lines("delegation.read", _OWN, "delegation"),
    **_lines("token.read", _OWN, "access_token"),
    **_lines("session.read", _SELF, "session"),
    **_lines("identity.read", _SELF, "identity"),
    **_lines("notice.read", _OWN, "outbox", "delivery"),
    **_lines("webhook.read", _OWN, "webhook_endpoint", "webhook_secret"),
    **_lines("feed.read", _OWN, "calendar_feed"),
    **_lines("saved_view.read", _OWN, "saved_view"),
}
APART: dict[str, str] = {
    "idempotency": "the answers kept for an organisation's own keys: of every act, whatever it is",
    "simulation_count": "how much a supplier simulates: no answer shows it",
    "rate_bucket": "how much one asks: the scheduler alone reads it",
    "sign_in_attempt": "read and written by a function of the database alone",
    "credential": "one's own, read while signing in",
    "second_factor": "one's own, read while signing in",
    "session_proof": "what a provider said of a signatory: shown with the signature",
    "instance": "the clock, that everyone reads",
    "law_enactment": "the law, that everyone reads",
    "audit_touch": "what waits for an audit, without a screen",
    "letter": "what is to be mailed to one person: the sender alone reads where to",
    "journal_stamp": "the time stamps of published heads",
    "journal_text": "what people typed, kept beside the journal, as the journal is",
}
_AGENCIES = ("reviewer", "payer", "pilot", "admin")
WIDER: dict[str, tuple[tuple[str, ...], str]] = {
    "member.read": (_AGENCIES, "names and organisations are shown on the files that an agency reads"),
    "journal.export": (("reviewer", "payer"), "the journal of a case goes into its evidence pack"),
    "token.read": (("admin",), "a token is ended for whoever lost it"),
    "session.read": (("admin",), "the sessions of who is removed, or invited again, are ended"),
    "notice.read": (("admin",), "deliveries that fail are looked into"),
    "webhook.read": (("admin",), "an endpoint that fails is looked into; its secrets are not shown"),
    "feed.read": (("admin",), "an address that leaked is ended"),
}
# Tables of which the world of the matrix has no row: their policies are read in the tests of their own noun.
NOT_IN_THE_WORLD = frozenset(
    {
        "cancellation_piece", "conflict_decision", "correction", "identity", "invoice",
        "invoice_line", "journal_head", "journal_seal", "recovery_letter", "recovery_step", "saved_view",
        "verdict_settlement",
    }
)  # fmt: skip
