"""Hostile PDF, ZIP, XLSX and XML: told as they must be, by a process that stays within its limits."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sons_tracker import app as application
from sons_tracker.readers import apart
from sons_tracker.readers.findings import FINDINGS, MOST_BYTES
from tests.databases import ROOT, Database
from tests.factories import Account, an_account
from tests.factories_orders import prepare_instance
from tests.faults.service import Service, serving
from tests.hostile import pieces
from tests.hostile.frame import answered

KINDS = ("pdfs", "zips", "workbooks", "markup", "others")
MOST_MEGABYTES = 300
EXAMPLES = 2_000 if os.environ.get("TIER") == "full" else 60
# How a process may end that is not ours to blame: its limit of processor, or of memory met in native code.
STOPS = {-signal.SIGXCPU, -signal.SIGABRT, -signal.SIGKILL}
ADDRESS = "/api/v1/pieces/inspection"
OCTETS = {"content-type": "application/octet-stream"}


class Reader:
    """The process of `forked.py`: hands it a file, hears what it says."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "piece"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.forked"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip

    def read(self, content: bytes) -> dict[str, Any]:
        self._file.write_bytes(content)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self._file}\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        if told["report"] is not None:
            apart._checked(json.dumps(told["report"]).encode())  # as strict as the parent
        return told

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    one = Reader(tmp_path_factory.mktemp("pieces"))
    yield one
    one.close()


def codes(told: dict[str, Any]) -> set[str]:
    """What was found; what stopped the process when it gave no report."""
    if told["report"] is None:
        return {"too_long" if told["ended"] == -signal.SIGXCPU else "stopped"}
    return {one["code"] for one in told["report"]["found"]}


@pytest.mark.scoreboard(8)
@pytest.mark.parametrize("kind", KINDS)
def test_each_hostile_piece_is_told_in_time_and_memory(reader: Reader, kind: str) -> None:
    told = {}
    wrong = {}
    for name, content, expected in getattr(pieces, kind)():
        one = told[name] = reader.read(content)
        found = codes(one)
        stopped = name in pieces.HEAVY and found == {"too_long"}
        if not stopped and expected is not None and found != expected:
            wrong[name] = (found, expected)
        assert one["ended"] == 0 or one["ended"] in STOPS, (name, one)
    assert wrong == {}
    slowest = max(told, key=lambda name: told[name]["seconds"])
    most = max(one["megabytes"] for one in told.values())
    print(f"{kind}: {len(told)} files, slowest {slowest} {told[slowest]['seconds']:.1f} s, {most:.0f} MB")
    assert told[slowest]["seconds"] <= apart.INSPECTION.processor + 1
    assert most < MOST_MEGABYTES


@pytest.mark.parametrize("kind", pieces.SOUND)
def test_a_file_cut_at_each_hundredth_is_never_a_piece(reader: Reader, kind: str) -> None:
    whole = pieces.SOUND[kind]
    assert codes(reader.read(whole)) == set()
    for hundredth in range(100):
        told = reader.read(whole[: len(whole) * hundredth // 100])
        assert any(FINDINGS[code].severity == "error" for code in codes(told)), (kind, hundredth, told)
        assert told["ended"] == 0, (kind, hundredth, told)


_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(("flip", "drop", "repeat", "insert", "zero")),
        st.integers(0, 1 << 20),
        st.integers(1, 64),
        st.binary(max_size=16),
    ),
    min_size=1,
    max_size=6,
)


def changed(whole: bytes, changes: list[tuple[str, int, int, bytes]]) -> bytes:
    """A file with some of its bytes turned, dropped, repeated, or others put between."""
    data = bytearray(whole)
    for how, where, length, given_bytes in changes:
        at = where % max(1, len(data))
        end = min(len(data), at + length)
        match how:
            case "flip":
                data[at:end] = bytes(one ^ (1 << (length % 8)) for one in data[at:end])
            case "drop":
                del data[at:end]
            case "repeat":
                data[at:at] = data[at:end] * 3
            case "insert":
                data[at:at] = given_bytes
            case _:
                data[at:end] = bytes(end - at)
    return bytes(data)


@pytest.mark.scoreboard(15)
@pytest.mark.parametrize("kind", pieces.SOUND)
def test_no_change_of_a_valid_file_brings_its_reader_down(reader: Reader, kind: str) -> None:
    said: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(_CHANGES)
    def play(changes: list[tuple[str, int, int, bytes]]) -> None:
        content = changed(pieces.SOUND[kind], changes)
        told = reader.read(content)
        assert told["ended"] == 0 or told["ended"] in STOPS, told
        said.update(codes(told) or {"sound"})

    play()
    print(f"{kind}: {EXAMPLES} changed files, {dict(said)}")


