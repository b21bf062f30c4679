"""The answer about one ESSMS."""

from __future__ import annotations

from typing import Literal

import msgspec

from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.operations.essms import EssmsView


class RegisterEntryOut(msgspec.Struct, frozen=True):
    """Ce que le répertoire disait de l'ESSMS à partir d'une extraction, jusqu'à une autre."""

    since: str
    until: str | None
    finess_juridique: str | None
    name: str
    category: str
    aggregate: str | None
    domaine: str | None
    dispositif: str | None


class HoldOut(msgspec.Struct, frozen=True):
    """Un engagement que vous pouvez voir ; « held_as » : le nouveau numéro de l'ESSMS pour lequel il vaut."""

    vague: str
    order_id: str | None
    order_number: str | None
    claimed_at: str
    released_at: str | None
    release_reason: str | None
    held_as: str | None


class GrantOut(msgspec.Struct, frozen=True):
    """Un financement ESMS numérique de l'ESSMS que vous pouvez voir."""

    reference: str
    year: int
    project: str
    components: list[str]
    state: str
    solution: str | None


class EssmsOut(msgspec.Struct, frozen=True):
    """L'état d'un ESSMS : répertoire, financement par vague, historique visible."""

    finess: str
    register: list[RegisterEntryOut]
    financing: dict[str, Literal["free", "reserved", "engaged"]]
    holds: list[HoldOut]
    grants: list[GrantOut]


def essms_out(view: EssmsView) -> EssmsOut:
    """An ESSMS as JSON shows it."""
    return EssmsOut(
        view.finess,
        [
            RegisterEntryOut(
                e.since.isoformat(),
                None if e.until is None else e.until.isoformat(),
                e.finess_juridique,
                e.name,
                e.category,
                e.aggregate,
                e.domaine,
                e.dispositif,
            )
            for e in view.register
        ],
        view.financing,  # type: ignore[arg-type]
        [
            HoldOut(
                h.vague,
                None if h.order_id is None else str(h.order_id),
                h.order_number,
                paris_text(h.claimed_at),
                None if h.released_at is None else paris_text(h.released_at),
                h.release_reason,
                h.held_as,
            )
            for h in view.holds
        ],
        [
            GrantOut(g.reference, g.year, g.project, list(g.components), g.state, g.solution)
            for g in view.grants
        ],
    )
