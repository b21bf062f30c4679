"""What comes from outside, read strictly: bodies, query strings, headers.

A body is JSON in UTF-8, within a size, without duplicate or unknown members, within bounds; anything
else is a 4xx that names every defect with its JSON path. Nothing here touches the database.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from litestar import Request
from msgspec import Meta, Struct

from sons_tracker.api import faults
from sons_tracker.api.contract import contract_of
from sons_tracker.errors import ErrorCode, Fault, SonsError

MAX_BODY = 2 * 1024 * 1024
_PRINTABLE = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*(?!\\n)$"
_LONGEST_INTEGER = 19

T = TypeVar("T")


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every body and query string: an unknown member is a fault, not a silent loss.

    Write `class X(Strict, frozen=True, kw_only=True)`: msgspec inherits the refusal of unknown members,
    not these two.
    """


Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=_PRINTABLE,
        extra_json_schema={
            "x-attendu": "Le texte ne doit contenir ni retour à la ligne ni caractère de contrôle."
        },
    ),
]
Motivation = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=2000,
        pattern=_PRINTABLE,
        description="Motivation, telle que les parties la liront.",
        extra_json_schema={
            "x-attendu": "Le texte ne doit contenir ni retour à la ligne ni caractère de contrôle."
        },
    ),
]
Count = Annotated[int, Meta(ge=0, le=2_147_483_647)]
Amount = Annotated[
    str,
    Meta(
        pattern="^[0-9]{1,9}\\.[0-9]{2}(?!\\n)$",
        max_length=12,
        description="Montant en euros, deux décimales, séparées par un point.",
        examples=["1232.00"],
        extra_json_schema={
            "x-attendu": "Le montant doit s'écrire avec un point et deux décimales, par exemple « 1232.00 »."
        },
    ),
]
Day = Annotated[dt.date, Meta(description="Date, AAAA-MM-JJ.", examples=["2022-06-01"])]
FinessGeographiqueText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        description="Numéro FINESS géographique de l'ESSMS : neuf caractères, clé contrôlée.",
        extra_json_schema={"format": "finess"},
    ),
]
FinessJuridiqueText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        description="Numéro FINESS juridique de l'organisme gestionnaire : neuf caractères, clé contrôlée.",
        extra_json_schema={"format": "finess"},
    ),
]
Sha256 = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{64}(?!\\n)$",
        description="Empreinte SHA-256 en hexadécimal.",
        extra_json_schema={"x-attendu": "L'empreinte SHA-256 compte 64 caractères de 0 à 9 et de a à f."},
    ),
]


async def decode(request: Request[Any, Any, Any], type_: type[T]) -> T:
    """The body of `request` as a `type_`, the one that the route's contract announces.

    Raises:
        SonsError: `UNSUPPORTED_MEDIA_TYPE`, `MALFORMED_REQUEST` (not JSON) or `INVALID_REQUEST` (JSON
            that is not a `type_`), with every fault. Litestar raises its own 413 beyond the size.
    """
    contract = contract_of(request.route_handler)
    if contract is not None and contract.body is not type_:
        raise TypeError(f"the contract of {request.url.path} does not announce {type_!r}")
    _check_media_type(request)
    return decode_bytes(await request.body(), type_)


def decode_bytes(body: bytes, type_: type[T]) -> T:
    """`body` as a `type_`; raises as `decode`."""
    return validate(parse(body), type_)


def validate(plain: object, type_: type[T]) -> T:
    """Decoded JSON as a `type_`.

    Raises:
        SonsError: `INVALID_REQUEST` with every fault and its path.
    """
    try:
        value = msgspec.convert(plain, type_)
        found = tuple(itertools.islice(faults.format_faults(plain, type_), faults.MAX_FAULTS))
    except msgspec.ValidationError as error:
        # The decoder has the last word: what it refuses is refused even if the schema sees nothing.
        found = faults.collect(plain, type_) or (_from_decoder(error),)
    if found:
        raise SonsError(ErrorCode.INVALID_REQUEST, _how_many(found), found)
    return value


def read_query(request: Request[Any, Any, Any], type_: type[T]) -> T:
    """The query string of `request` as a `type_`, the one that the route's contract announces.

    A repeated parameter is refused: two readers of one address would otherwise disagree on it.

    Raises:
        SonsError: `INVALID_REQUEST` with every fault; its path starts with `?`.
    """
    contract = contract_of(request.route_handler)
    if contract is not None and contract.query is not type_:
        raise TypeError(f"the contract of {request.url.path} does not announce {type_!r}")
    _check_utf8(request.scope["query_string"])
    pairs = list(request.query_params.multi_items())
    repeated = tuple(
        Fault(f"?{faults.show(name)}", "Ce paramètre est donné plusieurs fois.")
        for name, times in Counter(name for name, _ in pairs).items()
        if times > 1
    )[: faults.MAX_FAULTS]
    if repeated:
        raise SonsError(ErrorCode.INVALID_REQUEST, _how_many(repeated), repeated)
    properties = msgspec.json.schema(type_)["$defs"][type_.__name__]["properties"]
    plain = {name: _typed(str(value), properties.get(name, {})) for name, value in pairs}
    try:
        return validate(plain, type_)
    except SonsError as error:
        moved = tuple(
            Fault("?" + fault.where.removeprefix("$").removeprefix("."), fault.message)
            for fault in error.faults
        )
        raise SonsError(error.code, error.detail, moved) from None


