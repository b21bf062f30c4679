"""Samples for audits after payment over HTTP: drawn, read, drawn again, exported."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api import queue_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, may
from sons_tracker.api.pages import decode_after, encode_next
from sons_tracker.api.queue import sheet_file
from sons_tracker.api.schemas.samples import (
    MOST_DRAWN,
    RedrawOut,
    SampleFileQuery,
    SampleIn,
    SampleLinesOut,
    SampleLinesQuery,
    SampleOut,
    SamplesOut,
    SamplesQuery,
    criteria_of,
    lines_out,
    redraw_out,
    sample_out,
    sample_sheet,
    samples_out,
)
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, sample_reading, samples
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.sample_reading import SampleView

_TAG = "Échantillons"
_SAMPLE = "/api/v1/samples/{sample_id:str}"
_ID = {"sample_id": "Identifiant de l'échantillon."}
_UNKNOWN = "Aucun échantillon visible ne porte cet identifiant."


def _read(action: str, summary: str, description: str, answer: Answer, query: Any = None) -> dict[str, Any]:
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        path=_ID,
        query=query,
        answers={200: answer},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.SAMPLE_READS,
    ).opt


@get(
    "/api/v1/samples",
    opt=Contract(
        may("sample.read"),
        "Lister les échantillons",
        tag=_TAG,
        description="Du plus récent au plus ancien, par pages.",
        query=SamplesQuery,
        answers={200: Answer("Une page.", SamplesOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=examples.SAMPLES,
    ).opt,
)
async def list_samples(request: Request[Any, Any, Any], actor: Caller) -> SamplesOut:
    """A page of samples."""
    query = read_query(request, SamplesQuery)
    page = await sample_reading.list_samples(actor, decode_after(query.after), query.limit)
    return samples_out(page, encode_next(page.next_after))


@post(
    "/api/v1/samples",
    status_code=201,
    opt=Contract(
        may("sample.draw"),
        "Tirer un échantillon",
        tag=_TAG,
        description="Pour un contrôle après paiement. La même graine sur la même population redonne le même"
        " échantillon, sur toute machine : les unités de chaque strate viennent dans l'ordre de l'empreinte"
        " SHA-256 de la graine et de leur numéro.",
        headers=KEY_HEADER,
        body=SampleIn,
        answers={201: Answer("L'échantillon.", SampleOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
        examples=examples.DRAWS,
    ).opt,
)
async def draw(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Draws a sample."""
    key = await act_key(request, "POST /api/v1/samples")
    body, at = await decode(request, SampleIn), await clock.now()
    criteria, texts = criteria_of(body, at), law.load().law
    return as_response(await samples.draw_sample(actor, criteria, body.seed, texts, at, key, render))


@get(
    _SAMPLE,
    opt=_read(
        "sample.read",
        "Lire un échantillon",
        "Ses critères, ses strates, sa population.",
        Answer("Lui.", SampleOut),
    ),
)
async def find(actor: Caller, sample_id: FromPath[str]) -> SampleOut:
    """A sample."""
    return sample_out(await sample_reading.find_sample(actor, parse_id(sample_id, _UNKNOWN)))


@get(
    f"{_SAMPLE}/lines",
    opt=_read(
        "sample.read",
        "Lister les unités d'un échantillon",
        "Dans l'ordre du tirage, par pages.",
        Answer("Une page.", SampleLinesOut),
        SampleLinesQuery,
    ),
)
async def list_lines(
    request: Request[Any, Any, Any], actor: Caller, sample_id: FromPath[str]
) -> SampleLinesOut:
    """A page of the lines of a sample."""
    query = read_query(request, SampleLinesQuery)
    wanted = parse_id(sample_id, _UNKNOWN)
    return lines_out(
        await sample_reading.list_lines(actor, wanted, query.after, query.limit + 1), query.limit
    )


@get(
    f"{_SAMPLE}/redraw",
    opt=_read(
        "sample.read",
        "Refaire un tirage",
        "Sans le garder : dit si la population a changé, et ce que l'échantillon perdrait et gagnerait.",
        Answer("Le tirage refait.", RedrawOut),
    ),
)
async def redraw(actor: Caller, sample_id: FromPath[str]) -> RedrawOut:
    """A sample drawn again."""
    return redraw_out(await samples.redraw(actor, parse_id(sample_id, _UNKNOWN), law.load().law))


@get(
    f"{_SAMPLE}/file",
    opt=_read(
        "sample.read",
        "Télécharger un échantillon",
        "En CSV ou en classeur ; aucune cellule n'est une formule.",
        Answer("Le fichier.", media_type="text/csv"),
        SampleFileQuery,
    ),
)
async def export(request: Request[Any, Any, Any], actor: Caller, sample_id: FromPath[str]) -> Response[bytes]:
    """The lines of a sample as a file."""
    query = read_query(request, SampleFileQuery)
    sample = await sample_reading.find_sample(actor, parse_id(sample_id, _UNKNOWN))
    lines = await sample_reading.list_lines(actor, sample.id, 0, MOST_DRAWN)
    return sheet_file(sample.number, sample_sheet(lines), query.format)


def render(outcome: SampleView | Refused) -> Kept:
    """The answer to a draw."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(201, msgspec.json.encode(sample_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_samples, draw, find, list_lines, redraw, export)
