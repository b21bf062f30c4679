"""The clock of a case: working days since it was opened, standing still while a correction is awaited."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sons_tracker.rules.french import PARIS
from sons_tracker.rules.working_days import is_working_day

_NO_HOLIDAY = frozenset[date]()
# From Monday to Sunday, whether people work; the first day of all is a Monday.
_WEEK = tuple(is_working_day(date.min + timedelta(days=day), _NO_HOLIDAY) for day in range(7))


@dataclass(frozen=True, slots=True)
class Clock:
    """`working_days` that counted; `stopped`: it stands still now; `next_due_at`: the next answer that is
    due; `overdue`: how many answers are late."""

    working_days: int
    stopped: bool
    next_due_at: datetime | None
    overdue: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the case: when it was asked, until when it may be answered, when it was settled."""

    kind: str
    asked_at: datetime
    answer_due_at: datetime | None
    settled_at: datetime | None


def clock(
    opened_at: datetime,
    until: datetime,
    now: datetime,
    questions: Iterable[Asked],
    days_off: Sequence[date],
) -> Clock:
    """The clock of a case opened at `opened_at` that runs `until` its decision, or now.

    A day counts from the day after the opening on, as a delay does; the days after the one on which a
    correction is asked, up to the one on which it is settled, do not. `days_off`: the public holidays that
    fall from Monday to Friday, ascending, over the whole time.
    """
    asked = tuple(questions)
    end = _day(until)
    still = merged(
        (_day(one.asked_at), min(end, _day(one.settled_at or until)))
        for one in asked
        if one.kind == "correction" and _day(one.asked_at) < end
    )
    running = working_days_between(_day(opened_at), end, days_off)
    stopped = sum(working_days_between(start, stop, days_off) for start, stop in still)
    open_ = [one for one in asked if one.settled_at is None]
    due = [one.answer_due_at for one in open_ if one.answer_due_at is not None]
    return Clock(
        running - stopped,
        any(one.kind == "correction" for one in open_),
        min((at for at in due if at >= now), default=None),
        sum(at < now for at in due),
    )


def merged(spans: Iterable[tuple[date, date]]) -> list[tuple[date, date]]:
    """The same days without overlap; a span holds the days after its start, up to its end."""
    out: list[tuple[date, date]] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def working_days_between(start: date, end: date, days_off: Sequence[date]) -> int:
    """How many working days follow `start`, up to `end`; none when `end` is not later.

    `days_off` are ascending, each a day from Monday to Friday. Counted without walking the days: a queue asks
    it for thousands of cases.
    """
    if end <= start:
        return 0
    weeks, rest = divmod((end - start).days, len(_WEEK))
    weekdays = weeks * sum(_WEEK) + sum(
        _WEEK[(start.weekday() + step) % len(_WEEK)] for step in range(1, rest + 1)
    )
    return weekdays - (bisect_right(days_off, end) - bisect_right(days_off, start))


def weekdays_off(holidays: frozenset[date]) -> tuple[date, ...]:
    """The public holidays that fall on a day when people would work, ascending."""
    return tuple(sorted(day for day in holidays if is_working_day(day, _NO_HOLIDAY)))


def _day(at: datetime) -> date:
    return at.astimezone(PARIS).date()
