"""How much one may ask: by account whatever the token, by address without one, to the request."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest

from sons_tracker.app import create_app
from sons_tracker.operations import actors, rates
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.safeguards import Rate
from tests.databases import Database
from tests.factories import AT, Account, an_account
from tests.factories_orders import prepare_instance

ORDERS = "/api/v1/orders"
SIMULATION = "/api/v1/simulations"

Open = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
async def limited(database: Database) -> Open:
    """Opens a client on an application with these limits; several are several processes."""
    await prepare_instance()

    @asynccontextmanager
    async def opened(
        account: Rate | None = None, address: Rate | None = None, client: str = "192.0.2.1"
    ) -> AsyncIterator[httpx.AsyncClient]:
        settings = database.settings
        asked = dataclasses.replace(settings.safeguards, rate_account=account, rate_address=address)
        app = create_app(dataclasses.replace(settings, safeguards=asked), connect=False)
        transport = httpx.ASGITransport(app=app, client=(client, 4242), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as http:
            yield http

    return opened


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def another_token(account: Account) -> str:
    """A second token of the same person."""
    person, organisation = account.actor.person_id, account.actor.organisation_id
    assert person is not None
    assert organisation is not None
    made = await actors.create_token(
        LOCAL_ADMIN, at=AT, person_id=person, organisation_id=organisation, role=account.actor.role
    )
    return made.secret


async def test_beyond_its_limit_an_account_is_told_how_long_to_wait(limited: Open) -> None:
    account = await an_account("editor")
    async with limited(account=Rate(3, 3600)) as http:
        left = []
        for _ in range(3):
            answer = await http.get(ORDERS, headers=bearer(account.token))
            assert answer.status_code == 200
            assert answer.headers["ratelimit-limit"] == "3"
            assert 0 < int(answer.headers["ratelimit-reset"]) <= 3600
            assert "retry-after" not in answer.headers
            left.append(answer.headers["ratelimit-remaining"])
        refused = await http.get(ORDERS, headers=bearer(account.token))
    assert left == ["2", "1", "0"]
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "too_many_requests"
    assert refused.headers["ratelimit-remaining"] == "0"
    assert 1100 < int(refused.headers["retry-after"]) <= 1200
    assert refused.headers["retry-after"] in refused.json()["detail"]


async def test_waiting_as_told_is_enough(limited: Open) -> None:
    account = await an_account("editor")
    async with limited(account=Rate(2, 2)) as http:
        # a slow machine is given more than two: the bucket fills meanwhile
        async with asyncio.timeout(60):
            while (refused := await http.get(ORDERS, headers=bearer(account.token))).status_code == 200:
                pass
        assert refused.status_code == 429
        await asyncio.sleep(int(refused.headers["retry-after"]))
        assert (await http.get(ORDERS, headers=bearer(account.token))).status_code == 200


async def test_many_tokens_and_addresses_are_one_account_and_other_accounts_go_on(limited: Open) -> None:
    account, other = await an_account("editor"), await an_account("editor")
    tokens = [account.token, await another_token(account), await another_token(account)]
    statuses = []
    for number, token in enumerate(tokens):
        async with limited(account=Rate(2, 3600), client=f"192.0.2.{number}") as http:
            headers = {**bearer(token), "x-forwarded-for": f"198.51.100.{number}", "x-request-id": "n" * 8}
            statuses.append((await http.get(ORDERS, headers=headers)).status_code)
            assert (await http.get("/api/v1/notices", headers=bearer(other.token))).status_code in {200, 429}
    assert statuses == [200, 200, 429]


async def test_without_an_account_the_address_is_counted(limited: Open) -> None:
    rate = Rate(2, 3600)
    async with limited(address=rate, client="2001:db8::1") as http:
        first = [(await http.get(ORDERS, headers=bearer("sons_unknown"))).status_code for _ in range(2)]
    async with limited(address=rate, client="2001:db8::2") as http:
        same_house = await http.get(ORDERS, headers=bearer("sons_unknown"))
        forwarded = await http.get(ORDERS, headers={**bearer("sons_other"), "x-forwarded-for": "203.0.113.9"})
    async with limited(address=rate, client="2001:db8:0:1::1") as http:
        elsewhere = await http.get(ORDERS, headers=bearer("sons_unknown"))
    assert first == [401, 401]
    assert same_house.status_code == forwarded.status_code == 429
    assert elsewhere.status_code == 401


async def test_who_has_an_account_is_not_counted_by_its_address(limited: Open) -> None:
    account = await an_account("editor")
    async with limited(account=Rate(9, 60), address=Rate(1, 3600)) as http:
        assert (await http.get(ORDERS, headers=bearer("sons_unknown"))).status_code == 401
        assert (await http.get(ORDERS, headers=bearer("sons_unknown"))).status_code == 429
        for _ in range(3):
            assert (await http.get(ORDERS, headers=bearer(account.token))).status_code == 200


async def test_health_and_what_is_answered_without_the_database_is_not_counted(limited: Open) -> None:
    async with limited(account=Rate(1, 3600), address=Rate(1, 3600)) as http:
        for path, status in (("/healthz", 200), ("/api/v1/law", 200), (ORDERS, 401), ("/nowhere", 404)):
            for _ in range(3):
                answer = await http.get(path)
                assert (answer.status_code, "ratelimit-limit" in answer.headers) == (status, False)


async def test_every_request_counts_once_even_one_that_fails(limited: Open) -> None:
    account = await an_account("editor")
    async with limited(account=Rate(100, 3600)) as http:
        left = []
        for request in (
            {"method": "GET", "url": ORDERS},
            {"method": "POST", "url": ORDERS, "json": {}, "headers": {"idempotency-key": "k"}},
            {"method": "POST", "url": ORDERS, "content": b"{"},
            {"method": "GET", "url": f"{ORDERS}/nowhere"},
            {"method": "GET", "url": "/api/v1/recoveries"},
        ):
            headers = {**request.pop("headers", {}), **bearer(account.token)}  # type: ignore[dict-item]
            answer = await http.request(**request, headers=headers)  # type: ignore[arg-type]
            left.append(int(answer.headers["ratelimit-remaining"]))
    assert left == [99, 98, 97, 96, 95]


@pytest.mark.parametrize("requests", [1, 7, 50])
async def test_many_at_once_pass_to_the_request(limited: Open, requests: int) -> None:
    subject = f"contention-{requests}"
    spent = await asyncio.gather(*(rates.spend("account", subject, Rate(requests, 3600)) for _ in range(200)))
    assert Counter(one.granted for one in spent) == {True: requests, False: 200 - requests}
    assert sorted(one.remaining for one in spent if one.granted) == list(range(requests))
    assert all(one.retry_after >= 1 for one in spent)


async def test_a_bucket_fills_with_time_and_no_more_than_full(database: Database) -> None:
    rate = Rate(10, 1)
    began = time.monotonic()
    granted = sum([(await rates.spend("account", "steady", rate)).granted for _ in range(400)])
    elapsed = time.monotonic() - began
    assert 10 <= granted <= 10 + 10 * elapsed + 1
    await asyncio.sleep(1.5)
    spent = [await rates.spend("account", "steady", rate) for _ in range(5)]
    assert spent[0].remaining == 9


async def test_a_clock_set_back_closes_nothing_for_long(database: Database) -> None:
    rate = Rate(10, 60)
    await rates.spend("account", "ahead", rate)
    owner = await database.connect_superuser()
    try:
        await owner.execute("update sons.rate_bucket set full_at = now() + interval '1 year'")
    finally:
        await owner.close()
    spent = await rates.spend("account", "ahead", rate)
    assert (spent.granted, spent.retry_after) == (False, 6)


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "local"),
        ("testclient", "testclient"),
        ("x" * 100, "x" * 64),
    ],
)
def test_one_host_is_one_address(host: str | None, counted: str) -> None:
    assert rates.address_of(host) == counted


async def test_what_a_count_costs(database: Database, limited: Open) -> None:
    rounds = 300
    for _ in range(20):
        await rates.spend("account", "cost", Rate(100_000, 1))
    began = time.perf_counter()
    for _ in range(rounds):
        await rates.spend("account", "cost", Rate(100_000, 1))
    each = (time.perf_counter() - began) / rounds * 1000
    account = await an_account("editor")
    taken = {}
    for name, rate in (("sans", None), ("avec", Rate(100_000, 1))):
        async with limited(account=rate) as http:
            await http.get(ORDERS, headers=bearer(account.token))
            began = time.perf_counter()
            for _ in range(100):
                await http.get(ORDERS, headers=bearer(account.token))
            taken[name] = (time.perf_counter() - began) * 10
    print(
        f"\nlimite : {each:.2f} ms par compte ; une liste {taken['sans']:.2f} ms sans,"
        f" {taken['avec']:.2f} ms avec"
    )
    assert each < 1000
