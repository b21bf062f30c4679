"""Orders up to their VA and their solde, each step through the operations, valid by default."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sons_tracker import law
from sons_tracker.operations import amendments, corrections, soldes, va
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.amendments import AmendmentView
from sons_tracker.operations.idempotency import Key
from sons_tracker.operations.requests_filed import RequestView
from sons_tracker.operations.signatures import Signer, digest
from sons_tracker.operations.va import VaDeclaration, VaView
from sons_tracker.rules.declarations import AMENDMENT_CONSENT
from sons_tracker.rules.identifiers import FinessGeographique
from sons_tracker.rules.invoice import vat_cents
from sons_tracker.rules.money import euros
from sons_tracker.rules.money_case import VaLine
from sons_tracker.rules.texts import Law
from sons_tracker.rules.va_statement import VA_CONSENT
from tests import factories_lots as bank
from tests import factories_orders as make
from tests.factories import AT
from tests.factories_life import Life, Told, an_order_with_due_advance

LATER = AT + timedelta(days=30)
"""When the VA is prepared and signed, and the solde asked for: after the advance was paid."""
SIGNER = Signer("Élodie Saint-Jean", "Directrice générale", VA_CONSENT)
_numbers = itertools.count(1)


def the_law() -> Law:
    """The law of the package."""
    return law.load().law


def a_line(finess: str, **changes: Any) -> VaLine:
    """What a VA declares of one ESSMS, but for what `changes` says."""
    values: dict[str, Any] = {
        "dui_deployed": True, "tbb1_supplied": True, "accompanied": 60, "active": 56, "with_project": 50,
        "with_event": 54, **changes,
    }  # fmt: skip
    return VaLine(finess=FinessGeographique(finess), **values)


def a_declaration(*essms: str, deploiement_mss: str | None = None) -> VaDeclaration:
    """A VA that attests these ESSMS."""
    return VaDeclaration(tuple(a_line(number) for number in essms), deploiement_mss)


async def a_paid_advance(owner: make.Seeded, essms: int = 2, **changes: Any) -> Life:
    """A validated order whose advance the bank has paid."""
    order = await an_order_with_due_advance(owner, essms, **changes)
    await pay(owner, order, "advance")
    return order


async def pay(owner: make.Seeded, order: Life, kind: str, at: datetime = bank.PREPARED_AT) -> None:
    """Has the bank pay what is due of that kind: a lot of its own, approved, and the bank's answer."""
    payment_id = await owner.fetchval(
        "select id from sons.payment where order_id = $1 and kind = $2", order.order_id, kind
    )
    payers = await bank.two_payers()
    lot = await bank.an_approved_lot(payers, [payment_id], at)
    executed = at + timedelta(days=1)
    await bank.answered(payers, lot, "paid", executed + timedelta(hours=1), executed_at=executed)


async def prepare(
    order: Life,
    declared: VaDeclaration | None = None,
    at: datetime = LATER,
    *,
    actor: Actor | None = None,
    by: Law | None = None,
) -> Told:
    """Prepares a VA, by default a whole one; what was told."""
    told = Told()
    await va.prepare_va(
        actor or order.editor.actor, order.order_id, declared or a_declaration(*order.essms), by or the_law(),
        at, make.a_key(), told,
    )  # fmt: skip
    return told


async def the_va(order: Life, actor: Actor | None = None, at: datetime = LATER) -> VaView:
    """The VA in force, as the OG reads it."""
    return await va.find_va(actor or order.og.actor, order.order_id, the_law(), at)


async def sign(
    order: Life,
    at: datetime = LATER,
    *,
    actor: Actor | None = None,
    shown: bytes | None = None,
    signer: Signer = SIGNER,
    by: Law | None = None,
) -> Told:
    """Signs the VA, by default the text now in force, as the OG of the order; what was told."""
    told = Told()
    if shown is None:
        shown = (await the_va(order, at=at)).statement_sha256
    await va.sign_va(
        actor or order.og.actor, order.order_id, shown, signer, by or the_law(), at, make.a_key(), told
    )
    return told


async def a_signed_va(owner: make.Seeded, essms: int = 2) -> Life:
    """An order whose advance is paid and whose VA is signed."""
    order = await a_paid_advance(owner, essms)
    assert isinstance((await prepare(order)).outcome, VaView)
    assert isinstance((await sign(order)).outcome, VaView)
    return order


