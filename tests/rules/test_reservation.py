"""Reservations as rules: until when one runs, and what stands against making, renewing and dropping it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest

from sons_tracker import law
from sons_tracker.rules.case import Engagement, OrderedEssms
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.identifiers import FinessGeographique
from sons_tracker.rules.parameters import Confiance, Etat, Source, Version
from sons_tracker.rules.reservation import (
    Running,
    actions_of,
    against_making,
    against_renewing,
    expiry,
    free_again_on,
)
from sons_tracker.rules.texts import Limit, ReservationTerms

DAY = date(2023, 3, 1)
NOON = datetime(2023, 3, 1, 12, 0, tzinfo=PARIS)
END = datetime(2023, 3, 16, 23, 59, 59, 999999, PARIS)
MOMENT = timedelta(microseconds=1)


def terms(days: int = 15, most_essms: int = 500, renewals: int = 1, pause_days: int = 30) -> Version:
    """Terms in force, those of the law by default."""
    value = ReservationTerms(days, most_essms, renewals, pause_days)
    source = Source("Lecture du projet", "aucun texte")
    return Version(DAY, DAY, Confiance.A_CONFIRMER, Etat.EN_VIGUEUR, source, value)


def fermeture(at: datetime) -> Version[Limit]:
    source = Source("Calendrier", "S0:1637")
    return Version(DAY, DAY, Confiance.OFFICIEL, Etat.EN_VIGUEUR, source, Limit(at.date(), at))


def lines(count: int, *engagements: Engagement) -> tuple[OrderedEssms, ...]:
    numbers = (FinessGeographique(f"99000{n:04d}") for n in range(count))
    return tuple(OrderedEssms(number, None, None, None, engagements, ()) for number in numbers)


def test_the_law_gives_the_terms_and_says_that_they_are_to_be_confirmed() -> None:
    found = law.load().law.vagues["V1"].reservation.in_force(DAY, DAY)
    assert found.value == ReservationTerms(15, 500, 1, 30)
    assert found.a_confirmer
    assert law.load().law.vagues["V1"].reservation.find(date(2022, 2, 11), DAY) is None


@pytest.mark.parametrize(
    ("day", "offset", "end"),
    [
        (date(2023, 3, 1), "+01:00", date(2023, 3, 16)),
        (date(2023, 3, 20), "+02:00", date(2023, 4, 4)),  # over the change to summer time
        (date(2023, 10, 20), "+01:00", date(2023, 11, 4)),  # and back
        (date(2024, 2, 20), "+01:00", date(2024, 3, 6)),  # over a 29 February
    ],
)
def test_a_reservation_ends_with_its_last_day_in_paris(day: date, offset: str, end: date) -> None:
    found = expiry(day, terms(), None)
    assert found == datetime.combine(end, time.max, PARIS)
    assert found.isoformat().endswith(offset)


@pytest.mark.parametrize(
    ("limit", "end"),
    [
        (END - timedelta(days=3), END - timedelta(days=3)),
        (END - MOMENT, END - MOMENT),
        (END, END),
        (END + MOMENT, END),
    ],
)
def test_no_reservation_runs_past_the_fermeture(limit: datetime, end: datetime) -> None:
    assert expiry(DAY, terms(), fermeture(limit)) == end


@pytest.mark.parametrize(("held", "asked", "refused"), [(497, 3, False), (498, 3, True), (0, 501, True)])
def test_a_supplier_holds_no_more_than_the_limit(held: int, asked: int, refused: bool) -> None:
    against = against_making(lines(asked), held, {}, DAY, terms())
    assert bool(against) is refused
    if refused:
        assert "pas plus de 500 ESSMS à la fois" in against[0].message
        assert against[0].source == "Lecture du projet (aucun texte)"


@pytest.mark.parametrize(("let_go_on", "refused"), [(date(2023, 1, 29), False), (date(2023, 1, 30), True)])
def test_what_was_given_back_rests_for_thirty_whole_days(let_go_on: date, refused: bool) -> None:
    assert free_again_on(date(2023, 1, 29), terms()) == DAY
    against = against_making(lines(2), 0, {"990000000": let_go_on}, DAY, terms())
    assert bool(against) is refused
    if refused:
        assert "990000000" in against[0].message
        assert "à compter du 2 mars 2023" in against[0].message


def test_what_is_reserved_already_is_not_reserved_again() -> None:
    own = Engagement("reservation", None, "RS-2023-000007", own=True)
    [reason] = against_making(lines(2, own), 2, {}, DAY, terms())
    assert "RS-2023-000007" in reason.message
    [*rest] = against_making(lines(2, Engagement("order", "BC-2023-000001")), 2, {}, DAY, terms())
    assert rest == [], "R05 speaks of what others hold"


def test_every_reason_is_given_at_once() -> None:
    own = Engagement("reservation", None, "RS-2023-000007", own=True)
    against = against_making(lines(2, own), 499, {"990000001": DAY}, DAY, terms())
    assert len(against) == 3


def test_many_resting_numbers_are_not_all_listed() -> None:
    back = {line.finess: DAY for line in lines(8)}
    [reason] = against_making(lines(8), 0, back, DAY, terms())
    assert "990000004 et 3 autres" in reason.message
    assert "990000005" not in reason.message


@pytest.mark.parametrize(
    ("running", "at", "says"),
    [
        (Running("active", END, 0, 1), NOON + timedelta(days=1), None),
        (Running("active", END, 0, 1), NOON, "déjà jusqu'au 16 mars 2023"),
        (Running("active", END, 0, 1), END, None),
        (Running("active", END, 0, 1), END + MOMENT, "a expiré le 16 mars 2023"),
        (Running("active", END, 1, 1), NOON + timedelta(days=1), "se renouvelle 1 fois au plus"),
        (Running("expired", END, 0, 1), NOON, "est expirée"),
        (Running("dropped", END, 0, 1), NOON, "est levée"),
        (Running("converted", END, 0, 1), NOON, "est convertie en commande"),
    ],
)
def test_when_it_can_be_renewed(running: Running, at: datetime, says: str | None) -> None:
    against = against_renewing(running, terms(), None, at)
    assert bool(against) is (says is not None)
    if says is not None:
        assert says in against[0].message


def test_it_is_not_renewed_past_the_fermeture() -> None:
    closing = fermeture(END)
    [reason] = against_renewing(Running("active", END, 0, 1), terms(), closing, NOON + timedelta(days=5))
    assert "ne la prolongerait pas" in reason.message


def test_without_terms_nothing_is_renewed() -> None:
    [reason] = against_renewing(Running("active", END, 0, 1), None, None, NOON)
    assert "Aucune règle de réservation n'est en vigueur au 1er mars 2023." in reason.message


@pytest.mark.parametrize("role", ["og", "reviewer", "payer", "admin"])
def test_only_its_supplier_acts_on_a_reservation(role: str) -> None:
    running = Running("active", END, 0, 1)
    assert actions_of(role, running, terms(), None, NOON) == ()
    found = actions_of("distributor", running, terms(), None, NOON + timedelta(days=1))
    assert {action.code: action.possible for action in found} == {"renew": True, "drop": True}
