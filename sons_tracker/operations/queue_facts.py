"""What the reviewers' queue reads of the cases of a page, and how its filter is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.working_calendar import departement_of, public_holidays
from sons_tracker.registers.regions import REGIONS
from sons_tracker.rules.case_clock import Asked, Clock, clock, weekdays_off
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.parameters import required
from sons_tracker.rules.risk import Risk, RiskFacts, assess_risk, score
from sons_tracker.rules.texts import Law, RiskTerms

# `$1`: the identifiers of a page. What a case shares with others (alerts, suppliers) is counted over all of
# them, once, and hashed: asked case by case, it would be a search each.
FACTS = """
with chosen as (
  select c.* from conflict c where c.id = any($1)
), asked as (
  select q.conflict_id, array_agg(q.kind order by q.asked_at, q.id) as kinds,
    array_agg(q.asked_at order by q.asked_at, q.id) as asked,
    array_agg(q.answer_due_at order by q.asked_at, q.id) as due,
    array_agg(coalesce(q.answered_at, q.withdrawn_at) order by q.asked_at, q.id) as settled
  from conflict_question q join chosen c on c.id = q.conflict_id group by 1
), found as (
  select f.conflict_id, min(case f.outcome when 'fail' then 1 when 'review' then 2 else 3 end) as worst
  from conflict_finding f join chosen c on c.id = f.conflict_id group by 1
), paid as (
  select s.conflict_id, sum(e.amount_ttc_cents)::bigint as cents
  from conflict_side s join chosen c on c.id = s.conflict_id
  join conflict_essms x on x.conflict_id = s.conflict_id
  join ledger_entry e on e.order_id = s.order_id and e.movement <> 'planned'
    and e.finess_geographique in (x.finess_geographique, x.counterpart)
  group by 1
), open_alerts as (
  select pattern, ogs, suppliers from alert where ceased_at is null and dismissed_at is null
), of_og as (
  select og, array_agg(distinct pattern) as patterns from open_alerts, unnest(ogs) as og group by 1
), of_supplier as (
  select supplier, array_agg(distinct pattern) as patterns from open_alerts, unnest(suppliers) as supplier
  group by 1
), cases_of as (
  select supplier, count(*) as cases from conflict, unnest(suppliers) as supplier group by 1
), shared as (
  select c.id, max(n.cases) - 1 as others,
    array_remove(array_agg(distinct p.pattern), null) as patterns
  from chosen c cross join unnest(c.suppliers) as supplier
  join cases_of n on n.supplier = supplier.supplier
  left join of_supplier a on a.supplier = supplier.supplier
  left join unnest(a.patterns) as p (pattern) on true group by 1
)
select c.id, c.number, c.vague, c.family, c.state, c.og_id, c.og_finess_juridique as og, c.suppliers,
  c.assigned_to, c.opened_at, c.last_found_at, c.ceased_at, c.at_stake_ttc_cents,
  coalesce(f.worst, 3) as worst,
  greatest(coalesce(m.cents, 0), 0) as paid_cents, coalesce(h.others, 0) as others,
  coalesce(g.patterns, '{}') || coalesce(h.patterns, '{}') as patterns,
  q.kinds, q.asked, q.due, q.settled, d.approved_at
from chosen c
left join asked q on q.conflict_id = c.id
left join found f on f.conflict_id = c.id
left join paid m on m.conflict_id = c.id
left join of_og g on g.og = c.og_finess_juridique
left join shared h on h.id = c.id
left join conflict_decision d on d.conflict_id = c.id and d.dropped_at is null
  and c.state in ('decided', 'executed', 'closed')
"""
# What only the cases of a page are asked: `$1` their identifiers.
SHOWN = """
select c.id, (select count(*)::int from conflict_essms x where x.conflict_id = c.id) as essms,
  array(select distinct o.dispositif from conflict_side s join purchase_order o on o.id = s.order_id
        where s.conflict_id = c.id order by 1) as dispositifs
from conflict c where c.id = any($1)
"""
# `$1` to `$12`: the filter, its state the last; the rest belongs to the page.
IN_ANY_STATE = """
($2::text is null or c.family = $2)
and ($3::uuid is null or c.assigned_to = $3) and (not $4::boolean or c.assigned_to is null)
and ($5::uuid is null or c.suppliers @> array[$5]) and ($6::text is null or c.og_finess_juridique = $6)
and ($7::bigint is null or c.at_stake_ttc_cents >= $7)
and ($8::timestamptz is null or c.opened_at >= $8) and ($9::timestamptz is null or c.opened_at < $9)
and ($10::text[] is null or exists (
  select from conflict_side s join purchase_order o on o.id = s.order_id
  where s.conflict_id = c.id and o.dispositif = any($10)))
and ($11::text[] is null or exists (
  select from conflict_essms x cross join lateral (
    select departement from establishment where finess_geographique = x.finess_geographique
    order by valid_from desc limit 1) e
  where x.conflict_id = c.id and e.departement = any($11)))
