"""Alerts over real files: each pattern beside its honest neighbour, again, dismissed; nothing decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from sons_tracker import law
from sons_tracker.errors import SonsError
from sons_tracker.operations import alert_reading, alerts
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER, Actor
from sons_tracker.operations.alert_reading import AlertFilter, AlertView
from sons_tracker.operations.alerts import AlertRun
from sons_tracker.operations.signatures import Signer
from sons_tracker.rules.families import PATTERNS
from sons_tracker.rules.va_statement import VA_CONSENT
from tests import factories_life as life
from tests import factories_orders as make
from tests import factories_solde as va
from tests import factories_suppliers as suppliers
from tests.databases import Database
from tests.db.attack import undone
from tests.factories import AT, an_account, an_actor

SUNDAY = datetime.fromisoformat("2023-03-05T10:00:00+01:00")
NIGHT = datetime.fromisoformat("2023-03-02T23:30:00+01:00")
LATER = AT + timedelta(days=60)
NAMES = ("Élodie Saint-Jean", "ELODIE SAINT JEAN", "Elodie Saint-Jean")


@dataclass(frozen=True, slots=True)
class World:
    """What is to be seen, by pattern: the key facts by which a test knows its alert again."""

    owner: make.Everything
    reviewer: Actor
    near: str
    far: str
    grown: str
    steady: str
    signers: frozenset[str]
    accounts: frozenset[UUID]
    sunday: str
    night: str
    early: str
    grants: tuple[str, str]


async def order_of(owner: make.Everything, essms: int, at: datetime = AT, **changes: Any) -> tuple[str, str]:
    """The FINESS juridique and the number of an order of one ESSMS of an OG that has so many."""
    og, numbers = await make.an_og(owner, essms)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    view = await make.deposit(editor.actor, make.a_request(og, numbers[:1], solution, **changes), at)
    assert view.identity is not None
    return og, view.identity.number


async def an_application(
    owner: make.Everything, finess: str, call: str, reference: str, **changes: Any
) -> str:
    """An application to a call, requested."""
    row: dict[str, Any] = {
        "grant_reference": reference, "finess_geographique": finess, "valid_from": date(2022, 1, 3),
        "call_year": 2022, "project": "acquisition", "call": call, "components": ["usage"],
        "state": "requested", "requested_on": date(2022, 4, 1), **changes,
    }  # fmt: skip
    holders = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    await owner.execute(f"insert into esms_grant ({', '.join(row)}) values ({holders})", *row.values())
    return reference


async def an_essms_more(owner: make.Everything, og: str, number: str) -> None:
    await owner.execute(
        "insert into establishment (finess_geographique, valid_from, finess_juridique, name, category,"
        " aggregate, departement, in_service)"
        " values ($1, '2023-01-03', $2, 'Fictif', '500', '4400', '75', true)",
        number,
        og,
    )


@pytest.fixture(scope="module")
async def world(module_database: Database) -> World:
    await make.prepare_instance()
    owner = make.Everything()
    await make.an_extraction(owner, on=date(2023, 1, 3))
    near, _ = await order_of(owner, 10)
    far, _ = await order_of(owner, 7)
    grown, _ = await order_of(owner, 10)
    await an_essms_more(owner, grown, make.a_finess())
    steady, _ = await order_of(owner, 6)
    await an_essms_more(owner, steady, make.a_finess())
    signed = []
    for name in NAMES:
        order = await va.a_paid_advance(owner, 1)
        await va.prepare(order)
        await va.sign(order, signer=Signer(name, "Directrice générale", VA_CONSENT))
        signed.append(str(order.request.og))
    alone = await va.a_paid_advance(owner, 1)
    await va.prepare(alone)
    await va.sign(alone, signer=Signer("Paul Seul (fictif)", "Directeur", VA_CONSENT))
    numbers = suppliers.some_numbers()
    sharing = [await an_account("editor") for _ in range(2)]
    for one in sharing:
        await suppliers.a_solution_of(one)
        await suppliers.change_asked(one, numbers)
    company = await an_account("editor")
    both = suppliers.some_numbers()
    for one in (company, await an_account("distributor", siren=company.siren)):
        await suppliers.change_asked(one, both)
    given_up = suppliers.some_numbers()
    for one in [await an_account("editor") for _ in range(2)]:
        told = await suppliers.change_asked(one, given_up)
    await suppliers.change_stopped(one, suppliers.organisation_of(one), told.view.changes[0].id)
    _, sunday = await order_of(owner, 3, SUNDAY)
    _, night = await order_of(owner, 3, NIGHT)
    young, early = await order_of(owner, 3)
    await owner.execute(
        "insert into legal_entity (finess_juridique, valid_from, name, stub, created_on)"
        " values ($1, '2022-06-30', 'OG de test (fictif)', false, $2)",
        young,
        make.SIGNED_ON + timedelta(days=1),
    )
    old, _ = await order_of(owner, 3)
    await owner.execute(
        "insert into legal_entity (finess_juridique, valid_from, name, stub, created_on)"
        " values ($1, '2022-06-30', 'OG de test (fictif)', false, $2)",
        old,
        make.SIGNED_ON,
    )
    _, places = await make.an_og(owner, 3)
    grants = (
        await an_application(owner, places[0], "regional", "REG-1"),
        await an_application(owner, places[0], "national", "NAT-1"),
    )
    await an_application(owner, places[1], "regional", "REG-2")
    rejected = {"state": "rejected", "rejected_on": date(2022, 6, 1)}
    await an_application(owner, places[1], "national", "NAT-2", **rejected)
    await an_application(owner, places[2], "regional", "REG-3", call_year=2021)
    await an_application(owner, places[2], "national", "NAT-3")
    shared = frozenset(suppliers.organisation_of(one) for one in sharing)
    return World(
        owner, await an_actor("reviewer"), near, far, grown, steady, frozenset(signed), shared, sunday, night,
        early, grants,
    )  # fmt: skip


async def raised(at: datetime = LATER, actor: Actor = SCHEDULER) -> AlertRun:
    return await alerts.raise_all(actor, law.load().law, at)


async def seen(world: World, pattern: str, **narrowed: Any) -> list[AlertView]:
    page = await alert_reading.list_alerts(
        world.reviewer, AlertFilter(pattern=pattern, **narrowed), None, 1000
    )
    return list(page.alerts)


async def dismissed(world: World, alert: AlertView, at: datetime = LATER) -> life.Told:
    told = life.Told()
    await alerts.dismiss(world.reviewer, alert.id, "Vu, rien d'anormal.", at, make.a_key(), told)
    return told


async def test_each_pattern_sees_its_own_and_leaves_its_neighbour(world: World) -> None:
    run = await raised()
    assert set(run.new) == set(PATTERNS)
    near = await seen(world, "tranche_threshold")
    assert {world.near, world.grown} <= {og for one in near for og in one.ogs}
    assert world.far not in {og for one in near for og in one.ogs}
    changed = {og for one in await seen(world, "tranche_changes") for og in one.ogs}
    assert world.grown in changed
    assert not {world.steady, world.near} & changed
    [signer] = await seen(world, "one_signer_many_og")
    assert set(signer.ogs) == world.signers
    assert {kind for kind, _ in signer.subjects} == {"va"}
    [account] = await seen(world, "one_account_two_suppliers")
    assert {supplier for supplier, _ in account.suppliers} == world.accounts
    assert len(account.facts["ending"]) == 4
    out = {name for one in await seen(world, "out_of_hours") for _, name in one.subjects}
    assert {world.sunday, world.night} <= out
    assert world.early not in out
    assert [one.subjects for one in await seen(world, "before_og_existed")] == [(("order", world.early),)]
    [both] = await seen(world, "two_applications")
    assert tuple(name for kind, name in both.subjects if kind == "grant") == world.grants


async def test_a_second_run_doubles_nothing(world: World) -> None:
    await raised()
    before = {one.id: one.number for code in PATTERNS for one in await seen(world, code)}
    again = await raised(LATER + timedelta(days=1))
    assert (sum(again.new.values()), again.ceased, again.returned) == (0, 0, 0)
    assert {one.id: one.number for code in PATTERNS for one in await seen(world, code)} == before
    [one] = await seen(world, "two_applications")
    assert one.last_raised_at == LATER + timedelta(days=1)


async def test_what_is_no_longer_seen_ceases_and_comes_back(world: World) -> None:
    at = LATER + timedelta(days=2)
    await raised(at)
    reference = world.grants[1]
    # the next statement of the register says that the application was withdrawn
    await world.owner.execute(
        "update esms_grant set valid_to = $2 where grant_reference = $1", reference, at.date()
    )
    run = await raised(at + timedelta(days=1))
    assert run.ceased == 1
    [one] = await seen(world, "two_applications")
    assert (one.state, one.ceased_at) == ("ceased", at + timedelta(days=1))
    assert await seen(world, "two_applications", state="open") == []
    assert (await dismissed(world, one, at + timedelta(days=1))).refused.event == "alert.refused"
    await world.owner.execute("update esms_grant set valid_to = null where grant_reference = $1", reference)
    run = await raised(at + timedelta(days=2))
    assert (run.returned, sum(run.new.values())) == (1, 0)
    assert (await seen(world, "two_applications"))[0].state == "open"


async def test_a_dismissed_alert_stays_so_until_it_says_something_else(world: World) -> None:
    at = LATER + timedelta(days=10)
    await raised(at)
    [alert] = [one for one in await seen(world, "tranche_changes") if one.ogs == (world.grown,)]
    told = await dismissed(world, alert, at)
    assert told.outcome.state == "dismissed"
    assert "déjà écartée" in (await dismissed(world, alert, at)).messages
    assert (await raised(at + timedelta(days=1))).reopened == ()
    [kept] = [one for one in await seen(world, "tranche_changes") if one.ogs == (world.grown,)]
    assert (kept.state, kept.dismiss_reason) == ("dismissed", "Vu, rien d'anormal.")
    await an_essms_more(world.owner, world.grown, make.a_finess())
    run = await raised(at + timedelta(days=2))
    assert run.reopened == (alert.number,)
    [again] = [one for one in await seen(world, "tranche_changes") if one.ogs == (world.grown,)]
    assert (again.id, again.state, again.dismissed_by) == (alert.id, "open", None)
    actions = await world.owner.fetch(
        "select action from journal where object_id = $1 order by id", str(alert.id)
    )
    assert [row["action"] for row in actions] == ["alert.dismissed", "alert.refused"]


async def test_who_raises_who_dismisses_who_reads(world: World) -> None:
    for role in ("editor", "og", "ars", "payer", "pilot"):
        with pytest.raises(SonsError, match="rôle"):
            await raised(actor=await an_actor(role))
    for role in ("editor", "og", "ars"):
        with pytest.raises(SonsError, match="rôle"):
            await alert_reading.list_alerts(await an_actor(role), AlertFilter(), None, 1)
    [one] = await seen(world, "two_applications")
    with pytest.raises(SonsError, match="rôle"):
        await alerts.dismiss(await an_actor("payer"), one.id, "Non.", LATER, make.a_key(), life.Told())
    with pytest.raises(SonsError, match="Aucune alerte"):
        await alerts.dismiss(world.reviewer, UUID(int=1), "Non.", LATER, make.a_key(), life.Told())
    assert await alert_reading.resolve_alert(LOCAL_ADMIN, one.number) == one.id


async def test_an_account_is_compared_by_who_finds_and_shown_to_nobody(
    world: World, module_database: Database
) -> None:
    """`shared_accounts()` answers the finders alone, and never a number."""
    owner = await module_database.connect_superuser()
    finders = ("reviewer", "scheduler", "admin")
    for role in (*finders, "payer", "editor", ""):
        async with undone(owner):
            await owner.execute("set local role sons_app")
            await owner.execute("select set_config('sons.role', $1, true)", role)
            rows = await owner.fetch("select * from sons.shared_accounts()")
            assert bool(rows) is (role in finders), role
            assert {key for row in rows for key in dict(row)} <= {"account_id", "ending", "suppliers"}
    async with undone(owner):
        await owner.execute("drop policy bank_account_compared on sons.bank_account")
        await owner.execute("set local role sons_app")
        await owner.execute("select set_config('sons.role', 'reviewer', true)")
        assert await owner.fetch("select * from sons.shared_accounts()") == []
    async with undone(owner):
        await owner.execute("drop policy bank_account_change_compared on sons.bank_account_change")
        await owner.execute("set local role sons_app")
        await owner.execute("select set_config('sons.role', 'reviewer', true)")
        assert await owner.fetch("select * from sons.shared_accounts()") == []
    await owner.close()


_ITS_OWN = {"alert", "journal"}


async def _tables(owner: asyncpg.Connection) -> dict[str, str]:
    names = await owner.fetch(
        "select relname from pg_class where relnamespace = 'sons'::regnamespace and relkind = 'r'"
    )
    return {
        row["relname"]: await owner.fetchval(
            f"select coalesce(md5(string_agg(md5(t::text), '' order by md5(t::text))), '')"
            f" from sons.{row['relname']} t"
        )
        for row in names
        if row["relname"] not in _ITS_OWN
    }


async def test_raising_and_dismissing_every_alert_changes_no_other_table(
    world: World, module_database: Database
) -> None:
    owner = await module_database.connect_superuser()
    await owner.execute("update sons.alert set ceased_at = last_raised_at where ceased_at is null")
    before = await _tables(owner)
    run = await raised(LATER + timedelta(days=30), LOCAL_ADMIN)
    assert run.returned + sum(run.new.values()) >= len(PATTERNS)
    assert await _tables(owner) == before
    [one] = await seen(world, "two_applications")
    await dismissed(world, one, LATER + timedelta(days=30))
    after = await _tables(owner)
    assert {name for name in after if after[name] != before[name]} == {"idempotency"}
    await owner.close()


async def test_nothing_refers_to_these_tables_and_they_refer_to_no_state(module_database: Database) -> None:
    owner = await module_database.connect_superuser()
    ours = {"alert", "saved_view", "sample", "sample_line"}
    keys = await owner.fetch(
        "select conrelid::regclass::text as source, confrelid::regclass::text as target from pg_constraint"
        " where contype = 'f' and connamespace = 'sons'::regnamespace"
    )
    links = {(row["source"].removeprefix("sons."), row["target"].removeprefix("sons.")) for row in keys}
    assert {(source, target) for source, target in links if target in ours} == {("sample_line", "sample")}
    aimed = {target for source, target in links if source in ours}
    assert aimed == {"person", "membership", "sample", "purchase_order", "order_line"}
    bodies = await owner.fetch(
        "select p.proname, p.prosrc from pg_trigger t join pg_proc p on p.oid = t.tgfoid"
        " where t.tgrelid::regclass::text = any($1)",
        [f"sons.{name}" for name in ours],
    )
    assert bodies
    for row in bodies:
        assert not any(
            word in row["prosrc"].lower() for word in ("insert into", "update sons", "delete from")
        )
    readers = await owner.fetch(
        "select proname, prosrc from pg_proc where pronamespace = 'sons'::regnamespace and prosrc ~* $1",
        r"sons\.(alert|saved_view|sample)\M",
    )
    assert {row["proname"] for row in readers} <= {"guard_sample_lines", "guard_sample_drawn"}
    await owner.close()
