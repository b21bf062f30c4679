"""Laws for the tests of the impact, and the rows of orders that they look at."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sons_tracker import law
from sons_tracker.law.proposal import with_projects
from sons_tracker.rules.texts import Law
from tests import factories_orders as make
from tests.law.files import changed

PARIS = ZoneInfo("Europe/Paris")
JANUARY = datetime(2024, 1, 10, 9, 0, tzinfo=PARIS)
"""After the fermeture of the seed's calendar, before its clôture; the extended one is published."""

FERMETURE = datetime(2023, 12, 31, 23, 59, 59, 999999, PARIS)
CLOTURE = datetime(2024, 3, 31, 23, 59, 59, 999999, PARIS)
LATER_FERMETURE = datetime(2024, 2, 28, 23, 59, 59, 999999, PARIS)
LATER_CLOTURE = datetime(2024, 12, 19, 14, 0, tzinfo=PARIS)

PACKAGE = law.load().law


def extended() -> Law:
    """The package's law, the extended calendar of vague 1 (C3) being in force."""
    return with_projects(law.load()).law


def edited(name: str, old: str, new: str, *, count: int = 1) -> Law:
    """The package's law with the first `count` places of `old` in one file replaced."""
    return law.read_library(changed(name, old, new, count=count)).law


def paris(year: int, month: int, day: int) -> datetime:
    """The first instant of a day in Paris."""
    return datetime.combine(date(year, month, day), datetime.min.time(), PARIS)


async def planned(owner: make.Everything, order_id: UUID, kind: str) -> list[datetime]:
    """When the deadlines of that kind that still run are due, or `reminder cloture` for its reminders."""
    kind, _, of = kind.partition(" ")
    rows = await owner.fetch(
        "select due_at from deadline where order_id = $1 and kind = $2 and ($3 = '' or facts ->> 'of' = $3)"
        " and superseded_at is null and fired_at is null order by due_at",
        order_id,
        kind,
        of,
    )
    return [row["due_at"] for row in rows]


async def learn_submission(owner: make.Everything, version: str, listed_on: date, submitted_on: date) -> None:
    """A later list of the ANS says when the complete file of a version was submitted."""
    await make.an_extraction(owner, "referencing", listed_on)
    await owner.execute(
        "update referencing set valid_to = $2 where solution_version = $1", version, listed_on
    )
    await owner.execute(
        "insert into referencing (solution_version, dispositif, valid_from, version_label, solution,"
        " solution_name, solution_kind, editor_siren, editor_name, status, complete_file_on)"
        " select solution_version, dispositif, $2, version_label, solution, solution_name, solution_kind,"
        " editor_siren, editor_name, status, $3 from referencing where solution_version = $1",
        version,
        listed_on,
        submitted_on,
    )


async def everything_kept(owner: make.Everything) -> list[Any]:
    """Every row that an impact might be suspected to touch."""
    return [
        await owner.fetch(f"select t::text from {table} t order by 1")
        for table in (
            "purchase_order",
            "order_line",
            "payment",
            "deadline",
            "journal",
            "outbox",
            "law_enactment",
        )
    ]
