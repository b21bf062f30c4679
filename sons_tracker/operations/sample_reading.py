"""Reading samples, for the agencies: one, its lines, and pages of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require

_UNKNOWN = "Aucun échantillon visible ne porte cet identifiant."


@dataclass(frozen=True, slots=True)
class SampleView:
    """A sample: `strata` tell couloir, tranche, editor (SIREN), how many there were and were drawn; amounts
    in cents TTC; `digest` is the SHA-256 of the population."""

    id: UUID
    number: str
    unit: str
    seed: str
    criteria: Mapping[str, Any]
    strata: tuple[Mapping[str, Any], ...]
    population: int
    population_ttc_cents: int
    digest: bytes
    size: int
    drawn_at: datetime
    drawn_by: UUID


@dataclass(frozen=True, slots=True)
class SampleLine:
    """One thing to audit; `finess` is None for a whole order. The stratum is (couloir, tranche, editor)."""

    rank: int
    order_id: UUID
    order: str
    finess: str | None
    og: str
    supplier: str
    stratum: tuple[str, ...]
    received_ttc_cents: int


@dataclass(frozen=True, slots=True)
class SamplePage:
    """One page, newest first; `next_after` is the key of the next one, None on the last."""

    samples: tuple[SampleView, ...]
    next_after: tuple[datetime, UUID] | None


async def list_samples(actor: Actor, after: tuple[datetime, UUID] | None, limit: int) -> SamplePage:
    """A page of at most `limit` samples, for the agencies.

    Raises:
        SonsError: `FORBIDDEN`.
    """
    require(actor, "sample.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            "select * from sample where $1::timestamptz is null or (drawn_at, id) < ($1, $2::uuid)"
            " order by drawn_at desc, id desc limit $3",
            None if after is None else after[0],
            None if after is None else after[1],
            limit + 1,
        )
    samples = tuple(_view(row) for row in rows[:limit])
    return SamplePage(samples, (samples[-1].drawn_at, samples[-1].id) if len(rows) > limit else None)


async def find_sample(actor: Actor, sample: UUID | str) -> SampleView:
    """A sample by its identifier or its number, for the agencies.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`.
    """
    require(actor, "sample.read")
    async with transaction(actor.context, read_only=True) as con:
        return await read_sample(con, sample)


async def read_sample(con: asyncpg.Connection, sample: UUID | str) -> SampleView:
    """As `find_sample`, in the caller's transaction."""
    row = await con.fetchrow("select * from sample where number = $1 or id::text = lower($1)", str(sample))
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return _view(row)


async def list_lines(actor: Actor, sample_id: UUID, after: int, limit: int) -> tuple[SampleLine, ...]:
    """At most `limit` lines of a sample that follow rank `after`, for the agencies.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`.
    """
    require(actor, "sample.read")
    async with transaction(actor.context, read_only=True) as con:
        await read_sample(con, sample_id)
        rows = await con.fetch(
            "select l.rank, l.order_id, o.number as order, l.finess_geographique as finess,"
            " o.og_finess_juridique as og, s.name as supplier, l.stratum, l.received_ttc_cents"
            " from sample_line l join purchase_order o on o.id = l.order_id"
            " join organisation s on s.id = l.supplier_id"
            " where l.sample_id = $1 and l.rank > $2 order by l.rank limit $3",
            sample_id,
            after,
            limit,
        )
    return tuple(SampleLine(**{**dict(row), "stratum": tuple(row["stratum"])}) for row in rows)


def _view(row: Any) -> SampleView:
    return SampleView(**{**dict(row), "strata": tuple(row["strata"])})
