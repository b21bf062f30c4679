"""Every defect of a decoded body at once, in French.

msgspec stops at the first defect. When it refuses, the same type is asked again through the JSON
Schema that msgspec derives from it: the schema that is published is the schema that is enforced.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from msgspec import inspect

from sons_tracker.errors import Fault, SonsError
from sons_tracker.rules.identifiers import parse_finess

MAX_FAULTS = 100

# Checks that a JSON Schema cannot write. Each raises SonsError with a French sentence.
FORMATS: dict[str, Callable[[str], object]] = {"finess": parse_finess}

_KINDS = {
    "string": "un texte",
    "integer": "un nombre entier",
    "number": "un nombre",
    "boolean": "« true » ou « false »",
    "array": "une liste",
    "object": "un objet",
    "null": "« null »",
}
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_DAYS = FormatChecker(formats=["date", "uuid"])

_TYPES = Draft202012Validator.TYPE_CHECKER.redefine(
    # 1.0 is an integer for JSON Schema, not for the decoder.
    "integer",
    lambda _, value: isinstance(value, int) and not isinstance(value, bool),
)


def _items_within_bounds(
    validator: Any, items: object, instance: object, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    # A list that is too long is one fault; its items are not worth the time that they would cost.
    if isinstance(instance, list) and len(instance) <= schema.get("maxItems", len(instance)):
        yield from Draft202012Validator.VALIDATORS["items"](validator, items, instance, schema)


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"items": _items_within_bounds}, type_checker=_TYPES
)


def collect(plain: object, type_: Any) -> tuple[Fault, ...]:
    """The faults of `plain` (decoded JSON) as a `type_`, at most `MAX_FAULTS`, in the order of the
    document; empty when the schema and the formats find nothing to say."""
    shape = (fault for error in _validator(type_).iter_errors(plain) for fault in _translate(error))
    found = tuple(itertools.islice(itertools.chain(shape, format_faults(plain, type_)), MAX_FAULTS))
    return tuple({fault.where: fault for fault in reversed(found)}.values())[::-1]


def format_faults(plain: object, type_: Any) -> Iterator[Fault]:
    """The faults of the formats that only Python can check, such as the key of a FINESS number."""
    yield from _format_walk(type_)(plain, "$")


def show(text: str, limit: int = 40) -> str:
    """`text` as it may be repeated in a message: short, and without anything that does not print."""
    safe = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[:limit])
    return safe + "…" if len(text) > limit else safe


def step(path: str, key: str | int) -> str:
    """The JSON path of a member of `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if _IDENTIFIER.fullmatch(key) else f"{path}['{show(key)}']"


@cache
def _validator(type_: Any) -> Any:
    return _Validator(msgspec.json.schema(type_), format_checker=_DAYS)


def _translate(error: Any) -> Iterator[Fault]:
    path = "$"
    for key in error.absolute_path:
        path = step(path, key)
    value = error.validator_value
    match error.validator:
        case "required":
            # jsonschema reports each missing member alone but names it in its message only.
            missing = error.message.split("'")[1]
            yield Fault(step(path, missing), "Ce champ est obligatoire.")
        case "additionalProperties":
            known = error.schema.get("properties", {})
            for key in error.instance:
                if key not in known:
                    yield Fault(step(path, key), _unknown(key, known))
        case "anyOf":
            yield from _closest_branch(error, path)
        case "type":
            yield Fault(path, f"La valeur attendue est {_KINDS[value]}.")
        case "enum":
            yield Fault(path, f"La valeur doit être {_either([f'« {one} »' for one in value])}.")
        case "minLength" | "maxLength":
            bound = "au moins" if error.validator == "minLength" else "au plus"
            yield Fault(path, f"Le texte doit compter {bound} {_plural(value, 'caractère')}.")
        case "minItems" | "maxItems":
            bound = "au moins" if error.validator == "minItems" else "au plus"
            given = _plural(len(error.instance), "élément")
            yield Fault(
                path, f"La liste doit compter {bound} {_plural(value, 'élément')} ; elle en a {given}."
            )
        case "minimum" | "maximum":
            bound = "supérieure" if error.validator == "minimum" else "inférieure"
            yield Fault(path, f"La valeur doit être {bound} ou égale à {value}.")
        case "format" if value == "date":
            yield Fault(path, "La date doit exister et s'écrire AAAA-MM-JJ, par exemple « 2022-06-01 ».")
        case _:
            expected = error.schema.get("x-attendu", "La valeur n'a pas la forme attendue.")
            yield Fault(path, str(expected))


def _closest_branch(error: Any, path: str) -> Iterator[Fault]:
    branches: dict[object, list[Any]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    of_the_kind = [
        inner
        for inner in branches.values()
        if not any(one.validator == "type" and not one.relative_path for one in inner)
    ]
    if of_the_kind:
        for inner in of_the_kind[0]:
            yield from _translate(inner)
        return
    kinds = [
        str(one.validator_value) for inner in branches.values() for one in inner if one.validator == "type"
    ]
    yield Fault(path, f"La valeur attendue est {_either([_KINDS[kind] for kind in kinds])}.")


def _unknown(key: str, known: dict[str, object]) -> str:
    close = difflib.get_close_matches(key[:100], known, n=1)
    return f"Ce champ est inconnu ; s'agit-il de « {close[0]} » ?" if close else "Ce champ est inconnu."


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'s' if count > 1 else ''}"


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} ou {words[-1]}"


Walk = Callable[[object, str], Iterator[Fault]]


@cache
def _format_walk(type_: Any) -> Walk:
    return _compile(inspect.type_info(type_)) or _nothing


def _nothing(_value: object, _path: str) -> Iterator[Fault]:
    return iter(())


def _compile(info: inspect.Type) -> Walk | None:
    """A walk that visits only what holds a format of ours; None when nothing below holds one."""
    if isinstance(info, inspect.Metadata):
        return _text((info.extra_json_schema or {}).get("format")) or _compile(info.type)
    if isinstance(info, inspect.StructType):
        return _members({field.encode_name: _compile(field.type) for field in info.fields})
    if isinstance(info, inspect.ListType | inspect.VarTupleType):
        return _items(_compile(info.item_type), info.max_length)
    if isinstance(info, inspect.UnionType):
        return _branches([walk for one in info.types if (walk := _compile(one))])
    return None


def _text(name: object) -> Walk | None:
    check = FORMATS.get(str(name))
    if check is None:
        return None

    def walk(value: object, path: str) -> Iterator[Fault]:
        if isinstance(value, str):
            try:
                check(value)
            except SonsError as error:
                yield Fault(path, error.faults[0].message if error.faults else error.detail)

    return walk


def _members(walks: dict[str, Walk | None]) -> Walk | None:
    useful = {name: walk for name, walk in walks.items() if walk}

    def walk(value: object, path: str) -> Iterator[Fault]:
        if isinstance(value, dict):
            for name, inner in useful.items():
                if name in value:
                    yield from inner(value[name], step(path, name))

    return walk if useful else None


def _items(inner: Walk | None, longest: int | None) -> Walk | None:
    if inner is None:
        return None

    def walk(value: object, path: str) -> Iterator[Fault]:
        if isinstance(value, list) and (longest is None or len(value) <= longest):
            for index, item in enumerate(value):
                yield from inner(item, step(path, index))

    return walk


def _branches(walks: list[Walk]) -> Walk | None:
    def walk(value: object, path: str) -> Iterator[Fault]:
        for inner in walks:
            yield from inner(value, path)

    return walk if walks else None
