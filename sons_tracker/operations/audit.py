"""The audit: every conflict that the rules define, over the nation or a few ESSMS, in one transaction.

Set by set: a statement per family reduces the pairs to signatures, the law answers each signature once, and
the cases are written in a dozen statements. See docs/decisions/the-audit-reads-signatures.md.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import retrying, transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.audit_cases import TIMEOUT, FamilyTally, Writing, write_cases
from sons_tracker.operations.audit_detectors import CURRENT, Detector, Known
from sons_tracker.operations.audit_grants import CANCELLED_THEN_ACQUISITION, ORDER_GRANT, TWO_GRANTS
from sons_tracker.operations.audit_orders import PERIMETER_DIFFERS, TWO_NUMBERS, TWO_ORDERS
from sons_tracker.operations.audit_tables import CUT, EMPTIED, MADE
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.families import FAMILIES
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Outcome, of_order

DETECTORS: tuple[Detector, ...] = (
    TWO_ORDERS,
    ORDER_GRANT,
    TWO_GRANTS,
    CANCELLED_THEN_ACQUISITION,
    TWO_NUMBERS,
    PERIMETER_DIFFERS,
)
CAUSES = ("audit", "deposit", "import", "law", "succession")

_FEW = 1_000
_CONFLICTS = frozenset({Outcome.FAIL, Outcome.REVIEW, Outcome.UNKNOWN})
LOCK = 0x4155  # "AU": one audit writes at a time, so that two never open the same case
# All that is looked for at once: for a few ESSMS the way to the database and back is what an audit takes.
_SEEN = """
with seen as (
  insert into audit_seen (family, vague, order_a, grant_a, order_b, grant_b, finess, counterpart, signature)
  {pairs}
  returning family, signature
)
select distinct family, signature from seen order by 1, 2
"""
_FOUND = """
with told as (
  insert into audit_verdict (no, rule, outcome, message, source, remedy, readings, a_confirmer, facts)
  select * from unnest($3::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::boolean[], $12::jsonb[])
    as v (no, rule, outcome, message, source, remedy, readings, a_confirmer, facts)
)
insert into audit_found (family, vague, order_a, grant_a, order_b, grant_b, finess, counterpart, no,
  second_first, pair_key)
select s.family, s.vague, s.order_a, s.grant_a, s.order_b, s.grant_b, s.finess, s.counterpart, v.no,
       v.second_first,
       case when s.b is null then s.a else least(s.a, s.b) || '|' || greatest(s.a, s.b) end
from unnest($1::text[], $2::text[], $3::int[], $4::boolean[]) as v (family, signature, no, second_first)
join (select *, coalesce('order:' || order_a, 'grant:' || grant_a) collate "C" as a,
             coalesce('order:' || order_b, 'grant:' || grant_b) collate "C" as b
      from audit_seen) s using (family, signature)
"""
_COUNTED = f"""
select count(*) as lines, count(distinct c.holder_id) as orders,
       (select count(*) from esms_grant g where {CURRENT} {{of_grants}}) as grants
from claim c
where c.vague = any($1::text[]) and c.released_at is null and c.holder_kind = 'order' {{of_claims}}
"""  # noqa: S608 # nosec B608 # constants of this module
# A case is examined whole: with the ESSMS that are asked for come those of their cases.
_WHOLE_CASES = """
select distinct number from conflict_essms e
join conflict_essms of_case using (conflict_id),
unnest(array[of_case.finess_geographique, of_case.counterpart]) as number
where (e.finess_geographique = any($1::text[]) or e.counterpart = any($1::text[])) and number is not null
"""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What a run examined and gave.

    `numbers`: how many ESSMS were asked for, None for the nation. `orders` hold claims on `lines`; `grants`
    counts their lines. `took_ms`: by the machine's clock.
    """

    id: UUID
    at: datetime
    cause: str
    numbers: int | None
    law_digest: str
    known_on: date
    stock_on: date | None
    orders: int
    grants: int
    lines: int
    took_ms: int
    families: tuple[FamilyTally, ...]

    @property
    def found(self) -> int:
        return sum(tally.found for tally in self.families)

    @property
    def opened(self) -> int:
        return sum(tally.opened for tally in self.families)

    @property
    def reopened(self) -> int:
        return sum(tally.reopened for tally in self.families)

    @property
    def ceased(self) -> int:
        return sum(tally.ceased for tally in self.families)


