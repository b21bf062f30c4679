"""Depositing an order: the law is applied, the ESSMS are claimed, everything is kept in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import retrying, savepoint, transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.cases import load_case, with_holds
from sons_tracker.operations.claims import claiming
from sons_tracker.operations.conversions import conclude, let_go_for_order
from sons_tracker.operations.idempotency import Answer, Key, keep_answer, open_key
from sons_tracker.operations.outbox import announce
from sons_tracker.operations.requests import OrderRequest, check_request, known_on
from sons_tracker.operations.views import (
    Identity,
    LineView,
    OrderView,
    deadline_views,
    payment_views,
    seen_by,
    verdict_view,
)
from sons_tracker.rules.assessment import Assessment, assess
from sons_tracker.rules.case import Case
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.identifiers import FinessJuridique
from sons_tracker.rules.lifecycle import deposit_state
from sons_tracker.rules.schedule import Deadline, Reminder
from sons_tracker.rules.texts import Law

Render = Callable[[OrderView], Answer]
_RACES = 3


class _LostRaceError(Exception):
    """Another transaction claimed one of the ESSMS between the reading and the writing."""


@retrying
async def submit(
    actor: Actor, request: OrderRequest, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Deposits an order for the actor's own organisation, an editor or a distributor.

    The order is kept in every case. If no rule fails it takes one claim per ESSMS, all or nothing: the
    partial unique index decides between two deposits of the same instant. If a rule fails, it is kept as
    `rejected` with its verdicts and holds nothing (C17). The answer, made by `render` from what the actor
    may see, is stored under the key in the same transaction.

    Raises:
        SonsError: `FORBIDDEN`, `INVALID_REQUEST`, `IDEMPOTENCY_MISMATCH`, `IDEMPOTENCY_IN_FLIGHT`,
            `UNAVAILABLE`. A refusal by the rules is an answer, not an error.
    """
    require(actor, "order.deposit")
    check_request(request, law, at)
    async with transaction(actor.context) as con:
        kept = await open_key(con, actor, key)
        if kept is not None:
            return kept
        view = await _deposit(con, actor, request, law, at)
        answer = render(seen_by(view, actor))
        await keep_answer(con, actor, key, answer)
        return answer


async def _deposit(
    con: asyncpg.Connection, actor: Actor, request: OrderRequest, law: Law, at: datetime
) -> OrderView:
    case = await load_case(con, actor, request, law, at)
    _, vague = dispositif_of(law, request.dispositif)
    for _ in range(_RACES):
        assessment = assess(case, law, request.signed_on, known_on(at))
        state = deposit_state(assessment.decision, assessment.conditional)
        view = describe(request, assessment, at)
        try:
            async with savepoint(con):
                own = [] if state == "rejected" else reserved_by_actor(case)
                taken = await let_go_for_order(con, actor, vague.code, case.og, own, at) if own else {}
                identity = await _write(con, actor, request, case, assessment, view, state, at)
                await conclude(con, actor, at, taken, identity.number)
            break
        except _LostRaceError:
            case = await with_holds(con, case, vague)
    else:
        raise SonsError(
            ErrorCode.UNAVAILABLE, "Les ESSMS de la commande changent sans cesse de main. Réessayez."
        )
    view = replace(view, identity=identity)
    await journal.record(
        con,
        actor,
        at,
        "order.refused" if state == "rejected" else "order.deposited",
        "order",
        str(identity.id),
        {
            "number": identity.number,
            "state": state,
            "decision": assessment.decision,
            "essms": len(request.essms),
            "total_ttc_cents": view.total_ttc_cents,
            "law_digest": law.digest,
            "failed_rules": sorted({v.rule for v in view.verdicts if v.outcome == "fail"}),
        },
    )
    if state != "rejected":
        await _tell_og(con, at, request, identity)
    return view


def reserved_by_actor(case: Case) -> list[str]:
    """The ESSMS of an order that its own supplier has reserved for this OG: the order takes them over."""
    return [line.finess for line in case.lines if any(held.own for held in line.engagements or ())]


