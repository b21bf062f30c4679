"""Depositing orders: amounts, refusals that are kept, claims, plans, journal."""

from __future__ import annotations

import pytest

from tests import factories_orders as make
from tests.databases import Database


@pytest.fixture(scope="module")
async def owner(module_database: Database):
    con = await module_database.connect_owner()
    await make.prepare_instance()
    yield con
    await con.close()


@pytest.mark.parametrize(
    ("essms", "tranche", "total", "advance", "solde"),
    [
        (35, "E", 4_312_000, 1_293_600, 3_018_400),
        (72, "E", 8_870_400, 2_661_120, 6_209_280),
        (8, "C", 1_752_000, 525_600, 1_226_400),
    ],
)
async def test_amounts_of_the_source_documents(owner, essms, tranche, total, advance, solde):
    _, _, view = await make.an_accepted_order(owner, essms)
    assert (view.decision, view.tranche) == ("accepted", tranche)
    assert (view.total_ttc_cents, view.advance_ttc_cents, view.solde_ttc_cents) == (total, advance, solde)
    print([(v.rule, v.outcome, v.message) for v in view.verdicts])
