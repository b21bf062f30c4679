"""What comes out of order, twice, from the wrong party, or a cent off: refused over HTTP, nothing changed.

Each refusal says why; one that the state of the file gives is in the journal. What "nothing changed" means is
read from the tables themselves: their digests, before and after.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sons_tracker.app import create_app
from sons_tracker.operations import clock
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.acts import Refused
from tests import factories_life as life
from tests import factories_lots as bank
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.databases import Database
from tests.factories import Account, an_account

owner = make.Everything()
# The journal tells of the refusal, the key keeps its answer; everything else stays as it was.
_MAY_GROW = {"journal", "idempotency"}


@dataclass(frozen=True, slots=True)
class World:
    """Orders at three steps, a lot that waits for the bank, and who would act out of turn."""

    http: httpx.AsyncClient
    asked: life.Life
    paid: life.Life
    performed: life.Life
    payers: bank.Payers
    returned: bytes
    rival: Account


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    await make.prepare_instance()
    payers = await bank.two_payers()
    due = await life.an_order_with_due_advance(owner, 1)
    payment = await owner.fetchval(
        "select id from payment where order_id = $1 and kind = 'advance'", due.order_id
    )
    lot = await bank.an_approved_lot(payers, [payment])
    lines = [bank.an_answer(line) for line in await bank.lines_of(payers, lot)]
    performed = await solde.a_signed_va(owner, 2)
    asked = await life.with_advance_asked(await life.a_deposited_order(owner))
    paid = await solde.a_paid_advance(owner, 2)
    assert not isinstance(await clock.advance_to(LOCAL_ADMIN, solde.LATER + timedelta(days=1)), Refused)
    app = create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as http:
        yield World(
            http, asked, paid, performed, payers, bank.csv_of(lot.number, lines), await an_account("editor")
        )


async def digests() -> dict[str, str]:
    """One digest of all the rows of each table of orders and money."""
    tables = await owner.fetch(
        "select relname from pg_class where relnamespace = 'sons'::regnamespace and relkind = 'r'"
        " and has_table_privilege(oid, 'select')"
    )
    found = {}
    for table in (row["relname"] for row in tables):
        if table not in _MAY_GROW:
            found[table] = await owner.fetchval(
                f"select coalesce(md5(string_agg(t::text, '' order by t::text)), '') from sons.{table} t"
            )
    return found


async def send(world: World, who: Account, path: str, body: Any) -> httpx.Response:
    headers = {**who.headers, "Idempotency-Key": str(uuid4())}
    return await world.http.post(f"/api/v1/{path}", json=body, headers=headers)


def a_file(content: bytes) -> dict[str, str]:
    return {"content": content.decode()}


async def bills(order: life.Life, off: int = 0) -> dict[str, Any]:
    """A request for the solde, its first line `off` cents above the order."""
    content = await solde.a_content(owner, order)
    if off:
        rows = await owner.fetch(
            "select finess_geographique, unit_ttc_cents from order_line where order_id = $1 order by 1",
            order.order_id,
        )
        amounts = {row[0]: row[1] for row in rows}
        amounts[rows[0][0]] += off
        content = await solde.a_content(owner, order, amounts)
    return content


async def attempts(world: World) -> list[tuple[str, Account, str, Any, int]]:
    """What is wrong, who does it, where, with what, and the status that answers."""
    asked, paid, performed = world.asked, world.paid, world.performed
    line = {"finess": paid.essms[0], "dui_deployed": True, "tbb1_supplied": True, "accompanied": 9,
            "active": 8, "with_project": 7, "with_event": 6}  # fmt: skip
    half, signature = {"lines": [line]}, {"statement_sha256": "00" * 32, "name": "A B", "function": "C"}
    renamed = {"invoice": {**(await bills(performed))["invoice"], "signatory_name": "Quelqu'un d'autre"}}
    review = {"settlements": [{"rule": "R38", "decision": "lifted", "reason": "Vu."}]}
    cut, whole = world.returned[:-40], world.returned
    of_asked, of_paid, of_performed = (f"orders/{order.order_id}" for order in (asked, paid, performed))
    solde_of, editor, payer = f"{of_performed}/solde-request", performed.editor, world.payers.first
    return [
        ("twice", asked.editor, f"{of_asked}/advance-request", dict(life.CONTENT), 409),
        ("a solde before its VA", paid.editor, f"{of_paid}/solde-request", await bills(paid), 409),
        ("a VA before the advance", asked.editor, f"{of_asked}/va", half, 409),
        ("half a perimeter", paid.editor, f"{of_paid}/va", half, 409),
        ("an empty VA", paid.editor, f"{of_paid}/va", {"lines": []}, 422),
        ("nothing to correct", asked.editor, f"{of_asked}/corrections/answer", {"answer": "Voici."}, 409),
        ("nothing to review", asked.reviewer, f"{of_asked}/review", review, 409),
        ("another's order", world.rival, f"{of_paid}/solde-request", await bills(paid), 404),
        ("the OG asks", paid.og, f"{of_paid}/solde-request", await bills(paid), 403),
        ("the supplier signs", paid.editor, f"{of_paid}/va/signature", {**signature, "consent": "D"}, 403),
        ("a supplier validates", asked.editor, f"requests/{asked.advance_id}/validation", {}, 403),
        ("six cents above", editor, solde_of, await bills(performed, 6), 409),
        ("another name on the invoice", editor, solde_of, renamed, 409),
        ("a truncated return", payer, "bank-returns", a_file(cut), 409),
        ("a return a cent off", payer, "bank-returns", a_file(whole.replace(b"1200.00", b"1199.99")), 409),
        ("a return twice the line", payer, "bank-returns", a_file(whole + whole.splitlines()[-1]), 409),
        ("a return by a reviewer", asked.reviewer, "bank-returns", a_file(whole), 403),
        ("a lot that nobody knows", payer, f"lots/{uuid4()}/approval", {}, 404),
    ]


async def test_nothing_changes_and_the_refusal_is_told(world: World) -> None:
    for what, who, path, body, status in await attempts(world):
        before = await digests()
        journaled = await owner.fetchval("select count(*) from journal")
        answer = await send(world, who, path, body)
        assert answer.status_code == status, (what, answer.text)
        problem = answer.json()
        assert problem["detail"], what
        assert problem["remedy"], what
        assert await digests() == before, what
        told = await owner.fetchval("select count(*) from journal") - journaled
        assert told == (1 if status == 409 else 0), what


async def test_the_same_world_accepts_what_is_right(world: World) -> None:
    """The attempts above fail for their own fault, not for the world's."""
    right = await send(
        world, world.performed.editor, f"orders/{world.performed.order_id}/solde-request",
        await bills(world.performed),
    )  # fmt: skip
    assert right.status_code == 201, right.text
    paid = await send(world, world.payers.first, "bank-returns", a_file(world.returned))
    assert (paid.status_code, paid.json()["paid"]["count"]) == (200, 1), paid.text