async def test_the_process_apart_says_the_same(tmp_path: Path) -> None:
    """The same reader behind its pipe: one piece of each kind, and one that takes the reader down."""
    known = {
        name: (content, expected)
        for kind in KINDS
        for name, content, expected in getattr(pieces, kind)()
        if name
        in {"script-far.pdf", "nested.zip", "computed.xlsx", "dtd-laughs.xml", "empty", "one-far-cell.xlsx"}
    }
    path = tmp_path / "piece"
    for name, (content, expected) in known.items():
        path.write_bytes(content)
        with path.open("rb") as file:
            found = await apart.inspect(file)
        told = {one.code for one in found.findings}
        if name == "one-far-cell.xlsx":
            assert told <= {"stopped", "too_heavy", "unreadable", "xlsx_too_many_cells"}
            assert not found.acceptable
        else:
            assert told == expected, name


# Over HTTP.


@pytest.fixture(scope="module")
async def account(module_database: Database) -> Account:
    await prepare_instance()
    return await an_account("og")


@pytest.fixture
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = application.create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test", timeout=120) as client:
        yield client


async def test_a_piece_is_told_over_http(http: httpx.AsyncClient, account: Account) -> None:
    sent = {**account.headers, "content-type": "application/pdf"}
    answer = await http.post(ADDRESS, content=pieces.SOUND["pdf"], headers=sent)
    body = answer.json()
    assert answer.status_code == 200
    assert (body["kind"], body["pages"], body["acceptable"], body["findings"]) == ("pdf", 3, True, [])
    # announced as a PDF, and an archive with a name that leads out
    answer = await http.post(ADDRESS, content=pieces.packed(("../a", b"x")), headers=sent)
    body = answer.json()
    assert (body["kind"], body["acceptable"]) == ("zip", False)
    assert [one["code"] for one in body["findings"]] == ["other_kind", "zip_traversal"]
    assert body["findings"][1]["where"] == "../a"


async def test_what_is_too_large_or_of_another_type_is_not_read(
    http: httpx.AsyncClient, account: Account
) -> None:
    largest = b"%PDF-" + b"0" * (MOST_BYTES - 5)
    answer = await http.post(ADDRESS, content=largest, headers={**account.headers, **OCTETS})
    assert [one["code"] for one in answer.json()["findings"]] == ["truncated"]

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MOST_BYTES // (1 << 20) + 2):
            yield b"0" * (1 << 20)

    for content in (largest + b"0", endless()):
        answer = await http.post(ADDRESS, content=content, headers={**account.headers, **OCTETS})
        assert answered(answer) == (413, "payload_too_large")
    for name, value in (
        ("content-type", ""),
        ("content-type", "application/json"),
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-type", "application/pdf, text/plain"),
        ("content-encoding", "gzip"),
    ):
        given_headers = {**account.headers, **OCTETS, name: value}
        answer = await http.post(ADDRESS, content=b"%PDF-", headers=given_headers)
        assert answered(answer) == (415, "unsupported_media_type"), value
    assert answered(await http.post(ADDRESS, content=b"", headers=OCTETS)) == (401, "unauthenticated")


@pytest.mark.processes
async def test_the_service_answers_while_eight_bombs_are_read(module_database: Database) -> None:
    await prepare_instance()
    account = await an_account("editor")
    heavy = [
        content
        for name, content, _ in itertools.chain(pieces.pdfs(), pieces.workbooks())
        if name in {"many-objects.pdf", "100000-pages-inline.pdf", "one-far-cell.xlsx", "rows.xlsx"}
    ]
    bombs = list(itertools.islice(itertools.cycle(heavy), 8))
    environ = {**module_database.environ, "SONS_INSTANCE": "sandbox"}
    async with serving(environ) as (service,), httpx.AsyncClient(base_url=service.url, timeout=300) as client:
        before = megabytes(service)
        sent = {**account.headers, **OCTETS}
        readings = [asyncio.create_task(client.post(ADDRESS, content=one, headers=sent)) for one in bombs]
        waits = []
        while not all(one.done() for one in readings):
            started = time.monotonic()
            assert (await client.get("/healthz")).status_code == 200
            waits.append(time.monotonic() - started)
            await asyncio.sleep(0.2)
        answers = [await one for one in readings]
        # who waited too long for a turn is told to come back
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert any(answer.status_code == 200 for answer in answers)
        after = megabytes(service)
    print(
        f"8 at once: {Counter(answer.status_code for answer in answers)}, {len(waits)} answers meanwhile, the"
        f" slowest {max(waits):.2f} s; memory of the service {before:.0f} then {after:.0f} MB"
    )
    assert waits
    assert max(waits) < 10
    assert after < MOST_MEGABYTES


def megabytes(service: Service) -> float:
    """The greatest memory of the process of the service, where the platform tells."""
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status")
    if not status.exists():
        return 0
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
