"""Cancellations as the parties and the agencies read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.views import VerdictView, verdict_from_row
from sons_tracker.rules.actions import Action
from sons_tracker.rules.deeds import order_actions
from sons_tracker.rules.lifecycle import CANCELLATION_TRANSITIONS
from sons_tracker.rules.texts import Law

_LIVE = {move.before for move in CANCELLATION_TRANSITIONS} - {"draft"}
_ACTIONS = (
    "state_cancellation", "attest_cancellation", "decline_cancellation", "drop_cancellation",
    "settle_cancellation",
)  # fmt: skip
_NONE = "Aucune annulation n'a été demandée pour cette commande."


@dataclass(frozen=True, slots=True)
class PieceView:
    """What a party declared or signed; `kind`: statement or renunciation. `capacity`: in which one signed for
    the OG, with its delegation."""

    kind: str
    text: str
    sha256: str
    consent: str
    given_at: datetime
    role: str
    auth_level: str
    signer_name: str
    signer_function: str
    capacity: str | None
    delegation_id: UUID | None


@dataclass(frozen=True, slots=True)
class CancellationView:
    """A cancellation with its pieces and what it still waits for.

    `number` counts the cancellations of the order from 1. `document` is the attestation that the OG is shown,
    with its SHA-256; None when the motive asks for none. `cancelled_at` is the instant that R29 judged, None
    until the pieces are whole; `verdicts` is what it said.
    """

    id: UUID
    order_id: UUID
    order_number: str
    order_state: str
    number: int
    state: str
    motive: str
    for_acquisition: bool | None
    required: tuple[str, ...]
    waits_for: tuple[str, ...]
    document: str | None
    document_sha256: str | None
    asked_at: datetime
    asked_role: str
    answer_due_at: datetime | None
    cancelled_at: datetime | None
    verdicts: tuple[VerdictView, ...]
    closed_at: datetime | None
    closed_role: str | None
    reason: str | None
    pieces: tuple[PieceView, ...]
    actions: tuple[Action, ...] = ()


_VIEW = """
select c.id, c.order_id, c.number, o.number as order_number, o.state as order_state, c.state, c.motive,
       c.for_acquisition, c.required, c.document, encode(c.document_sha256, 'hex') as document_sha256,
       c.asked_at, c.asked_role, c.answer_due_at, c.cancelled_at, coalesce(c.verdicts, '[]') as verdicts,
       c.closed_at, c.closed_role, c.reason
from cancellation c join purchase_order o on o.id = c.order_id
where c.order_id = $1 order by c.number desc
"""
_PIECES = """
select cancellation_id, kind, text, encode(sha256, 'hex') as sha256, consent, given_at, role, auth_level,
       signer_name, signer_function, capacity, delegation_id
from cancellation_piece where order_id = $1 order by given_at, kind
"""


async def find_cancellations(
    actor: Actor, order_id: UUID, law: Law, at: datetime
) -> tuple[CancellationView, ...]:
    """The cancellations of an order that the actor may see, the newest first; only the newest has actions.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown order and for another organisation's.
    """
    require(actor, "cancellation.read")
    async with transaction(actor.context, read_only=True) as con:
        return await load_cancellations(con, actor, order_id, law, at)


async def find_cancellation(actor: Actor, order_id: UUID, law: Law, at: datetime) -> CancellationView:
    """The newest cancellation of an order that the actor may see.

    Raises:
        SonsError: `NOT_FOUND`, also when none was ever asked.
    """
    found = await find_cancellations(actor, order_id, law, at)
    if not found:
        raise SonsError(ErrorCode.NOT_FOUND, _NONE)
    return found[0]


async def load_cancellations(
    con: asyncpg.Connection, actor: Actor, order_id: UUID, law: Law, at: datetime
) -> tuple[CancellationView, ...]:
    """As `find_cancellations`, in the caller's transaction."""
    dossier = await load_dossier(con, actor, order_id, at)
    rows = await con.fetch(_VIEW, order_id)
    pieces: dict[UUID, list[PieceView]] = {}
    for row in await con.fetch(_PIECES, order_id):
        told = dict(row)
        pieces.setdefault(told.pop("cancellation_id"), []).append(PieceView(**told))
    actions = tuple(a for a in order_actions(dossier, actor.role, law, at) if a.code in _ACTIONS)
    return tuple(
        _view(row, tuple(pieces.get(row["id"], ())), actions if place == 0 else ())
        for place, row in enumerate(rows)
    )


def _view(row: Any, pieces: tuple[PieceView, ...], actions: tuple[Action, ...]) -> CancellationView:
    return CancellationView(
        **{
            **dict(row),
            "required": tuple(row["required"]),
            "verdicts": tuple(verdict_from_row(verdict) for verdict in row["verdicts"]),
        },
        waits_for=_waits_for(row, {piece.kind for piece in pieces}),
        pieces=pieces,
        actions=actions,
    )


def _waits_for(row: Any, given: set[str]) -> tuple[str, ...]:
    """What it waits for before it is carried out: statement, renunciation, reviewer; nothing once over."""
    if row["state"] == "to_settle":
        return ("reviewer",)
    if row["state"] not in _LIVE:
        return ()
    wanted = ["statement"] if "statement" in row["required"] else []
    wanted += ["renunciation"] if row["document"] is not None else []
    return tuple(piece for piece in wanted if piece not in given)
