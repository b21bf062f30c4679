"""The service as it runs: webhooks leave by themselves, and a SIGTERM loses none of them."""

from __future__ import annotations

import json
import signal
from uuid import uuid4

import httpx
import pytest
from standardwebhooks import Webhook

from sons_tracker.delivery import relay
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import Account, an_account
from tests.factories_outbox import sending
from tests.faults.receiver import receiving, status
from tests.faults.service import serving


async def ping(http: httpx.AsyncClient, editor: Account, hook: str) -> None:
    headers = {**editor.headers, "Idempotency-Key": uuid4().hex}
    assert (await http.post(f"/api/v1/webhooks/{hook}/ping", headers=headers)).status_code == 200


@pytest.mark.processes
async def test_the_service_delivers_by_itself_and_stops_cleanly(database: Database) -> None:
    await make.prepare_instance()
    editor = await an_account("editor")
    environ = {**database.environ, "SONS_INSTANCE": "sandbox", "SONS_WEBHOOKS_LOOPBACK": "1"}
    async with receiving() as receiver:
        async with serving(environ) as (service,), httpx.AsyncClient(base_url=service.url) as http:
            made = await http.post(
                "/api/v1/webhooks",
                json={"url": receiver.url, "events": ["order.*"]},
                headers={**editor.headers, "Idempotency-Key": "1"},
            )
            hook = made.json()
            await ping(http, editor, hook["id"])
            await receiver.received(1)
            (request,) = receiver.requests
            assert Webhook(hook["secret"]).verify(request.body, request.headers)["type"] == "webhook.ping"
            receiver.answers = [60.0, status(200)]
            await ping(http, editor, hook["id"])
            await receiver.received(2)
            assert service.process is not None
            service.process.send_signal(signal.SIGTERM)
            assert await service.process.wait() in {0, -signal.SIGTERM}
        owner = await database.connect_superuser()
        try:
            states = "select state from sons.delivery order by id"
            assert [row["state"] for row in await owner.fetch(states)] == ["delivered", "waiting"]
            await owner.execute("update sons.delivery set next_at = now() where state = 'waiting'")
        finally:
            await owner.close()
        assert await relay.deliver_once(sending(database.settings)) == {"delivered": 1}
        ids = [request.headers["webhook-id"] for request in receiver.requests]
        assert ids[1] == ids[2] != ids[0]
        assert json.loads(receiver.requests[2].body)["data"]["object_id"] == hook["id"]
