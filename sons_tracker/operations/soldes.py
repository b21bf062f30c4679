"""The solde of an order: asked for with the invoice, filed again when sent back, validated, then due."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.journal import Said
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform, tell
from sons_tracker.operations.corrections import close_correction
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.invoices import keep_invoice, ordered_lines, vat_liable_on
from sons_tracker.operations.recoveries import open_recovery
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.requests_filed import (
    RequestView,
    checked_content,
    file_request,
    open_request,
    view_request,
)
from sons_tracker.rules.actions import Reason, reason_of
from sons_tracker.rules.catalogue import READINGS
from sons_tracker.rules.deeds import reasons
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique
from sons_tracker.rules.invoice import invoice_of, piece_reasons
from sons_tracker.rules.life_va import before_cloture
from sons_tracker.rules.money_case import SignedVa, SoldeCase
from sons_tracker.rules.solde import Settlement, assess_solde, check_pieces, money_lines, settle
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Outcome, Verdict

Render = Callable[[RequestView | Refused], Answer]
_PIECES, _CLOTURE = "R16", "R21"
# What the clôture leaves of an order that was to be performed: a request that comes after it is kept.
_MET_BY_CLOTURE = ("validated", "to_review", "lapsed")
_OVER_ADVANCE = f"Lecture C9 : {READINGS['C9'].title}"
_Entry = tuple[str, UUID, str, int]
"""FINESS, payment, movement, cents."""
_NOT_LIVE = Reason("Cette demande n'est plus en cours d'examen.", "Relire le dossier.")


async def request_solde(
    actor: Actor,
    order_id: UUID,
    content: Mapping[str, Any],
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Asks for the solde of one of the actor's own orders (R16), by a content that follows the schema in
    force at `at`.

    Order, VA and invoice must agree to the cent: every check that fails is a reason, and nothing changes.
    After the clôture the request is kept as `inadmissible`, with the instant and the source (R21).

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST`, `INVALID_IDENTIFIER`, `OUTSIDE_COVERAGE`, and
            those of `perform`.
    """
    require(actor, "solde.request")

    async def work(con: asyncpg.Connection) -> RequestView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        schema = checked_content(law, dossier.dispositif, "solde", content, at)
        case = await _case(con, dossier, content, at, at, at)
        verdicts = assess_solde(case, law, known_on(at))
        late = dossier.state in _MET_BY_CLOTURE and any(before_cloture(dossier, law, at))
        if late and dossier.request("solde") is None:
            return await _keep_late(con, actor, dossier, schema, content, verdicts, law, at)
        against = (*reasons("request_solde", dossier, law, at), *_lacking(case, verdicts, law, at))
        if against:
            return _refused(order_id, against)
        invoice_id = await _keep(con, dossier, content, case, at)
        if isinstance(invoice_id, Reason):
            return _refused(order_id, (invoice_id,))
        request_id = uuid4()
        await con.execute(
            "insert into financing_request (id, order_id, supplier_id, og_id, kind, state, received_at,"
            " va_id, invoice_id) values ($1, $2, $3, $4, 'solde', 'requested', $5, $6, $7)",
            request_id,
            dossier.id,
            dossier.supplier_id,
            dossier.og_id,
            at,
            None if dossier.va is None else dossier.va.id,
            invoice_id,
        )
        await file_request(con, dossier, request_id, at, schema, content, verdicts, law)
        facts = {"request_id": str(request_id), "state": "requested"}
        await tell(con, actor, at, "solde.requested", dossier, facts)
        return await view_request(con, actor, request_id)

    return await perform(actor, at, key, work, render)


