"""The two extractions of a planted nation: the synthetic register, then what became of it a year later."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from sons_tracker.registers.finess_csv import ENTITIES, ESTABLISHMENTS, SYNTHETIC
from sons_tracker.registers.planted_nation import Place, Terms
from sons_tracker.registers.synthetic import Numbers, generate
from sons_tracker.registers.synthetic_words import DEPARTEMENTS, categories

Row = list[str]
_AT = ESTABLISHMENTS.position
_NUMBER, _OG, _CATEGORY = _AT("nofinesset"), _AT("nofinessej"), _AT("categetab")
_ENTITY, _CREATED = ENTITIES.position("nofiness"), ENTITIES.position("datecrea")
_BY_CODE = {category.code: category for category in categories()}
# New numbers start where those of the synthetic register do not reach.
_FIRST_NEW, _FIRST_NEW_OVERSEAS = 60_000, 3_000


_FIRST_NEW_SERIALS = {
    departement.prefix: _FIRST_NEW_OVERSEAS if len(departement.prefix) == 4 else _FIRST_NEW
    for departement in DEPARTEMENTS
}


@dataclass(slots=True)
class PlantedRegister:
    """Both extractions, row by row, and the OG that nothing was planted on yet.

    `earlier`, `later`: number → row of the cs1100502 file. `entities`: OG → row of the cs1100501 file, the
    same in both. `places`: OG → its ESSMS that can be ordered. `free`: the OG of one dispositif alone that
    are not `taken`, smallest first.
    """

    terms: Terms
    seed: int
    earlier: dict[str, Row]
    later: dict[str, Row]
    entities: dict[str, Row]
    places: Mapping[str, tuple[Place, ...]]
    free: dict[str, tuple[Place, ...]]
    taken: set[str] = field(default_factory=set)
    _numbers: Numbers = field(default_factory=lambda: Numbers(dict(_FIRST_NEW_SERIALS)))

    def take(self, size: int = 1, dispositif: str | None = None) -> tuple[Place, ...]:
        """`size` ESSMS of an OG that is taken with them; of the dispositif, when it is given.

        Raises:
            ValueError: the register is too small for what is planted on it.
        """
        for og, places in self.free.items():
            if len(places) >= size and dispositif in {None, places[0].dispositif}:
                del self.free[og]
                self.taken.add(og)
                return places[:size]
        raise ValueError("the register is too small for what is planted on it")

    def counted(self) -> dict[str, int]:
        """OG → the number of its ESSMS in the earlier extraction."""
        return _counts(self.earlier)

    def counted_later(self) -> dict[str, int]:
        """OG → the number of its ESSMS in the later extraction."""
        return _counts(self.later)

    def place(self, number: str) -> Place | None:
        """An ESSMS as the later extraction tells it; None when it is gone, or has no dispositif there."""
        row = self.later.get(number)
        dispositif = None if row is None else self.terms.dispositifs.get(row[_CATEGORY])
        return None if row is None or dispositif is None else Place(number, row[_OG], dispositif)

    def close(self, number: str) -> None:
        """The later extraction no longer has it."""
        del self.later[number]

    def change(self, number: str, **fields: str) -> None:
        """The later extraction tells it otherwise; the names are those of the file."""
        row = list(self.later[number])
        for name, value in fields.items():
            row[_AT(name)] = value
        self.later[number] = row

    def rewrite(self, number: str, **fields: str) -> None:
        """Both extractions tell it so."""
        for row in (self.earlier[number], self.later[number]):
            for name, value in fields.items():
                row[_AT(name)] = value

    def recategorise(self, number: str, code: str) -> None:
        """The later extraction puts it in another category."""
        found = _BY_CODE[code]
        self.change(
            number,
            categetab=code,
            libcategetab=found.label,
            categagretab=found.aggregate_3,
            libcategagretab=found.aggregate_3_label,
        )

    def open(self, model: str, opened_on: date, **fields: str) -> str:
        """A new number in the later extraction, like `model` but for `fields`; returns it."""
        row = list(self.earlier[model])
        departement = next(d for d in DEPARTEMENTS if d.code == row[_AT("departement")])
        number = self._numbers.next(departement)
        self.later[number] = row
        row[_NUMBER] = number
        self.change(number, **({"dateouv": opened_on.isoformat()} | fields))
        return number

    def told(self, number: str, name: str) -> str:
        """What the earlier extraction tells, or for a new number the later one; `name` is the file's."""
        return self.earlier.get(number, self.later.get(number, []))[_AT(name)]

    def created(self, og: str, on: date) -> None:
        """Both extractions say that the OG was created on that day."""
        self.entities[og][_CREATED] = on.isoformat()

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Writes the four files, in the order in which they are imported."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for on, rows in ((self.terms.earlier, self.earlier), (self.terms.later, self.later)):
            for name, content in (("cs1100501", self.entities), ("cs1100502", rows)):
                path = folder / f"etalab-{name}-stock-{on:%Y%m%d}-0000-synthetique.csv"
                with path.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.writer(file, delimiter=";", lineterminator="\n")
                    writer.writerow(["finess", SYNTHETIC, self.seed, on.isoformat()])
                    writer.writerows(content[number] for number in sorted(content))
                paths.append(path)
        return tuple(paths)


def read_register(folder: Path, *, seed: int, establishments: int, terms: Terms) -> PlantedRegister:
    """The synthetic register of that seed and size, twice the same: nothing is planted on it yet."""
    made = generate(folder, seed=seed, establishments=establishments, extracted_on=terms.earlier)
    earlier = {row[_NUMBER]: row for row in _rows(made.establishments)}
    places: dict[str, list[Place]] = {}
    for number, row in earlier.items():
        dispositif = terms.dispositifs.get(row[_CATEGORY])
        if dispositif is not None:
            places.setdefault(row[_OG], []).append(Place(number, row[_OG], dispositif))
    return PlantedRegister(
        terms=terms,
        seed=seed,
        earlier=earlier,
        later={number: list(row) for number, row in earlier.items()},
        entities={row[_ENTITY]: row for row in _rows(made.legal_entities)},
        places={og: tuple(found) for og, found in places.items()},
        free=_by_size(places),
    )


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    return rows[1:]


def _by_size(places: Mapping[str, list[Place]]) -> dict[str, tuple[Place, ...]]:
    """The OG whose ESSMS are all of one dispositif, smallest first, their departments mixed."""
    of_one = {og: found for og, found in places.items() if len({place.dispositif for place in found}) == 1}
    return {og: tuple(of_one[og]) for og in sorted(of_one, key=lambda og: (len(of_one[og]), og[::-1]))}


def _counts(rows: Mapping[str, Row]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows.values():
        if _BY_CODE[row[_CATEGORY]].is_essms:
            counts[row[_OG]] = counts.get(row[_OG], 0) + 1
    return counts
