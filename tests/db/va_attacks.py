"""The attacks on the tables of the VA and the invoice: one per guard, or more, each the least change that it
alone refuses.

The orders of the world: `ready`, whose second VA waits for its signature; `asked`, whose solde is asked for;
`back`, whose solde was sent back. Each has its own supplier and its own OG.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of
from tests.db.delegation_attacks import ADDED as DELEGATIONS
from tests.db.identity_attacks import ADDED as IDENTITIES
from tests.db.identity_attacks import OPENINGS

TABLES = ("va_transition", "va", "va_line", "va_signature", "invoice", "invoice_line")
DATA_TABLES = TABLES[1:]
ELSEWHERE = {
    "financing_request_signed_va_fkey", "financing_request_invoice_fkey", "financing_request_solde_whole",
    "financing_request_advance_alone", "financing_request_along_the_table", "ledger_entry_evened",
}  # fmt: skip
"""Guards that this migration adds to tables of before, or writes again."""
NOT_ATTACKED = {
    f"{name}_unique": "weaker than the primary key: what foreign keys point at"
    for name in ("va_parties", "va_text", "va_signature_parties", "invoice_parties")
} | dict.fromkeys(DELEGATIONS["va_signature"], "attacked in test_delegation_constraints")
NOT_ATTACKED |= {name: reason for name, reason in OPENINGS.items() if name in IDENTITIES["va_signature"]}
BY_WHO_MAY = "va_signature_by_who_may"
NOBODY, NEW = str(UUID(int=1)), str(UUID(int=2))
LATER, BEFORE = "2040-01-01T00:00:00Z", "2000-01-01T00:00:00Z"
ALONG, LIVE, WHOLE, OF_VA = "va_along_the_table", "one_live_va", "va_is_whole", "va_line_of_its_va"
LIVE_INVOICE, SUM, OF_INVOICE = "one_live_invoice", "invoice_is_sum_of_lines", "invoice_line_of_its_invoice"
VA_PARENTS = ("va_parties_unique", "va_text_unique")
REQUEST_ALONG, LIVE_REQUEST = "financing_request_along_the_table", "one_live_request"


def _va(
    guard: str,
    sqlstate: str = CHECK,
    *lifted: str,
    by: str = "supplier ready",
    note: str = "",
    **changes: Any,
) -> Attack:
    changes = {"id": NEW, "number": 9, **changes}
    return Attack(guard, sqlstate, by, "va ready", changes, lifted=(LIVE, WHOLE, *lifted), note=note)


def _moved(
    table: str,
    row: str,
    change: str,
    guard: str,
    sqlstate: str | None,
    by: str | None,
    *lifted: str,
    note: str,
) -> Attack:
    statement = f"update sons.{table} set {change} where id = {{{row}}}"
    return Attack(guard, sqlstate, by, statements=(statement,), lifted=lifted, note=note)


def _line(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str = "supplier ready", **changes: Any
) -> Attack:
    return Attack(guard, sqlstate, by, "va_line ready", changes, lifted=(OF_VA, *lifted))


def _signature(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str = "og ready", **changes: Any
) -> Attack:
    return Attack(guard, sqlstate, by, "va_signature ready", changes, lifted=lifted)


def _invoice(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str | None = "supplier asked", **changes: Any
) -> Attack:
    changes = {"id": NEW, "number": "F-9", **changes}
    return Attack(guard, sqlstate, by, "invoice asked", changes, lifted=(LIVE_INVOICE, SUM, *lifted))


def _bill(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str = "supplier asked", **changes: Any
) -> Attack:
    return Attack(guard, sqlstate, by, "invoice_line asked", changes, lifted=(OF_INVOICE, *lifted))


def _request(guard: str, sqlstate: str = CHECK, *lifted: str, **changes: Any) -> Attack:
    changes = {"id": NEW, **changes}
    return Attack(
        guard, sqlstate, "supplier asked", "financing_request asked", changes,
        lifted=(LIVE_REQUEST, "financing_request_has_its_filing", *lifted),
    )  # fmt: skip


def _kept(table: str, where: str, change: str | None, *parents: str) -> tuple[Attack, ...]:
    """What is written stays, whoever asks: not changed, deleted, truncated; strangers do not see it."""
    attacks = [
        Attack(
            f"{table}_never_deleted", "SN010", None, statements=(f"delete from sons.{table} where {where}",),
            lifted=parents,
        ),
        Attack(
            f"{table}_never_truncated", "SN010", None, statements=(f"truncate sons.{table}",), lifted=parents
        ),
        Attack(
            f"{table}_seen", None, "rival", statements=(f"select count(*) from sons.{table} where {where}",)
        ),
    ]  # fmt: skip
    if change is not None:
        statement = f"update sons.{table} set {change} where {where}"
        attacks.append(Attack(f"{table}_append_only", "SN010", None, statements=(statement,)))
    return tuple(attacks)


ATTACKS = (
    Attack(
        "va_transition_pkey", UNIQUE, None,
        statements=("insert into sons.va_transition select * from sons.va_transition",),
    ),
    Attack(
        "va_transition_states_known", CHECK, None,
        statements=("insert into sons.va_transition values ('dreamt', 'signed', 'signed', 'og')",),
    ),
    # ---- the VA
    _va("va_pkey", UNIQUE, *VA_PARENTS, id=Of("va ready", "id")),
    _va("va_number_unique", UNIQUE, number=Of("va ready", "number")),
    _va("va_order_fkey", FOREIGN, order_id=NOBODY),
    _va("va_person_fkey", FOREIGN, prepared_by=NOBODY),
    _va("va_law_fkey", FOREIGN, law_digest="0" * 64),
    _va("va_state_known", CHECK, ALONG, state="dreamt"),
    _va("va_number_positive", number=0),
    _va("va_covers_something", covered=0),
    _va("va_deploiement_mss_known", deploiement_mss="cas_3"),
    _va("va_statement_digest", statement="Autre chose."),
    _va("va_withdrawn_dated", withdrawn_at=LATER),
    _va("va_withdrawn_later", CHECK, ALONG, state="withdrawn", withdrawn_at=BEFORE),
    Attack(LIVE, UNIQUE, "supplier ready", "va ready", {"id": NEW, "number": 9}, lifted=(WHOLE,)),
    Attack(WHOLE, "SN063", "supplier ready", "va ready", {"id": NEW, "number": 9}, lifted=(LIVE,)),
    _va(ALONG, "SN061", state="signed"),
    _moved("va", "va ready", "state = 'signed'", ALONG, "SN061", "og ready", note="by_nobody"),
    _moved("va", "va ready", "state = 'signed'", ALONG, "SN061", "supplier ready", note="by_the_supplier"),
    _moved("va", "va ready", "number = 7", ALONG, "SN061", None, note="frozen"),
    _moved(
        "va", "va asked", f"state = 'withdrawn', withdrawn_at = '{LATER}'", ALONG, "SN061", "supplier asked",
        note="under_a_solde",
    ),
    _moved(
        "va", "va ready", f"state = 'withdrawn', withdrawn_at = '{LATER}'", "va_moved", None, "reviewer",
        ALONG, note="reviewer",
    ),
    _va("va_written", HIDDEN, by="rival"),
    *_kept("va", "id = {va ready}", None, *VA_PARENTS),
    # ---- its lines
    _line("va_line_pkey", UNIQUE),
    _line("va_line_va_fkey", FOREIGN, va_id=NOBODY),
    _line("va_line_line_fkey", FOREIGN, finess_geographique="980000028"),
    _line("va_line_counts", CHECK, "va_line_pkey", active=0, with_project=0, with_event=0),
    _line("va_line_counts", CHECK, "va_line_pkey", with_project=57),
    Attack(OF_VA, "SN063", "supplier ready", "va_line ready", lifted=("va_line_pkey",)),
    _line("va_line_written", HIDDEN, "va_line_pkey", by="rival"),
    *_kept("va_line", "va_id = {va ready}", "active = 55"),
    # ---- its signature
    Attack(
        "va_signature_pkey", UNIQUE, "og asked", "va_signature asked",
        lifted=("va_signature_waited_for", "va_signature_parties_unique"),
    ),
    _signature("va_signature_va_fkey", FOREIGN, order_id=NOBODY),
    _signature("va_signature_of_this_text", FOREIGN, statement_sha256="\\x" + "00" * 32),
    _signature(
        "va_signature_by_a_member_of_the_og", FOREIGN, BY_WHO_MAY, person_id=Of("person stranger", "id")
    ),
    _signature("va_signature_law_fkey", FOREIGN, law_digest="0" * 64),
    _signature("va_signature_kind_known", kind="handwritten"),
    _signature("va_signature_proved", person_id=None, role=None),
    _signature("va_signature_evidence_object", evidence=[1]),
    _signature("va_signature_texts_given", consent=" "),
    _signature("va_signature_proven", "SN260", BY_WHO_MAY, kind="psc"),
    Attack("va_signature_waited_for", "SN062", "og ready", "va_signature old"),
    _signature("va_signature_written", HIDDEN, BY_WHO_MAY, by="supplier ready"),
    _signature("va_signature_written", HIDDEN, "va_signature_waited_for", BY_WHO_MAY, by="og asked"),
    *_kept("va_signature", "va_id = {va asked}", "consent = 'Oui.'", "va_signature_parties_unique"),
    # ---- the invoice
    _invoice("invoice_pkey", UNIQUE, "invoice_parties_unique", id=Of("invoice asked", "id")),
    _invoice("invoice_order_fkey", FOREIGN, order_id=NOBODY),
    _invoice("invoice_issued_to_the_og", FOREIGN, og_finess_juridique="990000010"),
    _invoice("invoice_texts_given", number=" "),
    _invoice("invoice_share_is_one", share_percent=0),
    _invoice("invoice_vat_rate_is_one", vat_rate_percent=101),
    _invoice("invoice_total_exact", ttc_cents=1),
    _invoice("invoice_not_nothing", ht_cents=0, vat_cents=0, ttc_cents=0),
    _invoice("invoice_document_length", document_sha256="\\x00"),
    _invoice("invoice_withdrawn_later", by=None, withdrawn_at=BEFORE),
    Attack(
        LIVE_INVOICE, UNIQUE, "supplier asked", "invoice asked", {"id": NEW, "number": "F-9"}, lifted=(SUM,)
    ),
    Attack(
        "one_live_invoice_number", UNIQUE, "supplier asked", "invoice asked", {"id": NEW, "order_id": NOBODY},
        lifted=(SUM, "invoice_order_fkey"),
    ),
    Attack(
        SUM, "SN065", "supplier asked", "invoice asked", {"id": NEW, "number": "F-9"}, lifted=(LIVE_INVOICE,)
    ),
    _moved(
        "invoice", "invoice asked", f"withdrawn_at = '{LATER}'", "invoice_withdrawn_once", "SN064",
        "supplier asked", note="under_a_solde",
    ),
    _moved(
        "invoice", "invoice asked", "number = 'F-8'", "invoice_withdrawn_once", "SN064", None, note="frozen"
    ),
    _moved(
        "invoice", "invoice asked", f"withdrawn_at = '{LATER}'", "invoice_withdrawn", None, "reviewer",
        "invoice_withdrawn_once", note="reviewer",
    ),
    _invoice("invoice_written", HIDDEN, by="rival"),
    *_kept("invoice", "id = {invoice asked}", None, "invoice_parties_unique"),
    # ---- its lines
    _bill("invoice_line_pkey", UNIQUE),
    _bill("invoice_line_invoice_fkey", FOREIGN, invoice_id=NOBODY),
    _bill("invoice_line_line_fkey", FOREIGN, finess_geographique="980000028"),
    _bill("invoice_line_total_exact", CHECK, "invoice_line_pkey", ttc_cents=1),
    _bill("invoice_line_not_nothing", CHECK, "invoice_line_pkey", ht_cents=0, vat_cents=0, ttc_cents=0),
    Attack(OF_INVOICE, "SN065", "supplier asked", "invoice_line asked", lifted=("invoice_line_pkey",)),
    _bill("invoice_line_written", HIDDEN, "invoice_line_pkey", by="rival"),
    *_kept("invoice_line", "invoice_id = {invoice asked}", "ht_cents = ht_cents"),
    # ---- what a solde rests on
    _request("financing_request_signed_va_fkey", FOREIGN, REQUEST_ALONG, va_id=NOBODY),
    _request("financing_request_signed_va_fkey", FOREIGN, REQUEST_ALONG, va_id=Of("va ready", "id")),
    _request("financing_request_invoice_fkey", FOREIGN, REQUEST_ALONG, invoice_id=NOBODY),
    _request("financing_request_solde_whole", invoice_id=None),
    _request("financing_request_solde_whole", va_id=None),
    _request("financing_request_advance_alone", kind="advance"),
    Attack(
        REQUEST_ALONG, "SN016", "supplier back", note="replaced", statements=(
            f"update sons.va set state = 'withdrawn', withdrawn_at = '{LATER}' where id = {{va back}}",
            "update sons.financing_request set state = 'requested' where id = {financing_request back}",
        ), lifted=("financing_request_moves_on_facts",),
    ),
    _moved(
        "financing_request", "financing_request asked", "invoice_id = null", REQUEST_ALONG, "SN016",
        "supplier asked", "financing_request_solde_whole", note="rests",
    ),
    Attack(
        "ledger_entry_evened", HIDDEN, "reviewer", "ledger_entry asked", {"id": 10**12},
        lifted=("ledger_is_cash",),
    ),
)  # fmt: skip
