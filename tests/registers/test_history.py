"""Any extractions, in any order: at each date the register says what the last one before it said."""

from __future__ import annotations

import itertools
import tempfile
from datetime import date, timedelta
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.registers.layout import Scope
from tests.databases import Database
from tests.factories import a_finess
from tests.factories_registers import establishment_line, establishments_file, imported

FIRST = date(2022, 1, 3)
KEYS = 4
# A snapshot: its day, its scope, what it says of each of four establishments (None: not in the file).
Snapshot = tuple[int, Scope, tuple[str | None, ...]]
# number → rows (name, valid_from, valid_to) in time
Held = dict[str, list[tuple[str, date, date | None]]]
NAMES = (None, "A (FICTIF)", "B (FICTIF)")


class Model:
    """What the register must say, computed the naive way: the last statement of each key, day by day."""

    def __init__(self) -> None:
        self._said: dict[tuple[int, Scope], dict[int, str | None]] = {}

    def import_snapshot(self, day: int, scope: Scope, names: tuple[str | None, ...]) -> None:
        if scope == "stock":
            self._said[day, scope] = dict(enumerate(names))
        else:  # extraits of one day add up
            named = {key: name for key, name in enumerate(names) if name is not None}
            self._said[day, scope] = self._said.get((day, scope), {}) | named

    def at(self, day: int) -> dict[int, str]:
        view: dict[int, str | None] = {}
        # on one day the extrait speaks after the stock, more closely
        for (on, _scope), said in sorted(
            self._said.items(), key=lambda item: (item[0][0], item[0][1] == "extrait")
        ):
            if on <= day:
                view |= said
        return {key: name for key, name in view.items() if name is not None}


@st.composite
def snapshots(draw: st.DrawFn) -> list[Snapshot]:
    one = st.tuples(
        st.integers(0, 4),
        st.sampled_from(("stock", "extrait")),
        st.tuples(*[st.sampled_from(NAMES)] * KEYS).filter(any),
    )
    return draw(st.lists(one, min_size=1, max_size=7))


async def register(numbers: list[str]) -> Held:
    async with transaction(LOCAL_ADMIN.context) as con:
        rows = await con.fetch(
            "select finess_geographique, name, valid_from, valid_to from establishment"
            " where finess_geographique = any($1) order by valid_from",
            numbers,
        )
    held: Held = {number: [] for number in numbers}
    for row in rows:
        held[row["finess_geographique"]].append((row["name"], row["valid_from"], row["valid_to"]))
    return held


def said_at(held: Held, numbers: list[str], on: date) -> dict[int, str]:
    view: dict[int, str] = {}
    for key, number in enumerate(numbers):
        covering = [
            name for name, since, until in held[number] if since <= on and (until is None or on < until)
        ]
        assert len(covering) <= 1, "two rows of one establishment hold at once"
        if covering:
            view[key] = covering[0]
    return view


async def empty(database: Database) -> None:
    """The registers as before any import; what the application itself may not do."""
    con = await database.connect_owner()
    try:
        await con.execute(
            "truncate sons.extraction, sons.extract_mention, sons.establishment, sons.legal_entity"
        )
    finally:
        await con.close()


async def check(database: Database, history: list[Snapshot]) -> None:
    """Imports the snapshots in their order into an empty register, and compares with the model each time."""
    await empty(database)
    model, numbers = Model(), [a_finess() for _ in range(KEYS)]
    with tempfile.TemporaryDirectory() as folder:
        for day, scope, names in history:
            lines = [
                establishment_line(number, rs=name)
                for number, name in zip(numbers, names, strict=True)
                if name is not None
            ]
            path = establishments_file(Path(folder), FIRST + timedelta(day), lines)
            report = await imported(path, scope=scope, accept_loss=True)
            assert report.unchanged + report.new + report.changed == report.read
            model.import_snapshot(day, scope, names)
            held = await register(numbers)
            for on in range(-1, 7):
                assert said_at(held, numbers, FIRST + timedelta(on)) == model.at(on), (day, scope, names, on)
            for rows in held.values():
                for (name, _, until), (next_name, since, _) in itertools.pairwise(rows):
                    assert until is not None
                    assert until < since or name != next_name, "two rows that touch say the same"


