"""Disputes through the operations: an order that holds ESSMS, another that was refused them, their case."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sons_tracker import law
from sons_tracker.operations import conflict_decisions, conflict_steps
from sons_tracker.operations.conflict_decisions import Proposal
from sons_tracker.operations.conflict_reading import ConflictView, find_conflict
from sons_tracker.operations.conflict_steps import Asked, Given
from tests import factories_life as lives
from tests import factories_orders as make
from tests.factories import AT, Account, an_account
from tests.factories_life import Life, Told
from tests.factories_suppliers import enrol

LAW = law.load().law


@dataclass(frozen=True, slots=True)
class Dispute:
    """An order that holds its ESSMS, another that was refused some of them, and the case of the two."""

    holder: Life
    refused: Life
    conflict_id: UUID

    @property
    def reviewer(self) -> Account:
        return self.holder.reviewer


async def a_refused_order(owner: make.Seeded, holder: Life, shared: int | None = None) -> Life:
    """An order of another editor on the first `shared` of the holder's ESSMS; by default on all of them."""
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    await enrol(editor)
    request = make.a_request(holder.request.og, holder.essms[: shared or len(holder.essms)], solution)
    view = await make.deposit(editor.actor, request)
    assert view.identity is not None
    assert view.identity.state == "rejected", view.verdicts
    return Life(view.identity.id, view.identity.number, editor, holder.og, holder.reviewer, request)


async def contest(refused: Life, by: Account | None = None, at: datetime = AT) -> Told:
    """Contests a refusal; what was told."""
    told, who = Told(), by or refused.editor
    why = "Le client a résilié la première commande."
    await conflict_steps.contest(who.actor, refused.order_id, why, LAW, at, make.a_key(), told)
    return told


async def a_dispute(
    owner: make.Seeded,
    essms: int = 2,
    shared: int | None = None,
    holder: Life | None = None,
    at: datetime = AT,
) -> Dispute:
    """A contested refusal: the case is open."""
    first = holder or await lives.a_deposited_order(owner, essms)
    refused = await a_refused_order(owner, first, shared)
    told = await contest(refused, at=at)
    assert isinstance(told.outcome, ConflictView), told.outcome
    return Dispute(first, refused, told.outcome.id)


async def view_of(dispute: Dispute, account: Account | None = None, at: datetime = AT) -> ConflictView:
    """The case as an account reads it; by default its reviewer."""
    return await find_conflict((account or dispute.reviewer).actor, dispute.conflict_id, at)


async def ask_precisions(dispute: Dispute, at: datetime = AT) -> Told:
    """Both suppliers are invited to explain themselves; what was told."""
    told, asked = Told(), Asked("Quelle commande le client a-t-il voulue ?")
    await conflict_steps.ask_precisions(
        dispute.reviewer.actor, dispute.conflict_id, asked, LAW, at, make.a_key(), told
    )
    return told


async def answer(
    dispute: Dispute, by: Account, given: Given | None = None, at: datetime = AT, kind: str = "precisions"
) -> Told:
    """An organisation answers its open question of that kind; what was told."""
    mine = await view_of(dispute, by, at)
    question = next(q for q in mine.questions if q.kind == kind)
    told = Told()
    await conflict_steps.answer(
        by.actor,
        dispute.conflict_id,
        question.id,
        given or Given("Le client nous a choisis.", "maintained"),
        at,
        make.a_key(),
        told,
    )
    return told


async def heard(dispute: Dispute, at: datetime = AT) -> Dispute:
    """The same dispute, both suppliers having answered."""
    assert isinstance((await ask_precisions(dispute, at)).outcome, ConflictView)
    for life in (dispute.holder, dispute.refused):
        assert isinstance((await answer(dispute, life.editor, at=at)).outcome, ConflictView)
    return dispute


async def propose(
    dispute: Dispute,
    outcome: str,
    *refused: int,
    by: Account | None = None,
    at: datetime = AT,
    **changes: Any,
) -> Told:
    """Proposes a decision on the case as it is now; what was told."""
    view, told = await view_of(dispute, at=at), Told()
    wanted = Proposal(outcome, refused, "first_deposit", "Les pièces le montrent.", view.version)
    await conflict_decisions.propose(
        (by or dispute.reviewer).actor,
        dispute.conflict_id,
        replace(wanted, **changes),
        LAW,
        at,
        make.a_key(),
        told,
    )
    return told


async def approve(dispute: Dispute, by: Account, at: datetime = AT) -> Told:
    """Approves the proposed decision; what was told."""
    told = Told()
    await conflict_decisions.approve(by.actor, dispute.conflict_id, at, make.a_key(), told)
    return told


async def execute(dispute: Dispute, at: datetime = AT) -> Told:
    """Executes the decision; what was told."""
    told = Told()
    await conflict_decisions.execute(dispute.reviewer.actor, dispute.conflict_id, LAW, at, make.a_key(), told)
    return told


async def decided_against(dispute: Dispute, *refused: int, at: datetime = AT) -> Dispute:
    """The same dispute, decided against these sides by as many reviewers as it takes."""
    outcome = "one_refused" if len(refused) == 1 else "both_refused"
    template = "first_deposit" if outcome == "one_refused" else "perimeter_error"
    told = await propose(dispute, outcome, *refused, at=at, template=template)
    assert isinstance(told.outcome, ConflictView), told.outcome
    if told.outcome.state != "decided":
        told = await approve(dispute, await an_account("reviewer"), at)
        assert isinstance(told.outcome, ConflictView), told.outcome
    assert told.outcome.state == "decided"
    return dispute


async def live_claims(owner: make.Seeded, life: Life) -> list[str]:
    """The ESSMS that an order holds, sorted."""
    rows = await owner.fetch(
        "select finess_geographique from claim where order_id = $1 and released_at is null order by 1",
        life.order_id,
    )
    return [row[0] for row in rows]
