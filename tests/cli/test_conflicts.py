"""A conflict from the terminal: contested, asked, answered, decided, executed; refusals in one sentence."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sons_tracker.db import engine
from tests import factories_disputes as disputes
from tests import factories_life as lives
from tests import factories_orders as make
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories_life import Life

Capsys = pytest.CaptureFixture[str]


@dataclass(frozen=True, slots=True)
class World:
    """An order that holds its ESSMS, and another that was refused them."""

    holder: Life
    refused: Life


@pytest.fixture
async def world(clone: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        owner = make.Everything()
        holder = await lives.a_deposited_order(owner, 2)
        refused = await disputes.a_refused_order(owner, holder)
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    return World(holder, refused)


def test_the_way_of_a_conflict(capsys: Capsys, world: World) -> None:
    first, second = (("--token", life.editor.token) for life in (world.holder, world.refused))
    reviewer, og = ("--token", world.holder.reviewer.token), ("--token", world.holder.og.token)
    order = str(world.refused.order_id)

    code, out, err = play(capsys, "conflict", "contest", order, "--reason", "Le client a résilié.", *second)
    assert (code, err) == (0, "")
    assert "CF-2023-000001 — Deux commandes pour un même ESSMS : à instruire" in out
    assert world.holder.number not in out
    code, out, _ = play(capsys, "conflict", "list", *reviewer)
    assert (code, "CF-2023-000001" in out, "5\u202f840,00\u202f€" in out) == (0, True, True)

    case = "CF-2023-000001"
    decide = ("conflict", "decide", case, "one_refused", "--template", "first_deposit", "--refused", "1")
    motivated = (*decide, "--motivation", "Le client confirme.", "--version")
    code, out, err = play(capsys, *motivated, "2", *reviewer)
    assert (code, out) == (1, "")
    assert "n'a pas été invité à s'expliquer" in err
    code, out, err = play(
        capsys, "conflict", "ask", case, "precisions", "--text", "Que voulait-il ?", *reviewer
    )
    assert (code, err) == (0, "")
    assert "réponse attendue au plus tard le 15 mars 2023" in out
    for mine in (first, second):
        _, seen = play_json(capsys, "conflict", "show", case, *mine)
        (question,) = seen["questions"]
        given = ("--text", "Il nous a choisis.", "--position", "maintained")
        code, out, _ = play(capsys, "conflict", "answer", case, question["id"], *given, *mine)
        assert (code, "maintient sa commande : Il nous a choisis." in out) == (0, True)

    _, seen = play_json(capsys, "conflict", "show", case, *reviewer)
    code, out, err = play(capsys, *motivated, str(seen["version"]), *first)
    assert code == 1, "a party decides nothing"
    code, out, err = play(capsys, *decide, "--motivation", " ", "--version", str(seen["version"]), *reviewer)
    assert (code, out) == (2, "")
    code, out, _ = play(capsys, *motivated, str(seen["version"]), *reviewer)
    assert (code, "Décision approuvée — une partie refusée" in out) == (0, True)
    code, out, _ = play(capsys, "conflict", "execute", case, *reviewer)
    assert (code, f"commande {world.refused.number} (déposée)" in out) == (0, True)
    code, out, _ = play(capsys, "conflict", "close", case, *reviewer)
    assert (code, ": clos" in out) == (0, True)
    code, out, _ = play(capsys, "conflict", "show", case, *og)
    assert (code, "Le client confirme." in out) == (0, True)
    code, out, _ = play(capsys, "conflict", "show", case, *first)
    assert (code, "Le client confirme." in out) == (0, False)


def test_what_is_unknown_or_malformed(capsys: Capsys, world: World) -> None:
    stranger = ("--token", world.holder.editor.token)
    for name in ("CF-2023-999999", "00000000-0000-4000-8000-000000000001", "rien"):
        code, out, err = play(capsys, "conflict", "show", name, *stranger)
        assert (code, out) == (1, "")
        assert "visible" in err
    code, out, err = play(
        capsys, "conflict", "contest", str(world.refused.order_id), "--reason", "", *stranger
    )
    assert (code, out) == (2, "")
    code, out, err = play(capsys, "conflict", "templates", "CF-2023-999999")
    assert (code, out) == (1, "")
