"""The VA: prepared whole or not at all, signed by the OG on the text that it was shown, once."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.va import VaDeclaration, VaView
from sons_tracker.rules.va_statement import VA_CONSENT
from tests import factories_life as life
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.databases import Database
from tests.factories import an_account

PARIS = ZoneInfo("Europe/Paris")
CLOTURE = datetime(2024, 3, 31, 23, 59, 59, 999_999, tzinfo=PARIS)
MICROSECOND = timedelta(microseconds=1)
owner = make.Everything()


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def journaled(order: life.Life, action: str) -> int:
    found: int = await owner.fetchval(
        "select count(*) from journal where object_id = $1 and action = $2", str(order.order_id), action
    )
    return found


async def test_a_va_is_prepared_shown_to_the_og_and_signed_on_its_digest() -> None:
    order = await life.an_order_with_due_advance(owner, 2)
    prepared = (await solde.prepare(order)).outcome
    assert isinstance(prepared, VaView)
    assert (prepared.number, prepared.state, prepared.signature) == (1, "prepared", None)
    assert {v.rule for v in prepared.verdicts} == {"R18"}  # who signs, and when, nobody knows yet
    shown = await solde.the_va(order)
    assert hashlib.sha256(shown.statement.encode()).digest() == shown.statement_sha256
    for said in (
        "ATTESTATION DE VÉRIFICATION D'APTITUDE (VA) N° 1", order.number, "OG de test (fictif)",
        *order.essms, "soit 93,3\u202f%", "soit 89,3\u202f%", "soit 96,4\u202f%", "chacun des 2 ESSMS",
    ):  # fmt: skip
        assert said in shown.statement
    signed = (await solde.sign(order)).outcome
    assert isinstance(signed, VaView)
    assert signed.state == "signed"
    assert signed.statement == shown.statement
    assert {v.rule: v.outcome for v in signed.verdicts} == {"R17": "pass", "R18": "pass", "R21": "pass"}
    row = await owner.fetchrow("select * from va_signature where va_id = $1", signed.id)
    actor = order.og.actor
    assert (row["person_id"], row["token_id"], row["auth_level"]) == (
        actor.person_id, actor.token_id, "token",
    )  # fmt: skip
    assert (row["kind"], row["consent"], row["signed_at"]) == ("eidas_simple", VA_CONSENT, solde.LATER)
    assert row["statement_sha256"] == shown.statement_sha256
    told = await owner.fetch(
        "select event from outbox where object_id = $1 and organisation_id = $2 order by number",
        str(order.order_id),
        actor.organisation_id,
    )
    assert [r["event"] for r in told][-2:] == ["va.prepared", "va.signed"]
    facts = await owner.fetch("select facts from journal where object_id = $1", str(order.order_id))
    assert "Saint-Jean" not in str([row["facts"] for row in facts])


async def test_the_same_facts_make_the_same_text_and_one_fact_another() -> None:
    order = await life.an_order_with_due_advance(owner, 2)
    declared = solde.a_declaration(*order.essms)
    texts = []
    backwards = VaDeclaration(tuple(reversed(declared.lines)))
    one_less = VaDeclaration((solde.a_line(order.essms[0], active=55), declared.lines[1]))
    for lines in (declared, backwards, one_less, replace(declared, deploiement_mss="cas_2")):
        await solde.prepare(order, lines)
        texts.append((await solde.the_va(order)).statement.partition("\n")[2])
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3
    assert "Déploiement MSS : cas 2." in texts[3]


async def test_a_va_is_prepared_again_until_it_is_signed() -> None:
    order = await life.an_order_with_due_advance(owner, 1)
    await solde.prepare(order)
    old = (await solde.the_va(order)).statement_sha256
    later = solde.LATER + timedelta(minutes=1)
    await solde.prepare(order, at=later)
    told = await solde.sign(order, later, shown=old)
    assert "Le document a changé" in told.messages
    assert await journaled(order, "va.refused") == 1
    assert await owner.fetchval("select count(*) from va_signature where order_id = $1", order.order_id) == 0
    assert not isinstance((await solde.sign(order, later)).outcome, Refused)
    assert "déjà signée" in (await solde.sign(order, later)).messages
    assert "La VA est signée" in (await solde.prepare(order, at=later)).messages
    states = await owner.fetch("select state from va where order_id = $1 order by number", order.order_id)
    assert [row["state"] for row in states] == ["withdrawn", "signed"]


async def test_all_the_essms_of_the_perimeter_or_nothing() -> None:
    order = await life.an_order_with_due_advance(owner, 3)
    a, b, c = order.essms
    one_missing = (await solde.prepare(order, solde.a_declaration(a, b))).refused
    assert [(r.rule, c in r.message) for r in one_missing.reasons] == [("R18", True)]
    stranger = (await life.a_deposited_order(owner, 1)).essms[0]
    one_too_many = (await solde.prepare(order, solde.a_declaration(a, b, c, stranger))).refused
    assert [(r.rule, stranger in r.message) for r in one_too_many.reasons] == [("R18", True)]
    twice = (await solde.prepare(order, solde.a_declaration(a, b, c, c))).refused
    assert "plusieurs fois" in twice.reasons[0].message
    assert await owner.fetchval("select count(*) from va where order_id = $1", order.order_id) == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dui_deployed": False}, "Le DUI n'est pas déployé"),
        ({"dui_deployed": None}, "n'est pas déclaré"),
        ({"tbb1_supplied": False}, "TBB.1"),
        ({"active": None}, "ne sont pas tous déclarés"),
        ({"active": 61}, "plus de dossiers actifs que de personnes"),
        ({"with_event": 57}, "plus de dossiers actifs ayant un événement"),
        ({"accompanied": 0, "active": 0, "with_project": 0, "with_event": 0}, "Sans personne accompagnée"),
    ],
)
async def test_a_fact_that_fails_refuses_the_whole_va_and_names_its_essms(
    changes: dict[str, object], said: str
) -> None:
    order = await life.an_order_with_due_advance(owner, 2)
    good, bad = order.essms
    told = await solde.prepare(order, VaDeclaration((solde.a_line(good), solde.a_line(bad, **changes))))
    [reason] = told.refused.reasons
    assert said in reason.message
    assert bad in reason.message
    assert good not in reason.message
    assert reason.remedy is not None
    assert "S0:1618" in str(reason.source)


async def test_an_indicator_at_zero_is_shown_as_a_warning_before_the_signature() -> None:
    order = await life.an_order_with_due_advance(owner, 1)
    told = await solde.prepare(order, VaDeclaration((solde.a_line(order.essms[0], with_event=0),)))
    assert [v.outcome for v in told.outcome.verdicts] == ["warn"]
    assert "Vérifier le tableau de bord" in str(told.outcome.verdicts[0].remedy)


async def test_only_the_og_of_the_order_signs_and_only_its_supplier_prepares() -> None:
    order = await life.an_order_with_due_advance(owner, 1)
    await solde.prepare(order)
    shown = (await solde.the_va(order)).statement_sha256
    other_og, rival = await an_account("og"), await an_account("editor")
    for actor, code in (
        (order.editor.actor, ErrorCode.FORBIDDEN), (order.reviewer.actor, ErrorCode.FORBIDDEN),
        (other_og.actor, ErrorCode.NOT_FOUND),
    ):  # fmt: skip
        with pytest.raises(SonsError) as caught:
            await solde.sign(order, actor=actor, shown=shown)
        assert caught.value.code is code
    for actor, code in (
        (order.og.actor, ErrorCode.FORBIDDEN), (rival.actor, ErrorCode.NOT_FOUND),
    ):  # fmt: skip
        with pytest.raises(SonsError) as caught:
            await solde.prepare(order, actor=actor)
        assert caught.value.code is code
    for actor in (rival.actor, other_og.actor):
        with pytest.raises(SonsError) as caught:
            await solde.the_va(order, actor)
        assert caught.value.code is ErrorCode.NOT_FOUND
    with pytest.raises(SonsError) as caught:
        await solde.the_va(replace(order, order_id=uuid4()))
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert (await solde.the_va(order, order.reviewer.actor)).state == "prepared"


async def test_the_consent_is_a_sentence_word_for_word() -> None:
    order = await life.an_order_with_due_advance(owner, 1)
    await solde.prepare(order)
    with pytest.raises(SonsError) as caught:
        await solde.sign(order, signer=replace(solde.SIGNER, consent="D'accord."))
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert VA_CONSENT in caught.value.detail


@pytest.mark.parametrize(
    ("after", "r21"),
    [
        (timedelta(days=-1), "pass"),
        (timedelta(0), "warn"),
        (MICROSECOND, None),
        (timedelta(seconds=1), None),
    ],
)
async def test_the_clotures_last_instant_passes_with_a_warning_and_the_next_is_refused(
    after: timedelta, r21: str | None
) -> None:
    order = await life.an_order_with_due_advance(owner, 1)
    await solde.prepare(order)
    told = await solde.sign(order, CLOTURE + after)
    if r21 is None:
        [reason] = told.refused.reasons
        assert reason.rule == "R21"
        assert "31 mars 2024" in reason.message
        assert await journaled(order, "va.refused") == 1
        assert "R21" in str(
            [r.rule for r in (await solde.prepare(order, at=CLOTURE + after)).refused.reasons]
        )
    else:
        assert next(v.outcome for v in told.outcome.verdicts if v.rule == "R21") == r21


async def test_a_va_waits_for_a_validated_order() -> None:
    order = await life.a_deposited_order(owner, 1)
    assert "il faudrait qu'elle soit « validée »" in (await solde.prepare(order)).messages
    with pytest.raises(SonsError) as caught:
        await solde.the_va(order)
    assert caught.value.code is ErrorCode.NOT_FOUND
    validated = await life.an_order_with_due_advance(owner, 1)
    told = await solde.sign(validated, shown=bytes(32))
    assert "Aucune VA n'est préparée" in told.messages


async def test_a_va_signed_before_an_amendment_is_prepared_again_without_what_was_removed() -> None:
    order = await solde.a_signed_va(owner, 3)
    kept, gone = order.essms[:2], order.essms[2]
    await solde.remove(order, gone)
    stale = await solde.ask(order, await solde.a_content(owner, order, dict.fromkeys(kept, 292_000)))
    assert any("la VA l'atteste" in r.message and gone in r.message for r in stale.refused.reasons)
    assert not isinstance((await solde.prepare(order, solde.a_declaration(*kept))).outcome, Refused)
    assert (await solde.the_va(order)).number == 2
    assert not isinstance((await solde.sign(order)).outcome, Refused)


async def test_a_va_prepared_before_an_amendment_cannot_be_signed() -> None:
    order = await solde.a_paid_advance(owner, 2)
    await solde.prepare(order)
    await solde.remove(order, order.essms[1])
    assert "Le périmètre de la commande a changé" in (await solde.sign(order)).messages


async def test_signed_and_prepared_again_at_once_leave_one_text_and_one_answer_each() -> None:
    for _ in range(5):
        order = await life.an_order_with_due_advance(owner, 1)
        await solde.prepare(order)
        shown = (await solde.the_va(order)).statement_sha256
        later = solde.LATER + timedelta(minutes=1)
        signed, again = await asyncio.gather(
            solde.sign(order, later, shown=shown), solde.prepare(order, at=later)
        )
        won = [not isinstance(told.outcome, Refused) for told in (signed, again)]
        assert sum(won) == 1
        state = (await solde.the_va(order)).state
        assert state == ("signed" if won[0] else "prepared")


async def test_two_signatures_at_once_leave_one() -> None:
    order = await life.an_order_with_due_advance(owner, 1)
    await solde.prepare(order)
    told = await asyncio.gather(*(solde.sign(order) for _ in range(4)))
    assert sum(isinstance(one.outcome, VaView) for one in told) == 1
    assert await journaled(order, "va.signed") == 1
