"""The actions that end an order, or take ESSMS out of it: cancellations and amendments.

Sources: public pages of the agencies for the pieces of a cancellation (a_confirmer), R29 (S2:516-519), C10
for the ESSMS taken out of the perimeter.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sons_tracker.rules.actions import Reason
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.french import count_fr, instant_fr
from sons_tracker.rules.life import Deed, Judge, all_of, in_state, no_pending_end, signs
from sons_tracker.rules.lifecycle import OPEN_STATES, PARTIES, RELEASE_REASONS, SUPPLIER
from sons_tracker.rules.texts import Law

MOTIVE_WORDS = {
    "supplier_error": "erreur du fournisseur", "agreement": "accord des parties",
    "change_of_editor": "changement d'éditeur", "renunciation": "renonciation de l'organisme gestionnaire",
    "acquisition": "acquisition demandée à ESMS numérique",
}  # fmt: skip
OG_MOTIVES = ("renunciation", "acquisition")
"""The motives by which an OG starts a cancellation; every other one is the supplier's to ask."""

_ADVANCE_SETTLING = ("due", "in_lot", "returned")
_AMENDABLE = tuple(state for state in OPEN_STATES if state in RELEASE_REASONS["removed_from_perimeter"])
_FROM_PRACTICE = "Annulation d'une demande, pages publiques de l'ASP (valeur à confirmer)"
_C10 = "Lecture C10, pages publiques (valeur à confirmer)"


def va_deposited_at(dossier: Dossier) -> datetime | None:
    """When the VA reached the paying agency (R29): with the first solde request, admissible or not."""
    return min((r.received_at for r in dossier.requests if r.kind == "solde"), default=None)


