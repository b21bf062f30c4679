"""Who orders, from whom, and how many orders: R01, R02, R03, R04, R06."""

from __future__ import annotations

from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import Context
from sons_tracker.rules.french import count_fr
from sons_tracker.rules.verdicts import Finding, Outcome


def r01_supplier_and_equipment(ctx: Context) -> Finding:
    """R01 (S0:240-241, S0:1484): the editor or its official distributor is paid; the ESSMS has a DUI."""
    case, source = ctx.case, RULES["R01"].source
    if case.already_equipped is False:
        return Finding(
            Outcome.FAIL,
            "Les ESSMS ne sont pas équipés d'un DUI : le SONS ne finance que la montée de version d'un DUI en"
            " place.",
            source,
            "Pour une première acquisition, s'adresser au programme ESMS numérique.",
        )
    if case.solution is None:
        return Finding(
            Outcome.UNKNOWN,
            "La solution n'étant pas connue, le fournisseur ne peut être vérifié.",
            source,
            "Vérifier le code de la version de la solution.",
        )
    facts = (("solution", case.solution.solution),)
    if case.supplier is not None and not (case.supplier.is_editor or case.supplier.is_distributor):
        return Finding(
            Outcome.FAIL,
            "Le fournisseur n'est ni l'éditeur de la solution ni son distributeur officiel au jour de la"
            " commande.",
            source,
            "Faire déposer la commande par l'éditeur, ou déclarer la distribution à l'ANS.",
            facts,
        )
    if case.already_equipped is None:
        return Finding(
            Outcome.UNKNOWN,
            "La commande ne dit pas si les ESSMS sont déjà équipés d'un DUI.",
            source,
            "Déclarer si les ESSMS sont déjà équipés d'un DUI (« already_equipped »).",
            facts,
        )
    if case.supplier is None:
        return Finding(
            Outcome.WARN,
            "Les ESSMS sont déjà équipés ; cette simulation ne nomme pas de fournisseur.",
            source,
            "Faire déposer la commande par l'éditeur de la solution ou par son distributeur officiel.",
            facts,
        )
    role = "l'éditeur" if case.supplier.is_editor else "un distributeur officiel"
    return Finding(
        Outcome.PASS,
        f"Le fournisseur est {role} de la solution, et les ESSMS sont déjà équipés.",
        source,
        facts=(*facts, ("supplier", "editor" if case.supplier.is_editor else "distributor")),
    )


def r02_client(ctx: Context) -> Finding:
    """R02 (S0:240, S0:1511): the client is the OG, known by its FINESS juridique."""
    case, source = ctx.case, RULES["R02"].source
    facts = (("og", str(case.og)),)
    if case.og_known is None:
        return Finding(
            Outcome.UNKNOWN,
            "L'extraction chargée ne permet pas de dire si cet organisme gestionnaire existe.",
            source,
            "Charger l'extraction de référence complète.",
            facts,
        )
    if not case.og_known:
        return Finding(
            Outcome.FAIL,
            f"Le FINESS juridique {case.og} ne figure pas dans l'extraction applicable.",
            source,
            "Vérifier le FINESS juridique de l'organisme gestionnaire.",
            facts,
        )
    return Finding(
        Outcome.PASS, "L'organisme gestionnaire figure dans l'extraction applicable.", source, facts=facts
    )


def r03_perimeter(ctx: Context) -> Finding:
    """R03 (S0:1515): one or several ESSMS, each once."""
    numbers, source = [line.finess for line in ctx.case.lines], RULES["R03"].source
    repeated = (
        sorted({n for n in numbers if numbers.count(n) > 1}) if len(set(numbers)) < len(numbers) else []
    )
    if not numbers or repeated:
        return Finding(
            Outcome.FAIL,
            "La commande ne porte sur aucun ESSMS."
            if not numbers
            else f"La commande nomme plusieurs fois {', '.join(repeated)}.",
            source,
            "Nommer chaque ESSMS une seule fois, par son FINESS géographique.",
        )
    return Finding(
        Outcome.PASS,
        f"La commande porte sur {count_fr(len(numbers), 'ESSMS', 'ESSMS')}.",
        source,
        facts=(("ordered", str(len(numbers))),),
    )


def r04_other_orders(ctx: Context) -> Finding:
    """R04 (S0:1519): several orders of one OG, on different FINESS géographiques."""
    source = RULES["R04"].source
    others = ctx.case.other_orders
    clashing = [order for order in others if order.shared]
    if clashing:
        numbers = ", ".join(order.number for order in clashing)
        shared = sorted({finess for order in clashing for finess in order.shared})
        return Finding(
            Outcome.FAIL,
            f"Une autre commande de cet organisme gestionnaire porte déjà sur {', '.join(shared[:5])}"
            + (f" et {count_fr(len(shared) - 5, 'autre')}" if len(shared) > 5 else "")
            + f" : {numbers}.",
            source,
            "Retirer ces ESSMS de la commande, ou attendre l'annulation de l'autre commande.",
            (("orders", numbers),),
        )
    sentence = (
        "Aucune autre commande visible de cet organisme gestionnaire."
        if not others
        else f"Cet organisme gestionnaire a {count_fr(len(others), 'autre commande', 'autres commandes')},"
        " sur d'autres ESSMS."
    )
    return Finding(Outcome.PASS, sentence, source, facts=(("other_orders", str(len(others))),))


def r06_single_order(ctx: Context) -> Finding:
    """R06 (S0:1525): one order per OG and DUI is strongly recommended; a warning, never a refusal."""
    source, solution = RULES["R06"].source, ctx.case.solution
    same = [
        o.number for o in ctx.case.other_orders if solution is not None and o.solution == solution.solution
    ]
    if same:
        return Finding(
            Outcome.WARN,
            "Une autre commande de cet organisme gestionnaire porte sur le même DUI : une commande unique est"
            " fortement recommandée.",
            source,
            "Regrouper les ESSMS d'un même DUI dans une seule commande quand c'est possible.",
            (("orders", ", ".join(same)),),
        )
    return Finding(Outcome.PASS, "Aucune autre commande visible pour le même DUI.", source)
