"""The closed list of errors, its pages, and what the database refuses said in its words."""

from __future__ import annotations

import asyncpg
import httpx
import pytest

from sons_tracker.api.problems import members
from sons_tracker.db.engine import transaction
from sons_tracker.db.errors_map import CONSTRAINTS, from_database
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import ANONYMOUS
from tests.databases import Database

CODES = [code.value for code in ErrorCode]


def test_codes_are_unique_and_speak_in_sentences() -> None:
    assert len({kind.code for kind in CODES}) == len(CODES)
    for kind in CODES:
        assert 400 <= kind.status < 600
        assert kind.title.endswith(".")
        assert kind.remedy.endswith(".")
        assert (kind.retry_after is not None) or kind.status not in {429, 503}


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: str(kind.code))
async def test_each_error_has_its_page(plain: httpx.AsyncClient, kind: object) -> None:
    assert kind in CODES
    address = f"/problemes/{kind.code}"  # type: ignore[attr-defined]
    shown = (await plain.get(address)).json()
    assert shown["type"] == address
    assert shown["title"] == kind.title  # type: ignore[attr-defined]
    page = await plain.get(address, headers={"accept": "text/html,*/*"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<html lang=" in page.text
    assert address.rsplit("/", 1)[1] in page.text


async def test_the_list_of_errors_is_whole(plain: httpx.AsyncClient) -> None:
    assert {one["code"] for one in (await plain.get("/problemes")).json()} == {kind.code for kind in CODES}
    page = await plain.get("/problemes", headers={"accept": "text/html"})
    assert page.text.count("<li>") == len(CODES)


async def test_an_unknown_error_has_no_page(plain: httpx.AsyncClient) -> None:
    assert (await plain.get("/problemes/%3Cscript%3E")).status_code == 404


def test_the_members_of_a_problem() -> None:
    error = SonsError(
        ErrorCode.INVALID_REQUEST,
        "Deux fautes.",
        (Fault("$.a", "Une."), Fault("$.b", "Autre.")),
        remedy="Voir.",
    )
    assert members(error) == {
        "type": "/problemes/invalid_request",
        "title": ErrorCode.INVALID_REQUEST.value.title,
        "status": 422,
        "detail": "Deux fautes.",
        "code": "invalid_request",
        "remedy": "Voir.",
        "errors": [{"path": "$.a", "message": "Une."}, {"path": "$.b", "message": "Autre."}],
    }


RAISED = {
    "23514": ErrorCode.INVALID_REQUEST,
    "23505": ErrorCode.CONFLICT,
    "23503": ErrorCode.CONFLICT,
    "23P01": ErrorCode.CONFLICT,
    "SN001": ErrorCode.TRANSITION_REFUSED,
    "SN010": ErrorCode.TRANSITION_REFUSED,
    "42501": ErrorCode.NOT_FOUND,
    "22003": ErrorCode.INVALID_REQUEST,
    "22021": ErrorCode.INVALID_REQUEST,
    "40001": ErrorCode.UNAVAILABLE,
    "40P01": ErrorCode.UNAVAILABLE,
    "55000": ErrorCode.UNAVAILABLE,
    "55P03": ErrorCode.UNAVAILABLE,
    "57014": ErrorCode.UNAVAILABLE,
    "57P01": ErrorCode.UNAVAILABLE,
    "53300": ErrorCode.UNAVAILABLE,
    "53100": ErrorCode.UNAVAILABLE,
    "58030": ErrorCode.UNAVAILABLE,
    "25006": ErrorCode.UNAVAILABLE,
    "08006": ErrorCode.UNAVAILABLE,
    "28P01": ErrorCode.DATABASE_UNREACHABLE,
    "3D000": ErrorCode.DATABASE_UNREACHABLE,
    # Defects of ours: they must stay a 500 and be read.
    "23502": None,
    "42P01": None,
    "42601": None,
    "XX000": None,
}


async def raised(sqlstate: str, constraint: str = "") -> BaseException:
    """The error that the server really sends for a SQLSTATE."""
    named = f", constraint = '{constraint}'" if constraint else ""
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)) as caught:
        async with transaction(ANONYMOUS.context) as con:
            await con.execute(
                "do $$ begin raise exception 'another one''s data'"
                f" using errcode = '{sqlstate}'{named}; end $$"
            )
    return caught.value


async def test_each_sqlstate_is_told_in_our_words(database: Database) -> None:
    for sqlstate, code in RAISED.items():
        told = from_database(await raised(sqlstate))
        assert (told and told.code) == code, sqlstate
        assert told is None or "data" not in told.detail


async def test_a_constraint_is_recognised_by_its_name(database: Database) -> None:
    for constraint, (code, sentence) in CONSTRAINTS.items():
        told = from_database(await raised("23505", constraint))
        assert told is not None
        assert (told.code, told.detail) == (code, sentence)
    other = from_database(await raised("23505", "another_one"))
    assert other is not None
    assert other.code is ErrorCode.CONFLICT
    assert "another_one" in other.detail


async def test_a_value_that_cannot_be_sent_is_the_callers_fault(database: Database) -> None:
    for value in (2**40, "x", "a\0b"):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is asyncpg's business
            async with transaction(ANONYMOUS.context) as con:
                await con.fetchval("select $1::int4" if value != "a\0b" else "select $1::text", value)
        told = from_database(caught.value)
        assert told is not None
        assert told.code is ErrorCode.INVALID_REQUEST


def test_a_lost_connection_may_have_committed() -> None:
    for error in (ConnectionResetError(), TimeoutError(), asyncpg.InterfaceError("connection is closed")):
        told = from_database(error)
        assert told is not None
        assert told.code is ErrorCode.UNAVAILABLE
    assert from_database(KeyError("x")) is None
    assert from_database(FileNotFoundError()) is None
