"""Each guard of the texts beside the journal is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.db.journal import Said
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests.databases import Database
from tests.db.attack import Attack, World, act_as, guards_of, refuses_alone, succeeds_without, undone
from tests.db.journal_text_attacks import ATTACKS, RIGHT, SALT, TABLES
from tests.factories import AT, an_account


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    editor, other, pilot = await an_account("editor"), await an_account("editor"), await an_account("pilot")
    fresh_digest = journal.digest_of(bytes.fromhex(SALT[2:]), "Dit plus tard.")
    said: list[dict[str, Any]] = [
        {"reason": Said("Déjà dit.")},
        {"reason": {"said": fresh_digest.hex()}},
    ]
    async with transaction(editor.actor.context) as con:
        for facts in said:
            await journal.record(con, editor.actor, AT, "test.said", "test", "1", facts)
    kept = await owner.fetchval("select to_jsonb(t) from sons.journal_text t")
    row = await owner.fetchval("select to_jsonb(j) from sons.journal j order by id desc limit 1")
    rows = {
        "journal_text kept": kept,
        "journal_text fresh": {
            "journal_id": row["id"],
            "field": "reason",
            "person_id": row["person_id"],
            "organisation_id": row["organisation_id"],
            "digest": "\\x" + fresh_digest.hex(),
            "salt": SALT,
            "text": "Dit plus tard.",
        },
    }
    contexts = {
        "admin": LOCAL_ADMIN.context,
        "editor": editor.actor.context,
        "other": other.actor.context,
        "pilot": pilot.actor.context,
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
    assert await guards_of(world.owner, TABLES) == {attack.guard for attack in ATTACKS}


async def test_a_text_comes_with_its_row(world: World) -> None:
    """The attacks change one thing of a text that is right."""
    async with undone(world.owner):
        await act_as(world.owner, world.contexts["editor"])
        for statement in RIGHT:
            assert await world.owner.execute(statement) == "INSERT 0 1"


async def test_what_the_application_may_write_of_a_text(world: World) -> None:
    owner: asyncpg.Connection = world.owner
    columns = await owner.fetch(
        "select attname, has_column_privilege('sons_app', attrelid, attname, 'update') as changed"
        " from pg_attribute where attrelid = 'sons.journal_text'::regclass and attnum > 0"
    )
    assert {row["attname"] for row in columns if row["changed"]} == {"salt", "text", "erased_at"}
    for right in ("delete", "truncate", "references", "trigger"):
        assert not await owner.fetchval(
            "select has_table_privilege('sons_app', 'sons.journal_text', $1)", right
        )
