"""The orders of a planted nation that nothing is said against: those of the OG that nothing is planted on."""

from __future__ import annotations

from sons_tracker.registers.planted_nation import SUPPLIERS, Nation, PlantedOrder
from sons_tracker.registers.planted_register import PlantedRegister

_SPLIT = 0.08  # an OG that orders twice, for different ESSMS (R04)
_STATES = ("submitted", "waiting_referencing", "validated", "validated", "validated", "settled", "settled")


def plant_orders(nation: Nation, register: PlantedRegister) -> list[PlantedOrder]:
    """One order per OG and dispositif, sometimes two; returns them in the order of their numbers."""
    chance, orders = nation.chance, []
    for og, places in register.places.items():
        if og in register.taken:
            continue
        supplier = chance.below(SUPPLIERS)
        for dispositif in sorted({place.dispositif for place in places}):
            ordered = [place for place in places if place.dispositif == dispositif]
            cut = len(ordered) // 2 if len(ordered) > 1 and chance.happens(_SPLIT) else 0
            for part in (ordered[:cut], ordered[cut:]):
                if part:
                    # no text gives the opening of MS3: its orders wait for a person
                    state = chance.one(_STATES) if dispositif != "MS3-V1" else "to_review"
                    orders.append(nation.order(part, supplier=supplier, state=state))
            if cut:
                nation.spare(
                    "two_orders",
                    "Deux commandes d'un même OG, pour des ESSMS différents",
                    *(place.finess for place in ordered),
                )
    return orders
