"""Payment lots: two persons, each payment in one lot at most, what stays out and why, the file."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import date, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from jsonschema import Draft202012Validator

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.exchanges import lot_file, return_file
from sons_tracker.operations import endings, lot_reading, lots, payments
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.lot_views import LotView
from tests import factories_endings
from tests import factories_lots as bank
from tests import factories_orders as make
from tests import factories_suppliers as suppliers
from tests.databases import Database
from tests.factories import AT, an_account
from tests.factories_life import Life, an_order_with_due_advance

owner = make.Everything()


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


@pytest.fixture
async def superuser(module_database: Database) -> asyncpg.Connection:
    con = await module_database.connect_superuser()
    yield con
    await con.close()


async def payment_of(order: Life, kind: str = "advance") -> UUID:
    found: UUID = await owner.fetchval(
        "select id from payment where order_id = $1 and kind = $2", order.order_id, kind
    )
    return found


async def state_of(payment_id: UUID) -> str:
    found: str = await owner.fetchval("select state from payment where id = $1", payment_id)
    return found


async def end(order: Life, after: str = "lapsed") -> None:
    """Ends the order whatever its payments do, as the clôture does."""
    async with transaction(SCHEDULER.context) as con:
        dossier = await load_dossier(con, SCHEDULER, order.order_id, AT, lock=True)
        await endings.end_order(con, SCHEDULER, AT, dossier, endings.Ending(after, "cloture", "R22", {}))


async def test_a_lot_takes_what_is_due_to_the_account_in_force() -> None:
    orders = [await an_order_with_due_advance(owner, essms) for essms in (1, 2)]
    chosen = [await payment_of(order) for order in orders]
    payers = await bank.two_payers()
    lot = (await bank.prepared(payers, chosen)).lot
    assert lot.number.startswith("LOT-2023-")
    assert (lot.state, lot.lines, lot.waiting.count, lot.left_out) == ("prepared", 2, 2, ())
    due = await owner.fetchval("select sum(due_ttc_cents) from payment where id = any($1)", chosen)
    assert lot.total_ttc_cents == lot.waiting.total_ttc_cents == due
    lines = await bank.lines_of(payers, lot)
    assert {line.payment_id for line in lines} == set(chosen)
    assert [line.end_to_end for line in lines] == [f"{lot.number}-00001", f"{lot.number}-00002"]
    assert all("••••" in line.iban_masked for line in lines)
    assert {await state_of(one) for one in chosen} == {"in_lot"}
    told = await owner.fetch("select organisation_id, event from outbox where object_id = $1", str(lot.id))
    assert [tuple(row) for row in told] == [(payers.first.actor.organisation_id, "lot.prepared")]


async def test_without_a_choice_the_oldest_due_payments_are_taken() -> None:
    order = await an_order_with_due_advance(owner)
    payers = await bank.two_payers()
    lot = (await bank.prepared(payers)).lot
    assert await payment_of(order) in {line.payment_id for line in await bank.lines_of(payers, lot)}
    assert "Aucun versement n'est dû" in (await bank.prepared(payers)).messages
    assert (await bank.dropped(payers, lot)).lot.state == "dropped"


async def test_what_cannot_be_paid_stays_out_and_is_told_why() -> None:
    due, other = await an_order_with_due_advance(owner), await an_order_with_due_advance(owner)
    payers = await bank.two_payers()
    solde = await payment_of(due, "solde")
    lot = (await bank.prepared(payers, [solde, await payment_of(due)])).lot
    assert lot.lines == 1
    assert [one.payment_id for one in lot.left_out] == [solde]
    assert "« prévu »" in lot.left_out[0].reasons[0].message
    again = await bank.prepared(payers, [await payment_of(due)])
    assert "« en lot de paiement »" in again.messages
    before = await bank.prepared(payers, [await payment_of(other)], suppliers.LONG_AGO - timedelta(days=1))
    assert "n'est pas enrôlé" in before.messages
    await end(other)
    assert "« caduque »" in (await bank.prepared(payers, [await payment_of(other)])).messages


async def test_nothing_is_paid_while_a_cancellation_is_under_way() -> None:
    order = await an_order_with_due_advance(owner)
    asked = await factories_endings.ask(order, "change_of_editor")
    assert not isinstance(asked.outcome, Refused)
    payers, chosen = await bank.two_payers(), await payment_of(order)
    assert "n'est pas achevée" in (await bank.prepared(payers, [chosen])).messages
    await factories_endings.drop(order)
    assert (await bank.prepared(payers, [chosen])).lot.lines == 1


async def test_the_referencing_is_asked_again_before_any_payment(superuser: asyncpg.Connection) -> None:
    order = await an_order_with_due_advance(owner)
    payers, chosen = await bank.two_payers(), await payment_of(order)
    version = order.request.solution_version
    change = "update sons.referencing set referenced_from = $2 where solution_version = $1"
    await superuser.execute(change, version, order.request.signed_on + timedelta(days=1))
    told = await bank.prepared(payers, [chosen])
    assert told.refused.reasons[0].rule == "R11"
    assert "ne dit plus la version" in told.messages
    assert await state_of(chosen) == "due"
    await superuser.execute(change, version, date(2022, 3, 1))
    lot = (await bank.prepared(payers, [chosen])).lot
    await superuser.execute(change, version, order.request.signed_on + timedelta(days=1))
    stale = await bank.approved(payers, lot)
    assert stale.refused.reasons[0].rule == "R11"
    assert stale.refused.reasons[0].remedy == "Abandonner ce lot et le préparer à nouveau."


async def test_an_unknown_payment_names_nothing() -> None:
    payers = await bank.two_payers()
    order = await an_order_with_due_advance(owner)
    with pytest.raises(SonsError) as caught:
        await bank.prepared(payers, [await payment_of(order), uuid4()])
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert await state_of(await payment_of(order)) == "due"


async def test_whoever_prepared_does_not_approve() -> None:
    payers = await bank.two_payers()
    lot = (await bank.prepared(payers, [await payment_of(await an_order_with_due_advance(owner))])).lot
    alone = await bank.approved(bank.Payers(payers.first, payers.first), lot)
    assert "ne l'approuve pas" in alone.messages
    assert next(a for a in lot.actions if a.code == "approve_lot").reasons == alone.refused.reasons
    approved = (await bank.approved(payers, lot)).lot
    assert (approved.state, approved.approved_by) == ("approved", payers.second.actor.person_id)
    assert "« approuvé »" in (await bank.approved(payers, lot)).messages
    assert "« approuvé »" in (await bank.dropped(payers, lot)).messages
    rows = await owner.fetch("select action from journal where object_id = $1 order by id", str(lot.id))
    assert [row["action"] for row in rows] == [
        "lot.prepared", "lot.refused", "lot.approved", "lot.refused", "lot.refused",
    ]  # fmt: skip


async def test_an_account_that_changed_stands_against_the_approval() -> None:
    order = await an_order_with_due_advance(owner)
    payers = await bank.two_payers()
    lot = (await bank.prepared(payers, [await payment_of(order)])).lot
    change = (await suppliers.change_asked(order.editor, at=bank.PREPARED_AT)).view.changes[0]
    second = await suppliers.another_person(order.editor)
    await suppliers.change_confirmed(second, change.id, bank.PREPARED_AT)
    later = bank.PREPARED_AT + timedelta(days=10)
    assert "compte du fournisseur a changé" in (await bank.approved(payers, lot, later)).messages
    assert (await bank.dropped(payers, lot, later)).lot.state == "dropped"
    again = (await bank.prepared(payers, [await payment_of(order)], later)).lot
    assert (await bank.lines_of(payers, again))[0].iban_masked != (await bank.lines_of(payers, lot))[
        0
    ].iban_masked
    assert (await bank.approved(payers, again, later)).lot.state == "approved"


async def test_an_order_that_ends_meanwhile_stands_against_the_approval_and_is_freed_by_the_drop() -> None:
    order, other = await an_order_with_due_advance(owner), await an_order_with_due_advance(owner)
    payers = await bank.two_payers()
    chosen = [await payment_of(order), await payment_of(other)]
    lot = (await bank.prepared(payers, chosen)).lot
    await end(order)
    assert order.number in (await bank.approved(payers, lot)).messages
    held = "select count(*) from claim where order_id = $1 and released_at is null"
    assert await owner.fetchval(held, order.order_id) == 2
    dropped = (await bank.dropped(payers, lot)).lot
    assert (dropped.state, dropped.drop_reason, dropped.waiting.count) == (
        "dropped", "Préparé par erreur.", 0,
    )  # fmt: skip
    assert [await state_of(one) for one in chosen] == ["planned", "due"]
    assert await owner.fetchval(held, order.order_id) == 0
    reasons = await owner.fetch(
        "select distinct release_reason from claim where order_id = $1", order.order_id
    )
    assert [row[0] for row in reasons] == ["lapsed"]
    assert (await bank.prepared(payers, [chosen[1]])).lot.lines == 1


async def test_of_two_lots_at_once_one_takes_the_payments() -> None:
    chosen = [await payment_of(await an_order_with_due_advance(owner)) for _ in range(3)]
    agencies = [await bank.two_payers() for _ in range(4)]
    told = await asyncio.gather(*(bank.prepared(payers, chosen) for payers in agencies))
    won = [one for one in told if isinstance(one.outcome, LotView)]
    assert len(won) == 1
    assert won[0].lot.lines == 3
    assert all("« en lot de paiement »" in one.messages for one in told if one is not won[0])


async def test_lots_that_overlap_share_the_payments_and_none_is_in_two() -> None:
    chosen = [await payment_of(await an_order_with_due_advance(owner)) for _ in range(6)]
    agencies = [await bank.two_payers() for _ in range(3)]
    cuts = (chosen[:4], chosen[2:], list(reversed(chosen)))
    told = await asyncio.gather(
        *(bank.prepared(payers, cut) for payers, cut in zip(agencies, cuts, strict=True))
    )
    taken = [
        line.payment_id
        for payers, one in zip(agencies, told, strict=True)
        if isinstance(one.outcome, LotView)
        for line in await bank.lines_of(payers, one.lot)
    ]
    assert sorted(taken) == sorted(chosen)


async def test_two_who_decide_at_once_decide_once() -> None:
    payers = await bank.two_payers()
    lot = (await bank.prepared(payers, [await payment_of(await an_order_with_due_advance(owner))])).lot
    approved, dropped = await asyncio.gather(bank.approved(payers, lot), bank.dropped(payers, lot))
    assert isinstance(approved.outcome, Refused) is not isinstance(dropped.outcome, Refused)
    found = await lot_reading.find_lot(payers.first.actor, lot.id)
    assert found.state == ("dropped" if isinstance(approved.outcome, Refused) else "approved")


async def test_the_same_request_under_one_key_makes_one_lot() -> None:
    payers = await bank.two_payers()
    chosen, key = [await payment_of(await an_order_with_due_advance(owner))], make.a_key()
    first, second = bank.Told(), bank.Told()
    for told in (first, second):
        answer = await lots.prepare(payers.first.actor, chosen, bank.PREPARED_AT, key, told)
    assert answer.replayed
    assert second.outcome is None
    assert first.lot.lines == 1


async def test_only_an_approved_lot_leaves_with_its_accounts_and_its_totals(
    superuser: asyncpg.Connection,
) -> None:
    order = await an_order_with_due_advance(owner)
    await superuser.execute(
        "update sons.organisation set name = '=cmd|''/c calc''!A1; « Éditeur »' where id = $1",
        order.editor.actor.organisation_id,
    )
    payers = await bank.two_payers()
    lot = (await bank.prepared(payers, [await payment_of(order)])).lot
    with pytest.raises(SonsError) as caught:
        await lot_reading.export(payers.first.actor, lot.id, "json", AT)
    assert caught.value.code is ErrorCode.ACTION_REFUSED
    lot = (await bank.approved(payers, lot)).lot
    file = await lot_reading.export(payers.first.actor, lot.id, "json", bank.APPROVED_AT)
    written = json.loads(lot_file.to_json(file))
    schema = json.loads((return_file.files("sons_tracker.exchanges") / "schemas" / "lot.json").read_text())
    Draft202012Validator(schema).validate(written)
    assert (written["count"], written["total_ttc"]) == (1, "1752.00")
    line = written["lines"][0]
    recipe = ";".join(line[name] for name in ("end_to_end", "order", "iban", "bic", "amount_ttc"))
    assert written["sha256"] == lot_file.lines_sha256([recipe])
    iban = await superuser.fetchval(
        "select iban from sons.bank_account where supplier_id = $1", order.editor.actor.organisation_id
    )
    assert line["iban"] == iban
    assert line["remittance"] == f"SONS AVANCE {order.number}"
    rows = list(csv.reader(io.StringIO(lot_file.to_csv(file).decode()), delimiter=";"))
    assert rows[0] == ["sons-lot-1", lot.number, "1", "1752.00", written["sha256"]]
    assert rows[1] == list(lot_file.COLUMNS)
    assert rows[2][3] == "'=cmd|'/c calc'!A1; « Éditeur »"
    taken = await owner.fetchrow(
        "select person_id, facts from journal where object_id = $1 and action = 'lot.exported'", str(lot.id)
    )
    assert taken["person_id"] == payers.first.actor.person_id
    await bank.answered(payers, lot)
    for table in ("journal", "outbox", "idempotency", "lot", "lot_line", "bank_return_line"):
        leaked = await superuser.fetchval(
            f"select count(*) from sons.{table} t where position($1 in to_jsonb(t)::text) > 0", iban
        )
        assert leaked == 0, table
    kept = await superuser.fetchval(
        "select count(*) from sons.idempotency where position($1 in convert_from(body, 'UTF8')) > 0"
        " and route like '%lot%'",
        iban,
    )
    assert kept == 0


@pytest.mark.parametrize("role", ["editor", "distributor", "og", "reviewer", "pilot", "admin", "ars"])
async def test_only_a_payer_pays(role: str) -> None:
    actor = (await an_account(role)).actor
    lot_id, key = uuid4(), make.a_key()
    acts = (
        lots.prepare(actor, None, AT, key, bank.Told()),
        lots.approve(actor, lot_id, AT, key, bank.Told()),
        lots.drop(actor, lot_id, "x", AT, key, bank.Told()),
        payments.represent(actor, lot_id, AT, key, bank.Told()),
        lot_reading.export(actor, lot_id, "csv", AT),
    )
    for act in acts:
        with pytest.raises(SonsError) as caught:
            await act
        assert caught.value.code is ErrorCode.FORBIDDEN


async def test_lots_are_read_by_the_agencies_and_payments_by_their_parties() -> None:
    order = await an_order_with_due_advance(owner)
    payers = await bank.two_payers()
    lot = (await bank.prepared(payers, [await payment_of(order)])).lot
    for role in ("reviewer", "pilot", "admin"):
        actor = (await an_account(role)).actor
        assert (await lot_reading.find_lot(actor, lot.id)).number == lot.number
        assert (await lot_reading.find_lot(actor, lot.id)).actions == ()
        assert await lot_reading.resolve_lot(actor, lot.number) == lot.id
    for account in (order.editor, order.og):
        with pytest.raises(SonsError):
            await lot_reading.find_lot(account.actor, lot.id)
        page = await payments.list_payments(account.actor, None, None, 50)
        assert {(one.kind, one.state) for one in page.payments} == {
            ("advance", "in_lot"),
            ("solde", "planned"),
        }
    stranger = (await an_account("editor")).actor
    assert (await payments.list_payments(stranger, None, None, 50)).payments == ()
    with pytest.raises(SonsError) as caught:
        await lot_reading.find_lot(LOCAL_ADMIN, uuid4())
    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_pages_of_lots_and_of_payments_follow_each_other() -> None:
    payers = await bank.two_payers()
    numbers = [
        (await bank.prepared(payers, [await payment_of(await an_order_with_due_advance(owner))])).lot.number
        for _ in range(3)
    ]
    actor, found, after = payers.first.actor, [], None
    while True:
        page = await lot_reading.list_lots(actor, "prepared", after, 2)
        found += [lot.number for lot in page.lots]
        after = page.next_after
        if after is None:
            break
    assert len(found) == len(set(found))
    assert set(numbers) <= set(found)
    seen: list[UUID] = []
    last: UUID | None = None
    while True:
        of_payments = await payments.list_payments(actor, "in_lot", last, 3)
        seen += [one.id for one in of_payments.payments]
        last = of_payments.next_after
        if last is None:
            break
    assert len(seen) == len(set(seen)) >= 3
