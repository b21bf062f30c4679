"""The advance and the instruction from the terminal: exit codes, French sentences, the acts of HTTP."""

from __future__ import annotations

import pytest

from sons_tracker.db import engine
from tests import factories_life as life
from tests import factories_orders as make
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database

SHA = "ab" * 32


@pytest.fixture
async def orders(clone: Database, monkeypatch: pytest.MonkeyPatch) -> tuple[life.Life, ...]:
    """An accepted order, and one to review."""
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        owner = make.Everything()
        made = (await life.a_deposited_order(owner), await life.a_deposited_order(owner, dui_in_place=None))
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    return made


def test_an_advance_from_the_request_to_its_validation(
    orders: tuple[life.Life, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    order = orders[0]
    wanted, editor, reviewer = str(order.order_id), order.editor.token, order.reviewer.token
    signed = ("--signature", "electronique", "--document-sha256", SHA)
    code, asked = play_json(capsys, "advance", "request", wanted, *signed, "--token", editor)
    assert (code, asked["state_label"]) == (0, "déposée")
    code, _, err = play(capsys, "advance", "request", wanted, *signed, "--token", editor)
    assert (code, "existe déjà" in err) == (1, True)
    reason = ("--reason", "La mention manque.")
    about = ("--about", "avance", "--kind", "incomplete")
    code, out, _ = play(capsys, "correction", "ask", wanted, *about, *reason, "--token", reviewer)
    assert (code, "La mention manque." in out) == (0, True)
    code, _, err = play(capsys, "advance", "validate", asked["id"], "--token", reviewer)
    assert (code, "à modifier" in err) == (1, True)
    code, _, _ = play(capsys, "correction", "answer", wanted, "--answer", "Complétée.", "--token", editor)
    assert code == 0
    code, out, _ = play(capsys, "order", "actions", wanted, "--token", reviewer)
    assert (code, "✓ Valider la demande d'avance" in out) == (0, True)
    code, out, _ = play(capsys, "advance", "validate", asked["id"], "--token", reviewer)
    assert (code, out.strip().endswith("validée.")) == (0, True)
    code, _, err = play(capsys, "advance", "refuse", asked["id"], *reason, "--token", reviewer)
    assert (code, "validée" in err) == (1, True)
    code, _, err = play(capsys, "advance", "decide", wanted, "--keep", *reason, "--token", reviewer)
    assert (code, "à instruire" in err) == (1, True)
    assert play(capsys, "advance", "request", wanted, "--signature", "sceau", "--token", editor)[0] == 2
    assert play(capsys, "advance", "request", wanted, *signed)[0] == 1  # no token: in whose name?


def test_a_review_is_motivated_and_settles_each_rule(
    orders: tuple[life.Life, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    order = orders[1]
    wanted, reviewer = str(order.order_id), order.reviewer.token
    code, _, err = play(capsys, "order", "review", wanted, "--lift", "R38", "--token", reviewer)
    assert (code, "motive" in err) == (2, True)
    settled = ("order", "review", wanted, "--lift", "R38", "--reason", "Constaté sur pièces.")
    code, _, err = play(capsys, *settled, "--lift", "R05", "--token", reviewer)
    assert (code, "verdict" in err) == (2, True)
    code, out, _ = play(capsys, *settled, "--token", reviewer)
    assert (code, "déposée" in out) == (0, True)
