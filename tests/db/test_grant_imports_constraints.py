"""Each guard of the imports of grants is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sons_tracker.db.engine import RowContext
from tests.databases import Database
from tests.db.attack import (
    CHECK,
    FOREIGN,
    HIDDEN,
    UNIQUE,
    Attack,
    Of,
    World,
    act_as,
    guards_of,
    refuses_alone,
    succeeds_without,
    undone,
)
from tests.factories import a_finess, an_account
from tests.factories_registers import a_grant, imported, rows_file

TABLES = ("grant_import", "grant_anomaly")
OWN = "00000000-0000-4000-8000-000000000017"
WHOLE, PLACE = "grant_import_is_whole", "grant_anomaly_place_positive"


def _import(guard: str, sqlstate: str = CHECK, *lifted: str, by: str = "admin", **changes: Any) -> Attack:
    """Another import, without the anomalies of the first."""
    new = {"id": OWN, "anomalies": 0, **changes}
    return Attack(guard, sqlstate, by, "grant_import first", new, lifted=lifted)


def _anomaly(guard: str, sqlstate: str = CHECK, *, by: str = "admin", **changes: Any) -> Attack:
    """One more anomaly of the import, told by a line that is none of its own."""
    return Attack(guard, sqlstate, by, "grant_anomaly first", {"rank": 9, **changes}, note=str(changes)[:20])


ATTACKS = (
    _import("grant_import_pkey", UNIQUE, WHOLE, "grant_anomaly_import_fkey",
            id=Of("grant_import first", "id")),
    _import("grant_import_scope_known", scope="tout"),
    _import("grant_import_file_sha256_length", file_sha256="\\x0f"),
    _import("grant_import_takes_a_row", CHECK, "grant_import_partial_is_no_stock", WHOLE,
            rows_set_aside=1, rows_read=1, anomalies=1),
    _import("grant_import_takes_a_row", CHECK, "grant_import_partial_is_no_stock", rows_set_aside=-1),
    _import("grant_import_partial_is_no_stock", CHECK, WHOLE, scope="stock", rows_set_aside=1, anomalies=1),
    _import("grant_import_says_why", scope="extrait", rows_set_aside=1),
    _import(WHOLE, "SN170", anomalies=1),
    _import("grant_import_made", HIDDEN, by="reviewer"),
    _anomaly("grant_anomaly_pkey", UNIQUE, rank=1),
    _anomaly("grant_anomaly_import_fkey", FOREIGN, import_id=OWN),
    _anomaly(PLACE, rank=0),
    _anomaly(PLACE, line=0),
    _anomaly("grant_anomaly_severity_known", severity="grave"),
    _anomaly("grant_anomaly_says_something", message=" "),
    _anomaly("grant_anomaly_says_something", code=""),
    _anomaly("grant_anomaly_finess_form", finess_geographique="12"),
    _anomaly("grant_anomaly_made", HIDDEN, by="payer"),
    Attack("grant_import_append_only", "SN010", None,
           statements=("update sons.grant_import set rows_read = 9 where id = {grant_import first}",)),
    Attack("grant_anomaly_append_only", "SN010", None,
           statements=("update sons.grant_anomaly set message = 'rien'",)),
    Attack("grant_import_never_deleted", "SN010", None, lifted=("grant_anomaly_import_fkey",),
           statements=("delete from sons.grant_import where id = {grant_import first}",)),
    Attack("grant_anomaly_never_deleted", "SN010", None, statements=("delete from sons.grant_anomaly",)),
    Attack("grant_import_never_truncated", "SN010", None, statements=("truncate sons.grant_import",)),
    Attack("grant_anomaly_never_truncated", "SN010", None, statements=("truncate sons.grant_anomaly",)),
    Attack("grant_import_seen", None, "og", statements=("select count(*) from sons.grant_import",)),
    Attack("grant_anomaly_seen", None, "og", statements=("select count(*) from sons.grant_anomaly",)),
)  # fmt: skip


@pytest.fixture(scope="module")
async def world(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    folder: Path = tmp_path_factory.mktemp("grants")
    rows = [a_grant(a_finess()), a_grant(a_finess(), call_year=2021, requested_on="2021-04-01")]
    await imported(rows_file(folder, "grants", rows), extracted_on=date(2023, 2, 1))
    found: dict[str, dict[str, Any]] = {}
    for table in TABLES:
        found[f"{table} first"] = await owner.fetchval(f"select to_jsonb(t) from sons.{table} t limit 1")
    contexts = {role: (await an_account(role)).actor.context for role in ("admin", "reviewer", "payer", "og")}
    yield World(owner, found, contexts | {"anonymous": RowContext(None, "anonymous")})
    await owner.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_these_tables_is_attacked(world: World) -> None:
    assert await guards_of(world.owner, TABLES) == {attack.guard for attack in ATTACKS}


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_may_not_change_what_was_written(world: World, table: str) -> None:
    for right in ("update", "delete", "truncate", "references", "trigger"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
        assert not allowed, right


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("viewer", ["admin", "reviewer", "payer", "og", "anonymous"])
@pytest.mark.parametrize("table", TABLES)
async def test_who_reads_these_rows(world: World, table: str, viewer: str) -> None:
    async with undone(world.owner):
        await act_as(world.owner, world.contexts[viewer])
        seen = await world.owner.fetchval(f"select count(*) from sons.{table}")
        assert (seen > 0) is (viewer in {"admin", "reviewer", "payer"})
