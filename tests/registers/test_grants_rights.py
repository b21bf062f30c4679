"""Who sees a grant: the agencies, and the OG to which the ESSMS is attached; the crossing sees no amount."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from sons_tracker.db.engine import asyncpg, transaction
from sons_tracker.operations.actors import ANONYMOUS, LOCAL_ADMIN, SCHEDULER, Actor
from tests.databases import Database
from tests.factories import a_finess, an_account
from tests.factories_registers import (
    a_grant,
    establishment_line,
    establishments_file,
    imported,
    rows_file,
)

BEFORE, DAY, LATER = date(2022, 1, 3), date(2023, 2, 1), date(2023, 6, 1)


async def seen_by(actor: Actor) -> set[str]:
    async with transaction(actor.context) as con:
        return {row["finess_geographique"] for row in await con.fetch("select * from esms_grant")}


async def test_a_grant_is_seen_by_the_og_of_its_essms_and_by_the_agencies(
    database: Database, tmp_path: Path
) -> None:
    ogs = [await an_account("og") for _ in range(3)]
    numbers = [a_finess() for _ in range(3)]
    lines = [
        establishment_line(number, og.finess_juridique or "")
        for number, og in zip(numbers, (ogs[0], ogs[0], ogs[1]), strict=True)
    ]
    await imported(establishments_file(tmp_path, BEFORE, lines))
    await imported(rows_file(tmp_path, "g", map(a_grant, numbers)), extracted_on=DAY)
    assert await seen_by(ogs[0].actor) == set(numbers[:2])
    assert await seen_by(ogs[1].actor) == {numbers[2]}
    assert await seen_by(ogs[2].actor) == set()
    for role in ("reviewer", "payer", "pilot", "admin"):
        assert await seen_by((await an_account(role)).actor) == set(numbers)
    assert await seen_by(SCHEDULER) == set(numbers)
    for role in ("editor", "distributor", "ars"):
        assert await seen_by((await an_account(role)).actor) == set()
    assert await seen_by(ANONYMOUS) == set()
    # the organisation alone is not enough, nor is the ownership of the table
    assert await seen_by(replace(ogs[0].actor, role="editor")) == set()
    owner = await database.connect_owner()
    try:
        await owner.execute("set role sons_owner")
        assert await owner.fetchval("select count(*) from sons.esms_grant") == 0
    finally:
        await owner.close()


async def test_the_og_that_came_and_the_og_that_left_both_see_it(database: Database, tmp_path: Path) -> None:
    left, came = await an_account("og"), await an_account("og")
    number = a_finess()
    for on, og in ((BEFORE, left), (LATER, came)):
        line = establishment_line(number, og.finess_juridique or "")
        await imported(establishments_file(tmp_path, on, [line]))
    await imported(rows_file(tmp_path, "g", [a_grant(number)]), extracted_on=DAY)
    assert await seen_by(left.actor) == await seen_by(came.actor) == {number}
    # what is stated only since the ESSMS left is no longer the business of the OG that it left
    other = rows_file(tmp_path, "g2", [a_grant(number), a_grant(number, grant_reference="ESMS-2")])
    await imported(other, extracted_on=date(2023, 9, 1))
    async with transaction(left.actor.context) as con:
        assert [row["grant_reference"] for row in await con.fetch("select * from esms_grant")] == [
            "ESMS-2022-0001"
        ]


async def test_only_an_administrator_writes_grants(database: Database) -> None:
    sql = (
        "insert into esms_grant (grant_reference, finess_geographique, valid_from, call_year, project,"
        " components, state, agreed_on) values"
        " ('R', '010000024', '2023-01-01', 2022, 'upgrade', '{usage}', 'agreed', '2022-10-01')"
    )
    for role in ("og", "reviewer", "payer", "editor"):
        actor = (await an_account(role)).actor
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(actor.context) as con:
                await con.execute(sql)
    async with transaction(LOCAL_ADMIN.context) as con:
        await con.execute(sql)


async def test_the_crossing_tells_anyone_what_was_known_without_amount_or_porteur(
    database: Database, tmp_path: Path
) -> None:
    number, other = a_finess(), a_finess()
    asked = a_grant(number, state="requested", agreed_on="", porteur="Grappe")
    await imported(rows_file(tmp_path, "g", [asked, a_grant(other)]), extracted_on=DAY)
    await imported(rows_file(tmp_path, "g2", [a_grant(number), a_grant(other)]), extracted_on=LATER)
    for actor in (ANONYMOUS, (await an_account("editor")).actor):
        async with transaction(actor.context) as con:
            before = await con.fetch("select * from grants_of($1, $2)", [number], date(2023, 1, 1))
            first = await con.fetch("select * from grants_of($1, $2)", [number], DAY)
            second = await con.fetch("select * from grants_of($1, $2)", [number, other], LATER)
        assert before == []
        assert [row["state"] for row in first] == ["requested"]
        assert [row["state"] for row in second] == ["agreed", "agreed"]
        assert not any(name.endswith("_cents") or name == "porteur" for name in dict(second[0]))


@pytest.mark.parametrize(
    ("column", "value"),
    [("state", "'payé'"), ("project", "'x'"), ("components", "'{licence}'"), ("components", "'{}'"),
     ("usage_cents", "-1"), ("agreed_on", "null"), ("valid_to", "'2022-01-01'"), ("call", "'local'")],
)  # fmt: skip
async def test_the_database_refuses_what_a_grant_cannot_be(
    database: Database, column: str, value: str
) -> None:
    row = {
        "grant_reference": "'R'",
        "finess_geographique": "'010000024'",
        "valid_from": "'2023-01-01'",
        "call_year": "2022",
        "project": "'upgrade'",
        "components": "'{usage}'",
        "state": "'agreed'",
        "agreed_on": "'2022-10-01'",
    }
    async with transaction(LOCAL_ADMIN.context) as con:
        await con.execute(f"insert into esms_grant ({', '.join(row)}) values ({', '.join(row.values())})")
    row |= {"grant_reference": "'S'", column: value}
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        async with transaction(LOCAL_ADMIN.context) as con:
            await con.execute(f"insert into esms_grant ({', '.join(row)}) values ({', '.join(row.values())})")
    assert str(caught.value.constraint_name).startswith("esms_grant_")
