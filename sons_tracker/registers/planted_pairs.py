"""Pairs of orders and pairs of grants: financed twice, asked twice, cancelled and then acquired."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sons_tracker.registers.planted_nation import DAY, Ending, Nation, PlantedGrant, PlantedOrder
from sons_tracker.registers.planted_register import PlantedRegister
from sons_tracker.rules.french import PARIS

_AFTER = timedelta(days=30)
# R29: the lock of the text, published the day before; or the deposit of the VA, when it is earlier.
_LOCKED = datetime(2025, 5, 6, 11, 0, tzinfo=PARIS)
_NOT_YET = datetime(2024, 5, 6, 11, 0, tzinfo=PARIS)
_VA = datetime(2023, 10, 3, 10, 0, tzinfo=PARIS)


def plant_two_orders(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """A deposit refused by R05 alone, against an order that still holds the ESSMS."""
    for state, family in (("validated", "two_orders"), ("settled", "already_financed")) * copies:
        for size, shared in ((1, 1), (3, 3), (3, 2)):
            places = register.take(size, "MS1-V1")
            holder = nation.order(places[:shared], year=2022, state=state, supplier=1)
            both = [place.finess for place in places[:shared]]
            refused = nation.order(
                places, year=2023, state="rejected", supplier=2, refused=(("R05", tuple(both)),)
            )
            nation.plant(family, holder, refused, essms=both)
            if shared == size == 3:  # a third supplier, refused for one of them
                again = nation.order(
                    places[:1], year=2023, state="rejected", supplier=8, refused=(("R05", tuple(both[:1])),)
                )
                nation.plant(family, holder, again, essms=both[:1])


def spare_two_orders(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """A deposit refused by R05 that has nothing left to win, or that R05 did not refuse."""
    for _ in range(copies):
        (place,) = register.take(1, "MS1-V1")
        nation.order([place], year=2022, state="cancelled", supplier=1, ending=nation.supplier_error())
        number = place.finess
        nation.order([place], year=2023, state="rejected", supplier=2, refused=(("R05", (number,)),))
        nation.spare("two_orders", "Refus ancien : la commande qui tenait l'ESSMS est annulée", number)

        (place,) = register.take(1, "MS1-V1")
        nation.order([place], year=2022, supplier=1)
        number = place.finess
        both = (("R05", (number,)), ("R11", ()))
        nation.order([place], year=2023, state="rejected", supplier=2, refused=both)
        nation.spare("two_orders", "Refusée aussi par une autre règle : rien à gagner", number)

        (place,) = register.take(1, "MS1-V1")
        nation.order([place], year=2022, supplier=1)
        nation.order([place], year=2023, state="rejected", supplier=2, refused=(("R11", ()),))
        nation.spare("two_orders", "Refusée par une autre règle que R05", place.finess)

        (place,) = register.take(1, "MS1-V1")
        nation.order([place], year=2022, state="lapsed", supplier=1)
        nation.order([place], year=2023, state="settled", supplier=2)
        nation.spare("already_financed", "La première commande est caduque", place.finess)

        (place,) = register.take(1, "MS1-V1")
        nation.reserve(place, supplier=1)
        refused = (("R05", (place.finess,)),)
        nation.order([place], year=2023, state="rejected", supplier=2, refused=refused)
        nation.spare("two_orders", "Refusée à cause d'une réservation", place.finess)

        first, second = register.take(2, "MS1-V1")
        nation.order([first], year=2022, supplier=1, state="lapsed")
        refused = (("R05", (first.finess,)),)
        nation.order([first, second], year=2022, state="rejected", supplier=2, refused=refused)
        nation.order([second], year=2023, supplier=9)
        nation.spare("two_orders", "Commandé après un refus qui ne le visait pas", second.finess)


def plant_two_grants(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """Two grants of one ESSMS: same software, two DUI, an unknown one; a first that stopped after a payment,
    a second that is only asked for."""
    first, second = date(2022, 6, 14), date(2023, 2, 14)
    agreed = {"requested": first - _AFTER, "agreed": first}
    again = {"requested": second - _AFTER, "agreed": second}
    stopped = agreed | {"first_paid": first + DAY, "abandoned": first + _AFTER}
    for _ in range(copies):
        for solution, components in (
            ("PLANTEE01", ("equipment",)),
            ("PLANTEE02", ("usage",)),
            (None, ("equipment", "usage")),
        ):
            (place,) = register.take()
            held = nation.grant(place.finess, state="agreed", dates=agreed, solution="PLANTEE01")
            asked = nation.grant(
                place.finess, state="agreed", dates=again, solution=solution, components=components
            )
            nation.plant("two_grants", held, asked, essms=[place.finess])
        (place,) = register.take()
        held = nation.grant(place.finess, state="abandoned", dates=stopped, solution="PLANTEE01")
        asked = nation.grant(place.finess, state="agreed", dates=again, solution="PLANTEE01")
        nation.plant("two_grants", held, asked, essms=[place.finess])
        (place,) = register.take()
        held = nation.grant(place.finess, state="paid", dates=agreed | {"paid": second}, solution="PLANTEE01")
        asked = nation.grant(
            place.finess, state="requested", dates={"requested": second}, solution="PLANTEE02"
        )
        nation.plant("two_grants", held, asked, essms=[place.finess])


def spare_two_grants(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """One project with its components; two applications of which one came to nothing, or still waits for an
    answer that can only be no."""
    first, second = date(2022, 6, 14), date(2023, 2, 14)
    again = {"requested": second - _AFTER, "agreed": second}
    for _ in range(copies):
        (place,) = register.take()
        nation.grant(
            place.finess,
            state="agreed",
            dates={"requested": first - _AFTER, "agreed": first},
            components=("usage", "equipment", "hardware", "amoa"),
            solution="PLANTEE01",
        )
        nation.spare("two_grants", "Un seul projet, avec toutes ses composantes", place.finess)
        for state, dates in (
            ("rejected", {"requested": first - _AFTER, "rejected": first}),
            ("withdrawn", {"requested": first - _AFTER, "withdrawn": first}),
            ("recovered", {"agreed": first, "first_paid": first + DAY, "recovered": first + _AFTER}),
        ):
            (place,) = register.take()
            nation.grant(place.finess, state=state, dates=dates, solution="PLANTEE01")
            nation.grant(place.finess, state="agreed", dates=again, solution="PLANTEE01")
            nation.spare(
                "two_grants", "La première demande n'a rien laissé : sans suite ou remboursée", place.finess
            )
        for state, when in (("rejected", second), ("withdrawn", second), ("requested", first - _AFTER)):
            (place,) = register.take()
            nation.grant(
                place.finess,
                state="agreed",
                dates={"requested": first - _AFTER, "agreed": first},
                solution="PLANTEE01",
            )
            nation.grant(
                place.finess,
                state=state,
                dates={"requested": when - _AFTER, state: when},
                solution="PLANTEE02",
            )
            nation.spare(
                "two_grants", "L'autre demande est sans suite, ou antérieure et sans réponse", place.finess
            )


def plant_cancelled(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """R29: cancelled from the lock on in order to acquire, and the acquisition asked for or granted."""
    for _ in range(copies):
        for ending, va in (
            (Ending(_LOCKED, "acquisition", True), None),
            (Ending(_LOCKED, "renunciation", None), None),  # nobody said why: a person asks
            (Ending(_NOT_YET, "acquisition", True), _VA),  # after its VA, before the text
        ):
            for state in ("requested", "agreed"):
                order = _ended(nation, register, ending, va)
                grant = _acquisition(nation, order, state)
                nation.plant("cancelled_then_acquisition", order, grant, essms=order.lines)


def spare_cancelled(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """Cancelled before the lock, for another reason, or with nothing acquired afterwards."""
    for _ in range(copies):
        for ending, story, state, project in (
            (Ending(_NOT_YET, "acquisition", True), "Annulée avant le verrou", "agreed", "acquisition"),
            (
                Ending(_LOCKED, "supplier_error", False),
                "Annulée pour un autre motif",
                "agreed",
                "acquisition",
            ),
            (
                Ending(_LOCKED, "acquisition", True),
                "Acquisition rejetée avant versement",
                "rejected",
                "acquisition",
            ),
            (
                Ending(_LOCKED, "acquisition", True),
                "Mise en conformité, non acquisition",
                "agreed",
                "upgrade",
            ),
        ):
            order = _ended(nation, register, ending, None)
            _acquisition(nation, order, state, project)
            nation.spare("cancelled_then_acquisition", story, *order.lines)


def _ended(nation: Nation, register: PlantedRegister, ending: Ending, va: datetime | None) -> PlantedOrder:
    """An order of one ESSMS that was cancelled so; `va`: when its VA reached the paying agency."""
    places = register.take(1, "MS1-V1")
    return nation.order(places, year=2022, state="cancelled", ending=ending, solde_asked_at=va)


def _acquisition(
    nation: Nation, order: PlantedOrder, state: str, project: str = "acquisition"
) -> PlantedGrant:
    """A grant asked for on the day after the order was cancelled."""
    assert order.ending is not None
    asked = order.ending.at.astimezone(PARIS).date() + DAY
    dates = {"requested": asked, state: asked if state == "requested" else asked + _AFTER}
    components = ("equipment", "usage") if project == "acquisition" else ("usage",)
    return nation.grant(
        order.lines[0],
        state=state,
        dates=dates,
        project=project,
        components=components,
        solution="PLANTEE07",
        year=asked.year,
    )
