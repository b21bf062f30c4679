"""The reviewers' queue: the cases of a filter by risk or by age, with their clocks, and how many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.queue_facts import (
    FACTS,
    IN_ANY_STATE,
    OLDEST,
    SHOWN,
    QueueFilter,
    Scales,
    Weighed,
    arguments,
)
from sons_tracker.operations.queue_scores import QueueKey, Sort, page_arguments, page_of, score_arguments
from sons_tracker.rules.case_clock import Clock
from sons_tracker.rules.lifecycle import CONFLICT_STATES
from sons_tracker.rules.risk import Risk
from sons_tracker.rules.texts import Law

MOST_EXPORTED = 20_000
# Where a filter holds more cases than that, their facts are read whole and hashed: what row-level security
# adds to each table makes the planner expect a handful of rows, and search for each.
_HASHED_FROM = 1_000
_JOINS = "select set_config('enable_nestloop', $1, true), set_config('enable_mergejoin', $1, true)"


@dataclass(frozen=True, slots=True)
class QueueCase:
    """A case in the queue. Amounts in cents TTC; `paid_ttc_cents`: what its orders received for its ESSMS;
    `suppliers` and `assigned` by identifier and name."""

    id: UUID
    number: str
    family: str
    state: str
    og: str | None
    og_name: str | None
    suppliers: tuple[tuple[UUID, str], ...]
    assigned: tuple[UUID, str] | None
    dispositifs: tuple[str, ...]
    essms: int
    opened_at: datetime
    last_found_at: datetime
    ceased_at: datetime | None
    at_stake_ttc_cents: int
    paid_ttc_cents: int
    clock: Clock
    risk: Risk


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page, how many cases the filter has in each state, whatever state and risk are asked for, and the
    key of the next page, None on the last."""

    cases: tuple[QueueCase, ...]
    counts: Mapping[str, int]
    next_after: QueueKey | None


async def read_queue(
    actor: Actor,
    narrowed: QueueFilter,
    sort: Sort,
    law: Law,
    at: datetime,
    after: QueueKey | None = None,
    limit: int = 50,
) -> QueuePage:
    """A page of the queue at the business instant `at`, for the agencies: the riskiest, or the oldest, first.

    Risks move with time: a case may change pages between two of them. Whatever the number of cases, no more
    than a page of them leaves the database.

    Raises:
        SonsError: `FORBIDDEN`; `INVALID_REQUEST` for a couloir or a region that does not exist.
    """
    require(actor, "queue.read")
    scales = Scales(law, at)
    given = arguments(narrowed, law, at)
    async with transaction(actor.context, isolation="repeatable_read", read_only=True) as con:
        # a plan for any filter is a plan for none: each question is planned, hashed in memory, not compiled
        await con.execute(
            "select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true),"
            " set_config('work_mem', '64MB', true)"
        )
        counted = await con.fetch(
            f"select c.state, count(*) as n from conflict c where {IN_ANY_STATE} group by 1",  # noqa: S608 # nosec B608 # constants
            *given[:-1],
        )
        counts = dict.fromkeys(CONFLICT_STATES, 0) | {row["state"]: row["n"] for row in counted}
        if sort == "age" and narrowed.risk_from is None:
            rows = await con.fetch(OLDEST, *given, *(after or (None, None, None))[1:], limit + 1)
        else:
            asked = [*score_arguments(law, at), *page_arguments(narrowed.risk_from, after, limit)]
            whole = sum(counts.values()) > _HASHED_FROM
            await con.execute(_JOINS, "off" if whole else "on")
            rows = await con.fetch(page_of(sort), *given, *asked)
            await con.execute(_JOINS, "on")
        ids = [row["id"] for row in rows[:limit]]
        facts = {row["id"]: row for row in await con.fetch(FACTS, ids)}
        found = [scales.weigh(facts[one]) for one in ids]
        names = await _names(con, found)
        shown = {row["id"]: row for row in await con.fetch(SHOWN, ids)}
    cases = tuple(_case(one, scales, names, shown[one.row["id"]]) for one in found)
    return QueuePage(cases, counts, _key(found[-1], sort) if len(rows) > limit else None)


def _key(weighed: Weighed, sort: Sort) -> QueueKey:
    return weighed.score if sort == "risk" else None, weighed.row["opened_at"], weighed.row["id"]


async def _names(con: asyncpg.Connection, found: Sequence[Weighed]) -> dict[UUID, str]:
    """The names of the organisations and persons of a page."""
    organisations = {one.row["og_id"] for one in found} | {s for one in found for s in one.row["suppliers"]}
    persons = {one.row["assigned_to"] for one in found}
    rows = await con.fetch(
        "select id, name from organisation where id = any($1) union all"
        " select id, name from person where id = any($2)",
        [one for one in organisations if one is not None],
        [one for one in persons if one is not None],
    )
    return {row["id"]: row["name"] for row in rows}


def _case(weighed: Weighed, scales: Scales, names: Mapping[UUID, str], shown: Any) -> QueueCase:
    row = weighed.row
    assigned = row["assigned_to"]
    return QueueCase(
        id=row["id"],
        number=row["number"],
        family=row["family"],
        state=row["state"],
        og=row["og"],
        og_name=None if row["og_id"] is None else names[row["og_id"]],
        suppliers=tuple((one, names[one]) for one in row["suppliers"]),
        assigned=None if assigned is None else (assigned, names[assigned]),
        dispositifs=tuple(shown["dispositifs"]),
        essms=shown["essms"],
        opened_at=row["opened_at"],
        last_found_at=row["last_found_at"],
        ceased_at=row["ceased_at"],
        at_stake_ttc_cents=row["at_stake_ttc_cents"],
        paid_ttc_cents=row["paid_cents"],
        clock=weighed.clock,
        risk=scales.risk(weighed),
    )
