"""The risk of a case: in which order reviewers look. A sum of points with their reasons, it decides nothing.

The weights are data of the vague (`risque`, `alertes`), to be confirmed: no text fixes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sons_tracker.rules.families import FAMILIES, PATTERNS
from sons_tracker.rules.french import count_fr
from sons_tracker.rules.money import euros_fr
from sons_tracker.rules.texts import RiskTerms, Step

HIGHEST = 100
OUTCOME_WORDS = {
    "fail": "La règle refuse",
    "review": "La règle demande un examen",
    "unknown": "La règle ne peut pas répondre",
}


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """What the risk of a case reads: amounts in cents TTC, its age in working days, the patterns of the open
    alerts on its OG or its suppliers, how many other cases its suppliers have."""

    family: str
    outcome: str
    at_stake_cents: int
    paid_cents: int
    working_days: int
    overdue: int
    alerts: Sequence[str]
    other_cases: int


@dataclass(frozen=True, slots=True)
class RiskReason:
    """Why a case has so many points."""

    code: str
    points: int
    message: str


@dataclass(frozen=True, slots=True)
class Risk:
    """From 0 to `HIGHEST`, with the reasons that make it, the heaviest first."""

    score: int
    reasons: tuple[RiskReason, ...]


def score(facts: RiskFacts, terms: RiskTerms, patterns: Mapping[str, int]) -> int:
    """The score alone; `patterns`: the points of each pattern."""
    return min(HIGHEST, sum(points for _, points in _parts(facts, terms, patterns)))


def assess_risk(facts: RiskFacts, terms: RiskTerms, patterns: Mapping[str, int]) -> Risk:
    """The score with its reasons."""
    reasons = [
        RiskReason(code, points, _sentence(code, facts))
        for code, points in _parts(facts, terms, patterns)
        if points
    ]
    reasons.sort(key=lambda reason: -reason.points)
    return Risk(score(facts, terms, patterns), tuple(reasons))


def _parts(facts: RiskFacts, terms: RiskTerms, patterns: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    yield "family", terms.families[facts.family]
    yield "outcome", terms.outcomes[facts.outcome]
    yield "at_stake", _reached(terms.at_stake, facts.at_stake_cents)
    yield "paid", _reached(terms.paid, facts.paid_cents)
    yield "age", _reached(terms.age, facts.working_days)
    yield "cases", _reached(terms.cases, facts.other_cases)
    yield "overdue", terms.overdue if facts.overdue else 0
    yield "alerts", min(terms.most_alerts, sum(patterns[code] for code in set(facts.alerts)))


def _reached(steps: Sequence[Step], value: int) -> int:
    return max((step for step in steps if step.start <= value), key=_start, default=_NOTHING).points


def _start(step: Step) -> int:
    return step.start


_NOTHING = Step(0, 0)


def _sentence(code: str, facts: RiskFacts) -> str:
    match code:
        case "family":
            return f"{FAMILIES[facts.family].label}."
        case "outcome":
            return f"{OUTCOME_WORDS[facts.outcome]}."
        case "at_stake":
            return f"{euros_fr(facts.at_stake_cents)} en jeu."
        case "paid":
            return f"{euros_fr(facts.paid_cents)} déjà versés."
        case "age":
            return f"Ouvert depuis {count_fr(facts.working_days, 'jour ouvré', 'jours ouvrés')}."
        case "cases":
            return f"Ses fournisseurs ont {count_fr(facts.other_cases, 'autre dossier', 'autres dossiers')}."
        case "overdue":
            return f"{count_fr(facts.overdue, 'réponse en retard', 'réponses en retard')}."
    labels = sorted(PATTERNS[code].label for code in set(facts.alerts))
    return f"Alertes : {' ; '.join(labels)}."
