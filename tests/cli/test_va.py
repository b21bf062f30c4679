"""The VA and the solde from the terminal: the same acts as over HTTP, exit codes, one French sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from sons_tracker.db import engine
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories_life import Life


@dataclass(frozen=True, slots=True)
class World:
    """An order whose advance is paid, and the files of its commands."""

    life: Life
    order: str
    va: Path
    solde: Path


@pytest.fixture
async def world(clone: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        owner = make.Everything()
        order = await solde.a_paid_advance(owner, 2)
        content = await solde.a_content(owner, order, issued_on="2023-03-01")
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    line = {
        "dui_deployed": True, "tbb1_supplied": True, "accompanied": 60, "active": 56, "with_project": 50,
        "with_event": 54,
    }  # fmt: skip
    va, asked = tmp_path / "va.json", tmp_path / "solde.json"
    va.write_text(json.dumps({"lines": [{"finess": str(n), **line} for n in order.essms]}), encoding="utf-8")
    asked.write_text(json.dumps(content), encoding="utf-8")
    return World(order, str(order.order_id), va, asked)


SIGNED_BY = ("--name", solde.SIGNER.name, "--function", "Directrice générale")


def test_from_the_va_to_the_validated_solde(capsys: pytest.CaptureFixture[str], world: World) -> None:
    editor, og = world.life.editor.token, world.life.og.token
    code, told = play_json(capsys, "va", "prepare", world.order, str(world.va), "--token", editor)
    assert (code, told["state"]) == (0, "prepared")
    code, out, _ = play(capsys, "va", "show", world.order, "--token", og)
    assert code == 0
    assert str(told["statement"]) in out
    assert f"Empreinte SHA-256 : {told['statement_sha256']}" in out
    assert "Consentement à donner pour signer" in out
    words = ("va", "sign", world.order, "--digest", str(told["statement_sha256"]), *SIGNED_BY, "--token", og)
    code, _, err = play(capsys, *words)
    assert (code, "--consent" in err) == (2, True)
    code, out, _ = play(capsys, *words, "--consent")
    assert code == 0
    assert "Signée le 2023-03-01" in out
    code, _, err = play(capsys, *words, "--consent")
    assert (code, "La VA est déjà signée." in err) == (1, True)
    code, out, _ = play(capsys, "solde", "match", world.order, "--token", editor)
    assert (code, "VA n° 1, aucune facture" in out) == (0, True)
    code, asked = play_json(capsys, "solde", "request", world.order, str(world.solde), "--token", editor)
    assert (code, asked["state"]) == (0, "requested")
    code, _, err = play(capsys, "solde", "request", world.order, str(world.solde), "--token", editor)
    assert code == 1
    assert "Une demande de solde existe déjà" in err
    code, out, _ = play(capsys, "solde", "match", world.order)
    assert "2\u202f920,00\u202f€, attesté, 2\u202f920,00\u202f€" in out
    reviewer = world.life.reviewer.token
    code, out, _ = play(capsys, "solde", "validate", str(asked["id"]), "--token", reviewer)
    assert code == 0
    assert "validée" in out


def test_what_is_refused_and_what_is_malformed(
    capsys: pytest.CaptureFixture[str], world: World, tmp_path: Path
) -> None:
    editor, og = world.life.editor.token, world.life.og.token
    partial = tmp_path / "partial.json"
    partial.write_text(json.dumps({"lines": [{"finess": str(world.life.essms[0])}]}), encoding="utf-8")
    code, out, err = play(capsys, "va", "prepare", world.order, str(partial), "--token", editor)
    assert (code, out) == (1, "")
    assert world.life.essms[1] in err
    assert "n'est pas déclaré" in err
    partial.write_text("{", encoding="utf-8")
    assert play(capsys, "va", "prepare", world.order, str(partial), "--token", editor)[0] == 2
    assert play(capsys, "solde", "request", world.order, str(partial), "--token", editor)[0] == 2
    assert play(capsys, "va", "prepare", world.order, str(tmp_path / "none"), "--token", editor)[0] == 2
    code, problem = play_json(capsys, "va", "show", world.order, "--token", og)
    assert (code, problem["code"]) == (1, "not_found")
    code, problem = play_json(capsys, "va", "prepare", "x", str(world.va), "--token", editor)
    assert (code, problem["code"]) == (1, "not_found")
    code, problem = play_json(capsys, "va", "prepare", world.order, str(world.va))
    assert (code, problem["code"]) == (1, "unauthenticated")
    code, problem = play_json(
        capsys, "va", "sign", world.order, "--digest", "zz", *SIGNED_BY, "--consent", "--token", og
    )
    assert (code, problem["code"]) == (2, "invalid_request")
    code, problem = play_json(capsys, "solde", "validate", world.order, "--token", world.life.reviewer.token)
    assert (code, problem["code"]) == (1, "not_found")
    code, problem = play_json(
        capsys, "solde", "refile", world.order, str(world.solde), "--answer", "Voici.", "--token", editor
    )
    assert (code, problem["code"]) == (1, "action_refused")
