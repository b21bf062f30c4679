"""Corrections: a reviewer says what is incomplete or incorrect, the supplier answers; the next step waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.journal import Said
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform, tell
from sons_tracker.operations.advances import advance_case
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.requests_filed import checked_content, file_request
from sons_tracker.operations.working_calendar import answer_due, departement_of
from sons_tracker.rules.actions import Reason, reason_of
from sons_tracker.rules.advance import assess_advance
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.deeds import reasons
from sons_tracker.rules.dossier import Dossier, OpenCorrection
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Outcome

ANSWER_RULE = "correction"


@dataclass(frozen=True, slots=True)
class CorrectionView:
    """A correction, answered or not; `request_id` is None when it is about the order itself."""

    id: UUID
    order_id: UUID
    order_number: str
    request_id: UUID | None
    kind: str
    reason: str
    asked_at: datetime
    answer_due_at: datetime | None
    answered_at: datetime | None
    answer: str | None


Render = Callable[[CorrectionView | Refused], Answer]


async def ask_correction(
    actor: Actor,
    order_id: UUID,
    about: str,
    kind: str,
    reason: str,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Asks the supplier to correct its order, or its live request of advance or solde.

    `about`: order, advance or solde; `kind`: incomplete or incorrect. The answer is expected by the end of
    the delay that the law gives, in working days; when it passes the parties are told, nothing is decided.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, and those of `perform`.
    """
    require(actor, "correction.ask")

    async def work(con: asyncpg.Connection) -> CorrectionView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        against = reasons(f"ask_{about}_correction", dossier, law, at)
        if against:
            return Refused("correction.refused", "order", str(order_id), against)
        request = dossier.request(about) if about != "order" else None
        due_at, source = answer_delay(law, dossier, at)
        correction_id = uuid4()
        await con.execute(
            "insert into correction (id, order_id, supplier_id, og_id, request_id, kind, reason, asked_at,"
            " asked_by, answer_due_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            correction_id,
            order_id,
            dossier.supplier_id,
            dossier.og_id,
            None if request is None else request.id,
            kind,
            reason,
            at,
            actor.person_id,
            due_at,
        )
        if due_at is not None:
            await con.execute(
                "insert into deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)"
                " values ($1, $2, $3, 'answer', $4, $5, $6, $7)",
                ANSWER_RULE,
                str(correction_id),
                due_at,
                order_id,
                dossier.supplier_id,
                dossier.og_id,
                {"label": "Réponse à la demande de correction", "source": source, "a_confirmer": True},
            )
        await _move(con, dossier, None if request is None else request.id, "to_correct")
        facts = {
            "correction_id": str(correction_id),
            "kind": kind,
            "reason": Said(reason),
        }
        await tell(con, actor, at, f"{about}.correction_asked", dossier, facts)
        return await view_correction(con, correction_id)

    return await perform(actor, at, key, work, render)


async def answer_correction(
    actor: Actor,
    order_id: UUID,
    answer: str,
    content: Mapping[str, Any] | None,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Answers the open correction of one of the actor's own orders.

    `content` files the advance again, by the schema in force at `at`; the request keeps the instant of its
    first reception, which the fermeture is compared with. A solde is filed again by `soldes.refile_solde`.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST`, and those of `perform`.
    """
    require(actor, "correction.answer")

    async def work(con: asyncpg.Connection) -> CorrectionView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        against = reasons("correct", dossier, law, at)
        correction = dossier.correction
        if against or correction is None:
            return Refused("correction.refused", "order", str(order_id), against)
        if await _va_replaced(con, correction):
            return Refused("correction.refused", "order", str(order_id), (_FILE_AGAIN,))
        request = dossier.request("advance")
        if content is not None and request is not None and request.id == correction.request_id:
            schema = checked_content(law, dossier.dispositif, "advance", content, at)
            case = advance_case(dossier, content, request.received_at)
            verdicts = assess_advance(case, law, known_on(at))
            lacking = [v for v in verdicts if v.outcome is Outcome.FAIL and v.rule == "R15"]
            if lacking:
                stops = tuple(reason_of(v) for v in lacking)
                return Refused("correction.refused", "order", str(order_id), stops)
            await file_request(con, dossier, request.id, at, schema, content, verdicts, law)
        await close_correction(con, actor, at, dossier, correction, answer)
        return await view_correction(con, correction.id)

    return await perform(actor, at, key, work, render)


_FILE_AGAIN = Reason(
    "La VA sur laquelle la demande de solde repose a été remplacée : une réponse seule ne suffit plus.",
    "Faire signer la nouvelle VA, puis déposer de nouveau la demande de solde.",
    "R16",
    str(RULES["R16"].source),
)


async def _va_replaced(con: asyncpg.Connection, correction: OpenCorrection) -> bool:
    """Whether the correction is about a solde whose VA was prepared again since it was filed."""
    found: bool = await con.fetchval(
        "select exists (select from financing_request r join va v on v.id = r.va_id"
        " where r.id = $1 and v.state = 'withdrawn')",
        correction.request_id,
    )
    return found


async def close_correction(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    dossier: Dossier,
    correction: OpenCorrection,
    answer: str,
) -> None:
    """Closes an open correction in the caller's transaction: what waited for it is examined again."""
    await con.execute(
        "update correction set answered_at = $2, answered_by = $3, answer = $4 where id = $1",
        correction.id,
        at,
        actor.person_id,
        answer,
    )
    await con.execute(
        "update deadline set superseded_at = $2 where rule = $3 and object_id = $1 and fired_at is null"
        " and superseded_at is null",
        str(correction.id),
        at,
        ANSWER_RULE,
    )
    request = next((r for r in dossier.requests if r.id == correction.request_id), None)
    await _move(
        con,
        dossier,
        correction.request_id,
        "submitted" if request is None else "requested",
    )
    event = "order.corrected" if request is None else f"{request.kind}.corrected"
    facts = {"correction_id": str(correction.id)}
    await tell(con, actor, at, event, dossier, facts)


async def _move(con: asyncpg.Connection, dossier: Dossier, request_id: UUID | None, state: str) -> None:
    if request_id is None:
        await con.execute("update purchase_order set state = $2 where id = $1", dossier.id, state)
    else:
        await con.execute("update financing_request set state = $2 where id = $1", request_id, state)


def answer_delay(law: Law, dossier: Dossier, at: datetime) -> tuple[datetime | None, str]:
    """The last instant to answer, and its source; None when no delay is in force."""
    known = known_on(at)
    version = dispositif_of(law, dossier.dispositif)[1].answer_working_days.find(known, known)
    if version is None:
        return None, ""
    return answer_due(at, required(version), departement_of(dossier.og_finess)), str(version.source)


async def view_correction(con: asyncpg.Connection, correction_id: UUID) -> CorrectionView:
    """A correction of an order that the actor may see."""
    row = await con.fetchrow(
        "select c.id, c.order_id, o.number as order_number, c.request_id, c.kind, c.reason, c.asked_at,"
        " c.answer_due_at, c.answered_at, c.answer"
        " from correction c join purchase_order o on o.id = c.order_id where c.id = $1",
        correction_id,
    )
    return CorrectionView(**dict(row))
