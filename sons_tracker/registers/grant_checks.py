"""The checks of a file of grants that need more than a line: other lines, the register, the ceilings.

They run as sets on the staging table. `grant_lines` is what is looked at: the lines of the file that stand
alone for their grant and ESSMS and, for an extrait, what the register holds of the same grants and ESSMS
(their `line` is null: nothing is told of them). `grant_issue` receives what is found.
"""

# ruff: noqa: S608 - the SQL is made of the columns of `layout`, never of a value

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import asyncpg

from sons_tracker.registers.anomalies import ANOMALIES_KEPT, ERRORS, KINDS, Anomaly
from sons_tracker.registers.grant_sentences import SENTENCES
from sons_tracker.registers.layout import ESMS_GRANT, Scope
from sons_tracker.registers.staging import IMPORT_TIMEOUT, REFUSALS_SHOWN, Staged
from sons_tracker.rules.grants import Ceiling


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """What the law says of amounts on `today`, the Paris day of the business instant.

    `small_og`: year of a call → the most ESSMS of a small OG. `aggregates`: which ESSMS of an OG are counted.
    """

    today: date
    ceilings: tuple[Ceiling, ...]
    small_og: Mapping[int, int]
    aggregates: frozenset[str]


_COLUMNS = ", ".join(ESMS_GRANT.columns)
_DATES = [name for name, sql_type in ESMS_GRANT.values.items() if sql_type == "date"]
_DATED = ", ".join(f"('{name}', {name})" for name in _DATES)
_AMOUNTS = ", ".join(f"('{c}', {c}_cents)" for c in ("usage", "equipment", "hardware", "amoa"))
_STANDING = "state in ('requested', 'agreed', 'first_paid', 'vsr', 'paid')"

_REPEATED = """
insert into grant_issue
select i.line, case when k.said = 1 then 'duplicate_line' else 'conflicting_lines' end,
  jsonb_build_object('other', case when i.line = k.lines[1] then k.lines[2] else k.lines[1] end)
from incoming i
join (select grant_reference, finess_geographique, array_agg(line order by line) as lines,
        count(distinct to_jsonb(incoming) - 'line') as said
      from incoming group by 1, 2 having count(*) > 1) k using (grant_reference, finess_geographique)
where k.said > 1 or i.line > k.lines[1]
"""
_LINES = f"""
create temp table grant_lines on commit drop as
with looked as (
  select line, {_COLUMNS} from incoming where line not in (select line from grant_issue)
  union all
  select null, {_COLUMNS} from esms_grant h
  where $2 = 'extrait' and h.valid_from <= $1 and (h.valid_to is null or h.valid_to > $1)
    and (h.grant_reference in (select grant_reference from incoming)
         or h.finess_geographique in (select finess_geographique from incoming))
    and not exists (select from incoming i
      where (i.grant_reference, i.finess_geographique) = (h.grant_reference, h.finess_geographique))
), known as (
  select finess_geographique, bool_or(valid_to is null) as present,
    max(finess_juridique) filter (where valid_to is null) as og
  from establishment where finess_geographique in (select finess_geographique from looked) group by 1)
select l.*, k.og, k.present from looked l left join known k using (finess_geographique)
"""  # nosec B608 # columns of layout
_CEILINGS = """
create temp table grant_ceiling on commit drop as
select * from unnest($1::int[], $2::text[], $3::text[], $4::boolean[], $5::bigint[], $6::bigint[], $7::int[],
  $8::boolean[]) as c (year, project, component, referenced, first, beyond, threshold, a_confirmer)
"""
_AMOUNT_LINES = f"""
create temp table grant_amount on commit drop as
select l.line, l.grant_reference, l.finess_geographique, l.call_year as year, l.project,
  l.dui_referenced as referenced, a.component, a.cents
from grant_lines l, lateral (values {_AMOUNTS}) as a (component, cents) where a.cents > 0
"""  # nosec B608 # columns of layout

