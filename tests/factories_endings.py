"""Cancellations and amendments, each step through the operations; valid by default."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.operations import amendments, cancellations, recoveries
from sons_tracker.operations.actors import SCHEDULER
from sons_tracker.operations.amendments import AmendmentView
from sons_tracker.operations.cancellation_reading import CancellationView, find_cancellation
from sons_tracker.operations.cancellations import CancellationRequest, Statement
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.endings import Ending, end_order
from sons_tracker.operations.lot_views import LotView
from sons_tracker.operations.signatures import Signer
from sons_tracker.rules.declarations import AMENDMENT_CONSENT, RENUNCIATION_CONSENT, STATEMENT_CONSENT
from tests import factories_lots as lots
from tests import factories_orders as make
from tests.factories import AT, Account
from tests.factories_life import Life, Told, an_order_with_due_advance

STATEMENT = Statement(
    "La commande a été déposée par erreur.\nElle n'a donné lieu à aucune prestation.",
    Signer("Camille Fictive", "Directrice commerciale", STATEMENT_CONSENT),
)
OG_SIGNER = Signer("Dominique Fictif", "Directeur général", RENUNCIATION_CONSENT)
AGREED = Signer("Claude Fictif", "Directeur général", AMENDMENT_CONSENT)


async def ask(
    life: Life,
    motive: str = "supplier_error",
    *,
    by: Account | None = None,
    for_acquisition: bool | None = None,
    at: datetime = AT,
    **changes: Any,
) -> Told:
    """Asks for the cancellation, by default as the supplier; an OG joins no statement."""
    told = Told()
    actor = (by or life.editor).actor
    statement = changes.pop("statement", None if actor.role == "og" else STATEMENT)
    request = CancellationRequest(motive, for_acquisition, statement)
    key = changes.pop("key", None) or make.a_key()
    await cancellations.ask(actor, life.order_id, request, law.load().law, at, key, told)
    return told


async def give_statement(life: Life, at: datetime = AT, by: Account | None = None) -> Told:
    """Joins the supplier's statement."""
    told = Told()
    actor = (by or life.editor).actor
    await cancellations.give_statement(
        actor, life.order_id, STATEMENT, law.load().law, at, make.a_key(), told
    )
    return told


async def attest(
    life: Life,
    at: datetime = AT,
    by: Account | None = None,
    *,
    sha256: bytes | None = None,
    signer: Signer = OG_SIGNER,
) -> Told:
    """Signs the attestation, by default of the digest that the OG reads."""
    told = Told()
    actor = (by or life.og).actor
    if sha256 is None:
        shown = await find_cancellation(life.og.actor, life.order_id, law.load().law, at)
        sha256 = bytes.fromhex(shown.document_sha256 or "")
    await cancellations.attest(actor, life.order_id, sha256, signer, law.load().law, at, make.a_key(), told)
    return told


async def decline(life: Life, at: datetime = AT, by: Account | None = None) -> Told:
    """Refuses the supplier's cancellation."""
    told = Told()
    actor = (by or life.og).actor
    await cancellations.decline(
        actor, life.order_id, "La prestation est attendue.", law.load().law, at, make.a_key(), told
    )
    return told


async def drop(life: Life, at: datetime = AT, by: Account | None = None) -> Told:
    """Takes the cancellation back, by default as the supplier."""
    told = Told()
    actor = (by or life.editor).actor
    await cancellations.drop(actor, life.order_id, law.load().law, at, make.a_key(), told)
    return told


async def settle(
    life: Life, decision: cancellations.Decision = "carry_out", at: datetime = AT, by: Account | None = None
) -> Told:
    """Decides as a reviewer."""
    told = Told()
    actor = (by or life.reviewer).actor
    await cancellations.settle(
        actor, life.order_id, decision, "Motif examiné.", law.load().law, at, make.a_key(), told
    )
    return told


async def read(life: Life, by: Account | None = None, at: datetime = AT) -> CancellationView:
    """The newest cancellation, by default as the supplier reads it."""
    return await find_cancellation((by or life.editor).actor, life.order_id, law.load().law, at)


