"""A nation with planted conflicts: each family and pattern with its known truth, and honest near-misses.

The synthetic national register, ordered by its OG, with the grants that go with the orders; then, on OG taken
apart, everything that a detection must find and everything that it must leave alone. It is deterministic by
seed, entirely invented, and knows nothing of the detection: the truth is written down while it is planted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sons_tracker.registers import (
    planted_crossing,
    planted_orders,
    planted_pairs,
    planted_patterns,
    planted_successions,
)
from sons_tracker.registers.planted_nation import Nation, Terms
from sons_tracker.registers.planted_register import PlantedRegister, read_register
from sons_tracker.registers.synthetic import Chance


@dataclass(frozen=True, slots=True)
class Size:
    """Establishments of the register, grants in all, and how many times each plant is repeated.

    `cells`: how many times each cell of the crossing; `successions`: how many times each kind of succession,
    of which chance spoils some.
    """

    establishments: int
    grants: int
    copies: int
    cells: int
    successions: int


QUICK = Size(establishments=12_000, grants=3_000, copies=2, cells=1, successions=6)
NATIONAL = Size(establishments=105_000, grants=30_000, copies=16, cells=8, successions=16)


def plant(seed: int, size: Size, terms: Terms) -> tuple[Nation, PlantedRegister]:
    """The nation of that seed, with its register: the same arguments give the same nation.

    Raises:
        ValueError: the register is too small for what is planted on it.
    """
    with TemporaryDirectory(prefix="sons-mesure-") as folder:
        register = read_register(Path(folder), seed=seed, establishments=size.establishments, terms=terms)
    nation = Nation(seed, terms, Chance(seed), register.counted())
    for planting in (
        planted_pairs.plant_two_orders,
        planted_pairs.spare_two_orders,
        planted_pairs.plant_two_grants,
        planted_pairs.spare_two_grants,
        planted_pairs.plant_cancelled,
        planted_pairs.spare_cancelled,
        planted_crossing.plant_recoveries,
        planted_crossing.plant_groupings,
        planted_crossing.plant_statements,
        planted_crossing.spare_released,
        planted_successions.spare_successions,
        planted_successions.plant_perimeters,
        planted_patterns.plant_patterns,
    ):
        planting(nation, register, size.copies)
    planted_successions.plant_successions(nation, register, size.successions)
    orders = planted_orders.plant_orders(nation, register)
    planted_crossing.plant_cells(nation, orders, size.cells)
    planted_crossing.plant_honest_grants(nation, orders, size.grants)
    planted_successions.note_perimeters(nation, register)
    planted_patterns.note_tranches(nation, register)
    return nation, register
