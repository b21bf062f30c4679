"""The forecast against a naive reading of the same rows, and the sums that must hold."""

from __future__ import annotations

import csv as text_table
import io
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from python_calamine import CalamineWorkbook

from sons_tracker import law
from sons_tracker.exchanges.forecast_file import ForecastTable, forecast_csv, forecast_xlsx
from sons_tracker.operations import deadlines
from sons_tracker.operations.actors import LOCAL_ADMIN, Actor
from sons_tracker.operations.forecast import DIMENSIONS, MEASURES, Forecast, ForecastFilter, forecast
from tests import factories_life as life
from tests import factories_orders as make
from tests import factories_solde as money
from tests.databases import Database
from tests.factories import AT, an_actor

PARIS = ZoneInfo("Europe/Paris")
AFTER_CLOTURE = datetime(2024, 4, 2, 10, tzinfo=PARIS)
owner = make.Everything()


@pytest.fixture(scope="module", autouse=True)
async def world(module_database: Database) -> dict[str, life.Life]:
    await make.prepare_instance()
    return {
        "deposited": await life.a_deposited_order(owner, 2),
        "due": await life.an_order_with_due_advance(owner, 3),
        "paid": await money.a_paid_advance(owner, 5),
        "settled": await settled(),
        "removed": await with_one_removed(),
        "conditional": await life.a_deposited_order(
            owner, 2, listed={"status": "candidate", "referenced_from": None}
        ),
    }


async def settled() -> life.Life:
    order = await money.a_due_solde(owner, 2)
    await money.pay(owner, order, "solde", money.LATER + timedelta(days=1))
    return order


async def with_one_removed() -> life.Life:
    order = await money.a_paid_advance(owner, 3)
    await money.remove(order, order.essms[0])
    return order


async def read(
    *by: str, actor: Actor = LOCAL_ADMIN, at: datetime = AT + timedelta(days=60), **narrowed: Any
) -> Forecast:
    return await forecast(actor, by, ForecastFilter(**narrowed), law.load().law, at)


async def naive() -> Counter[str]:
    """The same totals, order by order and line by line, in Python."""
    found: Counter[str] = Counter()
    for order in await owner.fetch("select * from purchase_order where state <> 'rejected'"):
        live = await owner.fetchval("select live from order_state where state = $1", order["state"])
        asked = await owner.fetchval(
            "select count(*) from financing_request where order_id = $1 and kind = 'solde'"
            " and state <> 'inadmissible'",
            order["id"],
        )
        for line in await owner.fetch("select * from order_line where order_id = $1", order["id"]):
            entries = await owner.fetch(
                "select movement, amount_ttc_cents as cents from ledger_entry where order_id = $1"
                " and finess_geographique = $2",
                order["id"],
                line["finess_geographique"],
            )
            planned = [e["cents"] for e in entries if e["movement"] == "planned"]
            received = sum(e["cents"] for e in entries if e["movement"] != "planned")
            worth = (sum(planned) if planned else line["unit_ttc_cents"]) if live else sum(planned)
            found["engaged"] += worth if live else 0
            found["to_come"] += worth - received if live else 0
            found["paid"] += sum(e["cents"] for e in entries if e["movement"] in {"paid", "compensated"})
            found["recovered"] -= sum(e["cents"] for e in entries if e["movement"] == "recovered")
            found["at_risk"] += received if order["state"] in {"validated", "to_review"} and not asked else 0
            found["conditional"] += worth if order["state"] == "waiting_referencing" else 0
            over = not live or order["state"] == "settled"
            found["to_recover"] += max(received - worth, 0) if over else 0
    return +found


@pytest.mark.parametrize("by", [(), ("month",), ("dispositif", "editor"), DIMENSIONS])
async def test_every_grouping_sums_to_the_naive_totals(by: tuple[str, ...]) -> None:
    found = await read(*by)
    assert +Counter(found.total) == await naive()
    for name in MEASURES:
        assert sum(row.cents[name] for row in found.rows) == found.total[name]
    assert found.total["engaged"] == found.total["paid"] - found.total["recovered"] + found.total["to_come"]


async def test_each_measure_has_its_month(world: dict[str, life.Life]) -> None:
    order = world["paid"]
    found = await read("month", editor=order.editor.actor.organisation_id)
    amounts = {row.month: {n: c for n, c in row.cents.items() if c} for row in found.rows}
    assert amounts == {
        date(2023, 3, 1): {"engaged": 5 * 219_000, "paid": 5 * 65_700},
        date(2024, 3, 1): {"to_come": 5 * 153_300, "at_risk": 5 * 65_700},
    }
    unpaid = await read("month", editor=world["deposited"].editor.actor.organisation_id)
    assert {row.month: row.cents["to_come"] for row in unpaid.rows if row.cents["to_come"]} == {
        date(2023, 12, 1): 2 * 87_600,
        date(2024, 3, 1): 2 * 204_400,
    }
    due = await read("month", editor=world["due"].editor.actor.organisation_id)
    assert {row.month: row.cents["to_come"] for row in due.rows if row.cents["to_come"]} == {
        date(2023, 4, 1): 3 * 87_600,  # due already: at once
        date(2024, 3, 1): 3 * 204_400,
    }


