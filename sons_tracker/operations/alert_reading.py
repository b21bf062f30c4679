"""Reading alerts, for the agencies: one, and pages of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require

AlertState = Literal["open", "dismissed", "ceased"]
MOST_EXPORTED = 100_000
_UNKNOWN = "Aucune alerte visible ne porte cet identifiant."
_STATE = (
    "case when a.ceased_at is not null then 'ceased' when a.dismissed_at is not null then 'dismissed'"
    " else 'open' end"
)


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """What a page of alerts is narrowed to; None does not narrow. `og` is a FINESS juridique."""

    state: AlertState | None = None
    pattern: str | None = None
    og: str | None = None
    supplier: UUID | None = None


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert. `suppliers` are identifiers with their names, `subjects` the acts by kind and identifier;
    `score` is what its pattern weighs, from 0 to 100."""

    id: UUID
    number: str
    pattern: str
    state: AlertState
    message: str
    ogs: tuple[str, ...]
    suppliers: tuple[tuple[UUID, str], ...]
    subjects: tuple[tuple[str, str], ...]
    facts: Mapping[str, Any]
    score: int
    raised_at: datetime
    last_raised_at: datetime
    ceased_at: datetime | None
    dismissed_at: datetime | None
    dismissed_by: UUID | None
    dismiss_reason: str | None


@dataclass(frozen=True, slots=True)
class AlertPage:
    """One page, newest first; `next_after` is the key of the next one, None on the last."""

    alerts: tuple[AlertView, ...]
    next_after: tuple[datetime, UUID] | None


_ALERT = f"""
select a.id, a.number, a.pattern, {_STATE} as state, a.message, a.ogs, a.suppliers, a.subjects, a.facts,
  a.score, a.raised_at, a.last_raised_at, a.ceased_at, a.dismissed_at, a.dismissed_by, a.dismiss_reason,
  coalesce((select array_agg(o.name order by n.place)
    from unnest(a.suppliers) with ordinality as n (id, place) join organisation o on o.id = n.id),
    '{{}}') as names
from alert a
"""  # noqa: S608 # nosec B608 # a constant
_PAGE = f"""{_ALERT}
where ($1::text is null or {_STATE} = $1) and ($2::text is null or a.pattern = $2)
  and ($3::text is null or a.ogs @> array[$3]) and ($4::uuid is null or a.suppliers @> array[$4])
  and ($5::timestamptz is null or (a.raised_at, a.id) < ($5, $6::uuid))
order by a.raised_at desc, a.id desc limit $7
"""


async def list_alerts(
    actor: Actor, narrowed: AlertFilter, after: tuple[datetime, UUID] | None, limit: int
) -> AlertPage:
    """A page of at most `limit` alerts, newest first, for the agencies.

    Raises:
        SonsError: `FORBIDDEN`.
    """
    require(actor, "alert.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            _PAGE,
            narrowed.state,
            narrowed.pattern,
            narrowed.og,
            narrowed.supplier,
            None if after is None else after[0],
            None if after is None else after[1],
            limit + 1,
        )
    alerts = tuple(_view(row) for row in rows[:limit])
    return AlertPage(alerts, (alerts[-1].raised_at, alerts[-1].id) if len(rows) > limit else None)


async def find_alert(actor: Actor, alert_id: UUID) -> AlertView:
    """An alert, for the agencies.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`.
    """
    require(actor, "alert.read")
    async with transaction(actor.context, read_only=True) as con:
        return await read_alert(con, alert_id)


async def resolve_alert(actor: Actor, text: str) -> UUID:
    """The identifier of an alert, from its identifier or its number.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`.
    """
    require(actor, "alert.read")
    async with transaction(actor.context, read_only=True) as con:
        found: UUID | None = await con.fetchval(
            "select id from alert where number = $1 or id::text = lower($1)", text
        )
    if found is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return found


async def read_alert(con: asyncpg.Connection, alert_id: UUID) -> AlertView:
    """As `find_alert`, in the caller's transaction."""
    row = await con.fetchrow(f"{_ALERT} where a.id = $1", alert_id)
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return _view(row)


def _view(row: Any) -> AlertView:
    facts = dict(row)
    names = facts.pop("names")
    facts["ogs"] = tuple(facts["ogs"])
    facts["suppliers"] = tuple(zip(facts["suppliers"], names, strict=True))
    facts["subjects"] = tuple((one["kind"], one["id"]) for one in facts["subjects"])
    return AlertView(**facts)
