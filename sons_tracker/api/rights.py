"""The table of rights over HTTP, for pages and integrators: what the guard reads, as it reads it."""

from __future__ import annotations

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from sons_tracker.api.contract import Answer, Contract, Example, public
from sons_tracker.rules.rights import REACH_SENTENCES, REACH_WORDS, RIGHTS, ROLE_WORDS, Reach


class RoleOut(msgspec.Struct, frozen=True):
    """Un rôle : son code et son nom. « scheduler » et « anonymous » ne sont portés par personne."""

    code: str
    label: str


class ReachOut(msgspec.Struct, frozen=True):
    """Une portée : son code, son mot, et ce qu'elle veut dire."""

    code: Reach
    label: str
    sentence: str


class RightOut(msgspec.Struct, frozen=True):
    """Une action, et jusqu'où va chaque rôle qui l'a ; un rôle absent de « reaches » ne l'a pas."""

    action: str
    label: str
    section: str
    reaches: dict[str, Reach]


class RightsOut(msgspec.Struct, frozen=True):
    """Le tableau des droits, dans l'ordre de ses lignes et de ses colonnes."""

    roles: list[RoleOut]
    reaches: list[ReachOut]
    rights: list[RightOut]


_TABLE = RightsOut(
    [RoleOut(code, label) for code, label in ROLE_WORDS.items()],
    [ReachOut(one, REACH_WORDS[one], REACH_SENTENCES[one]) for one in Reach],
    [RightOut(one.action, one.label, one.section, dict(one.reaches)) for one in RIGHTS.values()],
)


@get(
    "/api/v1/rights",
    opt=Contract(
        public("rights.read"),
        "Qui peut faire quoi",
        description="Le tableau que le service applique : pour chaque action, les rôles qui l'ont et"
        " jusqu'où. Chaque opération de ce document nomme son action par « x-action ».",
        answers={200: Answer("Le tableau.", RightsOut)},
        examples=(Example("droits", "Le tableau entier", 200),),
    ).opt,
)
async def show() -> RightsOut:
    """The whole table."""
    return _TABLE


HANDLERS: tuple[HTTPRouteHandler, ...] = (show,)
