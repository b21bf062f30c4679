"""Reading a law file: TOML, checked against the JSON Schema, every defect with its place."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

from sons_tracker.errors import ErrorCode, Fault, SonsError

_HEADER = re.compile(r"^\s*\[\[?\s*([A-Za-z0-9_.-]+)\s*\]\]?\s*(?:#.*)?$")
_TRIPLE = re.compile(r'"""|\'\'\'')
Table = dict[str, Any]
# what every version carries, beside its value
ENVELOPE = frozenset({"depuis", "publie_le", "retroactif", "confiance", "etat", "source", "abroge"})
# what tells the versions of several values of one name apart: the year of a call, the kind of a request
_MEMBERS = ("annee", "demande")


@dataclass(frozen=True, slots=True)
class Document:
    """One law file: its name, its tables as plain data (dates as ISO text) and the line of each table.

    `lines` maps a path such as `("bareme", 0)` to the 1-based line of its header.
    """

    name: str
    data: Table
    lines: dict[tuple[str | int, ...], int]

    def place(self, path: tuple[str | int, ...]) -> str:
        """`ms1_v1.toml, ligne 14, bareme[0].tranches[2].ttc`: the file, the line of the table, the value."""
        line = next(
            (self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), 1
        )
        dotted = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        return f"{self.name}, ligne {line}" + (f", {dotted}" if dotted else "")


# JSON Schema takes 30.0 for an integer; the law and its requests hold no floating number
StrictValidator: Any = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


@cache
def _schema() -> Table:
    schema: Table = json.loads((files("sons_tracker.law") / "schema.json").read_text("utf-8"))
    return schema


@cache
def _validators() -> dict[str, Any]:
    schema = _schema()
    checker = Draft202012Validator.FORMAT_CHECKER
    return {
        nature: StrictValidator(
            {"$schema": schema["$schema"], "$defs": schema["$defs"], "$ref": f"#/$defs/{nature}"},
            format_checker=checker,
        )
        for nature in ("dispositif", "vague", "esms_numerique", "finess")
    }


def parse_document(name: str, content: bytes) -> Document:
    """One law file, structurally valid.

    Raises:
        SonsError: `INVALID_LAW` with every defect: unreadable TOML, unknown key, wrong type, missing
            source, impossible date; each with file, line of its table and path of the value.
    """
    try:
        text = content.decode("utf-8")
        data = _plain(tomllib.loads(text))
    except UnicodeDecodeError as error:
        raise _invalid(name, [Fault(name, f"Le fichier n'est pas en UTF-8 (octet {error.start}).")]) from None
    except tomllib.TOMLDecodeError as error:
        raise _invalid(name, [Fault(name, f"TOML illisible : {error}.")]) from None
    document = Document(name, data, dict(_table_lines(text)))
    nature = data.get("nature")
    validator = _validators().get(nature) if isinstance(nature, str) else None
    if validator is None:
        known = ", ".join(sorted(_validators()))
        raise _invalid(
            name, [Fault(document.place(("nature",)), f"La clé « nature » vaut l'un de : {known}.")]
        )
    faults = [
        Fault(document.place(tuple(error.absolute_path)), sentence)
        for error in sorted(validator.iter_errors(data), key=lambda e: [str(p) for p in e.absolute_path])
        for sentence in _sentences(error)
    ]
    if faults:
        raise _invalid(name, faults)
    return document


def _invalid(name: str, faults: list[Fault]) -> SonsError:
    count = f"{len(faults)} défauts" if len(faults) > 1 else "un défaut"
    return SonsError(ErrorCode.INVALID_LAW, f"Le fichier du droit « {name} » a {count}.", tuple(faults))


def _plain(value: Any) -> Any:
    """TOML dates and times as ISO text, so that a JSON Schema can check them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date | time) else value


def parameters(data: Table) -> Iterator[tuple[str, list[Table]]]:
    """The values of a document: name and versions as plain tables."""
    for name, versions in data.items():
        if isinstance(versions, list) and versions and isinstance(versions[0], dict):
            yield name, versions


def member_of(version: Table) -> str:
    """Which of the values that share a name a version belongs to: `2022`, `solde`, or nothing."""
    return next((str(version[key]) for key in _MEMBERS if key in version), "")


def _table_lines(text: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """The line of each table header, with its path; arrays of tables are numbered as they come."""
    counts: dict[tuple[str | int, ...], int] = {}
    inside_text = False
    for number, line in enumerate(text.splitlines(), start=1):
        if len(_TRIPLE.findall(line)) % 2:
            inside_text = not inside_text
            continue
        match = None if inside_text else _HEADER.match(line)
        if match is None:
            continue
        path: tuple[str | int, ...] = ()
        parts = match[1].split(".")
        for depth, part in enumerate(parts):
            path = (*path, part)
            last = depth == len(parts) - 1
            if line.lstrip().startswith("[[") and last:
                counts[path] = counts.get(path, -1) + 1
                path = (*path, counts[path])
            elif path in counts:
                path = (*path, counts[path])
        yield path, number


def _known_keys(schema: Any) -> set[str]:
    """The keys that a table may have: its own, and those of any version when it is one."""
    known = set(schema.get("properties", {}))
    if schema.get("$ref") == "#/$defs/version":
        known |= set(_schema()["$defs"]["version"]["properties"])
    return known


def _sentences(error: ValidationError) -> Iterator[str]:
    """The French sentence of one defect; the validator's own words are English."""
    kind, found = str(error.validator), error.instance
    wanted: Any = error.validator_value
    shown = json.dumps(found, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else shown[:60] + "…"
    if kind == "required" and isinstance(found, dict):
        missing = [key for key in wanted if key not in found]
        # jsonschema reports once per missing key; the first word of its message is that key
        key = next((k for k in missing if error.message.startswith(repr(k))), missing[0])
        yield f"La clé « {key} » manque."
    elif kind in {"additionalProperties", "unevaluatedProperties"} and isinstance(found, dict):
        for key in sorted(set(found) - _known_keys(error.schema)):
            yield f"La clé « {key} » est inconnue."
    elif kind == "type":
        names = {
            "string": "un texte", "integer": "un nombre entier", "array": "une liste",
            "object": "une table", "boolean": "vrai ou faux",
        }  # fmt: skip
        yield f"{shown} n'est pas {names.get(str(wanted), str(wanted))}."
    elif kind == "enum":
        yield f"{shown} n'est pas l'une des valeurs permises : {', '.join(map(str, wanted))}."
    elif kind == "pattern":
        yield f"{shown} n'a pas la forme attendue ({wanted})."
    elif kind == "format":
        yield f"{shown} n'est pas une date valide (AAAA-MM-JJ)."
    elif kind == "uniqueItems":
        yield "La liste contient deux fois la même valeur."
    else:
        yield f"{shown} ne respecte pas la contrainte « {kind} : {wanted} »."
