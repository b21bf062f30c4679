"""Samples of what was paid: one seed on one population is one sample; a changed population is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from sons_tracker import law
from sons_tracker.errors import SonsError
from sons_tracker.operations import sample_reading, samples, saved_views
from sons_tracker.operations.actors import LOCAL_ADMIN, Actor
from sons_tracker.operations.sample_reading import SampleView
from sons_tracker.operations.samples import Criteria
from tests import factories_life as life
from tests import factories_lots as bank
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.factories import an_account, an_actor

LAW = law.load().law
NOW = solde.LATER + timedelta(days=90)
PAID = Criteria("line", "paid", NOW, 4, at_least_one=True)


@dataclass(frozen=True, slots=True)
class World:
    """Three orders of two ESSMS whose advance is paid, one of them settled; one that was paid nothing."""

    owner: make.Everything
    reviewer: Actor
    paid: tuple[life.Life, ...]
    settled: life.Life


@pytest.fixture(scope="module")
async def world(module_database: object) -> World:
    await make.prepare_instance()
    owner = make.Everything()
    paid = tuple([await solde.a_paid_advance(owner, 2) for _ in range(2)])
    settled = await solde.a_due_solde(owner, 2)
    await solde.pay(owner, settled, "solde", solde.LATER + timedelta(days=5))
    await life.an_order_with_due_advance(owner, 2)
    return World(owner, await an_actor("reviewer"), (*paid, settled), settled)


async def drawn(world: World, criteria: Criteria = PAID, seed: str = "graine", **by: Actor) -> life.Told:
    told = life.Told()
    await samples.draw_sample(by.get("actor", world.reviewer), criteria, seed, LAW, NOW, make.a_key(), told)
    return told


async def names_of(sample: SampleView) -> list[str]:
    lines = await sample_reading.list_lines(LOCAL_ADMIN, sample.id, 0, 100)
    return [line.order if line.finess is None else f"{line.order}/{line.finess}" for line in lines]


async def test_a_sample_is_of_what_was_paid_and_of_each_stratum(world: World) -> None:
    sample = (await drawn(world)).outcome
    assert (sample.population, sample.size, sample.unit) == (6, 4, "line")
    orders = {order.number for order in world.paid}
    found = await names_of(sample)
    assert {name.split("/")[0] for name in found} == orders
    assert len(sample.strata) == 3  # three editors
    assert all(one["population"] == 2 and one["drawn"] >= 1 for one in sample.strata)
    assert {one["couloir"] for one in sample.strata} == {"MS1"}
    assert sample.population_ttc_cents == 2 * 87_600 * 2 + 2 * 292_000
    assert sample.number.startswith("EC-2023-")


async def test_the_same_seed_gives_the_same_lines_and_another_gives_others(world: World) -> None:
    first, again = (await drawn(world)).outcome, (await drawn(world)).outcome
    assert first.id != again.id
    assert (first.digest, await names_of(first)) == (again.digest, await names_of(again))
    kept = await names_of(first)
    others = [await names_of((await drawn(world, seed=f"graine {n}")).outcome) for n in range(8)]
    assert any(other != kept for other in others)


async def test_orders_settled_lines_and_filters(world: World) -> None:
    whole = (await drawn(world, replace(PAID, unit="order"))).outcome
    assert (whole.population, set(await names_of(whole))) == (3, {order.number for order in world.paid})
    settled = (await drawn(world, replace(PAID, what="settled", size=1))).outcome
    assert settled.population == 2
    assert (await names_of(settled))[0].startswith(world.settled.number)
    editor = world.paid[0].editor.actor.organisation_id
    one = (await drawn(world, replace(PAID, editor=editor, size=9))).outcome
    assert (one.population, one.size) == (2, 2)
    assert (await drawn(world, replace(PAID, tranche="B", couloir="MS1"))).outcome.population == 6


async def test_nothing_to_draw_is_refused_and_malformed_criteria_are_told(world: World) -> None:
    assert "ne répond" in (await drawn(world, replace(PAID, tranche="F"))).messages
    for wrong in (
        replace(PAID, couloir="MS9"),
        replace(PAID, until=NOW + timedelta(seconds=1)),
        replace(PAID, size=2),
    ):
        with pytest.raises(SonsError) as caught:
            await drawn(world, wrong)
        assert caught.value.faults
    before = replace(PAID, until=bank.PREPARED_AT - timedelta(days=1))
    assert "ne répond" in (await drawn(world, before)).messages
    for role in ("payer", "pilot", "admin", "editor"):
        with pytest.raises(SonsError, match="rôle"):
            await drawn(world, actor=await an_actor(role))


async def test_drawing_again_shows_whether_the_population_changed(world: World) -> None:
    kept = (await drawn(world)).outcome
    same = await samples.redraw(LOCAL_ADMIN, kept.id, LAW)
    assert (same.unchanged, same.lost, same.gained) == (True, (), ())
    late = await solde.a_paid_advance(world.owner, 2)  # the bank's answer of that day comes in later
    changed = await samples.redraw(LOCAL_ADMIN, kept.id, LAW)
    assert (changed.unchanged, changed.population) == (False, 8)
    assert changed.digest != kept.digest
    assert {name.split("/")[0] for name in changed.gained} >= {late.number}
    assert (await sample_reading.find_sample(LOCAL_ADMIN, kept.number)).digest == kept.digest


async def test_a_view_is_of_its_person_alone(world: World) -> None:
    mine = await an_account("reviewer", organisation="Agence des vues", siren="732829320")
    hers = await an_account("reviewer", organisation="Agence des vues", siren="732829320")
    assert mine.actor.organisation_id == hers.actor.organisation_id
    told = life.Told()
    for filters in ({"family": "two_orders"}, {"family": "two_grants"}):
        await saved_views.save_view(mine.actor, "À moi", filters, NOW, make.a_key(), told)
    [kept] = await saved_views.list_views(mine.actor)
    assert (kept.name, kept.filters) == ("À moi", {"family": "two_grants"})
    assert await saved_views.list_views(hers.actor) == ()
    theirs = (
        saved_views.find_view(hers.actor, "À moi"),
        saved_views.remove_view(hers.actor, "À moi", NOW, make.a_key(), told),
    )
    for act in theirs:
        with pytest.raises(SonsError, match="Aucune de vos vues"):
            await act
    await saved_views.remove_view(mine.actor, "À moi", NOW, make.a_key(), told)
    assert await saved_views.list_views(mine.actor) == ()
    await saved_views.save_view(mine.actor, "À moi", {}, NOW, make.a_key(), told)
    assert len(await saved_views.list_views(mine.actor)) == 1
    with pytest.raises(SonsError, match="rôle"):
        await saved_views.list_views(await an_actor("editor"))
    journal = await world.owner.fetchval(
        "select count(*) from journal where person_id = $1 and action like 'view.%'", mine.actor.person_id
    )
    assert journal == 4


async def test_a_person_keeps_so_many_views_and_no_more(world: World) -> None:
    actor = await an_actor("pilot")
    told = life.Told()
    for n in range(saved_views.MOST_VIEWS + 1):
        await saved_views.save_view(actor, f"Vue {n}", {}, NOW, make.a_key(), told)
    assert "En retirer une" in str(told.refused.reasons)
