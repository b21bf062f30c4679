"""The law files of the package as bytes, to be changed one place at a time."""

from __future__ import annotations

from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.law import read_library
from sons_tracker.law.library import package_files


def law_files() -> dict[str, bytes]:
    return package_files()


def changed(name: str, old: str, new: str, *, count: int = 1) -> dict[str, bytes]:
    """The law files with the first `count` places of `old` in one file replaced."""
    contents = law_files()
    text = contents[name].decode()
    assert old in text, old
    contents[name] = text.replace(old, new, count).encode()
    return contents


def faults_of(contents: dict[str, bytes]) -> tuple[Fault, ...]:
    """The faults for which a law is refused; none when it is accepted."""
    try:
        read_library(contents)
    except SonsError as error:
        return error.faults if error.code is ErrorCode.INVALID_LAW else ()
    return ()
