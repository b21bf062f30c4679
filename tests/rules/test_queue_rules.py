"""The clock of a case, its risk, and samples: on facts, against slow and plain readings of the same words."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sons_tracker import law
from sons_tracker.errors import SonsError
from sons_tracker.operations.working_calendar import public_holidays
from sons_tracker.rules import case_clock, risk, sampling
from sons_tracker.rules.case_clock import Asked
from sons_tracker.rules.families import FAMILIES, PATTERNS
from sons_tracker.rules.parameters import required
from sons_tracker.rules.sampling import Stratum, Unit
from sons_tracker.rules.working_days import is_working_day

KNOWN = date(2023, 3, 1)
VAGUE = law.load().law.vagues["V1"]
TERMS = required(VAGUE.risk.in_force(KNOWN, KNOWN))
PATTERN_POINTS = required(VAGUE.alerts.in_force(KNOWN, KNOWN)).points
HOLIDAYS = public_holidays("57", range(2022, 2027))
DAYS_OFF = case_clock.weekdays_off(HOLIDAYS)
days = st.dates(date(2022, 1, 1), date(2026, 12, 31))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@given(days, days)
def test_working_days_are_those_that_one_counts(start: date, end: date) -> None:
    walked = sum(
        is_working_day(start + timedelta(days=n), HOLIDAYS) for n in range(1, (end - start).days + 1)
    )
    assert case_clock.working_days_between(start, end, DAYS_OFF) == walked


@given(st.lists(st.tuples(days, days), max_size=6))
def test_overlapping_stops_are_counted_once(spans: list[tuple[date, date]]) -> None:
    stopped = {start + timedelta(days=n) for start, end in spans for n in range(1, (end - start).days + 1)}
    merged = case_clock.merged(spans)
    kept = [start + timedelta(days=n) for start, end in merged for n in range(1, (end - start).days + 1)]
    assert (len(kept), set(kept)) == (len(stopped), stopped)


OPENED = at("2023-03-01T10:00:00+01:00")  # a Wednesday


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2023-03-01T23:59:59+01:00", 0),
        ("2023-03-02T00:00:00+01:00", 1),
        ("2023-03-05T10:00:00+01:00", 2),
        ("2023-03-06T10:00:00+01:00", 3),
        ("2023-04-07T10:00:00+02:00", 26),  # Good Friday is a holiday in the Moselle
        ("2023-04-11T10:00:00+02:00", 27),
    ],
)
def test_a_case_is_as_old_as_the_working_days_since_it_was_opened(now: str, expected: int) -> None:
    assert case_clock.clock(OPENED, at(now), at(now), (), DAYS_OFF).working_days == expected


def asked(kind: str, on: str, due: str | None = None, settled: str | None = None) -> Asked:
    return Asked(kind, at(on), None if due is None else at(due), None if settled is None else at(settled))


def test_a_correction_stops_the_clock_and_an_answer_starts_it_again() -> None:
    now = at("2023-03-15T10:00:00+01:00")
    stopped = asked("correction", "2023-03-03T10:00:00+01:00")
    found = case_clock.clock(OPENED, now, now, (stopped,), DAYS_OFF)
    assert (found.working_days, found.stopped) == (2, True)
    again = replace(stopped, settled_at=at("2023-03-10T10:00:00+01:00"))
    found = case_clock.clock(OPENED, now, now, (again,), DAYS_OFF)
    assert (found.working_days, found.stopped) == (5, False)
    twice = asked("correction", "2023-03-08T10:00:00+01:00", None, "2023-03-13T09:00:00+01:00")
    assert case_clock.clock(OPENED, now, now, (again, twice), DAYS_OFF).working_days == 4


def test_other_questions_stop_nothing_but_are_due() -> None:
    now = at("2023-03-15T10:00:00+01:00")
    questions = (
        asked("precisions", "2023-03-01T12:00:00+01:00", "2023-03-15T09:59:59+01:00"),
        asked("opinion", "2023-03-01T12:00:00+01:00", "2023-03-20T23:59:59+01:00"),
        asked(
            "choice", "2023-03-01T12:00:00+01:00", "2023-03-16T23:59:59+01:00", "2023-03-02T10:00:00+01:00"
        ),
    )
    found = case_clock.clock(OPENED, now, now, questions, DAYS_OFF)
    assert (found.working_days, found.stopped, found.overdue) == (10, False, 1)
    assert found.next_due_at == at("2023-03-20T23:59:59+01:00")


def test_an_answer_is_late_after_its_last_instant() -> None:
    question = asked("precisions", "2023-03-01T12:00:00+01:00", "2023-03-15T23:59:59+01:00")
    for now, late in (("2023-03-15T23:59:59+01:00", 0), ("2023-03-16T00:00:00+01:00", 1)):
        found = case_clock.clock(OPENED, at(now), at(now), (question,), DAYS_OFF)
        assert (found.overdue, found.next_due_at is None) == (late, bool(late))


def test_the_clock_of_a_decided_case_stood_still_at_its_decision() -> None:
    decided, now = at("2023-03-06T10:00:00+01:00"), at("2023-06-01T10:00:00+02:00")
    assert case_clock.clock(OPENED, decided, now, (), DAYS_OFF).working_days == 3


CALM = risk.RiskFacts("perimeter_differs", "unknown", 0, 0, 0, 0, (), 0)


def scored(**changes: object) -> int:
    return risk.score(replace(CALM, **changes), TERMS, PATTERN_POINTS)  # type: ignore[arg-type]


def test_a_calm_case_has_the_points_of_its_family_and_outcome() -> None:
    found = risk.assess_risk(CALM, TERMS, PATTERN_POINTS)
    assert (found.score, [reason.code for reason in found.reasons]) == (14, ["family", "outcome"])


@pytest.mark.parametrize(
    ("name", "steps", "points"),
    [
        ("at_stake_cents", (99_999, 100_000, 999_999, 1_000_000, 5_000_000), (0, 3, 3, 8, 15)),
        ("paid_cents", (0, 1, 499_999, 500_000, 2_500_000), (0, 8, 8, 14, 20)),
        ("working_days", (9, 10, 19, 20, 60), (0, 4, 4, 8, 12)),
        ("other_cases", (0, 1, 4, 5, 20), (0, 2, 2, 6, 10)),
        ("overdue", (0, 1, 7), (0, 5, 5)),
    ],
)
def test_each_step_counts_from_its_start_on(
    name: str, steps: tuple[int, ...], points: tuple[int, ...]
) -> None:
    assert tuple(scored(**{name: step}) - scored() for step in steps) == points


def test_alerts_count_once_each_and_no_more_than_their_share() -> None:
    assert scored(alerts=("out_of_hours", "out_of_hours")) - scored() == 3
    assert scored(alerts=tuple(PATTERNS)) - scored() == TERMS.most_alerts


@given(
    st.builds(
        risk.RiskFacts,
        st.sampled_from(sorted(FAMILIES)),
        st.sampled_from(["fail", "review", "unknown"]),
        *(st.integers(0, 10**8),) * 2,
        *(st.integers(0, 300),) * 2,
        st.lists(st.sampled_from(sorted(PATTERNS))),
        st.integers(0, 100),
    )
)
def test_a_score_is_the_sum_of_its_reasons_up_to_one_hundred(facts: risk.RiskFacts) -> None:
    found = risk.assess_risk(facts, TERMS, PATTERN_POINTS)
    assert found.score == min(100, sum(reason.points for reason in found.reasons))
    assert found.score == risk.score(facts, TERMS, PATTERN_POINTS)
    assert [r.points for r in found.reasons] == sorted((r.points for r in found.reasons), reverse=True)
    assert all(reason.message.endswith(".") for reason in found.reasons)
    worse = replace(facts, paid_cents=facts.paid_cents + 10**6, overdue=facts.overdue + 1)
    assert risk.score(worse, TERMS, PATTERN_POINTS) >= found.score


STRATA = [(c, t, e) for c in ("MS1", "MS2") for t in ("A", "B", "E") for e in ("X", "Y")]
counts_of = st.dictionaries(st.sampled_from(STRATA), st.integers(0, 400), min_size=1).filter(
    lambda counts: sum(counts.values()) > 0
)


@given(counts_of, st.integers(1, 1500), st.booleans())
def test_strata_are_served_in_proportion(counts: dict[Stratum, int], size: int, at_least_one: bool) -> None:
    whole = sum(counts.values())
    strata = {stratum for stratum, count in counts.items() if count}
    if at_least_one and len(strata) > min(size, whole):
        with pytest.raises(SonsError, match="strates"):
            sampling.allocate(counts, size, at_least_one=True)
        return
    found = sampling.allocate(counts, size, at_least_one=at_least_one)
    drawn = min(size, whole)
    assert set(found) == strata
    assert sum(found.values()) == drawn
    assert all(at_least_one <= found[one] <= counts[one] for one in strata)
    if not at_least_one:
        assert all(abs(found[one] * whole - drawn * counts[one]) < whole for one in strata)
    shuffled = dict(random.Random(size).sample(sorted(counts.items()), len(counts)))
    assert sampling.allocate(shuffled, size, at_least_one=at_least_one) == found


def population(*sizes: int) -> list[Unit]:
    return [
        Unit(f"BC-2023-{stratum:03d}{n:03d}/010000{n:03d}", STRATA[stratum], 36_960 + n)
        for stratum, size in enumerate(sizes)
        for n in range(size)
    ]


@given(st.integers(0, 2**32), st.integers(1, 60), st.text(min_size=1, max_size=20))
def test_a_draw_does_not_depend_on_the_order_of_the_population(shuffle: int, size: int, seed: str) -> None:
    units = population(40, 7, 1)
    mixed = units[:]
    random.Random(shuffle).shuffle(mixed)
    drawn = sampling.draw(units, seed, size, at_least_one=False)
    assert sampling.draw(mixed, seed, size, at_least_one=False) == drawn
    assert len(set(drawn)) == len(drawn) == min(size, 48)
    assert sampling.digest_of(mixed) == sampling.digest_of(units)
    allocated = sampling.allocate(Counter(one.stratum for one in units), size, at_least_one=False)
    assert Counter(one.stratum for one in drawn) == Counter({k: n for k, n in allocated.items() if n})


def test_a_larger_sample_of_a_stratum_contains_the_smaller_one() -> None:
    units = population(50)
    small, large = (sampling.draw(units, "graine", size, at_least_one=False) for size in (5, 20))
    assert large[:5] == small


GOLDEN = [
    "BC-2023-000021/010000021",
    "BC-2023-000029/010000029",
    "BC-2023-000011/010000011",
    "BC-2023-000000/010000000",
    "BC-2023-001001/010000001",
    "BC-2023-002000/010000000",
]
GOLDEN_DIGEST = "06e25616f19cf081e6e428671b2919bd189064611e381695342c76bd001eec0f"


def test_the_golden_sample() -> None:
    """The same on any machine, in any version: an audit that was started can be shown again."""
    units = population(40, 7, 1)
    drawn = sampling.draw(units, "audit 2024", 6, at_least_one=True)
    assert [one.name for one in drawn] == GOLDEN
    assert sampling.digest_of(units).hex() == GOLDEN_DIGEST


def test_a_population_is_told_by_its_names_its_strata_and_its_money() -> None:
    units = population(3)
    told = sampling.digest_of(units)
    assert sampling.digest_of(units[:2]) != told
    assert sampling.digest_of([replace(units[0], received_cents=1), *units[1:]]) != told
    assert sampling.digest_of([replace(units[0], stratum=STRATA[1]), *units[1:]]) != told
