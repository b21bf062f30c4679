"""The steps of a case before its decision: contested, assigned, asked, answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from sons_tracker.db.journal import Said
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.conflict_acts import (
    Render,
    answer_delay,
    ask,
    conflict_terms,
    delay_of,
    move,
    on_case,
    open_contests,
    refused_case,
    silence,
    step,
)
from sons_tracker.operations.conflict_reading import ConflictView, load_case_file, lock_answers, view_conflict
from sons_tracker.operations.deadlines import Due
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.outbox import announce
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.conflicts import POSITIONS, CaseFile, CaseQuestion
from sons_tracker.rules.deeds import reasons as order_reasons
from sons_tracker.rules.texts import Law

_CONTESTED = (
    "Un ESSMS n'est financé qu'une fois dans la vague : cette commande a été refusée parce qu'une autre"
    " engage l'ESSMS, et ce refus est contesté."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reviewer asks; `correction` names the question whose answer is `incomplete` or `incorrect`."""

    text: str
    of_question: UUID | None = None
    lacking: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What a party answers: a position of `POSITIONS`, or the side that the client chooses."""

    text: str
    position: str | None = None
    chosen_side: int | None = None


async def contest(
    actor: Actor, order_id: UUID, reason: str, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Contests the refusal of an order of the actor's own because another holds its ESSMS (R05, C17).

    Opens one case per order that holds some; the answer is the first. Refused when the order is not rejected,
    was refused for another rule too, or when nothing holds its ESSMS any more.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "conflict.contest")

    async def work(con: asyncpg.Connection) -> ConflictView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        if against := order_reasons("contest", dossier, law, at):
            return Refused("conflict.refused", "order", str(order_id), against)
        opened = await open_contests(con, actor, at, dossier, _CONTESTED, reason, law)
        if not opened:
            return Refused("conflict.refused", "order", str(order_id), (_NOTHING_HOLDS,))
        return await view_conflict(con, actor, opened[0], at)

    return await perform(actor, at, key, work, render)


_NOTHING_HOLDS = Reason(
    "Plus aucune commande n'engage les ESSMS de celle-ci : il n'y a pas de conflit à ouvrir.",
    "Déposer de nouveau la commande ; si une réservation les tient, attendre son terme.",
    "R05",
    str(RULES["R05"].source),
)


async def assign(
    actor: Actor, conflict_id: UUID, person_id: UUID | None, at: datetime, key: Key, render: Render
) -> Answer:
    """Gives a case to a reviewer, or to nobody; `person_id` None takes it off.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST` for a person who is no reviewer.
    """
    require(actor, "conflict.assign")

    async def work(con: asyncpg.Connection, case: CaseFile) -> None:
        known = person_id is None or await con.fetchval(
            "select exists (select from membership"
            " where person_id = $1 and role = 'reviewer' and removed_at is null)",
            person_id,
        )
        if not known:
            problem = "Cette personne n'est pas un contrôleur."
            raise SonsError(ErrorCode.INVALID_REQUEST, problem, faults=(Fault("/person_id", problem),))
        await con.execute("update conflict set assigned_to = $2 where id = $1", case.id, person_id)
        facts = {"person_id": None if person_id is None else str(person_id)}
        await step(con, actor, at, case, "assigned", None, facts)

    return await on_case(actor, conflict_id, "assign", at, key, render, work)


async def ask_precisions(
    actor: Actor, conflict_id: UUID, asked: Asked, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Invites the supplier of each order of the case to explain itself, within the delay of the law.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "question.ask")

    async def work(con: asyncpg.Connection, case: CaseFile) -> None:
        before = {q.side for q in case.questions if q.kind == "precisions" and q.withdrawn_at is None}
        delay = answer_delay(law, case, at)
        for side in case.orders:
            if side.side not in before and side.supplier_id is not None:
                text = asked.text
                await ask(con, actor, case, at, "precisions", side.supplier_id, text, delay, side.side)
        await move(con, case, "precisions_asked")
        await step(con, actor, at, case, "precisions_asked", "precisions_asked", {"text": Said(asked.text)})

    return await on_case(actor, conflict_id, "ask_precisions", at, key, render, work)


async def ask_choice(
    actor: Actor, conflict_id: UUID, asked: Asked, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Asks the OG that signed both orders which one it keeps.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "question.ask")

    async def work(con: asyncpg.Connection, case: CaseFile) -> None:
        delay = delay_of(conflict_terms(law, case, at), "choice")
        og = case.orders[0].og_id
        assert og is not None, "the side of an order has its parties"
        await ask(con, actor, case, at, "choice", og, asked.text, delay)
        await move(con, case, "og_choice")
        await step(con, actor, at, case, "choice_asked", "og_choice", {"text": Said(asked.text)})

    return await on_case(actor, conflict_id, "ask_choice", at, key, render, work)


async def ask_opinion(
    actor: Actor,
    conflict_id: UUID,
    ars_id: UUID,
    asked: Asked,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Asks an ARS for its opinion; nothing waits for it.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST` for an organisation that is no ARS.
    """
    require(actor, "question.ask")

    async def work(con: asyncpg.Connection, case: CaseFile) -> Refused | None:
        if await con.fetchval("select kind from organisation where id = $1", ars_id) != "ars":
            problem = "Cet organisme n'est pas une ARS."
            raise SonsError(ErrorCode.INVALID_REQUEST, problem, faults=(Fault("/ars_id", problem),))
        if any(q.kind == "opinion" and q.organisation_id == ars_id and q.is_open for q in case.questions):
            return refused_case(case, (Reason("L'avis de cette ARS est déjà demandé."),))
        delay = delay_of(conflict_terms(law, case, at), "opinion")
        await ask(con, actor, case, at, "opinion", ars_id, asked.text, delay)
        await step(con, actor, at, case, "opinion_asked", None, {"text": Said(asked.text)})
        return None

    return await on_case(actor, conflict_id, "ask_opinion", at, key, render, work)


async def ask_correction(
    actor: Actor, conflict_id: UUID, asked: Asked, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Says what an answer lacks (incomplete or incorrect): nothing is decided, and the clock of the case
    stands still, until it is answered.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST` for a question that is not of the case.
    """
    require(actor, "question.ask")

    async def work(con: asyncpg.Connection, case: CaseFile) -> None:
        of = next((q for q in case.questions if q.id == asked.of_question and q.answered_at), None)
        if of is None:
            problem = "Aucune réponse de ce dossier ne porte cet identifiant."
            raise SonsError(ErrorCode.INVALID_REQUEST, problem, faults=(Fault("/of_question", problem),))
        delay, who = answer_delay(law, case, at), of.organisation_id
        await ask(con, actor, case, at, "correction", who, asked.text, delay, of.side, of.id, asked.lacking)
        facts = {"lacking": asked.lacking, "text": Said(asked.text), "of_question": str(of.id)}
        await step(con, actor, at, case, "correction_asked", None, facts)

    return await on_case(actor, conflict_id, "ask_correction", at, key, render, work)


