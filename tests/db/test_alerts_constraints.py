"""Each guard of alerts, views and samples is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from sons_tracker import law
from sons_tracker.operations import alerts, samples, saved_views
from sons_tracker.operations.actors import SCHEDULER
from tests import factories_life as life
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.databases import Database
from tests.db.alert_attacks import ATTACKS, TABLES
from tests.db.attack import Attack, World, act_as, guards_of, refuses_alone, succeeds_without, undone
from tests.factories import an_account
from tests.operations.test_samples import NOW, PAID

_ORDERED = {"alert": "order by number", "sample_line": "order by rank"}


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await make.prepare_instance()
    everything, texts = make.Everything(), law.load().law
    order = await solde.a_paid_advance(everything, 2)
    await solde.a_paid_advance(everything, 2)
    accounts = {role: await an_account(role) for role in ("reviewer", "payer", "admin", "editor")}
    reviewer, told = accounts["reviewer"].actor, life.Told()
    await alerts.raise_all(SCHEDULER, texts, NOW)
    put_aside = await _row(owner, "alert", "pattern = 'tranche_threshold' and ceased_at is null")
    await alerts.dismiss(reviewer, put_aside["id"], "Vu, rien d'anormal.", NOW, make.a_key(), told)
    for name in ("Gardée", "Retirée"):
        await saved_views.save_view(reviewer, name, {}, NOW, make.a_key(), told)
    await saved_views.remove_view(reviewer, "Retirée", NOW, make.a_key(), told)
    one = replace(PAID, size=1, at_least_one=False, editor=order.editor.actor.organisation_id)
    await samples.draw_sample(reviewer, one, "graine", texts, NOW, make.a_key(), told)
    line = await _row(owner, "sample_line", "sample_id = $1", told.outcome.id)
    rows = {
        "alert open": await _row(owner, "alert", "dismissed_at is null"),
        "alert dismissed": await _row(owner, "alert", "dismissed_at is not null"),
        "saved_view kept": await _row(owner, "saved_view", "removed_at is null"),
        "saved_view removed": await _row(owner, "saved_view", "removed_at is not null"),
        "sample drawn": await _row(owner, "sample", "true"),
        "sample_line drawn": line,
        "order_line other": await _row(
            owner,
            "order_line",
            "order_id = $1 and finess_geographique <> $2",
            line["order_id"],
            line["finess_geographique"],
        ),
        "person": {"id": str(reviewer.person_id)},
    }
    contexts = {role: account.actor.context for role, account in accounts.items()}
    yield World(owner, rows, contexts)
    await owner.close()


async def _row(owner: asyncpg.Connection, table: str, where: str, *arguments: object) -> dict[str, Any]:
    found = await owner.fetchval(
        f"select to_jsonb(t) from sons.{table} t where {where} {_ORDERED.get(table, '')} limit 1", *arguments
    )
    assert found is not None, (table, where)
    return dict(found)


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
    assert attacked - guards == set()


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_may_not_change_what_was_written(world: World, table: str) -> None:
    for right in ("update", "delete", "truncate", "references", "trigger"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
        assert not allowed, right


_READERS = {
    "alert open": {"reviewer", "payer", "admin"},
    "saved_view kept": {"reviewer"},
    "sample drawn": {"reviewer", "payer", "admin"},
    "sample_line drawn": {"reviewer", "payer", "admin"},
}


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("viewer", ["reviewer", "payer", "admin", "editor"])
@pytest.mark.parametrize("name", _READERS)
async def test_who_reads_these_rows(world: World, name: str, viewer: str) -> None:
    table, row = name.split(maxsplit=1)[0], world.rows[name]
    column = "sample_id" if table == "sample_line" else "id"
    async with undone(world.owner):
        await act_as(world.owner, world.contexts[viewer])
        seen = await world.owner.fetchval(
            f"select count(*) from sons.{table} where {column}::text = $1", row[column]
        )
        assert (seen > 0) is (viewer in _READERS[name])