async def refile_solde(
    actor: Actor,
    order_id: UUID,
    answer: str,
    content: Mapping[str, Any],
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Files a solde that was sent back again, with the VA now in force; it answers the open correction.

    The request keeps the instant of its first reception, which the clôture is compared with. The invoice
    before is withdrawn.

    Raises:
        SonsError: as `request_solde`.
    """
    require(actor, "solde.request")

    async def work(con: asyncpg.Connection) -> RequestView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        schema = checked_content(law, dossier.dispositif, "solde", content, at)
        request, correction = dossier.request("solde"), dossier.correction
        against = reasons("refile_solde", dossier, law, at)
        if against or request is None or correction is None:
            return _refused(order_id, against)
        case = await _case(con, dossier, content, request.received_at, at, at)
        verdicts = assess_solde(case, law, known_on(at))
        lacking = _lacking(case, verdicts, law, at)
        if lacking:
            return _refused(order_id, lacking)
        invoice_id = await _keep(con, dossier, content, case, at)
        if isinstance(invoice_id, Reason):
            return _refused(order_id, (invoice_id,))
        await con.execute(
            "update financing_request set va_id = $2, invoice_id = $3 where id = $1",
            request.id,
            None if dossier.va is None else dossier.va.id,
            invoice_id,
        )
        await file_request(con, dossier, request.id, at, schema, content, verdicts, law)
        await close_correction(con, actor, at, dossier, correction, answer)
        return await view_request(con, actor, request.id)

    return await perform(actor, at, key, work, render)


async def validate_solde(
    actor: Actor,
    request_id: UUID,
    order_id: UUID,
    reason: str | None,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Validates a request for the solde: what is planned becomes what is invoiced, what is left is due.

    Every rule of the stage is asked again, and the referencing and the enrolment looked at today; the
    reception of the request stays the instant that R21 compares. A rule that leaves the decision to a person
    wants a `reason`. When nothing is left to pay the order is
    settled at once; when the advance was more than the prestation, the difference is to recover (C9).

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, and those of `perform`.
    """
    require(actor, "request.validate")

    async def work(con: asyncpg.Connection) -> RequestView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        request = await view_request(con, actor, request_id)
        live = dossier.request("solde")
        against = reasons("validate_solde", dossier, law, at)
        if live is None or live.id != request_id:
            return _refused(order_id, against or (_NOT_LIVE,))
        case = await _case(con, dossier, request.content, request.received_at, request.filed_at, at)
        verdicts = assess_solde(case, law, known_on(at))
        held = [v for v in verdicts if v.outcome in (Outcome.REVIEW, Outcome.UNKNOWN)]
        unsettled = held if reason is None else ()
        stops = (*against, *_lacking(case, verdicts, law, at), *(reason_of(v) for v in unsettled))
        if stops:
            return _refused(order_id, stops)
        await con.execute(
            "update financing_request set state = 'validated', referenced_on = $2, decided_at = $3,"
            " decided_by = $4, reason = $5 where id = $1",
            request_id,
            dossier.referenced_on(known_on(at)),
            at,
            actor.person_id,
            reason,
        )
        facts: dict[str, Any] = {"request_id": str(request_id)}
        if held:
            facts |= {"settled_rules": sorted({v.rule for v in held}), "reason": Said(reason)}
        await _settle(con, actor, at, dossier, case, facts)
        return await view_request(con, actor, request_id)

    return await perform(actor, at, key, work, render)


def _refused(order_id: UUID, against: tuple[Reason, ...]) -> Refused:
    return Refused("solde.refused", "order", str(order_id), against)


def _lacking(case: SoldeCase, verdicts: Sequence[Verdict], law: Law, at: datetime) -> tuple[Reason, ...]:
    """What refuses a solde: each check of the pieces that fails, then the other rules."""
    failed = [verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    pieces = piece_reasons(check_pieces(case, law, known_on(at)))
    return (*pieces, *(reason_of(verdict) for verdict in failed if verdict.rule != _PIECES))


async def _case(
    con: asyncpg.Connection,
    dossier: Dossier,
    content: Mapping[str, Any],
    received_at: datetime,
    filed_at: datetime,
    at: datetime,
) -> SoldeCase:
    """What the rules of the stage read: the order, the VA that was signed, the invoice of the content."""
    va = None
    if dossier.va is not None and dossier.va.state == "signed":
        row = await con.fetchrow(
            "select s.signed_at, s.signer_name, v.deploiement_mss"
            " from va v join va_signature s on s.va_id = v.id where v.id = $1",
            dossier.va.id,
        )
        essms = tuple(FinessGeographique(number) for number in dossier.va.essms)
        va = SignedVa(row["signed_at"], row["signer_name"], essms, row["deploiement_mss"])
    invoice = invoice_of(content["invoice"])
    return SoldeCase(
        dispositif=dossier.dispositif,
        og=FinessJuridique(dossier.og_finess),
        signed_on=dossier.signed_on,
        received_at=received_at,
        lines=ordered_lines(dossier),
        va=va,
        invoice=invoice,
        vat_liable=await vat_liable_on(con, dossier.supplier_id, invoice.issued_on, at),
        advance_paid_cents=sum(line.received_ttc_cents for line in dossier.lines),
        deploiement_mss=content.get("deploiement_mss"),
        filed_at=filed_at,
    )


async def _keep(
    con: asyncpg.Connection, dossier: Dossier, content: Mapping[str, Any], case: SoldeCase, at: datetime
) -> UUID | Reason:
    assert case.invoice is not None
    digest = content["invoice"].get("document_sha256")
    return await keep_invoice(
        con, dossier, case.invoice, None if digest is None else bytes.fromhex(digest), at
    )


async def _keep_late(
    con: asyncpg.Connection,
    actor: Actor,
    dossier: Dossier,
    schema: str,
    content: Mapping[str, Any],
    verdicts: Sequence[Verdict],
    law: Law,
    at: datetime,
) -> RequestView:
    """A request that came after the clôture: inadmissible, and proof of when it came (C15)."""
    request_id = uuid4()
    reason = next(verdict.finding.message for verdict in verdicts if verdict.rule == _CLOTURE)
    await open_request(con, dossier, request_id, "solde", "inadmissible", at, reason)
    await file_request(con, dossier, request_id, at, schema, content, verdicts, law)
    facts = {"request_id": str(request_id), "state": "inadmissible"}
    await tell(con, actor, at, "solde.inadmissible", dossier, {**facts, "reasons": [{"message": reason}]})
    return await view_request(con, actor, request_id)


async def _settle(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    dossier: Dossier,
    case: SoldeCase,
    facts: dict[str, Any],
) -> None:
    """The money of a validated solde: the ledger, then a payment that is due, or an order that is settled."""
    assert case.invoice is not None
    received = {line.finess: line.received_ttc_cents for line in dossier.lines}
    money = money_lines(case.lines, case.invoice, received)
    settlement = settle(money)
    payment = dossier.payment("solde")
    assert payment is not None
    worth = {
        line.finess: min(line.invoiced_cents or 0, line.unit_ttc_cents) for line in money if not line.removed
    }
    await _lower_plan(con, at, dossier, worth)
    if settlement.due_cents:
        await con.execute(
            "update payment set state = 'due', due_ttc_cents = $2, due_at = $3 where id = $1",
            payment.id,
            settlement.due_cents,
            at,
        )
        facts = {**facts, "payment_id": str(payment.id), "due_ttc_cents": settlement.due_cents}
        await tell(con, actor, at, "solde.validated", dossier, facts)
        return
    await tell(con, actor, at, "solde.validated", dossier, {**facts, "due_ttc_cents": 0})
    await _even_out(con, at, dossier, payment.id, settlement)
    await con.execute("update purchase_order set state = 'settled' where id = $1", dossier.id)
    await tell(con, actor, at, "order.settled", dossier, {})
    advance = dossier.payment("advance")
    if settlement.to_recover_cents and advance is not None:
        amount = settlement.to_recover_cents
        await open_recovery(con, actor, at, advance.id, amount, "over_advance", _OVER_ADVANCE)


_PLANNED = """
select e.finess_geographique as finess, p.id as payment_id, sum(e.amount_ttc_cents)::bigint as planned
from ledger_entry e join payment p on p.id = e.payment_id
where e.order_id = $1 and e.movement = 'planned'
group by e.finess_geographique, p.id, p.kind having sum(e.amount_ttc_cents) > 0
order by e.finess_geographique, p.kind desc
"""


async def _lower_plan(
    con: asyncpg.Connection, at: datetime, dossier: Dossier, worth: Mapping[FinessGeographique, int]
) -> None:
    """Plans what is invoiced and no more (C9): the solde of a line is lowered first, then its advance."""
    excess = {
        line.finess: line.planned_ttc_cents - worth[FinessGeographique(line.finess)] for line in dossier.kept
    }
    rows: list[_Entry] = []
    for row in await con.fetch(_PLANNED, dossier.id):
        taken = min(excess.get(row["finess"], 0), row["planned"])
        if taken > 0:
            excess[row["finess"]] -= taken
            rows.append((row["finess"], row["payment_id"], "planned", -taken))
    await _enter(con, at, dossier, "invoice_lower", rows)


async def _even_out(
    con: asyncpg.Connection, at: datetime, dossier: Dossier, payment_id: UUID, settlement: Settlement
) -> None:
    """Where no cash moves, what one line owes pays another: each line then has what it is worth (C10)."""
    moves = [(line.finess, "paid", line.paid_cents) for line in settlement.lines]
    moves += [(line.finess, "compensated", -line.compensated_cents) for line in settlement.lines]
    rows = [(finess, payment_id, movement, amount) for finess, movement, amount in moves if amount]
    await _enter(con, at, dossier, "compensated", rows)


async def _enter(
    con: asyncpg.Connection, at: datetime, dossier: Dossier, cause: str, rows: Sequence[_Entry]
) -> None:
    if rows:
        await con.execute(
            "insert into ledger_entry (order_id, finess_geographique, supplier_id, og_id, payment_id,"
            " movement, amount_ttc_cents, at, cause)"
            " select $1, finess, $2, $3, payment_id, movement, amount, $4, $5"
            " from unnest($6::text[], $7::uuid[], $8::text[], $9::bigint[])"
            " as l (finess, payment_id, movement, amount)",
            dossier.id,
            dossier.supplier_id,
            dossier.og_id,
            at,
            cause,
            *(list(column) for column in zip(*rows, strict=True)),
        )
