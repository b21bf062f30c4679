"""The advance, from the request to the amount that is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sons_tracker.errors import ErrorCode, SonsError
from tests import factories_life as life
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, an_account

PARIS = ZoneInfo("Europe/Paris")
owner = make.Everything()
pytestmark = pytest.mark.usefixtures("module_database")


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def test_a_validated_advance_is_due_to_the_cent_and_planned_in_the_ledger() -> None:
    order = await life.an_order_with_due_advance(owner, 5)
    assert await life.state_of(owner, order) == "validated"
    payments = await owner.fetch(
        "select kind, state, due_ttc_cents, due_at from payment where order_id = $1 order by kind",
        order.order_id,
    )
    assert [tuple(row) for row in payments] == [
        ("advance", "due", 5 * 65_700, AT),
        ("solde", "planned", None, None),
    ]
    planned = await owner.fetch(
        "select movement, sum(amount_ttc_cents)::bigint as cents, count(*) as lines from ledger_entry"
        " where order_id = $1 group by movement",
        order.order_id,
    )
    assert [tuple(row) for row in planned] == [("planned", 5 * 219_000, 10)]
    request = (await life.the_requests(order))[0]
    assert (request.kind, request.state, request.referenced_on) == ("advance", "validated", make.SIGNED_ON)
