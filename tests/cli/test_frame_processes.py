"""The commands that need a database, as real processes: embedded in a home of their own, or external."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.databases import PG_BIN, ROOT, Server, free_port, make_home

pytestmark = pytest.mark.processes
COMMAND = [sys.executable, "-m", "sons_tracker.cli"]
REAL_ROWS = ROOT / "fixtures" / "finess" / "etalab-cs1100502-extrait-20260512.csv"


def environ(**given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SONS_", "DATABASE_"))}
    return {**kept, **({"SONS_PG_BIN": str(PG_BIN)} if PG_BIN else {}), **given}


def play(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, env=env, timeout=120
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def get(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(url, headers=headers)


@contextmanager
def serving(env: dict[str, str], port: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A service that has said where it answers; killed on leaving if it still runs."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", str(port), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )
    try:
        assert process.stdout is not None
        said = ""
        while not said.endswith("}\n"):
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            said += line
        yield json.loads(said)["url"], process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


@pytest.fixture
def home() -> Iterator[Path]:
    made = make_home()
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_the_life_of_an_embedded_service(home: Path) -> None:
    env, port = environ(SONS_HOME=str(home)), free_port()
    with serving(env, port) as (url, process):
        assert url == f"http://127.0.0.1:{port}"
        assert get(f"{url}/readyz").status_code == 200
        # A sandbox whose law is enacted, and nothing else: no organisation, no register.
        assert get(f"{url}/api/v1/law/MS1-V1").json()["known_on"] == "2023-03-01"

        second = play(env, "serve", "--port", str(port))
        assert (second.returncode, second.stdout) == (1, "")
        assert str(port) in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1

        made = play(
            env,
            "token",
            "create",
            "--role",
            "editor",
            "--organisation",
            "Éd.",
            "--person",
            "A",
            "--all-scopes",
            "--json",
        )
        assert made.returncode == 0, made.stderr
        token = json.loads(made.stdout)["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert get(f"{url}/api/v1/orders", headers=bearer).status_code == 200
        assert get(f"{url}/api/v1/orders").status_code == 401

        enacted = play(env, "law", "enact", "--json")
        assert (enacted.returncode, json.loads(enacted.stdout)["enacted"]) == (0, False)

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert not list(home.rglob("postmaster.pid")), "the embedded server outlived its last user"
    again = play(env, "migrate", "--json")
    assert (again.returncode, json.loads(again.stdout)) == (0, {"applied": []})


def test_a_register_is_imported_and_reported(home: Path) -> None:
    env = environ(SONS_HOME=str(home))
    tried = play(env, "finess", "import", str(REAL_ROWS), "--scope", "extrait", "--dry-run", "--json")
    assert tried.returncode == 0, tried.stderr
    assert json.loads(tried.stdout)["written"] is False
    first = play(env, "finess", "import", str(REAL_ROWS), "--scope", "extrait", "--json")
    report = json.loads(first.stdout)
    assert (report["written"], report["new"], report["refused_count"]) == (True, report["read"], 0)
    assert report["read"] > 10
    again = play(env, "finess", "import", str(REAL_ROWS), "--scope", "extrait")
    assert again.returncode == 0
    assert "Nouvelles               0 " in again.stdout
    other = play(env, "solutions", "import", str(REAL_ROWS), "--json")
    assert (other.returncode, json.loads(other.stdout)["code"]) == (2, "invalid_file")
    cut = home / "cut.csv"
    cut.write_bytes(REAL_ROWS.read_bytes().replace(b";", b"\x00", 40))
    refused = play(env, "finess", "import", str(cut), "--scope", "extrait")
    assert refused.returncode in {1, 2}
    assert refused.stdout == "" or "Rien n'est enregistré" in refused.stdout


@pytest.mark.parametrize("command", [("serve",), ("migrate",), ("law", "enact")], ids=" ".join)
def test_an_unreachable_database_is_one_french_line(command: tuple[str, ...]) -> None:
    with socket.socket() as unanswered:
        unanswered.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        url = f"postgresql://someone:s3cret@127.0.0.1:{unanswered.getsockname()[1]}/x"
        port = ("--port", str(free_port())) if command == ("serve",) else ()
        done = play(environ(DATABASE_URL=url), *command, *port)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "DATABASE_URL" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_home_that_cannot_be_used_is_one_french_line(home: Path) -> None:
    taken = home / "file"
    taken.write_text("x")
    done = play(environ(SONS_HOME=str(taken / "below")), "migrate")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "SONS_HOME" in done.stderr


async def test_an_external_database_is_migrated_by_its_own_command(server: Server) -> None:
    async with server.clone() as empty:
        env = environ(**empty.environ, SONS_INSTANCE="sandbox")
        with serving(env, free_port()) as (url, process):
            answer = get(f"{url}/readyz")
            assert (answer.status_code, answer.json()["code"]) == (503, "schema_not_current")
            refused = play(env, "law", "enact", "--json")
            assert (refused.returncode, json.loads(refused.stdout)["code"]) == (1, "schema_not_current")
            assert json.loads(play(env, "migrate", "--json").stdout)["applied"]
            assert get(f"{url}/readyz").json()["code"] == "law_not_enacted"
            assert play(env, "law", "enact").returncode == 0
            assert get(f"{url}/readyz").status_code == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        # What an instance is does not change with the environment of the next command.
        other = play({**env, "SONS_INSTANCE": "real"}, "law", "enact", "--json")
        assert (other.returncode, json.loads(other.stdout)["code"]) == (1, "conflict")


def test_a_client_that_stays_connected_does_not_hold_the_service(home: Path) -> None:
    with serving(environ(SONS_HOME=str(home)), free_port()) as (url, process), httpx.Client() as client:
        assert client.get(f"{url}/healthz").status_code == 200
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert process.wait(timeout=30) == 0
        assert time.monotonic() - started < 15
