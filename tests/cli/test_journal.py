"""The journal from the terminal: sealed, published, exported, verified; a changed copy is refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sons_tracker.db import engine, journal
from sons_tracker.db.journal import Said
from sons_tracker.operations import clock
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories import AT, an_account
from tests.time_stamping import an_authority, serving_beside


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


def test_a_published_head_is_stamped_and_the_token_is_held_to_its_roots(
    capsys: pytest.CaptureFixture[str], heads: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, _, err = play(capsys, "journal", "stamp")
    assert (code, "Aucune autorité d'horodatage n'est réglée." in err) == (2, True)
    trusted, other = an_authority(), an_authority("Autre")
    roots, others = (
        one.write_root(tmp_path / name) for one, name in ((trusted, "oui.pem"), (other, "non.pem"))
    )
    export = tmp_path / "journal.jsonl"
    with serving_beside(lambda imprint, nonce: (200, trusted.answer(imprint, nonce))) as url:
        monkeypatch.setenv("SONS_TIMESTAMP_URL", url)
        code, _, err = play(capsys, "journal", "stamp")
        assert (code, "se donnent ensemble" in err) == (2, True)
        monkeypatch.setenv("SONS_TIMESTAMP_ROOTS", str(others))
        assert "Aucune tête publiée" in play(capsys, "journal", "stamp")[1]
        _, told = play_json(capsys, "journal", "head", "--publish")
        code, _, err = play(capsys, "journal", "stamp")
        assert (code != 0, "n'a rien donné qui puisse être gardé" in err) == (True, True)
        monkeypatch.setenv("SONS_TIMESTAMP_ROOTS", str(roots))
        assert play_json(capsys, "journal", "stamp") == (0, {"head": told["head"]})
    play(capsys, "journal", "export", str(export))
    verify = ("journal", "verify", str(export))
    stamp = {"seq": told["head"]["seq"], "time": "20260301093015Z"}
    code, found = play_json(capsys, *verify)
    assert (code, found["stamps"], found["stamps_verified"]) == (0, [stamp], None)
    assert "signature non vérifiée" in play(capsys, *verify)[1]
    code, found = play_json(capsys, *verify, "--tsa-roots", str(roots))
    assert (code, found["stamps_verified"]) == (0, 1)
    code, out, _ = play(capsys, *verify, "--tsa-roots", str(others))
    assert (code, "n'est pas signé par une autorité tenue à ces racines" in " ".join(out.split())) == (
        1,
        True,
    )


def test_what_was_typed_is_exported_apart_and_erased(
    capsys: pytest.CaptureFixture[str], heads: Path, clone: Database, tmp_path: Path
) -> None:
    async def say() -> int:
        await engine.start(clone.app_dsn, role=clone.app_role)
        try:
            async with engine.transaction(LOCAL_ADMIN.context) as con:
                facts = {"reason": Said("Des mots à effacer.")}
                await journal.record(con, LOCAL_ADMIN, AT, "test.said", "test", "1", facts)
                found: int = await con.fetchval("select max(id) from journal")
            return found
        finally:
            await engine.stop()

    row = asyncio.run(say())
    export, texts = tmp_path / "journal.jsonl", tmp_path / "textes.jsonl"
    make = ("journal", "export", str(export), "--texts", str(texts))
    verify = ("journal", "verify", str(export), "--texts", str(texts))
    code, out, _ = play(capsys, *make)
    assert (code, "le garder à part" in out) == (0, True)
    assert "Des mots à effacer." in texts.read_text()
    assert "Des mots" not in export.read_text()
    code, found = play_json(capsys, *verify)
    assert (code, found["texts_checked"], found["texts_erased"]) == (0, 1, 0)
    assert "Textes vérifiés" in play(capsys, *verify)[1]

    erase = ("person", "erase-text", str(row), "--reason")
    assert play(capsys, *erase, " ")[0] == 2
    code, out, _ = play(capsys, *erase, "Demandé par la personne.")
    assert (code, out) == (0, "1 texte effacé.\n")
    code, _, err = play(capsys, *erase, "Encore.")
    assert (code, "n'a plus de texte à effacer" in err) == (1, True)
    play(capsys, *make)
    assert "Des mots" not in texts.read_text()
    code, found = play_json(capsys, *verify)
    assert (code, found["texts_checked"], found["texts_erased"]) == (0, 1, 1)
    texts.write_text(texts.read_text().replace("Demandé par", "Exigé par"))
    assert play(capsys, *verify)[0] == 1


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