def idempotency_key(request: Request[Any, Any, Any]) -> str:
    """The `Idempotency-Key` of a request that must have one: 1 to 255 visible ASCII characters.

    Raises:
        SonsError: `IDEMPOTENCY_KEY_MISSING` or `IDEMPOTENCY_KEY_INVALID`.
    """
    given = request.headers.getall("idempotency-key", [])
    if not given:
        raise SonsError(
            ErrorCode.IDEMPOTENCY_KEY_MISSING, "Cette demande doit porter un en-tête « Idempotency-Key »."
        )
    if len(given) > 1 or not re.fullmatch(r"[\x21-\x7e]{1,255}", given[0]):
        raise SonsError(
            ErrorCode.IDEMPOTENCY_KEY_INVALID,
            "« Idempotency-Key » doit être donné une fois, en 1 à 255 caractères ASCII visibles.",
        )
    return str(given[0])


def parse(body: bytes) -> object:
    """The JSON value of `body`: UTF-8, no duplicate member, no number that is not one.

    The standard parser is used rather than msgspec's because it can see a duplicate member and can
    say the line and the column; on a body of 500 ESSMS it costs well under a millisecond.

    Raises:
        SonsError: `MALFORMED_REQUEST`, with the line and the column when they are known.
    """
    if not body.strip():
        raise _malformed("Le corps de la requête est vide ; un objet JSON est attendu.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"Le corps n'est pas en UTF-8 (octet {error.start + 1}).") from None
    if text.startswith("\ufeff"):
        raise _malformed("Le corps commence par une marque d'ordre des octets (BOM) ; la retirer.")
    duplicated = False

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal duplicated
        known = dict(pairs)
        duplicated = duplicated or len(known) < len(pairs)
        return known

    try:
        plain: object = json.loads(
            text, object_pairs_hook=members, parse_int=_integer, parse_constant=_not_a_number
        )
        if "\\u" in text:
            # A lone half of a surrogate pair parses, but no database and no answer can carry it.
            json.dumps(plain, ensure_ascii=False).encode()
        repeated = _duplicates(text) if duplicated else ()
    except json.JSONDecodeError as error:
        raise _malformed(
            f"Le corps n'est pas du JSON valide : ligne {error.lineno}, colonne {error.colno}."
        ) from None
    except RecursionError:
        raise _malformed("Le JSON est trop profondément imbriqué.") from None
    except UnicodeEncodeError:
        raise _malformed(
            "Un texte contient un demi-caractère Unicode isolé (« \\ud800 » à « \\udfff »)."
        ) from None
    if repeated:
        raise _malformed("Un champ est donné plusieurs fois dans le même objet.", repeated)
    return plain


def _check_utf8(query: bytes) -> None:
    # The framework puts U+FFFD where a byte is no UTF-8: what was asked would not be what is read.
    try:
        unquote_to_bytes(query).decode("utf-8")
    except UnicodeDecodeError:
        problem = "Les paramètres de l'adresse ne sont pas en UTF-8."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("?", problem),)) from None


def _check_media_type(request: Request[Any, Any, Any]) -> None:
    name, parameters = request.content_type
    charset = parameters.get("charset", "utf-8").strip('"').lower()
    if name != "application/json" or charset not in {"utf-8", "utf8"}:
        shown = faults.show(request.headers.get("content-type", ""))
        raise SonsError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            f"Le type de contenu « {shown} » n'est pas accepté ; « application/json » en UTF-8 est attendu.",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise SonsError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Le corps doit être envoyé sans compression.")


def _malformed(detail: str, found: tuple[Fault, ...] = ()) -> SonsError:
    return SonsError(ErrorCode.MALFORMED_REQUEST, detail, found or (Fault("$", detail),))


def _integer(digits: str) -> int:
    # Beyond 64 bits the exact value does not matter, and converting a million digits is an attack.
    return int(digits if len(digits) <= _LONGEST_INTEGER else digits[: _LONGEST_INTEGER + 2])


def _not_a_number(name: str) -> object:
    raise _malformed(f"« {name} » n'est pas une valeur JSON.")


def _duplicates(text: str) -> tuple[Fault, ...]:
    """Where the duplicate members stand: read again, keeping the pairs, only once one was seen."""

    class Members(list[tuple[str, object]]):
        pass

    def walk(value: object, path: str) -> Iterator[Fault]:
        if isinstance(value, Members):
            for name, times in Counter(name for name, _ in value).items():
                if times > 1:
                    yield Fault(faults.step(path, name), "Ce champ est donné plusieurs fois.")
            for name, inner in value:
                yield from walk(inner, faults.step(path, name))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                yield from walk(inner, faults.step(path, index))

    pairs = json.loads(text, object_pairs_hook=Members, parse_int=_integer)
    return tuple(itertools.islice(walk(pairs, "$"), faults.MAX_FAULTS))


def _typed(text: str, schema: dict[str, Any]) -> object:
    """A query parameter is text: as the number or the yes/no that its schema announces, when it is one."""
    kinds = {schema.get("type"), *(branch.get("type") for branch in schema.get("anyOf", ()))}
    if "integer" in kinds and re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    if "boolean" in kinds and text in {"true", "false"}:
        return text == "true"
    return text


def _from_decoder(error: msgspec.ValidationError) -> Fault:
    _, _, path = str(error).partition(" - at `")
    return Fault(path.rstrip("`") or "$", "La valeur ne convient pas à ce champ.")


def _how_many(found: tuple[Fault, ...]) -> str:
    if len(found) == 1:
        return f"Une valeur ne convient pas : {found[0].where}."
    more = "ou plus " if len(found) >= faults.MAX_FAULTS else ""
    return f"{len(found)} valeurs {more}ne conviennent pas."
