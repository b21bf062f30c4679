"""Webhooks are registered, turned, tried, disabled and replayed by their organisation alone."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from sons_tracker.db.engine import transaction
from sons_tracker.delivery import relay
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import replays, webhooks
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.deliveries import SENDER
from sons_tracker.operations.outbox import list_notices
from sons_tracker.operations.replays import ReplayRequest
from sons_tracker.settings import Settings
from tests.databases import Database
from tests.factories import AT, an_actor
from tests.factories_outbox import DOOR, AWebhook, a_key, a_webhook, announced, kept, sending
from tests.faults.receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


@pytest.fixture
def settings(database: Database) -> Settings:
    return sending(database.settings)


async def rows(database: Database, sql: str, *args: Any) -> list[asyncpg.Record]:
    owner = await database.connect_superuser()
    try:
        return list(await owner.fetch(sql, *args))
    finally:
        await owner.close()


async def due_again(database: Database) -> None:
    """Lets the waits and the leases end."""
    await rows(database, "update sons.delivery set next_at = now() where state = 'waiting'")


async def states(actor: Actor, hook: AWebhook) -> list[tuple[str, int, int | None]]:
    page = await replays.list_deliveries(actor, hook.id, None, None, 100)
    return [(one.state, one.attempts, one.last_status) for one in page.deliveries]


async def test_two_secrets_sign_while_one_replaces_the_other(
    database: Database, receiver: Receiver, settings: Settings
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url)
    secrets = [hook.secret]
    for _ in range(2):
        shown = await webhooks.rotate(og, AT, a_key(), hook.id, timedelta(hours=1), kept, door=DOOR)
        assert shown.secret is not None
        secrets.append(shown.secret)
        assert json.loads(shown.answer.body)["secrets"] == 2
    await announced(og)
    await relay.deliver_once(settings)
    (request,) = receiver.requests
    oldest, previous, current = secrets
    for secret in (previous, current):
        Webhook(secret).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(oldest).verify(request.body, request.headers)
    await rows(database, "update sons.webhook_secret set expires_at = created_at where expires_at > now()")
    await announced(og)
    await relay.deliver_once(settings)
    with pytest.raises(WebhookVerificationError):
        Webhook(previous).verify(receiver.requests[1].body, receiver.requests[1].headers)
    Webhook(current).verify(receiver.requests[1].body, receiver.requests[1].headers)
    at_once = await webhooks.rotate(og, AT, a_key(), hook.id, timedelta(0), kept, door=DOOR)
    assert json.loads(at_once.answer.body)["secrets"] == 1


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), webhooks.LONGEST_OVERLAP + timedelta(seconds=1)])
async def test_an_overlap_has_bounds(database: Database, overlap: timedelta) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, "https://example.org/")
    with pytest.raises(SonsError, match="recouvrement"):
        await webhooks.rotate(og, AT, a_key(), hook.id, overlap, kept, door=DOOR)


async def test_a_secret_is_shown_once_and_read_by_the_sender_alone(database: Database) -> None:
    og = await an_actor("og")
    key = a_key()
    shown = [
        await webhooks.register(og, AT, key, "https://example.org/", ("*",), kept, door=DOOR, loopback=False)
        for _ in range(2)
    ]
    assert (shown[0].answer.replayed, shown[1].answer.replayed) == (False, True)
    secret = shown[0].secret
    assert secret is not None
    assert shown[1].secret is None
    assert secret not in repr(shown[0])
    written = await rows(database, "select status, body from sons.idempotency")
    assert all(secret.encode() not in row["body"] for row in written)
    assert secret not in str(await rows(database, "select * from sons.journal"))
    endpoint_id = UUID(json.loads(shown[0].answer.body)["id"])
    async with transaction(og.context) as con:
        assert await con.fetch("select signing_secrets($1)", endpoint_id) == []
    async with transaction(SENDER.context) as con:
        sealed = await con.fetchval("select signing_secrets($1)", endpoint_id)
    assert secret.encode() not in sealed
    assert DOOR.unseal(sealed) == secret
    assert secret not in str(await rows(database, "select * from sons.webhook_secret"))
    for context, column in itertools.product((og.context, SENDER.context), ("secret", "sealed")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(context) as con:
                await con.fetch(f"select {column} from webhook_secret")


async def test_a_test_reaches_one_endpoint_whatever_its_filter(
    receiver: Receiver, settings: Settings
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url, "order.lapsed")
    await a_webhook(og, receiver.url, "*")
    await webhooks.ping(og, AT, a_key(), hook.id, kept)
    assert await relay.deliver_once(settings) == {"delivered": 1}
    (request,) = receiver.requests
    found = Webhook(hook.secret).verify(request.body, request.headers)
    assert found["type"] == "webhook.ping"


async def test_a_disabled_endpoint_is_told_nothing_not_even_what_waits(
    receiver: Receiver, settings: Settings
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url)
    await announced(og)
    assert (await webhooks.disable(og, AT, a_key(), hook.id, kept)).status == 200
    await announced(og)
    assert await relay.deliver_once(settings) == {"refused": 1}
    assert receiver.requests == []
    assert await states(og, hook) == [("dead", 1, None)]
    acts = (
        webhooks.disable(og, AT, a_key(), hook.id, kept),
        webhooks.ping(og, AT, a_key(), hook.id, kept),
        replays.replay(og, AT, a_key(), hook.id, ReplayRequest(since=AT, until=AT), kept),
    )
    for act in acts:
        assert (await act).status == 409
    assert (
        await webhooks.rotate(og, AT, a_key(), hook.id, timedelta(0), kept, door=DOOR)
    ).answer.status == 409


async def test_a_period_is_replayed_with_what_was_missed_or_with_everything(
    receiver: Receiver, settings: Settings
) -> None:
    og = await an_actor("og")
    before = await announced(og, at=AT)
    hook = await a_webhook(og, receiver.url, "payment.paid")
    there = await announced(og, at=AT + timedelta(hours=1))
    await announced(og, event="order.lapsed")
    later = await announced(og, at=AT + timedelta(days=1))
    await relay.deliver_once(settings)

    async def play(asked: ReplayRequest) -> list[str]:
        receiver.requests.clear()
        answer = await replays.replay(og, AT, a_key(), hook.id, asked, kept)
        tally = await relay.deliver_once(settings)
        assert tally["delivered"] == json.loads(answer.body)["count"] == len(receiver.requests)
        return sorted(json.loads(request.body)["data"]["object_id"] for request in receiver.requests)

    whole = {"since": AT, "until": AT + timedelta(hours=1)}
    assert await play(ReplayRequest(**whole)) == [before], "announced before it was registered"
    assert await play(ReplayRequest(**whole)) == []
    assert await play(ReplayRequest(**whole, missed_only=False)) == sorted([before, there])
    assert later not in await play(ReplayRequest(**whole, missed_only=False))


@pytest.mark.parametrize(
    "asked",
    [
        ReplayRequest(),
        ReplayRequest(since=AT),
        ReplayRequest(until=AT),
        ReplayRequest(event_id=uuid4(), since=AT),
        ReplayRequest(event_id=uuid4(), since=AT, until=AT),
    ],
)
async def test_a_replay_names_one_notice_or_a_period(database: Database, asked: ReplayRequest) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, "https://example.org/")
    with pytest.raises(SonsError, match="soit"):
        await replays.replay(og, AT, a_key(), hook.id, asked, kept)


async def test_what_still_waits_or_is_too_much_is_not_replayed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, "https://example.org/")
    await announced(og)
    (notice,) = (await list_notices(og, 0, 10)).notices
    one = ReplayRequest(event_id=notice.id)
    assert (await replays.replay(og, AT, a_key(), hook.id, one, kept)).status == 409
    assert (await replays.replay_notice(og, AT, a_key(), notice.id, kept)).status == 409
    await rows(database, "update sons.delivery set state = 'dead', next_at = null, ended_at = now()")
    monkeypatch.setattr(replays, "MOST_REPLAYED", 0)
    period = ReplayRequest(since=AT, until=AT)
    assert (await replays.replay(og, AT, a_key(), hook.id, period, kept)).status == 409
    assert len(await rows(database, "select from sons.delivery")) == 1, "undone"
    assert (await replays.replay_notice(og, AT, a_key(), notice.id, kept)).status == 200
    assert len(await rows(database, "select from sons.delivery")) == 2


async def test_another_organisation_finds_nothing(database: Database) -> None:
    og, other = await an_actor("og"), await an_actor("og")
    hook = await a_webhook(og, "https://example.org/")
    await announced(og)
    (notice,) = (await list_notices(og, 0, 10)).notices
    assert await webhooks.list_endpoints(other) == ()
    one = ReplayRequest(event_id=notice.id)
    theirs = await a_webhook(other, "https://example.org/")
    acts = (
        lambda: webhooks.disable(other, AT, a_key(), hook.id, kept),
        lambda: webhooks.ping(other, AT, a_key(), hook.id, kept),
        lambda: webhooks.rotate(other, AT, a_key(), hook.id, timedelta(0), kept, door=DOOR),
        lambda: replays.replay(other, AT, a_key(), hook.id, one, kept),
        lambda: replays.replay(other, AT, a_key(), theirs.id, one, kept),
        lambda: replays.replay_notice(other, AT, a_key(), notice.id, kept),
        lambda: replays.list_deliveries(other, hook.id, None, None, 10),
        lambda: webhooks.disable(other, AT, a_key(), uuid4(), kept),
    )
    for act in acts:
        with pytest.raises(SonsError) as caught:
            await act()
        assert caught.value.code is ErrorCode.NOT_FOUND
    (endpoint,) = await webhooks.list_endpoints(og)
    assert endpoint.disabled_at is None


async def test_an_organisation_has_so_many_endpoints_and_no_more_even_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MOST_ENDPOINTS", 3)
    og = await an_actor("og")

    async def one() -> int:
        shown = await webhooks.register(
            og, AT, a_key(), "https://example.org/", ("*",), kept, door=DOOR, loopback=False
        )
        assert (shown.secret is None) is (shown.answer.status == 409)
        return shown.answer.status

    assert sorted(await asyncio.gather(*(one() for _ in range(6)))) == [200] * 3 + [409] * 3


@pytest.mark.parametrize("events", [("order.dreamt",), ("dream.*",), ("",), ("order.*.x",), ("**",)])
async def test_a_filter_names_events_that_exist(database: Database, events: tuple[str, ...]) -> None:
    og = await an_actor("og")
    with pytest.raises(SonsError) as caught:
        await webhooks.register(
            og, AT, a_key(), "https://example.org/", events, kept, door=DOOR, loopback=False
        )
    assert [fault.where for fault in caught.value.faults] == ["$.events[0]"]
