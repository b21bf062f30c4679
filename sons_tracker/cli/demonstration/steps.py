"""The steps that the stories of a life are made of: acts through the operations, as anyone's would be."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sons_tracker.cli.demonstration.world import World, enrol
from sons_tracker.db.engine import transaction
from sons_tracker.exchanges.return_file import FORMAT, ReturnLine, content_sha256
from sons_tracker.operations import (
    advances,
    amendments,
    bank_accounts,
    bank_returns,
    cancellations,
    clock,
    enrolment_files,
    lot_reading,
    lots,
    soldes,
    va,
)
from sons_tracker.operations.actors import LOCAL_ADMIN, Actor
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.bank_numbers import parse_bank_numbers
from sons_tracker.operations.cancellation_reading import find_cancellation
from sons_tracker.operations.cancellations import CancellationRequest, Statement
from sons_tracker.operations.clock import Advanced
from sons_tracker.operations.enrolment_files import CERTIFICATE, EnrolmentFile
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.lot_views import LotView
from sons_tracker.operations.requests_filed import RequestView
from sons_tracker.operations.signatures import Signer
from sons_tracker.operations.va import VaDeclaration, VaView
from sons_tracker.operations.views import OrderView
from sons_tracker.rules.declarations import AMENDMENT_CONSENT, RENUNCIATION_CONSENT, STATEMENT_CONSENT
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.identifiers import FinessGeographique
from sons_tracker.rules.invoice import vat_cents
from sons_tracker.rules.money import euros
from sons_tracker.rules.money_case import VaLine
from sons_tracker.rules.va_statement import VA_CONSENT

# Well-formed, and of nobody: the account and the solution of each supplier.
_ACCOUNTS = {
    "alpha": ("FR7620041010050000000101118", "DUI-ALPHA"),
    "beta": ("FR7620041010050000000202289", "DUI-BETA"),
    "delta": ("FR7620041010050000000404437", "DUI-ALPHA"),
}
_RECORDS = (60, 56, 52, 54)  # people accompanied; active records, with a project, with an event
_VAT_FROM_ON = date(2022, 1, 1)
_VAT_RATE = 20  # what the fictitious invoices bear; the law says what they must
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Life:
    """An order of the demonstration with those who act on it."""

    view: OrderView
    supplier: Actor
    og: Actor
    signer_name: str

    @property
    def order_id(self) -> UUID:
        assert self.view.identity is not None
        return self.view.identity.id

    @property
    def essms(self) -> tuple[str, ...]:
        return tuple(line.finess for line in self.view.lines)


async def step(operation: Any, *arguments: Any) -> Any:
    """Carries out an act under a key of its own; returns what its author is told, a refusal included."""
    told: list[Any] = []

    def render(outcome: Any) -> Answer:
        told.append(outcome)
        return Answer(409 if isinstance(outcome, Refused) else 200, b"{}")

    number = next(_numbers)
    await operation(*arguments, Key(f"demo-{number}", "demo", number.to_bytes(32, "big")), render)
    return told[-1]


async def go_to(year: int, month: int, day: int, hour: int = 10) -> Advanced:
    """Advances the clock of the sandbox to an hour of a Paris day; returns what happened on the way."""
    advanced = await clock.advance_to(LOCAL_ADMIN, datetime(year, month, day, hour, tzinfo=PARIS))
    assert isinstance(advanced, Advanced), advanced
    return advanced


async def life_of(supplier: Actor, view: OrderView, signer_name: str) -> Life:
    """The life of an order: its OG signs in."""
    og = await enrol(await clock.now(), "og", f"OG {view.og} (fictif)", "og", None, finess=view.og)
    return Life(view, supplier, og, signer_name)


async def enrol_supplier(world: World, name: str) -> datetime:
    """Enrols a supplier at the paying agency: a file that a reviewer validates, an account that a second
    person confirms; returns the instant from which it can be paid."""
    at, first = await clock.now(), world.suppliers[name]
    supplier_id = first.organisation_id
    iban, solution = _ACCOUNTS[name]
    file = EnrolmentFile(
        certificate_reference=f"ANS-{solution}",
        solution=solution,
        representative_name="Camille Exemple",
        representative_function="Direction générale",
        representative_id=first.person_id,
        mandate=None,
        vat_liable=True,
        vat_from_on=_VAT_FROM_ON,
        pieces={CERTIFICATE: hashlib.sha256(solution.encode()).digest()},
    )
    submitted = await step(enrolment_files.submit, first, supplier_id, file, at)
    await step(enrolment_files.validate, world.reviewer, supplier_id, submitted.file.number, at)
    numbers = parse_bank_numbers(iban, "PSSTFRPPXXX")
    statement = hashlib.sha256(iban.encode()).digest()
    asked = await step(bank_accounts.ask, first, supplier_id, numbers, statement, at)
    second = world.seconds[name]
    confirmed = await step(bank_accounts.confirm, second, supplier_id, asked.changes[0].id, at)
    effect: datetime = confirmed.changes[0].takes_effect_at
    return effect


async def ask_advance(world: World, life: Life) -> RequestView:
    """Asks for the advance and has it validated; returns the request."""
    content = {"signature": "electronic", "order_document_sha256": hashlib.sha256(b"bon").hexdigest()}
    at = await clock.now()
    asked = await step(advances.request_advance, life.supplier, life.order_id, content, world.law, at)
    assert isinstance(asked, RequestView), asked
    validated = await step(
        advances.validate_advance, world.reviewer, asked.id, life.order_id, None, world.law, at
    )
    assert isinstance(validated, RequestView), validated
    return validated


async def pay_what_is_due(world: World) -> tuple[LotView, LotView]:
    """A lot of everything that is due: prepared by one payer, approved by another, paid a day later.

    Returns the lot as it was prepared, and as it is once the bank has answered.
    """
    at = await clock.now()
    prepared = await step(lots.prepare, world.payers[0], None, at)
    await step(lots.approve, world.payers[1], prepared.id, at)
    lines = await lot_reading.list_lines(world.payers[0], prepared.id, 0, 1000)
    tomorrow = (at + timedelta(days=1)).astimezone(PARIS)
    await go_to(tomorrow.year, tomorrow.month, tomorrow.day)
    answers = [
        ReturnLine("", line.end_to_end, line.order_number, f"BQ-{line.end_to_end}"[:35], "paid", tomorrow,
                   line.amount_ttc_cents, None)
        for line in lines
    ]  # fmt: skip
    content = {
        "format": FORMAT,
        "lot": prepared.number,
        "count": len(answers),
        "total_ttc": euros(sum(answer.amount_ttc_cents for answer in answers)),
        "sha256": content_sha256(prepared.number, tuple(answers)),
        "lines": [
            {
                "end_to_end": answer.end_to_end,
                "order": answer.order,
                "bank_reference": answer.bank_reference,
                "outcome": answer.outcome,
                "executed_at": answer.executed_at.isoformat(timespec="seconds"),
                "amount_ttc": euros(answer.amount_ttc_cents),
                "reason_code": None,
            }
            for answer in answers
        ],
    }
    told = await step(
        bank_returns.import_return, world.payers[0], json.dumps(content).encode(), await clock.now()
    )
    assert not isinstance(told, Refused), told
    return prepared, await lot_reading.find_lot(world.payers[0], prepared.id)


async def prepare_va(world: World, life: Life, essms: Sequence[str]) -> None:
    """The supplier prepares the VA of these ESSMS."""
    lines = tuple(VaLine(FinessGeographique(number), True, True, *_RECORDS) for number in essms)
    at = await clock.now()
    prepared = await step(va.prepare_va, life.supplier, life.order_id, VaDeclaration(lines), world.law, at)
    assert isinstance(prepared, VaView), prepared


async def sign_prepared(world: World, life: Life, who: Actor) -> VaView | Refused:
    """A member of the OG signs the text that it is shown, or is told why not."""
    at = await clock.now()
    signer = Signer(life.signer_name, "Direction générale", VA_CONSENT)
    shown = await va.find_va(who, life.order_id, world.law, at)
    told = await step(va.sign_va, who, life.order_id, shown.statement_sha256, signer, world.law, at)
    assert isinstance(told, VaView | Refused)
    return told


async def sign_va(world: World, life: Life, essms: Sequence[str]) -> VaView:
    """The supplier prepares the VA of these ESSMS, the OG signs the text that it was shown."""
    await prepare_va(world, life, essms)
    signed = await sign_prepared(world, life, life.og)
    assert isinstance(signed, VaView), signed
    return signed


async def ask_solde(world: World, life: Life, amounts: dict[str, int], number: str) -> RequestView | Refused:
    """Asks for the solde with an invoice of these amounts, in cents TTC per ESSMS."""
    bills = []
    for finess, ttc in sorted(amounts.items()):
        ht = (200 * ttc + 100 + _VAT_RATE) // (2 * (100 + _VAT_RATE))
        assert ht + vat_cents(ht, _VAT_RATE) == ttc
        bills.append({"finess": finess, "ht": euros(ht), "vat": euros(ttc - ht), "ttc": euros(ttc)})
    at = await clock.now()
    total = {
        name: euros(sum(int(bill[name].replace(".", "")) for bill in bills)) for name in ("ht", "vat", "ttc")
    }
    invoice = {
        "number": number,
        "issued_on": at.astimezone(PARIS).date().isoformat(),
        "og": str(life.view.og),
        "signatory_name": life.signer_name,
        "share_percent": 100,
        "vat_rate_percent": _VAT_RATE,
        "lines": bills,
        "total": total,
    }
    told = await step(soldes.request_solde, life.supplier, life.order_id, {"invoice": invoice}, world.law, at)
    assert isinstance(told, RequestView | Refused)
    return told


async def validate_solde(world: World, life: Life, request: RequestView) -> RequestView:
    """Has the solde validated; returns the request."""
    told = await step(
        soldes.validate_solde, world.reviewer, request.id, life.order_id, None, world.law, await clock.now()
    )
    assert isinstance(told, RequestView), told
    return told


async def cancel_by_agreement(world: World, life: Life) -> None:
    """The supplier asks for a cancellation for a change of editor, the OG attests that it renounces."""
    at = await clock.now()
    statement = Statement(
        "Le client change d'éditeur ; la prestation n'a pas commencé.",
        Signer("Camille Exemple", "Direction générale", STATEMENT_CONSENT),
    )
    request = CancellationRequest("change_of_editor", False, statement)
    asked = await step(cancellations.ask, life.supplier, life.order_id, request, world.law, at)
    assert not isinstance(asked, Refused), asked
    shown = await find_cancellation(life.og, life.order_id, world.law, at)
    signer = Signer(life.signer_name, "Direction générale", RENUNCIATION_CONSENT)
    document = bytes.fromhex(shown.document_sha256 or "")
    told = await step(cancellations.attest, life.og, life.order_id, document, signer, world.law, at)
    assert not isinstance(told, Refused), told


async def remove_essms(world: World, life: Life, number: str) -> None:
    """The supplier proposes to take an ESSMS out of the perimeter; the OG agrees to the text it reads."""
    at = await clock.now()
    proposed = await step(
        amendments.propose, life.supplier, life.order_id, [number], "Camille Exemple", "Direction générale",
        world.law, at,
    )  # fmt: skip
    assert not isinstance(proposed, Refused), proposed
    signer = Signer(life.signer_name, "Direction générale", AMENDMENT_CONSENT)
    document = bytes.fromhex(proposed.document_sha256)
    told = await step(amendments.agree, life.og, life.order_id, proposed.id, document, signer, world.law, at)
    assert not isinstance(told, Refused), told


async def one(sql: str, *arguments: Any) -> Any:
    """The first value that the administrator reads."""
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        return await con.fetchval(sql, *arguments)
