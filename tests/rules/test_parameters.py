"""Values of the law over time: in force, known, corrected, repealed, never guessed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.parameters import Confiance, Etat, Parameter, Source, Version, required

SOURCE = Source("Texte", "S0:1")
DAY = date(2022, 1, 1)
DAYS = st.integers(0, 30).map(lambda n: DAY + timedelta(days=n))


def version(depuis: date, publie_le: date, value: int | None, etat: Etat = Etat.EN_VIGUEUR) -> Version[int]:
    return Version(depuis, publie_le, Confiance.OFFICIEL, etat, SOURCE, value)


VERSIONS = st.lists(
    st.builds(
        version, DAYS, DAYS, st.none() | st.integers(1, 9), st.sampled_from([Etat.EN_VIGUEUR, Etat.PROJET])
    ),
    max_size=6,
    unique_by=lambda v: (v.depuis, v.publie_le),
)


def d(day: int) -> date:
    return date(2022, 1, day)


def test_a_later_publication_corrects_what_it_replaces() -> None:
    parameter = Parameter("X.y", (version(d(1), d(1), 10), version(d(1), d(20), 12)))
    assert required(parameter.in_force(d(5), d(19))) == 10
    assert required(parameter.in_force(d(5), d(20))) == 12


def test_a_later_start_wins_over_a_later_publication() -> None:
    parameter = Parameter("X.y", (version(d(10), d(2), 10), version(d(1), d(20), 12)))
    assert required(parameter.in_force(d(10), d(25))) == 10
    assert required(parameter.in_force(d(9), d(25))) == 12


def test_the_day_itself_counts_on_both_axes() -> None:
    parameter = Parameter("X.y", (version(d(10), d(20), 10),))
    assert parameter.find(d(9), d(20)) is None
    assert parameter.find(d(10), d(19)) is None
    assert parameter.find(d(10), d(20)) is not None


def test_a_project_is_never_applied() -> None:
    parameter = Parameter("X.y", (version(d(1), d(1), 10), version(d(1), d(20), 12, Etat.PROJET)))
    assert required(parameter.in_force(d(25), d(25))) == 10


def test_a_repeal_ends_a_value_and_a_later_version_begins_it_again() -> None:
    parameter = Parameter(
        "X.y", (version(d(1), d(1), 10), version(d(10), d(5), None), version(d(20), d(20), 12))
    )
    assert required(parameter.in_force(d(9), d(5))) == 10
    assert parameter.find(d(10), d(5)) is None
    assert required(parameter.in_force(d(10), d(4))) == 10
    assert required(parameter.in_force(d(20), d(20))) == 12


def test_outside_the_coverage_nothing_is_guessed() -> None:
    parameter = Parameter("MS9-V1.bareme", (version(d(10), d(10), 10),))
    with pytest.raises(SonsError, match=r"« MS9-V1.bareme » n'est en vigueur le 09/01/2022") as refused:
        parameter.in_force(d(9), d(20))
    assert refused.value.code is ErrorCode.OUTSIDE_COVERAGE


@given(VERSIONS, DAYS, DAYS)
def test_find_is_the_definition(versions: list[Version[int]], on: date, known_on: date) -> None:
    applied = [
        v for v in versions if v.etat is Etat.EN_VIGUEUR and v.depuis <= on and v.publie_le <= known_on
    ]
    latest = max((v.depuis for v in applied), default=None)
    wanted = max((v for v in applied if v.depuis == latest), key=lambda v: v.publie_le, default=None)
    for order in (versions, versions[::-1]):
        found = Parameter("X.y", tuple(order)).find(on, known_on)
        assert found == (None if wanted is None or wanted.value is None else wanted)


def test_a_source_is_cited_with_its_place() -> None:
    assert str(Source("Barème", "S0:1575")) == "Barème (S0:1575)"
