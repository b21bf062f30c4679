"""Bodies and answers about samples for audits after payment: amounts are strings in euros."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from sons_tracker.api.schemas.lots import After, Identifier
from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.schemas.queue import Couloir
from sons_tracker.api.strict import Count, Strict, Text
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.exchanges.tables import Sheet
from sons_tracker.operations.sample_reading import SampleLine, SamplePage, SampleView
from sons_tracker.operations.samples import Criteria, Redraw
from sons_tracker.rules.money import euros

MOST_DRAWN = 5_000


class SampleIn(Strict, frozen=True, kw_only=True):
    """Un tirage parmi ce qui est payé, stratifié par couloir, tranche et éditeur.

    « unit » : des lignes (un ESSMS d'une commande) ou des commandes entières. « what » : ce qui a reçu
    quelque chose, ou dont le solde est payé. « until » : payé jusqu'à cet instant, par défaut maintenant.
    « at_least_one » : au moins une unité par strate.
    """

    seed: Annotated[Text, Meta(description="La graine : la même redonne le même échantillon.")]
    size: Annotated[int, Meta(ge=1, le=MOST_DRAWN)]
    unit: Literal["line", "order"] = "line"
    what: Literal["paid", "settled"] = "paid"
    until: (
        Annotated[
            dt.datetime,
            Meta(tz=True, description="Instant, avec son décalage.", examples=["2024-03-31T23:59:59+02:00"]),
        ]
        | None
    ) = None
    at_least_one: bool = False
    couloir: Couloir | None = None
    tranche: Annotated[str, Meta(pattern="^[A-Z](?!\\n)$", examples=["E"])] | None = None
    editor: Identifier | None = None


class SamplesQuery(Strict, frozen=True, kw_only=True):
    """Page d'une liste d'échantillons ; « after » est le « next » de la page précédente."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: After | None = None


class SampleLinesQuery(Strict, frozen=True, kw_only=True):
    """Page des unités d'un échantillon ; « after » est le rang de la dernière reçue."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 200
    after: Count = 0


class SampleFileQuery(Strict, frozen=True, kw_only=True):
    """Le format du fichier d'un échantillon."""

    format: Literal["csv", "xlsx"] = "csv"


class StratumOut(msgspec.Struct, frozen=True):
    """Une strate : couloir, tranche, éditeur (SIREN), combien d'unités, combien de tirées."""

    couloir: str
    tranche: str
    editor: str
    population: int
    drawn: int


class SampleOut(msgspec.Struct, frozen=True, kw_only=True):
    """Un échantillon et ce dont il est tiré ; « population_sha256 » en est l'empreinte."""

    id: str
    number: str
    unit: Literal["line", "order"]
    seed: str
    criteria: dict[str, Any]
    strata: list[StratumOut]
    population: int
    population_ttc: str
    population_sha256: str
    size: int
    drawn_at: str
    drawn_by: str


class SamplesOut(msgspec.Struct, frozen=True):
    """Une page d'échantillons, du plus récent au plus ancien ; « next » est null à la dernière."""

    samples: list[SampleOut]
    next: str | None


class SampleLineOut(msgspec.Struct, frozen=True):
    """Une unité à contrôler ; « finess » est null pour une commande entière."""

    rank: int
    order_id: str
    order: str
    finess: str | None
    og: str
    supplier: str
    stratum: list[str]
    received_ttc: str


class SampleLinesOut(msgspec.Struct, frozen=True):
    """Une page d'unités, dans l'ordre du tirage ; « next » est le rang suivant, null à la dernière."""

    lines: list[SampleLineOut]
    next: int | None


class RedrawOut(msgspec.Struct, frozen=True):
    """Le même tirage sur la population d'aujourd'hui : est-ce celle d'alors, et sinon ce que l'échantillon
    perdrait et gagnerait (commande, ou commande/ESSMS)."""

    unchanged: bool
    population: int
    population_ttc: str
    population_sha256: str
    lost: list[str]
    gained: list[str]


def criteria_of(body: SampleIn, now: dt.datetime) -> Criteria:
    """What a body asks to draw.

    Raises:
        SonsError: `INVALID_REQUEST` for an instant that no calendar of ours can hold.
    """
    try:
        until = (body.until or now).astimezone(dt.UTC)
    except OverflowError:
        problem = "Cet instant n'existe pas."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.until", problem),)) from None
    return Criteria(
        body.unit,
        body.what,
        until,
        body.size,
        body.at_least_one,
        body.couloir,
        body.tranche,
        None if body.editor is None else UUID(body.editor),
    )


def sample_out(sample: SampleView) -> SampleOut:
    """A sample as it is shown."""
    return SampleOut(
        id=str(sample.id),
        number=sample.number,
        unit=sample.unit,  # type: ignore[arg-type]
        seed=sample.seed,
        criteria=dict(sample.criteria),
        strata=[StratumOut(**one) for one in sample.strata],
        population=sample.population,
        population_ttc=euros(sample.population_ttc_cents),
        population_sha256=sample.digest.hex(),
        size=sample.size,
        drawn_at=paris_text(sample.drawn_at),
        drawn_by=str(sample.drawn_by),
    )


def samples_out(page: SamplePage, following: str | None) -> SamplesOut:
    """A page of samples."""
    return SamplesOut([sample_out(one) for one in page.samples], following)


def lines_out(lines: tuple[SampleLine, ...], limit: int) -> SampleLinesOut:
    """A page of lines, of which one more than `limit` was asked for."""
    shown = [
        SampleLineOut(
            line.rank,
            str(line.order_id),
            line.order,
            line.finess,
            line.og,
            line.supplier,
            list(line.stratum),
            euros(line.received_ttc_cents),
        )
        for line in lines[:limit]
    ]
    return SampleLinesOut(shown, shown[-1].rank if len(lines) > limit else None)


def redraw_out(found: Redraw) -> RedrawOut:
    """A draw done again, as it is shown."""
    return RedrawOut(
        found.unchanged,
        found.population,
        euros(found.population_ttc_cents),
        found.digest.hex(),
        list(found.lost),
        list(found.gained),
    )


_MONEY = "Reçu (€ TTC)"


def sample_sheet(lines: tuple[SampleLine, ...]) -> Sheet:
    """The lines of a sample as a table for a spreadsheet."""
    columns = (
        "Rang", "Commande", "ESSMS", "OG", "Fournisseur", "Couloir", "Tranche", "Éditeur (SIREN)", _MONEY,
    )  # fmt: skip
    rows = [
        (
            line.rank,
            line.order,
            line.finess,
            line.og,
            line.supplier,
            *line.stratum,
            line.received_ttc_cents,
        )
        for line in lines
    ]
    return Sheet("Échantillon", columns, rows, frozenset((_MONEY,)))
