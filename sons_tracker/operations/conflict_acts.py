"""What every act on a case shares: its lock, its refusal, its step in the history, the questions it asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.journal import Said
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.conflict_reading import (
    ConflictView,
    load_case_file,
    lock_case,
    view_conflict,
)
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.outbox import announce
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.working_calendar import answer_due, departement_of
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.conflicts import CaseFile, reasons
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.parameters import Version, required
from sons_tracker.rules.texts import ConflictTerms, Law

Render = Callable[[ConflictView | Refused], Answer]
DEADLINE = "conflict_answer"


async def on_case(
    actor: Actor,
    conflict_id: UUID,
    action: str | None,
    at: datetime,
    key: Key,
    render: Render,
    work: Callable[[asyncpg.Connection, CaseFile], Awaitable[Refused | None]],
) -> Answer:
    """One act of a reviewer on a locked case, unless something stands against `action`.

    Raises:
        SonsError: `NOT_FOUND`, what `work` and `perform` raise.
    """

    async def locked(con: asyncpg.Connection) -> ConflictView | Refused:
        case = await lock_case(con, conflict_id)
        against = () if action is None else reasons(action, case, at)
        refused = refused_case(case, against) if against else await work(con, case)
        return refused or await view_conflict(con, actor, conflict_id, at)

    return await perform(actor, at, key, locked, render)


def refused_case(case: CaseFile, against: tuple[Reason, ...]) -> Refused:
    """The refusal of an act on a case."""
    return Refused("conflict.refused", "conflict", str(case.id), against)


async def move(con: asyncpg.Connection, case: CaseFile, state: str) -> None:
    """Moves the case along its table; staying where it is moves nothing."""
    if state != case.state:
        await con.execute("update conflict set state = $2 where id = $1", case.id, state)


async def step(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    case: CaseFile,
    event: str,
    after: str | None,
    facts: Mapping[str, Any],
    told_as: str = "",
    told: Sequence[UUID] = (),
) -> None:
    """Writes a step into the history of the case and the journal, with the same facts.

    `told` are announced that it happened, as `told_as`: they read the case's number, nothing of the facts.
    """
    await con.execute(
        "insert into conflict_event (conflict_id, at, event, before, after, person_id, organisation_id, role,"
        " facts) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        case.id,
        at,
        event,
        case.state,
        after,
        actor.person_id,
        actor.organisation_id,
        actor.role,
        dict(facts),
    )
    said = {"number": case.number, "family": case.family, **facts}
    await journal.record(con, actor, at, f"conflict.{event}", "conflict", str(case.id), said)
    if told:
        await announce(con, at, told_as, "conflict", str(case.id), told, {"number": case.number})


async def open_contests(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    dossier: Dossier,
    message: str,
    reason: str,
    law: Law,
) -> tuple[UUID, ...]:
    """Opens a case for each order that holds ESSMS of an order that was refused them (R05, C17) or cannot
    reopen (C16); returns the cases, also those that stood. Both suppliers and the OG of a new one are told.
    """
    opened = await con.fetch(
        "select * from open_contest($1, $2, $3, $4, $5, $6, $7)",
        dossier.id,
        at,
        message,
        str(RULES["R05"].source),
        "Attendre la décision d'un contrôleur.",
        law.digest,
        known_on(at),
    )
    for row in opened:
        case = await load_case_file(con, row["conflict_id"])
        # a party that contests does not read the other's side: the row of the case names both
        sides = await con.fetchval("select suppliers || ogs from conflict where id = $1", case.id)
        told = tuple(sorted({*sides})) if row["is_new"] else ()
        event = "contested" if row["is_new"] else "contested_again"
        await step(con, actor, at, case, event, None, {"reason": Said(reason)}, "conflict.opened", told)
    return tuple(row["conflict_id"] for row in opened)


def parties(case: CaseFile) -> tuple[UUID, ...]:
    """The organisations of the case: its OG, and the suppliers of its orders."""
    found = {case.og_id, *(side.supplier_id for side in case.orders), *(side.og_id for side in case.orders)}
    return tuple(sorted(one for one in found if one is not None))


async def ask(
    con: asyncpg.Connection,
    actor: Actor,
    case: CaseFile,
    at: datetime,
    kind: str,
    organisation_id: UUID,
    text: str,
    delay: tuple[int | None, str],
    side: int | None = None,
    of_question: UUID | None = None,
    lacking: str | None = None,
) -> None:
    """Asks an organisation, which is told; `delay` is so many working days of the OG's department, with the
    source of the number. None: no delay is in force, and none runs."""
    days, source = delay
    departement = None if case.og_finess is None else departement_of(case.og_finess)
    due_at = None if days is None else answer_due(at, days, departement)
    question_id = uuid4()
    await con.execute(
        "insert into conflict_question (id, conflict_id, kind, organisation_id, side, of_question, lacking,"
        " text, asked_at, asked_by, answer_due_at, delay_source)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        question_id,
        case.id,
        kind,
        organisation_id,
        side,
        of_question,
        lacking,
        text,
        at,
        actor.person_id,
        due_at,
        None if due_at is None else source,
    )
    said: dict[str, Any] = {"number": case.number, "question_id": str(question_id), "kind": kind}
    if due_at is not None:
        said["until"] = due_at.isoformat()
        await con.execute(
            "insert into deadline (rule, object_id, due_at, kind, supplier_id, og_id, facts)"
            " select $1, $2, $3, $1, case when kind in ('editor', 'distributor') then id end,"
            " case when kind = 'og' then id end, $5 from organisation where id = $4",
            DEADLINE,
            str(question_id),
            due_at,
            organisation_id,
            {"label": f"Réponse dans le conflit {case.number}", "source": source, "a_confirmer": True},
        )
    await announce(con, at, "conflict.asked", "conflict", str(case.id), (organisation_id,), said)


async def silence(con: asyncpg.Connection, question_id: UUID, at: datetime) -> None:
    """The delay of a question has nothing to say any more."""
    await con.execute(
        "update deadline set superseded_at = $3 where rule = $1 and object_id = $2 and fired_at is null"
        " and superseded_at is null",
        DEADLINE,
        str(question_id),
        at,
    )


def answer_delay(law: Law, case: CaseFile, at: datetime) -> tuple[int | None, str]:
    """The working days that a supplier has to answer, with their source."""
    version = law.vagues[case.vague].answer_working_days.find(known_on(at), known_on(at))
    return (None, "") if version is None else (required(version), str(version.source))


def conflict_terms(law: Law, case: CaseFile, at: datetime) -> Version[ConflictTerms] | None:
    """How a conflict is led, as the law stands at the business instant; None when no text says."""
    return law.vagues[case.vague].conflict.find(known_on(at), known_on(at))


def delay_of(terms: Version[ConflictTerms] | None, kind: str) -> tuple[int | None, str]:
    """The working days of a client's choice or of an ARS's opinion, with their source."""
    if terms is None:
        return None, ""
    value = required(terms)
    return (value.choice_days if kind == "choice" else value.opinion_days), str(terms.source)
