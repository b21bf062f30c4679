"""A synthetic national register: same formats, categories, proportions and traps as the real one.

No national extract can be shipped, so scale is shown on this one. It is deterministic by seed, on
every supported Python. Everything in it says that it is invented: the file names, the first line
(`finess;synthetique;…` where a real file says `etalab`) and each name (« (FICTIF) »). The numbers
have a valid key and a real department prefix, in a range that real numbers hardly use; no
collision with a real one was looked for, nor can be excluded.

The weights of the categories are our approximation of published orders of magnitude, not statistics.
"""

from __future__ import annotations

import csv
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from typing import Any

from sons_tracker.registers.synthetic_words import (
    DEPARTEMENTS,
    FIRST_NAMES,
    LEGAL_STATUSES,
    OG_WORDS,
    PLACES,
    STREETS,
    TARIFFS,
    TOWNS,
    Category,
    Departement,
    categories,
)

# OG that every register opens with, in this order, in department 01 and in categories of PA and PH
# only: the sizes of the source's worked examples (35, 72, 8), then both sides of each tranche.
LANDMARK_SIZES = (35, 72, 8, 1, 2, 4, 5, 10, 11, 19, 20, 99, 100)
LANDMARK_CATEGORIES = ("500", "202", "183", "246", "255")

ESSMS_SHARE = 45_000 / 105_000
# (smallest, largest, weight): a long tail of mean 4, so 45 000 ESSMS make about 11 000 OG.
OG_SIZES = (
    (1, 1, 6000),
    (2, 2, 1300),
    (3, 4, 1000),
    (5, 10, 950),
    (11, 19, 400),
    (20, 49, 220),
    (50, 99, 60),
    (100, 300, 25),
)
_SHORT_NAME = 38
_LABEL = " (FICTIF)"
# Prefixes that the regulator keeps for works of fiction.
_FICTION_PHONES = ("19900", "26191", "35301", "46571", "53649")


@dataclass(frozen=True, slots=True)
class GeneratedRegister:
    """The two files, and what they hold."""

    establishments: Path
    legal_entities: Path
    establishment_rows: int
    essms: int
    legal_entity_rows: int
    og: int


def finess_key(first_eight: str) -> str:
    """The number whose first eight characters are given, with its Luhn key."""
    digits = [int(c) for c in first_eight.translate(str.maketrans("AB", "12"))]
    # the key stands at an even index, so the digits at odd indices are the doubled ones
    total = sum(d if i % 2 == 0 else 2 * d - 9 * (d > 4) for i, d in enumerate(digits))
    return first_eight + str(-total % 10)


@dataclass(slots=True)
class Numbers:
    """Hands out numbers by department: `DD9SSSSSk`, or `PPPPSSSSk` overseas, serial from 5000."""

    used: dict[str, int] = field(default_factory=dict)

    def next(self, departement: Departement) -> str:
        serial = self.used.get(departement.prefix, 0)
        self.used[departement.prefix] = serial + 1
        if len(departement.prefix) == 4:
            return finess_key(f"{departement.prefix}{5000 + serial:04d}")
        return finess_key(f"{departement.prefix}9{serial:05d}")


