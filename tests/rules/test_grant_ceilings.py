"""The ceilings that a file is checked by are those of the estimate of a project."""

from __future__ import annotations

from datetime import date

import pytest

from sons_tracker.errors import SonsError
from sons_tracker.law import load
from sons_tracker.rules.grants import Ceiling, ceilings, estimate

LAW = load().law
KNOWN_ON = date(2025, 6, 1)
FOUND = ceilings(LAW.calls, KNOWN_ON)
COMPONENTS = ("usage", "equipment", "hardware", "amoa")


def most(ceiling: Ceiling, essms: int) -> int:
    """What the ceiling allows for a project."""
    if ceiling.threshold == 0:
        return ceiling.first_cents
    beyond = max(essms - ceiling.threshold, 0)
    return (essms - beyond) * ceiling.first_cents + beyond * ceiling.beyond_cents


@pytest.mark.parametrize("essms", [1, 14, 15, 49, 50, 64])
@pytest.mark.parametrize("referenced", [True, False])
@pytest.mark.parametrize("project", ["acquisition", "upgrade"])
@pytest.mark.parametrize("year", [2022, 2025])
def test_an_official_call_allows_what_the_estimate_says(
    year: int, project: str, referenced: bool, essms: int
) -> None:
    found = {
        c.component: most(c, essms)
        for c in FOUND
        if (c.year, c.project, c.referenced) == (year, project, referenced)
    }
    assert set(found) == set(COMPONENTS)
    try:
        wanted = estimate(
            LAW.calls,
            year=year,
            project=project,
            essms=essms,
            known_on=KNOWN_ON,
            referenced=referenced,
            small_og=essms < 15,
        )
    except SonsError:
        # refused as a whole: its equipment is not paid
        assert found["equipment"] == 0
        return
    assert (found["usage"], found["equipment"]) == (wanted.usage_cents, wanted.equipment_cents)
    if essms < 15:
        assert found["hardware"] == wanted.hardware_cents
        assert found["amoa"] == wanted.amoa_procurement_cents + wanted.amoa_project_cents


def test_a_referencing_that_is_not_known_meets_the_higher_ceiling() -> None:
    by_key = {(c.year, c.project, c.component, c.referenced): c for c in FOUND}
    for (year, project, component, referenced), ceiling in by_key.items():
        if referenced is None:
            both = [by_key.get((year, project, component, known)) for known in (True, False)]
            assert most(ceiling, 64) == max(most(one, 64) for one in both if one is not None)


def test_a_call_known_from_public_pages_tells_only_of_what_it_names() -> None:
    named = {(c.project, c.component, c.referenced) for c in FOUND if c.year == 2021}
    assert ("acquisition", "equipment", True) in named
    assert ("acquisition", "equipment", False) not in named
    assert not {component for _, component, _ in named} & {"usage", "amoa"}
    assert all(c.a_confirmer is (c.year == 2021) for c in FOUND)


def test_a_call_has_no_ceiling_before_it_is_published_nor_when_its_amounts_are_not_known() -> None:
    assert {c.year for c in FOUND} == {2021, 2022, 2025}
    assert {c.year for c in ceilings(LAW.calls, date(2025, 4, 15))} == {2021, 2022}