async def _tell_og(con: asyncpg.Connection, at: datetime, request: OrderRequest, identity: Identity) -> None:
    """The OG learns at once that an order engages its ESSMS; with its first one, that it exists here."""
    row = await con.fetchrow(
        "select og_id, exists (select from purchase_order o where o.og_id = p.og_id and o.id <> p.id)"
        " as known from purchase_order p where id = $1",
        identity.id,
    )
    facts = {"order_number": identity.number, "state": identity.state, "essms": len(request.essms)}
    event = "order.deposited" if row["known"] else "organisation.created"
    await announce(con, at, event, "order", str(identity.id), (row["og_id"],), facts)


def describe(request: OrderRequest, assessment: Assessment, at: datetime) -> OrderView:
    """What the law says of a request: the whole of a simulation, and of an order before it has a number.

    Where a line asks more than its ceiling there is no amount to show: the order has none.
    """
    amounts = {line.finess: line for line in assessment.lines}
    payable = all(0 < a.unit_ttc_cents <= a.ceiling_ttc_cents for a in amounts.values()) and bool(amounts)
    lines = []
    for asked in sorted(request.essms, key=lambda line: line.finess):
        amount = amounts.get(asked.finess) if payable else None
        lines.append(
            LineView(
                str(asked.finess),  # plain text: a JSON encoder knows no subclass
                asked.dui_in_place,
                None if amount is None else amount.ceiling_ttc_cents,
                None if amount is None else amount.unit_ttc_cents,
                None if amount is None else amount.advance_ttc_cents,
                None if amount is None else amount.solde_ttc_cents,
            )
        )
    return OrderView(
        identity=None,
        dispositif=request.dispositif,
        og=str(request.og),
        solution_version=request.solution_version,
        signed_on=request.signed_on,
        supplier_reference=request.supplier_reference,
        decision=assessment.decision,
        conditional=assessment.conditional,
        tranche=assessment.tranche,
        essms_of_og=assessment.essms_of_og,
        count_basis=assessment.count_basis,
        extraction_on=assessment.extraction_on,
        ordered=len(request.essms),
        rate_ttc_cents=assessment.rate_ttc_cents,
        total_ttc_cents=assessment.total_ttc_cents if payable else None,
        advance_ttc_cents=assessment.advance_ttc_cents if payable else None,
        solde_ttc_cents=assessment.solde_ttc_cents if payable else None,
        lines=tuple(lines),
        payments=payment_views(assessment) if payable else (),
        deadlines=deadline_views(assessment),
        verdicts=tuple(verdict_view(verdict) for verdict in assessment.verdicts),
        law_digest=assessment.law_digest,
        known_on=known_on(at),
    )


_WRITE = """
with written as (
  insert into purchase_order (id, number, vague, dispositif, state, version, supplier_id, og_id, editor_id,
    og_finess_juridique, solution_version, solution, signed_on, received_at, already_equipped,
    supplier_reference, order_document_sha256, decision, conditional, ordered, tranche, essms_of_og,
    count_basis, extraction_on, rate_ttc_cents, total_ttc_cents, advance_ttc_cents, solde_ttc_cents,
    law_digest, known_on, applied, verdicts)
  values ($1, 'BC-' || $2 || '-' || lpad(nextval('order_number')::text, 6, '0'), $3, $4, $5, 1, $6, $7,
    editor_of($8), $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
    $27, $28, $29, $30, $31)
  returning number, version
), lines as (
  insert into order_line (order_id, finess_geographique, supplier_id, og_id, dui_in_place, asked_ttc_cents,
    ceiling_ttc_cents, unit_ttc_cents, advance_percent, advance_ttc_cents, solde_ttc_cents)
  select $1, l.finess, $6, $7, l.dui, l.asked, l.ceiling, l.unit,
    case when l.unit is not null then $32::smallint end, l.advance, l.solde
  from unnest($33::text[], $34::text[], $35::bigint[], $36::bigint[], $37::bigint[], $38::bigint[],
    $39::bigint[]) as l (finess, dui, asked, ceiling, unit, advance, solde)
  order by l.finess
), claims as (
  insert into claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id, claimed_at)
  select $3, finess, 'order', $1, $6, $7, $13 from unnest($33::text[]) as finess where $40
  order by finess
  on conflict (vague, finess_geographique) where released_at is null do nothing
  returning 1
), payments as (
  insert into payment (order_id, supplier_id, og_id, kind, state, amount_ttc_cents,
    order_advance_ttc_cents, order_solde_ttc_cents, condition)
  select $1, $6, $7, p.kind, 'planned', p.amount, $26, $27, p.condition
  from unnest($41::text[], $42::bigint[], $43::text[]) as p (kind, amount, condition) where $40
), deadlines as (
  insert into deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)
  select d.rule, $1::uuid::text, d.due_at, d.kind, $1, $6, $7, d.facts
  from unnest($44::text[], $45::timestamptz[], $46::text[], $47::jsonb[]) as d (rule, due_at, kind, facts)
  where $40
)
select number, version, (select count(*) from claims) as claimed from written
"""


