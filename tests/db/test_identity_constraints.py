"""Each guard of identities is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sons_tracker.db.engine import RowContext, transaction
from sons_tracker.operations import actors
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER
from tests.databases import Database
from tests.db.attack import Attack, World, guards_of, refuses_alone, succeeds_without
from tests.db.identity_attacks import ADDED, ATTACKS, OPENINGS, TABLES
from tests.factories import AT, an_account

ROWS = """
set local search_path = sons;
insert into identity values (gen_random_uuid(), 'https://identite.test', 'sujet', '{ada}', now());
insert into session_proof values ('{session}', '{ada}', '{home}', 'og', 'psc', 'psc',
  'https://identite.test', 'sujet', '899700000001', 'eidas1', now(), 'jeton', array['{finess}']);
insert into session (id, sha256, person_id, organisation_id, role, auth_level, created_at, last_seen_at,
  expires_at, address_sha256)
values ('{session}', sha256('a'), '{ada}', '{home}', 'og', 'oidc', now(), now(), now() + interval '1 h',
  sha256('b'));
"""
SESSION = "00000000-0000-0000-0000-000000000005"


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    ada, rival, admin = await an_account("og"), await an_account("og"), await an_account("admin")
    home = ada.actor.organisation_id
    colleague_id, _ = await actors.enrol(
        LOCAL_ADMIN, at=AT, kind="og", organisation="x", person="Collègue", role="og",
        finess_juridique=ada.finess_juridique,
    )  # fmt: skip
    async with owner.transaction():
        await owner.execute(
            ROWS.format(ada=ada.actor.person_id, home=home, session=SESSION, finess=ada.finess_juridique)
        )
    rows: dict[str, dict[str, Any]] = {}
    for table in (*TABLES, "session"):
        rows[f"{table} ada"] = await owner.fetchval(f"select to_jsonb(t) from sons.{table} t limit 1")
    rows["session ada"].pop("revoked_at")
    contexts = {
        "ada": ada.actor.context,
        "colleague": RowContext(home, "og", colleague_id),
        "rival": rival.actor.context,
        "admin": admin.actor.context,
    }
    yield World(owner, rows, contexts)
    await owner.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_these_tables_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES) | ADDED["session"]
    attacked = {attack.guard for attack in ATTACKS}
    of_these = {name for name in OPENINGS if name in guards}
    assert guards - attacked == of_these, "a guard without an attack"
    assert attacked <= guards
    assert set(OPENINGS) - of_these <= set().union(*ADDED.values())


async def test_a_proof_is_forgotten_with_its_session_unless_something_was_signed(world: World) -> None:
    forget = "select forget_session_proofs()"
    async with transaction(LOCAL_ADMIN.context) as con:
        assert await con.fetchval(forget) == 0  # not the scheduler
    async with transaction(SCHEDULER.context) as con:
        assert await con.fetchval(forget) == 0  # the session is there
    await world.owner.execute("alter table sons.session disable trigger user")
    await world.owner.execute("delete from sons.session where id = $1", SESSION)
    await world.owner.execute("alter table sons.session enable trigger user")
    async with transaction(SCHEDULER.context) as con:
        assert await con.fetchval(forget) == 1
        assert await con.fetchval("select count(*) from session_proof") == 0
