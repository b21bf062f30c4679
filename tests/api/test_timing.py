"""What the clock tells: what is foreign answers as late as what is unknown, a known account as no account."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sons_tracker import app as application
from tests.api.bodies import body_of
from tests.api.rights_matrix import MATRIX
from tests.api.rights_world import World, make_world
from tests.api.test_accounts import enrolled
from tests.api.timing import apart
from tests.databases import Database
from tests.factories import an_account
from tests.hostile.frame import NOBODY, ROUTES

ROUNDS, SIGN_INS = 30, 14
WRITES = {
    "POST /api/v1/orders/{order_id}/advance-request", "POST /api/v1/orders/{order_id}/contest",
    "POST /api/v1/reservations/{reservation_id}/drop", "POST /api/v1/notices/{notice_id}/replay",
    "POST /api/v1/suppliers/{supplier_id}/bank-account-changes/{change_id}/confirm",
    "POST /api/v1/sessions/{session_id}/revoke", "POST /api/v1/tokens/{token_id}/revoke",
    "POST /api/v1/webhooks/{webhook_id}/ping",
    "POST /api/v1/conflicts/{conflict_id}/questions/{question_id}/answer",
}  # fmt: skip
# Asked by a number of the register, or with a query: what is unknown answers more than a 404.
APART = {"GET /api/v1/essms/{finess}/explanation", "GET /api/v1/delegations/text/{receiver_id}"}
Asked = tuple[httpx.AsyncClient, World]
_keys, _hosts = itertools.count(1), itertools.count(1)


@pytest.fixture(scope="module")
async def asked(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asked]:
    world = await make_world(tmp_path_factory.mktemp("timing"))
    app = application.create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test", timeout=60) as client:
        yield client, world


def who(name: str) -> str | None:
    """A role that the route admits and that does not reach what is another organisation's."""
    row = MATRIX[name]
    return next((role for role in sorted(row.who) if not row.reaches_all(role)), None)


TIMED = [
    route
    for route in ROUTES
    if MATRIX[route.name].objects
    and route.name not in APART
    and who(route.name) is not None
    and (route.method == "GET" or route.name in WRITES)
]


@pytest.mark.parametrize("route", TIMED, ids=lambda route: route.name)
async def test_what_is_foreign_takes_as_long_as_what_is_unknown(asked: Asked, route: Any) -> None:
    client, world = asked
    role, objects = who(route.name), MATRIX[route.name].objects
    assert role is not None
    theirs, body = world.others[role], body_of(route.contract, role)
    assert set(objects.values()) <= set(theirs)

    async def ask(known: dict[str, str]) -> None:
        headers = dict(world.headers(role))
        if route.contract.headers:
            headers["Idempotency-Key"] = f"timing-{next(_keys)}"
        path = route.path.format(**{name: known.get(kind, NOBODY) for name, kind in objects.items()})
        answer = await client.request(route.method, path, headers=headers, json=body)
        assert answer.status_code == 404, answer.text

    different, measures = await apart(lambda: ask(dict(theirs)), lambda: ask({}), ROUNDS)
    print(f"{route.name} by {role}: foreign and unknown {measures[-1]}")
    assert not different, [str(one) for one in measures]


async def test_a_difference_would_be_seen(asked: Asked) -> None:
    client, world = asked

    async def once() -> None:
        await client.get(f"/api/v1/orders/{NOBODY}", headers=world.headers("editor"))

    async def more() -> None:
        for _ in range(4):
            await once()

    different, measures = await apart(more, once, ROUNDS)
    assert different, [str(one) for one in measures]


@pytest.mark.parametrize("wrong", ["address", "code"])
async def test_a_wrong_password_takes_as_long_as_a_wrong(asked: Asked, wrong: str) -> None:
    client, _ = asked
    person = await enrolled(client, await an_account("og"))
    nothing = {"password": "y" * 20, "code": "000000"}
    other = {
        "address": person.sign_in(**nothing, email="inconnue@example.org"),
        "code": person.sign_in(code="000000"),
    }[wrong]

    async def ask(body: dict[str, Any]) -> None:
        # tries are counted by account and address
        app, host = client._transport.app, f"2001:db8:{next(_hosts):x}::1"  # type: ignore[attr-defined]
        transport = httpx.ASGITransport(app=app, client=(host, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://sons.test", timeout=60) as one:
            answer = await one.post("/api/v1/session", json=body)
        assert answer.status_code == 401, answer.text

    password = person.sign_in(**nothing)
    different, measures = await apart(lambda: ask(password), lambda: ask(other), SIGN_INS)
    print(f"wrong password and wrong {wrong}: {measures[-1]}")
    assert not different, [str(one) for one in measures]
