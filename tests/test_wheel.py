"""The wheel alone is enough: `migrate` and `demo` work in a bare environment, everything is inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import ROOT, Database, Server

_PIP = (sys._base_executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        check=False,
        env={**os.environ, **environ},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and what it asks for, at the versions of the lock."""
    folder = tmp_path_factory.mktemp("wheel")
    folder.chmod(0o755)
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    environment = folder / "env"
    made = run(sys._base_executable, "-m", "venv", "--without-pip", environment)
    assert made.returncode == 0, made.stderr
    python = environment / "bin" / "python"
    for step in (
        ("install", "--require-hashes", "-r", ROOT / "requirements.lock"),
        ("install", "--no-deps", wheel),
        ("check",),  # the lock holds all that the wheel's metadata ask for
    ):
        done = run(*_PIP, "--python", python, *step)
        assert done.returncode == 0, done.stdout + done.stderr
    return environment / "bin"


@pytest.mark.processes
async def test_migrate_and_demo_from_the_wheel(bare: Path, server: Server):
    async with server.clone() as empty:
        await migrate_then_play(bare, empty)


async def migrate_then_play(bare: Path, empty: Database) -> None:
    migrated = run(bare / "sons-tracker", "migrate", "--json", **empty.environ)
    assert migrated.returncode == 0, migrated.stderr
    played = run(bare / "sons-tracker", "demo", "--json", **empty.environ)
    assert played.returncode == 0, played.stderr
    assert all(story["as_expected"] for story in json.loads(played.stdout))
    where = run(bare / "python", "-c", "import sons_tracker; print(sons_tracker.__file__)")
    assert str(bare.parent) in where.stdout  # the wheel, not the checkout
