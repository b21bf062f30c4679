"""How much the detection finds of what was planted: recall and precision, family by family.

What is compared is an ESSMS of a pair under a family: a case with the right pair and an ESSMS too many counts
one wrong, with one too few one missed. A conflict that a rule says is held to all and nothing else; two
numbers that became one are presumed from clues, and held to nine in ten; alerts are held to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.operations import alerts, audit, clock, enactment
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.measure_loading import load_nation, load_register
from sons_tracker.operations.working_calendar import public_holidays
from sons_tracker.registers.planted import NATIONAL, QUICK, plant
from sons_tracker.registers.planted_nation import Nation, Terms, Truth, two_numbers
from sons_tracker.registers.synthetic_words import DEPARTEMENTS
from sons_tracker.rules.families import FAMILIES, PATTERNS
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Dispositif, Law
from sons_tracker.rules.working_days import is_working_day

AT = datetime(2025, 10, 1, 10, 0, tzinfo=PARIS)
"""The business instant of a measure: every date of a planted nation is past, R29 is in force."""
SIZES = {"quick": QUICK, "national": NATIONAL}
ALL = Fraction(1)
NINE_IN_TEN = Fraction(9, 10)
"""What the issue asks of mergers, splits and moves."""
BARS: Mapping[str, Fraction] = {code: NINE_IN_TEN if code == "two_numbers" else ALL for code in FAMILIES}


@dataclass(frozen=True, slots=True)
class Score:
    """What was planted and found of a family, or of a pattern. `bar` is None where nothing is promised."""

    code: str
    label: str
    planted: int
    found: int
    wrong: int
    bar: Fraction | None

    @property
    def missed(self) -> int:
        return self.planted - self.found

    @property
    def recall(self) -> Fraction | None:
        """What was found of what was planted; None when nothing was planted."""
        return Fraction(self.found, self.planted) if self.planted else None

    @property
    def precision(self) -> Fraction | None:
        """What was planted of what was found; None when nothing was found."""
        told = self.found + self.wrong
        return Fraction(self.found, told) if told else None

    @property
    def holds(self) -> bool:
        """Whether both reach the bar; a family of which nothing was planted, or found, does not."""
        if self.bar is None:
            return True
        return all(part is not None and part >= self.bar for part in (self.recall, self.precision))


@dataclass(frozen=True, slots=True)
class Measure:
    """One seed. `spared`: how many near-misses; `near_misses`: those taken for conflicts, each with its
    family, its ESSMS and why it is none. `seconds`: how long the detection took."""

    seed: int
    orders: int
    lines: int
    grants: int
    families: tuple[Score, ...]
    patterns: tuple[Score, ...]
    spared: int
    near_misses: tuple[tuple[str, str, str], ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every bar is reached; a near-miss that is found counts as wrong in its family."""
        return all(score.holds for score in self.families)


def terms_of(law: Law) -> Terms:
    """What of the law a nation is planted under: vague 1, as known at `AT`."""
    known = AT.date()
    dispositifs = [d for d in law.dispositifs.values() if d.vague == "V1"]
    openings = {d.code: _opening(d, known) for d in dispositifs}
    latest = max(on for on in openings.values() if on is not None)
    first = law.vagues["V1"].extraction.versions
    earlier, later = sorted(required(version) for version in first)
    closing = min(required(d.fermeture.in_force(latest, known)).on for d in dispositifs)
    holidays = frozenset().union(
        *(public_holidays(d.code, range(latest.year, closing.year + 1)) for d in DEPARTEMENTS)
    )
    days = (min(filter(None, openings.values())) + timedelta(days=n) for n in range(1000))
    bareme = required(dispositifs[0].bareme.in_force(latest, known))
    return Terms(
        vague="V1",
        dispositifs=_dispositifs(law, dispositifs, latest, known),
        tranches=tuple((row.code, row.minimum, row.ttc_cents) for row in bareme.tranches),
        advance_percent=required(dispositifs[0].advance_percent.in_force(latest, known)),
        openings={code: on or latest for code, on in openings.items()},
        working_days=tuple(day for day in days if day < closing and is_working_day(day, holidays)),
        earlier=earlier,
        later=later,
    )


def _opening(dispositif: Dispositif, known: date) -> date | None:
    """The first day of its orders, forecasts left out; None while no text gives it."""
    version = dispositif.ouverture.find(known, known)
    firm = [] if version is None else [o.on for o in required(version) if not o.forecast]
    return max(firm, default=None)


