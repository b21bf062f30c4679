"""What is over is forgotten after its delay and not before, once; the journal only grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import pytest

from sons_tracker import scheduler
from sons_tracker.operations import rates
from sons_tracker.operations.retention import forget
from sons_tracker.safeguards import Rate, Retention
from tests.databases import Database
from tests.factories import AT, an_account
from tests.factories_orders import prepare_instance

KEPT = Retention(
    idempotency=timedelta(days=30),
    tokens=timedelta(days=365),
    sessions=timedelta(days=90),
    invitations=timedelta(days=60),
)
DAYS = {"idempotency": 30, "tokens": 365, "sessions": 90, "invitations": 60}
COUNTS = {
    "idempotency": "select count(*) from sons.idempotency",
    "tokens": "select count(*) from sons.access_token",
    "sessions": "select count(*) from sons.session",
    "session_proofs": "select count(*) from sons.session_proof",
    "invitations": "select count(*) from sons.invitation",
    "letters": "select count(*) from sons.letter where person_id is not null",
    "sign_ins": "select count(*) from sons.sign_in_attempt",
    "rates": "select count(*) from sons.rate_bucket",
}
GONE = {
    "idempotency": 1, "tokens": 2, "sessions": 1, "session_proofs": 1, "invitations": 3, "letters": 1,
    "sign_ins": 1, "rates": 1,
}  # fmt: skip


@dataclass
class World:
    """A database with, of each kind, one row that lives, one that ended lately, one that ended long ago."""

    owner: asyncpg.Connection

    async def counts(self) -> dict[str, int]:
        return {kind: await self.owner.fetchval(sql) for kind, sql in COUNTS.items()}

    async def journal(self) -> list[str]:
        rows = await self.owner.fetch("select to_jsonb(j)::text as row from sons.journal j order by id")
        return [row["row"] for row in rows]


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    await prepare_instance()
    account = await an_account("editor")
    owner = await database.connect_superuser()
    actor = account.actor
    for kind, days in DAYS.items():
        for age in (days - 1, days + 1):
            await _an_old_one(owner, kind, timedelta(days=age), actor.person_id, actor.organisation_id)
    await owner.execute(
        _SESSION, b"s", actor.person_id, actor.organisation_id, timedelta(days=-1), timedelta(hours=1)
    )
    await rates.spend("account", "busy", Rate(10, 3600))
    await owner.execute(
        "insert into sons.rate_bucket values ('address', '192.0.2.1', now() - interval '1 hour'),"
        " ('address', '192.0.2.2', now() - interval '1 minute')"
    )
    await owner.execute(
        "insert into sons.sign_in_attempt select sha256(age::text::bytea), sha256('a'), 3, now() - age"
        " from unnest(array['25 hours', '23 hours', '0 hours']::interval[]) as age"
    )
    for ended in (timedelta(days=59), timedelta(days=61), None):
        await owner.execute(
            "insert into sons.letter (id, kind, person_id, state, attempts, created_at, next_at, ended_at)"
            " values (gen_random_uuid(), 'password_changed', $1,"
            " case when $2::interval is null then 'waiting' else 'dead' end, 1, now() - interval '70 days',"
            " case when $2::interval is null then now() end, now() - $2::interval)",
            actor.person_id,
            ended,
        )
    yield World(owner)
    await owner.close()


async def _an_old_one(
    owner: asyncpg.Connection, kind: str, age: timedelta, person: object, organisation: object
) -> None:
    match kind:
        case "idempotency":
            await owner.execute(
                "insert into sons.idempotency"
                " values ($1, $2, 'POST /x', sha256('x'), 201, 'b', now() - $3::interval)",
                organisation,
                str(age),
                age,
            )
        case "tokens":
            for ended in ("expired", "revoked"):
                await owner.execute(
                    "insert into sons.access_token (sha256, person_id, organisation_id, role, created_at,"
                    " expires_at, revoked_at) values (sha256($1), $2, $3, 'editor',"
                    " now() - $4::interval - interval '1 day',"
                    " case $5 when 'expired' then now() - $4::interval else now() + interval '1 day' end,"
                    " case $5 when 'revoked' then now() - $4::interval end)",
                    f"{ended} {age}".encode(),
                    person,
                    organisation,
                    age,
                    ended,
                )
        case "sessions":
            await owner.execute(_SESSION, str(age).encode(), person, organisation, age, timedelta(days=1))
        case "invitations":
            for ended in ("expired", "accepted", "revoked"):
                await owner.execute(
                    _INVITATION, f"{ended} {age}".encode(), organisation, age, ended, _LETTER_TOO[ended]
                )


# opened `$5` before its end, which was `$4` ago, by a provider: with what that one said
_SESSION = """
with made as (
  insert into sons.session (id, sha256, person_id, organisation_id, role, auth_level, created_at,
    last_seen_at, expires_at, address_sha256)
  select gen_random_uuid(), sha256($1), $2, $3, 'editor', 'oidc', now() - $4::interval - $5::interval,
    now() - $4::interval - $5::interval, now() - $4::interval, sha256('a')
  returning id)