async def withdraw_question(
    actor: Actor, conflict_id: UUID, question_id: UUID, at: datetime, key: Key, render: Render
) -> Answer:
    """Takes back a question that was not answered.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND` for a question that is not of the case.
    """
    require(actor, "question.withdraw")

    async def work(con: asyncpg.Connection, case: CaseFile) -> Refused | None:
        question = _of_case(case, question_id)
        if not question.is_open:
            return refused_case(case, (Reason("Cette question a déjà sa réponse, ou a été retirée."),))
        await con.execute("update conflict_question set withdrawn_at = $2 where id = $1", question_id, at)
        await silence(con, question_id, at)
        facts = {"question_id": str(question_id), "kind": question.kind}
        told = (question.organisation_id,)
        event = "conflict.question_withdrawn"
        await step(con, actor, at, case, "question_withdrawn", None, facts, event, told)
        return None

    return await on_case(actor, conflict_id, None, at, key, render, work)


async def answer(
    actor: Actor, conflict_id: UUID, question_id: UUID, given: Given, at: datetime, key: Key, render: Render
) -> Answer:
    """Answers a question that was asked of the actor's organisation; a late answer is kept as long as nothing
    is decided.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND` for a question of another organisation, `INVALID_REQUEST` for a
            position that the question does not have.
    """
    require(actor, "question.answer")

    async def work(con: asyncpg.Connection) -> ConflictView | Refused:
        await lock_answers(con, conflict_id)
        row = await con.fetchrow(
            "select conflict_id from conflict_question where id = $1 and conflict_id = $2"
            " and organisation_id = $3 for update",
            question_id,
            conflict_id,
            actor.organisation_id,
        )
        if row is None:
            raise SonsError(ErrorCode.NOT_FOUND, "Aucune question visible ne porte cet identifiant.")
        case = await load_case_file(con, conflict_id)
        question = _of_case(case, question_id)
        _check_answer(question, given, case)
        if not question.is_open:
            stop = Reason("Cette question a déjà sa réponse, ou a été retirée.")
            return refused_case(case, (stop,))
        if case.state in ("decided", "executed", "closed"):
            return refused_case(case, (Reason("Le dossier est déjà décidé."),))
        await con.execute(
            "update conflict_question set answered_at = $2, answered_by = $3, position = $4,"
            " chosen_side = $5, answer = $6 where id = $1",
            question_id,
            at,
            actor.person_id,
            given.position,
            given.chosen_side,
            given.text,
        )
        await silence(con, question_id, at)
        facts = {
            "question_id": str(question_id),
            "kind": question.kind,
            "position": given.position,
            "chosen_side": given.chosen_side,
            "late": question.answer_due_at is not None and at > question.answer_due_at,
        }
        await step(con, actor, at, case, "answered", None, facts)
        return await view_conflict(con, actor, conflict_id, at)

    return await perform(actor, at, key, work, render)