_CHECKS: Mapping[str, str] = {
    "unknown_finess": """
select line, '{}'::jsonb from grant_lines where line is not null and present is null
  and exists (select from extraction where register = 'establishment' and scope = 'stock')""",
    "finess_gone": """
select line, '{}'::jsonb from grant_lines where line is not null and not present
  and exists (select from extraction where register = 'establishment' and scope = 'stock')""",
    "finess_not_checked": """
select 1, jsonb_build_object('essms', count(distinct finess_geographique)) from grant_lines
where line is not null and present is null
  and not exists (select from extraction where register = 'establishment' and scope = 'stock')
having count(*) > 0""",
    "future_date": f"""
select l.line, jsonb_build_object('name', d.name, 'day', d.day)
from grant_lines l, lateral (values {_DATED}) as d (name, day)
where l.line is not null and d.day > $1""",  # nosec B608 # columns of layout
    "two_projects": f"""
with standing as (
  select line, grant_reference, finess_geographique, call_year, project from grant_lines where {_STANDING}
), told as (
  -- of each kind of project, the first that is told of the ESSMS
  select distinct on (finess_geographique, call_year, project) * from standing
  order by finess_geographique, call_year, project, line, grant_reference)
select s.line, jsonb_build_object('year', s.call_year, 'project', s.project, 'other', o.grant_reference,
  'other_line', o.line)
from standing s join told o using (finess_geographique, call_year)
where s.line is not null and o.project <> s.project""",  # nosec B608 # columns of layout
    "above_ceiling": """
select a.line, jsonb_build_object('component', a.component, 'project', a.project, 'year', a.year,
  'referenced', a.referenced, 'cents', a.cents, 'ceiling', c.first, 'a_confirmer', c.a_confirmer)
from grant_amount a join grant_ceiling c using (year, project, component)
where a.line is not null and c.referenced is not distinct from a.referenced
  and c.threshold > 0 and a.cents > c.first""",
    "project_above_ceiling": """
with project as (
  select a.grant_reference, a.year, a.project, a.component, sum(a.cents) as cents, max(a.cents) as highest,
    min(l.essms) as essms,
    -- where the lines of a project differ, the higher ceiling holds
    case when count(distinct coalesce(a.referenced::text, '')) = 1
      then bool_and(a.referenced) end as referenced
  from grant_amount a
  join (select grant_reference, count(*) as essms from grant_lines group by 1) l using (grant_reference)
  group by 1, 2, 3, 4
), above as (
  select p.*, c.a_confirmer,
    case c.threshold when 0 then c.first
      else least(p.essms, c.threshold) * c.first
        + greatest(p.essms - c.threshold, 0) * c.beyond end as ceiling
  from project p join grant_ceiling c using (year, project, component)
  where c.referenced is not distinct from p.referenced
    -- a line that is too high alone is told already
    and (c.threshold = 0 or p.highest <= c.first)
)
select a.line, jsonb_build_object('component', p.component, 'project', p.project, 'year', p.year,
  'referenced', p.referenced, 'cents', p.cents, 'ceiling', p.ceiling, 'essms', p.essms,
  'a_confirmer', p.a_confirmer)
from above p join grant_amount a using (grant_reference, year, project, component)
where a.line is not null and p.cents > p.ceiling""",
    "not_checkable": """
select a.line, jsonb_build_object('year', a.year,
  'components', string_agg(a.component, ',' order by a.component))
from grant_amount a
where a.line is not null and not exists (select from grant_ceiling c
  where (c.year, c.project, c.component) = (a.year, a.project, a.component)
    and c.referenced is not distinct from a.referenced)
group by a.line, a.year""",
    "og_not_small": """
with asked as (
  select distinct l.line, l.og, l.call_year from grant_lines l join grant_amount a on a.line = l.line
  where a.component in ('hardware', 'amoa') and l.og is not null
), counted as (
  select e.finess_juridique as og, count(*) as essms from establishment e
  where e.finess_juridique in (select og from asked) and e.valid_to is null and e.in_service
    and e.aggregate = any($3) group by 1)
select a.line, jsonb_build_object('essms', c.essms, 'most', s.most)
from asked a join counted c using (og)
join unnest($1::int[], $2::int[]) as s (year, most) on s.year = a.call_year where c.essms > s.most""",
    "several_solutions": """
select min(line), jsonb_build_object('solutions', count(distinct solution)) from grant_lines
where project = 'acquisition' and solution is not null
group by grant_reference having count(distinct solution) > 1 and min(line) is not null""",
    "two_calls": f"""
select min(line), jsonb_build_object('year', call_year) from grant_lines
where {_STANDING} and call is not null
group by coalesce(og, finess_geographique), call_year
having count(distinct call) > 1 and min(line) is not null""",  # nosec B608 # columns of layout
}


