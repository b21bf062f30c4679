"""The advance of an order: asked for by the supplier, validated by a reviewer, then due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.journal import Said
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform, tell
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.lapses import refused_after_cloture
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.requests_filed import (
    RequestView,
    checked_content,
    file_request,
    open_request,
    view_request,
)
from sons_tracker.rules.actions import Reason, reason_of
from sons_tracker.rules.advance import assess_advance
from sons_tracker.rules.deeds import reasons
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.money_case import AdvanceCase
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Outcome

Render = Callable[[RequestView | Refused], Answer]
_FERMETURE = "R20"
_REFERENCED = "R11"


async def request_advance(
    actor: Actor,
    order_id: UUID,
    content: Mapping[str, Any],
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Asks for the advance of one of the actor's own orders (R15), by a content that follows the schema in
    force at `at`.

    A version that is not referenced yet does not prevent the request: nothing is due before (R11). After the
    fermeture the request is kept as `inadmissible`, with the instant and the source (R20).

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST`, `OUTSIDE_COVERAGE`, and those of `perform`.
    """
    require(actor, "advance.request")

    async def work(con: asyncpg.Connection) -> RequestView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        schema = checked_content(law, dossier.dispositif, "advance", content, at)
        against = reasons("request_advance", dossier, law, at)
        verdicts = assess_advance(advance_case(dossier, content, at), law, known_on(at))
        failed = [v for v in verdicts if v.outcome is Outcome.FAIL]
        late = [v for v in failed if v.rule == _FERMETURE]
        lacking = [v for v in failed if v.rule not in (_FERMETURE, _REFERENCED)]
        if against or (lacking and not late):
            return _refused(order_id, (*against, *(reason_of(v) for v in lacking)))
        request_id = uuid4()
        state = "inadmissible" if late else "requested"
        reason = late[0].finding.message if late else None
        await open_request(con, dossier, request_id, "advance", state, at, reason)
        await file_request(con, dossier, request_id, at, schema, content, verdicts, law)
        facts = {"request_id": str(request_id), "state": state}
        event = "advance.inadmissible" if late else "advance.requested"
        await tell(con, actor, at, event, dossier, facts)
        return await view_request(con, actor, request_id)

    return await perform(actor, at, key, work, render)


