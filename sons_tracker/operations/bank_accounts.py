"""Changes of a supplier's bank account: asked by one person, confirmed by another, in force after a delay.

The money of the scheme goes where these rows say. So that a stolen account of one person is not enough, and
so that whoever uses two is seen in time, each step tells every member of the supplier at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.bank_numbers import BankNumbers
from sons_tracker.operations.deadlines import Due
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.outbox import announce
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.supplier_views import ChangeView, SupplierView
from sons_tracker.operations.suppliers import load_supplier, lock_supplier
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.french import PARIS

WAITING_DAYS = 3
"""Whole calendar days between the confirmation and the effect: a weekend always leaves a working day to see
the notice. A choice of the operation, not of the law: docs/decisions/bank-accounts-take-two-persons.md."""

_DEADLINE = "bank_account"
Render = Callable[[SupplierView | Refused], Answer]


def effect_of(confirmed_at: datetime) -> datetime:
    """The Paris midnight that ends the `WAITING_DAYS` whole days after the day of the confirmation."""
    return datetime.combine(known_on(confirmed_at) + timedelta(days=WAITING_DAYS + 1), time.min, PARIS)


async def ask(
    actor: Actor,
    supplier_id: UUID,
    numbers: BankNumbers,
    statement_sha256: bytes,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Asks for the supplier's account to become `numbers`; `statement_sha256` is the digest of the RIB.

    Refused when a change waits already, or when this account is the one in force.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND` for another organisation; what `perform` raises.
    """
    require(actor, "bank_account.ask")

    async def work(con: asyncpg.Connection) -> SupplierView | Refused:
        await lock_supplier(con, supplier_id)
        view = await load_supplier(con, actor, supplier_id, at, numbers=True)
        reasons = view.action("bank_account_change_ask").reasons
        if view.in_force is not None and view.in_force.iban == numbers.iban:
            same = Reason("Ce compte est déjà celui qui est en vigueur.", "Vérifier l'IBAN saisi.")
            reasons = (*reasons, same)
        if reasons:
            return Refused("bank_account.refused", "supplier", str(supplier_id), reasons)
        account_id = uuid4()
        masked = await con.fetchval(
            "insert into bank_account (id, supplier_id, iban, bic, statement_sha256)"
            " values ($1, $2, $3, $4, $5) returning iban_masked",
            account_id,
            supplier_id,
            numbers.iban,
            numbers.bic,
            statement_sha256,
        )
        await con.execute(
            "insert into bank_account_change (id, supplier_id, supplier_kind, iban_masked, requested_at,"
            " requested_by) values ($1, $2, $3, $4, $5, $6)",
            account_id,
            supplier_id,
            actor.role,
            masked,
            at,
            actor.person_id,
        )
        return await _told(con, actor, supplier_id, account_id, "bank_account.change_asked", at)

    return await perform(actor, at, key, work, render)


async def confirm(
    actor: Actor, supplier_id: UUID, change_id: UUID, at: datetime, key: Key, render: Render
) -> Answer:
    """Confirms a change that another person of the same supplier asked for; in force at `effect_of(at)`.

    Refused to who asked for it, and once it is confirmed, stopped or in force.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND` for an unknown or foreign change; what `perform` raises.
    """
    require(actor, "bank_account.confirm")

    async def work(con: asyncpg.Connection) -> SupplierView | Refused:
        change = await _waiting(con, actor, supplier_id, change_id, at)
        if reasons := _reasons(change, "confirm"):
            return Refused("bank_account.refused", "bank_account", str(change_id), reasons)
        await con.execute(
            "update bank_account_change set confirmed_at = $2, confirmed_by = $3, takes_effect_at = $4"
            " where id = $1",
            change_id,
            at,
            actor.person_id,
            effect_of(at),
        )
        await con.execute(
            "insert into deadline (rule, object_id, due_at, kind, supplier_id, facts)"
            " values ($1, $2, $3, $1, $4, $5)",
            _DEADLINE,
            str(change_id),
            effect_of(at),
            supplier_id,
            {
                "label": "Prise d'effet d'un compte bancaire",
                "source": "règle de gestion de l'organisme payeur",
                "a_confirmer": True,
            },
        )
        return await _told(con, actor, supplier_id, change_id, "bank_account.confirmed", at)

    return await perform(actor, at, key, work, render)


async def stop(
    actor: Actor, supplier_id: UUID, change_id: UUID, at: datetime, key: Key, render: Render
) -> Answer:
    """Stops a change before it takes effect: any member of the supplier, who asked for it included, or a
    payer.

    Refused once it is stopped or in force.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND` for an unknown or foreign change; what `perform` raises.
    """
    require(actor, "bank_account.stop")

    async def work(con: asyncpg.Connection) -> SupplierView | Refused:
        change = await _waiting(con, actor, supplier_id, change_id, at)
        if reasons := _reasons(change, "stop"):
            return Refused("bank_account.refused", "bank_account", str(change_id), reasons)
        await con.execute(
            "update bank_account_change set stopped_at = $2, stopped_by = $3 where id = $1",
            change_id,
            at,
            actor.person_id,
        )
        await con.execute(
            "update deadline set superseded_at = $3 where rule = $1 and object_id = $2",
            _DEADLINE,
            str(change_id),
            at,
        )
        return await _told(con, actor, supplier_id, change_id, "bank_account.stopped", at)

    return await perform(actor, at, key, work, render)


async def took_effect(con: asyncpg.Connection, due: Due, _at: datetime) -> None:
    """The effect of the deadline of a confirmed account: its supplier is told. The account itself is in force
    by its date, whether or not a clock ticks."""
    recipients = () if due.supplier_id is None else (due.supplier_id,)
    await announce(con, due.due_at, "bank_account.in_force", "bank_account", due.object_id, recipients, {})


async def _waiting(
    con: asyncpg.Connection, actor: Actor, supplier_id: UUID, change_id: UUID, at: datetime
) -> ChangeView:
    await lock_supplier(con, supplier_id)
    view = await load_supplier(con, actor, supplier_id, at)
    found = next((one for one in view.changes if one.id == change_id), None)
    if found is None:
        problem = "Aucun changement de compte visible ne porte cet identifiant."
        raise SonsError(ErrorCode.NOT_FOUND, problem)
    return found


def _reasons(change: ChangeView, code: str) -> tuple[Reason, ...]:
    return next(one for one in change.actions if one.code == code).reasons


async def _told(
    con: asyncpg.Connection, actor: Actor, supplier_id: UUID, change_id: UUID, event: str, at: datetime
) -> SupplierView:
    """The supplier after a step on one of its accounts, journaled and told to its members."""
    view = await load_supplier(con, actor, supplier_id, at)
    change = next(one for one in view.changes if one.id == change_id)
    effect = None if change.takes_effect_at is None else change.takes_effect_at.isoformat()
    facts = {"supplier_id": str(supplier_id), "takes_effect_at": effect}
    await journal.record(con, actor, at, event, "bank_account", str(change_id), facts)
    # The masked number lets a member recognise the account; the number itself never leaves its table.
    told = {"iban_masked": change.iban_masked, "until": effect}
    await announce(con, at, event, "bank_account", str(change_id), (supplier_id,), told)
    return view
