"""The scores of all the cases of a filter, in one statement: what `rules/risk.py` says of one, in sets.

The weights come from the law as arguments; the statement looks them up and adds. Of a page, the rules say the
score again with its reasons; a test holds the two equal over cases drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from itertools import compress
from typing import Any, Literal
from uuid import UUID

from sons_tracker.operations.queue_facts import FIRST_YEAR, WHERE
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.working_calendar import holidays_by_prefix
from sons_tracker.rules.case_clock import weekdays_off
from sons_tracker.rules.families import PATTERNS
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.parameters import required
from sons_tracker.rules.risk import HIGHEST
from sons_tracker.rules.texts import Law, RiskTerms, Step
from sons_tracker.rules.working_days import is_working_day

ONE_DAY = timedelta(days=1)
Sort = Literal["risk", "age"]
QueueKey = tuple[int | None, datetime, UUID]
"""The last case of a page: its score (None by age), when it was opened, its identifier."""


def _paris(at: str) -> str:
    return f"({at} at time zone 'Europe/Paris')::date"


def _worked(day: str) -> str:
    """SQL: how many working days there were up to this one, since a Monday long ago."""
    place = f"({day} - date '0001-01-01' + 1)"
    return f"({place} / 7 * 5 + least({place} % 7, 5) - width_bucket({day}, p.days))"


def _reached(steps: str, value: str) -> str:
    """SQL: the points of the last step that is reached, 0 before the first."""
    return f"coalesce(t.{steps}_points[nullif(width_bucket({value}, t.{steps}), 0)], 0)"


# A case that runs still and never stood: the day of its opening alone says which step its age has reached.
_AGED = "coalesce(t.age_points[nullif(cardinality(p.cutoffs) - width_bucket(c.opened_at, p.cutoffs), 0)], 0)"
# Any other: its working days, without those on which it stood still.
_WORKED = f"""(
  select case when w.upto > w.since then {_worked("w.upto")} - {_worked("w.since")} - coalesce((
      select sum({_worked("(upper(s) - 1)")} - {_worked("(lower(s) - 1)")}) from unnest(q.still) as s), 0)
    else 0 end
  from (select {_paris("c.opened_at")} as since, {_paris("c.until")} as upto) w)"""  # noqa: S608 # nosec B608 # constants
_COLUMNS = ("at_stake", "paid", "age", "cases")
_STEPS = ", ".join(f"{name} bigint[], {name}_points int[]" for name in _COLUMNS)
# `$1` to `$12`: the filter; `$13`: the terms, one object per vague; `$14`: by vague and beginning of a FINESS
# number, the holidays that fall on a weekday, and the instants before which a case was opened that has
# reached the last step of age, the last but one…; `$15`: the patterns of alerts, each a bit of
# `alerts_points`; `$16`: now; `$17`: the least score; `$18` to `$20`: the key after which the page begins;
# `$21`: how many. What a case shares with others (alerts, suppliers) is counted over all of them.
_SCORED = f"""
with terms as materialized (
  select * from jsonb_to_recordset($13) as t (vague text, families jsonb, outcomes jsonb, {_STEPS},
    overdue int, alerts_points int[])
), calendar as materialized (
  select * from jsonb_to_recordset($14) as k (vague text, prefix text, days date[], cutoffs timestamptz[])
), chosen as materialized (
  select c.id, c.vague, c.family, c.suppliers, c.og_finess_juridique as og, c.at_stake_ttc_cents, c.opened_at,
    coalesce(case when c.state in ('decided', 'executed', 'closed') then (
      select d.approved_at from conflict_decision d where d.conflict_id = c.id and d.dropped_at is null) end,
      $16) as until
  from conflict c where {WHERE}
), found as (
  select f.conflict_id,
    min(case f.outcome when 'fail' then 1 when 'review' then 2 else 3 end) as worst
  from conflict_finding f join chosen c on c.id = f.conflict_id group by 1
), paid as (
  select s.conflict_id, sum(e.amount_ttc_cents)::bigint as cents
  from conflict_side s join chosen c on c.id = s.conflict_id
  join conflict_essms x on x.conflict_id = s.conflict_id
  join ledger_entry e on e.order_id = s.order_id and e.movement <> 'planned'
    and e.finess_geographique in (x.finess_geographique, x.counterpart)
  group by 1
), asked as (
  select conflict_id, count(*) filter (where settled_at is null and answer_due_at < $16) as overdue,
    range_agg(daterange(asked_on, least(coalesce(settled_on, until_on), until_on), '(]'))
      filter (where kind = 'correction' and asked_on < until_on) as still
  from (select q.conflict_id, q.kind, q.answer_due_at, coalesce(q.answered_at, q.withdrawn_at) as settled_at,
               {_paris("q.asked_at")} as asked_on, {_paris("c.until")} as until_on,
               {_paris("coalesce(q.answered_at, q.withdrawn_at)")} as settled_on
        from conflict_question q join chosen c on c.id = q.conflict_id) q
  group by 1
), open_alerts as materialized (
  select 1 << (array_position($15::text[], pattern) - 1) as bit, ogs, suppliers
  from alert where ceased_at is null and dismissed_at is null
), of_og as (
  select og, bit_or(bit) as bits from open_alerts, unnest(ogs) as og group by 1
), of_supplier as (
  select supplier, bit_or(bit) as bits from open_alerts, unnest(suppliers) as supplier group by 1
), cases_of as (
  select supplier, count(*) as cases from conflict, unnest(suppliers) as supplier group by 1
), shared as (
  select c.suppliers, max(n.cases) - 1 as others, bit_or(coalesce(a.bits, 0)) as bits
  from (select distinct suppliers from chosen) c cross join unnest(c.suppliers) as s (supplier)
  join cases_of n using (supplier) left join of_supplier a using (supplier) group by 1
), place as materialized (
  select distinct on (o.og, k.vague) o.og, k.vague, k.days, k.cutoffs
  from (select distinct coalesce(left(og, 4), '') as og from chosen) o
  join calendar k on k.prefix in (o.og, left(o.og, 2), '')
  order by o.og, k.vague, length(k.prefix) desc
), scored as (
  select c.id, c.opened_at, coalesce(least({HIGHEST},
    (t.families ->> c.family)::int
    + (t.outcomes ->> (array['fail', 'review', 'unknown'])[coalesce(f.worst, 3)])::int
    + {_reached("at_stake", "c.at_stake_ttc_cents")}
    + {_reached("paid", "greatest(coalesce(m.cents, 0), 0)")}
    + {_reached("cases", "coalesce(h.others, 0)")}
    + case when c.until = $16 and q.still is null then {_AGED} else {_reached("age", _WORKED)} end
    + case when q.overdue > 0 then t.overdue else 0 end
    + t.alerts_points[1 + (coalesce(g.bits, 0) | coalesce(h.bits, 0))]), 0) as score
  from chosen c
  left join terms t on t.vague = c.vague
  left join place p on p.vague = c.vague and p.og = coalesce(left(c.og, 4), '')
  left join asked q on q.conflict_id = c.id
  left join found f on f.conflict_id = c.id
  left join paid m on m.conflict_id = c.id
  left join of_og g on g.og = c.og
  left join shared h on h.suppliers = c.suppliers
)
"""  # noqa: S608 # nosec B608 # constants of this module
_PAGES: dict[Sort, str] = {
    "risk": "and ($19::timestamptz is null"
    " or (-score, opened_at, id) > (-coalesce($18::int, 0), $19, $20::uuid))"
    " order by score desc, opened_at, id limit $21",
    "age": "and ($19::timestamptz is null or (opened_at, id) > ($19, $20::uuid)) and $18::int is null"
    " order by opened_at, id limit $21",
}
SCORES = f"{_SCORED} select id, score from scored"  # noqa: S608 # nosec B608 # a constant
"""Every score of a filter, for the test that holds it to the rules; without `$17` to `$21`."""


def page_of(sort: Sort) -> str:
    """The identifiers of a page in its order: `$1` to `$12` the filter, then `page_arguments`."""
    narrowed = "($17::int is null or score >= $17)"
    return f"{_SCORED} select id from scored where {narrowed} {_PAGES[sort]}"  # noqa: S608 # nosec B608 # constants


def score_arguments(law: Law, at: datetime) -> list[Any]:
    """`$13` to `$16`: the terms of the risk as they are known at `at`, and the days of work up to it."""
    known = known_on(at)
    off = holidays_by_prefix(range(FIRST_YEAR, known.year + 1))
    terms, calendar = [], []
    for code, vague in law.vagues.items():
        risk, alerts = vague.risk.find(known, known), vague.alerts.find(known, known)
        if risk is None or alerts is None:
            continue
        terms.append({"vague": code, **_terms(required(risk), required(alerts).points)})
        ages = sorted((step.start for step in required(risk).age), reverse=True)
        for prefix, days in off.items():
            cutoffs = [_cutoff(known, age, days) for age in ages]
            weekdays = [day.isoformat() for day in weekdays_off(days)]
            calendar.append({"vague": code, "prefix": prefix, "days": weekdays, "cutoffs": cutoffs})
    return [terms, calendar, list(PATTERNS), at]


def _cutoff(today: date, working_days: int, holidays: frozenset[date]) -> str:
    """The instant before which a case that counts so many working days today was opened."""
    if working_days <= 0:
        return "infinity"
    day, left = today, working_days
    while left:
        left -= is_working_day(day, holidays)
        day -= ONE_DAY
    return datetime.combine(day + ONE_DAY, time.min, PARIS).isoformat()


def page_arguments(risk_from: int | None, after: QueueKey | None, limit: int) -> list[Any]:
    """`$17` to `$21`; one more than `limit`, which tells whether there is a next page."""
    return [risk_from, *(after or (None, None, None)), limit + 1]


def _terms(risk: RiskTerms, patterns: Any) -> dict[str, Any]:
    bits = len(PATTERNS)
    held = [list(compress(PATTERNS, _bits(mask, bits))) for mask in range(1 << bits)]
    found: dict[str, Any] = {
        "families": dict(risk.families),
        "outcomes": dict(risk.outcomes),
        "overdue": risk.overdue,
        "alerts_points": [min(risk.most_alerts, sum(patterns[one] for one in some)) for some in held],
    }
    steps: Sequence[tuple[str, Sequence[Step]]] = [(name, getattr(risk, name)) for name in _COLUMNS]
    for name, given in steps:
        rising = sorted(given, key=lambda step: step.start)
        found[name] = [step.start for step in rising]
        found[f"{name}_points"] = [step.points for step in rising]
    return found


def _bits(mask: int, count: int) -> list[bool]:
    return [bool(mask >> place & 1) for place in range(count)]
