"""Hostile register files: refused as they must be, in seconds, in bounded memory, and nothing is written."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.databases import ROOT, Database
from tests.hostile import files
from tests.hostile.frame import digests

MOST_MEGABYTES = 300
MOST_SECONDS = 10


async def read_apart(database: Database, folder: Path) -> list[dict[str, object]]:
    """What a process of its own says of each file of a folder."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.hostile.reading", database.app_dsn, database.app_role or "", str(folder),
        cwd=ROOT, env={**os.environ}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-2_000:]
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.scoreboard(8)
@pytest.mark.parametrize("kind", ["texts", "trees", "packed", "archives"])
async def test_each_hostile_file_is_refused_in_time_and_memory(
    module_database: Database, tmp_path: Path, kind: str
) -> None:
    owner = await module_database.connect_superuser()
    before = await digests(owner)
    expected = {}
    for name, content, said in getattr(files, kind)():
        (tmp_path / name).write_bytes(content)
        expected[name] = said
    told = {str(one["name"]): one for one in await read_apart(module_database, tmp_path)}
    assert told.keys() == expected.keys()
    wrong = {
        name: (one["said"], one["detail"])
        for name, one in told.items()
        if (expected[name] or one["said"]) != one["said"]
    }
    assert wrong == {}
    assert {one["said"] for one in told.values()} <= {
        "invalid_file",
        "invalid_date",
        "refused",
        "accepted",
        "guard",
    }
    slowest = max(told.values(), key=lambda one: one["seconds"])
    most = max(one["megabytes"] for one in told.values())
    print(f"{kind}: {len(told)} files, {Counter(one['said'] for one in told.values())}", end=", ")
    print(f"slowest {slowest['name']} {slowest['seconds']:.1f} s, memory {most:.0f} MB")
    assert slowest["seconds"] < MOST_SECONDS
    assert most < MOST_MEGABYTES
    assert await digests(owner) == before
    await owner.close()
