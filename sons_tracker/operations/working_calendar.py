"""Public holidays by department, and the delays that are counted in working days with them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from functools import cache

import holidays

from sons_tracker.rules import schedule
from sons_tracker.rules.french import PARIS

# Departments whose holidays are not those of the rest of France, by INSEE code and as FINESS writes them, and
# what the `holidays` library calls them: Alsace-Moselle has two more days, each territory overseas its own.
_SUBDIVISIONS = {
    "57": "57", "67": "6AE", "68": "6AE",
    "971": "971", "972": "972", "973": "973", "974": "974", "975": "PM", "976": "976",
    "977": "BL", "978": "MF", "986": "WF", "987": "PF", "988": "NC",
    "9A": "971", "9B": "972", "9C": "973", "9D": "974", "9E": "PM", "9F": "976", "9J": "WF",
}  # fmt: skip
# What a FINESS number overseas starts with, and the department that it stands for.
_OVERSEAS = {"9701": "971", "9702": "972", "9703": "973", "9704": "974", "9805": "976", "9806": "986"}
_DEPARTEMENT_LENGTH = 2
# No year has fewer working days, whatever the department.
_WORKING_DAYS_A_YEAR = 240


def departement_of(finess: str) -> str:
    """The department in which a FINESS number was given: its first two characters, or the one overseas."""
    return _OVERSEAS.get(finess[:4], finess[:2])


def public_holidays(departement: str | None, years: Iterable[int]) -> frozenset[date]:
    """The public holidays of some years in a department (`57`, `2A`, `974`, or `9D` as FINESS writes it);
    those of the whole country for None, and for a department that has no others."""
    subdivision = None if departement is None else _SUBDIVISIONS.get(departement)
    return frozenset().union(*(_of_year(subdivision, year) for year in years))


def holidays_by_prefix(years: Iterable[int]) -> dict[str, frozenset[date]]:
    """The public holidays of some years by how a FINESS number begins: "" for the whole country, then each
    beginning that has others; of two that fit, the longer one holds (`departement_of`)."""
    told = tuple(years)
    own = {**_OVERSEAS, **{code: code for code in _SUBDIVISIONS if len(code) == _DEPARTEMENT_LENGTH}}
    return {"": public_holidays(None, told)} | {
        prefix: public_holidays(departement, told) for prefix, departement in own.items()
    }


@cache
def _of_year(subdivision: str | None, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("FR", subdiv=subdivision, years=year))


def answer_due(asked_at: datetime, working_days: int, departement: str | None = None) -> datetime:
    """The last instant (aware, Paris) to answer what was asked at an aware instant.

    The end of the last of so many working days, Monday to Friday without the public holidays of the
    department; the day of the question does not count, and is the day in Paris.

    Raises:
        ValueError: fewer than one day.
    """
    first = asked_at.astimezone(PARIS).year
    years = range(first, first + working_days // _WORKING_DAYS_A_YEAR + 2)
    return schedule.answer_due(asked_at, working_days, public_holidays(departement, years))
