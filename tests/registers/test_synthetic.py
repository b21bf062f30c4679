"""The synthetic register: deterministic, labelled, well formed, of the real proportions; and it imports."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.registers.synthetic import LANDMARK_SIZES, GeneratedRegister, generate
from sons_tracker.rules.identifiers import parse_finess
from tests.databases import Database
from tests.factories_registers import imported, nomenclature

DAY = date(2022, 1, 3)
ESSMS = ("4100", "4300", "4400", "4500", "4600")


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=";"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> GeneratedRegister:
    return generate(tmp_path_factory.mktemp("register"), seed=7, establishments=3_000, extracted_on=DAY)


def test_the_same_arguments_give_the_same_bytes_on_every_python(tmp_path: Path) -> None:
    made = generate(tmp_path, seed=1, establishments=200, extracted_on=DAY)
    assert hashlib.sha256(made.establishments.read_bytes()).hexdigest()[:16] == "59c1f7725d116ab0"
    assert hashlib.sha256(made.legal_entities.read_bytes()).hexdigest()[:16] == "7ee125e5cb53d5b1"
    other = generate(tmp_path / "other", seed=2, establishments=200, extracted_on=DAY)
    assert other.establishments.read_bytes() != made.establishments.read_bytes()


def test_everything_says_that_it_is_synthetic(small: GeneratedRegister) -> None:
    for path in (small.establishments, small.legal_entities):
        assert "synthetique" in path.name
        rows = read(path)
        assert rows[0] == ["finess", "synthetique", "7", "2022-01-03"]
        name = 3 if path == small.establishments else 2
        assert all(row[name].endswith("(FICTIF)") and len(row[name]) <= 38 for row in rows[1:])


def test_numbers_are_well_formed_and_used_once(small: GeneratedRegister) -> None:
    establishments, entities = read(small.establishments)[1:], read(small.legal_entities)[1:]
    numbers = [row[1] for row in establishments] + [row[1] for row in entities]
    assert len(set(numbers)) == len(numbers) == 3_000 + small.legal_entity_rows
    assert all(parse_finess(number) == number for number in numbers)
    assert {row[2] for row in establishments} == {row[1] for row in entities}
    assert any(number.startswith(("2A", "2B")) for number in numbers)
    assert any(row[1][:2] != row[2][:2] for row in establishments)
    assert [row[1] for row in establishments] == sorted(row[1] for row in establishments)


def test_the_landmark_og_have_the_sizes_of_the_source(small: GeneratedRegister) -> None:
    entities = [row[1] for row in read(small.legal_entities)[1:]]
    sizes = Counter(row[2] for row in read(small.establishments)[1:])
    landmarks = [sizes[number] for number in entities if number.startswith("019")][: len(LANDMARK_SIZES)]
    assert landmarks == list(LANDMARK_SIZES)


def test_proportions_are_those_of_the_country(small: GeneratedRegister) -> None:
    aggregates = nomenclature()
    rows = [row for row in read(small.establishments)[1:] if aggregates[row[18]] in ESSMS]
    assert len(rows) == small.essms == round(3_000 * 45 / 105)
    assert all(aggregates[row[18]][:2] == row[20][:2] for row in rows)
    sizes = Counter(row[2] for row in rows)
    assert len(sizes) == small.og
    assert sum(size == 1 for size in sizes.values()) > small.og / 2


@pytest.mark.parametrize("establishments", [9, 200_001])
def test_sizes_out_of_bounds_are_refused(tmp_path: Path, establishments: int) -> None:
    with pytest.raises(ValueError, match="between 10 and 200000"):
        generate(tmp_path, seed=1, establishments=establishments, extracted_on=DAY)


async def test_it_imports_without_a_doubt_and_the_extraction_says_what_it_is(
    database: Database, small: GeneratedRegister
) -> None:
    entities = await imported(small.legal_entities)
    report = await imported(small.establishments)
    assert (entities.new, entities.warned) == (small.legal_entity_rows, 0)
    assert (report.new, report.warned, report.stubs) == (3_000, 0, 0)
    async with transaction(LOCAL_ADMIN.context) as con:
        formats = await con.fetch("select format from extraction order by register")
        essms = await con.fetchval(
            "select count(*) from establishment where aggregate = any($1)", list(ESSMS)
        )
    assert [row["format"] for row in formats] == ["cs1100502 (synthetique)", "cs1100501 (synthetique)"]
    assert essms == small.essms
