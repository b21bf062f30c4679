"""A body that a route reads, made from the type that its contract announces: valid, and as short as can be.

The same walk gives every text of a body its place, so that a test can put anything else there.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from sons_tracker.api import strict
from sons_tracker.api.contract import Contract
from sons_tracker.errors import SonsError

Place = tuple[str | int, ...]

# What a pattern or a format asks for: the schema says the form, not an instance of it.
_BY_FORMAT = {
    "date": "2022-06-01",
    "date-time": "2022-06-01T10:00:00+02:00",
    "finess": "990000010",
    "uuid": "00000000-0000-4000-8000-00000000000a",
}
_BY_PATTERN = (
    "Texte",
    "R05",
    "123.00",
    "a" * 64,
    "2022-06-01",
    "2022-06-01T10:00:00+02:00",
    "990000010",
    "SIREN",
    "00000000-0000-4000-8000-00000000000a",
    "https://example.org/receveur",
    "FR7630006000011234567890189",
    "BNPAFRPPXXX",
    "123456789",
    "A",
    "dGV4dGU=",
)


# What a schema cannot say: of two ways to ask, one.
_CHOSEN = {"ReplayIn": {"since": "2023-03-01T00:00:00+01:00", "until": "2023-03-02T00:00:00+01:00"}}


def body_of(contract: Contract, role: str | None = None) -> Any:
    """A valid body for a route, None when it reads none: an example of its contract, that of this role when
    there is one, else what is made here."""
    if contract.body is None:
        return None
    if contract.body.__name__ in _CHOSEN:
        return dict(_CHOSEN[contract.body.__name__])
    shown = sorted(contract.examples, key=lambda example: example.role != role)
    bodies = (one.body for one in shown if one.body is not None and one.status != 422)
    found = next((body for body in bodies if accepted(body, contract.body)), None)
    return made(contract.body) if found is None else copy.deepcopy(found)


def accepted(body: Any, type_: Any) -> bool:
    """Whether the strict reader takes it."""
    try:
        strict.validate(body, type_)
    except SonsError:
        return False
    return True


def made(type_: Any) -> Any:
    """The shortest valid value of a type.

    Raises:
        SonsError: what was made is not valid; a new pattern needs a line above.
    """
    schema = msgspec.json.schema(type_)
    value = _value(schema, schema.get("$defs", {}))
    strict.validate(value, type_)
    return value


def _value(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _value(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], defs)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("examples"):
        return schema["examples"][0]
    match schema.get("type"):
        case "object":
            needed = schema.get("required", ())
            return {name: _value(schema["properties"][name], defs) for name in needed}
        case "array":
            return [_value(schema["items"], defs) for _ in range(schema.get("minItems", 0))]
        case "integer":
            return schema.get("minimum", 1)
        case "number":
            return schema.get("minimum", 1.5)
        case "boolean":
            return True
        case "string":
            return _text(schema)
        case _:
            return None


def _text(schema: Mapping[str, Any]) -> str:
    if "format" in schema:
        return _BY_FORMAT[schema["format"]]
    pattern = re.compile(schema.get("pattern", ""))
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 10_000)
    return next(one for one in _BY_PATTERN if shortest <= len(one) <= longest and pattern.search(one))


def texts(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Every text of a value and where it stands."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from texts(inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts(inner, (*place, index))


def put(value: Any, place: Place, wanted: Any) -> Any:
    """A copy of the value with something else at that place."""
    changed = copy.deepcopy(value)
    if not place:
        return wanted
    at = changed
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = wanted
    return changed
