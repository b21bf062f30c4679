"""Hands a file to a process of its own and hears what it says, within limits of time, size and memory.

This process never parses a PDF, a ZIP, an XLSX or an XML document: it passes the descriptor of an open file
to `inside/child.py`, reads frames from a pipe, checks them strictly, and ends the process whatever happens.
What the process says is believed only in the words of a closed list.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Literal, NoReturn
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Meta, Struct

from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.readers.findings import FINDINGS, MOST_BYTES, MOST_UNPACKED, Severity

Kind = Literal["pdf", "zip", "xlsx", "xml"]
Work = Literal["inspect", "unpack"]

PROGRAM = Path(__file__).with_name("inside") / "child.py"
AT_ONCE = 4
"""Processes that read at the same time; who comes later waits."""
LONGEST_WAIT = 20.0
"""Seconds that one waits for its turn before it is told to come back."""
_LONGEST_FRAME = 1 << 20
_LONGEST_END = 10.0
_ZIP_HEADS = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds` on the clock, `processor` seconds of work, `memory` bytes of addresses; `size` bytes of the
    file, `unpacked` bytes of what it holds."""

    seconds: float
    processor: int
    memory: int
    size: int
    unpacked: int


INSPECTION = Limits(30.0, 10, 320 << 20, MOST_BYTES, MOST_UNPACKED)
# Registers come from an administrator: a national one, packed, takes some seconds.
UNPACKING = Limits(300.0, 120, 2 << 30, 1 << 30, 2 << 30)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, `count` times; `where` first (the name of a member, a cell), when that says much."""

    code: str
    severity: Severity
    message: str
    remedy: str
    count: int
    where: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file is. `kind` is None when it is none of ours; the counts are None where they mean nothing."""

    kind: Kind | None
    pages: int | None
    members: int | None
    sheets: int | None
    findings: tuple[Finding, ...]

    @property
    def acceptable(self) -> bool:
        """Whether nothing keeps it from being a piece."""
        return all(one.severity != "error" for one in self.findings)


_Number = Annotated[int, Meta(ge=0, le=2_147_483_647)]
_Word = Annotated[str, Meta(max_length=300)]


class _Found(Struct, frozen=True, forbid_unknown_fields=True):
    code: _Word
    count: _Number
    where: _Word


