"""The journal from the terminal: sealed, published, exported, verified; a changed copy is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sons_tracker.db import engine
from sons_tracker.operations import clock
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories import an_account


@pytest.fixture
async def heads(clone: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await clock.declare(LOCAL_ADMIN, "sandbox")
        await an_account("editor")
        await an_account("pilot")
    finally:
        await engine.stop()
    file = tmp_path / "heads.jsonl"
    environ = {**clone.environ, "SONS_INSTANCE": "sandbox", "SONS_JOURNAL_HEADS": str(file)}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return file


def test_from_the_seal_to_the_tampered_copy(
    capsys: pytest.CaptureFixture[str], heads: Path, tmp_path: Path
) -> None:
    code, out, _ = play(capsys, "journal", "head")
    assert (code, out) == (0, "Rien n'est encore scellé.\n")
    code, sealed = play_json(capsys, "journal", "seal")
    assert (code, sealed["rows"], sealed["busy"]) == (0, 5, False)
    assert play_json(capsys, "journal", "seal")[1] == {**sealed, "rows": 0}
    code, told = play_json(capsys, "journal", "head", "--publish")
    assert (code, told["published"], told["head"]["seq"]) == (0, ["mail", "file"], 5)
    export = tmp_path / "journal.jsonl"
    code, out, err = play(capsys, "journal", "export", str(export))
    assert (code, err) == (0, "")
    assert f"7 écritures exportées dans {export}." in out
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    verify = ("journal", "verify", str(export), "--head", str(heads))
    code, found = play_json(capsys, *verify)
    assert (code, found["rows"], found["heads_checked"], found["problems"]) == (0, 7, 1, [])
    code, out, _ = play(capsys, *verify)
    assert (code, "Le journal est entier." in out) == (0, True)
    lines = export.read_text().splitlines(keepends=True)
    export.write_text(
        "".join([*lines[:2], lines[2].replace('"role": "admin"', '"role": "payer"'), *lines[3:]])
    )
    code, out, _ = play(capsys, *verify)
    assert code == 1
    assert "ligne 3 : le sceau ne correspond pas au contenu ; l'écriture a été modifiée." in out
    assert "Le journal n'est pas entier." in out
    assert play_json(capsys, *verify)[0] == 1


def test_a_head_is_asked_for_again_and_a_file_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], heads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = play(capsys, "journal", "head", "--publish")
    assert (code, "Publiée par le fichier des têtes." in out, heads.exists()) == (0, True, True)
    assert "Publiée par un avis aux pilotes et aux administrateurs." in out
    monkeypatch.setenv("SONS_JOURNAL_HEADS", str(heads / "nowhere"))
    code, _, err = play(capsys, "journal", "head", "--publish")
    assert (code, "ne peut pas être écrite" in err) == (2, True)
    code, _, err = play(capsys, "journal", "export", str(heads / "nowhere"))
    assert (code, "ne peut pas être écrit" in err) == (2, True)


def test_what_is_no_export_is_malformed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "autre.json"
    for content in ("", "{}", json.dumps({"format": "sons-journal-v9"})):
        file.write_text(content)
        code, out, err = play(capsys, "journal", "verify", str(file))
        assert (code, out) == (2, "")
        assert "ne se vérifie pas" in err
    assert play(capsys, "journal", "verify", str(tmp_path / "absent"))[0] == 2
