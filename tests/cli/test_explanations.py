"""`audit explain`, `conflict graph`, `conflict evidence` from the terminal."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from sons_tracker.db import engine
from tests import factories_orders as make
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories import AT
from tests.factories_conflicts import Case, Clash, a_clash_case

Capsys = pytest.CaptureFixture[str]


@dataclass(frozen=True, slots=True)
class World:
    """A clash with its case, and a grant that the register knows of the ESSMS."""

    clash: Clash
    case: Case
    grant: str
    folder: Path


@pytest.fixture
async def world(clone: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        owner = make.Everything()
        clash, case = await a_clash_case(owner, at=AT)
        grant = await make.a_grant(owner, clash.finess, solution="AUTRE", agreed_on=date(2022, 5, 1))
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    return World(clash, case, grant, tmp_path)


def test_an_essms_is_explained_in_a_minute(capsys: Capsys, world: World) -> None:
    words = ("audit", "explain", world.clash.finess, "--token", world.case.reviewer.token)
    code, out, err = play(capsys, *words, "--mode", "today")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"ESSMS {world.clash.finess} – V1 : engagé"
    for told in (
        "Répond d'après les faits et le droit d'aujourd'hui.",
        f"{world.clash.refused_number} (rejetée) : refus pour cet ESSMS",
        f"Détenteur : {world.clash.held_number}",
        "Différence : de « decided » à « today »",
        "R25 : oui → refus",
        f"Fait en cause : Le financement ESMS numérique {world.grant}",
        f"Dossier {world.case.number} : Deux commandes pour un même ESSMS – à instruire",
    ):
        assert told in out, told
    code, body = play_json(capsys, *words)
    assert (code, body["mode"], body["against"]) == (0, "decided", None)
    code, out, _ = play(capsys, "audit", "explain", world.clash.finess, "--token", world.clash.loser.token)
    assert code == 0
    assert world.clash.held_number not in out
    assert world.grant not in out


def test_a_question_badly_asked_is_told_in_one_sentence(capsys: Capsys, world: World) -> None:
    finess = world.clash.finess
    for words, code, sentence in (
        (("audit", "explain", "990000011"), 2, "990000011"),
        (("audit", "explain", "990000010"), 1, "Aucun ESSMS visible"),
        (("audit", "explain", finess, "--mode", "known"), 2, "Le jour où le droit était connu"),
        (("audit", "explain", finess, "--mode", "hier"), 2, "valeurs possibles"),
        (("conflict", "graph", "CF-2023-999999"), 1, "Aucun dossier de conflit visible"),
        (("conflict", "graph", world.case.number, "--from", finess), 2, "Un chemin a deux bouts"),
    ):
        got, out, err = play(capsys, *words)
        assert (got, out) == (code, ""), words
        assert sentence in err


def test_the_graph_and_the_evidence_are_written_where_asked(capsys: Capsys, world: World) -> None:
    picture, pack = world.folder / "graphe.svg", world.folder / "preuves.zip"
    token = ("--token", world.case.reviewer.token)
    code, out, err = play(capsys, "conflict", "graph", world.case.number, "--svg", str(picture), *token)
    assert (code, err) == (0, "")
    assert f"Commande {world.clash.held_number} engage ESSMS {world.clash.finess} (1er mars 2023)" in out
    assert "Pourquoi sont-ils liés ?" in out
    assert picture.read_bytes().startswith(b"<?xml")
    code, body = play_json(capsys, "conflict", "evidence", world.case.number, "--out", str(pack), *token)
    assert (code, body["bytes"]) == (0, pack.stat().st_size)
    with zipfile.ZipFile(pack) as archive:
        assert "manifeste.json" in archive.namelist()
    words = ("conflict", "evidence", world.case.number, "--out", str(pack), "--token", world.clash.og.token)
    code, _, err = play(capsys, *words)
    assert (code, "Le rôle" in err) == (1, True)
