"""Each guard of successions and of the claims that follow is attacked alone; loosened, it lets it through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext
from tests import factories_orders as make
from tests.databases import Database
from tests.db.attack import World, act_as, guards_of, refuses_alone, succeeds_without, undone
from tests.db.succession_attacks import ATTACKS, CLAIM_ATTACKS, EFFECTS, NOT_ATTACKED, TABLES
from tests.factories import a_finess, an_account
from tests.factories_successions import a_confirmed_succession, a_succession, settled

EVERY = (*ATTACKS, *CLAIM_ATTACKS)


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await make.prepare_instance()
    og, numbers = await make.an_og(owner, 4)
    new, plain, other, free = numbers
    confirmed = await a_confirmed_succession(owner, a_finess(), new, og=og)
    found = {
        "confirmed": confirmed.succession.id,
        "probable": await a_succession(owner, a_finess(), free, og=og),
        "dismissed": await a_succession(owner, a_finess(), other, og=og),
    }
    await settled(found["dismissed"], confirmed=False)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    order = await make.deposit(editor.actor, make.a_request(og, (new, plain), solution))
    rows: dict[str, dict[str, Any]] = {
        f"succession {name}": await _row(owner, "succession", "id = $1", one) for name, one in found.items()
    }
    held = {
        "origin": new, "plain": plain, "follower": confirmed.succession.predecessor,
    }  # fmt: skip
    for name, number in held.items():
        where = "holder_id = $1 and finess_geographique = $2"
        rows[f"claim {name}"] = await _row(owner, "claim", where, make.id_of(order), number)
    contexts = {
        "supplier": editor.actor.context,
        "og": (await an_account("og", finess_juridique=og)).actor.context,
        "other og": (await an_account("og")).actor.context,
        **{role: (await an_account(role)).actor.context for role in ("reviewer", "pilot", "admin", "ars")},
        "anonymous": RowContext(None, "anonymous"),
    }
    yield World(owner, rows, contexts)
    await owner.close()


async def _row(owner: asyncpg.Connection, table: str, where: str, *arguments: object) -> dict[str, Any]:
    return await owner.fetchval(f"select to_jsonb(t) from sons.{table} t where {where}", *arguments)


@pytest.mark.parametrize("attack", EVERY, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Any) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", EVERY, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Any) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_these_tables_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES)
    attacked = {attack.guard for attack in ATTACKS}
    assert guards - attacked - set(NOT_ATTACKED) == set(), "a guard without an attack"
    assert set(NOT_ATTACKED) <= guards - attacked, "an exception that excuses nothing"
    on_claims = await guards_of(world.owner, ("claim",))
    assert {attack.guard for attack in CLAIM_ATTACKS} | set(EFFECTS) <= on_claims


async def test_the_application_may_not_change_what_was_written(world: World) -> None:
    for right in ("update", "delete", "truncate", "references", "trigger"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', 'sons.succession', $1)", right
        )
        assert not allowed, right


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("viewer", ["og", "other og", "supplier", "reviewer", "pilot", "ars", "anonymous"])
async def test_who_reads_a_succession(world: World, viewer: str) -> None:
    async with undone(world.owner):
        await act_as(world.owner, world.contexts[viewer])
        seen = await world.owner.fetchval(
            "select count(*) from sons.succession where id::text = $1",
            world.rows["succession confirmed"]["id"],
        )
        assert (seen > 0) is (viewer in {"og", "reviewer", "pilot"})


async def test_which_number_follows_which_is_known_to_the_claims_of_all(world: World) -> None:
    one = world.rows["succession confirmed"]
    ask = "select predecessor from sons.succeeded_by(array[$1])"
    async with undone(world.owner):
        await act_as(world.owner, world.contexts["supplier"])
        assert await world.owner.fetchval(ask, one["successor"]) == one["predecessor"]
    async with undone(world.owner):
        await world.owner.execute("drop policy succession_crossed on sons.succession")
        await act_as(world.owner, world.contexts["supplier"])
        assert await world.owner.fetchval(ask, one["successor"]) is None


async def test_both_numbers_are_engaged_under_the_one_that_is_claimed(world: World) -> None:
    one = world.rows["succession confirmed"]
    pair = [one["predecessor"], one["successor"]]
    async with undone(world.owner):
        await act_as(world.owner, world.contexts["anonymous"])
        rows = await world.owner.fetch("select * from sons.held_under('V1', $1)", pair)
        held = {row["finess_geographique"]: (row["holder_kind"], row["held_as"]) for row in rows}
        assert held == dict.fromkeys(pair, ("order", one["successor"]))
        rows = await world.owner.fetch("select * from sons.engaged('V1', $1)", pair)
        assert {tuple(row) for row in rows} == {(number, "order") for number in pair}


_TAKE = (
    "insert into sons.claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id,"
    " claimed_at) select 'V2', $2, holder_kind, holder_id, supplier_id, og_id, claimed_at from sons.claim"
    " where id = $1"
)
_LIVE = (
    "select count(*) from sons.claim where finess_geographique = $1 and vague = $2 and released_at is null"
)


@pytest.mark.parametrize("guarded", [True, False])
async def test_the_new_number_is_not_taken_while_the_old_one_is_held(world: World, guarded: bool) -> None:
    claim, one = world.rows["claim origin"], world.rows["succession confirmed"]
    async with undone(world.owner):
        for trigger in ("claim_taken_as_ordered", "claim_of_live_order"):
            await world.owner.execute(f"drop trigger {trigger} on sons.claim")
        await world.owner.execute("alter table sons.claim drop constraint claim_line_fkey")
        await world.owner.execute(_TAKE, claim["id"], one["predecessor"])
        if guarded:
            with pytest.raises(asyncpg.UniqueViolationError) as caught:
                await world.owner.execute(_TAKE, claim["id"], one["successor"])
            assert caught.value.constraint_name == "one_live_financing"
        else:
            await world.owner.execute("drop trigger claim_holds_predecessors on sons.claim")
            await world.owner.execute(_TAKE, claim["id"], one["successor"])


@pytest.mark.parametrize("guarded", [True, False])
async def test_the_old_number_is_free_when_the_new_one_is(world: World, guarded: bool) -> None:
    claim, follower = world.rows["claim origin"], world.rows["claim follower"]
    async with undone(world.owner):
        if not guarded:
            await world.owner.execute("drop trigger claim_lets_go_of_predecessors on sons.claim")
        for trigger in ("claim_released_with_reason", "claim_released_on_facts"):
            await world.owner.execute(f"drop trigger {trigger} on sons.claim")
        await world.owner.execute(
            "update sons.claim set released_at = '2023-03-02Z', release_reason = 'lapsed' where id = $1",
            claim["id"],
        )
        held = await world.owner.fetchval(_LIVE, follower["finess_geographique"], "V1")
        assert held == (0 if guarded else 1)
        row = await world.owner.fetchrow("select * from sons.claim where id = $1", follower["id"])
        if guarded:
            assert (row["released_at"].isoformat(), row["release_reason"]) == (
                "2023-03-02T00:00:00+00:00", "lapsed",
            )  # fmt: skip


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_confirmation_is_followed_and_taken_back(world: World, guarded: bool) -> None:
    claim, owner = world.rows["claim plain"], world.owner
    old = a_finess()
    decide = "update sons.succession set state = $2, decided_at = '2023-03-02Z', reason = 'Vu.' where id = $1"
    async with undone(owner):
        if not guarded:
            await owner.execute("drop trigger succession_followed_by_claims on sons.succession")
        found = await a_succession(owner, old, claim["finess_geographique"])
        await owner.execute("select set_config('sons.role', 'reviewer', true)")
        await owner.execute(decide, found, "confirmed")
        assert await owner.fetchval(_LIVE, old, "V1") == (1 if guarded else 0)
        await owner.execute(decide, found, "dismissed")
        assert await owner.fetchval(_LIVE, old, "V1") == 0


async def test_a_split_holds_nothing_and_a_chain_holds_all(world: World) -> None:
    claim, owner = world.rows["claim plain"], world.owner
    near, far, part = a_finess(), a_finess(), a_finess()
    decide = "update sons.succession set state = 'confirmed', decided_at = '2023-03-02Z', reason = 'Vu.'"
    async with undone(owner):
        await a_succession(owner, part, claim["finess_geographique"], kind="split")
        await a_succession(owner, far, near, kind="merger")
        await owner.execute("select set_config('sons.role', 'reviewer', true)")
        await owner.execute(f"{decide} where state = 'probable' and predecessor = any($1)", [part, far])
        await a_succession(owner, near, claim["finess_geographique"], kind="move")
        await owner.execute(f"{decide} where state = 'probable' and predecessor = $1", near)
        held = {number: await owner.fetchval(_LIVE, number, "V1") for number in (near, far, part)}
        assert held == {near: 1, far: 1, part: 0}
