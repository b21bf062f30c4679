"""Cases as the rules read them, and as each reader may see them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, allowed, require, sees_all
from sons_tracker.rules.actions import Action
from sons_tracker.rules.conflicts import CaseDecision, CaseFile, CaseQuestion, CaseSide, case_actions
from sons_tracker.rules.families import FAMILIES

_UNKNOWN = "Aucun dossier de conflit visible ne porte cet identifiant."
_CASE = """
select id, number, vague, family, state, og_id, og_finess_juridique as og_finess, at_stake_ttc_cents,
       (select count(*) from conflict_event e where e.conflict_id = c.id)
       + (select count(*) from conflict_finding f where f.conflict_id = c.id) as version,
       opened_at, opened_for, assigned_to, ceased_at,
       array(select e.finess_geographique from conflict_essms e
             where e.conflict_id = c.id order by 1) as essms,
       array(select e.counterpart from conflict_essms e
             where e.conflict_id = c.id and e.counterpart is not null order by 1) as counterparts
from conflict c where case when $1::uuid is null then number = $2 else id = $1 end
"""
_SIDES = """
select s.side, s.kind, s.order_id, o.number as order_number, o.state as order_state, s.supplier_id, s.og_id,
       s.grant_reference,
       exists (select from claim c join conflict_essms e on e.conflict_id = s.conflict_id
               and c.finess_geographique in (e.finess_geographique, e.counterpart)
               where c.order_id = s.order_id and c.released_at is null) as holds,
       exists (select from claim c join conflict_essms e on e.conflict_id = s.conflict_id
               and c.finess_geographique in (e.finess_geographique, e.counterpart)
               where c.order_id = s.order_id and c.release_reason = 'decided') as lost,
       exists (select from payment p where p.order_id = s.order_id and p.state = 'in_lot') as in_lot
from conflict_side s left join purchase_order o on o.id = s.order_id
where s.conflict_id = $1 order by s.side
"""
_QUESTIONS = """
select id, kind, organisation_id, side, of_question, lacking, text, asked_at, answer_due_at, delay_source,
       answered_at,
       position, chosen_side, answer, withdrawn_at
from conflict_question where conflict_id = $1 order by asked_at, id
"""
_DECISION = """
select id, outcome, refused, four_eyes, proposed_by, approved_at, case_version from conflict_decision
where conflict_id = $1 and dropped_at is null
"""


@dataclass(frozen=True, slots=True)
class FindingView:
    """What a detection saw: rule, outcome, sentence, source, facts by name; `known_on` a Paris day."""

    found_at: datetime
    rule: str
    outcome: str
    message: str
    source: str
    remedy: str | None
    readings: tuple[str, ...]
    a_confirmer: bool
    facts: dict[str, Any]
    law_digest: str


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision that stands or was withdrawn. A party reads its notice and whether its side is refused; the
    motivation, which names both, is for the agencies and the OG."""

    outcome: str
    refused: tuple[int, ...]
    template: str
    motivation: str | None
    notice: str
    sources: str
    four_eyes: bool
    proposed_at: datetime
    approved_at: datetime | None
    dropped_at: datetime | None
    drop_reason: str | None


