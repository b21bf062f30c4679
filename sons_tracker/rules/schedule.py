"""What an order plans: its two payments and its deadlines (R12, R15, R16, R20, R21)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from sons_tracker.rules.context import Context
from sons_tracker.rules.parameters import Source, required
from sons_tracker.rules.referencing import complete_file_due_on
from sons_tracker.rules.tariff import LineAmount

PARIS = ZoneInfo("Europe/Paris")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A last instant, inclusive and aware (Europe/Paris). `kind`: complete_file, fermeture or cloture."""

    kind: str
    rule: str
    at: datetime
    label: str
    source: Source
    a_confirmer: bool


@dataclass(frozen=True, slots=True)
class PlannedPayment:
    """A payment to come, in cents TTC, and the sentence of its condition. `kind`: advance or solde."""

    kind: str
    amount_ttc_cents: int
    condition: str


def deadlines(ctx: Context) -> tuple[Deadline, ...]:
    """The deadlines of an order, in the order of time; one that is met, or has no known date, is left out."""
    found = []
    delay = ctx.dispositif.referencing_delay_days.find(ctx.on, ctx.known_on)
    due_on = complete_file_due_on(ctx)
    submitted = any(r.complete_file_on is not None for r in ctx.referencings)
    if ctx.conditional and not submitted and delay is not None and due_on is not None:
        last = datetime.combine(due_on, time.max, PARIS)
        label = "Soumission à l'ANS du dossier complet de référencement"
        found.append(Deadline("complete_file", "R12", last, label, delay.source, delay.a_confirmer))
    if ctx.fermeture is not None:
        label = "Fermeture : dernier instant pour la demande d'avance"
        limit, version = required(ctx.fermeture), ctx.fermeture
        found.append(Deadline("fermeture", "R20", limit.at, label, version.source, version.a_confirmer))
    if ctx.cloture is not None:
        label = "Clôture : dernier instant pour la VA et la demande de solde"
        limit, version = required(ctx.cloture), ctx.cloture
        found.append(Deadline("cloture", "R21", limit.at, label, version.source, version.a_confirmer))
    return tuple(sorted(found, key=lambda deadline: deadline.at))


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
