"""The measure on three small nations: it holds, and a family that is switched off makes it fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from fractions import Fraction

import pytest

from sons_tracker import law
from sons_tracker.db import engine
from sons_tracker.db.engine import transaction
from sons_tracker.operations import measures
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.measures import ALL, Measure, Score
from sons_tracker.registers.planted_nation import Nation
from sons_tracker.rules.families import FAMILIES, PATTERNS
from tests.databases import Server

LAW = law.load().law


SEEDS = (1, 2, 3)
any_seed = pytest.mark.parametrize("nation", SEEDS, indirect=True, scope="module")
one_seed = pytest.mark.parametrize("nation", SEEDS[:1], indirect=True, scope="module")


@pytest.fixture(scope="module")
async def nation(request: pytest.FixtureRequest, server: Server, template: str) -> AsyncIterator[Nation]:
    async with server.clone(template) as made:
        await engine.start(made.app_dsn, role=made.app_role)
        try:
            yield await measures.load(made.owner_dsn, request.param, "quick", LAW)
        finally:
            await engine.stop()


@any_seed
async def test_every_bar_is_held(nation: Nation) -> None:
    found = await measures.measure(nation, LAW)
    assert found.holds, found.families
    assert found.near_misses == ()
    assert [score.code for score in found.families] == list(FAMILIES)
    assert [score.code for score in found.patterns] == list(PATTERNS)
    assert all(score.planted for score in (*found.families, *found.patterns))
    for score in found.families:
        assert (score.missed == score.wrong == 0) or score.code == "two_numbers"


@one_seed
@pytest.mark.parametrize("family", FAMILIES)
async def test_a_family_that_is_switched_off_makes_it_fail(nation: Nation, family: str) -> None:
    found = await measures.measure(nation, LAW, without=family)
    assert not found.holds
    failed = [score for score in found.families if not score.holds]
    assert [(score.code, score.found) for score in failed] == [(family, 0)]


@one_seed
async def test_a_measure_leaves_nothing_behind(nation: Nation) -> None:
    first = await measures.measure(nation, LAW)
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        counts = await con.fetchrow(
            "select (select count(*) from conflict), (select count(*) from alert),"
            " (select count(*) from audit_run)"
        )
    assert tuple(counts) == (0, 0, 0)
    again = await measures.measure(nation, LAW)
    assert replace(again, seconds=0) == replace(first, seconds=0)


@one_seed
async def test_the_guards_are_back_after_the_load(nation: Nation) -> None:
    """The load takes triggers and the force of row-level security off, and leaves neither off."""
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        off = await con.fetch(
            "select tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid"
            " where c.relnamespace = 'sons'::regnamespace and t.tgenabled <> 'O'"
        )
        unforced = await con.fetch(
            "select relname from pg_class where relnamespace = 'sons'::regnamespace and relrowsecurity"
            " and not relforcerowsecurity and relname in ('purchase_order', 'order_line', 'claim',"
            " 'cancellation', 'financing_request', 'va', 'va_signature', 'bank_account', 'esms_grant')"
        )
    assert (off, unforced) == ([], [])


def score(planted: int, found: int, wrong: int, bar: Fraction | None = ALL) -> Score:
    return Score("two_orders", "Deux commandes", planted, found, wrong, bar)


@pytest.mark.parametrize(
    ("judged", "holds"),
    [
        (score(10, 10, 0), True),
        (score(10, 9, 0), False),
        (score(10, 10, 1), False),
        (score(10, 9, 1, measures.NINE_IN_TEN), True),
        (score(1000, 899, 0, measures.NINE_IN_TEN), False),
        (score(9, 9, 2, measures.NINE_IN_TEN), False),
        (score(0, 0, 0), False),
        (score(3, 0, 0), False),
        (score(3, 0, 5, None), True),
    ],
)
def test_a_bar_is_compared_exactly(judged: Score, holds: bool) -> None:
    assert judged.holds is holds


def test_a_part_says_what_was_missed_and_what_was_wrong() -> None:
    judged = score(8, 6, 2)
    assert (judged.missed, judged.recall, judged.precision) == (2, Fraction(3, 4), Fraction(3, 4))
    assert (score(0, 0, 0).recall, score(1, 0, 0).precision) == (None, None)


@one_seed
async def test_a_case_with_another_essms_counts_both_ways(nation: Nation) -> None:
    """The truth is an ESSMS of a pair: the right pair with the wrong ESSMS is one missed and one wrong."""
    truth = next(truth for truth in sorted(nation.truths) if truth.family == "two_grants")
    twisted = replace(truth, essms="010000000")
    lying = replace(nation, truths=(nation.truths - {truth}) | {twisted})
    found = await measures.measure(lying, LAW)
    judged = next(score for score in found.families if score.code == "two_grants")
    assert (judged.missed, judged.wrong, judged.holds) == (1, 1, False)


def test_a_measure_holds_when_all_its_families_do() -> None:
    good, bad = score(1, 1, 0), score(1, 0, 0)
    made = Measure(1, 1, 1, 1, (good,), (), 0, (), 0.0)
    assert made.holds
    assert not replace(made, families=(good, bad)).holds
