"""A case through its operations: contested, heard, decided, executed; what each outcome does to its orders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from sons_tracker import law
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import conflict_decisions, conflict_steps
from sons_tracker.operations.clock import advance_to
from sons_tracker.operations.conflict_decisions import Proposal
from sons_tracker.operations.conflict_reading import ConflictView, find_conflict
from sons_tracker.operations.conflict_steps import Asked, Given
from tests import factories_life as lives
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, Account, an_account
from tests.factories_life import Life, Told
from tests.factories_suppliers import enrol

LAW = law.load().law
owner = make.Everything()
LATER = AT + timedelta(days=40)


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    """A sandbox with the law enacted, a register and a list, for the whole module."""
    await make.prepare_instance()


@dataclass(frozen=True, slots=True)
class Dispute:
    """An order that holds its ESSMS, and another that was refused some of them."""

    holder: Life
    refused: Life
    conflict_id: UUID

    @property
    def reviewer(self) -> Account:
        return self.holder.reviewer


async def a_refused_order(owner: make.Seeded, holder: Life, essms: int | None = None) -> Life:
    """An order of another editor on the first `essms` of the holder's ESSMS."""
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    await enrol(editor)
    shared = holder.essms[: essms or len(holder.essms)]
    request = make.a_request(holder.request.og, shared, solution)
    view = await make.deposit(editor.actor, request)
    assert view.identity is not None and view.identity.state == "rejected", view.verdicts
    return Life(view.identity.id, view.identity.number, editor, holder.og, holder.reviewer, request)


async def a_dispute(owner: make.Seeded, essms: int = 2, shared: int | None = None) -> Dispute:
    holder = await lives.a_deposited_order(owner, essms)
    refused = await a_refused_order(owner, holder, shared)
    told = Told()
    await conflict_steps.contest(
        refused.editor.actor, refused.order_id, "Le client a changé d'avis.", LAW, AT, make.a_key(), told
    )
    assert isinstance(told.outcome, ConflictView), told.outcome
    return Dispute(holder, refused, told.outcome.id)


async def view_of(dispute: Dispute, account: Account | None = None) -> ConflictView:
    return await find_conflict((account or dispute.reviewer).actor, dispute.conflict_id, AT)


async def heard(dispute: Dispute) -> None:
    """Both suppliers answer."""
    told = Told()
    asked = Asked("Quelle commande le client a-t-il voulue ?")
    await conflict_steps.ask_precisions(
        dispute.reviewer.actor, dispute.conflict_id, asked, LAW, AT, make.a_key(), told
    )
    assert isinstance(told.outcome, ConflictView), told.outcome
    for life in (dispute.holder, dispute.refused):
        mine = await view_of(dispute, life.editor)
        given = Given("Le client nous a choisis.", "maintained")
        await conflict_steps.answer(
            life.editor.actor, dispute.conflict_id, mine.questions[0].id, given, AT, make.a_key(), Told()
        )


async def propose(dispute: Dispute, outcome: str, *refused: int, **changes: Any) -> Told:
    view = await view_of(dispute)
    told = Told()
    proposal = Proposal(outcome, refused, "first_deposit", "Les pièces le montrent.", view.version)
    await conflict_decisions.propose(
        dispute.reviewer.actor,
        dispute.conflict_id,
        replace(proposal, **changes),
        LAW,
        AT,
        make.a_key(),
        told,
    )
    return told


async def execute(dispute: Dispute, at: datetime = AT) -> Told:
    told = Told()
    await conflict_decisions.execute(dispute.reviewer.actor, dispute.conflict_id, LAW, at, make.a_key(), told)
    return told


async def live_claims(owner: make.Seeded, life: Life) -> list[str]:
    rows = await owner.fetch(
        "select finess_geographique from claim where order_id = $1 and released_at is null order by 1",
        life.order_id,
    )
    return [row[0] for row in rows]


async def test_the_loser_is_rejected_and_the_other_takes_its_place() -> None:
    dispute = await a_dispute(owner)
    await heard(dispute)
    decided = await propose(dispute, "one_refused", 1)
    assert decided.outcome.state == "decided"
    done = await execute(dispute)
    assert isinstance(done.outcome, ConflictView), done.outcome
    assert done.outcome.state == "executed"
    assert await lives.state_of(owner, dispute.holder) == "rejected"
    assert await lives.state_of(owner, dispute.refused) == "submitted"
    assert await live_claims(owner, dispute.holder) == []
    assert await live_claims(owner, dispute.refused) == sorted(dispute.refused.essms)
    planned = await owner.fetchval(
        "select sum(amount_ttc_cents) from payment where order_id = $1", dispute.refused.order_id
    )
    total = await owner.fetchval(
        "select total_ttc_cents from purchase_order where id = $1", dispute.refused.order_id
    )
    assert planned == total
