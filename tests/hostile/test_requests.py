"""Hostile requests: the exact 4xx and its code, on every route; never a 5xx, never a half-write."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import httpx
import msgspec
import pytest

from sons_tracker import app as application
from sons_tracker.api.schemas.identity import ReturnQuery
from tests.api.bodies import body_of, put, texts
from tests.api.rights_world import World, make_world
from tests.databases import Database
from tests.hostile import corpus, files
from tests.hostile.frame import READERS, ROUTES, Route, answered, catalogue, digests
from tests.hostile.test_limits import RAW

LONGEST = 5.0
"""Seconds: shorter than the sleep that an injection asks for."""
WITH_PATH = [route for route in ROUTES if "{" in route.path]
WITH_QUERY = [route for route in ROUTES if route.contract.query is not None]
_keys = itertools.count(1)


@pytest.fixture(scope="module")
async def world(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> World:
    return await make_world(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
async def http(module_database: Database, world: World) -> AsyncIterator[httpx.AsyncClient]:
    app = application.create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test", timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
async def owner(module_database: Database) -> AsyncIterator[asyncpg.Connection]:
    con = await module_database.connect_superuser()
    yield con
    await con.close()


def headers(route: Route, world: World) -> dict[str, str]:
    return route.headers(world, f"hostile-{next(_keys)}")


def test_the_corpus_is_large_enough() -> None:
    """Inputs that somebody wrote down; those that a seed makes, and the pieces, are not counted."""
    sent = Counter(
        bodies=len(corpus.BODIES), types=len(corpus.CONTENT_TYPES), forms=len(corpus.FORMS),
        tokens=len(corpus.AUTHORIZATIONS), identifiers=len(corpus.IDENTIFIERS), returns=len(corpus.RETURNS),
        injections=len(corpus.INJECTIONS), raw=len(RAW), texts=sum(1 for _ in files.texts()),
        archives=sum(1 for _ in files.archives()),
    )  # fmt: skip
    print(sent.total(), dict(sent), f"{len(ROUTES)} routes, {len(READERS)} of them read a body")
    assert sent.total() >= 300


@pytest.mark.scoreboard(8)
@pytest.mark.parametrize("name", corpus.BODIES)
async def test_a_hostile_body_is_refused_by_every_route(
    http: httpx.AsyncClient, world: World, owner: asyncpg.Connection, name: str
) -> None:
    content, expected = corpus.BODIES[name]
    # what takes a second to send is sent to one route only
    routes = READERS if len(content) < 50_000 else READERS[:1]
    before = await digests(owner)
    for route in routes:
        sent = {**headers(route, world), "content-type": corpus.JSON}
        started = time.monotonic()
        answer = await http.request(route.method, route.address(), content=content, headers=sent)
        assert answered(answer) == expected, (route.name, answer.text)
        assert time.monotonic() - started < LONGEST, route.name
    assert await digests(owner) == before


@pytest.mark.parametrize("name", corpus.CONTENT_TYPES)
async def test_another_type_is_refused_by_every_route(
    http: httpx.AsyncClient, world: World, name: str
) -> None:
    for route in READERS:
        sent = {**headers(route, world), **corpus.CONTENT_TYPES[name]}
        answer = await http.request(route.method, route.address(), content=b"{}", headers=sent)
        assert answered(answer) == (415, "unsupported_media_type"), (route.name, answer.text)


@pytest.mark.scoreboard(8)
async def test_not_one_part_of_a_form_is_looked_at(
    http: httpx.AsyncClient, world: World, owner: asyncpg.Connection
) -> None:
    before = await digests(owner)
    for (name, (media_type, content)), route in zip(
        corpus.FORMS.items(), itertools.cycle(READERS), strict=False
    ):
        sent = {**headers(route, world), "content-type": media_type}
        started = time.monotonic()
        answer = await http.request(route.method, route.address(), content=content, headers=sent)
        assert answered(answer) == (415, "unsupported_media_type"), (name, route.name, answer.text)
        assert time.monotonic() - started < LONGEST, name
    assert await digests(owner) == before


async def test_no_token_that_is_none_passes_anywhere(http: httpx.AsyncClient) -> None:
    guarded = [route for route in ROUTES if route.contract.access.reads_token]
    for route, given in zip(itertools.cycle(guarded), corpus.AUTHORIZATIONS * 5, strict=False):
        sent = [(b"authorization", given.encode("latin-1", "replace"))]
        answer = await http.request(route.method, route.address(), headers=sent)
        assert answered(answer) == (401, "unauthenticated"), (route.name, given)


@pytest.mark.parametrize("route", WITH_PATH, ids=lambda route: route.name)
async def test_an_identifier_that_is_none_names_nothing(
    http: httpx.AsyncClient, world: World, owner: asyncpg.Connection, route: Route
) -> None:
    before = await digests(owner)
    body = body_of(route.contract, route.role)
    sent = {} if body is None else {"json": body}
    for value in corpus.IDENTIFIERS:
        started = time.monotonic()
        answer = await http.request(route.method, route.address(value), headers=headers(route, world), **sent)
        finess = "{finess}" in route.path and answered(answer) == (422, "invalid_identifier")
        assert finess or answered(answer) in {(404, "not_found"), (405, "method_not_allowed")}, (
            value,
            answer.text,
        )
        assert time.monotonic() - started < LONGEST, value
    assert await digests(owner) == before


@pytest.mark.parametrize("name", corpus.RETURNS)
async def test_a_hostile_file_of_the_bank_is_refused_and_moves_nothing(
    http: httpx.AsyncClient, world: World, owner: asyncpg.Connection, name: str
) -> None:
    before = await digests(owner)
    sent = {**world.headers("payer"), "idempotency-key": f"hostile-{next(_keys)}"}
    started = time.monotonic()
    answer = await http.post("/api/v1/bank-returns", json={"content": corpus.RETURNS[name]}, headers=sent)
    assert answered(answer) in {
        (409, "bank_return_refused"),
        (409, "action_refused"),
        (422, "invalid_request"),
    }
    assert time.monotonic() - started < LONGEST
    after = await digests(owner)
    assert {table for table in after if after[table] != before[table]} <= {"journal"}


async def test_an_object_has_one_address(http: httpx.AsyncClient, world: World) -> None:
    known = world.objects["editor"]["order"]
    path, sent = "/api/v1/orders/", world.headers("editor")
    assert (await http.get(path + known, headers=sent)).status_code == 200
    for alias in (f"urn:uuid:{known}", f"{{{known}}}", known.replace("-", ""), f"{known}%0a", f"-{known}"):
        assert answered(await http.get(path + alias, headers=sent)) == (404, "not_found"), alias


async def test_a_thousand_forms_of_idempotency_key(http: httpx.AsyncClient, world: World) -> None:
    route = next(one for one in ROUTES if one.name == "POST /api/v1/orders/{order_id}/contest")
    for key, valid in corpus.idempotency_keys(1_000, seed=8):
        sent = [(b"idempotency-key", key), (b"content-type", b"application/json")]
        sent += [(name.encode(), value.encode()) for name, value in world.headers(route.role).items()]
        answer = await http.post(route.address(), headers=sent, json=body_of(route.contract))
        expected = (404, "not_found") if valid else (422, "idempotency_key_invalid")
        assert answered(answer) == expected, key
    twice = [*sent, (b"idempotency-key", b"a"), (b"idempotency-key", b"b")]
    answer = await http.post(route.address(), headers=twice, json=body_of(route.contract))
    assert answered(answer) == (422, "idempotency_key_invalid")


@pytest.mark.parametrize("route", WITH_QUERY, ids=lambda route: route.name)
async def test_a_hostile_query_is_unfit(
    http: httpx.AsyncClient, world: World, owner: asyncpg.Connection, route: Route
) -> None:
    names = [field.encode_name for field in msgspec.structs.fields(route.contract.query)]
    strings = ["%00", "%ff", "x" * 9_000, "%ed%a0%80", "%0d%0a"]
    hostile = [f"{name}={value}" for name in names for value in strings]
    hostile += [f"{name}=1&{name}=1" for name in names]
    hostile += [f"{name}={value}" for name in names if name in {"limit", "size"} for value in _NOT_NUMBERS]
    hostile += ["inconnu=1", "__proto__=1", "%00=1", "=", "limit[]=1", "a" * 20_000 + "=1"]
    hostile += ["&".join(f"p{n}=1" for n in range(2_000))]
    before = await digests(owner)
    body = body_of(route.contract, route.role)
    sent = {} if body is None else {"json": body}
    for query in hostile:
        started = time.monotonic()
        address = f"{route.address()}?{query}"
        answer = await http.request(route.method, address, headers=headers(route, world), **sent)
        # what came back from a provider of identity is asked of the browser that left, whatever it brings
        fit = {404, 422, 401} if route.contract.query is ReturnQuery else {404, 422}
        assert answered(answer)[0] in fit, (query[:80], answer.text[:300])
        assert answered(answer) in route.announced(), (query[:80], answer.text[:300])
        assert time.monotonic() - started < LONGEST, query[:80]
    assert await digests(owner) == before


_NOT_NUMBERS = ("0", "-1", "1.5", "1e3", "0x10", "٣", "", "%20", "NaN", "9" * 18, "9" * 19, "9" * 5_000)


@pytest.mark.parametrize("route", READERS, ids=lambda route: route.name)
async def test_sql_in_every_text_of_a_body_is_text(
    http: httpx.AsyncClient, world: World, owner: asyncpg.Connection, route: Route
) -> None:
    before = await catalogue(owner)
    body = body_of(route.contract, route.role)
    for place, _ in texts(body):
        for injection in corpus.INJECTIONS:
            started = time.monotonic()
            answer = await http.request(
                route.method, route.address(), json=put(body, place, injection), headers=headers(route, world)
            )
            assert answered(answer) in route.announced(), (place, answer.text)
            assert time.monotonic() - started < LONGEST, place
    assert await catalogue(owner) == before
    assert await owner.fetchval("select count(*) from sons.journal") > 0


@pytest.mark.parametrize("route", WITH_QUERY, ids=lambda route: route.name)
async def test_sql_in_every_parameter_is_text(
    http: httpx.AsyncClient, world: World, owner: asyncpg.Connection, route: Route
) -> None:
    before = await catalogue(owner)
    body = body_of(route.contract, route.role)
    sent = {} if body is None else {"json": body}
    for field in msgspec.structs.fields(route.contract.query):
        for injection in corpus.INJECTIONS:
            started = time.monotonic()
            answer = await http.request(
                route.method,
                route.address(),
                params={field.encode_name: injection},
                headers=headers(route, world),
                **sent,
            )
            assert answered(answer) in route.announced(), (field.encode_name, answer.text)
            assert time.monotonic() - started < LONGEST, field.encode_name
    assert await catalogue(owner) == before
