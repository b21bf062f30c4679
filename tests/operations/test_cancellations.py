"""Cancellations: their pieces, what they free, what stands against them, and who may do what."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from sons_tracker import law
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import cancellations
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.cancellation_reading import find_cancellation, find_cancellations
from sons_tracker.operations.signatures import Signer
from tests import factories_endings as end
from tests import factories_life as life
from tests import factories_lots as lots
from tests import factories_orders as make
from tests import factories_solde as soldes
from tests.databases import Database
from tests.factories import AT, Account, an_account

owner = make.Everything()
LATER = lots.RETURNED_AT + timedelta(days=1)


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def states(order: life.Life) -> tuple[str, str]:
    """Of the order, and of its newest cancellation."""
    return await life.state_of(owner, order), (await end.read(order)).state


async def journaled(order: life.Life) -> list[str]:
    rows = await owner.fetch(
        "select action from journal where object_id = $1 order by id", str(order.order_id)
    )
    return [row["action"] for row in rows]


async def a_rival(order: life.Life) -> tuple[Account, make.ASolution]:
    """Another editor, with a referenced solution."""
    solution = await make.a_solution(owner)
    return await an_account("editor", siren=solution.editor_siren), solution


async def deposit_again(order: life.Life, rival: Account, solution: make.ASolution, at: datetime) -> str:
    """The decision on an order of the same ESSMS by the rival."""
    request = make.a_request(order.request.og, order.essms, solution)
    return (await make.deposit(rival.actor, request, at)).decision


async def test_the_suppliers_own_error_needs_its_statement_only() -> None:
    order = await life.with_advance_asked(await life.a_deposited_order(owner, 3))
    view = (await end.ask(order)).outcome
    assert (view.state, view.order_state, view.closed_role) == ("carried_out", "cancelled", "editor")
    assert (view.document, view.waits_for, view.cancelled_at) == (None, (), AT)
    assert await end.held_by(owner, order) == []
    released = await owner.fetch(
        "select distinct release_reason, released_at from claim where order_id = $1", order.order_id
    )
    assert [tuple(row) for row in released] == [("cancelled", AT)]
    live = await owner.fetchval(
        "select count(*) from deadline where order_id = $1 and superseded_at is null", order.order_id
    )
    assert live == 0
    assert [r.state for r in await life.the_requests(order)] == ["inadmissible"]
    assert {"cancellation.asked", "order.cancelled"} <= set(await journaled(order))
    told = await owner.fetch(
        "select organisation_id from outbox where object_id = $1 and event = 'order.cancelled'",
        str(order.order_id),
    )
    assert {row[0] for row in told} == {order.editor.actor.organisation_id, order.og.actor.organisation_id}


@pytest.mark.parametrize("motive", ["agreement", "change_of_editor", "renunciation", "acquisition"])
async def test_what_is_agreed_waits_for_the_og(motive: str) -> None:
    order = await life.a_deposited_order(owner)
    asked = (await end.ask(order, motive)).outcome
    assert (asked.state, asked.waits_for, asked.answer_due_at) == ("open", ("renunciation",), None)
    assert asked.for_acquisition is (True if motive == "acquisition" else None)
    assert await life.state_of(owner, order) == "submitted"
    assert await end.held_by(owner, order) == sorted(order.essms)
    done = (await end.attest(order, AT + timedelta(days=1))).outcome
    assert (done.state, done.cancelled_at) == ("carried_out", AT + timedelta(days=1))
    assert [verdict.rule for verdict in done.verdicts] == ["R29"]
    assert await states(order) == ("cancelled", "carried_out")
    assert await end.held_by(owner, order) == []


@pytest.mark.parametrize("first", ["attestation", "statement"])
@pytest.mark.parametrize("motive", ["renunciation", "acquisition"])
async def test_an_og_that_renounces_waits_for_the_supplier(motive: str, first: str) -> None:
    order = await life.a_deposited_order(owner)
    asked = (await end.ask(order, motive, by=order.og)).outcome
    assert asked.waits_for == ("statement", "renunciation")
    assert asked.answer_due_at.isoformat() == "2023-03-15T22:59:59.999999+00:00"  # ten working days
    due = await owner.fetchrow(
        "select due_at, kind, superseded_at from deadline where object_id = $1", str(asked.id)
    )
    assert tuple(due) == (asked.answer_due_at, "answer", None)
    steps = (end.attest, end.give_statement) if first == "attestation" else (end.give_statement, end.attest)
    half = (await steps[0](order)).outcome
    assert half.waits_for == (("statement",) if first == "attestation" else ("renunciation",))
    superseded = "select superseded_at from deadline where object_id = $1"
    answered = await owner.fetchval(superseded, str(asked.id))
    assert answered == (AT if first == "statement" else None)
    assert (await steps[1](order)).outcome.state == "carried_out"
    assert await states(order) == ("cancelled", "carried_out")
    assert await owner.fetchval(superseded, str(asked.id)) == AT


async def test_what_was_signed_is_kept_as_it_was_shown_and_no_name_is_journaled() -> None:
    order = await life.a_deposited_order(owner, 3)
    asked = (await end.ask(order, "change_of_editor", for_acquisition=False)).outcome
    for text in (order.number, *order.essms, "changement d'éditeur", "n'est pas demandée", "accord"):
        assert text in asked.document
    await end.attest(order)
    view = await end.read(order, order.reviewer)
    pieces = {piece.kind: piece for piece in view.pieces}
    assert pieces["renunciation"].text == asked.document
    assert pieces["statement"].text == end.STATEMENT.text
    for kind, signer in (("renunciation", end.OG_SIGNER), ("statement", end.STATEMENT.signer)):
        piece = pieces[kind]
        assert piece.sha256 == hashlib.sha256(piece.text.encode()).hexdigest()
        assert (piece.signer_name, piece.signer_function, piece.consent) == (
            signer.name, signer.function, signer.consent,
        )  # fmt: skip
        assert (piece.auth_level, piece.given_at) == ("token", AT)
    kept = await owner.fetchrow(
        "select person_id, organisation_id, token_id from cancellation_piece"
        " where cancellation_id = $1 and kind = 'renunciation'",
        view.id,
    )
    og = order.og.actor
    assert tuple(kept) == (og.person_id, og.organisation_id, og.token_id)
    for table in ("journal", "outbox"):
        rows = await owner.fetch(f"select facts::text from {table} where object_id = $1", str(order.order_id))
        assert not any("Fictive" in row[0] or "Fictif" in row[0] for row in rows)


async def test_another_text_than_the_one_shown_is_not_signed() -> None:
    order = await life.a_deposited_order(owner)
    await end.ask(order, "agreement")
    told = await end.attest(order, sha256=hashlib.sha256(b"another text").digest())
    assert "empreinte" in told.messages
    with pytest.raises(SonsError) as caught:
        await end.attest(order, signer=replace(end.OG_SIGNER, consent="Oui."))
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert [fault.where for fault in caught.value.faults] == ["$.consent"]
    assert await states(order) == ("submitted", "open")
    pieces = await owner.fetchval(
        "select count(*) from cancellation_piece where order_id = $1 and kind = 'renunciation'",
        order.order_id,
    )
    assert pieces == 0


async def test_a_silent_supplier_is_waited_for_until_its_delay_has_passed() -> None:
    order = await life.a_deposited_order(owner)
    due_at = (await end.ask(order, "renunciation", by=order.og)).outcome.answer_due_at
    early = await end.settle(order, at=due_at)
    assert "15 mars 2023" in early.messages
    unsigned = await end.settle(order, at=due_at + timedelta(microseconds=1))
    assert "n'a pas signé" in unsigned.messages
    await end.attest(order, AT + timedelta(days=2))
    view = (await end.settle(order, at=due_at + timedelta(microseconds=1))).outcome
    assert (view.state, view.closed_role, view.reason) == ("carried_out", "reviewer", "Motif examiné.")
    assert view.cancelled_at == AT + timedelta(days=2)  # the OG's own act
    assert await life.state_of(owner, order) == "cancelled"


async def test_no_reviewer_lifts_what_a_later_text_forbids() -> None:
    order = await life.a_deposited_order(owner)
    due_at = (await end.ask(order, "acquisition", by=order.og)).outcome.answer_due_at
    await end.attest(order)
    enacted = law.load().law
    vague = enacted.vagues["V1"]
    [version] = vague.cancellation_lock.versions
    stricter = replace(version, value=AT - timedelta(days=1), publie_le=make.SIGNED_ON)
    parameter = replace(vague.cancellation_lock, versions=(stricter,))
    later = replace(enacted, vagues={"V1": replace(vague, cancellation_lock=parameter)})
    told = life.Told()
    await cancellations.settle(
        order.reviewer.actor, order.order_id, "carry_out", "Silence.", later, due_at + timedelta(days=1),
        make.a_key(), told,
    )  # fmt: skip
    assert told.refused.reasons[0].rule == "R29"
    assert await states(order) == ("submitted", "open")


async def test_a_reviewer_refuses_what_a_silent_supplier_left() -> None:
    order = await life.a_deposited_order(owner)
    due_at = (await end.ask(order, "renunciation", by=order.og)).outcome.answer_due_at
    view = (await end.settle(order, "refuse", due_at + timedelta(seconds=1))).outcome
    assert (view.state, view.reason) == ("refused", "Motif examiné.")
    assert await life.state_of(owner, order) == "submitted"
    assert (await end.ask(order)).outcome.state == "carried_out"


async def test_a_due_advance_is_withdrawn_and_what_was_planned_goes_back() -> None:
    order = await life.an_order_with_due_advance(owner, 3)
    assert (await end.ask(order)).outcome.state == "carried_out"
    rows = await owner.fetch(
        "select kind, state, due_ttc_cents from payment where order_id = $1", order.order_id
    )
    assert {tuple(row) for row in rows} == {("advance", "planned", None), ("solde", "planned", None)}
    left = await owner.fetchval(
        "select sum(amount_ttc_cents) from ledger_entry where order_id = $1", order.order_id
    )
    assert left == 0
    assert await end.held_by(owner, order) == []


async def test_a_payment_with_the_bank_stands_against_it_until_the_bank_answers() -> None:
    order, payers, lot = await end.an_order_in_lot(owner)
    told = await end.ask(order)
    assert "lot de paiement" in told.messages
    assert "retour de la banque" in told.refused.reasons[0].remedy
    assert (await journaled(order))[-1] == "cancellation.not_possible"
    await lots.answered(payers, lot, "rejected")
    assert (await end.ask(order, at=LATER)).outcome.state == "carried_out"
    assert (
        await owner.fetchval(
            "select state from payment where order_id = $1 and kind = 'advance'", order.order_id
        )
        == "planned"
    )


async def test_what_is_being_cancelled_enters_no_lot() -> None:
    order = await life.an_order_with_due_advance(owner)
    await end.ask(order, "agreement")
    payers = await lots.two_payers()
    told = await lots.prepared(payers, [await end.the_payment(owner, order)])
    assert "n'est pas achevée" in told.messages
    assert (await end.attest(order, LATER)).outcome.state == "carried_out"
    assert await owner.fetchval("select count(*) from recovery where order_id = $1", order.order_id) == 0


async def test_a_change_of_editor_from_the_first_order_to_the_second() -> None:
    order = await life.a_deposited_order(owner, 2)
    rival, solution = await a_rival(order)
    assert await deposit_again(order, rival, solution, AT) == "refused"
    await end.ask(order, "change_of_editor")
    assert await deposit_again(order, rival, solution, AT) == "refused"
    await end.attest(order)
    assert await deposit_again(order, rival, solution, AT) == "accepted"


async def test_after_a_paid_advance_a_new_order_waits_for_the_ordre_de_recouvrement() -> None:
    order, payers = await end.an_order_with_paid_advance(owner, 2)
    rival, solution = await a_rival(order)
    await end.ask(order, "change_of_editor", at=LATER)
    await end.attest(order, LATER)
    assert await states(order) == ("cancelled", "carried_out")
    recovery = await owner.fetchrow("select * from recovery where order_id = $1", order.order_id)
    assert (recovery["reason"], recovery["amount_ttc_cents"]) == ("cancelled", 2 * 87_600)
    assert recovery["issued_at"] is None
    assert await end.held_by(owner, order) == sorted(order.essms)
    assert await deposit_again(order, rival, solution, LATER) == "refused"
    issued = await end.issue_recovery(owner, order, payers, LATER)
    assert not isinstance(issued.outcome, Refused), issued.messages
    assert await end.held_by(owner, order) == []
    assert await deposit_again(order, rival, solution, LATER) == "accepted"


async def test_a_new_order_after_the_fermeture_is_too_late() -> None:
    order = await life.a_deposited_order(owner)
    rival, solution = await a_rival(order)
    closed = datetime.fromisoformat("2024-01-01T00:00:00+01:00")
    await end.ask(order, at=closed)
    assert await life.state_of(owner, order) == "cancelled"
    assert await deposit_again(order, rival, solution, closed - timedelta(microseconds=1)) == "accepted"
    other = await life.a_deposited_order(owner)
    await end.ask(other, at=closed)
    assert await deposit_again(other, rival, solution, closed) == "refused"


LOCK = datetime.fromisoformat("2025-04-17T00:00:00+02:00")
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("at", "outcome"), [(LOCK - SECOND, "carried_out"), (LOCK, None), (LOCK + SECOND, None)]
)
async def test_the_lock_of_r29_to_the_second(at: datetime, outcome: str | None) -> None:
    order = await life.a_deposited_order(owner)
    told = await end.ask(order, "acquisition", at=at)
    if outcome is None:
        reason = told.refused.reasons[0]
        assert reason.rule == "R29"
        assert "17 avril 2025" in reason.message
        assert "DNS/DGCS/CNSA/2025/40" in reason.source
        assert await life.state_of(owner, order) == "submitted"
        return
    done = await end.attest(order, at)
    assert done.outcome.state == outcome


async def test_a_renunciation_signed_after_the_lock_is_refused_and_the_supplier_can_drop_it() -> None:
    order = await life.a_deposited_order(owner)
    await end.ask(order, "acquisition", at=LOCK - SECOND)
    told = await end.attest(order, LOCK)
    assert told.refused.reasons[0].rule == "R29"
    assert [piece.kind for piece in (await end.read(order, at=LOCK)).pieces] == ["statement"]  # all undone
    assert (await end.drop(order, LOCK)).outcome.state == "dropped"


async def test_r29_compares_the_instant_at_which_the_og_renounced_not_the_suppliers_answer() -> None:
    order = await life.a_deposited_order(owner)
    await end.ask(order, "acquisition", by=order.og, at=LOCK - timedelta(days=1))
    await end.attest(order, LOCK - SECOND)
    view = (await end.give_statement(order, LOCK + timedelta(days=3))).outcome
    assert (view.state, view.cancelled_at) == ("carried_out", LOCK - SECOND)


@pytest.mark.parametrize(
    ("for_acquisition", "state"), [(False, "carried_out"), (None, "to_settle"), (True, None)]
)
async def test_after_the_lock_the_purpose_decides(for_acquisition: bool | None, state: str | None) -> None:
    order = await life.a_deposited_order(owner)
    told = await end.ask(order, for_acquisition=for_acquisition, at=LOCK)
    if state is None:
        assert told.refused.reasons[0].rule == "R29"
        return
    assert told.outcome.state == state
    assert {verdict.outcome for verdict in told.outcome.verdicts} == {
        "pass" if state == "carried_out" else "unknown"
    }


@pytest.mark.parametrize("decision", ["carry_out", "refuse"])
async def test_what_r29_leaves_open_a_reviewer_settles_with_a_reason(decision: str) -> None:
    order = await life.a_deposited_order(owner)
    held = (await end.ask(order, at=LOCK)).outcome
    assert held.waits_for == ("reviewer",)
    assert await life.state_of(owner, order) == "submitted"
    view = (await end.settle(order, decision, LOCK + SECOND)).outcome  # type: ignore[arg-type]
    assert view.state == ("carried_out" if decision == "carry_out" else "refused")
    assert (view.cancelled_at, view.reason) == (LOCK, "Motif examiné.")
    assert await life.state_of(owner, order) == ("cancelled" if decision == "carry_out" else "submitted")
    assert "cancellation.settled" in await journaled(order)


async def test_the_deposit_of_the_va_locks_earlier_once_the_text_is_published() -> None:
    published = datetime.fromisoformat("2025-04-16T00:00:00+02:00")
    known, unknown, between = [await soldes.a_signed_va(owner, 1) for _ in range(3)]
    for order in (known, unknown, between):
        await soldes.an_asked_solde(owner, order)
    assert (await end.ask(known, "acquisition", at=published)).refused.reasons[0].rule == "R29"
    await end.ask(unknown, "acquisition", at=published - SECOND)
    assert (await end.attest(unknown, published - SECOND)).outcome.state == "carried_out"
    # renounced before the text was public, completed after
    await end.ask(between, "acquisition", by=between.og, at=published - SECOND)
    await end.attest(between, published - SECOND)
    view = (await end.give_statement(between, published)).outcome
    assert (view.state, {v.outcome for v in view.verdicts}) == ("to_settle", {"review"})


async def test_a_solde_that_was_asked_ends_with_the_order_and_the_advance_is_recovered() -> None:
    order = await soldes.a_due_solde(owner, 2)
    assert (await end.ask(order, at=soldes.LATER)).outcome.state == "carried_out"
    assert {(r.kind, r.state) for r in await life.the_requests(order)} == {
        ("advance", "paid"), ("solde", "inadmissible"),
    }  # fmt: skip
    rows = await owner.fetch("select kind, state from payment where order_id = $1", order.order_id)
    assert {tuple(row) for row in rows} == {("advance", "to_recover"), ("solde", "planned")}
    planned = await owner.fetchval(
        "select sum(amount_ttc_cents) from ledger_entry where order_id = $1 and movement = 'planned'",
        order.order_id,
    )
    assert planned == 0


async def test_out_of_order_and_twice() -> None:
    order = await life.a_deposited_order(owner)
    for step in (end.give_statement(order), end.decline(order), end.drop(order), end.settle(order)):
        assert "Aucune annulation" in (await step).messages
    assert "Aucune annulation" in (await end.attest_unknown(order)).messages
    await end.ask(order, "agreement")
    assert "n'est pas achevée" in (await end.ask(order)).messages
    assert "déjà au dossier" in (await end.give_statement(order)).messages
    assert "pièce des parties" in (await end.settle(order)).messages
    assert "l'autre partie" in (await end.drop(order, by=order.og)).messages
    await end.attest(order)
    for step in (end.ask(order), end.attest_unknown(order), end.drop(order), end.decline(order)):
        assert "« annulée »" in (await step).messages


async def test_who_asked_drops_and_who_was_asked_declines() -> None:
    order = await life.a_deposited_order(owner)
    await end.ask(order, "agreement")
    declined = (await end.decline(order)).outcome
    assert (declined.state, declined.closed_role) == ("refused", "og")
    await end.ask(order, "agreement")
    assert (await end.drop(order)).outcome.state == "dropped"
    await end.ask(order, "renunciation", by=order.og)
    assert "votre organisme" in (await end.decline(order)).messages
    assert "l'autre partie" in (await end.drop(order)).messages
    dropped = (await end.drop(order, by=order.og)).outcome
    assert (dropped.state, dropped.closed_role) == ("dropped", "og")
    live = "select count(*) from deadline where kind = 'answer' and order_id = $1 and superseded_at is null"
    assert await owner.fetchval(live, order.order_id) == 0
    history = await find_cancellations(order.og.actor, order.order_id, law.load().law, AT)
    assert [view.state for view in history] == ["dropped", "dropped", "refused"]
    assert [bool(view.actions) for view in history] == [True, False, False]
    assert await life.state_of(owner, order) == "submitted"


async def test_nothing_goes_on_while_it_is_pending() -> None:
    order = await life.a_deposited_order(owner)
    await end.ask(order, "agreement")
    assert "annulation est demandée" in (await life.request_advance(order)).messages
    assert "annulation est demandée" in (await end.propose(order, order.essms[:1])).messages
    await end.drop(order)
    await life.with_advance_asked(order)


async def test_each_role_has_its_own_acts() -> None:
    order = await life.a_deposited_order(owner)
    stranger, other_og = await an_account("editor"), await an_account("og")
    payer = await an_account("payer")
    for act, forbidden in (
        (lambda by: end.ask(order, by=by, statement=end.STATEMENT), (order.reviewer, payer)),
        (lambda by: end.give_statement(order, by=by), (order.og, order.reviewer)),
        (lambda by: end.attest(order, by=by, sha256=bytes(32)), (order.editor, order.reviewer)),
        (lambda by: end.decline(order, by=by), (order.editor, order.reviewer)),
        (lambda by: end.drop(order, by=by), (order.reviewer, payer)),
        (lambda by: end.settle(order, by=by), (order.editor, order.og, payer)),
    ):
        for account in forbidden:
            with pytest.raises(SonsError) as caught:
                await act(account)
            assert caught.value.code is ErrorCode.FORBIDDEN
    for foreign in (
        end.ask(order, by=stranger),
        end.ask(order, "renunciation", by=other_og),
        end.give_statement(order, by=stranger),
        end.attest(order, by=other_og, sha256=bytes(32)),
        end.decline(order, by=other_og),
        end.drop(order, by=stranger),
        end.ask(replace(order, order_id=uuid4())),
        end.read(order, stranger),
        end.read(order, other_og),
        end.read(order),  # none was asked
    ):
        with pytest.raises(SonsError) as caught:
            await foreign
        assert caught.value.code is ErrorCode.NOT_FOUND


async def test_an_og_has_its_motives_and_a_supplier_its_statement() -> None:
    order = await life.a_deposited_order(owner)
    for motive in ("supplier_error", "agreement", "change_of_editor"):
        assert "celui du fournisseur" in (await end.ask(order, motive, by=order.og)).messages
    for by, statement in ((order.editor, None), (order.og, end.STATEMENT)):
        with pytest.raises(SonsError) as caught:
            await end.ask(order, "renunciation", by=by, statement=statement)
        assert caught.value.code is ErrorCode.INVALID_REQUEST
    contradiction = await end.ask(order, "acquisition", for_acquisition=False)
    assert "pour autre chose" in contradiction.messages
    unsigned = replace(end.STATEMENT, signer=Signer("A", "B", "Oui."))
    with pytest.raises(SonsError) as caught:
        await end.ask(order, statement=unsigned)
    assert [fault.where for fault in caught.value.faults] == ["$.statement.consent"]
    assert await life.state_of(owner, order) == "submitted"


async def a_settled_order() -> life.Life:
    order = await soldes.a_due_solde(owner)
    await soldes.pay(owner, order, "solde", soldes.LATER)
    return order


async def a_lapsed_order() -> life.Life:
    order = await life.an_order_with_due_advance(owner)
    await end.lapse(order)
    return order


@pytest.mark.parametrize(("ended", "word"), [(a_lapsed_order, "caduque"), (a_settled_order, "soldée")])
async def test_an_order_that_is_over_is_not_cancelled(
    ended: Callable[[], Awaitable[life.Life]], word: str
) -> None:
    order = await ended()
    for by, motive in ((order.editor, "supplier_error"), (order.og, "renunciation")):
        told = await end.ask(order, motive, by=by)
        assert f"« {word} »" in told.messages
    assert await owner.fetchval("select count(*) from cancellation where order_id = $1", order.order_id) == 0


async def test_a_rejected_order_has_nothing_to_cancel() -> None:
    first = await life.a_deposited_order(owner)
    rival, solution = await a_rival(first)
    request = make.a_request(first.request.og, first.essms, solution)
    view = await make.deposit(rival.actor, request)
    rejected = replace(first, order_id=make.id_of(view), editor=rival)
    assert "« rejetée »" in (await end.ask(rejected)).messages


async def test_the_cloture_leaves_an_open_cancellation_without_effect() -> None:
    order = await life.a_deposited_order(owner)
    await end.ask(order, "agreement")
    await end.lapse(order)
    assert "« caduque »" in (await end.attest(order)).messages
    view = await end.read(order, order.og)
    assert view.state == "open"
    assert not any(action.possible for action in view.actions)


async def test_what_is_shown_as_possible_is_what_is_accepted() -> None:
    order = await life.a_deposited_order(owner)
    await end.ask(order, "renunciation", by=order.og)
    shown = {
        name: {a.code for a in (await end.read(order, by)).actions if a.possible}
        for name, by in (("editor", order.editor), ("og", order.og), ("reviewer", order.reviewer))
    }
    assert shown == {
        "editor": {"state_cancellation"},
        "og": {"attest_cancellation", "drop_cancellation"},
        "reviewer": set(),
    }


async def test_the_same_request_under_one_key_has_one_effect() -> None:
    order = await life.a_deposited_order(owner)
    key = make.a_key()
    await end.ask(order, "agreement", key=key)
    again = await end.ask(order, "agreement", key=key)
    assert again.outcome is None  # the kept answer, nothing rendered
    assert await owner.fetchval("select count(*) from cancellation where order_id = $1", order.order_id) == 1
    with pytest.raises(SonsError) as caught:
        await end.ask(order, "agreement", key=replace(key, request_sha256=bytes(32)))
    assert caught.value.code is ErrorCode.IDEMPOTENCY_MISMATCH


async def test_both_parties_at_once_have_one_outcome() -> None:
    for _ in range(5):
        order = await life.a_deposited_order(owner)
        await end.ask(order, "agreement")
        shown = bytes.fromhex((await end.read(order)).document_sha256 or "")
        attested, dropped, twice = await asyncio.gather(
            end.attest(order, sha256=shown), end.drop(order), end.attest(order, sha256=shown)
        )
        done = [told for told in (attested, dropped, twice) if not isinstance(told.outcome, Refused)]
        assert len(done) == 1
        assert await states(order) in {("cancelled", "carried_out"), ("submitted", "dropped")}


async def test_two_who_ask_at_once_open_one() -> None:
    order = await life.a_deposited_order(owner)
    told = await asyncio.gather(
        *(end.ask(order, "agreement") for _ in range(3)),
        *(end.ask(order, "renunciation", by=order.og) for _ in range(3)),
    )
    assert sum(not isinstance(one.outcome, Refused) for one in told) == 1
    assert await owner.fetchval("select count(*) from cancellation where order_id = $1", order.order_id) == 1


async def test_the_agencies_read_and_a_stranger_does_not() -> None:
    order = await life.a_deposited_order(owner)
    await end.ask(order, "agreement")
    for role in ("reviewer", "payer", "pilot", "admin"):
        account = await an_account(role)
        view = await find_cancellation(account.actor, order.order_id, law.load().law, AT)
        assert view.motive == "agreement"
