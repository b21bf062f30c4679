"""Arbitrary files of the later stages: any facts, also absurd ones."""

from __future__ import annotations

from datetime import date, datetime

from hypothesis import strategies as st

from sons_tracker.rules.identifiers import FinessJuridique
from sons_tracker.rules.money_case import (
    MOTIVES,
    ORDER_SIGNATURES,
    PIECES,
    VA_SIGNATURES,
    AdvanceCase,
    CancellationCase,
    Invoice,
    InvoiceLine,
    LineMoney,
    OrderedLine,
    SignedVa,
    SoldeCase,
    VaCase,
    VaLine,
)
from tests.rules.cases import PARIS, number_of
from tests.rules.generated import DAYS, LAW, OGS, REFERENCINGS

INSTANTS = st.datetimes(datetime(2022, 1, 1), datetime(2025, 12, 31), timezones=st.just(PARIS))  # noqa: DTZ001
ESSMS = st.integers(0, 4).map(number_of)
ESSMS_SETS = st.lists(ESSMS, max_size=5).map(tuple)
DISPOSITIFS = st.sampled_from(sorted(LAW.dispositifs))
CENTS = st.integers(0, 500_000)
COUNTS = st.none() | st.integers(-1, 5)
NAMES = st.sampled_from(["Camille Exemple", "EXEMPLE Camille", "Dominique Autre", "Zoé D'Été"])
MAYBE = st.none() | st.booleans()
MSS = st.sampled_from([None, "cas_1", "cas_2"])

ADVANCES = st.builds(
    AdvanceCase,
    dispositif=DISPOSITIFS,
    signed_on=DAYS,
    received_at=INSTANTS,
    signature_kind=st.sampled_from([None, "stamp", *ORDER_SIGNATURES]),
    document_present=st.booleans(),
    referencings=st.none() | st.lists(REFERENCINGS, max_size=3).map(tuple),
)
VA_LINES = st.builds(
    VaLine,
    finess=ESSMS,
    dui_deployed=MAYBE,
    tbb1_supplied=MAYBE,
    accompanied=COUNTS,
    active=COUNTS,
    with_project=COUNTS,
    with_event=COUNTS,
)
VAS = st.builds(
    VaCase,
    dispositif=DISPOSITIFS,
    signed_at=INSTANTS,
    signer_is_og=st.booleans(),
    signature_kind=st.sampled_from([None, "handwritten", *VA_SIGNATURES]),
    lines=st.lists(VA_LINES, max_size=5).map(tuple),
    expected=ESSMS_SETS,
)
INVOICE_LINES = st.builds(InvoiceLine, finess=ESSMS, ht_cents=CENTS, vat_cents=CENTS, ttc_cents=CENTS)
INVOICES = st.builds(
    Invoice,
    number=st.just("F-1"),
    issued_on=DAYS,
    og=OGS,
    signatory_name=NAMES,
    share_percent=st.sampled_from([0, 30, 70, 100]),
    vat_rate_percent=st.sampled_from([None, 0, 10, 20]),
    lines=st.lists(INVOICE_LINES, max_size=5).map(tuple),
    ht_cents=CENTS,
    vat_cents=CENTS,
    ttc_cents=CENTS,
)
ORDERED = st.lists(
    st.builds(OrderedLine, finess=ESSMS, unit_ttc_cents=st.integers(1, 500_000), removed=st.booleans()),
    max_size=5,
    unique_by=lambda line: line.finess,
).map(tuple)
SOLDES = st.builds(
    SoldeCase,
    dispositif=DISPOSITIFS,
    og=st.just(FinessJuridique("750000018")),
    signed_on=DAYS,
    received_at=INSTANTS,
    lines=ORDERED,
    va=st.none()
    | st.builds(SignedVa, signed_at=INSTANTS, signer_name=NAMES, essms=ESSMS_SETS, deploiement_mss=MSS),
    invoice=st.none() | INVOICES,
    vat_liable=MAYBE,
    advance_paid_cents=CENTS,
    deploiement_mss=MSS,
)
CANCELLATIONS = st.builds(
    CancellationCase,
    dispositif=DISPOSITIFS,
    essms=ESSMS_SETS,
    cancelled_at=INSTANTS,
    motive=st.sampled_from([None, "regret", *MOTIVES]),
    for_acquisition=MAYBE,
    va_deposited_at=st.none() | INSTANTS,
    pieces=st.frozensets(st.sampled_from(PIECES)),
)
MONEY = st.lists(
    st.builds(
        LineMoney,
        finess=st.integers(0, 40).map(number_of),
        unit_ttc_cents=CENTS,
        advance_paid_cents=CENTS,
        invoiced_cents=st.none() | CENTS,
        removed=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda line: line.finess,
)
KNOWN = st.dates(date(2022, 1, 1), date(2026, 1, 1))
