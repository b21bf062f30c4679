"""Working days (jours ouvrés): Monday to Friday, without the public holidays that are given."""

from __future__ import annotations

from calendar import SATURDAY
from datetime import date, timedelta


def is_working_day(day: date, holidays: frozenset[date]) -> bool:
    """Whether people work on `day`: neither a Saturday, nor a Sunday, nor a holiday."""
    return day.weekday() < SATURDAY and day not in holidays


def add_working_days(start: date, days: int, holidays: frozenset[date]) -> date:
    """The last day of a delay of `days` working days (1 or more) that starts the day after `start`.

    `holidays` must cover the delay; the day of `start` never counts, whatever day it is.

    Raises:
        ValueError: fewer than one day.
    """
    if days < 1:
        raise ValueError("a delay counts at least one working day")
    day = start
    while days:
        day += timedelta(days=1)
        days -= is_working_day(day, holidays)
    return day
