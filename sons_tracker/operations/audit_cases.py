"""Writing what a detection found: cases opened once per pair, findings told once, cases that came to nothing.

Set by set, from the temporary tables of `audit_tables`: a nation's worth of cases is a dozen statements. What
did not change is not written again. Cases that are known are locked before new ones are written, in the order
of their keys, the case first and its orders after: as an act on a case does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.outbox import Announcement, announce_all
from sons_tracker.rules.families import FAMILIES

TIMEOUT = 600.0
"""Seconds that one statement over a nation may take."""

# A holder that is paid its solde meanwhile leaves the pair where its case was opened.
TWINS = frozenset({"two_orders", "already_financed"})
# Neither the ESSMS of a finding nor the extraction that showed it first makes the same words new.
_NOT_NEW = ["essms", "changed_on"]
_DROPPED = "La détection a de nouveau trouvé ce conflit après la clôture du dossier."

# At stake: the line of the order that would be paid twice, or what the second grant gives for the ESSMS.
_CASES = """
insert into audit_case (family, found_as, pair_key, vague, second_first, order_a, order_b, grant_a, grant_b,
  known_id, ceased_at, id, at_stake, opened)
with found as (
  select family, pair_key, (array_agg(vague))[1] as vague, bool_and(second_first) as second_first,
         (array_agg(order_a order by finess))[1] as order_a,
         (array_agg(order_b order by finess))[1] as order_b,
         (array_agg(grant_a order by finess))[1] as grant_a,
         (array_agg(grant_b order by finess))[1] as grant_b
  from audit_found group by family, pair_key
), essms as (
  select distinct family, pair_key, order_a, order_b, grant_b, finess, counterpart from audit_found
), stakes as (
  select family, pair_key, sum(case when order_a is null then (
      select coalesce(g.usage_cents, 0) + coalesce(g.equipment_cents, 0) + coalesce(g.hardware_cents, 0)
             + coalesce(g.amoa_cents, 0)
      from esms_grant g where g.finess_geographique = finess and g.grant_reference = grant_b
        and g.valid_from <= $1 and (g.valid_to is null or g.valid_to > $1))
    else (select coalesce(max(l.unit_ttc_cents) filter (where l.order_id = order_b), max(l.unit_ttc_cents))
          from order_line l where l.order_id in (order_a, order_b)
            and l.finess_geographique in (finess, counterpart)) end) as cents
  from essms group by family, pair_key
)
select coalesce(c.family, f.family), f.family, f.pair_key, f.vague, f.second_first, f.order_a, f.order_b,
       f.grant_a, f.grant_b, c.id, c.ceased_at, coalesce(c.id, gen_random_uuid()), coalesce(s.cents, 0), false
from found f join stakes s using (family, pair_key)
left join conflict c on c.pair_key = f.pair_key
  and c.family = any (case when f.family = any ($2::text[]) then $2::text[] else array[f.family] end)
"""
# What was told of a case under the same words, about these ESSMS or more of them, is not told again. Once a
# case of two orders is decided, whatever the words: a party that contested had its own, and the holder that
# was kept is settled one day.
_TELLING = """
insert into audit_telling (id, no, facts)
select t.id, t.no, v.facts || jsonb_build_object('essms', to_jsonb(t.essms))
from (select c.id, c.family, f.no, array_agg(distinct f.finess order by f.finess) as essms
      from audit_found f join audit_case c on c.found_as = f.family and c.pair_key = f.pair_key
      group by c.id, c.family, f.no) t
join audit_verdict v using (no)
where not exists (
  select from conflict_finding k where k.conflict_id = t.id and k.rule = v.rule and k.outcome = v.outcome
    and (t.family = any($2::text[]) and exists (
           select from conflict d where d.id = t.id and d.state in ('decided', 'executed', 'closed'))
         or k.message = v.message and k.facts - $1::text[] = v.facts - $1::text[])
    and k.facts -> 'essms' @> to_jsonb(t.essms))
"""
_MOVED = """
select c.known_id as id, true as moved from audit_case c
where c.known_id is not null
  and (c.ceased_at is not null or exists (select from audit_telling t where t.id = c.id))