class Chance:
    """Choices made from `random()` alone, whose sequence Python promises for a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # nosec B311 # no secret is drawn

    def below(self, bound: int) -> int:
        return int(self._random() * bound)

    def one(self, options: Sequence[Any]) -> Any:
        return options[self.below(len(options))]

    def happens(self, probability: float) -> bool:
        return self._random() < probability

    def weighted(self, options: Sequence[Any], totals: Sequence[int]) -> Any:
        """One of `options`; `totals` are the running totals of their weights."""
        return options[bisect_right(totals, self.below(totals[-1]))]


def og_sizes(essms: int, chance: Chance) -> list[int]:
    """ESSMS of each OG, summing to `essms`: the landmarks that fit, then the long tail."""
    sizes: list[int] = []
    left = essms
    for size in LANDMARK_SIZES:
        if size <= left:
            sizes.append(size)
            left -= size
    totals = list(accumulate(weight for _, _, weight in OG_SIZES))
    while left:
        smallest, largest, _ = chance.weighted(OG_SIZES, totals)
        size = min(left, smallest + chance.below(largest - smallest + 1))
        sizes.append(size)
        left -= size
    return sizes


def generate(
    path: Path, *, seed: int, establishments: int = 105_000, extracted_on: date
) -> GeneratedRegister:
    """Writes both files into the folder `path` (made if missing), as the extraction of `extracted_on`.

    The same arguments give the same bytes.

    Raises:
        ValueError: fewer than 10 establishments, or more than the numbers overseas allow.
    """
    if not 10 <= establishments <= 200_000:
        raise ValueError("establishments must lie between 10 and 200000")
    path.mkdir(parents=True, exist_ok=True)
    chance, numbers = Chance(seed), Numbers()
    essms = round(establishments * ESSMS_SHARE)
    sizes = og_sizes(essms, chance)
    stamp = f"{extracted_on:%Y%m%d}-0000-synthetique.csv"
    et_path, ej_path = path / f"etalab-cs1100502-stock-{stamp}", path / f"etalab-cs1100501-stock-{stamp}"
    et_rows: list[list[str]] = []
    ej_rows: list[list[str]] = []
    for entity in _entities(sizes, establishments - essms, chance):
        number = numbers.next(entity.seat)
        ej_rows.append(_legal_entity_row(number, entity, chance.one(TOWNS), chance))
        for category in entity.categories:
            # Some establishments stand, and are numbered, in another department than their OG.
            place = entity.seat if entity.landmark or chance.happens(0.8) else chance.one(DEPARTEMENTS)
            et_rows.append(
                _establishment_row(numbers.next(place), number, category, place, extracted_on, chance)
            )
    for target, rows in ((et_path, et_rows), (ej_path, ej_rows)):
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=";", lineterminator="\n")
            writer.writerow(["finess", "synthetique", seed, extracted_on.isoformat()])
            rows.sort(key=itemgetter(1))  # by number, as the real files are
            writer.writerows(rows)
    return GeneratedRegister(et_path, ej_path, establishments, essms, len(ej_rows), len(sizes))


@dataclass(frozen=True, slots=True)
class _Entity:
    name: str
    seat: Departement
    categories: tuple[Category, ...]
    landmark: bool


def _entities(sizes: list[int], others: int, chance: Chance) -> Iterator[_Entity]:
    """The OG of ESSMS, then the legal entities of everything else (pharmacies, laboratories, crèches…)."""
    of_essms = [category for category in categories() if category.is_essms]
    totals = list(accumulate(category.weight for category in of_essms))
    landmark_categories = [category for category in of_essms if category.code in LANDMARK_CATEGORIES]
    seats = list(accumulate(departement.weight for departement in DEPARTEMENTS))
    for rank, size in enumerate(sizes):
        landmark = rank < len(LANDMARK_SIZES) and size == LANDMARK_SIZES[rank]
        if landmark:
            drawn = tuple(landmark_categories[i % len(landmark_categories)] for i in range(size))
            seat = DEPARTEMENTS[0]
        else:
            first = chance.weighted(of_essms, totals)
            alike = [category for category in of_essms if category.aggregate_3[:2] == first.aggregate_3[:2]]
            alike_totals = list(accumulate(category.weight for category in alike))
            drawn = (first, *(chance.weighted(alike, alike_totals) for _ in range(size - 1)))
            seat = chance.weighted(DEPARTEMENTS, seats)
        name = f"{chance.one(OG_WORDS)} {chance.one(PLACES)}"
        yield _Entity(name, seat, drawn, landmark)
    rest = [category for category in categories() if not category.is_essms]
    rest_totals = list(accumulate(category.weight for category in rest))
    while others:
        size = min(others, 1 if chance.happens(0.75) else 2 + chance.below(5))
        others -= size
        category = chance.weighted(rest, rest_totals)
        name = f"{category.word} {chance.one(PLACES)}"
        yield _Entity(name, chance.weighted(DEPARTEMENTS, seats), (category,) * size, landmark=False)


def _legal_entity_row(number: str, entity: _Entity, town: str, chance: Chance) -> list[str]:
    status, status_label = chance.one(LEGAL_STATUSES)
    seat = entity.seat
    created = date(1950, 1, 1) + timedelta(days=chance.below(25_000))
    return [
        "structureej", number, _short(entity.name), entity.name + _LABEL, "",
        str(1 + chance.below(150)), "R", chance.one(STREETS), "", "", "",
        f"{1 + chance.below(400):03d}", f"{_postcode(seat, chance)} {town}", seat.code, seat.label,
        "", status, status_label, "", "", "", "8899B", created.isoformat(),
    ]  # fmt: skip


def _establishment_row(
    number: str, entity: str, category: Category, place: Departement, extracted_on: date, chance: Chance
) -> list[str]:
    name = f"{category.word} {chance.one(PLACES)}"
    if chance.happens(0.03):  # quotes, doubled in the file as RFC 4180 wants them
        name = f'{category.word} "{chance.one(FIRST_NAMES)}"'
    elif chance.happens(0.02):  # double spaces are real
        name = name.replace(" ", "  ", 1)
    opened = date(1960, 1, 1) + timedelta(days=chance.below((extracted_on - date(1960, 1, 1)).days))
    opened_text = "1901-01-01" if chance.happens(0.05) else opened.isoformat()  # 1901 means unknown
    return [
        "structureet", number, entity, _short(name), "" if chance.happens(0.04) else name + _LABEL, "", "",
        str(1 + chance.below(150)), chance.one(("R", "AV", "BD", "PL", "CHE", "RTE")), chance.one(STREETS),
        "", "" if chance.happens(0.8) else f"BP {1 + chance.below(900)}",
        f"{1 + chance.below(400):03d}", place.code, place.label,
        f"{_postcode(place, chance)} {chance.one(TOWNS)}",
        f"0{chance.one(_FICTION_PHONES)}{chance.below(10000):04d}", "",
        category.code, category.label, category.aggregate_3, category.aggregate_3_label,
        "" if chance.happens(0.4) else f"000{chance.below(10**11):011d}", "8810A", *chance.one(TARIFFS), "",
        "", opened_text, opened_text, extracted_on.isoformat(), "",
    ]  # fmt: skip


def _short(name: str) -> str:
    """The name as `rs` gives it: 38 characters, the mark included."""
    return name[: _SHORT_NAME - len(_LABEL)].rstrip() + _LABEL


def _postcode(departement: Departement, chance: Chance) -> str:
    width = 5 - len(departement.postal)
    return departement.postal + str(chance.below(10 ** (width - 1))).zfill(width - 1) + "0"
