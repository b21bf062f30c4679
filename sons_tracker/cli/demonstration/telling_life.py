"""What the demonstration prints of the life of orders: what happens on a day, accounts, letters, notices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from rich.padding import Padding
from rich.table import Table

from sons_tracker.cli.demonstration.telling import Teller
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.clock import Advanced
from sons_tracker.operations.ledger import Balance, Ledger
from sons_tracker.operations.notices import EVENTS
from sons_tracker.rules.french import PARIS, count_fr, date_fr
from sons_tracker.rules.money import euros_fr
from sons_tracker.rules.schedule import DEADLINE_WORDS

_MOST_EVENTS = 8


class LifeTeller(Teller):
    """Prints the life of orders, on the console of the demonstration."""

    def day(self, at: datetime) -> None:
        """The day on which what follows happens."""
        local = at.astimezone(PARIS)
        self._paragraph(f"{date_fr(local.date())}, {local:%H h %M}", 2, style="bold")

    def say(self, sentence: str) -> None:
        """A sentence of the story."""
        self._paragraph(f"• {sentence}", 4)

    def source(self, source: str) -> None:
        """Where the law says it."""
        self._source(source, 6)

    def refusal(self, refused: Refused) -> None:
        """Why something is not possible, and what repairs it."""
        for reason in refused.reasons:
            self._paragraph(f"Refusé : {reason.message}", 4)
            if reason.source:
                self._source(reason.source, 6)
            if reason.remedy:
                self._paragraph(f"Remède : {reason.remedy}", 6)

    def events(self, advanced: Advanced, of: Iterable[UUID], numbers: dict[UUID, str]) -> None:
        """What the advancing clock made happen to some orders, dated by its due date."""
        wanted = {str(order_id) for order_id in of}
        found = [event for event in advanced.events if event.object_id in wanted]
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column()
        for event in found[-_MOST_EVENTS:]:
            table.add_row(
                f"{event.at.astimezone(PARIS):%d/%m/%Y}",
                numbers[UUID(event.object_id)],
                self._wrapped(_event(event.action, event.facts), 34),
            )
        self._console.print(Padding(table, (0, 0, 0, 4)))
        others = advanced.total - len(found[-_MOST_EVENTS:])
        if others:
            self.say(f"Et {count_fr(others, 'autre événement', 'autres événements')} pendant ce temps.")

    def ledger(self, ledger: Ledger) -> None:
        """The account of an order: what each group of equal lines is worth and has received."""
        table = self._table(
            f"Compte de la commande {ledger.number}", "ESSMS", "Prévu", "Payé", "Repris", "Reste"
        )
        for column in table.columns[1:]:
            column.justify = "right"
            column.width = 12
        groups: dict[tuple[int, int, int, int], int] = {}
        for line in ledger.lines:
            shown = _figures(line.balance)
            groups[shown] = groups.get(shown, 0) + 1
        for figures, lines in groups.items():
            table.add_row(
                f"{lines} × chacun" if lines > 1 else "1 ESSMS", *(euros_fr(cents) for cents in figures)
            )
        table.add_row("Ensemble", *(euros_fr(cents) for cents in _figures(ledger.balance)), style="bold")
        self._console.print(table)

    def notices(self, told: Sequence[tuple[str, int]]) -> None:
        """What an organisation was told, by number of notices."""
        for event, count in told:
            self._paragraph(f"• {count} × {EVENTS[event].label}", 4)


def _figures(balance: Balance) -> tuple[int, int, int, int]:
    return (
        balance.planned_ttc_cents,
        balance.paid_ttc_cents,
        balance.compensated_ttc_cents + balance.recovered_ttc_cents,
        balance.due_ttc_cents,
    )


def _event(action: str, facts: dict[str, Any]) -> str:
    if action == "deadline.reminder":
        return f"Rappel, {facts['days']} jours avant : {DEADLINE_WORDS.get(facts['of'], facts['of'])}"
    if action == "deadline.reached":
        return f"Échéance atteinte : {DEADLINE_WORDS.get(facts['kind'], facts['kind'])}"
    return EVENTS[action].label if action in EVENTS else action