async def check_grants(
    con: asyncpg.Connection, staged: Staged, terms: GrantTerms, extracted_on: date, scope: Scope
) -> None:
    """Looks at `incoming` whole and adds to `staged` what it finds: anomalies, refused lines, warnings."""

    async def run(sql: str, *arguments: object) -> None:
        await con.execute(sql, *arguments, timeout=IMPORT_TIMEOUT)

    await run(
        "create temp table grant_issue (line int not null, code text not null, facts jsonb not null)"
        " on commit drop"
    )
    await run(_REPEATED)
    await run(_LINES, extracted_on, scope)
    await run("analyze grant_lines")
    of = terms.ceilings
    await run(
        _CEILINGS,
        [c.year for c in of],
        [c.project for c in of],
        [c.component for c in of],
        [c.referenced for c in of],
        [c.first_cents for c in of],
        [c.beyond_cents for c in of],
        [c.threshold for c in of],
        [c.a_confirmer for c in of],
    )
    await run(_AMOUNT_LINES)
    await run("analyze grant_amount")
    arguments: Mapping[str, tuple[object, ...]] = {
        "future_date": (terms.today,),
        "og_not_small": (list(terms.small_og), list(terms.small_og.values()), sorted(terms.aggregates)),
    }
    for code, sql in _CHECKS.items():
        await run(
            f"insert into grant_issue select f.line, '{code}', f.facts from ({sql}) as f (line, facts)",  # nosec B608 # constants
            *arguments.get(code, ()),
        )
    await _tell(con, staged)


async def set_aside(con: asyncpg.Connection) -> None:
    """Takes from `incoming` each line that an error was found on."""
    await con.execute(
        "delete from incoming where line in (select line from grant_issue where code = any($1))",
        list(ERRORS),
        timeout=IMPORT_TIMEOUT,
    )


async def _tell(con: asyncpg.Connection, staged: Staged) -> None:
    """The rows of `grant_issue` as sentences, in the order of the file."""
    rows = await con.fetch(
        "select g.line, g.code, g.facts, i.grant_reference, i.finess_geographique"
        " from grant_issue g left join incoming i using (line) order by g.line, g.code limit $1",
        ANOMALIES_KEPT,
        timeout=IMPORT_TIMEOUT,
    )
    counts = await con.fetch("select code, count(*) as found from grant_issue group by code order by code")
    said: dict[int, list[str]] = {}
    for row in rows:
        key = (row["grant_reference"], row["finess_geographique"])
        sentence = SENTENCES[row["code"]](row["facts"] | {"key": " / ".join(filter(None, key))})
        anomaly = Anomaly(row["line"], row["code"], sentence, *key)
        staged.anomalies.keep(anomaly)
        if anomaly.kind.severity == "error":
            said.setdefault(anomaly.line, []).append(sentence)
    for row in counts:
        staged.anomalies.count(row["code"], row["found"])
        kind = KINDS[row["code"]]
        if kind.severity == "warn":
            staged.warn(kind.label, row["found"])
    staged.anomalies.kept.sort()
    wrong = await con.fetchval(
        "select count(distinct line) from grant_issue where code = any($1)", list(ERRORS)
    )
    staged.refused_count += wrong
    staged.refused = sorted([*staged.refused, *((line, " ".join(s)) for line, s in said.items())])[
        :REFUSALS_SHOWN
    ]
