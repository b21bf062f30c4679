"""Every edge of the transition tables, and every edge that is not in them, in the database.

All (before, after, role) over the closed lists: a row is brought to `before`, moved to `after` in that role,
and undone; it moves if and only if the rules have the edge. What else must stand beside a move is lifted here
and attacked in test_life_constraints.py and test_conflict_constraints.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product

import asyncpg
import pytest

from sons_tracker.operations.actors import ROLES_BY_KIND
from sons_tracker.rules import lifecycle
from sons_tracker.rules.lifecycle import Transition
from tests.databases import Database
from tests.db.attack import World, undone
from tests.db.life_world import a_world
from tests.rules.lifecycle_page import ROLES

MOVED = "ZZ000"
# Tries one move in a transaction of its own, and says what the database answered.
_TRY = f"""
create function pg_temp.try_move(role text, bring text, move text) returns text language plpgsql as $$
declare named text;
begin
  perform set_config('session_replication_role', 'replica', true);
  execute bring;
  perform set_config('session_replication_role', 'origin', true);
  perform set_config('sons.role', role, true);
  execute move;
  raise exception 'moved' using errcode = '{MOVED}';
exception when others then
  get stacked diagnostics named = constraint_name;
  return sqlstate || coalesce(' ' || nullif(named, ''), '');
end $$
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with states: its rules, its mirror, its trigger, and the row that is moved."""

    name: str
    transitions: tuple[Transition, ...]
    mirror: str
    guard: str
    sqlstate: str
    row: str
    states: tuple[str, ...]

    @property
    def edges(self) -> set[tuple[str, str, str]]:
        """(before, after, role) of the rules."""
        return {(move.before, move.after, role) for move in self.transitions for role in move.roles}


TABLES = (
    Table(
        "purchase_order", lifecycle.ORDER_TRANSITIONS, "order_transition", "purchase_order_along_the_table",
        "SN001", "order due", lifecycle.ORDER_STATES,
    ),
    Table(
        "financing_request", lifecycle.REQUEST_TRANSITIONS, "request_transition",
        "financing_request_along_the_table", "SN016", "request due", lifecycle.REQUEST_STATES,
    ),
    Table(
        "payment", lifecycle.PAYMENT_TRANSITIONS, "payment_transition", "payment_along_the_table",
        "SN015", "advance due", lifecycle.PAYMENT_STATES,
    ),
    Table(
        "conflict", lifecycle.CONFLICT_TRANSITIONS, "conflict_transition", "conflict_along_the_table",
        "SN140", "conflict found", lifecycle.CONFLICT_STATES,
    ),
)  # fmt: skip
every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    async for made in a_world(module_database):
        yield made


def test_the_roles_are_all_those_that_exist() -> None:
    assert set(ROLES) == {role for roles in ROLES_BY_KIND.values() for role in roles} | {"scheduler"}


@every_table
async def test_the_rules_and_the_database_hold_the_same_table(world: World, table: Table) -> None:
    mirrored = {tuple(row) for row in await world.owner.fetch(f"select * from sons.{table.mirror}")}
    assert mirrored == {
        (move.before, move.after, move.event, role) for move in table.transitions for role in move.roles
    }


@every_table
async def test_a_row_moves_along_the_table_and_no_other_way(world: World, table: Table) -> None:
    tried = [(b, a, r) for b, a, r in product(table.states, table.states, ROLES) if a not in (b, "draft")]
    answers = await _try(world, table, tried)
    moved = {edge for edge, answer in answers.items() if answer == MOVED}
    assert moved == {edge for edge in table.edges if edge[0] in table.states}
    assert {answer for answer in answers.values() if answer != MOVED} == {f"{table.sqlstate} {table.guard}"}


@pytest.mark.parametrize("table", TABLES[1:], ids=lambda table: table.name)
async def test_a_row_comes_into_the_world_along_the_table_and_no_other_way(
    world: World, table: Table
) -> None:
    """A deposit is in test_the_database_takes_a_deposit_in_the_state_that_the_rules_give."""
    tried = [("draft", after, role) for after, role in product(table.states, ROLES)]
    answers = await _try(world, table, tried)
    moved = {edge for edge, answer in answers.items() if answer == MOVED}
    assert moved == {edge for edge in table.edges if edge[0] == "draft"}
    assert {answer for answer in answers.values() if answer != MOVED} == {f"{table.sqlstate} {table.guard}"}


async def _try(
    world: World, table: Table, tried: list[tuple[str, str, str]]
) -> dict[tuple[str, str, str], str]:
    key, name = world.rows[table.row]["id"], f"sons.{table.name}"
    bring = f"update {name} set state = '{{before}}' where id = '{key}'"
    move = f"update {name} set state = '{{after}}' where id = '{key}'"
    twin = (
        f"insert into {name} select (jsonb_populate_record(t, jsonb_build_object("
        f"'id', gen_random_uuid(), 'state', '{{after}}'))).* from {name} t where id = '{key}'"
    )
    bring_first = {before for before, _, _ in tried} != {"draft"}
    async with undone(world.owner):
        await _leave_alone(world.owner, table)
        await world.owner.execute(_TRY)
        rows = await world.owner.fetch(
            "select before, after, role, pg_temp.try_move(role, replace($4, '{before}', before),"
            " replace(case before when 'draft' then $6 else $5 end, '{after}', after)) as answer"
            " from unnest($1::text[], $2::text[], $3::text[]) as t (before, after, role)",
            *(list(column) for column in zip(*tried, strict=True)),
            bring if bring_first else "select 1",
            move,
            move if bring_first else twin,
        )
    return {(row["before"], row["after"], row["role"]): row["answer"] for row in rows}


async def _leave_alone(owner: asyncpg.Connection, table: Table) -> None:
    """Leaves the table with the trigger that reads its transitions, and with no other guard."""
    triggers = await owner.fetch(
        "select tgname from pg_trigger where tgrelid = $1::regclass and not tgisinternal and tgname <> $2",
        f"sons.{table.name}", table.guard,
    )  # fmt: skip
    for row in triggers:
        await owner.execute(f"drop trigger {row['tgname']} on sons.{table.name}")
    checks = await owner.fetch(
        "select conname from pg_constraint where conrelid = $1::regclass and contype in ('c', 'u')",
        f"sons.{table.name}",
    )
    for row in checks:
        await owner.execute(f"alter table sons.{table.name} drop constraint {row['conname']} cascade")
    if table.name == "financing_request":
        await owner.execute("drop index sons.one_live_request")
