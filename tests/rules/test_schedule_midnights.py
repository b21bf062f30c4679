"""Every midnight of Paris from 2022 to 2040, both changes of hour, each 29 February, for every deadline rule.

What is computed is the last microsecond of the Paris day, or the hour that the text gives; from one day to
the next it moves by exactly that day's length, 23, 24 or 25 hours, so that none is skipped and none doubled.
Instants are compared in UTC: two instants of Paris would be compared by their wall clocks.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import pytest

from sons_tracker.law.building import _limit
from sons_tracker.operations.working_calendar import answer_due, public_holidays
from sons_tracker.rules.context import open_case
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.parameters import Parameter, required
from sons_tracker.rules.schedule import deadlines, end_of_day, reminders, start_of_day
from sons_tracker.rules.texts import Law, Limit
from tests.rules.cases import order_case
from tests.rules.generated import LAW

FIRST, LAST = date(2022, 1, 1), date(2040, 12, 31)
DAYS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
MICROSECOND = timedelta(microseconds=1)
REMINDER_DAYS = LAW.vagues["V1"].reminder_days.in_force(date(2023, 1, 1), date(2023, 1, 1))
OPENING = date(2022, 2, 12)  # before it no delay of R12 is in force
DELAY = required(LAW.dispositifs["MS1-V1"].referencing_delay_days.in_force(OPENING, OPENING))
PLANNED = deadlines(open_case(order_case({})[0], LAW, date(2022, 6, 1), date(2022, 6, 15)))


def last_sunday(year: int, month: int) -> date:
    day = date(year, month, 31)
    return day - timedelta(days=(day.weekday() + 1) % 7)


def hours_of(day: date) -> int:
    """How long a day is in Paris, by the rule of the European Union and not by the library under test."""
    return {last_sunday(day.year, 3): 23, last_sunday(day.year, 10): 25}.get(day, 24)


def limit_on(day: date) -> Limit:
    """A closing as the law file writes it."""
    return _limit({"le": day.isoformat()})


def calendar_on(day: date) -> Law:
    """The law with its closings of MS1 on that day, as if nothing had ever been written on another."""
    ms1 = LAW.dispositifs["MS1-V1"]

    def moved(closing: Parameter[Limit]) -> Parameter[Limit]:
        version = dataclasses.replace(closing.versions[0], value=limit_on(day))
        return Parameter(closing.name, (version,))

    ms1 = dataclasses.replace(ms1, fermeture=moved(ms1.fermeture), cloture=moved(ms1.cloture))
    return dataclasses.replace(LAW, dispositifs={**LAW.dispositifs, "MS1-V1": ms1})


def of_calendar(kind: str) -> Callable[[date], datetime]:
    case, known_on = order_case({})

    def find(day: date) -> datetime:
        ctx = open_case(case, calendar_on(day), case.signed_on, known_on)
        return next(d.at for d in deadlines(ctx) if d.kind == kind)

    return find


def complete_file(day: date) -> datetime:
    """The end of the delay of an order signed so many days before that day."""
    signed_on = day - timedelta(days=DELAY)
    facts = {"signed_on": signed_on, "received_at": datetime.combine(signed_on, time(12))}
    case, known_on = order_case({**facts, "referencings": [{"status": "candidate", "from": "inconnu"}]})
    ctx = open_case(case, LAW, signed_on, known_on)
    return next(d.at for d in deadlines(ctx) if d.kind == "complete_file")


# By rule: how its last instant is found, and the first day on which there can be one.
LAST_INSTANTS: dict[str, tuple[Callable[[date], datetime], date]] = {
    "fermeture": (of_calendar("fermeture"), FIRST),
    "cloture": (of_calendar("cloture"), FIRST),
    "complete_file": (complete_file, OPENING + timedelta(days=DELAY)),
}


def test_the_library_and_the_rule_of_the_union_agree_on_every_change_of_hour() -> None:
    for day in DAYS:
        length = start_of_day(day + timedelta(days=1)).astimezone(UTC) - start_of_day(day).astimezone(UTC)
        assert length == timedelta(hours=hours_of(day)), day
    assert Counter(map(hours_of, DAYS)) == {23: 19, 24: len(DAYS) - 38, 25: 19}


@pytest.mark.parametrize("rule", LAST_INSTANTS)
def test_a_deadline_is_the_last_microsecond_of_its_paris_day(rule: str) -> None:
    find, first = LAST_INSTANTS[rule]
    before = None
    for day in (day for day in DAYS if day >= first):
        at = find(day).astimezone(UTC)
        assert at.astimezone(PARIS).date() == day
        assert (at + MICROSECOND).astimezone(PARIS) == start_of_day(day + timedelta(days=1))
        if before is not None:
            assert at - before == timedelta(hours=hours_of(day)), day
        before = at


@pytest.mark.parametrize("hour", ["00:00:00", "01:59:59", "14:00:00", "23:59:59"])
def test_a_closing_with_an_hour_is_that_hour_of_paris_each_day(hour: str) -> None:
    seen = set()
    for day in DAYS:
        at = _limit({"le": day.isoformat(), "heure": hour}).at
        local = at.astimezone(UTC).astimezone(PARIS)
        assert (local.date(), local.time().isoformat()) == (day, hour)
        seen.add(at.astimezone(UTC))
    assert len(seen) == len(DAYS)
    assert sorted(seen) == [_limit({"le": day.isoformat(), "heure": hour}).at.astimezone(UTC) for day in DAYS]


@pytest.mark.parametrize("days", required(REMINDER_DAYS))
def test_each_reminder_falls_on_each_midnight_once(days: int) -> None:
    fermeture = next(d for d in PLANNED if d.kind == "fermeture")
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    found = []
    for day in DAYS:
        moved = dataclasses.replace(fermeture, at=limit_on(day).at)
        (reminder,) = [r for r in reminders([moved], REMINDER_DAYS, long_ago) if r.days == days]
        assert reminder.at.astimezone(UTC).astimezone(PARIS) == start_of_day(day - timedelta(days=days))
        assert reminder.at.time() == time.min
        found.append(reminder.at.astimezone(PARIS).date())
    assert found == [day - timedelta(days=days) for day in DAYS]


def test_a_reminder_is_planned_until_its_midnight_and_not_from_it_on() -> None:
    fermeture = next(d for d in PLANNED if d.kind == "fermeture")
    for day in DAYS:
        moved = dataclasses.replace(fermeture, at=limit_on(day).at)
        for days in required(REMINDER_DAYS):
            midnight = start_of_day(day - timedelta(days=days)).astimezone(UTC)
            kept = {r.days for r in reminders([moved], REMINDER_DAYS, midnight - MICROSECOND)}
            gone = {r.days for r in reminders([moved], REMINDER_DAYS, midnight)}
            assert kept - gone == {days}


@pytest.mark.parametrize("departement", [None, "57", "68", "971", "974", "9F"])
def test_an_answer_is_due_at_the_end_of_the_tenth_working_day_whatever_the_day(
    departement: str | None,
) -> None:
    rest = public_holidays(departement, range(FIRST.year, LAST.year + 2))

    def works(day: date) -> bool:
        return day.weekday() < 5 and day not in rest

    before = datetime.min.replace(tzinfo=UTC)
    reached = set()
    for day in DAYS:
        for asked_at in (start_of_day(day), end_of_day(day)):
            due = answer_due(asked_at.astimezone(UTC), 10, departement)
            last = due.astimezone(PARIS).date()
            assert due.astimezone(UTC) == end_of_day(last).astimezone(UTC)
            assert works(last)
            between = (day + timedelta(days=n) for n in range(1, (last - day).days + 1))
            assert sum(map(works, between)) == 10
            assert due.astimezone(UTC) >= before
            before = due.astimezone(UTC)
        reached.add(last)
    # no working day is skipped once the first delay is over
    assert {d for d in DAYS if works(d) and min(reached) <= d <= max(reached)} == {
        d for d in reached if d <= LAST
    }


def test_the_29_february_has_its_own_last_instant() -> None:
    for year in (2024, 2028, 2032, 2036, 2040):
        leap = date(year, 2, 29)
        for rule, (find, _) in LAST_INSTANTS.items():
            assert find(leap).astimezone(PARIS).date() == leap, rule
            assert find(leap) < find(date(year, 3, 1)), rule
