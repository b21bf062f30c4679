"""The bank's answer to a lot: read whole, judged line by line, then done in sets; or refused, and nothing is.

Everything happens in one transaction that holds the lot: of the same file sent at once by several, one does
it and the others are told what it did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.errors import Fault
from sons_tracker.exchanges.return_file import Control, ReturnFile, ReturnLine, read_return
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.bank_effects import Cash, give_back, pay, withdraw
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.lot_views import Tally, lot_actions
from sons_tracker.operations.outbox import Announcement, announce_all
from sons_tracker.operations.return_checks import Asked, judge_lines
from sons_tracker.rules.actions import Reason

MOST_REASONS = 1000
_SEND_WHOLE = "Demander à la banque le fichier entier, puis l'intégrer à nouveau ; rien n'a été retenu."


@dataclass(frozen=True, slots=True)
class ReturnView:
    """A return that was read: what it said, in numbers and cents TTC."""

    id: UUID
    lot_id: UUID
    lot_number: str
    format: str
    imported_at: datetime
    lines: int
    total_ttc_cents: int
    paid: Tally
    rejected: Tally
    returned: Tally


Render = Callable[[ReturnView | Refused], Answer]


async def import_return(actor: Actor, content: bytes, at: datetime, key: Key, render: Render) -> Answer:
    """Does what a file of the bank says, all of it or nothing; `actor` is a payer.

    A file that was read already, in whatever order or format, is answered as it was and does nothing. One
    defect refuses the whole file, and every defect is told with its place: truncated, repeated or altered
    lines, a transfer of another lot or of nobody, a cent too much, a payment that is not where the line says.

    Raises:
        SonsError: `FORBIDDEN`, those of `perform`.
    """
    require(actor, "bank_return.import")
    file = await asyncio.to_thread(read_return, content)  # seconds of work for the largest

    async def work(con: asyncpg.Connection) -> ReturnView | Refused:
        if file.faults or file.control is None:
            return _refused(file, "", [_reason(fault) for fault in file.faults])
        lot = await con.fetchrow("select * from lot where number = $1 for update", file.control.lot)
        if lot is None:
            told = f"Aucun lot ne porte le numéro {file.control.lot}."
            return _refused(file, "", [Reason(told, "Vérifier le lot auquel la banque répond.")])
        known = await con.fetchval(
            "select id from bank_return where content_sha256 = $1", file.content_sha256
        )
        if known is not None:
            return await _view(con, known)
        against = next(one for one in lot_actions(lot, actor) if one.code == "import_return").reasons
        if against:
            return _refused(file, str(lot["id"]), list(against))
        asked = await _lock_lines(con, lot["id"])
        reasons = await judge_lines(con, file.lines, asked, lot, at)
        if reasons:
            return _refused(file, str(lot["id"]), reasons)
        return_id = await _write(con, actor, at, lot["id"], file, file.control, asked)
        await _do(con, actor, at, lot, file.lines, asked)
        view = await _view(con, return_id)
        await _tell_import(con, actor, at, view, file)
        return view

    return await perform(actor, at, key, work, render)


def _reason(fault: Fault) -> Reason:
    return Reason(f"{fault.where} : {fault.message}", _SEND_WHOLE)


def _refused(file: ReturnFile, lot_id: str, reasons: Sequence[Reason]) -> Refused:
    told = tuple(reasons[:MOST_REASONS])
    if len(reasons) > MOST_REASONS:
        told += (Reason(f"{len(reasons) - MOST_REASONS} autres défauts ne sont pas énumérés.", _SEND_WHOLE),)
    kind = "lot" if lot_id else "file"
    return Refused("bank_return.refused", kind, lot_id or file.file_sha256.hex(), told)


_ORDERS = """
select id from purchase_order where id in (select order_id from lot_line where lot_id = $1)
order by id for update
"""
_ASKED = """
select l.end_to_end, l.payment_id, l.order_id, o.number as order_number, l.supplier_id, l.og_id, p.kind,
  l.amount_ttc_cents, l.outcome, l.outcome_at, p.state, p.paid_at