class _Report(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind | None
    pages: _Number | None
    members: _Number | None
    sheets: _Number | None
    name: _Word | None
    found: Annotated[tuple[_Found, ...], Meta(max_length=100)]


class _StoppedError(Exception):
    """The process ended without a report; `code` says what stopped it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def inspect(file: IO[bytes], limits: Limits = INSPECTION) -> Inspection:
    """What an open file is. A process that is stopped is a finding, not an error: the file is the cause.

    Raises:
        SonsError: `UNAVAILABLE` when too many files are being read.
    """
    if os.fstat(file.fileno()).st_size > limits.size:
        return Inspection(None, None, None, None, (finding("too_large"),))
    try:
        async with _turn():
            report = await _read(file, "inspect", limits, None)
    except _StoppedError as stopped:
        return Inspection(None, None, None, None, (finding(stopped.code),))
    found = tuple(finding(one.code, one.count, one.where) for one in report.found)
    return Inspection(report.kind, report.pages, report.members, report.sheets, found)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A file to read as it is. `notes` counts what was accepted with a doubt, by French sentence."""

    path: Path
    notes: dict[str, int]


@asynccontextmanager
async def unpacked(path: Path, limits: Limits = UNPACKING) -> AsyncIterator[Unpacked]:
    """The register that a ZIP or an XLSX holds, as a file of its own while the block runs; any other file as
    it is. It bears the name of the member, or of the sheet.

    Raises:
        SonsError: `INVALID_FILE` with each finding, when the file cannot be unpacked; `UNAVAILABLE` when too
            many files are being read.
    """
    with _opened(path) as file:
        if not file.read(4).startswith(_ZIP_HEADS):
            yield Unpacked(path, {})
            return
        if os.fstat(file.fileno()).st_size > limits.size:
            _refuse(path, (finding("too_large"),))
        file.seek(0)
        with tempfile.TemporaryDirectory(prefix="sons-") as folder:
            content = Path(folder) / "content"
            try:
                with content.open("wb") as into:
                    async with _turn():
                        report = await _read(file, "unpack", limits, into)
            except _StoppedError as stopped:
                _refuse(path, (finding(stopped.code),))
            except OSError as error:
                _refuse_sentence(path, f"le contenu ne peut pas être gardé ({error.strerror}).")
            found = tuple(finding(one.code, one.count, one.where) for one in report.found)
            if errors := tuple(one for one in found if one.severity == "error"):
                _refuse(path, errors)
            named = content.rename(content.with_name(_file_name(report.name or path.name)))
            yield Unpacked(named, {one.message: one.count for one in found})


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        _refuse_sentence(path, f"le fichier ne peut pas être lu ({error.strerror or 'erreur de lecture'}).")
    with file:
        yield file


def _file_name(name: str) -> str:
    """A name that a member gave to itself, made one that a file may bear."""
    return re.sub(r"[^\w. -]", "_", name)[-100:].lstrip(".") or "content"


def _refuse(path: Path, found: tuple[Finding, ...]) -> NoReturn:
    faults = tuple(Fault(one.where or path.name, f"{one.message} {one.remedy}") for one in found)
    message = found[0].message
    raise SonsError(
        ErrorCode.INVALID_FILE,
        f"{path.name} : {message[0].lower()}{message[1:]}",
        faults,
        remedy=found[0].remedy,
    )


def _refuse_sentence(path: Path, message: str) -> NoReturn:
    raise SonsError(ErrorCode.INVALID_FILE, f"{path.name} : {message}", (Fault(path.name, message),))


def finding(code: str, count: int = 1, where: str = "") -> Finding:
    """One entry of the closed list, as it was met."""
    kind = FINDINGS[code]
    return Finding(code, kind.severity, kind.message, kind.remedy, count, where)


# A semaphore belongs to one event loop, and a process may run several, one after the other.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@asynccontextmanager
async def _turn() -> AsyncIterator[None]:
    turns = _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    try:
        await asyncio.wait_for(turns.acquire(), LONGEST_WAIT)
    except TimeoutError:
        raise SonsError(
            ErrorCode.UNAVAILABLE, "Trop de fichiers sont en cours de lecture ; réessayer dans un instant."
        ) from None
    try:
        yield
    finally:
        turns.release()


async def _read(file: IO[bytes], work: Work, limits: Limits, into: IO[bytes] | None) -> _Report:
    """Runs the process and hears its report; content goes to `into`.

    Raises:
        _StoppedError: it went beyond a limit, or ended without a report.
    """
    order = {
        "work": work,
        "seconds": limits.processor,
        "memory": limits.memory,
        "unpacked": limits.unpacked,
    }
    file.seek(0)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(PROGRAM), json.dumps(order),
        stdin=file.fileno(), stdout=PIPE, stderr=DEVNULL, start_new_session=True, env={}, cwd="/",
    )  # fmt: skip
    try:
        async with asyncio.timeout(limits.seconds):
            return await _listen(process, limits, into)
    except TimeoutError:
        raise _StoppedError("too_long") from None
    finally:
        # the whole session: a process that it would have started ends with it
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_END):
                await _ended(process)


async def _ended(process: Process) -> None:
    """Waits for a process that was killed. Its end is only seen once its pipe is read to its own."""
    assert process.stdout is not None
    while await process.stdout.read(_LONGEST_FRAME):
        pass
    await process.wait()


async def _listen(process: Process, limits: Limits, into: IO[bytes] | None) -> _Report:
    assert process.stdout is not None
    received = 0
    try:
        while True:
            head = await process.stdout.readexactly(5)
            length = int.from_bytes(head[1:], "big")
            if length > _LONGEST_FRAME:
                raise _StoppedError("stopped")
            content = await process.stdout.readexactly(length)
            if head[:1] == b"R":
                return _checked(content)
            received += length
            if into is None or head[:1] != b"C":
                raise _StoppedError("stopped")
            if received > limits.unpacked:
                raise _StoppedError("zip_unpacked")
            await asyncio.to_thread(into.write, content)
    except asyncio.IncompleteReadError:
        status = await process.wait()
        raise _StoppedError("too_long" if status == -signal.SIGXCPU else "stopped") from None


def _checked(content: bytes) -> _Report:
    try:
        report = msgspec.json.decode(content, type=_Report)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _StoppedError("stopped") from None
    if any(one.code not in FINDINGS for one in report.found):
        raise _StoppedError("stopped")
    return report
