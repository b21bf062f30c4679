"""The OpenAPI 3.1 document, written from the contracts.

Litestar can derive one from the handlers' signatures, but loses the constraints of a union, the
formats and the refusal of unknown members: the document would promise more than the readers accept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from litestar import Litestar

from sons_tracker import __version__
from sons_tracker.api.contract import ANONYMOUS_ROLE, Contract, Example, contract_of
from sons_tracker.api.problems import MEDIA_TYPE, Problem, address
from sons_tracker.api.security import COOKIE
from sons_tracker.errors import ErrorCode

_REFERENCE = "#/components/schemas/{name}"
_TYPED_PARAMETER = re.compile(r"\{(\w+):\w+\}")
_DESCRIPTION = (
    "Financement du dispositif SONS (Ségur du numérique en santé, secteur médico-social) : commandes par "
    "numéro FINESS géographique, barème par tranche, règles et verdicts avec leur source.\n\n"
    "Les montants sont des textes en euros TTC à deux décimales (« 43120.00 »), les dates s'écrivent "
    "AAAA-MM-JJ, les instants portent leur décalage horaire. Toute erreur est un "
    "« application/problem+json » dont l'adresse « type » explique la cause et le remède."
)

Document = dict[str, Any]

# What the readers of `strict` and `acts` take, said to who generates a client.
_KEY = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
_IDENTIFIER = {"type": "string", "format": "uuid"}
_FINESS = {"type": "string", "format": "finess"}
_HEADERS: dict[str, Document] = {
    "X-Request-Id": {
        "description": "Identifiant de la demande dans nos journaux techniques : celui que vous donnez, s'il"
        " compte de 8 à 64 lettres, chiffres et tirets ; sinon un nouveau.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9-]{8,64}$"},
    },
    "Retry-After": {
        "description": "Secondes après lesquelles la même demande peut être renvoyée.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "Comment s'identifier.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
}
_SECURITY: dict[str, Document] = {
    "jeton": {
        "type": "http",
        "scheme": "bearer",
        "description": "Jeton opaque, créé par « sons-tracker token create » ou « POST /api/v1/tokens ».",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "Le cookie que donne « POST /api/v1/session ». Jamais avec un jeton.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "La valeur donnée avec la session ; chaque écriture faite avec le cookie la porte.",
    },
}


def routes(app: Litestar) -> Iterator[tuple[str, str, Contract]]:
    """Every route with a contract: its address (`/api/v1/law/{name}`), its method, its contract."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            contract = contract_of(handler)
            if contract is not None:
                for method in sorted(handler.http_methods):
                    yield _TYPED_PARAMETER.sub(r"{\1}", route.path), str(method), contract


def build(app: Litestar) -> Document:
    """The document of all the routes that are not hidden, sorted by address."""
    shown = sorted((one for one in routes(app) if not one[2].hidden), key=lambda one: one[:2])
    schemas, components = _schemas(contract for _, _, contract in shown)
    paths: Document = {}
    for path, method, contract in shown:
        paths.setdefault(path, {})[method.lower()] = _operation(path, method, contract, schemas, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sons_tracker",
            "version": __version__,
            "summary": "Commandes, avances et soldes du dispositif SONS.",
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(contract.tag for _, _, contract in shown)],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": _HEADERS,
            "securitySchemes": _SECURITY,
        },
    }


def _schemas(contracts: Iterable[Contract]) -> tuple[dict[Any, Document], Document]:
    """The schema of each type named by a contract, and the components that they refer to."""
    named: dict[Any, None] = {Problem: None}
    for contract in contracts:
        for type_ in (contract.body, contract.query, *(one.type for one in contract.answers.values())):
            if type_ is not None:
                named[type_] = None
    found, components = msgspec.json.schema_components(named, ref_template=_REFERENCE)
    return dict(zip(named, found, strict=True)), dict(components)


