"""What a thief does with a session or a token, beside what `test_accounts` already refuses him."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import httpx
import pytest

from sons_tracker.api.security import COOKIE
from sons_tracker.operations.sessions import MOST_ATTEMPTS
from tests.api.test_accounts import PASSWORD, a_key, accepted, an_email, enrolled, invited, signed_in
from tests.databases import Database
from tests.factories import an_account
from tests.factories_orders import prepare_instance

FEEDS, SESSION, ORDERS = "/api/v1/calendar/feeds", "/api/v1/session", "/api/v1/orders"


@pytest.fixture
async def http(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    await prepare_instance()
    yield client
    client.cookies.clear()


def from_elsewhere(http: httpx.AsyncClient, host: str) -> httpx.AsyncClient:
    """Another machine's client of the same application."""
    transport = httpx.ASGITransport(app=http._transport.app, client=(host, 1))  # type: ignore[attr-defined]
    return httpx.AsyncClient(transport=transport, base_url="http://sons.test")


async def test_a_secret_in_an_address_identifies_nobody(http: httpx.AsyncClient) -> None:
    """An address stays in logs, histories and referrers."""
    og = await an_account("og")
    page = await signed_in(http, await enrolled(http, og))
    names = ("access_token", "token", "authorization", "bearer", "api_key", COOKIE)
    for name, secret in itertools.product(names, (og.token, page.cookie, f"Bearer {og.token}")):
        answer = await http.get(ORDERS, params={name: secret})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert secret not in answer.text


async def test_a_cookie_of_another_name_or_given_twice_identifies_nobody(http: httpx.AsyncClient) -> None:
    """The prefix is what another host cannot plant: no other spelling of it is read."""
    page = await signed_in(http, await enrolled(http, await an_account("og")))
    names = ("__host-sons", "__Host-Sons", "__Secure-sons", "sons", "__Host-sons2", "$__Host-sons", "session")
    for name in names:
        answer = await http.get(SESSION, headers={"cookie": f"{name}={page.cookie}"})
        assert answer.status_code == 401, name
    for values in ((page.cookie, "A" * 43), ("A" * 43, page.cookie), (page.cookie, page.cookie)):
        sent = [("cookie", f"{COOKIE}={value}") for value in values]
        assert (await http.get(SESSION, headers=sent)).status_code == 401


async def test_the_secret_of_one_kind_does_not_serve_as_the_other(http: httpx.AsyncClient) -> None:
    og = await an_account("og")
    page = await signed_in(http, await enrolled(http, og))
    as_token = {"authorization": f"Bearer {page.cookie}"}
    assert (await http.get(SESSION, headers=as_token)).status_code == 401
    for secret in (og.token, og.token[:43], og.token[-43:]):
        assert (await http.get(SESSION, headers={"cookie": f"{COOKIE}={secret}"})).status_code == 401


async def test_a_read_does_not_become_a_write(http: httpx.AsyncClient) -> None:
    """A read passes without the CSRF token: nothing may turn it into something else."""
    page = await signed_in(http, await enrolled(http, await an_account("og")))
    names = ("x-http-method-override", "x-http-method", "x-method-override", "x-original-method")
    for header, method in itertools.product(names, ("POST", "DELETE")):
        answer = await page.get(FEEDS, **{header: method})
        assert (answer.status_code, answer.json()["feeds"]) == (200, [])
        assert (await page.get(f"{FEEDS}?_method={method}")).status_code in {200, 422}
        assert (await page.get(SESSION, **{header: method})).status_code == 200
    sessions = (await page.get("/api/v1/sessions")).json()["sessions"]
    paths = (FEEDS, SESSION, f"/api/v1/sessions/{sessions[0]['id']}/revoke")
    for path, method in itertools.product(paths, ("HEAD", "OPTIONS")):
        answer = await http.request(method, path, headers={"cookie": f"{COOKIE}={page.cookie}"})
        assert answer.status_code in {200, 204, 405}, (method, path)
    assert (await page.get(SESSION)).status_code == 200
    assert (await page.get(FEEDS)).json()["feeds"] == []


