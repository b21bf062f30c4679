"""`sons-tracker piece inspect`: a piece examined at the terminal, without a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_frame_commands import play, play_json
from tests.hostile.pieces import SOUND, packed


def test_a_sound_piece_and_its_digest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bon.pdf"
    path.write_bytes(SOUND["pdf"])
    code, out, err = play(capsys, "piece", "inspect", str(path))
    assert (code, err) == (0, "")
    assert "PDF" in out
    assert out.split()[out.split().index("Pages") + 1] == "3"
    assert "Cette pièce convient." in out


def test_a_piece_that_cannot_be_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "lot.zip"
    path.write_bytes(packed(("a.zip", packed(("b", b"x")))))
    code, out, _ = play(capsys, "piece", "inspect", str(path))
    assert code == 1
    assert "une autre archive" in out
    assert "(a.zip)" in out
    assert "ne peut pas être présentée" in out
    code, data = play_json(capsys, "piece", "inspect", str(path))
    assert (code, data["acceptable"]) == (1, False)
    assert "zip_nested" in str(data["findings"])
    assert play(capsys, "piece", "inspect", str(tmp_path))[0] == 2
