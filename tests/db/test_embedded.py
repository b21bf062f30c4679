"""The embedded server: started by the first, stopped by the last, whatever is killed in between."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from sons_tracker.db import embedded, migrate
from sons_tracker.db.embedded import EmbeddedServer, open_database
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.settings import Settings
from tests.databases import FAST, PG_BIN, ROOT, Database, make_home

pytestmark = pytest.mark.processes
AS_ROOT = os.geteuid() == 0

# Holds the server, says so, waits for a line, lets it go.
HOLD = """
import sys
from pathlib import Path
from sons_tracker.db.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), pg_bin=Path(sys.argv[2]) if sys.argv[2] else None)
server.start()
print("started", flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    made = make_home()
    yield made
    stop_by_force(made)
    shutil.rmtree(made)


def postmaster(home: Path) -> int | None:
    """The process that its folder names, while it lives."""
    try:
        pid = int((home / "pgdata" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return None if state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z" else pid
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None


def stop_by_force(home: Path) -> None:
    pid = postmaster(home)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def settings_of(home: Path) -> Settings:
    environ = {"SONS_HOME": str(home), "HOME": str(home)}
    return replace(Settings.from_env(environ), pg_bin=PG_BIN)


def hold(home: Path) -> subprocess.Popen[str]:
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home), str(PG_BIN or "")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert held.stdout is not None
    assert held.stdout.readline() == "started\n"
    return held


def let_go(held: subprocess.Popen[str]) -> None:
    held.communicate("go\n", timeout=60)
    assert held.returncode == 0


async def test_a_home_gives_a_database_that_keeps_what_it_was_told(home: Path) -> None:
    for turn in range(2):
        async with open_database(settings_of(home), server_settings=FAST) as opened:
            assert opened.embedded
            assert opened.app_role is None
            con = await migrate.connect(opened.owner_dsn)
            if turn == 0:
                await con.execute("create table kept (id int)")
            assert await con.fetchval("select count(*) from kept") == 0
            assert await con.fetchval("show server_encoding") == "UTF8"
            assert await con.fetchval("show listen_addresses") == ""
            await con.close()
            app = await asyncpg.connect(opened.app_dsn)
            assert await app.fetchval("select session_user") == "sons_app"
            await app.close()
        assert postmaster(home) is None


async def test_one_cluster_holds_several_databases(home: Path) -> None:
    async with (
        open_database(settings_of(home), server_settings=FAST) as first,
        open_database(settings_of(home), name="sons_demo") as second,
    ):
        names = []
        for opened in (first, second):
            con = await migrate.connect(opened.owner_dsn)
            names.append(await con.fetchval("select current_database()"))
            await con.close()
    assert names == ["sons", "sons_demo"]
    assert postmaster(home) is None
    with pytest.raises(ValueError, match="database name"):
        async with open_database(settings_of(home), name='x"; drop database sons'):
            pass
    assert postmaster(home) is None


async def test_only_those_who_may_enter_the_folder_connect(home: Path) -> None:
    async with open_database(settings_of(home), server_settings=FAST):
        for folder in (home / "pgdata", home / "socket"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            owner = pwd.getpwuid(folder.stat().st_uid).pw_name
            assert owner in ({"postgres", "nobody"} if AS_ROOT else {pwd.getpwuid(os.geteuid()).pw_name})


def test_processes_share_the_server_and_the_last_one_stops_it(home: Path) -> None:
    first, second = hold(home), hold(home)
    running = postmaster(home)
    assert running is not None
    let_go(first)
    assert postmaster(home) == running
    let_go(second)
    assert postmaster(home) is None


def test_a_killed_process_leaves_no_stale_count(home: Path) -> None:
    first, second = hold(home), hold(home)
    first.kill()
    first.communicate()
    let_go(second)
    assert postmaster(home) is None


def test_a_server_whose_users_were_all_killed_is_taken_over(home: Path) -> None:
    first = hold(home)
    running = postmaster(home)
    first.kill()
    first.communicate()
    assert postmaster(home) == running
    second = hold(home)
    assert postmaster(home) == running
    let_go(second)
    assert postmaster(home) is None


def test_a_killed_server_starts_again(home: Path) -> None:
    first = hold(home)
    stop_by_force(home)
    second = hold(home)
    assert postmaster(home) is not None
    let_go(first)
    let_go(second)
    assert postmaster(home) is None


def test_a_database_half_made_by_a_killed_process_is_made_again(home: Path) -> None:
    half_made = home / "pgdata.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("15")
    let_go(hold(home))
    assert (home / "pgdata" / "PG_VERSION").is_file()
    assert not half_made.exists()


async def test_a_start_that_is_cancelled_leaves_no_server(home: Path) -> None:
    async def opened() -> None:
        async with open_database(settings_of(home), server_settings=FAST):
            raise AssertionError("was to be cancelled")

    task = asyncio.create_task(opened())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert postmaster(home) is None


def refusal(home: Path, pg_bin: Path | None = PG_BIN) -> SonsError:
    with pytest.raises(SonsError) as caught:
        EmbeddedServer(home, pg_bin=pg_bin).start()
    assert "\n" not in caught.value.detail
    return caught.value


def test_a_home_that_is_a_file_or_cannot_be_made_is_one_sentence(home: Path) -> None:
    (home / "file").write_text("")
    for wrong in (home / "file", home / "file" / "below", Path("/proc/sons")):
        error = refusal(wrong)
        assert error.code is ErrorCode.HOME_UNUSABLE
        assert str(wrong) in error.detail
        assert "SONS_HOME" in error.kind.remedy


@pytest.mark.skipif(AS_ROOT, reason="root writes everywhere")
def test_a_home_that_is_not_writable_is_one_sentence(home: Path) -> None:
    home.chmod(0o500)
    assert refusal(home).code is ErrorCode.HOME_UNUSABLE
    home.chmod(0o700)


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server under another account")
def test_a_home_that_the_servers_account_cannot_enter_is_one_sentence(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    error = refusal(closed / "sons")
    assert error.code is ErrorCode.HOME_UNUSABLE
    assert "traversable" in error.detail
    assert not (closed / "sons" / "pgdata").exists()


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server under another account")
def test_binaries_that_the_servers_account_cannot_read_are_copied(home: Path) -> None:
    source = PG_BIN or embedded._wheel_bin()
    if PG_BIN is not None:
        pytest.skip("a distribution's binaries look for their files at fixed places")
    package = source.parent.parent
    private = home / "private"
    private.mkdir(mode=0o700)
    shutil.copytree(package, private / package.name, symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    shutil.copytree(libraries, private / libraries.name, symlinks=True)
    for _ in range(2):
        server = EmbeddedServer(
            home, pg_bin=private / package.name / "pginstall" / "bin", server_settings=FAST
        )
        server.start()
        assert postmaster(home) is not None
        server.stop()
    assert len(list(home.glob("pg-*"))) == 1
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_a_home_of_another_major_version_is_one_sentence(home: Path) -> None:
    (home / "pgdata").mkdir()
    (home / "pgdata" / "PG_VERSION").write_text("12\n")
    error = refusal(home)
    assert error.code is ErrorCode.HOME_UNUSABLE
    assert "PostgreSQL 12" in error.detail


def test_a_socket_folder_of_a_stranger_is_refused(home: Path) -> None:
    (home / "elsewhere").mkdir()
    (home / "socket").symlink_to(home / "elsewhere")
    assert "autre compte" in refusal(home).detail


def test_a_folder_without_a_server_is_one_sentence(home: Path) -> None:
    error = refusal(home, home)
    assert error.code is ErrorCode.DATABASE_UNREACHABLE
    assert "SONS_PG_BIN" in error.detail


def test_a_long_home_keeps_its_socket_short(home: Path) -> None:
    deep = home / ("d" * 60) / ("e" * 60)
    server = EmbeddedServer(deep, pg_bin=PG_BIN, server_settings=FAST)
    server.start()
    try:
        assert len(str(server._socket_folder)) < 85
        assert postmaster(deep) is not None
    finally:
        server.stop()
    server._socket_folder.rmdir()


async def test_an_external_database_is_used_as_it_is(clone: Database) -> None:
    async with open_database(replace(clone.settings, database_app_url=None)) as opened:
        assert not opened.embedded
        assert (opened.owner_dsn, opened.app_dsn, opened.app_role) == (
            clone.owner_dsn,
            clone.owner_dsn,
            "sons_app",
        )
    async with open_database(replace(clone.settings, database_app_url="postgresql://app@x/y")) as opened:
        assert (opened.app_dsn, opened.app_role) == ("postgresql://app@x/y", None)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://owner:s3cret@127.0.0.1:1/sons",
        "postgresql://owner:s3cret@nowhere.invalid/sons",
        "postgresql://owner:s3cret@127.0.0.1:notaport/sons",
        "postgresql://owner:s3cret@[::1/sons",
    ],
)
async def test_an_unreachable_database_is_one_sentence_without_the_password(url: str) -> None:
    settings = replace(Settings.from_env({}), database_url=url)
    with pytest.raises(SonsError) as caught:
        async with open_database(settings):
            pass
    assert caught.value.code is ErrorCode.DATABASE_UNREACHABLE
    assert "s3cret" not in caught.value.detail
    assert "\n" not in caught.value.detail
