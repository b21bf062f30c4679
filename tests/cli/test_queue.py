"""The queue, alerts and samples from the terminal: raised, listed, dismissed, drawn, exported, in French."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from sons_tracker.db import engine
from tests import factories_conflicts as conflicts
from tests import factories_orders as make
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories import an_account

Capsys = pytest.CaptureFixture[str]


@dataclass(frozen=True, slots=True)
class World:
    """A case, its reviewer's token, and a folder."""

    number: str
    reviewer: str
    folder: Path


@pytest.fixture
async def world(clone: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        _, request, order = await make.an_accepted_order(make.Everything())
        reviewer = await an_account("reviewer")
        numbers = [line.finess for line in request.essms]
        case = await conflicts.a_conflict(
            "order_grant", make.id_of(order), "G-1", essms=numbers, reviewer=reviewer
        )
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    return World(case.number, reviewer.token, tmp_path)


def test_the_queue_is_listed_and_exported(world: World, capsys: Capsys) -> None:
    code, body = play_json(capsys, "queue", "list", "--sort", "age", "--couloir", "MS1")
    assert (code, [case["number"] for case in body["cases"]]) == (0, [world.number])  # type: ignore[attr-defined, index]
    code, out, _ = play(capsys, "queue", "list")
    assert code == 0
    assert f"{world.number} · risque " in out
    assert "1\u202f232,00\u202f€ en jeu" in out
    file = world.folder / "file.csv"
    assert play(capsys, "queue", "export", "--output", str(file)) == (0, "", "")
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")), delimiter=";"))
    assert [row["Dossier"] for row in rows] == [world.number]
    assert play(capsys, "queue", "export", "--format", "xlsx", "--output", str(file)) == (0, "", "")
    assert file.read_bytes().startswith(b"PK")
    for wrong in (("--couloir", "MS9"), ("--state", "perdu"), ("--assigned", "me"), ("--og", "12")):
        code, out, err = play(capsys, "queue", "list", *wrong)
        assert (code, out) == (2, ""), wrong
        assert err
    code, _, err = play(capsys, "queue", "list", "--view", "Inconnue", "--token", world.reviewer)
    assert (code, "Aucune de vos vues" in err) == (1, True)


def test_alerts_are_raised_listed_and_dismissed(world: World, capsys: Capsys) -> None:
    code, out, _ = play(capsys, "alert", "raise")
    assert (code, "à un ESSMS d'un seuil de tranche : 1 nouvelle, 1 à regarder" in out) == (0, True)
    code, body = play_json(capsys, "alert", "list", "--state", "open")
    [alert] = body["alerts"]  # type: ignore[misc]
    assert (code, alert["pattern"]) == (0, "tranche_threshold")
    words = ("alert", "dismiss", alert["number"], "--reason", "Vérifié.")
    assert play(capsys, *words)[0] == 1  # no token: in whose name?
    code, out, _ = play(capsys, *words, "--token", world.reviewer)
    assert (code, "écartée" in out) == (0, True)
    code, _, err = play(capsys, *words, "--token", world.reviewer)
    assert (code, "déjà écartée" in err) == (1, True)
    assert play(capsys, "alert", "dismiss", "AL-2023-999999", *words[3:], "--token", world.reviewer)[0] == 1
    assert "1 alerte" in play(capsys, "alert", "list")[1]


def test_a_sample_of_nothing_is_refused_in_one_sentence(world: World, capsys: Capsys) -> None:
    words = ("sample", "draw", "--seed", "audit", "--size", "5", "--token", world.reviewer)
    code, out, err = play(capsys, *words)
    assert (code, out) == (1, "")
    assert err.startswith("Rien de ce qui est payé ne répond à ces critères.")
    assert play(capsys, *words, "--couloir", "MS9")[0] == 2
    assert play(capsys, *words, "--tranche", "é")[0] == 2
    for command in ("show", "export"):
        code, _, err = play(capsys, "sample", command, "EC-2023-000001")
        assert (code, "Aucun échantillon" in err) == (1, True)
