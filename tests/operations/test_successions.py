"""Numbers that follow others: found at an import, decided by a reviewer, held together by the claims."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import essms, successions
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.finess_changes import touched_by_import
from sons_tracker.operations.order_reading import find_order
from sons_tracker.operations.successions import SuccessionView
from sons_tracker.operations.views import OrderView
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, Account, a_finess, an_account
from tests.factories_life import Told
from tests.factories_registers import establishment_line, establishments_file, imported
from tests.factories_successions import a_confirmed_succession, a_succession, settled

EARLIER, LATER = date(2022, 1, 3), date(2023, 1, 2)
HELD = "select count(*) from sons.claim where finess_geographique = $1 and released_at is null"


@pytest.fixture
async def owner(database: Database) -> asyncpg.Connection:
    await make.prepare_instance()
    con = await database.connect_superuser()
    yield con
    await con.close()


@dataclass(frozen=True, slots=True)
class Pair:
    """An OG whose old number and new number stand both in the register, and two suppliers."""

    og: str
    old: str
    new: str
    other: str
    editors: tuple[Account, Account]
    solutions: tuple[make.ASolution, make.ASolution]

    async def order(self, who: int, *numbers: str) -> OrderView:
        request = make.a_request(self.og, numbers, self.solutions[who])
        return await make.deposit(self.editors[who].actor, request)


async def a_pair(owner: asyncpg.Connection) -> Pair:
    og, (old, new, other) = await make.an_og(owner, 3)
    first, second = await make.a_solution(owner), await make.a_solution(owner)
    editors = [await an_account("editor", siren=one.editor_siren) for one in (first, second)]
    return Pair(og, old, new, other, (editors[0], editors[1]), (first, second))


def state_of(view: OrderView) -> str:
    assert view.identity is not None
    return view.identity.state


def said(view: OrderView) -> str:
    return " ".join(verdict.message for verdict in view.verdicts if verdict.rule == "R05")


async def test_an_import_finds_what_follows_what_and_keeps_what_was_decided(
    owner: asyncpg.Connection, tmp_path: Path
) -> None:
    og, old, new, far, stays = (a_finess() for _ in range(5))
    first = [establishment_line(old, og), establishment_line(stays, og, rs="FOYER DU LAC", siret="1" * 14)]
    second = [establishment_line(new, og, dateouv="2022-06-01"), first[1]]
    report = await imported(establishments_file(tmp_path, EARLIER, first))
    assert report.successions == {}
    report = await imported(establishments_file(tmp_path, LATER, second), accept_loss=True)
    assert report.successions == {"renumbering": 1}
    reviewer = await an_account("reviewer")
    page = await successions.list_successions(reviewer.actor, None, None, None, None, 10)
    (one,) = page.successions
    assert (one.predecessor, one.successor, one.kind, one.score, one.state) == (
        old, new, "renumbering", 60, "probable",
    )  # fmt: skip
    assert [clue.code for clue in one.clues] == ["nom", "commune", "og", "categorie", "dates"]
    await settled(one.id, confirmed=False, reviewer=reviewer, reason="Deux maisons distinctes.")
    # the same stock again, and a later one that says the same of them: the decision stands
    await imported(establishments_file(tmp_path, LATER, second), accept_loss=True)
    third = [*second, establishment_line(far, og, rs="RESIDENCE NEUVE")]
    await imported(establishments_file(tmp_path, LATER + timedelta(days=60), third))
    page = await successions.list_successions(reviewer.actor, None, None, None, None, 10)
    assert [(s.id, s.state, s.reason) for s in page.successions] == [
        (one.id, "dismissed", "Deux maisons distinctes.")
    ]
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        assert await touched_by_import(con, LATER) == sorted([old, new])
        assert await touched_by_import(con, LATER + timedelta(days=60)) == [far]


async def test_the_new_number_is_refused_while_the_old_one_is_financed(owner: asyncpg.Connection) -> None:
    pair = await a_pair(owner)
    first = await pair.order(0, pair.old)
    assert first.identity is not None
    await a_confirmed_succession(owner, pair.old, pair.new, og=pair.og)
    second = await pair.order(1, pair.new)
    assert state_of(second) == "rejected"
    # a supplier learns that it is engaged, neither by whom nor under which number
    assert "une autre commande" in said(second)
    assert pair.old not in said(second)
    assert first.identity.number not in said(second)
    # the OG learns by which order
    og = await an_account("og", finess_juridique=pair.og)
    seen = await find_order(og.actor, make.id_of(second))
    holders = [v.facts.get("holder") for v in seen.verdicts if v.rule == "R05" and v.outcome == "fail"]
    assert holders == [first.identity.number]


async def test_the_one_who_holds_the_old_number_is_told_under_which(owner: asyncpg.Connection) -> None:
    pair = await a_pair(owner)
    first = await pair.order(0, pair.old)
    assert first.identity is not None
    await a_confirmed_succession(owner, pair.old, pair.new, og=pair.og)
    second = await pair.order(0, pair.new)
    assert state_of(second) == "rejected"
    assert f"la commande {first.identity.number}, tenu sous son autre numéro {pair.old}" in said(second)


async def test_the_old_number_is_refused_while_the_new_one_is_financed_and_free_after(
    owner: asyncpg.Connection,
) -> None:
    pair = await a_pair(owner)
    await a_confirmed_succession(owner, pair.old, pair.new, og=pair.og)
    first = await pair.order(0, pair.new, pair.other)
    assert state_of(first) == "submitted"
    assert (await owner.fetchval(HELD, pair.old), await owner.fetchval(HELD, pair.new)) == (1, 1)
    assert state_of(await pair.order(1, pair.old)) == "rejected"
    view = await essms.find_essms(
        (await an_account("reviewer")).actor,
        pair.old,
        law.load().law,
        AT,  # type: ignore[arg-type]
    )
    assert view.financing["V1"] == "engaged"
    assert first.identity is not None
    assert [(h.order_number, h.held_as) for h in view.holds] == [(first.identity.number, pair.new)]


async def test_an_order_that_names_both_numbers_is_refused_and_says_which(owner: asyncpg.Connection) -> None:
    pair = await a_pair(owner)
    await a_confirmed_succession(owner, pair.old, pair.new, og=pair.og)
    view = await pair.order(0, pair.old, pair.new)
    assert state_of(view) == "rejected"
    assert f"le numéro {pair.old}, qu'elle porte aussi, est son ancien numéro" in said(view)
    refused = [v.essms for v in view.verdicts if v.rule == "R05" and v.outcome == "fail"]
    assert refused == [(pair.new,)]
    assert await owner.fetchval(HELD, pair.old) == 0


async def test_a_confirmation_is_followed_by_the_claims_that_live_and_taken_back(
    owner: asyncpg.Connection,
) -> None:
    pair = await a_pair(owner)
    await pair.order(0, pair.new)
    found = await a_succession(owner, pair.old, pair.new, og=pair.og)
    done = await settled(found)
    assert (done.succession.state, done.followed, done.both_held) == ("confirmed", 1, ())
    assert await owner.fetchval(HELD, pair.old) == 1
    done = await settled(found, confirmed=False, reason="Erreur : deux maisons.")
    assert (done.succession.state, done.followed) == ("dismissed", 1)
    row = await owner.fetchrow("select * from sons.claim where finess_geographique = $1", pair.old)
    assert (row["released_at"], row["release_reason"], row["order_id"]) == (AT, "decided", None)
    assert state_of(await pair.order(1, pair.old)) == "submitted"


async def test_both_held_before_the_confirmation_is_reported_and_changes_nothing(
    owner: asyncpg.Connection,
) -> None:
    pair = await a_pair(owner)
    await pair.order(0, pair.old)
    await pair.order(1, pair.new)
    before = await owner.fetchval("select count(*) from sons.claim")
    done = await a_confirmed_succession(owner, pair.old, pair.new, og=pair.og)
    assert (done.followed, done.both_held) == (0, ("V1",))
    assert await owner.fetchval("select count(*) from sons.claim") == before


async def test_a_split_and_a_probable_succession_hold_nothing(owner: asyncpg.Connection) -> None:
    pair = await a_pair(owner)
    await a_confirmed_succession(owner, pair.old, pair.new, kind="split")
    await a_succession(owner, pair.old, pair.other)
    assert state_of(await pair.order(0, pair.old)) == "submitted"
    assert state_of(await pair.order(1, pair.new, pair.other)) == "submitted"


async def test_each_part_of_a_merger_stays_financed_and_the_whole_is_not_again(
    owner: asyncpg.Connection,
) -> None:
    pair = await a_pair(owner)
    for part in (pair.old, pair.other):
        await a_confirmed_succession(owner, part, pair.new, kind="merger")
    assert state_of(await pair.order(0, pair.old)) == "submitted"
    assert state_of(await pair.order(1, pair.other)) == "submitted"
    assert state_of(await pair.order(1, pair.new)) == "rejected"


async def test_who_decides_and_what_is_refused(owner: asyncpg.Connection) -> None:
    found = await a_succession(owner, a_finess(), a_finess())
    for role in ("editor", "og", "payer", "admin"):
        with pytest.raises(SonsError) as caught:
            await settled(found, reviewer=await an_account(role))
        assert caught.value.code is ErrorCode.FORBIDDEN
    with pytest.raises(SonsError) as caught:
        await settled(found, reason="  ")
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    reviewer, told = await an_account("reviewer"), Told()
    with pytest.raises(SonsError) as caught:
        await settled(uuid4())
    assert caught.value.code is ErrorCode.NOT_FOUND
    await settled(found, reviewer=reviewer)
    await successions.settle_succession(reviewer.actor, found, True, "Encore.", AT, make.a_key(), told)
    assert told.messages == "Cette succession est déjà confirmée."


async def test_a_decision_is_journaled_and_told_to_the_og(owner: asyncpg.Connection) -> None:
    pair = await a_pair(owner)
    og = await an_account("og", finess_juridique=pair.og)
    done = await a_confirmed_succession(owner, pair.old, pair.new, og=pair.og)
    row = await owner.fetchrow(
        "select action, facts from sons.journal where object_id = $1 order by id desc limit 1",
        str(done.succession.id),
    )
    assert row["action"] == "succession.confirmed"
    assert (row["facts"]["predecessor"], row["facts"]["successor"]) == (pair.old, pair.new)
    events = await owner.fetch(
        "select event, facts from sons.outbox where organisation_id = $1", og.actor.organisation_id
    )
    assert [event["event"] for event in events] == ["succession.confirmed"]
    assert events[0]["facts"]["reasons"] == ["Vu au dossier."]
    # and each sees its own only
    page = await successions.list_successions(og.actor, None, None, None, None, 10)
    assert [one.id for one in page.successions] == [done.succession.id]
    stranger = await an_account("og")
    assert not (await successions.list_successions(stranger.actor, None, None, None, None, 10)).successions


async def test_pages_of_successions_miss_none(owner: asyncpg.Connection) -> None:
    found = [await a_succession(owner, a_finess(), a_finess(), score=50 + n % 3) for n in range(7)]
    reviewer = await an_account("reviewer")
    after: tuple[int, UUID] | None = None
    seen: list[SuccessionView] = []
    for _ in range(3):
        page = await successions.list_successions(reviewer.actor, "probable", None, None, after, 3)
        seen += page.successions
        after = page.following
    assert after is None
    assert [(one.score, one.id) for one in seen] == sorted(((o.score, o.id) for o in seen), reverse=True)
    assert {one.id for one in seen} == set(found)
    assert len(seen) == 7


@pytest.mark.scoreboard(1)
async def test_twenty_clients_claim_the_old_number_and_the_new_one_at_once(owner: asyncpg.Connection) -> None:
    pair = await a_pair(owner)
    await a_confirmed_succession(owner, pair.old, pair.new, og=pair.og)
    clients = []
    for n in range(20):
        solution = await make.a_solution(owner)
        editor = await an_account("editor", siren=solution.editor_siren)
        request = make.a_request(pair.og, ((pair.old, pair.new)[n % 2],), solution)
        clients.append((editor, request))
    views = await asyncio.gather(*(make.deposit(editor.actor, request) for editor, request in clients))
    assert Counter(state_of(view) for view in views) == {"submitted": 1, "rejected": 19}
    live = await owner.fetch("select * from sons.claim where released_at is null and vague = 'V1'")
    assert len({row["holder_id"] for row in live}) == 1


@pytest.mark.scoreboard(1)
async def test_lines_that_cross_lose_or_win_whole_and_no_deadlock_is_told(owner: asyncpg.Connection) -> None:
    """Old and new numbers of ten ESSMS, in orders of four that overlap: each ESSMS is held by one at most."""
    og, numbers = await make.an_og(owner, 20)
    olds, news = numbers[:10], numbers[10:]
    for old, new in zip(olds, reversed(news), strict=True):
        await a_confirmed_succession(owner, old, new, og=og)
    clients = []
    for n in range(24):
        solution = await make.a_solution(owner)
        editor = await an_account("editor", siren=solution.editor_siren)
        side = (olds, tuple(reversed(news)))[n % 2]
        wanted = tuple(side[(n + step) % 10] for step in range(4))
        clients.append((editor, make.a_request(og, wanted, solution)))
    views = await asyncio.gather(*(make.deposit(editor.actor, request) for editor, request in clients))
    assert Counter(state_of(view) for view in views).keys() == {"submitted", "rejected"}
    live = await owner.fetch(
        "select s.predecessor, array_agg(distinct c.holder_id) as holders from sons.succession s"
        " join sons.claim c on c.finess_geographique in (s.predecessor, s.successor)"
        " where c.released_at is null group by 1"
    )
    assert live
    assert [row for row in live if len(row["holders"]) > 1] == []


async def test_a_confirmation_meets_deposits_in_flight(owner: asyncpg.Connection) -> None:
    """Whatever comes first, at most one of the two numbers is held, or both before the confirmation."""
    for _ in range(5):
        pair = await a_pair(owner)
        found = await a_succession(owner, pair.old, pair.new, og=pair.og)
        first, second, done = await asyncio.gather(
            pair.order(0, pair.old), pair.order(1, pair.new), settled(found)
        )
        states = sorted((state_of(first), state_of(second)))
        assert states == (["submitted", "submitted"] if done.both_held else ["rejected", "submitted"])


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_confirmation_waits_for_the_claims_in_flight(
    database: Database, owner: asyncpg.Connection, guarded: bool
) -> None:
    """A claim that is not committed yet is followed all the same: the confirmation waits for it."""
    pair = await a_pair(owner)
    order = await pair.order(0, pair.new)
    found = await a_succession(owner, pair.old, pair.new, og=pair.og)
    await owner.execute("drop trigger claim_taken_as_ordered on sons.claim")
    if not guarded:
        await owner.execute("drop trigger claim_awaits_successions on sons.claim")
    claimer = await database.connect_superuser()
    try:
        async with claimer.transaction():
            await claimer.execute(
                "insert into sons.claim (vague, finess_geographique, holder_kind, holder_id, supplier_id,"
                " og_id, claimed_at) select 'V2', finess_geographique, holder_kind, holder_id, supplier_id,"
                " og_id, claimed_at from sons.claim where holder_id = $1",
                make.id_of(order),
            )
            confirming = asyncio.create_task(settled(found))
            # half a second shows that it waits; that it does not may take as long as the machine is slow
            await asyncio.wait({confirming}, timeout=0.5 if guarded else 60)
            assert confirming.done() is not guarded
        done = await confirming
    finally:
        await claimer.close()
    assert done.followed == (2 if guarded else 1)