def nothing_on_its_way(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """No payment of the order is with the bank: nobody knows yet whether there is something to recover."""
    if any(payment.state == "in_lot" for payment in dossier.payments):
        yield Reason(
            "Un versement de cette commande est dans un lot de paiement : la banque n'a pas encore répondu.",
            "Attendre le retour de la banque, puis recommencer.",
        )


def open_cancellation(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """A cancellation was asked and waits for a piece."""
    if dossier.cancellation is None:
        yield Reason("Aucune annulation n'est demandée.", "Demander d'abord l'annulation, avec son motif.")
    elif dossier.cancellation.state != "open":
        yield Reason("L'annulation a toutes ses pièces : elle attend la décision d'un contrôleur.")


def waits_for_statement(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """The supplier has not declared yet."""
    asked = dossier.cancellation
    if asked is not None and asked.state == "open" and not asked.waits_for_statement:
        yield Reason("L'attestation sur l'honneur du fournisseur est déjà au dossier.")


def waits_for_attestation(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """The OG has not signed yet."""
    asked = dossier.cancellation
    if asked is not None and asked.state == "open" and not asked.waits_for_attestation:
        yield Reason("L'attestation de renonciation est déjà au dossier, ou ce motif n'en demande pas.")


def asked_by(side: str) -> Judge:
    """The cancellation was asked by this party: `supplier` or `og`."""

    def judge(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
        asked = dossier.cancellation
        if asked is None:
            yield Reason("Aucune annulation n'est demandée.")
        elif asked.asked_by != side:
            yield Reason("Cette annulation a été demandée par l'autre partie : elle seule peut la retirer.")

    return judge


def declinable(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """The supplier asked for it: the OG need not agree."""
    if dossier.cancellation is not None and dossier.cancellation.asked_by == "og":
        yield Reason(
            "Cette annulation a été demandée par votre organisme.", "La retirer, au lieu de la refuser."
        )


def to_settle(dossier: Dossier, _law: Law, at: datetime) -> Iterable[Reason]:
    """A reviewer speaks where R29 does not decide, or where the supplier let its delay to answer pass."""
    asked = dossier.cancellation
    if asked is None:
        yield Reason("Aucune annulation n'est demandée.")
    elif asked.state == "open" and asked.answer_due_at is None:
        yield Reason(
            "L'annulation attend encore une pièce des parties.",
            "Attendre la pièce ; qui a demandé l'annulation peut aussi la retirer.",
            source=_FROM_PRACTICE,
        )
    elif asked.state == "open" and asked.answer_due_at is not None and at <= asked.answer_due_at:
        yield Reason(
            f"Le fournisseur peut répondre jusqu'au {instant_fr(asked.answer_due_at)}.",
            "Attendre la fin de ce délai.",
            source=_FROM_PRACTICE,
        )


def advance_settled(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """The amount of an advance that is due is fixed: the perimeter waits until it is paid."""
    advance = dossier.payment("advance")
    if advance is not None and advance.state in _ADVANCE_SETTLING:
        yield Reason(
            "L'avance de cette commande est due et n'est pas encore payée : son montant est fixé.",
            "Attendre le paiement de l'avance ; elle sera compensée dans le solde pour les ESSMS retirés.",
            "C10",
            _C10,
        )


def no_solde_asked(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """The solde is asked on the perimeter as it stands."""
    if dossier.request("solde") is not None:
        yield Reason(
            "Le solde est demandé : le périmètre de la commande ne change plus.",
            "Attendre la décision sur la demande de solde.",
            "C10",
            _C10,
        )


def something_to_remove(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """At least one ESSMS stays in an order."""
    if len(dossier.kept) == 1:
        yield Reason(
            "La commande ne porte plus que sur un ESSMS : le retirer serait annuler la commande.",
            "Demander l'annulation de la commande.",
        )


def open_amendment(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """An amendment waits for its answer."""
    if dossier.amendment is None:
        yield Reason("Aucun avenant n'attend de réponse.", "Proposer un avenant.")


def proposed_by(side: str, otherwise: str) -> Judge:
    """The open amendment was proposed by this party; `otherwise` is what the other one may do instead."""

    def judge(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
        proposed = dossier.amendment
        if proposed is not None and proposed.proposed_by != side:
            who = {
                "supplier": "le fournisseur", "og": "l'organisme gestionnaire"
            }[proposed.proposed_by]  # fmt: skip
            yield Reason(f"L'avenant a été proposé par {who}.", otherwise)

    return judge


def removal_reasons(dossier: Dossier, essms: Iterable[str]) -> tuple[Reason, ...]:
    """Why these ESSMS cannot be taken out of the order; empty when they can."""
    kept, ordered = {line.finess for line in dossier.kept}, {line.finess for line in dossier.lines}
    asked = sorted(set(essms))
    found: list[Reason] = []
    if unknown := [number for number in asked if number not in ordered]:
        found.append(
            Reason(
                f"{_named(unknown)} : hors de la commande. Un avenant ne fait que retirer des ESSMS.",
                "Pour ajouter un ESSMS, déposer une nouvelle commande.",
                "R04",
            )
        )
    if gone := [number for number in asked if number in ordered - kept]:
        found.append(Reason(f"{_named(gone)} : déjà hors du périmètre.", "Ôter ces numéros de l'avenant."))
    if kept and kept <= set(asked):
        found.append(
            Reason(
                "L'avenant retirerait tous les ESSMS de la commande.",
                "Demander l'annulation de la commande.",
            )
        )
    return tuple(found)


def _named(numbers: list[str]) -> str:
    return f"{count_fr(len(numbers), 'ESSMS', 'ESSMS')} ({', '.join(numbers)})"


_MAY_CANCEL = all_of(in_state(*OPEN_STATES), nothing_on_its_way)
_MAY_AMEND = all_of(in_state(*_AMENDABLE), advance_settled, no_solde_asked)
_ANSWER = "L'accepter ou le refuser."
_WAIT = "C'est à l'autre partie de répondre ; le retirer reste possible."

DEEDS: tuple[Deed, ...] = (
    Deed("cancel", "Demander l'annulation", PARTIES, all_of(_MAY_CANCEL, no_pending_end)),
    Deed(
        "state_cancellation", "Joindre l'attestation sur l'honneur", SUPPLIER,
        all_of(_MAY_CANCEL, open_cancellation, waits_for_statement),
    ),
    Deed(
        "attest_cancellation", "Signer l'attestation de renonciation", ("og",),
        all_of(_MAY_CANCEL, open_cancellation, waits_for_attestation, signs("renunciation")),
    ),
    Deed(
        "decline_cancellation", "Refuser l'annulation", ("og",),
        all_of(in_state(*OPEN_STATES), open_cancellation, declinable),
    ),
    Deed(
        "drop_cancellation", "Retirer la demande d'annulation", SUPPLIER,
        all_of(in_state(*OPEN_STATES), asked_by("supplier")),
    ),
    Deed(
        "drop_cancellation", "Retirer la demande d'annulation", ("og",),
        all_of(in_state(*OPEN_STATES), asked_by("og")),
    ),
    Deed("settle_cancellation", "Décider de l'annulation", ("reviewer",), all_of(_MAY_CANCEL, to_settle)),
    Deed(
        "propose_amendment", "Proposer un avenant", PARTIES,
        all_of(_MAY_AMEND, no_pending_end, something_to_remove, signs("amendment")),
    ),
    *(
        deed
        for roles, own, other in ((SUPPLIER, "supplier", "og"), (("og",), "og", "supplier"))
        for deed in (
            Deed(
                "agree_amendment", "Accepter l'avenant", roles,
                all_of(_MAY_AMEND, open_amendment, proposed_by(other, _WAIT), signs("amendment")),
            ),
            Deed(
                "refuse_amendment", "Refuser l'avenant", roles,
                all_of(open_amendment, proposed_by(other, _WAIT)),
            ),
            Deed(
                "withdraw_amendment", "Retirer l'avenant", roles,
                all_of(open_amendment, proposed_by(own, _ANSWER)),
            ),
        )
    ),
)  # fmt: skip
