"""Each guard of the tables of suppliers is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext
from tests import factories_suppliers as make
from tests.databases import Database
from tests.db.attack import (
    Attack,
    World,
    act_as,
    guards_of,
    insert,
    refuses_alone,
    succeeds_without,
    undone,
)
from tests.db.supplier_attacks import ATTACKS, NOT_ATTACKED, TABLES
from tests.factories import AT, an_account

_ASKED = (
    "id", "supplier_id", "supplier_kind", "iban_masked", "requested_at", "requested_by",
)  # fmt: skip


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    supplier, rival, third = [await make.an_enrolled_supplier() for _ in range(3)]
    await make.submitted(supplier.account, make.a_file(supplier.solution, supplier.actor), AT)
    asked = (await make.change_asked(rival.account, at=AT)).view.changes[0]
    waiting = (await make.change_asked(third.account, at=AT)).view.changes[0]
    await make.change_confirmed(third.second, waiting.id, AT)
    payer, pilot, og, admin = [await an_account(role) for role in ("payer", "pilot", "og", "admin")]
    contexts = {
        "supplier": supplier.actor.context,
        "rival": rival.actor.context,
        "third": third.actor.context,
        "payer": payer.actor.context,
        "pilot": pilot.actor.context,
        "og": og.actor.context,
        "admin": admin.actor.context,
        "scheduler": RowContext(None, "scheduler"),
        "anonymous": RowContext(None, "anonymous"),
        "unknown": RowContext(uuid4(), "editor"),
        "supplier as payer": RowContext(supplier.supplier_id, "payer"),
        "supplier as pilot": RowContext(supplier.supplier_id, "pilot"),
    }
    rows: dict[str, dict[str, Any]] = {
        "supplier": {"id": str(supplier.supplier_id)},
        "person stranger": {"id": str(rival.second.actor.person_id)},
        "person second": {"id": str(supplier.second.actor.person_id)},
        "unknown": {"organisation_id": str(contexts["unknown"].organisation_id)},
        "iban": {"other": make.an_iban()},
    }
    for table in ("enrolment", "enrolment_piece", "enrolment_decision"):
        rows[f"{table} first"] = await _row(
            owner, table, "supplier_id = $1 and number = 1", supplier.supplier_id
        )
    decided_by = UUID(rows["enrolment_decision first"]["organisation_id"])
    contexts["reviewer"] = RowContext(decided_by, "reviewer")
    rows["bank_account first"] = await _row(owner, "bank_account", "id = $1", supplier.bank_account_id)
    del rows["bank_account first"]["iban_masked"]  # generated
    changes = {"first": supplier.bank_account_id, "rival": asked.id, "third": waiting.id}
    for name, change_id in changes.items():
        rows[f"bank_account_change {name}"] = await _row(owner, "bank_account_change", "id = $1", change_id)
    for name, one in (("spare", supplier), ("spare of rival", rival), ("spare of third", third)):
        rows[f"bank_account_change {name}"] = await _spare(owner, one)
    yield World(owner, rows, contexts)
    await owner.close()


async def _row(owner: asyncpg.Connection, table: str, where: str, *arguments: object) -> dict[str, Any]:
    [found] = await owner.fetch(f"select to_jsonb(t) from sons.{table} t where {where}", *arguments)
    return dict(found[0])


async def _spare(owner: asyncpg.Connection, supplier: make.Enrolled) -> dict[str, Any]:
    """A change that could be asked for: its account is there already."""
    masked = await owner.fetchval(
        "insert into sons.bank_account (id, supplier_id, iban, bic, statement_sha256)"
        " values (gen_random_uuid(), $1, $2, 'PSSTFRPP', sha256('rib'))"
        " returning array[id::text, iban_masked]",
        supplier.supplier_id,
        make.an_iban(),
    )
    at = (AT + timedelta(hours=1)).isoformat()
    person = str(supplier.actor.person_id)
    values = (masked[0], str(supplier.supplier_id), "editor", masked[1], at, person)
    return dict(zip(_ASKED, values, strict=True))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_the_tables_of_suppliers_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES)
    attacked = {attack.guard for attack in ATTACKS}
    assert guards - attacked - set(NOT_ATTACKED) == set(), "a guard without an attack"
    assert set(NOT_ATTACKED) <= guards - attacked, "an exception that excuses nothing"
    assert attacked <= guards


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_may_not_change_what_was_written(world: World, table: str) -> None:
    for right in ("update", "delete", "truncate", "references", "trigger"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
        assert not allowed, right


async def test_a_change_is_asked_for_before_it_is_confirmed(world: World) -> None:
    row = world.rows["bank_account_change first"]
    async with undone(world.owner):
        await act_as(world.owner, world.contexts["supplier"])
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await insert(world.owner, "bank_account_change", row | {"id": str(uuid4())})


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("table", TABLES)
async def test_who_reads_the_rows_of_a_supplier(world: World, table: str) -> None:
    readers = {"supplier", "payer", "supplier as payer"}
    if table != "bank_account":
        readers |= {"reviewer", "admin", "scheduler", "supplier as pilot"}
    for viewer, context in world.contexts.items():
        async with undone(world.owner):
            await act_as(world.owner, context)
            seen = await world.owner.fetchval(
                f"select count(*) from sons.{table} where supplier_id = '{world.rows['supplier']['id']}'"
            )
            assert (seen > 0) is (viewer in readers), viewer


@pytest.mark.parametrize(
    ("iban", "holds"),
    [
        ("FR1420041010050500013M02606", True),
        ("FR1420041010050500013M02607", False),
        ("FR4120041010050500013M02606", False),
        ("GB97WATA26233889113253", True),
        ("CH6280939EW0VEK8CDWB7", True),
    ],
)
async def test_the_key_of_an_iban_is_verified_by_the_database_too(
    world: World, iban: str, holds: bool
) -> None:
    assert await world.owner.fetchval("select sons.iban_key_holds($1)", iban) is holds
