"""The clock from the terminal."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from sons_tracker.cli.clock import _parse
from sons_tracker.errors import SonsError
from tests.databases import Database


async def play(database: Database, *arguments: str, mode: str = "sandbox") -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sons_tracker.cli", *arguments),
        env={**os.environ, **database.environ, "SONS_INSTANCE": mode, "COLUMNS": "100"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert "Traceback" not in (out + err).decode()
    return process.returncode or 0, out.decode(), err.decode()


async def test_shown_then_advanced_to_a_day_at_ten(clone: Database) -> None:
    assert await play(clone, "clock", "show", "--json") == (
        0,
        '{\n  "mode": "sandbox",\n  "at": "2023-03-01T10:00:00+01:00"\n}\n',
        "",
    )
    code, out, err = await play(clone, "clock", "advance", "--to", "2023-07-01")
    assert (code, err) == (0, "")
    assert "Du 1er mars 2023 à 10 h 00 au 1er juillet 2023 à 10 h 00 : 0 événement." in out
    code, out, err = await play(clone, "clock", "advance", "--to", "2023-07-01T12:30", "--json")
    assert (code, err, json.loads(out)["after"]) == (0, "", "2023-07-01T12:30:00+02:00")
    code, out, err = await play(clone, "clock", "advance", "--to", "2023-03-01")
    assert (code, out) == (2, "")
    assert "ne recule pas" in err
    assert len(err.splitlines()) == 1


async def test_refused_on_a_real_instance(clone: Database) -> None:
    code, out, err = await play(clone, "clock", "advance", "--to", "2100-01-01", mode="real")
    assert (code, out) == (1, "")
    assert "démonstration" in err
    assert "heure de la machine" in (await play(clone, "clock", "show", mode="real"))[1]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2023-12-31", "2023-12-31T10:00:00+01:00"),
        ("2023-07-14", "2023-07-14T10:00:00+02:00"),
        ("2024-12-19T14:00", "2024-12-19T14:00:00+01:00"),
        ("2023-10-29T02:30", "2023-10-29T02:30:00+02:00"),  # twice that day: the first
        ("2023-07-14T08:00:00Z", "2023-07-14T08:00:00+00:00"),
        ("2023-07-14T08:00:00+11:00", "2023-07-14T08:00:00+11:00"),
    ],
)
def test_instants_are_read_in_paris_unless_they_say_otherwise(text: str, read: str) -> None:
    assert _parse(text).isoformat() == read


@pytest.mark.parametrize(
    "text", ["demain", "", "2023-02-29", "20231231", "2023-12-31T25:00", "2023-03-26T02:30", "31/12/2023"]
)
def test_what_is_no_instant_in_paris_is_malformed(text: str) -> None:
    with pytest.raises(SonsError) as caught:
        _parse(text)
    assert caught.value.kind.code == "invalid_date"
