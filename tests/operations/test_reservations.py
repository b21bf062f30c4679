"""Reservations: made, read, renewed, dropped, expired to the instant, taken over by a deposit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sons_tracker import law
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import deadlines, simulations
from sons_tracker.operations.actors import LOCAL_ADMIN, Actor
from sons_tracker.operations.clock import advance_to
from sons_tracker.operations.outbox import list_notices
from sons_tracker.operations.reservation_reading import ReservationFilter, list_reservations
from sons_tracker.operations.reservations import ReservationRequest
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.identifiers import FinessGeographique
from sons_tracker.rules.texts import Law, ReservationTerms
from tests import factories_orders as make
from tests import factories_reservations as reservations
from tests.databases import Database
from tests.factories import AT, a_finess, an_account
from tests.factories_reservations import JUST, Ground, a_ground, drop, read, renew, reserve, reserved
from tests.factories_successions import a_confirmed_succession

owner = make.Everything()
END = datetime(2023, 3, 16, 23, 59, 59, 999999, PARIS)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
async def prepared(database: Database) -> None:
    await make.prepare_instance()


async def events(actor: Actor) -> list[str]:
    """What an organisation was told, in its order."""
    return [notice.event for notice in (await list_notices(actor, 0, 100)).notices]


async def holders(ground: Ground) -> dict[str, str]:
    """Who holds each ESSMS now."""
    rows = await owner.fetch(
        "select finess_geographique as n, holder_kind from claim where released_at is null"
        " and finess_geographique = any($1)",
        list(ground.essms),
    )
    return {row["n"]: row["holder_kind"] for row in rows}


def with_terms(days: int, most_essms: int, renewals: int, pause_days: int) -> Law:
    """The law, with other terms of reservation."""
    texts = law.load().law
    vague = texts.vagues["V1"]
    [version] = vague.reservation.versions
    other = replace(version, value=ReservationTerms(days, most_essms, renewals, pause_days))
    changed = replace(vague, reservation=replace(vague.reservation, versions=(other,)))
    return replace(texts, vagues={**texts.vagues, "V1": changed})


def verdict(view: make.OrderView, rule: str) -> list[tuple[str, str]]:
    return [(v.outcome, v.message) for v in view.verdicts if v.rule == rule]


async def test_a_reservation_claims_its_essms_until_the_end_of_its_last_day() -> None:
    ground = await a_ground(owner, 3)
    view = await reserved(ground)
    assert (view.state, view.version, view.renewed, view.held) == ("active", 1, 0, 3)
    assert view.number.startswith("RS-2023-")
    assert view.expires_at == END
    assert [(line.finess, line.state) for line in view.lines] == [(n, "reserved") for n in ground.essms]
    assert await holders(ground) == dict.fromkeys(ground.essms, "reservation")
    og = await an_account("og", finess_juridique=ground.og)
    assert await events(og.actor) == ["reservation.made"]
    [notice] = (await list_notices(og.actor, 0, 9)).notices
    assert notice.facts == {
        "number": view.number,
        "dispositif": "MS1-V1",
        "solution_version": ground.solution.version,
        "essms": 3,
        "until": END.astimezone(UTC).isoformat(),
    }
    planned = await owner.fetchrow("select * from deadline where object_id = $1", str(view.id))
    assert (planned["kind"], planned["due_at"], planned["order_id"]) == ("reservation", END, None)
    assert planned["facts"] == {
        "label": f"Expiration de la réservation {view.number}",
        "source": "Réservation d'ESSMS, lecture du projet (aucun texte ne la prévoit)",
        "a_confirmer": True,
    }
    entry = await owner.fetchrow("select action, facts from journal where object_id = $1", str(view.id))
    assert entry["action"] == "reservation.made"


@pytest.mark.parametrize(
    ("at", "state"),
    [(END - SECOND, "active"), (END, "active"), (END + JUST, "expired"), (END + SECOND, "expired")],
)
async def test_it_expires_after_its_very_last_instant(at: datetime, state: str) -> None:
    ground = await a_ground(owner, 2)
    view = await reserved(ground)
    await deadlines.tick(at)
    found = await read(ground.editor.actor, view, at)
    assert found.state == state
    if state == "expired":
        assert found.ended_at == END
        assert [line.state for line in found.lines] == ["given_back", "given_back"]
        assert await holders(ground) == {}
        og = await an_account("og", finess_juridique=ground.og)
        assert await events(og.actor) == ["reservation.made", "reservation.expired"]
        assert await events(ground.editor.actor) == ["reservation.made", "reservation.expired"]
    else:
        assert await holders(ground) == dict.fromkeys(ground.essms, "reservation")


@pytest.mark.parametrize(
    ("made", "ends"),
    [
        (datetime(2023, 3, 20, 12, tzinfo=PARIS), "2023-04-04T23:59:59.999999+02:00"),
        (datetime(2023, 10, 20, 12, tzinfo=PARIS), "2023-11-04T23:59:59.999999+01:00"),
        (datetime(2023, 3, 19, 23, 30, tzinfo=UTC), "2023-04-04T23:59:59.999999+02:00"),
        (datetime(2023, 12, 30, 12, tzinfo=PARIS), "2023-12-31T23:59:59.999999+01:00"),
    ],
    ids=["to_summer", "to_winter", "already_tomorrow_in_paris", "fermeture"],
)
async def test_the_days_are_those_of_paris(made: datetime, ends: str) -> None:
    view = await reserved(await a_ground(owner, 1), at=made)
    assert view.expires_at == datetime.fromisoformat(ends)


async def test_a_jump_ends_as_the_same_days_lived() -> None:
    lived, jumped = await a_ground(owner, 2), await a_ground(owner, 2)
    made = [await reserved(ground) for ground in (lived, jumped)]
    await renew(lived.editor.actor, made[0].id, AT + timedelta(days=2))
    await renew(jumped.editor.actor, made[1].id, AT + timedelta(days=2))
    for days in range(1, 25):
        await deadlines.tick(AT + timedelta(days=days))
    first = await read(lived.editor.actor, made[0])
    await advance_to(LOCAL_ADMIN, AT + timedelta(days=24))
    second = await read(jumped.editor.actor, made[1])
    assert (first.state, first.ended_at, first.lines[0].state) == (
        "expired",
        END + timedelta(days=2),
        "given_back",
    )
    assert (first.state, first.ended_at, first.version) == (second.state, second.ended_at, second.version)
    assert await events(lived.editor.actor) == await events(jumped.editor.actor)


async def test_a_bogus_deadline_of_another_ends_nothing() -> None:
    ground, rival = await a_ground(owner, 1), await an_account("editor")
    view = await reserved(ground)
    async with make.transaction(rival.actor.context) as con:
        await con.execute(
            "insert into deadline (rule, object_id, due_at, kind, supplier_id, facts)"
            " values ('reservation', $1, $2, 'reservation', $3, '{}')",
            str(view.id),
            AT + timedelta(hours=1),
            rival.actor.organisation_id,
        )
    assert len(await deadlines.tick(AT + timedelta(hours=2))) == 1, "it is reached, and does nothing"
    assert (await read(ground.editor.actor, view)).state == "active"


async def test_all_or_nothing_and_the_loser_is_told_r05() -> None:
    ground = await a_ground(owner, 3)
    await reserved(ground, ground.essms[1])
    rival = await reservations.a_rival(owner, ground)
    refused = (await reserve(rival.editor.actor, rival.asked())).refused
    assert (refused.event, refused.reasons[0].rule) == ("reservation.refused", "R05")
    assert "une réservation en cours" in refused.reasons[0].message
    assert ground.essms[1] in refused.reasons[0].message
    assert "RS-" not in refused.reasons[0].message, "never by whom"
    assert await holders(ground) == {ground.essms[1]: "reservation"}


async def test_what_an_order_holds_is_not_reserved_nor_what_a_reservation_holds_ordered_by_another() -> None:
    ground = await a_ground(owner, 2)
    rival = await reservations.a_rival(owner, ground)
    await reserved(ground, ground.essms[0])
    await make.deposit(rival.editor.actor, rival.order(ground.essms[1]))
    assert (await reserve(ground.editor.actor, ground.asked(ground.essms[1]))).refused.reasons[
        0
    ].rule == "R05"
    view = await make.deposit(rival.editor.actor, rival.order(ground.essms[0]))
    assert (view.decision, verdict(view, "R05")[0][0]) == ("refused", "fail")
    assert await holders(ground) == {ground.essms[0]: "reservation", ground.essms[1]: "order"}


async def test_whatever_would_refuse_the_order_refuses_the_reservation() -> None:
    ground = await a_ground(owner, 1)
    other = await reservations.a_rival(owner, ground)
    not_mine = replace(ground.asked(), solution_version=other.solution.version)
    assert (await reserve(ground.editor.actor, not_mine)).refused.reasons[0].rule == "R01"
    nowhere = replace(ground.asked(), essms=(FinessGeographique(a_finess()),))
    [reason] = (await reserve(ground.editor.actor, nowhere)).refused.reasons
    assert reason.rule == "R36"
    assert nowhere.essms[0] in reason.message


async def test_what_a_person_would_have_to_decide_does_not_refuse() -> None:
    og, numbers = await make.an_og(owner, 1)  # in an extraction that is not the one of 2023: R36 cannot say
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    asked = ReservationRequest("MS1-V1", og, numbers, solution.version)
    assert (await reserve(editor.actor, asked)).outcome.state == "active"


@pytest.mark.parametrize(
    ("at", "rule"),
    [
        (datetime(2023, 12, 31, 23, 59, 59, tzinfo=PARIS), None),
        (datetime(2024, 1, 1, tzinfo=PARIS), "R20"),
    ],
)
async def test_nothing_is_reserved_after_the_fermeture(at: datetime, rule: str | None) -> None:
    ground = await a_ground(owner, 1)
    told = await reserve(ground.editor.actor, ground.asked(), at)
    if rule is None:
        assert told.outcome.expires_at == datetime(2023, 12, 31, 23, 59, 59, 999999, PARIS)
    else:
        assert rule in {reason.rule for reason in told.refused.reasons}


@pytest.mark.parametrize(("day", "refused"), [(16, True), (17, False)])
async def test_nothing_is_reserved_before_the_ouverture(day: int, refused: bool) -> None:
    # MS2, on the protection of children, was announced for 17 May 2022
    og, numbers = await make.an_og(owner, 1, category="177", aggregate="4500")
    solution = await make.a_solution(owner, dispositif="MS2-V1")
    editor = await an_account("editor", siren=solution.editor_siren)
    asked = ReservationRequest("MS2-V1", og, numbers, solution.version)
    told = await reserve(editor.actor, asked, datetime(2022, 5, day, 12, tzinfo=PARIS))
    if refused:
        assert "R10" in {reason.rule for reason in told.refused.reasons}
    else:
        assert told.outcome.state == "active", "announced only: a person will decide of the order"


async def test_a_deposit_takes_over_what_its_supplier_reserved_and_the_rest_stays() -> None:
    ground = await a_ground(owner, 3)
    made = await reserved(ground)
    at = AT + timedelta(days=3)
    before = await simulations.simulate(
        ground.editor.actor, ground.order(*ground.essms[:2]), law.load().law, at
    )
    assert verdict(before, "R05") == [
        (
            "pass",
            f"Cet ESSMS est réservé à cette commande par la réservation {made.number} du même fournisseur.",
        )
    ]
    order = await make.deposit(ground.editor.actor, ground.order(*ground.essms[:2]), at)
    assert order.decision == "accepted"
    assert order.identity is not None
    found = await read(ground.editor.actor, made, at)
    assert [(line.state, line.order_number) for line in found.lines] == [
        ("ordered", order.identity.number),
        ("ordered", order.identity.number),
        ("reserved", None),
    ]
    assert (found.state, found.held, found.ended_at) == ("active", 1, None)
    assert await holders(ground) == {
        ground.essms[0]: "order",
        ground.essms[1]: "order",
        ground.essms[2]: "reservation",
    }
    og = await an_account("og", finess_juridique=ground.og)
    assert await events(og.actor) == ["reservation.made", "reservation.converted", "organisation.created"]
    await deadlines.tick(END + JUST)
    assert (await read(ground.editor.actor, made)).state == "expired"
    assert await holders(ground) == {ground.essms[0]: "order", ground.essms[1]: "order"}


async def test_once_all_is_ordered_the_reservation_is_converted_and_nothing_expires() -> None:
    ground = await a_ground(owner, 2)
    made = await reserved(ground)
    for number in ground.essms:
        assert (await make.deposit(ground.editor.actor, ground.order(number))).decision == "accepted"
    found = await read(ground.editor.actor, made)
    assert (found.state, found.ended_at, found.held) == ("converted", AT, 0)
    assert [action.possible for action in found.actions] == [False, False]
    running = (
        "select count(*) from deadline where object_id = $1 and fired_at is null and superseded_at is null"
    )
    assert await owner.fetchval(running, str(made.id)) == 0
    await deadlines.tick(END + JUST)
    assert (await read(ground.editor.actor, made)).state == "converted"


async def test_an_order_of_reserved_and_of_free_essms_takes_both() -> None:
    ground = await a_ground(owner, 3)
    await reserved(ground, ground.essms[1])
    assert (await make.deposit(ground.editor.actor, ground.order())).decision == "accepted"
    assert await holders(ground) == dict.fromkeys(ground.essms, "order")


async def test_a_refused_deposit_leaves_the_reservation_as_it_was() -> None:
    ground = await a_ground(owner, 2)
    made = await reserved(ground)
    refused = await make.deposit(ground.editor.actor, ground.order(unit_ttc_cents=99_999_999))
    assert refused.decision == "refused"
    found = await read(ground.editor.actor, made)
    assert (found.state, found.held, found.version) == ("active", 2, made.version)


async def test_an_expired_reservation_helps_nobody_until_the_clock_has_passed() -> None:
    ground = await a_ground(owner, 1)
    await reserved(ground)
    late = await make.deposit(ground.editor.actor, ground.order(), END + JUST)
    assert (late.decision, verdict(late, "R05")[0][0]) == ("refused", "fail")
    await deadlines.tick(END + JUST)
    again = await make.deposit(ground.editor.actor, ground.order(), END + JUST)
    assert again.decision == "accepted"


async def test_a_deposit_on_the_very_last_instant_takes_over() -> None:
    ground = await a_ground(owner, 1)
    made = await reserved(ground)
    assert (await make.deposit(ground.editor.actor, ground.order(), END)).decision == "accepted"
    assert (await read(ground.editor.actor, made)).state == "converted"


async def test_a_reservation_for_one_og_is_an_obstacle_for_an_order_of_another() -> None:
    ground = await a_ground(owner, 1)
    made = await reserved(ground)
    elsewhere, _ = await make.an_og(owner, 1)
    view = await make.deposit(ground.editor.actor, make.a_request(elsewhere, ground.essms, ground.solution))
    assert (verdict(view, "R05")[0][0], made.number in verdict(view, "R05")[0][1]) == ("fail", True)


async def test_it_is_renewed_once_from_the_day_of_the_renewal() -> None:
    ground = await a_ground(owner, 1)
    made = await reserved(ground)
    same_day = await renew(ground.editor.actor, made.id, AT + timedelta(hours=2))
    assert "ne la prolongerait pas" in same_day.messages
    at = AT + timedelta(days=10)
    told = await renew(ground.editor.actor, made.id, at)
    assert (told.outcome.renewed, told.outcome.version) == (1, 2)
    assert told.outcome.expires_at == datetime(2023, 3, 26, 23, 59, 59, 999999, PARIS)
    ends = "select due_at from deadline where object_id = $1 and fired_at is null and superseded_at is null"
    assert [row["due_at"] for row in await owner.fetch(ends, str(made.id))] == [told.outcome.expires_at]
    await deadlines.tick(END + JUST)
    assert (await read(ground.editor.actor, made)).state == "active", "the first end is superseded"
    again = await renew(ground.editor.actor, made.id, at + timedelta(days=5))
    assert "se renouvelle 1 fois au plus" in again.messages
    await deadlines.tick(told.outcome.expires_at + JUST)
    assert (await read(ground.editor.actor, made)).ended_at == told.outcome.expires_at
    og = await an_account("og", finess_juridique=ground.og)
    assert await events(og.actor) == ["reservation.made", "reservation.renewed", "reservation.expired"]


@pytest.mark.parametrize("how", ["expired", "dropped"])
async def test_what_was_given_back_rests_for_its_supplier_and_is_free_for_others(how: str) -> None:
    ground = await a_ground(owner, 2)
    made = await reserved(ground)
    if how == "expired":
        await deadlines.tick(END + JUST)
    else:
        await drop(ground.editor.actor, made.id, END)
    assert await holders(ground) == {}
    last = datetime(2023, 4, 15, 23, 59, 59, tzinfo=PARIS)
    told = await reserve(ground.editor.actor, ground.asked(), last)
    assert "à compter du 16 avril 2023" in told.messages
    rival = await reservations.a_rival(owner, ground)
    await reserved(rival, ground.essms[0], at=last)
    assert (
        await make.deposit(ground.editor.actor, ground.order(ground.essms[1]), last)
    ).decision == "accepted"
    free = await a_ground(owner, 1)
    again = await reserved(free)
    await drop(free.editor.actor, again.id, END)
    assert (await reserved(free, at=datetime(2023, 4, 16, tzinfo=PARIS))).state == "active"


async def test_a_supplier_cannot_hold_more_than_the_limit() -> None:
    ground, texts = await a_ground(owner, 5), with_terms(15, 3, 1, 30)
    first = await reserve(ground.editor.actor, ground.asked(*ground.essms[:2]), texts=texts)
    told = await reserve(ground.editor.actor, ground.asked(*ground.essms[2:4]), texts=texts)
    assert "pas plus de 3 ESSMS à la fois : vous en réservez 2, et en demandez 2 de plus" in told.messages
    await make.deposit(ground.editor.actor, ground.order(ground.essms[0]))
    third = await reserve(ground.editor.actor, ground.asked(*ground.essms[2:4]), texts=texts)
    assert third.outcome.state == first.outcome.state == "active", "what is ordered is no longer reserved"


async def test_a_refusal_is_journaled_and_leaves_nothing() -> None:
    ground, texts = await a_ground(owner, 2), with_terms(15, 1, 1, 30)
    await reserve(ground.editor.actor, ground.asked(), texts=texts)
    assert await owner.fetchval("select count(*) from reservation") == 0
    assert await owner.fetchval("select count(*) from journal where action = 'reservation.refused'") == 1


async def test_who_acts_and_who_reads() -> None:
    ground = await a_ground(owner, 1)
    made = await reserved(ground)
    stranger = await an_account("editor")
    og = await an_account("og", finess_juridique=ground.og)
    reviewer = await an_account("reviewer")
    for act in (renew, drop):
        with pytest.raises(SonsError) as caught:
            await act(stranger.actor, made.id, AT)
        assert caught.value.code is ErrorCode.NOT_FOUND
        for actor in (og.actor, reviewer.actor):
            with pytest.raises(SonsError) as caught:
                await act(actor, made.id, AT)
            assert caught.value.code is ErrorCode.FORBIDDEN
    for actor in (ground.editor.actor, og.actor, reviewer.actor):
        assert (await read(actor, made)).number == made.number
    assert {a.code for a in (await read(ground.editor.actor, made)).actions} == {"renew", "drop"}
    assert (await read(og.actor, made)).actions == ()
    with pytest.raises(SonsError) as caught:
        await read(stranger.actor, made)
    assert caught.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("then", ["ordered", "expired"])
async def test_the_old_number_of_a_reserved_essms_is_held_with_it(then: str) -> None:
    ground = await a_ground(owner, 2)
    old, new = ground.essms
    await a_confirmed_succession(owner, old, new, og=ground.og)
    await reserved(ground, new)
    rival = await reservations.a_rival(owner, ground)
    assert (await reserve(rival.editor.actor, rival.asked(old))).refused.reasons[0].rule == "R05"
    assert await holders(ground) == {old: "succession", new: "reservation"}
    if then == "ordered":
        assert (await make.deposit(ground.editor.actor, ground.order(new))).decision == "accepted"
        assert await holders(ground) == {old: "succession", new: "order"}
    else:
        await deadlines.tick(END + JUST)
        assert await holders(ground) == {}
        assert (await reserved(rival, old, at=END + JUST)).state == "active"


async def test_what_was_reserved_under_the_old_number_is_ordered_under_the_new_one() -> None:
    """Also over two successions, and of a merger of which only a part was reserved."""
    ground = await a_ground(owner, 5)
    old, new, newest, part, stays = ground.essms
    made = await reserved(ground, old, stays)
    await a_confirmed_succession(owner, old, new, og=ground.og)
    await a_confirmed_succession(owner, new, newest, og=ground.og)
    await a_confirmed_succession(owner, part, newest, kind="merger", og=ground.og)
    rival = await reservations.a_rival(owner, ground)
    assert (await make.deposit(rival.editor.actor, rival.order(newest))).decision == "refused"
    view = await make.deposit(ground.editor.actor, ground.order(newest))
    assert view.decision == "accepted"
    (passed,) = [verdict for verdict in view.verdicts if verdict.rule == "R05"]
    assert passed.message.endswith(f"{made.number} du même fournisseur, sous son ancien numéro {old}.")
    assert passed.facts == {"reservation": made.number, "held_as": old}
    assert await holders(ground) == {
        old: "succession", new: "succession", part: "succession", newest: "order", stays: "reservation",
    }  # fmt: skip
    told = await read(ground.editor.actor, made)
    assert told.state == "active"
    assert {line.finess: line.state for line in told.lines} == {old: "ordered", stays: "reserved"}


async def test_a_reservation_of_the_new_number_is_no_order_of_the_old_one() -> None:
    ground = await a_ground(owner, 2)
    old, new = ground.essms
    await a_confirmed_succession(owner, old, new, og=ground.og)
    made = await reserved(ground, new)
    view = await make.deposit(ground.editor.actor, ground.order(old))
    assert view.decision == "refused"
    (failed,) = [verdict for verdict in view.verdicts if verdict.outcome == "fail"]
    assert f"la réservation {made.number}, tenu sous son autre numéro {new}" in failed.message
    assert await holders(ground) == {old: "succession", new: "reservation"}


async def test_a_part_of_a_merger_that_another_holds_is_an_obstacle_to_the_whole() -> None:
    """What the supplier has reserved of it does not make the rest its own, and the refusal names the rest."""
    ground = await a_ground(owner, 3)
    mine, theirs, whole = ground.essms
    rival = await reservations.a_rival(owner, ground)
    made = await reserved(ground, mine)
    assert (await make.deposit(rival.editor.actor, rival.order(theirs))).decision == "accepted"
    for part in (mine, theirs):
        await a_confirmed_succession(owner, part, whole, kind="merger", og=ground.og)
    view = await make.deposit(ground.editor.actor, ground.order(whole))
    assert view.decision == "refused"
    (failed,) = [verdict for verdict in view.verdicts if verdict.outcome == "fail"]
    assert (failed.rule, "une autre commande" in failed.message) == ("R05", True)
    assert await holders(ground) == {mine: "reservation", theirs: "order"}
    assert (await read(ground.editor.actor, made)).state == "active"


async def test_an_order_of_both_numbers_is_refused_though_one_is_reserved_for_it() -> None:
    ground = await a_ground(owner, 2)
    old, new = ground.essms
    await reserved(ground, old)
    await a_confirmed_succession(owner, old, new, og=ground.og)
    view = await make.deposit(ground.editor.actor, ground.order(old, new))
    assert view.decision == "refused"
    (failed,) = [verdict for verdict in view.verdicts if verdict.outcome == "fail"]
    assert failed.message.startswith("Cette commande nomme deux fois cet ESSMS")
    assert await holders(ground) == {old: "reservation"}


async def test_pages_newest_first_narrowed() -> None:
    ground = await a_ground(owner, 3)
    made = [await reserved(ground, n, at=AT + timedelta(hours=i)) for i, n in enumerate(ground.essms)]
    await drop(ground.editor.actor, made[1].id, AT + timedelta(days=1))
    texts = law.load().law

    async def page(narrowed: ReservationFilter, after=None, limit: int = 2):  # type: ignore[no-untyped-def]
        return await list_reservations(ground.editor.actor, narrowed, after, limit, texts, AT)

    first = await page(ReservationFilter())
    assert [one.number for one in first.reservations] == [made[2].number, made[1].number]
    second = await page(ReservationFilter(), first.next_after)
    assert [one.number for one in second.reservations] == [made[0].number]
    assert second.next_after is None
    assert [one.id for one in (await page(ReservationFilter(state="dropped"))).reservations] == [made[1].id]
    assert [one.id for one in (await page(ReservationFilter(essms=ground.essms[2]))).reservations] == [
        made[2].id
    ]
    assert (await page(ReservationFilter(og="990000010"))).reservations == ()


async def test_before_the_first_text_nothing_is_reserved() -> None:
    ground = await a_ground(owner, 1)
    told = await reserve(ground.editor.actor, ground.asked(), datetime(2022, 2, 1, 12, tzinfo=PARIS))
    assert "Aucune règle de réservation n'est en vigueur" in told.messages
