"""Cancelling an order: asked with a motive, carried out once its pieces are whole and R29 does not forbid it.

A change of editor is a cancellation by agreement, then the deposit of the new editor.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from sons_tracker.db.journal import Said
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.cancellation_reading import CancellationView, load_cancellations
from sons_tracker.operations.cancellation_steps import (
    carry_out,
    close,
    go_on,
    join_piece,
    judge_cancellation,
    motive_reasons,
    open_cancellation,
    supersede_answer,
    tell_step,
)
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.signatures import Signer, check_consent, digest, facts_of
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.declarations import RENUNCIATION_CONSENT, STATEMENT_CONSENT
from sons_tracker.rules.deeds import reasons
from sons_tracker.rules.dossier import Dossier, DossierCancellation
from sons_tracker.rules.life_endings import OG_MOTIVES
from sons_tracker.rules.lifecycle import SUPPLIER
from sons_tracker.rules.money_case import RENUNCIATION, STATEMENT
from sons_tracker.rules.texts import Law

Decision = Literal["carry_out", "refuse"]
Render = Callable[[CancellationView | Refused], Answer]


@dataclass(frozen=True, slots=True)
class Statement:
    """The supplier's statement on honour, motivated, in its own words."""

    text: str
    signer: Signer


@dataclass(frozen=True, slots=True)
class CancellationRequest:
    """A cancellation as it is asked.

    `for_acquisition`: made to ask for an ESMS numérique acquisition (R29), None when it is not said. A
    supplier asks with its `statement`; an OG signs its attestation afterwards.
    """

    motive: str
    for_acquisition: bool | None
    statement: Statement | None


