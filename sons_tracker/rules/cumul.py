"""One financing per ESSMS and vague (R05), and the crossing with ESMS numérique (R25, R26, R27)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date

from sons_tracker.rules.case import Grant, OrderedEssms
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import Context
from sons_tracker.rules.parameters import Confiance, Parameter, required
from sons_tracker.rules.texts import Call, Cell
from sons_tracker.rules.verdicts import Finding, Outcome, severity

Judge = Callable[[OrderedEssms], Finding]
CROSSING_RULES = ("R25", "R26", "R27")
_STATES = {
    "requested": "demande",
    "agreed": "accorde",
    "first_paid": "accorde",
    "vsr": "accorde",
    "paid": "accorde",
    "rejected": "sans_suite",
    "withdrawn": "sans_suite",
    "abandoned": "sans_suite",
    "recovered": "rembourse",
}
_DISCREET = {
    Outcome.FAIL: "Un financement ESMS numérique de cet ESSMS interdit cette commande.",
    Outcome.REVIEW: "Un financement ESMS numérique de cet ESSMS demande l'examen d'un contrôleur.",
    Outcome.WARN: "Une demande ESMS numérique est en cours pour cet ESSMS.",
    Outcome.PASS: "Aucun financement ESMS numérique connu n'empêche cette commande.",
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
        held = line.engagements[0]
        by = (
            "une réservation en cours"
            if held.holder_kind == "reservation"
            else f"la commande {held.order_number}"
            if held.order_number
            else "une autre commande"
        )
        return Finding(
            Outcome.FAIL,
            f"Cet ESSMS est déjà engagé par {by} : un ESSMS n'est financé qu'une fois ({vague}).",
            source,
            "Retirer cet ESSMS, attendre l'annulation de l'autre commande, ou contester ce refus.",
            (("holder", held.order_number or held.holder_kind),),
            ("C17",),
        )

    return judge


def grant_state(grant: Grant) -> str:
    """The state of a grant in the words of the crossing; what was paid before an abandonment counts."""
    stopped = grant.state in {"abandoned", "withdrawn"}
    if stopped and grant.first_payment_on is not None:
        return "abandon_apres_versement"
    return _STATES[grant.state]


def components(grant: Grant) -> tuple[str, ...]:
    """`equipment` and/or `usage`: hardware and project management follow the DUI project (S0:1348-1372)."""
    judged = {c for c in grant.components if c in {"equipment", "usage"}}
    if len(judged) < len(set(grant.components)) or not judged:
        judged.add("equipment" if grant.project == "acquisition" else "usage")
    return tuple(sorted(judged))


def _word(fact: bool | None) -> str:
    return "inconnu" if fact is None else "oui" if fact else "non"


def _software(solution: str | None, of_order: str | None) -> str:
    if solution is None or of_order is None:
        return "inconnu"
    return "meme" if solution == of_order else "autre"


def phase_of(calls: Mapping[int, Parameter[Call]], year: int, known_on: date) -> str:
    """`amorcage` or `generalisation` for the year of a call, also where its amounts are not known.

    The généralisation begins with the first call of that phase and has not ended since.
    """
    starts = [
        y
        for y, parameter in calls.items()
        if (version := parameter.find(known_on, known_on)) is not None
        and required(version).phase == "generalisation"
    ]
    first = min(starts, default=min(calls))
    return "generalisation" if year >= first else "amorcage"


def matching_cell(cells: Iterable[Cell], words: dict[str, str]) -> Cell | None:
    """The first row of a crossing table whose conditions all hold for `words`."""
    for cell in cells:
        wanted = (
            (cell.component, words["component"]),
            (cell.phase, words["phase"]),
            (cell.state, words["state"]),
            (cell.software, words["software"]),
            (cell.referenced, words["referenced"]),
        )
        if all(not accepted or word in accepted for accepted, word in wanted):
            return cell
    return None


def crossing(ctx: Context) -> dict[str, Judge]:
    """R25, R26 and R27 for each ESSMS: every component of every grant through the crossing table.

    Each rule answers once: the worst of its rows; the components are judged alone (C8, C13). A grant whose
    agreement follows the signature of the order makes the grant the later act (C13).
    """
    version = ctx.vague.crossing_order.find(ctx.on, ctx.known_on)
    cells = () if version is None else required(version)
    solution = None if ctx.case.solution is None else ctx.case.solution.solution
    quiet = {
        "R25": "Aucun financement ESMS numérique à l'équipement n'est connu pour cet ESSMS.",
        "R26": "Aucun financement ESMS numérique pour un autre DUI n'est connu pour cet ESSMS.",
        "R27": "Le SONS et un financement à l'usage se cumulent pour le même logiciel.",
    }
    passes = {
        rule: Finding(Outcome.PASS, sentence, RULES[rule].source, discreet=_DISCREET[Outcome.PASS])
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


def _answers(
    ctx: Context, cells: tuple[Cell, ...], grant: Grant, solution: str | None
) -> Iterable[tuple[str, Finding]]:
    """The finding of each component of one grant, with the rule that gives it."""
    for component in components(grant):
        words = {
            "component": component,
            "phase": phase_of(ctx.law.calls, grant.year, ctx.known_on),
            "state": grant_state(grant),
            "software": _software(grant.solution, solution),
            "referenced": _word(grant.dui_referenced),
        }
        cell = matching_cell(cells, words)
        if cell is None:
            continue
        order_first = (
            cell.if_order_first is not None and grant.agreed_on is not None and ctx.on < grant.agreed_on
        )
        outcome = Outcome(cell.if_order_first or cell.outcome) if order_first else Outcome(cell.outcome)
        facts = (
            ("grant", grant.reference),
            ("year", str(grant.year)),
            ("component", component),
            ("state", grant.state),
            ("software", grant.solution or "inconnu"),
            ("dui_referenced", words["referenced"]),
        )
        finding = Finding(
            outcome,
            cell.message,
            cell.source,
            cell.remedy,
            facts,
            cell.readings,
            cell.confiance is Confiance.A_CONFIRMER,
            _DISCREET.get(outcome),
        )
        if order_first:
            finding = replace(
                finding,
                message=cell.message
                + " La commande a été signée avant l'accord du financement : l'acte le plus tardif est le"
                " financement.",
            )
        yield cell.rule, finding
