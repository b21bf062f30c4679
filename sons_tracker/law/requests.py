"""What a request must contain: JSON Schemas of the law, each valid from an instant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, SchemaError, ValidationError

from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.law.documents import StrictValidator, Table
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.french import PARIS, count_fr
from sons_tracker.rules.identifiers import parse_finess
from sons_tracker.rules.parameters import Etat
from sons_tracker.rules.texts import Law, RequestSchema

_KINDS = {
    "string": "un texte", "integer": "un nombre entier", "array": "une liste", "object": "un objet",
    "boolean": "« true » ou « false »", "null": "« null »",
}  # fmt: skip
_BOUNDS = {
    "minLength": ("Le texte doit compter au moins", "caractère"),
    "maxLength": ("Le texte doit compter au plus", "caractère"),
    "minItems": ("La liste doit compter au moins", "élément"),
    "maxItems": ("La liste doit compter au plus", "élément"),
}
_LONGEST_LIST_OF_FAULTS = 100


def _finess(text: object) -> bool:
    if isinstance(text, str):
        parse_finess(text)
    return True


_FORMATS = FormatChecker(formats=["date"])
_FORMATS.checks("finess", raises=SonsError)(_finess)


def parse_schema(name: str, content: bytes) -> Table:
    """The JSON Schema of a request.

    Raises:
        SonsError: `INVALID_LAW`: not JSON in UTF-8, or not a JSON Schema.
    """
    try:
        schema = json.loads(content.decode("utf-8"))
        if not isinstance(schema, dict):
            raise ValueError("un objet est attendu")
        Draft202012Validator.check_schema(schema)
    except (ValueError, RecursionError, SchemaError) as error:
        problem = error.message if isinstance(error, SchemaError) else str(error)
        fault = Fault(name, f"Ce fichier n'est pas un schéma JSON : {problem[:200]}.")
        raise SonsError(
            ErrorCode.INVALID_LAW, f"Le fichier du droit « {name} » a un défaut.", (fault,)
        ) from None
    return schema


def request_schema(law: Law, dispositif: str, kind: str, at: datetime) -> RequestSchema:
    """The schema that a request of `kind` (`advance`, `solde`) deposited at the aware instant `at` follows.

    Its own first instant counts. Like any value, it must be known by then and in force.

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif; `OUTSIDE_COVERAGE` when none is in force.
    """
    vague = dispositif_of(law, dispositif)[1]
    known_on = at.astimezone(PARIS).date()
    found = [
        schema
        for schema in vague.request_schemas
        if schema.kind == kind
        and schema.valid_from <= at
        and schema.publie_le <= known_on
        and schema.etat is Etat.EN_VIGUEUR
    ]
    if not found:
        raise SonsError(
            ErrorCode.OUTSIDE_COVERAGE,
            f"Aucun format de demande n'est en vigueur pour {dispositif} le {known_on:%d/%m/%Y}.",
        )
    return max(found, key=lambda schema: (schema.valid_from, schema.publie_le))


def validate_content(schema: RequestSchema, content: object) -> tuple[Fault, ...]:
    """The faults of a request's content (decoded JSON), each with its JSON path and a French sentence."""
    validator = StrictValidator(schema.document, format_checker=_FORMATS)
    found = [fault for error in validator.iter_errors(content) for fault in _faults(error)]
    return tuple(found[:_LONGEST_LIST_OF_FAULTS])


def _faults(error: ValidationError) -> Iterator[Fault]:
    where, kind = error.json_path, str(error.validator)
    wanted: Any = error.validator_value
    found: Any = error.instance
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    if kind == "required":
        missing = next(key for key in wanted if error.message.startswith(repr(key)))
        yield Fault(f"{where}.{missing}", "Ce champ est obligatoire.")
    elif kind == "additionalProperties":
        for key in found:
            if key not in schema.get("properties", {}):
                yield Fault(where, f"Le champ « {_shown(key)} » est inconnu.")
    elif kind == "type":
        names = [wanted] if isinstance(wanted, str) else wanted
        yield Fault(where, f"La valeur attendue est {' ou '.join(_KINDS[name] for name in names)}.")
    elif kind == "enum":
        yield Fault(where, f"La valeur doit être {' ou '.join(f'« {one} »' for one in wanted)}.")
    elif kind in _BOUNDS:
        sentence, noun = _BOUNDS[kind]
        yield Fault(where, f"{sentence} {count_fr(wanted, noun)}.")
    elif kind in {"minimum", "maximum"}:
        bound = "supérieure" if kind == "minimum" else "inférieure"
        yield Fault(where, f"La valeur doit être {bound} ou égale à {wanted}.")
    elif kind == "format" and isinstance(error.cause, SonsError):
        yield Fault(where, error.cause.faults[0].message)
    elif kind == "format":
        yield Fault(where, "La date doit exister et s'écrire AAAA-MM-JJ, par exemple « 2022-06-01 ».")
    else:
        yield Fault(where, str(schema.get("x-attendu", "La valeur n'a pas la forme attendue.")))


def _shown(text: str) -> str:
    """A field's name as a message may repeat it: short, and without anything that does not print."""
    safe = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[:40])
    return safe + "…" if len(text) > 40 else safe
