"""Each guard of reservations is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext
from sons_tracker.operations.actors import SCHEDULER
from sons_tracker.rules import lifecycle
from tests import factories_orders as make
from tests import factories_reservations as reservations
from tests.databases import Database
from tests.db.attack import Attack, World, act_as, guards_of, refuses_alone, succeeds_without, undone
from tests.db.reservation_attacks import ATTACKS, ELSEWHERE, TABLES
from tests.factories import AT, an_account


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await make.prepare_instance()
    everything = make.Everything()
    ground = await reservations.a_ground(everything, 3)
    dropped = await reservations.reserved(ground, ground.essms[0])
    await reservations.drop(ground.editor.actor, dropped.id, AT + timedelta(days=1))
    active = await reservations.reserved(ground, *ground.essms[1:])
    rival = await reservations.a_rival(everything, ground)
    og = await an_account("og", finess_juridique=ground.og)
    rows: dict[str, dict[str, Any]] = {
        "reservation active": await _row(owner, "reservation", "id = $1", active.id),
        "reservation_line active": await _row(owner, "reservation_line", "reservation_id = $1", active.id),
        "claim active": await _row(owner, "claim", "holder_id = $1", active.id),
        "claim dropped": await _row(owner, "claim", "holder_id = $1", dropped.id),
    }
    contexts = {
        "supplier": ground.editor.actor.context,
        "rival": rival.editor.actor.context,
        "og": og.actor.context,
        "reviewer": (await an_account("reviewer")).actor.context,
        "scheduler": SCHEDULER.context,
        "anonymous": RowContext(None, "anonymous"),
    }
    yield World(owner, rows, contexts)
    await owner.close()


async def _row(owner: asyncpg.Connection, table: str, where: str, argument: object) -> dict[str, Any]:
    order = "" if table == "reservation" else "order by finess_geographique"
    found: dict[str, Any] = await owner.fetchval(
        f"select to_jsonb(t) from sons.{table} t where {where} {order} limit 1", argument
    )
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
    assert guards - attacked == set(), "a guard without an attack"
    assert attacked - guards == ELSEWHERE


async def test_the_lifecycle_is_the_same_in_the_rules_and_in_the_database(world: World) -> None:
    moves = {tuple(row) for row in await world.owner.fetch("select * from sons.reservation_transition")}
    assert moves == {
        (move.before, move.after, move.event, role)
        for move in lifecycle.RESERVATION_TRANSITIONS
        for role in move.roles
    }


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_may_not_change_what_was_written(world: World, table: str) -> None:
    for right in ("update", "delete", "truncate", "references", "trigger"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
        assert not allowed, right


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("viewer", ["supplier", "og", "rival", "reviewer", "anonymous"])
@pytest.mark.parametrize("table", ["reservation", "reservation_line"])
async def test_who_reads_a_reservation(world: World, table: str, viewer: str) -> None:
    row = world.rows["reservation active"]
    column = "id" if table == "reservation" else "reservation_id"
    async with undone(world.owner):
        await act_as(world.owner, world.contexts[viewer])
        seen = await world.owner.fetchval(
            f"select count(*) from sons.{table} where {column}::text = $1", row["id"]
        )
        assert (seen > 0) is (viewer in {"supplier", "og", "reviewer"})
