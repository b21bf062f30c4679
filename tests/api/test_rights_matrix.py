"""Every route × every role × {its own, another organisation's, unknown}: what is answered, and alike.

The routes are read from the router, what is expected from `rights_matrix`: a route without a line fails.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from sons_tracker import app as application
from sons_tracker.api import openapi
from sons_tracker.api.contract import ANONYMOUS_ROLE, ROLES, Contract
from sons_tracker.cli.demonstration.openid_provider import Provider, configured
from sons_tracker.db.engine import transaction
from sons_tracker.delivery.openid import OpenIdClient
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.rules.rights import RIGHTS, SCHEDULER, Reach, reach, right
from tests.api.bodies import body_of
from tests.api.rights_matrix import ALL, MATRIX, NOBODY, OF_THE_SCHEDULER, WITHOUT_ROUTE, Row
from tests.api.rights_rows import APART, NOT_IN_THE_WORLD, SEEN, WIDER
from tests.api.rights_world import World, make_world
from tests.databases import Database

UNKNOWN = "00000000-0000-4000-8000-0000000000ff"
UNKNOWN_FINESS = "010000024"
ALL_ROLES = (ANONYMOUS_ROLE, *sorted(ROLES))
ROUTES = {
    f"{method} {path}": contract
    for path, method, contract in openapi.routes(
        application.create_app(Database("", "", "", None, "").settings, connect=False)
    )
}
# What a route finds by a word or a number of its own, not by an identifier of ours.
PUBLIC_OBJECTS = {
    "asset": "page.css", "problem": "not_found", "parameter": "MS1-V1.bareme", "dispositif": "MS1-V1",
}  # fmt: skip
# An ESSMS that no extraction shows is answered as such (200), and what is engaged on it: no 404 is due.
ANSWERS_UNKNOWN = {"GET /api/v1/essms/{finess}"}
# What the query must say where a default would not do.
QUERIES = {
    "GET /api/v1/finess/differences": {"earlier": "2022-01-03", "later": "2023-01-03"},
    "GET /api/v1/delegations/text/{receiver_id}": {
        "acts": "va", "from_on": "2023-05-01", "until_on": "2023-05-31",
    },
}  # fmt: skip
# The body names what is not there, or is not one's own: an OG simulates for itself only; a
# token is no session.
NAMED_IN_THE_BODY = {
    "POST /api/v1/saved-views/removal": 404,
    "POST /api/v1/simulations": 403,
    "POST /api/v1/session": 401,
    "DELETE /api/v1/session": 403,
    "POST /api/v1/session/role": 403,
    "POST /api/v1/account/identities": 403,
    "POST /api/v1/account/password": 403,
    "POST /api/v1/account/second-factor": 403,
    "POST /api/v1/account/second-factor/confirmation": 403,
    "POST /api/v1/members/removal": 404,
    "POST /api/v1/members/responsibility": 404,
    "POST /api/v1/delegations": 404,
    "POST /api/v1/invitations/acceptance": 404,
    "POST /api/v1/invitations/confirmation": 404,
    "POST /api/v1/invitations/joining": 404,
}
# Reached from a provider of identity alone, with what was given to the browser that left.
COMES_FROM_ELSEWHERE = {"GET /api/v1/session/oidc/callback": 401}
_keys = itertools.count(1)


@pytest.fixture(scope="module")
async def asked(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[httpx.AsyncClient, World]]:
    """The application, and a world where each role has something of its own."""
    world = await make_world(tmp_path_factory.mktemp("rights"))
    settings = replace(module_database.settings, identity_providers=(configured(),))
    app = application.create_app(settings, connect=False)
    app.state.openid = OpenIdClient("https://sons.test", httpx.ASGITransport(app=Provider().app))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as client:
        yield client, world
    await app.state.openid.aclose()


def test_every_route_has_its_line_and_every_line_its_route() -> None:
    assert sorted(ROUTES) == sorted(MATRIX)


@pytest.mark.parametrize("route", sorted(MATRIX))
def test_the_table_says_whom_the_contract_admits(route: str) -> None:
    row, access = MATRIX[route], ROUTES[route].access
    admitted = access.roles if access.reads_token else frozenset(ALL_ROLES)
    assert row.who == admitted
    assert set(row.objects) == set(re.findall(r"\{(\w+)\}", route))
    assert row.relation != NOBODY or not row.objects
    assert not access.reads_token or row.relation != ALL or row.who <= ROLES


@pytest.mark.parametrize("route", sorted(MATRIX))
def test_the_table_of_rights_says_the_same(route: str) -> None:
    """Two tables, one written by hand route by route and one read by the guard and the operations."""
    row, action = MATRIX[route], ROUTES[route].access.action
    reaches = right(action).reaches  # an action that does not exist, or none, fails
    assert {role: reaches[role].value for role in reaches if role != SCHEDULER} == {
        role: row.reach(role) for role in row.who
    }


def test_the_table_of_rights_says_the_same_of_what_no_route_does() -> None:
    by_routes = {contract.access.action for contract in ROUTES.values()}
    assert by_routes.isdisjoint(WITHOUT_ROUTE)
    assert by_routes | set(WITHOUT_ROUTE) == set(RIGHTS)
    for action, expected in WITHOUT_ROUTE.items():
        reaches = right(action).reaches
        assert {role: reaches[role].value for role in reaches if role != SCHEDULER} == expected, action
    assert {one.action: one.reaches[SCHEDULER] for one in RIGHTS.values() if SCHEDULER in one.reaches} == (
        dict.fromkeys(OF_THE_SCHEDULER, Reach.ALL)
    )


async def ask(
    client: httpx.AsyncClient, world: World, route: str, role: str, names: dict[str, str]
) -> httpx.Response:
    method, _, path = route.partition(" ")
    contract: Contract = ROUTES[route]
    headers = dict(world.headers(role))
    if contract.headers:
        headers["Idempotency-Key"] = f"matrix-{next(_keys)}"
    body = body_of(contract, role)
    sent: dict[str, Any] = {} if body is None else {"json": body}
    if contract.file is not None:
        shown = contract.examples[0]
        sent = {"content": shown.body}
        headers |= shown.headers
    return await client.request(
        method, path.format(**names), headers=headers, params=QUERIES.get(route, {}), **sent
    )


def named(row: Row, objects: Any) -> dict[str, str]:
    """The values of the path; unknown where nothing is given."""
    nothing = {"finess": UNKNOWN_FINESS, "essms": UNKNOWN_FINESS}
    return {p: objects.get(name, nothing.get(name, UNKNOWN)) for p, name in row.objects.items()}


def told(answer: httpx.Response, names: dict[str, str]) -> tuple[Any, ...]:
    """What an answer tells, but for the identifiers that were asked and the number of the incident."""
    text = answer.text
    for value in names.values():
        text = text.replace(value, "·")
    sent = {name for name in answer.headers if name != "content-length"}
    return answer.status_code, re.sub(r'"instance":"[^"]*"', "", text), sent


@pytest.mark.scoreboard(9)
@pytest.mark.parametrize("route", sorted(MATRIX))
async def test_each_role_reaches_its_own_and_nothing_else(
    asked: tuple[httpx.AsyncClient, World], route: str
) -> None:
    client, world = asked
    row, contract = MATRIX[route], ROUTES[route]
    for role in ALL_ROLES:
        mine = {**PUBLIC_OBJECTS, **world.objects.get(role, {}), **world.shared}
        theirs = {**mine, **world.others.get(role, {}), **world.shared}
        if role not in row.who:
            expected = 401 if role == ANONYMOUS_ROLE else 403
            for objects in (mine, theirs, {}):
                answer = await ask(client, world, route, role, named(row, objects))
                assert answer.status_code == expected, (role, answer.text)
            continue
        if row.objects and route not in ANSWERS_UNKNOWN:
            nothing = named(row, {})
            unknown = await ask(client, world, route, role, nothing)
            assert unknown.status_code == 404, (role, unknown.text)
            if not row.reaches_all(role):
                foreign = named(row, theirs)
                refused = await ask(client, world, route, role, foreign)
                assert told(refused, foreign) == told(unknown, nothing), role
                for parameter in list(foreign)[1:]:  # one's own case, and somebody else's piece of it
                    crossed = {**named(row, mine), parameter: foreign[parameter]}
                    answer = await ask(client, world, route, role, crossed)
                    assert answer.status_code == 404, (role, parameter, answer.text)
            else:
                await reached(client, world, route, role, named(row, theirs), contract)
        await reached(client, world, route, role, named(row, mine), contract)


async def reached(
    client: httpx.AsyncClient,
    world: World,
    route: str,
    role: str,
    names: dict[str, str],
    contract: Contract,
) -> None:
    """What the role may reach answers as its contract announces; an act may be too late or too early."""
    answer = await ask(client, world, route, role, names)
    if route.startswith("GET "):
        possible = set(contract.answers) or {200, 303, 307}
        assert answer.status_code in possible | {COMES_FROM_ELSEWHERE.get(route, 200)}, (role, answer.text)
    else:
        possible = {*contract.answers, 409, 422, NAMED_IN_THE_BODY.get(route, 409)}
        assert answer.status_code in possible, (role, answer.text)
        announced = {error.value.code for error in contract.all_errors()}
        assert answer.status_code in contract.answers or answer.json()["code"] in announced, answer.text


async def test_row_security_says_the_table_of_rights_again(
    asked: tuple[httpx.AsyncClient, World],
) -> None:
    """Who has not an action, or not on everything, is not even shown what it would read of others."""
    _, world = asked
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        forced = {row[0] for row in await con.fetch(_FORCED)}
    assert set(SEEN) | set(APART) == forced
    shown: dict[str, int] = dict.fromkeys(SEEN, 0)
    wider = set()
    for role, account in sorted(world.accounts.items()):
        actor = account.actor
        for table, (action, owned) in SEEN.items():
            async with transaction(actor.context, read_only=True) as con:
                own, others = await con.fetchrow(
                    f"select count(*) filter (where {owned}), count(*) filter (where not ({owned}))"
                    f" from sons.{table} t where $1::uuid is not null and $2::uuid is not null",
                    actor.organisation_id,
                    actor.person_id,
                )
            shown[table] += own + others
            if reach(role, action) is Reach.ALL:
                assert shown[table] == 0 or others > 0, (role, table, "sees nothing of others")
            elif others:
                wider.add((role, action))
    assert wider == {(role, action) for action, (roles, _) in WIDER.items() for role in roles}
    assert {table for table, rows in shown.items() if rows == 0} <= NOT_IN_THE_WORLD


_FORCED = """
select c.relname from pg_class c where c.relnamespace = 'sons'::regnamespace and c.relforcerowsecurity
"""


def test_the_size_of_the_matrix() -> None:
    cells = sum(3 if row.objects else 1 for row in MATRIX.values()) * len(ALL_ROLES)
    print(f"{len(MATRIX)} routes, {len(ALL_ROLES)} roles, {cells} cells")
    assert cells > 2_000
