"""Secrets and persons put everywhere that a request has room: none comes out by a log, an error, an export or
the journal, whatever the route and whatever fails.

The canaries are random and stand nowhere else; what may keep one is listed with its reason.
"""

from __future__ import annotations

import io
import json
import logging
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from sons_tracker import cli, logs
from sons_tracker.api import openapi
from sons_tracker.api.contract import ROLES, Contract
from sons_tracker.app import create_app
from sons_tracker.operations import actors
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests.databases import Database, Server
from tests.factories import AT, Account, an_account
from tests.factories_orders import prepare_instance
from tests.factories_suppliers import an_enrolled_supplier, an_iban, change_asked, some_numbers

RANDOM = secrets.token_hex(6)
TOKEN = f"sons_{secrets.token_urlsafe(32)}"
PASSWORD = f"Canari-{RANDOM}-{secrets.token_urlsafe(9)}"
EMAIL = f"claire.canari.{RANDOM}@og.example.org"
NAME = f"Claire Canari-{RANDOM}"
KEY = f"cle-{RANDOM}-{secrets.token_hex(6)}"
IBAN = an_iban()

# Where a canary is kept on purpose: table, and why.
KEPT = {
    ("person", NAME): "who a person is",
    ("person", EMAIL): "how a person is reached",
    ("bank_account", IBAN): "where a supplier is paid",
    ("idempotency", KEY): "the key of a request, for thirty days",
}

pytestmark = pytest.mark.scoreboard(20)


