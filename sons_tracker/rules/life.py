"""What may stand against an action on an order: the words that the lists of actions are written with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sons_tracker.rules.actions import Reason
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.lifecycle import ORDER_WORDS, REQUEST_WORDS
from sons_tracker.rules.texts import Law

Judge = Callable[[Dossier, Law, datetime], Iterable[Reason]]


@dataclass(frozen=True, slots=True)
class Deed:
    """One action of the list: its code, French label, the roles that may have it, and what may forbid it."""

    code: str
    label: str
    roles: tuple[str, ...]
    judge: Judge


def in_state(*states: str) -> Judge:
    """The order is in one of these states."""

    def judge(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
        if dossier.state not in states:
            wanted = " ou ".join(f"« {ORDER_WORDS[state]} »" for state in states)
            yield Reason(
                f"La commande est « {ORDER_WORDS[dossier.state]} » ; il faudrait qu'elle soit {wanted}."
            )

    return judge


def all_of(*judges: Judge) -> Judge:
    """Every reason that any of them gives."""

    def judge(dossier: Dossier, law: Law, at: datetime) -> Iterable[Reason]:
        for one in judges:
            yield from one(dossier, law, at)

    return judge


def signs(act: str) -> Judge:
    """A member of the OG signs that act as responsible for it, or by delegation; for others, nothing."""

    def judge(dossier: Dossier, _law: Law, at: datetime) -> Iterable[Reason]:
        if dossier.signatory is not None:
            yield from dossier.signatory.reasons(act, at)

    return judge


def no_open_correction(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """A correction that was asked blocks the next step until it is answered. Its reason was typed: it is read
    in the correction, and stays out of a refusal, which the journal seals."""
    if dossier.correction is not None:
        yield Reason("Une correction est demandée.", "Répondre d'abord à la demande de correction.")


def open_correction(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """There is a correction to answer."""
    if dossier.correction is None:
        yield Reason("Aucune correction n'est demandée.")


def no_pending_end(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """Nothing goes on while a cancellation or an amendment waits for its other party."""
    if dossier.cancellation is not None:
        yield Reason(
            "Une annulation est demandée et n'est pas achevée.",
            "Achever l'annulation, ou la retirer.",
        )
    if dossier.amendment is not None:
        yield Reason("Un avenant attend l'accord de l'autre partie.", "Accepter ou refuser l'avenant.")


def no_request(kind: str) -> Judge:
    """No live request of that kind exists."""
    name = {"advance": "avance", "solde": "solde"}[kind]

    def judge(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
        found = dossier.request(kind)
        if found is not None:
            yield Reason(f"Une demande {de(name)} existe déjà : elle est « {REQUEST_WORDS[found.state]} ».")

    return judge


def request_in(kind: str, *states: str) -> Judge:
    """The live request of that kind is in one of these states."""
    name = {"advance": "avance", "solde": "solde"}[kind]

    def judge(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
        found = dossier.request(kind)
        if found is None:
            yield Reason(f"Aucune demande {de(name)} n'est déposée.")
        elif found.state not in states:
            is_now = REQUEST_WORDS[found.state]
            wanted = " ou ".join(f"« {REQUEST_WORDS[state]} »" for state in states)
            yield Reason(f"La demande {de(name)} est « {is_now} » ; il faudrait qu'elle soit {wanted}.")

    return judge


def enrolled(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """Nothing is paid to a supplier that is not enrolled."""
    for missing in dossier.missing_enrolment:
        yield Reason(f"L'enrôlement du fournisseur n'est pas complet : {missing}", "Compléter l'enrôlement.")


def has_amounts(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """The order has amounts: without a tranche there is nothing to plan."""
    if dossier.total_ttc_cents is None:
        yield Reason(
            "La commande n'a pas de montant : la tranche de l'organisme gestionnaire n'est pas connue.",
            "Charger l'extraction FINESS de référence, puis déposer une nouvelle commande.",
            "R14",
        )


def open_review(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """The order waits for a reviewer about its deposit, not about its clôture."""
    if dossier.state == "to_review" and not dossier.open_verdicts:
        yield Reason("Les verdicts du dépôt sont réglés : c'est l'avance qui est à instruire.", rule="R22")


def advance_under_review(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """The order waits for a reviewer about an advance that the clôture left in doubt (C15)."""
    if dossier.state == "to_review" and dossier.open_verdicts:
        yield Reason("Les verdicts du dépôt sont encore à régler.")


def de(name: str) -> str:
    """`d'avance`, `de solde`."""
    return f"d'{name}" if name[0] in "aeiou" else f"de {name}"
