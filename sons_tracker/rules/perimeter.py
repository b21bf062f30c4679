"""Each ordered ESSMS against the register: R08, R09, R36, R37, R38."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sons_tracker.rules.case import OrderedEssms
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import Context
from sons_tracker.rules.french import date_fr
from sons_tracker.rules.parameters import required
from sons_tracker.rules.verdicts import Finding, Outcome

Judge = Callable[[OrderedEssms], Finding]


def r09_reference_extraction(ctx: Context) -> Finding:
    """R09 (S0:1523) read with C14: the extraction of the day of the signature, loaded as a whole."""
    version = ctx.vague.extraction.find(ctx.on, ctx.known_on)
    extraction = ctx.case.extraction
    if version is None or extraction is None:
        return Finding(
            Outcome.UNKNOWN,
            f"Aucune extraction de référence n'est connue pour une commande signée le {date_fr(ctx.on)}.",
            RULES["R09"].source,
            "Vérifier la date de signature.",
            readings=("C14",),
        )
    facts = (("extraction_on", extraction.on.isoformat()), ("signed_on", ctx.on.isoformat()))
    applicable = required(version)
    if extraction.on != applicable:
        return Finding(
            Outcome.UNKNOWN,
            f"L'extraction lue est celle du {date_fr(extraction.on)}, celle qui s'applique est celle du"
            f" {date_fr(applicable)}.",
            version.source,
            "Charger l'extraction applicable, puis examiner la commande à nouveau.",
            facts,
            ("C14",),
            version.a_confirmer,
        )
    if extraction.is_stock:
        return Finding(
            Outcome.PASS,
            f"L'extraction applicable est celle du {date_fr(extraction.on)}.",
            version.source,
            facts=facts,
            readings=("C14",),
            a_confirmer=version.a_confirmer,
        )
    why = "n'est pas chargée" if extraction.scope is None else "n'est chargée qu'en partie (extrait)"
    return Finding(
        Outcome.UNKNOWN,
        f"L'extraction applicable, celle du {date_fr(extraction.on)}, {why}.",
        version.source,
        "Charger l'extraction complète, puis examiner la commande à nouveau.",
        facts,
        ("C14",),
        version.a_confirmer,
    )


def r36_in_register(ctx: Context) -> Judge:
    """R36 (S0:1511-1523): the number stands in the applicable extraction, attached to the OG of the order."""
    source, extraction, og = RULES["R36"].source, ctx.case.extraction, ctx.case.og
    loaded = extraction is not None and extraction.scope is not None
    day = f"du {date_fr(extraction.on)}" if extraction is not None else "de référence"
    ok = Finding(
        Outcome.PASS, f"L'ESSMS figure dans l'extraction {day}, rattaché à l'OG de la commande.", source
    )
    unloaded = Finding(
        Outcome.UNKNOWN,
        f"L'extraction {day} n'est pas chargée : le rattachement de l'ESSMS ne peut être vérifié.",
        source,
        "Charger l'extraction de référence.",
    )
    outside_extract = Finding(
        Outcome.UNKNOWN,
        f"L'ESSMS n'est pas dans l'extrait chargé : l'extraction complète {day} pourrait le contenir.",
        source,
        "Charger l'extraction complète.",
    )
    absent = Finding(
        Outcome.FAIL,
        f"Ce FINESS géographique ne figure pas dans l'extraction {day}.",
        source,
        "Vérifier le numéro, ou retirer cet ESSMS de la commande.",
    )
    unattached = Finding(
        Outcome.UNKNOWN,
        f"L'extraction {day} ne dit pas à quel organisme gestionnaire l'ESSMS est rattaché.",
        source,
        "Charger une extraction qui porte les rattachements.",
    )

    @cache
    def elsewhere(other: str) -> Finding:
        return Finding(
            Outcome.FAIL,
            f"Dans l'extraction {day}, cet ESSMS est rattaché au FINESS juridique {other}, pas à {og}.",
            source,
            "Faire signer la commande par l'organisme gestionnaire de rattachement, ou retirer cet ESSMS.",
            (("finess_juridique", other),),
        )

    def judge(line: OrderedEssms) -> Finding:
        place = line.establishment
        if not loaded:
            return unloaded
        if place is None:
            return absent if extraction is not None and extraction.is_stock else outside_extract
        if place.finess_juridique is None:
            return unattached
        return ok if place.finess_juridique == og else elsewhere(str(place.finess_juridique))

    return judge


def r08_category(ctx: Context) -> Judge:
    """R08 (S0:240, S2:364-366) read with C1: the level 2 aggregate of the category, dated per dispositif."""
    version = ctx.dispositif.categories.find(ctx.on, ctx.known_on)
    if version is None:
        undated = Finding(
            Outcome.UNKNOWN,
            f"Aucune liste de catégories éligibles n'est connue au {date_fr(ctx.on)}.",
            RULES["R08"].source,
            "Vérifier la date de signature.",
        )
        return lambda line: undated
    eligible = required(version)
    shown = ", ".join(sorted(eligible))
    unknown = Finding(
        Outcome.UNKNOWN,
        "La catégorie FINESS de cet ESSMS n'est pas connue.",
        version.source,
        "Charger l'extraction de référence, ou vérifier la nomenclature.",
    )

    @cache
    def known(category: str, aggregate: str) -> Finding:
        facts = (("category", category), ("aggregate", aggregate))
        if aggregate in eligible:
            return Finding(
                Outcome.PASS,
                f"Catégorie {category} : l'agrégat {aggregate} est éligible à {ctx.dispositif.code}.",
                version.source,
                facts=facts,
                readings=("C1",),
                a_confirmer=version.a_confirmer,
            )
        return Finding(
            Outcome.FAIL,
            f"Catégorie {category} : l'agrégat {aggregate} n'est pas éligible à {ctx.dispositif.code}"
            f" (éligibles : {shown}).",
            version.source,
            "Retirer cet ESSMS de la commande.",
            facts,
            ("C1",),
            version.a_confirmer,
        )

    def judge(line: OrderedEssms) -> Finding:
        place = line.establishment
        if place is None or place.aggregate is None:
            return unknown
        return known(place.category, place.aggregate)

    return judge


def r37_couloir(ctx: Context) -> Judge:
    """R37 (S0:1649-1654, S1:296-304): couloir of the ESSMS and of the referencing are the dispositif's.

    A category code that is in no table gives `unknown`, never a default.
    """
    code, source = ctx.dispositif.code, RULES["R37"].source
    version = ctx.domaines
    table_source = source if version is None else version.source
    confirm = version is not None and version.a_confirmer
    solution = ctx.case.solution
    elsewhere = sorted({r.dispositif for r in solution.referencings}) if solution is not None else []
    wrong_file = None
    if elsewhere and code not in elsewhere:
        wrong_file = Finding(
            Outcome.FAIL,
            f"La version commandée relève d'un autre dossier de spécifications ({', '.join(elsewhere)}),"
            f" pas de {code}.",
            source,
            f"Déposer la commande sous {elsewhere[0]}, ou commander une version référencée pour {code}.",
            (("referenced_for", ", ".join(elsewhere)),),
            a_confirmer=confirm,
        )
    unknown = Finding(
        Outcome.UNKNOWN,
        "La catégorie de cet ESSMS n'est pas connue, ou n'a pas de couloir connu.",
        table_source,
        "Attendre la décision d'un contrôleur sur le couloir de cet ESSMS.",
        a_confirmer=confirm,
    )
    couloirs = ctx.law.couloir_of_domaine

    @cache
    def of_domaine(domaine: str) -> Finding:
        facts = (("domaine", domaine), ("couloir", couloirs.get(domaine, "?")))
        if domaine in ctx.dispositif.domaines:
            return Finding(
                Outcome.PASS,
                f"Le domaine {domaine} relève de {code}.",
                table_source,
                facts=facts,
                a_confirmer=confirm,
            )
        others = (d for d in ctx.law.dispositifs.values() if d.vague == ctx.dispositif.vague)
        other = next((d.code for d in others if domaine in d.domaines), None)
        return Finding(
            Outcome.FAIL,
            f"Le domaine {domaine} de cet ESSMS relève de {other or 'un autre couloir'}, pas de {code}.",
            table_source,
            f"Commander cet ESSMS sous {other}." if other else "Retirer cet ESSMS de la commande.",
            facts,
            a_confirmer=confirm,
        )

    def judge(line: OrderedEssms) -> Finding:
        if wrong_file is not None:
            return wrong_file
        domaine = ctx.domaine(line)
        return unknown if domaine is None else of_domaine(domaine)

    return judge


def r38_dui_in_place(ctx: Context) -> Judge:
    """R38 (S3:57-64, S0:1562): the Ségur version of the DUI in place, a declared fact."""
    source, solution = RULES["R38"].source, ctx.case.solution
    undeclared = Finding(
        Outcome.UNKNOWN,
        "Le DUI en place de cet ESSMS n'est pas déclaré.",
        source,
        "Déclarer « dui_in_place » : le code de la solution aujourd'hui en service.",
    )
    unverifiable = Finding(
        Outcome.UNKNOWN,
        "La solution commandée n'étant pas connue, elle ne peut être comparée au DUI en place.",
        source,
        "Vérifier le code de la version de la solution.",
    )

    @cache
    def declared(in_place: str) -> Finding:
        assert solution is not None
        facts = (("dui_in_place", in_place), ("solution", solution.solution))
        if in_place == solution.solution:
            return Finding(Outcome.PASS, "La commande porte sur le DUI déjà en place.", source, facts=facts)
        return Finding(
            Outcome.FAIL,
            f"Le DUI en place ({in_place}) n'est pas la solution commandée : c'est une acquisition, que le"
            " SONS ne finance pas.",
            source,
            "Retirer cet ESSMS de la commande ; une acquisition relève d'ESMS numérique.",
            facts,
        )

    def judge(line: OrderedEssms) -> Finding:
        if line.dui_in_place is None:
            return undeclared
        return unverifiable if solution is None else declared(line.dui_in_place)

    return judge
