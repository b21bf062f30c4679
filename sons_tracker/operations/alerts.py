"""Alerts: usual patterns raised in sets, and dismissed by a reviewer. They decide nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import retrying, transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.alert_facts import sightings
from sons_tracker.operations.alert_reading import AlertView, read_alert
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.families import PATTERNS
from sons_tracker.rules.parameters import required
from sons_tracker.rules.patterns import Sighting
from sons_tracker.rules.texts import Law

Render = Callable[[AlertView | Refused], Answer]
_UNKNOWN = "Aucune alerte visible ne porte cet identifiant."
_SEEN = """
with seen as (
  select * from jsonb_to_recordset($1) as s (pattern text, key text, message text, ogs text[],
    suppliers uuid[], subjects jsonb, facts jsonb, score smallint)
)"""
# An alert that was dismissed stays so as long as it says the same; with other facts it is another look.
_AGAIN = f"""{_SEEN}, before as (
  select a.id, s.*, a.ceased_at is not null as returned,
    a.dismissed_at is not null and a.facts is distinct from s.facts as reopened
  from alert a join seen s on s.pattern = a.pattern and s.key = a.subject_key
)
update alert a set message = b.message, ogs = b.ogs, suppliers = b.suppliers, subjects = b.subjects,
  facts = b.facts, score = b.score, last_raised_at = greatest(a.last_raised_at, $2), ceased_at = null,
  dismissed_at = case when not b.reopened then a.dismissed_at end,
  dismissed_by = case when not b.reopened then a.dismissed_by end,
  dismiss_reason = case when not b.reopened then a.dismiss_reason end
from before b where a.id = b.id
returning a.number, b.returned, b.reopened
"""  # noqa: S608 # nosec B608 # a constant
_NEW = f"""{_SEEN}, fresh as (
  select s.* from seen s
  where not exists (select from alert a where a.pattern = s.pattern and a.subject_key = s.key)
  order by s.pattern, s.key
)
insert into alert (id, number, pattern, subject_key, message, ogs, suppliers, subjects, facts, score,
  raised_at, last_raised_at)
select gen_random_uuid(), 'AL-' || $3 || '-' || lpad(n::text, greatest(6, length(n::text)), '0'),
  f.pattern, f.key, f.message, f.ogs, f.suppliers, f.subjects, f.facts, f.score, $2, $2
from fresh f cross join lateral (select nextval('alert_number') as n where f.key is not null) as n
returning pattern
"""  # noqa: S608 # nosec B608 # constants of this module
_CEASED = """
update alert a set ceased_at = greatest(a.raised_at, $1)
where a.ceased_at is null and not exists (
  select from unnest($2::text[], $3::text[]) as s (pattern, key)
  where s.pattern = a.pattern and s.key = a.subject_key)
"""


@dataclass(frozen=True, slots=True)
class AlertRun:
    """What a run raised: new ones by pattern, how many came back, were reopened although dismissed, ceased;
    `open`: those that nobody dismissed, by pattern."""

    new: Mapping[str, int]
    returned: int
    reopened: tuple[str, ...]
    ceased: int
    open: Mapping[str, int]


@retrying
async def raise_all(actor: Actor, law: Law, at: datetime) -> AlertRun:
    """Looks for every pattern over the whole nation, in one transaction; `actor` finds (reviewer, admin,
    scheduler).

    A subject has one alert per pattern: raised again it is moved, what is no longer seen ceases.

    Raises:
        SonsError: `FORBIDDEN`, `UNAVAILABLE`.
    """
    require(actor, "alert.raise")
    async with transaction(actor.context) as con:
        return await raise_in(con, actor, law, at)


async def raise_in(con: asyncpg.Connection, actor: Actor, law: Law, at: datetime) -> AlertRun:
    """As `raise_all`, in the caller's transaction."""
    # two runs at once would both find a subject new
    await con.execute("select pg_advisory_xact_lock(hashtext('sons.alerts'))")
    found = await _found(con, law, at)
    rows = [
        {
            "pattern": one.pattern, "key": one.key, "message": one.message, "ogs": one.ogs,
            "suppliers": one.suppliers, "facts": one.facts, "score": points,
            "subjects": [{"kind": kind, "id": name} for kind, name in one.subjects],
        }
        for one, points in found.values()
    ]  # fmt: skip
    again = await con.fetch(_AGAIN, rows, at)
    new = Counter(row["pattern"] for row in await con.fetch(_NEW, rows, at, str(known_on(at).year)))
    ceased = await con.execute(_CEASED, at, [row["pattern"] for row in rows], [row["key"] for row in rows])
    left = await con.fetch(
        "select pattern, count(*) as n from alert where ceased_at is null and dismissed_at is null group by 1"
    )
    run = AlertRun(
        {code: new[code] for code in PATTERNS},
        sum(row["returned"] for row in again),
        tuple(sorted(row["number"] for row in again if row["reopened"])),
        int(ceased.rpartition(" ")[2]),
        dict.fromkeys(PATTERNS, 0) | {row["pattern"]: row["n"] for row in left},
    )
    facts = {
        "new": dict(run.new), "returned": run.returned, "reopened": list(run.reopened), "ceased": run.ceased,
        "law_digest": law.digest,
    }  # fmt: skip
    await journal.record(con, actor, at, "alert.raised", "alerts", law.digest, facts)
    return run


async def _found(
    con: asyncpg.Connection, law: Law, at: datetime
) -> dict[tuple[str, str], tuple[Sighting, int]]:
    """What is seen, once per pattern and subject, with its points; a vague without terms sees nothing."""
    known = known_on(at)
    found = {}
    for vague in law.vagues.values():
        version = vague.alerts.find(known, known)
        if version is None:
            continue
        terms = required(version)
        async for one in sightings(con, law, vague, terms, known):
            found[one.pattern, one.key] = (one, terms.points[one.pattern])
    return found


async def dismiss(
    actor: Actor, alert_id: UUID, reason: str, at: datetime, key: Key, render: Render
) -> Answer:
    """Puts an open alert aside, with a reason; `actor` is a reviewer. It comes back when its facts change.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, those of `perform`.
    """
    require(actor, "alert.dismiss")

    async def work(con: asyncpg.Connection) -> AlertView | Refused:
        row = await con.fetchrow(
            "select number, ceased_at, dismissed_at from alert where id = $1 for update", alert_id
        )
        if row is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        against = None
        if row["dismissed_at"] is not None:
            against = Reason(f"L'alerte {row['number']} est déjà écartée.")
        elif row["ceased_at"] is not None:
            against = Reason(f"L'alerte {row['number']} n'est plus constatée : il n'y a rien à écarter.")
        if against is not None:
            return Refused("alert.refused", "alert", str(alert_id), (against,))
        await con.execute(
            "update alert set dismissed_at = $2, dismissed_by = $3, dismiss_reason = $4 where id = $1",
            alert_id,
            at,
            actor.person_id,
            reason,
        )
        facts = {"number": row["number"]}
        await journal.record(con, actor, at, "alert.dismissed", "alert", str(alert_id), facts)
        return await read_alert(con, alert_id)

    return await perform(actor, at, key, work, render)
