"""Each constraint of the foundation refuses what must never be; a new one without its attack fails here."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.databases import Database
from tests.db.attack import lift, undone
from tests.db.delegation_attacks import ADDED as DELEGATIONS
from tests.db.test_schema import FOUNDATION

ADA, DESK, TOKEN = (f"'00000000-0000-0000-0000-00000000000{n}'" for n in (1, 2, 3))
NOBODY = "'00000000-0000-0000-0000-0000000000ff'"

VALID = f"""
set search_path = sons;
insert into person values ({ADA}, 'Ada', 'ada@example.org');
insert into organisation values ({DESK}, 'editor', 'Éditeur', null, '800000002');
insert into organisation values (gen_random_uuid(), 'og', 'OG', '010000016');
insert into membership values ({ADA}, {DESK}, 'editor', 'editor');
insert into access_token (id, sha256, person_id, organisation_id, role, expires_at)
  values ({TOKEN}, sha256('a'), {ADA}, {DESK}, 'editor', now() + interval '1 d');
insert into law_enactment (digest, enacted_at) values (repeat('a', 64), now());
insert into deadline (rule, object_id, due_at, kind, facts) values ('R', 'o', '2023-03-01Z', 'order', '{{}}');
insert into idempotency values ({DESK}, 'k', 'POST x', sha256('a'), 201, 'b');
"""


def token(values: str) -> str:
    columns = "id, sha256, person_id, organisation_id, role, expires_at"
    return f"insert into access_token ({columns}) values ({values})"


def event(action: str, facts: str) -> str:
    columns = "at, role, auth_level, action, object_kind, object_id, facts"
    return f"insert into journal ({columns}) values (now(), 'admin', 'x', '{action}', 'o', '1', '{facts}')"


def answer(values: str) -> str:
    return f"insert into idempotency values ({values})"


LATER = "now() + interval '1 d'"
DEADLINE = (
    "insert into deadline (rule, object_id, due_at, kind, facts, supplier_id, og_id, fired_at, superseded_at)"
)
ATTACKS = {
    "person_pkey": f"insert into person values ({ADA}, 'Grace')",
    "person_name_not_blank": "insert into person (name) values (' ')",
    "person_email_unique": "insert into person (name, email) values ('Grace', 'ada@example.org')",
    "organisation_pkey": f"insert into organisation values ({DESK}, 'state', 'X')",
    "organisation_kind_known": "insert into organisation (kind, name) values ('publisher', 'X')",
    "organisation_name_not_blank": "insert into organisation (kind, name) values ('state', '')",
    "organisation_finess_juridique_form": (
        "insert into organisation (kind, name, finess_juridique) values ('og', 'X', '2C0000001')"
    ),
    "organisation_finess_juridique_unique": (
        "insert into organisation (kind, name, finess_juridique) values ('og', 'X', '010000016')"
    ),
    "organisation_og_has_finess_juridique": "insert into organisation (kind, name) values ('og', 'X')",
    "organisation_siren_form": "insert into organisation (kind, name, siren) values ('state', 'X', '1')",
    "organisation_siren_unique_by_kind": (
        "insert into organisation (kind, name, siren) values ('editor', 'X', '800000002')"
    ),
    "organisation_departements_of_ars": (
        "insert into organisation (kind, name, departements) values ('editor', 'X', '{01}')"
    ),
    "membership_pkey": f"insert into membership values ({ADA}, {DESK}, 'editor', 'editor')",
    "membership_person_fkey": f"insert into membership values ({NOBODY}, {DESK}, 'editor', 'editor')",
    "membership_organisation_fkey": f"insert into membership values ({ADA}, {DESK}, 'agency', 'admin')",
    "membership_role_fits_kind": f"insert into membership values ({ADA}, {DESK}, 'editor', 'admin')",
    "access_token_pkey": token(f"{TOKEN}, sha256('b'), {ADA}, {DESK}, 'editor', {LATER}"),
    "access_token_sha256_unique": token(f"gen_random_uuid(), sha256('a'), {ADA}, {DESK}, 'editor', {LATER}"),
    "access_token_sha256_length": token(f"gen_random_uuid(), 'a', {ADA}, {DESK}, 'editor', {LATER}"),
    "access_token_membership_fkey": token(f"gen_random_uuid(), sha256('b'), {ADA}, {DESK}, 'admin', {LATER}"),
    "access_token_scopes_known": f"update access_token set scopes = '{{all}}' where id = {TOKEN}",
    "access_token_expires_later": token(f"gen_random_uuid(), sha256('b'), {ADA}, {DESK}, 'editor', now()"),
    "journal_pkey": (
        "insert into journal (id, at, role, auth_level, action, object_kind, object_id, facts)"
        " overriding system value"
        " select 1, now(), 'admin', 'x', 'a.b', 'o', '1', '{}' from generate_series(1, 2)"
    ),
    "journal_action_form": event("seen", "{}"),
    "journal_facts_object": event("a.b", "[]"),
    "instance_pkey": "insert into instance values (true, 'real', null)",
    "instance_one_row": "insert into instance values (false, 'real', null)",
    "instance_mode_known": "update instance set mode = 'test'",
    "instance_only_sandbox_has_clock": "update instance set mode = 'sandbox'",
    "law_enactment_pkey": "insert into law_enactment values (repeat('a', 64), now())",
    "law_enactment_digest_form": "insert into law_enactment values ('a', now())",
    "law_enactment_person_fkey": f"insert into law_enactment values (repeat('b', 64), now(), {NOBODY})",
    "deadline_pkey": (
        "insert into deadline (id, rule, object_id, due_at, kind, facts) overriding system value"
        " select 1, 'R', 'p' || n, now(), 'order', '{}' from generate_series(1, 2) as n"
    ),
    "deadline_exists_once": (
        f"{DEADLINE} values ('R', 'o', '2023-03-01Z', 'order', '{{}}', null, null, null, null)"
    ),
    "deadline_order_fkey": (
        "insert into deadline (rule, object_id, due_at, kind, facts, order_id, supplier_id, og_id)"
        f" select 'R', 'p', now(), 'order', '{{}}', {NOBODY}, {DESK}, id from organisation where kind = 'og'"
    ),
    "deadline_order_with_parties": (
        "insert into deadline (rule, object_id, due_at, kind, facts, order_id)"
        " values ('R', 'p', now(), 'order', '{}', gen_random_uuid())"
    ),
    "deadline_supplier_fkey": f"{DEADLINE} values ('R', 'p', now(), 'o', '{{}}', {NOBODY}, null, null, null)",
    "deadline_og_fkey": f"{DEADLINE} values ('R', 'p', now(), 'order', '{{}}', null, {NOBODY}, null, null)",
    "deadline_facts_object": f"{DEADLINE} values ('R', 'p', now(), 'order', '1', null, null, null, null)",
    "deadline_never_fired_early": (
        f"{DEADLINE} values ('R', 'p', now(), 'order', '{{}}', null, null, now() - interval '1 s', null)"
    ),
    "deadline_fired_or_superseded": (
        f"{DEADLINE} values ('R', 'p', now(), 'order', '{{}}', null, null, now(), now())"
    ),
    "idempotency_pkey": answer(f"{DESK}, 'k', 'POST x', sha256('a'), 201, 'b'"),
    "idempotency_organisation_fkey": answer(f"{NOBODY}, 'k', 'POST x', sha256('a'), 201, 'b'"),
    "idempotency_key_length": answer(f"{DESK}, '', 'POST x', sha256('a'), 201, 'b'"),
    "idempotency_request_sha256_length": answer(f"{DESK}, 'l', 'POST x', 'a', 201, 'b'"),
    "idempotency_status_kept": answer(f"{DESK}, 'l', 'POST x', sha256('a'), 429, 'b'"),
    "idempotency_answer_whole": answer(f"{DESK}, 'l', 'POST x', sha256('a'), 201, null"),
}
# Targets of composite foreign keys: true whenever `organisation_pkey` is.
IMPLIED = {"organisation_id_kind_unique", "organisation_id_finess_juridique_unique"}
ELSEWHERE = {"one_running_deadline"}  # tests/db/life_attacks.py


@pytest.fixture(scope="module")
async def tampering(module_database: Database) -> AsyncIterator[asyncpg.Connection]:
    con = await module_database.connect_superuser()
    await con.execute(VALID)
    yield con
    await con.close()


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_constraint_refuses_its_attack(tampering: asyncpg.Connection, name: str) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
        await tampering.execute(ATTACKS[name])
    assert caught.value.constraint_name == name


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("name", ATTACKS)
async def test_without_the_constraint_its_attack_succeeds(tampering: asyncpg.Connection, name: str) -> None:
    async with undone(tampering):
        await lift(tampering, name)
        assert await tampering.execute(ATTACKS[name]) not in {"UPDATE 0", "INSERT 0 0"}


async def test_every_constraint_has_its_attack(tampering: asyncpg.Connection) -> None:
    rows = await tampering.fetch(
        "select conname from pg_constraint c join pg_class t on t.oid = c.conrelid"
        " where t.relnamespace = 'sons'::regnamespace and t.relname = any($1)"
        " and c.contype in ('c', 'f', 'p', 'u', 'x')"
        " union select i.indexrelid::regclass::text from pg_index i join pg_class t on t.oid = i.indrelid"
        " where t.relnamespace = 'sons'::regnamespace and t.relname = any($1) and i.indisunique",
        sorted(FOUNDATION - {"migration"}),
    )
    assert {row["conname"] for row in rows} == (
        set(ATTACKS) | IMPLIED | ELSEWHERE | DELEGATIONS["membership"]
    )
