"""The explanation of an ESSMS: its chain, what was decided, what the law says today, and the difference."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from sons_tracker import law
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import explanations
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.explanations import ExplainedOrder, Explanation, Question
from sons_tracker.rules.identifiers import FinessGeographique
from sons_tracker.rules.parameters import Confiance, Parameter, Version
from sons_tracker.rules.texts import Law
from tests import factories_endings as ending
from tests import factories_orders as make
from tests import factories_reservations as reserving
from tests.databases import Database
from tests.factories import AT, a_finess, an_account, an_actor
from tests.factories_conflicts import a_clash_case
from tests.factories_life import a_deposited_order
from tests.factories_successions import a_confirmed_succession

owner = make.Everything()
LATER = AT + timedelta(days=40)


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


async def ask(actor: Actor, finess: str, at: datetime = AT, **asked: object) -> Explanation:
    texts = asked.pop("law", law.load().law)
    question = Question(FinessGeographique(finess), **asked)  # type: ignore[arg-type]
    return await explanations.explain(actor, question, texts, at)  # type: ignore[arg-type]


def changed(order: ExplainedOrder) -> dict[str, tuple[str | None, str | None]]:
    assert order.difference is not None
    return {one.rule: (one.before, one.after) for one in order.difference.rules}


async def two_orders() -> tuple[str, Actor, Actor, Actor, str, str]:
    """An ESSMS that one editor holds and another was refused; the two editors, the OG, the two numbers."""
    og, (finess,) = await make.an_og(owner, 1)
    first, second = await make.a_solution(owner), await make.a_solution(owner)
    holder = await an_account("editor", siren=first.editor_siren)
    loser = await an_account("editor", siren=second.editor_siren)
    held = await make.deposit(holder.actor, make.a_request(og, (finess,), first))
    refused = await make.deposit(loser.actor, make.a_request(og, (finess,), second), AT + timedelta(hours=1))
    client = await an_account("og", finess_juridique=og)
    assert held.identity is not None
    assert refused.identity is not None
    numbers = held.identity.number, refused.identity.number
    return finess, holder.actor, loser.actor, client.actor, *numbers


async def test_the_same_facts_and_the_same_law_make_no_difference() -> None:
    _, request, view = await make.an_accepted_order(owner, 2)
    told = await ask(await an_actor("reviewer"), request.essms[0].finess, mode="today")
    (order,) = told.orders
    assert view.identity is not None
    assert (order.number, told.financing) == (view.identity.number, {"V1": "engaged"})
    assert order.difference is not None
    assert (order.difference.rules, order.difference.versions) == ((), ())
    assert [fact.kind for fact in told.facts] == ["register", "order", "claim"]


async def test_the_chain_names_who_holds_the_essms_to_those_who_may_know() -> None:
    finess, _, _, client, held, refused = await two_orders()
    for actor in (await an_actor("reviewer"), await an_actor("pilot"), client):
        told = await ask(actor, finess)
        loser = next(order for order in told.orders if order.number == refused)
        (fail,) = (v for v in loser.replay.verdicts if v.outcome == "fail")
        assert (fail.rule, fail.essms, fail.facts) == ("R05", (finess,), {"holder": held})
        assert {order.number for order in told.orders} == {held, refused}


async def test_a_supplier_learns_that_the_essms_is_engaged_and_nothing_else() -> None:
    finess, holder, loser, _, held, refused = await two_orders()
    grant = await make.a_grant(owner, finess, solution="AUTRE")
    for mode in ("decided", "today"):
        told = await ask(loser, finess, LATER, mode=mode)
        assert told.financing == {"V1": "engaged"}
        assert [order.number for order in told.orders] == [refused]
        everything = repr(dataclasses.asdict(told))
        assert held not in everything
        assert grant not in everything
        assert "AUTRE" not in everything
        assert told.pairs == ()
    assert refused not in repr(dataclasses.asdict(await ask(holder, finess, LATER, mode="today")))


async def test_what_is_not_one_s_own_is_not_found_like_what_does_not_exist() -> None:
    finess, *_ = await two_orders()
    unknown = "990000010"
    for actor in (await an_actor("editor"), await an_actor("og")):
        for number in (finess, unknown):
            with pytest.raises(SonsError) as refused:
                await ask(actor, number)
            assert refused.value.code is ErrorCode.NOT_FOUND
    with pytest.raises(SonsError) as refused:
        await ask(await an_actor("reviewer"), unknown)
    assert refused.value.code is ErrorCode.NOT_FOUND
    for role in ("ars", "anonymous"):
        actor = Actor(None, None, role, None, "none")
        with pytest.raises(SonsError) as refused:
            await ask(actor, finess)
        assert refused.value.code is ErrorCode.FORBIDDEN


async def test_a_grant_that_came_later_explains_why_today_would_refuse() -> None:
    _, request, view = await make.an_accepted_order(owner, 1)
    finess = request.essms[0].finess
    grant = await make.a_grant(owner, finess, solution="AUTRE", agreed_on=date(2022, 5, 1))
    await move_statement(grant, date(2023, 3, 20))
    told = await ask(await an_actor("reviewer"), finess, LATER, mode="today")
    (order,) = told.orders
    assert changed(order) == {"R25": ("pass", "fail")}
    assert order.difference is not None
    (rule,) = order.difference.rules
    assert [(fact.kind, fact.reference) for fact in rule.facts] == [("grant", grant)]
    assert rule.versions == ()
    await move_statement(grant, date(2022, 1, 3))
    told = await ask(await an_actor("reviewer"), finess, LATER, mode="today")
    assert told.orders[0].difference is not None
    (rule,) = told.orders[0].difference.rules
    assert [fact.reference for fact in rule.facts] == [grant], "a file imported long after its own day"
    decided = await ask(await an_actor("reviewer"), finess, LATER)
    assert decided.orders[0].replay.outcome != "fail"
    assert decided.orders[0].difference is None
    (pair,) = decided.pairs
    assert view.identity is not None
    assert (pair.order, pair.grant, pair.verdict.outcome) == (view.identity.number, grant, "fail")


async def test_an_order_is_no_obstacle_to_itself_nor_is_one_that_was_refused() -> None:
    finess, _, _, _, held, refused = await two_orders()
    for number in (held, refused):
        told = await ask(await an_actor("reviewer"), finess, LATER, mode="today", order=number)
        assert changed(told.orders[0]) == {}


async def test_a_rival_that_let_go_explains_why_today_would_accept() -> None:
    life = await a_deposited_order(owner, 1)
    row = await owner.fetchrow(
        "select o.number, o.og_finess_juridique as og, l.finess_geographique as finess"
        " from sons.purchase_order o join sons.order_line l on l.order_id = o.id where o.id = $1",
        life.order_id,
    )
    other = await make.a_solution(owner)
    loser = await an_account("editor", siren=other.editor_siren)
    await make.deposit(loser.actor, make.a_request(row["og"], (row["finess"],), other))
    released = AT + timedelta(days=1)
    await ending.ask(life, at=released)
    if (await owner.fetchval("select state from purchase_order where id = $1", life.order_id)) != "cancelled":
        await ending.attest(life, at=released)
    told = await ask(await an_actor("reviewer"), row["finess"], LATER, mode="today")
    again = next(order for order in told.orders if order.number != row["number"])
    assert changed(again)["R05"] == ("fail", "pass")
    assert again.difference is not None
    reasons = next(rule for rule in again.difference.rules if rule.rule == "R05").facts
    assert reasons
    assert {fact.reference for fact in reasons} == {row["number"]}
    supplier = await ask(loser.actor, row["finess"], LATER, mode="today")
    assert changed(supplier.orders[0])["R05"] == ("fail", "pass")
    assert row["number"] not in repr(dataclasses.asdict(supplier)), "whoever held it stays unsaid"


async def test_a_law_known_later_explains_what_only_the_law_changes() -> None:
    _, request, _ = await make.an_accepted_order(owner, 1)
    finess = request.essms[0].finess
    texts = with_category_repealed(law.load().law, published=date(2023, 6, 1))
    reviewer = await an_actor("reviewer")
    before = await ask(reviewer, finess, mode="known", law_known_on=date(2023, 5, 31), law=texts)
    assert changed(before.orders[0]) == {}
    after = await ask(reviewer, finess, mode="known", law_known_on=date(2023, 6, 1), law=texts)
    difference = after.orders[0].difference
    assert difference is not None
    named = {rule.rule: [one.name for one in rule.versions] for rule in difference.rules}
    assert "MS1-V1.categories" in named["R08"]
    assert all(not rule.facts for rule in difference.rules)
    against = await ask(
        reviewer, finess, mode="known", law_known_on=date(2023, 6, 1), against="today", law=texts
    )
    assert changed(against.orders[0]) == changed(after.orders[0])


async def test_a_law_that_names_another_extraction_is_read_in_it() -> None:
    _, request, _ = await make.an_accepted_order(owner, 1)
    earlier, published = date(2021, 6, 1), date(2023, 6, 1)
    await make.an_extraction(owner, on=earlier)
    texts = law.load().law
    vague = texts.vagues["V1"]
    in_force = vague.extraction.in_force(request.signed_on, AT.date())
    named = replace(in_force, publie_le=published, value=earlier)
    extraction = replace(vague.extraction, versions=(*vague.extraction.versions, named))
    texts = replace(texts, vagues={**texts.vagues, "V1": replace(vague, extraction=extraction)})
    reviewer, finess = await an_actor("reviewer"), request.essms[0].finess
    told = await ask(reviewer, finess, mode="known", law_known_on=published, law=texts)
    assert changed(told.orders[0])["R36"] == ("pass", "fail"), "the ESSMS did not exist in that extraction"
    difference = told.orders[0].difference
    assert difference is not None
    (rule,) = (one for one in difference.rules if one.rule == "R36")
    assert [one.name.rpartition(".")[2] for one in rule.versions] == ["extraction"]


@pytest.mark.parametrize(
    "asked",
    [
        {"mode": "known"},
        {"law_known_on": date(2023, 1, 1)},
        {"vague": "9"},
        {"mode": "demain"},
    ],
)
async def test_a_question_that_does_not_hold_together_is_malformed(asked: dict[str, object]) -> None:
    finess, *_ = await two_orders()
    with pytest.raises(SonsError) as refused:
        await ask(await an_actor("reviewer"), finess, **asked)
    assert refused.value.code is ErrorCode.INVALID_REQUEST


async def test_an_order_that_does_not_name_the_essms_is_not_found() -> None:
    finess, *_ = await two_orders()
    with pytest.raises(SonsError) as refused:
        await ask(await an_actor("reviewer"), finess, order="BC-2023-999999")
    assert refused.value.code is ErrorCode.NOT_FOUND


async def test_a_reservation_and_a_succession_stand_in_the_chain() -> None:
    ground = await reserving.a_ground(owner, 2)
    held, old = ground.essms[0], a_finess()
    reservation = await reserving.reserved(ground, held)
    told = await ask(await an_actor("pilot"), held)
    assert told.financing == {"V1": "reserved"}
    assert ("reservation", reservation.number) in {(fact.kind, fact.reference) for fact in told.facts}
    await a_confirmed_succession(owner, old, held, og=ground.og)
    of_old = await ask(await an_actor("reviewer"), old)
    assert [fact.text for fact in of_old.facts if fact.kind == "succession"] == [
        f"Le numéro {held} succède à {old} (renumérotation)."
    ]
    assert of_old.financing == {"V1": "reserved"}, "what holds the new number holds the old one"
    assert any("avec le numéro qui lui succède" in fact.text for fact in of_old.facts)


async def test_a_case_is_named_to_a_supplier_without_its_family() -> None:
    clash, case = await a_clash_case(owner)
    whole = await ask(clash.og.actor, clash.finess, LATER)
    (shown,) = whole.conflicts
    assert (shown.number, shown.family) == (case.number, "two_orders")
    told = await ask(clash.loser.actor, clash.finess, LATER)
    (hidden,) = told.conflicts
    assert (hidden.number, hidden.family, hidden.label) == (case.number, "", "")
    assert [fact.text for fact in told.facts if fact.kind == "conflict"] == [
        f"Le dossier {case.number} concerne cet ESSMS et votre commande."
    ]


async def move_statement(reference: str, known_from: date) -> None:
    """The register learns of a grant on that day, whatever the day on which it was agreed."""
    await owner.execute(
        "update sons.esms_grant set valid_from = $2 where grant_reference = $1", reference, known_from
    )


def with_category_repealed(texts: Law, published: date) -> Law:
    """The law with a text, published later, that takes every category away from the dispositif."""
    dispositif = texts.dispositifs["MS1-V1"]
    old: Parameter[object] = dispositif.categories
    last = old.versions[-1]
    repealed: Version[object] = replace(last, publie_le=published, confiance=Confiance.OFFICIEL, value=None)
    parameter = replace(old, versions=(*old.versions, repealed))
    changed_one = replace(dispositif, categories=parameter)
    return replace(texts, dispositifs={**texts.dispositifs, "MS1-V1": changed_one})
