"""The ordered version against the ANS list: R11, R12, R40."""

from __future__ import annotations

from datetime import date, timedelta

from sons_tracker.rules.case import Referencing
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import Context
from sons_tracker.rules.french import count_fr, date_fr
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Dispositif
from sons_tracker.rules.verdicts import Facts, Finding, Outcome


def complete_file_due_on(ctx: Context) -> date | None:
    """The last day to submit the complete file of a conditional order (R12, C2); None when not conditional.

    None too when no delay is in force.
    """
    version = ctx.dispositif.referencing_delay_days.find(ctx.on, ctx.known_on)
    if ctx.referenced_at_signature or version is None:
        return None
    return ctx.on + timedelta(days=required(version))


def r11_referenced(ctx: Context) -> Finding:
    """R11 (S0:1482, S0:1584, S1:308-311): the version is referenced on the day of the signature.

    When it is not yet, the order is placed under condition of referencing (S0:1602): a warning, and nothing
    is paid before. A version that left the list cannot be ordered any more.
    """
    source, case = RULES["R11"].source, ctx.case
    if case.solution is None:
        if case.solution_list_on is None:
            return Finding(
                Outcome.UNKNOWN,
                "Aucune liste des solutions référencées n'est chargée.",
                source,
                "Charger la liste de l'ANS.",
            )
        return Finding(
            Outcome.FAIL,
            f"La version « {case.solution_version} » ne figure pas dans la liste de l'ANS du"
            f" {date_fr(case.solution_list_on)}.",
            source,
            "Vérifier le code de la version de la solution.",
            (("solution_version", case.solution_version),),
        )
    listed = ("list_on", case.solution.snapshot_on.isoformat())
    lines = ctx.referencings
    if ctx.referenced_at_signature:
        line = next(r for r in lines if r.covers(ctx.on))
        assert line.referenced_from is not None
        return Finding(
            Outcome.PASS,
            f"Version référencée par l'ANS depuis le {date_fr(line.referenced_from)}.",
            source,
            facts=(listed, ("referenced_from", line.referenced_from.isoformat())),
        )
    if any(r.withdrawn_at_unknown_date for r in lines):
        return Finding(
            Outcome.UNKNOWN,
            "Cette version a été retirée de la liste de l'ANS à une date qui n'est pas connue.",
            source,
            "Faire préciser par l'ANS la date de fin du référencement.",
            (listed,),
        )
    ended = [r.referenced_to for r in lines if r.referenced_to is not None and r.referenced_to < ctx.on]
    coming = [
        r.referenced_from for r in lines if r.referenced_from is not None and r.referenced_from > ctx.on
    ]
    if ended and not coming:
        return Finding(
            Outcome.FAIL,
            f"Le référencement de cette version a pris fin le {date_fr(max(ended))}, avant la commande.",
            source,
            "Commander une version référencée.",
            (listed, ("referenced_to", max(ended).isoformat())),
        )
    candidate = any(r.status == "candidate" for r in lines)
    return Finding(
        Outcome.WARN,
        "Commande sous condition de référencement : "
        + (
            f"la version n'est référencée qu'à compter du {date_fr(min(coming))}."
            if coming
            else "la version est candidate, elle n'est pas encore référencée."
            if candidate
            else "la version n'est pas référencée pour ce dispositif."
        )
        + " Rien n'est versé avant le référencement.",
        source,
        "Soumettre à l'ANS un dossier complet dans le délai de la règle R12.",
        (listed,),
    )


def r12_delay(ctx: Context) -> Finding:
    """R12 at the deposit of the order."""
    lines = None if ctx.case.solution is None else ctx.referencings
    return delay_finding(ctx.dispositif, lines, ctx.on, ctx.known_on)


