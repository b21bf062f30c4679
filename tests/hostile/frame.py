"""What the hostile tests share: the routes, a filled database, and a digest of everything that it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from sons_tracker import app as application
from sons_tracker.api import openapi
from sons_tracker.api.contract import ANONYMOUS_ROLE, Contract
from sons_tracker.settings import Settings
from tests.api.rights_world import World

NOBODY = "00000000-0000-4000-8000-0000000000ff"
# What no refusal may touch is everything but the answers kept under an idempotency key.
_KEPT = frozenset({"idempotency"})


@dataclass(frozen=True, slots=True)
class Route:
    """A route as a test asks it."""

    method: str
    path: str
    contract: Contract

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def role(self) -> str:
        """A role that may pass."""
        return min(self.contract.access.roles, key=lambda role: (role == ANONYMOUS_ROLE, role))

    def address(self, value: str = NOBODY) -> str:
        """Its address, with this value for each parameter."""
        return re.sub(r"\{\w+\}", value, self.path)

    def headers(self, world: World, key: str) -> dict[str, str]:
        """Those of a caller who may pass."""
        given = dict(world.headers(self.role)) if self.contract.access.reads_token else {}
        return given | ({"idempotency-key": key} if self.contract.headers else {})

    def announced(self) -> set[tuple[int, str | None]]:
        """Each status that it announces; an error with its code."""
        errors = {(code.value.status, code.value.code) for code in self.contract.all_errors()}
        return {(status, None) for status in self.contract.answers} | errors


APP = application.create_app(Settings.from_env({"HOME": "/nonexistent"}), connect=False)
# one order, whatever the process: methods of one path come as a set
ROUTES = [
    Route(method, path, contract)
    for path, method, contract in sorted(openapi.routes(APP), key=lambda route: route[:2])
]
READERS = [route for route in ROUTES if route.contract.body is not None]


def answered(answer: httpx.Response) -> tuple[int, str | None]:
    """The status of an answer, and the code of its problem when it is one."""
    problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    return answer.status_code, answer.json()["code"] if problem else None


async def digests(owner: asyncpg.Connection) -> dict[str, str]:
    """A digest of each table, as a superuser reads it."""
    names = await owner.fetch(
        "select relname from pg_class where relnamespace = 'sons'::regnamespace and relkind in ('r', 'p')"
    )
    found: dict[str, Any] = {}
    for (name,) in names:
        if name not in _KEPT:
            sums = "count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0)"
            found[name] = await owner.fetchval(f'select {sums} from sons."{name}" t')
    return found


async def catalogue(owner: asyncpg.Connection) -> str:
    """A digest of the tables, functions, policies and roles: what an injection would change first."""
    found: str = await owner.fetchval(
        "select md5(string_agg(x, ',' order by x)) from ("
        " select relname || relkind::text || coalesce(relacl::text, '') x from pg_class"
        "  where relnamespace = 'sons'::regnamespace"
        " union all select proname || md5(prosrc) from pg_proc where pronamespace = 'sons'::regnamespace"
        " union all select policyname || tablename || coalesce(qual, '') from pg_policies"
        " union all select rolname || rolsuper::text from pg_roles) of_all(x)"
    )
    return found
