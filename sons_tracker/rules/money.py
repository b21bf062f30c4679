"""Money is a whole number of cents. Euros appear only as text, at the edges."""

from __future__ import annotations

import re

from sons_tracker.errors import ErrorCode, Fault, SonsError

_EUROS = re.compile(r"([0-9]{1,9})\.([0-9]{2})")
_CENTS_PER_EURO = 100
NNBSP = "\u202f"


def parse_euros(text: str, where: str = "amount") -> int:
    """Cents of an amount written in euros with two decimals: `"1232.00"` → `123200`.

    Raises:
        SonsError: `INVALID_AMOUNT` for anything else (comma, sign, one decimal, exponent).
    """
    match = _EUROS.fullmatch(text)
    if match is None:
        problem = "Un montant s'écrit en euros avec un point et deux décimales, par exemple « 1232.00 »."
        raise SonsError(
            ErrorCode.INVALID_AMOUNT, f"Le montant « {text[:40]} » est mal formé.", (Fault(where, problem),)
        )
    return int(match[1]) * _CENTS_PER_EURO + int(match[2])


def euros(cents: int) -> str:
    """The amount as the API writes it: `123200` → `"1232.00"`; a negative amount keeps its sign."""
    sign = "-" if cents < 0 else ""
    whole, part = divmod(abs(cents), _CENTS_PER_EURO)
    return f"{sign}{whole}.{part:02d}"


def euros_fr(cents: int) -> str:
    """The amount as a French reader expects it, with narrow no-break spaces: `1 232,00 €`."""
    sign = "\u2212" if cents < 0 else ""
    whole, part = divmod(abs(cents), _CENTS_PER_EURO)
    return f"{sign}{whole:,}".replace(",", NNBSP) + f",{part:02d}{NNBSP}€"


def share(cents: int, percent: int) -> tuple[int, int]:
    """Splits an amount into (advance, solde), in cents: the advance is floored, the solde is the rest.

    No cent is lost: the two always add up to `cents` (C7). `percent` is a value of the law (R15).
    """
    advance = cents * percent // 100
    return advance, cents - advance
