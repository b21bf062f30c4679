"""Enrolments and bank accounts through the operations: who, when, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.operations.enrolment import enrolment_of
from tests import factories_suppliers as make
from tests.databases import Database
from tests.factories import AT


@pytest.fixture(scope="module", autouse=True)
async def _database(module_database: Database) -> None:
    from tests.factories_orders import prepare_instance

    await prepare_instance()


async def test_an_enrolled_supplier_is_complete():
    supplier = await make.an_enrolled_supplier()
    async with transaction(supplier.actor.context) as con:
        found = await enrolment_of(con, supplier.supplier_id, AT)
    assert found is not None
    assert (found.complete, found.bank_account_id) == (True, supplier.bank_account_id)
