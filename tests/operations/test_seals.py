"""What is sealed at rest stays readable by the key that is given, and by no other; seals are renewed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from cryptography.fernet import Fernet
from standardwebhooks import Webhook

from sons_tracker.delivery import relay
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import seals
from sons_tracker.operations.proofs import Door
from sons_tracker.operations.seals import Resealed
from sons_tracker.settings import Settings
from tests.databases import Database
from tests.factories import AT, an_actor
from tests.factories_outbox import DOOR, a_webhook, announced, sending
from tests.faults.receiver import Receiver, receiving

CLEAR = "whsec_" + "A" * 43 + "="


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


async def rows(database: Database, sql: str, *args: Any) -> list[asyncpg.Record]:
    owner = await database.connect_superuser()
    try:
        return list(await owner.fetch(sql, *args))
    finally:
        await owner.close()


def keyed(settings: Settings, *keys: str) -> Settings:
    return sending(settings, account_key=",".join(keys))


async def with_factors(database: Database) -> None:
    og = await an_actor("og")
    await rows(
        database,
        "insert into sons.second_factor (person_id, sealed, confirmed_at, last_step, pending)"
        " values ($1, $2, now(), 7, $3)",
        og.person_id,
        DOOR.seal("PRESENT"),
        DOOR.seal("WAITING"),
    )


async def test_a_key_is_changed_and_the_former_taken_away(database: Database, receiver: Receiver) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url)
    await with_factors(database)
    old, new = str(database.settings.account_key), Fernet.generate_key().decode()
    both, alone = keyed(database.settings, new, old), keyed(database.settings, new)
    await announced(og)
    assert await relay.deliver_once(both) == {"delivered": 1}, "what the former key sealed still signs"
    assert await seals.reseal(Door.of(both), AT) == Resealed(kept=0, renewed=3, lost=0)
    assert await seals.reseal(Door.of(both), AT) == Resealed(kept=3, renewed=0, lost=0)
    await announced(og)
    assert await relay.deliver_once(alone) == {"delivered": 1}
    for request in receiver.requests:
        Webhook(hook.secret).verify(request.body, request.headers)
    [factor] = await rows(database, "select sealed, pending, last_step from sons.second_factor")
    door = Door.of(alone)
    assert (door.unseal(factor["sealed"]), door.unseal(factor["pending"])) == ("PRESENT", "WAITING")
    assert factor["last_step"] == 7, "a code that has served has not become another's"
    [told] = await rows(database, "select role, facts from sons.journal where action = 'secrets.resealed'")
    assert told["role"] == "sender"
    assert told["facts"] == {"lost": 0, "webhook": 1, "second_factor": 1, "pending_factor": 1}


async def test_a_secret_in_clear_signs_nothing_until_it_is_sealed(
    database: Database, receiver: Receiver
) -> None:
    """What a database made before the seals holds."""
    og = await an_actor("og")
    await a_webhook(og, receiver.url)
    await rows(database, "update sons.webhook_secret set secret = $1, sealed = null", CLEAR)
    await announced(og)
    settings = sending(database.settings)
    assert await relay.deliver_once(settings) == {"failed": 1}
    [row] = await rows(database, "select last_problem from sons.delivery where state = 'waiting'")
    assert row["last_problem"] == "Aucun secret scellé ne signe pour ce webhook."
    assert receiver.requests == []
    assert await seals.reseal(DOOR, AT) == Resealed(kept=0, renewed=1, lost=0)
    [row] = await rows(database, "select secret, sealed from sons.webhook_secret")
    assert (row["secret"], DOOR.unseal(row["sealed"])) == (None, CLEAR)
    await rows(database, "update sons.delivery set next_at = now()")
    assert await relay.deliver_once(settings) == {"delivered": 1}
    [request] = receiver.requests
    Webhook(CLEAR).verify(request.body, request.headers)


async def test_the_relay_seals_when_it_starts(database: Database, receiver: Receiver) -> None:
    og = await an_actor("og")
    await a_webhook(og, receiver.url)
    await rows(database, "update sons.webhook_secret set secret = $1, sealed = null", CLEAR)
    await announced(og)
    async with relay.running(sending(database.settings)):
        await receiver.received(1)
    Webhook(CLEAR).verify(receiver.requests[0].body, receiver.requests[0].headers)


async def test_a_lost_key_is_said_and_nothing_is_written(database: Database, receiver: Receiver) -> None:
    og = await an_actor("og")
    await a_webhook(og, receiver.url)
    await with_factors(database)
    before = await rows(database, "select sealed from sons.webhook_secret")
    stranger = keyed(database.settings, Fernet.generate_key().decode())
    assert await seals.reseal(Door.of(stranger), AT) == Resealed(kept=0, renewed=0, lost=3)
    assert await rows(database, "select sealed from sons.webhook_secret") == before
    assert await rows(database, "select from sons.journal where action = 'secrets.resealed'") == []
    await announced(og)
    assert await relay.deliver_once(stranger) == {"failed": 1}
    [row] = await rows(database, "select last_problem from sons.delivery")
    assert row["last_problem"] == "Ce secret a été scellé par une clé que cette instance n'a plus."
    assert receiver.requests == []


async def test_without_a_key_no_webhook_is_made_and_none_signs(
    database: Database, receiver: Receiver
) -> None:
    og = await an_actor("og")
    await a_webhook(og, receiver.url)
    keyless = sending(replace(database.settings, account_key=None))
    with pytest.raises(SonsError) as caught:
        Door.of(keyless)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert "SONS_ACCOUNT_KEY" in caught.value.remedy
    await announced(og)
    assert await relay.deliver_once(keyless) == {"failed": 1}
    assert receiver.requests == []


async def test_another_secret_that_came_meanwhile_is_not_overwritten(database: Database) -> None:
    await with_factors(database)
    [row] = await rows(database, "select person_id, sealed from sons.second_factor")
    other = DOOR.seal("OTHER")
    await rows(
        database, "update sons.second_factor set sealed = $1, confirmed_at = null, last_step = null,"
        " pending = null", other,
    )  # fmt: skip
    owner = await database.connect_superuser()
    try:
        async with owner.transaction():
            await owner.execute("set local role sons_app; set local sons.role = 'sender'")
            done = await owner.fetchval(
                "select sons.reseal('second_factor', $1, $2, 'gAAAAautre')", row["person_id"], row["sealed"]
            )
    finally:
        await owner.close()
    assert done is False
    [row] = await rows(database, "select sealed from sons.second_factor")
    assert row["sealed"] == other
