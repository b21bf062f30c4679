"""The VA as the OG reads and signs it: an exact French text, the same for whoever reads it.

Everything that the OG attests stands in it, with what signing means; its SHA-256 is what a signature is tied
to. It names no person. The mentions of the guide pratique (R19) are not among the sources: the text is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

from sons_tracker.rules.french import count_fr, date_fr, instant_fr, percent_fr
from sons_tracker.rules.money import NNBSP
from sons_tracker.rules.money_case import VaLine
from sons_tracker.rules.va import rates

VA_CONSENT = (
    "J'ai lu cette attestation, j'ai qualité pour engager l'organisme gestionnaire, et j'atteste qu'elle est"
    " exacte."
)
"""The sentence that a signer sends back, word for word."""

MSS_WORDS = {"cas_1": "cas 1", "cas_2": "cas 2"}


@dataclass(frozen=True, slots=True)
class VaParties:
    """What a VA says of its order: the names are those of organisations, as the registers give them."""

    number: str
    dispositif: str
    signed_on: date
    solution_version: str
    supplier: str
    supplier_siren: str | None
    og: str
    og_finess: str


def va_statement(
    parties: VaParties,
    preparation: int,
    lines: tuple[VaLine, ...],
    deploiement_mss: str | None,
    prepared_at: datetime,
) -> str:
    """The text of the `preparation`-th VA of an order; `lines` are whole (R18), in any order."""
    siren = "" if parties.supplier_siren is None else f", SIREN {parties.supplier_siren}"
    many = len(lines) > 1
    told = [
        f"ATTESTATION DE VÉRIFICATION D'APTITUDE (VA) N° {preparation}",
        "",
        f"Commande {parties.number}, dispositif {parties.dispositif},"
        f" signée le {date_fr(parties.signed_on)}.",
        f"Version commandée : {parties.solution_version}.",
        f"Fournisseur : {parties.supplier}{siren}.",
        f"Organisme gestionnaire : {parties.og}, FINESS juridique {parties.og_finess}.",
        f"Attestation préparée par le fournisseur le {instant_fr(prepared_at)}.",
        "",
        "Le responsable de l'organisme gestionnaire atteste, pour "
        + (f"chacun des {count_fr(len(lines), 'ESSMS', 'ESSMS')}" if many else "l'ESSMS")
        + " du périmètre de la commande :",
        "1. que le DUI y est déployé ;",
        "2. que le tableau de bord demandé par l'exigence TBB.1 y est fourni, avec des indicateurs dont la"
        " valeur est différente de zéro ;",
        "3. que les trois indicateurs du programme ESMS numérique y sont fournis : taux de dossiers actifs,"
        " taux de dossiers actifs avec un projet personnalisé, taux de dossiers actifs ayant au moins un"
        " événement.",
        "",
    ]
    for line in sorted(lines, key=lambda one: one.finess):
        told += [*_essms(line), ""]
    if deploiement_mss is not None:
        told += [f"Déploiement MSS : {MSS_WORDS[deploiement_mss]}.", ""]
    told += [
        "Ce que signer veut dire",
        "L'organisme gestionnaire valide ainsi la fin de la prestation Ségur pour "
        + ("ces ESSMS" if many else "cet ESSMS")
        + " : le fournisseur peut alors en demander le solde à l'État.",
        "L'identité du signataire et les indicateurs peuvent être contrôlés par la suite.",
        "Une fois la VA déposée auprès de l'agence de paiement, la commande ne peut plus être annulée pour"
        " demander un financement ESMS numérique de type acquisition.",
        "Cette attestation est signée électroniquement, avant la clôture, et ne change plus une fois signée.",
    ]
    return "\n".join(told) + "\n"


def _essms(line: VaLine) -> list[str]:
    found = rates(line)
    return [
        f"FINESS géographique {line.finess}",
        f"– DUI déployé : {_yes(line.dui_deployed)}",
        f"– Tableau de bord TBB.1 fourni, valeurs différentes de zéro : {_yes(line.tbb1_supplied)}",
        f"– Dossiers actifs : {_count(line.active)} pour {_count(line.accompanied)}"
        f" {'personnes accompagnées' if (line.accompanied or 0) > 1 else 'personne accompagnée'},"
        f" soit {_rate(found.active)}",
        f"– Dossiers actifs avec un projet personnalisé : {_count(line.with_project)} sur"
        f" {_count(line.active)}, soit {_rate(found.project)}",
        f"– Dossiers actifs ayant au moins un événement : {_count(line.with_event)} sur"
        f" {_count(line.active)}, soit {_rate(found.event)}",
    ]


def _yes(declared: bool | None) -> str:
    return "oui" if declared else "non"


def _count(count: int | None) -> str:
    return "inconnu" if count is None else f"{count:,}".replace(",", NNBSP)


def _rate(rate: Fraction | None) -> str:
    return "un taux inconnu" if rate is None else percent_fr(rate)
