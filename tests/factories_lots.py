"""Payment lots and what banks answer, each step through the operations; valid by default."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sons_tracker.exchanges.return_file import COLUMNS, FORMAT, ReturnLine, content_sha256
from sons_tracker.operations import bank_returns, lot_reading, lots, payments
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.lot_views import LotLineView, LotView
from sons_tracker.rules.money import euros
from tests.factories import AT, Account, an_account
from tests.factories_orders import a_key

PREPARED_AT, APPROVED_AT = AT + timedelta(hours=1), AT + timedelta(hours=2)
EXECUTED_AT, RETURNED_AT = AT + timedelta(hours=26), AT + timedelta(days=2)
_numbers = itertools.count(1)


@dataclass(slots=True)
class Told:
    """A render that keeps what it was given."""

    outcome: Any = None

    def __call__(self, outcome: Any) -> Answer:
        self.outcome = outcome
        return Answer(409 if isinstance(outcome, Refused) else 200, b"{}")

    @property
    def refused(self) -> Refused:
        assert isinstance(self.outcome, Refused), self.outcome
        return self.outcome

    @property
    def messages(self) -> str:
        """What the refusal says, in one text."""
        return " ".join(reason.message for reason in self.refused.reasons)

    @property
    def lot(self) -> LotView:
        assert isinstance(self.outcome, LotView), self.outcome
        return self.outcome


@dataclass(frozen=True, slots=True)
class Payers:
    """Two payers of one agency: who prepares, who approves."""

    first: Account
    second: Account


async def two_payers() -> Payers:
    """Two persons of one agency."""
    first = await an_account("payer")
    return Payers(first, await an_account("payer", siren=first.siren))


async def prepared(payers: Payers, chosen: Sequence[UUID] | None = None, at: datetime = PREPARED_AT) -> Told:
    """What the first payer is told who prepares a lot of these payments."""
    told = Told()
    await lots.prepare(payers.first.actor, chosen, at, a_key(), told)
    return told


async def approved(payers: Payers, lot: LotView, at: datetime = APPROVED_AT) -> Told:
    """What the second payer is told who approves it."""
    told = Told()
    await lots.approve(payers.second.actor, lot.id, at, a_key(), told)
    return told


async def dropped(payers: Payers, lot: LotView, at: datetime = APPROVED_AT) -> Told:
    """What the first payer is told who drops it."""
    told = Told()
    await lots.drop(payers.first.actor, lot.id, "Préparé par erreur.", at, a_key(), told)
    return told


async def represented(payers: Payers, payment_id: UUID, at: datetime = RETURNED_AT) -> Told:
    """What a payer is told who presents a payment again."""
    told = Told()
    await payments.represent(payers.first.actor, payment_id, at, a_key(), told)
    return told


async def an_approved_lot(payers: Payers, chosen: Sequence[UUID], at: datetime = PREPARED_AT) -> LotView:
    """A lot of these payments that can be exported; approved an hour after `at`."""
    return (await approved(payers, (await prepared(payers, chosen, at)).lot, at + timedelta(hours=1))).lot


async def lines_of(payers: Payers, lot: LotView) -> tuple[LotLineView, ...]:
    """The transfers of a lot."""
    return await lot_reading.list_lines(payers.first.actor, lot.id, 0, 100_000)


def an_answer(line: LotLineView, outcome: str = "paid", **changes: Any) -> ReturnLine:
    """What the bank says of a transfer, but for what `changes` says."""
    values: dict[str, Any] = {
        "place": "",
        "end_to_end": line.end_to_end,
        "order": line.order_number,
        "bank_reference": f"BQ{next(_numbers):09d}",
        "outcome": outcome,
        "executed_at": RETURNED_AT if outcome == "returned" else EXECUTED_AT,
        "amount_ttc_cents": line.amount_ttc_cents,
        "reason_code": None if outcome == "paid" else "AC04",
        **changes,
    }
    return ReturnLine(**values)


def row_of(line: ReturnLine) -> dict[str, str | None]:
    """The line as a file writes it."""
    return {
        "end_to_end": line.end_to_end,
        "order": line.order,
        "bank_reference": line.bank_reference,
        "outcome": line.outcome,
        "executed_at": line.executed_at.isoformat(timespec="seconds"),
        "amount_ttc": euros(line.amount_ttc_cents),
        "reason_code": line.reason_code,
    }


def control_of(lot: str, lines: Sequence[ReturnLine]) -> dict[str, Any]:
    """What a whole file announces of itself."""
    return {
        "format": FORMAT,
        "lot": lot,
        "count": len(lines),
        "total_ttc": euros(sum(line.amount_ttc_cents for line in lines)),
        "sha256": content_sha256(lot, tuple(lines)),
    }


def csv_of(lot: str, lines: Sequence[ReturnLine], **control: Any) -> bytes:
    """The file of a return, its control but for what `control` says."""
    head = {**control_of(lot, lines), **control}
    rows = [";".join(str(value) for value in head.values()), ";".join(COLUMNS)]
    rows += [";".join(value or "" for value in row_of(line).values()) for line in lines]
    return ("\n".join(rows) + "\n").encode()


def json_of(lot: str, lines: Sequence[ReturnLine], **control: Any) -> bytes:
    """The same in JSON."""
    head = {**control_of(lot, lines), **control}
    return json.dumps({**head, "lines": [row_of(line) for line in lines]}).encode()


async def imported(
    payers: Payers, content: bytes, at: datetime = RETURNED_AT, key: Key | None = None
) -> Told:
    """What a payer is told who hands over a file of the bank."""
    told = Told()
    await bank_returns.import_return(payers.first.actor, content, at, key or a_key(), told)
    return told


async def answered(
    payers: Payers, lot: LotView, outcome: str = "paid", at: datetime = RETURNED_AT, **changes: Any
) -> Told:
    """What a payer is told when the bank answers the same to every line."""
    lines = [an_answer(line, outcome, **changes) for line in await lines_of(payers, lot)]
    return await imported(payers, csv_of(lot.number, lines), at)


def reordered(lines: Iterable[ReturnLine]) -> list[ReturnLine]:
    """The same lines, the last first."""
    return [replace(line) for line in reversed(list(lines))]
