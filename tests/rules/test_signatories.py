"""In what capacity a member of an OG signs, to the day, and the words of a delegation."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest

from sons_tracker.rules.delegations import DelegationParties, DelegationTerms, delegation_text, last_day
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.signatories import DELEGATION, RESPONSIBLE, Held, Signatory

HELD = Held(UUID(int=1), ("va",), date(2023, 3, 2), date(2023, 3, 31), stopped=False)
SECOND = timedelta(seconds=1)
FIRST, OVER = datetime(2023, 3, 2, tzinfo=PARIS), datetime(2023, 4, 1, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("at", "may"),
    [(FIRST - SECOND, False), (FIRST, True), (OVER - SECOND, True), (OVER, False)],
    ids=["eve", "first", "last", "over"],
)
def test_both_days_are_included_from_midnight_to_midnight_in_paris(at: datetime, may: bool) -> None:
    capacity = Signatory(False, (HELD,)).capacity("va", at)
    assert (capacity is not None) is may
    assert capacity is None or (capacity.kind, capacity.delegation_id) == (DELEGATION, HELD.id)


def test_a_responsible_needs_no_delegation() -> None:
    found = Signatory(True, (HELD,)).capacity("amendment", OVER)
    assert found is not None
    assert (found.kind, found.delegation_id) == (RESPONSIBLE, None)


@pytest.mark.parametrize(
    ("held", "at", "said"),
    [
        ((), FIRST, "Aucune délégation"),
        ((replace(HELD, acts=("amendment",)),), FIRST, "Aucune délégation"),
        ((HELD,), FIRST - SECOND, "ne commence que le 2 mars 2023"),
        ((HELD,), OVER, "a pris fin le 31 mars 2023"),
        ((replace(HELD, stopped=True),), FIRST, "a cessé"),
        ((replace(HELD, stopped=True), HELD), OVER, "a pris fin le 31 mars 2023"),
    ],
)
def test_the_reason_says_what_is_wrong_and_what_repairs_it(
    held: tuple[Held, ...], at: datetime, said: str
) -> None:
    [reason] = Signatory(False, held).reasons("va", at)
    assert said in reason.message
    assert reason.rule == "R17"
    assert reason.remedy
    assert reason.source


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (date(2023, 3, 1), date(2024, 2, 29)),
        (date(2024, 2, 28), date(2025, 2, 27)),
        (date(2024, 2, 29), date(2025, 2, 27)),
        (date(2024, 3, 1), date(2025, 2, 28)),
    ],
)
def test_a_year_is_counted_to_its_eve(begins: date, ends: date) -> None:
    assert last_day(begins) == ends


def test_the_last_year_of_the_calendar_is_no_error() -> None:
    assert last_day(date(9999, 5, 1)) < date(9999, 5, 1)


def test_the_text_names_what_is_delegated_to_whom_and_until_when() -> None:
    parties = DelegationParties("OG de test", "990000028", "Camille Exemple", "Dominique Exemple")
    text = delegation_text(parties, DelegationTerms(("va",), date(2023, 3, 1), date(2023, 3, 31)))
    for said in ("Camille Exemple", "Dominique Exemple", "990000028", "1er mars 2023", "31 mars 2023", "VA"):
        assert said in text
    assert "avenants" not in text
