"""What is examined again when a register or the law changes: what that touched, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import asyncpg

from sons_tracker.operations.actors import Actor
from sons_tracker.operations.audit import AuditResult, examine
from sons_tracker.operations.audit_cases import TIMEOUT
from sons_tracker.operations.finess_changes import touched_by_import
from sons_tracker.rules.texts import Law

OF_GRANTS = ("order_grant", "two_grants", "cancelled_then_acquisition")
OF_REGISTER = ("two_numbers", "perimeter_differs")
OF_ORDERS = ("two_orders", "already_financed", "order_grant", "two_numbers", "perimeter_differs")


async def after_grants(
    con: asyncpg.Connection, actor: Actor, law: Law, at: datetime, extracted_on: date
) -> AuditResult | None:
    """The ESSMS whose grants the list of that day changed: None for none, or before any law."""
    rows = await con.fetch(
        "select distinct finess_geographique as number from esms_grant"
        " where valid_from = $1 or valid_to = $1",
        extracted_on,
        timeout=TIMEOUT,
    )
    return await _again(con, actor, law, at, [row["number"] for row in rows], OF_GRANTS)


async def after_register(
    con: asyncpg.Connection, actor: Actor, law: Law, at: datetime, extracted_on: date
) -> AuditResult | None:
    """The ESSMS that the extraction of that day describes otherwise, of which an order or a case speaks."""
    rows = await con.fetch(
        "select finess_geographique as number from claim"
        " where released_at is null and finess_geographique = any($1::text[])"
        " union select finess_geographique from conflict_essms where finess_geographique = any($1::text[])",
        await touched_by_import(con, extracted_on),
        timeout=TIMEOUT,
    )
    return await _again(con, actor, law, at, [row["number"] for row in rows], OF_REGISTER)


async def after_referencing(
    con: asyncpg.Connection, actor: Actor, law: Law, at: datetime
) -> AuditResult | None:
    """The ESSMS that a list of the ANS gave back to orders, or took from them, at that instant (C16)."""
    rows = await con.fetch(
        "select finess_geographique as number from claim where claimed_at = $1 and released_at is null"
        " union select finess_geographique from claim where released_at = $1",
        at,
        timeout=TIMEOUT,
    )
    return await _again(con, actor, law, at, [row["number"] for row in rows], OF_ORDERS)


async def after_law(con: asyncpg.Connection, actor: Actor, law: Law, at: datetime) -> AuditResult | None:
    """The whole nation, which another law may judge otherwise; None where no order was ever deposited."""
    if not await con.fetchval("select exists (select from purchase_order)"):
        return None
    return await examine(con, actor, law, at, None, "law")


async def _again(
    con: asyncpg.Connection,
    actor: Actor,
    law: Law,
    at: datetime,
    numbers: Sequence[str],
    families: Sequence[str],
) -> AuditResult | None:
    """Before its law is enacted a database holds no order: there is nothing to cross."""
    if not (numbers and await law_is_enacted(con, law)):
        return None
    return await examine(con, actor, law, at, numbers, "import", families)


async def law_is_enacted(con: asyncpg.Connection, law: Law) -> bool:
    """Whether this is, or was, the law of this database."""
    sql = "select exists (select from law_enactment where digest = $1)"
    enacted: bool = await con.fetchval(sql, law.digest)
    return enacted
