"""One line an event, in UTC, that nobody can forge and that tells no secret."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sons_tracker import logs
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.logs import MASK

Said = Callable[[], list[dict[str, Any]]]
LOGGERS = (None, logs.OURS, "uvicorn", "uvicorn.error", "uvicorn.access", "apscheduler", "asyncio")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the lines go; the loggers are put back as they were."""
    found = [logging.getLogger(name) for name in LOGGERS]
    former = [(one, one.level, one.propagate, list(one.handlers)) for one in found]
    yield io.StringIO()
    logging.captureWarnings(False)
    for one, level, propagate, handlers in former:
        one.setLevel(level)
        one.propagate = propagate
        one.handlers[:] = handlers


@pytest.fixture
def said(stream: io.StringIO) -> Said:
    """The lines so far, each decoded: that each is one JSON object is half of every test."""
    logs.configure("info", "json", secrets=["correct horse", "battery"], stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


ours = logging.getLogger("sons_tracker.tests")


def test_a_line_is_one_json_object_dated_in_utc(said: Said) -> None:
    ours.info("moved %d rows", 3, extra={"order_id": "BC-2023-000001", "rows": 3, "none": None})
    [line] = said()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "sons_tracker.tests",
        "event": "moved 3 rows",
        "order_id": "BC-2023-000001",
        "rows": 3,
        "none": None,
    }


def test_the_instant_is_that_of_the_record(said: Said) -> None:
    ours.info("now")
    then = datetime.fromisoformat(said()[0]["timestamp"])
    assert then.utcoffset() == datetime.now(UTC).utcoffset()
    assert abs((datetime.now(UTC) - then).total_seconds()) < 5


FORGERIES = [
    'end\r\n{"level":"error","event":"forged"}',
    "\x1b[2K\x1b[1Aerased",
    "\x9b31mred",
    "a\u2028b\u2029c\x85d",
    "nul\x00",
    "\u202egnp.exe",
    "\ud800",
]


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("text", FORGERIES, ids=ascii)
def test_nothing_forges_a_line_nor_moves_the_cursor(stream: io.StringIO, text: str, form: Any) -> None:
    logs.configure("info", form, stream=stream)
    ours.info("seen %s", text, extra={"value": text, text: "key", "deep": [{"in": text}]})
    ours.info("after")
    written = stream.getvalue()
    assert len(written.splitlines()) == 2, written
    assert all(char.isprintable() for char in written.replace("\n", "")), ascii(written)


SECRETS = {
    "token": "sons_AbCdEf0123456789-_AbCdEf0123456789",
    "webhook": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "bearer": "Bearer abcdefghijkl",
    "jwt": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
    "iban": "FR7630006000011234567890189",
    "iban_spaced": "FR76 3000 6000 0112 3456 7890 189",
    "iban_narrow": "FR76\u202f3000\u202f6000\u202f0112\u202f3456\u202f7890\u202f189",
    "iban_small": "fr7630006000011234567890189",
    "foreign_iban": "BE68539007547034",
    "email": "claire.canari@og.example.org",
    "account": "postgresql://owner:s3cret@db.example.org/sons",
    "known": "correct horse",
}
BETRAYED = {"account": "s3cret", "iban_spaced": "0112 3456", "iban_narrow": "0112\u202f3456"}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_masked_wherever_it_stands(said: Said, name: str) -> None:
    secret, betrayed = SECRETS[name], BETRAYED.get(name, SECRETS[name])
    ours.warning("about %s, it seems", secret)
    ours.warning("argument", extra={"value": secret, "many": [secret], "deep": {"one": {"two": (secret,)}}})
    ours.warning("as a key", extra={"pairs": {secret: 1}})
    ours.warning("as an error", extra={"error": TypeError(f"cannot use {secret}")})
    logging.getLogger("library").warning("said by a library: %s", secret)
    lines = said()
    assert len(lines) == 5
    assert betrayed not in json.dumps(lines, ensure_ascii=False)
    assert json.dumps(lines, ensure_ascii=False).count(MASK) >= 7


@pytest.mark.parametrize(
    "key",
    ["authorization", "Cookie", "password", "webhook_secret", "token", "access_token", "iban", "email",
     "name", "idempotency_key", "Idempotency-Key", "nom", "totp"],
)  # fmt: skip
def test_a_key_that_names_a_secret_is_enough(said: Said, key: str) -> None:
    ours.info("x", extra={"given": {key: "n'importe quoi"}})
    assert said()[0]["given"] == {key: MASK}


@pytest.mark.parametrize(
    "text",
    ["750712184", "2A0000012", "BC-2023-000123", "1 232,00 €",
     "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
     "0b8d1c1e-aa11-4f3e-9c57-de12345678ab", "postgresql://db.example.org/sons", "2023-06-01T12:00:00+02:00"],
)  # fmt: skip
def test_identifiers_amounts_and_instants_stay(said: Said, text: str) -> None:
    ours.info("about %s", text, extra={"token_id": text})
    assert said()[0]["event"] == f"about {text}"
    assert said()[0]["token_id"] == text


def test_an_exception_tells_where_and_what_but_not_about_whom(said: Said) -> None:
    try:
        try:
            int("Claire Canari")
        except ValueError as error:
            raise KeyError("canari@example.org") from error
    except KeyError:
        ours.exception("failed")
    [line] = said()
    assert "anari" not in json.dumps(line)
    trace = line["trace"]
    assert [one for one in trace if " " not in one] == ["ValueError", "KeyError"]
    assert all(re.fullmatch(r"\S+\.py:\d+ \w+", one) for one in trace if " " in one)
    assert not any(one.startswith("/") for one in trace)


