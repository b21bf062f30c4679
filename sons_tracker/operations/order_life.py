"""An order as a party reads it: what was decided, what can be done now and why not the rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.corrections import CorrectionView, view_correction
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.order_reading import read_order
from sons_tracker.operations.views import OrderView
from sons_tracker.rules.actions import Action
from sons_tracker.rules.deeds import order_actions
from sons_tracker.rules.texts import Law


@dataclass(frozen=True, slots=True)
class OrderLife:
    """An order, the ESSMS removed from its perimeter, its open correction, and the actions of the reader."""

    order: OrderView
    removed: tuple[str, ...]
    correction: CorrectionView | None
    actions: tuple[Action, ...]


async def find_order_life(actor: Actor, order_id: UUID, law: Law, at: datetime) -> OrderLife:
    """An order with what the actor may do with it at the business instant `at`.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown order and for another organisation's.
    """
    require(actor, "order.read")
    async with transaction(actor.context, read_only=True) as con:
        order = await read_order(con, actor, order_id)
        dossier = await load_dossier(con, actor, order_id, at)
        correction = dossier.correction
        return OrderLife(
            order,
            tuple(line.finess for line in dossier.lines if line.removed),
            None if correction is None else await view_correction(con, correction.id),
            order_actions(dossier, actor.role, law, at),
        )
