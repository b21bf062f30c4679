"""Grants against orders: every cell of the crossing, in every order of events, and 30 000 honest grants.

What each cell is worth is written here from the programme's texts (S0:267-270, S0:1529, S1:333-339,
S2:511-519), not asked of the rules: it is the truth that the detection is measured against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product

from sons_tracker.registers.planted_nation import (
    DAY,
    SUPPLIERS,
    Nation,
    PlantedGrant,
    PlantedOrder,
    solution_of,
)
from sons_tracker.registers.planted_register import PlantedRegister

SOFTWARE = ("same", "other", "unknown")
REFERENCED = (True, False, None)
CALL_YEARS = (2021, 2022)
COMPONENTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "equipment": ("acquisition", ("equipment",)),
    "usage": ("upgrade", ("usage",)),
    "both": ("acquisition", ("equipment", "usage")),
    "hardware of an acquisition": ("acquisition", ("hardware",)),
    "management of an upgrade": ("upgrade", ("amoa",)),
}
# A grant that stands, one that is asked for, and the three that ended: with the orders of events of each.
EVENTS: Mapping[str, tuple[str, ...]] = {
    "agreed": ("grant", "order", "same_day", "unknown"),
    "requested": ("grant", "order", "same_day"),
    "nothing": ("grant", "order"),
    "stopped_after_payment": ("grant", "order"),
    "repaid": ("grant", "order"),
}
# Call years stop at what the order of events allows: an application of 2021 comes before any order.
_HONEST_STATES = ("agreed", "agreed", "agreed", "nothing", "repaid", "requested")
_GROUPED_ON, _RESTATED_ON = date(2022, 11, 8), date(2024, 3, 5)
_LONG, _SHORT = timedelta(days=40), timedelta(days=12)


@dataclass(frozen=True, slots=True)
class Cell:
    """A situation of a grant before a live order; `first`: the earlier act, where both dates are known."""

    component: str
    year: int
    state: str
    software: str
    referenced: bool | None
    first: str

    @property
    def equips(self) -> bool:
        """Whether the grant pays for software, or accompanies a project that does (S0:1348-1372)."""
        return self.component not in {"usage", "management of an upgrade"}

    @property
    def conflicts(self) -> bool:
        """Whether a person must look at the pair.

        Usage of the same software goes with SONS (R27, S0:267-270). Otherwise a grant that stands does not
        (R25, R26), whoever came first; where the software or its referencing is not known, a person asks.
        A pending application bars nothing before the order (S0:1529), but may not follow it. What came to
        nothing, or was paid back, bars nothing; what stopped after a payment waits for the proof.
        """
        if self.state in {"nothing", "repaid"}:
            return False
        if self.state == "stopped_after_payment":
            return True
        if self.state == "requested" and self.first == "grant":
            return False
        return self.equips or self.software != "same"


def cells() -> Iterator[Cell]:
    """Every situation of a grant before a live order, in one order."""
    for component, year, software, referenced in product(COMPONENTS, CALL_YEARS, SOFTWARE, REFERENCED):
        for state, firsts in EVENTS.items():
            for first in firsts:
                yield Cell(component, year, state, software, referenced, first)


def plant_cells(nation: Nation, orders: list[PlantedOrder], copies: int) -> None:
    """Each cell `copies` times, each on an ESSMS of its own of a live order."""
    places = ((order, finess) for order in orders for finess in order.lines)
    for cell in (cell for cell in cells() for _ in range(copies)):
        order, finess = next(places)
        grant = _granted(nation, cell, order, finess)
        if cell.conflicts:
            nation.plant("order_grant", order, grant, essms=[finess])
        else:
            nation.spare("order_grant", f"Croisement permis : {cell}", finess)


def plant_honest_grants(nation: Nation, orders: list[PlantedOrder], grants: int) -> None:
    """Grants that go with the order of their ESSMS, until the nation has so many; no ESSMS has two."""
    taken = {grant.finess for grant in nation.grants}
    places = [(order, finess) for order in reversed(orders) for finess in order.lines if finess not in taken]
    for order, finess in places[: max(0, grants - len(nation.grants))]:
        state = nation.chance.one(_HONEST_STATES)
        first = nation.chance.one(EVENTS[state])
        component = nation.chance.one(("usage", "management of an upgrade"))
        cell = Cell(component, 2022, state, "same", nation.chance.one(REFERENCED), first)
        _granted(nation, cell, order, finess)


def plant_recoveries(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """Orders cancelled after a paid advance hold their ESSMS until it is asked back; the others let go."""
    states = (("agreed", True), ("requested", True), ("nothing", False), ("repaid", False))
    for (state, conflicts), held in product(states * copies, (True, False)):
        (place,) = register.take()
        order = nation.order(
            [place],
            year=2022,
            state="cancelled",
            held=[place.finess] if held else [],
            ending=nation.supplier_error(),
        )
        cell = Cell("equipment", 2022, state, "other", True, "order")
        grant = _granted(nation, cell, order, place.finess)
        if held and conflicts:
            nation.plant("order_grant", order, grant, essms=[place.finess])
        else:
            nation.spare(
                "order_grant", "Commande annulée qui ne tient plus rien, ou demande sans suite", place.finess
            )


def plant_groupings(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """One grant for two OG (a grappe): a pair with each order, an ESSMS paid back, one in no order."""
    agreed = Cell("equipment", 2022, "agreed", "other", True, "order")
    repaid = Cell("equipment", 2022, "repaid", "other", True, "order")
    for _ in range(copies):
        first, second = register.take(3), register.take(2)
        one = nation.order(first, signed_on=_GROUPED_ON, supplier=7)
        other = nation.order(second[:1], signed_on=_GROUPED_ON, supplier=7)
        head = _granted(nation, agreed, one, first[0].finess)
        for cell, order, finess in (
            (agreed, one, first[1].finess),
            (repaid, one, first[2].finess),
            (agreed, other, second[0].finess),
            (agreed, other, second[1].finess),
        ):
            _granted(nation, cell, order, finess, head.reference)
        nation.plant("order_grant", one, head, essms=[place.finess for place in first[:2]])
        nation.plant("order_grant", other, head, essms=[second[0].finess])
        nation.spare("order_grant", "Remboursé, au sein d'un projet qui tient", first[2].finess)
        nation.spare("order_grant", "Dans le projet, mais dans aucune commande", second[1].finess)


def plant_statements(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """Grants of which the register says something else today than it did: today's word counts."""
    agreed = Cell("equipment", 2022, "agreed", "other", True, "grant")
    asked = Cell("equipment", 2022, "requested", "other", True, "grant")
    for _ in range(copies):
        for cell, before, state, conflicts in (
            (agreed, "agreed", "withdrawn", False),
            (agreed, "first_paid", "withdrawn", True),  # nothing proves the repayment
            (asked, "requested", "agreed", True),
        ):
            (place,) = register.take()
            order = nation.order([place], year=2022)
            told = _granted(nation, cell, order, place.finess, state=before)
            grant = nation.restated(told, _RESTATED_ON, state, {state: _RESTATED_ON - DAY})
            if conflicts:
                nation.plant("order_grant", order, grant, essms=[place.finess])
            else:
                nation.spare("order_grant", "Accordé autrefois, retiré depuis", place.finess)


