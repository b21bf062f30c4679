"""One financing per ESSMS and vague (R05), and the crossing with ESMS numérique (R25, R26, R27)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

from sons_tracker.rules.case import SAME_ORDER, Engagement, Grant, OrderedEssms
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import Context
from sons_tracker.rules.crossing import (
    answering_cell,
    first_act,
    grant_state,
    judged_components,
    known_word,
    phase_of,
    software_word,
)
from sons_tracker.rules.french import date_fr
from sons_tracker.rules.parameters import Confiance, Source, required
from sons_tracker.rules.texts import Cell
from sons_tracker.rules.verdicts import Facts, Finding, Outcome, severity

Judge = Callable[[OrderedEssms], Finding]
CROSSING_RULES = ("R25", "R26", "R27")
DISCREET = {
    Outcome.FAIL: "Un financement ESMS numérique de cet ESSMS interdit cette commande.",
    Outcome.REVIEW: "Un financement ESMS numérique de cet ESSMS demande l'examen d'un contrôleur.",
    Outcome.UNKNOWN: "Les financements ESMS numérique de cet ESSMS ne sont pas connus.",
    Outcome.WARN: "Une demande ESMS numérique est en cours pour cet ESSMS.",
    Outcome.PASS: "Aucun financement ESMS numérique connu n'empêche cette commande.",
}

# Why the order is not surely the later of the two acts, by who was first.
_NOT_SURELY_LATER = {
    "unknown": "La date de l'accord n'est pas connue : rien ne dit lequel est le plus tardif.",
    "same_day": "L'accord et la commande sont du même jour : rien ne dit lequel est le plus tardif.",
    "order": (
        "La commande a été signée avant l'accord du financement : l'acte le plus tardif est le financement."
    ),
}


def r05_financed_once(ctx: Context) -> Judge:
    """R05 (S0:1525) read with C17: one live financing per ESSMS and vague; the first whole deposit wins."""
    source, vague = RULES["R05"].source, ctx.vague.label
    free = Finding(Outcome.PASS, "Cet ESSMS n'est engagé par aucune commande vivante de la vague.", source)
    unasked = Finding(
        Outcome.UNKNOWN,
        "Sans compte, le logiciel ne dit pas si cet ESSMS est déjà engagé.",
        source,
        "S'identifier pour obtenir la réponse.",
    )

    def judge(line: OrderedEssms) -> Finding:
        if line.engagements is None:
            return unasked
        if not line.engagements:
            return free
        held = next((one for one in line.engagements if not one.own), None)
        if held is None:
            return _reserved(line.engagements[0], source)
        if held.holder_kind == SAME_ORDER:
            return _named_twice(str(held.held_as), source)
        by = (
            f"la réservation {held.reservation}"
            if held.reservation
            else "une réservation en cours"
            if held.holder_kind == "reservation"
            else f"la commande {held.order_number}"
            if held.order_number
            else "une autre commande"
        )
        # who may know the holder may know under which number it holds
        known = held.order_number or held.reservation
        under = f", tenu sous son autre numéro {held.held_as}" if known and held.held_as else ""
        return Finding(
            Outcome.FAIL,
            f"Cet ESSMS est déjà engagé par {by}{under} : un ESSMS n'est financé qu'une fois ({vague}).",
            source,
            "Retirer cet ESSMS, attendre l'annulation de l'autre commande, ou contester ce refus.",
            (
                ("holder", held.order_number or held.holder_kind),
                *((("held_as", held.held_as),) if known and held.held_as else ()),
            ),
            ("C17",),
        )

    return judge


def _named_twice(old: str, source: Source) -> Finding:
    """An ESSMS that the same order names under two numbers, the one being known to succeed the other."""
    return Finding(
        Outcome.FAIL,
        f"Cette commande nomme deux fois cet ESSMS : le numéro {old}, qu'elle porte aussi, est son ancien"
        " numéro.",
        source,
        "Garder le seul numéro en vigueur.",
        (("held_as", old),),
    )


def _reserved(held: Engagement, source: Source) -> Finding:
    """An ESSMS that the supplier has reserved for this OG, under this number or an old one: a deposit takes
    it from its own reservation."""
    under = f", sous son ancien numéro {held.held_as}" if held.held_as else ""
    return Finding(
        Outcome.PASS,
        f"Cet ESSMS est réservé à cette commande par la réservation {held.reservation} du même"
        f" fournisseur{under}.",
        source,
        None,
        (("reservation", str(held.reservation)), *((("held_as", held.held_as),) if held.held_as else ())),
    )


def crossing(ctx: Context) -> dict[str, Judge]:
    """R25, R26 and R27 for each ESSMS: every component of every grant through the crossing table.

    Each rule answers once: the worst of its rows; the components are judged alone (C8, C13). Where the order
    may be the earlier of the two acts, nobody can refuse it as the later one (C13).
    """
    version = ctx.vague.crossing_order.find(ctx.on, ctx.known_on)
    if version is None:
        return {rule: _uncovered(rule, ctx.on) for rule in CROSSING_RULES}
    cells = required(version)
    solution = None if ctx.case.solution is None else ctx.case.solution.solution
    quiet = {
        "R25": "Aucun financement ESMS numérique à l'équipement n'est connu pour cet ESSMS.",
        "R26": "Aucun financement ESMS numérique pour un autre DUI n'est connu pour cet ESSMS.",
        "R27": "Le SONS et un financement à l'usage se cumulent pour le même logiciel.",
    }
    passes = {
        rule: Finding(Outcome.PASS, sentence, RULES[rule].source, discreet=DISCREET[Outcome.PASS])
        for rule, sentence in quiet.items()
    }
    unasked = {
        rule: Finding(
            Outcome.UNKNOWN,
            "Sans compte, le logiciel ne dit pas si cet ESSMS a un financement ESMS numérique.",
            RULES[rule].source,
            "S'identifier pour obtenir la réponse.",
        )
        for rule in ("R25", "R26")
    }
    answers: dict[str, dict[str, Finding]] = {}

    def judged(line: OrderedEssms) -> dict[str, Finding]:
        if line.grants is None:
            return passes | unasked
        if not line.grants:
            return passes
        if line.finess not in answers:
            found = dict(passes)
            for grant in line.grants:
                for rule, finding in _answers(ctx, cells, grant, solution):
                    current = found[rule]
                    if current is passes[rule] or severity(finding.outcome) > severity(current.outcome):
                        found[rule] = finding
            answers[line.finess] = found
        return answers[line.finess]

    def judge_of(rule: str) -> Judge:
        return lambda line: judged(line)[rule]

    return {rule: judge_of(rule) for rule in CROSSING_RULES}


def _uncovered(rule: str, on: date) -> Judge:
    """Before the first text on the crossing nothing is known: no answer is guessed."""
    unknown = Finding(
        Outcome.UNKNOWN,
        f"Aucun texte connu ne croise le SONS et ESMS numérique au {date_fr(on)}.",
        RULES[rule].source,
        "Vérifier la date de signature.",
    )
    return lambda line: unknown


def _answers(
    ctx: Context, cells: tuple[Cell, ...], grant: Grant, solution: str | None
) -> Iterable[tuple[str, Finding]]:
    """The finding of each component of one grant, with the rule that gives it."""
    for component in judged_components(grant.components, grant.project):
        words = {
            "component": component,
            "phase": phase_of(ctx.law.calls, grant.year, ctx.known_on),
            "state": grant_state(grant),
            "software": software_word(grant.solution, solution),
            "referenced": known_word(grant.dui_referenced),
        }
        first = first_act(ctx.on, grant.agreed_on, grant.first_payment_on)
        cell = answering_cell(cells, words)
        yield cell.rule, order_answer(cell, first, _facts(grant, component))


def order_answer(cell: Cell, first: str, facts: Facts) -> Finding:
    """What a row of the order's table answers, `first` (of `crossing.FIRST`) being the earlier act.

    Where the order is not surely the later act, the row's `if_order_first` replaces its outcome (C13).
    """
    outcome, message, doubt = Outcome(cell.outcome), cell.message, _NOT_SURELY_LATER.get(first)
    if cell.if_order_first is not None and doubt is not None:
        outcome, message = Outcome(cell.if_order_first), f"{message} {doubt}"
    return Finding(
        outcome,
        message,
        cell.source,
        cell.remedy,
        facts,
        cell.readings,
        cell.confiance is Confiance.A_CONFIRMER,
        DISCREET[outcome],
    )


def _facts(grant: Grant, component: str) -> Facts:
    dates = (("agreed_on", grant.agreed_on), ("first_payment_on", grant.first_payment_on))
    return (
        ("grant", grant.reference),
        ("year", str(grant.year)),
        ("component", component),
        ("state", grant.state),
        ("software", grant.solution or "inconnu"),
        ("dui_referenced", known_word(grant.dui_referenced)),
        *((name, day.isoformat()) for name, day in dates if day is not None),
    )
