"""Requests of advance and solde: what was filed, what the law said of it, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.law.requests import request_schema, validate_content
from sons_tracker.operations.actors import Actor, require, sees_all
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.views import VerdictView, verdict_from_row, verdict_view
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Verdict

UNKNOWN_ORDER = "Aucune commande visible ne porte cet identifiant."
_UNKNOWN = "Aucune demande visible ne porte cet identifiant."


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request with its last filing; `verdicts` are those of that filing, `filings` their number."""

    id: UUID
    order_id: UUID
    order_number: str
    kind: str
    state: str
    received_at: datetime
    filed_at: datetime
    filings: int
    schema: str
    content: dict[str, Any]
    verdicts: tuple[VerdictView, ...]
    referenced_on: date | None
    decided_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class RequestSummary:
    """A request in a queue."""

    id: UUID
    order_id: UUID
    order_number: str
    dispositif: str
    kind: str
    state: str
    received_at: datetime


def checked_content(law: Law, dispositif: str, kind: str, content: Mapping[str, Any], at: datetime) -> str:
    """The name of the schema in force at `at`, which the content follows.

    Raises:
        SonsError: `INVALID_REQUEST` with every fault; `OUTSIDE_COVERAGE` when no schema is in force.
    """
    schema = request_schema(law, dispositif, kind, at)
    faults = validate_content(schema, content)
    if faults:
        raise SonsError(
            ErrorCode.INVALID_REQUEST,
            f"La demande ne suit pas le format en vigueur ({schema.file}).",
            faults,
        )
    return schema.file


async def open_request(
    con: asyncpg.Connection,
    dossier: Dossier,
    request_id: UUID,
    kind: str,
    state: str,
    at: datetime,
    reason: str | None,
) -> None:
    """Writes a new request, `requested`, or `inadmissible` with its reason."""
    await con.execute(
        "insert into financing_request (id, order_id, supplier_id, og_id, kind, state, received_at,"
        " decided_at, reason) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        request_id,
        dossier.id,
        dossier.supplier_id,
        dossier.og_id,
        kind,
        state,
        at,
        at if state == "inadmissible" else None,
        reason,
    )


async def file_request(
    con: asyncpg.Connection,
    dossier: Dossier,
    request_id: UUID,
    at: datetime,
    schema: str,
    content: Mapping[str, Any],
    verdicts: Sequence[Verdict],
    law: Law,
) -> None:
    """Writes one more filing of a request, as it came."""
    await con.execute(
        "insert into request_filing (request_id, filing, order_id, supplier_id, og_id, filed_at, schema,"
        " content, verdicts, law_digest, known_on)"
        " select $1, 1 + count(*), $2, $3, $4, $5, $6, $7, $8, $9, $10"
        " from request_filing where request_id = $1",
        request_id,
        dossier.id,
        dossier.supplier_id,
        dossier.og_id,
        at,
        schema,
        dict(content),
        [verdict_view(verdict) for verdict in verdicts],
        law.digest,
        known_on(at),
    )


_VIEW = """
select r.id, r.order_id, o.number as order_number, r.kind, r.state, r.received_at, f.filed_at,
       f.filing as filings, f.schema, f.content, f.verdicts, r.referenced_on, r.decided_at, r.reason
from financing_request r join purchase_order o on o.id = r.order_id
join request_filing f on f.request_id = r.id
where {} and ($1 or r.supplier_id = $2 or r.og_id = $2)
  and f.filing = (select max(filing) from request_filing where request_id = r.id)
"""
_ONE = _VIEW.format("r.id = $3")
_OF_ORDER = _VIEW.format("r.order_id = $3") + " order by r.received_at, r.id"


def _view(row: Any) -> RequestView:
    return RequestView(**{**dict(row), "verdicts": tuple(verdict_from_row(v) for v in row["verdicts"])})


async def view_request(con: asyncpg.Connection, actor: Actor, request_id: UUID) -> RequestView:
    """A request that the actor may see.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown request and for another organisation's.
    """
    row = await con.fetchrow(_ONE, sees_all(actor, "request.read"), actor.organisation_id, request_id)
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return _view(row)


async def order_of_request(con: asyncpg.Connection, request_id: UUID) -> tuple[UUID, str]:
    """The order of a request, and its kind, as far as the actor's rights go.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    row = await con.fetchrow("select order_id, kind from financing_request where id = $1", request_id)
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return row["order_id"], row["kind"]


async def find_request(actor: Actor, request_id: UUID) -> RequestView:
    """A request that the actor may see.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    require(actor, "request.read")
    async with transaction(actor.context, read_only=True) as con:
        return await view_request(con, actor, request_id)


async def requests_of_order(actor: Actor, order_id: UUID) -> tuple[RequestView, ...]:
    """The requests of an order, oldest first, inadmissible ones too.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown order and for another organisation's.
    """
    require(actor, "request.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(_OF_ORDER, sees_all(actor, "request.read"), actor.organisation_id, order_id)
        if not rows and not await con.fetchval(
            "select 1 from purchase_order where id = $3 and ($1 or supplier_id = $2 or og_id = $2)",
            sees_all(actor, "request.read"),
            actor.organisation_id,
            order_id,
        ):
            raise SonsError(ErrorCode.NOT_FOUND, UNKNOWN_ORDER)
    return tuple(_view(row) for row in rows)


async def list_requests(
    actor: Actor, state: str | None, kind: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> tuple[RequestSummary, ...]:
    """At most `limit` requests that the actor may see, oldest reception first, after a key."""
    require(actor, "request.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            "select r.id, r.order_id, o.number as order_number, o.dispositif, r.kind, r.state, r.received_at"
            " from financing_request r join purchase_order o on o.id = r.order_id"
            " where ($1 or r.supplier_id = $2 or r.og_id = $2)"
            " and ($3::text is null or r.state = $3) and ($4::text is null or r.kind = $4)"
            " and ($5::timestamptz is null or (r.received_at, r.id) > ($5, $6::uuid))"
            " order by r.received_at, r.id limit $7",
            sees_all(actor, "request.read"),
            actor.organisation_id,
            state,
            kind,
            None if after is None else after[0],
            None if after is None else after[1],
            limit,
        )
    return tuple(RequestSummary(**dict(row)) for row in rows)
