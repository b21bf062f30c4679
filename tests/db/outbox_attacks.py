"""The attacks on the tables of the outbox: one per guard, or more, each the smallest that it refuses."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = ("webhook_endpoint", "webhook_secret", "outbox", "delivery", "calendar_feed")
NOT_ATTACKED = {
    "webhook_endpoint_owner_unique": "weaker than the primary key: what foreign keys point at",
    "outbox_recipient_unique": "weaker than the primary key: what a foreign key points at",
    "outbox_marked": "refuses nothing: test_outbox.py shows what a reader misses without it",
    "outbox_fanned_out": "refuses nothing: without it nothing is delivered, as test_webhook_sending.py shows",
    "webhook_endpoint_fanned_out": "read by one function that asks for the same",
    "delivery_fanned_out": "written by one function that writes nothing else",
    "calendar_feed_asked": "read by one function that asks for the same",
}
NEW, NOBODY = str(UUID(int=11)), str(UUID(int=12))
FAR = 10**12
FROZEN = "SN010"
DIGEST = "\\x" + "ab" * 32
IN_CLEAR = "\\x" + b"whsec_fictif".hex()


def _row(guard: str, sqlstate: str, row: str, *lifted: str, by: str | None = None, **changes: Any) -> Attack:
    return Attack(guard, sqlstate, by, row, {"id": NEW, **changes}, lifted=lifted)


def _delivery(guard: str, sqlstate: str = CHECK, row: str = "endpoint", **changes: Any) -> Attack:
    whole = {"id": FAR, "round": 9, **changes}
    return Attack(guard, sqlstate, None, f"delivery {row}", whole)


def _do(
    guard: str, sqlstate: str | None, *statements: str, by: str | None = None, lifted: tuple[str, ...] = (),
    note: str = "",
) -> Attack:  # fmt: skip
    return Attack(guard, sqlstate, by, statements=statements, lifted=lifted, note=note)


def _seen(table: str, row: str) -> Attack:
    """Another organisation looks for a row."""
    asked = f"select count(id) from sons.{table} where id = {{{table} {row}}}"
    return _do(f"{table}_seen", None, asked, by="other")


def _kept(table: str, row: str) -> tuple[Attack, ...]:
    """What is never deleted, and never truncated."""
    return (
        _do(f"{table}_never_deleted", FROZEN, f"delete from sons.{table} where id = {{{table} {row}}}"),
        _do(f"{table}_never_truncated", FROZEN, f"truncate sons.{table}"),
    )


ENDPOINTS = (
    _row(
        "webhook_endpoint_pkey", UNIQUE, "webhook_endpoint own", "webhook_endpoint_owner_unique",
        id=Of("webhook_endpoint own", "id"),
    ),
    _row("webhook_endpoint_organisation_fkey", FOREIGN, "webhook_endpoint own", organisation_id=NOBODY),
    _row("webhook_endpoint_url_form", CHECK, "webhook_endpoint own", url="ftp://example.org/"),
    _row("webhook_endpoint_url_length", CHECK, "webhook_endpoint own", url="https://" + "x" * 500),
    _row("webhook_endpoint_events_some", CHECK, "webhook_endpoint own", events=[]),
    _row("webhook_endpoint_disabled_whole", CHECK, "webhook_endpoint own", disabled_reason="asked"),
    _row(
        "webhook_endpoint_disabled_reason_known", CHECK, "webhook_endpoint own",
        disabled_at="2023-03-01T00:00:00Z", disabled_reason="tired",
    ),
    _do(
        "webhook_endpoint_disabled_for_good", "SN081",
        "update sons.webhook_endpoint set disabled_at = null, disabled_reason = null"
        " where id = {webhook_endpoint disabled}",
    ),
    *_kept("webhook_endpoint", "spare"),
    _seen("webhook_endpoint", "own"),
    _row("webhook_endpoint_registered", HIDDEN, "webhook_endpoint new", by="other"),
    _do(
        "webhook_endpoint_watched", None,
        "update sons.webhook_endpoint set disabled_at = now(), disabled_reason = 'asked'"
        " where id = {webhook_endpoint own}",
        by="other", lifted=("webhook_endpoint_seen",),
    ),
)  # fmt: skip

SECRETS = (
    _row(
        "webhook_secret_pkey", UNIQUE, "webhook_secret current",
        id=Of("webhook_secret current", "id"), endpoint_id=Of("webhook_endpoint spare", "id"),
    ),
    _row(
        "webhook_secret_endpoint_fkey", FOREIGN, "webhook_secret current",
        endpoint_id=Of("webhook_endpoint other", "id"), expires_at="2099-01-01T00:00:00Z",
    ),
    _row("webhook_secret_one_current", UNIQUE, "webhook_secret current"),
    _row("webhook_secret_form", CHECK, "webhook_secret current",
         endpoint_id=Of("webhook_endpoint spare", "id"), secret="whsec_court", sealed=None),
    _row("webhook_secret_sealed_form", CHECK, "webhook_secret current",
         endpoint_id=Of("webhook_endpoint spare", "id"), sealed=IN_CLEAR),
    _row("webhook_secret_kept_one_way", CHECK, "webhook_secret current",
         endpoint_id=Of("webhook_endpoint spare", "id"), secret="whsec_" + "A" * 43 + "="),
    _row("webhook_secret_expires_after_birth", CHECK, "webhook_secret current",
         expires_at="2000-01-01T00:00:00Z"),
    _do("webhook_secret_never_prolonged", "SN082",
        "update sons.webhook_secret set expires_at = expires_at + interval '1 d'"
        " where id = {webhook_secret ending}"),
    _do("webhook_secret_never_prolonged", "SN082",
        "update sons.webhook_secret set expires_at = null where id = {webhook_secret ending}",
        lifted=("webhook_secret_one_current",), note="for ever"),
    *_kept("webhook_secret", "current"),
    _seen("webhook_secret", "current"),
    _row("webhook_secret_made", HIDDEN, "webhook_secret new", by="other"),
    _do("webhook_secret_ended", None,
        "update sons.webhook_secret set expires_at = now() where id = {webhook_secret current}",
        by="other", lifted=("webhook_secret_seen",)),
    _do("webhook_secret_signing", None,
        "select count(*) from sons.signing_secrets({webhook_endpoint own})", by="own"),
    _do("webhook_secret_resealed", None,
        "select sons.reseal(kind, id, sealed, 'gAAAAfictif')::int from sons.seals()"
        " where id = {webhook_secret current}",
        by="own", lifted=("webhook_secret_signing",)),
)  # fmt: skip

OUTBOX = (
    _row("outbox_pkey", UNIQUE, "outbox told", id=Of("outbox told", "id"),
         organisation_id=Of("webhook_endpoint other", "organisation_id")),
    _row("outbox_number_unique", UNIQUE, "outbox told", number=Of("outbox number", "number")),
    _row("outbox_organisation_fkey", FOREIGN, "outbox told", organisation_id=NOBODY),
    _row("outbox_endpoint_fkey", FOREIGN, "outbox told", "delivery_endpoint_fkey",
         endpoint_id=Of("webhook_endpoint other", "id")),
    _row("outbox_event_form", CHECK, "outbox told", event="payment"),
    _row("outbox_facts_object", CHECK, "outbox told", facts=[]),
    _do("outbox_append_only", FROZEN, "update sons.outbox set facts = '{}' where id = {outbox told}"),
    _do("outbox_append_only", FROZEN, "delete from sons.outbox where id = {outbox told}",
        lifted=("delivery_outbox_fkey",), note="deleted"),
    _do("outbox_never_truncated", FROZEN, "truncate sons.outbox"),
    _seen("outbox", "told"),
    _row("outbox_announced", HIDDEN, "outbox told", by="anonymous"),
)  # fmt: skip

DELIVERIES = (
    _delivery("delivery_pkey", UNIQUE, id=Of("delivery endpoint", "id")),
    _delivery("delivery_outbox_fkey", FOREIGN, "person",
              organisation_id=Of("webhook_endpoint other", "organisation_id")),
    _delivery("delivery_endpoint_fkey", FOREIGN, endpoint_id=Of("webhook_endpoint other", "id")),
    _delivery("delivery_person_fkey", FOREIGN, "person", person_id=NOBODY),
    _delivery("delivery_one_way", person_id=Of("person stranger", "id")),
    Attack("delivery_one_way", CHECK, None, "delivery endpoint",
           {"id": FAR, "round": 9, "endpoint_id": None}, note="none"),
    _delivery("delivery_once_per_endpoint", UNIQUE, round=1),
    _delivery("delivery_once_per_person", UNIQUE, "person", round=1),
    _delivery("delivery_round_positive", round=0),
    _delivery("delivery_attempts_positive", attempts=-1),
    _delivery("delivery_state_known", state="lost", next_at=None, ended_at="2023-03-01T00:00:00Z"),
    _delivery("delivery_waits_or_ended", next_at=None),
    Attack("delivery_waits_or_ended", CHECK, None, "delivery endpoint",
           {"id": FAR, "round": 9, "state": "dead", "ended_at": "2023-03-01T00:00:00Z"}, note="waits on"),
    _do("delivery_goes_forward", "SN083",
        "update sons.delivery set state = 'waiting', next_at = now(), ended_at = null"
        " where id = {delivery ended}"),
    _do("delivery_goes_forward", "SN083",
        "update sons.delivery set attempts = 0 where id = {delivery claimed}", note="counted down"),
    _do("delivery_goes_forward", "SN083",
        "update sons.delivery set round = 7 where id = {delivery endpoint}", note="another way"),
    *_kept("delivery", "endpoint"),
    _seen("delivery", "endpoint"),
    Attack("delivery_replayed", HIDDEN, "other", "delivery new", note="by another"),
    Attack("delivery_replayed", HIDDEN, "own", "delivery new", {"attempts": 3}, note="as tried"),
    _do("delivery_sent", None,
        "update sons.delivery set attempts = attempts + 1 where id = {delivery endpoint}", by="own"),
    _do("person_mailed", None, "select count(*) from sons.person where id = {person stranger}", by="sender"),
)  # fmt: skip

FEEDS = (
    _row("calendar_feed_pkey", UNIQUE, "calendar_feed own", id=Of("calendar_feed own", "id"),
         secret_sha256=DIGEST),
    _row("calendar_feed_secret_unique", UNIQUE, "calendar_feed own"),
    _row("calendar_feed_secret_length", CHECK, "calendar_feed own", secret_sha256="\\xab"),
    _row("calendar_feed_organisation_fkey", FOREIGN, "calendar_feed own", organisation_id=NOBODY,
         secret_sha256=DIGEST),
    _row("calendar_feed_person_fkey", FOREIGN, "calendar_feed own", created_by=NOBODY,
         secret_sha256=DIGEST),
    _do("calendar_feed_revoked_for_good", "SN084",
        "update sons.calendar_feed set revoked_at = null where id = {calendar_feed revoked}"),
    *_kept("calendar_feed", "own"),
    _seen("calendar_feed", "own"),
    _row("calendar_feed_created", HIDDEN, "calendar_feed new", by="other", secret_sha256=DIGEST),
    _do("calendar_feed_revoked", None,
        "update sons.calendar_feed set revoked_at = now() where id = {calendar_feed own}",
        by="other", lifted=("calendar_feed_seen",)),
)  # fmt: skip

ATTACKS = (*ENDPOINTS, *SECRETS, *OUTBOX, *DELIVERIES, *FEEDS)
