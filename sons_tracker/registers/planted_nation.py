"""What a planted nation is made of: orders, grants, and what is known to be wrong with them.

A nation is invented from a seed and from the texts, never from the detection: what is planted is written down
as it is planted, so that what is found can be compared with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from uuid import UUID

from sons_tracker.registers.synthetic import Chance
from sons_tracker.rules.families import pair_key
from sons_tracker.rules.french import PARIS

OVER = frozenset({"rejected", "cancelled", "lapsed"})
SUPPLIERS = 60


@dataclass(frozen=True, slots=True)
class Terms:
    """What of the law a nation is planted under; the caller reads it in the law.

    `dispositifs`: category code → dispositif, for what can be ordered. `tranches`: (code, smallest number of
    ESSMS, cents TTC per ESSMS), rising. `advance_percent`: the share that is paid in advance. `openings`: the
    first day of orders, by dispositif. `working_days`: those on which nobody in France rests, rising.
    `earlier`, `later`: the two reference extractions.
    """

    vague: str
    dispositifs: Mapping[str, str]
    tranches: tuple[tuple[str, int, int], ...]
    advance_percent: int
    openings: Mapping[str, date]
    working_days: tuple[date, ...]
    earlier: date
    later: date

    def tranche(self, count: int) -> str:
        """The tranche of an OG of `count` ESSMS (1 or more)."""
        return self._row(count)[0]

    def rate(self, count: int) -> int:
        """The cents TTC per ESSMS of an OG of `count` ESSMS (1 or more)."""
        return self._row(count)[2]

    def _row(self, count: int) -> tuple[str, int, int]:
        return [row for row in self.tranches if row[1] <= count][-1]


@dataclass(frozen=True, slots=True)
class Place:
    """An ESSMS that can be ordered: its number, its OG, its dispositif."""

    finess: str
    og: str
    dispositif: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How an order was cancelled; `for_acquisition` is None when nobody said why."""

    at: datetime
    motive: str
    for_acquisition: bool | None


@dataclass(frozen=True, slots=True)
class PlantedOrder:
    """An order of the nation. `held`: the ESSMS that it holds; the others it let go, or never had.

    `refused`: for a rejected order, the rules that failed and on which ESSMS. `solde_asked_at`: when the VA
    reached the paying agency. `unit_cents`: TTC, per ESSMS.
    """

    id: UUID
    number: str
    dispositif: str
    state: str
    supplier: int
    og: str
    signed_on: date
    received_at: datetime
    lines: tuple[str, ...]
    held: frozenset[str]
    unit_cents: int
    ending: Ending | None = None
    refused: tuple[tuple[str, tuple[str, ...]], ...] = ()
    solde_asked_at: datetime | None = None

    @property
    def key(self) -> str:
        return f"order:{self.id}"

    @property
    def solution(self) -> str:
        return solution_of(self.supplier)


@dataclass(frozen=True, slots=True)
class PlantedGrant:
    """One ESSMS of an ESMS numérique grant; `dates` by the name of the state that each is of.

    The register says so from `since` on, and no longer from `until` on; None: since its first statement, and
    until today.
    """

    reference: str
    finess: str
    year: int
    project: str
    components: tuple[str, ...]
    solution: str | None
    dui_referenced: bool | None
    state: str
    dates: Mapping[str, date]
    call: str | None = None
    since: date | None = None
    until: date | None = None

    @property
    def key(self) -> str:
        return f"grant:{self.reference}"


@dataclass(frozen=True, slots=True)
class PlantedReservation:
    """A reservation of one ESSMS by a supplier, that nobody turned into an order yet."""

    id: UUID
    number: str
    place: Place
    supplier: int
    reserved_at: datetime


@dataclass(frozen=True, slots=True, order=True)
class Truth:
    """One thing to find: an ESSMS (`a+b` for two numbers) of one pair under one family."""

    family: str
    pair: str
    essms: str


@dataclass(frozen=True, slots=True)
class NearMiss:
    """An ESSMS that looks like a conflict of a family and is none; `story` says why, in French."""

    family: str
    essms: str
    story: str


def solution_of(supplier: int) -> str:
    """The code of the solution of a supplier: each sells one."""
    return f"PLANTEE{supplier:02d}"


