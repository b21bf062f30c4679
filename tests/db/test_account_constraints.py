"""Each guard of accounts is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext
from sons_tracker.operations import actors
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER
from sons_tracker.operations.deliveries import SENDER
from tests.databases import Database
from tests.db.account_attacks import ATTACKS, ELSEWHERE, OPENINGS, TABLES
from tests.db.attack import Attack, World, act_as, guards_of, refuses_alone, succeeds_without, undone
from tests.db.delegation_attacks import ADDED as DELEGATIONS
from tests.db.identity_attacks import ADDED as IDENTITIES
from tests.factories import AT, an_account

ROWS = """
set local search_path = sons;
insert into credential values ('{ada}', '$argon2id$fictif', now());
insert into second_factor (person_id, sealed, confirmed_at, last_step, pending)
values ('{ada}', 'scelle', now(), 1000, 'attend');
insert into sign_in_attempt values (sha256('a'), sha256('b'), 3, now());
insert into invitation (id, sha256, kind, organisation_id, organisation_kind, role, email, created_at,
  expires_at, accepted_at)
select gen_random_uuid(), sha256(text::bytea), 'join', '{home}', 'editor', 'editor', text || '@example.org',
  now() - interval '1 h', now() + interval '1 d', case when text = 'settled' then now() end
from unnest(array['open', 'settled']) as text;
insert into session (id, sha256, person_id, organisation_id, role, auth_level, created_at, last_seen_at,
  expires_at, revoked_at, address_sha256)
select gen_random_uuid(), sha256(text::bytea), '{ada}', '{home}', 'editor', 'password_totp',
  now() - interval '1 h', now() - interval '1 h', now() + interval '1 d',
  case when text = 'over' then now() end, sha256('b')
from unnest(array['open', 'over']) as text;
"""
# Migration 0024 lets the scheduler forget the sessions that ended: attacked in test_limits_constraints.
RETENTION = {"session_ended_seen", "session_forgotten"}
LATER_GUARDS = RETENTION | DELEGATIONS["invitation"] | IDENTITIES["session"]
NAMED = {
    "credential ada": "true",
    "second_factor ada": "true",
    "sign_in_attempt ada": "true",
    "invitation open": "accepted_at is null",
    "invitation settled": "accepted_at is not null",
    "session open": "revoked_at is null",
    "session over": "revoked_at is not null",
}


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    ada, rival, admin = await an_account("editor"), await an_account("editor"), await an_account("admin")
    home = ada.actor.organisation_id
    colleague_id, _ = await actors.enrol(
        LOCAL_ADMIN, at=AT, kind="editor", organisation="x", person="Collègue", role="editor", siren=ada.siren
    )
    assert home is not None
    token = await actors.create_token(
        LOCAL_ADMIN, at=AT, person_id=colleague_id, organisation_id=home, role="editor"
    )
    await owner.execute(ROWS.format(ada=ada.actor.person_id, home=home))
    rows: dict[str, dict[str, Any]] = {
        name: await owner.fetchval(
            f"select to_jsonb(t) from sons.{name.split()[0]} t where {condition} limit 1"
        )
        for name, condition in NAMED.items()
    }
    # what the application may write of a row, and no more
    rows["session granted"] = _without(rows["session open"], "revoked_at")
    rows["invitation granted"] = _without(rows["invitation open"], "accepted_at", "revoked_at")
    rows["organisation home"] = {"id": str(home)}
    rows["person ada"] = {"id": str(ada.actor.person_id)}
    made = await owner.fetchval("select to_jsonb(t) from sons.access_token t where id = $1", token.token_id)
    rows["access_token colleague"] = _without(made, "created_at", "revoked_at", "last_used_at")
    contexts = {
        "ada": ada.actor.context,
        "colleague": RowContext(home, "editor", colleague_id),
        "rival": rival.actor.context,
        "admin": admin.actor.context,
        "scheduler": SCHEDULER.context,
        "sender": SENDER.context,
    }
    yield World(owner, rows, contexts)
    await owner.close()


def _without(row: dict[str, Any], *columns: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in columns}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_these_tables_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES)
    attacked = {attack.guard for attack in ATTACKS}
    assert guards - attacked == set(OPENINGS) | LATER_GUARDS, "a guard without an attack"
    assert attacked - guards == ELSEWHERE


async def test_neither_a_hash_nor_a_secret_can_be_selected(world: World) -> None:
    kept = {
        ("credential", "password_hash"), ("second_factor", "sealed"), ("second_factor", "pending"),
        ("invitation", "sha256"),
        ("session", "sha256"), ("session", "address_sha256"), ("sign_in_attempt", "account_sha256"),
    }  # fmt: skip
    for table, column in sorted(kept):
        async with undone(world.owner):
            await act_as(world.owner, world.contexts["admin"])
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await world.owner.fetch(f"select {column} from sons.{table}")


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_deletes_only_what_is_over(world: World, table: str) -> None:
    forbidden = {"delete", "truncate", "references", "trigger"} - (
        {"delete"} if table in {"session", "invitation", "sign_in_attempt"} else set()
    )
    for right in sorted(forbidden):
        assert not await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
