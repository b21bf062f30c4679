"""Each pattern on its facts, and on the honest facts that stand beside them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from sons_tracker import law
from sons_tracker.law.library import Library
from sons_tracker.rules import patterns
from sons_tracker.rules.families import FAMILIES, PATTERNS
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import AlertTerms, Bareme

LIBRARY: Library = law.load()
LAW = LIBRARY.law
KNOWN = date(2023, 3, 1)
TERMS: AlertTerms = required(LAW.vagues["V1"].alerts.in_force(KNOWN, KNOWN))
BAREME: Bareme = required(LAW.dispositifs["MS1-V1"].bareme.in_force(KNOWN, KNOWN))
EXTRACTIONS = (date(2022, 1, 3), date(2023, 1, 3))


def test_every_pattern_and_family_has_its_weight() -> None:
    risk = required(LAW.vagues["V1"].risk.in_force(KNOWN, KNOWN))
    assert set(TERMS.points) == set(PATTERNS)
    assert set(risk.families) == set(FAMILIES)
    assert set(risk.outcomes) == {"fail", "review", "unknown"}


def og(count: int, *, unasked: int = 1, asked: tuple[int, ...] = ()) -> patterns.PricedOg:
    return patterns.PricedOg("750000018", "MS1-V1", EXTRACTIONS[0], count, unasked, asked, ("BC-1",), ("s",))


@pytest.mark.parametrize(
    ("count", "other"),
    [
        (1, "B"),
        (2, "A"),
        (4, "C"),
        (5, "B"),
        (10, "D"),
        (11, "C"),
        (19, "E"),
        (20, "D"),
        (99, "F"),
        (100, "E"),
    ],
)
def test_an_og_at_one_essms_of_a_threshold_is_seen(count: int, other: str) -> None:
    seen = patterns.tranche_threshold(og(count), BAREME, TERMS)
    assert seen is not None
    assert seen.facts["other_tranche"] == other
    assert abs(seen.facts["other_count"] - count) == 1
    assert f"{count} ESSMS" in seen.message


@pytest.mark.parametrize("count", [3, 6, 9, 12, 18, 21, 50, 98, 101, 300])
def test_an_og_two_essms_away_is_not(count: int) -> None:
    assert patterns.tranche_threshold(og(count), BAREME, TERMS) is None


def test_a_wider_margin_is_data() -> None:
    assert patterns.tranche_threshold(og(12), BAREME, replace(TERMS, margin=2)) is not None


def test_amounts_below_both_rates_would_not_change() -> None:
    assert patterns.tranche_threshold(og(11, unasked=0, asked=(160_000, 1)), BAREME, TERMS) is None
    # 10 ESSMS are paid 2 190 at most, 11 only 1 643: an amount asked between the two would be cut
    seen = patterns.tranche_threshold(og(10, unasked=0, asked=(200_000,)), BAREME, TERMS)
    assert seen is not None
    assert (seen.facts["total_ttc_cents"], seen.facts["other_total_ttc_cents"]) == (200_000, 164_300)


def counted(*counts: int) -> patterns.CountedOg:
    return patterns.CountedOg(
        "750000018", "MS1-V1", tuple(zip(EXTRACTIONS, counts, strict=False)), ("BC-1",), ("s",)
    )


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [(10, 11, True), (11, 10, True), (5, 10, False), (4, 4, False), (0, 5, False), (99, 100, True)],
)
def test_a_count_that_changes_tranche(before: int, after: int, seen: bool) -> None:
    found = patterns.tranche_changes(counted(before, after), BAREME)
    assert (found is not None) is seen
    if found is not None:
        assert [one["count"] for one in found.facts["counts"]] == [before, after]
        assert "3 janvier 2022" in found.message


def test_one_extraction_alone_says_nothing() -> None:
    assert patterns.tranche_changes(counted(10), BAREME) is None


@pytest.mark.parametrize(
    "name", ["Élodie Saint-Jean", "ELODIE SAINT JEAN", " élodie  saint-jean ", "E\u0301lodie Saint\u2010Jean"]
)
def test_a_name_is_compared_without_its_dress(name: str) -> None:
    assert patterns.plain_name(name) == "elodie saint jean"


def signed(name: str, *ogs: str) -> list[patterns.Signature]:
    return [patterns.Signature(name, og, "va", f"{name}-{og}-{n}") for n, og in enumerate(ogs)]


def test_one_name_for_three_og() -> None:
    acts = [*signed("Élodie Saint-Jean", "1", "2"), *signed("ELODIE SAINT JEAN", "3")]
    [seen] = patterns.one_signer_many_og(acts, TERMS)
    assert seen.ogs == ("1", "2", "3")
    assert len(seen.subjects) == 3
    assert "saint" not in (seen.key + seen.message + str(seen.facts)).lower()


@pytest.mark.parametrize(
    "acts",
    [
        signed("Élodie Saint-Jean", "1", "2"),
        signed("Élodie Saint-Jean", *["1"] * 9),
        [*signed("Élodie Saint-Jean", "1", "2"), *signed("Élodie Saint-Jeanne", "3")],
        signed("—", "1", "2", "3"),
    ],
    ids=["two OG", "many acts of one OG", "two names", "no name"],
)
def test_a_signer_of_fewer_og_is_not_seen(acts: list[patterns.Signature]) -> None:
    assert list(patterns.one_signer_many_og(acts, TERMS)) == []


def test_one_account_for_two_companies_shows_four_characters() -> None:
    account = patterns.SharedAccount("a", "6789", (("s1", "111111111"), ("s2", "222222222")))
    seen = patterns.one_account_two_suppliers(account, TERMS)
    assert seen is not None
    assert "6789" in seen.message
    assert seen.suppliers == ("s1", "s2")


def test_an_editor_and_a_distributor_of_one_company_share_their_account() -> None:
    account = patterns.SharedAccount("a", "6789", (("s1", "111111111"), ("s2", "111111111")))
    assert patterns.one_account_two_suppliers(account, TERMS) is None
    unknown = patterns.SharedAccount("a", "6789", (("s1", None), ("s2", None)))
    assert patterns.one_account_two_suppliers(unknown, TERMS) is not None


WEDNESDAY = datetime(2023, 3, 1, 9, 0, tzinfo=UTC)


def received(
    at: datetime = WEDNESDAY, signed_on: date = date(2023, 2, 28), *off: date
) -> patterns.ReceivedOrder:
    return patterns.ReceivedOrder("BC-1", "750000018", "s", signed_on, at, frozenset(off))


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (datetime(2023, 3, 1, 5, 59, 59, tzinfo=UTC), "received_at_night"),  # 6:59:59 in Paris
        (datetime(2023, 3, 1, 19, 0, tzinfo=UTC), "received_at_night"),  # 20:00 in Paris
        (datetime(2023, 7, 3, 18, 0, tzinfo=UTC), "received_at_night"),  # the same in summer
        (datetime(2023, 3, 5, 10, 0, tzinfo=UTC), "received_on_day_off"),
        (datetime(2023, 3, 4, 10, 0, tzinfo=UTC), "received_on_day_off"),
    ],
)
def test_an_order_received_out_of_hours(at: datetime, why: str) -> None:
    seen = patterns.out_of_hours(received(at), TERMS)
    assert seen is not None
    assert seen.facts["seen"] == [why]
    assert "reçue le" in seen.message
    assert "signée" not in seen.message


@pytest.mark.parametrize(
    "at",
    [
        datetime(2023, 3, 1, 6, 0, tzinfo=UTC),  # 7:00 in Paris
        datetime(2023, 3, 1, 18, 59, 59, tzinfo=UTC),
        datetime(2023, 7, 3, 5, 0, tzinfo=UTC),
    ],
)
def test_an_order_received_within_hours_is_not_seen(at: datetime) -> None:
    assert patterns.out_of_hours(received(at), TERMS) is None


def test_a_holiday_is_that_of_the_department() -> None:
    good_friday = date(2023, 4, 7)
    at = datetime(2023, 4, 11, 9, 0, tzinfo=UTC)
    assert patterns.out_of_hours(received(at, good_friday), TERMS) is None
    seen = patterns.out_of_hours(received(at, good_friday, good_friday), TERMS)
    assert seen is not None
    assert seen.facts["seen"] == ["signed_on_day_off"]
    assert "signée le 7 avril 2023" in seen.message


def test_hours_are_data() -> None:
    assert patterns.out_of_hours(received(), replace(TERMS, opens=time(10, 30))) is not None


@pytest.mark.parametrize(("signed_on", "seen"), [(9, True), (10, False), (11, False)])
def test_an_order_signed_before_its_og_existed(signed_on: int, seen: bool) -> None:
    order = patterns.EarlyOrder("BC-1", "750000018", "s", date(2022, 6, signed_on), date(2022, 6, 10))
    assert (patterns.before_og_existed(order) is not None) is seen


def applied(reference: str, call: str, year: int = 2022, finess: str = "010000016") -> patterns.Application:
    return patterns.Application(reference, call, year, finess, "750000018")


def test_a_regional_and_a_national_application_of_one_year_make_one_alert() -> None:
    both = [applied("R", "regional", finess=n) for n in ("1", "2")]
    both += [applied("N", "national", finess=n) for n in ("1", "2", "3")]
    [seen] = patterns.two_applications(both)
    assert seen.facts["essms"] == 2
    assert seen.subjects == (("grant", "R"), ("grant", "N"), ("essms", "1"), ("essms", "2"))


@pytest.mark.parametrize(
    "honest",
    [
        [applied("R", "regional"), applied("R2", "regional")],
        [applied("R", "regional", 2021), applied("N", "national", 2022)],
        [applied("R", "regional", finess="1"), applied("N", "national", finess="2")],
    ],
    ids=["two regional", "a pilot and its generalisation", "two ESSMS"],
)
def test_other_applications_are_not_seen(honest: list[patterns.Application]) -> None:
    assert list(patterns.two_applications(honest)) == []
