"""schemathesis on the published document, through ASGI, by every role: no 5xx, nothing undocumented.

For each route of the document, cases that fit it and cases that break it somewhere. Half of them go to an
object that exists, from a role that the route admits, with few idempotency keys: some are replays. The others
go to whatever address was drawn, from each caller in turn. All are drawn before the first is sent, so that a
seed makes them again; a failure prints its request.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from typing import Any
from uuid import uuid4

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sons_tracker import app as application
from sons_tracker.api import openapi
from sons_tracker.api.contract import ANONYMOUS_ROLE, ROLES
from sons_tracker.api.security import COOKIE
from sons_tracker.operations.sessions import SECRET_LENGTH, csrf_of
from tests.api.bodies import body_of
from tests.api.rights_matrix import MATRIX
from tests.api.rights_world import World, make_world
from tests.databases import Database
from tests.factories import with_key
from tests.hostile.frame import APP, ROUTES, Route, answered

CASES = 20_000 if os.environ.get("TIER") == "full" else 2_000
SEEDS = (1, 2, 3)
URL = "http://sons.test"
SESSION = "session"
"""The caller who comes with a cookie and its CSRF token instead of a bearer token: the OG's person."""
CALLERS = (ANONYMOUS_ROLE, SESSION, *sorted(ROLES))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
IMPOSSIBLE: set[tuple[str, GenerationMode]] = set()
Open = Callable[[], Awaitable[dict[str, str]]]
SHOWN = {route.name: route for route in ROUTES if not route.contract.hidden}


@pytest.fixture(scope="module")
async def world(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> World:
    return await make_world(tmp_path_factory.mktemp("generated"))


@pytest.fixture(scope="module")
async def http(module_database: Database, world: World) -> AsyncIterator[httpx.AsyncClient]:
    app = application.create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=URL, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
async def opened(module_database: Database, world: World) -> AsyncIterator[Open]:
    """Opens a session of the OG's person, each time another: a case may end its own."""
    owner = await module_database.connect_superuser()
    actor = world.accounts["og"].actor

    async def one() -> dict[str, str]:
        secret = (uuid4().hex * 2)[:SECRET_LENGTH]
        await owner.execute(_A_SESSION, secret, actor.person_id, actor.organisation_id)
        return {"cookie": f"{COOKIE}={secret}", "x-csrf-token": csrf_of(secret)}

    yield one
    await owner.close()


_A_SESSION = """
insert into sons.session (id, sha256, person_id, organisation_id, role, auth_level, created_at, last_seen_at,
  expires_at, address_sha256)
values (gen_random_uuid(), sha256(convert_to($1, 'UTF8')), $2, $3, 'og', 'password_totp', now(), now(),
  now() + interval '1 d', sha256('a'))
"""


schemathesis.openapi.format("finess", st.from_regex(r"\A[0-9]{8}\Z").map(with_key))


@cache
def operations() -> tuple[Any, ...]:
    """What schemathesis read of the document."""
    # who asks is added by the sender: the tokens that a generator invents are all unknown
    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
    schema = schemathesis.openapi.from_dict(openapi.build(APP), config=config)
    return tuple(found.ok() for found in schema.get_all_operations())


@cache
def strategy(operation: Any, mode: GenerationMode) -> Any:
    """How the cases of a route are made: built once, it costs more than the cases."""
    return operation.as_strategy(generation_mode=mode)


def drawn(operation: Any, seed: int) -> list[Case]:
    """So many cases of a route, half of them wrong; a route that has few is asked them again, by others."""
    each = -(-CASES // len(SEEDS) // len(operations()))
    cases = _of(operation, GenerationMode.POSITIVE, seed, each // 2 + 1)
    cases += _of(operation, GenerationMode.NEGATIVE, seed, each // 2)
    return list(itertools.islice(itertools.cycle(cases), each))


def _of(operation: Any, mode: GenerationMode, seed: int, count: int) -> list[Case]:
    found: list[Case] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        database=None,
        deadline=None,
        max_examples=count + 1,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy(operation, mode))
    def take(case: Case) -> None:
        found.append(case)

    if (operation.label, mode) not in IMPOSSIBLE:
        try:
            take()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, operation.label  # nothing in it could be wrong
            IMPOSSIBLE.add((operation.label, mode))
    return found[1:] or found  # the first is the simplest one, whatever the seed


class Sender:
    """Sends the cases of a seed."""

    def __init__(self, seed: int, http: httpx.AsyncClient, world: World, opened: Open) -> None:
        self.seed, self.http, self.world, self.opened = seed, http, world, opened
        self.callers = itertools.cycle(CALLERS)

    async def send(self, number: int, route: Route, case: Case) -> tuple[str, httpx.Response]:
        """Who asked the case of that number of its route, and what was answered."""
        if number % 2:
            caller = next(self.callers)
        else:
            admitted = sorted(route.contract.access.roles)
            caller = admitted[(number // 2 + self.seed) % len(admitted)]
            self._reach(number, route, caller, case)
        headers = await self.opened() if caller == SESSION else dict(self.world.headers(caller))
        asked = requests.Request(**case.as_transport_kwargs(base_url=URL, headers=headers)).prepare()
        sent = self.http.build_request(
            case.method,
            str(asked.url),
            headers=[(name.encode(), _bytes(value)) for name, value in asked.headers.items()],
            content=asked.body or b"",
        )
        answer = await self.http.send(sent)
        self.http.cookies.clear()
        return caller, answer

    def _reach(self, number: int, route: Route, caller: str, case: Case) -> None:
        """An object that the caller may reach; in half of what fits, the body that the document shows."""
        known = {**self.world.objects.get(caller, {}), **self.world.shared}
        objects = MATRIX[route.name].objects
        case.path_parameters = {
            name: known.get(objects[name], value) for name, value in case.path_parameters.items()
        }
        if case.headers.get("Idempotency-Key"):
            case.headers["Idempotency-Key"] = f"{route.method}{route.path}-{number % 8}"
        right = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
        if right and number % 4 == 0 and route.contract.body is not None:
            case.body = body_of(route.contract, caller)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


@pytest.mark.scoreboard(7)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_answer_is_announced(
    http: httpx.AsyncClient, world: World, opened: Open, seed: int
) -> None:
    started = time.monotonic()
    cases = [(operation.label, drawn(operation, seed)) for operation in operations()]
    between = time.monotonic()
    sender = Sender(seed, http, world, opened)
    statuses: Counter[int] = Counter()
    asked_by: Counter[str] = Counter()
    succeeded: set[str] = set()
    for name, of_route in cases:
        route = SHOWN[name]
        for number, case in enumerate(of_route):
            caller, answer = await sender.send(number, route, case)
            case.validate_response(answer, checks=CHECKS)
            # the status may be announced and its code not
            told = f"seed {seed}, {name} {number} by {caller}: {answer.status_code} {answer.text[:500]}"
            assert answered(answer) in route.announced(), told
            statuses[answer.status_code] += 1
            asked_by[caller] += 1
            succeeded |= {name} if answer.is_success else set()
    print(
        f"seed {seed}: {statuses.total()} cases drawn in {between - started:.0f} s, sent in"
        f" {time.monotonic() - between:.0f} s, {dict(sorted(statuses.items()))};"
        f" {len(succeeded)} of {len(SHOWN)} routes succeeded; {dict(sorted(asked_by.items()))}"
    )
    assert statuses.total() >= CASES / len(SEEDS)
    assert set(asked_by) == set(CALLERS)