@retrying
async def run(
    actor: Actor,
    law: Law,
    at: datetime,
    essms: Sequence[str] | None = None,
    cause: str = "audit",
    families: Collection[str] | None = None,
) -> AuditResult:
    """Finds the conflicts of `essms` (None: of the nation), opens a case for each that is new, and says which
    known ones came to nothing. `families` narrows what is looked for.

    Raises:
        SonsError: `FORBIDDEN` unless the actor is a reviewer, an administrator or the scheduler;
            `INVALID_REQUEST` for an unknown family.
    """
    async with transaction(actor.context) as con:
        return await examine(con, actor, law, at, essms, cause, families)


async def examine(
    con: asyncpg.Connection,
    actor: Actor,
    law: Law,
    at: datetime,
    essms: Sequence[str] | None,
    cause: str,
    families: Collection[str] | None = None,
) -> AuditResult:
    """As `run`, in the caller's transaction."""
    require(actor, "audit.run")
    asked = _families(families)
    started = time.perf_counter()
    await prepare(con, few=essms is not None and len(essms) <= _FEW)
    known = Known(law, known_on(at), await _stock_on(con, known_on(at)))
    numbers = None if essms is None else await _with_their_cases(con, essms)
    await detect(con, known, asked, numbers)
    by = Writing(actor, at, cause, law.digest, known.on)
    tallies = await write_cases(con, by, asked, numbers)
    counted = await _count(con, known, numbers)
    await con.execute(CUT if numbers is None else EMPTIED)
    result = AuditResult(
        id=uuid4(),
        at=at,
        cause=cause,
        numbers=None if essms is None else len(set(essms)),
        law_digest=law.digest,
        known_on=known.on,
        stock_on=known.stock_on,
        orders=counted["orders"],
        grants=counted["grants"],
        lines=counted["lines"],
        took_ms=round((time.perf_counter() - started) * 1000),
        families=tallies,
    )
    await _record(con, actor, result)
    return result


async def detect(
    con: asyncpg.Connection, known: Known, families: Sequence[str], numbers: Sequence[str] | None
) -> None:
    """Fills the temporary tables `audit_found` (pairs in conflict) and `audit_verdict` (why); writes no case.

    The law is asked once per distinct signature of each family.
    """
    answering: dict[str, Detector] = {}
    pairs: list[str] = []
    given: list[object] = []
    for detector in DETECTORS:
        wanted = [family for family in detector.families if family in families]
        if wanted:
            sql, arguments = detector.statement(known, wanted, numbers, len(given))
            pairs.append(f"({sql})")
            given += arguments
            answering |= dict.fromkeys(wanted, detector)
    rows = await con.fetch(_SEEN.format(pairs=" union all ".join(pairs)), *given, timeout=TIMEOUT)
    told = [
        (row["family"], row["signature"], answer)
        for row in rows
        for answer in answering[row["family"]].tell(known, row["signature"])
        if answer.finding.outcome in _CONFLICTS
    ]
    findings = [of_order(answer.rule, answer.finding).finding for _, _, answer in told]
    await con.execute(
        _FOUND,
        [family for family, _, _ in told],
        [signature for _, signature, _ in told],
        list(range(len(told))),
        [answer.second_first for _, _, answer in told],
        [answer.rule for _, _, answer in told],
        [finding.outcome.value for finding in findings],
        [finding.message for finding in findings],
        [str(finding.source) for finding in findings],
        [finding.remedy for finding in findings],
        [",".join(finding.readings) for finding in findings],
        [finding.a_confirmer for finding in findings],
        [dict(finding.facts) for finding in findings],
        timeout=TIMEOUT,
    )
    if numbers is None:
        await con.execute("analyze audit_found")


