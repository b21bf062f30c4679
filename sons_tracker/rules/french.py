"""French wording shared by the sentences of the rules."""

from __future__ import annotations

from datetime import date

_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip


def date_fr(day: date) -> str:
    """`1er juin 2022`, `31 décembre 2023`."""
    number = "1er" if day.day == 1 else str(day.day)
    return f"{number} {_MONTHS[day.month - 1]} {day.year}"


def count_fr(count: int, singular: str, plural: str | None = None) -> str:
    """`1 commande`, `0 commande`, `3 commandes`: the French plural starts at two."""
    return f"{count} {singular if abs(count) <= 1 else plural or singular + 's'}"