def spare_released(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """Grants of ESSMS that an order named and no longer holds, taken out of it or let go when it lapsed; of
    one that is only reserved."""
    agreed = Cell("equipment", 2022, "agreed", "other", True, "order")
    for _ in range(copies):
        kept, removed = register.take(2)
        amended = nation.order([kept, removed], year=2022, held=[kept.finess])
        (place,) = register.take()
        lapsed = nation.order([place], year=2022, state="lapsed")
        for order, finess in ((amended, removed.finess), (lapsed, place.finess)):
            _granted(nation, agreed, order, finess)
            nation.spare("order_grant", "Sorti de la commande, ou commande caduque", finess)
        (place,) = register.take()
        nation.reserve(place, supplier=11)
        _granted(nation, agreed, lapsed, place.finess)
        nation.spare("order_grant", "Réservé, mais pas commandé", place.finess)


def _granted(
    nation: Nation,
    cell: Cell,
    order: PlantedOrder,
    finess: str,
    reference: str | None = None,
    state: str | None = None,
) -> PlantedGrant:
    """A grant of that situation before that order, or one more ESSMS of the grant of `reference`; in `state`,
    or in one of those of the situation."""
    project, components = COMPONENTS[cell.component]
    drawn: str = nation.chance.one(_STATES[cell.state])
    reached = state or ("first_paid" if cell.first == "unknown" else drawn)
    solution = {
        "same": order.solution,
        "other": solution_of((order.supplier + 1) % SUPPLIERS),
        "unknown": None,
    }[cell.software]
    return nation.grant(
        finess,
        state=reached,
        dates=_dates(cell, reached, order.signed_on),
        project=project,
        components=components,
        solution=solution,
        dui_referenced=cell.referenced,
        year=cell.year,
        reference=reference,
    )


# The states of the register that each word of a cell stands for.
_STATES: Mapping[str, tuple[str, ...]] = {
    "agreed": ("agreed", "first_paid", "vsr", "paid"),
    "requested": ("requested",),
    "nothing": ("rejected", "withdrawn", "abandoned"),
    "stopped_after_payment": ("abandoned",),
    "repaid": ("recovered",),
}


def _dates(cell: Cell, state: str, signed_on: date) -> dict[str, date]:
    """The dates of a grant whose act is before, on, or after the day of the order."""
    act = {"grant": signed_on - _LONG, "order": signed_on + _LONG, "same_day": signed_on, "unknown": None}
    on = act[cell.first]
    if on is None:  # agreed nobody knows when, and paid after the order: nothing tells who was first
        return {"first_paid": signed_on + _LONG}
    if cell.state == "requested":
        return {"requested": on}
    dates = {"requested": on - _SHORT}
    if cell.state == "nothing":
        return dates | {state: on}
    dates["agreed"] = on
    if state != "agreed":
        dates |= {"first_paid": on + DAY}
    if state not in {"agreed", "first_paid"}:
        dates |= {state: on + _SHORT}
    return dates
