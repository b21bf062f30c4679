"""The planted nation: the same for a seed, every family and cell in it, and nothing of the detection."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from sons_tracker import law
from sons_tracker.operations.measures import terms_of
from sons_tracker.registers import planted_crossing
from sons_tracker.registers.planted import QUICK, Size, plant
from sons_tracker.registers.planted_crossing import COMPONENTS, EVENTS, Cell, cells
from sons_tracker.registers.planted_nation import OVER, Nation, Terms
from sons_tracker.registers.planted_register import PlantedRegister
from sons_tracker.rules.families import FAMILIES, PATTERNS
from sons_tracker.rules.identifiers import luhn_ok

PLANTING = sorted(Path(planted_crossing.__file__).parent.glob("planted*.py"))


@pytest.fixture(scope="module")
def terms() -> Terms:
    return terms_of(law.load().law)


@pytest.fixture(scope="module")
def planted(terms: Terms) -> tuple[Nation, PlantedRegister]:
    return plant(1, QUICK, terms)


def test_the_same_seed_plants_the_same_nation(terms: Terms, planted: tuple[Nation, PlantedRegister]) -> None:
    nation, register = planted
    again, same = plant(1, QUICK, terms)
    assert (again.orders, again.grants, again.truths) == (nation.orders, nation.grants, nation.truths)
    assert same.later == register.later
    other, _ = plant(2, QUICK, terms)
    assert other.truths.isdisjoint(nation.truths)


def test_every_family_and_pattern_is_planted(planted: tuple[Nation, PlantedRegister]) -> None:
    nation, _ = planted
    assert {truth.family for truth in nation.truths} == set(FAMILIES)
    assert {miss.family for miss in nation.near_misses} == set(FAMILIES)
    assert set(nation.alerts) == set(PATTERNS)


def test_a_near_miss_is_no_conflict_of_its_family(planted: tuple[Nation, PlantedRegister]) -> None:
    nation, _ = planted
    named = {(truth.family, number) for truth in nation.truths for number in truth.essms.split("+")}
    assert not [miss for miss in nation.near_misses if (miss.family, miss.essms) in named]


def test_the_planting_knows_nothing_of_the_detection() -> None:
    """What it takes from the rules is words, the families and the time of Paris: no judge, no law."""
    assert len(PLANTING) > 5
    for path in PLANTING:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sons_tracker"):
                room, _, name = node.module.removeprefix("sons_tracker.").partition(".")
                assert room == "registers" or (room, name) in {("rules", "families"), ("rules", "french")}, (
                    f"{path.name} imports {node.module}"
                )


def test_the_cells_are_every_situation_once() -> None:
    found = list(cells())
    assert len(found) == len(set(found)) == len(COMPONENTS) * 2 * 3 * 3 * sum(map(len, EVENTS.values()))


@pytest.mark.parametrize(
    ("cell", "conflicts"),
    [
        # (component, call, state, software, referenced, who was first): as the programme's texts say it
        (Cell("equipment", 2022, "agreed", "same", True, "grant"), True),  # R25
        (Cell("equipment", 2022, "agreed", "same", False, "grant"), True),  # C8: a person settles
        (Cell("equipment", 2021, "agreed", "same", True, "grant"), True),  # R25 does not speak of 2021
        (Cell("equipment", 2022, "agreed", "same", True, "order"), True),  # S2:511-514 a contrario
        (Cell("usage", 2022, "agreed", "same", True, "grant"), False),  # R27
        (Cell("usage", 2022, "agreed", "same", None, "order"), False),  # R27, the other way
        (Cell("usage", 2022, "agreed", "other", True, "order"), True),  # R26
        (Cell("both", 2022, "agreed", "same", True, "grant"), True),  # the worst component holds
        (Cell("hardware of an acquisition", 2022, "agreed", "same", True, "grant"), True),
        (Cell("management of an upgrade", 2022, "agreed", "same", True, "grant"), False),
        (Cell("equipment", 2022, "requested", "other", True, "grant"), False),  # pending: warned, passes
        (Cell("equipment", 2022, "requested", "other", True, "order"), True),  # asked for after the order
        (Cell("equipment", 2022, "nothing", "other", True, "grant"), False),
        (Cell("equipment", 2022, "stopped_after_payment", "same", True, "grant"), True),
        (Cell("equipment", 2022, "repaid", "other", True, "order"), False),
    ],
    ids=str,
)
def test_what_a_cell_is_worth(cell: Cell, conflicts: bool) -> None:
    assert cell.conflicts is conflicts
    assert cell in set(cells())


def test_no_essms_is_held_twice(planted: tuple[Nation, PlantedRegister]) -> None:
    nation, _ = planted
    held = Counter(number for order in nation.orders for number in order.held)
    assert max(held.values()) == 1
    assert not [order for order in nation.orders if not order.held <= set(order.lines)]
    assert all(order.held or order.state in OVER for order in nation.orders)


def test_orders_follow_the_calendar(planted: tuple[Nation, PlantedRegister]) -> None:
    nation, _ = planted
    openings = nation.terms.openings
    assert all(order.signed_on >= openings[order.dispositif] for order in nation.orders)
    assert {order.dispositif for order in nation.orders} == set(openings)
    assert {order.signed_on.year for order in nation.orders} == {2022, 2023}
    off = [order for order in nation.orders if order.signed_on not in nation.terms.working_days]
    assert {order.number for order in off} <= nation.alerts["out_of_hours"]


def test_the_register_stays_well_formed(planted: tuple[Nation, PlantedRegister], tmp_path: Path) -> None:
    nation, register = planted
    assert all(luhn_ok(number.translate(str.maketrans("AB", "12"))) for number in register.later)
    assert set(register.later) - set(register.earlier)
    assert set(register.earlier) - set(register.later)
    paths = register.write(tmp_path)
    assert [path.read_text(encoding="utf-8").split(";")[1] for path in paths] == ["synthetique"] * 4
    assert {order.og for order in nation.orders} <= set(register.entities)


def test_too_small_a_register_is_refused(terms: Terms) -> None:
    with pytest.raises(ValueError, match="too small"):
        plant(1, Size(establishments=300, grants=10, copies=1, cells=1, successions=1), terms)