async def test_each_write_asks_for_our_origin_and_for_the_csrf_token(http: httpx.AsyncClient) -> None:
    page = await signed_in(http, await enrolled(http, await an_account("og")))
    for origin in (
        "http://sons.test.ailleurs.example", "http://ailleurs.example/sons.test", "http://sons.test:8443",
        "http://sons.test@ailleurs.example", "http://aisons.test", "https://", "sons.test", "null",
    ):  # fmt: skip
        assert (await page.send("POST", FEEDS, origin=origin)).status_code == 403, origin
        assert (await page.send("DELETE", SESSION, origin=origin)).status_code == 403, origin
    sent = {"cookie": f"{COOKIE}={page.cookie}", **a_key()}
    for method, path in (("DELETE", SESSION), ("POST", FEEDS), ("POST", "/api/v1/tokens")):
        answer = await http.request(method, path, headers=sent, json={"scopes": ["read"]})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
    assert (await page.get(SESSION)).status_code == 200


async def test_no_header_gives_more_tries(http: httpx.AsyncClient) -> None:
    wrong = {"email": an_email(), "password": "z" * 20, "code": "000000"}
    statuses = []
    for number in range(11):
        host = f"203.0.113.{number}"
        headers = dict.fromkeys(("x-forwarded-for", "x-real-ip", "x-client-ip", "client-ip"), host)
        answer = await http.post(SESSION, json=wrong, headers={**headers, "forwarded": f"for={host}"})
        statuses.append(answer.status_code)
    assert statuses == [401] * 10 + [429]


async def test_a_code_that_two_give_at_once_serves_one(http: httpx.AsyncClient) -> None:
    person = await enrolled(http, await an_account("og"))
    asked = person.sign_in()
    answers = await asyncio.gather(*(http.post(SESSION, json=asked) for _ in range(5)))
    http.cookies.clear()
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401, 401]


@pytest.mark.parametrize("password", [PASSWORD, "z" * 20], ids=["right", "wrong"])
async def test_codes_are_not_tried_from_everywhere_and_nobody_is_shut_out(
    http: httpx.AsyncClient, password: str
) -> None:
    """Of a million codes three are right: who has the password and many machines would find one in hours. Who
    has the address alone shuts nobody out."""
    person = await enrolled(http, await an_account("og"))
    for number in range(MOST_ATTEMPTS + 1):
        async with from_elsewhere(http, f"198.51.100.{number}") as thief:
            wrong = {"email": person.email, "password": password, "code": "000000"}
            answer = await thief.post(SESSION, json=wrong)
            assert answer.status_code == 401
    opened = await http.post(SESSION, json=person.sign_in())
    if password == PASSWORD:
        # the answer to whatever does not fit: it does not say that the password is right
        assert (opened.status_code, told(opened)) == (401, told(answer))
    else:
        assert opened.status_code == 201


def told(answer: httpx.Response) -> tuple[set[str], str]:
    return set(answer.headers), answer.text


async def test_an_invitation_is_no_session_and_a_session_no_invitation(http: httpx.AsyncClient) -> None:
    og = await an_account("og")
    secret = (await invited(http, og, an_email()))["secret"]
    page = await signed_in(http, await enrolled(http, og))
    for headers in ({"authorization": f"Bearer {secret}"}, {"cookie": f"{COOKIE}={secret}"}):
        assert (await http.get(SESSION, headers=headers)).status_code == 401
    for stolen in (page.cookie, og.token):
        assert (await accepted(http, stolen)).status_code in {404, 422}


async def test_a_role_taken_away_is_gone_from_the_session_that_has_it(
    http: httpx.AsyncClient, database: Database
) -> None:
    """Another role of the same person in the same organisation stays as it was."""
    admin = await an_account("admin")
    person = await enrolled(http, admin, role="pilot")
    page = await signed_in(http, person)
    assert (await page.get("/api/v1/queue")).status_code == 200
    owner = await database.connect_superuser()
    await owner.execute(
        "update sons.membership set removed_at = now() where role = 'pilot' and organisation_id = $1",
        admin.actor.organisation_id,
    )
    await owner.close()
    for path in (SESSION, "/api/v1/queue", ORDERS):
        assert (await page.get(path)).status_code == 401
    assert (await http.get(SESSION, headers=admin.headers)).status_code == 200
