"""What each caller sees and may write, asked as the application."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from sons_tracker.db import journal
from sons_tracker.db.engine import RowContext, transaction
from sons_tracker.operations.actors import ANONYMOUS, LOCAL_ADMIN, SCHEDULER, Actor
from tests.databases import Database
from tests.factories import AT, a_finess, an_actor

pytestmark = pytest.mark.usefixtures("module_database")


async def seen(actor: Actor, query: str, *arguments: object) -> list[object]:
    async with transaction(actor.context, read_only=True) as con:
        return [row[0] for row in await con.fetch(query, *arguments)]


async def test_an_organisation_sees_itself_and_its_people_only() -> None:
    mine, other = await an_actor("editor"), await an_actor("og")
    assert await seen(mine, "select id from organisation") == [mine.organisation_id]
    assert await seen(mine, "select id from person") == [mine.person_id]
    assert await seen(mine, "select person_id from membership") == [mine.person_id]
    assert await seen(mine, "select id from access_token") == [mine.token_id]
    reviewer = await an_actor("reviewer")
    assert {mine.organisation_id, other.organisation_id} <= set(
        await seen(reviewer, "select id from organisation")
    )


@pytest.mark.parametrize(
    "table", ["organisation", "person", "membership", "access_token", "journal", "idempotency"]
)
async def test_without_an_organisation_nothing_is_seen(table: str) -> None:
    await an_actor("editor")
    assert await seen(ANONYMOUS, f"select 1 from {table}") == []
    nobody = Actor(None, uuid4(), "editor", None, "token")
    assert await seen(nobody, f"select 1 from {table}") == []


async def test_the_digest_of_a_token_is_never_read_back() -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await seen(LOCAL_ADMIN, "select sha256 from access_token")


async def test_only_an_administrator_enrols() -> None:
    editor = await an_actor("editor")
    for context in (editor.context, RowContext(editor.organisation_id, "reviewer"), SCHEDULER.context):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(context) as con:
                await con.execute("insert into person (name) values ('Intrus')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(context) as con:
                await con.execute(
                    "insert into membership (person_id, organisation_id, organisation_kind, role)"
                    " values ($1, $2, 'agency', 'admin')",
                    editor.person_id,
                    editor.organisation_id,
                )


async def test_an_og_comes_into_being_once_whoever_names_it() -> None:
    editor, finess = await an_actor("editor"), a_finess()
    async with transaction(editor.context) as con:
        made = await con.fetchval("select ensure_og($1, 'OG fictif')", finess)
        assert await con.fetchval("select ensure_og($1, 'autre nom')", finess) == made
    assert await seen(editor, "select 1 from organisation where id = $1", made) == []
    assert await seen(LOCAL_ADMIN, "select name from organisation where id = $1", made) == ["OG fictif"]


async def test_the_application_cannot_become_someone_else(module_database: Database) -> None:
    if module_database.app_role is not None:
        pytest.skip("without DATABASE_APP_URL the session belongs to the owner")
    for role in ("sons_owner", "sons_case", "postgres"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(LOCAL_ADMIN.context) as con:
                await con.execute(f"set role {role}")


@pytest.mark.parametrize(
    "statement",
    [
        "update journal set action = 'x.y'",
        "delete from journal",
        "truncate journal",
        "delete from deadline",
        "truncate instance",
        "delete from law_enactment",
        "alter table journal disable row level security",
        "drop policy journal_seen on journal",
        "insert into journal (at, role, auth_level, action, object_kind, object_id, facts, recorded_at)"
        " values (now(), 'admin', 'x', 'a.b', 'c', 'd', '{}', now())",
    ],
)
async def test_the_application_has_no_right_to(statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(LOCAL_ADMIN.context) as con:
            await con.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "update sons.journal set action = 'x.y'",
        "delete from sons.journal",
        "truncate sons.journal cascade",
        "update sons.law_enactment set digest = repeat('b', 64)",
        "delete from sons.law_enactment",
        "truncate sons.law_enactment cascade",
        "delete from sons.deadline",
        "truncate sons.deadline cascade",
        "delete from sons.instance",
        "truncate sons.instance cascade",
    ],
)
async def test_even_the_owner_cannot_rewrite_what_was_written(clone: Database, statement: str) -> None:
    owner = await clone.connect_superuser()
    await owner.execute(
        "insert into sons.journal (at, role, auth_level, action, object_kind, object_id, facts)"
        " values (now(), 'admin', 'x', 'a.b', 'c', 'd', '{}');"
        "insert into sons.law_enactment (digest, enacted_at) values (repeat('a', 64), now());"
        "insert into sons.deadline (rule, object_id, due_at, kind, facts)"
        " values ('r', 'o', now(), 'order', '{}')"
    )
    with pytest.raises(asyncpg.PostgresError) as caught:
        await owner.execute(statement)
    assert caught.value.sqlstate.startswith("SN")
    await owner.close()


async def test_a_journal_row_is_signed_by_its_author_and_read_by_its_organisation() -> None:
    editor, other = await an_actor("editor"), await an_actor("editor")
    async with transaction(editor.context) as con:
        await journal.record(con, editor, AT, "order.seen", "order", "1", {"finess": "990000001", "n": 2})
    assert await seen(editor, "select facts from journal where action = 'order.seen'") == [
        {"finess": "990000001", "n": 2}
    ]
    assert await seen(other, "select 1 from journal where action = 'order.seen'") == []
    for forged in (other, LOCAL_ADMIN, SCHEDULER):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(editor.context) as con:
                await journal.record(con, forged, AT, "order.seen", "order", "1", {})


async def test_a_journal_row_needs_an_aware_instant_and_a_verb() -> None:
    editor = await an_actor("editor")
    with pytest.raises(ValueError, match="offset"):
        async with transaction(editor.context) as con:
            await journal.record(con, editor, AT.replace(tzinfo=None), "order.seen", "order", "1", {})
    with pytest.raises(asyncpg.CheckViolationError):
        async with transaction(editor.context) as con:
            await journal.record(con, editor, AT, "Order seen", "order", "1", {})


async def test_an_idempotency_row_belongs_to_its_organisation() -> None:
    editor, other = await an_actor("editor"), await an_actor("editor")
    statement = (
        "insert into idempotency (organisation_id, key, route, request_sha256, status, body)"
        " values ($1, $2, 'POST /orders', $3, 201, 'x')"
    )
    async with transaction(editor.context) as con:
        await con.execute(statement, editor.organisation_id, "k", bytes(32))
    assert await seen(other, "select 1 from idempotency") == []
    assert await seen(
        SCHEDULER, "select 1 from idempotency where organisation_id = $1", editor.organisation_id
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(other.context) as con:
            await con.execute(statement, editor.organisation_id, "k2", bytes(32))
    with pytest.raises(asyncpg.UniqueViolationError):
        async with transaction(editor.context) as con:
            await con.execute(statement, editor.organisation_id, "k", bytes(32))
    async with transaction(SCHEDULER.context) as con:
        await con.execute("delete from idempotency where organisation_id = $1", editor.organisation_id)
    assert await seen(editor, "select 1 from idempotency") == []


async def test_deadlines_are_seen_by_their_parties_and_frozen_once_past() -> None:
    editor, og, other = await an_actor("editor"), await an_actor("og"), await an_actor("editor")
    insert = (
        "insert into deadline (rule, object_id, due_at, kind, supplier_id, og_id, facts)"
        " values ('R20', $1, $2, 'order', $3, $4, '{}')"
    )
    key = str(uuid4())
    async with transaction(editor.context) as con:
        await con.execute(insert, key, AT, editor.organisation_id, og.organisation_id)
    for actor, expected in ((editor, 1), (og, 1), (other, 0), (SCHEDULER, 1)):
        assert len(await seen(actor, "select 1 from deadline where object_id = $1", key)) == expected
    with pytest.raises(asyncpg.UniqueViolationError):
        async with transaction(editor.context) as con:
            await con.execute(insert, key, AT, editor.organisation_id, og.organisation_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(editor.context) as con:
            await con.execute(insert, key, AT + timedelta(1), other.organisation_id, None)
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with transaction(editor.context) as con:
            await con.execute("update deadline set fired_at = due_at where object_id = $1", key)
    assert caught.value.sqlstate == "SN012"
    with pytest.raises(asyncpg.CheckViolationError):
        async with transaction(SCHEDULER.context) as con:
            await con.execute(
                "update deadline set fired_at = due_at - interval '1 s' where object_id = $1", key
            )
    async with transaction(og.context) as con:  # the OG sees it and may not touch it
        assert (
            await con.execute("update deadline set superseded_at = due_at where object_id = $1", key)
            == "UPDATE 0"
        )
    async with transaction(editor.context) as con:
        await con.execute("update deadline set superseded_at = due_at where object_id = $1", key)
    for change in ("superseded_at = null", "fired_at = due_at"):
        with pytest.raises(asyncpg.PostgresError) as caught:
            async with transaction(SCHEDULER.context) as con:
                await con.execute(f"update deadline set {change} where object_id = $1", key)
        assert caught.value.sqlstate == "SN012"
