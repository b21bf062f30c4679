"""Register files as bounded blocks of whole lines, and the defects of text that refuse a file.

Nothing here holds more than one block in memory, whatever the file: a line longer than `MAX_LINE` is
refused before it is whole. A file that is not clean text is refused as a file, with its first defect.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, NoReturn

from sons_tracker.errors import ErrorCode, Fault, SonsError

Encoding = Literal["utf-8", "cp1252"]
# What an import tells while it works: bytes read of the file, bytes of the file.
Progress = Callable[[int, int], None]

BLOCK = 1 << 20
MAX_LINE = 64 * 1024
# Six times the unpacked national JSON; a bomb is stopped here, not by the disk.
MAX_UNPACKED = 4 << 30
# JSON elements that differ by their number alone unpack to a hundred times their size, our files to eight;
# gzip reaches a thousand on what says nothing. Beyond a size that no longer reads in a moment, a file that
# swells more than this is a bomb.
MAX_RATIO = 250
_UNSUSPECTED = 64 << 20
# Beyond so many lines or elements that are refused one by one, the file is refused whole: it is another file.
MOST_REFUSED = 100_000

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_BOM = b"\xef\xbb\xbf"
_REPLACEMENT = b"\xef\xbf\xbd"
# « é » read as cp1252 and written again as UTF-8 gives « Ã© », « ’ » gives « â€™ », « ° » gives « Â° »
_TWICE_ENCODED = re.compile(rb"\xc3\x83[\xc2\xc5\xc6\xcb\xe2]|\xc3\xa2\xe2\x82\xac|\xc3\x82\xc2[\xa0-\xbf]")
_UTF8_IN_CP1252 = re.compile(rb"\xc3[\x80-\xbf]|\xc2[\xa0-\xbf]|\xe2\x80[\x90-\xbf]|\xef\xbf\xbd")
_LONE = re.compile(rb"\r(?!\n)")
_FIELD = rb'(?:[^";\r\n]*|"(?:[^"\r\n]|"")*")'
_WELL_QUOTED = re.compile(rb"%b(?:;%b)*\r?" % (_FIELD, _FIELD))


@dataclass(frozen=True, slots=True)
class Text:
    """What one pass over a text file found.

    `first` and `second` are its beginning, decoded, without a byte order mark. `well_quoted` says whether
    every quote is RFC 4180's: when not, a fast reader would mistake where fields end.
    """

    path: Path
    encoding: Encoding
    first: str
    second: str
    well_quoted: bool


def refuse(path: Path, message: str, line: int | None = None) -> NoReturn:
    """Raises `INVALID_FILE` with one French sentence that names the file, and the line where it is known."""
    where = path.name if line is None else f"{path.name}, ligne {line}"
    raise SonsError(ErrorCode.INVALID_FILE, f"{where} : {message}", (Fault(where, message),))


def refuse_beyond(path: Path, refused: int) -> None:
    """Raises `INVALID_FILE` once more than `MOST_REFUSED` lines or elements are refused."""
    if refused > MOST_REFUSED:
        most = f"{MOST_REFUSED:,}".replace(",", "\u202f")
        refuse(path, f"plus de {most} lignes ou éléments sont refusés ; ce n'est pas le fichier attendu.")


class Reader:
    """The bytes of a file, unpacked; tells how far the file was read as it is on disk."""

    def __init__(self, path: Path, raw: IO[bytes], unpacked: IO[bytes], progress: Progress | None) -> None:
        self._path, self._raw, self._unpacked, self._progress = path, raw, unpacked, progress
        self._size = path.stat().st_size
        self.total = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes, none at the end.

        Raises:
            SonsError: `INVALID_FILE` beyond `MAX_UNPACKED` bytes, or `MAX_RATIO` times the file.
        """
        data = self._unpacked.read(size)
        self.total += len(data)
        if self.total > MAX_UNPACKED:
            refuse(self._path, "le fichier dépasse 4 Gio une fois décompressé.")
        if self.total > max(_UNSUSPECTED, MAX_RATIO * self._size):
            refuse(self._path, f"le fichier, décompressé, dépasse {MAX_RATIO} fois sa taille.")
        if self._progress is not None:
            self._progress(self._raw.tell(), self._size)
        return data


@contextmanager
def open_bytes(path: Path, progress: Progress | None = None) -> Iterator[Reader]:
    """Opens a plain or gzip file for reading.

    Raises:
        SonsError: `INVALID_FILE` when it cannot be read, is a zip, or is a damaged gzip; also from the
            block that reads.
    """
    try:
        with path.open("rb") as raw:
            head = raw.read(4)
            raw.seek(0)
            if head.startswith(_ZIP):
                refuse(
                    path, "ceci est un classeur ou une archive zip ; donner le CSV ou le JSON qu'il contient."
                )
            if head.startswith(_GZIP):
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield Reader(path, raw, unpacked, progress)  # type: ignore[arg-type]
            else:
                yield Reader(path, raw, raw, progress)
    except EOFError:
        refuse(path, "le fichier compressé est tronqué ; le télécharger à nouveau.")
    except (gzip.BadGzipFile, zlib.error):
        refuse(path, "le fichier compressé est endommagé ; le télécharger à nouveau.")
    except OSError as error:
        refuse(path, f"le fichier ne peut pas être lu ({error.strerror or 'erreur de lecture'}).")


def line_blocks(path: Path, progress: Progress | None = None) -> Iterator[bytes]:
    """Blocks of whole lines, about a megabyte each; only the last may lack its line end.

    A line longer than `MAX_LINE` may come in pieces, so that memory stays bounded: `scan` refuses it.

    Raises:
        SonsError: `INVALID_FILE`, as `open_bytes`.
    """
    tail = b""
    with open_bytes(path, progress) as file:
        while chunk := file.read(BLOCK):
            end = chunk.rfind(b"\n") + 1
            if end:
                yield tail + chunk[:end]
                tail = chunk[end:]
            elif len(tail) + len(chunk) > MAX_LINE:
                yield tail + chunk
                tail = b""
            else:
                tail += chunk
        if tail:
            yield tail


