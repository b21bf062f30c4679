"""Webhooks leave signed, are retried, die, and hurt no other; nothing goes to a private address."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from sons_tracker.delivery import http, relay
from sons_tracker.operations import deliveries, replays, webhooks
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.deliveries import BACK_OFF
from sons_tracker.operations.outbox import list_notices
from sons_tracker.operations.replays import ReplayRequest
from sons_tracker.settings import Settings
from tests.databases import Database
from tests.factories import AT, an_actor
from tests.factories_outbox import AWebhook, a_key, a_webhook, announced, kept, sending
from tests.faults.receiver import Receiver, receiving, status


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


async def test_what_is_posted_is_signed_and_says_what_happened(
    receiver: Receiver, settings: Settings
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url, "payment.*")
    named = await announced(og, facts={"order_number": "BC-2023-000001", "amount_ttc_cents": 129_360})
    await announced(og, event="order.lapsed")
    assert await relay.deliver_once(settings) == {"delivered": 1}
    (request,) = receiver.requests
    assert (request.path, request.headers["host"]) == ("/recevoir", f"127.0.0.1:{receiver.port}")
    found = Webhook(hook.secret).verify(request.body, request.headers)
    assert found == {
        "type": "payment.paid",
        "timestamp": "2023-03-01T09:00:00Z",
        "data": {
            "object_kind": "payment",
            "object_id": named,
            "order_number": "BC-2023-000001",
            "amount_ttc": "1293.60",
        },
    }
    (notice, _) = (await list_notices(og, 0, 10)).notices
    assert request.headers["webhook-id"] == str(notice.id)
    assert notice.deliveries == {"delivered": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(hook.secret).verify(request.body + b" ", request.headers)
    assert await relay.deliver_once(settings) == {}


async def test_an_answer_of_500_is_asked_again_later_and_then_taken(
    database: Database, receiver: Receiver, settings: Settings
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url)
    await announced(og)
    receiver.answers = [status(500), status(200)]
    assert await relay.deliver_once(settings) == {"failed": 1}
    assert await states(og, hook) == [("waiting", 1, 500)]
    (row,) = await rows(database, "select next_at - now() as wait from sons.delivery")
    assert timedelta(seconds=1) < row["wait"] < BACK_OFF[0] * 1.2
    assert await relay.deliver_once(settings) == {}, "not before its time"
    (endpoint,) = await webhooks.list_endpoints(og)
    assert endpoint.failing_since is not None
    await due_again(database)
    assert await relay.deliver_once(settings) == {"delivered": 1}
    assert await states(og, hook) == [("delivered", 2, 200)]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    (endpoint,) = await webhooks.list_endpoints(og)
    assert endpoint.failing_since is None


async def test_after_its_last_attempt_a_delivery_is_dead_and_can_be_replayed(
    database: Database, receiver: Receiver, settings: Settings
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url)
    await announced(og)
    receiver.answers = [status(503)]
    waits, since = [], set()
    for _ in BACK_OFF:
        assert await relay.deliver_once(settings) == {"failed": 1}
        (row,) = await rows(database, "select next_at - now() as wait from sons.delivery")
        waits.append(row["wait"])
        (endpoint,) = await webhooks.list_endpoints(og)
        since.add(endpoint.failing_since)
        await due_again(database)
    assert len(since) == 1, "it fails since the first time"
    for wait, planned in zip(waits, BACK_OFF, strict=True):
        assert planned * 0.79 - timedelta(seconds=5) < wait < planned * 1.21
    assert await relay.deliver_once(settings) == {"failed": 1}
    assert await states(og, hook) == [("dead", len(BACK_OFF) + 1, 503)]
    assert await relay.deliver_once(settings) == {}
    (notice,) = (await list_notices(og, 0, 10)).notices
    receiver.answers = [status(200)]
    answer = await replays.replay(og, AT, a_key(), hook.id, ReplayRequest(event_id=notice.id), kept)
    assert json.loads(answer.body) == {"count": 1}
    assert await relay.deliver_once(settings) == {"delivered": 1}
    assert await states(og, hook) == [("delivered", 1, 200), ("dead", 10, 503)]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


async def test_a_redirection_is_not_followed(receiver: Receiver, settings: Settings) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url)
    await announced(og)
    async with receiving() as private:
        receiver.answers = [status(302, f"location: {private.url}\r\n")]
        assert await relay.deliver_once(settings) == {"failed": 1}
        assert private.requests == []
    assert await states(og, hook) == [("waiting", 1, 302)]


async def test_a_server_that_is_down_or_cuts_is_tried_again(settings: Settings) -> None:
    og = await an_actor("og")
    async with receiving() as receiver:
        receiver.answers = [None]
        cut = await a_webhook(og, receiver.url)
        await announced(og)
        assert await relay.deliver_once(settings) == {"failed": 1}
    down = await a_webhook(og, receiver.url)
    await announced(og)
    assert (await relay.deliver_once(settings))["failed"] == 2
    for hook in (cut, down):
        page = await replays.list_deliveries(og, hook.id, "waiting", None, 10)
        assert {one.last_problem for one in page.deliveries} == {"La connexion a échoué."}


async def test_a_slow_server_is_left_after_its_time_and_keeps_nobody_waiting(
    receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TOTAL_SECONDS", 1.0)
    slow, quick = await an_actor("og"), await an_actor("og")
    hook = await a_webhook(slow, receiver.url)
    for _ in range(4):
        await announced(slow)
    receiver.answers = [30.0]
    async with receiving() as prompt:
        await a_webhook(quick, prompt.url)
        for _ in range(20):
            await announced(quick)
        begun = time.monotonic()
        task = asyncio.create_task(relay.deliver_once(settings))
        while len(prompt.requests) < 20:
            assert time.monotonic() - begun < 5
            await asyncio.sleep(0.01)
        assert len(receiver.requests) == relay.PER_ENDPOINT
        tally = await task
    assert tally == {"failed": 4, "delivered": 20}
    page = await replays.list_deliveries(slow, hook.id, None, None, 100)
    assert {one.last_problem for one in page.deliveries} == {"Le serveur n'a pas répondu à temps."}


async def test_an_answer_without_end_is_not_read(receiver: Receiver, settings: Settings) -> None:
    og = await an_actor("og")
    await a_webhook(og, receiver.url)
    await announced(og)
    receiver.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n" + b"x" * 100_000]
    assert await relay.deliver_once(settings) == {"delivered": 1}


async def test_an_endless_header_is_not_read_either(receiver: Receiver, settings: Settings) -> None:
    og = await an_actor("og")
    await a_webhook(og, receiver.url)
    await announced(og)
    receiver.answers = [b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 1_000_000]
    assert await relay.deliver_once(settings) == {"failed": 1}


async def test_without_the_setting_this_machine_is_refused_when_the_connection_opens(
    database: Database, receiver: Receiver
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url)
    await announced(og)
    assert await relay.deliver_once(database.settings) == {"failed": 1}
    assert receiver.requests == []
    (one,) = (await replays.list_deliveries(og, hook.id, None, None, 1)).deliveries
    assert one.last_problem is not None
    assert "réseau privé" in one.last_problem


async def test_an_endpoint_that_is_gone_is_disabled_and_its_owner_told(
    receiver: Receiver, settings: Settings
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url)
    other = await a_webhook(og, receiver.url, "webhook.*")
    await announced(og)
    receiver.answers = [status(410), status(200)]
    assert await relay.deliver_once(settings) == {"gone": 1, "delivered": 1}
    gone, alive = await webhooks.list_endpoints(og)
    assert (gone.id, gone.disabled_reason) == (hook.id, "gone")
    assert (alive.id, alive.disabled_reason) == (other.id, None)
    told = json.loads(receiver.requests[1].body)
    assert told["type"] == "webhook.disabled"
    assert told["data"]["object_id"] == str(hook.id)
    notices = (await list_notices(og, 0, 10)).notices
    assert [notice.event for notice in notices] == ["payment.paid", "webhook.disabled"]


async def test_an_endpoint_that_fails_for_days_is_disabled_and_what_waits_is_dead(
    database: Database, receiver: Receiver, settings: Settings
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url, "payment.*")
    receiver.answers = [status(500)]
    await announced(og)
    await relay.deliver_once(settings)
    (endpoint,) = await webhooks.list_endpoints(og)
    assert endpoint.disabled_at is None
    await rows(database, "update sons.webhook_endpoint set failing_since = now() - interval '6 days'")
    await announced(og)
    assert await relay.deliver_once(settings) == {"failed": 1}
    (endpoint,) = await webhooks.list_endpoints(og)
    assert endpoint.disabled_reason == "failing"
    await due_again(database)
    assert await relay.deliver_once(settings) == {"refused": 2}
    assert [state for state, *_ in await states(og, hook)] == ["dead", "dead"]
    assert len(receiver.requests) == 2, "nothing more is sent"
    last = (await list_notices(og, 0, 10)).notices[-1]
    assert (last.event, last.facts) == ("webhook.disabled", {"reason": "failing", "status": 500})


async def test_a_claim_that_ran_out_may_not_end_the_attempt_of_another(
    database: Database, receiver: Receiver
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url)
    await announced(og)
    (first,) = await deliveries.claim(8, [])
    assert await deliveries.claim(8, []) == [], "held by its lease"
    await due_again(database)
    (second,) = await deliveries.claim(8, [])
    assert (second.delivery_id, second.attempt) == (first.delivery_id, 2)
    assert not await deliveries.conclude(first, deliveries.Outcome("refused"))
    assert await deliveries.conclude(second, deliveries.Outcome("delivered", 200))
    assert not await deliveries.conclude(second, deliveries.Outcome("refused"))
    assert await states(og, hook) == [("delivered", 2, 200)]


async def test_relays_share_what_waits(receiver: Receiver, settings: Settings) -> None:
    ogs = [await an_actor("og") for _ in range(10)]
    for og in ogs:
        await a_webhook(og, receiver.url)
        await announced(og)
        await announced(og)
    tallies = await asyncio.gather(*(relay.deliver_once(settings) for _ in range(4)))
    assert sum(tally["delivered"] for tally in tallies) == 20
    assert sum(tally.total() for tally in tallies) == 20
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert len(ids) == len(set(ids)) == 20


async def test_a_defect_in_one_notice_stops_no_other(
    receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url)
    broken, fine = await announced(og), await announced(og)
    whole = relay.body_of

    def body_of(job: deliveries.Job) -> bytes:
        if job.object_id == broken:
            raise ZeroDivisionError
        return whole(job)

    monkeypatch.setattr(relay, "body_of", body_of)
    assert await relay.deliver_once(settings) == {"failed": 1, "delivered": 1}
    assert [json.loads(request.body)["data"]["object_id"] for request in receiver.requests] == [fine]
    assert [state for state, *_ in await states(og, hook)] == ["delivered", "waiting"]
    assert "could not be made" in caplog.text


async def test_the_loop_delivers_and_stops(
    receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "POLL_SECONDS", 0.05)
    og = await an_actor("og")
    await a_webhook(og, receiver.url)
    async with relay.running(settings):
        await announced(og)
        await receiver.received(1)
    await announced(og)
    await asyncio.sleep(0.2)
    assert len(receiver.requests) == 1


async def test_a_stop_cuts_what_is_too_long_and_it_leaves_again(
    database: Database,
    receiver: Receiver,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(relay, "STOP_SECONDS", 0.2)
    og = await an_actor("og")
    hook = await a_webhook(og, receiver.url)
    receiver.answers = [60.0, status(200)]
    async with asyncio.timeout(40):
        async with relay.running(settings):
            await announced(og)
            await receiver.received(1)
    assert await states(og, hook) == [("waiting", 1, None)]
    await due_again(database)
    assert await relay.deliver_once(settings) == {"delivered": 1}
