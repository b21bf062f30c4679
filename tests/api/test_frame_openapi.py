"""The published document: whole, valid, and played. Each example of each route is really sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from litestar import Litestar

from sons_tracker import app as application
from sons_tracker.api import openapi
from sons_tracker.api.contract import Contract, Example
from sons_tracker.api.schemas.identity import ReturnQuery
from sons_tracker.settings import Settings
from tests.api.examples_world import make_world
from tests.databases import Database

APP: Litestar = application.create_app(Settings.from_env({"HOME": "/nonexistent"}), connect=False)
DOCUMENT: dict[str, Any] = openapi.build(APP)
ROUTES = [one for one in openapi.routes(APP) if not one[2].hidden]
EXAMPLES = [
    pytest.param(method, path, contract, example, id=f"{method} {path} {example.name}")
    for path, method, contract in ROUTES
    for example in contract.examples
]
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield f"{method} {path}", operation


def nodes(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def test_every_route_is_documented_with_words() -> None:
    assert {(method.lower(), path) for path, method, _ in ROUTES} == {
        (method, path) for path, item in DOCUMENT["paths"].items() for method in item
    }
    for name, operation in operations():
        assert operation["summary"], name
        assert operation["tags"], name
        # the return from a provider of identity succeeds by sending the browser on
        assert any(status[0] in "23" for status in operation["responses"]), name
        assert all(answer["description"] for answer in operation["responses"].values()), name
    identifiers = [operation["operationId"] for _, operation in operations()]
    assert len(set(identifiers)) == len(identifiers)


def test_every_path_parameter_is_declared_once() -> None:
    for name, operation in operations():
        declared = [one["name"] for one in operation.get("parameters", []) if one["in"] == "path"]
        assert sorted(declared) == sorted(re.findall(r"\{(\w+)\}", name)), name
        keys = [(one["in"], one["name"]) for one in operation.get("parameters", [])]
        assert len(set(keys)) == len(keys), name


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    for node in nodes(DOCUMENT):
        if isinstance(node.get("$ref"), str):
            _, _, kind, name = node["$ref"].split("/")
            assert name in DOCUMENT["components"][kind]
    for name, schema in DOCUMENT["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema.get("description") or schema.get("enum"), f"{name} says nothing of itself"


OPEN = {ReturnQuery}
"""A provider of identity may add what it wants to the address that it sends back to."""


def test_bodies_and_queries_refuse_what_they_do_not_know() -> None:
    for path, _, contract in ROUTES:
        for type_ in (contract.body, contract.query):
            if type_ is not None:
                schema = DOCUMENT["components"]["schemas"][type_.__name__]
                closed = type_ not in OPEN
                assert (schema.get("additionalProperties") is False) is closed, (path, type_)


def test_examples_of_bodies_are_what_the_schema_says() -> None:
    for name, operation in operations():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        valid = {
            example.name
            for path, method, contract in ROUTES
            if f"{method.lower()} {path}" == name
            for example in contract.examples
            if example.status not in {400, 422}
        }
        for key, example in content.get("examples", {}).items():
            if key in valid:
                validator(content["schema"]).validate(example["value"])


def test_the_document_is_served_as_it_was_built() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert len(APP.state.openapi) > 1000


@pytest.fixture
async def world(database: Database) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, str]]]:
    """The application on a database where the examples have what they speak of, and a token per role."""
    tokens = await make_world(database)
    transport = httpx.ASGITransport(app=APP, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as client:
        yield client, tokens


@pytest.mark.parametrize(("method", "path", "contract", "example"), EXAMPLES)
async def test_each_example_is_played(
    world: tuple[httpx.AsyncClient, dict[str, str]],
    method: str,
    path: str,
    contract: Contract,
    example: Example,
) -> None:
    client, tokens = world
    headers = dict(example.headers)
    if example.role is not None:
        headers["Authorization"] = f"Bearer {tokens[example.role]}"
    body = {} if example.body is None else {"json": example.body}
    if isinstance(example.body, bytes):
        body = {"content": example.body}
    answer = await client.request(
        method, path.format(**example.path), params=dict(example.query), headers=headers, **body
    )
    assert answer.status_code == example.status, answer.text
    operation = DOCUMENT["paths"][path][method.lower()]
    media_type = answer.headers["content-type"].partition(";")[0]
    documented = operation["responses"][str(example.status)]["content"][media_type]
    validator(documented["schema"]).validate(answer.json())


async def test_the_page_needs_nothing_from_elsewhere() -> None:
    transport = httpx.ASGITransport(app=APP)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as client:
        page = await client.get("/documentation")
        assert "unsafe" not in page.headers["content-security-policy"]
        linked = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
        assert "/documentation/page.js" in linked
        for address in linked:
            assert address.startswith("/")
            assert (await client.get(address)).status_code == 200
    for name in ("page.html", "page.css", "page.js"):
        text = (files("sons_tracker.api") / "static" / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert "innerHTML" not in text
        assert " style=" not in text
        assert not re.search(r"<script(?! src=)", text)
        assert not re.search(r"\son\w+=", text)