async def propose(life: Life, removed: Sequence[str], at: datetime = AT, by: Account | None = None) -> Told:
    """Proposes to take these ESSMS out, by default as the supplier."""
    told = Told()
    actor = (by or life.editor).actor
    await amendments.propose(
        actor, life.order_id, removed, "Camille Fictive", "Directrice commerciale", law.load().law, at,
        make.a_key(), told,
    )  # fmt: skip
    return told


async def agree(
    life: Life,
    amendment: AmendmentView,
    at: datetime = AT,
    by: Account | None = None,
    *,
    sha256: bytes | None = None,
    signer: Signer = AGREED,
) -> Told:
    """Accepts, by default as the OG."""
    told = Told()
    actor = (by or life.og).actor
    shown = bytes.fromhex(amendment.document_sha256) if sha256 is None else sha256
    await amendments.agree(
        actor, life.order_id, amendment.id, shown, signer, law.load().law, at, make.a_key(), told
    )
    return told


async def refuse(life: Life, amendment_id: UUID, at: datetime = AT, by: Account | None = None) -> Told:
    """Refuses, by default as the OG."""
    told = Told()
    actor = (by or life.og).actor
    await amendments.refuse(
        actor, life.order_id, amendment_id, "Cet ESSMS attend la prestation.", law.load().law, at,
        make.a_key(), told,
    )  # fmt: skip
    return told


async def withdraw(life: Life, amendment_id: UUID, at: datetime = AT, by: Account | None = None) -> Told:
    """Takes the proposal back, by default as the supplier."""
    told = Told()
    actor = (by or life.editor).actor
    await amendments.withdraw(actor, life.order_id, amendment_id, law.load().law, at, make.a_key(), told)
    return told


async def an_agreed_amendment(life: Life, removed: Sequence[str], at: datetime = AT) -> AmendmentView:
    """An amendment that the supplier proposed and the OG accepted."""
    proposed = (await propose(life, removed, at)).outcome
    assert isinstance(proposed, AmendmentView), proposed
    agreed = (await agree(life, proposed, at)).outcome
    assert isinstance(agreed, AmendmentView), agreed
    return agreed


async def the_payment(owner: make.Seeded, life: Life, kind: str = "advance") -> UUID:
    """The identifier of a payment of the order."""
    found: UUID = await owner.fetchval(
        "select id from payment where order_id = $1 and kind = $2", life.order_id, kind
    )
    return found


async def an_order_in_lot(owner: make.Seeded, essms: int = 2) -> tuple[Life, lots.Payers, LotView]:
    """An order whose advance is with the bank, from two hours after `AT` on."""
    life = await an_order_with_due_advance(owner, essms)
    payers = await lots.two_payers()
    return life, payers, await lots.an_approved_lot(payers, [await the_payment(owner, life)])


async def an_order_with_paid_advance(owner: make.Seeded, essms: int = 2) -> tuple[Life, lots.Payers]:
    """An order whose advance is paid, as known from `factories_lots.RETURNED_AT` on."""
    life, payers, lot = await an_order_in_lot(owner, essms)
    await lots.answered(payers, lot)
    return life, payers


async def issue_recovery(owner: make.Seeded, life: Life, payers: lots.Payers, at: datetime) -> Told:
    """Issues the ordre de recouvrement of the order."""
    told = Told()
    found = await owner.fetchval("select id from recovery where order_id = $1", life.order_id)
    await recoveries.issue(payers.first.actor, found, "Recours (fictif).", at, make.a_key(), told)
    return told


async def held_by(owner: make.Seeded, life: Life) -> list[str]:
    """The ESSMS that the order still holds."""
    rows = await owner.fetch(
        "select finess_geographique from claim where order_id = $1 and released_at is null order by 1",
        life.order_id,
    )
    return [row[0] for row in rows]


async def lapse(life: Life, at: datetime = AT) -> None:
    """Ends the order as its clôture does."""
    async with transaction(SCHEDULER.context) as con:
        dossier = await load_dossier(con, SCHEDULER, life.order_id, at, lock=True)
        await end_order(con, SCHEDULER, at, dossier, Ending("lapsed", "cloture", "S0:1666", {}))


async def attest_unknown(life: Life, at: datetime = AT) -> Told:
    """Signs although there is nothing to sign."""
    return await attest(life, at, sha256=bytes(32))