def scan(path: Path) -> Text:
    """Reads the whole file once and tells what it is.

    Strict UTF-8 first, else Windows-1252 (cp1252); a mixture, U+FFFD, text encoded twice, UTF-16, NUL
    and a carriage return that ends no line are refused, with the line.

    Raises:
        SonsError: `INVALID_FILE`.
    """
    encoding: Encoding = "utf-8"
    seen_utf8, well_quoted = False, True
    first = second = ""
    start = 0  # where the block begins in the unpacked file
    for block in line_blocks(path):
        if start == 0 and block.startswith((b"\xff\xfe", b"\xfe\xff")):
            refuse(path, "le fichier est en UTF-16 ; l'enregistrer en UTF-8.", 1)
        _refuse_long(path, start, block)
        if encoding == "utf-8":
            try:
                text = block.decode("utf-8")
            except UnicodeDecodeError as error:
                if seen_utf8 or not block[: error.start].removeprefix(_BOM).isascii():
                    _refuse_at(path, start + error.start, _MIXED)
                encoding = "cp1252"
            else:
                seen_utf8 = seen_utf8 or not block.removeprefix(_BOM).isascii()
        if encoding == "cp1252":
            try:
                text = block.decode("cp1252")
            except UnicodeDecodeError as error:
                _refuse_at(path, start + error.start, _NO_TEXT)
        _refuse_defects(path, start, block, text, encoding)
        if start == 0:
            head = text.removeprefix("\ufeff").split("\n", 2)
            first, second = head[0].rstrip("\r"), (head[1] if len(head) > 1 else "").rstrip("\r")
        well_quoted = well_quoted and _quotes_are_sound(block)
        start += len(block)
    return Text(path, encoding, first, second, well_quoted)


_TOO_LONG = "la ligne dépasse 64 Kio ; le fichier n'est pas découpé en lignes, ou il est endommagé."
_MIXED = "le fichier mélange UTF-8 et Windows-1252 ; l'enregistrer tout entier en UTF-8."
_TWICE = "des accents ont été encodés deux fois (« Ã© » pour « é ») ; repartir du fichier d'origine."
_NO_TEXT = "un octet n'appartient ni à UTF-8 ni à Windows-1252 ; repartir du fichier d'origine."
_NUL = "un caractère nul s'y trouve ; ce n'est pas un fichier de texte en UTF-8."
_LOST = "un caractère perdu (U+FFFD) s'y trouve ; repartir du fichier d'origine."
_LONE_RETURN = "un retour chariot s'y trouve sans saut de ligne."


def _refuse_defects(path: Path, start: int, block: bytes, text: str, encoding: Encoding) -> None:
    # Single characters are looked for in the decoded text, which is by far the fastest; what they make
    # suspect is then looked at closely.
    if "\0" in text:
        _refuse_at(path, start + block.index(b"\0"), _NUL)
    if "\ufffd" in text:
        _refuse_at(path, start + block.index(_REPLACEMENT), _LOST)
    if "Ã" in text or "Â" in text or "â" in text or "ï" in text:
        pattern, message = (_TWICE_ENCODED, _TWICE) if encoding == "utf-8" else (_UTF8_IN_CP1252, _MIXED)
        if found := pattern.search(block):
            _refuse_at(path, start + found.start(), message)
    if "\r" in text and (lone := _LONE.search(block)):
        _refuse_at(path, start + lone.start(), _LONE_RETURN)


def _refuse_long(path: Path, start: int, block: bytes) -> None:
    # A longer line would cover a window of half its bound: only then are the lines measured.
    half = MAX_LINE // 2
    if any(block.find(b"\n", at, at + half) < 0 for at in range(0, len(block), half)):
        at = 0
        for line in block.split(b"\n"):
            if len(line) > MAX_LINE:
                _refuse_at(path, start + at, _TOO_LONG)
            at += len(line) + 1


def _refuse_at(path: Path, offset: int, message: str) -> NoReturn:
    """Refuses with the line that holds the byte `offset`; the lines are counted only now."""
    line, start = 1, 0
    for block in line_blocks(path):
        line += block.count(b"\n", 0, max(0, offset - start))
        start += len(block)
        if start > offset:
            break
    refuse(path, message, line)


def _quotes_are_sound(block: bytes) -> bool:
    at = block.find(b'"')
    while at >= 0:
        start = block.rfind(b"\n", 0, at) + 1
        end = block.find(b"\n", at)
        end = len(block) if end < 0 else end
        if not _WELL_QUOTED.fullmatch(block, start, end):
            return False
        at = block.find(b'"', end)
    return True


def is_well_quoted(line: str) -> bool:
    """Whether the quotes of one line, given without its end, are RFC 4180's."""
    return '"' not in line or _WELL_QUOTED.fullmatch(line.encode()) is not None


def text_lines(text: Text) -> Iterator[str]:
    """The lines of a scanned file, decoded, without their ends, one by one."""
    first = True
    for block in line_blocks(text.path):
        whole = block.removeprefix(_BOM) if first else block
        first = False
        for line in whole.removesuffix(b"\n").split(b"\n"):
            yield line.decode(text.encoding).rstrip("\r")


def sha256_of(path: Path) -> bytes:
    """The digest of the file as it is on disk, packed or not.

    Raises:
        SonsError: `INVALID_FILE` when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        refuse(path, f"le fichier ne peut pas être lu ({error.strerror or 'erreur de lecture'}).")
