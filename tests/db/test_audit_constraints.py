"""Each guard of the audit's runs is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sons_tracker import law
from sons_tracker.operations import audit, audit_touches
from sons_tracker.operations.actors import SCHEDULER
from tests import factories_orders as make
from tests.databases import Database
from tests.db.attack import Attack, World, guards_of, refuses_alone, succeeds_without
from tests.db.audit_attacks import ATTACKS, ELSEWHERE, TABLES
from tests.factories import AT, an_account

_TOUCH = "select to_jsonb(t) from sons.audit_touch t where run_id is {state}"


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await make.prepare_instance()
    everything = make.Everything()
    editor, request, _ = await make.an_accepted_order(everything)
    await make.a_grant(everything, request.essms[0].finess, solution="AUTRE")
    reviewer, og = await an_account("reviewer"), await an_account("og")
    result = await audit.run(reviewer.actor, law.load().law, AT, families=("order_grant", "two_orders"))
    assert result.opened == 1
    case = await owner.fetchval("select id from sons.conflict")
    assert len(await audit_touches.examine_touched(law.load().law, AT)) == 1
    await make.an_accepted_order(everything)
    decided = await owner.fetchval(
        "insert into sons.conflict_decision (id, conflict_id, outcome, refused, template, motivation, notice,"
        " sources, case_version, at_stake_ttc_cents, four_eyes, law_digest, proposed_at, proposed_by)"
        " values (gen_random_uuid(), $1, 'dismissed', '{}', 't', 'm', 'n', 's', 1, 0, false, $2, $3, $4)"
        " returning to_jsonb(conflict_decision)",
        case,
        law.load().law.digest,
        AT,
        reviewer.actor.person_id,
    )
    rows = {
        "audit_run first": await owner.fetchval("select to_jsonb(r) from sons.audit_run r"),
        "audit_family first": await owner.fetchval(
            "select to_jsonb(f) from sons.audit_family f where family = 'order_grant'"
        ),
        "conflict_decision stands": decided,
        "audit_touch examined": await owner.fetchval(_TOUCH.format(state="not null")),
        "audit_touch waiting": await owner.fetchval(_TOUCH.format(state="null")),
        "purchase_order other": await owner.fetchval("select to_jsonb(o) from sons.purchase_order o limit 1"),
    }
    contexts = {
        "reviewer": reviewer.actor.context,
        "pilot": (await an_account("pilot")).actor.context,
        "admin": (await an_account("admin")).actor.context,
        "supplier": editor.actor.context,
        "scheduler": SCHEDULER.context,
        "og": og.actor.context,
    }
    yield World(owner, rows, contexts)
    await owner.close()


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_these_tables_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES)
    attacked = {attack.guard for attack in ATTACKS}
    assert guards - attacked == set(), "a guard without an attack"
    assert attacked - guards == ELSEWHERE
