"""The table of rights in the terminal."""

from __future__ import annotations

import pytest

from sons_tracker.rules.rights import RIGHTS
from tests.cli.test_frame_commands import play, play_json


def test_the_whole_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = play_json(capsys, "rights")
    assert code == 0
    assert [one["action"] for one in told] == list(RIGHTS)  # type: ignore[index]
    code, out, err = play(capsys, "rights")
    assert (code, err) == (0, "")
    words = " ".join(out.split())
    assert "Signer la VA partie : organisme gestionnaire" in words
    assert "Lire l'horloge tout : chacun, même sans compte" in words
    assert "Lire les membres organisation : chaque rôle qui a un compte" in words
    assert "« soi-même » : ce qui est à la personne elle-même." in words


def test_one_role_sees_its_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = play_json(capsys, "rights", "--role", "ars")
    assert code == 0
    assert [one["action"] for one in told] == [a for a, right in RIGHTS.items() if "ars" in right.reaches]  # type: ignore[index]
    code, out, _ = play(capsys, "rights", "--role", "ars")
    assert code == 0
    assert "Répondre à une question" in out
    assert "Déposer une commande" not in out


def test_a_role_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = play(capsys, "rights", "--role", "chef")
    assert (code, out) == (2, "")
    assert "chef" in err
