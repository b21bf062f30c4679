"""Attacking a guard of the database: it refuses by its name, alone; loosened, it lets the attack through.

An attack runs in the owner's transaction, which is rolled back, so that a guard can be taken away for it:
`lifted` names the other guards that would speak first, so that the refusal is that of the guard alone. Each
noun lists its attacks in a module of its own and plays them on a world of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext

CHECK, UNIQUE, FOREIGN, HIDDEN = "23514", "23505", "23503", "42501"


@dataclass(frozen=True, slots=True)
class Of:
    """The value of a column of another row of the world."""

    rows: str
    column: str


@dataclass(frozen=True, slots=True)
class Attack:
    """What `guard` must refuse with `sqlstate`; None: a policy that must hide what `statements` ask for.

    `insert` names a row of the world, inserted again with `changes`; `statements` name a row's key as
    `{table row}`. `by` is who acts as the application; None: the owner of the tables. `lifted`: the
    guards that would speak first.
    """

    guard: str
    sqlstate: str | None
    by: str | None = "supplier"
    insert: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    statements: tuple[str, ...] = ()
    lifted: tuple[str, ...] = ()
    note: str = ""

    @property
    def name(self) -> str:
        """Short, for the test's identifier."""
        return f"{self.guard}-{self.note}" if self.note else self.guard


@dataclass(frozen=True, slots=True)
class World:
    """Rows of orders as the database holds them, and who looks at them."""

    owner: asyncpg.Connection
    rows: dict[str, dict[str, Any]]
    contexts: dict[str, RowContext]


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
            "select set_config('sons.organisation_id', $1, true), set_config('sons.role', $2, true),"
            " set_config('sons.person_id', $3, true)",
            organisation,
            context.role,
            "" if context.person_id is None else str(context.person_id),
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
        case "reservation":
            return row | {"id": str(uuid4()), "number": f"RS-2099-{number:012d}"}
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
            opened = {
                "SELECT": "using (true)",
                "DELETE": "using (true)",
                "INSERT": "with check (true)",
            }.get(found["cmd"], "using (true) with check (true)")
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
            assert await owner.execute(text) not in {"UPDATE 0", "DELETE 0"}, "nothing was reached"
    await owner.execute("set constraints all immediate")


async def refuses_alone(world: World, attack: Attack) -> None:
    """The guard refuses the attack by its SQLSTATE and its name; a policy that hides finds nothing."""
    async with undone(world.owner):
        for guard in attack.lifted:
            await lift(world.owner, guard)
        if attack.sqlstate is None:
            with pytest.raises(AssertionError, match="nothing was reached"):
                await carry_out(world, attack)
            return
        with pytest.raises(asyncpg.PostgresError) as caught:
            await carry_out(world, attack)
        assert caught.value.sqlstate == attack.sqlstate, caught.value
        if attack.sqlstate != HIDDEN:  # row-level security does not name its policy
            assert caught.value.constraint_name == attack.guard


async def succeeds_without(world: World, attack: Attack) -> None:
    """Without its guard the attack succeeds: it is this guard that holds."""
    async with undone(world.owner):
        for guard in (*attack.lifted, attack.guard):
            await lift(world.owner, guard)
        await carry_out(world, attack)


async def guards_of(owner: asyncpg.Connection, tables: Iterable[str]) -> set[str]:
    """Every constraint, trigger, policy and unique index of some tables, by name."""
    rows = await owner.fetch(
        "select conname as name from pg_constraint"
        " where conrelid::regclass::text = any($1) and contype in ('c', 'f', 'p', 'u', 'x')"
        " union select tgname from pg_trigger where tgrelid::regclass::text = any($1) and not tgisinternal"
        " union select policyname from pg_policies where 'sons.' || tablename = any($1)"
        " union select indexrelid::regclass::text from pg_index"
        " where indrelid::regclass::text = any($1) and indisunique and not exists"
        " (select from pg_constraint where conindid = indexrelid)",
        [f"sons.{table}" for table in tables],
    )
    return {row["name"].removeprefix("sons.") for row in rows}