A, B, NONE = "A (FICTIF)", "B (FICTIF)", None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=snapshots())
# an older stock between two that say the same; the row must come back after it
@example(history=[(0, "stock", (A, A, A, A)), (4, "stock", (A, A, A, A)), (2, "stock", (None, B, A, A))])
# an extrait that found nothing changed protects what it named from an older stock
@example(
    history=[(0, "stock", (A, B, A, A)), (3, "extrait", (A, B, None, None)), (2, "stock", (B, None, A, A))]
)
# a stock and an extrait of one day; the same day again, corrected
@example(
    history=[(1, "extrait", (B, None, None, None)), (1, "stock", (A, A, None, A)), (1, "stock", (A, B, A, A))]
)
@example(history=[(0, "stock", (A, A, A, A)), (2, "stock", (B, B, B, B)), (2, "stock", (A, A, A, None))])
async def test_any_order_of_imports_tells_the_same_at_each_date(
    module_database: Database, history: list[Snapshot]
) -> None:
    await check(module_database, history)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=snapshots(), chosen=st.randoms(use_true_random=False))
async def test_stocks_of_different_days_give_the_same_table_in_any_order(
    module_database: Database, history: list[Snapshot], chosen: object
) -> None:
    stocks = list({day: (day, scope, names) for day, scope, names in history if scope == "stock"}.values())
    tables = []
    numbers = [a_finess() for _ in range(KEYS)]
    shuffled = list(stocks)
    chosen.shuffle(shuffled)  # type: ignore[attr-defined]
    for order in (sorted(stocks), shuffled):
        await empty(module_database)
        with tempfile.TemporaryDirectory() as folder:
            for day, scope, names in order:
                lines = [
                    establishment_line(number, rs=name)
                    for number, name in zip(numbers, names, strict=True)
                    if name is not None
                ]
                await imported(
                    establishments_file(Path(folder), FIRST + timedelta(day), lines),
                    scope=scope,
                    accept_loss=True,
                )
        tables.append(await register(numbers))
    assert tables[0] == tables[1]


async def test_attachments_follow_from_the_rows(module_database: Database, tmp_path: Path) -> None:
    await empty(module_database)
    number, first, second = a_finess(), a_finess(), a_finess()
    other = establishment_line(a_finess(), first)
    days = [FIRST + timedelta(n) for n in range(6)]
    told = [
        establishment_line(number, first, rs="A (FICTIF)"),
        establishment_line(number, first, rs="B (FICTIF)"),  # renamed: still attached
        establishment_line(number, second, rs="B (FICTIF)"),
        None,  # absent
        establishment_line(number, second, rs="B (FICTIF)"),
        establishment_line(number, "", rs="B (FICTIF)"),  # attached to nobody
    ]
    for day, line in zip(days, told, strict=True):
        lines = [other] if line is None else [line, other]
        await imported(establishments_file(tmp_path, day, lines), accept_loss=True)
    async with transaction(LOCAL_ADMIN.context) as con:
        rows = await con.fetch(
            "select finess_juridique, since, until from attachment"
            " where finess_geographique = $1 order by since",
            number,
        )
    assert [tuple(row) for row in rows] == [
        (first, days[0], days[2]),
        (second, days[2], days[3]),
        (second, days[4], days[5]),
    ]


async def test_absence_closes_a_row_and_never_deletes_it(module_database: Database, tmp_path: Path) -> None:
    await empty(module_database)
    kept = [establishment_line(a_finess()) for _ in range(20)]
    gone = a_finess()
    await imported(establishments_file(tmp_path, FIRST, [*kept, establishment_line(gone)]))
    later = FIRST + timedelta(30)
    report = await imported(establishments_file(tmp_path, later, kept))
    assert (report.absent, report.unchanged) == (1, 20)
    assert (await register([gone]))[gone] == [("EHPAD LES TILLEULS (FICTIF)", FIRST, later)]
    extract = await imported(establishments_file(tmp_path, later + timedelta(1), kept[:3]), scope="extrait")
    assert extract.absent == 0
    back = await imported(
        establishments_file(tmp_path, later + timedelta(9), [*kept, establishment_line(gone)])
    )
    assert back.new == 1
    assert len((await register([gone]))[gone]) == 2
