"""Routes that exist for the tests of the frame only: each access, a strict body, a route that breaks."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from litestar import Litestar, Request, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from sons_tracker import app as application
from sons_tracker.api import documentation, health, law
from sons_tracker.api.contract import Answer, Contract, may, public
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import (
    Amount,
    Count,
    Day,
    FinessGeographiqueText,
    FinessJuridiqueText,
    Sha256,
    Strict,
    Text,
    decode,
    idempotency_key,
    read_query,
)
from sons_tracker.settings import Settings


class Line(Strict, frozen=True, kw_only=True):
    """Un ESSMS."""

    finess: FinessGeographiqueText
    unit_ttc: Amount | None = None


class Order(Strict, frozen=True, kw_only=True):
    """Une commande d'essai."""

    og: FinessJuridiqueText
    essms: Annotated[list[FinessGeographiqueText | Line], Meta(min_length=1, max_length=500)]
    signed_on: Day
    note: Text | None = None
    count: Count = 0
    confirmed: bool = False
    digest: Sha256 | None = None


class Question(Strict, frozen=True, kw_only=True):
    """Une question d'essai."""

    on: Day | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    expand: bool = False


@post(
    "/probe/orders",
    opt=Contract(
        public("service.read"), "Essai", body=Order, answers={201: Answer("Lu.", dict[str, Any])}
    ).opt,
)
async def read_order(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Reads a strict body."""
    order = await decode(request, Order)
    return {"essms": len(order.essms), "signed_on": order.signed_on}


@get(
    "/probe/questions",
    opt=Contract(
        public("service.read"), "Essai", query=Question, answers={200: Answer("Lu.", dict[str, Any])}
    ).opt,
)
async def read_question(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Reads a strict query string."""
    question = read_query(request, Question)
    return {"limit": question.limit, "expand": question.expand, "on": question.on}


@post(
    "/probe/keys",
    opt=Contract(public("service.read"), "Essai", answers={201: Answer("Lue.", dict[str, str])}).opt,
)
async def read_key(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Reads an Idempotency-Key."""
    return {"key": idempotency_key(request)}


@post(
    "/probe/editors",
    opt=Contract(
        may("order.deposit"), "Essai", body=Order, answers={201: Answer("Fait.", dict[str, str])}
    ).opt,
)
async def for_editors(request: Request[Any, Any, Any], actor: Caller) -> dict[str, str]:
    """For who deposits orders."""
    await decode(request, Order)
    return {"role": actor.role}


@get(
    "/probe/anyone",
    opt=Contract(may("clock.read"), "Essai", answers={200: Answer("Fait.", dict[str, str])}).opt,
)
async def for_anyone(actor: Caller) -> dict[str, str]:
    """For everyone, known or not."""
    return {"role": actor.role}


@get(
    "/probe/public",
    opt=Contract(public("service.read"), "Essai", answers={200: Answer("Fait.", dict[str, str])}).opt,
)
async def for_all(actor: Caller) -> dict[str, str]:
    """Without any look at the token."""
    return {"role": actor.role}


@get(
    "/probe/broken",
    opt=Contract(public("service.read"), "Essai", answers={200: Answer("Jamais.", dict[str, str])}).opt,
)
async def broken() -> dict[str, str]:
    """Breaks, with a secret in its message."""
    raise RuntimeError("secret-de-la-base")


@post(
    "/probe/liar",
    opt=Contract(
        public("service.read"), "Essai", body=Line, answers={201: Answer("Jamais.", dict[str, str])}
    ).opt,
)
async def liar(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Announces one body and reads another."""
    await decode(request, Order)
    return {}


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    read_order,
    read_question,
    read_key,
    for_editors,
    for_anyone,
    for_all,
    broken,
    liar,
)
VALID = {
    "og": "010780054",
    "essms": ["010780054", {"finess": "01 078 005 4", "unit_ttc": "1232.00"}],
    "signed_on": dt.date(2022, 6, 1).isoformat(),
}


def make_app(monkeypatch: pytest.MonkeyPatch) -> Litestar:
    """The frame's routes and the probe's; the engine is the caller's."""
    frame = (*health.HANDLERS, *law.HANDLERS, *documentation.HANDLERS)
    monkeypatch.setattr(application, "HANDLERS", (*frame, *HANDLERS))
    return application.create_app(Settings.from_env({"HOME": "/nonexistent"}), connect=False)


@asynccontextmanager
async def http(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application without a life of its own."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as client:
        yield client
