"""Who may call what, and what every answer carries."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import httpx
import pytest
from litestar import get

from sons_tracker import app as application
from sons_tracker.api.contract import ANONYMOUS_ROLE, ROLES, contract_of, may, public
from sons_tracker.api.security import is_automatic
from sons_tracker.operations import actors
from sons_tracker.rules.rights import ROLE_WORDS
from sons_tracker.settings import Settings
from tests.api.probe import VALID
from tests.databases import Database
from tests.factories import AT, an_account

JSON = {"content-type": "application/json"}
BODY = json.dumps(VALID).encode()
SETTINGS = Settings.from_env({"HOME": "/nonexistent"})


def test_every_route_of_the_application_declares_its_access() -> None:
    app = application.create_app(SETTINGS, connect=False)
    handlers = [handler for route in app.routes for handler in route.route_handlers]
    assert len(handlers) > 10
    for handler in handlers:
        contract = contract_of(handler)
        assert is_automatic(handler) or contract is not None, handler
        if contract is not None:
            action = contract.access.action
            assert contract.access == (may(action) if contract.access.reads_token else public(action))


def test_a_route_without_a_contract_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    @get("/forgotten")
    async def forgotten() -> None:
        return None

    monkeypatch.setattr(application, "HANDLERS", (*application.HANDLERS, forgotten))
    with pytest.raises(TypeError, match="/forgotten"):
        application.create_app(SETTINGS, connect=False)


def test_a_misspelt_action_does_not_open_nor_close_a_route_silently() -> None:
    with pytest.raises(ValueError, match=r"order\.deposti"):
        may("order.deposti")
    with pytest.raises(ValueError, match=r"order\.deposit"):
        public("order.deposit")
    assert may("clock.read").roles == ROLES | {ANONYMOUS_ROLE}


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_each_role_passes_where_it_is_named_and_nowhere_else(
    probed: httpx.AsyncClient, role: str
) -> None:
    account = await an_account(role)
    answer = await probed.post("/probe/editors", content=BODY, headers={**JSON, **account.headers})
    if role in {"editor", "distributor"}:
        assert (answer.status_code, answer.json()) == (201, {"role": role})
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        told = answer.json()
        assert f"« {ROLE_WORDS[role]} »" in told["detail"]
        assert "« Déposer une commande »" in told["detail"]
        assert told["remedy"] == "S'adresser à qui en a le droit : éditeur, distributeur."
    anyone = await probed.get("/probe/anyone", headers=account.headers)
    assert anyone.json() == {"role": role}


async def test_without_a_token(probed: httpx.AsyncClient) -> None:
    answer = await probed.post("/probe/editors", content=BODY, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (await probed.get("/probe/anyone")).json() == {"role": "anonymous"}


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "Basic abc", "Bearer sons_unknown", "Bearer a b", "sons_unknown", "Bearer \xe9"],
)
async def test_a_token_that_is_not_one_is_refused_even_where_none_is_needed(
    probed: httpx.AsyncClient, authorization: str
) -> None:
    headers = {"authorization": authorization.encode("latin-1")}
    assert (await probed.get("/probe/anyone", headers=headers)).status_code == 401
    # A public route does not even look: a monitor with an old token still sees the service live.
    assert (await probed.get("/probe/public", headers=headers)).json() == {"role": "anonymous"}


async def test_two_tokens_are_none(probed: httpx.AsyncClient) -> None:
    account = await an_account()
    twice = [("authorization", account.headers["Authorization"])] * 2
    assert (await probed.get("/probe/anyone", headers=twice)).status_code == 401


async def test_a_revoked_token_is_refused_at_once(probed: httpx.AsyncClient) -> None:
    account = await an_account()
    assert (await probed.get("/probe/anyone", headers=account.headers)).status_code == 200
    token_id = account.actor.token_id
    assert token_id is not None
    await actors.revoke_token(actors.LOCAL_ADMIN, at=AT, token_id=token_id)
    assert (await probed.get("/probe/anyone", headers=account.headers)).status_code == 401


async def test_an_expired_token_is_refused(probed: httpx.AsyncClient, database: Database) -> None:
    account = await an_account()
    owner = await database.connect_superuser()
    try:
        await owner.execute("alter table sons.access_token disable trigger user")
        moved = await owner.execute(
            "update sons.access_token set created_at = created_at - $2::interval,"
            " expires_at = now() - interval '1 second' where id = $1",
            account.actor.token_id,
            timedelta(days=400),
        )
    finally:
        await owner.close()
    assert moved == "UPDATE 1"
    assert (await probed.get("/probe/anyone", headers=account.headers)).status_code == 401


async def test_access_is_decided_before_the_body_is_read(probed: httpx.AsyncClient) -> None:
    answer = await probed.post("/probe/editors", content=b"x" * (3 * 1024 * 1024))
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/api/v1/law", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/documentation", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/documentation/../app.py", 404),
        ("GET", "/documentation/page.py", 404),
        ("DELETE", "/healthz", 405),
        ("OPTIONS", "/healthz", 204),
        ("GET", "/probe/broken", 500),
        ("POST", "/probe/orders", 415),
    ],
)
async def test_every_answer_carries_the_headers(
    plain: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await plain.request(method, path)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


async def test_a_method_that_is_not_accepted_names_those_that_are(plain: httpx.AsyncClient) -> None:
    assert "GET" in (await plain.delete("/healthz")).headers["allow"]


async def test_a_host_that_is_not_one_is_400(plain: httpx.AsyncClient) -> None:
    answer = await plain.get("/healthz", headers={"host": "a b\x01"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_what_nobody_foresaw_tells_nothing_and_is_logged_under_its_number(
    plain: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await plain.get("/probe/broken?x=%0d%0aforged")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    record = next(one for one in caplog.records if one.name == "sons_tracker.api.problems")
    assert answer.json()["instance"] in record.getMessage()
    assert "\n" not in record.getMessage()
    assert record.exc_info is not None
    assert "secret-de-la-base" in str(record.exc_info[1])
