"""What a payment lot looks like, and what can be done with it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sons_tracker.operations.actors import Actor, allowed
from sons_tracker.rules.actions import Action, Reason

LOT_WORDS = {"prepared": "préparé", "approved": "approuvé", "dropped": "abandonné"}
OUTCOMES = ("paid", "rejected", "dropped")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A payment that did not enter the lot, and why."""

    payment_id: UUID
    order_id: UUID
    order_number: str
    kind: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """A number of transfers and their sum in cents TTC."""

    count: int
    total_ttc_cents: int


@dataclass(frozen=True, slots=True)
class LotView:
    """A lot, without its lines. Persons by identifier. `waiting` is what the bank has not answered yet.

    `left_out` is told by the preparation only.
    """

    id: UUID
    number: str
    state: str
    lines: int
    total_ttc_cents: int
    prepared_at: datetime
    prepared_by: UUID
    approved_at: datetime | None
    approved_by: UUID | None
    dropped_at: datetime | None
    dropped_by: UUID | None
    drop_reason: str | None
    waiting: Tally
    paid: Tally
    rejected: Tally
    actions: tuple[Action, ...]
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class LotLineView:
    """A transfer of a lot. `outcome` is None until the bank has answered, `returned_at` unless it came back.

    `bank_reference` and `reason_code` are those of the bank's latest word on it.
    """

    rank: int
    end_to_end: str
    payment_id: UUID
    order_id: UUID
    order_number: str
    kind: str
    supplier_id: UUID
    amount_ttc_cents: int
    iban_masked: str
    outcome: str | None
    outcome_at: datetime | None
    returned_at: datetime | None
    bank_reference: str | None
    reason_code: str | None


def lot_view(row: Mapping[str, Any], actor: Actor, left_out: tuple[LeftOut, ...] = ()) -> LotView:
    """A lot from its row (`lot_reading.LOT`), with what the actor can do with it now."""
    names = (
        "id", "number", "state", "lines", "total_ttc_cents", "prepared_at", "prepared_by", "approved_at",
        "approved_by", "dropped_at", "dropped_by", "drop_reason",
    )  # fmt: skip
    return LotView(
        **{name: row[name] for name in names},
        waiting=Tally(row["waiting"], row["waiting_cents"]),
        paid=Tally(row["paid"], row["paid_cents"]),
        rejected=Tally(row["rejected"], row["rejected_cents"]),
        actions=lot_actions(row, actor),
        left_out=left_out,
    )


def lot_actions(row: Mapping[str, Any], actor: Actor) -> tuple[Action, ...]:
    """What the actor's role may do with a lot, and what stands against it."""
    prepared: tuple[Reason, ...] = ()
    if row["state"] != "prepared":
        word = LOT_WORDS[row["state"]]
        prepared = (Reason(f"Le lot {row['number']} est « {word} » ; il faudrait qu'il soit « préparé »."),)
    approved: tuple[Reason, ...] = ()
    if row["state"] != "approved":
        approved = (
            Reason(
                f"Le lot {row['number']} n'est pas approuvé : rien n'en sort, rien n'y revient.",
                "Le faire approuver par une seconde personne.",
            ),
        )
    actions = {
        "lot.approve": Action("approve_lot", "Approuver le lot", (*prepared, *four_eyes(row, actor))),
        "lot.drop": Action("drop_lot", "Abandonner le lot", prepared),
        "lot.export": Action("export_lot", "Exporter le lot", approved),
        "bank_return.import": Action("import_return", "Intégrer un retour de la banque", approved),
    }
    return tuple(action for right, action in actions.items() if allowed(actor, right))


def four_eyes(row: Mapping[str, Any], actor: Actor) -> tuple[Reason, ...]:
    """Whoever prepared a lot does not approve it."""
    if row["prepared_by"] != actor.person_id:
        return ()
    return (
        Reason(
            "La personne qui a préparé un lot ne l'approuve pas.",
            "Demander l'approbation d'une autre personne habilitée à payer.",
        ),
    )
