"""Each guard of lots, returns and letters is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext
from tests import factories_lots as bank
from tests import factories_orders as make
from tests.databases import Database
from tests.db.attack import (
    Attack,
    World,
    act_as,
    guards_of,
    refuses_alone,
    succeeds_without,
    undone,
)
from tests.db.lot_attacks import ATTACKS, ELSEWHERE, NOT_ATTACKED, TABLES
from tests.factories import an_account
from tests.factories_life import an_order_with_due_advance
from tests.operations.test_lots import payment_of
from tests.operations.test_recoveries import a_recovery, issued

_GENERATED = ("payer_role",)
_ORDERED = {"lot_line": "order by rank", "bank_return_line": "order by rank"}


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await make.prepare_instance()
    payers = await bank.two_payers()
    everything = make.Everything()
    orders = [await an_order_with_due_advance(everything) for _ in range(4)]
    payments = [await payment_of(order) for order in orders]
    prepared = (await bank.prepared(payers, payments[:1])).lot
    approved = await bank.an_approved_lot(payers, payments[1:2])
    paid = await bank.an_approved_lot(payers, payments[2:3])
    await bank.answered(payers, paid)
    _, _, opened = await a_recovery()
    _, _, asked = await a_recovery()
    await issued(payers, asked)
    rival, reviewer = await an_account("editor"), await an_account("reviewer")
    rows: dict[str, dict[str, Any]] = {
        "stranger": {"person_id": str(reviewer.actor.person_id)},
        "second": {
            "person_id": str(payers.second.actor.person_id),
            "organisation_id": str(payers.second.actor.organisation_id),
        },
        "payment approved": {"id": str(payments[1])},
        "payment due": await _row(owner, "payment", "id = $1", payments[3]),
        "bank_account due": await _row(
            owner, "bank_account", "supplier_id = $1", orders[3].editor.actor.organisation_id
        ),
        "recovery opened": {"id": str(opened)},
        "recovery issued": {"id": str(asked)},
    }
    for name, lot in (("prepared", prepared), ("approved", approved), ("paid", paid)):
        rows[f"lot {name}"] = await _row(owner, "lot", "id = $1", lot.id)
        rows[f"lot_line {name}"] = await _row(owner, "lot_line", "lot_id = $1", lot.id)
    rows["bank_return first"] = await _row(owner, "bank_return", "lot_id = $1", paid.id)
    rows["bank_return_line first"] = await _row(owner, "bank_return_line", "lot_id = $1", paid.id)
    letter = await _row(owner, "recovery_letter", "recovery_id = $1", asked)
    rows["recovery_letter issued"] = letter
    row = await _row(owner, "recovery", "id = $1", opened)
    own = {"recovery_id": row["id"], "supplier_id": row["supplier_id"], "og_id": row["og_id"]}
    rows["recovery_letter opened"] = letter | own
    contexts = {
        "payer": payers.first.actor.context,
        "supplier": orders[0].editor.actor.context,
        "rival": rival.actor.context,
        "reviewer": reviewer.actor.context,
        "og": orders[0].og.actor.context,
        "anonymous": RowContext(None, "anonymous"),
    }
    yield World(owner, rows, contexts)
    await owner.close()


async def _row(owner: asyncpg.Connection, table: str, where: str, *arguments: object) -> dict[str, Any]:
    found = await owner.fetchval(
        f"select to_jsonb(t) from sons.{table} t where {where} {_ORDERED.get(table, '')} limit 1", *arguments
    )
    return {name: value for name, value in found.items() if name not in _GENERATED}


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
    assert attacked - guards == ELSEWHERE


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_may_not_change_what_was_written(world: World, table: str) -> None:
    for right in ("update", "delete", "truncate", "references", "trigger"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
        assert not allowed, right


_READERS = {
    "lot prepared": {"payer", "reviewer"},
    "lot_line prepared": {"payer", "reviewer", "supplier"},
    "bank_return first": {"payer", "reviewer"},
    "bank_return_line first": {"payer", "reviewer"},
    "recovery_letter issued": {"payer", "reviewer"},
}


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("viewer", ["payer", "supplier", "og", "rival", "reviewer", "anonymous"])
@pytest.mark.parametrize("name", _READERS)
async def test_who_reads_these_rows(world: World, name: str, viewer: str) -> None:
    table, row = name.split(maxsplit=1)[0], world.rows[name]
    column = next(c for c in ("id", "lot_id", "recovery_id") if c in row)
    async with undone(world.owner):
        await act_as(world.owner, world.contexts[viewer])
        seen = await world.owner.fetchval(
            f"select count(*) from sons.{table} where {column}::text = $1", row[column]
        )
        assert (seen > 0) is (viewer in _READERS[name])
