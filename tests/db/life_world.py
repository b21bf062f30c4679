"""Orders at each step of their life, as the operations leave them, for the tests that attack the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker import law
from sons_tracker.db.engine import RowContext, transaction
from sons_tracker.operations import corrections, recoveries, reviews
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.recoveries import Repayment
from sons_tracker.operations.reviews import LIFTED, Settlement
from tests import factories_endings as end
from tests import factories_life as life
from tests import factories_lots as lots
from tests import factories_orders as make
from tests import factories_solde as soldes
from tests.databases import Database
from tests.db.attack import World
from tests.factories import AT, an_account
from tests.factories_conflicts import a_conflict
from tests.factories_life import Life, Told

AFTER = lots.RETURNED_AT + timedelta(days=1)


async def a_world(database: Database) -> AsyncIterator[World]:
    """The orders of `life_attacks`, their rows, and who looks at them."""
    owner = await database.connect_superuser()
    await make.prepare_instance()
    orders = await _orders(owner)
    pilot, payer, reviewer = [await an_account(role) for role in ("pilot", "payer", "reviewer")]
    contexts = {
        "pilot": pilot.actor.context,
        "payer": payer.actor.context,
        "reviewer": reviewer.actor.context,
        "scheduler": RowContext(None, "scheduler"),
        "anonymous": RowContext(None, "anonymous"),
        "rival": (await an_account("editor")).actor.context,
        "rival og": (await an_account("og")).actor.context,
    }
    rows: dict[str, dict[str, Any]] = {}
    for name, order in orders.items():
        contexts |= {name: order.editor.actor.context, f"{name} og": order.og.actor.context}
        rows[f"order {name}"] = {"id": str(order.order_id)}
        rows[f"purchase_order {name}"] = await _row(owner, "purchase_order", "id = $1", order.order_id)
        for table, alias, where in (
            ("financing_request", "request", "kind = 'advance'"),
            ("payment", "advance", "kind = 'advance'"),
            ("payment", "solde", "kind = 'solde'"),
            ("recovery", "recovery", "true"),
            ("correction", "correction", "true"),
            ("ledger_entry", "ledger_entry", "true order by id"),
            ("request_filing", "request_filing", "true order by filed_at"),
            ("verdict_settlement", "verdict_settlement", "true order by rule"),
        ):
            found = await _row(owner, table, f"order_id = $1 and {where}", order.order_id)
            if found:
                rows[f"{alias} {name}"] = found
                if (table, where) != ("payment", "kind = 'solde'"):
                    rows[f"{table} {name}"] = found
    rows["recovery_step repaid"] = await _row(
        owner, "recovery_step", "recovery_id = $1", UUID(rows["recovery repaid"]["id"])
    )
    rows["recovery_step spare"] = rows["recovery_step repaid"]
    fresh = rows["purchase_order fresh"]
    parties = {"order_id": fresh["id"], "supplier_id": fresh["supplier_id"], "og_id": fresh["og_id"]}
    rows["financing_request spare"] = rows["financing_request asked"] | parties
    asked = rows["financing_request asked"]
    rows["correction spare"] = rows["correction sent_back"] | {
        "order_id": asked["order_id"], "supplier_id": asked["supplier_id"], "og_id": asked["og_id"],
        "request_id": asked["id"],
    }  # fmt: skip
    found = orders["fresh"]
    case = await a_conflict(
        "perimeter_differs", found.order_id, essms=found.essms[:1], reviewer=found.reviewer
    )
    rows["conflict found"] = await _row(owner, "conflict", "id = $1", case.id)
    contexts["fresh og as editor"] = replace(contexts["fresh og"], role="editor")
    yield World(owner, rows, contexts)
    await owner.close()


async def _orders(owner: asyncpg.Connection) -> dict[str, Life]:
    seen = make.Everything()
    orders = {
        "fresh": await life.a_deposited_order(owner),
        "asked": await life.with_advance_asked(await life.a_deposited_order(owner)),
        "sent_back": await life.with_advance_asked(await life.a_deposited_order(owner)),
        "faulty": await life.a_deposited_order(owner),
        "doubtful": await life.a_deposited_order(owner, dui_in_place=None),
        "settled_review": await life.a_deposited_order(owner, dui_in_place=None),
        "due": await life.an_order_with_due_advance(owner),
        "in_lot": (await end.an_order_in_lot(seen))[0],
        "paid": await soldes.a_paid_advance(seen),
        "trimmed": await soldes.a_paid_advance(seen, 2),
        "whole": await soldes.a_due_solde(seen),
        "lapsed": await life.a_deposited_order(owner),
    }
    for name, about in (("sent_back", "advance"), ("faulty", "order")):
        told = Told()
        await corrections.ask_correction(
            orders[name].reviewer.actor, orders[name].order_id, about, "incomplete", "Bon illisible.",
            law.load().law, AT, make.a_key(), told,
        )  # fmt: skip
    await _settle(orders["settled_review"])
    await end.an_agreed_amendment(orders["trimmed"], orders["trimmed"].essms[:1], AFTER)
    await soldes.pay(seen, orders["whole"], "solde", soldes.LATER)
    await end.lapse(orders["lapsed"])
    for name in ("renounced", "repaid"):
        orders[name], payers = await end.an_order_with_paid_advance(seen)
        await end.ask(orders[name], at=AFTER)
    await end.issue_recovery(seen, orders["repaid"], payers, AFTER)
    found = await owner.fetchrow(
        "select id, amount_ttc_cents from sons.recovery where order_id = $1", orders["repaid"].order_id
    )
    repaid = Repayment("REF-REPAID", AFTER + timedelta(days=1), found["amount_ttc_cents"])
    later = AFTER + timedelta(days=2)
    await recoveries.record_repayment(payers.first.actor, found["id"], repaid, later, make.a_key(), Told())
    return orders


async def _settle(order: Life) -> None:
    async with transaction(order.reviewer.actor.context) as con:
        held = (await load_dossier(con, order.reviewer.actor, order.order_id, AT)).open_verdicts
    settlements = tuple(Settlement(rule, LIFTED, "Vérifié.") for rule in sorted({v.rule for v in held}))
    await reviews.settle_review(
        order.reviewer.actor, order.order_id, settlements, law.load().law, AT, make.a_key(), Told()
    )


async def _row(owner: asyncpg.Connection, table: str, where: str, *arguments: object) -> dict[str, Any]:
    found = await owner.fetchval(f"select to_jsonb(t) from sons.{table} t where {where} limit 1", *arguments)
    return {} if found is None else dict(found)
