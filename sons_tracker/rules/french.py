"""French wording shared by the sentences of the rules."""

from __future__ import annotations

from datetime import date, datetime, time
from fractions import Fraction
from zoneinfo import ZoneInfo

from sons_tracker.rules.money import NNBSP
from sons_tracker.rules.texts import Limit

PARIS = ZoneInfo("Europe/Paris")
_TENTHS_OF_PERCENT = 1000
_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip


def date_fr(day: date) -> str:
    """`1er juin 2022`, `31 décembre 2023`."""
    number = "1er" if day.day == 1 else str(day.day)
    return f"{number} {_MONTHS[day.month - 1]} {day.year}"


def until_fr(limit: Limit) -> str:
    """`31 décembre 2023`, or `19 décembre 2024 à 14 h 00` where the text gives an hour."""
    at = limit.at.timetz()
    return date_fr(limit.on) + ("" if at.replace(tzinfo=None) == time.max else f" à {at:%H h %M}")


def instant_fr(at: datetime) -> str:
    """An aware instant as Paris reads it: `2 janvier 2024 à 14 h 00`, with its seconds when it has some."""
    local = at.astimezone(PARIS)
    return f"{date_fr(local.date())} à {local:%H h %M}" + (f" min {local:%S} s" if local.second else "")


def percent_fr(rate: Fraction) -> str:
    """`93,4 %`: a rate to the tenth of a per cent, a half rounded up."""
    doubled = 2 * rate.numerator * _TENTHS_OF_PERCENT + rate.denominator
    whole, tenth = divmod(doubled // (2 * rate.denominator), 10)
    return f"{whole},{tenth}{NNBSP}%"


def count_fr(count: int, singular: str, plural: str | None = None) -> str:
    """`1 commande`, `0 commande`, `2 000 commandes`: the French plural starts at two."""
    shown = f"{count:,}".replace(",", NNBSP)
    return f"{shown} {singular if abs(count) <= 1 else plural or singular + 's'}"
