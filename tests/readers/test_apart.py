"""The process apart: what it may no longer do, and what becomes of one that does something else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.readers import apart
from sons_tracker.readers.findings import FINDINGS
from tests.databases import ROOT

Plant = Callable[[str], None]
SHORT = replace(apart.INSPECTION, seconds=3.0, processor=1)
_HEAD = f"""
import json, os, socket, sys, time
sys.path.insert(0, {str(ROOT)!r})
from sons_tracker.readers.inside.confinement import confine
from sons_tracker.readers.inside.report import Report, _frame
order = json.loads(sys.argv[1])
def tell(**facts):
    told = {{"kind": None, "pages": None, "members": None, "sheets": None, "name": None, "found": []}}
    _frame(b"R", json.dumps(told | facts).encode())
"""


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    """Puts a program in the place of the reader."""

    def planted(program: str) -> None:
        path = tmp_path / "planted.py"
        path.write_text(_HEAD + program)
        monkeypatch.setattr(apart, "PROGRAM", path)

    return planted


@pytest.fixture
def file() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as opened:
        opened.write(b"%PDF-1.7")
        opened.flush()
        yield opened


async def told(file: IO[bytes], limits: apart.Limits = apart.INSPECTION) -> list[str]:
    return [one.code for one in (await apart.inspect(file, limits)).findings]


async def test_a_confined_process_can_do_nothing_but_tell(plant: Plant, file: IO[bytes]) -> None:
    plant("""
confine(order["seconds"], order["memory"])
possible = []
def attempt(name, do):
    try:
        do()
    except (OSError, ImportError):
        return
    possible.append({"code": name, "count": 1, "where": ""})
attempt("unreadable", lambda: open("/etc/hostname"))
attempt("too_long", lambda: open("written-by-a-reader", "w"))
attempt("too_heavy", lambda: socket.socket())
attempt("truncated", os.pipe)
attempt("stopped", lambda: os.fork() or os._exit(0))
attempt("empty", lambda: __import__("sqlite3"))
tell(found=possible, pages=os.getuid())
""")
    found = await apart.inspect(file)
    assert [one.code for one in found.findings] == []
    assert found.pages == (65534 if os.getuid() == 0 else os.getuid())


async def test_who_allocates_is_stopped(plant: Plant, file: IO[bytes]) -> None:
    if sys.platform == "darwin":
        pytest.skip("no bound on addresses: time and size bound a reader there")
    plant("""
confine(order["seconds"], order["memory"])
try:
    held = bytearray(order["memory"])
except MemoryError:
    tell(found=[{"code": "too_heavy", "count": 1, "where": ""}])
""")
    assert await told(file) == ["too_heavy"]


async def test_who_works_without_end_is_stopped_by_its_processor(plant: Plant, file: IO[bytes]) -> None:
    plant("""
confine(order["seconds"], order["memory"])
while True:
    pass
""")
    # the clock would not stop it before a minute
    assert await told(file, replace(SHORT, seconds=60)) == ["too_long"]


async def test_who_waits_without_end_is_stopped_by_the_clock(plant: Plant, file: IO[bytes]) -> None:
    plant("time.sleep(600)")
    started = time.monotonic()
    assert await told(file, SHORT) == ["too_long"]
    assert time.monotonic() - started < 60


async def test_what_it_started_ends_with_it(plant: Plant, file: IO[bytes], tmp_path: Path) -> None:
    """A reader that was not confined, and left a process behind it that holds the pipe."""
    left = tmp_path / "left"
    plant(f"""
pid = os.fork()
if pid == 0:
    time.sleep(600)
