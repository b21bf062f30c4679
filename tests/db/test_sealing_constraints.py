"""Each guard of the seals and heads is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from sons_tracker.db import journal
from sons_tracker.db.engine import RowContext, transaction
from sons_tracker.operations import sealing, stamps
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER
from sons_tracker.rules.sealing import seal
from tests.databases import Database
from tests.db.attack import Attack, World, act_as, guards_of, refuses_alone, succeeds_without, undone
from tests.db.sealing_attacks import ATTACKS, NOT_ATTACKED, TABLES
from tests.factories import AT, an_account


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    editor, pilot = await an_account("editor"), await an_account("pilot")
    await sealing.publish(AT, None)
    async with transaction(LOCAL_ADMIN.context) as con:
        await journal.record(con, LOCAL_ADMIN, AT, "test.written", "test", "1", {"é": "à"})
    last = await _row(owner, "select * from sons.journal_seal order by seq desc limit 1")
    async with transaction(SCHEDULER.context, read_only=True) as con:
        rows = await con.fetch(sealing._MISSED, 10)
    assert len(rows) == 2, "what publishing wrote, and the row above"
    row, prev = rows[0], bytes.fromhex(last["hash"][2:])
    given = await _row(owner, "select * from sons.journal_head limit 1")
    hashes = {row["seq"]: row["hash"] for row in await owner.fetch("select seq, hash from sons.journal_seal")}
    tokens = {seq: b"jeton " + hashlib.sha256(digest).digest() for seq, digest in hashes.items()}
    await stamps.keep(sealing.Head(given["seq"], hashes[given["seq"]]), tokens[given["seq"]], AT)
    world_rows: dict[str, dict[str, Any]] = {
        "journal_seal last": last,
        "journal_seal next": {
            "seq": last["seq"] + 1,
            "journal_id": int(row["id"]),
            "prev": last["hash"],
            "hash": "\\x" + seal(last["seq"] + 1, prev, row).hex(),
        },
        "journal_head given": given,
        "journal_head other": {name: given[name] for name in ("seq", "hash", "taken_at")}
        | {"channel": "file"},
        "journal_stamp kept": await _row(owner, "select * from sons.journal_stamp"),
        "journal_stamp other": {
            "seq": 1,
            "hash": "\\x" + hashes[1].hex(),
            "token": "\\x" + tokens[1].hex(),
            "stamped_at": AT.isoformat(),
        },
    }
    contexts = {
        "scheduler": SCHEDULER.context,
        "admin": LOCAL_ADMIN.context,
        "pilot": pilot.actor.context,
        "editor": editor.actor.context,
        "anonymous": RowContext(None, "anonymous"),
    }
    yield World(owner, world_rows, contexts)
    await owner.close()


async def _row(owner: asyncpg.Connection, sql: str) -> dict[str, Any]:
    found: dict[str, Any] = await owner.fetchval(f"select to_jsonb(t) from ({sql}) t")
    return found


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
    assert guards - attacked - set(NOT_ATTACKED) == set(), "a guard without an attack"
    assert set(NOT_ATTACKED) <= guards - attacked, "an exception that excuses nothing"
    assert attacked <= guards


async def test_the_next_seal_is_accepted_from_the_scheduler(world: World) -> None:
    """The attacks change one thing of a seal and of a head that are right."""
    for name in ("journal_seal next", "journal_head other", "journal_stamp other"):
        async with undone(world.owner):
            await act_as(world.owner, world.contexts["scheduler"])
            table, row = name.split()[0], world.rows[name]
            await world.owner.execute(
                f"insert into sons.{table} ({', '.join(row)})"
                f" select {', '.join(row)} from jsonb_populate_record(null::sons.{table}, $1)",
                row,
            )


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_may_not_change_what_was_written(world: World, table: str) -> None:
    for right in ("update", "delete", "truncate", "references", "trigger"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
        assert not allowed, right
    for column in ("sealed_at", "published_at", "kept_at"):
        allowed = await world.owner.fetchval(
            "select coalesce((select has_column_privilege('sons_app', attrelid, attname, 'insert')"
            " from pg_attribute where attrelid = $1::regclass and attname = $2), false)",
            f"sons.{table}",
            column,
        )
        assert not allowed, column


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize(("viewer", "sees"), [("pilot", True), ("editor", False), ("anonymous", False)])
@pytest.mark.parametrize("table", TABLES)
async def test_who_reads_these_rows(world: World, table: str, viewer: str, sees: bool) -> None:
    async with undone(world.owner):
        await act_as(world.owner, world.contexts[viewer])
        assert (await world.owner.fetchval(f"select count(*) from sons.{table}") > 0) is sees
