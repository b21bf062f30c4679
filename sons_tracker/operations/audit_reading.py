"""Runs of the audit as the agencies read them: pages, the newest first, and one with its families."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.audit import AuditResult
from sons_tracker.operations.audit_cases import FamilyTally
from sons_tracker.rules.families import FAMILIES

_RUN = """
select r.id, r.at, r.cause, r.numbers, r.law_digest, r.known_on, r.stock_on, r.orders, r.grants, r.lines,
       r.took_ms from audit_run r
"""
_FAMILIES = """
select run_id, family, found, opened, reopened, ceased, at_stake_ttc_cents from audit_family
where run_id = any($1::uuid[])
"""
_ORDER = {family: place for place, family in enumerate(FAMILIES)}


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page, newest first; `next_after` is the key of the next one, None on the last."""

    audits: tuple[AuditResult, ...]
    next_after: tuple[datetime, UUID] | None


async def list_audits(actor: Actor, after: tuple[datetime, UUID] | None, limit: int) -> AuditPage:
    """A page of at most `limit` runs.

    Raises:
        SonsError: `FORBIDDEN` unless the actor is of an agency.
    """
    require(actor, "audit.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            _RUN + "where $1::timestamptz is null or (r.at, r.id) < ($1, $2::uuid)"
            " order by r.at desc, r.id desc limit $3",
            None if after is None else after[0],
            None if after is None else after[1],
            limit + 1,
        )
        audits = await _whole(con, rows[:limit])
    last = audits[-1] if len(rows) > limit else None
    return AuditPage(audits, None if last is None else (last.at, last.id))


async def find_audit(actor: Actor, run_id: UUID | None) -> AuditResult:
    """One run; None: the latest.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND` for an unknown run, or where none was made yet.
    """
    require(actor, "audit.read")
    async with transaction(actor.context, read_only=True) as con:
        if run_id is None:
            rows = await con.fetch(_RUN + "order by r.at desc, r.id desc limit 1")
        else:
            rows = await con.fetch(_RUN + "where r.id = $1", run_id)
        if not rows:
            problem = (
                "Aucun audit n'a encore eu lieu." if run_id is None else "Aucun audit n'a cet identifiant."
            )
            raise SonsError(ErrorCode.NOT_FOUND, problem)
        return (await _whole(con, rows))[0]


async def _whole(con: asyncpg.Connection, rows: Iterable[Any]) -> tuple[AuditResult, ...]:
    runs = [dict(row) for row in rows]
    tallies: dict[UUID, list[FamilyTally]] = {run["id"]: [] for run in runs}
    for row in await con.fetch(_FAMILIES, list(tallies)):
        values = dict(row)
        tallies[values.pop("run_id")].append(FamilyTally(**values))
    return tuple(
        AuditResult(**run, families=tuple(sorted(tallies[run["id"]], key=lambda one: _ORDER[one.family])))
        for run in runs
    )
