"""A browser between this service and a provider of identity, each behind its own transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from sons_tracker.api.identity import VISIT_COOKIE
from sons_tracker.api.security import COOKIE
from sons_tracker.app import create_app
from sons_tracker.cli.demonstration.openid_provider import Present, Provider, configured
from sons_tracker.delivery.openid import OpenIdClient
from sons_tracker.identity_providers import IdentityProvider
from tests.databases import Database

SERVICE = "https://sons.test"


def a_director(subject: str = "directrice-1", **changes: Any) -> Present:
    """Who signs for an OG, as the provider knows her."""
    said = {"given_name": "Camille", "family_name": "Fictive", "name_id": "899700000001", **changes}
    return Present(subject, **said)


@dataclass
class Browser:
    """What one browser holds: the cookies of the service, and what its page knows."""

    http: httpx.AsyncClient
    provider: httpx.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers}
        answer = await self.http.request(method, path, json=body, headers=sent)
        self.http.cookies.clear()
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer

    async def act(self, method: str, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        """A write of a page of the service."""
        csrf = (await self.ask("GET", "/api/v1/session")).json()["csrf_token"]
        return await self.ask(
            method, path, body, **{"x-csrf-token": csrf, "idempotency-key": key or path[-200:]}
        )

    async def leave(self, path: str = "/api/v1/session/oidc", **body: Any) -> str:
        """Visits the provider; returns the path, with its query, by which it sends back."""
        asked = {"provider": "psc", **body}
        linking = path != "/api/v1/session/oidc"
        answer = await (self.act if linking else self.ask)("POST", path, asked)
        assert answer.status_code == 200, answer.text
        assert VISIT_COOKIE in self.cookies
        sent = await self.provider.get(answer.json()["address"])
        assert sent.status_code == 302, sent.text
        back = urlsplit(sent.headers["location"])
        assert f"{back.scheme}://{back.netloc}" == SERVICE
        return f"{back.path}?{back.query}"

    async def sign_in(self, **body: Any) -> httpx.Response:
        """Goes to the provider and comes back."""
        return await self.ask("GET", await self.leave(**body))

    @property
    def signed_in(self) -> bool:
        return COOKIE in self.cookies


@dataclass
class Scene:
    """A service that trusts a provider."""

    http: httpx.AsyncClient
    provider: Provider
    at_provider: httpx.AsyncClient
    app: Any

    def browser(self) -> Browser:
        return Browser(self.http, self.at_provider)


def query_of(path: str) -> dict[str, str]:
    """The query of a path, each parameter once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


@asynccontextmanager
async def a_scene(
    database: Database,
    provider: Provider | None = None,
    trusted: tuple[IdentityProvider, ...] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Scene]:
    """A service on the engine of the test, and a provider that it trusts."""
    provider = provider or Provider(a_director())
    settings = replace(database.settings, identity_providers=trusted or (configured(),), public_url=SERVICE)
    app = create_app(settings, connect=False)
    behind = httpx.ASGITransport(app=provider.app)
    app.state.openid = OpenIdClient(SERVICE, transport or behind)
    inside = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        httpx.AsyncClient(transport=inside, base_url=SERVICE) as http,
        httpx.AsyncClient(transport=behind, base_url=provider.issuer) as at_provider,
    ):
        yield Scene(http, provider, at_provider, app)
    await app.state.openid.aclose()
