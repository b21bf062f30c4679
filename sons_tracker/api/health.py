"""Whether the process lives, and whether it may serve."""

from __future__ import annotations

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from sons_tracker import __version__, law
from sons_tracker.api.contract import Answer, Contract, Example, public
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import enactment


class Alive(msgspec.Struct, frozen=True):
    """Le processus répond."""

    status: str
    version: str


class Ready(msgspec.Struct, frozen=True):
    """Le service peut être rendu."""

    status: str
    law_digest: str


@get(
    "/healthz",
    opt=Contract(
        public("service.read"),
        "Le processus est en vie",
        description="Ne consulte rien d'autre que le processus lui-même.",
        answers={200: Answer("Il l'est.", Alive)},
        examples=(Example("vie", "Le processus répond", 200),),
    ).opt,
)
async def healthz() -> Alive:
    """The process lives; nothing else is asked."""
    return Alive("ok", __version__)


@get(
    "/readyz",
    opt=Contract(
        public("service.read"),
        "Le service peut être rendu",
        description="La base répond, son schéma est celui du logiciel, le droit livré y est mis en vigueur.",
        answers={200: Answer("Il peut l'être.", Ready)},
        errors=(
            ErrorCode.UNAVAILABLE,
            ErrorCode.DATABASE_UNREACHABLE,
            ErrorCode.SCHEMA_NOT_CURRENT,
            ErrorCode.LAW_NOT_ENACTED,
        ),
    ).opt,
)
async def readyz() -> Ready:
    """The database answers, its schema is ours, the law of the package is enacted; else 503."""
    digest = law.load().law.digest
    found = await enactment.readiness(digest)
    if not found.schema_current:
        raise SonsError(ErrorCode.SCHEMA_NOT_CURRENT, "Le schéma de la base n'est pas celui de ce logiciel.")
    if not found.law_enacted:
        raise SonsError(
            ErrorCode.LAW_NOT_ENACTED, f"Le droit d'empreinte {digest[:12]}… n'est pas en vigueur ici."
        )
    return Ready("ok", digest)


HANDLERS: tuple[HTTPRouteHandler, ...] = (healthz, readyz)
