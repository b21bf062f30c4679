"""Who signs for an OG: responsible persons, delegations to the day, and what ends them."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta

import asyncpg
import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.db.errors_map import from_database
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import actors, members
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.amendments import AmendmentView
from sons_tracker.operations.delegations import DelegationView, list_delegations, propose_text
from sons_tracker.operations.members import Member
from sons_tracker.operations.va import VaView
from sons_tracker.rules import delegations as rules
from sons_tracker.rules.signatories import DELEGATION, RESPONSIBLE
from tests import factories_delegations as delegated
from tests import factories_endings as endings
from tests import factories_life as lives
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.databases import Database
from tests.factories import AT, Account, an_account
from tests.factories_life import Life, Told

owner = make.Everything()
LATER = solde.LATER
"""31 March 2023: inside the delegation that the factory gives by default."""


@pytest.fixture(scope="module", autouse=True)
async def _instance(module_database: Database) -> None:
    await make.prepare_instance()


async def a_va_to_sign() -> tuple[Life, Account]:
    """An order whose VA waits for its signature, and a member of its OG who is not responsible."""
    order = await solde.a_paid_advance(owner, 1)
    assert isinstance((await solde.prepare(order)).outcome, VaView)
    return order, await delegated.a_member(order.og)


async def sign_as(order: Life, who: Account, at: datetime = LATER) -> Told:
    return await solde.sign(order, at, actor=who.actor)


async def test_the_first_member_of_an_og_is_responsible_and_the_next_is_not() -> None:
    og = await an_account("og")
    member, named = await delegated.a_member(og), await delegated.a_member(og, responsible=True)
    listed = {one.person_id: one.responsible for one in await members.list_members(og.actor, AT)}
    expected = {og.actor: True, member.actor: False, named.actor: True}
    assert listed == {actor.person_id: said for actor, said in expected.items()}


async def test_only_an_og_has_responsibles() -> None:
    with pytest.raises(SonsError) as caught:
        await actors.enrol(
            LOCAL_ADMIN, at=AT, kind="agency", organisation="x", person="y", role="admin", responsible=True
        )
    assert caught.value.code is ErrorCode.INVALID_REQUEST


async def test_a_member_signs_nothing_without_a_delegation_and_is_told_why() -> None:
    order, member = await a_va_to_sign()
    refused = (await sign_as(order, member)).refused
    reason = refused.reasons[0]
    assert (reason.rule, reason.source is not None) == ("R17", True)
    assert "Aucune délégation" in reason.message
    assert "délégation" in (reason.remedy or "")
    shown = await solde.the_va(order, member.actor)
    sign = next(action for action in shown.actions if action.code == "sign_va")
    assert (sign.possible, sign.reasons[0]) == (False, reason)
    mine = await solde.the_va(order)
    assert next(action for action in mine.actions if action.code == "sign_va").possible


async def test_a_delegate_signs_and_the_signature_says_so() -> None:
    order, member = await a_va_to_sign()
    held = await delegated.given(order.og, member)
    signed = (await sign_as(order, member)).outcome
    assert isinstance(signed, VaView), signed
    assert signed.signature is not None
    assert (signed.signature.capacity, signed.signature.delegation_id) == (DELEGATION, held.id)
    told = await owner.fetchval(
        "select facts from journal where action = 'va.signed' and object_id = $1", str(order.order_id)
    )
    assert (told["capacity"], told["delegation_id"]) == (DELEGATION, str(held.id))


async def test_a_responsible_signs_as_such() -> None:
    order, _ = await a_va_to_sign()
    signed = (await solde.sign(order)).outcome
    assert isinstance(signed, VaView)
    assert signed.signature is not None
    assert (signed.signature.capacity, signed.signature.delegation_id) == (RESPONSIBLE, None)


FIRST, LAST = delegated.paris("2023-04-05T00:00:00"), delegated.paris("2023-04-07T23:59:59.999999")
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("at", "signs"),
    [(FIRST - TICK, False), (FIRST, True), (FIRST + TICK, True), (LAST, True), (LAST + TICK, False)],
    ids=["eve", "first", "just_after", "last", "next_day"],
)
async def test_days_are_of_paris_and_both_included(at: datetime, signs: bool) -> None:
    """The operation and, below it, the database say the same."""
    order, member = await a_va_to_sign()
    await delegated.given(order.og, member, from_on=date(2023, 4, 5), until_on=date(2023, 4, 7))
    async with transaction(member.actor.context, read_only=True) as con:
        said = await con.fetchval(
            "select may_sign($1, $2, 'va', ($3::timestamptz at time zone 'Europe/Paris')::date)",
            member.actor.person_id,
            member.actor.organisation_id,
            at,
        )
    assert said == (DELEGATION if signs else None)
    assert isinstance((await sign_as(order, member, at)).outcome, VaView if signs else Refused)


async def test_a_delegation_of_another_act_does_not_do() -> None:
    order, member = await a_va_to_sign()
    await delegated.given(order.og, member, acts=("amendment", "renunciation"))
    assert "Aucune délégation" in (await sign_as(order, member)).messages
    await delegated.given(order.og, member, acts=("va",))
    assert isinstance((await sign_as(order, member)).outcome, VaView)


async def test_the_renunciation_and_both_sides_of_an_amendment_ask_the_same() -> None:
    order = await lives.a_deposited_order(owner, 3)
    member = await delegated.a_member(order.og)
    assert "Aucune délégation" in (await endings.propose(order, order.essms[:1], by=member)).messages
    proposed = (await endings.propose(order, order.essms[:1])).outcome
    assert "Aucune délégation" in (await endings.agree(order, proposed, by=member)).messages
    held = await delegated.given(order.og, member, acts=delegated.ALL_ACTS)
    agreed = (await endings.agree(order, proposed, by=member)).outcome
    assert isinstance(agreed, AmendmentView), agreed
    assert (agreed.proposed_capacity, agreed.closed_capacity) == (None, DELEGATION)
    assert agreed.closed_delegation_id == held.id
    again = (await endings.propose(order, order.essms[1:2], by=member)).outcome
    assert (again.proposed_capacity, again.proposed_delegation_id) == (DELEGATION, held.id)
    await endings.withdraw(order, again.id, by=member)
    assert not isinstance((await endings.ask(order, "renunciation", by=member)).outcome, Refused)
    await delegated.revoke(order.og, held.id)
    assert "a cessé" in (await endings.attest(order, by=member)).messages
    third = await delegated.given(order.og, member, acts=("renunciation",))
    attested = (await endings.attest(order, by=member)).outcome
    piece = next(one for one in attested.pieces if one.kind == "renunciation")
    assert (piece.capacity, piece.delegation_id) == (DELEGATION, third.id)


async def test_revoked_between_the_text_and_the_signature() -> None:
    order, member = await a_va_to_sign()
    held = await delegated.given(order.og, member)
    shown = (await solde.the_va(order, member.actor)).statement_sha256
    ended = (await delegated.revoke(order.og, held.id, LATER)).outcome
    assert isinstance(ended, DelegationView)
    assert (ended.state, ended.revoked_because) == ("revoked", "revoked")
    told = await solde.sign(order, LATER, actor=member.actor, shown=shown)
    assert "révoquée" in told.messages


async def test_a_delegate_gives_nothing_and_revokes_nothing_of_others() -> None:
    og = await an_account("og")
    member, other = await delegated.a_member(og), await delegated.a_member(og)
    await delegated.given(og, member, acts=delegated.ALL_ACTS)
    with pytest.raises(SonsError) as caught:
        await propose_text(member.actor, delegated.asked(other), AT)
    assert caught.value.code is ErrorCode.FORBIDDEN
    told = await delegated.give(member, other, shown=bytes(32))
    assert "ne la donne pas à son tour" in told.messages
    held = await delegated.given(og, other)
    assert "ne la donne pas à son tour" in (await delegated.revoke(member, held.id)).messages
    back = (await delegated.revoke(other, held.id)).outcome  # who holds it may give it back
    assert isinstance(back, DelegationView)
    assert "déjà révoquée" in (await delegated.revoke(og, held.id)).messages


async def test_nobody_of_another_og_receives_revokes_or_reads_one() -> None:
    og, other = await an_account("og"), await an_account("og")
    member = await delegated.a_member(og)
    with pytest.raises(SonsError) as caught:
        await delegated.give(og, other)
    assert caught.value.code is ErrorCode.NOT_FOUND
    held = await delegated.given(og, member)
    with pytest.raises(SonsError) as caught:
        await delegated.revoke(other, held.id)
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert await list_delegations(other.actor, AT, og.actor.organisation_id) == ()
    assert [one.id for one in await list_delegations(og.actor, AT)] == [held.id]
    reviewer = await an_account("reviewer")
    found = await list_delegations(reviewer.actor, AT, og.actor.organisation_id)
    assert [one.id for one in found] == [held.id]


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"from_on": date(2023, 2, 28)}, "passé"),
        ({"until_on": date(2023, 2, 28)}, "avant de commencer"),
        ({"until_on": date(2024, 3, 1)}, "29 février 2024"),
    ],
    ids=["past", "upside_down", "more_than_a_year"],
)
async def test_terms_that_cannot_be_given(terms: dict[str, date], said: str) -> None:
    og = await an_account("og")
    member = await delegated.a_member(og)
    assert said in (await delegated.give(og, member, shown=bytes(32), **terms)).messages
    with pytest.raises(SonsError) as caught:
        await propose_text(og.actor, delegated.asked(member, **terms), AT)
    assert caught.value.code is ErrorCode.INVALID_REQUEST


async def test_a_whole_year_and_another_text_and_a_responsible() -> None:
    og = await an_account("og")
    member, director = await delegated.a_member(og), await delegated.a_member(og, responsible=True)
    assert "empreinte" in (await delegated.give(og, member, shown=bytes(32))).messages
    assert "signe sans délégation" in (await delegated.give(og, director)).messages
    year = await delegated.given(og, member, until_on=rules.last_day(delegated.FROM_ON))
    assert year.until_on == date(2024, 2, 29)
    assert "tient déjà" in (await delegated.give(director, member)).messages
    assert "DÉLÉGATION DE SIGNATURE" in year.text


async def test_two_at_once_leave_one() -> None:
    og = await an_account("og")
    member = await delegated.a_member(og)
    both = await asyncio.gather(delegated.give(og, member), delegated.give(og, member))
    given = [one for one in both if isinstance(one.outcome, DelegationView)]
    refused = [one for one in both if isinstance(one.outcome, Refused)]
    assert (len(given), len(refused)) == (1, 1)
    assert "tient déjà" in refused[0].messages


async def remove(by: Account, who: Account, at: datetime = LATER) -> Told:
    told = Told()
    person = delegated.person_of(who)
    await members.remove(by.actor, person, who.actor.organisation_id, "og", at, make.a_key(), told)
    return told


async def appoint(by: Account, who: Account, responsible: bool, at: datetime = LATER) -> Told:
    told = Told()
    person = delegated.person_of(who)
    await members.appoint(by.actor, person, who.actor.organisation_id, responsible, at, make.a_key(), told)
    return told


async def test_who_leaves_ends_what_it_gave_and_what_it_holds() -> None:
    order, member = await a_va_to_sign()
    other = await delegated.a_member(order.og, responsible=True)
    third = await delegated.a_member(order.og)
    given, held = await delegated.given(order.og, member), await delegated.given(other, third)
    assert isinstance((await remove(other, order.og)).outcome, Member)
    assert "a cessé" in (await sign_as(order, member)).messages
    assert isinstance((await remove(other, third)).outcome, Member)
    found = {one.id: one.revoked_because for one in await list_delegations(other.actor, LATER)}
    assert found == {given.id: "giver_left", held.id: "receiver_left"}
    told = await owner.fetch(
        "select facts ->> 'because' as because from journal where action = 'delegation.revoked'"
        " and organisation_id = $1 order by 1",
        order.og.actor.organisation_id,
    )
    assert [row["because"] for row in told] == ["giver_left", "receiver_left"]


async def test_who_comes_back_is_neither_responsible_nor_a_delegate_again() -> None:
    og = await an_account("og")
    director, member = await delegated.a_member(og, responsible=True), await delegated.a_member(og)
    await delegated.given(og, member)
    for one in (director, member):
        await remove(og, one)
        async with transaction(LOCAL_ADMIN.context) as con:
            await con.execute(
                "update membership set removed_at = null where person_id = $1 and role = 'og'",
                one.actor.person_id,
            )
    listed = {one.person_id: one for one in await members.list_members(og.actor, LATER)}
    assert not listed[delegated.person_of(director)].responsible
    assert listed[delegated.person_of(member)].delegations == ()


async def test_a_dismissed_responsible_delegates_no_more_and_the_last_one_stays() -> None:
    order, member = await a_va_to_sign()
    other = await delegated.a_member(order.og, responsible=True)
    await delegated.given(order.og, member)
    assert "responsable" in (await appoint(member, other, False)).messages
    assert isinstance((await appoint(other, order.og, False)).outcome, Member)
    assert "a cessé" in (await sign_as(order, member)).messages
    assert "dernière" in (await appoint(other, other, False)).messages
    assert "dernière" in (await remove(other, other)).messages
    assert "Seul un responsable" in (await remove(member, other)).messages
    admin = await an_account("admin")
    assert isinstance((await remove(admin, other)).outcome, Member)  # a director who left is removed
    assert isinstance((await appoint(admin, member, True)).outcome, Member)
    assert isinstance((await sign_as(order, member)).outcome, VaView)


async def test_two_responsibles_who_dismiss_each_other_leave_one() -> None:
    og = await an_account("og")
    other = await delegated.a_member(og, responsible=True)
    both = await asyncio.gather(appoint(og, other, False), appoint(other, og, False))
    assert sorted(isinstance(one.outcome, Member) for one in both) == [False, True]


async def test_members_are_shown_with_what_they_may_sign() -> None:
    og = await an_account("og")
    member = await delegated.a_member(og)
    held = await delegated.given(og, member)
    shown = {one.person_id: one for one in await members.list_members(og.actor, AT)}
    [found] = shown[delegated.person_of(member)].delegations
    assert (found.id, found.acts, found.until_on) == (held.id, ("va",), delegated.UNTIL_ON)
    over = {
        one.person_id: one
        for one in await members.list_members(og.actor, delegated.paris("2023-05-01T00:00:00"))
    }
    assert over[delegated.person_of(member)].delegations == ()


async def test_the_og_is_told_without_a_name() -> None:
    og = await an_account("og")
    member = await delegated.a_member(og, name="Prénom Reconnaissable")
    held = await delegated.given(og, member)
    await delegated.revoke(og, held.id)
    rows = await owner.fetch(
        "select event, facts::text from outbox where object_id = $1 and organisation_id = $2 order by number",
        str(held.id),
        og.actor.organisation_id,
    )
    assert [row["event"] for row in rows] == ["delegation.given", "delegation.revoked"]
    kept = await owner.fetchval(
        "select string_agg(facts::text, ' ') from journal where object_id = $1", str(held.id)
    )
    assert not any("Reconnaissable" in text for text in (kept, *(row["facts"] for row in rows)))


async def test_the_database_refuses_a_signature_by_its_own_code() -> None:
    """Below the operations: the code of the error is that of who may not sign."""
    order, member = await a_va_to_sign()
    row = await owner.fetchrow("select id, statement_sha256 from va where order_id = $1", order.order_id)
    assert row is not None
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with transaction(member.actor.context) as con:
            await con.execute(
                "insert into va_signature (va_id, order_id, supplier_id, og_id, kind, statement_sha256,"
                " consent, signer_name, signer_function, signed_at, person_id, role, auth_level, verdicts,"
                " law_digest, known_on, capacity) select id, order_id, supplier_id, og_id, 'eidas_simple',"
                " statement_sha256, 'x', 'x', 'x', $2, $3, 'og', 'token', '[]', law_digest, known_on,"
                " 'responsible' from va where id = $1",
                row["id"],
                LATER,
                member.actor.person_id,
            )
    assert caught.value.sqlstate == "SN273"
    error = from_database(caught.value)
    assert error is not None
    assert error.code is ErrorCode.NOT_A_SIGNATORY
