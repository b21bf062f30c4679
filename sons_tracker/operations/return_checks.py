"""What stands against the lines of a bank's return: each is held against the transfer that it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.exchanges.return_file import ReturnLine
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.lifecycle import PAYMENT_WORDS
from sons_tracker.rules.money import euros_fr

_ASK_BANK = "Faire corriger le fichier par la banque ; rien n'en a été retenu."
_DONE = {"paid": "payé", "rejected": "rejeté", "dropped": "abandonné avec son lot"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A transfer that the lot asked for, and where its payment stands now."""

    end_to_end: str
    payment_id: UUID
    order_id: UUID
    order_number: str
    supplier_id: UUID
    og_id: UUID
    kind: str
    amount_ttc_cents: int
    outcome: str | None
    outcome_at: datetime | None
    state: str
    paid_at: datetime | None


async def judge_lines(
    con: asyncpg.Connection,
    lines: Sequence[ReturnLine],
    asked: Mapping[str, Asked],
    lot: Mapping[str, Any],
    at: datetime,
) -> list[Reason]:
    """Every reason against the lines, in their order; none when all of them can be done.

    `at` is the business instant: nothing was executed after it, nor before the lot was approved.
    """
    references = [line.bank_reference for line in lines]
    known = await con.fetch(
        "select bank_reference from bank_return_line where bank_reference = any($1)", references
    )
    elsewhere = await con.fetch(
        "select e.end_to_end, l.number from lot_line e join lot l on l.id = e.lot_id"
        " where e.end_to_end = any($1) and l.id <> $2",
        [line.end_to_end for line in lines if line.end_to_end not in asked],
        lot["id"],
    )
    lots = {row["end_to_end"]: row["number"] for row in elsewhere}
    taken = {row["bank_reference"] for row in known}
    reasons: list[Reason] = []
    for line in lines:
        one = asked.get(line.end_to_end)
        if one is None:
            told = [_unknown(line, lots.get(line.end_to_end))]
        else:
            told = list(_against(line, one, lot["approved_at"], at))
        if line.bank_reference in taken:
            told.append("cette référence bancaire a déjà été intégrée.")
        reasons += [Reason(f"{line.place} : {message}", _ASK_BANK) for message in told]
    return reasons


def _unknown(line: ReturnLine, other_lot: str | None) -> str:
    if other_lot is None:
        return f"{line.end_to_end} n'est le virement d'aucun lot."
    return f"{line.end_to_end} est un virement du lot {other_lot}, pas de celui-ci."


def _against(line: ReturnLine, one: Asked, approved_at: datetime, at: datetime) -> Iterator[str]:
    """The sentences against one line."""
    if line.order != one.order_number:
        yield f"le virement payait la commande {one.order_number}, la ligne dit {line.order}."
    if line.amount_ttc_cents != one.amount_ttc_cents:
        wanted, said = euros_fr(one.amount_ttc_cents), euros_fr(line.amount_ttc_cents)
        yield f"le virement était de {wanted}, la ligne dit {said}."
    if line.executed_at > at:
        yield "l'exécution est postérieure à l'instant de l'intégration."
    if line.outcome == "returned":
        yield from _against_return(line, one)
    elif one.outcome is not None:
        yield f"ce virement est déjà {_DONE[one.outcome]}."
    elif line.executed_at < approved_at:
        yield "l'exécution précède l'approbation du lot."


def _against_return(line: ReturnLine, one: Asked) -> Iterator[str]:
    if one.outcome != "paid":
        yield "seul un virement payé peut être retourné."
    elif one.state != "paid" or one.paid_at != one.outcome_at:
        word = PAYMENT_WORDS[one.state]
        instead = (
            " : les fonds rendus par la banque s'enregistrent comme un recouvrement"
            if one.state == "to_recover"
            else ""
        )
        yield f"le versement est « {word} », il ne peut plus être retourné{instead}."
    elif one.paid_at is not None and line.executed_at < one.paid_at:
        yield "le retour précède le paiement."
