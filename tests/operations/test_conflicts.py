"""A case through its operations: contested, heard, decided, executed; what each outcome does to orders."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import audit, conflict_decisions, conflict_steps, deadlines
from sons_tracker.operations.conflict_reading import ConflictView, find_conflict, list_conflicts
from sons_tracker.operations.conflict_steps import Asked, Given
from sons_tracker.rules.identifiers import FinessGeographique
from tests import factories_conflicts as found
from tests import factories_disputes as make_case
from tests import factories_life as lives
from tests import factories_lots as lots
from tests import factories_orders as make
from tests import factories_solde as soldes
from tests.databases import Database
from tests.factories import AT, an_account
from tests.factories_disputes import LAW, Dispute, a_dispute, heard, live_claims, propose, view_of
from tests.factories_life import Life, Told, state_of

owner = make.Everything()
PARIS = ZoneInfo("Europe/Paris")
ADVANCE, SOLDE = 87_600, 204_400  # an OG of 2 to 4 ESSMS: 2 920 € each


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    """A sandbox with the law enacted, for the whole module."""
    await make.prepare_instance()


async def settled(essms: int) -> Life:
    """An order whose solde the bank has paid."""
    order = await soldes.a_due_solde(owner, essms)
    await soldes.pay(owner, order, "solde", soldes.LATER + timedelta(hours=1))
    assert await state_of(owner, order) == "settled"
    return order


async def recoveries_of(order: Life) -> list[tuple[str, int, str]]:
    """(kind of payment, cents, reason) of what is to recover of an order."""
    rows = await owner.fetch(
        "select p.kind, r.amount_ttc_cents, r.reason from recovery r join payment p on p.id = r.payment_id"
        " where r.order_id = $1 order by 1",
        order.order_id,
    )
    return [tuple(row) for row in rows]


async def test_the_loser_is_rejected_and_the_other_takes_its_place() -> None:
    dispute = await make_case.decided_against(await heard(await a_dispute(owner)), 1)
    done = (await make_case.execute(dispute)).outcome
    assert isinstance(done, ConflictView), done
    assert done.state == "executed"
    assert await state_of(owner, dispute.holder) == "rejected"
    assert await state_of(owner, dispute.refused) == "submitted"
    assert await live_claims(owner, dispute.holder) == []
    assert await live_claims(owner, dispute.refused) == sorted(dispute.refused.essms)
    planned = await owner.fetch(
        "select kind, state, amount_ttc_cents from payment where order_id = $1 order by 1",
        dispute.refused.order_id,
    )
    assert [tuple(row) for row in planned] == [
        ("advance", "planned", 2 * ADVANCE),
        ("solde", "planned", 2 * SOLDE),
    ]
    running = await owner.fetch(
        "select kind from deadline where order_id = $1 and superseded_at is null and kind <> 'reminder'"
        " order by 1",
        dispute.refused.order_id,
    )
    assert [row[0] for row in running] == ["cloture", "fermeture"]


async def test_the_order_that_takes_the_place_goes_on_to_its_advance() -> None:
    dispute = await make_case.decided_against(await heard(await a_dispute(owner)), 1)
    await make_case.execute(dispute)
    won = await lives.with_advance_asked(dispute.refused)
    assert not isinstance((await lives.validate_advance(won)).outcome, lives.Refused)
    assert await state_of(owner, won) == "validated"


async def test_the_default_is_the_first_deposit() -> None:
    dispute = await a_dispute(owner)
    told = await propose(dispute, "maintained")
    assert told.outcome.state == "decided"
    assert isinstance((await make_case.execute(dispute)).outcome, ConflictView)
    assert await state_of(owner, dispute.holder) == "submitted"
    assert await state_of(owner, dispute.refused) == "rejected"


async def test_a_paid_advance_is_to_recover_and_the_essms_change_hands_at_once() -> None:
    dispute = await heard(await a_dispute(owner, holder=await soldes.a_paid_advance(owner, 2)))
    await make_case.execute(await make_case.decided_against(dispute, 1))
    assert await state_of(owner, dispute.holder) == "rejected"
    assert await recoveries_of(dispute.holder) == [("advance", 2 * ADVANCE, "decided")]
    assert await live_claims(owner, dispute.refused) == sorted(dispute.refused.essms)
    planned = await owner.fetchval(
        "select sum(amount_ttc_cents) from ledger_entry where order_id = $1 and movement = 'planned'",
        dispute.holder.order_id,
    )
    assert planned == 0


async def test_a_settled_order_gives_both_payments_back() -> None:
    order = await settled(2)
    at = soldes.LATER + timedelta(days=5)
    dispute = await heard(await a_dispute(owner, holder=order, at=at), at)
    assert (await view_of(dispute)).family == "already_financed"
    told = await make_case.execute(await make_case.decided_against(dispute, 1, at=at), at)
    assert isinstance(told.outcome, ConflictView), told.outcome
    assert await recoveries_of(order) == [
        ("advance", 2 * ADVANCE, "decided"),
        ("solde", 2 * SOLDE, "decided"),
    ]


async def test_a_part_of_an_order_is_lost_and_the_rest_goes_on() -> None:
    dispute = await heard(await a_dispute(owner, essms=3, shared=1))
    told = await make_case.execute(await make_case.decided_against(dispute, 1))
    assert isinstance(told.outcome, ConflictView), told.outcome
    assert await state_of(owner, dispute.holder) == "submitted"
    assert await live_claims(owner, dispute.holder) == sorted(dispute.holder.essms[1:])
    assert await live_claims(owner, dispute.refused) == [dispute.holder.essms[0]]
    asked = await lives.with_advance_asked(dispute.holder)
    await lives.validate_advance(asked)
    due = await owner.fetchval(
        "select due_ttc_cents from payment where order_id = $1 and kind = 'advance'", asked.order_id
    )
    assert due == 2 * ADVANCE, "what a decision took is not paid"


async def test_the_part_that_a_settled_order_loses_is_to_recover_to_the_cent() -> None:
    order = await settled(3)
    at = soldes.LATER + timedelta(days=5)
    dispute = await heard(await a_dispute(owner, holder=order, shared=1, at=at), at)
    told = await make_case.execute(await make_case.decided_against(dispute, 1, at=at), at)
    assert isinstance(told.outcome, ConflictView), told.outcome
    assert await state_of(owner, order) == "settled"
    assert await recoveries_of(order) == [("advance", ADVANCE, "decided"), ("solde", SOLDE, "decided")]


async def test_both_may_be_refused() -> None:
    dispute = await make_case.decided_against(await heard(await a_dispute(owner)), 1, 2)
    await make_case.execute(dispute)
    assert await state_of(owner, dispute.holder) == "rejected"
    assert await state_of(owner, dispute.refused) == "rejected"
    free = await live_claims(owner, dispute.holder) + await live_claims(owner, dispute.refused)
    assert free == []


async def test_nothing_is_executed_while_a_payment_is_with_the_bank() -> None:
    order = await lives.an_order_with_due_advance(owner)
    payment = await owner.fetchval(
        "select id from payment where order_id = $1 and kind = 'advance'", order.order_id
    )
    dispute = await make_case.decided_against(await heard(await a_dispute(owner, holder=order)), 1)
    payers = await lots.two_payers()
    await lots.prepared(payers, [payment])
    told = await make_case.execute(dispute, lots.APPROVED_AT)
    assert "lot de paiement" in told.messages
    assert await state_of(owner, order) == "validated"
    assert (await view_of(dispute)).state == "decided"


async def test_the_order_that_would_win_waits_for_all_its_essms() -> None:
    og, numbers = await make.an_og(owner, 2)
    reviewer = await an_account("reviewer")
    og_account = await an_account("og", finess_juridique=og)

    async def ordered(essms: tuple[FinessGeographique, ...]) -> Life:
        solution = await make.a_solution(owner)
        editor = await an_account("editor", siren=solution.editor_siren)
        request = make.a_request(og, essms, solution)
        view = await make.deposit(editor.actor, request)
        assert view.identity is not None
        return Life(view.identity.id, view.identity.number, editor, og_account, reviewer, request)

    first, second = await ordered(numbers[:1]), await ordered(numbers[1:])
    refused = await ordered(numbers)
    late, second_number = refused.editor, second.essms[0]
    told = await make_case.contest(refused)
    assert isinstance(told.outcome, ConflictView)
    page = await list_conflicts(late.actor, None, None, 50)
    assert len(page.conflicts) == 2, "one case for each order that holds some"
    cases = [await find_conflict(reviewer.actor, line.id, AT) for line in page.conflicts]
    case = next(c for c in cases if c.sides[0].order_id == first.order_id)
    dispute = await make_case.decided_against(await heard(Dispute(first, refused, case.id)), 1)
    told = await make_case.execute(dispute)
    assert second_number in told.messages
    assert await state_of(owner, first) == "submitted", "nothing was done by halves"


async def test_nobody_loses_without_having_been_heard() -> None:
    dispute = await a_dispute(owner)
    told = await propose(dispute, "one_refused", 1)
    assert "n'a pas été invité à s'expliquer" in told.messages
    await make_case.ask_precisions(dispute)
    told = await propose(dispute, "one_refused", 1)
    assert "peut répondre jusqu'au" in told.messages
    due = (await view_of(dispute)).questions[0].answer_due_at
    assert due == datetime(2023, 3, 15, 23, 59, 59, 999_999, tzinfo=PARIS), "ten working days"
    assert "Délai de réponse" in ((await view_of(dispute)).questions[0].delay_source or "")
    told = await propose(dispute, "one_refused", 1, at=due)
    assert "peut répondre" in told.messages, "the last instant is still theirs"
    told = await propose(dispute, "one_refused", 1, at=due + timedelta(microseconds=1))
    assert told.outcome.state == "decided"


async def test_a_second_person_approves_what_is_above_the_threshold() -> None:
    dispute = await heard(await a_dispute(owner, essms=4))
    told = await propose(dispute, "one_refused", 1)
    assert told.outcome.state == "precisions_asked", "11 680 € at stake"
    assert "n'approuve pas" not in str(told.outcome)
    assert "seconde personne : Procédure contradictoire" in (await view_of(dispute)).decisions[0].sources
    mine = await make_case.approve(dispute, dispute.reviewer)
    assert "ne l'approuve pas" in mine.messages
    assert (await make_case.approve(dispute, await an_account("reviewer"))).outcome.state == "decided"


async def test_a_decision_on_a_case_that_changed_is_refused() -> None:
    dispute = await a_dispute(owner, essms=4)
    await make_case.ask_precisions(dispute)
    stale = (await view_of(dispute)).version
    for life in (dispute.holder, dispute.refused):
        await make_case.answer(dispute, life.editor)
    told = await propose(dispute, "one_refused", 1, version=stale)
    assert "a changé" in told.messages
    await propose(dispute, "one_refused", 1)
    await conflict_steps.assign(
        dispute.reviewer.actor,
        dispute.conflict_id,
        dispute.reviewer.actor.person_id,
        AT,
        make.a_key(),
        Told(),
    )
    told = await make_case.approve(dispute, await an_account("reviewer"))
    assert "a changé" in told.messages, "nor approved on what its approver did not read"


@pytest.mark.parametrize("motivation", ["", "  \n "])
async def test_a_decision_is_motivated(motivation: str) -> None:
    dispute = await heard(await a_dispute(owner))
    with pytest.raises(SonsError) as refused:
        await propose(dispute, "one_refused", 1, motivation=motivation)
    assert refused.value.code is ErrorCode.INVALID_REQUEST
    assert (await view_of(dispute)).state == "precisions_asked"


async def test_a_party_decides_nothing() -> None:
    dispute = await heard(await a_dispute(owner))
    for account in (dispute.holder.editor, dispute.refused.editor, dispute.holder.og):
        with pytest.raises(SonsError) as refused:
            await propose(dispute, "one_refused", 1, by=account)
        assert refused.value.code is ErrorCode.FORBIDDEN


async def test_the_client_that_signed_twice_chooses() -> None:
    dispute = await a_dispute(owner)
    told = Told()
    asked = Asked("Vous avez signé deux commandes : laquelle gardez-vous ?")
    actor = dispute.reviewer.actor
    await conflict_steps.ask_choice(actor, dispute.conflict_id, asked, LAW, AT, make.a_key(), told)
    assert told.outcome.state == "og_choice"
    blocked = await propose(dispute, "maintained")
    assert "invité à choisir" in blocked.messages
    with pytest.raises(SonsError):
        await make_case.answer(dispute, dispute.holder.og, Given("La première."), kind="choice")
    chosen = Given("Nous gardons la seconde.", chosen_side=2)
    assert (await make_case.answer(dispute, dispute.holder.og, chosen, kind="choice")).outcome
    assert (await propose(dispute, "maintained", template="client_choice")).outcome.state == "decided"


async def test_a_correction_blocks_the_decision_until_it_is_answered() -> None:
    dispute = await heard(await a_dispute(owner))
    question = (await view_of(dispute)).questions[0]
    told = Told()
    asked = Asked("La lettre du client manque.", question.id, "incomplete")
    actor = dispute.reviewer.actor
    await conflict_steps.ask_correction(actor, dispute.conflict_id, asked, LAW, AT, make.a_key(), told)
    assert not isinstance(told.outcome, lives.Refused), told.outcome
    assert "attend sa réponse" in (await propose(dispute, "one_refused", 1)).messages
    asked_of = next(
        life for life in (dispute.holder, dispute.refused)
        if life.editor.actor.organisation_id == question.organisation_id
    )  # fmt: skip
    given = Given("La voici.", "maintained")
    await make_case.answer(dispute, asked_of.editor, given, kind="correction")
    assert (await propose(dispute, "one_refused", 1)).outcome.state == "decided"


async def test_an_ars_gives_its_opinion_and_reads_nothing_else() -> None:
    dispute = await a_dispute(owner)
    ars = await an_account("ars")
    assert ars.actor.organisation_id is not None
    with pytest.raises(SonsError):
        await view_of(dispute, ars)
    asked, told = Asked("Quel logiciel est en place ?"), Told()
    actor = dispute.reviewer.actor
    await conflict_steps.ask_opinion(
        actor, dispute.conflict_id, ars.actor.organisation_id, asked, LAW, AT, make.a_key(), told
    )
    seen = await view_of(dispute, ars)
    assert (seen.sides, seen.findings, seen.decisions, seen.events, seen.at_stake_ttc_cents) == (
        (), (), (), (), None,
    )  # fmt: skip
    given = Given("Le premier, d'après l'organisme.", "favourable")
    assert not isinstance(
        (await make_case.answer(dispute, ars, given, kind="opinion")).outcome, lives.Refused
    )


async def test_a_supplier_learns_neither_who_nor_how_much() -> None:
    dispute = await make_case.decided_against(await heard(await a_dispute(owner)), 1)
    await make_case.execute(dispute)
    for mine, other in ((dispute.holder, dispute.refused), (dispute.refused, dispute.holder)):
        seen = await view_of(dispute, mine.editor)
        text = repr(seen)
        assert other.number not in text
        assert str(other.order_id) not in text
        assert str(other.editor.actor.organisation_id) not in text
        assert seen.at_stake_ttc_cents is None
        assert [side.order_number for side in seen.sides] == [mine.number]
        assert seen.decisions[0].motivation is None


async def test_who_is_no_party_is_told_the_same_as_of_nothing() -> None:
    dispute = await a_dispute(owner)
    for role in ("editor", "og", "ars"):
        stranger = await an_account(role)
        with pytest.raises(SonsError) as refused:
            await view_of(dispute, stranger)
        assert refused.value.code is ErrorCode.NOT_FOUND
        assert (await list_conflicts(stranger.actor, None, None, 50)).conflicts == ()


async def test_only_a_refusal_by_another_engagement_is_contested() -> None:
    holder = await lives.a_deposited_order(owner)
    told = await make_case.contest(holder)
    assert "qu'elle soit « rejetée »" in told.messages
    refused = await make_case.a_refused_order(owner, holder)
    first = (await make_case.contest(refused)).outcome
    again = (await make_case.contest(refused, by=refused.og)).outcome
    assert first.id == again.id, "one pair, one case"


async def test_the_delay_that_passes_is_told_once_at_its_instant() -> None:
    dispute = await a_dispute(owner)
    await make_case.ask_precisions(dispute)
    await make_case.answer(dispute, dispute.holder.editor)
    due = (await view_of(dispute)).questions[0].answer_due_at
    assert due is not None
    await deadlines.tick(due + timedelta(days=3))
    events = [e for e in (await view_of(dispute)).events if e.event == "answer_expired"]
    assert [event.at for event in events] == [due], "only who did not answer"


async def test_a_decision_is_taken_back_before_its_execution_and_a_closed_case_reopens() -> None:
    dispute = await make_case.decided_against(await heard(await a_dispute(owner)), 1)
    actor, told = dispute.reviewer.actor, Told()
    await conflict_decisions.withdraw(actor, dispute.conflict_id, "Pièce nouvelle.", AT, make.a_key(), told)
    assert told.outcome.state == "open"
    assert (await propose(dispute, "maintained")).outcome.state == "decided"
    await make_case.execute(dispute)
    await conflict_decisions.close(actor, dispute.conflict_id, AT, make.a_key(), told)
    assert told.outcome.state == "closed"
    await conflict_decisions.reopen(actor, dispute.conflict_id, "Fait nouveau.", AT, make.a_key(), told)
    assert told.outcome.state == "open"
    assert (await make_case.execute(dispute)).messages


async def test_what_was_decided_and_closed_is_not_opened_again_by_the_audit() -> None:
    order = await settled(1)
    at = soldes.LATER + timedelta(days=5)
    dispute = await a_dispute(owner, holder=await lives.a_deposited_order(owner))
    kept = await a_dispute(owner, holder=order, at=at)
    for one in (dispute, kept):
        await propose(one, "maintained", at=at)
        await make_case.execute(one, at)
        await conflict_decisions.close(one.reviewer.actor, one.conflict_id, at, make.a_key(), Told())
    essms = [*dispute.holder.essms, *kept.holder.essms]
    await audit.run(dispute.reviewer.actor, LAW, at + timedelta(days=1), essms)
    for one in (dispute, kept):
        view = await view_of(one)
        assert (view.state, len(view.findings)) == ("closed", 1)


@pytest.mark.parametrize("shared", [1, 2])
async def test_a_decision_that_was_executed_is_not_turned_round(shared: int) -> None:
    """What was lost is not taken back by reopening: nobody would hold it, and nothing fails on the way."""
    dispute = await make_case.decided_against(await heard(await a_dispute(owner, shared=shared)), 1)
    await make_case.execute(dispute)
    actor, told = dispute.reviewer.actor, Told()
    await conflict_decisions.close(actor, dispute.conflict_id, AT, make.a_key(), told)
    await conflict_decisions.reopen(actor, dispute.conflict_id, "Fait nouveau.", AT, make.a_key(), told)
    assert "ne peut les reprendre" in (await propose(dispute, "one_refused", 2)).messages
    assert await live_claims(owner, dispute.refused) == sorted(dispute.refused.essms)
    both = await make_case.decided_against(dispute, 1, 2)
    assert (await make_case.execute(both)).outcome.state == "executed"
    assert await state_of(owner, dispute.refused) == "rejected"


async def test_of_two_og_each_reads_its_own_side() -> None:
    """One establishment under two numbers, of two OG: neither learns what the other ordered."""
    mine, theirs = [await lives.a_deposited_order(owner, 1) for _ in range(2)]
    numbers = (mine.essms[0], theirs.essms[0])
    case = await found.a_conflict("two_numbers", mine.order_id, theirs.order_id, essms=numbers)
    for order, other in ((mine, theirs), (theirs, mine)):
        view = await find_conflict(order.og.actor, case.id, AT)
        assert [side.order_number for side in view.sides] == [order.number]
        assert (view.findings, view.at_stake_ttc_cents) == ((), None)
        assert other.number not in repr(view)
        (line,) = (await list_conflicts(order.og.actor, None, None, 50)).conflicts
        assert line.at_stake_ttc_cents is None
