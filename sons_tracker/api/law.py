"""The law, readable by everyone: what is in force on a day, as known on another."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api.contract import Answer, Contract, Example, public
from sons_tracker.api.strict import Day, Strict, read_query
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import clock, enactment
from sons_tracker.rules.french import PARIS

_TAG = "Droit"
_MOST_ENACTMENTS = 100


class LawIndex(msgspec.Struct, frozen=True):
    """Les textes connus et l'empreinte de leur ensemble."""

    digest: str
    names: list[str]


class LawQuery(Strict, frozen=True, kw_only=True):
    """Le jour dont on demande le droit, et le jour où on le connaît."""

    on: Day | None = None
    known_on: Day | None = None


class CalendarQuery(Strict, frozen=True, kw_only=True):
    """Le jour où l'on connaît le calendrier."""

    known_on: Day | None = None


class LawText(msgspec.Struct, frozen=True):
    """Les valeurs d'un texte : pour chacune, la version en vigueur, ou null si aucune n'est connue."""

    name: str
    on: str
    known_on: str
    digest: str
    values: dict[str, Any]


class CalendarDay(msgspec.Struct, frozen=True, omit_defaults=True):
    """Un instant du calendrier : null si aucune date n'est connue."""

    at: str | None
    source: str
    confiance: str
    domaines: list[str] | None = None
    prevision: bool = False


class Calendar(msgspec.Struct, frozen=True):
    """Ouverture, fermeture et clôture d'un dispositif."""

    dispositif: str
    known_on: str
    ouverture: CalendarDay
    fermeture: CalendarDay
    cloture: CalendarDay


class EnactedLaw(msgspec.Struct, frozen=True):
    """Un droit mis en vigueur dans cette instance : son empreinte, et l'instant depuis lequel il décide."""

    digest: str
    enacted_at: str


class EnactedLaws(msgspec.Struct, frozen=True):
    """Les droits mis en vigueur ici, le dernier d'abord ; « package » est celui du logiciel qui répond."""

    package: str
    enactments: list[EnactedLaw]


@get(
    "/api/v1/law",
    opt=Contract(
        public("law.read"),
        "Les textes connus",
        tag=_TAG,
        answers={200: Answer("Les noms que l'on peut demander.", LawIndex)},
        examples=(Example("liste", "Tous les textes", 200),),
    ).opt,
)
async def index() -> LawIndex:
    """The names of the texts and values."""
    library = law.load()
    return LawIndex(library.law.digest, law.names(library))


@get(
    "/api/v1/law/{name:str}",
    opt=Contract(
        public("law.read"),
        "Ce que dit un texte un jour donné",
        tag=_TAG,
        description="« on » est le jour d'application, « known_on » le jour où l'on connaît les textes ; "
        "par défaut, aujourd'hui à l'horloge de l'instance.",
        path={"name": "Texte (« MS1-V1 ») ou valeur d'un texte (« MS1-V1.bareme »)."},
        query=LawQuery,
        answers={200: Answer("Les valeurs en vigueur, avec leur source.", LawText)},
        errors=(ErrorCode.OUTSIDE_COVERAGE, ErrorCode.UNAVAILABLE),
        examples=(
            Example(
                "bareme",
                "Le barème MS1-V1 le 1er juin 2022",
                200,
                path={"name": "MS1-V1.bareme"},
                query={"on": "2022-06-01", "known_on": "2022-06-01"},
            ),
            Example(
                "date",
                "Une date qui n'existe pas",
                422,
                path={"name": "MS1-V1"},
                query={"on": "2022-02-30"},
            ),
        ),
    ).opt,
)
async def text(request: Request[Any, Any, Any], name: FromPath[str]) -> LawText:
    """What a text, or one of its values, says."""
    asked = read_query(request, LawQuery)
    library = law.load()
    if name not in law.names(library):
        raise SonsError(ErrorCode.NOT_FOUND, "Aucun texte ne porte ce nom ; « /api/v1/law » les donne tous.")
    known_on = asked.known_on or await clock.today()
    return msgspec.convert(law.show(library, name, asked.on or known_on, known_on), LawText)


@get(
    "/api/v1/law/{dispositif:str}/calendar",
    opt=Contract(
        public("law.read"),
        "Le calendrier d'un dispositif",
        tag=_TAG,
        description="La fermeture et la clôture donnent leur dernier instant, inclus, à l'heure de Paris.",
        path={"dispositif": "Code du dispositif, par exemple « MS1-V1 »."},
        query=CalendarQuery,
        answers={200: Answer("Les trois dates, avec leur source.", Calendar)},
        errors=(ErrorCode.OUTSIDE_COVERAGE, ErrorCode.UNAVAILABLE),
        examples=(
            Example(
                "ms1",
                "Le calendrier MS1-V1 tel que connu le 1er mars 2023",
                200,
                path={"dispositif": "MS1-V1"},
                query={"known_on": "2023-03-01"},
            ),
        ),
    ).opt,
)
async def calendar(request: Request[Any, Any, Any], dispositif: FromPath[str]) -> Calendar:
    """Ouverture, fermeture and clôture of a dispositif."""
    asked = read_query(request, CalendarQuery)
    library = law.load()
    if dispositif not in library.law.dispositifs:
        raise SonsError(ErrorCode.NOT_FOUND, "Aucun dispositif ne porte ce code.")
    known_on = asked.known_on or await clock.today()
    return msgspec.convert(law.calendar(library, dispositif, known_on), Calendar)


@get(
    "/api/v1/law/enactments",
    opt=Contract(
        public("law.read"),
        "Les droits mis en vigueur",
        tag=_TAG,
        description="Chaque commande garde l'empreinte du droit qui l'a décidée. Une mise en vigueur déplace"
        " les échéances qui courent encore, jamais ce qui est décidé.",
        answers={200: Answer("Les empreintes, la dernière mise en vigueur d'abord.", EnactedLaws)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=(Example("liste", "Les droits de cette instance", 200),),
    ).opt,
)
async def enactments() -> EnactedLaws:
    """The laws enacted in this database."""
    found = await enactment.enacted_laws(_MOST_ENACTMENTS)
    shown = [
        EnactedLaw(one.digest, one.enacted_at.astimezone(PARIS).isoformat(timespec="seconds"))
        for one in found
    ]
    return EnactedLaws(law.load().law.digest, shown)


HANDLERS: tuple[HTTPRouteHandler, ...] = (index, enactments, text, calendar)
