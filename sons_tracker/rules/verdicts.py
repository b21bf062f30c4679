"""What a rule answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sons_tracker.rules.parameters import Source

Facts = tuple[tuple[str, str], ...]


class Outcome(StrEnum):
    """`fail` refuses; `review` and `unknown` hold the ESSMS but owe nothing until a person settles them;
    `warn` is shown and passes (rules.md, section 3)."""

    PASS = "pass"  # noqa: S105 - the word of a verdict, not a password
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
