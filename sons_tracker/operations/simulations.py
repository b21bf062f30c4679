"""Asking what the law would say: the same file and the same rules as a deposit, and nothing is kept."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.cases import load_case
from sons_tracker.operations.orders import describe
from sons_tracker.operations.requests import OrderRequest, check_request, known_on
from sons_tracker.operations.views import OrderView, seen_by
from sons_tracker.rules.assessment import assess
from sons_tracker.rules.rights import Reach
from sons_tracker.rules.texts import Law

_COUNTED = ("editor", "distributor")


async def simulate(actor: Actor, request: OrderRequest, law: Law, at: datetime) -> OrderView:
    """What a deposit of this request would be told at the business instant `at`.

    Open to everyone; without an account R05, R25 and R26 answer `unknown`. An OG simulates its own orders.
    The simulations of a supplier are counted by day of the machine's clock.

    Raises:
        SonsError: `INVALID_REQUEST`; `FORBIDDEN` for an OG that asks about another OG.
    """
    check_request(request, law, at)
    async with transaction(actor.context) as con:
        if require(actor, "simulation.run") is Reach.OWN:
            await _refuse_other_og(con, actor, request)
        case = await load_case(con, actor, request, law, at)
        if actor.role in _COUNTED:
            await con.execute(
                "insert into simulation_count as kept (organisation_id, counted_on, simulations, essms)"
                " values ($1, (now() at time zone 'UTC')::date, 1, $2)"
                " on conflict on constraint simulation_count_pkey do update"
                " set simulations = kept.simulations + 1, essms = kept.essms + excluded.essms",
                actor.organisation_id,
                len(request.essms),
            )
    view = describe(request, assess(case, law, request.signed_on, known_on(at)), at)
    return seen_by(view, actor)


async def _refuse_other_og(con: asyncpg.Connection, actor: Actor, request: OrderRequest) -> None:
    own = await con.fetchval("select finess_juridique from organisation where id = $1", actor.organisation_id)
    if own != request.og:
        raise SonsError(ErrorCode.FORBIDDEN, "Un organisme gestionnaire ne simule que ses propres commandes.")
