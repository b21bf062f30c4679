"""Migrations: all or nothing, one process at a time, by a superuser or by a plain owner of the database."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest

from sons_tracker.db import engine, migrate, roles
from sons_tracker.db.embedded import EmbeddedServer
from sons_tracker.db.engine import RowContext, transaction
from sons_tracker.db.migrate import known_migrations, schema_is_current
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.settings import resource
from tests.databases import FAST, PG_BIN, ROOT, Database, Server, make_home

MIGRATE = """
import asyncio, os
from sons_tracker.db.migrate import migrate
print(len(asyncio.run(migrate(os.environ["URL"]))))
"""


@pytest.fixture
async def empty(server: Server) -> AsyncIterator[Database]:
    async with server.clone() as made:
        yield made


@pytest.mark.processes
async def test_processes_that_race_run_each_migration_once(empty: Database) -> None:
    async def one() -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            MIGRATE,
            env={"URL": empty.owner_dsn},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        return int(said)

    ran = await asyncio.gather(*(one() for _ in range(6)))
    assert sorted(ran) == [0] * 5 + [len(known_migrations())]
    con = await empty.connect_owner()
    names = [row["name"] for row in await con.fetch("select name from sons.migration order by id")]
    await con.close()
    assert names == sorted(known_migrations())


async def test_what_was_run_is_told_and_run_once(empty: Database) -> None:
    assert await migrate.migrate(empty.owner_dsn) == tuple(sorted(known_migrations()))
    assert await migrate.migrate(empty.owner_dsn) == ()


def test_identifiers_increase_with_the_names_of_the_files() -> None:
    files = sorted(path.stem for path in resource("migrations").glob("m*.py"))
    assert [name[1:5] for name in files] == sorted(known_migrations())


async def test_a_failing_migration_leaves_nothing(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = migrate._run_piccolo

    async def ran_then_failed() -> None:
        await ran()
        raise ZeroDivisionError

    monkeypatch.setattr(migrate, "_run_piccolo", ran_then_failed)
    with pytest.raises(ZeroDivisionError):
        await migrate.migrate(empty.owner_dsn)
    con = await empty.connect_owner()
    assert await con.fetchval("select to_regnamespace('sons')") is None
    await con.close()
    monkeypatch.undo()
    assert await migrate.migrate(empty.owner_dsn) != ()


async def test_a_table_of_that_name_elsewhere_is_not_mistaken(empty: Database) -> None:
    con = await empty.connect_owner()
    await con.execute("create table public.migration (name text, app_name text)")
    await con.close()
    assert await migrate.migrate(empty.owner_dsn) == tuple(sorted(known_migrations()))


async def test_the_schema_is_current_when_it_matches_exactly(empty: Database) -> None:
    con = await empty.connect_owner()
    assert not await schema_is_current(con)
    await migrate.migrate(empty.owner_dsn)
    assert await schema_is_current(con)
    await con.execute(
        "insert into sons.migration (name, app_name, ran_on) values ('9999', 'sons_tracker', now())"
    )
    assert not await schema_is_current(con)
    await con.execute("delete from sons.migration where name in ('9999', '0001')")
    assert not await schema_is_current(con)
    await con.close()


async def test_the_application_may_ask_whether_the_schema_is_current(database: Database) -> None:
    async with transaction(RowContext(None, "anonymous"), read_only=True) as con:
        assert await con.fetchval("select current_user") == "sons_app"
        assert await schema_is_current(con)


@pytest.fixture
async def plain(server: Server) -> AsyncIterator[str]:
    """A role that may log in with the password `x`, and nothing else."""
    name = f"sons_test_{secrets.token_hex(6)}"
    await server.run(f"create role {name} login password 'x'")
    await server.run(f"grant {name} to current_user")  # an ordinary owner could not drop what it owns
    yield name
    await server.run(f"drop owned by {name}")
    await server.run(f"drop role {name}")


def as_role(server: Server, database: Database, role: str) -> str:
    """The address of the database for a role: through TCP when the server is ours."""
    if server.embedded is not None:
        return f"postgresql://{role}:x@127.0.0.1:{server.tcp_port}/{database.name}"
    parts = urlsplit(database.owner_dsn)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{quote('x')}@{host}"))


@pytest.mark.processes
async def test_a_plain_owner_with_createrole_is_enough_on_a_new_cluster() -> None:
    home = make_home()
    cluster = EmbeddedServer(home, pg_bin=PG_BIN, server_settings=FAST)
    cluster.start()
    try:
        con = await migrate.connect(cluster.dsn("postgres"))
        await con.execute("create role host login createrole")
        await con.execute("create database hosted owner host")
        await con.close()
        url = cluster.dsn("hosted", "host")
        assert await migrate.migrate(url) == tuple(sorted(known_migrations()))
        assert await migrate.migrate(url) == ()
        await engine.start(url, role=roles.APP)
        async with transaction(RowContext(None, "admin")) as con:
            assert await con.fetchval("select session_user || ' as ' || current_user") == "host as sons_app"
            assert await con.fetchval("select ensure_og('010000016', 'OG fictif')") is not None
        await engine.stop()
    finally:
        cluster.stop()
        shutil.rmtree(home)


async def test_an_owner_who_is_only_a_member_of_the_roles_is_enough(
    server: Server, template: str, plain: str
) -> None:
    for name in (roles.OWNER, roles.APP, roles.CASE):
        await server.run(f"grant {name} to {plain}")
    async with server.clone() as made:
        await server.run(f"alter database {made.name} owner to {plain}")
        url = as_role(server, made, plain)
        assert await migrate.migrate(url) == tuple(sorted(known_migrations()))
        await engine.start(url, role=roles.APP)
        async with transaction(RowContext(None, "admin")) as con:
            assert (
                await con.fetchval("select session_user || ' as ' || current_user") == f"{plain} as sons_app"
            )
            assert await con.fetchval("select count(*) from organisation") == 0
        await engine.stop()


async def test_an_account_without_rights_is_told_so_in_one_sentence(
    server: Server, template: str, plain: str
) -> None:
    async with server.clone() as made:
        with pytest.raises(SonsError, match="CREATEROLE") as caught:
            await migrate.migrate(as_role(server, made, plain))
    assert caught.value.code is ErrorCode.DATABASE_UNREACHABLE


async def test_roles_made_at_the_same_instant_are_tolerated(server: Server) -> None:
    async def one() -> None:
        con = await migrate.connect(server.owner_url)
        try:
            await roles.create_roles(con)
        finally:
            await con.close()

    await asyncio.gather(*(one() for _ in range(10)))


@pytest.mark.parametrize("error", ["DuplicateObjectError", "UniqueViolationError", "InternalServerError"])
async def test_what_another_process_just_did_is_done(error: str) -> None:
    class Racing:
        calls = 0

        async def execute(self, _: str) -> None:
            self.calls += 1
            if self.calls == 1:
                raise getattr(asyncpg, error)

    con = Racing()
    await roles._tolerantly(con, "create role x")  # type: ignore[arg-type]
    assert con.calls == (2 if error == "InternalServerError" else 1)
