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


def pair_key(*acts: str) -> str:
    """The key of a case: its acts (`order:<uuid>`, `grant:<reference>`) in one order, whoever came first."""
    return "|".join(sorted(acts))
