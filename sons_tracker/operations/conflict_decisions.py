"""The decision of a case: proposed with its motivation, approved, executed, closed; or taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.journal import Said
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.conflict_acts import (
    Render,
    conflict_terms,
    move,
    on_case,
    parties,
    refused_case,
    step,
)
from sons_tracker.operations.conflict_outcomes import carry_out
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.conflicts import OUTCOMES, CaseFile, decision_reasons
from sons_tracker.rules.motivations import TEMPLATES, templates_of
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Law


@dataclass(frozen=True, slots=True)
class Proposal:
    """A decision as a reviewer proposes it. `refused`: the sides that lose; `template`: one of
    `motivations.TEMPLATES`; `motivation`: the reviewer's own words; `version`: that of the case it read."""

    outcome: str
    refused: tuple[int, ...]
    template: str
    motivation: str
    version: int


async def propose(
    actor: Actor, conflict_id: UUID, proposal: Proposal, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Proposes a decision. Below the amount that the law names it is approved at once; from it on, a second
    reviewer approves it.

    Refused when the case has changed since the version that was read, when a supplier that would lose was
    not heard, or when a correction is open.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST` without motivation, for an unknown outcome, or
            a template that does not fit.
    """
    require(actor, "conflict.decide")

    async def work(con: asyncpg.Connection, case: CaseFile) -> Refused | None:
        _check(case, proposal)
        against = (
            *(() if proposal.version == case.version else (_changed(case.version),)),
            *decision_reasons(case, proposal.outcome, proposal.refused, at),
        )
        if against:
            return refused_case(case, against)
        terms = conflict_terms(law, case, at)
        four_eyes = terms is None or case.at_stake_ttc_cents >= required(terms).four_eyes_ttc_cents
        template = TEMPLATES[proposal.template]
        sources = template.sources
        if four_eyes and terms is not None:
            sources = f"{sources} ; seconde personne : {terms.source}"
        await con.execute(
            "insert into conflict_decision (id, conflict_id, outcome, refused, template, motivation, notice,"
            " sources, case_version, at_stake_ttc_cents, four_eyes, law_digest, proposed_at, proposed_by)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            uuid4(),
            case.id,
            proposal.outcome,
            sorted(proposal.refused),
            proposal.template,
            proposal.motivation,
            template.notice,
            sources,
            # with its own step, which is written next: an approval compares the two
            case.version + 1,
            case.at_stake_ttc_cents,
            four_eyes,
            law.digest,
            at,
            actor.person_id,
        )
        facts = {"outcome": proposal.outcome, "refused": list(proposal.refused), "four_eyes": four_eyes}
        await step(con, actor, at, case, "decision_proposed", None, facts)
        if not four_eyes:
            await _approve(con, actor, at, case)
        return None

    return await on_case(actor, conflict_id, "propose_decision", at, key, render, work)


async def approve(actor: Actor, conflict_id: UUID, at: datetime, key: Key, render: Render) -> Answer:
    """Approves the proposed decision: another reviewer than the one that proposed it, on the same case.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "conflict.approve")

    async def work(con: asyncpg.Connection, case: CaseFile) -> Refused | None:
        decision = case.decision
        assert decision is not None, "the action is possible"
        if decision.proposed_by == actor.person_id:
            return refused_case(case, (_SAME_PERSON,))
        if decision.case_version != case.version:
            return refused_case(case, (_changed(case.version),))
        if against := decision_reasons(case, decision.outcome, decision.refused, at):
            return refused_case(case, against)
        await _approve(con, actor, at, case)
        return None

    return await on_case(actor, conflict_id, "approve_decision", at, key, render, work)


async def withdraw(
    actor: Actor, conflict_id: UUID, reason: str, at: datetime, key: Key, render: Render
) -> Answer:
    """Takes back a decision that is not executed, with its reason: the case is open again.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "conflict.reconsider")

    async def work(con: asyncpg.Connection, case: CaseFile) -> None:
        approved = case.decision is not None and case.decision.approved_at is not None
        await _drop(con, actor, at, case, reason)
        told = parties(case) if approved else ()
        after = "open" if case.state == "decided" else None
        if after is not None:
            await move(con, case, after)
        facts = {"reason": Said(reason)}
        await step(con, actor, at, case, "reconsidered", after, facts, "conflict.reconsidered", told)

    return await on_case(actor, conflict_id, "withdraw_decision", at, key, render, work)


async def execute(
    actor: Actor, conflict_id: UUID, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Carries the decision out in one transaction: what a refused order loses is free, what was paid for it
    is to recover, and the order that was refused for it takes its place.

    Refused while a payment is with the bank, and when the order that would take the place may not.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "conflict.execute")

    async def work(con: asyncpg.Connection, case: CaseFile) -> Refused | None:
        done = await carry_out(con, actor, case, law, at)
        if isinstance(done, tuple):
            return refused_case(case, done)
        await move(con, case, "executed")
        told = parties(case)
        await step(con, actor, at, case, "executed", "executed", done, "conflict.executed", told)
        return None

    return await on_case(actor, conflict_id, "execute", at, key, render, work)


async def close(actor: Actor, conflict_id: UUID, at: datetime, key: Key, render: Render) -> Answer:
    """Closes an executed case.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "conflict.close")

    async def work(con: asyncpg.Connection, case: CaseFile) -> None:
        await move(con, case, "closed")
        await step(con, actor, at, case, "closed", "closed", {}, "conflict.closed", parties(case))

    return await on_case(actor, conflict_id, "close", at, key, render, work)


async def reopen(
    actor: Actor, conflict_id: UUID, reason: str, at: datetime, key: Key, render: Render
) -> Answer:
    """Opens a closed case again, with its reason; what was executed stays until another decision.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "conflict.reopen")

    async def work(con: asyncpg.Connection, case: CaseFile) -> None:
        await _drop(con, actor, at, case, reason)
        await move(con, case, "open")
        facts = {"reason": Said(reason)}
        await step(con, actor, at, case, "reopened", "open", facts, "conflict.reopened", parties(case))

    return await on_case(actor, conflict_id, "reopen", at, key, render, work)


_SAME_PERSON = Reason(
    "La personne qui propose une décision ne l'approuve pas.", "Faire approuver par un autre contrôleur."
)


def _changed(version: int) -> Reason:
    return Reason(
        f"Le dossier a changé depuis que vous l'avez lu (version {version}).",
        "Relire le dossier, puis décider sur ce qu'il contient.",
    )


def _check(case: CaseFile, proposal: Proposal) -> None:
    faults = []
    if proposal.outcome not in OUTCOMES:
        faults.append(Fault("/outcome", f"Issues possibles : {', '.join(OUTCOMES)}."))
    elif proposal.template not in {t.code for t in templates_of(case.family, proposal.outcome)}:
        fitting = ", ".join(t.code for t in templates_of(case.family, proposal.outcome))
        faults.append(Fault("/template", f"Modèles possibles pour cette issue : {fitting or 'aucun'}."))
    if not proposal.motivation.strip():
        faults.append(Fault("/motivation", "Une décision est motivée."))
    if faults:
        raise SonsError(
            ErrorCode.INVALID_REQUEST, "La décision proposée est mal formée.", faults=tuple(faults)
        )


async def _approve(con: asyncpg.Connection, actor: Actor, at: datetime, case: CaseFile) -> None:
    await con.execute(
        "update conflict_decision set approved_at = $2, approved_by = $3"
        " where conflict_id = $1 and dropped_at is null",
        case.id,
        at,
        actor.person_id,
    )
    await con.execute(
        "update conflict_question set withdrawn_at = $2"
        " where conflict_id = $1 and answered_at is null and withdrawn_at is null",
        case.id,
        at,
    )
    await move(con, case, "decided")
    await step(con, actor, at, case, "decided", "decided", {}, "conflict.decided", parties(case))


async def _drop(con: asyncpg.Connection, actor: Actor, at: datetime, case: CaseFile, reason: str) -> None:
    await con.execute(
        "update conflict_decision set dropped_at = $2, dropped_by = $3, drop_reason = $4"
        " where conflict_id = $1 and dropped_at is null",
        case.id,
        at,
        actor.person_id,
        reason,
    )
