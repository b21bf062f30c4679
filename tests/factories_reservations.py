"""Reservations, valid by default: of ESSMS that nobody holds, by the editor of a referenced solution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sons_tracker import law
from sons_tracker.operations import reservations
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.requests import OrderRequest
from sons_tracker.operations.reservation_reading import ReservationView, find_reservation
from sons_tracker.operations.reservations import ReservationRequest
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique
from sons_tracker.rules.texts import Law
from tests import factories_orders as make
from tests.factories import AT, Account, an_account
from tests.factories_life import Told


@dataclass(frozen=True, slots=True)
class Ground:
    """An OG with free ESSMS, a solution in the list, and its editor."""

    og: FinessJuridique
    essms: tuple[FinessGeographique, ...]
    solution: make.ASolution
    editor: Account

    def order(self, *numbers: str, **changes: Any) -> OrderRequest:
        """An order of these ESSMS, by default of all."""
        return make.a_request(self.og, numbers or self.essms, self.solution, **changes)

    def asked(self, *numbers: str) -> ReservationRequest:
        """A request to reserve these ESSMS, by default all."""
        essms = tuple(FinessGeographique(n) for n in numbers) or self.essms
        return ReservationRequest("MS1-V1", self.og, essms, self.solution.version)


async def a_ground(owner: make.Seeded, essms: int = 3) -> Ground:
    """Free ESSMS of a new OG, and the editor who may sell to it."""
    og, numbers = await make.an_og(owner, essms)
    await make.an_extraction(owner, on=date(2023, 1, 3))  # that of the orders signed from then on
    solution = await make.a_solution(owner)
    return Ground(og, numbers, solution, await an_account("editor", siren=solution.editor_siren))


async def a_rival(owner: make.Seeded, ground: Ground) -> Ground:
    """The same OG and ESSMS before another editor."""
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    return replace(ground, solution=solution, editor=editor)


async def reserve(
    actor: Actor, request: ReservationRequest, at: datetime = AT, *, texts: Law | None = None
) -> Told:
    """Asks for a reservation; what was told."""
    told = Told()
    await reservations.reserve(actor, request, texts or law.load().law, at, make.a_key(), told)
    return told


async def reserved(ground: Ground, *numbers: str, at: datetime = AT) -> ReservationView:
    """A reservation just made."""
    told = await reserve(ground.editor.actor, ground.asked(*numbers), at)
    assert isinstance(told.outcome, ReservationView), told.outcome
    return told.outcome


async def renew(actor: Actor, reservation_id: UUID, at: datetime) -> Told:
    """Renews; what was told."""
    told = Told()
    await reservations.renew(actor, reservation_id, law.load().law, at, make.a_key(), told)
    return told


async def drop(actor: Actor, reservation_id: UUID, at: datetime) -> Told:
    """Drops; what was told."""
    told = Told()
    await reservations.drop(actor, reservation_id, law.load().law, at, make.a_key(), told)
    return told


async def read(actor: Actor, view: ReservationView, at: datetime = AT) -> ReservationView:
    """The reservation as it now stands."""
    return await find_reservation(actor, view.id, law.load().law, at)


JUST = timedelta(microseconds=1)
