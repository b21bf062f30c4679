"""What every connection, every body and every answer is bounded by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from sons_tracker import app as application
from sons_tracker.api.security import _HEADERS, PAGE_POLICY
from sons_tracker.db import engine
from sons_tracker.db.engine import RowContext, transaction
from tests import factories_orders as make
from tests.databases import Database
from tests.faults.service import Service, serving
from tests.hostile.frame import READERS, ROUTES, Route

CROSS = "https://evil.example"


@pytest.fixture(scope="module", autouse=True)
async def ready(module_database: Database) -> None:
    """A service is ready once its law is enacted."""
    await make.prepare_instance()


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = application.create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as client:
        yield client


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_every_answer_is_closed_to_other_sites(http: httpx.AsyncClient, route: Route) -> None:
    """Strict headers everywhere, and nothing that lets a page of another site read or ask."""
    simple = await http.request(route.method, route.address(), headers={"origin": CROSS})
    asked = {
        "origin": CROSS,
        "access-control-request-method": route.method,
        "access-control-request-headers": "authorization, idempotency-key",
    }
    preflight = await http.options(route.address(), headers=asked)
    for answer in (simple, preflight):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.status_code < 500
        for name, value in _HEADERS.items():
            if name not in {"content-security-policy", "cache-control"}:
                assert answer.headers[name] == value
        policy = answer.headers["content-security-policy"]
        assert policy in {_HEADERS["content-security-policy"], PAGE_POLICY}
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("route", READERS, ids=lambda route: route.name)
async def test_a_body_without_a_length_is_bounded_as_well(http: httpx.AsyncClient, route: Route) -> None:
    """A body that never ends is cut where the bound is, before or after the token is looked at."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 << 20:
            sent += 1 << 20
            yield b" " * (1 << 20)

    answer = await http.request(
        route.method, route.address(), content=endless(), headers={"content-type": "application/json"}
    )
    assert answer.status_code in {401, 413}


async def test_statements_locks_and_idle_transactions_end_by_themselves(module_database: Database) -> None:
    context = RowContext(None, "admin")
    async with transaction(context) as con:
        found = {
            name: await con.fetchval("select setting::int from pg_settings where name = $1", name)
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        }
    assert found == {
        "statement_timeout": engine.STATEMENT_TIMEOUT * 1000,
        "lock_timeout": engine.LOCK_TIMEOUT * 1000,
        "idle_in_transaction_session_timeout": engine.IDLE_IN_TRANSACTION_TIMEOUT * 1000,
    }
    assert engine.STATEMENT_TIMEOUT < engine.COMMAND_TIMEOUT
    async with transaction(context) as con:
        await con.execute("set local statement_timeout = '50ms'")
        with pytest.raises(asyncpg.QueryCanceledError):
            await con.execute("select pg_sleep(5)")


# What no client library would send. Whatever it is, the server ends it: a 4xx, or the connection cut.
_ASKED = b"POST /api/v1/simulations HTTP/1.1\r\nHost: a\r\n"
RAW: dict[str, bytes] = {
    "nothing": b"\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "an unknown version": b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "a NUL in the address": b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the address": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes in the address": b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
    "an address of a megabyte": b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header of a megabyte": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n",
    "100 000 headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 100_000 + b"\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\na",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    "a lone return in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rX-Role: admin\r\n\r\n",
    "two lengths": _ASKED + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a length and chunks": _ASKED + b"Content-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "a negative length": _ASKED + b"Content-Length: -1\r\n\r\n",
    "a length that is no number": _ASKED + b"Content-Length: 1e3\r\n\r\n",
    "a length of 100 digits": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 100 + b"\r\n\r\n",
    "a length of four megabytes": _ASKED + b"Content-Type: text/plain\r\nContent-Length: 4194304\r\n\r\n{}",
    "a chunk that is no number": _ASKED + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "an unknown coding": _ASKED + b"Content-Type: application/json\r\nTransfer-Encoding: x\r\n\r\n{}",
    "an unknown method": b"DROP /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "TRACE": b"TRACE /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "an upgrade": b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: YQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
}  # fmt: skip


@pytest.fixture(scope="module")
async def service(module_database: Database, ready: None) -> AsyncIterator[Service]:
    environ = {**module_database.environ, "SONS_INSTANCE": "sandbox"}
    async with serving(environ) as (one,):
        yield one


@pytest.mark.processes
@pytest.mark.parametrize("name", RAW)
async def test_bytes_that_are_no_request_end_there(service: Service, name: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        writer.write(RAW[name])
        await writer.drain()
        writer.write_eof()
        said = await asyncio.wait_for(reader.read(), 10)
    except (ConnectionError, BrokenPipeError):
        said = b""
    finally:
        writer.close()
    statuses = [int(line.split()[1]) for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert all(200 <= status < 500 for status in statuses), said[:300]
    assert len(statuses) <= 1, "two answers to one request: something was smuggled"
    assert b"Traceback" not in said
    async with httpx.AsyncClient(base_url=service.url) as client:
        assert (await client.get("/healthz")).status_code == 200