union all
"""
# A contest is a party's word: what the detection does not see does not end it.
_CEASING = """
select k.id, false from conflict k
where k.ceased_at is null and k.family = any($1::text[]) and k.opened_for <> 'contest' and k.opened_at <= $2
  and not exists (select from audit_case c where c.known_id = k.id) {scope}
"""
_IN_SCOPE = """
  and k.id in (select conflict_id from conflict_essms where finess_geographique = any($3::text[])
               union all
               select conflict_id from conflict_essms where counterpart = any($3::text[]))
"""
_LOCKED = """
select id, state from conflict where id = any($1::uuid[]) order by family, pair_key for no key update
"""
# What is decided is executed as it was decided: nothing is added before it is closed; a later run tells it.
_LEFT = "delete from audit_telling where id = any($1::uuid[])"
_FOUND_AGAIN = """
update conflict k set last_found_at = greatest($1, k.opened_at), ceased_at = null,
  at_stake_ttc_cents = c.at_stake, state = case k.state when 'closed' then 'open' else k.state end
from audit_case c where k.id = c.known_id and k.id = any($2::uuid[])
returning k.family, k.id
"""
_CEASED = "update conflict set ceased_at = $1 where id = any($2::uuid[]) returning family, id"
_OPENED = """
with written as (
  insert into conflict (id, number, vague, family, pair_key, state, version, og_id, og_finess_juridique,
    suppliers, ogs, at_stake_ttc_cents, opened_at, opened_for, last_found_at)
  select c.id, 'CF-' || $2 || '-' || lpad(c.number, greatest(6, length(c.number)), '0'), c.vague, c.family,
    c.pair_key, 'open', 1, p.og_id, p.og, coalesce(p.suppliers, '{}'),
    coalesce(p.ogs, '{}'), c.at_stake, $1, $3, $1
  from (select *, nextval('conflict_number')::text as number
        from (select * from audit_case where known_id is null order by family, pair_key) new) c
  left join lateral (
    select case when count(distinct o.og_id) = 1 then (array_agg(o.og_id))[1] end as og_id,
           case when count(distinct o.og) = 1 then min(o.og) end as og,
           array_agg(distinct o.supplier_id) filter (where o.supplier_id is not null) as suppliers,
           array_agg(distinct o.og_id) filter (where o.og_id is not null) as ogs
    from (select og_id, og_finess_juridique as og, supplier_id from purchase_order
          where id in (c.order_a, c.order_b)
          union all
          select z.id, e.finess_juridique, null from audit_found f
          join establishment e on e.finess_geographique = f.finess
            and e.valid_from <= $4 and (e.valid_to is null or e.valid_to > $4)
          left join organisation z on z.finess_juridique = e.finess_juridique
          where c.order_a is null and f.family = c.found_as and f.pair_key = c.pair_key) o) p on true
  order by c.family, c.pair_key
  on conflict on constraint conflict_once_per_pair do nothing
  returning id
)
update audit_case c set opened = true from written w where c.id = w.id
"""
_SIDES = """
insert into conflict_side (conflict_id, side, kind, order_id, grant_reference, supplier_id, og_id)
select c.id, s.side, case when s.order_id is null then 'grant' else 'order' end, s.order_id,
       s.grant_reference, o.supplier_id, o.og_id
from audit_case c
cross join lateral (values
  (case when c.second_first then 2 else 1 end, c.order_a, c.grant_a),
  (case when c.second_first then 1 else 2 end, c.order_b, c.grant_b)) as s (side, order_id, grant_reference)
left join purchase_order o on o.id = s.order_id
where c.opened and num_nonnulls(s.order_id, s.grant_reference) = 1
order by s.order_id, c.id
"""
_ESSMS = """
insert into conflict_essms (conflict_id, finess_geographique, counterpart)
select distinct on (c.id, f.finess) c.id, f.finess, f.counterpart
from audit_found f join audit_case c on c.found_as = f.family and c.pair_key = f.pair_key
where c.opened or exists (select from audit_telling t where t.id = c.id)
order by c.id, f.finess, f.counterpart
on conflict on constraint conflict_essms_pkey do nothing
"""
_FINDINGS = """
insert into conflict_finding (conflict_id, found_at, rule, outcome, message, source, remedy, readings,
  a_confirmer, facts, law_digest, known_on, digest)
