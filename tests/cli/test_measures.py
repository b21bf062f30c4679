"""The measure from the terminal, in a database of its own that is dropped whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import asyncpg
import pytest

from sons_tracker.db import migrate
from sons_tracker.db.scratch import scratch_database
from sons_tracker.settings import Settings
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Server

SCRATCH = "select count(*) from pg_database where starts_with(datname, 'sons_mesure_')"


@pytest.fixture
def beside(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("DATABASE_URL", server.owner_url)
    monkeypatch.setenv("SONS_INSTANCE", "sandbox")
    return server


def left_over(server: Server) -> int:
    """How many scratch databases the server has."""

    async def count() -> int:
        con = await migrate.connect(server.owner_url)
        try:
            return int(await con.fetchval(SCRATCH))
        finally:
            await con.close()

    return asyncio.run(count())


def test_the_table_is_french_and_the_bars_are_held(
    capsys: pytest.CaptureFixture[str], beside: Server
) -> None:
    code, out, err = play(capsys, "audit", "measure", "--size", "quick", "--seed", "4")
    assert (code, err) == (0, "")
    assert "Graine 4 : " in out
    for words in ("Commande SONS et", "Plantés", "Rappel", "1,00", "0,90", "alerte"):
        assert words in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    assert "0 pris pour un conflit." in out
    assert out.rstrip().endswith("Seuils tenus.")


def test_a_family_switched_off_is_an_exit_code_and_leaves_nothing(beside: Server) -> None:
    command = [sys.executable, "-m", "sons_tracker.cli", "audit", "measure", "--json"]
    done = subprocess.run(
        [*command, "--size", "quick", "--seed", "5", "--without", "two_grants"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert '"holds": false' in done.stdout
    assert '"precision": null' in done.stdout
    assert left_over(beside) == 0


@pytest.mark.processes
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_measure_that_is_stopped_drops_its_database(beside: Server, sent: signal.Signals) -> None:
    command = [sys.executable, "-m", "sons_tracker.cli", "audit", "measure", "--size", "quick"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # started in the background, these tests would hand down that the keyboard is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one thread
    )
    try:
        deadline = time.monotonic() + 60
        while left_over(beside) == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left_over(beside) == 1
        process.send_signal(sent)
        assert process.wait(timeout=60) != 0
    finally:
        process.kill()
        process.wait()
    assert left_over(beside) == 0


async def test_what_a_killed_measure_left_is_swept_by_the_next(beside: Server) -> None:
    con = await migrate.connect(beside.owner_url)
    try:
        await con.execute("create database sons_mesure_1 template template0")
        async with scratch_database(Settings.from_env(os.environ)) as made:
            assert await con.fetchval(SCRATCH) == 1
            inside = await asyncpg.connect(made.owner_dsn)
            assert await inside.fetchval("select count(*) from sons.migration") > 0
            await inside.close()
        assert await con.fetchval(SCRATCH) == 0
    finally:
        await con.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--size", "petite"), "valeurs possibles : quick, national"),
        (("--without", "two_sheep"), "« two_sheep » n'est pas prévu ici"),
        (("--seed", "-1"), "n'est pas un nombre entier positif"),
    ],
)
def test_a_malformed_measure_is_told(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = play(capsys, "audit", "measure", *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_json_errors_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = play_json(capsys, "audit", "measure", "--size", "petite")
    assert (code, answer["code"]) == (2, "malformed_command")
