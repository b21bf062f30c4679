"""Each guard of the order tables is attacked alone; loosened, it lets the same attack through.

An attack runs in the owner's transaction, which is rolled back, so that a guard can be taken away for it:
`lifted` names the other guards that would speak first, so that the refusal is that of the guard alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext
from sons_tracker.rules import lifecycle
from tests import factories_orders as make
from tests.databases import Database
from tests.db import life_attacks, lot_attacks
from tests.db.order_attacks import ATTACKS, DATA_TABLES, NOT_ATTACKED, TABLES, Attack, Of
from tests.factories import an_account


@dataclass(frozen=True, slots=True)
class World:
    """Rows of orders as the database holds them, and who looks at them."""

    owner: asyncpg.Connection
    rows: dict[str, dict[str, Any]]
    contexts: dict[str, RowContext]


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


@asynccontextmanager
async def undone(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """A transaction of the owner that leaves no trace."""
    transaction = owner.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def act_as(owner: asyncpg.Connection, context: RowContext | None) -> None:
    """The rest of the transaction as the application, in the name of `context`; None: without any."""
    await owner.execute("set local role sons_app")
    if context is not None:
        organisation = "" if context.organisation_id is None else str(context.organisation_id)
        await owner.execute(
            "select set_config('sons.organisation_id', $1, true), set_config('sons.role', $2, true)",
            organisation,
            context.role,
        )


async def insert(owner: asyncpg.Connection, table: str, row: dict[str, Any]) -> None:
    """One row with exactly these values; what the database generates is left to it."""
    columns = ", ".join(name for name in row if (table, name) != ("claim", "order_id"))
    await owner.execute(
        f"insert into sons.{table} ({columns}) overriding system value"
        f" select {columns} from jsonb_populate_record(null::sons.{table}, $1)",
        row,
    )


def fresh(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """The same row under a key of its own, where the key is a surrogate."""
    number = uuid4().int % 10**12
    match table:
        case "purchase_order":
            return row | {"id": str(uuid4()), "number": f"BC-2099-{number:012d}"}
        case "payment":
            return row | {"id": str(uuid4())}
        case "claim":
            return row | {"id": number}
    return row


async def lift(owner: asyncpg.Connection, guard: str) -> None:
    """Takes a guard away, whatever it is; a policy is opened to all, since without one nothing passes."""
    found = await owner.fetchrow(
        "select 'constraint' as kind, conrelid::regclass::text as tab, '' as cmd from pg_constraint"
        " where conname = $1 and contype <> 't' and connamespace = 'sons'::regnamespace"
        " union all select 'trigger', tgrelid::regclass::text, '' from pg_trigger"
        " where tgname = $1 and not tgisinternal"
        " union all select 'policy', 'sons.' || tablename, cmd from pg_policies where policyname = $1"
        " union all select 'index', '', '' from pg_class where relname = $1 and relkind = 'i' order by 1",
        guard,
    )
    assert found is not None, guard
    match found["kind"]:
        case "constraint":
            await owner.execute(f"alter table {found['tab']} drop constraint {guard} cascade")
        case "trigger":
            await owner.execute(f"drop trigger {guard} on {found['tab']}")
        case "index":
            await owner.execute(f"drop index sons.{guard}")
        case "policy":
            opened = {"SELECT": "using (true)", "INSERT": "with check (true)"}.get(
                found["cmd"], "using (true) with check (true)"
            )
            await owner.execute(f"alter policy {guard} on {found['tab']} {opened}")


async def release_children(owner: asyncpg.Connection, table: str) -> None:
    """Drops what refers to a table, so that it can be emptied: its own guard then speaks alone."""
    children = await owner.fetch(
        "select conname, conrelid::regclass::text as tab from pg_constraint"
        " where contype = 'f' and confrelid = $1::regclass and conparentid = 0",
        table,
    )
    for child in children:
        await owner.execute(f"alter table {child['tab']} drop constraint if exists {child['conname']}")


async def carry_out(world: World, attack: Attack) -> None:
    """The attack itself; raises what the database raises, and `AssertionError` when nothing was reached."""
    owner = world.owner
    if attack.by is not None:
        await act_as(owner, world.contexts[attack.by])
    if attack.insert is not None:
        table = attack.insert.split()[0]
        row = fresh(table, world.rows[attack.insert])
        changes = {
            name: world.rows[value.rows][value.column] if isinstance(value, Of) else value
            for name, value in attack.changes.items()
        }
        await insert(owner, table, row | changes)
    for statement in attack.statements:
        names = [name for name in world.rows if "{" + name + "}" in statement]
        key = "id" if not names or not names[0].startswith("order_line") else "order_id"
        text = statement
        for name in names:
            text = text.replace("{" + name + "}", f"'{world.rows[name][key]}'")
        if text.startswith("truncate "):
            await release_children(owner, text.split()[1].rstrip(","))
        if text.startswith("select"):
            assert await owner.fetchval(text) > 0, "nothing was reached"
        else:
            assert await owner.execute(text) != "UPDATE 0"
    await owner.execute("set constraints all immediate")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    async with undone(world.owner):
        for guard in attack.lifted:
            await lift(world.owner, guard)
        if attack.sqlstate is None:  # a policy that hides: nothing is found
            with pytest.raises(AssertionError, match="nothing was reached"):
                await carry_out(world, attack)
            return
        with pytest.raises(asyncpg.PostgresError) as caught:
            await carry_out(world, attack)
        assert caught.value.sqlstate == attack.sqlstate, caught.value
        if attack.sqlstate != "42501":  # row-level security does not name its policy
            assert caught.value.constraint_name == attack.guard


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    async with undone(world.owner):
        for guard in (*attack.lifted, attack.guard):
            await lift(world.owner, guard)
        await carry_out(world, attack)


async def test_every_guard_of_the_order_tables_is_attacked(world: World) -> None:
    rows = await world.owner.fetch(
        "select conname as name from pg_constraint"
        " where conrelid::regclass::text = any($1) and contype in ('c', 'f', 'p', 'u', 'x')"
        " union select tgname from pg_trigger where tgrelid::regclass::text = any($1) and not tgisinternal"
        " union select policyname from pg_policies where 'sons.' || tablename = any($1)"
        " union select indexrelid::regclass::text from pg_index"
        " where indrelid::regclass::text = any($1) and indisunique and not exists"
        " (select from pg_constraint where conindid = indexrelid)",
        [f"sons.{table}" for table in TABLES],
    )
    guards = {row["name"].removeprefix("sons.") for row in rows}
    attacked = {attack.guard for attack in ATTACKS}
    later = {attack.guard for attack in (*life_attacks.ATTACKS, *lot_attacks.ATTACKS)}
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