select t.id, $1, v.rule, v.outcome, v.message, v.source, v.remedy, string_to_array(v.readings, ','),
  v.a_confirmer, t.facts, $2, $3,
  sha256(convert_to(jsonb_build_array(v.rule, v.outcome, v.message, t.facts)::text, 'UTF8'))
from audit_telling t join audit_verdict v using (no) join audit_case c on c.id = t.id
where c.opened or c.known_id is not null
order by t.id, t.no
on conflict on constraint conflict_finding_once do nothing
"""
_EVENTS = """
insert into conflict_event (conflict_id, at, event, before, after, person_id, organisation_id, role, facts)
select id, $1, $2, $3, $4, $5, $6, $7, $8 from unnest($9::uuid[]) as id
"""
_TOLD = """
select k.id, k.number, k.family, k.ogs, k.id <> all ($1::uuid[]) as opened, (
    select count(*) from conflict_essms e where e.conflict_id = k.id) as essms,
  array(select s.supplier_id::text from conflict_side s where s.conflict_id = k.id and s.kind = 'order'
        order by s.side) as suppliers,
  array(select o.number from conflict_side s join purchase_order o on o.id = s.order_id
        where s.conflict_id = k.id and s.kind = 'order' order by s.side) as orders
from conflict k where k.id in (select id from audit_case where opened) or k.id = any($1::uuid[])
order by k.number
"""
_TALLY = """
select family, count(*) as found, count(*) filter (where opened) as opened, sum(at_stake)::bigint as at_stake
from audit_case where opened or known_id is not null group by family
"""


@dataclass(frozen=True, slots=True)
class FamilyTally:
    """What a run gave for one family: cases found now, opened, reopened, come to nothing; cents at stake in
    those found."""

    family: str
    found: int
    opened: int
    reopened: int
    ceased: int
    at_stake_ttc_cents: int


@dataclass(frozen=True, slots=True)
class Writing:
    """Under what the cases are written: who, when, why, and the law as it is known."""

    actor: Actor
    at: datetime
    cause: str
    law_digest: str
    known_on: date


async def write_cases(
    con: asyncpg.Connection, by: Writing, families: Sequence[str], numbers: Sequence[str] | None
) -> tuple[FamilyTally, ...]:
    """Writes the cases of `audit_found`, in the caller's transaction; what each of `families` gave.

    `numbers`: the ESSMS that were examined, None for the nation; a case of another ESSMS does not cease.
    """
    await con.execute(_CASES, by.known_on, sorted(TWINS), timeout=TIMEOUT)
    news = _rows(await con.execute(_TELLING, _NOT_NEW, sorted(TWINS), timeout=TIMEOUT))
    moved, ceasing = await _moved_and_ceasing(con, by, families, numbers)
    reopened: list[tuple[str, UUID]] = []
    ceased: list[tuple[str, UUID]] = []
    if moved or ceasing:
        locked = await con.fetch(_LOCKED, [*moved, *ceasing], timeout=TIMEOUT)
        decided = {row["id"] for row in locked if row["state"] in ("decided", "executed")}
        if decided:
            await con.execute(_LEFT, sorted(decided), timeout=TIMEOUT)
            moved = [case for case in moved if case not in decided]
        closed = {row["id"] for row in locked if row["state"] == "closed"} & set(moved)
        await _drop_decisions(con, by, closed)
        again = await con.fetch(_FOUND_AGAIN, by.at, moved, timeout=TIMEOUT)
        reopened = [(row["family"], row["id"]) for row in again if row["id"] in closed]
        ceased = [
            (row["family"], row["id"]) for row in await con.fetch(_CEASED, by.at, ceasing, timeout=TIMEOUT)
        ]
    if news:  # every new case has something to tell
        year = str(by.known_on.year)
        await con.execute(_OPENED, by.at, year, by.cause, by.known_on, timeout=TIMEOUT)
        await con.execute(_SIDES, timeout=TIMEOUT)
        await con.execute(_ESSMS, timeout=TIMEOUT)
        await con.execute(_FINDINGS, by.at, by.law_digest, by.known_on, timeout=TIMEOUT)
    if news or reopened or ceased:
        told = await con.fetch(_TOLD, [of for _, of in reopened], timeout=TIMEOUT)
        await _tell(con, by, told, reopened, ceased)
    found = {row["family"]: row for row in await con.fetch(_TALLY, timeout=TIMEOUT)}
    return tuple(
        FamilyTally(
            family,
            found[family]["found"] if family in found else 0,
            found[family]["opened"] if family in found else 0,
            sum(of == family for of, _ in reopened),
            sum(of == family for of, _ in ceased),
            found[family]["at_stake"] if family in found else 0,
        )
        for family in FAMILIES
        if family in found or family in families
    )


def _rows(status: str) -> int:
    """How many rows a statement wrote, from its status."""
    return int(status.rsplit(" ", 1)[1])


async def _moved_and_ceasing(
    con: asyncpg.Connection, by: Writing, families: Sequence[str], numbers: Sequence[str] | None
) -> tuple[list[UUID], list[UUID]]:
    """The known cases of which there is something to write, and those of what was examined that were not
    found: a pair of twins only when both were looked for."""
    asked = [family for family in families if family not in TWINS or set(families) >= TWINS]
    arguments: list[object] = [asked, by.at]
    scope = ""
    if numbers is not None:
        scope = _IN_SCOPE
        arguments.append(list(numbers))
    rows = await con.fetch(_MOVED + _CEASING.format(scope=scope), *arguments, timeout=TIMEOUT)
    return [row["id"] for row in rows if row["moved"]], [row["id"] for row in rows if not row["moved"]]


async def _drop_decisions(con: asyncpg.Connection, by: Writing, closed: set[UUID]) -> None:
    """What closed a case that opens again no longer stands."""
    if closed:
        await con.execute(
            "update conflict_decision set dropped_at = greatest($1, proposed_at), drop_reason = $2"
            " where conflict_id = any($3::uuid[]) and dropped_at is null",
            by.at,
            _DROPPED,
            sorted(closed),
        )


async def _tell(
    con: asyncpg.Connection,
    by: Writing,
    told: Sequence[asyncpg.Record],
    reopened: Sequence[tuple[str, UUID]],
    ceased: Sequence[tuple[str, UUID]],
) -> None:
    """The history of each case, the journal, and the parties of what is open now.

    A party is told its own order and that its ESSMS are engaged twice: no other party, no amount.
    """
    opened = [row for row in told if row["opened"]]
    histories = (
        ("found", None, "open", [row["id"] for row in opened]),
        ("found_again", "closed", "open", [of for _, of in reopened]),
        ("ceased", None, None, [of for _, of in ceased]),
    )
    actor = by.actor
    for event, before, after, cases in histories:
        if cases:
            who = (actor.person_id, actor.organisation_id, actor.role)
            facts = {"cause": by.cause}
            await con.execute(_EVENTS, by.at, event, before, after, *who, facts, cases, timeout=TIMEOUT)
    entries = [
        journal.Entry(
            by.at,
            "conflict.opened",
            "conflict",
            str(row["id"]),
            {"number": row["number"], "family": row["family"], "essms": row["essms"], "cause": by.cause},
        )
        for row in opened
    ]
    for action, cases_of in (("conflict.found_again", reopened), ("conflict.ceased", ceased)):
        entries += [
            journal.Entry(by.at, action, "conflict", str(of), {"family": family, "cause": by.cause})
            for family, of in cases_of
        ]
    await journal.record_all(con, actor, entries)
    await announce_all(con, [one for row in told for one in _announcements(row, by.at)])


def _announcements(row: asyncpg.Record, at: datetime) -> list[Announcement]:
    facts = {"number": row["number"], "label": FAMILIES[row["family"]].label, "essms": row["essms"]}
    case = str(row["id"])
    own = {UUID(supplier): order for supplier, order in zip(row["suppliers"], row["orders"], strict=True)}
    event = "conflict.opened" if row["opened"] else "conflict.reopened"
    told = [
        Announcement(at, event, "conflict", case, (supplier,), {**facts, "order_number": order})
        for supplier, order in own.items()
    ]
    told += [Announcement(at, event, "conflict", case, (og,), facts) for og in row["ogs"]]
    return told
