"""What can be done now with an object, and why not the rest."""

from __future__ import annotations

from dataclasses import dataclass

from sons_tracker.rules.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an action is not possible: a French sentence, what repairs it, the rule and source that speak."""

    message: str
    remedy: str | None = None
    rule: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One action that a role may have on an object; it is possible when no reason stands against it."""

    code: str
    label: str
    reasons: tuple[Reason, ...] = ()

    @property
    def possible(self) -> bool:
        return not self.reasons


def reason_of(verdict: Verdict) -> Reason:
    """A verdict as a reason against an action."""
    finding = verdict.finding
    return Reason(finding.message, finding.remedy, verdict.rule, str(finding.source))
