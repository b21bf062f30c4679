"""The forecast over HTTP: what is engaged, paid, to come and at risk, in JSON, CSV or XLSX."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from sons_tracker import law
from sons_tracker.api.acts import parse_id
from sons_tracker.api.contract import Answer, Contract, may
from sons_tracker.api.schemas.orders import Code, paris_text
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import Day, Strict, Text, read_query
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.exchanges.forecast_file import forecast_csv, forecast_xlsx
from sons_tracker.operations import clock
from sons_tracker.operations import forecast as reading
from sons_tracker.operations.forecast import DIMENSIONS, MEASURES, Forecast, ForecastFilter, as_table
from sons_tracker.rules.money import euros

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ForecastQuery(Strict, frozen=True, kw_only=True):
    """Dimensions et filtres ; « by » en cite une ou plusieurs, séparées par des virgules."""

    by: Annotated[str, Meta(max_length=60, pattern="^[a-z_, ]*(?!\\n)$", examples=["month,dispositif"])] = (
        "month"
    )
    month_from: Day | None = None
    month_to: Day | None = None
    dispositif: Code | None = None
    editor: Annotated[str, Meta(max_length=40)] | None = None
    region: Text | None = None
    format: Literal["json", "csv", "xlsx"] = "json"


class MeasuresOut(msgspec.Struct, frozen=True):
    """Des montants en euros TTC."""

    engaged_ttc: str
    paid_ttc: str
    to_come_ttc: str
    at_risk_ttc: str
    conditional_ttc: str
    to_recover_ttc: str
    recovered_ttc: str


class ForecastRowOut(msgspec.Struct, frozen=True):
    """Un groupe ; une dimension non demandée, ou inconnue, est nulle. Le mois s'écrit AAAA-MM."""

    month: str | None
    dispositif: str | None
    editor: str | None
    region: str | None
    amounts: MeasuresOut


class ForecastOut(msgspec.Struct, frozen=True):
    """La prévision à un instant, sous un droit."""

    by: list[str]
    rows: list[ForecastRowOut]
    total: MeasuresOut
    as_of: str
    law_digest: str


@get(
    "/api/v1/forecast",
    opt=Contract(
        may("forecast.read"),
        "Prévision : engagé, payé, à venir, à risque",
        tag="Pilotage",
        description="Par mois, dispositif, éditeur et région ; un fournisseur et un OG y voient leurs propres"
        " commandes. « format » donne du JSON, du CSV ou un classeur XLSX.",
        query=ForecastQuery,
        answers={200: Answer("La prévision.", ForecastOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
    ).opt,
)
async def show(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """The forecast of the orders that the actor may see."""
    query = read_query(request, ForecastQuery)
    by = [name.strip() for name in query.by.split(",") if name.strip()]
    if unknown := [name for name in by if name not in DIMENSIONS]:
        problem = f"« {unknown[0]} » n'est pas une dimension ; dimensions : {', '.join(DIMENSIONS)}."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("?by", problem),))
    narrowed = ForecastFilter(
        query.month_from,
        query.month_to,
        query.dispositif,
        None if query.editor is None else parse_id(query.editor, "Aucun éditeur visible n'est celui-là."),
        query.region,
    )
    found = await reading.forecast(actor, by, narrowed, law.load().law, await clock.now())
    if query.format == "json":
        return Response(msgspec.json.encode(forecast_out(found)), media_type="application/json")
    content, media_type = (
        (forecast_csv(as_table(found)), "text/csv")
        if query.format == "csv"
        else (forecast_xlsx(as_table(found)), _XLSX)
    )
    name = f"prevision-{found.as_of:%Y%m%d}.{query.format}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


def forecast_out(found: Forecast) -> ForecastOut:
    """A forecast as JSON shows it."""
    return ForecastOut(
        list(found.by),
        [
            ForecastRowOut(
                None if row.month is None else f"{row.month:%Y-%m}",
                row.dispositif,
                row.editor,
                row.region,
                _amounts(row.cents),
            )
            for row in found.rows
        ],
        _amounts(found.total),
        paris_text(found.as_of),
        found.law_digest,
    )


def _amounts(cents: Any) -> MeasuresOut:
    return MeasuresOut(*(euros(cents[name]) for name in MEASURES))


HANDLERS: tuple[HTTPRouteHandler, ...] = (show,)
