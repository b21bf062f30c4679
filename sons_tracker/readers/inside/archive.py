"""A ZIP: what it says of its members, then each member unpacked once and thrown away."""

from __future__ import annotations

import re
import stat
import unicodedata
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO
from zipfile import BadZipFile, LargeZipFile, ZipFile, ZipInfo

from sons_tracker.readers.findings import MOST_MEMBERS, MOST_RATIO
from sons_tracker.readers.inside.report import Report

BLOCK = 1 << 16
_ENCRYPTED = 0x1
_LOCAL_HEADER = 30
# A small file packs well and harms nobody.
_UNSUSPECTED = 1 << 20
_LONGEST_NAME = 255
_NESTED = re.compile(
    r"\.(?:zip|xlsx|xlsm|docx|pptx|odt|ods|jar|7z|rar|gz|tgz|bz2|xz|tar|cab|iso|zst)$", re.IGNORECASE
)
_PACKED = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zX", b"MSCF")
# Control characters, those that turn the direction of a text, ends of line, and what is no character.
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_DRIVE = re.compile(r"^[A-Za-z]:")
# What the tools of a desktop add to an archive.
_LITTER = re.compile(r"(?:^|/)(?:__MACOSX/|\.DS_Store$|Thumbs\.db$)")
_DAMAGED = (BadZipFile, LargeZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError)


def opened(file: BinaryIO, report: Report) -> ZipFile | None:
    """The archive, when its directory can be read."""
    try:
        return ZipFile(file)
    except _DAMAGED:
        report.add("unreadable")
        return None


def members(archive: ZipFile) -> list[ZipInfo]:
    """Its files, but for what a desktop adds."""
    return [one for one in archive.infolist() if not one.is_dir() and not _LITTER.search(one.filename)]


def check_directory(archive: ZipFile, report: Report, most_unpacked: int) -> None:
    """What can be said without unpacking anything."""
    infos = archive.infolist()
    report.members = len(members(archive))
    if not infos:
        report.add("zip_empty")
    if len(infos) > MOST_MEMBERS:
        report.add("zip_too_many_members")
        return
    names: set[str] = set()
    for one in infos:
        name = one.filename
        if one.flag_bits & _ENCRYPTED:
            report.add("zip_encrypted", name)
        if _leads_out(one):
            report.add("zip_traversal", name)
        if stat.S_ISLNK(one.external_attr >> 16):
            report.add("zip_link", name)
        if one.file_size > max(_UNSUSPECTED, MOST_RATIO * one.compress_size):
            report.add("zip_ratio", name)
        if name.casefold() in names:
            report.add("zip_repeated", name)
        names.add(name.casefold())
    if sum(one.file_size for one in infos) > most_unpacked:
        report.add("zip_unpacked")
    placed = sorted(infos, key=lambda one: one.header_offset)
    for one, following in pairwise(placed):
        if one.header_offset + _LOCAL_HEADER + one.compress_size > following.header_offset:
            report.add("zip_overlap", following.filename)


def _leads_out(one: ZipInfo) -> bool:
    # `orig_filename` is the name as written: the library already cut a NUL and turned separators
    name = one.orig_filename
    return (
        name.startswith("/")
        or "\\" in name
        or bool(_DRIVE.match(name))
        or ".." in name.split("/")
        or any(unicodedata.category(one) in _UNSEEN for one in name)
        or len(name) > _LONGEST_NAME
    )


def is_nested(one: ZipInfo, head: bytes) -> bool:
    """Whether a member is itself packed, by its name or its first bytes."""
    return bool(_NESTED.search(one.filename)) or head.startswith(_PACKED)


def blocks(archive: ZipFile, one: ZipInfo, report: Report) -> Iterator[bytes]:
    """The content of a member, checked against its size and its sum; a defect ends it and is told."""
    try:
        with archive.open(one) as unpacked:
            while block := unpacked.read(BLOCK):
                yield block
    except (*_DAMAGED, RuntimeError):
        report.add("unreadable", one.filename)


def read(archive: ZipFile, report: Report, most_unpacked: int) -> None:
    """Looks at a whole archive of pieces."""
    check_directory(archive, report, most_unpacked)
    if "[Content_Types].xml" in archive.namelist():
        report.add("zip_office")
    if report.refused:
        return
    for one in archive.infolist():
        for number, block in enumerate(blocks(archive, one, report)):
            if number == 0 and is_nested(one, block):
                report.add("zip_nested", one.filename)
