"""What is announced to organisations: the closed list of events, and their words in French."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sons_tracker.rules.money import euros

_CENTS = "_cents"


@dataclass(frozen=True, slots=True)
class Event:
    """`label` says what happened; `todo`, if anything, what its recipient may do about it; `mailed`: also
    told by e-mail to the members of the organisation that have an address."""

    label: str
    todo: str | None = None
    mailed: bool = False


_DEPOSIT = "Vérifiez le périmètre de la commande : elle engage ces ESSMS dans la vague."
_CORRECT = "Corrigez ce qui est demandé : l'étape suivante attend votre réponse."
_REASONS = "Lisez les motifs : chacun dit ce qui permettrait de régulariser."
_REPAY = "L'avance est à rembourser : l'ordre de recouvrement dira le montant et le délai."
_BANK = "Si vous n'en êtes pas à l'origine, arrêtez ce changement avant sa prise d'effet."
_CHECK_PERIMETER = "Vérifiez les ESSMS que cet avenant retire ou ajoute."

EVENTS: dict[str, Event] = {
    "organisation.created": Event(
        "Votre organisme est désigné par une première commande", _DEPOSIT, mailed=True
    ),
    "order.deposited": Event("Commande déposée", _DEPOSIT, mailed=True),
    "order.submitted": Event("Commande recevable"),
    "order.waiting_referencing": Event(
        "Commande en attente du référencement de la version",
        "Le dossier complet de référencement doit être soumis à l'ANS avant l'échéance.",
        mailed=True,
    ),
    "order.to_review": Event("Commande à instruire"),
    "order.correction_asked": Event("Commande à modifier", _CORRECT, mailed=True),
    "order.corrected": Event("Commande modifiée"),
    "order.validated": Event("Commande validée", mailed=True),
    "order.lapsed": Event(
        "Commande caduque", "Ses ESSMS sont libérés, sauf si une avance reste à recouvrer.", mailed=True
    ),
    "order.reopened": Event("Commande rouverte", "Ses ESSMS sont de nouveau engagés.", mailed=True),
    "order.reopening_refused": Event("Commande qui ne peut être rouverte", _REASONS, mailed=True),
    "order.cancelled": Event("Commande annulée", mailed=True),
    "order.settled": Event("Commande soldée", mailed=True),
    "order.unsettled": Event("Commande à payer de nouveau après un retour de la banque"),
    "review.settled": Event("Instruction terminée", "Lisez la décision et ses motifs.", mailed=True),
    "advance.requested": Event("Demande d'avance reçue"),
    "advance.correction_asked": Event("Demande d'avance à modifier", _CORRECT, mailed=True),
    "advance.corrected": Event("Demande d'avance modifiée"),
    "advance.validated": Event("Demande d'avance validée", mailed=True),
    "advance.inadmissible": Event("Demande d'avance irrecevable", _REASONS, mailed=True),
    "advance.kept": Event("Avance laissée acquise", mailed=True),
    "advance.reclaimed": Event("Avance à rembourser", _REPAY, mailed=True),
    "va.prepared": Event(
        "Vérification d'aptitude à signer",
        "Contrôlez les cinq constats de chaque ESSMS, puis signez avant la clôture.",
        mailed=True,
    ),
    "va.signed": Event("Vérification d'aptitude signée", "Le solde peut être demandé.", mailed=True),
    "solde.requested": Event("Demande de solde reçue"),
    "solde.correction_asked": Event("Demande de solde à modifier", _CORRECT, mailed=True),
    "solde.corrected": Event("Demande de solde modifiée"),
    "solde.validated": Event("Demande de solde validée", mailed=True),
    "solde.inadmissible": Event("Demande de solde irrecevable", _REASONS, mailed=True),
    "payment.due": Event("Paiement dû"),
    "payment.paid": Event("Paiement effectué", mailed=True),
    "payment.rejected": Event(
        "Paiement rejeté par la banque", "Vérifiez vos coordonnées bancaires.", mailed=True
    ),
    "payment.returned": Event(
        "Paiement retourné par la banque", "Vérifiez vos coordonnées bancaires.", mailed=True
    ),
    "payment.withdrawn": Event("Paiement retiré"),
    "recovery.opened": Event("Avance à recouvrer", _REPAY, mailed=True),
    "recovery.issued": Event(
        "Ordre de recouvrement émis", "Remboursez le montant indiqué en citant le numéro.", mailed=True
    ),
    "recovery.reminded": Event("Relance d'un recouvrement", "Remboursez le montant dû.", mailed=True),
    "recovery.recovered": Event("Avance recouvrée", mailed=True),
    "deadline.reminder": Event(
        "Rappel d'échéance", "Accomplissez l'étape attendue avant l'échéance.", mailed=True
    ),
    "deadline.moved": Event(
        "Échéance déplacée par un nouveau texte", "La nouvelle date remplace l'ancienne."
    ),
    # one for all the orders of an organisation: what is mailed when a text moves thousands of deadlines
    "calendar.moved": Event(
        "Calendrier modifié par un nouveau texte",
        "Vérifiez les nouvelles échéances de vos commandes.",
        mailed=True,
    ),
    "deadline.reached": Event("Échéance atteinte", mailed=True),
    "amendment.proposed": Event(
        "Avenant proposé", f"{_CHECK_PERIMETER} Acceptez-le ou refusez-le.", mailed=True
    ),
    "amendment.agreed": Event("Avenant accepté", _CHECK_PERIMETER, mailed=True),
    "amendment.refused": Event("Avenant refusé", mailed=True),
    "amendment.withdrawn": Event("Avenant retiré", mailed=True),
    "reservation.made": Event(
        "ESSMS réservés pour une commande à venir",
        "La réservation n'engage rien : elle expire si aucune commande signée ne la suit.",
        mailed=True,
    ),
    "reservation.renewed": Event("Réservation d'ESSMS renouvelée", mailed=True),
    "reservation.converted": Event("ESSMS réservés pris par une commande"),
    "reservation.dropped": Event("Réservation d'ESSMS levée", "Ces ESSMS sont libres."),
    "reservation.expired": Event("Réservation d'ESSMS expirée", "Ces ESSMS sont libres.", mailed=True),
    "conflict.opened": Event(
        "Conflit de financement ouvert", "Un contrôleur l'instruit ; vous serez entendu.", mailed=True
    ),
    "conflict.reopened": Event("Conflit de financement rouvert", mailed=True),
    "conflict.asked": Event(
        "Question d'un contrôleur sur un conflit", "Répondez avant la fin du délai.", mailed=True
    ),
    "conflict.answered": Event("Réponse reçue dans un conflit"),
    "conflict.answer_expired": Event("Délai de réponse passé dans un conflit", mailed=True),
    "conflict.question_withdrawn": Event("Question retirée dans un conflit"),
    "conflict.decided": Event(
        "Conflit de financement décidé", "Lisez la décision et les voies de recours.", mailed=True
    ),
    "conflict.reconsidered": Event("Décision retirée avant son exécution", mailed=True),
    "conflict.executed": Event("Décision de conflit exécutée", mailed=True),
    "conflict.closed": Event("Conflit de financement clos", mailed=True),
    "order.essms_lost": Event(
        "ESSMS retirés d'une commande par décision", "Lisez la décision du conflit.", mailed=True
    ),
    "order.rejected": Event("Commande rejetée par décision", "Lisez la décision du conflit.", mailed=True),
    "order.retained": Event(
        "Commande retenue après un conflit", "Elle prend ses ESSMS et suit son cours.", mailed=True
    ),
    "cancellation.asked": Event("Annulation demandée", "Lisez le motif et les pièces jointes.", mailed=True),
    "cancellation.stated": Event("Attestation sur l'honneur jointe à l'annulation"),
    "cancellation.attested": Event("Attestation de renonciation signée", mailed=True),
    "cancellation.held": Event("Annulation à instruire", "Un contrôleur décidera.", mailed=True),
    "cancellation.settled": Event("Annulation tranchée par un contrôleur", mailed=True),
    "cancellation.declined": Event("Annulation refusée par l'organisme gestionnaire", mailed=True),
    "cancellation.dropped": Event("Demande d'annulation retirée", mailed=True),
    "enrolment.submitted": Event("Enrôlement déposé"),
    "enrolment.correction_asked": Event("Enrôlement à modifier", _CORRECT, mailed=True),
    "enrolment.validated": Event("Enrôlement validé", mailed=True),
    "enrolment.refused": Event("Enrôlement refusé", _REASONS, mailed=True),
    "bank_account.change_asked": Event("Changement de coordonnées bancaires demandé", _BANK, mailed=True),
    "bank_account.confirmed": Event("Changement de coordonnées bancaires confirmé", _BANK, mailed=True),
    "bank_account.stopped": Event("Changement de coordonnées bancaires arrêté", mailed=True),
    "bank_account.in_force": Event("Nouvelles coordonnées bancaires en vigueur", mailed=True),
    "lot.prepared": Event("Lot de paiement préparé", "Une seconde personne doit l'approuver."),
    "lot.approved": Event("Lot de paiement approuvé"),
    "lot.dropped": Event("Lot de paiement abandonné"),
    "lot.returned": Event("Retour bancaire intégré"),
    "succession.confirmed": Event(
        "Numéro FINESS reconnu comme la suite d'un autre",
        "Un ESSMS engagé sous son nouveau numéro l'est aussi sous l'ancien : dites-le si c'est une erreur.",
        mailed=True,
    ),
    "succession.dismissed": Event("Deux numéros FINESS reconnus distincts", mailed=True),
    "delegation.given": Event(
        "Délégation de signature donnée dans votre organisme",
        "Si personne ne l'a voulue, un responsable peut la révoquer.",
        mailed=True,
    ),
    "delegation.revoked": Event(
        "Délégation de signature révoquée dans votre organisme",
        "Ce qui a été signé reste valable.",
        mailed=True,
    ),
    "webhook.disabled": Event(
        "Webhook désactivé après des échecs répétés",
        "Réparez le destinataire, enregistrez-le à nouveau, puis rejouez la période manquée.",
        mailed=True,
    ),
    "webhook.ping": Event("Essai d'un webhook"),
    "journal.head": Event(
        "Dernier sceau du journal",
        "Gardez ce message : il prouve, plus tard, que le journal n'a pas été réécrit.",
        mailed=True,
    ),
}
"""The closed list. Adding one is adding its line; `announce` refuses any other name."""


def shown(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts as they leave: an integer `…_cents` becomes the text in euros without that ending."""
    return {
        name.removesuffix(_CENTS) if _is_amount(name, value) else name: _shown(name, value)
        for name, value in facts.items()
    }


def _shown(name: str, value: Any) -> Any:
    if _is_amount(name, value):
        return euros(value)
    if isinstance(value, Mapping):
        return shown(value)
    if isinstance(value, list):
        return [_shown("", item) for item in value]
    return value


def _is_amount(name: str, value: Any) -> bool:
    return name.endswith(_CENTS) and isinstance(value, int) and not isinstance(value, bool)
