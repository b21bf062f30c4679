"""Requests made from the OpenAPI document, by every role: no 5xx, no answer that the document lacks.

Each case takes a route, a role, objects that exist or not, and a body and a query that are valid, or wrong in
one place. A failure prints its seed and its case: `CASE=seed:number` plays it alone.
"""

from __future__ import annotations

import os
import random
import string
import time
from collections import Counter
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import httpx
import msgspec
import pytest
from jsonschema import Draft202012Validator

from sons_tracker import app as application
from sons_tracker.api import openapi
from sons_tracker.api.contract import ANONYMOUS_ROLE, ROLES
from tests.api.bodies import body_of, put, texts
from tests.api.rights_matrix import MATRIX
from tests.api.rights_world import World, make_world
from tests.databases import Database
from tests.hostile.frame import APP, NOBODY, ROUTES, Route, answered

CASES = 20_000 if os.environ.get("TIER") == "full" else 2_000
SEEDS = (1, 2, 3)
DOCUMENT: dict[str, Any] = openapi.build(APP)
EVERYONE = (ANONYMOUS_ROLE, *sorted(ROLES))
# Dates, amounts and numbers at the edges of what is read; texts that mean something elsewhere.
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**31 - 1, 2**63, 2**64, 1.5, 1e308, "", " ", "a", "0", "-1", "null",
    "0001-01-01", "9999-12-31", "2024-02-29", "2023-02-29", "2022-06-01T00:00:00+00:00", "0.00", "-0.01",
    "999999999.99", "1232.00", "010780054", "2A0000014", "990000010", "MS1-V1", "MS9-V9", NOBODY, "é",
    "\u202e", "x" * 201, "x" * 2_001, "a" * 64, [], {}, [None], {"a": 1}, [[]], ["a"] * 3,
)  # fmt: skip
_SHOWN = [route for route in ROUTES if not route.contract.hidden]


@pytest.fixture(scope="module")
async def world(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> World:
    return await make_world(tmp_path_factory.mktemp("generated"))


@pytest.fixture(scope="module")
async def http(module_database: Database, world: World) -> AsyncIterator[httpx.AsyncClient]:
    app = application.create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test", timeout=60) as client:
        yield client


@cache
def validator(path: str, method: str, status: int) -> Draft202012Validator | None:
    """What the document says of the JSON of an answer; None where it promises none."""
    answer = DOCUMENT["paths"][path][method.lower()]["responses"].get(str(status), {})
    for media_type in ("application/json", "application/problem+json"):
        schema = answer.get("content", {}).get(media_type, {}).get("schema")
        if schema:
            return Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    return None


class Maker:
    """The requests of one seed."""

    def __init__(self, seed: int, world: World) -> None:
        self.seed, self.world = seed, world

    def case(self, number: int) -> tuple[Route, str, dict[str, Any]]:
        """The route, the role and the arguments of a request; the same for the same seed and number."""
        chance = random.Random(f"{self.seed}:{number}")
        route = chance.choice(_SHOWN)
        admitted = sorted(route.contract.access.roles)
        role = chance.choice(admitted) if chance.random() < 0.9 else chance.choice(EVERYONE)
        headers = dict(self.world.headers(role))
        if route.contract.headers and chance.random() < 0.97:
            headers["Idempotency-Key"] = (
                f"generated-{self.seed}-{chance.choice((number, number, number % 50))}"
            )
        sent: dict[str, Any] = {"headers": headers, "params": self._query(chance, route)}
        body = body_of(route.contract, role)
        if body is not None:
            sent["json"] = self._changed(chance, body)
        sent["url"] = self._address(chance, route, role)
        return route, role, sent

    def _address(self, chance: random.Random, route: Route, role: str) -> str:
        """Its own object, another's, none, or what is no identifier."""
        mine = {**self.world.objects.get(role, {}), **self.world.shared}
        known = chance.choice((mine, mine, mine, {**mine, **self.world.others.get(role, {})}, {}))
        path = route.path
        for parameter, name in MATRIX[route.name].objects.items():
            value = known.get(name, chance.choice((NOBODY, "1", "x y", "é", "MS1-V1", "990000010")))
            path = path.replace("{" + parameter + "}", value)
        return path

    def _query(self, chance: random.Random, route: Route) -> dict[str, str]:
        if route.contract.query is None or chance.random() < 0.3:
            return {}
        schema = msgspec.json.schema(route.contract.query)["$defs"][route.contract.query.__name__]
        return {
            name: self._parameter(chance, one)
            for name, one in schema["properties"].items()
            if chance.random() < 0.3
        }

    def _parameter(self, chance: random.Random, schema: dict[str, Any]) -> str:
        branches = [schema, *schema.get("anyOf", ())]
        fitting = [
            str(value) for one in branches for value in (*one.get("enum", ()), *one.get("examples", ()))
        ]
        if fitting and chance.random() < 0.7:
            return chance.choice(fitting)
        odd = chance.choice(ODD)
        return odd if isinstance(odd, str) else str(odd).lower()

    def _changed(self, chance: random.Random, body: Any) -> Any:
        """The body as it is, or with something else in one or two places, or with more, or with less."""
        for _ in range(chance.choice((0, 0, 1, 1, 1, 2))):
            places = [place for place, _ in texts(body)] or [()]
            wanted = chance.choice(ODD) if chance.random() < 0.7 else self._text(chance)
            body = put(body, chance.choice(places), wanted)
        if isinstance(body, dict) and body and chance.random() < 0.15:
            name = chance.choice(list(body))
            body = {key: value for key, value in body.items() if key != name}
        if isinstance(body, dict) and chance.random() < 0.05:
            body = {**body, self._text(chance): chance.choice(ODD)}
        return body

    def _text(self, chance: random.Random) -> str:
        letters = string.printable + "éàçœ€’«»\u00a0\u202f\u200b\U0001f600"
        return "".join(chance.choices(letters, k=chance.randint(0, 40)))


@pytest.mark.scoreboard(7)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_answer_is_announced(http: httpx.AsyncClient, world: World, seed: int) -> None:
    made, started = Maker(seed, world), time.monotonic()
    statuses: Counter[int] = Counter()
    only = os.environ.get("CASE", "")
    cases = -(-CASES // len(SEEDS))
    numbers = [int(only.partition(":")[2])] if only.startswith(f"{seed}:") else range(0 if only else cases)
    for number in numbers:
        route, role, sent = made.case(number)
        answer = await http.request(route.method, **sent)
        told = f"CASE={seed}:{number} {role} {route.name} {sent} → {answer.status_code} {answer.text[:500]}"
        assert answer.status_code < 500, told
        statuses[answer.status_code] += 1
        assert answered(answer) in route.announced(), told
        expected = validator(route.path, route.method, answer.status_code)
        if expected is not None and "json" in answer.headers.get("content-type", ""):
            assert not list(expected.iter_errors(answer.json())), told
    print(f"seed {seed}: {cases} cases, {dict(sorted(statuses.items()))}, {time.monotonic() - started:.0f} s")