insert into sons.session_proof
select id, $2, $3, 'editor', 'agence', 'eidas_simple', 'https://identite.test', 'sujet', null, null, null,
  null, '{}' from made
"""
_LETTER_TOO = {"expired": True, "accepted": False, "revoked": False}
# one of them with its letter, which goes with it
_INVITATION = """
with made as (
  insert into sons.invitation (id, sha256, kind, organisation_id, organisation_kind, role, email, created_at,
    expires_at, accepted_at, revoked_at)
  select gen_random_uuid(), sha256($1), 'join', $2, 'editor', 'editor', 'x@example.org',
    now() - $3::interval - interval '1 day',
    case $4 when 'expired' then now() - $3::interval else now() + interval '1 day' end,
    case $4 when 'accepted' then now() - $3::interval end,
    case $4 when 'revoked' then now() - $3::interval end
  returning id)
insert into sons.letter (id, kind, invitation_id, state, attempts, created_at, next_at)
select gen_random_uuid(), 'invitation', id, 'waiting', 0, now(), now() from made where $5
"""


async def test_what_is_over_is_forgotten_after_its_delay_and_not_before(world: World) -> None:
    before, told = await world.counts(), await world.journal()
    assert await forget(AT, KEPT) == GONE
    after = await world.counts()
    assert {kind: before[kind] - after[kind] for kind in before} == GONE
    assert await world.owner.fetchval("select count(*) from sons.letter where invitation_id is not null") == 1
    assert after["tokens"] >= 3, "the one that lives and those that ended lately"
    now_told = await world.journal()
    assert now_told[: len(told)] == told, "the journal is never touched"
    rows = await world.owner.fetch(
        "select object_id, role, at, facts->>'count' as n, facts->>'kept_days' as days from sons.journal"
        " where action = 'retention.applied' order by id"
    )
    assert [(row["object_id"], row["role"], row["n"], row["days"]) for row in rows] == [
        ("idempotency", "scheduler", "1", "30"),
        ("tokens", "scheduler", "2", "365"),
        ("sessions", "scheduler", "1", "90"),
        ("session_proofs", "scheduler", "1", "90"),
        ("invitations", "scheduler", "3", "60"),
        ("letters", "scheduler", "1", "60"),
    ]
    assert {row["at"] for row in rows} == {AT}
    assert len(now_told) == len(told) + 6


@pytest.mark.parametrize("kind", DAYS)
async def test_each_delay_is_its_own_setting(world: World, kind: str) -> None:
    longer = timedelta(days=5000)
    delays = dict.fromkeys(DAYS, longer) | {kind: timedelta(days=DAYS[kind] - 2)}
    gone = await forget(AT, Retention(**delays))
    assert gone[kind] == {"tokens": 4, "invitations": 6}.get(kind, 2)
    assert all(not gone[other] for other in DAYS if other != kind)
    assert gone["session_proofs"] == gone["sessions"]


async def test_once_forgotten_nothing_more_is_told(world: World) -> None:
    first, second = await asyncio.gather(forget(AT, KEPT), forget(AT, KEPT))
    assert {kind: first[kind] + second[kind] for kind in GONE} == GONE
    told = await world.journal()
    assert not any((await forget(AT, KEPT)).values())
    assert await world.journal() == told


async def test_the_scheduler_forgets_at_its_first_tick_and_not_at_each(world: World) -> None:
    async with scheduler.running(0.05, kept_for=KEPT):
        async with asyncio.timeout(60):
            # counts go last: what is written from here on is after the first time
            while (await world.counts())["rates"] != 2:  # noqa: ASYNC110 - another connection forgets
                await asyncio.sleep(0.05)
        await world.owner.execute(
            "insert into sons.rate_bucket values ('address', '192.0.2.9', now() - interval '1 hour')"
        )
        await asyncio.sleep(0.5)
    assert (
        await world.owner.fetchval("select count(*) from sons.rate_bucket where subject = '192.0.2.9'") == 1
    )
