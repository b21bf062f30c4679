"""The actions of the VA and of the solde."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sons_tracker.rules.actions import Reason
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.french import PARIS, until_fr
from sons_tracker.rules.life import (
    Deed,
    all_of,
    enrolled,
    in_state,
    no_open_correction,
    no_pending_end,
    no_request,
    request_in,
    signs,
)
from sons_tracker.rules.lifecycle import PAYMENT_WORDS, REQUEST_WORDS, SUPPLIER
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Law

_UNPAID = ("due", "in_lot", "returned")


def before_cloture(dossier: Dossier, law: Law, at: datetime) -> Iterable[Reason]:
    """The clôture's last instant is not over (R21, C5); a date that nobody knows forbids nothing here."""
    known_on = at.astimezone(PARIS).date()
    version = dispositif_of(law, dossier.dispositif)[0].cloture.find(known_on, known_on)
    if version is not None and at > required(version).at:
        confirm = " (Valeur à confirmer.)" if version.a_confirmer else ""
        yield Reason(
            f"La clôture est passée : c'était le {until_fr(required(version))}.{confirm}",
            "Aucune régularisation n'est possible après la clôture.",
            "R21",
            str(version.source),
        )


def va_replaceable(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """A signed VA stays, unless a reviewer sent the solde back, or the perimeter is no longer the one it
    attests (C10)."""
    solde = dossier.request("solde")
    if solde is not None and solde.state != "to_correct":
        yield Reason(
            f"La demande de solde est « {REQUEST_WORDS[solde.state]} » : la VA qui la fonde ne change plus.",
            "Attendre la décision ; un contrôleur peut demander une correction.",
        )
    elif (
        solde is None
        and dossier.va is not None
        and dossier.va.state == "signed"
        and set(dossier.va.essms) == {line.finess for line in dossier.kept}
    ):
        yield Reason(
            "La VA est signée, et elle porte sur tout le périmètre de la commande.",
            "Demander le solde ; si la VA est inexacte, un contrôleur peut la renvoyer à modifier.",
        )


def va_to_sign(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """A VA waits for its signature."""
    if dossier.va is None:
        yield Reason("Aucune VA n'est préparée.", "Demander au fournisseur de préparer la VA.")
    elif dossier.va.state == "signed":
        yield Reason("La VA est déjà signée.")
    elif set(dossier.va.essms) != {line.finess for line in dossier.kept}:
        yield Reason(
            "Le périmètre de la commande a changé depuis la préparation de la VA.",
            "Demander au fournisseur de préparer la VA de nouveau.",
            "R18",
            str(RULES["R18"].source),
        )


def va_signed(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """The OG signed a VA of the order (R16)."""
    if dossier.va is None or dossier.va.state != "signed":
        yield Reason(
            "Aucune VA n'est signée pour cette commande.",
            "Préparer la VA, puis la faire signer par l'organisme gestionnaire.",
            "R16",
            str(RULES["R16"].source),
        )


def advance_is_settled(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """What the solde deducts is known: the advance was paid, or there was none to pay (C9)."""
    advance = dossier.payment("advance")
    if advance is not None and advance.state in _UNPAID:
        yield Reason(
            f"Le versement de l'avance est « {PAYMENT_WORDS[advance.state]} » : le solde se calcule sur"
            " l'avance payée.",
            "Attendre le paiement de l'avance.",
            "R16",
            str(RULES["R16"].source),
        )


def still_referenced(dossier: Dossier, _law: Law, at: datetime) -> Iterable[Reason]:
    """The version is on the list of the ANS, or was at the signature: asked before any payment (R11)."""
    if dossier.referenced_on(at.astimezone(PARIS).date()) is None:
        yield Reason(
            "La version commandée n'est pas référencée par l'ANS ; rien n'est versé avant le référencement.",
            "Faire vérifier le référencement de la version.",
            "R11",
            str(RULES["R11"].source),
        )


DEEDS: tuple[Deed, ...] = (
    Deed(
        "prepare_va", "Préparer la VA", SUPPLIER,
        all_of(in_state("validated"), va_replaceable, no_pending_end, before_cloture),
    ),
    Deed(
        "sign_va", "Signer la VA", ("og",),
        all_of(in_state("validated"), va_to_sign, no_pending_end, before_cloture, signs("va")),
    ),
    Deed(
        "request_solde", "Demander le solde", SUPPLIER,
        all_of(in_state("validated"), no_request("solde"), va_signed, no_open_correction, no_pending_end,
               before_cloture),
    ),
    Deed(
        "refile_solde", "Déposer de nouveau la demande de solde", SUPPLIER,
        all_of(in_state("validated"), request_in("solde", "to_correct"), va_signed, no_pending_end),
    ),
    Deed(
        "validate_solde", "Valider la demande de solde", ("reviewer",),
        all_of(in_state("validated"), request_in("solde", "requested"), no_open_correction, no_pending_end,
               advance_is_settled, still_referenced, enrolled),
    ),
)  # fmt: skip
