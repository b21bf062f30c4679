"""The amounts of an order and what the rules say of them: R13, R14."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sons_tracker.rules.case import OrderedEssms
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import Context
from sons_tracker.rules.french import count_fr, date_fr
from sons_tracker.rules.money import euros_fr
from sons_tracker.rules.parameters import required
from sons_tracker.rules.tariff import LineAmount, line_amount
from sons_tracker.rules.verdicts import Finding, Outcome

Judge = Callable[[OrderedEssms], Finding]


def r14_tranche(ctx: Context) -> Finding:
    """R14 (S0:1575) read with C6: the tranche is read on the ESSMS of the OG, not on what is ordered."""
    version, counted = ctx.bareme, ctx.case.essms_of_og
    basis = ctx.vague.count_basis.find(ctx.on, ctx.known_on)
    if version is None or basis is None:
        return Finding(
            Outcome.UNKNOWN,
            f"Aucun barème, ou aucune base de comptage, n'est en vigueur au {date_fr(ctx.on)}.",
            RULES["R14"].source,
            "Vérifier la date de signature.",
        )
    if counted is None:
        return Finding(
            Outcome.UNKNOWN,
            "Le nombre d'ESSMS de l'organisme gestionnaire n'est pas connu : l'extraction complète n'est pas"
            " chargée.",
            version.source,
            "Charger l'extraction de référence complète.",
            readings=("C6",),
        )
    facts = (("essms_of_og", str(counted)), ("basis", required(basis).code))
    if ctx.tranche is None:
        return Finding(
            Outcome.FAIL,
            "L'organisme gestionnaire n'a aucun ESSMS dans les catégories de la vague.",
            version.source,
            "Vérifier le FINESS juridique de l'organisme gestionnaire.",
            facts,
            ("C6",),
            basis.a_confirmer,
        )
    return Finding(
        Outcome.PASS,
        f"L'organisme gestionnaire compte {count_fr(counted, 'ESSMS', 'ESSMS')} : tranche {ctx.tranche.code},"
        f" {euros_fr(ctx.tranche.ttc_cents)} TTC par ESSMS.",
        version.source,
        None,
        (*facts, ("tranche", ctx.tranche.code)),
        ("C6",),
        basis.a_confirmer or version.a_confirmer,
    )


def r13_amount(ctx: Context) -> Judge:
    """R13 (S0:1575-1582) read with C7: the rate is a ceiling; less may be asked, never more, never 0."""
    version, tranche = ctx.bareme, ctx.tranche
    if version is None or tranche is None:
        unknown = Finding(
            Outcome.UNKNOWN,
            "La tranche n'étant pas connue, le montant ne peut être fixé.",
            RULES["R13"].source if version is None else version.source,
            "Charger l'extraction de référence complète.",
            readings=("C7",),
        )
        return lambda line: unknown
    ceiling = tranche.ttc_cents
    base = (("ceiling", euros_fr(ceiling)),)

    @cache
    def asked(cents: int) -> Finding:
        facts = (*base, ("asked", euros_fr(cents)))
        if 0 < cents <= ceiling:
            return Finding(
                Outcome.PASS,
                f"Montant demandé : {euros_fr(cents)} TTC, dans la limite du barème ({euros_fr(ceiling)}).",
                version.source,
                None,
                facts,
                ("C7",),
                version.a_confirmer,
            )
        return Finding(
            Outcome.FAIL,
            f"Montant demandé : {euros_fr(cents)} TTC, au-dessus du plafond de la tranche {tranche.code}"
            f" ({euros_fr(ceiling)})."
            if cents > 0
            else "Un montant nul ou négatif ne peut être financé.",
            version.source,
            f"Demander au plus {euros_fr(ceiling)} TTC pour cet ESSMS.",
            facts,
            ("C7",),
            version.a_confirmer,
        )

    at_rate = Finding(
        Outcome.PASS,
        f"Montant au barème : {euros_fr(ceiling)} TTC.",
        version.source,
        None,
        base,
        ("C7",),
        version.a_confirmer,
    )
    return lambda line: at_rate if line.unit_ttc_cents is None else asked(line.unit_ttc_cents)


def line_amounts(ctx: Context) -> tuple[LineAmount, ...]:
    """The amounts of each line, in the order of the case; empty when no tranche or no rate applies.

    A line that asks more than the ceiling keeps what it asks: R13 refuses the order.
    """
    if ctx.tranche is None or ctx.advance is None:
        return ()
    percent = required(ctx.advance)
    return tuple(
        line_amount(line.finess, ctx.tranche.ttc_cents, line.unit_ttc_cents, percent)
        for line in ctx.case.lines
    )
