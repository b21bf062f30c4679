"""What an order plans, told by examples that a lawyer can check on a calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from sons_tracker.operations.working_calendar import answer_due, departement_of, public_holidays
from sons_tracker.rules.assessment import Assessment, assess
from sons_tracker.rules.french import PARIS
from tests.rules.cases import order_case
from tests.rules.generated import LAW


def planned(**facts: object) -> Assessment:
    case, known_on = order_case(facts)
    return assess(case, LAW, case.signed_on, known_on)


def told(at: datetime) -> str:
    return f"{at.astimezone(PARIS):%d/%m/%Y %H:%M:%S}"


CANDIDATE = {"status": "candidate", "from": "inconnu"}


def test_a_referenced_version_waits_for_the_two_closings_only() -> None:
    found = planned()
    assert [(d.kind, d.rule, told(d.at)) for d in found.deadlines] == [
        ("fermeture", "R20", "31/12/2023 23:59:59"),
        ("cloture", "R21", "31/03/2024 23:59:59"),
    ]
    assert [(r.of.kind, r.days, told(r.at)) for r in found.reminders] == [
        ("fermeture", 90, "02/10/2023 00:00:00"),
        ("fermeture", 30, "01/12/2023 00:00:00"),
        ("fermeture", 7, "24/12/2023 00:00:00"),
        ("cloture", 90, "01/01/2024 00:00:00"),
        ("cloture", 30, "01/03/2024 00:00:00"),
        ("cloture", 7, "24/03/2024 00:00:00"),
    ]
    assert all(r.a_confirmer and r.kind == "reminder" and r.rule == r.of.rule for r in found.reminders)


def test_the_editor_is_warned_before_the_end_of_the_120_days_and_at_their_end() -> None:
    found = planned(referencings=[CANDIDATE], signed_on=date(2022, 6, 1))
    first, *_ = found.deadlines
    assert (first.kind, first.rule, told(first.at)) == ("complete_file", "R12", "29/09/2022 23:59:59")
    assert [(r.days, told(r.at)) for r in found.reminders if r.of is first] == [
        (90, "01/07/2022 00:00:00"),
        (30, "30/08/2022 00:00:00"),
        (7, "22/09/2022 00:00:00"),
    ]


def test_120_days_can_end_on_a_29_february() -> None:
    received_at = datetime.fromisoformat("2023-11-02T10:00:00")
    found = planned(referencings=[CANDIDATE], signed_on=date(2023, 11, 1), received_at=received_at)
    first, *_ = found.deadlines
    assert (first.kind, told(first.at)) == ("fermeture", "31/12/2023 23:59:59")
    assert told(found.deadlines[1].at) == "29/02/2024 23:59:59"


@pytest.mark.parametrize(
    ("received_at", "days"),
    [
        ("2023-12-23T23:59:59.999999", [7]),
        ("2023-12-24T00:00:00", []),  # the first instant of that day is not ahead any more
        ("2023-12-24T00:00:01", []),
        ("2023-12-01T00:00:00", [7]),
        ("2023-11-30T23:59:00", [30, 7]),
    ],
)
def test_a_reminder_whose_day_has_come_at_the_registration_is_not_planned(
    received_at: str, days: list[int]
) -> None:
    found = planned(received_at=datetime.fromisoformat(received_at), signed_on=date(2023, 6, 1))
    assert [r.days for r in found.reminders if r.of.kind == "fermeture"] == days


def test_a_referencing_that_the_list_announces_is_planned_at_midnight_and_never_reminded() -> None:
    found = planned(referencings=[{"from": date(2022, 7, 20)}])
    coming = next(d for d in found.deadlines if d.kind == "referencing")
    assert (coming.rule, told(coming.at)) == ("R11", "20/07/2022 00:00:00")
    assert "referencing" not in {r.of.kind for r in found.reminders}


@pytest.mark.parametrize(
    "line",
    [
        {"from": date(2022, 5, 1)},  # referenced at the signature
        {"status": "candidate", "from": date(2022, 7, 20)},  # a candidate's date is a hope (R39)
        {"from": "inconnu"},
    ],
)
def test_no_referencing_is_planned_that_the_list_does_not_announce(line: dict[str, object]) -> None:
    assert "referencing" not in {d.kind for d in planned(referencings=[line]).deadlines}


def test_reminders_tell_what_they_remind_of() -> None:
    facts = planned().reminders[0].facts
    assert (facts["of"], facts["days"]) == ("fermeture", 90)
    assert facts["deadline_at"] == "2023-12-31T23:59:59.999999+01:00"
    assert facts["label"].startswith("Fermeture")


@pytest.mark.parametrize(
    ("asked_at", "departement", "due"),
    [
        # Easter Monday 10 April 2023 does not count; Good Friday 7 April does not count in Moselle
        ("2023-03-31T10:00", None, "17/04/2023 23:59:59"),
        ("2023-03-31T10:00", "69", "17/04/2023 23:59:59"),
        ("2023-03-31T10:00", "57", "18/04/2023 23:59:59"),
        ("2023-03-31T10:00", "67", "18/04/2023 23:59:59"),
        ("2023-03-31T10:00", "68", "18/04/2023 23:59:59"),
        # 20 December, abolition of slavery in La Réunion
        ("2023-12-08T10:00", "974", "26/12/2023 23:59:59"),
        ("2023-12-08T10:00", "9D", "26/12/2023 23:59:59"),
        ("2023-12-08T10:00", "75", "22/12/2023 23:59:59"),
        # 26 December, Saint Stephen in Alsace
        ("2023-12-18T10:00", "67", "04/01/2024 23:59:59"),
        ("2023-12-18T10:00", None, "03/01/2024 23:59:59"),
        # across the change of hour, and a 29 February
        ("2024-02-16T10:00", None, "01/03/2024 23:59:59"),
        ("2023-03-20T10:00", None, "03/04/2023 23:59:59"),
        # half past midnight of 1 March in Paris is still February elsewhere
        ("2023-02-28T23:30Z", None, "15/03/2023 23:59:59"),
    ],
)
def test_answer_delays_count_the_working_days_of_the_department(
    asked_at: str, departement: str | None, due: str
) -> None:
    asked = datetime.fromisoformat(asked_at)
    asked = asked if asked.tzinfo else asked.replace(tzinfo=PARIS)
    assert told(answer_due(asked, 10, departement)) == due
    assert told(answer_due(asked.astimezone(UTC), 10, departement)) == due


def test_a_long_delay_knows_the_holidays_of_all_its_years() -> None:
    asked = datetime(2023, 1, 2, 10, tzinfo=PARIS)
    due = answer_due(asked, 1000)
    days = (date(2023, 1, 3) + timedelta(days=n) for n in range((due.date() - date(2023, 1, 2)).days))
    rest = public_holidays(None, range(2023, 2030))
    assert sum(day.weekday() < 5 and day not in rest for day in days) == 1000


@pytest.mark.parametrize(
    ("finess", "departement"),
    [
        ("750000018", "75"),
        ("2A0000014", "2A"),
        ("970400016", "974"),
        ("980500003", "976"),
        ("990000010", "99"),
    ],
)
def test_a_finess_number_tells_where_it_was_given(finess: str, departement: str) -> None:
    assert departement_of(finess) == departement
