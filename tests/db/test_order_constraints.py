"""Each guard of the order tables is attacked alone; loosened, it lets the same attack through.

An attack runs in the owner's transaction, which is rolled back, so that a guard can be taken away for it:
`lifted` names the other guards that would speak first, so that the refusal is that of the guard alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext
from sons_tracker.rules import lifecycle
from tests import factories_orders as make
from tests.databases import Database
from tests.db import (
    conflict_attacks,
    life_attacks,
    lot_attacks,
    outcome_attacks,
    reservation_attacks,
    succession_attacks,
)
from tests.db.attack import (
    Attack,
    World,
    act_as,
    fresh,
    guards_of,
    insert,
    refuses_alone,
    succeeds_without,
    undone,
)
from tests.db.order_attacks import ATTACKS, DATA_TABLES, NOT_ATTACKED, TABLES
from tests.factories import an_account


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await make.prepare_instance()
    editor, request, accepted = await make.an_accepted_order(owner, 3)
    solution = await make.a_solution(owner)
    rival = await an_account("editor", siren=solution.editor_siren)
    taken = make.a_request(request.og, (request.essms[0].finess,), solution)
    rejected = await make.deposit(rival.actor, taken)
    free_og, free = await make.an_og(owner, 1)
    above = await make.deposit(rival.actor, make.a_request(free_og, free, solution, unit_ttc_cents=400_001))
    other_og, other = await make.an_og(owner, 1)
    waiting = make.a_request(other_og, other, solution, dui_in_place=None)
    to_review = await make.deposit(rival.actor, waiting)
    og = await an_account("og", finess_juridique=request.og)
    other_account = await an_account("og", finess_juridique=other_og)
    reviewer = await an_account("reviewer")
    orders = {"accepted": accepted, "rejected": rejected, "above": above, "to_review": to_review}
    rows: dict[str, dict[str, Any]] = {}
    for name, view in orders.items():
        found = await owner.fetch(
            "select to_jsonb(o) from sons.purchase_order o where id = $1", make.id_of(view)
        )
        rows[f"purchase_order {name}"] = found[0][0]
        for table, key, sort in (
            ("order_line", "order_id", "finess_geographique"),
            ("claim", "holder_id", "finess_geographique"),
            ("payment", "order_id", "kind"),
        ):
            found = await owner.fetch(
                f"select to_jsonb(t) from sons.{table} t where {key} = $1 order by {sort}", make.id_of(view)
            )
            if found:
                rows[f"{table} {name}"] = found[0][0]
    rows["simulation_count"] = {
        "organisation_id": str(editor.actor.organisation_id), "counted_on": "2023-03-01",
        "simulations": 2, "essms": 5,
    }  # fmt: skip
    await owner.execute(
        "insert into sons.simulation_count"
        " select * from jsonb_populate_record(null::sons.simulation_count, $1)",
        rows["simulation_count"],
    )
    contexts = {
        "supplier": editor.actor.context,
        "og": og.actor.context,
        "rival": rival.actor.context,
        "other og": other_account.actor.context,
        "reviewer": reviewer.actor.context,
        "og as editor": RowContext(og.actor.organisation_id, "editor"),
        "unknown": RowContext(uuid4(), "editor"),
        "anonymous": RowContext(None, "anonymous"),
    }
    rows["unknown"] = {"organisation_id": str(contexts["unknown"].organisation_id)}
    yield World(owner, rows, contexts)
    await owner.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_the_order_tables_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES)
    attacked = {attack.guard for attack in ATTACKS}
    noun = (*life_attacks.ATTACKS, *lot_attacks.ATTACKS, *reservation_attacks.ATTACKS)
    following = (*succession_attacks.CLAIM_ATTACKS, *outcome_attacks.ATTACKS)
    tested = set(succession_attacks.EFFECTS) | conflict_attacks.OPENINGS
    later = {attack.guard for attack in (*noun, *following)} | tested
    assert guards - attacked - later - set(NOT_ATTACKED) == set(), "a guard without an attack"
    assert set(NOT_ATTACKED) <= guards - attacked, "an exception that excuses nothing"


async def test_the_lifecycle_is_the_same_in_the_rules_and_in_the_database(world: World) -> None:
    states = {tuple(row) for row in await world.owner.fetch("select state, live from sons.order_state")}
    assert states == {(state, state in lifecycle.LIVE_STATES) for state in lifecycle.ORDER_STATES}
    moves = {tuple(row) for row in await world.owner.fetch("select * from sons.order_transition")}
    assert moves == {
        (move.before, move.after, move.event, role)
        for move in lifecycle.ORDER_TRANSITIONS
        for role in move.roles
    }
    releases = {tuple(row) for row in await world.owner.fetch("select * from sons.claim_release")}
    assert releases == {
        (reason, state) for reason, states in lifecycle.RELEASE_REASONS.items() for state in states
    }


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("decision", ["accepted", "to_review", "refused"])
async def test_the_database_takes_a_deposit_in_the_state_that_the_rules_give(
    world: World, decision: str, conditional: bool
) -> None:
    right = lifecycle.deposit_state(decision, conditional)
    for state in lifecycle.ORDER_STATES:
        row = fresh("purchase_order", world.rows["purchase_order accepted"])
        async with undone(world.owner):
            await act_as(world.owner, world.contexts["supplier"])
            row |= {"decision": decision, "conditional": conditional, "state": state}
            if state == right:
                await insert(world.owner, "purchase_order", row)
                continue
            with pytest.raises(asyncpg.PostgresError) as caught:
                await insert(world.owner, "purchase_order", row)
            assert caught.value.sqlstate == "SN001", state


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("viewer", ["supplier", "og", "rival", "other og", "reviewer", "anonymous", None])
@pytest.mark.parametrize("table", DATA_TABLES)
async def test_who_reads_and_who_writes_the_rows_of_an_order(
    world: World, table: str, viewer: str | None
) -> None:
    context = None if viewer is None else world.contexts[viewer]
    of_organisation = table == "simulation_count"
    row = world.rows[table if of_organisation else f"{table} accepted"]
    column, value = {
        "purchase_order": ("id", row.get("id")),
        "claim": ("holder_id", row.get("holder_id")),
        "simulation_count": ("organisation_id", row.get("organisation_id")),
    }.get(table, ("order_id", row.get("order_id")))
    readers = {"supplier", "reviewer"} | (set() if of_organisation else {"og"})
    async with undone(world.owner):
        await act_as(world.owner, context)
        seen = await world.owner.fetchval(
            f"select count(*) from sons.{table} where {column}::text = $1", value
        )
        assert (seen > 0) is (viewer in readers)
    async with undone(world.owner):
        await act_as(world.owner, context)
        with pytest.raises(asyncpg.PostgresError) as caught:
            await insert(world.owner, table, row)  # its own twin: a unique key, once the policy has let it by
        assert (caught.value.sqlstate == "23505") is (viewer == "supplier"), caught.value
        assert caught.value.sqlstate in {"23505", "42501", "SN001", "SN015"}


async def test_an_og_of_the_parties_deposits_nothing_even_as_an_editor(world: World) -> None:
    for table in ("purchase_order", "order_line", "claim", "payment"):
        async with undone(world.owner):
            await act_as(world.owner, world.contexts["og as editor"])
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await insert(world.owner, table, world.rows[f"{table} accepted"])


async def test_whether_an_essms_is_engaged_is_known_to_all_and_by_whom_to_none(world: World) -> None:
    number = world.rows["claim accepted"]["finess_geographique"]
    ask = "select jsonb_agg(to_jsonb(e)) from sons.engaged('V1', array[$1]) e"
    for viewer in ("rival", "other og", "anonymous"):
        async with undone(world.owner):
            await act_as(world.owner, world.contexts[viewer])
            assert await world.owner.fetchval(ask, number) == [
                {"finess_geographique": number, "holder_kind": "order"}
            ]
    async with undone(world.owner):
        await world.owner.execute("drop policy claim_crossed on sons.claim")
        await act_as(world.owner, world.contexts["rival"])
        assert await world.owner.fetchval(ask, number) is None  # the policy is what makes the crossing see