async def validate_advance(
    actor: Actor,
    request_id: UUID,
    order_id: UUID,
    reason: str | None,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Validates a request of advance: the order is validated, its advance is due, its lines are planned.

    Every rule of the stage is asked again: the reception of the request stays the instant that R20 compares,
    the referencing is looked at today (R11). A rule that leaves the decision to a person wants a `reason`.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, and those of `perform`.
    """
    require(actor, "request.validate")

    async def work(con: asyncpg.Connection) -> RequestView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        against = reasons("validate_advance", dossier, law, at)
        request = await view_request(con, actor, request_id)
        verdicts = assess_advance(
            advance_case(dossier, request.content, request.received_at), law, known_on(at)
        )
        stops = [v for v in verdicts if v.outcome is Outcome.FAIL]
        held = [v for v in verdicts if v.outcome in (Outcome.REVIEW, Outcome.UNKNOWN)]
        if held and reason is None:
            stops += held
        if against or stops:
            return _refused(order_id, (*against, *(reason_of(v) for v in stops)))
        await con.execute(
            "update financing_request set state = 'validated', referenced_on = $2, decided_at = $3,"
            " decided_by = $4, reason = $5 where id = $1",
            request_id,
            dossier.referenced_on(known_on(at)),
            at,
            actor.person_id,
            reason,
        )
        await con.execute("update purchase_order set state = 'validated' where id = $1", order_id)
        await plan_lines(con, at, dossier)
        due = sum(line.advance_ttc_cents or 0 for line in dossier.kept)
        payment = dossier.payment("advance")
        facts: dict[str, Any] = {"request_id": str(request_id)}
        if held:
            facts |= {"settled_rules": sorted({v.rule for v in held}), "reason": Said(reason)}
        if payment is not None and due:
            await con.execute(
                "update payment set state = 'due', due_ttc_cents = $2, due_at = $3 where id = $1",
                payment.id,
                due,
                at,
            )
            facts |= {"payment_id": str(payment.id), "due_ttc_cents": due}
        await tell(con, actor, at, "advance.validated", dossier, facts)
        return await view_request(con, actor, request_id)

    return await perform(actor, at, key, work, render)


async def refuse_request(
    actor: Actor,
    request_id: UUID,
    order_id: UUID,
    kind: str,
    reason: str,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Declares a request of advance or solde inadmissible, with the reviewer's reason; the order goes on.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, and those of `perform`.
    """
    require(actor, "request.refuse")

    async def work(con: asyncpg.Connection) -> RequestView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        request = dossier.request(kind)
        against = reasons(f"refuse_{kind}", dossier, law, at)
        if against or request is None or request.id != request_id:
            return Refused(f"{kind}.refused", "order", str(order_id), against or (_NOT_LIVE,))
        await con.execute(
            "update financing_request set state = 'inadmissible', decided_at = $2, decided_by = $3,"
            " reason = $4 where id = $1",
            request_id,
            at,
            actor.person_id,
            reason,
        )
        if dossier.correction is not None and dossier.correction.request_id == request_id:
            await _close_unanswered(con, actor, at, dossier.correction.id)
        facts = {"request_id": str(request_id), "reason": Said(reason), "reasons": [Said(reason)]}
        await tell(con, actor, at, f"{kind}.inadmissible", dossier, facts)
        if kind == "solde":
            await refused_after_cloture(con, actor, at, dossier)
        return await view_request(con, actor, request_id)

    return await perform(actor, at, key, work, render)


async def _close_unanswered(con: asyncpg.Connection, actor: Actor, at: datetime, correction_id: UUID) -> None:
    """What was to be corrected is decided without it: nobody has to answer any more."""
    await con.execute(
        "update correction set answered_at = $2, answered_by = $3, answer = $4 where id = $1",
        correction_id,
        at,
        actor.person_id,
        "Sans réponse : la demande est déclarée irrecevable.",
    )
    await con.execute(
        "update deadline set superseded_at = $2 where object_id = $1 and kind = 'answer'"
        " and fired_at is null and superseded_at is null",
        str(correction_id),
        at,
    )


_NOT_LIVE = Reason("Cette demande n'est plus en cours d'examen.", "Relire le dossier.")


def advance_case(dossier: Dossier, content: Mapping[str, Any], received_at: datetime) -> AdvanceCase:
    """What the rules of the stage read of a request that was received at `received_at`."""
    return AdvanceCase(
        dispositif=dossier.dispositif,
        signed_on=dossier.signed_on,
        received_at=received_at,
        signature_kind=content.get("signature"),
        document_present=dossier.order_document_present or "order_document_sha256" in content,
        referencings=dossier.referencings,
    )


async def plan_lines(con: asyncpg.Connection, at: datetime, dossier: Dossier) -> None:
    """Writes in the ledger what the State now engages: each kept line's advance and solde, on its payment."""
    await con.execute(
        "insert into ledger_entry (order_id, finess_geographique, supplier_id, og_id, payment_id, movement,"
        " amount_ttc_cents, at, cause)"
        " select l.order_id, l.finess_geographique, l.supplier_id, l.og_id, p.id, 'planned', s.amount, $3,"
        " 'advance_validated'"
        " from order_line l join payment p on p.order_id = l.order_id"
        " cross join lateral (select case p.kind when 'advance' then l.advance_ttc_cents"
        " else l.solde_ttc_cents end as amount) s"
        " where l.order_id = $1 and l.finess_geographique = any($2) and s.amount > 0"
        " order by l.finess_geographique, p.kind",
        dossier.id,
        [line.finess for line in dossier.kept],
        at,
    )


def _refused(order_id: UUID, against: tuple[Reason, ...]) -> Refused:
    return Refused("advance.refused", "order", str(order_id), against)
