"""Each guard of the life of an order is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.databases import Database
from tests.db import lot_attacks, order_attacks, va_attacks
from tests.db.attack import (
    Attack,
    World,
    act_as,
    guards_of,
    insert,
    refuses_alone,
    succeeds_without,
    undone,
)
from tests.db.life_attacks import ATTACKS, NOT_ATTACKED, TABLES
from tests.db.life_world import a_world

# What the application may change of a row; of every other table of an order's life, nothing.
UPDATABLE = {
    "purchase_order": {"state"},
    "claim": {"released_at", "release_reason"},
    "payment": {"state", "due_ttc_cents", "due_at", "paid_at"},
    "financing_request": {
        "state", "referenced_on", "decided_at", "decided_by", "reason", "va_id", "invoice_id",
    },
    "correction": {"answered_at", "answered_by", "answer"},
    "recovery": {"issued_at", "issued_by", "recovered_at", "bank_reference"},
    "simulation_count": {"simulations", "essms"},
}  # fmt: skip
# Who reads and who files the rows of an order: which order holds one of the table, and the role that files.
ROWS = {
    "financing_request": ("asked", {"supplier"}),
    "request_filing": ("asked", {"supplier"}),
    "correction": ("sent_back", {"reviewer"}),
    "ledger_entry": ("due", {"reviewer", "supplier", "og", "payer"}),
    "recovery": ("renounced", {"reviewer", "supplier", "og", "payer"}),
    "recovery_step": ("repaid", {"payer"}),
    "verdict_settlement": ("settled_review", {"reviewer"}),
}
MOVED_BY = {
    "financing_request": ("state = state", {"supplier", "og", "reviewer", "payer"}),
    "correction": ("answer = answer", {"supplier", "reviewer"}),
    "recovery": ("issued_by = issued_by", {"payer"}),
}
VIEWERS = ("supplier", "og", "rival", "other og", "reviewer", "payer", "pilot", "anonymous", None)


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    async for made in a_world(module_database):
        yield made


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_the_life_of_an_order_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES)
    attacked = {attack.guard for attack in ATTACKS}
    elsewhere = {attack.guard for attack in (*va_attacks.ATTACKS, *lot_attacks.ATTACKS)}
    assert guards - attacked - elsewhere - set(NOT_ATTACKED) == set(), "a guard without an attack"
    assert set(NOT_ATTACKED) <= guards - attacked, "an exception that excuses nothing"


@pytest.mark.parametrize("table", [*TABLES, *order_attacks.TABLES])
async def test_the_application_changes_only_what_moves(world: World, table: str) -> None:
    for right in ("delete", "truncate", "references", "trigger"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
        assert not allowed, right
    columns = await world.owner.fetch(
        "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped"
        " and has_column_privilege('sons_app', attrelid, attnum, 'update')",
        f"sons.{table}",
    )
    assert {row["attname"] for row in columns} == UPDATABLE.get(table, set())


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("table", ROWS)
async def test_who_reads_who_files_and_who_moves_the_rows_of_an_order(
    world: World, table: str, viewer: str | None
) -> None:
    name, filers = ROWS[table]
    row = world.rows[f"{table} {name}"]
    whose = {"supplier": name, "og": f"{name} og", "other og": "rival og"}
    context = None if viewer is None else world.contexts[whose.get(viewer, viewer)]
    key = next(column for column in ("id", "request_id", "order_id") if column in row)
    async with undone(world.owner):
        await act_as(world.owner, context)
        seen = await world.owner.fetchval(
            f"select count(*) from sons.{table} where {key}::text = $1", str(row[key])
        )
        assert (seen > 0) is (viewer in {"supplier", "og", "reviewer", "payer", "pilot"})
    async with undone(world.owner):  # its own twin: only the policy can tell who may not write it
        await _drop_triggers(world.owner, table)
        await act_as(world.owner, context)
        with pytest.raises(asyncpg.PostgresError) as caught:
            await insert(world.owner, table, row)
        assert (caught.value.sqlstate == "23505") is (viewer in filers), caught.value
        assert caught.value.sqlstate in {"23505", "42501"}
    async with undone(world.owner):
        change, movers = MOVED_BY.get(table, ("supplier_id = supplier_id", set()))
        await _drop_triggers(world.owner, table)
        await act_as(world.owner, context)
        ask = f"update sons.{table} set {change} where {key}::text = '{row[key]}'"
        if table in MOVED_BY:
            assert await world.owner.execute(ask) == f"UPDATE {int(viewer in movers)}"
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await world.owner.execute(ask)


async def _drop_triggers(owner: asyncpg.Connection, table: str) -> None:
    found = await owner.fetch(
        "select tgname from pg_trigger where tgrelid = $1::regclass and not tgisinternal", f"sons.{table}"
    )
    for row in found:
        await owner.execute(f"drop trigger {row['tgname']} on sons.{table}")


async def test_the_world_is_what_its_names_say(world: World) -> None:
    states: dict[str, Any] = {
        row["id"]: row["state"]
        for row in await world.owner.fetch("select id::text, state from sons.purchase_order")
    }
    assert {
        name.removeprefix("order "): states[row["id"]]
        for name, row in world.rows.items()
        if name.startswith("order ")
    } == {
        "fresh": "submitted", "asked": "submitted", "sent_back": "submitted", "faulty": "to_correct",
        "doubtful": "to_review", "settled_review": "submitted", "due": "validated", "in_lot": "validated",
        "paid": "validated", "trimmed": "validated", "whole": "settled", "lapsed": "lapsed",
        "renounced": "cancelled", "repaid": "cancelled",
    }  # fmt: skip
