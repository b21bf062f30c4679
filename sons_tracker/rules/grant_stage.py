"""The crossing seen from an ESMS numérique grant, the SONS orders being there first (R25 to R31)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.case import AskedEssms, Grant, GrantCase, SonsOrder
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.crossing import (
    answering_cell,
    first_act,
    grant_state,
    judged_components,
    known_word,
    order_state,
    phase_of,
    software_word,
)
from sons_tracker.rules.french import count_fr, date_fr
from sons_tracker.rules.lock import Lock, lock_at
from sons_tracker.rules.parameters import Confiance, Version, required
from sons_tracker.rules.texts import Cell, Law, Vague
from sons_tracker.rules.verdicts import Facts, Finding, Outcome, Verdict, grouped, severity

Judge = Callable[[AskedEssms], Finding]


@dataclass(frozen=True, slots=True)
class GrantContext:
    """A grant with the law that applies to it; `phase` is that of the year of its call."""

    case: GrantCase
    law: Law
    vague: Vague
    on: date
    known_on: date
    phase: str

    def words(self, component: str, state: str, software: str) -> dict[str, str]:
        """The situation in the words of a crossing table."""
        return {
            "component": component,
            "phase": self.phase,
            "state": state,
            "software": software,
            "referenced": known_word(self.case.dui_referenced),
        }


def assess_grant(case: GrantCase, law: Law, on: date, known_on: date) -> tuple[Verdict, ...]:
    """What the law in force on `on` (the day of the request), as known on `known_on`, says of a grant.

    Every rule of the stage `grant` answers exactly once for each ESSMS; verdicts that are equal are grouped,
    sorted by rule and number. Facts that nobody with an account asked for are `unknown`, never absent.

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown vague.
    """
    vague = law.vagues.get(case.vague)
    if vague is None:
        known = ", ".join(sorted(law.vagues))
        raise SonsError(
            ErrorCode.INVALID_REQUEST,
            f"La vague « {case.vague[:20]} » n'existe pas. Vagues connues : {known}.",
        )
    ctx = GrantContext(case, law, vague, on, known_on, phase_of(law.calls, case.year, known_on))
    lines = {line.finess: line for line in reversed(case.lines)}.values()
    judges = _sons_crossing(ctx) | {rule: prepare(ctx) for rule, prepare in GRANT_RULES.items()}
    verdicts = [verdict for rule, judge in judges.items() for verdict in grouped(rule, lines, judge)]
    return tuple(sorted(verdicts, key=lambda verdict: (verdict.rule, verdict.essms)))


def _worst(findings: Iterable[Finding], otherwise: Finding) -> Finding:
    """The first of the most severe findings; `otherwise` when there is none."""
    return max(findings, key=lambda finding: severity(finding.outcome), default=otherwise)


def _unasked(rule: str, what: str) -> Finding:
    return Finding(
        Outcome.UNKNOWN,
        f"Sans compte, le logiciel ne dit pas si cet ESSMS a {what}.",
        RULES[rule].source,
        "S'identifier pour obtenir la réponse.",
    )


def _undated(rule: str, on: date) -> Finding:
    return Finding(
        Outcome.UNKNOWN,
        f"Aucun texte connu ne règle ce cumul au {date_fr(on)}.",
        RULES[rule].source,
        "Vérifier la date de la demande.",
    )


def _of_cell(cell: Cell, facts: Facts) -> Finding:
    return Finding(
        Outcome(cell.outcome),
        cell.message,
        cell.source,
        cell.remedy,
        facts,
        cell.readings,
        cell.confiance is Confiance.A_CONFIRMER,
    )


def _order_facts(order: SonsOrder) -> Facts:
    instants = (("va_deposited_at", order.va_deposited_at), ("cancelled_at", order.cancelled_at))
    return (
        ("order", order.number),
        ("software", order.solution or "inconnu"),
        ("signed_on", order.signed_on.isoformat()),
        *((name, at.isoformat(timespec="seconds")) for name, at in instants if at is not None),
    )


# Why the grant is not surely the later of the two acts, by who was first.
_NOT_SURELY_LATER = {
    "unknown": "Mais la date de l'accord n'est pas connue : un contrôleur décide.",
    "same_day": "Mais le financement et la commande sont du même jour : un contrôleur décide.",
    "grant": "Mais le financement a été accordé avant la commande : un contrôleur décide.",
}


def grant_answer(cell: Cell, first: str, facts: Facts) -> Finding:
    """What a row of the grant's table answers, `first` (of `crossing.FIRST`) being the earlier act.

    Where the grant is not surely the later act, the row's `if_grant_first` replaces its outcome (C13).
    """
    finding, doubt = _of_cell(cell, facts), _NOT_SURELY_LATER.get(first)
    if cell.if_grant_first is None or doubt is None:
        return finding
    return replace(
        finding,
        outcome=Outcome(cell.if_grant_first),
        message=f"{cell.message} {doubt}",
        readings=("C13",),
        a_confirmer=True,
    )


def _first(case: GrantCase, order: SonsOrder | None) -> str:
    """Which act is the earlier one; a grant that is only asked for comes after every order."""
    if order is None or case.agreed_on is None:
        return "order"
    return first_act(order.signed_on, case.agreed_on)


def _sons_crossing(ctx: GrantContext) -> dict[str, Judge]:
    """R25, R26 and R27: each component asked for, against each order, through the table of the grant."""
    version = ctx.vague.crossing_grant.find(ctx.on, ctx.known_on)
    quiet = {
        "R25": "Aucune demande à l'équipement ne se heurte à une commande SONS de cet ESSMS.",
        "R26": "Aucune commande SONS pour un autre logiciel ne porte sur cet ESSMS.",
        "R27": "Le SONS et un financement à l'usage se cumulent pour le même logiciel.",
    }

    def answers(line: AskedEssms, cells: tuple[Cell, ...]) -> Iterable[tuple[str, Finding]]:
        for order in line.orders or (None,):
            solution = None if order is None else order.solution
            facts = () if order is None else _order_facts(order)
            for component in judged_components(ctx.case.components, ctx.case.project):
                words = ctx.words(component, order_state(order), software_word(ctx.case.solution, solution))
                cell = answering_cell(cells, words)
                yield (
                    cell.rule,
                    grant_answer(cell, _first(ctx.case, order), (("component", component), *facts)),
                )

    def judge_of(rule: str) -> Judge:
        unasked, undated = _unasked(rule, "une commande SONS"), _undated(rule, ctx.on)
        silent = Finding(Outcome.PASS, quiet[rule], RULES[rule].source)

        def judge(line: AskedEssms) -> Finding:
            if line.orders is None:
                return unasked
            if version is None:
                return undated
            return _worst((f for code, f in answers(line, required(version)) if code == rule), silent)

        return judge

    return {rule: judge_of(rule) for rule in quiet}


def r28_second_grant(ctx: GrantContext) -> Judge:
    """R28 (S1:333-335): no ESMS numérique grant twice for the same software, nor for two DUI."""
    version = ctx.law.crossing_grants.find(ctx.on, ctx.known_on)
    cells = () if version is None else required(version)
    unasked, undated = _unasked("R28", "un autre financement ESMS numérique"), _undated("R28", ctx.on)
    alone = Finding(
        Outcome.PASS,
        "Aucun autre financement ESMS numérique n'est connu pour cet ESSMS.",
        RULES["R28"].source,
    )

    def against(other: Grant) -> Finding:
        component = judged_components(other.components, other.project)[0]
        words = ctx.words(component, grant_state(other), software_word(ctx.case.solution, other.solution))
        facts = (("grant", other.reference), ("year", str(other.year)), ("state", other.state))
        return _of_cell(answering_cell(cells, words), facts)

    def judge(line: AskedEssms) -> Finding:
        if line.other_grants is None:
            return unasked
        if version is None:
            return undated
        # the other components of this same grant are no second grant
        return _worst((against(g) for g in line.other_grants if g.reference != ctx.case.reference), alone)

    return judge


def r29_lock(ctx: GrantContext) -> Judge:
    """R29 (S2:500, S2:516-519): from the lock on, no cancellation of an order to ask for an acquisition."""
    source = RULES["R29"].source
    version = ctx.vague.cancellation_lock.find(ctx.on, ctx.known_on)
    unasked = _unasked("R29", "une commande SONS annulée")
    elsewhere = Finding(
        Outcome.PASS, "Sans objet : le verrou ne vise que les demandes d'acquisition.", source
    )
    kept = Finding(Outcome.PASS, "Aucune commande SONS de cet ESSMS n'a été annulée.", source)

    def judge(line: AskedEssms) -> Finding:
        if line.orders is None:
            return unasked
        if ctx.case.project != "acquisition":
            return elsewhere
        return _worst((_cancelled(version, o, o.cancelled_at) for o in line.orders if o.cancelled_at), kept)

    return judge


_LOCKED: Mapping[Lock, tuple[str, str | None]] = {
    Lock.NO_TEXT: ("Aucun texte connu à ce jour ne verrouille les annulations.", None),
    Lock.BEFORE: ("La commande SONS de cet ESSMS a été annulée avant le verrou, celui {which}.", None),
    Lock.OTHER_MOTIVE: (
        "La commande SONS de cet ESSMS a été annulée pour un autre motif qu'une acquisition.",
        None,
    ),
    Lock.UNKNOWN_MOTIVE: (
        "Le motif de l'annulation de la commande SONS, postérieure au verrou, n'est pas connu.",
        "Faire préciser le motif de l'annulation par l'organisme gestionnaire.",
    ),
    Lock.UNPUBLISHED: (
        "La commande SONS de cet ESSMS a été annulée après le verrou, celui {which}, mais avant la"
        " publication du texte qui l'institue, le {published}.",
        "Attendre la décision d'un contrôleur.",
    ),
    Lock.CLOSED: (
        "La commande SONS de cet ESSMS a été annulée après le verrou, celui {which}, pour demander une"
        " acquisition.",
        "Retirer cet ESSMS du projet d'acquisition.",
    ),
}


def _cancelled(version: Version[datetime] | None, order: SonsOrder, at: datetime) -> Finding:
    """What the lock says of one cancellation, at the aware instant `at`."""
    found = lock_at(version, at, order.va_deposited_at, order.for_acquisition)
    message, remedy = _LOCKED[found.lock]
    published = "" if version is None else date_fr(version.publie_le)
    return Finding(
        found.outcome,
        message.format(which=found.which, published=published),
        RULES["R29"].source if version is None else version.source,
        remedy,
        (*_order_facts(order), *found.facts),
        a_confirmer=version is not None and version.a_confirmer,
    )


def r30_earlier_financing(ctx: GrantContext) -> Judge:
    """R30 (S3:156-157): what the ESSMS already had is looked up before any selection; R26, R28 judge it."""
    source = RULES["R30"].source
    unasked = _unasked("R30", "déjà obtenu un financement")

    def judge(line: AskedEssms) -> Finding:
        if line.orders is None or line.other_grants is None:
            return unasked
        orders = [o.number for o in line.orders]
        grants = [g.reference for g in line.other_grants if g.reference != ctx.case.reference]
        return Finding(
            Outcome.PASS,
            f"Vérification faite : {count_fr(len(orders), 'commande')} SONS et"
            f" {count_fr(len(grants), 'autre financement', 'autres financements')} ESMS numérique ;"
            " les règles R26 et R28 en tirent les conséquences.",
            source,
            facts=(("orders", ", ".join(orders)), ("grants", ", ".join(grants))),
        )

    return judge


def r31_vague_1_version(ctx: GrantContext) -> Judge:
    """R31 (S2:379-387, S2:404-406): some upgrades need the vague 1 version, by SONS or at own cost."""
    version = ctx.law.upgrade_years.find(ctx.on, ctx.known_on)
    concerned = version is not None and ctx.case.year in required(version)
    source = RULES["R31"].source if version is None else version.source
    elsewhere = Finding(
        Outcome.PASS, "Sans objet : cette condition ne vise que certaines mises en conformité.", source
    )
    unknown = Finding(
        Outcome.UNKNOWN,
        "Rien ne dit si la version Ségur de la vague 1 est installée dans cet ESSMS.",
        source,
        "Déclarer si elle l'est, par le SONS ou aux frais de l'organisme gestionnaire.",
    )
    missing = Finding(
        Outcome.FAIL,
        "La version Ségur de la vague 1 n'est pas installée dans cet ESSMS.",
        source,
        "L'installer aux frais de l'organisme gestionnaire, ou retirer cet ESSMS du projet.",
    )
    by_sons = Finding(Outcome.PASS, "La version Ségur de la vague 1 a été installée par le SONS.", source)
    at_own_cost = Finding(
        Outcome.PASS,
        "La version Ségur de la vague 1 a été installée aux frais de l'organisme gestionnaire.",
        source,
    )
    declared = {None: unknown, "none": missing, "sons": by_sons, "own_cost": at_own_cost}

    def judge(line: AskedEssms) -> Finding:
        if not concerned or ctx.case.project != "upgrade":
            return elsewhere
        return by_sons if _attested(ctx.case, line) else declared[line.vague_1_version]

    return judge


def _attested(case: GrantCase, line: AskedEssms) -> bool:
    """Whether a live order of the same software has its VA at the ASP: it attests the deployment (R18)."""
    return any(
        order.live
        and order.va_deposited_at is not None
        and software_word(case.solution, order.solution) == "meme"
        for order in line.orders or ()
    )


GRANT_RULES: Mapping[str, Callable[[GrantContext], Judge]] = {
    "R28": r28_second_grant,
    "R29": r29_lock,
    "R30": r30_earlier_financing,
    "R31": r31_vague_1_version,
}
