"""On any request: the simulation says what the deposit decides, and cutting an order changes no sum."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sons_tracker import law
from sons_tracker.operations import order_reading, simulations
from sons_tracker.operations.requests import OrderRequest, RequestedEssms
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, Account, an_account

FULL = os.environ.get("TIER") == "full"
BOUNDED = settings(
    max_examples=500 if FULL else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True, slots=True)
class Register:
    """A small register: OGs of several sizes, solutions of several standings, grants on some ESSMS."""

    seeded: make.Everything
    ogs: tuple[tuple[FinessJuridique, tuple[FinessGeographique, ...]], ...]
    solutions: tuple[make.ASolution, ...]
    accounts: tuple[Account, ...]


@pytest.fixture(scope="module")
async def register(module_database: Database) -> Register:
    seeded = make.Everything()
    await make.prepare_instance()
    ogs = [await make.an_og(seeded, essms) for essms in (1, 3, 6, 12)]
    ogs.append(await make.an_og(seeded, 2, category="159", aggregate="4300"))  # another couloir, or none
    solutions = [
        await make.a_solution(seeded),
        await make.a_solution(seeded, status="candidate", referenced_from=None),
        await make.a_solution(seeded, referenced_to=date(2022, 5, 31)),
    ]
    accounts = [await an_account("editor", siren=one.editor_siren) for one in solutions]
    for number, components in ((ogs[1][1][0], ("equipment",)), (ogs[2][1][0], ("usage",))):
        await make.a_grant(seeded, number, solution=solutions[0].solution, components=components)
    return Register(seeded, tuple(ogs), tuple(solutions), tuple(accounts))


@st.composite
def requests(draw: st.DrawFn, known: Register) -> OrderRequest:
    """An order of some ESSMS of the register, most often of one OG, that may be wrong in any respect."""
    og, numbers = draw(st.sampled_from(known.ogs))
    everyone = tuple(number for _, all_of in known.ogs for number in all_of)
    pool = draw(st.sampled_from((numbers, numbers, everyone)))
    chosen = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=8, unique=True))
    solution = draw(st.sampled_from(known.solutions))
    lines = tuple(
        RequestedEssms(
            number,
            draw(st.none() | st.integers(1, 450_000)),
            draw(st.sampled_from((solution.solution, "AUTRE", None))),
        )
        for number in chosen
    )
    return OrderRequest(
        dispositif=draw(st.sampled_from(("MS1-V1", "MS1-V1", "MS2-V1", "MS3-V1"))),
        og=og,
        essms=lines,
        solution_version=draw(st.sampled_from((solution.version, solution.version, "INCONNUE-1"))),
        signed_on=draw(st.dates(date(2021, 12, 1), date(2023, 3, 1))),
        already_equipped=draw(st.sampled_from((True, True, False, None))),
        supplier_reference=None,
        order_document_sha256=None,
    )


@BOUNDED
@given(data=st.data())
async def test_a_simulation_says_what_the_deposit_decides(register: Register, data: st.DataObject) -> None:
    request = data.draw(requests(register))
    actor = data.draw(st.sampled_from(register.accounts)).actor
    simulated = await simulations.simulate(actor, request, law.load().law, AT)
    deposited = await make.deposit(actor, request)
    assert deposited.identity is not None
    assert replace(deposited, identity=None) == simulated
    read = await order_reading.find_order(actor, make.id_of(deposited))
    assert replace(read, deadlines=(), payments=(), lines=()) == replace(
        deposited, deadlines=(), payments=(), lines=()
    )
    if deposited.decision != "refused":
        assert (read.lines, len(read.payments)) == (deposited.lines, len(deposited.payments))
        total = deposited.total_ttc_cents
        if total is not None:
            assert total == (deposited.advance_ttc_cents or 0) + (deposited.solde_ttc_cents or 0)
            assert total == sum(payment.amount_ttc_cents for payment in read.payments)


@BOUNDED
@given(data=st.data())
async def test_cutting_an_order_changes_no_sum(register: Register, data: st.DataObject) -> None:
    """Within one extraction and one version of the law, whatever the cut."""
    essms = data.draw(st.integers(1, 12))
    og, numbers = await make.an_og(register.seeded, essms)
    solution, account = register.solutions[0], register.accounts[0]
    signed_on = make.SIGNED_ON + timedelta(days=data.draw(st.integers(0, 60)))
    units = data.draw(st.lists(st.none() | st.integers(1, 123_200), min_size=essms, max_size=essms))
    lines = tuple(
        RequestedEssms(number, unit, solution.solution) for number, unit in zip(numbers, units, strict=True)
    )
    whole = make.a_request(og, numbers, solution, essms=lines, signed_on=signed_on)
    expected = await simulations.simulate(account.actor, whole, law.load().law, AT)
    part_of = data.draw(st.lists(st.integers(0, 3), min_size=essms, max_size=essms))
    sums = [0, 0, 0]
    for part in sorted(set(part_of)):
        kept = tuple(line for line, of in zip(lines, part_of, strict=True) if of == part)
        view = await make.deposit(account.actor, replace(whole, essms=kept))
        assert view.decision == "accepted"
        assert view.tranche == expected.tranche
        for position, cents in enumerate(
            (view.total_ttc_cents, view.advance_ttc_cents, view.solde_ttc_cents)
        ):
            sums[position] += cents or 0
    assert sums == [expected.total_ttc_cents, expected.advance_ttc_cents, expected.solde_ttc_cents]