@dataclass(frozen=True, slots=True)
class EventView:
    """A step of the case; identifiers of persons stay in the journal."""

    at: datetime
    event: str
    before: str | None
    after: str | None
    role: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ConflictView:
    """A case as one reader sees it. `version` counts what happened to it: a decision names the one that it
    was taken on. `at_stake_ttc_cents` is None for whom it would tell the other's amount; `actions` is empty
    for whom is not a reviewer."""

    id: UUID
    number: str
    vague: str
    family: str
    label: str
    state: str
    version: int
    og: str | None
    essms: tuple[str, ...]
    counterparts: tuple[str, ...]
    opened_at: datetime
    opened_for: str
    assigned: bool
    ceased_at: datetime | None
    at_stake_ttc_cents: int | None
    sides: tuple[CaseSide, ...]
    questions: tuple[CaseQuestion, ...]
    findings: tuple[FindingView, ...]
    decisions: tuple[DecisionView, ...]
    events: tuple[EventView, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class ConflictLine:
    """A case in a list."""

    id: UUID
    number: str
    family: str
    state: str
    og: str | None
    essms: int
    opened_at: datetime
    at_stake_ttc_cents: int | None


@dataclass(frozen=True, slots=True)
class ConflictPage:
    """One page, newest first; `following` is (instant, id) of the last one, None at the end."""

    conflicts: tuple[ConflictLine, ...]
    following: tuple[datetime, UUID] | None


async def lock_case(con: asyncpg.Connection, conflict_id: UUID) -> CaseFile:
    """The case as its actions are judged; nobody else moves it, or answers in it, until the commit.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    await lock_answers(con, conflict_id)
    if await con.fetchval("select id from conflict where id = $1 for update", conflict_id) is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return await load_case_file(con, conflict_id)


async def lock_answers(con: asyncpg.Connection, conflict_id: UUID) -> None:
    """Answers and acts on one case come one after the other: a party may not lock the row of the case itself,
    and a decision must not overlook the answer of the same instant."""
    await con.execute(
        "select pg_advisory_xact_lock(hashtextextended('conflict:' || $1::uuid::text, 0))", conflict_id
    )


async def load_case_file(con: asyncpg.Connection, conflict_id: UUID) -> CaseFile:
    """The case as its actions are judged.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown case and for another organisation's.
    """
    return _file(await _row(con, conflict_id), *await _parts(con, conflict_id))


async def find_conflict(actor: Actor, conflict: UUID | str, at: datetime) -> ConflictView:
    """A case by its identifier or number, as the actor may see it.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown case and for another organisation's.
    """
    require(actor, "conflict.read")
    async with transaction(actor.context, read_only=True) as con:
        return await view_conflict(con, actor, conflict, at)


async def view_conflict(
    con: asyncpg.Connection, actor: Actor, conflict: UUID | str, at: datetime
) -> ConflictView:
    """The same, in the caller's transaction."""
    row = await _row(con, conflict)
    sides, questions, decision = await _parts(con, row["id"])
    case = _file(row, sides, questions, decision)
    # the OG of the whole case is a party to it; of two, each reads its own side
    its_og = allowed(actor, "side.read") and row["og_id"] == actor.organisation_id
    whole = sees_all(actor, "side.read") or its_og
    findings = await con.fetch(
        "select found_at, rule, outcome, message, source, remedy, readings, a_confirmer, facts, law_digest"
        " from conflict_finding where conflict_id = $1 order by id",
        row["id"],
    )
    events = await con.fetch(
        "select at, event, before, after, role, facts from conflict_event where conflict_id = $1 order by id",
        row["id"],
    )
    view = ConflictView(
        id=row["id"],
        number=row["number"],
        vague=row["vague"],
        family=row["family"],
        label=FAMILIES[row["family"]].label,
        state=row["state"],
        version=row["version"],
        og=row["og_finess"],
        essms=tuple(row["essms"]),
        counterparts=tuple(row["counterparts"]),
        opened_at=row["opened_at"],
        opened_for=row["opened_for"],
        assigned=row["assigned_to"] is not None,
        ceased_at=row["ceased_at"],
        at_stake_ttc_cents=row["at_stake_ttc_cents"],
        sides=sides,
        questions=questions,
        findings=tuple(
            FindingView(**{**dict(finding), "readings": tuple(finding["readings"])}) for finding in findings
        ),
        decisions=await _decisions(con, row["id"]),
        events=tuple(EventView(**dict(event)) for event in events),
        actions=case_actions(case, at) if allowed(actor, "conflict.decide") else (),
    )
    return view if whole else _discreet(view, actor)


def _discreet(view: ConflictView, actor: Actor) -> ConflictView:
    """What a supplier, an ARS, or one OG of two reads: its own side, its own questions; never the other
    party, nor a sum."""
    own = tuple(s for s in view.sides if actor.organisation_id in (s.supplier_id, s.og_id))
    numbers = {side.side for side in own}
    return replace(
        view,
        og=view.og if own else None,
        counterparts=(),
        at_stake_ttc_cents=None,
        assigned=False,
        opened_for="contest" if view.opened_for == "contest" else "audit",
        sides=own,
        questions=tuple(q for q in view.questions if q.organisation_id == actor.organisation_id),
        findings=(),
        decisions=tuple(
            replace(
                decision,
                motivation=None,
                refused=tuple(n for n in decision.refused if n in numbers),
                outcome=decision.outcome if decision.outcome == "dismissed" else "decided",
                template="",
                drop_reason=None,
            )
            for decision in view.decisions
            if decision.approved_at is not None and own
        ),
        events=(),
    )


async def list_conflicts(
    actor: Actor, state: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> ConflictPage:
    """The cases that the actor may see, newest first."""
    require(actor, "conflict.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            "select id, number, family, state, og_finess_juridique as og, opened_at,"
            " case when $5 or og_id = $6 then at_stake_ttc_cents end as at_stake_ttc_cents,"
            " (select count(*) from conflict_essms e where e.conflict_id = c.id) as essms"
            " from conflict c where ($1::text is null or state = $1)"
            " and ($2::timestamptz is null or (opened_at, id) < ($2, $3::uuid))"
            " order by opened_at desc, id desc limit $4",
            state,
            None if after is None else after[0],
            None if after is None else after[1],
            limit + 1,
            sees_all(actor, "side.read"),
            actor.organisation_id if allowed(actor, "side.read") else None,
        )
    lines = tuple(ConflictLine(**dict(row)) for row in rows[:limit])
    last = lines[-1] if len(rows) > limit else None
    return ConflictPage(lines, None if last is None else (last.opened_at, last.id))


async def _row(con: asyncpg.Connection, conflict: UUID | str) -> Any:
    row = await con.fetchrow(
        _CASE,
        conflict if isinstance(conflict, UUID) else None,
        conflict if isinstance(conflict, str) else None,
    )
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    return row


async def _parts(
    con: asyncpg.Connection, conflict_id: UUID
) -> tuple[tuple[CaseSide, ...], tuple[CaseQuestion, ...], CaseDecision | None]:
    sides = tuple(CaseSide(**dict(row)) for row in await con.fetch(_SIDES, conflict_id))
    questions = tuple(CaseQuestion(**dict(row)) for row in await con.fetch(_QUESTIONS, conflict_id))
    row = await con.fetchrow(_DECISION, conflict_id)
    decision = None if row is None else CaseDecision(**{**dict(row), "refused": tuple(row["refused"])})
    return sides, questions, decision


def _file(
    row: Any, sides: tuple[CaseSide, ...], questions: tuple[CaseQuestion, ...], decision: CaseDecision | None
) -> CaseFile:
    return CaseFile(
        id=row["id"],
        number=row["number"],
        family=row["family"],
        state=row["state"],
        version=row["version"],
        vague=row["vague"],
        og_id=row["og_id"],
        og_finess=row["og_finess"],
        at_stake_ttc_cents=row["at_stake_ttc_cents"],
        essms=tuple(sorted({*row["essms"], *row["counterparts"]})),
        sides=sides,
        questions=questions,
        decision=decision,
    )


async def _decisions(con: asyncpg.Connection, conflict_id: UUID) -> tuple[DecisionView, ...]:
    rows = await con.fetch(
        "select outcome, refused, template, motivation, notice, sources, four_eyes, proposed_at, approved_at,"
        " dropped_at, drop_reason from conflict_decision where conflict_id = $1 order by proposed_at, id",
        conflict_id,
    )
    return tuple(DecisionView(**{**dict(row), "refused": tuple(row["refused"])}) for row in rows)
