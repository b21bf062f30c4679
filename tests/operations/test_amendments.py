"""Amendments: ESSMS leave an order by the agreement of two parties and two persons, and what that changes."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import actors, corrections
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.amendments import AmendmentView, find_amendment, find_amendments
from sons_tracker.operations.order_life import find_order_life
from tests import factories_endings as end
from tests import factories_life as life
from tests import factories_lots as lots
from tests import factories_orders as make
from tests import factories_solde as soldes
from tests.databases import Database
from tests.factories import AT, Account, an_account

owner = make.Everything()
LATER = lots.RETURNED_AT + timedelta(days=1)
ADVANCE, SOLDE = 87_600, 204_400  # an OG of 2 to 4 ESSMS: 2 920 € each


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def sums(order: life.Life) -> dict[str, tuple[int, int]]:
    """By ESSMS: what is planned for it, what it received."""
    rows = await owner.fetch(
        "select finess_geographique, coalesce(sum(amount_ttc_cents) filter (where movement = 'planned'), 0),"
        " coalesce(sum(amount_ttc_cents) filter (where movement <> 'planned'), 0)"
        " from ledger_entry where order_id = $1 group by 1",
        order.order_id,
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in rows}


async def proposed(order: life.Life, removed: tuple[str, ...], by: Account | None = None) -> AmendmentView:
    view = (await end.propose(order, removed, by=by)).outcome
    assert isinstance(view, AmendmentView), view
    return view


@pytest.mark.parametrize("side", ["supplier", "og"])
async def test_either_party_proposes_and_the_other_accepts(side: str) -> None:
    order = await life.a_deposited_order(owner, 3)
    gone = order.essms[1]
    ours, theirs = (order.editor, order.og) if side == "supplier" else (order.og, order.editor)
    view = await proposed(order, (gone, gone), ours)
    assert (view.number, view.state, view.removed) == (1, "proposed", (gone,))
    assert view.document_sha256 == hashlib.sha256(view.document.encode()).hexdigest()
    for text in (order.number, "AVENANT N° 1", gone, *order.essms):
        assert text in view.document
    assert await end.held_by(owner, order) == sorted(order.essms)
    agreed = (await end.agree(order, view, AT + timedelta(days=1), theirs)).outcome
    assert (agreed.state, agreed.closed_role, agreed.signer_name) == (
        "agreed", theirs.actor.role, end.AGREED.name,
    )  # fmt: skip
    assert await end.held_by(owner, order) == sorted({*order.essms} - {gone})
    reason = await owner.fetchval(
        "select release_reason from claim where order_id = $1 and finess_geographique = $2",
        order.order_id,
        gone,
    )
    assert reason == "removed_from_perimeter"
    assert await sums(order) == {}  # nothing was planned yet
    shown = await find_order_life(theirs.actor, order.order_id, law.load().law, AT)
    assert shown.removed == (gone,)
    events = await owner.fetch(
        "select action from journal where object_id = $1 and action like 'amendment.%' order by id",
        str(order.order_id),
    )
    assert [row[0] for row in events] == ["amendment.proposed", "amendment.agreed"]


async def test_a_freed_essms_can_be_ordered_by_another() -> None:
    order = await life.a_deposited_order(owner, 2)
    solution = await make.a_solution(owner)
    rival = await an_account("editor", siren=solution.editor_siren)
    request = make.a_request(order.request.og, order.essms[:1], solution)
    assert (await make.deposit(rival.actor, request)).decision == "refused"
    await end.an_agreed_amendment(order, order.essms[:1])
    assert (await make.deposit(rival.actor, request)).decision == "accepted"


async def test_before_the_advance_only_what_is_kept_becomes_due() -> None:
    order = await life.with_advance_asked(await life.a_deposited_order(owner, 3))
    await end.an_agreed_amendment(order, order.essms[:1])
    await life.validate_advance(order)
    payment = await owner.fetchrow(
        "select amount_ttc_cents, due_ttc_cents from payment where order_id = $1 and kind = 'advance'",
        order.order_id,
    )
    assert tuple(payment) == (3 * ADVANCE, 2 * ADVANCE)
    assert await sums(order) == dict.fromkeys(order.essms[1:], (ADVANCE + SOLDE, 0))


async def test_after_the_advance_nothing_more_is_planned_and_what_was_received_stays() -> None:
    order, _ = await end.an_order_with_paid_advance(owner, 3)
    gone = order.essms[:2]
    await end.an_agreed_amendment(order, gone, LATER)
    assert await sums(order) == {
        **dict.fromkeys(gone, (0, ADVANCE)),
        order.essms[2]: (ADVANCE + SOLDE, ADVANCE),
    }
    causes = await owner.fetch(
        "select distinct movement, cause, at from ledger_entry where order_id = $1 and amount_ttc_cents < 0",
        order.order_id,
    )
    assert [tuple(row) for row in causes] == [("planned", "removed", LATER)]


async def test_an_advance_that_is_due_or_with_the_bank_is_waited_for() -> None:
    order = await life.an_order_with_due_advance(owner, 2)
    told = await end.propose(order, order.essms[:1])
    assert "n'est pas encore payée" in told.messages
    payers = await lots.two_payers()
    lot = await lots.an_approved_lot(payers, [await end.the_payment(owner, order)])
    assert "n'est pas encore payée" in (await end.propose(order, order.essms[:1], LATER)).messages
    await lots.answered(payers, lot)
    await end.an_agreed_amendment(order, order.essms[:1], LATER)
    await lots.answered(payers, lot, "returned")
    assert "n'est pas encore payée" in (await end.propose(order, order.essms[1:], LATER)).messages


async def test_an_advance_validated_meanwhile_stands_against_the_agreement() -> None:
    order = await life.with_advance_asked(await life.a_deposited_order(owner, 2))
    view = await proposed(order, order.essms[:1])
    assert "avenant attend l'accord" in (await life.validate_advance(order)).messages
    await end.agree(order, view)
    assert not isinstance((await life.validate_advance(order)).outcome, Refused)


async def test_a_removal_is_of_what_is_in_the_order_and_never_of_all() -> None:
    order = await life.a_deposited_order(owner, 2)
    other = await life.a_deposited_order(owner, 1)
    told = await end.propose(order, other.essms)
    assert "hors de la commande" in told.messages
    assert told.refused.reasons[0].remedy == "Pour ajouter un ESSMS, déposer une nouvelle commande."
    told = await end.propose(order, order.essms)
    assert "tous les ESSMS" in told.messages
    assert told.refused.reasons[0].remedy == "Demander l'annulation de la commande."
    await end.an_agreed_amendment(order, order.essms[:1])
    assert "déjà hors du périmètre" in (await end.propose(order, order.essms[:1])).messages
    assert "que sur un ESSMS" in (await end.propose(order, order.essms[1:])).messages
    assert "que sur un ESSMS" in (await end.propose(other, other.essms)).messages
    assert await end.held_by(owner, order) == [order.essms[1]]


async def test_who_proposed_does_not_answer_and_who_answers_does_not_withdraw() -> None:
    order = await life.a_deposited_order(owner, 2)
    view = await proposed(order, order.essms[:1])
    assert "par le fournisseur" in (await end.agree(order, view, by=order.editor)).messages
    assert "par le fournisseur" in (await end.refuse(order, view.id, by=order.editor)).messages
    assert "par le fournisseur" in (await end.withdraw(order, view.id, by=order.og)).messages
    assert "avenant attend l'accord" in (await end.propose(order, order.essms[:1], by=order.og)).messages
    assert "avenant attend l'accord" in (await end.ask(order)).messages
    refused = (await end.refuse(order, view.id)).outcome
    assert (refused.state, refused.refusal) == ("refused", "Cet ESSMS attend la prestation.")
    for step in (end.agree(order, view), end.refuse(order, view.id), end.withdraw(order, view.id)):
        assert "déjà « refusé »" in (await step).messages
    again = await proposed(order, order.essms[1:], order.og)
    assert again.number == 2
    late = await end.agree(order, view, by=order.editor)  # the first, while the second waits
    assert "déjà « refusé »" in late.messages
    both = await find_amendments(order.editor.actor, order.order_id, law.load().law, AT)
    assert [bool(one.actions) for one in both] == [True, False]
    withdrawn = (await end.withdraw(order, again.id, by=order.og)).outcome
    assert (withdrawn.state, withdrawn.closed_role) == ("withdrawn", "og")
    history = await find_amendments(order.editor.actor, order.order_id, law.load().law, AT)
    assert [(v.number, v.state) for v in history] == [(2, "withdrawn"), (1, "refused")]
    assert await end.held_by(owner, order) == sorted(order.essms)


async def test_one_person_of_both_parties_does_not_agree_with_itself() -> None:
    order = await life.a_deposited_order(owner, 2)
    view = await proposed(order, order.essms[:1])
    me = order.editor.actor
    async with transaction(LOCAL_ADMIN.context) as con:
        await con.execute(
            "insert into membership (person_id, organisation_id, organisation_kind, role, responsible)"
            " values ($1, $2, 'og', 'og', true)",
            me.person_id,
            order.og.actor.organisation_id,
        )
    assert me.person_id is not None
    assert order.og.actor.organisation_id is not None
    token = await actors.create_token(
        LOCAL_ADMIN, at=AT, person_id=me.person_id, organisation_id=order.og.actor.organisation_id, role="og"
    )
    both = await actors.authenticate(token.secret)
    assert both is not None
    told = await end.agree(order, view, by=replace(order.og, actor=both))
    assert "autre personne" in told.refused.reasons[0].remedy
    assert await end.held_by(owner, order) == sorted(order.essms)


async def test_another_text_than_the_one_shown_is_not_accepted() -> None:
    order = await life.a_deposited_order(owner, 2)
    view = await proposed(order, order.essms[:1])
    assert "empreinte" in (await end.agree(order, view, sha256=bytes(32))).messages
    with pytest.raises(SonsError) as caught:
        await end.agree(order, view, signer=replace(end.AGREED, consent="D'accord."))
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert not isinstance((await end.agree(order, view)).outcome, Refused)


async def test_once_the_solde_is_asked_the_perimeter_is_fixed() -> None:
    order = await soldes.a_signed_va(owner, 2)
    view = (await end.propose(order, order.essms[:1], soldes.LATER)).outcome
    assert view.state == "proposed"
    await end.withdraw(order, view.id, soldes.LATER)
    await soldes.an_asked_solde(owner, order)
    assert "solde est demandé" in (await end.propose(order, order.essms[:1], soldes.LATER)).messages


async def test_what_was_advanced_for_a_removed_essms_is_compensated_in_the_solde() -> None:
    order = await soldes.a_paid_advance(owner, 3)
    await end.an_agreed_amendment(order, order.essms[:1], soldes.LATER)
    await soldes.prepare(order, soldes.a_declaration(*order.essms[1:]))
    await soldes.sign(order)
    billed = dict.fromkeys(order.essms[1:], ADVANCE + SOLDE)
    await soldes.validate(order, await soldes.an_asked_solde(owner, order, billed))
    due = await owner.fetchval(
        "select due_ttc_cents from payment where order_id = $1 and kind = 'solde'", order.order_id
    )
    assert due == 2 * SOLDE - ADVANCE


@pytest.mark.parametrize("state", ["to_correct", "lapsed", "cancelled"])
async def test_the_states_in_which_an_order_is_amended(state: str) -> None:
    order = await life.a_deposited_order(owner, 2)
    if state == "cancelled":
        await end.ask(order)
    elif state == "lapsed":
        await end.lapse(order)
    else:
        await corrections.ask_correction(
            order.reviewer.actor, order.order_id, "order", "incomplete", "Bon illisible.", law.load().law, AT,
            make.a_key(), life.Told(),
        )  # fmt: skip
    assert await life.state_of(owner, order) == state
    told = await end.propose(order, order.essms[:1])
    assert isinstance(told.outcome, Refused) is (state != "to_correct")


async def test_a_conditional_order_is_amended_too() -> None:
    await make.an_extraction(owner, on=date(2023, 1, 3))
    order = await life.a_deposited_order(
        owner, 2, listed={"status": "candidate", "referenced_from": None}, signed_on=date(2023, 2, 1)
    )
    assert await life.state_of(owner, order) == "waiting_referencing"
    await end.an_agreed_amendment(order, order.essms[:1])
    assert await end.held_by(owner, order) == [order.essms[1]]


async def test_an_order_to_review_waits_for_its_review() -> None:
    order = await life.a_deposited_order(owner, 2, dui_in_place=None)
    assert await life.state_of(owner, order) == "to_review"
    assert "« à instruire »" in (await end.propose(order, order.essms[:1])).messages


async def test_each_party_for_itself_and_nobody_else() -> None:
    order = await life.a_deposited_order(owner, 2)
    view = await proposed(order, order.essms[:1])
    for account in (order.reviewer, await an_account("payer")):
        for act in (
            end.propose(order, order.essms[:1], by=account),
            end.agree(order, view, by=account),
            end.refuse(order, view.id, by=account),
            end.withdraw(order, view.id, by=account),
        ):
            with pytest.raises(SonsError) as caught:
                await act
            assert caught.value.code is ErrorCode.FORBIDDEN
        await find_amendment(account.actor, order.order_id, view.id, law.load().law, AT)
    stranger, other = await an_account("og"), await life.a_deposited_order(owner, 2)

    async def found(by: Account, order_id: UUID, amendment_id: UUID) -> AmendmentView:
        return await find_amendment(by.actor, order_id, amendment_id, law.load().law, AT)

    for act in (
        end.propose(order, order.essms[:1], by=stranger),
        end.agree(order, view, by=stranger),
        end.refuse(order, view.id, by=stranger),
        end.withdraw(order, view.id, by=stranger),
        end.agree(order, replace(view, id=uuid4())),
        end.agree(other, view),  # of another order
        found(stranger, order.order_id, view.id),
        found(order.og, order.order_id, uuid4()),
        found(other.og, other.order_id, view.id),
    ):
        with pytest.raises(SonsError) as caught:
            await act
        assert caught.value.code is ErrorCode.NOT_FOUND


async def test_an_amendment_is_answered_on_its_own_order() -> None:
    og_number, numbers = await make.an_og(owner, 4)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    og, reviewer = await an_account("og", finess_juridique=og_number), await an_account("reviewer")
    orders = []
    for essms in (numbers[:2], numbers[2:]):
        request = make.a_request(og_number, essms, solution)
        kept = (await make.deposit(editor.actor, request)).identity
        assert kept is not None
        orders.append(life.Life(kept.id, kept.number, editor, og, reviewer, request))
    first, second = orders
    view = await proposed(first, first.essms[:1])
    await proposed(second, second.essms[:1])
    for act in (end.agree(second, view), end.refuse(second, view.id), end.withdraw(second, view.id)):
        with pytest.raises(SonsError) as caught:
            await act
        assert caught.value.code is ErrorCode.NOT_FOUND


async def test_both_parties_at_once_have_one_outcome() -> None:
    for _ in range(5):
        order = await life.a_deposited_order(owner, 2)
        view = await proposed(order, order.essms[:1])
        told = await asyncio.gather(
            end.agree(order, view),
            end.withdraw(order, view.id),
            end.refuse(order, view.id),
            end.agree(order, view),
        )
        assert sum(not isinstance(one.outcome, Refused) for one in told) == 1
        state = (await find_amendments(order.og.actor, order.order_id, law.load().law, AT))[0].state
        free = state == "agreed"
        assert len(await end.held_by(owner, order)) == (1 if free else 2)


async def test_the_two_who_propose_at_once_open_one() -> None:
    order = await life.a_deposited_order(owner, 3)
    told = await asyncio.gather(
        *(end.propose(order, order.essms[:1]) for _ in range(3)),
        *(end.propose(order, order.essms[1:2], by=order.og) for _ in range(3)),
    )
    assert sum(not isinstance(one.outcome, Refused) for one in told) == 1


async def test_what_is_shown_as_possible_is_what_is_accepted() -> None:
    order = await life.a_deposited_order(owner, 2)
    view = await proposed(order, order.essms[:1])
    for by, possible in (
        (order.editor, {"withdraw_amendment"}),
        (order.og, {"agree_amendment", "refuse_amendment"}),
        (order.reviewer, set()),
    ):
        shown = await find_amendment(by.actor, order.order_id, view.id, law.load().law, AT)
        assert {action.code for action in shown.actions if action.possible} == possible