@dataclass
class World:
    """The application on its database, whose stories go to `stream`; `accounts` by role."""

    app: Litestar
    http: httpx.AsyncClient
    accounts: dict[str, Account]
    canaries: dict[str, str]
    stream: io.StringIO

    def calls(self) -> Iterator[tuple[str, str, Contract]]:
        """Every route, with what its contract says."""
        for path, method, contract in openapi.routes(self.app):
            yield method, path, contract

    def leaks(self, text: str) -> list[str]:
        """The canaries that a text lets out."""
        return [name for name, value in self.canaries.items() if value in text]


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    await prepare_instance()
    stream = io.StringIO()
    former = logging.getLogger().handlers[:]
    # What this process could not know: the redaction must not be told the canaries.
    logs.configure("debug", "json", stream=stream)
    accounts = {role: await an_account(role) for role in sorted(ROLES)}
    supplier = await an_enrolled_supplier()
    await change_asked(supplier.account, some_numbers(IBAN), AT)
    person, organisation = await actors.enrol(
        LOCAL_ADMIN, at=AT, kind="agency", organisation="Agence", person=NAME, role="reviewer", email=EMAIL
    )
    made = await actors.create_token(
        LOCAL_ADMIN, at=AT, person_id=person, organisation_id=organisation, role="reviewer"
    )
    canaries = {
        "token": TOKEN, "valid token": made.secret, "password": PASSWORD, "email": EMAIL, "name": NAME,
        "iban": IBAN, "spaced iban": " ".join(IBAN[at : at + 4] for at in range(0, 27, 4)), "key": KEY,
    }  # fmt: skip
    app = create_app(database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as http:
        yield World(app, http, accounts, canaries, stream)
    logging.getLogger().handlers[:] = former
    logging.captureWarnings(False)


def poisoned(body: Any, value: str) -> Any:
    """The same body with every text replaced by `value`, and one more member."""
    if isinstance(body, dict):
        return {**{key: poisoned(one, value) for key, one in body.items()}, "motDePasse": PASSWORD}
    if isinstance(body, list):
        return [poisoned(one, value) for one in body]
    return value if isinstance(body, str) else body


def requests(path: str, contract: Contract, token: str) -> Iterator[dict[str, Any]]:
    """The ways of one call: unknown token, wrong values, a body that is no JSON, canaries in the address."""
    shown = (one for one in contract.examples if not isinstance(one.body, bytes | None))
    example = next(shown, None)  # a file is no JSON: what is asked instead is refused as such
    body = example.body if example is not None else {"libre": ""}
    plain = path
    for name in contract.path:
        plain = plain.replace("{" + name + "}", "0b8d1c1e-0000-4000-8000-000000000000")
    known = {"authorization": f"Bearer {token}", "idempotency-key": KEY}
    yield {"url": plain, "headers": {**known, "authorization": f"Bearer {TOKEN}"}, "json": body}
    yield {"url": plain, "headers": {**known, "authorization": f"Basic {PASSWORD} {EMAIL}"}, "json": body}
    yield {"url": plain, "headers": known, "json": body}
    for value in (IBAN, NAME, EMAIL, PASSWORD):
        yield {"url": plain, "headers": known, "json": poisoned(body, value)}
    as_json = {**known, "content-type": "application/json"}
    yield {
        "url": plain,
        "headers": as_json,
        "content": f'{{"iban": "{IBAN}", "nom": "{NAME}" {TOKEN}'.encode(),
    }
    yield {"url": plain, "headers": {**known, "content-type": "text/plain"}, "content": NAME.encode()}
    yield {"url": plain, "headers": known, "params": {"iban": IBAN, "cursor": EMAIL, "limit": NAME}}
    secret = path
    for name in contract.path:
        secret = secret.replace("{" + name + "}", PASSWORD)
    yield {"url": secret, "headers": {**known, "cookie": f"session={TOKEN}", "x-request-id": EMAIL}}


async def play(world: World) -> dict[int, int]:
    """Every request of every route, by one who may call it; errors let nothing out. Counts by status."""
    counts: dict[int, int] = {}
    found: list[tuple[str, str, int, list[str]]] = []
    for method, path, contract in world.calls():
        role = next(iter(sorted(contract.access.roles & ROLES)), "admin")
        for request in requests(path, contract, world.accounts[role].token):
            answer = await world.http.request(method, **request)
            counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
            if answer.status_code >= 400:
                said = world.leaks(f"{answer.text} {dict(answer.headers)}")
                # A number that is no FINESS is quoted to whoever wrote it in the address: that alone.
                said = [one for one in said if world.canaries[one] not in request["url"]]
                found += [(method, path, answer.status_code, said)] if said else []
    assert found == []
    return counts


async def tables(owner: asyncpg.Connection) -> AsyncIterator[tuple[str, str]]:
    """Each table with all that it holds, as text."""
    rows = await owner.fetch(
        "select relname from pg_class where relnamespace = 'sons'::regnamespace and relkind in ('r', 'p')"
    )
    for row in rows:
        name = row["relname"]
        held = await owner.fetchval(f"select string_agg(to_jsonb(t)::text, ' ') from sons.{name} t")
        yield name, held or ""


async def test_no_canary_gets_out(world: World, database: Database) -> None:
    counts = await play(world)
    assert {400, 401, 404, 415, 422} <= set(counts)
    assert not {status for status in counts if status >= 500}, counts
    lines = world.stream.getvalue()
    assert lines.count("\n") >= sum(counts.values())
    assert world.leaks(lines) == []
    assert all(json.loads(line)["event"] for line in lines.splitlines())
    owner = await database.connect_superuser()
    try:
        async for name, held in tables(owner):
            found = {world.canaries[one] for one in world.leaks(held)}
            assert all((name, canary) in KEPT for canary in found), name
    finally:
        await owner.close()


async def test_a_database_that_breaks_lets_nothing_out(
    world: World, database: Database, server: Server
) -> None:
    owner = await database.connect_superuser()
    try:
        # 500: what PostgreSQL says of a defect quotes the row. The keys are written first, by every act.
        await owner.execute(
            "create function sons.quote_row() returns trigger language plpgsql as $$ begin"
            " raise exception 'row %', to_jsonb(new) using errcode = 'XX000', detail = to_jsonb(new)::text;"
            " end $$;"
            "create trigger quote_row before insert on sons.idempotency"
            " for each row execute function sons.quote_row();"
            "alter table sons.purchase_order rename column number to numbers;"
            "alter table sons.conflict rename column state to states;"
        )
        broken = await play(world)
        assert broken.get(500, 0) > 50, broken
        # 503: the database takes nobody any more.
        await server.run(f"alter database {database.name} allow_connections false")
        await owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        away = await play(world)
        assert away.get(503, 0) > 100, away
    finally:
        await owner.close()
    lines = world.stream.getvalue()
    assert world.leaks(lines) == []
    traced = [line for line in map(json.loads, lines.splitlines()) if "trace" in line]
    assert any("InternalServerError sqlstate=XX000" in line["trace"][-1] for line in traced)
    print(f"\ncanaris : {sum(broken.values()) + sum(away.values())} demandes, {len(traced)} traces, 0 fuite")


async def test_what_others_read_and_export_names_nobody(world: World) -> None:
    """Lists and exports, for every role that may have them, in every format that they have."""
    read = 0
    for method, path, contract in world.calls():
        if method != "GET" or contract.path:
            continue
        for role in sorted(contract.access.roles & ROLES):
            headers = {"authorization": f"Bearer {world.accounts[role].token}"}
            for query in ({}, {"format": "csv"}, {"format": "xlsx"}):
                answer = await world.http.get(path, headers=headers, params=query)
                if answer.status_code == 200:
                    read += 1
                    assert world.leaks(answer.text) == [], (path, role)
    assert read > 50


def test_an_error_of_the_terminal_keeps_a_trace_without_a_canary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError(f"{IBAN} {NAME} {EMAIL} {TOKEN}")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("sons_tracker.cli.typer.main.get_command", fail)
    assert cli.run_command(["tariff"]) == 1
    [kept] = tmp_path.iterdir()
    said = capsys.readouterr()
    text = f"{kept.read_text()} {said.out} {said.err}"
    assert kept.read_text().splitlines()[-1] == "ValueError"
    assert not [one for one in (IBAN, NAME, EMAIL, TOKEN) if one in text]
