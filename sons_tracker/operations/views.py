"""What an order looks like from outside, and what of it each role may see.

Facts are hidden here and not in the layers that print them: an editor learns that an ESSMS is engaged or
that a grant forbids it, never by whom nor for how much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sons_tracker.operations.actors import Actor, allowed, sees_all
from sons_tracker.rules.assessment import Assessment
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.cumul import DISCREET
from sons_tracker.rules.verdicts import Outcome, Verdict

_IN_REGISTER_RULE = "R36"
_DISCREET_REMEDY = "Se rapprocher de l'organisme gestionnaire, ou retirer cet ESSMS de la commande."


@dataclass(frozen=True, slots=True)
class VerdictView:
    """A verdict in plain words; `discreet` replaces `message` for those who may not see the facts."""

    rule: str
    essms: tuple[str, ...]
    outcome: str
    message: str
    source: str
    remedy: str | None
    facts: dict[str, str]
    readings: tuple[str, ...]
    a_confirmer: bool
    discreet: str | None


@dataclass(frozen=True, slots=True)
class LineView:
    """One ESSMS with its amounts in cents TTC, None when no tranche is known."""

    finess: str
    dui_in_place: str | None
    ceiling_ttc_cents: int | None
    unit_ttc_cents: int | None
    advance_ttc_cents: int | None
    solde_ttc_cents: int | None


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment, in cents TTC: what was planned at the deposit and, once it is known, what is due."""

    kind: str
    state: str
    amount_ttc_cents: int
    condition: str
    due_ttc_cents: int | None = None
    due_at: datetime | None = None
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeadlineView:
    """A last instant (aware), inclusive."""

    kind: str
    at: datetime
    label: str
    source: str
    a_confirmer: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """What a kept order adds to a simulation: its identifier, readable number, state and version."""

    id: UUID
    number: str
    state: str
    version: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order, simulated (`identity` is None) or kept, with everything that the law said of it.

    Amounts in cents TTC; `unit_ttc_cents` is None when the lines differ or no tranche is known.
    """

    identity: Identity | None
    dispositif: str
    og: str
    solution_version: str
    signed_on: date
    supplier_reference: str | None
    decision: str
    conditional: bool
    tranche: str | None
    essms_of_og: int | None
    count_basis: str | None
    extraction_on: date | None
    ordered: int
    rate_ttc_cents: int | None
    total_ttc_cents: int | None
    advance_ttc_cents: int | None
    solde_ttc_cents: int | None
    lines: tuple[LineView, ...]
    payments: tuple[PaymentView, ...]
    deadlines: tuple[DeadlineView, ...]
    verdicts: tuple[VerdictView, ...]
    law_digest: str
    known_on: date

    @property
    def eligible(self) -> bool:
        return all(verdict.outcome != "fail" for verdict in self.verdicts)

    @property
    def unit_ttc_cents(self) -> int | None:
        units = {line.unit_ttc_cents for line in self.lines}
        return units.pop() if len(units) == 1 else None


def verdict_view(verdict: Verdict) -> VerdictView:
    """A verdict of the rules in plain words, nothing hidden."""
    finding = verdict.finding
    return VerdictView(
        verdict.rule,
        tuple(str(number) for number in verdict.essms),
        str(finding.outcome),
        finding.message,
        str(finding.source),
        finding.remedy,
        dict(finding.facts),
        finding.readings,
        finding.a_confirmer,
        finding.discreet,
    )


def deadline_views(assessment: Assessment) -> tuple[DeadlineView, ...]:
    """The deadlines of an assessment in plain words."""
    return tuple(
        DeadlineView(d.kind, d.at, d.label, str(d.source), d.a_confirmer) for d in assessment.deadlines
    )


def payment_views(assessment: Assessment) -> tuple[PaymentView, ...]:
    """The payments that an assessment plans."""
    return tuple(PaymentView(p.kind, "planned", p.amount_ttc_cents, p.condition) for p in assessment.payments)


def verdict_from_row(row: dict[str, Any]) -> VerdictView:
    """A verdict as it was stored with the order."""
    return VerdictView(**{**row, "essms": tuple(row["essms"]), "readings": tuple(row["readings"])})


def seen_by(view: OrderView, actor: Actor) -> OrderView:
    """The same order with only the facts that this actor may see.

    The agencies see all. An OG sees the facts of the ESSMS that the register attaches to it. Anyone else
    reads the discreet sentence where a fact belongs to another organisation.
    """
    if sees_all(actor, "fact.read"):
        return view
    own: frozenset[str] = frozenset()
    if allowed(actor, "fact.read"):
        own = frozenset(
            number
            for verdict in view.verdicts
            if verdict.rule == _IN_REGISTER_RULE and verdict.outcome == "pass"
            for number in verdict.essms
        )
    shown: list[VerdictView] = []
    hidden: dict[tuple[str, str], tuple[VerdictView, list[str]]] = {}
    for verdict in view.verdicts:
        if verdict.discreet is None:
            shown.append(verdict)
            continue
        if seen := tuple(number for number in verdict.essms if number in own):
            shown.append(replace(verdict, essms=seen))
        if others := [number for number in verdict.essms if number not in own]:
            # Joined again once the facts are gone: a group of its own would tell which ESSMS has a grant.
            plain = _discreet(verdict)
            hidden.setdefault((plain.rule, plain.message), (plain, []))[1].extend(others)
    shown += [replace(plain, essms=tuple(sorted(numbers))) for plain, numbers in hidden.values()]
    return replace(view, verdicts=tuple(sorted(shown, key=lambda v: (v.rule, v.essms))))


def _discreet(verdict: VerdictView) -> VerdictView:
    """The verdict of no ESSMS in particular, without anything that tells the fact behind it.

    A row's own source, remedy, reading and confidence would tell what the sentence keeps quiet; a pass is
    the same whether there is a grant or none.
    """
    passes = verdict.outcome == "pass"
    assert verdict.discreet is not None
    return replace(
        verdict,
        essms=(),
        message=DISCREET[Outcome.PASS] if passes else verdict.discreet,
        source=str(RULES[verdict.rule].source),
        remedy=None if passes else _DISCREET_REMEDY,
        facts={},
        readings=(),
        a_confirmer=verdict.a_confirmer and not passes,
        discreet=None,
    )


def expanded(view: OrderView) -> OrderView:
    """The same order with one verdict per ESSMS instead of groups."""
    verdicts = [
        one
        for verdict in view.verdicts
        for one in (
            [replace(verdict, essms=(number,)) for number in verdict.essms] if verdict.essms else [verdict]
        )
    ]
    return replace(view, verdicts=tuple(verdicts))