def test_a_refusal_is_known_by_its_code_and_a_loop_of_causes_ends(said: Said) -> None:
    first, second = SonsError(ErrorCode.NOT_FOUND, "Claire Canari"), TypeError("a str is not an int")
    first.__cause__, second.__cause__ = second, first
    ours.error("failed", exc_info=first)
    assert said()[0]["trace"] == ["TypeError: a str is not an int", "SonsError not_found"]


async def test_what_a_task_held_is_not_listed(said: Said) -> None:
    async def fail() -> None:
        raise ValueError("Claire Canari")

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Task exception was never retrieved", "exception": task.exception(), "future": task}
    )
    [line] = said()
    assert line["event"] == "Task exception was never retrieved"
    assert line["trace"][-1] == "ValueError"


def test_libraries_speak_from_a_warning_on_and_the_server_tells_no_address(said: Said) -> None:
    logging.getLogger("httpx").info("HTTP Request: POST https://hook.example.org/secret")
    logging.getLogger("uvicorn.access").warning("GET /api/v1/feeds/secret.ics")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", extra={"color_message": "x"})
    logging.getLogger("apscheduler.executors.default").error("Job %s raised", "tick")
    assert [line["event"] for line in said()] == ["Exception in ASGI application", "Job tick raised"]


def test_a_line_has_an_end(said: Said) -> None:
    nested: dict[str, Any] = {}
    for _ in range(50):
        nested = {"in": nested}
    ours.info(
        "x" * 100_000, extra={"many": list(range(10_000)), "nested": nested, "huge": 2**80, "odd": 1e400}
    )
    [line] = said()
    assert len(line["event"]) == logs.LONGEST_TEXT + 1
    assert len(line["many"]) == 100
    assert line["huge"] == str(2**80)
    assert line["odd"] is None


def test_a_secret_at_the_end_of_what_is_read_is_not_half_shown(said: Said) -> None:
    iban = SECRETS["iban_spaced"]
    for length in range(3_900, 4_010, 3):
        ours.info("%s %s", "claire@og.example.org," * 40 + "x " * ((length - 880) // 2), iban)
    assert "3000" not in json.dumps(said())


def test_a_long_text_takes_no_time(said: Said) -> None:
    began = time.process_time()
    for text in ("x" * 10**6, "FR76" * 10**5, "a@" * 10**5, "://a:" * 10**5, "sons_" * 10**5):
        ours.info("%s", text)
    assert time.process_time() - began < 2
    assert len(said()) == 5


def test_a_line_that_cannot_be_written_quotes_nothing(said: Said, capsys: pytest.CaptureFixture[str]) -> None:
    [handler] = [one for one in logging.getLogger().handlers if type(one).__module__ == logs.__name__]
    handler.handle(ours.makeRecord(ours.name, logging.INFO, "", 0, "about %d", ("Claire Canari",), None))
    assert said() == []
    err = capsys.readouterr().err
    assert json.loads(err)["event"] == "a line of sons_tracker.tests could not be written: TypeError"


def test_configured_twice_a_line_is_still_one(said: Said, stream: io.StringIO) -> None:
    logs.configure("warning", "text", stream=stream)
    ours.info("below the level")
    ours.warning("once", extra={"rows": 2})
    assert re.fullmatch(r"\S+Z WARNING once rows=2 \(sons_tracker.tests\)\n", stream.getvalue())


async def test_every_request_has_one_line_and_an_identifier(
    said: Said, plain_client: httpx.AsyncClient
) -> None:
    fresh = await plain_client.get("/healthz")
    mine = await plain_client.get(
        "/nowhere/claire.canari@example.org", headers={"x-request-id": "0123abcd-XYZ"}
    )
    first, second = said()
    assert first["request_id"] == fresh.headers["x-request-id"]
    assert (first["method"], first["route"], first["status"]) == ("GET", "/healthz", 200)
    assert first["milliseconds"] >= 0
    assert mine.headers["x-request-id"] == second["request_id"] == "0123abcd-XYZ"
    assert (second["status"], second["route"]) == (404, "")


@pytest.mark.parametrize(
    "given", ["short", "x" * 65, "a b c d e f g h", "canari@example.org", "é" * 8, "abc;def:ghi"]
)
async def test_an_identifier_that_could_be_more_than_one_is_replaced(
    said: Said, plain_client: httpx.AsyncClient, given: str
) -> None:
    answer = await plain_client.get("/healthz", headers={"x-request-id": given.encode()})
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
    assert said()[0]["request_id"] == answer.headers["x-request-id"]


async def test_requests_at_once_keep_their_identifiers(said: Said, plain_client: httpx.AsyncClient) -> None:
    given = [f"request-{number:04d}" for number in range(50)]
    answers = await asyncio.gather(
        *(plain_client.get("/healthz", headers={"x-request-id": one}) for one in given)
    )
    assert [one.headers["x-request-id"] for one in answers] == given
    assert sorted(line["request_id"] for line in said()) == given


@pytest.fixture
async def plain_client() -> Any:
    from sons_tracker.app import create_app
    from sons_tracker.settings import Settings

    app = create_app(Settings.from_env({}), connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as http:
        yield http
