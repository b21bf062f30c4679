"""What a recovery looks like, and what can be done with it now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sons_tracker.operations.actors import Actor, allowed
from sons_tracker.rules.actions import Action, Reason

STATES = ("opened", "issued", "recovered")
STATE_WORDS = {"opened": "à émettre", "issued": "émis", "recovered": "recouvré"}
REASON_WORDS = {
    "cancelled": "commande annulée",
    "cloture": "prestation non réalisée à la clôture",
    "over_advance": "avance supérieure au solde",
    "reclaimed": "avance non acquise",
    "decided": "décision",
}
STEP_WORDS = {"letter": "courrier", "reminder": "relance", "note": "note"}


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the follow-up; the person by identifier."""

    at: datetime
    kind: str
    person_id: UUID | None
    text: str


@dataclass(frozen=True, slots=True)
class RecoverySummary:
    """A recovery on a page; amounts in cents TTC.

    `state`: opened, issued or recovered. `age_days` counts Paris days since the opening, until the money came
    back. `payment_kind`: advance or solde.
    """

    id: UUID
    number: str
    state: str
    order_id: UUID
    order_number: str
    order_state: str
    supplier_id: UUID
    supplier_name: str | None
    og_id: UUID
    payment_id: UUID
    payment_kind: str
    amount_ttc_cents: int
    reason: str
    source: str
    opened_at: datetime
    issued_at: datetime | None
    recovered_at: datetime | None
    bank_reference: str | None
    age_days: int


@dataclass(frozen=True, slots=True)
class RecoveryView:
    """A recovery with its follow-up, its letter once issued, and what the actor can do."""

    summary: RecoverySummary
    steps: tuple[StepView, ...]
    letter: dict[str, Any] | None
    actions: tuple[Action, ...]

    def reasons(self, code: str) -> tuple[Reason, ...]:
        """What stands against one of the actions; empty when it can be done."""
        return next(action.reasons for action in self.actions if action.code == code)


def recovery_actions(summary: RecoverySummary, actor: Actor) -> tuple[Action, ...]:
    """What the actor's role may do with a recovery, and what stands against it."""

    def wants(state: str, remedy: str | None = None) -> tuple[Reason, ...]:
        if summary.state == state:
            return ()
        now, wanted = STATE_WORDS[summary.state], STATE_WORDS[state]
        told = f"Le recouvrement {summary.number} est « {now} » ; il faudrait qu'il soit « {wanted} »."
        return (Reason(told, remedy),)

    issue_first = "Émettre d'abord l'ordre de recouvrement." if summary.state == "opened" else None
    actions = (
        ("recovery.issue", Action("issue_recovery", "Émettre l'ordre de recouvrement", wants("opened"))),
        (
            "recovery.repay",
            Action("record_repayment", "Enregistrer le remboursement", wants("issued", issue_first)),
        ),
        ("recovery.follow", Action("add_reminder", "Relancer le fournisseur", wants("issued", issue_first))),
        ("recovery.follow", Action("add_note", "Ajouter une note")),
    )
    return tuple(action for right, action in actions if allowed(actor, right))