def delay_finding(
    dispositif: Dispositif, lines: tuple[Referencing, ...] | None, on: date, known_on: date
) -> Finding:
    """R12 (S0:1602) read with C2 and C16: calendar days from the order to the complete file.

    The delay runs to the submission, included. A submission may be learnt later: until the delay is over
    and nothing is known the order waits; after it, with nothing known, it is refused. `lines`: what the ANS
    list says of the version under this dispositif, None when no list knows it; `on`: the signature.
    """
    version = dispositif.referencing_delay_days.find(on, known_on)
    if lines is not None and any(line.covers(on) for line in lines):
        return Finding(
            Outcome.PASS, "Sans objet : la version était référencée à la signature.", RULES["R12"].source
        )
    if version is None:
        return Finding(
            Outcome.UNKNOWN, "Aucun délai de référencement n'est connu à cette date.", RULES["R12"].source
        )
    if lines is None:
        return Finding(
            Outcome.UNKNOWN,
            "La solution n'étant pas connue, le dépôt de son dossier ne peut être vérifié.",
            version.source,
            "Vérifier le code de la version de la solution.",
        )
    due_on = on + timedelta(days=required(version))
    days = count_fr(required(version), "jour calendaire", "jours calendaires")
    files = [r.complete_file_on for r in lines if r.complete_file_on is not None]
    referenced = [r.referenced_from for r in lines if r.referenced_from is not None]
    facts: Facts = (("signed_on", on.isoformat()), ("due_on", due_on.isoformat()))
    confirm = version.a_confirmer
    if files:
        submitted = min(files)
        facts = (*facts, ("complete_file_on", submitted.isoformat()))
        if submitted <= due_on:
            return Finding(
                Outcome.PASS,
                f"Dossier complet soumis le {date_fr(submitted)}, dans le délai de {days}.",
                version.source,
                None,
                facts,
                ("C2",),
                confirm,
            )
        return Finding(
            Outcome.FAIL,
            f"Dossier complet soumis le {date_fr(submitted)}, après le délai de {days} échu le"
            f" {date_fr(due_on)}.",
            version.source,
            "Faire signer une nouvelle commande.",
            facts,
            ("C2",),
            confirm,
        )
    if referenced:
        # a version referenced within the delay was submitted within it; later, nobody can tell
        certain = min(referenced) <= due_on
        return Finding(
            Outcome.PASS if certain else Outcome.UNKNOWN,
            f"Version référencée le {date_fr(min(referenced))} :"
            f" son dossier a été soumis dans le délai de {days}."
            if certain
            else "La date de soumission du dossier complet n'est pas connue.",
            version.source,
            None if certain else "Faire connaître la date de soumission du dossier complet.",
            facts,
            ("C2",),
            confirm,
        )
    if known_on <= due_on:
        return Finding(
            Outcome.WARN,
            f"Le dossier complet est à soumettre à l'ANS au plus tard le {date_fr(due_on)} ({days}).",
            version.source,
            f"Soumettre le dossier complet au plus tard le {date_fr(due_on)}.",
            facts,
            ("C2",),
            confirm,
        )
    return Finding(
        Outcome.FAIL,
        f"Aucun dossier complet n'est connu, et le délai de {days} est échu depuis le {date_fr(due_on)}.",
        version.source,
        "Faire connaître la date de soumission si elle est dans le délai, ou signer une nouvelle commande.",
        facts,
        ("C2", "C16"),
        confirm,
    )


def r40_in_house(ctx: Context) -> Finding:
    """R40 (S3:116-122, S3:407-412): an in-house DUI or a module must itself be referenced.

    It may be ordered under condition like any other (S0:1602), once it is itself a candidate.
    """
    source, solution = RULES["R40"].source, ctx.case.solution
    if solution is None:
        return Finding(
            Outcome.UNKNOWN,
            "La nature de la solution n'est pas connue.",
            source,
            "Vérifier le code de la version de la solution.",
        )
    facts = (("solution_kind", solution.kind),)
    if solution.kind == "dui":
        return Finding(Outcome.PASS, "La solution est un DUI d'éditeur.", source, facts=facts)
    word = "Un DUI fait en interne" if solution.kind == "in_house" else "Un module complémentaire"
    if not ctx.conditional:
        return Finding(Outcome.PASS, f"{word}, lui-même référencé, est finançable.", source, facts=facts)
    if any(r.status == "candidate" for r in ctx.referencings):
        return Finding(
            Outcome.WARN,
            f"{word} n'est financé qu'une fois lui-même référencé ; il est candidat.",
            source,
            "Attendre son propre référencement : rien n'est versé avant.",
            facts,
        )
    return Finding(
        Outcome.FAIL,
        f"{word} n'est financé que s'il est lui-même référencé ; il n'est pas même candidat.",
        source,
        "Le faire référencer par l'ANS avant de commander.",
        facts,
    )