async def _write(
    con: asyncpg.Connection,
    actor: Actor,
    request: OrderRequest,
    case: Case,
    assessment: Assessment,
    view: OrderView,
    state: str,
    at: datetime,
) -> Identity:
    """The order with its lines, claims, planned payments and deadlines, in one statement.

    Lines and claims go in the order of their numbers; a rejected order claims and plans nothing.

    Raises:
        _LostRaceError: a claim was not taken; the savepoint of the caller undoes the whole.
    """
    asked: dict[str, int | None] = {line.finess: line.unit_ttc_cents for line in request.essms}
    holds = state != "rejected"
    planned: list[Deadline | Reminder] = [*assessment.deadlines, *assessment.reminders]
    order_id = uuid4()
    og_id = await organisation_of_og(con, request.og)
    with claiming(_LostRaceError):
        row = await con.fetchrow(
            _WRITE,
            order_id,
            str(known_on(at).year),
            assessment.vague,
            request.dispositif,
            state,
            actor.organisation_id,
            og_id,
            None if case.solution is None else case.solution.editor_siren,
            request.og,
            request.solution_version,
            None if case.solution is None else case.solution.solution,
            request.signed_on,
            at,
            request.already_equipped,
            request.supplier_reference,
            request.order_document_sha256,
            assessment.decision,
            assessment.conditional,
            len(request.essms),
            assessment.tranche,
            assessment.essms_of_og,
            assessment.count_basis,
            assessment.extraction_on,
            assessment.rate_ttc_cents,
            view.total_ttc_cents,
            view.advance_ttc_cents,
            view.solde_ttc_cents,
            assessment.law_digest,
            known_on(at),
            [_plain_version(asdict(version)) for version in assessment.applied],
            view.verdicts,
            assessment.advance_percent,
            [line.finess for line in view.lines],
            [line.dui_in_place for line in view.lines],
            [asked[line.finess] for line in view.lines],
            [line.ceiling_ttc_cents for line in view.lines],
            [line.unit_ttc_cents for line in view.lines],
            [line.advance_ttc_cents for line in view.lines],
            [line.solde_ttc_cents for line in view.lines],
            holds,
            [p.kind for p in view.payments],
            [p.amount_ttc_cents for p in view.payments],
            [p.condition for p in view.payments],
            [d.rule for d in planned],
            [d.at for d in planned],
            [d.kind for d in planned],
            [d.facts for d in planned],
        )
    if holds and row["claimed"] < len(request.essms):
        raise _LostRaceError
    return Identity(order_id, row["number"], state, row["version"], at)


async def organisation_of_og(con: asyncpg.Connection, og: FinessJuridique) -> UUID:
    """The organisation of an OG, which comes into being with the first act that names it.

    The checks of foreign keys keep their plan for the life of a connection: one made while the tables were
    small would scan them from end to end, once per line, long after they have grown.
    """
    found: UUID = await con.fetchval(
        "with plans as materialized (select set_config('enable_seqscan', 'off', true))"
        " select ensure_og($1, coalesce((select coalesce(long_name, name) from legal_entity"
        " where finess_juridique = $1 order by valid_from desc limit 1), 'OG ' || $1)) from plans",
        og,
    )
    return found


def _plain_version(version: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in version.items()}
