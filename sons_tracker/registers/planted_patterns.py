"""Usual patterns, and what stays one step short of them.

A key is what the pattern is about: FINESS juridiques, suppliers (several are joined by `+`), the number of an
order, or an ESSMS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta

from sons_tracker.registers.planted_nation import DAY, OVER, Nation
from sons_tracker.registers.planted_register import PlantedRegister

_SUNDAY = date(2022, 10, 9)


def plant_patterns(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """Each pattern `copies` times, with its near-miss."""
    for copy in range(copies):
        _signers(nation, register, copy)
        _hours(nation, register)
        _creations(nation, register)
        _applications(nation, register)
    nation.accounts |= {10: 1, 11: 1, 12: 2}
    nation.alert("one_account_two_suppliers", joined(str(nation.id("supplier", rank)) for rank in (10, 11)))


def _signers(nation: Nation, register: PlantedRegister, copy: int) -> None:
    for name, count in ((f"Personne fictive {copy}-trois", 3), (f"Personne fictive {copy}-deux", 2)):
        orders = [nation.order(register.take(1, "MS1-V1"), year=2022) for _ in range(count)]
        nation.signers |= {order.id: name for order in orders}
        if count == 3:
            nation.alert("one_signer_many_og", joined(order.og for order in orders))


def _hours(nation: Nation, register: PlantedRegister) -> None:
    for received, on, shown in (
        (time(22, 15), None, True),
        (time(6, 59), None, True),
        (time(11), _SUNDAY, True),
        (time(19, 59), None, False),
        (time(7), None, False),
    ):
        order = nation.order(register.take(1, "MS1-V1"), year=2022, signed_on=on, received=received)
        if shown:
            nation.alert("out_of_hours", order.number)


def _creations(nation: Nation, register: PlantedRegister) -> None:
    for gap, shown in ((timedelta(days=20), True), (DAY, True), (timedelta(0), False)):
        order = nation.order(register.take(1, "MS1-V1"), year=2022)
        register.created(order.og, order.signed_on + gap)
        if shown:
            nation.alert("before_og_existed", order.number)


def _applications(nation: Nation, register: PlantedRegister) -> None:
    on = date(2022, 6, 7)
    for second, state, shown in (
        ("national", "requested", True),
        ("regional", "requested", False),
        ("national", "rejected", False),
    ):
        (place,) = register.take()
        for call, reached in (("regional", "requested"), (second, state)):
            nation.grant(
                place.finess,
                state=reached,
                dates={"requested": on, reached: on + DAY},
                call=call,
                solution="PLANTEE01",
            )
        nation.spare("two_grants", "Deux demandes en cours : rien n'est accordé", place.finess)
        if shown:
            nation.alert("two_applications", place.finess)


def joined(names: Iterable[str]) -> str:
    """How a key names several."""
    return "+".join(sorted(names))


def note_tranches(nation: Nation, register: PlantedRegister) -> None:
    """Writes down the OG with a live order that stand one ESSMS from another tranche, in the extraction that
    the order refers to, and those whose tranche differs from one extraction to the other."""
    earlier, later = register.counted(), register.counted_later()
    for order in nation.orders:
        if order.state in OVER:
            continue
        counts: Mapping[str, int] = earlier if order.signed_on < nation.terms.later else later
        count = counts.get(order.og, 0)
        if _near(nation, count):
            nation.alert("tranche_threshold", order.og)
        both = earlier.get(order.og, 0), later.get(order.og, 0)
        if min(both) > 0 and nation.terms.rate(both[0]) != nation.terms.rate(both[1]):
            nation.alert("tranche_changes", order.og)


def _near(nation: Nation, count: int) -> bool:
    around = {nation.terms.rate(near) for near in (count - 1, count, count + 1) if near > 0}
    return len(around) > 1
