"""The families of double funding: what a rule says is a conflict, what a pattern shows is an alert.

A conflict is led to a decision; an alert never decides. Sources: S0:1525, S0:1529, S1:333-339, S2:516-519,
S3:150-154.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """A family of conflicts: the rules that say it, and what each of its sides is (`order` or `grant`)."""

    code: str
    label: str
    rules: tuple[str, ...]
    sides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A usual pattern: it is shown to a person, and decides nothing."""

    code: str
    label: str


FAMILIES: dict[str, Family] = {
    family.code: family
    for family in (
        Family("two_orders", "Deux commandes pour un même ESSMS", ("R05",), ("order", "order")),
        Family("already_financed", "Prestation déjà financée dans la vague", ("R05",), ("order", "order")),
        Family(
            "order_grant",
            "Commande SONS et financement ESMS numérique",
            ("R25", "R26", "R27"),
            ("order", "grant"),
        ),
        Family("two_grants", "Deux financements ESMS numérique", ("R28",), ("grant", "grant")),
        Family(
            "cancelled_then_acquisition",
            "Commande annulée, puis acquisition demandée",
            ("R29",),
            ("order", "grant"),
        ),
        Family("two_numbers", "Un même établissement sous deux numéros", ("R05",), ("order", "order")),
        Family(
            "perimeter_differs", "Périmètre qui ne suit plus le registre", ("R08", "R36", "R37"), ("order",)
        ),
    )
}
PATTERNS: dict[str, Pattern] = {
    pattern.code: pattern
    for pattern in (
        Pattern("tranche_threshold", "Organisme gestionnaire à un ESSMS d'un seuil de tranche"),
        Pattern("tranche_changes", "Tranche différente d'une extraction de référence à l'autre"),
        Pattern("one_signer_many_og", "Un même signataire pour plusieurs organismes gestionnaires"),
        Pattern("one_account_two_suppliers", "Un même compte bancaire pour deux fournisseurs"),
        Pattern("out_of_hours", "Commande déposée ou signée hors des jours et heures ouvrés"),
        Pattern("before_og_existed", "Commande signée avant la création de l'organisme gestionnaire"),
        Pattern("two_applications", "Candidatures régionale et nationale à la fois"),
    )
}

# What a finding read, in the words that a report prints; an identifier and a date stand as they are.
_FACTS = {
    "aggregate": "agrégat", "cancelled_at": "annulée à l'instant", "category": "catégorie",
    "changed_on": "registre modifié le", "component": "composante", "confirmed": "succession confirmée",
    "contested": "commande refusée", "domaine": "domaine", "essms": "ESSMS",
    "finess_juridique": "FINESS juridique", "first": "premier acte", "grant": "financement",
    "grant_state": "état du financement", "held_by": "commande qui tient l'ESSMS",
    "holder": "commande qui tient l'ESSMS", "later": "acte le plus tardif", "lock": "verrou",
    "order": "commande", "order_state": "état de la commande", "phase": "phase",
    "referenced": "DUI référencé", "refused": "acte refusé", "signed_on": "signée le",
    "software": "logiciel", "state": "état",
    "succession": "succession", "va_deposited_at": "VA déposée à l'instant", "year": "année de l'appel",
}  # fmt: skip
_VALUES = {
    "equipment": "équipement", "usage": "usage", "amorcage": "amorçage", "generalisation": "généralisation",
    "meme": "même", "order": "la commande", "grant": "le financement", "same_day": "le même jour",
    "unknown": "inconnu", "settled": "soldée", "live": "vivante", "merger": "fusion", "split": "scission",
    "move": "déménagement", "renumbering": "renumérotation", "demande": "demandé", "accorde": "accordé",
    "sans_suite": "sans suite", "abandon_apres_versement": "abandonné après versement",
    "rembourse": "remboursé", "annulee": "annulée", "annulee_a_recouvrer": "annulée, avance à recouvrer",
    "requested": "demandé", "agreed": "accordé", "first_paid": "premier versement fait", "vsr": "VSR",
    "paid": "payé", "rejected": "rejeté", "abandoned": "abandonné", "withdrawn": "retiré",
    "recovered": "remboursé",
}  # fmt: skip


def fact_fr(name: str) -> str:
    """The French words of what a finding read; a test holds them to what the findings read."""
    return _FACTS.get(name, name)


def value_fr(value: str) -> str:
    """The French word of a value; what is no word of ours stands as it is."""
    return _VALUES.get(value, value)


def pair_key(*acts: str) -> str:
    """The key of a case: its acts (`order:<uuid>`, `grant:<reference>`) in one order, whoever came first."""
    return "|".join(sorted(acts))
