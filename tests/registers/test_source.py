"""Clean text, or a refusal that names the line: nothing else comes out of `scan`, in bounded memory."""

from __future__ import annotations

import contextlib
import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.registers import source
from sons_tracker.registers.source import line_blocks, open_bytes, scan, text_lines

Write = Callable[[bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: bytes) -> Path:
        path = tmp_path / "registre.csv"
        path.write_bytes(content)
        return path

    return written


def refusal(path: Path) -> str:
    with pytest.raises(SonsError) as caught:
        scan(path)
    assert caught.value.code is ErrorCode.INVALID_FILE
    assert caught.value.faults
    return caught.value.detail


def test_utf8_is_tried_first_then_cp1252(write: Write) -> None:
    assert scan(write("a;é\nb;ç\n".encode())).encoding == "utf-8"
    text = scan(write("a;é\nb;l’œuvre à 5 €\n".encode("cp1252")))
    assert text.encoding == "cp1252"
    assert list(text_lines(text)) == ["a;é", "b;l’œuvre à 5 €"]


def test_byte_order_mark_and_crlf_are_not_data(write: Write) -> None:
    text = scan(write(b"\xef\xbb\xbfa;b\r\nc;d\r\n"))
    assert (text.first, text.second) == ("a;b", "c;d")
    assert list(text_lines(text)) == ["a;b", "c;d"]


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("a\nb\n".encode("utf-16"), 1, "UTF-16"),
        ("a\nb\n".encode("utf-16-le"), 1, "caractère nul"),
        (b"a\nb\0c\n", 2, "caractère nul"),
        ("a\nb\nc\ufffdd\n".encode(), 3, "U+FFFD"),
        ("a\n" + "é".encode().decode("cp1252"), 2, "encodés deux fois"),
        ("a\nb\n5 " + "°".encode().decode("cp1252"), 3, "encodés deux fois"),
        ("a\n" + "l’été".encode().decode("cp1252"), 2, "encodés deux fois"),
        (b"a;\xc3\xa9\nb\nc;\xe9\n", 3, "mélange"),
        (b"a;\xe9\nb\nc;\xc3\xa9\n", 3, "mélange"),
        (b"a\nb;\xe9\x81\n", 2, "ni à UTF-8 ni à Windows-1252"),
        (b"a\nb\rc\n", 2, "retour chariot"),
        (b"a\rb\rc\r", 1, "retour chariot"),
        (b"a\nb\n" + b"x" * (source.MAX_LINE + 1) + b"\nc\n", 3, "64 Kio"),
        (b"a\n" + b"x" * (3 * source.BLOCK), 2, "64 Kio"),
        (b"a\n" + "é".encode() * source.BLOCK, 2, "64 Kio"),
    ],
)
def test_what_is_no_clean_text_is_refused_with_its_line(
    write: Write, content: str | bytes, line: int, said: str
) -> None:
    detail = refusal(write(content if isinstance(content, bytes) else content.encode()))
    assert f"ligne {line} " in detail
    assert said in detail


def test_the_line_is_counted_from_the_start_of_the_file_not_of_the_block(write: Write) -> None:
    assert "ligne 400001 " in refusal(write(b"a;b;c\n" * 400_000 + b"d\0\n"))


def test_a_line_of_exactly_the_bound_passes(write: Write) -> None:
    assert scan(write(b"a\n" + b"x" * source.MAX_LINE + b"\nb\n")).first == "a"


@pytest.mark.parametrize(
    ("line", "sound"),
    [
        (b'a;"b ""c""";d', True),
        (b'"a";"";"b;c"', True),
        (b'a;"b', False),
        (b'a;b"c;d', False),
        (b'a;"b"c;d', False),
        (b'a;"b\nc";d', False),
    ],
)
def test_quotes_are_those_of_rfc_4180(write: Write, line: bytes, sound: bool) -> None:
    assert scan(write(b"x;y\n" + line + b"\nz\n")).well_quoted is sound


def test_a_gzip_reads_like_the_file(write: Write) -> None:
    assert scan(write(gzip.compress("a;é\nb\n".encode()))).first == "a;é"


@pytest.mark.parametrize("cut", [5, 40, -9, -1])
def test_a_truncated_or_damaged_gzip_is_refused(write: Write, cut: int) -> None:
    assert "tronqué" in refusal(write(gzip.compress(bytes(range(32, 127)) * 500)[:cut]))


def test_a_gzip_with_a_wrong_checksum_is_refused(write: Write) -> None:
    packed = bytearray(gzip.compress(b"a\n" * 5000))
    packed[-6] ^= 1
    assert "endommagé" in refusal(write(bytes(packed)))


def test_an_archive_or_a_workbook_is_refused(write: Write) -> None:
    assert "classeur" in refusal(write(b"PK\x03\x04whatever"))


def test_a_missing_file_is_told_in_french(tmp_path: Path) -> None:
    assert "ne peut pas être lu" in refusal(tmp_path / "absent.csv")


def test_a_gzip_bomb_is_stopped_by_its_size(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_UNPACKED", 4 * source.BLOCK)
    assert "4 Gio" in refusal(write(gzip.compress(b"abc\n" * (2 * source.BLOCK))))


@pytest.mark.parametrize(
    "content", [b"x" * (64 << 20), gzip.compress(b"\n" * (64 << 20)), gzip.compress(b"y" * (64 << 20))]
)
def test_memory_does_not_grow_with_the_file(write: Write, content: bytes) -> None:
    path = write(content)
    del content
    tracemalloc.start()
    try:
        with contextlib.suppress(SonsError):
            scan(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


def test_progress_follows_the_file_on_disk_to_its_end(write: Write) -> None:
    path = write(gzip.compress(b"a;b\n" * 100_000))
    seen: list[tuple[int, int]] = []
    for _ in line_blocks(path, lambda done, total: seen.append((done, total))):
        pass
    size = path.stat().st_size
    assert seen[-1] == (size, size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_blocks_are_whole_lines_and_together_the_file(write: Write) -> None:
    content = b"".join(b"%d;%s\n" % (n, b"x" * (n % 300)) for n in range(30_000)) + b"end"
    path = write(content)
    blocks = list(line_blocks(path))
    assert b"".join(blocks) == content
    assert all(block.endswith(b"\n") for block in blocks[:-1])
    with open_bytes(path) as reader:
        assert reader.read(3) == content[:3]
