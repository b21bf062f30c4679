"""Each trigger and policy of the foundation, each guard of the registers, attacked alone and loosened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from sons_tracker.db.engine import RowContext
from sons_tracker.operations.actors import SCHEDULER
from tests.databases import Database
from tests.db.attack import Attack, World, refuses_alone, succeeds_without
from tests.db.foundation_attacks import ATTACKS
from tests.factories import AT, a_finess, a_siren, an_account
from tests.factories_orders import prepare_instance

DAY = "2023-01-03"


def _told() -> dict[str, dict[str, Any]]:
    """One statement of each register."""
    number, og = a_finess(), a_finess()
    return {
        "extraction": {
            "id": str(uuid4()), "register": "establishment", "extracted_on": "2001-01-01", "scope": "stock",
            "format": "x", "file_name": "x", "file_sha256": "\\x" + "00" * 32, "rows_read": 1, "rows_new": 1,
            "rows_changed": 0, "rows_absent": 0, "rows_warned": 0, "imported_at": "2023-01-03T10:00:00Z",
        },
        "extract_mention": {"register": "establishment", "extracted_on": DAY, "row_key": [number]},
        "establishment": {
            "finess_geographique": number, "valid_from": DAY, "finess_juridique": og,
            "name": "ESSMS (fictif)", "category": "500", "aggregate": "4400", "departement": "75",
            "in_service": True,
        },
        "legal_entity": {"finess_juridique": og, "valid_from": DAY, "name": "OG (fictif)", "stub": False},
        "referencing": {
            "solution_version": f"V-{number}", "dispositif": "MS1-V1", "valid_from": DAY,
            "version_label": "1", "solution": f"S-{number}", "solution_name": "Solution (fictive)",
            "solution_kind": "dui",
            "editor_siren": a_siren(), "editor_name": "Éditeur (fictif)", "status": "referenced",
            "complete_file_on": "2022-03-01", "referenced_from": "2022-04-01",
        },
        "distributor": {
            "solution": f"S-{number}", "distributor_siren": a_siren(), "distributes_from": "2022-04-01",
            "valid_from": DAY, "distributor_name": "Distributeur (fictif)",
        },
        "esms_grant": {
            "grant_reference": f"G-{number}", "finess_geographique": number, "valid_from": DAY,
            "call_year": 2022, "project": "acquisition", "components": ["usage"], "state": "agreed",
            "agreed_on": "2022-05-01",
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await prepare_instance()
    ada, rival, agency = await an_account("editor"), await an_account("editor"), await an_account("reviewer")
    gone = await an_account("og")
    home = ada.actor.organisation_id
    mine, past = f"mine-{uuid4()}", f"past-{uuid4()}"
    await owner.execute("update sons.access_token set revoked_at = now() where id = $1", gone.actor.token_id)
    await owner.execute(
        "insert into sons.deadline (rule, object_id, due_at, kind, supplier_id, facts, superseded_at)"
        " values ('R', $1, $3, 'order', $4, '{}', null), ('R', $2, $3, 'order', $4, '{}', $3)",
        mine,
        past,
        AT,
        home,
    )
    await owner.execute(
        "insert into sons.journal (at, organisation_id, role, auth_level, action, object_kind, object_id,"
        " facts) values ($1, $2, 'editor', 'token', 'deadline.seen', 'deadline', $3, '{}')",
        AT,
        home,
        mine,
    )
    await owner.execute(
        "insert into sons.idempotency values ($1, 'k', 'POST x', sha256('a'), 201, 'b')", home
    )
    told = _told()
    for table, row in told.items():
        await owner.execute(
            f"insert into sons.{table} ({', '.join(row)})"
            f" select {', '.join(row)} from jsonb_populate_record(null::sons.{table}, $1)",
            row,
        )
    token = await owner.fetchval(
        "select to_jsonb(t) from sons.access_token t where id = $1", ada.actor.token_id
    )
    granted = ("id", "sha256", "person_id", "organisation_id", "role", "expires_at", "scopes")
    rows: dict[str, dict[str, Any]] = {
        **{f"{table} told": row for table, row in told.items()},
        "access_token live": {"id": str(ada.actor.token_id)},
        "access_token granted": {name: token[name] for name in granted},
        "access_token revoked": {"id": str(gone.actor.token_id)},
        "organisation home": {"id": str(home)},
        "organisation agency": {"id": str(agency.actor.organisation_id)},
        "person ada": {"id": str(ada.actor.person_id)},
        "deadline mine": {"id": mine},
        "deadline past": {"id": past},
    }
    contexts = {
        "editor": ada.actor.context,
        "rival": rival.actor.context,
        "scheduler": SCHEDULER.context,
        "nobody": RowContext(None, "anonymous"),
    }
    yield World(owner, rows, contexts)
    await owner.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)
