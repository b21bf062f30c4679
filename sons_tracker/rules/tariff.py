"""The amount of an order: the tranche is read on the OG, the rate applies to what is ordered (R13, R14)."""

from __future__ import annotations

from dataclasses import dataclass

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.money import share
from sons_tracker.rules.texts import Bareme, Tranche


@dataclass(frozen=True, slots=True)
class LineAmount:
    """Amounts of one ESSMS in cents TTC: `ceiling` is the barème's rate, `unit` what is asked of it."""

    finess: str
    ceiling_ttc_cents: int
    unit_ttc_cents: int
    advance_ttc_cents: int
    solde_ttc_cents: int


@dataclass(frozen=True, slots=True)
class Tariff:
    """The price of `ordered` ESSMS of an OG at the full rate, in cents TTC."""

    tranche: str
    ordered: int
    unit_ttc_cents: int
    total_ttc_cents: int
    advance_ttc_cents: int
    solde_ttc_cents: int


def tranche_of(bareme: Bareme, essms_of_og: int) -> Tranche:
    """The tranche of an OG of `essms_of_og` ESSMS (1 or more).

    Source: barème, S0:1575-1582. The total is not monotone: 11 ESSMS cost less than 10.

    Raises:
        SonsError: `INVALID_AMOUNT` below one ESSMS.
    """
    if essms_of_og < 1:
        raise SonsError(ErrorCode.INVALID_AMOUNT, "Un organisme gestionnaire compte au moins un ESSMS.")
    return [t for t in bareme.tranches if t.minimum <= essms_of_og][-1]


def line_amount(finess: str, ceiling_cents: int, asked_cents: int | None, advance_percent: int) -> LineAmount:
    """The amounts of one ESSMS: what is asked (default: the ceiling), advance floored, solde the rest.

    Rounded line by line, so that an order is the sum of its lines and a split changes nothing (C7).
    """
    unit = ceiling_cents if asked_cents is None else asked_cents
    advance, solde = share(unit, advance_percent)
    return LineAmount(finess, ceiling_cents, unit, advance, solde)


def tariff(bareme: Bareme, advance_percent: int, essms_of_og: int, ordered: int | None = None) -> Tariff:
    """The price of `ordered` ESSMS (default: all) of an OG that has `essms_of_og` (R13, R14, R15, R16).

    Raises:
        SonsError: `INVALID_AMOUNT` when the numbers are below one, or more is ordered than the OG has.
    """
    tranche = tranche_of(bareme, essms_of_og)
    count = essms_of_og if ordered is None else ordered
    if count < 1:
        raise SonsError(ErrorCode.INVALID_AMOUNT, "Une commande porte sur au moins un ESSMS.")
    if count > essms_of_og:
        raise SonsError(
            ErrorCode.INVALID_AMOUNT,
            f"La commande porte sur {count} ESSMS, mais l'organisme gestionnaire"
            f" n'en compte que {essms_of_og}.",
        )
    line = line_amount("", tranche.ttc_cents, None, advance_percent)
    return Tariff(
        tranche.code,
        count,
        line.unit_ttc_cents,
        line.unit_ttc_cents * count,
        line.advance_ttc_cents * count,
        line.solde_ttc_cents * count,
    )