open({str(left)!r}, "w").write(str(pid))
_frame(b"X", b"")
os._exit(0)
""")
    assert await told(file, replace(SHORT, seconds=120)) == ["stopped"]
    pid, end = int(left.read_text()), time.monotonic() + 60
    while _runs(pid):
        assert time.monotonic() < end, "it still runs"
        await asyncio.sleep(0.05)


def _runs(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


# What is written on the pipe; each is a process that is not to be believed.
LIES = {
    "nothing": "",
    "a crash": "raise SystemExit(3)",
    "a signal": "os.kill(os.getpid(), 11)",
    "words": 'os.write(1, b"bonjour, tout va bien")',
    "a frame cut": 'os.write(1, b"R" + (100).to_bytes(4, "big") + b"{}")',
    "a frame of four gigabytes": 'os.write(1, b"R" + b"\\xff" * 4 + b"{}")',
    "content that was not asked": '_frame(b"C", b"x"); tell()',
    "another letter": '_frame(b"X", b"x")',
    "no JSON": '_frame(b"R", b"{")',
    "no UTF-8": '_frame(b"R", b\'{"kind": "\\xff"}\')',
    "a list": '_frame(b"R", b"[]")',
    "another kind": 'tell(kind="exe")',
    "one more member": "tell(acceptable=True)",
    "a negative count": "tell(pages=-1)",
    "a huge count": "tell(pages=2**40)",
    "a text for a count": 'tell(pages="1")',
    "a code that does not exist": 'tell(found=[{"code": "all_good", "count": 1, "where": ""}])',
    "a long place": 'tell(found=[{"code": "empty", "count": 1, "where": "x" * 1000}])',
    "many findings": 'tell(found=[{"code": "empty", "count": 1, "where": ""}] * 1000)',
}


@pytest.mark.parametrize("name", LIES)
async def test_a_report_that_is_none_is_not_believed(plant: Plant, file: IO[bytes], name: str) -> None:
    plant(LIES[name])
    assert await told(file) == ["stopped"]


async def test_more_content_than_was_granted_ends_the_reading(plant: Plant, tmp_path: Path) -> None:
    plant("""
while True:
    _frame(b"C", b"x" * 65536)
""")
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(SonsError) as raised:
        async with apart.unpacked(path, replace(apart.UNPACKING, unpacked=10 << 20)):
            pass
    assert raised.value.code is ErrorCode.INVALID_FILE
    assert raised.value.faults[0].message.startswith(FINDINGS["zip_unpacked"].message)


async def test_so_many_read_at_once_and_the_others_wait(
    plant: Plant, file: IO[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant("time.sleep(600)")
    long = replace(SHORT, seconds=600)
    readings = [asyncio.create_task(apart.inspect(file, long)) for _ in range(apart.AT_ONCE)]
    for _ in range(6_000):
        turns = apart._turns.get(asyncio.get_running_loop())
        if turns is not None and turns.locked():
            break
        await asyncio.sleep(0.01)
    monkeypatch.setattr(apart, "LONGEST_WAIT", 0.2)
    with pytest.raises(SonsError) as raised:
        await apart.inspect(file)
    assert raised.value.code is ErrorCode.UNAVAILABLE
    for one in readings:
        one.cancel()
    await asyncio.gather(*readings, return_exceptions=True)
    # a reading that was given up gives its turn back, and ends its process
    plant("tell()")
    assert await told(file) == []


async def test_a_file_beyond_its_size_is_not_even_handed_over(plant: Plant, file: IO[bytes]) -> None:
    plant("tell()")
    assert await told(file, replace(apart.INSPECTION, size=4)) == ["too_large"]


async def test_what_a_start_costs(file: IO[bytes]) -> None:
    started = time.monotonic()
    for _ in range(5):
        await apart.inspect(file)
    print(f"one reading of nothing, with the start of its process: {(time.monotonic() - started) / 5:.3f} s")


def test_every_finding_is_said_in_french() -> None:
    assert all(kind.message.endswith(".") and kind.remedy.endswith(".") for kind in FINDINGS.values())
    written = "".join(
        path.read_text() for path in (ROOT / "sons_tracker").rglob("*.py") if path.name != "findings.py"
    )
    assert [code for code in FINDINGS if f'"{code}"' not in written] == []


def test_the_parent_never_imports_what_parses() -> None:
    """Not even by way of another module: a process that imports the door has none of them."""
    code = (
        "import sys, sons_tracker.app\n"
        "print([one for one in ('pypdf', 'python_calamine', 'defusedxml') if one in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert told.stdout.strip() == "[]"


def test_the_page_of_findings_is_the_list() -> None:
    page = (ROOT / "docs" / "pieces.md").read_text()
    effects = {"error": "refus", "warn": "à noter"}
    lines = [f"| `{code}` | {effects[kind.severity]} | {kind.message} |" for code, kind in FINDINGS.items()]
    assert sorted(lines) == sorted(line for line in page.splitlines() if line.startswith("| `"))
