"""The law applied to an order: every verdict of the stage, the decision, the amounts, the deadlines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from sons_tracker.rules import cumul, parties, perimeter, pricing, referencing, window
from sons_tracker.rules.case import Case, OrderedEssms
from sons_tracker.rules.context import Context, open_case
from sons_tracker.rules.parameters import Confiance, Parameter, required
from sons_tracker.rules.schedule import (
    Deadline,
    PlannedPayment,
    Reminder,
    deadlines,
    payments,
    reminders,
)
from sons_tracker.rules.tariff import LineAmount
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Finding, Outcome, Verdict, grouped, of_order

ACCEPTED, TO_REVIEW, REFUSED = "accepted", "to_review", "refused"
_HELD = (Outcome.REVIEW, Outcome.UNKNOWN)

ORDER_RULES: Mapping[str, Callable[[Context], Finding]] = {
    "R01": parties.r01_supplier_and_equipment,
    "R02": parties.r02_client,
    "R03": parties.r03_perimeter,
    "R04": parties.r04_other_orders,
    "R06": parties.r06_single_order,
    "R09": perimeter.r09_reference_extraction,
    "R11": referencing.r11_referenced,
    "R12": referencing.r12_delay,
    "R14": pricing.r14_tranche,
    "R20": window.r20_fermeture,
    "R40": referencing.r40_in_house,
}
ESSMS_RULES: Mapping[str, Callable[[Context], Callable[[OrderedEssms], Finding]]] = {
    "R05": cumul.r05_financed_once,
    "R08": perimeter.r08_category,
    "R10": window.r10_opening,
    "R13": pricing.r13_amount,
    "R36": perimeter.r36_in_register,
    "R37": perimeter.r37_couloir,
    "R38": perimeter.r38_dui_in_place,
}


@dataclass(frozen=True, slots=True)
class Applied:
    """A version of the law that was used: kept with the decision, so that it can be shown and replayed."""

    name: str
    depuis: date
    publie_le: date
    confiance: Confiance


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the law says of an order. Amounts in cents TTC; `lines` is empty when no tranche is known.

    `verdicts`: identical findings of one rule are grouped with their ESSMS, sorted by number. `decision`:
    `refused` if any `fail`, else `to_review` if any `review` or `unknown`, else `accepted`.
    """

    decision: str
    eligible: bool
    conditional: bool
    vague: str
    extraction_on: date | None
    verdicts: tuple[Verdict, ...]
    tranche: str | None
    rate_ttc_cents: int | None
    advance_percent: int | None
    essms_of_og: int | None
    count_basis: str | None
    lines: tuple[LineAmount, ...]
    payments: tuple[PlannedPayment, ...]
    deadlines: tuple[Deadline, ...]
    reminders: tuple[Reminder, ...]
    applied: tuple[Applied, ...]
    law_digest: str

    @property
    def total_ttc_cents(self) -> int | None:
        return sum(a.unit_ttc_cents for a in self.lines) if self.lines else None

    @property
    def advance_ttc_cents(self) -> int | None:
        return sum(a.advance_ttc_cents for a in self.lines) if self.lines else None

    @property
    def solde_ttc_cents(self) -> int | None:
        return sum(a.solde_ttc_cents for a in self.lines) if self.lines else None


def assess(case: Case, law: Law, on: date, known_on: date) -> Assessment:
    """Applies the law in force on `on` (the signature), as known on `known_on`, to an order.

    Pure: the same file and the same law always give the same answer, whether it is a simulation or a
    decision. All verdicts of the stage are given, never the first only.

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif.
    """
    ctx = open_case(case, law, on, known_on)
    verdicts = judged(ctx)
    outcomes = {verdict.outcome for verdict in verdicts}
    eligible = Outcome.FAIL not in outcomes
    decision = REFUSED if not eligible else TO_REVIEW if outcomes & set(_HELD) else ACCEPTED
    basis = ctx.vague.count_basis.find(on, known_on)
    amounts = pricing.line_amounts(ctx)
    planned = deadlines(ctx)
    days = ctx.vague.reminder_days.find(known_on, known_on)
    return Assessment(
        decision=decision,
        eligible=eligible,
        conditional=ctx.conditional,
        vague=ctx.vague.code,
        extraction_on=None if case.extraction is None else case.extraction.on,
        verdicts=verdicts,
        tranche=None if ctx.tranche is None else ctx.tranche.code,
        rate_ttc_cents=None if ctx.tranche is None else ctx.tranche.ttc_cents,
        advance_percent=None if ctx.advance is None else required(ctx.advance),
        essms_of_og=case.essms_of_og,
        count_basis=None if basis is None else required(basis).code,
        lines=amounts,
        payments=payments(amounts),
        deadlines=planned,
        reminders=reminders(planned, days, case.received_at),
        applied=_applied(ctx),
        law_digest=law.digest,
    )


def judged(ctx: Context) -> tuple[Verdict, ...]:
    """What every rule of the stage answers, by rule, then by ESSMS."""
    verdicts = [of_order(rule, ask(ctx)) for rule, ask in ORDER_RULES.items()]
    judges = {rule: prepare(ctx) for rule, prepare in ESSMS_RULES.items()} | cumul.crossing(ctx)
    # a number that the order names twice is judged once, by its first line: R03 refuses the order
    lines = {line.finess: line for line in reversed(ctx.case.lines)}.values()
    for rule, judge in judges.items():
        verdicts += grouped(rule, lines, judge)
    verdicts.sort(key=lambda verdict: (verdict.rule, verdict.essms))
    return tuple(verdicts)


def _applied(ctx: Context) -> tuple[Applied, ...]:
    """The versions that the rules read: those of the signature's day, and the calendar as it is known."""
    dispositif, vague = ctx.dispositif, ctx.vague
    of_signature: tuple[Parameter[object], ...] = (
        dispositif.bareme,
        dispositif.advance_percent,
        dispositif.categories,
        dispositif.referencing_delay_days,
        vague.extraction,
        vague.count_basis,
        vague.crossing_order,
        ctx.law.register.domaines,
    )
    of_calendar: tuple[Parameter[object], ...] = (
        dispositif.publication,
        dispositif.ouverture,
        dispositif.fermeture,
        dispositif.cloture,
        vague.reminder_days,
    )
    found = [(p.name, p.find(ctx.on, ctx.known_on)) for p in of_signature]
    found += [(p.name, p.find(ctx.known_on, ctx.known_on)) for p in of_calendar]
    return tuple(Applied(name, v.depuis, v.publie_le, v.confiance) for name, v in found if v is not None)
