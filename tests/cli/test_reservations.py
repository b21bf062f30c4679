"""Reservations from the terminal: made, read, renewed too soon, dropped; refusals in one French sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from sons_tracker.db import engine
from tests import factories_orders as make
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories_reservations import Ground, a_ground, a_rival

Capsys = pytest.CaptureFixture[str]


@dataclass(frozen=True, slots=True)
class World:
    """Two editors before the ESSMS of one OG, and the file of a request of the first."""

    ground: Ground
    rival: Ground
    file: Path
    rival_file: Path


def _written(folder: Path, name: str, ground: Ground) -> Path:
    asked = ground.asked()
    body = {"dispositif": asked.dispositif, "og": asked.og, "essms": list(asked.essms)}
    file = folder / name
    file.write_text(json.dumps({**body, "solution_version": asked.solution_version}), encoding="utf-8")
    return file


@pytest.fixture
async def world(clone: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        ground = await a_ground(make.Everything(), 2)
        rival = await a_rival(make.Everything(), ground)
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    files = _written(tmp_path, "a.json", ground), _written(tmp_path, "b.json", rival)
    return World(ground, rival, *files)


def test_the_way_of_a_reservation(capsys: Capsys, world: World) -> None:
    mine = ("--token", world.ground.editor.token)
    code, out, err = play(capsys, "reservation", "make", str(world.file), *mine)
    assert (code, err) == (0, "")
    assert "en cours" in out
    assert "jusqu'au 16 mars 2023. ESSMS encore réservés : 2 sur 2" in out
    assert f"{world.ground.essms[0]} : réservé" in out
    code, listed = play_json(capsys, "reservation", "list", "--state", "active")
    assert (code, len(listed)) == (0, 1)
    made = listed[0]["id"]
    code, out, err = play(capsys, "reservation", "list", *mine)
    assert (code, f"{listed[0]['number']} · en cours" in out) == (0, True)

    theirs = ("--token", world.rival.editor.token)
    code, out, err = play(capsys, "reservation", "make", str(world.rival_file), *theirs)
    assert (code, out) == (1, "")
    assert "Cet ESSMS est déjà engagé par une réservation en cours" in err
    code, out, err = play(capsys, "reservation", "show", made, *theirs)
    assert (code, "Aucune réservation visible" in err) == (1, True)
    assert play(capsys, "reservation", "list", *theirs) == (0, "Aucune réservation.\n", "")

    code, out, err = play(capsys, "reservation", "renew", made, *mine)
    assert (code, "ne la prolongerait pas" in err) == (1, True)
    code, out, _ = play(capsys, "reservation", "show", made, *mine)
    assert (code, "Lever la réservation : possible" in out) == (0, True)
    code, dropped = play_json(capsys, "reservation", "drop", made, *mine)
    assert (code, dropped["state"]) == (0, "dropped")
    code, out, err = play(capsys, "reservation", "drop", made, *mine)
    assert (code, "Cette réservation est levée." in err) == (1, True)
    code, out, err = play(capsys, "reservation", "make", str(world.file), *mine)
    assert (code, "à compter du 1er avril 2023" in err) == (1, True)


def test_what_is_malformed(capsys: Capsys, world: World, tmp_path: Path) -> None:
    mine = ("--token", world.ground.editor.token)
    broken = tmp_path / "c.json"
    broken.write_text('{"dispositif": "MS1-V1"}', encoding="utf-8")
    code, out, err = play(capsys, "reservation", "make", str(broken), *mine)
    assert (code, out) == (2, "")
    code, out, err = play(capsys, "reservation", "list", "--state", "dreamt")
    assert (code, "valeurs possibles : active, converted, expired, dropped" in err) == (2, True)
    code, out, err = play(capsys, "reservation", "list", "--essms", "12")
    assert code == 2
    code, out, err = play(capsys, "reservation", "make", str(world.file))
    assert (code, "il faut un jeton" in err) == (1, True)