and ($1::timestamptz is null or exists (
  select from conflict_question q where q.conflict_id = c.id and q.answered_at is null
    and q.withdrawn_at is null and q.answer_due_at < $1))
"""
WHERE = f"{IN_ANY_STATE} and case when $12::text is null then c.state <> 'closed' else c.state = $12 end"
# A page by age, of the filter alone: `$13` and `$14` the key after which it begins, `$15` how many.
OLDEST = f"""
select c.id from conflict c
where {WHERE} and ($13::timestamptz is null or (c.opened_at, c.id) > ($13, $14::uuid))
order by c.opened_at, c.id limit $15
"""  # noqa: S608 # nosec B608 # constants of this module
FIRST_YEAR = 2022
"""No case is older than the programme."""
_OUTCOMES = ("fail", "review", "unknown")


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """What the queue is narrowed to; None does not narrow. Without a state, every case that is not closed.

    `couloir` is `MS1`…; `og` a FINESS juridique; `region` its name; `at_stake_from` cents TTC; `risk_from` a
    score; `overdue`: an answer is late; both days of opening are included (Paris).
    """

    family: str | None = None
    state: str | None = None
    assigned_to: UUID | None = None
    unassigned: bool = False
    couloir: str | None = None
    supplier: UUID | None = None
    og: str | None = None
    region: str | None = None
    at_stake_from: int | None = None
    risk_from: int | None = None
    overdue: bool = False
    opened_from: date | None = None
    opened_to: date | None = None


@dataclass(frozen=True, slots=True)
class Weighed:
    """A row of `FACTS` with its clock and its score."""

    row: Any
    clock: Clock
    score: int


def arguments(narrowed: QueueFilter, law: Law, at: datetime) -> list[Any]:
    """The values of `WHERE`.

    Raises:
        SonsError: `INVALID_REQUEST` for a couloir or a region that does not exist.
    """
    dispositifs = departements = None
    if narrowed.couloir is not None:
        dispositifs = [code for code, d in law.dispositifs.items() if d.couloir == narrowed.couloir]
        if not dispositifs:
            raise _unknown("couloir", narrowed.couloir)
    if narrowed.region is not None:
        departements = [code for code, region in REGIONS.items() if region == narrowed.region]
        if not departements:
            raise _unknown("region", narrowed.region)
    until = None if narrowed.opened_to is None else narrowed.opened_to + timedelta(days=1)
    return [
        at if narrowed.overdue else None,
        narrowed.family,
        narrowed.assigned_to,
        narrowed.unassigned,
        narrowed.supplier,
        narrowed.og,
        narrowed.at_stake_from,
        _midnight(narrowed.opened_from),
        _midnight(until),
        dispositifs,
        departements,
        narrowed.state,
    ]


def _unknown(name: str, value: str) -> SonsError:
    problem = f"« {value[:40]} » n'est connu d'aucun dossier de la file."
    return SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault(f"?{name}", problem),))


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, PARIS)


class Scales:
    """Weighs the rows of `FACTS` at one instant under one law; holidays and terms are looked up once."""

    def __init__(self, law: Law, at: datetime) -> None:
        self._law, self._at, self._known = law, at, known_on(at)
        self._days_off = cache(self._read_days_off)
        self._terms = cache(self._read_terms)

    def weigh(self, row: Any) -> Weighed:
        """The clock of a case and its score."""
        days_off = self._days_off(None if row["og"] is None else departement_of(row["og"]))
        asked: tuple[Asked, ...] = ()
        if row["kinds"]:
            columns = zip(row["kinds"], row["asked"], row["due"], row["settled"], strict=True)
            asked = tuple(Asked(*one) for one in columns)
        until = row["approved_at"] or self._at
        running = clock(row["opened_at"], until, self._at, asked, days_off)
        terms = self._terms(row["vague"])
        return Weighed(row, running, 0 if terms is None else score(_facts(row, running), *terms))

    def risk(self, weighed: Weighed) -> Risk:
        """The score of a case with its reasons."""
        terms = self._terms(weighed.row["vague"])
        return Risk(0, ()) if terms is None else assess_risk(_facts(weighed.row, weighed.clock), *terms)

    def _read_days_off(self, departement: str | None) -> tuple[date, ...]:
        return weekdays_off(public_holidays(departement, range(FIRST_YEAR, self._known.year + 1)))

    def _read_terms(self, vague: str) -> tuple[RiskTerms, dict[str, int]] | None:
        texts = self._law.vagues[vague]
        risk = texts.risk.find(self._known, self._known)
        alerts = texts.alerts.find(self._known, self._known)
        if risk is None or alerts is None:
            return None
        return required(risk), dict(required(alerts).points)


def _facts(row: Any, running: Clock) -> RiskFacts:
    return RiskFacts(
        row["family"],
        _OUTCOMES[row["worst"] - 1],
        row["at_stake_ttc_cents"],
        row["paid_cents"],
        running.working_days,
        running.overdue,
        row["patterns"],
        row["others"],
    )