from lot_line l join payment p on p.id = l.payment_id join purchase_order o on o.id = l.order_id
where l.lot_id = $1 order by p.id for update of p
"""


async def _lock_lines(con: asyncpg.Connection, lot_id: UUID) -> dict[str, Asked]:
    """The transfers of the lot by their references; orders first, as everything that moves one does."""
    await con.execute(_ORDERS, lot_id)
    return {row["end_to_end"]: Asked(**dict(row)) for row in await con.fetch(_ASKED, lot_id)}


_RETURN = """
insert into bank_return (id, lot_id, content_sha256, file_sha256, format, lines, total_ttc_cents, imported_at,
  imported_by, imported_organisation_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_RETURN_LINES = """
insert into bank_return_line (bank_return_id, rank, lot_id, end_to_end, payment_id, supplier_id,
  amount_ttc_cents, bank_reference, outcome, executed_at, reason_code)
select $1, t.rank, $2, t.end_to_end, t.payment_id, t.supplier_id, t.amount, t.reference, t.outcome, t.at,
  t.reason
from unnest($3::text[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[], $8::text[], $9::timestamptz[],
  $10::text[]) with ordinality as t (end_to_end, payment_id, supplier_id, amount, reference, outcome, at,
  reason, rank)
"""


async def _write(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    lot_id: UUID,
    file: ReturnFile,
    control: Control,
    asked: dict[str, Asked],
) -> UUID:
    return_id, lines = uuid4(), file.lines
    await con.execute(
        _RETURN,
        return_id,
        lot_id,
        file.content_sha256,
        file.file_sha256,
        file.format,
        control.count,
        control.total_ttc_cents,
        at,
        actor.person_id,
        actor.organisation_id,
    )
    await con.execute(
        _RETURN_LINES,
        return_id,
        lot_id,
        [line.end_to_end for line in lines],
        [asked[line.end_to_end].payment_id for line in lines],
        [asked[line.end_to_end].supplier_id for line in lines],
        [line.amount_ttc_cents for line in lines],
        [line.bank_reference for line in lines],
        [line.outcome for line in lines],
        [line.executed_at for line in lines],
        [line.reason_code for line in lines],
    )
    ended = [line for line in lines if line.outcome != "returned"]
    await con.execute(
        "update lot_line l set outcome = t.outcome, outcome_at = t.at"
        " from unnest($2::text[], $3::text[], $4::timestamptz[]) as t (end_to_end, outcome, at)"
        " where l.lot_id = $1 and l.end_to_end = t.end_to_end",
        lot_id,
        [line.end_to_end for line in ended],
        [line.outcome for line in ended],
        [line.executed_at for line in ended],
    )
    return return_id


async def _do(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    lot: Any,
    lines: tuple[ReturnLine, ...],
    asked: dict[str, Asked],
) -> None:
    """The effects of lines that were all found right, and what the journal and the parties are told."""
    cash: dict[str, list[Cash]] = {"paid": [], "rejected": [], "returned": []}
    entries: list[journal.Entry] = []
    notices: list[Announcement] = []
    numbers: dict[UUID, Asked] = {}
    for line in lines:
        one = asked[line.end_to_end]
        numbers[one.order_id] = one
        cash[line.outcome].append(
            Cash(one.payment_id, one.order_id, one.kind, line.amount_ttc_cents, line.executed_at)
        )
        facts = {
            "order_id": str(one.order_id),
            "order_number": one.order_number,
            "kind": one.kind,
            "amount_ttc_cents": line.amount_ttc_cents,
            "executed_at": line.executed_at.isoformat(),
            "bank_reference": line.bank_reference,
            "reason_code": line.reason_code,
            "lot": lot["number"],
            "end_to_end": line.end_to_end,
        }
        event, payment = f"payment.{line.outcome}", str(one.payment_id)
        told = (one.supplier_id, one.og_id) if line.outcome == "paid" else (one.supplier_id,)
        entries.append(journal.Entry(at, event, "payment", payment, facts))
        notices.append(Announcement(at, event, "payment", payment, told, facts))
    settled = await pay(con, actor, at, cash["paid"])
    reopened = await give_back(con, cash["returned"])
    if cash["rejected"]:
        await withdraw(con, at, [(one.payment_id, one.order_id) for one in cash["rejected"]])
    for event, orders in (("order.settled", settled), ("order.unsettled", reopened)):
        for order_id in orders:
            facts = {"number": numbers[order_id].order_number, "order_number": numbers[order_id].order_number}
            entries.append(journal.Entry(at, event, "order", str(order_id), facts))
            if event == "order.settled":
                parties = (numbers[order_id].supplier_id, numbers[order_id].og_id)
                notices.append(Announcement(at, event, "order", str(order_id), parties, facts))
    await journal.record_all(con, actor, entries)
    await announce_all(con, notices)


async def _tell_import(
    con: asyncpg.Connection, actor: Actor, at: datetime, view: ReturnView, file: ReturnFile
) -> None:
    facts = {
        "lot_id": str(view.lot_id),
        "number": view.lot_number,
        "lines": view.lines,
        "total_ttc_cents": view.total_ttc_cents,
        "paid": view.paid.count,
        "rejected": view.rejected.count,
        "returned": view.returned.count,
        "file_sha256": file.file_sha256.hex(),
    }
    await journal.record(con, actor, at, "bank_return.imported", "bank_return", str(view.id), facts)
    if actor.organisation_id is not None:
        lot, to = str(view.lot_id), (actor.organisation_id,)
        await announce_all(con, [Announcement(at, "lot.returned", "lot", lot, to, facts)])


_VIEW = """
select r.id, r.lot_id, l.number as lot_number, r.format, r.imported_at, r.lines, r.total_ttc_cents, s.*
from bank_return r join lot l on l.id = r.lot_id cross join lateral (
  select count(*) filter (where outcome = 'paid') as paid,
    coalesce(sum(amount_ttc_cents) filter (where outcome = 'paid'), 0)::bigint as paid_cents,
    count(*) filter (where outcome = 'rejected') as rejected,
    coalesce(sum(amount_ttc_cents) filter (where outcome = 'rejected'), 0)::bigint as rejected_cents,
    count(*) filter (where outcome = 'returned') as returned,
    coalesce(sum(amount_ttc_cents) filter (where outcome = 'returned'), 0)::bigint as returned_cents
  from bank_return_line where bank_return_id = r.id) s
where r.id = $1
"""


async def _view(con: asyncpg.Connection, return_id: UUID) -> ReturnView:
    facts: dict[str, Any] = dict(await con.fetchrow(_VIEW, return_id))
    tallies: dict[str, Any] = {
        name: Tally(facts.pop(name), facts.pop(f"{name}_cents")) for name in ("paid", "rejected", "returned")
    }
    return ReturnView(**facts, **tallies)
