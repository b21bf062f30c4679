"""The attacks on who acts, the journal, the instance, the law enacted, deadlines and kept answers, and on the
registers: what refuses by a trigger or a policy, and each constraint of a register.

The constraints of the foundation are attacked in `test_constraints`.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack

REGISTERS = (
    "extraction", "extract_mention", "establishment", "legal_entity", "referencing", "distributor",
    "esms_grant",
)  # fmt: skip
NOBODY, NEW = str(UUID(int=41)), str(UUID(int=42))
LATER = "2040-01-01"


def _said(
    guard: str, sqlstate: str | None, by: str | None, statement: str, *lifted: str, note: str = ""
) -> Attack:
    return Attack(guard, sqlstate, by, statements=(statement,), lifted=lifted, note=note)


def _kept(table: str, *verbs: str) -> tuple[Attack, ...]:
    """What is written is not changed, deleted or truncated, whoever asks."""
    made = {
        "append_only": f"delete from sons.{table}",
        "never_deleted": f"delete from sons.{table}",
        "never_truncated": f"truncate sons.{table}",
    }
    return tuple(_said(f"{table}_{verb}", "SN010", None, made[verb]) for verb in verbs)


def _row(guard: str, sqlstate: str = CHECK, by: str | None = None, *lifted: str, **changes: Any) -> Attack:
    """The statement of a register again, under another key and changed."""
    table = next(name for name in REGISTERS if guard.startswith(name))
    return Attack(guard, sqlstate, by, f"{table} told", changes, lifted=lifted)


TRIGGERS = (
    _said("access_token_revoked_for_good", "SN010", None,
          "update sons.access_token set revoked_at = null where id = {access_token revoked}"),
    _said("deadline_fires_once", "SN012", "editor",
          "update sons.deadline set fired_at = due_at where object_id = {deadline mine}"),
    _said("deadline_fires_once", "SN012", "scheduler",
          "update sons.deadline set superseded_at = null where object_id = {deadline past}", note="past"),
    *_kept("deadline", "never_deleted", "never_truncated"),
    _said("instance_declared_once", "SN011", None, "update sons.instance set mode = 'real', clock_at = null"),
    _said("instance_declared_once", "SN011", None,
          "update sons.instance set clock_at = clock_at - interval '1 s'", note="clock"),
    *_kept("instance", "never_deleted", "never_truncated"),
    *_kept("journal", "append_only", "never_truncated"),
    *_kept("law_enactment", "append_only", "never_truncated"),
)  # fmt: skip
POLICIES = (
    _said("access_token_seen", None, "rival",
          "select count(id) from sons.access_token where id = {access_token live}"),
    _said("access_token_revoked", None, "rival",
          "update sons.access_token set revoked_at = now() where id = {access_token live}",
          "access_token_seen"),
    _said("organisation_seen", None, "rival",
          "select count(*) from sons.organisation where id = {organisation home}"),
    _said("person_seen", None, "rival", "select count(*) from sons.person where id = {person ada}"),
    _said("membership_seen", None, "rival",
          "select count(*) from sons.membership where person_id = {person ada}"),
    _said("journal_seen", None, "rival",
          "select count(*) from sons.journal where object_id = {deadline mine}"),
    _said("deadline_seen", None, "rival",
          "select count(*) from sons.deadline where object_id = {deadline mine}"),
    _said("deadline_passed", None, "rival", "update sons.deadline set superseded_at = due_at"
          " where object_id = {deadline mine}", "deadline_seen", "deadline_not_silenced_by_a_party"),
    _said("deadline_planned", HIDDEN, "rival", "insert into sons.deadline (rule, object_id, due_at, kind,"
          " supplier_id, facts) select 'R', 'z', now(), 'order', {organisation home}, '{}'"),
    _said("idempotency_own", None, "rival", "select count(*) from sons.idempotency"),
    _said("idempotency_own", HIDDEN, "rival", "insert into sons.idempotency (organisation_id, key, route,"
          " request_sha256) values ({organisation home}, 'z', 'POST x', sha256('a'))", note="written"),
    _said("idempotency_purged_seen", None, "nobody", "select count(*) from sons.idempotency"),
    _said("idempotency_purged", None, "nobody", "delete from sons.idempotency", "idempotency_purged_seen"),
    _said("instance_declared", None, "editor", "update sons.instance set clock_at = '2040-01-01Z'"),
    _said("law_enactment_enacted", HIDDEN, "editor",
          "insert into sons.law_enactment (digest, enacted_at) values (repeat('c', 64), now())"),
    _said("journal_signed", HIDDEN, "rival", "insert into sons.journal (at, role, auth_level, action,"
          " object_kind, object_id, facts, organisation_id) select now(), 'editor', 'x', 'a.b', 'o', '1',"
          " '{}', {organisation home}"),
    _said("organisation_enrolled", HIDDEN, "editor",
          "insert into sons.organisation (kind, name) values ('agency', 'Intruse')"),
    _said("person_enrolled", HIDDEN, "editor", "insert into sons.person (name) values ('Intrus')"),
    _said("membership_enrolled", HIDDEN, "editor", "insert into sons.membership (person_id, organisation_id,"
          " organisation_kind, role) values ({person ada}, {organisation agency}, 'agency', 'admin')"),
    Attack("access_token_created", HIDDEN, "rival", "access_token granted",
           {"id": NEW, "sha256": "\\x" + "0f" * 32}),
    # of what the application's functions write before anyone is known
    _said("organisation_og_enrolled", HIDDEN, None, "set local role sons_case;"
          " insert into sons.organisation (id, kind, name, finess_juridique)"
          f" values ('{NEW}', 'agency', 'Intruse', null)"),
    _said("person_invited", HIDDEN, None, "set local role sons_case;"
          f" insert into sons.person (id, name, email) values ('{NEW}', 'Intrus', null)"),
    _said("esms_grant_seen", None, "editor", "select count(*) from sons.esms_grant"),
    *(Attack(f"{table}_imported", HIDDEN, "editor", f"{table} told", {"valid_from": LATER})
      for table in REGISTERS if table not in {"extraction", "extract_mention"}),
    Attack("extraction_imported", HIDDEN, "editor", "extraction told",
           {"id": NEW, "extracted_on": LATER}),
    Attack("extract_mention_imported", HIDDEN, "editor", "extract_mention told", {"extracted_on": LATER}),
)  # fmt: skip
STATEMENTS = (
    _row("extraction_pkey", UNIQUE, None, "extraction_unique"),
    _row("extraction_unique", UNIQUE, id=NEW),
    _row("extraction_register_known", id=NEW, register="rumours"),
    _row("extraction_scope_known", CHECK, None, "extraction_extrait_closes_nothing", id=NEW, scope="half"),
    _row("extraction_file_sha256_length", id=NEW, extracted_on=LATER, file_sha256="\\x00"),
    _row("extraction_rows_positive", id=NEW, extracted_on=LATER, rows_read=-1),
    _row("extraction_extrait_closes_nothing", id=NEW, scope="extrait", rows_absent=1),
    _row("extraction_imported_by_fkey", FOREIGN, id=NEW, extracted_on=LATER, imported_by=NOBODY),
    _row("extract_mention_pkey", UNIQUE),
    _row("establishment_pkey", UNIQUE),
    _row("establishment_validity", valid_from="2030-01-01", valid_to="2030-01-01"),
    _row("establishment_number_length", finess_geographique="01"),
    _row("establishment_category_length", valid_from=LATER, category="5000"),
    _row("establishment_aggregate_level", valid_from=LATER, aggregate="4401"),
    _row("legal_entity_pkey", UNIQUE),
    _row("legal_entity_validity", valid_from="2030-01-01", valid_to="2030-01-01"),
    _row("legal_entity_number_length", finess_juridique="01"),
    _row("referencing_pkey", UNIQUE),
    _row("referencing_validity", valid_from="2030-01-01", valid_to="2030-01-01"),
    _row("referencing_solution_kind_known", valid_from=LATER, solution_kind="paper"),
    _row("referencing_status_known", valid_from=LATER, status="dreamt"),
    _row("referencing_editor_siren_form", valid_from=LATER, editor_siren="1"),
    _row("referencing_candidate_not_referenced", valid_from=LATER, status="candidate"),
    _row("referencing_since_when", valid_from=LATER, referenced_from=None),
    _row("referencing_dates_in_order", valid_from=LATER, referenced_to="2000-01-01"),
    _row("distributor_pkey", UNIQUE),
    _row("distributor_validity", valid_from="2030-01-01", valid_to="2030-01-01"),
    _row("distributor_siren_form", distributor_siren="1"),
    _row("distributor_dates_in_order", valid_from=LATER, distributes_to="2000-01-01"),
    _row("esms_grant_pkey", UNIQUE),
    _row("esms_grant_validity", valid_from="2030-01-01", valid_to="2030-01-01"),
    _row("esms_grant_number_form", finess_geographique="2C0000001"),
    _row("esms_grant_project_known", valid_from=LATER, project="dream"),
    _row("esms_grant_call_known", valid_from=LATER, call="local"),
    _row("esms_grant_components_known", valid_from=LATER, components=[]),
    _row("esms_grant_state_known", CHECK, None, "esms_grant_state_dated", valid_from=LATER, state="dreamt"),
    _row("esms_grant_amounts_positive", valid_from=LATER, usage_cents=-1),
    _row("esms_grant_state_dated", valid_from=LATER, state="paid"),
)
ATTACKS = (*TRIGGERS, *POLICIES, *STATEMENTS)
