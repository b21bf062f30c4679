"""Answers about the ledger of an order: amounts are strings in euros, negative for what is taken back."""

from __future__ import annotations

from typing import Literal

import msgspec

from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.operations.ledger import Balance, Ledger
from sons_tracker.rules.money import euros


class BalanceOut(msgspec.Struct, frozen=True):
    """Prévu, payé, compensé, recouvré ; « due_ttc » reste à payer, ou à reprendre s'il est négatif."""

    planned_ttc: str
    paid_ttc: str
    compensated_ttc: str
    recovered_ttc: str
    due_ttc: str


class LedgerLineOut(msgspec.Struct, frozen=True):
    """Un ESSMS de la commande et son solde au grand livre."""

    finess: str
    unit_ttc: str | None
    balance: BalanceOut


class LedgerEntryOut(msgspec.Struct, frozen=True):
    """Une écriture, jamais modifiée : une correction est une autre écriture."""

    at: str
    finess: str
    payment: Literal["advance", "solde"]
    movement: Literal["planned", "paid", "compensated", "recovered"]
    amount_ttc: str
    cause: str


class LedgerOut(msgspec.Struct, frozen=True):
    """Le grand livre d'une commande : son solde, celui de chaque ESSMS, les écritures dans leur ordre."""

    order_id: str
    order: str
    state: str
    balance: BalanceOut
    lines: list[LedgerLineOut]
    entries: list[LedgerEntryOut]


def ledger_out(ledger: Ledger) -> LedgerOut:
    """The ledger of an order as it is shown."""
    return LedgerOut(
        str(ledger.order_id),
        ledger.number,
        ledger.state,
        _balance(ledger.balance),
        [
            LedgerLineOut(
                line.finess,
                None if line.unit_ttc_cents is None else euros(line.unit_ttc_cents),
                _balance(line.balance),
            )
            for line in ledger.lines
        ],
        [
            LedgerEntryOut(
                paris_text(entry.at),
                entry.finess,
                entry.payment,  # type: ignore[arg-type]
                entry.movement,  # type: ignore[arg-type]
                euros(entry.amount_ttc_cents),
                entry.cause,
            )
            for entry in ledger.entries
        ],
    )


def _balance(balance: Balance) -> BalanceOut:
    return BalanceOut(
        euros(balance.planned_ttc_cents),
        euros(balance.paid_ttc_cents),
        euros(balance.compensated_ttc_cents),
        euros(balance.recovered_ttc_cents),
        euros(balance.due_ttc_cents),
    )
