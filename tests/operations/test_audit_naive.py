"""The audit in sets finds what a naive loop over the pure rules finds, pair by pair, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date

import asyncpg
import pytest

from sons_tracker import law
from sons_tracker.operations import audit
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.rules.families import FAMILIES
from sons_tracker.rules.parameters import Parameter, required
from sons_tracker.rules.texts import Cell, Law
from tests import factories_orders as make
from tests.databases import Database
from tests.operations.audit_nation import AT, Found, draw, naive

_CASES = """
select k.family, k.pair_key, f.rule, f.outcome, essms
from sons.conflict k join sons.conflict_finding f on f.conflict_id = k.id,
     jsonb_array_elements_text(f.facts -> 'essms') as essms
"""
_ESSMS = """
select k.family, k.pair_key, e.finess_geographique
from sons.conflict k join sons.conflict_essms e on e.conflict_id = k.id
"""


async def in_cases(owner: asyncpg.Connection) -> Found:
    """What the cases of the database say."""
    found: Found = defaultdict(lambda: defaultdict(set))
    for family, key, rule, outcome, number in await owner.fetch(_CASES):
        found[family, key][number].add((rule, outcome))
    return {key: dict(essms) for key, essms in found.items()}


@pytest.mark.parametrize("seed", [1, 2, 5])
async def test_the_sets_find_what_the_loop_finds(database: Database, seed: int) -> None:
    owner = await database.connect_superuser()
    nation = await draw(owner, seed)
    expected = naive(nation, law.load().law)
    assert {family for family, _ in expected} == set(FAMILIES), "a nation that shows nothing of a family"

    result = await audit.run(LOCAL_ADMIN, law.load().law, AT)
    found = await in_cases(owner)
    assert found == expected
    assert result.found == result.opened == len(expected)
    named = defaultdict(set)
    for family, key, number in await owner.fetch(_ESSMS):
        named[family, key].add(number)
    assert named == {key: set(essms) for key, essms in expected.items()}

    # again: nothing is new, nothing is written
    before = await owner.fetchval("select count(*) from sons.conflict_event")
    again = await audit.run(LOCAL_ADMIN, law.load().law, AT)
    assert (again.found, again.opened, again.reopened, again.ceased) == (len(expected), 0, 0, 0)
    assert await in_cases(owner) == expected
    assert await owner.fetchval("select count(*) from sons.conflict_event") == before
    await owner.close()


def another_law(on: date) -> Law:
    """The law of the package, whose crossings say otherwise from a day on."""
    package = law.load().law
    softened = {"fail": "review", "warn": "unknown"}

    def renewed(table: Parameter[tuple[Cell, ...]]) -> Parameter[tuple[Cell, ...]]:
        (version,) = table.versions
        cells = tuple(replace(c, outcome=softened.get(c.outcome, c.outcome)) for c in required(version))
        return replace(table, versions=(version, replace(version, depuis=on, value=cells)))

    vague = package.vagues["V1"]
    changed = replace(
        vague,
        crossing_order=renewed(vague.crossing_order),
        crossing_grant=renewed(vague.crossing_grant),
    )
    return replace(package, vagues={"V1": changed}, crossing_grants=renewed(package.crossing_grants))


async def test_each_pair_is_judged_by_the_law_of_its_own_day(database: Database) -> None:
    owner = await database.connect_superuser()
    nation = await draw(owner, 6)
    other = another_law(date(2023, 3, 1))
    expected = naive(nation, other)
    assert expected != naive(nation, law.load().law)
    await audit.run(LOCAL_ADMIN, other, AT)
    assert await in_cases(owner) == expected
    await owner.close()


async def test_by_parts_the_nation_is_found_whole(database: Database) -> None:
    owner = await database.connect_superuser()
    nation = await draw(owner, 4)
    expected = naive(nation, law.load().law)
    numbers = nation.numbers
    for part in (numbers[:20], numbers[20:40], numbers[40:]):
        await audit.run(LOCAL_ADMIN, law.load().law, AT, part, "import")
    assert await in_cases(owner) == expected
    whole = await audit.run(LOCAL_ADMIN, law.load().law, AT)
    assert (whole.opened, whole.reopened, whole.ceased) == (0, 0, 0)
    assert await make.Everything().fetchval("select count(*) from audit_run") == 4
    await owner.close()
