"""Calendar feeds over HTTP: the deadlines of one organisation, under an address that can be taken back."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from icalendar import Calendar

from sons_tracker.db.engine import transaction
from sons_tracker.operations import feeds
from sons_tracker.operations.actors import SCHEDULER
from sons_tracker.operations.views import OrderView
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import Account, an_account

FEEDS = "/api/v1/calendar/feeds"


async def feed_of(client: httpx.AsyncClient, account: Account, key: str = "k") -> dict[str, Any]:
    answer = await client.post(FEEDS, headers={**account.headers, "Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def events(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    return Calendar.from_ical(answer.text).walk("VEVENT")


async def an_order() -> tuple[Account, Account, OrderView]:
    """An accepted order, its supplier and its OG."""
    await make.prepare_instance()
    editor, request, view = await make.an_accepted_order(make.Everything(), 2)
    return editor, await an_account("og", finess_juridique=request.og), view


async def at_instant(at: datetime) -> None:
    """Moves the clock of the sandbox, and fires nothing."""
    await make.Everything().execute("update sons.instance set clock_at = $1", at)


async def test_both_parties_see_the_deadlines_and_nobody_else(client: httpx.AsyncClient) -> None:
    editor, og, view = await an_order()
    rival = await an_account("editor", siren=None)
    assert view.identity is not None
    number = view.identity.number
    for account in (editor, og):
        made = await feed_of(client, account)
        found = events(await client.get(made["url"]))
        assert [str(event["summary"]) for event in found] == [
            f"{number} : Fermeture : dernier instant pour la demande d'avance",
            f"{number} : Clôture : dernier instant pour la VA et la demande de solde",
        ]
        assert found[0]["dtstart"].dt == datetime(2023, 12, 31, 22, 59, 59, tzinfo=UTC)
        assert "Source : " in str(found[0]["description"])
        assert {str(event["status"]) for event in found} == {"CONFIRMED"}
    assert events(await client.get((await feed_of(client, rival))["url"])) == []


async def test_an_address_is_shown_once_kept_as_a_digest_and_logged_nowhere(
    client: httpx.AsyncClient,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    og = await an_account("og")
    made = await feed_of(client, og)
    secret = made["url"].rsplit("/", 1)[1].removesuffix(".ics")
    assert len(secret) == 43
    again = await feed_of(client, og)
    assert again == {**made, "url": None}
    listed = (await client.get(FEEDS, headers=og.headers)).json()["feeds"]
    assert listed == [{**made, "url": None}]
    owner = await database.connect_superuser()
    try:
        for table in ("calendar_feed", "journal", "idempotency", "outbox"):
            for row in await owner.fetch(f"select to_jsonb(t)::text as row from sons.{table} t"):
                assert secret not in row["row"]
                assert secret.encode().hex() not in row["row"]
    finally:
        await owner.close()

    async def broken(_: str) -> None:
        raise asyncpg.CannotConnectNowError("away")

    monkeypatch.setattr(feeds, "read_calendar", broken)
    with caplog.at_level(logging.DEBUG):
        assert (await client.get(made["url"])).status_code == 503
    ours = [record for record in caplog.records if record.name.startswith("sons_tracker")]
    assert ours
    assert all(secret not in record.getMessage() for record in ours)


async def test_a_revoked_address_answers_as_an_unknown_one(client: httpx.AsyncClient) -> None:
    og, other = await an_account("og"), await an_account("og")
    made = await feed_of(client, og)
    path = f"{FEEDS}/{made['id']}/revoke"
    foreign = await client.post(path, headers={**other.headers, "Idempotency-Key": "1"})
    assert foreign.status_code == 404
    assert (await client.get(made["url"])).status_code == 200
    ended = await client.post(path, headers={**og.headers, "Idempotency-Key": "2"})
    assert ended.json()["revoked_at"] is not None
    gone = await client.get(made["url"])
    unknown = await client.get(f"/calendar/{'x' * 43}.ics")
    assert (gone.status_code, gone.json()) == (404, unknown.json())
    twice = await client.post(path, headers={**og.headers, "Idempotency-Key": "3"})
    assert (twice.status_code, twice.json()["code"]) == (409, "action_refused")


@pytest.mark.parametrize(
    "name", ["x.ics", "é" * 43 + ".ics", "x" * 43, "x" * 44 + ".ics", "%00" * 43 + ".ics"]
)
async def test_what_is_no_address_is_unknown(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/calendar/{name}")
    assert answer.status_code == 404


async def test_the_tag_spares_the_text_until_a_deadline_changes(client: httpx.AsyncClient) -> None:
    editor, *_ = await an_order()
    made = await feed_of(client, editor)
    first = await client.get(made["url"])
    assert first.headers["cache-control"] == "private, no-cache"
    kept = {"if-none-match": first.headers["etag"]}
    same = await client.get(made["url"], headers=kept)
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])

    async with transaction(SCHEDULER.context) as con:
        row = await con.fetchrow("select * from deadline where kind = 'cloture'")
        assert row is not None
        await con.execute(
            "update deadline set superseded_at = $1 where kind = 'cloture'",
            datetime(2023, 3, 2, tzinfo=UTC),
        )
        await con.execute(
            "insert into deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8)",
            row["rule"],
            row["object_id"],
            row["due_at"] + timedelta(days=200),
            "cloture",
            row["order_id"],
            row["supplier_id"],
            row["og_id"],
            row["facts"],
        )
        for kind in ("reminder", "notice"):
            await con.execute(
                "insert into deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)"
                " values ('R20', $1, $2, $1, $3, $4, $5, '{}')",
                kind,
                row["due_at"],
                row["order_id"],
                row["supplier_id"],
                row["og_id"],
            )
    moved = await client.get(made["url"], headers=kept)
    found = events(moved)
    before = {str(event["uid"]): event for event in events(first)}
    assert [str(event["status"]) for event in found] == ["CONFIRMED", "CANCELLED", "CONFIRMED"]
    assert {str(event["uid"]) for event in found[:2]} == set(before), "identifiers are stable"
    assert str(found[2]["uid"]) not in before
    assert int(found[1]["sequence"]) > int(before[str(found[1]["uid"])]["sequence"])


async def test_a_deadline_leaves_the_feed_long_after_it_is_past(client: httpx.AsyncClient) -> None:
    editor, _, _ = await an_order()
    made = await feed_of(client, editor)
    await at_instant(datetime(2024, 3, 30, tzinfo=UTC))
    assert len(events(await client.get(made["url"]))) == 2
    await at_instant(datetime(2024, 4, 1, tzinfo=UTC))
    assert len(events(await client.get(made["url"]))) == 1


async def test_more_than_a_feed_holds_is_said(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "MOST_EVENTS", 1)
    editor, _, _ = await an_order()
    made = await feed_of(client, editor)
    answer = await client.get(made["url"])
    (only,) = events(answer)
    assert "Fermeture" in str(only["summary"])
    assert "X-WR-CALDESC" in answer.text


async def test_an_organisation_has_so_many_feeds_and_no_more(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "MOST_FEEDS", 1)
    og = await an_account("og")
    await feed_of(client, og, "1")
    answer = await client.post(FEEDS, headers={**og.headers, "Idempotency-Key": "2"})
    assert answer.status_code == 409
    assert json.loads(answer.text)["reasons"][0]["remedy"] == "Révoquez-en un."


@pytest.mark.parametrize("role", ["reviewer", "payer", "pilot", "admin", "ars"])
async def test_agencies_have_no_feed(client: httpx.AsyncClient, role: str) -> None:
    account = await an_account(role)
    answer = await client.post(FEEDS, headers={**account.headers, "Idempotency-Key": "1"})
    assert answer.status_code == 403