def _dispositifs(law: Law, dispositifs: Sequence[Dispositif], on: date, known: date) -> dict[str, str]:
    """Category → the dispositif under which it can be ordered."""
    table = required(law.register.domaines.in_force(on, known))
    found = {}
    for code, category in required(law.register.nomenclature.in_force(on, known)).items():
        domaine = table.domaine(code, category.aggregate)
        for dispositif in dispositifs:
            eligible = required(dispositif.categories.in_force(on, known))
            if domaine in dispositif.domaines and category.aggregate in eligible:
                found[code] = dispositif.code
    return found


async def load(owner_dsn: str, seed: int, size: str, law: Law) -> Nation:
    """Plants the nation of that seed in an empty migrated database; the engine is started on it."""
    nation, register = plant(seed, SIZES[size], terms_of(law))
    await clock.declare(LOCAL_ADMIN, "sandbox")
    await enactment.enact(LOCAL_ADMIN, law, AT)
    await load_register(register, law, AT)
    await load_nation(owner_dsn, nation, register, law)
    return nation


async def measure(nation: Nation, law: Law, without: str | None = None) -> Measure:
    """Runs the whole detection on a loaded nation and compares what it writes with what was planted.

    `without`: a family whose detection does not run. What was written is undone, so that a nation can be
    measured again.
    """
    found: set[Truth] = set()
    shown: dict[str, set[str]] = {}
    seconds = 0.0
    with suppress(_Undone):
        async with transaction(LOCAL_ADMIN.context) as con:
            families = [code for code in FAMILIES if code != without]
            started = time.perf_counter()
            await audit.examine(con, LOCAL_ADMIN, law, AT, None, "audit", families)
            await alerts.raise_in(con, LOCAL_ADMIN, law, AT)
            seconds = time.perf_counter() - started
            found, shown = await _found(con), await _shown(con)
            raise _Undone
    return _compared(nation, found, shown, seconds)


class _Undone(Exception):  # noqa: N818 - no error: it leaves a transaction without a commit
    """Leaves the transaction of a measure."""


def _compared(nation: Nation, found: set[Truth], shown: Mapping[str, set[str]], seconds: float) -> Measure:
    named = {(truth.family, number) for truth in found for number in truth.essms.split("+")}
    near = [miss for miss in nation.near_misses if (miss.family, miss.essms) in named]
    return Measure(
        seed=nation.seed,
        orders=len(nation.orders),
        lines=sum(len(order.lines) for order in nation.orders),
        grants=len(nation.grants),
        families=tuple(
            _score(code, family.label, _of(nation.truths, code), _of(found, code), BARS[code])
            for code, family in FAMILIES.items()
        ),
        patterns=tuple(
            _score(code, pattern.label, nation.alerts.get(code, set()), shown.get(code, set()), None)
            for code, pattern in PATTERNS.items()
        ),
        spared=len(nation.near_misses),
        near_misses=tuple((miss.family, miss.essms, miss.story) for miss in near),
        seconds=seconds,
    )


def _of(truths: set[Truth], family: str) -> set[Truth]:
    return {truth for truth in truths if truth.family == family}


def _score(code: str, label: str, planted: Set[Any], told: Set[Any], bar: Fraction | None) -> Score:
    return Score(code, label, len(planted), len(planted & told), len(told - planted), bar)


_FOUND = """
select c.family, c.pair_key, e.finess_geographique, e.counterpart
from conflict c join conflict_essms e on e.conflict_id = c.id
where c.ceased_at is null
"""


async def _found(con: asyncpg.Connection) -> set[Truth]:
    """What the cases say."""
    rows = await con.fetch(_FOUND)
    return {
        Truth(family, pair, number if other is None else two_numbers(number, other))
        for family, pair, number, other in rows
    }


# What an alert is about, as a planted nation names it (`planted_patterns`).
_SHOWN = """
select a.pattern, coalesce(s.id, array_to_string(array(select o from (
    select unnest(a.ogs) as o union all select unnest(a.suppliers)::text where cardinality(a.ogs) = 0) as n
  order by o), '+')) as name
from alert a
left join lateral (
  select s ->> 'id' as id from jsonb_array_elements(a.subjects) s
  where s ->> 'kind' = case a.pattern when 'two_applications' then 'essms'
    when 'out_of_hours' then 'order' when 'before_og_existed' then 'order' end) s on true
where a.ceased_at is null
"""


async def _shown(con: asyncpg.Connection) -> dict[str, set[str]]:
    """What the alerts are about, by pattern."""
    shown: dict[str, set[str]] = {}
    for pattern, name in await con.fetch(_SHOWN):
        shown.setdefault(pattern, set()).add(name)
    return shown
