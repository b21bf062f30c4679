"""The clock over HTTP: what time it is here, and living on in a sandbox."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import Strict, decode
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept

_TAG = "Horloge"


class ClockOut(msgspec.Struct, frozen=True):
    """Le genre de l'instance et son instant : celui dont tout acte de ce moment est daté.

    `mode` : `sandbox` (une démonstration, dont l'horloge se règle), `real` ou `undeclared` (l'heure de la
    machine). `at` : l'instant, à l'heure de Paris.
    """

    mode: str
    at: str


class ClockIn(Strict, frozen=True, kw_only=True):
    """Jusqu'où avancer l'horloge.

    `to` : un instant avec son décalage horaire, ni avant l'instant présent, ni plus de dix ans après.
    """

    to: Annotated[
        dt.datetime,
        Meta(
            tz=True,
            description="Instant ISO 8601 avec son décalage horaire.",
            examples=["2023-03-10T10:00:00+01:00"],
        ),
    ]


class EventOut(msgspec.Struct, frozen=True):
    """Ce qui s'est produit, tel que le journal le garde : daté de l'instant où l'échéance est tombée.

    `event` : `deadline.reached`, `deadline.reminder`, ou ce qui en découle, comme `order.lapsed`.
    """

    at: str
    event: str
    object_kind: str
    object_id: str
    facts: dict[str, Any]


class AdvancedOut(msgspec.Struct, frozen=True):
    """Le trajet de l'horloge et ce qui s'est produit en chemin, dans l'ordre.

    `before`, `after` : les instants de départ et d'arrivée, à l'heure de Paris. `events` : les deux cents
    premiers ; `total` : combien il y en a. `left_due` : les échéances dont l'effet a échoué, qui restent
    dues.
    """

    before: str
    after: str
    events: list[EventOut]
    total: int
    left_due: int


def advanced_out(done: clock.Advanced) -> AdvancedOut:
    """A jump as JSON shows it."""
    return AdvancedOut(
        paris_text(done.before),
        paris_text(done.after),
        [
            EventOut(paris_text(one.at), one.action, one.object_kind, one.object_id, one.facts)
            for one in done.events
        ],
        done.total,
        done.left_due,
    )


def _render(outcome: clock.Advanced | Refused) -> Kept:
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(200, msgspec.json.encode(advanced_out(outcome)))


@get(
    "/api/v1/clock",
    opt=Contract(
        may("clock.read"),
        "Lire l'horloge",
        tag=_TAG,
        description="L'instant dont tout acte de ce moment serait daté : celui de la machine, ou celui d'une"
        " instance de démonstration.",
        answers={200: Answer("L'horloge.", ClockOut)},
        examples=(Example("horloge", "L'heure de l'instance", 200),),
    ).opt,
)
async def show() -> ClockOut:
    """The business instant."""
    state = await clock.state()
    return ClockOut(state.mode, paris_text(state.at))


@post(
    "/api/v1/clock/advance",
    status_code=200,
    opt=Contract(
        may("clock.advance"),
        "Avancer l'horloge d'une démonstration",
        tag=_TAG,
        description="Les échéances rencontrées prennent effet l'une après l'autre, dans l'ordre du temps :"
        " le résultat est celui des mêmes jours vécus un à un. Tout ou rien. Impossible hors d'une instance"
        " de démonstration.",
        headers=KEY_HEADER,
        body=ClockIn,
        answers={200: Answer("Ce qui s'est produit en chemin.", AdvancedOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
        examples=(
            Example(
                "neuf-jours",
                "Avancer de neuf jours",
                200,
                body={"to": "2023-03-10T10:00:00+01:00"},
                headers={"Idempotency-Key": "exemple-horloge-1"},
                role="admin",
            ),
            Example(
                "sans-decalage",
                "Un instant sans décalage horaire",
                422,
                body={"to": "2023-03-10T10:00:00"},
                headers={"Idempotency-Key": "exemple-horloge-2"},
                role="admin",
            ),
        ),
    ).opt,
)
async def advance(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Moves the clock forward and answers what happened on the way."""
    key = await act_key(request, "POST /api/v1/clock/advance")
    asked = await decode(request, ClockIn)
    return as_response(await clock.advance(actor, asked.to, key, _render))


HANDLERS: tuple[HTTPRouteHandler, ...] = (show, advance)
