"""Enrolments and bank accounts through the operations: who, when, what is refused, and what is told."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import bank_accounts, deadlines, enrolment_files, suppliers
from sons_tracker.operations.actors import SCHEDULER, Actor
from sons_tracker.operations.bank_accounts import effect_of
from sons_tracker.operations.enrolment import Enrolment, enrolment_of, enrolments_of
from sons_tracker.operations.supplier_views import Mandate, SupplierView
from tests import factories_suppliers as make
from tests.factories import AT, Account, an_account
from tests.factories_orders import Everything, a_key

T0 = make.LONG_AGO
PARIS = ZoneInfo("Europe/Paris")
SECOND = timedelta(seconds=1)
everything = Everything()
pytestmark = pytest.mark.usefixtures("module_database")


async def enrolment(supplier_id: UUID, at: datetime, actor: Actor = SCHEDULER) -> Enrolment | None:
    async with transaction(actor.context, read_only=True) as con:
        return await enrolment_of(con, supplier_id, at)


async def a_pair() -> tuple[Account, Account, UUID]:
    """Two persons of a new editor."""
    first = await an_account("editor")
    return first, await make.another_person(first), make.organisation_of(first)


async def journal_of(object_id: object) -> list[tuple[str, dict[str, Any]]]:
    rows = await everything.fetch(
        "select action, facts from journal where object_id = $1 and action ~ '^(enrolment|bank_account)'"
        " order by id",
        str(object_id),
    )
    return [(row["action"], row["facts"]) for row in rows]


async def told(supplier_id: UUID) -> list[str]:
    rows = await everything.fetch(
        "select event from outbox where organisation_id = $1 order by number", supplier_id
    )
    return [row["event"] for row in rows]


def messages(answer: make.Told) -> str:
    return " ".join(reason.message for reason in answer.refused.reasons)


# --- the file ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["editor", "distributor"])
async def test_a_supplier_becomes_complete_step_by_step_and_each_instant_keeps_its_answer(role: str) -> None:
    first = await an_account(role)
    second, supplier_id = await make.another_person(first), make.organisation_of(first)
    assert await enrolment(supplier_id, T0) is None
    file = make.a_file(await make.a_solution_of(first), first.actor)
    view = (await make.submitted(first, file, T0)).view
    assert view.missing == (
        "le dossier d'enrôlement attend sa validation",
        "aucun compte bancaire confirmé n'est en vigueur",
    )
    await make.validated(supplier_id, 1, T0 + timedelta(days=1))
    change = (await make.change_asked(first, at=T0 + timedelta(days=2))).view.changes[0]
    confirmed = (await make.change_confirmed(second, change.id, T0 + timedelta(days=3))).view.changes[0]
    effect = confirmed.takes_effect_at
    assert effect == effect_of(T0 + timedelta(days=3))
    answers = {}
    for at in (T0 - SECOND, T0, T0 + timedelta(days=1), effect - SECOND, effect, AT):
        found = await enrolment(supplier_id, at)
        answers[at] = found and (
            found.state,
            found.validated_number,
            found.vat_liable,
            found.bank_account_id,
            found.complete,
        )
    assert list(answers.values()) == [
        None,
        ("submitted", None, None, None, False),
        ("validated", 1, True, None, False),
        ("validated", 1, True, None, False),
        ("validated", 1, True, change.id, True),
        ("validated", 1, True, change.id, True),
    ]
    assert await told(supplier_id) == [
        "enrolment.submitted",
        "enrolment.validated",
        "bank_account.change_asked",
        "bank_account.confirmed",
    ]


async def test_a_file_sent_back_says_why_and_a_new_one_replaces_it() -> None:
    first, _, supplier_id = await a_pair()
    file = make.a_file(await make.a_solution_of(first), first.actor)
    await make.submitted(first, file)
    answer, payer = make.Told(), await an_account("payer")
    await enrolment_files.ask_correction(
        payer.actor, supplier_id, 1, ("L'attestation est illisible.",), T0, a_key(), answer
    )
    assert answer.view.file is not None
    assert (answer.view.file.decision, answer.view.file.reasons) == (
        "to_correct",
        ("L'attestation est illisible.",),
    )
    found = await enrolment(supplier_id, AT)
    assert found is not None
    assert found.missing[0] == "le dossier d'enrôlement est à modifier"
    again = (await make.submitted(first, file)).view
    assert again.file is not None
    assert (again.file.number, again.file.decision) == (2, None)
    for number in (1, 3):
        assert f"n° {number} n'est pas le dernier" in messages(await make.validated(supplier_id, number))
    assert (await make.validated(supplier_id, 2)).view.enrolment is not None
    assert "déjà validé" in messages(await make.validated(supplier_id, 2))
    assert [action for action, _ in await journal_of(supplier_id)] == [
        "enrolment.submitted",
        "enrolment.correction_asked",
        "enrolment.submitted",
        "enrolment.refused",
        "enrolment.refused",
        "enrolment.validated",
        "enrolment.refused",
    ]


async def test_a_file_that_waits_or_is_sent_back_takes_nothing_from_the_one_in_force() -> None:
    supplier = await make.an_enrolled_supplier()
    at = AT + timedelta(days=1)
    file = make.a_file(supplier.solution, supplier.actor, representative_function="Directrice")
    await make.submitted(supplier.account, file, at)
    found = await enrolment(supplier.supplier_id, at)
    assert found is not None
    assert (found.state, found.number, found.validated_number, found.complete) == ("submitted", 2, 1, True)
    reviewer, answer = await an_account("reviewer"), make.Told()
    await enrolment_files.ask_correction(
        reviewer.actor, supplier.supplier_id, 2, ("Signature.",), at, a_key(), answer
    )
    assert answer.view.enrolment is not None
    assert (answer.view.enrolment.state, answer.view.enrolment.complete) == ("to_correct", True)


async def test_the_vat_situation_is_in_force_from_its_day_and_the_newest_file_corrects_the_past() -> None:
    supplier = await make.an_enrolled_supplier(vat_liable=True)
    supplier_id, account = supplier.supplier_id, supplier.account

    async def situation(day: date, known: datetime = AT + timedelta(days=400)) -> bool | None:
        at = datetime.combine(day, datetime.min.time(), PARIS)
        assert at <= known
        found = await enrolment(supplier_id, at)
        return None if found is None else found.vat_liable

    leaves = date(2023, 6, 1)
    file = make.a_file(supplier.solution, supplier.actor, vat_liable=False, vat_from_on=leaves)
    await make.submitted(account, file, AT)
    await make.validated(supplier_id, 2, AT)
    assert await situation(leaves - timedelta(days=1)) is True
    assert await situation(leaves) is False
    # learnt later: the situation had changed in April; what was known before stays answered as it was
    learnt = datetime(2023, 7, 1, 12, tzinfo=PARIS)
    earlier = replace(file, vat_from_on=date(2023, 4, 1))
    await make.submitted(account, earlier, learnt)
    await make.validated(supplier_id, 3, learnt)
    assert await situation(date(2023, 5, 1)) is True
    assert await situation(date(2023, 7, 2)) is False


async def test_a_situation_that_has_not_begun_leaves_the_supplier_incomplete() -> None:
    first, _, supplier_id = await a_pair()
    file = make.a_file(await make.a_solution_of(first), first.actor, vat_liable=False, vat_from_on=AT.date())
    await make.submitted(first, file)
    await make.validated(supplier_id)
    found = await enrolment(supplier_id, T0)
    assert found is not None
    assert found.missing[0] == "aucune situation de TVA n'est en vigueur à cette date"


@pytest.mark.parametrize(
    ("starts", "ends", "accepted"),
    [(0, 0, True), (-10, 10, True), (1, 10, False), (-10, -1, False)],
)
async def test_an_employee_files_under_a_mandate_that_covers_the_day(
    starts: int, ends: int, accepted: bool
) -> None:
    first, second, _ = await a_pair()
    today = T0.astimezone(PARIS).date()
    assert second.actor.person_id is not None
    mandate = Mandate(second.actor.person_id, today + timedelta(days=starts), today + timedelta(days=ends))
    solution = await make.a_solution_of(first)
    file = make.a_file(solution, first.actor, mandate=mandate)
    answer = await make.submitted(second, file)
    if accepted:
        assert answer.view.file is not None
        assert answer.view.file.mandate == mandate
    else:
        assert "il ne couvre pas le" in messages(answer)
    # the legal representative files whatever the mandate; a third person never does
    assert (await make.submitted(first, file)).view.file is not None
    third = await make.another_person(first)
    assert "représentant légal" in messages(await make.submitted(third, file))


async def test_who_has_no_account_here_can_be_the_legal_representative() -> None:
    first, second, _ = await a_pair()
    today = T0.astimezone(PARIS).date()
    assert second.actor.person_id is not None
    mandate = Mandate(second.actor.person_id, today, today)
    file = make.a_file(await make.a_solution_of(first), first.actor, representative_id=None, mandate=mandate)
    view = (await make.submitted(second, file)).view
    assert view.file is not None
    assert view.file.representative_id is None


async def test_a_file_that_contradicts_itself_names_every_fault() -> None:
    first, second, supplier_id = await a_pair()
    stranger = await an_account("editor")
    assert second.actor.person_id is not None
    assert stranger.actor.person_id is not None
    good = make.a_file("DUI", first.actor)
    backwards = Mandate(second.actor.person_id, date(2022, 6, 2), date(2022, 6, 1))
    foreign = Mandate(stranger.actor.person_id, date(2022, 6, 1), date(2022, 6, 1))
    digest = make.digest("piece")
    cases = {
        ("$.pieces.referencing_certificate",): replace(good, pieces={}),
        ("$.pieces.mandate", "$.pieces.vat_exemption"): replace(
            good, pieces={**good.pieces, "mandate": digest, "vat_exemption": digest}
        ),
        ("$.pieces.vat_exemption",): replace(good, vat_liable=False),
        ("$.mandate.to_on",): make.a_file("DUI", first.actor, mandate=backwards),
        ("$.representative.person_id",): replace(good, representative_id=uuid4()),
        ("$.mandate.person_id",): make.a_file("DUI", first.actor, mandate=foreign),
    }
    for where, file in cases.items():
        with pytest.raises(SonsError) as caught:
            await make.submitted(first, file)
        assert caught.value.code is ErrorCode.INVALID_REQUEST
        assert tuple(fault.where for fault in caught.value.faults) == where
    assert await enrolment(supplier_id, AT) is None
    assert await journal_of(supplier_id) == []


async def test_a_solution_that_the_list_does_not_show_is_not_validated() -> None:
    first, _, supplier_id = await a_pair()
    other = await make.a_solution_of(await an_account("editor"))
    for number, solution in enumerate((other, "INCONNUE"), 1):
        await make.submitted(first, make.a_file(solution, first.actor))
        answer = await make.validated(supplier_id, number)
        assert f"« {solution} »" in messages(answer)
        assert answer.refused.reasons[0].rule == "R11"
    listed = await make.a_solution_of(first)
    await make.submitted(first, make.a_file(listed, first.actor))
    unlisted = datetime(2022, 3, 6, 12, tzinfo=PARIS)  # the list of 7 March was not known
    await make.submitted(first, make.a_file(listed, first.actor), unlisted)
    assert f"« {listed} »" in messages(await make.validated(supplier_id, 4, unlisted))
    assert (await make.validated(supplier_id, 4)).view.enrolment is not None


async def test_a_distributor_is_listed_for_what_it_distributes_only() -> None:
    first, rival = await an_account("distributor"), await an_account("distributor")
    supplier_id, other = make.organisation_of(first), await make.a_solution_of(rival)
    for number, (solution, listed) in enumerate(((other, False), (await make.a_solution_of(first), True)), 1):
        await make.submitted(first, make.a_file(solution, first.actor))
        assert isinstance((await make.validated(supplier_id, number)).outcome, SupplierView) is listed


async def test_files_submitted_at_once_are_numbered_one_after_the_other() -> None:
    first, _, _ = await a_pair()
    file = make.a_file("DUI", first.actor)
    answers = await asyncio.gather(*(make.submitted(first, file) for _ in range(5)))
    numbers = sorted(answer.view.file.number for answer in answers if answer.view.file is not None)
    assert numbers == [1, 2, 3, 4, 5]


async def test_nothing_is_decided_where_nothing_was_submitted() -> None:
    _, _, supplier_id = await a_pair()
    assert "n'a déposé aucun dossier" in messages(await make.validated(supplier_id))


# --- the bank account -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("confirmed", "effect"),
    [
        ("2023-03-01T00:00+01:00", "2023-03-05T00:00+01:00"),
        ("2023-03-01T23:59:59+01:00", "2023-03-05T00:00+01:00"),
        ("2023-02-28T23:30+00:00", "2023-03-05T00:00+01:00"),  # already 1 March in Paris
        ("2023-03-24T10:00+01:00", "2023-03-28T00:00+02:00"),  # over the change of hour
        ("2023-10-27T10:00+02:00", "2023-10-31T00:00+01:00"),
        ("2024-02-26T10:00+01:00", "2024-03-01T00:00+01:00"),
    ],
)
def test_three_whole_days_pass_before_an_account_takes_effect(confirmed: str, effect: str) -> None:
    assert effect_of(datetime.fromisoformat(confirmed)) == datetime.fromisoformat(effect)


async def test_the_first_account_takes_two_persons_and_so_does_each_change() -> None:
    supplier = await make.an_enrolled_supplier()
    former, second = supplier.bank_account_id, supplier.second
    at = AT
    asked = (await make.change_asked(supplier.account, at=at)).view
    assert [one.state for one in asked.changes] == ["asked", "in_force"]
    change = asked.changes[0]
    assert "ne peut pas le confirmer" in messages(
        await make.change_confirmed(supplier.account, change.id, at)
    )
    effect = (await make.change_confirmed(second, change.id, at)).view.changes[0].takes_effect_at
    assert effect is not None
    for instant, expected in ((effect - SECOND, former), (effect, change.id)):
        found = await enrolment(supplier.supplier_id, instant)
        assert found is not None
        assert found.bank_account_id == expected
    view = await suppliers.find_supplier(supplier.actor, supplier.supplier_id, effect)
    assert [one.state for one in view.changes] == ["in_force", "replaced"]
    assert [action for action, _ in await journal_of(change.id)] == [
        "bank_account.change_asked",
        "bank_account.refused",
        "bank_account.confirmed",
    ]


@pytest.mark.parametrize("step", ["asked", "confirmed"])
@pytest.mark.parametrize("who", ["asker", "second", "third", "payer"])
async def test_any_member_or_a_payer_stops_a_change_before_it_takes_effect(step: str, who: str) -> None:
    supplier = await make.an_enrolled_supplier()
    change = (await make.change_asked(supplier.account, at=AT)).view.changes[0]
    effect = effect_of(AT)
    if step == "confirmed":
        await make.change_confirmed(supplier.second, change.id, AT)
    stopper = {
        "asker": supplier.account,
        "second": supplier.second,
        "third": await make.another_person(supplier.account),
        "payer": await an_account("payer"),
    }[who]
    answer = await make.change_stopped(stopper, supplier.supplier_id, change.id, effect - SECOND)
    assert answer.view.changes[0].state == "stopped"
    found = await enrolment(supplier.supplier_id, effect + timedelta(days=30))
    assert found is not None
    assert found.bank_account_id == supplier.bank_account_id
    assert "a été arrêté le" in messages(
        await make.change_stopped(stopper, supplier.supplier_id, change.id, effect)
    )
    assert "a été arrêté le" in messages(await make.change_confirmed(supplier.second, change.id, effect))
    # and another can be asked for at once
    assert (await make.change_asked(supplier.account, at=effect)).view.changes[0].state == "asked"


async def test_what_is_in_force_is_no_longer_stopped_and_what_is_confirmed_not_confirmed_twice() -> None:
    supplier = await make.an_enrolled_supplier()
    change = (await make.change_asked(supplier.account, at=AT)).view.changes[0]
    await make.change_confirmed(supplier.second, change.id, AT)
    assert "déjà confirmé" in messages(await make.change_confirmed(supplier.second, change.id, AT))
    effect = effect_of(AT)
    for act in (
        make.change_stopped(supplier.account, supplier.supplier_id, change.id, effect),
        make.change_confirmed(supplier.second, change.id, effect),
    ):
        assert "a pris effet le" in messages(await act)


async def test_the_members_are_told_when_an_account_takes_effect_and_not_when_it_was_stopped() -> None:
    supplier = await make.an_enrolled_supplier()
    stopped = (await make.change_asked(supplier.account, at=AT)).view.changes[0]
    await make.change_confirmed(supplier.second, stopped.id, AT)
    await make.change_stopped(supplier.second, supplier.supplier_id, stopped.id, AT)
    before = await told(supplier.supplier_id)
    while await deadlines.tick(effect_of(AT) + SECOND):
        pass
    assert (await told(supplier.supplier_id))[len(before) :] == ["bank_account.in_force"]
    rows = await everything.fetch(
        "select object_id, at from outbox where organisation_id = $1 and event = 'bank_account.in_force'",
        supplier.supplier_id,
    )
    assert [tuple(row) for row in rows] == [(str(supplier.bank_account_id), effect_of(T0))]


async def test_at_most_one_change_waits() -> None:
    supplier = await make.an_enrolled_supplier()
    change = (await make.change_asked(supplier.account, at=AT)).view.changes[0]
    assert "déjà en attente" in messages(await make.change_asked(supplier.second, at=AT))
    await make.change_confirmed(supplier.second, change.id, AT)
    effect = effect_of(AT)
    assert "déjà en attente" in messages(await make.change_asked(supplier.second, at=effect - SECOND))
    assert (await make.change_asked(supplier.second, at=effect)).view.changes[0].state == "asked"


async def test_the_account_in_force_is_not_asked_for_again() -> None:
    supplier = await make.an_enrolled_supplier()
    same = make.some_numbers(supplier.numbers.iban)
    assert "déjà celui qui est en vigueur" in messages(await make.change_asked(supplier.account, same, AT))


async def test_a_stranger_finds_nothing_and_an_agent_confirms_nothing() -> None:
    supplier, stranger = await make.an_enrolled_supplier(), await an_account("editor")
    change = (await make.change_asked(supplier.account, at=AT)).view.changes[0]
    mine = make.organisation_of(stranger)
    for supplier_id in (supplier.supplier_id, mine, uuid4()):
        for act in (bank_accounts.confirm, bank_accounts.stop):
            with pytest.raises(SonsError) as caught:
                await act(stranger.actor, supplier_id, change.id, AT, a_key(), make.Told())
            assert caught.value.code is ErrorCode.NOT_FOUND
    with pytest.raises(SonsError) as caught:
        await suppliers.find_supplier(stranger.actor, supplier.supplier_id, AT)
    assert caught.value.code is ErrorCode.NOT_FOUND
    for role in ("payer", "reviewer", "admin", "pilot", "og"):
        agent = await an_account(role)
        with pytest.raises(SonsError) as caught:
            await bank_accounts.confirm(
                agent.actor, supplier.supplier_id, change.id, AT, a_key(), make.Told()
            )
        assert caught.value.code is ErrorCode.FORBIDDEN


async def test_of_two_confirmations_and_stops_at_once_one_is_done() -> None:
    supplier = await make.an_enrolled_supplier()
    third = await make.another_person(supplier.account)
    change = (await make.change_asked(supplier.account, at=AT)).view.changes[0]
    answers = await asyncio.gather(
        make.change_confirmed(supplier.second, change.id, AT),
        make.change_confirmed(third, change.id, AT),
        make.change_confirmed(supplier.second, change.id, AT),
    )
    assert sum(isinstance(answer.outcome, SupplierView) for answer in answers) == 1
    first, second, _ = await a_pair()
    answers = await asyncio.gather(*(make.change_asked(who, at=AT) for who in (first, second, first, second)))
    assert sum(isinstance(answer.outcome, SupplierView) for answer in answers) == 1


# --- who reads what ---------------------------------------------------------------------------------------


async def test_the_number_is_read_by_the_members_and_the_payer_and_masked_to_all_others() -> None:
    supplier = await make.an_enrolled_supplier()
    iban = supplier.numbers.iban
    masked = f"{iban[:4]} •••• {iban[-4:]}"
    readers = {"editor": supplier.second, "payer": await an_account("payer")}
    others = {role: await an_account(role) for role in ("reviewer", "admin")}
    for role, account in (readers | others).items():
        view = await suppliers.find_supplier(account.actor, supplier.supplier_id, AT)
        [account_seen] = view.changes
        assert account_seen.iban_masked == masked
        assert account_seen.iban == (iban if role in readers else None)
        assert account_seen.bic == (supplier.numbers.bic if role in readers else None)
        assert iban not in repr(view)
    for role in ("pilot", "og", "ars"):
        with pytest.raises(SonsError) as caught:
            await suppliers.find_supplier((await an_account(role)).actor, supplier.supplier_id, AT)
        assert caught.value.code is ErrorCode.FORBIDDEN


async def test_an_enrolment_is_none_for_who_may_not_see_it() -> None:
    supplier = await make.an_enrolled_supplier()
    for role in ("og", "pilot", "ars", "editor"):
        actor = (await an_account(role)).actor
        assert await enrolment(supplier.supplier_id, AT, actor) is None
    for role in ("reviewer", "payer", "admin"):
        found = await enrolment(supplier.supplier_id, AT, (await an_account(role)).actor)
        assert found is not None
        assert found.complete
    async with transaction(SCHEDULER.context) as con:
        assert await enrolments_of(con, [], AT) == {}


async def test_the_number_leaves_its_table_for_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        supplier = await make.an_enrolled_supplier()
        change = (await make.change_asked(supplier.account, at=AT)).view.changes[0]
        await make.change_stopped(supplier.account, supplier.supplier_id, change.id, AT)
        view = await suppliers.find_supplier(supplier.actor, supplier.supplier_id, AT)
    secrets = {one.iban for one in view.changes}
    assert len(secrets) == 2
    tables = await everything.fetch(
        "select relname from pg_class where relnamespace = 'sons'::regnamespace and relkind = 'r'"
        " and relname <> 'bank_account'"
    )
    for row in tables:
        try:
            kept = await everything.fetchval(
                f"select string_agg(to_jsonb(t)::text, ' ') from sons.{row['relname']} t"
            )
        except Exception:
            continue
        assert not any(secret in (kept or "") for secret in secrets if secret), row["relname"]
    assert not any(secret in caplog.text for secret in secrets if secret)


async def test_a_journal_row_names_nobody() -> None:
    supplier = await make.an_enrolled_supplier()
    rows = await journal_of(supplier.supplier_id) + await journal_of(supplier.bank_account_id)
    text = json.dumps([facts for _, facts in rows])
    assert "Exemple" not in text
    assert "Personne" not in text
    assert "FR" not in text


async def test_a_page_of_suppliers_follows_its_filter_and_its_key() -> None:
    reviewer = (await an_account("reviewer")).actor
    supplier = await make.an_enrolled_supplier()
    first, _, waiting = await a_pair()
    await make.submitted(first, make.a_file("DUI", first.actor))
    _, _, absent = await a_pair()
    seen: dict[str | None, set[UUID]] = {}
    for state in ("absent", "submitted", "validated", None):
        after, seen[state] = None, set()
        while True:
            page = await suppliers.list_suppliers(reviewer, AT, after, 3, state)
            assert len(page.suppliers) <= 3
            assert not seen[state] & {one.id for one in page.suppliers}
            seen[state] |= {one.id for one in page.suppliers}
            after = page.next_after
            if after is None:
                break
    assert supplier.supplier_id in seen["validated"]
    assert waiting in seen["submitted"]
    assert absent in seen["absent"]
    assert seen["absent"] | seen["submitted"] | seen["validated"] <= seen[None]
    for role in ("pilot", "editor", "og"):
        with pytest.raises(SonsError) as caught:
            await suppliers.list_suppliers((await an_account(role)).actor, AT, None, 3)
        assert caught.value.code is ErrorCode.FORBIDDEN