def a_bill(finess: str, ttc: int, rate: int | None = 20) -> dict[str, str]:
    """One line of an invoice, in cents TTC, at that rate of VAT; None: without VAT."""
    ht = ttc if rate is None else (200 * ttc + 100 + rate) // (2 * (100 + rate))
    assert ht + vat_cents(ht, rate or 0) == ttc, "this amount has no VAT to the cent"
    return {"finess": str(finess), "ht": euros(ht), "vat": euros(ttc - ht), "ttc": euros(ttc)}


def an_invoice(order: Life, bills: list[dict[str, str]], **changes: Any) -> dict[str, Any]:
    """The invoice of these lines, but for what `changes` says; its totals follow its lines."""
    total = {
        name: euros(sum(int(bill[name].replace(".", "")) for bill in bills)) for name in ("ht", "vat", "ttc")
    }
    return {
        "number": f"F-{next(_numbers):06d}",
        "document_sha256": "cd" * 32,
        "issued_on": "2023-03-20",
        "og": str(order.request.og),
        "signatory_name": "SAINT JEAN Elodie",
        "share_percent": 100,
        "vat_rate_percent": 20,
        "lines": bills,
        "total": total,
        **changes,
    }


async def a_content(
    owner: make.Seeded, order: Life, amounts: Mapping[str, int] | None = None, **changes: Any
) -> dict[str, Any]:
    """A request for the solde that bills these amounts, by default every ESSMS as it was ordered."""
    rows = await owner.fetch(
        "select finess_geographique, unit_ttc_cents from sons.order_line where order_id = $1 order by 1",
        order.order_id,
    )
    billed = {row[0]: row[1] for row in rows} if amounts is None else amounts
    bills = [a_bill(finess, ttc) for finess, ttc in billed.items()]
    return {"invoice": an_invoice(order, bills, **changes)}


async def ask(
    order: Life,
    content: Mapping[str, Any],
    at: datetime = LATER,
    *,
    actor: Actor | None = None,
    by: Law | None = None,
    key: Key | None = None,
) -> Told:
    """Asks for the solde; what was told."""
    told = Told()
    await soldes.request_solde(
        actor or order.editor.actor, order.order_id, content, by or the_law(), at, key or make.a_key(), told
    )
    return told


async def refile(order: Life, content: Mapping[str, Any], at: datetime = LATER) -> Told:
    """Files a solde that was sent back again; what was told."""
    told = Told()
    await soldes.refile_solde(
        order.editor.actor, order.order_id, "Voici la pièce corrigée.", content, the_law(), at, make.a_key(),
        told,
    )  # fmt: skip
    return told


async def send_back(order: Life, at: datetime = LATER) -> Told:
    """A reviewer asks for a correction of the solde; what was told."""
    told = Told()
    await corrections.ask_correction(
        order.reviewer.actor, order.order_id, "solde", "incorrect", "La facture est à corriger.", the_law(),
        at, make.a_key(), told,
    )  # fmt: skip
    return told


async def an_asked_solde(owner: make.Seeded, order: Life, amounts: Mapping[str, int] | None = None) -> UUID:
    """The request for the solde of an order whose VA is signed."""
    told = await ask(order, await a_content(owner, order, amounts))
    assert isinstance(told.outcome, RequestView), told.outcome
    assert told.outcome.state == "requested"
    return told.outcome.id


async def validate(
    order: Life, request_id: UUID, at: datetime = LATER, *, reason: str | None = None, by: Law | None = None
) -> Told:
    """Validates the solde; what was told."""
    told = Told()
    await soldes.validate_solde(
        order.reviewer.actor, request_id, order.order_id, reason, by or the_law(), at, make.a_key(), told
    )
    return told


async def a_due_solde(owner: make.Seeded, essms: int = 2, amounts: Mapping[str, int] | None = None) -> Life:
    """An order whose solde is due."""
    order = await a_signed_va(owner, essms)
    told = await validate(order, await an_asked_solde(owner, order, amounts))
    assert isinstance(told.outcome, RequestView), told.outcome
    return order


async def remove(order: Life, *essms: str, at: datetime = LATER) -> None:
    """Takes ESSMS out of the order, with the agreement of its OG."""
    told = Told()
    await amendments.propose(
        order.editor.actor, order.order_id, [str(one) for one in essms], "Camille Exemple", "Présidente",
        the_law(), at, make.a_key(), told,
    )  # fmt: skip
    assert isinstance(told.outcome, AmendmentView), told.outcome
    signer = Signer("Élodie Saint-Jean", "Directrice générale", AMENDMENT_CONSENT)
    await amendments.agree(
        order.og.actor, order.order_id, told.outcome.id, digest(told.outcome.document), signer, the_law(), at,
        make.a_key(), told,
    )  # fmt: skip
    assert isinstance(told.outcome, AmendmentView), told.outcome
