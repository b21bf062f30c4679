"""What the parties sign when an order ends or shrinks: exact French texts, the same for whoever reads them.

A text names the order, its ESSMS and what signing means, never a person; it is kept with its SHA-256, and the
signature with the digest of what was shown. The texts of the guide pratique are not among the sources: these
are ours (docs/decisions/what-the-parties-sign.md).
"""

from __future__ import annotations

from collections.abc import Iterable

from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.french import count_fr, date_fr
from sons_tracker.rules.life_endings import MOTIVE_WORDS

STATEMENT_CONSENT = (
    "J'atteste sur l'honneur que cette déclaration est exacte, et j'ai qualité pour engager le fournisseur."
)
RENUNCIATION_CONSENT = (
    "J'ai lu cette attestation, j'ai qualité pour engager l'organisme gestionnaire, et je renonce à cette"
    " commande."
)
AMENDMENT_CONSENT = "J'ai lu cet avenant, j'ai qualité pour engager mon organisation, et je l'accepte."

_PURPOSE = {
    True: "Cette annulation est demandée pour solliciter un financement ESMS numérique de type acquisition.",
    False: "Cette annulation n'est pas demandée pour solliciter un financement ESMS numérique de type"
    " acquisition.",
    None: "Il n'est pas dit si cette annulation est demandée pour solliciter un financement ESMS numérique"
    " de type acquisition.",
}


def renunciation_text(dossier: Dossier, motive: str, for_acquisition: bool | None, agreed: bool) -> str:
    """The attestation de renonciation of a cancellation; `agreed` where the law asks for both parties'
    agreement."""
    lines = [
        "ATTESTATION DE RENONCIATION",
        "",
        *_order(dossier),
        f"Motif de l'annulation : {MOTIVE_WORDS[motive]}.",
        _PURPOSE[for_acquisition],
        "",
        f"L'organisme gestionnaire renonce à cette commande et à la prestation Ségur qu'elle finance pour"
        f" {_essms(line.finess for line in dossier.kept)}",
        *_listed(line.finess for line in dossier.kept),
        "",
    ]
    if agreed:
        lines.append("Il donne son accord à l'annulation demandée par le fournisseur.")
    lines += [
        "La commande est annulée dès que les pièces sont réunies et que les règles le permettent.",
        "Une avance déjà versée est à rembourser par le fournisseur ; une nouvelle commande de ces ESSMS"
        " n'est alors possible qu'une fois l'ordre de recouvrement émis, et avant la fermeture.",
    ]
    return "\n".join(lines) + "\n"


def amendment_text(dossier: Dossier, number: int, removed: Iterable[str]) -> str:
    """The amendment that takes these ESSMS out of the order."""
    gone = sorted(removed)
    kept = [line.finess for line in dossier.kept if line.finess not in set(gone)]
    lines = [
        f"AVENANT N° {number}",
        "",
        *_order(dossier),
        "",
        f"Le fournisseur et l'organisme gestionnaire retirent de la commande {_essms(gone)}",
        *_listed(gone),
        "",
        f"La commande se poursuit pour {_essms(kept)}",
        *_listed(kept),
        "",
        "Les ESSMS retirés peuvent faire l'objet d'une autre commande. L'avance déjà versée pour eux est"
        " compensée dans le solde. Le montant de chaque ESSMS qui reste ne change pas.",
    ]
    return "\n".join(lines) + "\n"


def _order(dossier: Dossier) -> list[str]:
    return [
        f"Commande {dossier.number}, dispositif {dossier.dispositif}, signée le"
        f" {date_fr(dossier.signed_on)}.",
        f"Version commandée : {dossier.solution_version}.",
        f"Organisme gestionnaire : FINESS juridique {dossier.og_finess}.",
    ]


def _essms(numbers: Iterable[str]) -> str:
    count = len(list(numbers))
    return "l'ESSMS suivant :" if count == 1 else f"les {count_fr(count, 'ESSMS', 'ESSMS')} suivants :"


def _listed(numbers: Iterable[str]) -> list[str]:
    return [f"– FINESS géographique {number}" for number in sorted(numbers)]
