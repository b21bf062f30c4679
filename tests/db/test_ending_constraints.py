"""Each guard of cancellations and amendments is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext
from sons_tracker.rules import lifecycle
from tests import factories_endings as end
from tests import factories_orders as make
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
from tests.db.ending_attacks import ATTACKS, DATA_TABLES, NOT_ATTACKED, TABLES
from tests.factories import Account, an_account
from tests.factories_life import Life, a_deposited_order


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await make.prepare_instance()
    orders = {
        name: await a_deposited_order(owner, 3)
        for name in ("spare", "open", "renounced", "dropped", "amended", "refused")
    }
    await end.ask(orders["open"], "agreement")
    await end.ask(orders["renounced"], "renunciation", by=orders["renounced"].og)
    await end.attest(orders["renounced"])
    await end.ask(orders["dropped"], "renunciation", by=orders["dropped"].og)
    await end.drop(orders["dropped"], by=orders["dropped"].og)
    amended, refused = orders["amended"], orders["refused"]
    await end.propose(amended, amended.essms[:1])
    refusal = await end.propose(refused, refused.essms[:1])
    await end.refuse(refused, refusal.outcome.id)
    other = await an_account("editor")
    rows: dict[str, dict[str, Any]] = {
        "other": {
            "person_id": str(other.actor.person_id), "organisation_id": str(other.actor.organisation_id)
        },
        "another": {"sha256": "\\x" + hashlib.sha256(b"another").hexdigest()},
        "law": {"digest": await owner.fetchval("select digest from sons.law_enactment limit 1")},
        "order amended": {"id": str(amended.order_id)},
        "og person": {"id": str(amended.og.actor.person_id)},
        "deadline answer": await _row(
            owner, "deadline", "kind = 'answer' and order_id = $1", orders["renounced"].order_id
        ),
        "cancellation_piece statement": await _row(owner, "cancellation_piece", *_of(orders["open"])),
        "cancellation_piece renounced": await _row(owner, "cancellation_piece", *_of(orders["renounced"])),
        "amendment open": await _row(owner, "amendment", *_of(amended)),
        "amendment refused": await _row(owner, "amendment", *_of(refused)),
        "amendment_line open": await _row(owner, "amendment_line", *_of(amended)),
    }  # fmt: skip
    for name in ("open", "renounced", "dropped"):
        rows[f"cancellation {name}"] = await _row(owner, "cancellation", *_of(orders[name]))
    rows["cancellation dropped"] |= dict.fromkeys(("closed_at", "closed_by", "closed_role"))
    answered = [name for name in rows["amendment refused"] if name.startswith("closed_")]
    rows["amendment refused"] |= dict.fromkeys((*answered, "refusal"))
    del rows["deadline answer"]["id"]  # given by the database
    rows |= _not_yet(rows, orders)
    contexts = {
        f"{name} {side}": account.actor.context
        for name, order in orders.items()
        for side, account in (("supplier", order.editor), ("og", order.og))
    }
    contexts |= {role: (await an_account(role)).actor.context for role in ("reviewer", "payer", "pilot")}
    contexts["anonymous"] = RowContext(None, "anonymous")
    rows = {name: _insertable(row) for name, row in rows.items()}
    yield World(owner, rows, contexts)
    await owner.close()


def _of(order: Life) -> tuple[str, object]:
    return "order_id = $1", order.order_id


async def _row(owner: asyncpg.Connection, table: str, where: str, *arguments: object) -> dict[str, Any]:
    [found] = await owner.fetch(f"select to_jsonb(t) from sons.{table} t where {where}", *arguments)
    return dict(found[0])


def _not_yet(rows: dict[str, dict[str, Any]], orders: dict[str, Life]) -> dict[str, dict[str, Any]]:
    """Rows that could be written: they are not in the database."""
    spare = orders["spare"]
    moved = {
        "id": str(uuid4()), "order_id": str(spare.order_id),
        "supplier_id": str(spare.editor.actor.organisation_id), "og_id": str(spare.og.actor.organisation_id),
    }  # fmt: skip
    by = {"by": str(spare.editor.actor.person_id), "for": str(spare.editor.actor.organisation_id)}
    cancellation = rows["cancellation open"] | moved | {f"asked_{name}": who for name, who in by.items()}
    amendment = rows["amendment open"] | moved | {f"proposed_{name}": who for name, who in by.items()}
    og = {
        "proposed_by": str(spare.og.actor.person_id), "proposed_for": str(spare.og.actor.organisation_id)
    }  # fmt: skip
    return {
        "cancellation spare": cancellation,
        "amendment spare": amendment,
        "amendment og": og,
        "amendment_line another": rows["amendment_line open"]
        | {"finess_geographique": str(orders["amended"].essms[1])},
        "cancellation_piece attestation": _piece(rows, "renounced", "open", orders["open"].og),
        "cancellation_piece statement ready": _piece(
            rows, "statement", "renounced", orders["renounced"].editor
        ),
        "cancellation_piece statement too late": _piece(
            rows, "statement", "dropped", orders["dropped"].editor
        ),
    }


def _piece(
    rows: dict[str, dict[str, Any]], model: str, cancellation: str, account: Account
) -> dict[str, Any]:
    """The piece `model`, as that account would give it for another cancellation."""
    piece, of = rows[f"cancellation_piece {model}"], rows[f"cancellation {cancellation}"]
    text = of["document"] if account.actor.role == "og" else piece["text"]
    return piece | {
        "cancellation_id": of["id"], "order_id": of["order_id"], "supplier_id": of["supplier_id"],
        "og_id": of["og_id"], "text": text, "sha256": "\\x" + hashlib.sha256(text.encode()).hexdigest(),
        "person_id": str(account.actor.person_id), "organisation_id": str(account.actor.organisation_id),
    }  # fmt: skip


def _insertable(row: dict[str, Any]) -> dict[str, Any]:
    """Without what is null: the application may not even name the columns of what comes later."""
    return {name: value for name, value in row.items() if value is not None}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_these_tables_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES) | {"deadline_asked"}
    attacked = {attack.guard for attack in ATTACKS}
    assert guards - attacked - set(NOT_ATTACKED) == set(), "a guard without an attack"
    assert set(NOT_ATTACKED) <= guards - attacked, "an exception that excuses nothing"
    assert attacked <= guards


@pytest.mark.parametrize(
    ("table", "transitions"),
    [
        ("cancellation_transition", lifecycle.CANCELLATION_TRANSITIONS),
        ("amendment_transition", lifecycle.AMENDMENT_TRANSITIONS),
    ],
)
async def test_the_lifecycle_is_the_same_in_the_rules_and_in_the_database(
    world: World, table: str, transitions: tuple[lifecycle.Transition, ...]
) -> None:
    moves = {tuple(row) for row in await world.owner.fetch(f"select * from sons.{table}")}
    assert moves == {
        (move.before, move.after, move.event, role) for move in transitions for role in move.roles
    }


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("table", DATA_TABLES)
async def test_who_reads_the_rows_of_an_ending(world: World, table: str) -> None:
    name = "open" if table.startswith("cancellation") else "amended"
    row = world.rows[f"{table} statement" if table == "cancellation_piece" else f"{table} open"]
    readers = {f"{name} supplier", f"{name} og", "reviewer", "payer", "pilot"}
    for viewer, context in world.contexts.items():
        async with undone(world.owner):
            await act_as(world.owner, context)
            seen = await world.owner.fetchval(
                f"select count(*) from sons.{table} where order_id = $1::text::uuid", row["order_id"]
            )
            assert (seen > 0) is (viewer in readers), viewer


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("table", DATA_TABLES)
async def test_who_writes_the_rows_of_an_ending(world: World, table: str) -> None:
    name = {
        "cancellation": "spare", "cancellation_piece": "statement ready", "amendment": "spare",
        "amendment_line": "another",
    }[table]  # fmt: skip
    row = world.rows[f"{table} {name}"]
    order = {"statement ready": "renounced", "another": "amended"}.get(name, "spare")
    writers = {f"{order} supplier"} | ({f"{order} og"} if table == "amendment_line" else set())
    for writer, context in world.contexts.items():
        async with undone(world.owner):
            for guard in ("cancellation_piece_waited_for", "amendment_is_whole"):
                await lift(world.owner, guard)
            for guard in ("cancellation_along_the_table", "amendment_along_the_table"):
                await lift(world.owner, guard)
            await act_as(world.owner, context)
            if writer in writers:
                await insert(world.owner, table, row)
                continue
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await insert(world.owner, table, row)


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_may_not_change_what_was_written(world: World, table: str) -> None:
    for right in ("update", "delete", "truncate", "references", "trigger"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
        assert not allowed, right
