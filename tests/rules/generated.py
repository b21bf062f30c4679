"""Arbitrary files for the properties: any facts, also absurd ones, that a file may hold."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from hypothesis import strategies as st

from sons_tracker.law import load
from sons_tracker.rules.case import (
    AskedEssms,
    Case,
    Engagement,
    Establishment,
    Extraction,
    Grant,
    GrantCase,
    OrderedEssms,
    OtherOrder,
    Referencing,
    Solution,
    SonsOrder,
    Supplier,
)
from sons_tracker.rules.crossing import COMPONENTS
from sons_tracker.rules.identifiers import FinessJuridique
from tests.rules.cases import PARIS, number_of

LAW = load().law
DAYS = st.dates(date(2021, 6, 1), date(2025, 12, 31))
INSTANTS = st.datetimes(datetime(2021, 6, 1), datetime(2025, 12, 31), timezones=st.just(PARIS))  # noqa: DTZ001
SOLUTIONS = st.sampled_from(["DUI-A", "DUI-B"])
OGS = st.sampled_from([FinessJuridique("750000018"), FinessJuridique("690000013")])
STATES = (
    "requested",
    "agreed",
    "first_paid",
    "vsr",
    "paid",
    "rejected",
    "withdrawn",
    "abandoned",
    "recovered",
)
CATEGORIES = st.sampled_from(["500", "183", "354", "177", "178", "214", "340", "462", "101"])
AGGREGATES = st.sampled_from(["4100", "4300", "4400", "4500", "4600", "1100", None])


def maybe(strategy: st.SearchStrategy[date]) -> st.SearchStrategy[date | None]:
    return st.none() | strategy


COMPONENT_SETS = st.sets(st.sampled_from([*COMPONENTS, "hardware", "amoa"])).map(lambda s: tuple(sorted(s)))
GRANTS = st.builds(
    Grant,
    reference=st.sampled_from(["ESMS-1", "ESMS-2", "ESMS-9"]),
    year=st.integers(2020, 2026),
    project=st.sampled_from(["acquisition", "upgrade"]),
    components=COMPONENT_SETS,
    state=st.sampled_from(STATES),
    solution=st.none() | SOLUTIONS,
    dui_referenced=st.none() | st.booleans(),
    agreed_on=maybe(DAYS),
    first_payment_on=maybe(DAYS),
)
REFERENCINGS = st.builds(
    Referencing,
    dispositif=st.sampled_from(sorted(LAW.dispositifs)),
    status=st.sampled_from(["candidate", "referenced", "withdrawn"]),
    complete_file_on=maybe(DAYS),
    referenced_from=maybe(DAYS),
    referenced_to=maybe(DAYS),
)
SOLUTION = st.builds(
    Solution,
    version=st.just("DUI-A-1"),
    solution=SOLUTIONS,
    kind=st.sampled_from(["dui", "in_house", "module"]),
    editor_siren=st.just("552100554"),
    snapshot_on=DAYS,
    referencings=st.lists(REFERENCINGS, max_size=3).map(tuple),
)


def _tuples(strategy: st.SearchStrategy[Grant]) -> st.SearchStrategy[tuple[Grant, ...] | None]:
    return st.none() | st.lists(strategy, max_size=3).map(tuple)


@st.composite
def lines(draw: st.DrawFn) -> tuple[OrderedEssms, ...]:
    found = []
    for index in range(draw(st.integers(0, 4))):
        number = number_of(index)
        place = draw(
            st.none() | st.builds(Establishment, st.just(number), st.none() | OGS, CATEGORIES, AGGREGATES)
        )
        engagement = st.builds(
            Engagement, st.sampled_from(["order", "reservation"]), st.sampled_from([None, "BC-2022-000001"])
        )
        found.append(
            OrderedEssms(
                number,
                draw(st.none() | st.integers(0, 500_000)),
                draw(st.none() | SOLUTIONS),
                place,
                draw(st.none() | st.lists(engagement, max_size=1).map(tuple)),
                draw(_tuples(GRANTS)),
            )
        )
    return tuple(found)


CASES = st.builds(
    Case,
    dispositif=st.sampled_from(sorted(LAW.dispositifs)),
    og=OGS,
    signed_on=DAYS,
    received_at=INSTANTS,
    already_equipped=st.none() | st.booleans(),
    supplier=st.none() | st.builds(Supplier, st.booleans(), st.booleans()),
    solution_version=st.just("DUI-A-1"),
    solution=st.none() | SOLUTION,
    solution_list_on=maybe(DAYS),
    extraction=st.none()
    | st.builds(
        Extraction,
        st.sampled_from([date(2022, 1, 3), date(2023, 1, 3)]),
        st.sampled_from([None, "stock", "extrait"]),
    ),
    og_known=st.none() | st.booleans(),
    essms_of_og=st.none() | st.integers(0, 150),
    other_orders=st.lists(
        st.builds(
            OtherOrder,
            st.just("BC-2022-000002"),
            SOLUTIONS,
            st.lists(st.integers(0, 3).map(number_of), unique=True).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    lines=lines(),
)
SONS_ORDERS = st.builds(
    SonsOrder,
    number=st.sampled_from(["BC-2022-000001", "BC-2022-000002"]),
    solution=st.none() | SOLUTIONS,
    signed_on=DAYS,
    live=st.booleans(),
    va_deposited_at=st.none() | INSTANTS,
    cancelled_at=st.none() | INSTANTS,
    for_acquisition=st.none() | st.booleans(),
    advance_to_recover=st.booleans(),
)


@st.composite
def asked(draw: st.DrawFn) -> tuple[AskedEssms, ...]:
    return tuple(
        AskedEssms(
            number_of(index),
            draw(st.none() | st.lists(SONS_ORDERS, max_size=2).map(tuple)),
            draw(_tuples(GRANTS)),
            draw(st.sampled_from([None, "sons", "own_cost", "none"])),
        )
        for index in range(draw(st.integers(0, 3)))
    )


GRANT_CASES = st.builds(
    GrantCase,
    reference=st.just("ESMS-9"),
    vague=st.just("V1"),
    year=st.integers(2020, 2026),
    project=st.sampled_from(["acquisition", "upgrade"]),
    components=COMPONENT_SETS,
    solution=st.none() | SOLUTIONS,
    dui_referenced=st.none() | st.booleans(),
    agreed_on=maybe(DAYS),
    lines=asked(),
)
LATER = st.integers(0, 400).map(lambda days: timedelta(days=days))
