"""Each guard of the VA, of the invoice and of the solde is attacked alone; loosened, it lets it through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext
from sons_tracker.rules import lifecycle
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.databases import Database
from tests.db.attack import (
    Attack,
    World,
    act_as,
    guards_of,
    insert,
    lift,
    refuses_alone,
    succeeds_without,
    undone,
)
from tests.db.va_attacks import ATTACKS, DATA_TABLES, ELSEWHERE, NOT_ATTACKED, TABLES
from tests.factories import an_account
from tests.factories_life import Life

_OF_VA = ("va_id", "order_id", "supplier_id", "og_id", "statement_sha256")


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await make.prepare_instance()
    ready = await solde.a_paid_advance(owner, 2)
    await solde.prepare(ready)
    await solde.prepare(ready)
    orders: dict[str, Life] = {"ready": ready}
    for name in ("asked", "back"):
        orders[name] = await solde.a_signed_va(owner, 2)
        await solde.an_asked_solde(owner, orders[name])
    await solde.send_back(orders["back"])
    rival, other_og = await an_account("editor"), await an_account("og")
    contexts = {
        "rival": rival.actor.context,
        "other og": other_og.actor.context,
        "reviewer": orders["asked"].reviewer.actor.context,
        "payer": (await an_account("payer")).actor.context,
        "anonymous": RowContext(None, "anonymous"),
    }
    rows: dict[str, dict[str, Any]] = {"person stranger": {"id": str(rival.actor.person_id)}}
    for name, order in orders.items():
        contexts[f"supplier {name}"] = order.editor.actor.context
        contexts[f"og {name}"] = order.og.actor.context
        for table in (*DATA_TABLES, "financing_request"):
            kind = " and kind = 'solde'" if table == "financing_request" else ""
            state = " and state <> 'withdrawn'" if table == "va" else ""
            found = await owner.fetch(
                f"select to_jsonb(t) from sons.{table} t where order_id = $1{kind}{state} limit 1",
                order.order_id,
            )
            if found:
                rows[f"{table} {name}"] = found[0][0]
    rows["va_line ready"] |= {"va_id": rows["va ready"]["id"]}
    old = await owner.fetch(
        "select to_jsonb(v) from sons.va v where order_id = $1 and state = 'withdrawn'", ready.order_id
    )
    person = {"person_id": str(ready.og.actor.person_id), "token_id": str(ready.og.actor.token_id)}
    for name, of_va in (("ready", rows["va ready"]), ("old", old[0][0])):
        signs = {key: of_va["id" if key == "va_id" else key] for key in _OF_VA}
        rows[f"va_signature {name}"] = rows["va_signature asked"] | signs | person
    paid = await owner.fetch(
        "select to_jsonb(e) from sons.ledger_entry e where order_id = $1 and movement = 'paid' limit 1",
        orders["asked"].order_id,
    )
    rows["ledger_entry asked"] = paid[0][0]
    yield World(owner, rows, contexts)
    await owner.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_the_va_and_of_the_invoice_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES) | ELSEWHERE
    attacked = {attack.guard for attack in ATTACKS}
    assert guards - attacked - set(NOT_ATTACKED) == set(), "a guard without an attack"
    assert set(NOT_ATTACKED) <= guards - attacked, "an exception that excuses nothing"
    assert attacked <= guards


async def test_the_life_of_a_va_is_the_same_in_the_rules_and_in_the_database(world: World) -> None:
    moves = {tuple(row) for row in await world.owner.fetch("select * from sons.va_transition")}
    assert moves == {
        (move.before, move.after, move.event, role)
        for move in lifecycle.VA_TRANSITIONS
        for role in move.roles
    }
    assert {after for _, after, _, _ in moves} == set(lifecycle.VA_STATES) == set(lifecycle.VA_WORDS)


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("table", DATA_TABLES)
async def test_who_reads_and_who_writes_a_va_and_an_invoice(world: World, table: str) -> None:
    row = world.rows[f"{table} asked"]
    readers = {"supplier asked", "og asked", "reviewer", "payer"}
    writer = "og asked" if table == "va_signature" else "supplier asked"
    for viewer, context in (*world.contexts.items(), ("nobody", None)):
        async with undone(world.owner):
            await act_as(world.owner, context)
            seen = await world.owner.fetchval(
                f"select count(*) from sons.{table} where order_id::text = $1", row["order_id"]
            )
            assert (seen > 0) is (viewer in readers), viewer
        async with undone(world.owner):
            if table == "va_signature":
                await lift(world.owner, "va_signature_waited_for")
            await act_as(world.owner, context)
            with pytest.raises(asyncpg.PostgresError) as caught:
                await insert(world.owner, table, row)  # its own twin, once the policy has let it by
            # a VA comes into the world prepared: its guard speaks before the policies
            expected = {"23505"} if viewer == writer and table != "va" else {"42501"}
            assert caught.value.sqlstate in (expected | {"SN061"} if table == "va" else expected), viewer


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_may_not_change_what_was_written(world: World, table: str) -> None:
    for right in ("update", "delete", "truncate", "references", "trigger"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
        assert not allowed, right
