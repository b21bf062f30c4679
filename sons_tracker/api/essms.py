"""One ESSMS over HTTP."""

from __future__ import annotations

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api.contract import Answer, Contract, may
from sons_tracker.api.schemas.essms import EssmsOut, essms_out
from sons_tracker.api.security import Caller
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, essms
from sons_tracker.rules.identifiers import parse_geographique


@get(
    "/api/v1/essms/{finess:str}",
    opt=Contract(
        may("essms.read"),
        "L'état d'un ESSMS",
        tag="ESSMS",
        description="Libre, réservé ou engagé dans chaque vague, avec ce que dit le répertoire. Les"
        " engagements et les financements ne sont détaillés qu'à ceux qu'ils concernent.",
        path={"finess": "FINESS géographique de l'ESSMS."},
        answers={200: Answer("L'ESSMS.", EssmsOut)},
        errors=(ErrorCode.INVALID_IDENTIFIER, ErrorCode.UNAVAILABLE),
    ).opt,
)
async def find(actor: Caller, finess: FromPath[str]) -> EssmsOut:
    """The register, the state of the financing and the visible history of an ESSMS."""
    number = parse_geographique(finess, "finess")
    return essms_out(await essms.find_essms(actor, number, law.load().law, await clock.now()))


HANDLERS: tuple[HTTPRouteHandler, ...] = (find,)