@dataclass(slots=True)
class Nation:
    """A nation while it is planted.

    `alerts`: pattern → the keys of what it should show (what a key is, the pattern says). `signers`: order →
    who signed its VA. `accounts`: supplier → rank of its bank account, two suppliers of one rank sharing it.
    """

    seed: int
    terms: Terms
    chance: Chance
    counts: Mapping[str, int]
    orders: list[PlantedOrder] = field(default_factory=list)
    reservations: list[PlantedReservation] = field(default_factory=list)
    grants: list[PlantedGrant] = field(default_factory=list)
    truths: set[Truth] = field(default_factory=set)
    near_misses: list[NearMiss] = field(default_factory=list)
    alerts: dict[str, set[str]] = field(default_factory=dict)
    signers: dict[UUID, str] = field(default_factory=dict)
    accounts: dict[int, int] = field(default_factory=dict)

    def id(self, kind: str, name: object) -> UUID:
        """An identifier that the seed, the kind and the name decide."""
        return UUID(bytes=hashlib.sha256(f"{self.seed}/{kind}/{name}".encode()).digest()[:16], version=4)

    def working_day(self, dispositif: str, year: int | None = None) -> date:
        """A working day on which an ESSMS of the dispositif can be ordered, in `year` if given.

        Those of 2022 are told by the earlier extraction, those of 2023 by the later one.
        """
        opening = self.terms.openings[dispositif]
        days = [
            day
            for day in self.terms.working_days
            if day >= opening
            and (year is None or day.year == year)
            and not self.terms.later <= day < _SETTLED
        ]
        found: date = self.chance.one(days)
        return found

    def order(
        self,
        places: Iterable[Place],
        *,
        year: int | None = None,
        signed_on: date | None = None,
        received: time = time(10, 30),
        supplier: int | None = None,
        state: str = "validated",
        held: Iterable[str] | None = None,
        ending: Ending | None = None,
        refused: tuple[tuple[str, tuple[str, ...]], ...] = (),
        solde_asked_at: datetime | None = None,
    ) -> PlantedOrder:
        """An order of some ESSMS of one OG and dispositif; it holds them all as long as it lives.

        Deposited on the day of its signature, at the Paris time `received`.
        """
        ordered = tuple(sorted(places, key=lambda place: place.finess))
        dispositif, og = ordered[0].dispositif, ordered[0].og
        signed = signed_on or self.working_day(dispositif, year)
        numbers = tuple(place.finess for place in ordered)
        rank = len(self.orders) + 1
        made = PlantedOrder(
            id=self.id("order", rank),
            number=f"BC-{signed.year}-{rank:06d}",
            dispositif=dispositif,
            state=state,
            supplier=self.chance.below(SUPPLIERS) if supplier is None else supplier,
            og=og,
            signed_on=signed,
            received_at=datetime.combine(signed, received, PARIS),
            lines=numbers,
            held=frozenset(() if state in OVER else numbers) if held is None else frozenset(held),
            unit_cents=self.terms.rate(self.counts[og]),
            ending=ending,
            refused=refused,
            solde_asked_at=solde_asked_at,
        )
        self.orders.append(made)
        return made

    def grant(
        self,
        finess: str,
        *,
        state: str,
        dates: Mapping[str, date],
        project: str = "acquisition",
        components: tuple[str, ...] = ("equipment", "usage"),
        solution: str | None = None,
        dui_referenced: bool | None = True,
        year: int = 2022,
        call: str | None = "regional",
        reference: str | None = None,
    ) -> PlantedGrant:
        """One ESSMS of a grant: of a new one, or of that of `reference`."""
        made = PlantedGrant(
            reference or f"EN{year}-{len(self.grants) + 1:06d}",
            finess,
            year,
            project,
            components,
            solution,
            dui_referenced,
            state,
            dates,
            call,
        )
        self.grants.append(made)
        return made

    def restated(self, grant: PlantedGrant, on: date, state: str, dates: Mapping[str, date]) -> PlantedGrant:
        """What the register says of a grant from the statement of that day on; returns it."""
        self.grants.remove(grant)
        now = replace(grant, state=state, dates={**grant.dates, **dates}, since=on)
        self.grants += [replace(grant, until=on), now]
        return now

    def reserve(self, place: Place, supplier: int) -> None:
        """A reservation that still runs."""
        rank = len(self.reservations) + 1
        at = datetime.combine(self.working_day(place.dispositif, 2022), time(9), PARIS)
        self.reservations.append(
            PlantedReservation(self.id("reservation", rank), f"RS-2022-{rank:06d}", place, supplier, at)
        )

    def supplier_error(self) -> Ending:
        """A cancellation for a reason that no rule is about, after every deposit of the plan."""
        return Ending(datetime.combine(_AFTER_ALL, time(11), PARIS), "supplier_error", False)

    def plant(self, family: str, *acts: PlantedOrder | PlantedGrant, essms: Iterable[str]) -> None:
        """Writes down what a detection must find."""
        pair = pair_key(*(act.key for act in acts))
        self.truths.update(Truth(family, pair, number) for number in essms)

    def spare(self, family: str, story: str, *essms: str) -> None:
        """Writes down what a detection must leave alone."""
        self.near_misses.extend(NearMiss(family, number, story) for number in essms)

    def alert(self, pattern: str, key: str) -> None:
        """Writes down what a pattern should show."""
        self.alerts.setdefault(pattern, set()).add(key)


def two_numbers(number: str, other: str) -> str:
    """How a truth names one establishment under two numbers."""
    return "+".join(sorted((number, other)))


# No order of the plan falls in the days around the second extraction: which one told it would be a doubt of
# the law (C14), not of the measure.
_SETTLED = date(2023, 1, 9)
_AFTER_ALL = date(2023, 12, 19)
DAY = timedelta(days=1)
