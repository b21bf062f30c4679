"""Cases of double funding, written as a reviewer whose detection has found them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sons_tracker import law
from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.rules.families import FAMILIES, pair_key
from tests import factories_orders as make
from tests.factories import AT, Account, an_account

FOUND = AT + timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Clash:
    """An ESSMS that two editors asked for: the first order holds it, the second was refused (R05)."""

    finess: str
    og: Account
    holder: Account
    loser: Account
    held: UUID
    refused: UUID
    held_number: str
    refused_number: str


async def a_clash(owner: make.Seeded, *, second_unit: int | None = None) -> Clash:
    """Two orders for one ESSMS, an hour apart, by two editors; the OG has an account."""
    og, (finess,) = await make.an_og(owner, 1)
    first, second = await make.a_solution(owner), await make.a_solution(owner)
    holder = await an_account("editor", siren=first.editor_siren)
    loser = await an_account("editor", siren=second.editor_siren)
    held = await make.deposit(holder.actor, make.a_request(og, (finess,), first))
    wanted = make.a_request(og, (finess,), second, unit_ttc_cents=second_unit)
    refused = await make.deposit(loser.actor, wanted, AT + timedelta(hours=1))
    assert held.identity is not None
    assert refused.identity is not None
    return Clash(
        finess,
        await an_account("og", finess_juridique=og),
        holder,
        loser,
        held.identity.id,
        refused.identity.id,
        held.identity.number,
        refused.identity.number,
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A kept case, with the reviewer who wrote it."""

    id: UUID
    number: str
    reviewer: Account


async def a_conflict(
    family: str,
    *sides: UUID | str,
    essms: Sequence[str],
    at: datetime = FOUND,
    reviewer: Account | None = None,
    message: str = "Deux commandes portent sur le même ESSMS.",
    rule: str | None = None,
    at_stake_ttc_cents: int = 123_200,
) -> Case:
    """A case in state `open`, with one finding. A side is the identifier of an order, or the reference of a
    grant; the first is what was in place."""
    reviewer = reviewer or await an_account("reviewer")
    conflict_id, digest = uuid4(), law.load().law.digest
    keys = [f"{'order' if isinstance(side, UUID) else 'grant'}:{side}" for side in sides]
    async with transaction(reviewer.actor.context) as con:
        orders = {
            row["id"]: row
            for row in await con.fetch(
                "select id, supplier_id, og_id, og_finess_juridique as og, vague from purchase_order"
                " where id = any($1)",
                [side for side in sides if isinstance(side, UUID)],
            )
        }
        first: Any = next(iter(orders.values()), {"og_id": None, "og": None, "vague": "V1"})
        if len({row["og_id"] for row in orders.values()}) > 1:
            first = {"og_id": None, "og": None, "vague": first["vague"]}
        number = await con.fetchval(
            "insert into conflict (id, number, vague, family, pair_key, state, version, og_id,"
            " og_finess_juridique, suppliers, ogs, at_stake_ttc_cents, opened_at, opened_for, last_found_at)"
            " values ($1, 'CF-2023-' || lpad(nextval('conflict_number')::text, 6, '0'), $2, $3, $4, 'open',"
            " 1, $5, $6, $7, $10, $8, $9, 'audit', $9) returning number",
            conflict_id,
            first["vague"],
            family,
            pair_key(*keys),
            first["og_id"],
            first["og"],
            sorted({row["supplier_id"] for row in orders.values()}),
            at_stake_ttc_cents,
            at,
            sorted({row["og_id"] for row in orders.values()}),
        )
        for place, side in enumerate(sides, start=1):
            row = orders.get(side) if isinstance(side, UUID) else None
            await con.execute(
                "insert into conflict_side (conflict_id, side, kind, order_id, grant_reference, supplier_id,"
                " og_id) values ($1, $2, $3, $4, $5, $6, $7)",
                conflict_id,
                place,
                "grant" if row is None else "order",
                None if row is None else side,
                side if row is None else None,
                None if row is None else row["supplier_id"],
                None if row is None else row["og_id"],
            )
        await con.executemany(
            "insert into conflict_essms (conflict_id, finess_geographique) values ($1, $2)",
            [(conflict_id, one) for one in essms],
        )
        await con.execute(
            "insert into conflict_finding (conflict_id, found_at, rule, outcome, message, source, remedy,"
            " readings, a_confirmer, facts, law_digest, known_on, digest)"
            " values ($1, $2, $3, 'fail', $4, 'Arrêté du 2 février 2022 (S0:1525)', 'Décider du dossier.',"
            " '{C17}', false, $5, $6, $7, $8)",
            conflict_id,
            at,
            rule or FAMILIES[family].rules[0],
            message,
            {"essms": ", ".join(essms)},
            digest,
            at.date(),
            hashlib.sha256(message.encode()).digest(),
        )
        await con.execute(
            "insert into conflict_event (conflict_id, at, event, before, after, person_id, organisation_id,"
            " role, facts) values ($1, $2, 'found', 'draft', 'open', $3, $4, 'reviewer', '{}')",
            conflict_id,
            at,
            reviewer.actor.person_id,
            reviewer.actor.organisation_id,
        )
        await journal.record(
            con, reviewer.actor, at, "conflict.found", "conflict", str(conflict_id), {"number": number}
        )
    return Case(conflict_id, number, reviewer)


async def a_clash_case(owner: make.Seeded, **changes: Any) -> tuple[Clash, Case]:
    """The case of a clash."""
    clash = await a_clash(owner)
    case = await a_conflict("two_orders", clash.held, clash.refused, essms=[clash.finess], **changes)
    return clash, case
