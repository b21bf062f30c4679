"""What a route promises: who may call it, what it reads, what it answers, and examples that run.

The contract stands beside the handler. The guard enforces its access, the strict readers refuse a
type that it does not announce, and the OpenAPI document is written from it: what is published is
what is enforced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from litestar.handlers import BaseRouteHandler

from sons_tracker.errors import ErrorCode
from sons_tracker.rules.rights import ACCOUNT_ROLES, ANONYMOUS, roles_of

ROLES = frozenset(ACCOUNT_ROLES)
ANONYMOUS_ROLE = ANONYMOUS

_OPT_KEY = "contract"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route: the roles that the table of rights gives its action to. `reads_token` is false
    where a token is not even looked at."""

    action: str
    roles: frozenset[str]
    reads_token: bool = True


def may(action: str) -> Access:
    """Whoever the table of rights gives the action to; without an account too where the table says so. A
    token, when there is one, must be valid and says who is asking.

    Raises:
        ValueError: an action that does not exist.
    """
    return Access(action, frozenset(roles_of(action)) & (ROLES | {ANONYMOUS_ROLE}))


def public(action: str) -> Access:
    """Everyone, without any look at the token nor at who asks: health, documentation, law.

    Raises:
        ValueError: an action that does not exist, or that the table does not give to everyone.
    """
    if may(action).roles != ROLES | {ANONYMOUS_ROLE}:
        raise ValueError(f"not everyone has {action!r}")
    return Access(action, frozenset({ANONYMOUS_ROLE}), reads_token=False)


@dataclass(frozen=True, slots=True)
class Example:
    """One exchange shown in the documentation and played by the tests.

    `body`, `path`, `query` and `headers` make the request; `status` is what it must answer. `role`
    is the role whose token the test sends; none: no token. `answer` is shown when given. A `body` of bytes is
    a file, under the media type of `headers`.
    """

    name: str
    summary: str
    status: int
    body: object = None
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    role: str | None = None
    answer: object = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a success answers: a French sentence, and the msgspec type of its JSON, if it has one."""

    description: str
    type: Any = None
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class File:
    """A body that is a file as it is: the media types that are read, the most bytes, a French sentence."""

    media_types: tuple[str, ...]
    largest: int
    description: str


@dataclass(frozen=True, slots=True)
class Contract:
    """The promise of a route. Texts are French.

    `path` and `headers` describe the path parameters and the required headers; `body` and `query`
    are the `Strict` types that the handler reads, `file` a body that is none; `errors` are those of its
    own, besides the ones that follow from the rest. A `hidden` route is not documented: it is the
    documentation.
    """

    access: Access
    summary: str
    tag: str = "Service"
    description: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    file: File | None = None
    answers: Mapping[int, Answer] = field(default_factory=dict)
    errors: tuple[ErrorCode, ...] = ()
    examples: tuple[Example, ...] = ()
    hidden: bool = False

    @property
    def opt(self) -> dict[str, Any]:
        """As Litestar's handlers take it: `@get("/…", opt=CONTRACT.opt)`."""
        return {_OPT_KEY: self}

    def all_errors(self) -> tuple[ErrorCode, ...]:
        """The errors of its own and those that its access, path, query and body bring."""
        implied: list[ErrorCode] = []
        if self.access.reads_token:
            implied.append(ErrorCode.UNAUTHENTICATED)
        if ANONYMOUS_ROLE not in self.access.roles:
            implied.append(ErrorCode.FORBIDDEN)
        if self.path:
            implied.append(ErrorCode.NOT_FOUND)
        if self.body is not None:
            implied += [
                ErrorCode.MALFORMED_REQUEST,
                ErrorCode.PAYLOAD_TOO_LARGE,
                ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            ]
        if self.file is not None:
            implied += [ErrorCode.PAYLOAD_TOO_LARGE, ErrorCode.UNSUPPORTED_MEDIA_TYPE]
        if self.body is not None or self.query is not None:
            implied.append(ErrorCode.INVALID_REQUEST)
        if self.access.reads_token:
            implied += [ErrorCode.TOO_MANY_REQUESTS, ErrorCode.UNAVAILABLE]
        return tuple(dict.fromkeys((*self.errors, *implied)))


def contract_of(handler: BaseRouteHandler) -> Contract | None:
    """The contract of a handler; None when it declares none."""
    found = handler.opt.get(_OPT_KEY)
    return found if isinstance(found, Contract) else None