def _families(families: Collection[str] | None) -> list[str]:
    asked = list(FAMILIES) if families is None else [family for family in FAMILIES if family in families]
    if families is not None and (unknown := sorted(set(families) - set(FAMILIES))):
        raise SonsError(
            ErrorCode.INVALID_REQUEST,
            f"« {unknown[0][:40]} » n'est pas une famille de conflits ; familles : {', '.join(FAMILIES)}.",
        )
    return asked


async def prepare(con: asyncpg.Connection, *, few: bool = False) -> None:
    """Waits for its turn, and makes the temporary tables where they are not there yet.

    Joins are of whole tables with temporary ones that have no statistics: they hash in memory. `few`: some
    ESSMS are examined; planning takes longer than finding, so that each statement is planned once for all.
    """
    await con.execute(
        "select set_config('statement_timeout', $1, true), set_config('lock_timeout', '120s', true),"
        " set_config('work_mem', '128MB', true), set_config('jit', 'off', true),"
        " set_config('plan_cache_mode', $2, true)",
        f"{TIMEOUT:.0f}s",
        "force_generic_plan" if few else "auto",
    )
    made = "select to_regclass('pg_temp.audit_seen') is not null from pg_advisory_xact_lock($1, 0)"
    if not await con.fetchval(made, LOCK, timeout=TIMEOUT):
        await con.execute(MADE)


async def takes_turn(con: asyncpg.Connection) -> bool:
    """Whether no other audit is under way; then none is, until the transaction ends."""
    taken: bool = await con.fetchval("select pg_try_advisory_xact_lock($1, 0)", LOCK)
    return taken


async def _stock_on(con: asyncpg.Connection, known: date) -> date | None:
    found: date | None = await con.fetchval(
        "select max(extracted_on) from extraction"
        " where register = 'establishment' and scope = 'stock' and extracted_on <= $1",
        known,
    )
    return found


async def _with_their_cases(con: asyncpg.Connection, essms: Sequence[str]) -> list[str]:
    asked = sorted(set(essms))
    joined = {row["number"] for row in await con.fetch(_WHOLE_CASES, asked)}
    return sorted(joined.union(asked))


async def _count(con: asyncpg.Connection, known: Known, numbers: Sequence[str] | None) -> Mapping[str, int]:
    arguments: list[object] = [known.vagues, known.on]
    of_grants = of_claims = ""
    if numbers is not None:
        arguments.append(list(numbers))
        of_grants = "and g.finess_geographique = any($3::text[])"
        of_claims = "and c.finess_geographique = any($3::text[])"
    sql = _COUNTED.format(of_grants=of_grants, of_claims=of_claims)
    counted: Mapping[str, int] = await con.fetchrow(sql, *arguments, timeout=TIMEOUT)
    return counted


async def _record(con: asyncpg.Connection, actor: Actor, result: AuditResult) -> None:
    await con.execute(
        "with run as (insert into audit_run (id, at, cause, numbers, law_digest, known_on, stock_on, orders,"
        " grants, lines, took_ms, person_id, role)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13))"
        " insert into audit_family (run_id, family, found, opened, reopened, ceased, at_stake_ttc_cents)"
        " select $1, f.* from unnest($14::text[], $15::int[], $16::int[], $17::int[], $18::int[],"
        " $19::bigint[]) as f (family, found, opened, reopened, ceased, at_stake)",
        result.id,
        result.at,
        result.cause,
        result.numbers,
        result.law_digest,
        result.known_on,
        result.stock_on,
        result.orders,
        result.grants,
        result.lines,
        result.took_ms,
        actor.person_id,
        actor.role,
        [tally.family for tally in result.families],
        [tally.found for tally in result.families],
        [tally.opened for tally in result.families],
        [tally.reopened for tally in result.families],
        [tally.ceased for tally in result.families],
        [tally.at_stake_ttc_cents for tally in result.families],
    )
    facts = {
        "cause": result.cause,
        "numbers": result.numbers,
        "law_digest": result.law_digest,
        "found": result.found,
        "opened": result.opened,
        "reopened": result.reopened,
        "ceased": result.ceased,
    }
    await journal.record(con, actor, result.at, "audit.run", "audit", str(result.id), facts)