async def test_a_removed_essms_is_worth_nothing_and_is_to_compensate(world: dict[str, life.Life]) -> None:
    found = await read(editor=world["removed"].editor.actor.organisation_id)
    assert found.total["engaged"] == 2 * 292_000
    assert found.total["paid"] == 3 * 87_600
    assert found.total["to_come"] == 2 * 292_000 - 3 * 87_600


async def test_filters_and_rights(world: dict[str, life.Life]) -> None:
    order = world["paid"]
    for actor in (order.editor.actor, order.og.actor):
        assert (await read(actor=actor)).total["engaged"] == 5 * 219_000
    stranger = await an_actor("editor")
    assert not any((await read(actor=stranger)).total.values())
    everything = await read()
    assert (await read(region="Île-de-France")).total == everything.total  # département 75
    assert not any((await read(region="Bretagne")).total.values())
    assert not any((await read(dispositif="MS2-V1")).total.values())
    march = await read("month", month_from=date(2023, 3, 15), month_to=date(2023, 3, 20))
    assert {row.month for row in march.rows} == {date(2023, 3, 1)}


async def test_after_the_cloture_money_out_is_to_recover(module_database: Database) -> None:
    order = await money.a_paid_advance(owner, 4)
    await deadlines.tick(AFTER_CLOTURE)
    found = await read("month", editor=order.editor.actor.organisation_id, at=AFTER_CLOTURE)
    assert (found.total["engaged"], found.total["at_risk"]) == (0, 0)
    assert {row.month: row.cents["to_recover"] for row in found.rows if row.cents["to_recover"]} == {
        date(2024, 3, 1): 4 * 87_600
    }
    assert +Counter((await read(at=AFTER_CLOTURE)).total) == await naive()


async def test_a_share_is_where_the_latest_row_of_the_register_says(module_database: Database) -> None:
    paid, deposited = await money.a_paid_advance(owner, 3), await life.a_deposited_order(owner, 2)
    for moved in (paid.essms[0], deposited.essms[0]):
        await owner.execute(
            "with old as (update sons.establishment set valid_to = '2023-05-01'"
            " where finess_geographique = $1 and valid_to is null returning *)"
            " insert into sons.establishment (finess_geographique, valid_from, finess_juridique, name,"
            " category, aggregate, departement, in_service) select finess_geographique, '2023-05-01',"
            " finess_juridique, name, category, aggregate, '35', true from old",
            moved,
        )
    found = await read("region", editor=paid.editor.actor.organisation_id)
    assert {row.region: (row.cents["engaged"], row.cents["paid"]) for row in found.rows} == {
        "Bretagne": (292_000, 87_600),
        "Île-de-France": (2 * 292_000, 2 * 87_600),
    }
    found = await read("region", editor=deposited.editor.actor.organisation_id)
    assert {row.region: (row.cents["engaged"], row.cents["to_come"]) for row in found.rows} == {
        "Bretagne": (292_000, 292_000),
        "Île-de-France": (292_000, 292_000),
    }


def test_files_hold_the_same_cents_and_no_formula() -> None:
    cents = dict(zip(MEASURES, (123_456, 1, -36_960, 0, 0, 0, 0), strict=True))
    rows = [((date(2023, 3, 1), "=cmd|' /C calc'!A0"), cents), ((None, None), cents)]
    table = ForecastTable(("month", "editor"), rows, cents, AT, "0" * 64)
    read_back = list(text_table.reader(io.StringIO(forecast_csv(table).decode()), delimiter=";"))
    assert read_back[0][:3] == ["Mois", "Éditeur", "Engagé (€ TTC)"]
    assert read_back[1][:5] == ["2023-03", "'=cmd|' /C calc'!A0", "1234,56", "0,01", "-369,60"]
    assert read_back[2][:2] == ["inconnu", "inconnu"]
    assert read_back[3][:3] == ["Ensemble", "", "1234,56"]
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(forecast_xlsx(table))).get_sheet_by_index(0)
    values = sheet.to_python()
    assert values[1][:5] == ["2023-03", "=cmd|' /C calc'!A0", 1234.56, 0.01, -369.6]
    assert values[3][0] == "Ensemble"
