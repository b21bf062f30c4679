"""Payment lots: prepared by one payer, approved by another, or dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.bank_effects import withdraw
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.lot_candidates import Judged, judge, lock_candidates
from sons_tracker.operations.lot_reading import lock_lot, read_lot
from sons_tracker.operations.lot_views import LeftOut, LotView, lot_actions, lot_view
from sons_tracker.operations.outbox import announce
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.actions import Reason

Render = Callable[[LotView | Refused], Answer]
_UNKNOWN_PAYMENT = "Aucun versement visible ne porte cet identifiant."


async def prepare(
    actor: Actor, payments: Sequence[UUID] | None, at: datetime, key: Key, render: Render
) -> Answer:
    """Puts these payments into a new lot, or with None the oldest that are due; `actor` is a payer.

    What cannot be paid is left out and told why: a payment that is not due, an order that ended, a version
    that the list no longer covers (R11), a supplier without a complete enrolment. Each transfer goes to the
    account that is in force at `at`. Of two lots prepared at once, only one takes a payment.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND` for a payment that does not exist; those of `perform`.
    """
    require(actor, "lot.prepare")

    async def work(con: asyncpg.Connection) -> LotView | Refused:
        candidates = await lock_candidates(con, payments)
        if payments is not None and len(candidates) < len(set(payments)):
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN_PAYMENT)
        judged = await judge(con, candidates, at)
        left_out = tuple(
            LeftOut(c.payment_id, c.order_id, c.order_number, c.kind, one.reasons)
            for one in judged
            if one.reasons
            for c in (one.candidate,)
        )
        taken = [one for one in judged if not one.reasons]
        if not taken:
            return Refused("lot.refused", "organisation", str(actor.organisation_id), _nothing(left_out))
        lot_id = await _write(con, actor, at, taken)
        row = await read_lot(con, lot_id)
        facts = {
            "number": row["number"],
            "lines": row["lines"],
            "total_ttc_cents": row["total_ttc_cents"],
            "left_out": len(left_out),
        }
        await _tell(con, actor, at, "lot.prepared", lot_id, facts)
        return lot_view(row, actor, left_out)

    return await perform(actor, at, key, work, render)


def _nothing(left_out: tuple[LeftOut, ...]) -> tuple[Reason, ...]:
    if not left_out:
        return (Reason("Aucun versement n'est dû.", "Attendre qu'une demande soit validée."),)
    return tuple(
        Reason(f"{one.order_number} : {reason.message}", reason.remedy, reason.rule, reason.source)
        for one in left_out
        for reason in one.reasons
    )


_LINES = """
insert into lot_line (lot_id, rank, payment_id, order_id, supplier_id, og_id, amount_ttc_cents,
  bank_account_id, iban_masked, end_to_end)
select $1, t.rank, p.id, p.order_id, p.supplier_id, p.og_id, p.due_ttc_cents, a.id, a.iban_masked,
  $2 || '-' || lpad(t.rank::text, 5, '0')
from unnest($3::uuid[], $4::uuid[]) with ordinality as t (payment_id, account_id, rank)
join payment p on p.id = t.payment_id
join bank_account a on a.id = t.account_id and a.supplier_id = p.supplier_id
order by t.rank
"""


async def _write(con: asyncpg.Connection, actor: Actor, at: datetime, taken: list[Judged]) -> UUID:
    """The lot with its lines, by supplier then by order; the payments are in it."""
    taken.sort(key=lambda one: (one.candidate.supplier_id, one.candidate.order_number, one.candidate.kind))
    lot_id = uuid4()
    payments = [one.candidate.payment_id for one in taken]
    await con.execute("update payment set state = 'in_lot' where id = any($1)", payments)
    number = await con.fetchval(
        "insert into lot (id, number, state, lines, total_ttc_cents, prepared_at, prepared_by,"
        " prepared_organisation_id)"
        " select $1, 'LOT-' || $2 || '-' || lpad(n::text, greatest(4, length(n::text)), '0'), 'prepared', $3,"
        " $4, $5, $6, $7 from nextval('lot_number') as n returning number",
        lot_id,
        str(known_on(at).year),
        len(taken),
        sum(one.candidate.due_ttc_cents or 0 for one in taken),
        at,
        actor.person_id,
        actor.organisation_id,
    )
    await con.execute(_LINES, lot_id, number, payments, [one.bank_account_id for one in taken])
    return lot_id


async def approve(actor: Actor, lot_id: UUID, at: datetime, key: Key, render: Render) -> Answer:
    """Approves a prepared lot; `actor` is a payer other than who prepared it.

    Every line is judged again: an order that ended since, an account that is no longer the one in force, a
    referencing that was withdrawn stand against the whole lot, which is then to be dropped and prepared anew.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, those of `perform`.
    """
    require(actor, "lot.approve")

    async def work(con: asyncpg.Connection) -> LotView | Refused:
        row = await lock_lot(con, lot_id)
        reasons = _against("approve_lot", row, actor) or await _stale(con, lot_id, at)
        if reasons:
            return Refused("lot.refused", "lot", str(lot_id), reasons)
        await con.execute(
            "update lot set state = 'approved', approved_at = $2, approved_by = $3,"
            " approved_organisation_id = $4 where id = $1",
            lot_id,
            at,
            actor.person_id,
            actor.organisation_id,
        )
        facts = {"number": row["number"], "lines": row["lines"], "total_ttc_cents": row["total_ttc_cents"]}
        await _tell(con, actor, at, "lot.approved", lot_id, facts)
        return lot_view(await read_lot(con, lot_id), actor)

    return await perform(actor, at, key, work, render)


async def _stale(con: asyncpg.Connection, lot_id: UUID, at: datetime) -> tuple[Reason, ...]:
    lines = await con.fetch("select payment_id, bank_account_id from lot_line where lot_id = $1", lot_id)
    accounts = {line["payment_id"]: line["bank_account_id"] for line in lines}
    judged = await judge(con, await lock_candidates(con, list(accounts)), at, "in_lot")
    again = "Abandonner ce lot et le préparer à nouveau."
    reasons = []
    for one in judged:
        number = one.candidate.order_number
        reasons += [
            Reason(f"{number} : {reason.message}", again, reason.rule, reason.source)
            for reason in one.reasons
        ]
        if not one.reasons and one.bank_account_id != accounts[one.candidate.payment_id]:
            reasons.append(
                Reason(f"{number} : le compte du fournisseur a changé depuis la préparation.", again)
            )
    return tuple(reasons)


async def drop(actor: Actor, lot_id: UUID, reason: str, at: datetime, key: Key, render: Render) -> Answer:
    """Drops a lot that was not approved: its payments are due again, or no longer, if their order ended.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, those of `perform`.
    """
    require(actor, "lot.drop")

    async def work(con: asyncpg.Connection) -> LotView | Refused:
        row = await lock_lot(con, lot_id)
        if reasons := _against("drop_lot", row, actor):
            return Refused("lot.refused", "lot", str(lot_id), reasons)
        lines = await con.fetch("select payment_id from lot_line where lot_id = $1", lot_id)
        candidates = await lock_candidates(con, [line["payment_id"] for line in lines])
        await con.execute(
            "update lot set state = 'dropped', dropped_at = $2, dropped_by = $3, drop_reason = $4"
            " where id = $1",
            lot_id,
            at,
            actor.person_id,
            reason,
        )
        await con.execute(
            "update lot_line set outcome = 'dropped', outcome_at = $2 where lot_id = $1", lot_id, at
        )
        await withdraw(con, at, [(one.payment_id, one.order_id) for one in candidates])
        await _tell(con, actor, at, "lot.dropped", lot_id, {"number": row["number"], "lines": row["lines"]})
        return lot_view(await read_lot(con, lot_id), actor)

    return await perform(actor, at, key, work, render)


def _against(code: str, row: Any, actor: Actor) -> tuple[Reason, ...]:
    return next(action.reasons for action in lot_actions(row, actor) if action.code == code)


async def _tell(
    con: asyncpg.Connection, actor: Actor, at: datetime, event: str, lot_id: UUID, facts: dict[str, Any]
) -> None:
    """The journal, and a notice to the payer's own organisation: somebody there has the next step."""
    await journal.record(con, actor, at, event, "lot", str(lot_id), facts)
    if actor.organisation_id is not None:
        await announce(con, at, event, "lot", str(lot_id), (actor.organisation_id,), facts)