async def ask(
    actor: Actor,
    order_id: UUID,
    request: CancellationRequest,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Asks for the cancellation of an order: the supplier with its statement on honour, or the OG that
    renounces. Carried out at once when the motive asks for no other piece (the supplier's own error).

    Refused when the order is over, when a payment is with the bank, when something else is pending, or when
    R29 forbids it already.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST` for a supplier without statement or an OG with
            one; what `perform` raises.
    """
    require(actor, "cancellation.ask")
    _check_statement(actor, request.statement)

    async def work(con: asyncpg.Connection) -> CancellationView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        against = (
            *reasons("cancel", dossier, law, at),
            *(() if actor.role in SUPPLIER or request.motive in OG_MOTIVES else (_NOT_FOR_THE_OG,)),
            *motive_reasons(dossier, request.motive, request.for_acquisition, law, at),
        )
        if against:
            return _refused(order_id, against)
        asked = await open_cancellation(con, actor, dossier, request.motive, request.for_acquisition, law, at)
        until = {} if asked.answer_due_at is None else {"until": asked.answer_due_at.isoformat()}
        await tell_step(con, actor, at, "cancellation.asked", dossier, asked, **until)
        if request.statement is not None:
            stated, signer = request.statement.text, request.statement.signer
            asked = await join_piece(con, actor, dossier, asked, STATEMENT, stated, signer, at)
        against = await go_on(con, actor, dossier, asked, law, at)
        return _refused(order_id, against) if against else await _newest(con, actor, order_id, law, at)

    return await perform(actor, at, key, work, render)


async def give_statement(
    actor: Actor, order_id: UUID, statement: Statement, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Joins the supplier's statement on honour to the cancellation that the OG asked for.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST` for another consent; what `perform` raises.
    """
    require(actor, "cancellation.state")
    check_consent(statement.signer, STATEMENT_CONSENT)

    async def piece(
        con: asyncpg.Connection, dossier: Dossier, asked: DossierCancellation
    ) -> DossierCancellation:
        await supersede_answer(con, asked, at)
        await tell_step(con, actor, at, "cancellation.stated", dossier, asked)
        return await join_piece(con, actor, dossier, asked, STATEMENT, statement.text, statement.signer, at)

    return await _piece(actor, order_id, "state_cancellation", piece, law, at, key, render)


async def attest(
    actor: Actor,
    order_id: UUID,
    document_sha256: bytes,
    signer: Signer,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Signs the attestation de renonciation in the name of the OG.

    Refused when `document_sha256` (32 bytes) is not that of the attestation of this cancellation: what is
    signed is what was shown.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST` for another consent; what `perform` raises.
    """
    require(actor, "cancellation.attest")
    check_consent(signer, RENUNCIATION_CONSENT)

    async def piece(
        con: asyncpg.Connection, dossier: Dossier, asked: DossierCancellation
    ) -> DossierCancellation | Reason:
        if asked.document is None or document_sha256 != digest(asked.document):
            return _OTHER_TEXT
        facts = facts_of(dossier.capacity("renunciation", at))
        await tell_step(con, actor, at, "cancellation.attested", dossier, asked, **facts)
        return await join_piece(con, actor, dossier, asked, RENUNCIATION, asked.document, signer, at)

    return await _piece(actor, order_id, "attest_cancellation", piece, law, at, key, render)


async def decline(
    actor: Actor, order_id: UUID, reason: str, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Refuses, in the name of the OG, the cancellation that the supplier asked for: the order goes on.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "cancellation.decline")
    return await _close(actor, order_id, "decline_cancellation", "declined", reason, law, at, key, render)


async def drop(actor: Actor, order_id: UUID, law: Law, at: datetime, key: Key, render: Render) -> Answer:
    """Takes back a cancellation that is not carried out, by the party that asked for it.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "cancellation.drop")
    return await _close(actor, order_id, "drop_cancellation", "dropped", None, law, at, key, render)


async def settle(
    actor: Actor,
    order_id: UUID,
    decision: Decision,
    reason: str,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Decides, by a reviewer and with a reason, a cancellation that R29 leaves open, or one that the OG
    asked for and the supplier left without answer.

    Nobody renounces in the OG's place, and no reviewer lifts what R29 forbids.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "cancellation.settle")
    if decision == "refuse":
        return await _close(actor, order_id, "settle_cancellation", "settled", reason, law, at, key, render)

    async def work(con: asyncpg.Connection) -> CancellationView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        asked = dossier.cancellation
        against = reasons("settle_cancellation", dossier, law, at)
        if against or asked is None:
            return _refused(order_id, against)
        judged = None  # held: what R29 said is kept with its instant
        if asked.state == "open":
            if asked.waits_for_attestation:
                return _refused(order_id, (_NOT_RENOUNCED,))
            judged = judge_cancellation(
                dossier, asked.motive, asked.for_acquisition, asked.attested_at or at, law, at
            )
            if judged.forbidden:
                return _refused(order_id, judged.forbidden)
        await tell_step(
            con, actor, at, "cancellation.settled", dossier, asked, decision=decision, reason=Said(reason)
        )
        await carry_out(con, actor, dossier, asked, judged, law, at, reason)
        return await _newest(con, actor, order_id, law, at)

    return await perform(actor, at, key, work, render)


_OTHER_TEXT = Reason(
    "L'empreinte n'est pas celle de l'attestation de cette annulation.",
    "Relire l'attestation, puis signer avec l'empreinte qui l'accompagne.",
)
_NOT_RENOUNCED = Reason(
    "L'organisme gestionnaire n'a pas signé son attestation de renonciation.",
    "Attendre cette signature, ou refuser l'annulation : personne ne renonce à sa place.",
)
_NOT_FOR_THE_OG = Reason(
    "Ce motif est celui du fournisseur : l'organisme gestionnaire demande l'annulation parce qu'il renonce,"
    " ou pour une acquisition.",
    "Choisir l'un de ces motifs, ou demander au fournisseur de commencer l'annulation.",
)
_AFTER = {"declined": "refused", "dropped": "dropped", "settled": "refused"}

Piece = Callable[[asyncpg.Connection, Dossier, DossierCancellation], Awaitable[DossierCancellation | Reason]]


async def _piece(
    actor: Actor, order_id: UUID, deed: str, piece: Piece, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Joins one piece to the open cancellation, and does what follows."""

    async def work(con: asyncpg.Connection) -> CancellationView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        against = reasons(deed, dossier, law, at)
        if against or dossier.cancellation is None:
            return _refused(order_id, against)
        joined = await piece(con, dossier, dossier.cancellation)
        if isinstance(joined, Reason):
            return _refused(order_id, (joined,))
        against = await go_on(con, actor, dossier, joined, law, at)
        return _refused(order_id, against) if against else await _newest(con, actor, order_id, law, at)

    return await perform(actor, at, key, work, render)


async def _close(
    actor: Actor,
    order_id: UUID,
    deed: str,
    step: str,
    reason: str | None,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Ends the cancellation without carrying it out: the order goes on."""

    async def work(con: asyncpg.Connection) -> CancellationView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        asked = dossier.cancellation
        against = reasons(deed, dossier, law, at, actor.role)
        if against or asked is None:
            return _refused(order_id, against)
        await close(con, actor, asked, _AFTER[step], at, reason)
        facts: dict[str, Any] = {} if reason is None else {"reason": Said(reason)}
        if step == "settled":
            facts["decision"] = "refuse"
        await tell_step(con, actor, at, f"cancellation.{step}", dossier, asked, **facts)
        return await _newest(con, actor, order_id, law, at)

    return await perform(actor, at, key, work, render)


def _check_statement(actor: Actor, statement: Statement | None) -> None:
    """A supplier states on its honour, an OG does not.

    Raises:
        SonsError: `INVALID_REQUEST`.
    """
    problem = None
    if actor.role in SUPPLIER and statement is None:
        problem = "Un fournisseur joint son attestation sur l'honneur à sa demande."
    elif actor.role not in SUPPLIER and statement is not None:
        problem = "L'attestation sur l'honneur est celle du fournisseur, pas de l'organisme gestionnaire."
    if problem is not None:
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.statement", problem),))
    if statement is not None:
        check_consent(statement.signer, STATEMENT_CONSENT, "$.statement.consent")


async def _newest(
    con: asyncpg.Connection, actor: Actor, order_id: UUID, law: Law, at: datetime
) -> CancellationView:
    return (await load_cancellations(con, actor, order_id, law, at))[0]


def _refused(order_id: UUID, against: tuple[Reason, ...]) -> Refused:
    return Refused("cancellation.not_possible", "order", str(order_id), against)
