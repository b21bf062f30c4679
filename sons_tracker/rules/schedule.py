"""What an order plans: its two payments, its deadlines and their reminders (R11, R12, R15, R16, R20, R21).

Deadlines are instants of Paris, inclusive: a day ends at its last microsecond, whatever its length. Days are
counted on the calendar, never as multiples of 24 hours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import Context
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.parameters import Source, Version, required
from sons_tracker.rules.referencing import complete_file_due_on
from sons_tracker.rules.tariff import LineAmount
from sons_tracker.rules.working_days import add_working_days

# The words of each kind of deadline, for lists, calendars and the terminal.
DEADLINE_WORDS = {
    "complete_file": "dossier complet de référencement",
    "referencing": "référencement de la version",
    "fermeture": "fermeture",
    "cloture": "clôture",
    "answer": "réponse à une demande de correction",
    "conflict_answer": "réponse dans un conflit",
    "bank_account": "prise d'effet de coordonnées bancaires",
    "reservation": "expiration d'une réservation",
    "notice": "information",
    "publication": "publication d'un texte",
    "reminder": "rappel",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deadline:
    """A last instant, inclusive and aware (Europe/Paris).

    `kind`: complete_file, fermeture or cloture; or referencing, the first instant of the day from which the
    list of the ANS already says that the version will be referenced.
    """

    kind: str
    rule: str
    at: datetime
    label: str
    source: Source
    a_confirmer: bool

    @property
    def facts(self) -> dict[str, Any]:
        """What is kept with it beside its kind, its rule and its instant."""
        return {"label": self.label, "source": str(self.source), "a_confirmer": self.a_confirmer}


@dataclass(frozen=True, slots=True)
class Reminder:
    """The first instant, in Paris, of the day that comes so many `days` before the day of a deadline."""

    of: Deadline
    days: int
    at: datetime
    source: Source
    a_confirmer: bool

    @property
    def kind(self) -> str:
        return "reminder"

    @property
    def rule(self) -> str:
        return self.of.rule

    @property
    def facts(self) -> dict[str, Any]:
        """What is kept with it: of which deadline it reminds, and how many days before."""
        return {
            "label": self.of.label,
            "source": str(self.source),
            "a_confirmer": self.a_confirmer,
            "of": self.of.kind,
            "days": self.days,
            "deadline_at": self.of.at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class PlannedPayment:
    """A payment to come, in cents TTC, and the sentence of its condition. `kind`: advance or solde."""

    kind: str
    amount_ttc_cents: int
    condition: str


def start_of_day(day: date) -> datetime:
    """The first instant of a day in Paris."""
    return datetime.combine(day, time.min, PARIS)


def end_of_day(day: date) -> datetime:
    """The last instant of a day in Paris, to the microsecond."""
    return datetime.combine(day, time.max, PARIS)


def deadlines(ctx: Context) -> tuple[Deadline, ...]:
    """The deadlines of an order, in the order of time; one that is met, or has no known date, is left out."""
    found = []
    delay = ctx.dispositif.referencing_delay_days.find(ctx.on, ctx.known_on)
    due_on = complete_file_due_on(ctx)
    submitted = any(r.complete_file_on is not None for r in ctx.referencings)
    if ctx.conditional and not submitted and delay is not None and due_on is not None:
        label = "Soumission à l'ANS du dossier complet de référencement"
        found.append(
            Deadline("complete_file", "R12", end_of_day(due_on), label, delay.source, delay.a_confirmer)
        )
    coming = _referenced_from(ctx)
    if ctx.conditional and coming is not None:
        label = "Référencement de la version, d'après la liste de l'ANS"
        found.append(Deadline("referencing", "R11", start_of_day(coming), label, RULES["R11"].source, False))
    if ctx.fermeture is not None:
        label = "Fermeture : dernier instant pour la demande d'avance"
        limit, version = required(ctx.fermeture), ctx.fermeture
        found.append(Deadline("fermeture", "R20", limit.at, label, version.source, version.a_confirmer))
    if ctx.cloture is not None:
        label = "Clôture : dernier instant pour la VA et la demande de solde"
        limit, version = required(ctx.cloture), ctx.cloture
        found.append(Deadline("cloture", "R21", limit.at, label, version.source, version.a_confirmer))
    return tuple(sorted(found, key=lambda deadline: deadline.at))


def _referenced_from(ctx: Context) -> date | None:
    """The first day still to come on which the list says that the version will be referenced."""
    days = [r.referenced_from for r in ctx.referencings if r.referenced_from is not None]
    return min((day for day in days if day > ctx.known_on and _covered(ctx, day)), default=None)


def _covered(ctx: Context, day: date) -> bool:
    return any(r.covers(day) for r in ctx.referencings)


def reminders(
    planned: Iterable[Deadline], days: Version[tuple[int, ...]] | None, after: datetime
) -> tuple[Reminder, ...]:
    """The reminders of some deadlines that still lie ahead of `after`, in the order of time.

    Only what somebody must do in time has reminders: not the referencing, which comes by itself.
    """
    if days is None:
        return ()
    found = [
        Reminder(deadline, count, at, days.source, days.a_confirmer)
        for deadline in planned
        if deadline.kind != "referencing"
        for count in required(days)
        if (at := start_of_day(deadline.at.astimezone(PARIS).date() - timedelta(days=count))) > after
    ]
    return tuple(sorted(found, key=lambda reminder: (reminder.at, reminder.rule)))


def answer_due(asked_at: datetime, working_days: int, holidays: frozenset[date]) -> datetime:
    """The last instant to answer what was asked then: the end, in Paris, of the last of so many working days.

    `asked_at` is aware; its own day does not count. `holidays` cover the delay.
    """
    return end_of_day(add_working_days(asked_at.astimezone(PARIS).date(), working_days, holidays))


def payments(amounts: tuple[LineAmount, ...]) -> tuple[PlannedPayment, ...]:
    """The advance and the solde of an order, sums of its lines (R15, R16); an amount of 0 plans nothing."""
    planned = (
        PlannedPayment(
            "advance",
            sum(a.advance_ttc_cents for a in amounts),
            "Bon de commande validé par l'organisme gestionnaire et version référencée.",
        ),
        PlannedPayment(
            "solde",
            sum(a.solde_ttc_cents for a in amounts),
            "Facture à 100 % et attestation de VA signée avant la clôture.",
        ),
    )
    return tuple(p for p in planned if p.amount_ttc_cents > 0)