def _check_answer(question: CaseQuestion, given: Given, case: CaseFile) -> None:
    allowed = POSITIONS[question.kind]
    if question.kind == "choice":
        sides = {side.side for side in case.orders} or {1, 2}
        if given.position is not None or given.chosen_side not in sides:
            problem = "Choisir l'une des deux commandes : 1 ou 2."
            raise SonsError(ErrorCode.INVALID_REQUEST, problem, faults=(Fault("/chosen_side", problem),))
    elif given.chosen_side is not None or given.position not in allowed:
        problem = f"Positions possibles : {', '.join(allowed)}."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, faults=(Fault("/position", problem),))


def _of_case(case: CaseFile, question_id: UUID) -> CaseQuestion:
    found = next((question for question in case.questions if question.id == question_id), None)
    if found is None:
        raise SonsError(ErrorCode.NOT_FOUND, "Aucune question visible ne porte cet identifiant.")
    return found


async def answer_passed(con: asyncpg.Connection, due: Due, _at: datetime) -> None:
    """The effect of the delay of a question: who was asked is told; a reviewer may go on without it."""
    row = await con.fetchrow(
        "select q.conflict_id, q.kind, q.organisation_id, c.number from conflict_question q"
        " join conflict c on c.id = q.conflict_id"
        " where q.id = $1 and q.answered_at is null and q.withdrawn_at is null",
        UUID(due.object_id),
    )
    if row is None:
        return
    facts = {"question_id": due.object_id, "kind": row["kind"], "number": row["number"]}
    await con.execute(
        "insert into conflict_event (conflict_id, at, event, role, facts)"
        " values ($1, $2, 'answer_expired', 'scheduler', $3)",
        row["conflict_id"],
        due.due_at,
        facts,
    )
    await announce(
        con,
        due.due_at,
        "conflict.answer_expired",
        "conflict",
        str(row["conflict_id"]),
        (row["organisation_id"],),
        facts,
    )
