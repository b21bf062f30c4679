"""What a supplier looks like: its file, its bank accounts, and what each role can do now, or why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from sons_tracker.operations.actors import Actor, allowed
from sons_tracker.operations.enrolment import Enrolment
from sons_tracker.rules.actions import Action, Reason
from sons_tracker.rules.french import PARIS, date_fr

ChangeState = Literal["asked", "confirmed", "in_force", "replaced", "stopped"]


@dataclass(frozen=True, slots=True)
class Who:
    """A member of the supplier, or an agent, by name."""

    id: UUID
    name: str | None


@dataclass(frozen=True, slots=True)
class Mandate:
    """The employee who files for the legal representative, from and to days included."""

    person_id: UUID
    from_on: date
    to_on: date


@dataclass(frozen=True, slots=True)
class FileView:
    """The latest file of a supplier; `decision` is None while nobody has answered. `pieces`: kind and SHA-256
    in hexadecimal."""

    number: int
    submitted_at: datetime
    submitted_by: Who
    certificate_reference: str
    solution: str
    representative_name: str
    representative_function: str
    representative_id: UUID | None
    mandate: Mandate | None
    vat_liable: bool
    vat_from_on: date
    pieces: tuple[tuple[str, str], ...]
    decision: Literal["validated", "to_correct"] | None
    decided_at: datetime | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A bank account and how it came to be asked for; `iban` and `bic` only for who may read them."""

    id: UUID
    iban_masked: str
    iban: str | None = field(repr=False)
    bic: str | None
    state: ChangeState
    requested_at: datetime
    requested_by: Who
    confirmed_at: datetime | None
    confirmed_by: Who | None
    takes_effect_at: datetime | None
    stopped_at: datetime | None
    stopped_by: Who | None
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class SupplierSummary:
    """A supplier on a page; `enrolment` is None when no file was ever submitted."""

    id: UUID
    kind: str
    name: str
    siren: str | None
    enrolment: Enrolment | None

    @property
    def missing(self) -> tuple[str, ...]:
        """What must be repaired before anything is paid, a file that was never submitted included."""
        if self.enrolment is None:
            return ("aucun dossier d'enrôlement n'est déposé",)
        return self.enrolment.missing


@dataclass(frozen=True, slots=True)
class SupplierView(SupplierSummary):
    """A supplier as one actor sees it at an instant; `changes` from the newest to the oldest."""

    file: FileView | None
    changes: tuple[ChangeView, ...]
    actions: tuple[Action, ...] = ()

    @property
    def in_force(self) -> ChangeView | None:
        """The bank account that would be paid."""
        return next((one for one in self.changes if one.state == "in_force"), None)

    def action(self, code: str) -> Action:
        """The action of that code, which the actor's role has."""
        return next(one for one in self.actions if one.code == code)


@dataclass(frozen=True, slots=True)
class SupplierPage:
    """One page in the order of identifiers; `next_after` is the key of the next one, None on the last."""

    suppliers: tuple[SupplierSummary, ...]
    next_after: UUID | None


def supplier_actions(view: SupplierView, actor: Actor, *, listed: bool) -> tuple[Action, ...]:
    """What the actor can do with a supplier; `listed`: the list of the ANS shows the solution as its own."""
    if allowed(actor, "enrolment.decide"):
        return (
            Action("enrolment_validate", "Valider le dossier d'enrôlement", _not_valid(view, listed)),
            Action("enrolment_correction", "Demander une modification du dossier", _not_open(view)),
        )
    if not allowed(actor, "enrolment.submit"):
        return ()
    waiting = next((one for one in view.changes if one.state in {"asked", "confirmed"}), None)
    reasons: tuple[Reason, ...] = ()
    if waiting is not None:
        reasons = (
            Reason(
                f"Un changement de compte est déjà en attente, demandé le {_day(waiting.requested_at)}.",
                "Attendre qu'il prenne effet, ou l'arrêter.",
            ),
        )
    return (
        Action("enrolment_submit", "Déposer le dossier d'enrôlement"),
        Action("bank_account_change_ask", "Demander un changement de compte bancaire", reasons),
    )


def _not_open(view: SupplierView) -> tuple[Reason, ...]:
    if view.file is None:
        return (Reason("Ce fournisseur n'a déposé aucun dossier.", "Attendre son dépôt."),)
    if view.file.decision is not None:
        done = "validé" if view.file.decision == "validated" else "renvoyé pour modification"
        sentence = f"Le dossier n° {view.file.number} est déjà {done}."
        return (Reason(sentence, "Attendre que le fournisseur en dépose un autre."),)
    return ()


def _not_valid(view: SupplierView, listed: bool) -> tuple[Reason, ...]:
    found = _not_open(view)
    if view.file is not None and not found and not listed:
        found += (
            Reason(
                f"La liste de l'ANS connue à ce jour ne montre pas que ce fournisseur édite ou distribue une"
                f" version référencée de la solution « {view.file.solution} » (à confirmer).",
                "Importer la liste à jour, ou demander au fournisseur de corriger son dossier.",
                "R11",
                "S0:1482, 1584 ; S1:308-311",
            ),
        )
    return found


def change_actions(change: ChangeView, actor: Actor) -> tuple[Action, ...]:
    """What the actor can do with a change of bank account."""
    confirm = _not_waiting(change)
    if change.state == "confirmed":
        confirm = (Reason("Ce changement est déjà confirmé.", "L'arrêter s'il n'est pas voulu."),)
    if change.state == "asked" and change.requested_by.id == actor.person_id:
        confirm = (
            Reason(
                "La personne qui demande un changement de compte ne peut pas le confirmer.",
                "Le faire confirmer par une autre personne du même fournisseur.",
            ),
        )
    actions = {
        "bank_account.confirm": Action("confirm", "Confirmer ce changement de compte", confirm),
        "bank_account.stop": Action("stop", "Arrêter ce changement de compte", _not_waiting(change)),
    }
    return tuple(action for right, action in actions.items() if allowed(actor, right))


def _not_waiting(change: ChangeView) -> tuple[Reason, ...]:
    again = "Demander un nouveau changement de compte."
    if change.state == "stopped" and change.stopped_at is not None:
        return (Reason(f"Ce changement a été arrêté le {_day(change.stopped_at)}.", again),)
    if change.state in {"in_force", "replaced"} and change.takes_effect_at is not None:
        return (Reason(f"Ce compte a pris effet le {_day(change.takes_effect_at)}.", again),)
    return ()


def _day(at: datetime) -> str:
    return date_fr(at.astimezone(PARIS).date())
