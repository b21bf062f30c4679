"""Each guard of conflicts and their outcomes is attacked alone; loosened, it lets the attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext
from sons_tracker.operations import conflict_decisions, conflict_steps
from sons_tracker.operations.actors import SCHEDULER
from sons_tracker.operations.conflict_reading import ConflictView
from sons_tracker.operations.conflict_steps import Asked
from sons_tracker.rules import lifecycle
from tests import factories_disputes as make_case
from tests import factories_life as lives
from tests import factories_orders as make
from tests.databases import Database
from tests.db import outcome_attacks
from tests.db.attack import Attack, World, act_as, guards_of, refuses_alone, succeeds_without, undone
from tests.db.conflict_attacks import ATTACKS, NOT_ATTACKED, OPENINGS, TABLES
from tests.factories import AT, Account, an_account
from tests.factories_conflicts import a_conflict
from tests.factories_disputes import LAW, Dispute, a_dispute, decided_against, heard, propose, view_of
from tests.factories_endings import an_order_in_lot, lapse
from tests.factories_life import Told

EVERY = (*ATTACKS, *outcome_attacks.ATTACKS)
_KEY_OF_CASE = {"conflict": "id"}


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await make.prepare_instance()
    seen = make.Everything()
    ars = await an_account("ars")
    cases = await _cases(seen, ars)
    rows: dict[str, dict[str, Any]] = {}
    contexts = {
        **{role: (await an_account(role)).actor.context for role in ("reviewer", "payer", "pilot", "admin")},
        "scheduler": SCHEDULER.context,
        "asked ars": ars.actor.context,
        "decided ars": ars.actor.context,
        "rival": (await an_account("editor")).actor.context,
        "rival og": (await an_account("og")).actor.context,
        "rival ars": (await an_account("ars")).actor.context,
        "anonymous": RowContext(None, "anonymous"),
    }
    for name, case in cases.items():
        contexts |= {
            f"{name} holder": case.holder.editor.actor.context,
            f"{name} refused": case.refused.editor.actor.context,
            f"{name} og": case.holder.og.actor.context,
        }
        rows |= await _rows(owner, name, case.conflict_id)
        rows[f"order {name} holder"] = {"id": str(case.holder.order_id)}
        rows[f"order {name} refused"] = {"id": str(case.refused.order_id)}
    contexts["choice og as editor"] = replace(contexts["choice og"], role="editor")
    rows["rival"] = {"organisation_id": str(contexts["rival"].organisation_id)}
    rows["second"] = {"person_id": str((await an_account("reviewer")).actor.person_id)}
    uncontested = await make_case.a_refused_order(seen, await lives.a_deposited_order(seen))
    one = await a_conflict("perimeter_differs", uncontested.order_id, essms=uncontested.essms[:1])
    rows |= await _rows(owner, "alone", one.id)
    in_fresh = {"conflict_id": str(cases["fresh"].conflict_id)}
    rows["conflict_side spare"] = rows["conflict_side fresh 2"] | {"conflict_id": str(one.id)}
    rows["conflict_question spare"] = rows["conflict_question asked"] | in_fresh
    rows["conflict_decision spare"] = rows["conflict_decision proposed"] | in_fresh
    lapsed, unheard = await lives.a_deposited_order(seen), await lives.an_order_with_due_advance(seen)
    await lapse(lapsed)
    for name, order in (("lapsed", lapsed), ("unheard", unheard), ("uncontested", uncontested)):
        rows[f"order {name}"] = {"id": str(order.order_id)}
    contexts |= {
        "uncontested": uncontested.editor.actor.context,
        "uncontested og": uncontested.og.actor.context,
    }
    yield World(owner, rows, contexts)
    await owner.close()


async def _cases(seen: make.Everything, ars: Account) -> dict[str, Dispute]:
    due, partial = [await lives.an_order_with_due_advance(seen, essms) for essms in (2, 3)]
    in_lot, *_ = await an_order_in_lot(seen)
    cases = {
        "fresh": await a_dispute(seen),
        "asked": await a_dispute(seen),
        "heard": await heard(await a_dispute(seen)),
        "corrected": await heard(await a_dispute(seen)),
        "choice": await a_dispute(seen),
        "proposed": await heard(await a_dispute(seen, essms=4)),
        "decided": await heard(await a_dispute(seen)),
        "lost": await decided_against(await heard(await a_dispute(seen)), 2),
        "closed": await a_dispute(seen),
        "due": await decided_against(await heard(await a_dispute(seen, holder=due)), 1),
        "partial": await decided_against(await heard(await a_dispute(seen, holder=partial, shared=1)), 1),
        "in_lot": await decided_against(await heard(await a_dispute(seen, holder=in_lot)), 1),
    }
    await make_case.ask_precisions(cases["asked"])
    for name in ("asked", "decided"):
        await _opinion(cases[name], ars)
    await decided_against(cases["decided"], 1)
    await _correction(cases["corrected"])
    await _choice(cases["choice"])
    assert isinstance((await propose(cases["proposed"], "one_refused", 1)).outcome, ConflictView)
    await propose(cases["closed"], "maintained")
    await make_case.execute(cases["closed"])
    actor, told = cases["closed"].reviewer.actor, Told()
    await conflict_decisions.close(actor, cases["closed"].conflict_id, AT, make.a_key(), told)
    states = {name: (await view_of(case)).state for name, case in cases.items()}
    assert states == {
        "fresh": "open", "asked": "precisions_asked", "heard": "precisions_asked",
        "corrected": "precisions_asked", "choice": "og_choice", "proposed": "precisions_asked",
        "decided": "decided", "lost": "decided", "closed": "closed", "due": "decided", "partial": "decided",
        "in_lot": "decided",
    }  # fmt: skip
    return cases


async def _opinion(case: Dispute, ars: Account) -> None:
    assert ars.actor.organisation_id is not None
    asked = Asked("Quel logiciel est en place ?")
    await conflict_steps.ask_opinion(
        case.reviewer.actor, case.conflict_id, ars.actor.organisation_id, asked, LAW, AT, make.a_key(), Told()
    )


async def _correction(case: Dispute) -> None:
    asked = Asked("La lettre manque.", (await view_of(case)).questions[0].id, "incomplete")
    await conflict_steps.ask_correction(
        case.reviewer.actor, case.conflict_id, asked, LAW, AT, make.a_key(), Told()
    )


async def _choice(case: Dispute) -> None:
    asked = Asked("Laquelle gardez-vous ?")
    await conflict_steps.ask_choice(
        case.reviewer.actor, case.conflict_id, asked, LAW, AT, make.a_key(), Told()
    )


async def _rows(owner: asyncpg.Connection, name: str, conflict_id: UUID) -> dict[str, dict[str, Any]]:
    """The first row of the case in each table, and both its sides."""
    rows: dict[str, dict[str, Any]] = {}
    for table, order in (
        ("conflict", "id"),
        ("conflict_side", "side"),
        ("conflict_essms", "finess_geographique"),
        ("conflict_finding", "id"),
        ("conflict_event", "id"),
        ("conflict_question", "kind = 'opinion', side, asked_at, id"),
        ("conflict_decision", "proposed_at, id"),
    ):
        key = _KEY_OF_CASE.get(table, "conflict_id")
        found = await owner.fetch(
            f"select to_jsonb(t) from sons.{table} t where {key} = $1 order by {order}", conflict_id
        )
        if found:
            rows[f"{table} {name}"] = found[0][0]
        if table == "conflict_side":
            rows |= {f"conflict_side {name} {row[0]['side']}": row[0] for row in found}
    return rows


@pytest.mark.parametrize("attack", EVERY, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", EVERY, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_these_tables_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES)
    attacked = {attack.guard for attack in ATTACKS}
    assert guards - attacked - set(NOT_ATTACKED) - OPENINGS == set(), "a guard without an attack"
    assert set(NOT_ATTACKED) <= guards - attacked, "an exception that excuses nothing"
    assert attacked <= guards


async def test_the_lifecycle_is_the_same_in_the_rules_and_in_the_database(world: World) -> None:
    moves = {tuple(row) for row in await world.owner.fetch("select * from sons.conflict_transition")}
    assert moves == {
        (move.before, move.after, move.event, role)
        for move in lifecycle.CONFLICT_TRANSITIONS
        for role in move.roles
    }


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_may_not_change_what_was_written(world: World, table: str) -> None:
    for right in ("update", "delete", "truncate", "references", "trigger"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
        assert not allowed, right


_CONTEST = (
    "select count(*) from sons.open_contest({order}, '2023-03-02Z', 'Contesté.', 'R05', 'Attendre.',"
    " (select digest from sons.law_enactment limit 1), '2023-03-02')"
)


async def _contest(world: World, viewer: str, order: str) -> int:
    """How many cases a contest opens, or finds."""
    await act_as(world.owner, world.contexts[viewer])
    found: int = await world.owner.fetchval(_CONTEST.format(order=f"'{world.rows[f'order {order}']['id']}'"))
    return found


_WITHOUT = {
    "conflict_side_contested": asyncpg.InsufficientPrivilegeError,
    "conflict_essms_contested": asyncpg.InsufficientPrivilegeError,
    "conflict_finding_contested": asyncpg.InsufficientPrivilegeError,
    "conflict_recalled": asyncpg.UniqueViolationError,  # what stands already is not found
}


@pytest.mark.parametrize("opening", sorted(OPENINGS))
async def test_a_contest_works_through_each_opening_of_its_function(world: World, opening: str) -> None:
    order = "fresh refused" if opening == "conflict_recalled" else "uncontested"
    async with undone(world.owner):
        assert await _contest(world, order, order) == 1
    async with undone(world.owner):
        table = await world.owner.fetchval("select tablename from pg_policies where policyname = $1", opening)
        await world.owner.execute(f"drop policy {opening} on sons.{table}")
        if opening in _WITHOUT:
            with pytest.raises(_WITHOUT[opening]):
                await _contest(world, order, order)
        else:
            assert await _contest(world, order, order) == 0


@pytest.mark.parametrize(
    ("viewer", "order", "opened"),
    [
        ("uncontested", "uncontested", 1),
        ("uncontested og", "uncontested", 1),
        ("rival", "uncontested", 0),
        ("rival og", "uncontested", 0),
        ("reviewer", "uncontested", 0),
        ("scheduler", "uncontested", 0),
        ("fresh holder", "fresh refused", 0),
        ("fresh refused", "fresh refused", 1),
        ("fresh holder", "fresh holder", 0),
    ],
)
async def test_only_a_party_contests_a_refusal_of_its_own(
    world: World, viewer: str, order: str, opened: int
) -> None:
    async with undone(world.owner):
        assert await _contest(world, viewer, order) == opened


_AGENCIES = {"reviewer", "payer", "pilot", "admin", "scheduler"}
_PARTIES = {"decided holder", "decided refused", "decided og"}
_READERS = {
    "conflict decided": _AGENCIES | _PARTIES | {"decided ars"},
    "conflict_essms decided": _AGENCIES | _PARTIES | {"decided ars"},
    "conflict_side decided 1": _AGENCIES | {"decided holder", "decided og"},
    "conflict_side decided 2": _AGENCIES | {"decided refused", "decided og"},
    "conflict_finding decided": _AGENCIES | {"decided og"},
    # the first of its history: its own contest
    "conflict_event decided": _AGENCIES | {"decided refused", "decided og"},
    # the first asked: precisions, of the holder; the client is told that its suppliers are asked, not what
    "conflict_question decided": _AGENCIES | {"decided holder"},
    "conflict_decision decided": _AGENCIES | _PARTIES,
    "conflict_decision proposed": _AGENCIES,
}


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize(
    "viewer",
    [
        *sorted(_AGENCIES), *sorted(_PARTIES), "decided ars", "proposed holder", "proposed og",
        "fresh holder", "rival", "rival og", "rival ars", "anonymous",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", _READERS)
async def test_who_reads_which_row_of_a_case(world: World, name: str, viewer: str) -> None:
    table, row = name.split(maxsplit=1)[0], world.rows[name]
    keys = [key for key in ("id", "conflict_id", "side", "finess_geographique") if key in row]
    where = " and ".join(f"{key}::text = ${place}" for place, key in enumerate(keys, start=1))
    async with undone(world.owner):
        await act_as(world.owner, world.contexts[viewer])
        seen = await world.owner.fetchval(
            f"select count(*) from sons.{table} where {where}", *(str(row[key]) for key in keys)
        )
        assert (seen > 0) is (viewer in _READERS[name])
