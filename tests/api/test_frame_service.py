"""The law over HTTP, and whether the process is alive and ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from sons_tracker import law
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import clock, enactment
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests.databases import Database, Server
from tests.factories import AT, an_account


async def test_alive_without_a_database(plain: httpx.AsyncClient) -> None:
    assert (await plain.get("/healthz")).json()["status"] == "ok"


async def test_ready_once_the_law_is_enacted(client: httpx.AsyncClient) -> None:
    texts = law.load().law
    before = await client.get("/readyz")
    assert (before.status_code, before.json()["code"]) == (503, "law_not_enacted")
    assert before.headers["retry-after"] == "5"
    assert (await enactment.enact(LOCAL_ADMIN, texts, AT)).is_new
    assert not (await enactment.enact(LOCAL_ADMIN, texts, AT)).is_new
    after = await client.get("/readyz")
    assert (after.status_code, after.json()) == (200, {"status": "ok", "law_digest": texts.digest})


async def test_the_laws_that_were_enacted(client: httpx.AsyncClient) -> None:
    texts = law.load().law
    assert (await client.get("/api/v1/law/enactments")).json() == {"package": texts.digest, "enactments": []}
    former = replace(texts, digest="0" * 64)
    await enactment.enact(LOCAL_ADMIN, former, AT - timedelta(days=1))
    await enactment.enact(LOCAL_ADMIN, texts, AT)
    answer = await client.get("/api/v1/law/enactments")
    assert answer.json()["enactments"] == [
        {"digest": texts.digest, "enacted_at": "2023-03-01T10:00:00+01:00"},
        {"digest": former.digest, "enacted_at": "2023-02-28T10:00:00+01:00"},
    ]


async def test_not_ready_when_the_schema_is_another(client: httpx.AsyncClient, clone: Database) -> None:
    owner = await clone.connect_owner()
    try:
        await owner.execute("delete from sons.migration where name = (select max(name) from sons.migration)")
    finally:
        await owner.close()
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "schema_not_current")


async def test_not_ready_when_the_database_stops_answering(
    client: httpx.AsyncClient, clone: Database, server: Server
) -> None:
    assert (await client.get("/readyz")).json()["code"] == "law_not_enacted"
    await server.run(f"alter database {clone.name} allow_connections false")
    try:
        await server.run(
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{clone.name}'"
        )
        answer = await client.get("/readyz")
    finally:
        await server.run(f"alter database {clone.name} allow_connections true")
    assert answer.status_code == 503
    assert answer.json()["code"] in {"unavailable", "database_unreachable"}
    assert answer.headers["retry-after"]
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).json()["code"] == "law_not_enacted"


async def test_only_an_administrator_enacts(database: Database) -> None:
    pilot = await an_account("pilot")
    with pytest.raises(SonsError) as caught:
        await enactment.enact(pilot.actor, law.load().law, AT)
    assert caught.value.code is ErrorCode.FORBIDDEN


async def test_the_law_of_a_day(plain: httpx.AsyncClient) -> None:
    answer = await plain.get("/api/v1/law/MS1-V1.bareme?on=2022-06-01&known_on=2022-06-01")
    assert answer.status_code == 200
    text = answer.json()
    assert text["digest"] == law.load().law.digest
    assert text["values"]["bareme"]["tranches"][4]["ttc"] == "1232.00"
    assert "reference" in text["values"]["bareme"]["source"]
    before = await plain.get("/api/v1/law/MS1-V1.bareme?on=2022-02-11&known_on=2022-06-01")
    assert before.json()["values"] == {"bareme": None}


async def test_the_law_is_read_at_the_clock_of_the_instance(client: httpx.AsyncClient) -> None:
    await clock.declare(LOCAL_ADMIN, "sandbox")
    assert (await client.get("/api/v1/law/MS1-V1.bareme")).json()["on"] == "2023-03-01"
    assert (await client.get("/api/v1/law/MS1-V1/calendar")).json()["known_on"] == "2023-03-01"


async def test_the_calendar(plain: httpx.AsyncClient) -> None:
    answer = await plain.get("/api/v1/law/MS1-V1/calendar?known_on=2023-03-01")
    days = answer.json()
    assert days["ouverture"]["at"] == "2022-02-12T00:00:00+01:00"
    assert days["fermeture"]["at"] == "2023-12-31T23:59:59+01:00"
    assert days["cloture"]["at"] == "2024-03-31T23:59:59+02:00"
    assert all(days[name]["source"] for name in ("ouverture", "fermeture", "cloture"))


async def test_a_law_that_does_not_exist(plain: httpx.AsyncClient) -> None:
    for path in ("/api/v1/law/XX", "/api/v1/law/XX/calendar", "/api/v1/law/MS1-V1.rien", "/api/v1/law/%00"):
        answer = await plain.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
