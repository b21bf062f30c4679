"""Bodies and answers about reservations."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sons_tracker.api.acts import ActionOut, actions_out
from sons_tracker.api.schemas.orders import Code, paris_text
from sons_tracker.api.strict import FinessGeographiqueText, FinessJuridiqueText, Strict
from sons_tracker.operations.requests import MOST_ESSMS
from sons_tracker.operations.reservation_reading import ReservationView
from sons_tracker.operations.reservations import ReservationRequest
from sons_tracker.rules.identifiers import parse_geographique, parse_juridique
from sons_tracker.rules.lifecycle import RESERVATION_WORDS

State = Literal["active", "converted", "expired", "dropped"]
EssmsState = Literal["reserved", "ordered", "given_back"]


class ReservationIn(Strict, frozen=True, kw_only=True):
    """Des ESSMS d'un organisme gestionnaire à réserver pendant la signature d'une commande."""

    dispositif: Annotated[Code, Meta(examples=["MS1-V1"])]
    og: FinessJuridiqueText
    essms: Annotated[
        list[FinessGeographiqueText],
        Meta(min_length=1, max_length=MOST_ESSMS, description="Les ESSMS à réserver, chacun une fois."),
    ]
    solution_version: Code


class ReservationsQuery(Strict, frozen=True, kw_only=True):
    """Filtres et page d'une liste de réservations ; « after » est le « next » de la page précédente."""

    state: State | None = None
    og: FinessJuridiqueText | None = None
    essms: FinessGeographiqueText | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: Annotated[str, Meta(max_length=200)] | None = None


class ReservedEssmsOut(msgspec.Struct, frozen=True):
    """Un ESSMS de la réservation : encore réservé, pris par la commande indiquée, ou rendu."""

    finess: str
    state: EssmsState
    order_number: str | None


class ReservationOut(msgspec.Struct, frozen=True):
    """Une réservation. « expires_at » est son dernier instant ; « held », le nombre d'ESSMS encore réservés.
    « actions » : ce que votre rôle peut en faire maintenant, et pourquoi pas le reste."""

    id: str
    number: str
    state: State
    state_label: str
    version: int
    dispositif: str
    og: str
    solution_version: str
    reserved_at: str
    expires_at: str
    renewed: int
    most_renewals: int
    ended_at: str | None
    held: int
    essms: list[ReservedEssmsOut]
    actions: list[ActionOut]


class ReservationsOut(msgspec.Struct, frozen=True):
    """Une page de réservations ; « next », s'il y en a une autre, est à rendre en « after »."""

    reservations: list[ReservationOut]
    next: str | None


def reservation_request(body: ReservationIn) -> ReservationRequest:
    """A body as the operation takes it.

    Raises:
        SonsError: `INVALID_REQUEST` for a FINESS number whose key is wrong.
    """
    return ReservationRequest(
        dispositif=body.dispositif,
        og=parse_juridique(body.og, "$.og"),
        essms=tuple(parse_geographique(number, f"$.essms[{i}]") for i, number in enumerate(body.essms)),
        solution_version=body.solution_version,
    )


def reservation_out(view: ReservationView) -> ReservationOut:
    """A reservation as JSON shows it."""
    return ReservationOut(
        id=str(view.id),
        number=view.number,
        state=view.state,  # type: ignore[arg-type]
        state_label=RESERVATION_WORDS[view.state],
        version=view.version,
        dispositif=view.dispositif,
        og=view.og,
        solution_version=view.solution_version,
        reserved_at=paris_text(view.reserved_at),
        expires_at=paris_text(view.expires_at),
        renewed=view.renewed,
        most_renewals=view.most_renewals,
        ended_at=None if view.ended_at is None else paris_text(view.ended_at),
        held=view.held,
        essms=[
            ReservedEssmsOut(line.finess, line.state, line.order_number)  # type: ignore[arg-type]
            for line in view.lines
        ],
        actions=actions_out(view.actions),
    )