def _operation(
    path: str, method: str, contract: Contract, schemas: dict[Any, Document], components: Document
) -> Document:
    words = re.findall(r"[a-z0-9_]+", path.removeprefix("/api/v1"))
    operation: Document = {
        "operationId": "_".join([method.lower(), *words]),
        "summary": contract.summary,
        "tags": [contract.tag],
        "responses": _responses(contract, schemas),
    }
    if contract.description:
        operation["description"] = contract.description
    if parameters := _parameters(contract, components):
        operation["parameters"] = parameters
    if contract.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": schemas[contract.body],
                    "examples": {
                        example.name: {"summary": example.summary, "value": example.body}
                        for example in contract.examples
                        if example.body is not None
                    },
                }
            },
        }
    if contract.file is not None:
        operation["requestBody"] = {
            "required": True,
            "description": contract.file.description,
            "content": {
                name: {"schema": {"type": "string", "format": "binary"}} for name in contract.file.media_types
            },
        }
    if contract.access.reads_token:
        # An empty requirement means that the token may be left out.
        anonymous: list[Document] = [{}] if ANONYMOUS_ROLE in contract.access.roles else []
        session: Document = {"session": []} if method == "GET" else {"session": [], "csrf": []}
        operation["security"] = [{"jeton": []}, session, *anonymous]
        operation["x-roles"] = sorted(contract.access.roles - {ANONYMOUS_ROLE})
    else:
        operation["security"] = []
    operation["x-action"] = contract.access.action
    return operation


def _parameters(contract: Contract, components: Document) -> list[Document]:
    first: Example | None = contract.examples[0] if contract.examples else None
    parameters: list[Document] = [
        {
            "name": name,
            "in": where,
            "required": True,
            "description": description,
            "schema": _schema_of(name),
            **({"example": shown[name]} if name in shown else {}),
        }
        for where, described, shown in (
            ("path", contract.path, first.path if first else {}),
            ("header", contract.headers, first.headers if first else {}),
        )
        for name, description in described.items()
    ]
    if contract.query is not None:
        component = components[contract.query.__name__]
        parameters += [
            {
                "name": name,
                "in": "query",
                "required": name in component.get("required", ()),
                "schema": {key: value for key, value in schema.items() if key != "description"},
                **({"description": schema["description"]} if "description" in schema else {}),
            }
            for name, schema in component["properties"].items()
        ]
    return parameters


def _schema_of(name: str) -> Document:
    if name == "Idempotency-Key":
        return _KEY
    return _IDENTIFIER if name.endswith("_id") else _FINESS if name == "finess" else {"type": "string"}


def _responses(contract: Contract, schemas: dict[Any, Document]) -> Document:
    responses: Document = {}
    for status, answer in contract.answers.items():
        content: Document = {}
        if answer.type is not None:
            shown = {
                example.name: {"summary": example.summary, "value": example.answer}
                for example in contract.examples
                if example.status == status and example.answer is not None
            }
            content = {
                answer.media_type: {"schema": schemas[answer.type], **({"examples": shown} if shown else {})}
            }
        responses[str(status)] = {
            "description": answer.description,
            "headers": _sent("X-Request-Id"),
            **({"content": content} if content else {}),
        }
    by_status: dict[int, list[ErrorCode]] = {}
    for code in contract.all_errors():
        by_status.setdefault(code.value.status, []).append(code)
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = {
            "description": " ".join(f"`{code.value.code}` : {code.value.title}" for code in codes),
            "headers": _sent("X-Request-Id", *_headers_of(codes)),
            "content": {
                MEDIA_TYPE: {
                    "schema": schemas[Problem],
                    "examples": {code.value.code: {"value": _shown_problem(code)} for code in codes},
                }
            },
        }
    return responses


def _headers_of(codes: list[ErrorCode]) -> Iterator[str]:
    if any(code.value.retry_after is not None for code in codes):
        yield "Retry-After"
    if ErrorCode.UNAUTHENTICATED in codes:
        yield "WWW-Authenticate"


def _sent(*names: str) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _shown_problem(code: ErrorCode) -> Document:
    kind = code.value
    return {
        "type": address(kind),
        "title": kind.title,
        "status": kind.status,
        "detail": kind.title,
        "code": kind.code,
        "remedy": kind.remedy,
    }
