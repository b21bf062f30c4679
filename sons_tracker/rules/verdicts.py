"""What a rule answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, TypeVar

from sons_tracker.rules.parameters import Source

Facts = tuple[tuple[str, str], ...]


class Outcome(StrEnum):
    """`fail` refuses; `review` and `unknown` hold the ESSMS but owe nothing until a person settles them;
    `warn` is shown and passes (docs/regles.md)."""

    PASS = "pass"  # noqa: S105 # nosec B105 # the word of a verdict, not a password
    WARN = "warn"
    UNKNOWN = "unknown"
    REVIEW = "review"
    FAIL = "fail"


_SEVERITY = {outcome: rank for rank, outcome in enumerate(Outcome)}


def severity(outcome: Outcome) -> int:
    """The rank of an outcome, from `pass` (0) to `fail`."""
    return _SEVERITY[outcome]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule answers about one subject (the order, or one ESSMS).

    `message` and `remedy` are French sentences; `facts` the named facts that were used; `readings`
    the readings C of the contradictions that were followed; `a_confirmer` when the answer rests on
    a value that is still to be confirmed. `discreet`, when given, is the sentence for those who may
    not see the facts of another organisation.
    """

    outcome: Outcome
    message: str
    source: Source
    remedy: str | None = None
    facts: Facts = ()
    readings: tuple[str, ...] = ()
    a_confirmer: bool = False
    discreet: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding with the rule that gave it and the ESSMS it speaks of (none for the whole order)."""

    rule: str
    essms: tuple[str, ...]
    finding: Finding

    @property
    def outcome(self) -> Outcome:
        return self.finding.outcome


class Subject(Protocol):
    """What an ESSMS rule is asked about: one ESSMS, by its FINESS géographique."""

    @property
    def finess(self) -> str: ...


@dataclass(frozen=True, slots=True)
class OneEssms:
    """An ESSMS of which a rule needs the number alone."""

    finess: str


S = TypeVar("S", bound=Subject)


def of_order(rule: str, finding: Finding) -> Verdict:
    """The verdict of a rule that is asked once for the whole file."""
    return Verdict(rule, (), _said(finding))


def grouped(rule: str, subjects: Iterable[S], judge: Callable[[S], Finding]) -> list[Verdict]:
    """One verdict per distinct finding, with its ESSMS sorted by number.

    Rules hand out the same object for the same answer: objects are told apart first, which keeps 500
    lines cheap, then equal ones are joined.
    """
    by_object: dict[int, tuple[Finding, list[str]]] = {}
    for subject in subjects:
        finding = judge(subject)
        by_object.setdefault(id(finding), (finding, []))[1].append(subject.finess)
    merged: dict[Finding, list[str]] = {}
    for finding, numbers in by_object.values():
        merged.setdefault(finding, []).extend(numbers)
    return [Verdict(rule, tuple(sorted(numbers)), _said(finding)) for finding, numbers in merged.items()]


def _said(finding: Finding) -> Finding:
    """A finding that rests on a value to be confirmed says so in its own sentences."""
    if not finding.a_confirmer:
        return finding
    note = " (Valeur à confirmer.)"
    discreet = None if finding.discreet is None else finding.discreet + note
    return replace(finding, message=finding.message + note, discreet=discreet)
